"""What venues answered, through ccxt's own HTTP path from a local server and out of our interface, against ccxt's word.

ccxt counts contracts and we count coins; ccxt's "closed" with something left is cancelled with us; and the fields in
``RULES`` differ for the reasons that stand there. Every other field is equal, number by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
import pytest
from ccxt_local import ADAPTERS, Local, fixtures

from fra.adapters.ccxt import CCXTAdapter, CCXTOptions
from fra.adapters.ccxt.symbols import kind_of
from fra.core import (
    Balance,
    ExchangeAPIError,
    Fill,
    FundingRate,
    IntervalSource,
    Kline,
    KlineInterval,
    Order,
    OrderBook,
    OrderStatus,
    OrderType,
    Position,
    RateKind,
    Symbol,
    SymbolNotFound,
    Ticker,
    Trade,
)

_FLOAT_DIGITS = 15

Case = Mapping[str, Any]
Check = Callable[[CCXTAdapter, Case, Sequence[Any]], Any]


def _cases() -> list[Any]:
    found = []
    for venue in ADAPTERS:
        for method, cases in (fixtures("response", venue) or {"methods": {}})["methods"].items():
            for number, case in enumerate(cases):
                marks = pytest.mark.skip("ccxt itself has disabled this case") if case.get("disabled") is True else ()
                found.append(pytest.param(venue, method, case, id=f"{venue}-{method}-{number}", marks=marks))
    absent = pytest.param(
        "", "", None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data")
    )
    return found or [absent]


RULES: Mapping[str, str] = {
    "htx v5 fees": "HTX /v5 writes a fee that was paid as positive; ccxt turns its sign round, we do not",
    "cryptocom interval": "ccxt writes 1h whatever Crypto.com does, so the interval is unknown with us",
    "kucoin next": "ccxt's next funding time is a change of schedule at KuCoin, so it is not read",
    "flat": "flat positions and assets that are zero everywhere are left out with us",
    "other account": "an answer with no symbol that we list (a margin pair, an option) is left out with us",
    "acknowledged": "the answer to an order or a cancel may be ids only: then it is pending with us",
    "average of floats": "averages that ccxt computes are compared to nine digits",
    "recorded floats": "recorded results went through floats: beyond 15 digits ours is the venue's, theirs is not",
    "isolated": "ccxt had balances of isolated margin by pair when this was recorded, and has them by asset now",
    "long": "ccxt wrote a position's side as an order's when this was recorded",
    "coin-margined": "Bitget counts coin-margined contracts in base coin: they are refused by name with us",
    "profit": "Bybit's wallet has with us what open positions have won or lost, and is free but for margins and locks",
    "no rate": "an answer with no rate in it is an error with us",
}


UNIFIED: Final = ("walletBalance", "unrealisedPnl", "locked", "totalOrderIM", "totalPositionIM")


def exact(value: Decimal | None) -> Decimal | None:
    """A number that went through no float: never longer than a venue writes it."""
    if value is not None:
        assert type(value) is Decimal
        digits = value.as_tuple().digits
        assert len(digits) <= 30
        tail = "".join(map(str, digits))
        assert "000000000000" not in tail.rstrip("0") or len(tail) < 16, f"float noise in {value}"
        assert "99999999999" not in tail, f"float noise in {value}"
    return value


def same(ours: Decimal | None, theirs: Any, size: Decimal = Decimal(1), *, zero_is_none: bool = False) -> None:
    exact(ours)
    wanted = None if theirs is None else Decimal(str(theirs)) * size
    if zero_is_none and not wanted:
        wanted = None
    if ours is not None and wanted is not None and len(wanted.as_tuple().digits) > _FLOAT_DIGITS:
        assert float(ours) == float(wanted)  # RULES["recorded floats"]
    else:
        assert ours == wanted


def near(ours: Decimal | None, theirs: Any) -> None:
    if theirs is None or ours is None:
        assert not ours
        assert not theirs
    else:
        assert abs(ours - Decimal(str(theirs))) <= abs(ours) * Decimal("1e-9")


# --- one comparison for each kind of thing


def check_book(book: OrderBook, theirs: Any, symbol: Symbol) -> None:
    for ours, rows in ((book.bids, theirs["bids"]), (book.asks, theirs["asks"])):
        assert len(ours) == len(rows)
        for level, row in zip(ours, rows, strict=True):
            same(level.price, row[0])
            same(level.amount, row[1], symbol.contract_size)
    assert book.timestamp_ms == theirs["timestamp"]
    assert book.sequence == theirs["nonce"]
    assert list(book.bids) == sorted(book.bids, key=lambda level: -level.price)
    assert list(book.asks) == sorted(book.asks, key=lambda level: level.price)


def check_ticker(ticker: Ticker, theirs: Any, symbol: Symbol) -> None:
    for name in ("bid", "ask", "last", "open", "high", "low"):
        same(getattr(ticker, name), theirs[name], zero_is_none=True)
    same(ticker.bid_amount, theirs.get("bidVolume"), symbol.contract_size)
    same(ticker.ask_amount, theirs.get("askVolume"), symbol.contract_size)
    assert ticker.timestamp_ms == theirs["timestamp"]


def check_trade(trade: Trade, theirs: Any, symbol: Symbol) -> None:
    same(trade.price, theirs["price"])
    same(trade.amount, theirs["amount"], symbol.contract_size)
    assert (trade.id, trade.side.value, trade.timestamp_ms) == (theirs["id"] or "", theirs["side"], theirs["timestamp"])


def check_kline(kline: Kline, theirs: Sequence[Any], symbol: Symbol, contracts: bool) -> None:
    assert kline.open_ms == theirs[0]
    for ours, value in zip((kline.open, kline.high, kline.low, kline.close), theirs[1:5], strict=True):
        same(ours, value)
    same(kline.volume, theirs[5] or 0, symbol.contract_size if contracts else Decimal(1))


def check_order(order: Order, theirs: Any, symbol: Symbol) -> None:
    status = {
        "open": OrderStatus.OPEN,
        "closed": OrderStatus.FILLED,
        "canceled": OrderStatus.CANCELED,
        "canceling": OrderStatus.OPEN,
        "expired": OrderStatus.EXPIRED,
        "rejected": OrderStatus.REJECTED,
    }.get(theirs["status"], OrderStatus.UNKNOWN)
    if status is OrderStatus.FILLED and theirs["remaining"]:
        status = OrderStatus.CANCELED
    assert order.id == theirs["id"]
    assert order.client_order_id == (theirs["clientOrderId"] or None)
    assert order.side.value == theirs["side"]
    assert order.status is status
    if order.type is not OrderType.MARKET or theirs["amount"]:
        same(order.amount, theirs["amount"], symbol.contract_size)
    same(order.filled, theirs["filled"] or 0, symbol.contract_size)
    if order.type is not OrderType.MARKET:
        same(order.price, theirs["price"], zero_is_none=True)
    if order.filled:
        near(order.average_price, theirs["average"])
    else:
        assert order.average_price is None
    assert order.created_ms == (theirs["timestamp"] if (theirs["timestamp"] or 0) > 0 else None)


def check_fill(fill: Fill, theirs: Any, symbol: Symbol, venue: str) -> None:
    same(fill.price, theirs["price"])
    same(fill.amount, theirs["amount"], symbol.contract_size)
    assert (fill.trade_id, fill.side.value, fill.timestamp_ms) == (theirs["id"], theirs["side"], theirs["timestamp"])
    assert fill.order_id == theirs["order"]
    fee = theirs["fee"] or next(iter(theirs["fees"]), None) or {}
    if venue == "htx" and "fee_currency" in theirs["info"]:  # RULES["htx v5 fees"]
        fee = {**fee, "cost": -Decimal(str(fee["cost"]))}
    same(fill.fee, fee.get("cost"))
    assert fill.fee_asset == (fee.get("currency") if fee.get("cost") is not None else None)
    role = theirs["takerOrMaker"]
    assert fill.maker == (None if role is None else role == "maker")


def check_unified(found: Iterable[Balance], coins: Iterable[Mapping[str, Any]]) -> None:
    """Bybit's rows as they are, by its own document: RULES["profit"]."""
    rows = {coin["coin"]: {name: Decimal(str(coin.get(name) or 0)) for name in UNIFIED} for coin in coins}
    for balance in found:
        row = rows[balance.asset]
        assert exact(balance.total) == row["walletBalance"] + row["unrealisedPnl"]
        held = row["locked"] + row["totalOrderIM"] + row["totalPositionIM"]
        assert exact(balance.free) == balance.total - held
    assert {balance.asset for balance in found} >= {name for name, row in rows.items() if row["walletBalance"]}


def check_balances(found: Iterable[Balance], theirs: Any) -> None:
    if "total" not in theirs:  # RULES["isolated"]
        pairs = [pair for name, pair in theirs.items() if "/" in name]
        theirs = {name: {a: n for pair in pairs for a, n in pair[name].items()} for name in ("total", "free")}
    total = {asset: amount for asset, amount in theirs["total"].items() if amount or theirs["free"].get(asset)}
    held = {balance.asset: balance for balance in found}
    assert held.keys() >= total.keys()  # RULES["flat"]
    for asset, balance in held.items():
        if theirs["total"].get(asset) is not None:
            same(balance.total, theirs["total"][asset])
        if theirs["free"].get(asset) is not None:
            same(balance.free, theirs["free"][asset])
        assert balance.total or balance.free or balance.borrowed


def check_position(position: Position, theirs: Any, symbol: Symbol) -> None:
    same(position.amount, abs(Decimal(str(theirs["contracts"]))), symbol.contract_size)
    assert position.side.value == {"buy": "long", "sell": "short"}.get(theirs["side"], theirs["side"])  # RULES["long"]
    same(position.entry_price, theirs["entryPrice"], zero_is_none=True)
    same(position.mark_price, theirs["markPrice"], zero_is_none=True)
    near(position.unrealized_pnl, theirs["unrealizedPnl"])
    assert (position.margin_mode.value if position.margin_mode else None) == theirs["marginMode"]


def check_rate(rate: FundingRate, theirs: Any, adapter: CCXTAdapter) -> None:
    same(rate.rate, theirs["fundingRate"])
    assert rate.kind is RateKind.ESTIMATED
    same(rate.mark_price, theirs["markPrice"])
    same(rate.index_price, theirs["indexPrice"])
    hours = {"1h": 1, "2h": 2, "4h": 4, "6h": 6, "8h": 8}.get(theirs.get("interval"))
    if adapter.venue.interval_source is None:
        assert rate.interval is None
    else:
        assert (rate.interval is None) == (hours is None)
        if rate.interval is not None:
            assert rate.interval.total_seconds() == (hours or 0) * 3600
            assert rate.interval_source in (IntervalSource.REPORTED, IntervalSource.DERIVED)
    # Recorded settlements have passed, and what has passed is not the next one.
    assert rate.next_settlement_ms is None


ASKED = "asked"
"""The wallet that a case asks for, whatever its parameters are."""


def markets_of(venue: str, case: Case) -> tuple[str, ...]:
    """The markets whose rows a case is of, where it names no symbol: all are asked in turn, and get the same answer."""
    theirs = case["parsedResponse"]
    if (case["input"] and isinstance(case["input"][0], str | list)) or not isinstance(theirs, list):
        return ()
    listed = ADAPTERS[venue].venue
    kinds = {kind_of(fixtures("markets", venue)[row["symbol"]]) for row in theirs if row.get("symbol")}
    return tuple(name for name in listed.markets if kinds & set(listed.markets[name]))


# --- how each of ccxt's methods is asked for through our interface


def symbol_in(adapter: CCXTAdapter, name: Any) -> Symbol:
    return adapter.symbol(name[0] if isinstance(name, list) else name)


def at(args: Sequence[Any], index: int) -> Any:
    return args[index] if len(args) > index else None


async def through(adapter: CCXTAdapter, method: str, case: Case, args: list[Any]) -> None:
    theirs = case["parsedResponse"]
    symbol = symbol_in(adapter, args[0]) if args and isinstance(args[0], str | list) and "/" in str(args[0]) else None
    match method:
        case "fetchOrderBook":
            assert symbol
            check_book(await adapter.get_orderbook(symbol, depth=at(args, 1)), theirs, symbol)
        case "fetchTicker":
            assert symbol
            check_ticker(await adapter.get_ticker(symbol), theirs, symbol)
        case "fetchTickers":
            tickers = await adapter.get_tickers([adapter.symbol(name) for name in args[0]])
            for ticker in tickers:
                check_ticker(ticker, theirs[ticker.symbol], adapter.symbol(ticker.symbol))
            assert len(tickers) == len(theirs)
        case "fetchTrades":
            assert symbol
            found = await adapter.get_trades(symbol, limit=at(args, 2))
            for trade, row in zip(found, theirs, strict=True):
                check_trade(trade, row, symbol)
        case "fetchOHLCV":
            assert symbol
            klines = await adapter.get_klines(symbol, KlineInterval(args[1]), since=at(args, 2), limit=at(args, 3))
            for kline, row in zip(klines, theirs, strict=True):
                check_kline(kline, row, symbol, symbol.kind in adapter.venue.candles_in_contracts)
        case "fetchFundingRate":
            assert symbol
            if theirs["fundingRate"] is None:  # RULES["no rate"]
                with pytest.raises(ExchangeAPIError):
                    await adapter.get_funding_rate(symbol)
            else:
                check_rate(await adapter.get_funding_rate(symbol), theirs, adapter)
        case "fetchFundingRates":
            rates = await adapter.get_funding_rates([adapter.symbol(name) for name in args[0]])
            for rate in rates:
                check_rate(rate, theirs[rate.symbol], adapter)
            assert len(rates) == len(theirs)
        case "fetchFundingRateHistory":
            assert symbol
            history = await adapter.get_funding_rate_history(symbol, since=at(args, 1), limit=at(args, 2))
            for rate, row in zip(history, theirs, strict=True):
                same(rate.rate, row["fundingRate"])
                assert (rate.kind, rate.settled_ms) == (RateKind.SETTLED, row["timestamp"])
        case "fetchBalance":
            found = await adapter.get_balance(ASKED)
            accounts = adapter.venue.id == "bybit" and case["httpResponse"]["result"].get("list")
            if accounts and "unrealisedPnl" in accounts[0]["coin"][0]:
                check_unified(found, [coin for account in accounts for coin in account["coin"]])
            else:
                check_balances(found, theirs)
        case "fetchPositions" | "fetchPosition":
            rows = [theirs] if isinstance(theirs, dict) else theirs
            positions = await adapter.get_positions(symbol)
            wanted = [row for row in rows if row["contracts"] and row["symbol"] in adapter.symbols]  # RULES["flat"]
            for position, row in zip(positions, wanted, strict=True):
                check_position(position, row, adapter.symbol(row["symbol"]))
        case "fetchOrder" | "fetchOpenOrder" | "fetchClosedOrder":
            order = await adapter.get_order(str(args[0]), adapter.symbol(args[1]))
            check_order(order, theirs, adapter.symbol(args[1]))
        case "fetchOpenOrders":
            await orders_agree(adapter, await adapter.get_open_orders(symbol), theirs)
        case "fetchClosedOrders" | "fetchOrders":
            for name in {"fetchCanceledAndClosedOrders", "fetchOrders", "fetchClosedOrders", "fetchCanceledOrders"}:
                adapter.client.has[name] = name == method
            await orders_agree(adapter, await adapter.get_order_history(symbol), theirs, ended=True)
        case "fetchMyTrades":
            fills = await adapter.get_trade_history(symbol, limit=at(args, 2))
            rows = sorted((row for row in theirs if row["symbol"] in adapter.symbols), key=lambda row: row["timestamp"])
            for fill, row in zip(fills, rows, strict=True):
                check_fill(fill, row, adapter.symbol(row["symbol"]), adapter.venue.id)
        case "createOrder" | "createMarketBuyOrderWithCost" | "cancelOrder":
            ccxt = {
                "createOrder": "create_order",
                "createMarketBuyOrderWithCost": "create_market_buy_order_with_cost",
                "cancelOrder": "cancel_order",
            }[method]
            raw = await adapter.call(ccxt, *[str(a) if isinstance(a, Decimal) else a for a in args])
            assert (raw["id"], raw["clientOrderId"]) == (theirs["id"], theirs["clientOrderId"])
            if theirs["side"] and theirs["symbol"]:  # RULES["acknowledged"]
                check_order(
                    adapter.order(raw, adapter.symbol(theirs["symbol"])), theirs, adapter.symbol(theirs["symbol"])
                )
        case "cancelAllOrders":
            raws = await adapter.call("cancel_all_orders", *args)
            assert [row["id"] for row in raws] == [row["id"] for row in theirs]
        case _:
            raise AssertionError(f"{method} has no way through our interface")


async def orders_agree(adapter: CCXTAdapter, orders: Sequence[Order], theirs: Any, *, ended: bool = False) -> None:
    rows = {row["id"]: row for row in theirs if row["symbol"] in adapter.symbols}  # RULES["other account"]
    if ended:
        rows = {name: row for name, row in rows.items() if row["status"] not in ("open", None)}
    assert {order.id for order in orders} == rows.keys()
    for order in orders:
        assert order.id is not None
        check_order(order, rows[order.id], adapter.symbol(order.symbol))


@pytest.mark.parametrize(("venue", "method", "case"), _cases())
async def test_a_recorded_answer_comes_out_of_our_interface(venue: str, method: str, case: Case) -> None:
    args = list(case["input"])
    params = args.pop() if args and isinstance(args[-1], dict) else {}
    options = {**fixtures("response", venue, str).get("options", {}), **case.get("options", {})}
    local = Local(case["httpResponse"])
    plain = {key: str(value) if isinstance(value, Decimal) else value for key, value in params.items()}
    wallets = {**ADAPTERS[venue].venue.wallets, ASKED: plain}
    cls = type("Asked", (ADAPTERS[venue],), {"venue": attrs.evolve(ADAPTERS[venue].venue, wallets=wallets)})
    config = {
        "extra_params": plain,
        "options": CCXTOptions(ccxt={"options": options}),
        "markets": markets_of(venue, case),
    }
    async with local.adapter(venue, cls=cls, **config) as adapter:
        if venue == "bitget" and args and str(args[0]).startswith("BTC/USD:"):  # RULES["coin-margined"]
            with pytest.raises(SymbolNotFound):
                symbol_in(adapter, args[0])
            return
        await through(adapter, method, case, args)
    assert local.asked, "nothing was asked over HTTP"

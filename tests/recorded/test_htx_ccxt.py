"""Recorded answers through the adapter over a socket, against what ccxt made of them, by named rules."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from captures import lines, recordings
from htx_local import SIZES, HtxLocal

from fra.core import (
    Balance,
    ExchangeHandle,
    Fill,
    FundingPayment,
    FundingRate,
    Kline,
    Order,
    OrderBook,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Side,
    Ticker,
    TimeInForce,
    Trade,
)
from fra.exchanges.htx import convert, wire

FIXTURES = Path(os.environ["FRA_FIXTURES"]) if "FRA_FIXTURES" in os.environ else None
ABSENT = pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))
SKIP = pytest.param(None, None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))

RULES: Mapping[str, str] = {
    "contracts": "ccxt counts contracts of swaps, we count coins: its amounts times the contract's size are ours",
    "market price": "ccxt gives a market order the price it was filled at; ours has none, and the average beside it",
    "market time in force": "ccxt calls every market order IOC; HTX says nothing of it, so ours is unknown",
    "spot time in force": "ccxt leaves it out where the type tells it; ours is what the type says",
    "fee sign": "ccxt turns the sign of every fee round; HTX's v5 trades give what was paid as positive, and so do we",
    "order fee": "fees are told by fills, not by orders",
    "both sides": "of swaps HTX counts buyers and sellers, and ccxt takes the sum for the volume",
    "v5 lists": "a cancel gives ids alone, so ours asks for the order: only the ids are compared",
    "query id": "of lists ccxt takes the row's own id for the order's; ours is order_id, by which orders are found",
    "float": "ccxt's numbers went through floats",
}

Case = Mapping[str, Any]


def _symbol(case: Case) -> str:
    first = case["input"][0] if case["input"] else None
    for value in (first, case["input"][1] if len(case["input"]) > 1 else None):
        named = value[0] if isinstance(value, list) else value
        if isinstance(named, str) and "/" in named:
            return named
    return ""


def _more(case: Case) -> Mapping[str, Any]:
    return next((value for value in case["input"] if isinstance(value, dict)), {})


EXCLUDED: Mapping[str, Callable[[Case], bool]] = {
    "coin-margined and dated contracts are not covered": lambda case: (
        _symbol(case) not in SIZES and ":" in _symbol(case)
    ),
    "conditional orders of swaps are refused": lambda case: (
        any("algo_id" in row for row in _rows(case)) or bool(_more(case).keys() & {"trailing", "stopLossTakeProfit"})
    ),
    "v5's copy of funding rates: every account can ask v1's": lambda case: (
        case["method"] in ("fetchFundingRateHistory", "fetchFundingRate") and "code" in case["httpResponse"]
    ),
}
"""What is not compared here, and why."""


def _rows(case: Case) -> list[Any]:
    data = case["httpResponse"].get("data")
    return data if isinstance(data, list) else [data] if isinstance(data, dict) else []


def cases() -> list[Any]:
    if FIXTURES is None:
        return [SKIP]
    with (FIXTURES / "ccxt" / "response" / "htx.json").open() as opened:
        found = json.load(opened, parse_float=Decimal)["methods"]
    return [
        pytest.param(method, {**case, "method": method}, id=f"{method}-{case['description']}")
        for method, of_method in found.items()
        for case in of_method
        if not case.get("disabled")
    ]


def near(ours: Decimal | None, theirs: object) -> bool:
    """Equal, or as near as a float comes (rule "float")."""
    if ours is None or theirs is None:
        return ours is theirs
    return float(ours) == pytest.approx(float(str(theirs)), rel=1e-12)


def size_of(symbol: str) -> Decimal:
    return SIZES.get(symbol, Decimal(1))


def in_coins(symbol: str, theirs: object) -> Decimal | None:
    """Rule "contracts"."""
    return None if theirs is None else Decimal(str(theirs)) * size_of(symbol)


# --- one comparison per kind of answer ---------------------------------------------------------------------------


def check_order(ours: Order, theirs: Case) -> None:
    status = {OrderStatus.FILLED: "closed", OrderStatus.REJECTED: "rejected", OrderStatus.CANCELED: "canceled"}
    assert theirs["status"] in (None, status.get(ours.status, "open"))
    # Rule "query id".
    assert ours.id == theirs["info"].get("order_id", theirs["id"])
    assert (ours.symbol, ours.client_order_id) == (theirs["symbol"], theirs["clientOrderId"])
    assert (ours.side.value, ours.type.value) == (theirs["side"], theirs["type"])
    assert ours.created_ms == theirs["timestamp"]
    assert near(ours.amount, in_coins(ours.symbol, theirs["amount"]))
    assert near(ours.filled, in_coins(ours.symbol, theirs["filled"] or 0))
    assert near(ours.average_price, theirs["average"])
    assert bool(ours.reduce_only) is bool(theirs["reduceOnly"])
    if ours.type is OrderType.MARKET:
        assert (ours.price, ours.time_in_force) == (None, None)
    else:
        assert near(ours.price, theirs["price"])
        assert theirs["timeInForce"] in (None, ours.time_in_force and ours.time_in_force.value)


def check_fill(ours: Fill, theirs: Case) -> None:
    assert (ours.symbol, ours.trade_id, ours.order_id) == (theirs["symbol"], theirs["id"], theirs["order"])
    assert (ours.side.value, ours.timestamp_ms) == (theirs["side"], theirs["timestamp"])
    assert near(ours.price, theirs["price"])
    assert near(ours.amount, in_coins(ours.symbol, theirs["amount"]))
    assert ours.maker is (None if theirs["takerOrMaker"] is None else theirs["takerOrMaker"] == "maker")
    assert ours.fee_asset == theirs["fee"]["currency"]
    assert ours.fee is not None
    assert near(abs(ours.fee), abs(Decimal(str(theirs["fee"]["cost"]))))
    assert ours.fee > 0 or ours.maker, "a taker pays"


def check_position(ours: Position, theirs: Case) -> None:
    assert (ours.symbol, ours.side.value) == (theirs["symbol"], theirs["side"])
    assert near(ours.amount, in_coins(ours.symbol, theirs["contracts"]))
    assert near(ours.entry_price, theirs["entryPrice"])
    assert near(ours.mark_price, theirs["markPrice"])
    assert near(ours.unrealized_pnl, theirs["unrealizedPnl"])
    assert near(ours.leverage, theirs["leverage"])
    assert ours.margin_mode is not None
    assert ours.margin_mode.value == theirs["marginMode"]
    liquidation = theirs["liquidationPrice"]
    assert near(ours.liquidation_price, liquidation if liquidation and float(liquidation) > 0 else None)


def check_ticker(ours: Ticker, theirs: Case) -> None:
    assert (ours.symbol, ours.timestamp_ms) == (theirs["symbol"], theirs["timestamp"])
    for name in ("bid", "ask", "last", "open", "high", "low"):
        assert near(getattr(ours, name), theirs[name]), name
    assert near(ours.bid_amount, theirs["bidVolume"])
    assert near(ours.ask_amount, theirs["askVolume"])
    assert near(ours.volume, theirs["baseVolume"])
    assert near(ours.quote_volume, theirs["quoteVolume"])


def check_trade(ours: Trade, theirs: Case) -> None:
    """Rules "contracts" and "both sides"."""
    assert (ours.symbol, ours.id, ours.side.value) == (theirs["symbol"], theirs["id"], theirs["side"])
    assert ours.timestamp_ms == theirs["timestamp"]
    assert near(ours.price, theirs["price"])
    sides = 2 if ours.symbol in SIZES else 1
    assert near(ours.amount * sides, in_coins(ours.symbol, theirs["amount"]))


def check_kline(ours: Kline, theirs: list[Any]) -> None:
    """Rule "both sides"."""
    assert ours.open_ms == theirs[0]
    assert all(map(near, (ours.open, ours.high, ours.low, ours.close), theirs[1:5]))
    assert near(ours.volume * (2 if ours.symbol in SIZES else 1), theirs[5])


def check_rate(ours: FundingRate, theirs: Case) -> None:
    assert (ours.symbol, ours.settled_ms) == (theirs["symbol"], theirs["timestamp"])
    assert near(ours.rate, theirs["fundingRate"])


def check_balances(ours: list[Balance], theirs: Case) -> None:
    told = {asset: row for asset, row in theirs.items() if isinstance(row, dict) and "total" in row}
    held = {asset for asset, row in told.items() if row["total"] and Decimal(str(row["total"]))}
    assert {balance.asset for balance in ours} >= held
    for balance in ours:
        assert near(balance.total, told[balance.asset]["total"])
        assert near(balance.free, told[balance.asset]["free"])


def check_payment(ours: FundingPayment, theirs: Case) -> None:
    assert (ours.symbol, ours.id, ours.asset) == (theirs["symbol"], theirs["id"], theirs["code"])
    assert ours.timestamp_ms == theirs["timestamp"]
    assert near(ours.amount, theirs["amount"])


def check_book(ours: OrderBook, theirs: Case) -> None:
    for mine, others in ((ours.bids, theirs["bids"]), (ours.asks, theirs["asks"])):
        assert len(mine) == len(others)
        for level, other in zip(mine, others, strict=True):
            assert near(level.price, other[0])
            assert near(level.amount, in_coins(ours.symbol, other[1]))


def check_running_rate(ours: FundingRate, theirs: Case) -> None:
    assert ours.symbol == theirs["symbol"]
    assert near(ours.rate, theirs["fundingRate"])


def order_request(case: Case) -> OrderRequest:
    symbol, kind, side, amount, *rest = case["input"]
    price = rest[0] if rest else None
    more = _more(case)
    by_value = ":" not in symbol and kind == "market" and side == "buy"
    size = Decimal(str(amount)) * size_of(symbol)
    spent = size if price is None else size * Decimal(str(price))
    return OrderRequest(
        symbol=symbol,
        type=OrderType(kind),
        side=Side(side),
        amount=None if by_value else size,
        quote_amount=spent if by_value else None,
        price=None if price is None or kind == "market" else Decimal(str(price)),
        time_in_force=TimeInForce(more.get("timeInForce", "GTC")),
        position_side=PositionSide(more.get("position_side", "net")),
        reduce_only=bool(more.get("reduceOnly", False)),
        client_order_id="123",
    )


def check_many(check: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Of an answer by symbol those that are listed here."""

    def check_them(ours: list[Any], theirs: Case) -> None:
        compared = [check(one, theirs[one.symbol]) for one in ours if one.symbol in theirs]
        assert compared or not theirs.keys() & {"BTC/USDT", "LTC/USDT", *SIZES}

    return check_them


def check_swap_or_pair(ours: Ticker, theirs: Case) -> None:
    """Rules "contracts" and "both sides"."""
    if ours.symbol not in SIZES:
        check_ticker(ours, theirs)
        return
    for name in ("bid", "ask", "last", "open", "high", "low"):
        assert near(getattr(ours, name), theirs[name]), name
    assert near(ours.bid_amount, in_coins(ours.symbol, theirs["bidVolume"]))
    assert ours.volume is not None
    assert near(ours.volume * 2, theirs["baseVolume"])


def check_nothing(ours: object, theirs: object) -> None:
    """That it was taken is all that an answer to a setting says."""


def check_ids(ours: Order, theirs: Case) -> None:
    """Rule "v5 lists"."""
    assert ours.id == theirs["id"]


Call = Callable[[ExchangeHandle, Case], Awaitable[Any]]
LISTS: dict[str, tuple[Call, Callable[[Any, Any], None]]] = {
    "fetchOrder": (lambda htx, case: htx.get_order(str(case["input"][0]), case["input"][1]), check_order),
    "fetchOpenOrders": (lambda htx, case: htx.get_open_orders(case["input"][0]), check_order),
    "fetchOrders": (lambda htx, case: htx.get_order_history(case["input"][0]), check_order),
    "fetchClosedOrders": (lambda htx, case: htx.get_order_history(case["input"][0]), check_order),
    "fetchCanceledOrders": (lambda htx, case: htx.get_order_history(case["input"][0]), check_order),
    "fetchMyTrades": (lambda htx, case: htx.get_trade_history(case["input"][0]), check_fill),
    "fetchPositions": (lambda htx, case: htx.get_positions(), check_position),
    "fetchPosition": (lambda htx, case: htx.get_positions(case["input"][0]), check_position),
    "fetchTicker": (lambda htx, case: htx.get_ticker(case["input"][0]), check_swap_or_pair),
    "fetchTrades": (lambda htx, case: htx.get_trades(case["input"][0]), check_trade),
    "fetchOHLCV": (lambda htx, case: htx.get_klines(case["input"][0], case["input"][1]), check_kline),
    "fetchFundingRateHistory": (lambda htx, case: htx.get_funding_rate_history(case["input"][0]), check_rate),
    "cancelAllOrders": (lambda htx, case: htx.cancel_all_orders(case["input"][0]), check_ids),
    "cancelOrder": (lambda htx, case: htx.cancel_order(str(case["input"][0]), case["input"][1]), check_ids),
    "createOrder": (lambda htx, case: htx.create_order(order_request(case)), check_ids),
    "fetchBalance": (
        lambda htx, case: htx.get_balance("spot" if "list" in str(case["httpResponse"]) else "linear"),
        check_balances,
    ),
    "fetchFundingHistory": (lambda htx, case: htx.get_funding_payments(case["input"][0]), check_payment),
    "fetchOrderBook": (lambda htx, case: htx.get_orderbook(case["input"][0]), check_book),
    "fetchFundingRate": (lambda htx, case: htx.get_funding_rate(case["input"][0]), check_running_rate),
    "fetchFundingRates": (lambda htx, case: htx.get_funding_rates(), check_many(check_running_rate)),
    "fetchTickers": (lambda htx, case: htx.get_tickers(), check_many(check_swap_or_pair)),
    "setLeverage": (lambda htx, case: htx.set_leverage(case["input"][1], case["input"][0]), check_nothing),
    "setPositionMode": (
        lambda htx, case: htx.set_position_mode(PositionMode.HEDGE if case["input"][0] else PositionMode.ONE_WAY),
        check_nothing,
    ),
}


SPOT_ROW = {"symbol": "ltcusdt", "amount": "1", "price": "1", "type": "buy-limit", "state": "canceled"}


def ended(asked: Mapping[str, str], case: Case) -> Any:
    """The order of an id that was cancelled: what a case of cancelling leaves open."""
    order = {"contract_code": "BTC-USDT", "order_id": asked["order_id"], "side": "buy", "type": "limit"}
    return {"code": 200, "data": {**order, "state": "canceled", "volume": "1", "price": "1"}}


@pytest.mark.parametrize(("method", "case"), cases())
async def test_a_recorded_answer_means_the_same_to_us(method: str, case: Case) -> None:
    reasons = [reason for reason, excludes in EXCLUDED.items() if excludes(case)]
    if reasons:
        return
    assert method in LISTS, f"neither compared nor excluded: {method}"
    call, check = LISTS[method]
    answers: dict[str, Any] = {}
    if method == "cancelAllOrders":
        answers["/v5/trade/order"] = lambda asked: ended(asked, case)
        answers["/v5/trade/order/opens"] = {"code": 200, "data": []}
    if method in ("cancelOrder", "createOrder"):
        answers["/v5/trade/order"] = lambda asked: ended(asked, case) if "order_id" in asked else response
        answers["/v1/order/orders/" + str(case["input"][0])] = {
            "status": "ok",
            "data": {**SPOT_ROW, "id": case["input"][0]},
        }
        mode = "dual_side" if "position_side" in _more(case) else "single_side"
        answers["/v5/position/mode"] = {"code": 200, "data": {"position_mode": mode}}
    if method.startswith("fetchFundingRate"):
        answers["/linear-swap-api/v1/swap_query_elements"] = {"status": "ok", "data": []}
        answers["/index/market/history/linear_swap_mark_price_kline"] = {"status": "ok", "data": []}
    response = json.loads(json.dumps(case["httpResponse"], default=str))
    multi = _symbol(case) in SIZES or "details" in str(response)
    server = HtxLocal(answers, otherwise=response)
    markets = ["spot", "linear"]
    if method == "fetchTickers":
        markets = ["linear"] if "ticks" in response else ["spot"]
    async with server.connected(markets=markets, options={"account": "multi" if multi else "single"}) as htx:
        found = await call(htx, case)
    if method in ("fetchBalance", "fetchTickers", "fetchFundingRates"):
        check(list(found), case["parsedResponse"])
        return
    ours = list(found) if isinstance(found, list | tuple) else [found]
    theirs = case["parsedResponse"] if isinstance(case["parsedResponse"], list) else [case["parsedResponse"]]
    if method in ("fetchTrades", "fetchOHLCV", "fetchMyTrades", "fetchFundingRateHistory"):
        ours = ours[-len(theirs) :] if method != "fetchTrades" else ours[: len(theirs)]
    if check is check_nothing:
        return
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        check(one, other)


# --- instruments -------------------------------------------------------------------------------------------------


def markets() -> list[Any]:
    if FIXTURES is None:
        return [ABSENT]
    with (FIXTURES / "ccxt" / "markets" / "htx.json").open() as opened:
        return [pytest.param(market, id=name) for name, market in json.load(opened, parse_float=Decimal).items()]


@pytest.mark.parametrize("market", markets())
def test_instruments_agree_with_ccxt(market: Case) -> None:
    if market["inverse"] or not (market["spot"] or market["info"]):
        return  # coin-margined contracts are not covered
    kind = wire.Instrument if market["spot"] else wire.Contract
    if "contract_code" not in market["info"] and not market["spot"]:
        return
    result = convert.symbols([msgspec.convert(market["info"], kind, strict=False)])
    if market["future"]:
        assert [row.reason for row in result.refused] == ["dated contracts are not covered"]
        return
    (found,) = result
    size = Decimal(market["contractSize"] or 1)
    assert (found.name, found.venue_id, found.active) == (market["symbol"], market["id"], bool(market["active"]))
    assert (found.base, found.quote, found.settle) == (market["base"], market["quote"], market["settle"])
    assert found.contract_size == size
    assert found.tick_size == Decimal(str(market["precision"]["price"]))
    assert found.lot_size == Decimal(str(market["precision"]["amount"])) * size
    if market["spot"]:
        assert found.min_amount == Decimal(str(market["limits"]["amount"]["min"]))
        assert found.min_notional == Decimal(str(market["limits"]["cost"]["min"]))
    else:
        assert found.min_amount == size


@pytest.fixture
def theirs() -> Any:
    """ccxt's HTX with strings for numbers."""
    ccxt = pytest.importorskip("ccxt")
    htx = ccxt.htx()
    htx.number = str
    return htx


@pytest.mark.parametrize(
    "capture",
    [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in recordings("htx/*-trades/*")] or [ABSENT],
)
def test_trades(capture: Path, theirs: Any) -> None:
    decoder = msgspec.json.Decoder(wire.Push[wire.Trades])
    compared = 0
    for line in lines(capture):
        if line["dir"] != "recv" or not line["raw"].startswith('{"ch"'):
            continue
        sent = json.loads(line["raw"], parse_float=str, parse_int=str)["tick"]["data"]
        for row, raw in zip(decoder.decode(line["raw"]).tick.data, sent, strict=True):
            compared += 1
            parsed = theirs.parse_trade({**raw, "ts": int(raw["ts"])})
            assert (row.price, row.direction, row.ts) == (Decimal(parsed["price"]), parsed["side"], parsed["timestamp"])
            assert row.amount == Decimal(parsed["amount"])
            # Named rules (test_htx_messages.py): of swaps ccxt takes the sum of both sides for the amount, and of
            # spot's pushes the long id where we take the trade's number.
    assert compared > 0

"""Recorded answers of one exchange through its package on ccxt: asked by our interface, held to ccxt's recorded word.

What a package mends it compares with the raw body by itself; here is what holds for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
from aiohttp import web
from ccxt_local import Local, fixtures
from serving import serving

from fra.adapters.ccxt import CCXTAdapter, CCXTOptions
from fra.core import KlineInterval, OrderStatus, OrderType, Symbol

Case = Mapping[str, Any]

ABSENT = pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data")
STATUSES: Mapping[str | None, OrderStatus] = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
}
_FLOAT_DIGITS = 15
_LONGEST = 30


def cases(venue: str, *methods: str) -> list[Any]:
    """Parameters (method, case) of the recorded answers of these methods, of all without any."""
    recorded = (fixtures("response", venue) or {"methods": {}})["methods"]
    found = [
        pytest.param(method, case, id=f"{venue}-{method}-{number}")
        for method, rows in recorded.items()
        if not methods or method in methods
        for number, case in enumerate(rows)
        if case.get("disabled") is not True
    ]
    return found or [pytest.param("", None, marks=ABSENT, id="none")]


def markets(venue: str) -> list[Any]:
    """Parameters of the recorded markets."""
    found = [pytest.param(market, id=name) for name, market in fixtures("markets", venue).items()]
    return found or [pytest.param(None, marks=ABSENT, id="none")]


def body(value: Any) -> Any:
    """A recorded body with its numbers as they were written."""
    if isinstance(value, Mapping):
        return {key: body(one) for key, one in value.items()}
    if isinstance(value, list):
        return [body(one) for one in value]
    return str(value) if isinstance(value, Decimal) else value


@asynccontextmanager
async def answering(
    cls: type[CCXTAdapter], venue: str, case: Case, *, markets: Sequence[str] = (), **more: Any
) -> AsyncIterator[CCXTAdapter]:
    """The adapter in front of a server that gives the case's body to everything, with the case's parameters."""
    params = case["input"][-1] if case["input"] and isinstance(case["input"][-1], dict) else {}
    recorded = fixtures("response", venue, str).get("options", {})
    options = {**recorded, **case.get("options", {}), **{key: params[key] for key in ("uta",) if key in params}}
    local = Local(case["httpResponse"])
    extra = {key: body(value) for key, value in params.items() if key not in ("clientOrderId",)}
    async with local.adapter(
        venue,
        cls=cls,
        extra_params=extra,
        options=CCXTOptions(ccxt={"options": options}),
        markets=tuple(markets),
        **more,
    ) as adapter:
        yield adapter
    assert local.asked, "nothing was asked over HTTP"


@asynccontextmanager
async def reachable(local: Local) -> AsyncIterator[str]:
    """The address of a venue, for what connects to it by name."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", local.serve)
    async with serving(app) as address:
        yield f"http://{address}"


def symbol_of(adapter: CCXTAdapter, case: Case) -> Symbol:
    """The symbol that a case is about."""
    for given in case["input"]:
        for name in given if isinstance(given, list) else [given]:
            if isinstance(name, str) and "/" in name:
                return adapter.symbol(name)
    rows = case["parsedResponse"]
    return adapter.symbol((rows[0] if isinstance(rows, list) else rows)["symbol"])


async def ask(adapter: CCXTAdapter, method: str, case: Case) -> list[Any]:
    """What our interface gives for one of ccxt's calls; for orders that were sent, what it makes of the answer."""
    args = [body(one) for one in case["input"] if not isinstance(one, dict)]
    at = dict(enumerate(args))
    symbol = symbol_of(adapter, case) if method not in ("fetchBalance", "setPositionMode") else None
    match method:
        case "fetchOrderBook":
            return [await adapter.get_orderbook(symbol, depth=at.get(1))]
        case "fetchTicker":
            return [await adapter.get_ticker(symbol)]
        case "fetchTickers":
            return list(await adapter.get_tickers([symbol]))
        case "fetchTrades":
            return list(await adapter.get_trades(symbol, limit=at.get(2)))
        case "fetchOHLCV":
            return list(await adapter.get_klines(symbol, KlineInterval(args[1]), since=at.get(2), limit=at.get(3)))
        case "fetchFundingRate":
            return [await adapter.get_funding_rate(symbol)]
        case "fetchFundingRateHistory":
            return list(await adapter.get_funding_rate_history(symbol, since=at.get(1), limit=at.get(2)))
        case "fetchBalance":
            wallet = next(iter(adapter.venue.wallet_of.values()))
            return list(await adapter.get_balance(wallet))
        case "fetchPosition" | "fetchPositions":
            return list(await adapter.get_positions(symbol))
        case "fetchOrder":
            return [await adapter.get_order(args[0], symbol)]
        case "fetchOpenOrders":
            return list(await adapter.get_open_orders(symbol))
        case "fetchClosedOrders":
            rows = await adapter.call("fetch_closed_orders", symbol.name)
            return adapter.orders(rows)
        case "fetchMyTrades":
            return list(await adapter.get_trade_history(symbol, limit=at.get(2)))
        case "createOrder" | "cancelOrder":
            raw = await adapter.call({"createOrder": "create_order", "cancelOrder": "cancel_order"}[method], *args)
            assert (raw["id"], raw["clientOrderId"]) == tuple(
                case["parsedResponse"][k] for k in ("id", "clientOrderId")
            )
            return [adapter.order(raw, symbol)] if raw.get("side") else []
        case "cancelAllOrders":
            raws = await adapter.call("cancel_all_orders", symbol.name)
            assert [row["id"] for row in raws] == [row["id"] for row in case["parsedResponse"]]
            return []
        case "setPositionMode":
            await adapter.call("set_position_mode", *args)
            return []
        case _:
            raise AssertionError(f"{method} has no way through our interface")


def numbers(model: Any) -> Iterator[Decimal]:
    """Every number of a model (times and names aside); fails for a float."""
    values = attrs.asdict(model, recurse=False) if attrs.has(type(model)) else {}
    for name, value in values.items():
        assert not isinstance(value, float), f"{name} is a float"
        if isinstance(value, Decimal):
            yield value
        elif name in ("bids", "asks"):
            for level in value:
                assert type(level.price) is type(level.amount) is Decimal
                yield from (level.price, level.amount)


def exact(model: Any) -> None:
    """No number of it went through a float."""
    for value in numbers(model):
        digits = "".join(map(str, value.as_tuple().digits))
        assert len(digits) <= _LONGEST
        assert "99999999999" not in digits, f"float noise in {value}"
        assert "000000000000" not in digits.rstrip("0") or len(digits) < _FLOAT_DIGITS + 1, f"float noise in {value}"


def same(ours: Decimal | None, theirs: Any, size: Decimal = Decimal(1)) -> None:
    """Equal numbers; those that were recorded as floats of more digits than a float has are equal as floats."""
    wanted = None if theirs in (None, "") else Decimal(str(theirs)) * size
    if ours is None or not ours:
        assert not wanted
    else:
        assert wanted is not None
        assert ours == wanted or float(ours) == pytest.approx(float(wanted), rel=1e-12)


def held(theirs: Case, asset: str) -> Decimal:
    """What ccxt says that there is of an asset; of isolated margin it was recorded by pair."""
    if "total" in theirs:
        return Decimal(str(theirs["total"][asset]))
    pairs = [told for name, told in theirs.items() if "/" in name]
    return sum((Decimal(str(told[asset]["total"])) for told in pairs if asset in told), Decimal(0))


def check_orders(orders: Sequence[Any], rows: Sequence[Case], symbol: Symbol, size: Decimal | None = None) -> None:
    """Each order against ccxt's: what is left of a closed one means that it was cancelled."""
    theirs = {row["id"]: row for row in rows}
    assert {order.id for order in orders} == theirs.keys()
    for order in orders:
        row = theirs[order.id]
        status = STATUSES.get(row["status"], OrderStatus.UNKNOWN)
        if status is OrderStatus.FILLED and row["remaining"]:
            status = OrderStatus.CANCELED
        assert (order.status, order.side.value) == (status, row["side"])
        unit = symbol.contract_size if size is None else size
        same(order.filled, row["filled"], unit)
        if order.type is not OrderType.MARKET:
            same(order.price, row["price"])
            same(order.amount, row["amount"], unit)
        if order.filled and row["average"] is not None:
            same(order.average_price, row["average"])
        assert order.created_ms == row["timestamp"]


def check(method: str, models: Sequence[Any], case: Case, adapter: CCXTAdapter) -> None:
    """What is the same with ccxt whichever exchange it is."""
    for model in models:
        exact(model)
    theirs = case["parsedResponse"]
    rows = list(theirs.values()) if method == "fetchTickers" else theirs if isinstance(theirs, list) else [theirs]
    if method == "fetchBalance":
        for balance in models:
            same(balance.total, held(theirs, balance.asset))
        return
    if not models:
        return
    symbol = adapter.symbol(models[0].symbol)
    size = symbol.contract_size
    if method in ("fetchOrder", "fetchOpenOrders", "fetchClosedOrders", "createOrder", "cancelOrder"):
        check_orders(models, [row for row in rows if row["symbol"] == symbol.name], symbol)
        return
    assert len(models) == len(rows)
    for ours, row in zip(models, rows, strict=True):
        match method:
            case "fetchOrderBook":
                for levels, told in ((ours.bids, row["bids"]), (ours.asks, row["asks"])):
                    assert len(levels) == len(told)
                    for level, (price, amount, *_) in zip(levels, told, strict=True):
                        same(level.price, price)
                        same(level.amount, amount, size)
            case "fetchTicker" | "fetchTickers":
                for name in ("bid", "ask", "last", "open", "high", "low"):
                    same(getattr(ours, name), row[name])
                same(ours.bid_amount, row["bidVolume"], size)
                same(ours.ask_amount, row["askVolume"], size)
            case "fetchTrades" | "fetchMyTrades":
                same(ours.price, row["price"])
                same(ours.amount, row["amount"], size)
                assert (ours.side.value, ours.timestamp_ms) == (row["side"], row["timestamp"])
            case "fetchOHLCV":
                assert ours.open_ms == row[0]
                for value, told in zip((ours.open, ours.high, ours.low, ours.close), row[1:5], strict=True):
                    same(value, told)
                contracts = symbol.kind in adapter.venue.candles_in_contracts
                same(ours.volume, row[5], size if contracts else Decimal(1))
            case "fetchFundingRate":
                same(ours.rate, row["fundingRate"])
            case "fetchFundingRateHistory":
                same(ours.rate, row["fundingRate"])
                assert ours.settled_ms == row["timestamp"]
            case "fetchPosition" | "fetchPositions":
                same(ours.amount, row["contracts"], size)
                same(ours.entry_price, row["entryPrice"])
                same(ours.mark_price, row["markPrice"])
                assert ours.side.value == row["side"]

"""Recorded requests of the ten exchanges that our interface can ask for: asked through it, they are the same."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from ccxt_local import ADAPTERS, Asked, Local, fixtures

from fra.adapters.ccxt import CCXTAdapter, CCXTOptions
from fra.adapters.ccxt.symbols import kind_of
from fra.core import (
    FraError,
    InvalidOrder,
    KlineInterval,
    MarginMode,
    NotSupported,
    OrderRequest,
    OrderType,
    PositionMode,
    Side,
    Symbol,
)

Case = Mapping[str, Any]
Ask = Callable[[CCXTAdapter, Sequence[Any]], Awaitable[object]]


def at(args: Sequence[Any], place: int) -> Any:
    return args[place] if len(args) > place else None


def symbol(adapter: CCXTAdapter, name: Any) -> Symbol:
    return adapter.symbol(name)


def some(adapter: CCXTAdapter, name: Any) -> Symbol | None:
    return None if name is None else adapter.symbol(name)


def order(args: Sequence[Any], of: Symbol) -> OrderRequest:
    """ccxt's amounts are contracts."""
    name, kind, side, amount, price = (*args, None)[:5]
    return OrderRequest(
        symbol=name,
        side=Side(side),
        type=OrderType(kind),
        amount=of.amount(Decimal(str(amount))),
        price=Decimal(str(price)) if price is not None and kind == "limit" else None,
        client_order_id="424242424242",
    )


EXCLUDED: Final[Mapping[str, str]] = {
    "parameters": "ccxt's own words for what our interface says otherwise or not at all (margin, triggers, accounts)",
    "not listed": "options, dated futures and margin pairs, which fra does not trade through ccxt",
    "cost": "ccxt's market buys by cost; ours are by quote_amount, a method of its own",
    "everywhere": "without a symbol ours asks each market in turn, and the first empty answer here ends that",
    "account": "HTX's spot orders name the account, whose number is asked for first; the empty answer ends that",
    "since": "get_trades has no since",
    "method": "no way through our interface, or one that asks more than one request of ccxt's",
}
"""Why a recorded request is not asked: its parameters, its market, or a method that is not in ``ASKS``."""

DEEPER: Final = {"/api/v1/level2/depth20": "/api/v1/level2/depth100"}
"""KuCoin's paths of books, by depth: ours asks for the deepest, in which the answer is cut."""

CODES: Final = frozenset({"broker_id", "channel_code"})
"""Broker codes of ccxt's, which are not sent."""

OURS: Final[Mapping[str, frozenset[str]]] = {
    "fetchOrderBook": frozenset({"limit", "sz"}),  # the depth that the venue has, in which ours is cut
    "fetchMyTrades": frozenset({"limit", "pageSize", "size"}),  # a whole page, of which the first are taken
    "fetchTickers": frozenset({"symbols", "symbol"}),  # one request for all, of which some are taken
    "fetchTrades": frozenset({"size"}),
    "fetchFundingRateHistory": frozenset({"limit"}),  # HTX: a whole page, whose settlements tell the intervals
    "setPositionMode": frozenset({"symbol", "coin"}),  # of the account and not of a symbol
    "fetchOHLCV": frozenset({"sort", "limit"}),  # Bitfinex: the latest, where ccxt asked for the first
}
"""What ours asks otherwise, on purpose."""

EVERYWHERE: Final = ("fetchTickers", "fetchOpenOrders", "fetchMyTrades", "fetchPositions", "setPositionMode")

ASKS: Final[Mapping[str, Ask]] = {
    "fetchOrderBook": lambda a, args: a.get_orderbook(symbol(a, args[0]), depth=at(args, 1)),
    "fetchTicker": lambda a, args: a.get_ticker(symbol(a, args[0])),
    "fetchTickers": lambda a, args: a.get_tickers([symbol(a, name) for name in at(args, 0) or ()] or None),
    "fetchTrades": lambda a, args: a.get_trades(symbol(a, args[0]), limit=at(args, 2)),
    "fetchOHLCV": lambda a, args: a.get_klines(
        symbol(a, args[0]), KlineInterval(at(args, 1) or "1m"), since=at(args, 2), limit=at(args, 3)
    ),
    "fetchFundingRate": lambda a, args: a.get_funding_rate(symbol(a, args[0])),
    "fetchFundingRateHistory": lambda a, args: a.get_funding_rate_history(
        symbol(a, args[0]), since=at(args, 1), limit=at(args, 2)
    ),
    "createOrder": lambda a, args: a.create_order(order(args, symbol(a, args[0])), symbol(a, args[0])),
    "fetchPositions": lambda a, args: a.get_positions(some(a, (at(args, 0) or [None])[0])),
    "fetchOpenOrders": lambda a, args: a.get_open_orders(some(a, at(args, 0))),
    "fetchMyTrades": lambda a, args: a.get_trade_history(some(a, at(args, 0)), since=at(args, 1), limit=at(args, 2)),
    "fetchOrder": lambda a, args: a.get_order(str(args[0]), some(a, at(args, 1))),
    "cancelOrder": lambda a, args: a.cancel_order(str(args[0]), some(a, at(args, 1))),
    "setLeverage": lambda a, args: a.set_leverage(symbol(a, args[1]), Decimal(args[0])),
    "setMarginMode": lambda a, args: a.set_margin_mode(symbol(a, args[1]), MarginMode(args[0])),
    "setPositionMode": lambda a, args: a.set_position_mode(PositionMode.HEDGE if args[0] else PositionMode.ONE_WAY),
}


def cases() -> list[Any]:
    found = []
    for venue in ADAPTERS:
        recorded = fixtures("request", venue) or {"methods": {}}
        for method, rows in recorded["methods"].items():
            for number, case in enumerate(rows):
                if method in ASKS and case.get("disabled") is not True and not inexpressible(venue, method, case):
                    found.append(pytest.param(venue, method, case, id=f"{venue}-{method}-{number}"))
    absent = pytest.param("", "", None, marks=pytest.mark.skip("FRA_FIXTURES does not name the recorded data"))
    return found or [absent]


def inexpressible(venue: str, method: str, case: Case) -> str | None:
    """Why a case cannot be asked through our interface, None where it can."""
    if any(isinstance(arg, Mapping) for arg in case["input"]) or case.get("options"):
        return EXCLUDED["parameters"]
    listed = fixtures("markets", venue)
    named = [one for arg in case["input"] for one in (arg if isinstance(arg, list) else [arg]) if isinstance(one, str)]
    if any("/" in one and (one not in listed or kind_of(listed[one]) is None) for one in named):
        return EXCLUDED["not listed"]
    args = case["input"]
    if method == "createOrder" and "/" not in args[0]:
        return EXCLUDED["not listed"]
    if method == "createOrder" and args[1] == "market" and (args[2] == "buy" or at(args, 4)):
        return EXCLUDED["cost"]
    if (venue, method) == ("htx", "createOrder") and ":" not in args[0]:
        return EXCLUDED["account"]
    if method in EVERYWHERE and not any("/" in one for one in named):
        return EXCLUDED["everywhere"]
    if method == "fetchTrades" and at(args, 1) is not None:
        return EXCLUDED["since"]
    return None


def fields(text: str | None, kind: str) -> dict[str, str]:
    """A query or a body as names and values, all of them texts; nested ones by their JSON."""
    if not text:
        return {}
    if text[:1] in "{[":
        told = json.loads(text, parse_float=str, parse_int=str)
        rows = told if isinstance(told, list) else [told]
        if all(isinstance(row, dict) for row in rows):
            flat = [{**row, **(row["params"] if isinstance(row.get("params"), dict) else {})} for row in rows]
            named = {name: value for row in flat for name, value in row.items() if name != "params"}
            return {name: value if isinstance(value, str) else json.dumps(value) for name, value in named.items()}
        return {"": json.dumps(told)}
    return dict(parse_qsl(text, keep_blank_values=True))


def plain(value: str) -> str | Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        return value


@pytest.mark.parametrize(("venue", "method", "case"), cases())
async def test_a_recorded_request_is_what_our_interface_asks(venue: str, method: str, case: Case) -> None:
    recorded = fixtures("request", venue)
    options = {"uta": False, **recorded.get("options", {})} if venue in ("bitget", "kucoin") else {}
    url, local = urlsplit(case["url"]), Local({})
    async with local.adapter(venue, options=CCXTOptions(ccxt={"rateLimit": 1, "options": options})) as adapter:
        adapter._hedged = False  # type: ignore[attr-defined]
        try:
            await ASKS[method](adapter, case["input"])
        except (InvalidOrder, NotSupported):
            if not local.asked:
                return  # what ccxt would round, or finds only with a symbol, is refused before anything is sent
        except (FraError, KeyError, AttributeError, TypeError):
            pass  # the answer is empty
    skipped = set(recorded.get("skipKeys") or ()) | CODES
    wanted = {**fields(url.query, ""), **fields(case.get("output"), "")}

    def told(one: Asked) -> dict[str, Any]:
        return {**fields(one.query, ""), **fields(one.body, "")}

    path = DEEPER.get(url.path, url.path)
    asked = [told(one) for one in local.asked if path.endswith(one.path) or one.path.endswith(path)]
    assert asked, [one.path for one in local.asked]
    differing = [
        {name: (value, one.get(name)) for name, value in wanted.items() if plain(one.get(name, "")) != plain(value)}
        for one in asked
    ]
    best = min(differing, key=len)
    assert best.keys() <= skipped | OURS.get(method, frozenset()), best

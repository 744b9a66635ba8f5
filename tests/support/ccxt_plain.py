"""The recorded answers of a venue through an exchange package and through the adapter on ccxt that it stands on.

What the adapter makes of them is held to the recorded results in ``tests/recorded/test_ccxt_responses.py``; so a
package has to make the same of them, but for the fields that it mends and names.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
from aiohttp import web
from ccxt_local import ADAPTERS, Local, fixtures
from serving import serving

from fra.adapters.ccxt import CCXTAdapter, CCXTOptions
from fra.adapters.ccxt.symbols import kind_of
from fra.core import ExchangeError, ExchangeHandle, KlineInterval, StreamGap, StreamStatus, Symbol, connect

Case = Mapping[str, Any]

with_recordings = pytest.mark.skipif(
    "FRA_FIXTURES" not in os.environ, reason="FRA_FIXTURES does not name the folder of recorded data"
)

_WAYS: Mapping[str, str] = {
    "fetchOrderBook": "get_orderbook",
    "fetchTicker": "get_ticker",
    "fetchTrades": "get_trades",
    "fetchFundingRate": "get_funding_rate",
    "fetchFundingRateHistory": "get_funding_rate_history",
    "fetchPositions": "get_positions",
    "fetchPosition": "get_positions",
    "fetchOpenOrders": "get_open_orders",
    "fetchClosedOrders": "get_order_history",
    "fetchOrders": "get_order_history",
    "fetchMyTrades": "get_trade_history",
}
_LISTS = ("fetchTickers", "fetchFundingRates")
_RAW = {"createOrder": "create_order", "cancelOrder": "cancel_order", "cancelAllOrders": "cancel_all_orders"}
_HISTORY = ("fetchCanceledAndClosedOrders", "fetchOrders", "fetchClosedOrders", "fetchCanceledOrders")
_LONGEST = 30


def recorded(venue: str) -> pytest.MarkDecorator:
    """One parameter ``case`` for each recorded answer of a venue; skipped, with the reason, without the recordings."""
    found = [
        pytest.param((method, case), id=f"{method}-{number}")
        for method, cases in (fixtures("response", venue) or {"methods": {}})["methods"].items()
        for number, case in enumerate(cases)
        if case.get("disabled") is not True
    ]
    absent = pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))
    return pytest.mark.parametrize("case", found or [absent])


async def outcome(venue: str, cls: type[CCXTAdapter], method: str, case: Case) -> list[Any]:
    """What comes out of the interface of an adapter whose venue gives the recorded answer to everything."""
    args = list(case["input"])
    params = args.pop() if args and isinstance(args[-1], dict) else {}
    options = {**fixtures("response", venue, str).get("options", {}), **case.get("options", {})}
    plain = {key: str(value) if isinstance(value, Decimal) else value for key, value in params.items()}
    local = Local(case["httpResponse"])
    config = {
        "extra_params": plain,
        "options": CCXTOptions(ccxt={"options": options}),
        "markets": _markets(venue, case),
    }
    async with local.adapter(venue, cls=cls, **config) as adapter:
        made = await _asked(adapter, method, args)
    assert local.asked, "nothing was asked over HTTP"
    return made


async def _asked(adapter: CCXTAdapter, method: str, args: list[Any]) -> list[Any]:
    first = args[0][0] if args and isinstance(args[0], list) else args[0] if args else None
    symbol = adapter.symbol(first) if isinstance(first, str) and "/" in first else None
    if method == "fetchOHLCV":
        assert symbol is not None
        return await adapter.get_klines(symbol, KlineInterval(args[1]), limit=args[3] if len(args) > 3 else None)
    if method in _LISTS:
        ask = adapter.get_tickers if method == "fetchTickers" else adapter.get_funding_rates
        return list(await ask([adapter.symbol(name) for name in args[0]]))
    if method == "fetchBalance":
        return list(await adapter.get_balance(next(iter(adapter.venue.wallets))))
    if method in ("fetchOrder", "fetchOpenOrder", "fetchClosedOrder"):
        return [await adapter.get_order(str(args[0]), adapter.symbol(args[1]))]
    if method in _RAW:
        raws = await adapter.call(_RAW[method], *[str(a) if isinstance(a, Decimal) else a for a in args])
        told = [raw for raw in (raws if isinstance(raws, list) else [raws]) if raw.get("side") and raw.get("symbol")]
        return [adapter.order(raw, adapter.symbol(raw["symbol"])) for raw in told]
    if method in ("fetchClosedOrders", "fetchOrders"):
        adapter.client.has = {**adapter.client.has, **{name: name == method for name in _HISTORY}}
    assert method in _WAYS, f"{method} has no way through our interface"
    made = await getattr(adapter, _WAYS[method])(*([] if symbol is None else [symbol]))
    return list(made) if isinstance(made, list) else [made]


def _markets(venue: str, case: Case) -> tuple[str, ...]:
    """The markets whose rows a case is of, where it names no symbol."""
    theirs = case["parsedResponse"]
    if (case["input"] and isinstance(case["input"][0], str | list)) or not isinstance(theirs, list):
        return ()
    listed = ADAPTERS[venue].venue.markets
    kinds = {kind_of(fixtures("markets", venue)[row["symbol"]]) for row in theirs if row.get("symbol")}
    return tuple(name for name in listed if kinds & set(listed[name]))


async def agree(venue: str, plain: type[CCXTAdapter], case: tuple[str, Case], mended: Mapping[str, str]) -> None:
    """A package makes of a recorded answer what its adapter makes, but for ``mended``: field → why it differs."""
    method, row = case
    ours, theirs = await outcome(venue, plain, method, row), await outcome(venue, ADAPTERS[venue], method, row)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert type(mine) is type(other)
        mine_row, other_row = fields(mine), fields(other)
        differing = {name for name in mine_row if mine_row[name] != other_row[name]}
        assert differing <= mended.keys(), {name: (mine_row[name], other_row[name]) for name in differing}
        for number in numbers(mine_row):
            exact(number)


def fields(model: Any) -> dict[str, Any]:
    """The fields of a model; what depends on when it came is left out."""
    made = {field.name: getattr(model, field.name) for field in attrs.fields(type(model))}
    for side in ("bids", "asks"):
        if side in made:
            made[side] = list(made[side])
    return {name: value for name, value in made.items() if not name.startswith("received")}


def numbers(value: Any) -> Iterator[Decimal]:
    """Every number in fields and levels; a float among them is an error."""
    assert not isinstance(value, float), f"the float {value!r} came through"
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from numbers(part)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from numbers(part)
    elif attrs.has(type(value)):
        yield from numbers(fields(value))


def exact(value: Decimal) -> None:
    """No number that went through a float."""
    tail = "".join(map(str, value.as_tuple().digits))
    assert len(tail) <= _LONGEST
    assert "000000000000" not in tail.rstrip("0") or len(tail) < 16, f"float noise in {value}"
    assert "99999999999" not in tail, f"float noise in {value}"


async def listed(venue: str, plain: type[CCXTAdapter]) -> list[tuple[Symbol, Mapping[str, Any]]]:
    """The symbols that a package makes of the recorded markets, each with its row; every other row is refused by name,
    or of a kind that fra does not trade through ccxt.
    """
    async with Local().adapter(venue, cls=plain) as adapter:
        found = await adapter.get_symbols()
    rows = fixtures("markets", venue, str)
    told = {symbol.venue_id for symbol in found} | {one.venue_id for one in found.refused}
    assert told == {row["id"] for row in rows.values() if kind_of(row) is not None}
    assert all(one.reason for one in found.refused)
    return [(symbol, rows[symbol.name]) for symbol in found]


@asynccontextmanager
async def hosted(venue: str, answers: Mapping[str, Any]) -> AsyncIterator[ExchangeHandle]:
    """The exchange by its plain name as a user has it, in front of a server that answers by a part of the path."""

    async def serve(request: web.Request) -> web.Response:
        part = next((part for part in answers if part in request.path), None)
        assert part is not None, f"{request.path} was asked for"
        return web.json_response(answers[part])

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", serve)
    async with serving(app) as address, connect(venue, base_url=f"http://{address}") as exchange:
        yield exchange


@attrs.define
class Speaking(Local):
    """A venue on a socket too: to each frame that comes it sends what ``react`` makes of it."""

    react: Callable[[dict[str, Any]], Iterable[Any]] = lambda frame: ()

    async def serve(self, request: web.Request) -> web.Response:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await super().serve(request)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            for answer in self.react(json.loads(message.data)):
                await ws.send_str(json.dumps(answer))
        return ws  # type: ignore[return-value]


class Heard:
    """What a stream says, of each item what ``take`` makes of it at once; :meth:`until` waits for so many."""

    def __init__(self, source: Any, take: Callable[[Any], Any] = lambda item: item) -> None:
        self.items: list[Any] = []
        self.errors: list[ExchangeError] = []
        self._source, self._take = source, take
        self._changed = asyncio.Event()
        source.attach(self)

    def on_item(self, item: Any) -> None:
        self.items.append(self._take(item))
        self._changed.set()

    def on_gap(self, gap: StreamGap) -> None:
        self.errors.append(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if error is not None:
            self.errors.append(error)

    async def until(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while len(self.items) < count:
                self._changed.clear()
                await self._changed.wait()
        await self._source.close()
        return self.items


async def lists_the_same(exchange: ExchangeHandle, venue: str, plain: type[CCXTAdapter]) -> None:
    """What ccxt makes of the venue's own rows today comes out as what it made of them when they were recorded."""
    found = {symbol.name: symbol for symbol in await exchange.get_symbols()}
    wanted = {symbol.name: symbol for symbol, _ in await listed(venue, plain)}
    assert found.keys() == wanted.keys()
    for name, symbol in found.items():
        assert symbol == wanted[name]


def imported_with(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after ``code``."""
    report = "\nimport sys\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())

"""A native adapter's REST calls answered out of memory: what the emulated venue answered once, one of it changed.

The seam is aiohttp's session: everything of ours, from the request's making to the model, is what runs in a program.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from fuzz_models import check_model
from fuzz_mutations import Choices, Seed, encode, trimmed
from fuzz_recorded import answers_at, answers_to
from traders import INVERSE, LINEAR, SPOT, configured, emulator, new_account

from fra.core import (
    ExchangeError,
    ExchangeHandle,
    ExchangePluginInterface,
    FraError,
    KlineInterval,
    MarginMode,
    Operation,
    OrderRequest,
    OrderType,
    PluginManager,
    PluginRegistry,
    PositionMode,
    RateLimiter,
    Side,
    Symbol,
)
from fra.exchanges.binance import CustomBinancePlugin
from fra.exchanges.bybit import BybitPlugin
from fra.exchanges.htx import HTXPlugin
from fra.exchanges.okx import OKXPlugin

Call = Callable[[ExchangePluginInterface, Symbol], Awaitable[Any]]


def order_of(symbol: Symbol, kind: OrderType = OrderType.LIMIT) -> OrderRequest:
    size = max(symbol.min_amount or symbol.lot_size, symbol.lot_size) * 10
    price = None if kind is OrderType.MARKET else symbol.round_price(Decimal(50_000), side=Side.BUY)
    return OrderRequest(
        symbol=symbol.name, side=Side.BUY, type=kind, amount=symbol.round_amount(size), price=price,
        client_order_id="fuzz1234" if kind is OrderType.LIMIT else None,
    )  # fmt: skip


CALLS: Final[Mapping[str, Call]] = {
    "get_symbols": lambda plugin, symbol: plugin.get_symbols(),
    "health_check": lambda plugin, symbol: plugin.health_check(),
    "get_orderbook": lambda plugin, symbol: plugin.get_orderbook(symbol, depth=5),
    "get_ticker": lambda plugin, symbol: plugin.get_ticker(symbol),
    "get_tickers": lambda plugin, symbol: plugin.get_tickers([symbol]),
    "get_trades": lambda plugin, symbol: plugin.get_trades(symbol, limit=5),
    "get_klines": lambda plugin, symbol: plugin.get_klines(symbol, KlineInterval.H1, limit=3),
    "get_funding_rate": lambda plugin, symbol: plugin.get_funding_rate(symbol),
    "get_funding_rates": lambda plugin, symbol: plugin.get_funding_rates([symbol]),
    "get_funding_rate_history": lambda plugin, symbol: plugin.get_funding_rate_history(symbol, limit=3),
    "create_order": lambda plugin, symbol: plugin.create_order(order_of(symbol), symbol),
    "create_market_order": lambda plugin, symbol: plugin.create_order(
        attrs.evolve(order_of(symbol, OrderType.MARKET), client_order_id="fuzz5678"), symbol
    ),
    "get_balance": lambda plugin, symbol: plugin.get_balance(),
    "get_positions": lambda plugin, symbol: plugin.get_positions(symbol),
    "get_key_permissions": lambda plugin, symbol: plugin.get_key_permissions(),
    "get_order": lambda plugin, symbol: plugin.get_order(None, symbol, client_order_id="fuzz1234"),
    "get_open_orders": lambda plugin, symbol: plugin.get_open_orders(symbol),
    "get_order_history": lambda plugin, symbol: plugin.get_order_history(symbol),
    "get_trade_history": lambda plugin, symbol: plugin.get_trade_history(symbol),
    "get_funding_payments": lambda plugin, symbol: plugin.get_funding_payments(symbol),
    "set_leverage": lambda plugin, symbol: plugin.set_leverage(symbol, Decimal(5)),
    "set_margin_mode": lambda plugin, symbol: plugin.set_margin_mode(symbol, MarginMode.CROSS),
    "set_position_mode": lambda plugin, symbol: plugin.set_position_mode(PositionMode.ONE_WAY),
    "cancel_order": lambda plugin, symbol: plugin.cancel_order(None, symbol, client_order_id="fuzz1234"),
    "cancel_all_orders": lambda plugin, symbol: plugin.cancel_all_orders(symbol),
}
"""Every method that asks by REST, in the order in which an account can be asked so."""


@attrs.frozen
class Answered:
    """One answer: to what, and what it was."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> tuple[str, str]:
        return self.method, urlsplit(self.url).path


@attrs.frozen
class Parser:
    """One method of the adapter at one kind of market, and what the venue answered to it, in order."""

    name: str
    call: Call
    symbol: Symbol
    answers: Sequence[Answered]
    seeds: Sequence[Sequence[Seed]]
    """For each answer that itself, and what the real venue was recorded to answer there."""


class Content:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body


class Response:
    """As much of aiohttp's response as a client reads."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = Content(body)
        self.content_length: int | None = None

    def close(self) -> None:
        pass

    async def __aenter__(self) -> Response:
        return self

    async def __aexit__(self, *failure: object) -> None:
        pass


class Listening:
    """A session that asks the venue and keeps what it answers."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.kept: list[Answered] = []

    @asynccontextmanager
    async def request(self, method: str, url: Any, **how: Any) -> AsyncIterator[Response]:
        async with self.session.request(method, url, **how) as response:
            body = await response.read()
            headers = {key: value for key, value in response.headers.items() if key == "Content-Encoding"}
            text = gzip.decompress(body) if headers else body
            self.kept.append(Answered(method, str(url), response.status, {}, text))
            yield Response(response.status, headers, body)

    async def close(self) -> None:
        await self.session.close()


ORDER: Final = "/v1/order/orders/"
NO_ORDER: Final = b'{"status": "error", "err-code": "base-record-invalid", "err-msg": "record invalid"}'
"""HTX tells of one order by its path; of one that somebody made up, that it is not there."""


class Playing:
    """A session that answers out of memory."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[Answered]] = {}
        self.otherwise: bytes | None = None

    def take(self, answers: Sequence[Answered], forged: Mapping[int, Answered]) -> None:
        """These from now on, those of some places changed."""
        self.answers = {}
        for place, answer in enumerate(answers):
            self.answers.setdefault(answer.key, []).append(forged.get(place, answer))

    def request(self, method: str, url: Any, **how: Any) -> Response:
        path = urlsplit(str(url)).path
        known = self.answers.get((method, path))
        if not known and self.otherwise and path.startswith(ORDER):
            return Response(200, {}, NO_ORDER)
        if not known:
            return Response(200 if self.otherwise else 404, {}, self.otherwise or b'{"code": "404", "msg": "none"}')
        answer = known.pop(0) if len(known) > 1 else known[0]
        return Response(answer.status, answer.headers, answer.body)

    async def close(self) -> None:
        pass


class Unlimited(RateLimiter):
    """Lets everything pass, and takes a block as the real one does."""

    async def acquire(self, costs: Any = 1, *, priority: bool = False) -> None:
        pass

    def answered(self, costs: Any, *, since: float) -> None:
        pass

    def observe(self, scope: str, used: int, *, at: float | None = None) -> None:
        assert isinstance(used, int)

    def adjust(self, limit: Any) -> None:
        pass

    def block(self, scope: str | None, seconds: float, reason: str) -> None:
        super().block(None, seconds, reason)


NATIVE: Final[Mapping[str, type[ExchangePluginInterface]]] = {
    "binance": CustomBinancePlugin,
    "bybit": BybitPlugin,
    "htx": HTXPlugin,
    "okx": OKXPlugin,
}

STATUSES: Final = (200, 200, 200, 204, 400, 401, 403, 404, 418, 429, 451, 500, 503)
RETRY_AFTER: Final = ("nan", "inf", "-1", "1e9", "soon", "٣", "", "0", "Wed, 21 Oct 2026 07:28:00 GMT")
ENCODINGS: Final = (
    {}, {}, {}, {}, {"Content-Encoding": "gzip"}, {"Content-Encoding": "deflate"}, {"Content-Encoding": "br"},
)  # fmt: skip


class RestBench:
    """An adapter that is connected to nothing, and its parsers."""

    def __init__(self, name: str, plugin: Any) -> None:
        self.name = name
        self.plugin = plugin
        self.parsers: dict[str, Parser] = {}
        self.playing = Playing()

    async def learn(self, handle: ExchangeHandle) -> None:
        """Make every call once at the emulated venue."""
        listening = Listening(self.plugin._network.session())
        self.plugin._network._session = listening
        for kind in (SPOT, LINEAR, INVERSE):
            try:
                symbol = handle.symbol(kind)
            except ExchangeError:
                continue
            for name, call in CALLS.items():
                if not _serves(self.plugin, name, symbol):
                    continue
                listening.kept.clear()
                try:
                    await call(self.plugin, symbol)
                except FraError:
                    pass  # a refusal is an answer to be read, too
                if not listening.kept:
                    continue
                kept = tuple(listening.kept)
                self.parsers[f"{name} of {kind}"] = Parser(f"{name} of {kind}", call, symbol, kept, ())

    async def use(self) -> None:
        """From now on answer out of memory."""
        session, self.plugin._network._session = self.plugin._network._session, self.playing
        await session.close()
        limiter = Unlimited(())
        self.plugin.http._limiter = self.plugin.streams._limiter = limiter
        for name, parser in list(self.parsers.items()):
            self.parsers[name] = await self._shortened(parser)

    async def _shortened(self, parser: Parser) -> Parser:
        """With short answers, where the adapter makes the same sort of thing of them."""
        short = []
        for answer in parser.answers:
            try:
                short.append(attrs.evolve(answer, body=encode(trimmed(Seed(answer.body).message))))
            except ValueError:
                short.append(answer)
        answers = tuple(short)
        if await self._outcome(parser, parser.answers) != await self._outcome(parser, answers):
            answers = tuple(parser.answers)
        recorded, named = answers_at(self.name), answers_to(self.name, parser.name.partition(" ")[0])
        return attrs.evolve(
            parser,
            answers=answers,
            seeds=tuple(
                [Seed(answer.body), *recorded.get(answer.key, ()), *(named if answer is answers[-1] else ())]
                for answer in answers
            ),
        )

    async def _outcome(self, parser: Parser, answers: Sequence[Answered]) -> type[object]:
        self.playing.take(answers, {})
        try:
            return type(await parser.call(self.plugin, parser.symbol))
        except FraError as error:
            return type(error)

    def forge(self, parser: Parser, data: bytes) -> tuple[int, Answered]:
        """One input: which of the answers is changed, and what it is then."""
        choices = Choices(data)
        place = choices.pick(len(parser.answers))
        answer = parser.answers[place]
        forged = attrs.evolve(answer, body=choices.one(parser.seeds[place]).mutated(choices))
        if choices.pick(8) == 7:
            headers = {**choices.one(ENCODINGS), "Retry-After": choices.one(RETRY_AFTER)}
            forged = attrs.evolve(forged, status=choices.one(STATUSES), headers=headers)
        return place, forged

    async def play(self, parser: Parser, data: bytes) -> Any:
        """Answer so. Gives what came out, or the error of our tree."""
        place, forged = self.forge(parser, data)
        self.playing.take(parser.answers, {place: forged})
        try:
            result = await parser.call(self.plugin, parser.symbol)
            check_model(result, parser.name)
        except FraError as error:
            str(error)
            return error
        except BaseException as error:
            error.add_note(f"{parser.name}: HTTP {forged.status} {dict(forged.headers)} {forged.body[:3000]!r}")
            raise
        return result


def _serves(plugin: ExchangePluginInterface, name: str, symbol: Symbol) -> bool:
    """Whether the host would let this call through."""
    operation = Operation._value2member_map_.get(name.replace("_market_order", "_order"))
    return operation is None or bool(plugin.capabilities.support(operation, symbol.kind))  # type: ignore[arg-type]


def managed(name: str, settings: Mapping[str, Any]) -> PluginManager:
    """A manager of one native exchange, and of nothing else that is installed."""
    registry = PluginRegistry(path=[])
    registry.register_plugin(name, NATIVE[name])
    return PluginManager.from_config({"exchanges": {name: settings}}, registry=registry)


async def unattended(manager: PluginManager, venue: str) -> ExchangeHandle:
    """The handle of an exchange whose account nobody follows yet, and whose markets are loaded."""
    await manager.initialize()
    handle = manager.get_plugin(venue)
    assert handle._account is not None
    await handle._account.close()
    await handle.get_symbols()
    return handle


@asynccontextmanager
async def rest_bench(venue_name: str) -> AsyncIterator[RestBench]:
    """The adapter of a venue, after it was connected to the emulated one and taken from it again."""
    async with emulator(venue_name, symbols=0) as running:
        (venue,) = running.venues.values()
        account = new_account()
        venue.open_account(account)
        settings = configured(venue, account, options={"retries": 0})
        manager = managed(venue_name, settings)
        handle = await unattended(manager, venue_name)
        bench = RestBench(venue_name, handle._plugin)
        await bench.learn(handle)
        await bench.use()
    try:
        yield bench
    finally:
        await manager.shutdown()

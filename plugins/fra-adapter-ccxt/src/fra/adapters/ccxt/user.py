"""The account's events: several of ccxt's watched lists as one stream, backfilled by REST."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import attrs

from fra.adapters.ccxt import client as clients
from fra.adapters.ccxt import convert, sockets
from fra.adapters.ccxt.streams import PERMANENT, _nothing
from fra.adapters.ccxt.updates import TOLD, Listener
from fra.core import (
    Balance,
    ExchangeError,
    Fill,
    Operation,
    Order,
    Position,
    ReconnectManager,
    StreamSource,
    StreamStatus,
    Symbol,
    UserEvent,
)

if TYPE_CHECKING:
    from fra.adapters.ccxt.following import CCXTFollowing

_OVERLAP_MS: Final = 60_000
_AT_FIRST_MS: Final = 1_000
"""So far back it is asked what has ended: after a loss, and at first, for what was sent before the stream was live."""
_METHODS: Final[Mapping[str, str]] = {
    "watchOrders": "watch_orders",
    "watchMyTrades": "watch_my_trades",
    "watchBalance": "watch_balance",
    "watchPositions": "watch_positions",
}


@attrs.define(eq=False)
class _Part:
    """One watched list: ``socket`` and ``future`` are what ccxt waits on, None while it is not that far; ``last`` is
    the socket that it was on last.
    """

    name: str
    watch: Callable[[], Awaitable[Any]]
    convert: Callable[[Any, int], Iterable[UserEvent]]
    socket: Any = None
    future: Any = None
    last: Any = None

    def ready(self) -> bool:
        """Whether it is subscribed, as far as ccxt lets that be seen: it waits on an open socket on which nothing is
        left to be sent, and which was heard of since the last that was sent.
        """
        socket = self.socket
        if socket is None or not socket.isConnected or self.future.done():
            return False
        return not socket.fra_due and bool(socket.fra_heard >= socket.fra_sent)


class UserFeed:
    """Watches orders, own trades, balances and positions where ccxt can, and hands their events to :attr:`source`.

    The source is LIVE once every list is subscribed (as far as ccxt shows that) and the account was asked for by REST
    after that. After a loss it is RECOVERING until both hold again. Events go out at once, also while it is not LIVE:
    orders and own trades as their messages are read, in order.
    """

    def __init__(self, adapter: CCXTFollowing) -> None:
        assert adapter.pumps is not None
        self.source: StreamSource[UserEvent] = StreamSource(close=self._close)
        self._adapter = adapter
        self._pumps = adapter.pumps
        has, unwatchable = adapter.client.has, adapter.venue.unwatchable
        self._watched = {flag: bool(has.get(flag)) and flag not in unwatchable for flag in _METHODS}
        self._parts = self._make_parts()
        self._heard_ms = adapter.venue_ms()
        self._states: dict[tuple[str, str], Balance | Position] = {}
        self._touched: set[tuple[str, str]] = set()
        self._fill: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._ask_again = False
        self._listeners: list[Listener] = adapter.client.fra_listeners
        self._listeners.append(self._hear)
        self._tasks = [self._pumps.spawn(self._run(part), name=part.name) for part in self._parts]
        self._refill()

    def _make_parts(self) -> list[_Part]:
        adapter, has = self._adapter, self._watched
        made: dict[str, Callable[[Any, int], Iterable[UserEvent]]] = {
            "watchOrders": self._orders,
            "watchMyTrades": self._fills,
            "watchPositions": self._positions,
        }
        parts: list[_Part] = []
        for flag, method in _METHODS.items():
            if not has.get(flag):
                continue
            for params in adapter.user_scopes(flag):
                name = f"{method} {params.get('type', '')}".strip()
                parts.append(_Part(name, self._watcher(method, params), made.get(flag) or self._wallet(params)))
        return parts

    def _watcher(self, method: str, params: Mapping[str, object]) -> Callable[[], Awaitable[Any]]:
        adapter = self._adapter
        asked = {key: value for key, value in params.items() if key != "wallet"}
        if method == "watch_balance":
            return lambda: adapter.watch(method, params=asked)
        return lambda: adapter.watch(method, None, None, None, params=asked)

    # --- what comes

    async def _run(self, part: _Part) -> None:
        retries = self._pumps.retries()
        clients.waiting.set(lambda socket, future: self._waits(part, socket, future))
        while True:
            try:
                raw = await part.watch()
            except Exception as error:
                part.socket = None
                failure = self._adapter.failure(error, part.name)
                if isinstance(failure, PERMANENT):
                    await self._give_up(failure)
                    return
                self.source.set_status(StreamStatus.RECOVERING, failure)
                self._refill()
                if part.last is not None:  # ccxt takes what was refused for subscribed
                    await sockets.drop(part.last, self._adapter.client)
                await retries.handle_disconnect(_nothing)
                continue
            retries.data_received()
            self._take(part.name, part.convert, raw)

    def _hear(self, flag: str, row: convert.Raw) -> bool:
        """One update of an order or an own trade, as ccxt puts it into its cache."""
        if not self._watched[flag]:
            return False
        self._take(_METHODS[flag], self._orders if flag == "watchOrders" else self._fills, [row])
        return True

    def _take(self, name: str, read: Callable[[Any, int], Iterable[UserEvent]], raw: Any) -> None:
        try:
            events = list(read(raw, self._adapter.context.now_ms()))
        except Exception as error:
            self._adapter.report(self._adapter.failure(error, name), name)
            return
        if self.source.status is StreamStatus.LIVE:
            self._heard_ms = self._adapter.venue_ms()
        for event in events:
            if (key := _key(event)) is not None:
                self._touched.add(key)
            self._deliver(event)
        if any(isinstance(event, Order | Fill) for event in events):
            self._ask()

    def _waits(self, part: _Part, socket: Any, future: Any) -> None:
        part.socket = part.last = socket
        part.future = future
        self._adapter._news()

    def _orders(self, rows: Iterable[convert.Raw], received_ms: int) -> Iterable[UserEvent]:
        for row, symbol in self._named(rows):
            yield self._adapter.order(row, symbol)
            if self._watched["watchMyTrades"]:
                continue
            for trade in row.get("trades") or ():
                if trade.get("id"):
                    yield self._adapter.fill({"order": row.get("id"), **trade}, symbol, received_ms)

    def _fills(self, rows: Iterable[convert.Raw], received_ms: int) -> Iterable[UserEvent]:
        for row, symbol in self._named(rows):
            yield self._adapter.fill(row, symbol, received_ms)

    def _positions(self, rows: Iterable[convert.Raw], received_ms: int) -> Iterable[UserEvent]:
        for row, symbol in self._named(rows):
            made = self._adapter.position(row, symbol)
            if made is not None:
                yield made
            else:
                for state in [one for one in self._states.values() if isinstance(one, Position)]:
                    if state.symbol == symbol.name:
                        yield _nothing_of(state)

    def _wallet(self, params: Mapping[str, object]) -> Callable[[convert.Raw, int], Iterable[UserEvent]]:
        name = str(params.get("wallet", ""))
        return lambda raw, received_ms: self._adapter.balances(raw, name)

    def _named(self, rows: Iterable[convert.Raw]) -> list[tuple[convert.Raw, Symbol]]:
        """The rows of configured markets, but for those that were told when their message came."""
        rows = [row for row in rows if TOLD not in row]
        known = self._adapter.named(rows)
        self._adapter.traded.update(symbol.name for _, symbol in known)
        if len(known) < len(rows):
            told = {id(row) for row, _ in known}
            for row in rows:
                if id(row) not in told:
                    name = row.get("symbol")
                    self._adapter.report(ExchangeError(f"the account's stream speaks of {name!r}"), "user_data")
        return known

    # --- what is not streamed

    def _ask(self) -> None:
        """Ask for balances and positions that ccxt does not stream: an order or a fill may have changed them."""
        if self._watched["watchBalance"] and self._watched["watchPositions"]:
            return
        self._ask_again = True
        if self._asking is None or self._asking.done():
            self._asking = self._pumps.spawn(self._asked(), name="what is not streamed")

    async def _asked(self) -> None:
        adapter = self._adapter
        while self._ask_again:
            self._ask_again = False
            found: list[Balance | Position] = []
            kinds: list[type[Balance] | type[Position]] = []
            if not self._watched["watchBalance"]:
                found += await adapter.get_balance()
                kinds.append(Balance)
            if not self._watched["watchPositions"] and adapter.capabilities.support(Operation.GET_POSITIONS):
                found += await adapter.get_positions()
                kinds.append(Position)
            named = {_key(event) for event in found}
            held = [(key, state) for key, state in self._states.items() if isinstance(state, tuple(kinds))]
            for event in (*found, *(_nothing_of(state) for key, state in held if key not in named)):
                self._touched.add(_key(event) or ("", ""))
                self._deliver(event)

    # --- the backfill

    def _refill(self) -> None:
        if self._fill is None or self._fill.done():
            self._touched.clear()
            self._fill = self._pumps.spawn(self._complete(), name="the state of the account")

    async def _complete(self) -> None:
        retries: ReconnectManager = self._pumps.retries()
        overlap = _OVERLAP_MS if self.source.last_data else _AT_FIRST_MS
        while True:
            while not all(part.ready() for part in self._parts):
                await self._adapter.news()
            on = [part.socket for part in self._parts]
            try:
                events = await self._adapter.account_now(self._heard_ms - overlap)
            except PERMANENT as refused:
                await self._give_up(refused)
                return
            except ExchangeError as failure:
                self.source.set_status(StreamStatus.RECOVERING, failure)
                await retries.handle_disconnect(_nothing)
                continue
            if on == [part.socket for part in self._parts] and all(part.ready() for part in self._parts):
                break  # else what came between the answers and the new subscription would be missed
        named = {_key(event) for event in events}
        gone = [_nothing_of(state) for key, state in self._states.items() if key not in named]
        for event in (*events, *gone):
            if (key := _key(event)) is None or key not in self._touched:
                self._deliver(event)
        self._heard_ms = self._adapter.venue_ms()
        self.source.set_status(StreamStatus.LIVE)

    def _deliver(self, event: UserEvent) -> None:
        if isinstance(event, Balance | Position):
            key = _key(event)
            assert key is not None
            if event.total or event.borrowed if isinstance(event, Balance) else event.amount:
                self._states[key] = event
            else:
                self._states.pop(key, None)
        self.source.deliver(event)

    async def _give_up(self, failure: ExchangeError) -> None:
        """What watching again does not cure. The sockets are closed: ccxt takes a login that was refused for sent."""
        self._stop()
        self.source.fail(failure)
        for socket in {id(one): one for part in self._parts if (one := part.last) is not None}.values():
            await sockets.drop(socket, self._adapter.client)

    def _stop(self) -> None:
        if self._hear in self._listeners:
            self._listeners.remove(self._hear)
        current = asyncio.current_task()
        for task in self._running():
            if task is not current:
                task.cancel()

    async def _close(self) -> None:
        self._stop()
        await asyncio.wait(self._running())

    def _running(self) -> list[asyncio.Task[None]]:
        return [*self._tasks, *(task for task in (self._fill, self._asking) if task is not None)]


def _key(event: UserEvent) -> tuple[str, str] | None:
    if isinstance(event, Balance):
        return (event.asset, event.market)
    if isinstance(event, Position):
        return (event.symbol, event.side.value)
    return None


def _nothing_of(state: Balance | Position) -> Balance | Position:
    if isinstance(state, Balance):
        return attrs.evolve(state, free=Decimal(0), total=Decimal(0), borrowed=Decimal(0), timestamp_ms=None)
    return Position(symbol=state.symbol, side=state.side, amount=Decimal(0), hedge_mode=state.hedge_mode)

"""One account on one emulated venue: everything that was told of it, and the engine's truth."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import TypeVar

from order_scenarios import LINEAR, PATIENCE_S, SPOT

from fra.core import (
    ErrorRaised,
    ExchangeConnectionError,
    ExchangeHandle,
    Fill,
    FillReceived,
    FraError,
    JournalEntry,
    Order,
    OrderChanged,
    PluginManager,
    PluginRegistry,
    UserEvent,
)
from fra.emulator import Account, Venue
from fra.matching import Fill as TrueFill
from fra.matching import Order as TrueOrder

T = TypeVar("T")

_ANSWER_S = 30.0
"""So long what must be answered in the end is asked for."""
WEALTH = {"USDT": Decimal(50_000_000), "BTC": Decimal(100)}


def latest(orders: list[Order], name: str | None) -> Order | None:
    return next((order for order in reversed(orders) if order.client_order_id == name), None)


class Journal:
    """What was written down of orders, in order."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []

    async def record(self, entry: JournalEntry) -> None:
        self.entries.append(entry)


class Trader:
    """One account on one emulated venue: the handle and everything that was told of it."""

    def __init__(self, handle: ExchangeHandle, venue: Venue, account: Account, journal: Journal) -> None:
        self.handle = handle
        self.venue = venue
        self.account = account
        self.journal = journal
        self.changes: list[Order] = []
        self.fills: list[Fill] = []
        self.errors: list[FraError] = []
        self.streamed: list[UserEvent] = []
        self._more = asyncio.Event()
        self._removals = [
            handle.register_event_handler(OrderChanged, self._on_change),
            handle.register_event_handler(FillReceived, self._on_fill),
            handle.register_event_handler(ErrorRaised, self._on_error),
        ]
        self.stream = handle.subscribe_user_data()
        self.stream.add_listener(self._on_stream)

    def _on_change(self, event: OrderChanged) -> None:
        self.changes.append(event.order)
        self._more.set()

    def _on_fill(self, event: FillReceived) -> None:
        self.fills.append(event.fill)
        self._more.set()

    def _on_error(self, event: ErrorRaised) -> None:
        self.errors.append(event.error)

    def _on_stream(self, event: UserEvent) -> None:
        self.streamed.append(event)
        self._more.set()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it became true in time."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            return condition()
        return True

    def is_over(self, name: str | None) -> bool:
        """Whether the order was told to have ended."""
        told = self.last_told(name)
        return told is not None and told.status.final

    def cut(self) -> None:
        """Cut the user sockets."""
        for connection in self.venue.user_sockets():
            connection.abort()

    def streamed_of(self, kind: type[T]) -> list[T]:
        return [event for event in self.streamed if isinstance(event, kind)]

    # --- the truth

    def true_name(self, symbol: str) -> str:
        found = self.handle.symbol(symbol)
        return f"{found.market}:{found.venue_id}"

    def true_orders(self) -> tuple[TrueOrder, ...]:
        return self.venue.exchange.engine.orders(self.account.name)

    def true_order(self, name: str | None) -> TrueOrder | None:
        return next((order for order in self.true_orders() if name is not None and order.client_id == name), None)

    def true_fills(self) -> Counter[Fact]:
        names = {self.true_name(symbol): symbol for symbol in (SPOT, LINEAR)}
        return Counter(_fact(fill, names[fill.symbol]) for fill in self.venue.exchange.engine.fills(self.account.name))

    def last_told(self, name: str | None) -> Order | None:
        return latest(self.changes, name)


Fact = tuple[object, ...]


def _fact(fill: Fill | TrueFill, symbol: str) -> Fact:
    """What both views of one execution have in common; the venues write the trade's id each in a way of its own."""
    return (symbol, fill.side.value, fill.price, fill.amount, fill.maker, fill.timestamp_ms)


def facts(fills: list[Fill]) -> Counter[Fact]:
    return Counter(_fact(fill, fill.symbol) for fill in fills)


async def asked(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, for which a busy machine may take longer than an order is waited for."""
    until = asyncio.get_running_loop().time() + _ANSWER_S
    while True:
        try:
            return await ask()
        except ExchangeConnectionError:
            if asyncio.get_running_loop().time() > until:
                raise


@asynccontextmanager
async def account(
    venue: Venue, seed: int, registry: PluginRegistry, plugin: str | None = None
) -> AsyncIterator[Trader]:
    """An account that no other scenario has, on a venue that many have after one another; ``plugin`` in place of the
    native one.
    """
    account = Account(
        key=f"key-{seed:06d}-of-{venue.name}",
        secret=f"secret-{seed}",
        passphrase=f"word-{seed}",
        name=f"trader {seed}",
        balances=WEALTH,
    )
    venue.open_account(account)
    keys = {"api_key": account.key, "secret_key": account.secret}
    if venue.name == "okx":
        keys["passphrase"] = account.passphrase
    config = {
        "exchange_id": venue.name,
        **({} if plugin is None else {"plugin": plugin}),
        "base_url": venue.markets,
        "timeout": PATIENCE_S,
        "options": {"reconnect_delay": 0.02, "reconnect_max_delay": 0.05},
        **keys,
    }
    journal = Journal()
    async with AsyncExitStack() as stack:

        async def start() -> ExchangeHandle:
            manager = PluginManager.from_config({"exchanges": {"main": config}}, registry=registry, journal=journal)
            handle = (await stack.enter_async_context(manager)).get_plugin("main")
            await handle.get_symbols()
            return handle

        handle = await asked(start)
        for name in (SPOT, LINEAR):
            venue.freeze_book(handle.symbol(name).market, handle.symbol(name).venue_id)
        try:
            yield Trader(handle, venue, account, journal)
        finally:
            venue.exchange.cancel_all(account)

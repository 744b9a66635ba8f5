"""Accounts on the emulated venues, as a program has them: a manager made from a configuration, and its handles."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

from fra.core import (
    Event,
    ExchangeHandle,
    Fill,
    FillReceived,
    Order,
    OrderChanged,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginManager,
    PluginRegistry,
    Side,
    StreamStatus,
    Subscription,
    Symbol,
    UserEvent,
)
from fra.emulator import Account, Emulator, OrderAction, Venue
from fra.matching import Exchange
from fra.matching import Fill as TrueFill
from fra.matching import Order as TrueOrder
from fra.matching import OrderRequest as TrueRequest
from fra.matching import OrderStatus as TrueStatus
from fra.matching import OrderType as TrueType
from fra.matching import Position as TruePosition
from fra.matching import Side as TrueSide

T = TypeVar("T")

VENUES = ("binance", "okx", "bybit", "htx")
SPOT, LINEAR, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
WITH_INVERSE = ("okx", "bybit")
LOT = Decimal("0.1")
"""What is traded unless it is said otherwise."""
PATIENCE_S = 30.0
WEALTH = {"USDT": Decimal(1_000_000), "BTC": Decimal(20)}
"""What each wallet of an account is opened with: more than a level of a book is worth."""

_numbers = itertools.count(1)


def emulator(*names: str, **settings: Any) -> Emulator:
    """Venues for many accounts one after another: they count no requests, and their books move four times a second."""
    return Emulator(list(names or VENUES), **{"seed": 3, "enforce_limits": False, "step_ms": 250, **settings})


def new_account(**fields: Any) -> Account:
    """An account that no other test has."""
    number = next(_numbers)
    keys = {
        "key": f"key-{number:04d}-of-a-trader",
        "secret": f"secret-{number:04d}",
        "passphrase": f"word-{number:04d}",
    }
    return Account(**{**keys, "name": f"trader {number}", "balances": WEALTH, **fields})


def configured(venue: Venue, account: Account | None, **more: Any) -> dict[str, Any]:
    """One exchange of a configuration, with the account's keys."""
    options = {"reconnect_delay": 0.05, "reconnect_max_delay": 0.2, **more.pop("options", {})}
    keys = {} if account is None else {"api_key": account.key, "secret_key": account.secret}
    if account is not None and venue.name == "okx":
        keys["passphrase"] = account.passphrase
    return {"exchange_id": venue.name, "base_url": venue.markets, "options": options, **keys, **more}


class Told:
    """What was heard, in order, and a way to wait for more of it."""

    def __init__(self) -> None:
        self.events: list[UserEvent | Event] = []
        self._more = asyncio.Event()

    def __call__(self, event: UserEvent | Event) -> None:
        self.events.append(event)
        self._more.set()

    def look(self, status: StreamStatus) -> None:
        """What is waited for may have become true."""
        self._more.set()

    def of(self, kind: type[T], **fields: object) -> list[T]:
        """Those of a kind that have these values."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())
        ]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what will make it true. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._more.clear()
                await self._more.wait()


class Trader:
    """One account on one emulated venue: the handle, what its stream and its handlers were told, and the truth."""

    def __init__(self, handle: ExchangeHandle, venue: Venue, account: Account) -> None:
        self.handle = handle
        self.venue = venue
        self.account = account
        self.stream: Subscription[UserEvent] | None = None
        self.told = Told()
        """By the subscription."""
        self.heard = Told()
        """By the handlers of events."""
        handle.register_event_handler(OrderChanged, self.heard)
        handle.register_event_handler(FillReceived, self.heard)

    async def listen(self) -> Subscription[UserEvent]:
        """Subscribe to the account's stream, once, and wait until it is live."""
        if self.stream is None:
            self.stream = self.handle.subscribe_user_data()
            self.stream.add_listener(self.told)
            self.stream.add_status_listener(self.told.look)
        async with asyncio.timeout(PATIENCE_S):
            await self.stream.ready()
        return self.stream

    async def down(self) -> None:
        """Wait until the stream has noticed that its connections are gone."""
        stream = self.stream
        assert stream is not None
        await self.told.until(lambda: stream.status is not StreamStatus.LIVE)

    async def up(self) -> None:
        """Wait until the stream is live again."""
        stream = self.stream
        assert stream is not None
        await self.told.until(lambda: stream.status is StreamStatus.LIVE)

    def fills(self, order: Order) -> list[Fill]:
        """Those of an order that the stream has told."""
        return self.told.of(Fill, symbol=order.symbol, order_id=order.id)

    async def filled(self, order: Order, amount: Decimal = LOT) -> None:
        """Wait until the stream has told fills of so much."""
        await self.told.until(lambda: sum(fill.amount for fill in self.fills(order)) == amount)

    # --- orders

    async def symbol(self, name: str) -> Symbol:
        await self.handle.get_symbols()
        return self.handle.symbol(name)

    async def send(self, symbol: str = LINEAR, side: Side = Side.BUY, **fields: Any) -> Order:
        """A market order of 0.1 unless it is said otherwise."""
        sized = "amount" in fields or "quote_amount" in fields
        fields = {"type": OrderType.MARKET, **({} if sized else {"amount": LOT}), **fields}
        return await self.handle.create_order(OrderRequest(symbol=symbol, side=side, **fields))

    async def asked(self, order: Order) -> Order:
        """The order as the venue answers for it now."""
        return await self.handle.get_order(order.id, order.symbol)

    async def price(self, symbol: str, away: str = "0", side: Side = Side.BUY) -> Decimal:
        """A price on the grid, this share on the passive side of the best price that rests on ``side``."""
        book = await self.handle.get_orderbook(symbol, depth=5)
        best = book.best_bid if side is Side.BUY else book.best_ask
        assert best is not None
        share = 1 - Decimal(away) if side is Side.BUY else 1 + Decimal(away)
        return (await self.symbol(symbol)).round_price(best.price * share, side)

    def leave(self) -> None:
        """Close all that is open, so that the venue has no more work with this account."""
        exchange = self.venue.exchange
        exchange.cancel_all(self.account)
        for held in self.true_positions():
            side = TrueSide.SELL if held.amount > 0 else TrueSide.BUY
            request = TrueRequest(
                symbol=held.symbol, side=side, type=TrueType.MARKET, amount=abs(held.amount), position_side=held.side
            )
            exchange.place(self.account, request)

    # --- the truth

    @property
    def orders_asked_for(self) -> int:
        """How often the venue was asked to place an order; what the account's stream asks beside is not counted."""
        pattern = self.venue.order_paths[OrderAction.PLACE]
        return sum(count for call, count in self.venue.stats.by_call.items() if pattern.fullmatch(call))

    @property
    def engine(self) -> Exchange:
        return self.venue.exchange.engine

    def somebody_trades(self, symbol: str, price: Decimal) -> None:
        """Let ``price`` be the last one, which triggers what waits for it: where the market goes by itself is its own
        affair, and when.
        """
        trade = self.true_name(symbol), price, Decimal("0.001"), TrueSide.BUY
        self.engine.trade(*trade, now_ms=self.venue.now_ms())

    def true_name(self, symbol: str) -> str:
        found = self.handle.symbol(symbol)
        return f"{found.market}:{found.venue_id}"

    def unified(self, true_name: str) -> str:
        market, _, venue_id = true_name.partition(":")
        return next(s.name for s in self.handle.symbols if (s.market, s.venue_id) == (market, venue_id))

    def true_orders(self, symbol: str | None = None) -> tuple[TrueOrder, ...]:
        return self.engine.orders(self.account.name, self.true_name(symbol) if symbol else None)

    def true_order(self, order: Order) -> TrueOrder:
        """By its client order id."""
        assert order.client_order_id is not None
        return self.engine.order(self.account.name, client_id=order.client_order_id)

    def true_fills(self, symbol: str | None = None) -> tuple[TrueFill, ...]:
        return self.engine.fills(self.account.name, self.true_name(symbol) if symbol else None)

    def true_positions(self, symbol: str | None = None) -> tuple[TruePosition, ...]:
        return self.engine.positions(self.account.name, self.true_name(symbol) if symbol else None)

    def balance(self, asset: str, symbol: str) -> Any:
        """The true balance of the wallet from which a symbol is traded."""
        wallet = {"okx": "trading", "bybit": "unified"}.get(self.venue.name, self.handle.symbol(symbol).market)
        return self.engine.balance(self.account.name, wallet, asset)


@asynccontextmanager
async def trading(
    venue: Venue,
    account: Account | None = None,
    *,
    opened: bool = False,
    listen: bool = False,
    registry: PluginRegistry | None = None,
    **more: Any,
) -> AsyncIterator[Trader]:
    """An account, opened on the venue, in a manager of its own; ``more`` is of the configuration."""
    account = account or new_account()
    if not opened:
        venue.open_account(account)
    async with managed({"main": configured(venue, account, **more)}, registry=registry) as manager:
        trader = Trader(manager.get_plugin("main"), venue, account)
        await trader.handle.get_symbols()
        if listen:
            await trader.listen()
        try:
            yield trader
        finally:
            trader.leave()


@asynccontextmanager
async def managed(
    exchanges: Mapping[str, Mapping[str, Any]], *, registry: PluginRegistry | None = None
) -> AsyncIterator[PluginManager]:
    """A manager whose exchanges have all started."""
    async with PluginManager.from_config({"exchanges": dict(exchanges)}, registry=registry) as manager:
        for failure in manager.failures.values():
            raise failure
        yield manager


@asynccontextmanager
async def standing(trader: Trader, symbol: str) -> AsyncIterator[None]:
    """The symbol's public book stands still meanwhile."""
    found = trader.handle.symbol(symbol)
    trader.venue.freeze_book(found.market, found.venue_id)
    try:
        yield
    finally:
        trader.venue.freeze_book(found.market, found.venue_id, frozen=False)


DIGITS = Decimal("1e-8")
"""To which Binance tells money."""


def check_fills(fills: Iterable[Fill], true: Iterable[TrueFill]) -> None:
    """That executions are told as they are: each once, to the last digit (fees to the venue's), in any order."""

    def key(fill: Fill | TrueFill) -> tuple[object, ...]:
        side = fill.side.value
        return (fill.timestamp_ms, side, fill.price, fill.amount, fill.fee_asset, str(fill.maker), fill.fee)

    told, made = sorted(fills, key=key), sorted(true, key=key)
    assert [key(fill)[:-1] for fill in told] == [key(fill)[:-1] for fill in made]
    for fill, is_ in zip(told, made, strict=True):
        assert fill.fee is not None
        assert abs(fill.fee - is_.fee) <= DIGITS
    # both sides of a trade with oneself have one id
    assert len({(fill.symbol, fill.trade_id, fill.side) for fill in told}) == len(told)
    assert not Counter((fill.client_order_id, fill.amount) for fill in told if fill.client_order_id) - Counter(
        (fill.client_id, fill.amount) for fill in made
    )


_STATUSES: Mapping[TrueStatus, frozenset[OrderStatus]] = {
    TrueStatus.UNTRIGGERED: frozenset({OrderStatus.OPEN}),
    TrueStatus.NEW: frozenset({OrderStatus.OPEN}),
    TrueStatus.PARTIALLY_FILLED: frozenset({OrderStatus.OPEN}),
    TrueStatus.FILLED: frozenset({OrderStatus.FILLED}),
    TrueStatus.CANCELED: frozenset({OrderStatus.CANCELED}),
    # What the venue itself took off the book is cancelled to some venues and expired to others.
    TrueStatus.EXPIRED: frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED}),
    TrueStatus.REJECTED: frozenset({OrderStatus.REJECTED}),
}


def check_order(order: Order, true: TrueOrder, *, averaged: bool = True) -> None:
    """That an order is told as it is; ``averaged`` is False where the venue may leave out the average price."""
    assert order.status in _STATUSES[true.status]
    assert (order.side.value, order.client_order_id) == (true.side.value, true.client_id)
    assert order.filled == true.filled
    assert (order.amount, order.quote_amount) == (
        (true.amount, None) if true.quote_amount is None else (order.amount, true.quote_amount)
    )
    if true.type is TrueType.LIMIT and order.type is not OrderType.MARKET:
        assert order.price == true.price
    if true.average is None:
        assert order.average_price is None
    elif averaged or order.average_price is not None:
        assert order.average_price is not None
        assert abs(order.average_price / true.average - 1) < Decimal("1e-9")

"""The account: the matching engine, the markets that its orders and positions need, and its stream."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Final

from fra import matching
from fra.core import (
    ErrorRaised,
    ExchangeConnectionError,
    ExchangeError,
    FundingPayment,
    InvalidOrder,
    NotSupported,
    Operation,
    Order,
    OrderRequest,
    PluginContext,
    StreamSource,
    StreamStatus,
    Symbol,
    UserEvent,
)
from fra.exchanges.paper import convert
from fra.exchanges.paper.convert import WALLET
from fra.exchanges.paper.errors import refusals
from fra.exchanges.paper.feed import Feed
from fra.exchanges.paper.funding import Settlements
from fra.exchanges.paper.options import DEFAULT_FEES, PaperOptions
from fra.exchanges.paper.source import MarketData

NAME: Final = "paper"
"""What the engine calls the account."""


class PaperAccount:
    """One account on one market. It lives as long as its plugin, in memory."""

    def __init__(
        self,
        market: MarketData,
        options: PaperOptions,
        *,
        context: PluginContext,
        timeout: float,
        fees: Mapping[str, Decimal],
    ) -> None:
        """``fees`` are the market's own; ``timeout`` is how many seconds an order waits for a first book."""
        self._market = market
        self._options = options
        self._context = context
        self._timeout = timeout
        self._fees = (options.fees, fees, DEFAULT_FEES)
        self._listed: dict[str, matching.Instrument] = {}
        self._feeds: dict[str, Feed] = {}
        self._streams: list[StreamSource[UserEvent]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.payments: list[FundingPayment] = []
        now = context.now_ms()
        self.engine = matching.Exchange(now_ms=now, seed=options.seed, listener=self._on_event)
        mode = matching.PositionMode[options.position_mode.name]
        self.engine.open_account(NAME, wallets={WALLET: WALLET}, mode=mode, leverage=options.leverage)
        for asset, amount in options.balances.items():
            self.engine.deposit(NAME, WALLET, asset, amount, now_ms=now)

    def listed(self, symbol: Symbol) -> str:
        """The symbol's name, now that the engine has its present rules."""
        maker, taker = (self._fee(symbol, role) for role in ("maker", "taker"))
        instrument = convert.instrument(symbol, maker=maker, taker=taker, max_leverage=self._options.max_leverage)
        if self._listed.get(symbol.name) != instrument:
            with refusals():
                self.engine.list_instrument(instrument, now_ms=self._context.now_ms())
            self._listed[symbol.name] = instrument
        return symbol.name

    def knows(self, symbol: Symbol | None) -> bool:
        """Whether the engine ever heard of it: of what it did not, there are no orders and no positions."""
        return symbol is None or symbol.name in self._listed

    def _fee(self, symbol: Symbol, role: str) -> Decimal:
        keys = f"{symbol.kind.value}.{role}", role
        return next(fees[key] for fees in self._fees for key in keys if key in fees)

    # --- orders

    async def place(self, request: OrderRequest, symbol: Symbol) -> Order:
        """Match an order against the live book as it is now. :raises InvalidOrder: while there is none to trust."""
        self.listed(symbol)
        try:
            await self._feed(symbol).tradable(within=self._timeout)
        except ExchangeConnectionError as error:
            raise InvalidOrder(f"nothing was ordered: {error.message}", code="no_book") from error
        with refusals():
            order = self.engine.place(NAME, convert.request(request), now_ms=self._context.now_ms())
        return convert.order(order)

    def find(self, order_id: str | None, symbol: Symbol | None, client_order_id: str | None) -> matching.Order:
        """:raises OrderNotFound: no order, or one of another symbol."""
        number = int(order_id) if order_id is not None and order_id.isdecimal() else None
        with refusals():
            order = self.engine.order(NAME, order_id=number, client_id=client_order_id)
            if symbol is not None and order.symbol != symbol.name:
                raise matching.Refused(matching.Reason.UNKNOWN_ORDER, f"no order {order_id or client_order_id}")
        return order

    # --- the account's stream

    def stream(self) -> StreamSource[UserEvent]:
        """What happens from now on; live at once, for nothing can be missed."""

        async def close() -> None:
            self._streams.remove(source)

        source: StreamSource[UserEvent] = StreamSource(close=close)
        source.set_status(StreamStatus.LIVE)
        self._streams.append(source)
        return source

    def _on_event(self, event: matching.Event) -> None:
        if isinstance(event, matching.OutsideTaken) and (feed := self._feeds.get(event.symbol)) is not None:
            feed.take(event)
        for news in _news(event):
            for stream in tuple(self._streams):
                stream.publish(news)

    # --- the market around it

    def _feed(self, symbol: Symbol) -> Feed:
        feed = self._feeds.get(symbol.name)
        if feed is not None and not feed.ended:
            return feed
        if feed is not None:
            self._close(feed)
        market, settlements = self._market, None
        if symbol.kind.is_swap:
            if market.capabilities.support(Operation.GET_FUNDING_RATE_HISTORY, symbol.kind):
                settlements = Settlements(symbol, market, self, now_ms=self._context.now_ms)
            else:
                error = NotSupported(f"{market.name} does not say which funding rates it charged: none is paid")
                self.report(f"funding of {symbol}", error)
        feed = self._feeds[symbol.name] = Feed(
            symbol,
            market,
            self.engine,
            settlements=settlements,
            now_ms=self._context.now_ms,
            stale_after=self._options.stale_after,
            idle=self._close,
        )
        return feed

    def _close(self, feed: Feed) -> None:
        if self._feeds.get(feed.symbol.name) is feed:
            del self._feeds[feed.symbol.name]
        self.spawn(feed.close(), name=f"fra paper close {feed.symbol}")

    def held(self, symbol: str) -> tuple[Sequence[matching.Position], Decimal | None]:
        return self.engine.positions(NAME, symbol), self.engine.mark_price(symbol)

    def pay(
        self, symbol: str, rate: Decimal, mark: Decimal, *, held: Sequence[matching.Position], settled_ms: int
    ) -> None:
        paid = self.engine.settle(symbol, rate, mark, held=held, now_ms=self._context.now_ms())
        self.payments += [convert.payment(payment, settled_ms=settled_ms) for payment in paid]

    def report(self, where: str, error: ExchangeError) -> None:
        name = self._context.exchange_name
        error.exchange = error.exchange or name
        self._context.emit(ErrorRaised(exchange=name, timestamp_ms=self._context.now_ms(), where=where, error=error))

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> None:
        """Run it until it is done or the account is closed."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            failure = error if isinstance(error, ExchangeError) else ExchangeError(f"{type(error).__name__}: {error}")
            self.report(task.get_name(), failure)

    async def close(self) -> None:
        """Leave the markets; the orders stay as they are. Idempotent."""
        feeds, self._feeds = tuple(self._feeds.values()), {}
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(feed.close() for feed in feeds), return_exceptions=True)


def _news(event: matching.Event) -> tuple[UserEvent, ...]:
    if isinstance(event, matching.OrderChanged):
        return (convert.order(event.order),)
    if isinstance(event, matching.Filled):
        return convert.order(event.order), convert.fill(event.fill)
    if isinstance(event, matching.BalanceChanged):
        at_ms = event.timestamp_ms
        return (convert.balance(event.asset, total=event.total, free=event.free, timestamp_ms=at_ms),)
    if isinstance(event, matching.PositionChanged):
        return (convert.position(event.position),)
    return ()

"""One symbol's live market, told to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final, overload

from fra.core import (
    BookView,
    ExchangeError,
    FundingRate,
    InvalidOrder,
    Operation,
    PriceLevel,
    StreamStatus,
    Subscription,
    Symbol,
)
from fra.exchanges.paper.funding import Settlements
from fra.exchanges.paper.source import MarketData
from fra.matching import Exchange, Level, OutsideTaken, Side

_LINGER_MS: Final = 60_000
"""For so long a book is followed after the last order and position have gone."""
_MOMENT_S: Final = 0.5
"""For so long the first order waits for a change of a book that others listen to already."""
_MARK_KEPT_MS: Final = 10_000
"""For so long a told mark price counts; then the middle of the book does."""


class Feed:
    """The book of a symbol as the market streams it and, for a swap, its mark price and settlements.

    The engine is told of a valid book only: while the market's stream has lost its place the engine has no levels, no
    order is taken, nothing fills and nothing is triggered or liquidated.

    What the account took from a level stays taken for as long as that level stands: the market does not know of
    it, and would otherwise offer the same amount again with its next update.
    """

    def __init__(
        self,
        symbol: Symbol,
        market: MarketData,
        engine: Exchange,
        *,
        settlements: Settlements | None,
        now_ms: Callable[[], int],
        stale_after: float,
        idle: Callable[[Feed], None],
    ) -> None:
        """``idle`` is called when it has not been needed for a while. Raises what subscribing raises."""
        self.symbol = symbol
        self._market = market
        self._engine = engine
        self._settlements = settlements
        self._now_ms = now_ms
        self._stale_after = stale_after
        self._idle = idle
        self._needed_ms = now_ms()
        self._valid = False
        self._told = False
        self._heard = asyncio.Event()
        self._middle: Decimal | None = None
        self._mark: tuple[int, Decimal] | None = None
        self._taken: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
        self._books = market.subscribe_orderbook(symbol.name)
        self._books.add_listener(self._on_book)
        self._rates: Subscription[FundingRate] | None = None
        if market.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, symbol.kind):
            self._rates = market.subscribe_funding_rate(symbol.name)
            self._rates.add_listener(self._on_rate)

    @property
    def ended(self) -> bool:
        """Whether its book will never come again."""
        return self._books.status in (StreamStatus.FAILED, StreamStatus.CLOSED)

    async def tradable(self, *, within: float) -> None:
        """Wait for the first book, ``within`` so many seconds.

        :raises InvalidOrder: there is none, or it is not to be trusted now.
        """
        self._needed_ms = self._now_ms()
        try:
            async with asyncio.timeout(within):
                await self._books.ready()
                await self._next_book()
                if not self._told:  # others listen to it already, and nothing has changed since
                    book = await self._market.get_orderbook(self.symbol.name)
                    if not self._told:
                        self._take_in(book.valid, book.bids, book.asks)
        except TimeoutError:
            raise self._refusal(f"has not come within {within:g} s") from None
        except ExchangeError as error:
            raise self._refusal(f"does not come: {error.message}") from error
        self._needed_ms = self._now_ms()
        problem = self._problem()
        if problem is not None:
            raise self._refusal(problem)

    async def _next_book(self) -> None:
        """Wait for it for a moment: an answer to a question may be older than what the stream told last."""
        if not self._told:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MOMENT_S):
                    await self._heard.wait()

    def trusted(self) -> bool:
        """Whether the book that the engine was told last is the market's book now."""
        return self._problem() is None

    def _problem(self) -> str | None:
        age, status = self._books.age, self._books.status
        if status is not StreamStatus.LIVE:
            return f"is {status.value}"
        if not self._valid:
            return "has lost its place"
        if age is None or age > self._stale_after:
            return f"is stale: nothing was heard of it for {age or 0:.1f} s"
        return None

    def _refusal(self, what: str) -> InvalidOrder:
        return InvalidOrder(
            f"nothing was ordered: the order book of {self.symbol} at {self._market.name} {what}",
            code="no_book",
            cure="try again when it is live",
        )

    def take(self, taken: OutsideTaken) -> None:
        """The account took from the market's levels."""
        levels = self._taken[taken.side]
        for price, amount in taken.levels:
            levels[price] = levels.get(price, Decimal(0)) + amount

    async def close(self) -> None:
        if self._settlements is not None:
            self._settlements.stop()
        await self._books.close()
        if self._rates is not None:
            await self._rates.close()

    # --- what the market says

    def _on_book(self, view: BookView) -> None:
        self._take_in(view.valid, view.bids(), view.asks())  # no levels of a book that has lost its place

    def _take_in(self, valid: bool, bids: Sequence[PriceLevel], asks: Sequence[PriceLevel]) -> None:
        self._told, self._valid = True, valid
        self._heard.set()
        self._middle = (bids[0].price + asks[0].price) / 2 if bids and asks else None
        name = self.symbol.name
        left_bids, left_asks = self._left(Side.BUY, bids), self._left(Side.SELL, asks)
        told = (_Trusted(levels, self.trusted) for levels in (left_bids, left_asks))
        self._engine.quote(name, *told, now_ms=self._now_ms())
        self._tell_mark()
        if self._engine.needs_quotes(name):
            self._needed_ms = self._now_ms()
        elif self._now_ms() - self._needed_ms > _LINGER_MS:
            self._idle(self)

    def _left(self, side: Side, levels: Sequence[PriceLevel]) -> Sequence[Level]:
        taken = self._taken[side]
        if not taken or not self._valid:
            return levels
        standing = {price: taken[price] for price, _ in levels if price in taken}
        self._taken[side] = standing
        return [(price, amount - standing.get(price, Decimal(0))) for price, amount in levels]

    def _on_rate(self, rate: FundingRate) -> None:
        if rate.mark_price is not None:
            self._mark = self._now_ms(), rate.mark_price
            self._tell_mark()
        if self._settlements is not None:
            self._settlements.follow(rate)

    def _tell_mark(self) -> None:
        if not self.trusted():
            return
        now = self._now_ms()
        told = self._mark is not None and now - self._mark[0] <= _MARK_KEPT_MS
        mark = self._mark[1] if told and self._mark is not None else self._middle
        if mark is not None:
            self._engine.mark(self.symbol.name, mark, now_ms=now)


class _Trusted(Sequence[Level]):
    """Levels that are there for only as long as their book is trusted, whenever the engine looks."""

    def __init__(self, levels: Sequence[Level], trusted: Callable[[], bool]) -> None:
        self._levels = levels
        self._trusted = trusted

    def _now(self) -> Sequence[Level]:
        return self._levels if self._trusted() else ()

    def __iter__(self) -> Iterator[Level]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    @overload
    def __getitem__(self, index: int) -> Level: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Level]: ...
    def __getitem__(self, index: int | slice) -> Level | Sequence[Level]:
        return self._now()[index]

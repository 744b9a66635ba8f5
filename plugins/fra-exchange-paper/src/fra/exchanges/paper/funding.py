"""Settlements: who held what when the market settled, and what it then says was charged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from fra.core import ExchangeAPIError, ExchangeError, FundingRate, NotSupported, Symbol
from fra.exchanges.paper.source import MarketData
from fra.matching import Position

_SAME_MS: Final = 60_000
"""A settlement is told of by two clocks: what lies this near may be the same one."""
_JITTER_MS: Final = 500
"""Some tell one settlement's time a few milliseconds off the hour now, and on it then."""
_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 60.0
_HORIZON_MS: Final = 3_600_000


class Books(Protocol):
    """The account, as settlements need it."""

    def held(self, symbol: str) -> tuple[Sequence[Position], Decimal | None]:
        """The open positions and the mark price, now."""

    def pay(self, symbol: str, rate: Decimal, mark: Decimal, *, held: Sequence[Position], settled_ms: int) -> None: ...
    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> None: ...
    def report(self, where: str, error: ExchangeError) -> None: ...


class Settlements:
    """Pays the funding of one symbol: at the settlement times that the market itself gives, and by the rate that it
    says it has charged.

    The positions are noted when the settlement comes (by our clock), and its rate is asked for from then on, for an
    hour. Where the market gives no settlement time, or never says what was charged, nothing is paid and an ErrorRaised
    says so: neither is ever reckoned from an interval.
    """

    def __init__(self, symbol: Symbol, market: MarketData, books: Books, *, now_ms: Callable[[], int]) -> None:
        self._symbol = symbol
        self._market = market
        self._books = books
        self._now_ms = now_ms
        self._next_ms: int | None = None
        self._last_ms = now_ms() - _JITTER_MS  # nothing was held here before
        self._timer: asyncio.TimerHandle | None = None
        self._said = False

    def follow(self, rate: FundingRate) -> None:
        """The running rate says when the next settlement is."""
        next_ms, before, now = rate.next_settlement_ms, self._next_ms, self._now_ms()
        if next_ms is None:
            self._say_unknown()
            return
        if next_ms == before or next_ms <= self._last_ms + _JITTER_MS:
            return
        if before is not None and next_ms > before and now >= before - _SAME_MS:
            self._settled(before)  # the market's clock is ahead of ours
        self.stop()
        self._next_ms = next_ms
        self._timer = asyncio.get_running_loop().call_later((next_ms - now) / 1000, self._settled, next_ms)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _settled(self, settled_ms: int) -> None:
        if settled_ms <= self._last_ms + _JITTER_MS:
            return
        self._last_ms = settled_ms
        held, mark = self._books.held(self._symbol.name)
        if held:
            settlement = _Settlement(settled_ms, held, mark)
            self._books.spawn(self._pay(settlement), name=f"fra paper funding of {self._symbol}")

    async def _pay(self, settlement: _Settlement) -> None:
        delay, failure = _FIRST_DELAY, ExchangeError("the market does not say what it has charged")
        while self._now_ms() < settlement.at_ms + _HORIZON_MS:
            try:
                charged = await self._charged(settlement.at_ms)
            except NotSupported as error:
                failure = error
                break
            except ExchangeError as error:
                failure, charged = error, None
            if charged is not None:
                mark = charged.mark_price or settlement.mark
                assert mark is not None, "whoever has a position has traded, at a price"
                at_ms, name = settlement.at_ms, self._symbol.name
                self._books.pay(name, charged.rate, mark, held=settlement.held, settled_ms=at_ms)
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)
        self._books.report(f"funding of {self._symbol} at {settlement.at_ms}, which is not paid", failure)

    async def _charged(self, settled_ms: int) -> FundingRate | None:
        rates = await self._market.get_funding_rate_history(
            self._symbol.name, since=settled_ms - _SAME_MS, until=settled_ms + _SAME_MS
        )
        found = [rate for rate in rates if rate.settled_ms and abs(rate.settled_ms - settled_ms) < _SAME_MS]
        return min(found, key=lambda rate: abs((rate.settled_ms or 0) - settled_ms), default=None)

    def _say_unknown(self) -> None:
        if self._next_ms is None and not self._said and self._books.held(self._symbol.name)[0]:
            self._said = True
            error = ExchangeAPIError("the market does not say when it settles next: no funding is paid until it does")
            self._books.report(f"funding of {self._symbol}", error)


class _Settlement(NamedTuple):
    at_ms: int
    held: Sequence[Position]
    mark: Decimal | None
    """Of then."""

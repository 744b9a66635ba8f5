"""Funding of USD-M: each symbol's terms, kept fresh, and the stream of running estimates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fra.adapters.custom import Stream
from fra.core import ExchangeError, FundingRate, Symbol
from fra.exchanges.binance import wire
from fra.exchanges.binance.convert import DEFAULT_TERMS, FundingTerms, estimated_rate, funding_terms


class FundingTermsBook:
    """``fundingInfo`` in memory: one request serves all symbols, repeated when it has grown old."""

    def __init__(self, fetch: Callable[[], Awaitable[Sequence[wire.FundingInfo]]], *, max_age: float) -> None:
        self._fetch = fetch
        self._max_age = max_age
        self._terms: Mapping[str, FundingTerms] | None = None
        self._asked_at = 0.0
        self._lock = asyncio.Lock()

    def known(self, venue_id: str) -> FundingTerms | None:
        """The symbol's terms as far as they are known without asking; None before the first answer."""
        return None if self._terms is None else self._terms.get(venue_id, DEFAULT_TERMS)

    async def refresh(self, *, newer_than: float | None = None) -> None:
        """Ask, unless the answer at hand is young enough, or was asked for after ``newer_than`` (monotonic)."""
        async with self._lock:
            now = time.monotonic()
            oldest = now - self._max_age if newer_than is None else newer_than
            if self._terms is None or self._asked_at < oldest:
                self._terms = funding_terms(await self._fetch())
                self._asked_at = now

    async def get(self, venue_id: str) -> FundingTerms:
        """The symbol's terms, no older than allowed."""
        await self.refresh()
        return self.known(venue_id) or DEFAULT_TERMS


class FundingStream:
    """Handler of one ``markPrice@1s`` stream.

    The first estimates wait for the symbol's terms; when they cannot be had, the interval is unknown. At each
    settlement the terms are asked for again: the venue changes intervals there.
    """

    def __init__(
        self,
        stream: Stream[FundingRate],
        symbol: Symbol,
        terms: FundingTermsBook,
        *,
        venue_ms: Callable[[], int],
    ) -> None:
        self._stream = stream
        self._venue_ms = venue_ms
        self._name = symbol.name
        self._venue_id = symbol.venue_id
        self._terms = terms
        self._asked = False
        self._next_ms = 0
        self._held: tuple[wire.MarkPrice, int] | None = None

    def on_message(self, message: wire.MarkPriceFrame, received_ms: int) -> None:
        push = message.data
        if not push.r:
            return  # a contract that pays no funding
        if self._next_ms != push.T:
            if self._next_ms:
                self._ask(newer_than=time.monotonic())
            self._next_ms = push.T
        if not self._asked:
            self._held = push, received_ms
            return
        self._publish(push, received_ms)

    def on_subscribed(self) -> None:
        self._ask(newer_than=None)

    def on_lost(self, error: ExchangeError) -> None:
        pass

    def _publish(self, push: wire.MarkPrice, received_ms: int) -> None:
        self._stream.source.publish(
            estimated_rate(
                name=self._name,
                rate=push.r,
                next_ms=push.T,
                mark=push.p,
                index=push.i,
                time_ms=push.E,
                received_ms=received_ms,
                venue_ms=self._venue_ms(),
                terms=self._terms.known(self._venue_id),
            )
        )

    def _ask(self, *, newer_than: float | None) -> None:
        self._stream.spawn(self._load(newer_than), name=f"funding terms for {self._name}")

    async def _load(self, newer_than: float | None) -> None:
        try:
            await self._terms.refresh(newer_than=newer_than)
        except ExchangeError as error:
            self._stream.report(error)
        self._asked = True
        held, self._held = self._held, None
        if held is not None:
            self._publish(*held)

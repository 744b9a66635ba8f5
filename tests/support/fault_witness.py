"""What a user hears of one venue's streams while things go wrong, and how long it took to be told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from fault_scenarios import Feed
from fault_truth import Truth, fact

from fra.core import (
    BookView,
    ExchangeHandle,
    FundingRate,
    Kline,
    KlineInterval,
    Operation,
    StreamGap,
    StreamStatus,
    Subscription,
    Ticker,
)

_LOOK_S = 0.02
"""A subscription tells its status to those who look; it is looked at so often."""


class Heard:
    """One subscription, everything that it told, and when."""

    def __init__(
        self, feed: Feed, subscription: Subscription[Any], changed: Callable[[], None], *, polled: bool = False
    ) -> None:
        """`polled`: it is asked for now and then only."""
        self.feed = feed
        self.polled = polled
        self.subscription = subscription
        self.log: list[Any] = []
        """Of lossless streams: items and gaps, in order."""
        self.last: Any = None
        self.items = 0
        self.gaps = 0
        self.last_item = asyncio.get_running_loop().time()
        self.told_after: float | None = None
        """Seconds from the last item until it was told that there is no data, the last time that this was so."""
        self.failed: BaseException | None = None
        self._changed = changed
        self._live = False

    @property
    def moves(self) -> bool:
        """Whether something comes all the time."""
        return self.feed is not Feed.ACCOUNT and not self.polled

    @property
    def live(self) -> bool:
        return self.subscription.status is StreamStatus.LIVE

    def hear(self, item: Any) -> None:
        self.items += 1
        self.last = item
        self.last_item = asyncio.get_running_loop().time()
        self._changed()

    def look(self) -> None:
        """See whether its status has changed."""
        if self.live is self._live:
            return
        self._live = self.live
        if not self._live:
            self.told_after = asyncio.get_running_loop().time() - self.last_item
        self._changed()

    async def iterate(self) -> None:
        """Keep every item and every gap."""
        try:
            while True:
                try:
                    async for item in self.subscription:
                        self.log.append(item)
                        self.hear(item)
                    return
                except StreamGap as gap:
                    self.gaps += 1
                    self.log.append(gap)
        except Exception as error:
            self.failed = error
            self._changed()


class Witness:
    """All streams of a scenario beside the account's."""

    def __init__(self, handle: ExchangeHandle, name: str, truth: Truth) -> None:
        self.truth = truth
        self.heard: dict[Feed, Heard] = {}
        self.wrong: list[str] = []
        self.compared = 0
        self._handle = handle
        self._name = name
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def watch(self, feed: Feed, subscription: Subscription[Any]) -> Heard:
        """Look after a subscription that is read elsewhere."""
        can = self._handle.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, self.truth.symbol.kind)
        polled = feed is Feed.FUNDING and can.mode == "polled"
        heard = self.heard[feed] = Heard(feed, subscription, self._more.set, polled=polled)
        return heard

    def open(self, feed: Feed) -> None:
        """Subscribe."""
        handle, name = self._handle, self._name
        match feed:
            case Feed.BOOK:
                subscription: Subscription[Any] = handle.subscribe_orderbook(name)
            case Feed.TRADES:
                subscription = handle.subscribe_trades(name)
            case Feed.TICKER:
                subscription = handle.subscribe_ticker(name)
            case Feed.KLINES:
                subscription = handle.subscribe_klines(name, KlineInterval.M1)
            case _:
                subscription = handle.subscribe_funding_rate(name)
        heard = self.watch(feed, subscription)
        if feed in (Feed.TRADES, Feed.KLINES):
            self._tasks.append(asyncio.create_task(heard.iterate(), name=f"reads {feed.value}"))
            return
        look = {Feed.BOOK: self._book, Feed.TICKER: self._ticker, Feed.FUNDING: self._funding}[feed]

        def listen(item: Any) -> None:
            try:
                look(item)
            except Exception as error:
                self.wrong.append(f"{feed.value}: looking at it failed: {error!r}")
            if not isinstance(item, BookView) or item.valid:
                heard.hear(item)

        subscription.add_listener(listen)

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._look(), name="looks at statuses"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            for heard in self.heard.values():
                heard.look()
            self._more.set()  # what is no news of a stream may be waited for too
            await asyncio.sleep(_LOOK_S)

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

    # --- what is held to the truth at once

    def _book(self, view: BookView) -> None:
        if not view.valid:
            if view.bids() or view.asks() or view.sequence is not None:
                self.wrong.append(f"book: it is not valid, and shows levels or a sequence: {view}")
            return
        self.compared += 1
        if (difference := self.truth.differs(view)) is not None:
            self.wrong.append(f"book: valid and not the venue's: {difference}")

    def _ticker(self, ticker: Ticker) -> None:
        if ticker.bid is not None and ticker.ask is not None and ticker.bid >= ticker.ask:
            self.wrong.append(f"ticker: crossed: {ticker}")

    def _funding(self, rate: FundingRate) -> None:
        if (lie := self.truth.lies(rate)) is not None:
            self.wrong.append(f"funding: {lie}")

    # --- what is held to it at the end

    def trades_wrong(self, *, any_order: bool, loses: bool) -> list[str]:
        """Trades that were lost, told twice or never were, between gaps. `any_order`: they were swapped on their way;
        `loses`: the venue itself has kept some back."""
        heard = self.heard.get(Feed.TRADES)
        if heard is None:
            return []
        true = self.truth.trades()
        where = {one: n for n, one in enumerate(true)}
        oldest = true[0][0] if true else 0  # older ones the venue has forgotten
        wrong = [
            f"trades: one that never was: {one}"
            for one in heard.log
            if not isinstance(one, StreamGap) and fact(one) not in where and one.timestamp_ms >= oldest
        ]
        segments: list[list[int]] = [[]]
        for one in heard.log:
            if isinstance(one, StreamGap):
                segments.append([])
            elif (place := where.get(fact(one))) is not None:
                segments[-1].append(place)
        told = Counter(place for segment in segments for place in segment)
        wrong += [
            f"trades: number {place} told {n} times, with {heard.gaps} gaps" for place, n in told.items() if n > 1
        ]
        for segment in filter(None, segments):
            expected = list(range(min(segment), max(segment) + 1))
            if not loses and (missing := sorted({*expected} - {*segment})):
                wrong.append(f"trades: {missing} of {expected[0]} to {expected[-1]} lost without a word")
            elif not any_order and segment != sorted(segment):
                wrong.append(f"trades: in a wrong order: {segment}")
        ends = [(min(segment), max(segment)) for segment in segments if segment]
        wrong += [f"trades: {b} after {a}" for a, b in pairwise(ends) if b[0] <= a[1] and not any_order]
        return wrong

    def klines_wrong(self) -> list[str]:
        """Candles that never were, or went back in time."""
        heard = self.heard.get(Feed.KLINES)
        wrong: list[str] = []
        last: Kline | None = None
        for told in heard.log if heard is not None else ():
            if isinstance(told, StreamGap):
                last = None
                continue
            if told.open_ms % 60_000:
                wrong.append(f"klines: opened between minutes: {told}")
            real = self.truth.opened(told.open_ms, 60_000)
            tick = float(self.truth.symbol.tick_size or 0)
            if abs(float(told.open) - real) > tick or not told.low <= min(told.open, told.close):
                wrong.append(f"klines: {told} opened at {real}")
            if last is not None and told.open_ms < last.open_ms:
                wrong.append(f"klines: {told.open_ms} after {last.open_ms}")
            if last is not None and told.open_ms > last.open_ms + 60_000:
                wrong.append(f"klines: none between {last.open_ms} and {told.open_ms}, and no gap")
            last = told
        return wrong

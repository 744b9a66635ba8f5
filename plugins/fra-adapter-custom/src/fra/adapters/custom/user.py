"""The account's events: several private channels as one stream that is complete, or says that it is not yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from fra.adapters.custom.channel import Channel
from fra.adapters.custom.errors import is_permanent
from fra.adapters.custom.stream import Stream, StreamHandler
from fra.core import (
    Balance,
    ExchangeError,
    Position,
    ReconnectManager,
    StreamGap,
    StreamSource,
    StreamStatus,
    UserEvent,
)

if TYPE_CHECKING:
    from fra.adapters.custom.endpoint import Params
    from fra.adapters.custom.streams import StreamClient

M = TypeVar("M")

Backfill = Callable[[int | None], Awaitable[Iterable[UserEvent]]]
"""``await backfill(since_ms)``: how the account stands now (open orders, balances, positions) and, unless ``since_ms``
is None, every order that ended and every fill since then (by the venue's clock), oldest first. Raises errors of fra's
tree."""

_OVERLAP_MS: Final = 60_000
"""So much longer back is asked after a loss: clocks differ, and that a connection is dead is noticed late."""
_EARLY_MS: Final = 1_000
"""So much longer back is asked for orders that left before the account's stream was there."""


@attrs.frozen
class UserChannel(Generic[M]):
    """One private channel, and the events that a message of it means: ``convert(message, received_ms)``, in order.

    The channel is ``private`` and ``lossless``, and has no ``staleness``: an account may be quiet for days.
    """

    channel: Channel[M]
    convert: Callable[[M, int], Iterable[UserEvent]]
    params: Params = attrs.field(factory=dict)


class UserFeed:
    """Keeps private channels subscribed and hands their events to :attr:`source`.

    The source is LIVE once every channel is subscribed *and* the account was asked for by REST after that, so that
    whoever sees LIVE has missed nothing. After a loss it is RECOVERING until both hold again, and what happened
    meanwhile comes from the backfill; so does what became of orders that left before it was LIVE for the first time.
    Events go out at once, also while it is not LIVE, and the same may come from both: orders only ever move on and
    fills have trade ids, which the host keeps to. Balances and positions of a backfill that a channel has told of
    meanwhile are left out, since they are older; what was there before and the backfill does not name any more is told
    of as zero.
    """

    def __init__(self, client: StreamClient, channels: Sequence[UserChannel[Any]], backfill: Backfill) -> None:
        self.source: StreamSource[UserEvent] = StreamSource(close=self._close)
        self._client = client
        self._ask = backfill
        self._missing = set(range(len(channels)))
        self._opened_at = monotonic()
        self._opened = _Moment(client, client.now_ms())
        self._heard: _Moment | None = None
        self._states: dict[tuple[str, str], Balance | Position] = {}
        self._touched: set[tuple[str, str]] = set()
        self._cancel: Callable[[], None] | None = None
        self._parts: list[StreamSource[UserEvent]] = []
        for number, part in enumerate(channels):
            source = client.open(part.channel, None, self._handler(number, part), params=part.params)
            source.attach(_Watch(self), items=False)
            self._parts.append(source)

    def _handler(self, number: int, part: UserChannel[Any]) -> Callable[[Stream[UserEvent]], StreamHandler[Any]]:
        def make(stream: Stream[UserEvent]) -> StreamHandler[Any]:
            return _Handler(self, number, part.convert)

        return make

    # --- what the channels say

    def joined(self, number: int) -> None:
        """This channel is subscribed."""
        self._missing.discard(number)
        self.complete()

    def lost(self, number: int, error: ExchangeError) -> None:
        """This channel's subscription is gone."""
        self._missing.add(number)
        self._stop()
        self.source.set_status(StreamStatus.RECOVERING, error)

    def fail(self, error: ExchangeError) -> None:
        """A channel will never be served."""
        self._stop()
        self.source.fail(error)

    def bring(self, events: Iterable[UserEvent], received_ms: int) -> None:
        """What a channel brought."""
        if self.source.status is StreamStatus.LIVE:
            self._heard = _Moment(self._client, received_ms)
        for event in events:
            if self._cancel is not None and (key := _key(event)) is not None:
                self._touched.add(key)
            self._deliver(event)

    def _deliver(self, event: UserEvent) -> None:
        if isinstance(event, Balance | Position):
            key = _key(event)
            assert key is not None
            if event.total or event.borrowed if isinstance(event, Balance) else event.amount:
                self._states[key] = event
            else:
                self._states.pop(key, None)  # told once: nobody has to hear again that it is gone
        self.source.deliver(event)

    # --- the backfill

    def complete(self) -> None:
        """Ask for what may be missing, unless a channel is still missing or it is being done."""
        if not self._missing and self._cancel is None:
            self._touched.clear()
            self._cancel = self._client.spawn(self._fill(), name="the state of the account")

    async def _fill(self) -> None:
        options = self._client.options
        retries = ReconnectManager(
            None,
            options.reconnect_delay,
            max(options.reconnect_max_delay, options.reconnect_delay),
            on_attempt_failed=lambda attempt, error: None,
        )
        events: list[UserEvent] = []
        answer: list[UserEvent] | None = None
        since = self._since()
        while answer is None or _is_earlier(since_now := self._since(), since):
            if answer is not None:
                since = since_now  # the clock was read anew meanwhile, and had jumped: this answer begins too late
            try:
                answer = [*await self._ask(since)]
                events += answer
            except Exception as error:
                failure = self._typed(error)
                self._client.report(failure, where="account")
                if is_permanent(failure):
                    self._cancel = None
                    self.fail(failure)
                    return
                self.source.set_status(StreamStatus.RECOVERING, failure)
                await retries.handle_disconnect(_nothing)
                answer, since = None, self._since()
        named = {_key(event) for event in answer}
        gone = [_nothing_of(state) for key, state in self._states.items() if key not in named]
        for event in (*events, *gone):
            if (key := _key(event)) is None or key not in self._touched:
                self._deliver(event)
        self._heard = _Moment(self._client, self._client.now_ms())
        self._cancel = None
        self.source.set_status(StreamStatus.LIVE)

    def _typed(self, error: Exception) -> ExchangeError:
        """A mistake of the adapter's is as good as an answer that cannot be read: the next may be another, and who
        sees it meanwhile sees RECOVERING with the reason."""
        if isinstance(error, ExchangeError):
            return error
        what = f"{type(error).__name__}: {error}"
        return ExchangeError(f"the state of the account cannot be read: {what}", exchange=self._client.exchange)

    def _since(self) -> int | None:
        """From when on something may have gone unheard, by the venue's clock."""
        if self._heard is not None:
            return self._heard.earliest_ms - _OVERLAP_MS
        ordered_at = self._client.last_order_at
        if ordered_at is not None and ordered_at >= self._opened_at - _EARLY_MS / 1000:
            return self._opened.earliest_ms - _EARLY_MS
        return None

    def _stop(self) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()

    async def _close(self) -> None:
        self._stop()
        for part in self._parts:
            await part.close()


class _Moment:
    """A moment of ours, by the venue's clock."""

    __slots__ = ("_client", "_our_ms", "_then_ms")

    def __init__(self, client: StreamClient, our_ms: int) -> None:
        self._client = client
        self._our_ms = our_ms
        self._then_ms = client.venue_ms(our_ms)

    @property
    def earliest_ms(self) -> int:
        """As that clock was taken to be then, or as it is taken to be now, since it may have jumped either way."""
        return min(self._then_ms, self._client.venue_ms(self._our_ms))


class _Handler:
    """The messages of one channel."""

    __slots__ = ("_convert", "_feed", "_number")

    def __init__(self, feed: UserFeed, number: int, convert: Callable[[Any, int], Iterable[UserEvent]]) -> None:
        self._feed = feed
        self._number = number
        self._convert = convert

    def on_message(self, message: object, received_ms: int) -> None:
        self._feed.bring(self._convert(message, received_ms), received_ms)

    def on_subscribed(self) -> None:
        self._feed.joined(self._number)

    def on_lost(self, error: ExchangeError) -> None:
        self._feed.lost(self._number, error)


class _Watch:
    """Hears what happens to the source of one channel beside its messages."""

    __slots__ = ("_feed",)

    def __init__(self, feed: UserFeed) -> None:
        self._feed = feed

    def on_item(self, item: UserEvent) -> None:
        pass

    def on_gap(self, gap: StreamGap) -> None:
        # Where a connection was replaced, or was lost: what may be missing comes from the backfill.
        self._feed.complete()

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if status is StreamStatus.FAILED and error is not None:
            self._feed.fail(error)


def _key(event: UserEvent) -> tuple[str, str] | None:
    """What an event is the whole state of; None for orders and fills, which are steps."""
    if isinstance(event, Balance):
        return (event.asset, event.market)
    if isinstance(event, Position):
        return (event.symbol, event.side.value)
    return None


def _is_earlier(since_ms: int | None, before_ms: int | None) -> bool:
    """By more than two readings of one clock differ."""
    return since_ms is not None and before_ms is not None and since_ms < before_ms - _EARLY_MS


def _nothing_of(state: Balance | Position) -> Balance | Position:
    """A balance or position that the venue names no more: it was used up or closed, unseen."""
    if isinstance(state, Balance):
        return attrs.evolve(state, free=Decimal(0), total=Decimal(0), borrowed=Decimal(0), timestamp_ms=None)
    return Position(symbol=state.symbol, side=state.side, amount=Decimal(0), hedge_mode=state.hedge_mode)


async def _nothing() -> None:
    """The wait is all that is wanted."""

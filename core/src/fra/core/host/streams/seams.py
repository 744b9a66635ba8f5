"""Seams: how the items of one stream pass from an old source to a new one, while both run.

The old source is followed until the seam *holds*: until it has delivered, or has passed, what the new one began with.
Then the new one is, and what the old one has delivered already is left out of it for as long as it lasts. So nothing
is lost, nothing comes twice, and the order is the venue's. What has no identity has no such seam.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar, final

import attrs

from fra.core.contract.account import Balance, Position
from fra.core.contract.book import BookView
from fra.core.contract.capabilities import Operation
from fra.core.contract.models import FundingRate, Kline, Ticker, Trade
from fra.core.contract.orders import UserEvent

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

RECENT: Final = 100
"""How many trades are remembered of each stream: as many as a venue sends at once when it is subscribed to."""
_HELD: Final = 10_000
"""How far the new source may be ahead of the old one."""


class Memory(Protocol[T_contra]):
    """What a stream remembers of what it delivered."""

    def append(self, item: T_contra, /) -> None: ...


class Seam(ABC, Generic[T]):
    """One stream's passage. All calls are synchronous."""

    @abstractmethod
    def old(self, item: T) -> None:
        """The old source delivers ``item``."""

    def begin(self) -> None:
        """The new source is subscribed: what happens from now on comes from both."""

    @abstractmethod
    def new(self, item: T) -> bool:
        """The new source has ``item``, before it takes over: whether it is to be delivered at once."""

    @property
    @abstractmethod
    def holds(self) -> bool:
        """Whether the new source may take over: nothing is missing between what the two delivered."""

    @property
    def exact(self) -> bool:
        """Whether it can hold at all: its items can be told apart."""
        return True

    @property
    def waits(self) -> bool:
        """Whether one source has something that the other one, if it is well, will have in a moment."""
        return False

    @abstractmethod
    def lost(self) -> None:
        """The new source has lost its place: what it delivered so far counts no more."""

    @abstractmethod
    def take_over(self, *, forced: bool) -> list[T]:
        """The new source takes over: what it had that the old one did not deliver, to be delivered now.

        ``forced`` when the seam does not hold and consumers are told so.
        """

    @abstractmethod
    def beyond(self, item: T) -> bool:
        """The new source, which has taken over, has ``item``: whether it is to be delivered."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether nothing that comes now can have been delivered already."""


@final
class Trades(Seam[Trade]):
    """Once each, by the venue's trade id."""

    def __init__(self, recent: deque[Trade]) -> None:
        self._delivered = {trade.id for trade in recent}
        self._last = recent[-1] if recent else None
        # What is older than all we remember was delivered, or was before our time.
        self._oldest_ms = recent[0].timestamp_ms + (len(recent) == recent.maxlen) if recent else None
        self._held: deque[Trade] = deque()
        self._shown: set[str] = set()
        self._owed: set[str] = set()
        self._begun = False
        self._passed = False
        self._caught_up = False
        self._exact = "" not in self._delivered

    def old(self, item: Trade) -> None:
        self._exact = self._exact and bool(item.id)
        self._delivered.add(item.id)
        self._last, self._caught_up = item, item.id in self._shown
        if self._begun and not self._caught_up:
            self._owed.add(item.id)
        self._compare()

    def begin(self) -> None:
        self._begun = True

    def new(self, item: Trade) -> bool:
        self._exact = self._exact and bool(item.id)
        self._shown.add(item.id)
        self._owed.discard(item.id)
        self._reach(item)
        if self._is_old(item):
            self._passed = True
            return False
        self._held.append(item)
        if len(self._held) > _HELD:
            self._exact = False
            self._held.popleft()
        self._compare()
        return False

    def _reach(self, item: Trade) -> None:
        last = self._last
        if last is not None and (item.id == last.id or item.timestamp_ms > last.timestamp_ms):
            self._caught_up = True

    def _compare(self) -> None:
        held, last = self._held, self._last
        if held and last is not None and not self._passed:
            first = held[0]
            self._passed = (
                self._is_known(first) or last.timestamp_ms > first.timestamp_ms or _follows(last.id, first.id)
            )
        while held and self._is_known(held[0]):
            held.popleft()

    def _is_known(self, item: Trade) -> bool:
        return bool(item.id) and item.id in self._delivered

    def _is_old(self, item: Trade) -> bool:
        oldest_ms = self._oldest_ms
        return oldest_ms is not None and item.timestamp_ms < oldest_ms and not self._is_known(item)

    @property
    def holds(self) -> bool:
        return self._passed and self._exact

    @property
    def exact(self) -> bool:
        return self._exact

    @property
    def waits(self) -> bool:
        return bool(self._held or self._owed)

    def lost(self) -> None:
        self._held.clear()
        self._shown.clear()
        self._owed.clear()
        self._begun = self._passed = self._caught_up = False

    def take_over(self, *, forced: bool) -> list[Trade]:
        held, self._held = self._held, deque()
        return [item for item in held if self.beyond(item)]

    def beyond(self, item: Trade) -> bool:
        self._reach(item)
        if self._is_known(item) or (item.id and self._is_old(item)):
            return False
        self._delivered.add(item.id)
        return True

    @property
    def done(self) -> bool:
        return self._caught_up or self._last is None


def _follows(before: str, after: str) -> bool:
    """Whether these are ids in a row, so that nothing is between them."""
    return before.isdecimal() and after.isdecimal() and int(before) + 1 == int(after)


Age = Callable[[T, T], bool]
"""``is_older(item, than)``, False where nobody can tell."""


@final
class Newest(Seam[T]):
    """The newest wins, and never an older one after a newer: for states rather than steps.

    ``steps`` gives an item the name of what it is a state of (a candle's opening): each is kept.
    """

    def __init__(
        self,
        recent: deque[T],
        *,
        is_older: Age[T],
        usable: Callable[[T], bool] = lambda item: True,
        step: Callable[[T], object] = lambda item: None,
    ) -> None:
        self._last = recent[-1] if recent else None
        self._is_older = is_older
        self._usable = usable
        self._step = step
        self._held: dict[object, T] = {}
        self._newest: T | None = None
        self._done = False

    def old(self, item: T) -> None:
        self._last = item

    def new(self, item: T) -> bool:
        if not self._usable(item):
            self.lost()
            return False
        self._newest = item
        step = self._step(item)
        if step not in self._held and len(self._held) >= RECENT:
            del self._held[next(iter(self._held))]
        self._held[step] = item
        return False

    @property
    def holds(self) -> bool:
        if self._newest is None:
            return False
        last = self._last
        return last is None or not self._usable(last) or not self._is_older(self._newest, last)

    @property
    def waits(self) -> bool:
        return self._newest is not None and not self.holds

    def lost(self) -> None:
        self._held.clear()
        self._newest = None

    def take_over(self, *, forced: bool) -> list[T]:
        held, self._held, self._newest = [*self._held.values()], {}, None
        if forced:
            self._last = None
        return [item for item in held if self.beyond(item)]

    def beyond(self, item: T) -> bool:
        last = self._last
        if last is not None and self._usable(last) and (item == last or self._is_older(item, last)):
            return False
        self._done = True
        self._last = item
        return True

    @property
    def done(self) -> bool:
        return self._done


@final
class AccountMemory:
    """The states that an account's stream told last."""

    def __init__(self) -> None:
        self.states: dict[tuple[type, str, str], Balance | Position] = {}

    def append(self, event: UserEvent, /) -> None:
        if isinstance(event, Balance | Position):
            self.states[_state(event)] = event


@final
class Account(Seam[UserEvent]):
    """Both sources speak at once: the order desk lets each fill through once, and orders only move on.

    Balances and positions of the new one are kept until it takes over, and told where they differ.
    """

    def __init__(self, memory: AccountMemory) -> None:
        self._told = memory.states
        self._held: dict[tuple[type, str, str], Balance | Position] = {}

    def old(self, item: UserEvent) -> None:
        if isinstance(item, Balance | Position):
            self._told[_state(item)] = item

    def new(self, item: UserEvent) -> bool:
        if not isinstance(item, Balance | Position):
            return True
        self._held[_state(item)] = item
        return False

    @property
    def holds(self) -> bool:
        return False  # what is still under way from the old source is nowhere to be seen: time must pass

    def lost(self) -> None:
        self._held.clear()

    def take_over(self, *, forced: bool) -> list[UserEvent]:
        held, self._held = self._held, {}
        return [item for item in held.values() if self.beyond(item)]

    def beyond(self, item: UserEvent) -> bool:
        if not isinstance(item, Balance | Position):
            return True
        told = self._told.get(_state(item))
        self._told[_state(item)] = item
        if isinstance(item, Balance) and isinstance(told, Balance):
            return not _is_older(item, told) and attrs.evolve(item, timestamp_ms=told.timestamp_ms) != told
        return told != item

    @property
    def done(self) -> bool:
        return True


@final
class Unnamed(Seam[Any]):
    """Items of which nobody can say whether they are the same."""

    def __init__(self) -> None:
        self._held: deque[Any] = deque(maxlen=_HELD)

    def old(self, item: object) -> None:
        self._held.clear()

    def new(self, item: object) -> bool:
        self._held.append(item)
        return False

    @property
    def holds(self) -> bool:
        return False

    @property
    def exact(self) -> bool:
        return False

    def lost(self) -> None:
        self._held.clear()

    def take_over(self, *, forced: bool) -> list[Any]:
        return [*self._held]

    def beyond(self, item: object) -> bool:
        return True

    @property
    def done(self) -> bool:
        return True


def _state(event: Balance | Position) -> tuple[type, str, str]:
    if isinstance(event, Balance):
        return (Balance, event.asset, event.market)
    return (Position, event.symbol, event.side.value)


def _is_older(item: Any, than: Any) -> bool:
    first, second = item.timestamp_ms, than.timestamp_ms
    return first is not None and second is not None and first < second


def _book_is_older(item: BookView, than: BookView) -> bool:
    if item.sequence is not None and than.sequence is not None:
        return item.sequence < than.sequence
    return _is_older(item, than)


def _candle_is_older(item: Kline, than: Kline) -> bool:
    if item.open_ms != than.open_ms:
        return item.open_ms < than.open_ms
    return bool(than.closed) > bool(item.closed) or item.volume < than.volume


def memory_for(operation: Operation) -> Memory[Any]:
    """What a stream of ``operation`` has to remember, so that a seam can be made."""
    if operation is Operation.SUBSCRIBE_USER_DATA:
        return AccountMemory()
    return deque(maxlen=RECENT if operation is Operation.SUBSCRIBE_TRADES else 1)


def seam_for(operation: Operation, memory: Any) -> Seam[Any]:
    """The seam of a stream of ``operation``."""
    match operation:
        case Operation.SUBSCRIBE_TRADES:
            return Trades(memory)
        case Operation.SUBSCRIBE_USER_DATA:
            return Account(memory)
        case Operation.SUBSCRIBE_ORDERBOOK:
            return Newest[BookView](memory, is_older=_book_is_older, usable=lambda view: view.valid)
        case Operation.SUBSCRIBE_KLINES:
            return Newest[Kline](memory, is_older=_candle_is_older, step=lambda candle: candle.open_ms)
        case Operation.SUBSCRIBE_TICKER:
            return Newest[Ticker](memory, is_older=_is_older)
        case Operation.SUBSCRIBE_FUNDING_RATE:
            return Newest[FundingRate](memory, is_older=_is_older)
        case _:
            return Unnamed()

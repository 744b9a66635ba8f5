"""Merged streams: what is newest of each member, or everything of all of them; whoever is lost is said to be."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from fra.adapters.aggregated.members import Members
from fra.core import (
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    FraError,
    StreamGap,
    StreamSource,
    StreamStatus,
    Subscription,
)

M = TypeVar("M")
K = TypeVar("K")
T = TypeVar("T")

_SWEEP: Final = 0.5
"""Seconds between two looks at the ages of what the members said last."""
_AGAIN: Final = 2.0
"""Seconds before a stream of a member that ended is opened again."""


class Merged(ABC, Generic[M, T]):
    """One upstream of the host, fed by one subscription at each member. A member that is lost stops no other."""

    def __init__(
        self,
        members: Members,
        names: Callable[[], Sequence[str]],
        subscribe: Callable[[str, ExchangeHandle], Subscription[M]],
        *,
        quorum: int | None,
        max_age: float,
    ) -> None:
        """``names`` says who is to be in it, and may say more of them later. ``quorum`` None: all of them."""
        self.source: StreamSource[T] = StreamSource(close=self._close)
        self._members = members
        self._who = names
        self._names: tuple[str, ...] = ()
        self._subscribe = subscribe
        self._quorum = quorum
        self._max_age = max_age
        self._subscriptions: dict[str, Subscription[M]] = {}
        self._seen: dict[str, StreamStatus | None] = {}
        self._forget = members.on_change(self._on_change)
        self._tasks = {asyncio.create_task(self._sweep(), name="sweep merged stream")}
        self._open_all()

    # --- members

    def _open_all(self) -> None:
        with contextlib.suppress(FraError):  # a symbol that is gone at every member: those who were there stay
            self._names = tuple(self._who())
        for name in self._names:
            self._open(name)

    def _open(self, name: str) -> None:
        if name in self._subscriptions or self._members.all[name].handle is None:
            return
        try:
            subscription = self._subscribe(name, self._members.handle(name))
        except FraError:
            return  # it cannot, or cannot now: the sweep tries again, and `troubles` says so
        self._subscriptions[name] = subscription
        self._follow(name, subscription)

    @abstractmethod
    def _follow(self, name: str, subscription: Subscription[M]) -> None:
        """Take what it says."""

    def _on_change(self, name: str) -> None:
        subscription = self._subscriptions.get(name)
        status = None if subscription is None else subscription.status
        if subscription is not None and status is self._seen.get(name):
            return  # it was about another stream of that member
        self._seen[name] = status
        self._open_all()
        if name in self._names:
            self._look()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            self._members.retry()
            self._open_all()
            self._look()

    def troubles(self) -> dict[str, str]:
        """Who is not in it now, and why."""
        found: dict[str, str] = {}
        for name in self._names:
            why = self._trouble(name)
            if why is not None:
                found[name] = why
        return found

    def _trouble(self, name: str) -> str | None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            return self._members.all[name].trouble or "its stream cannot be opened"
        if subscription.status is not StreamStatus.LIVE:
            why = f": {subscription.error}" if subscription.error is not None else ""
            return f"its stream is {subscription.status.value}{why}"
        age = subscription.age
        if self._max_age and age is not None and age > self._max_age:
            return f"stale: it said nothing for {age:.0f} s"
        return None

    # --- the whole

    @abstractmethod
    def _look(self) -> None:
        """Members may have been lost or found, or have grown old."""

    def _settle(self, troubles: Mapping[str, str]) -> bool:
        """Say whether enough of them are there; whether they are."""
        quorum = len(self._names) if self._quorum is None else min(self._quorum, len(self._names))
        enough = len(self._names) - len(troubles) >= quorum
        started = self.source.status is not StreamStatus.STARTING
        if not enough and (started or len(troubles) == len(self._names)):
            said = "; ".join(f"{name}: {why}" for name, why in troubles.items())
            error = ExchangeConnectionError(f"{len(self._names) - len(troubles)} of {quorum} members: {said}")
            if self.source.status is not StreamStatus.RECOVERING or str(self.source.error) != str(error):
                self.source.set_status(StreamStatus.RECOVERING, error)
        return enough

    async def _close(self) -> None:
        self._forget()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(subscription.close() for subscription in self._subscriptions.values()))


class Newest(Merged[M, T], Generic[M, K, T]):
    """Of each member the newest; at each news the whole is composed anew of those that are there.

    ``keep`` makes of an item what may be kept of it (None: it is nothing to go by), ``compose`` the whole of what was
    kept and of who is missing; it may be called with none at all, if ``empty``.
    """

    def __init__(
        self,
        members: Members,
        names: Callable[[], Sequence[str]],
        subscribe: Callable[[str, ExchangeHandle], Subscription[M]],
        *,
        keep: Callable[[str, object], K | None],
        compose: Callable[[Mapping[str, K], Mapping[str, str]], T],
        empty: bool,
        quorum: int,
        max_age: float,
    ) -> None:
        self._keep = keep
        self._compose = compose
        self._empty = empty
        self._kept: dict[str, K] = {}
        self._shown: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        super().__init__(members, names, subscribe, quorum=quorum, max_age=max_age)

    def _follow(self, name: str, subscription: Subscription[M]) -> None:
        def heard(item: object) -> None:
            kept = self._keep(name, item)
            if kept is None:
                self._kept.pop(name, None)
            else:
                self._kept[name] = kept
            self._publish()

        subscription.add_listener(heard)

    def _look(self) -> None:
        troubles = self._now_missing()
        if self._shown != (tuple(self._fresh(troubles)), tuple(troubles)):
            self._publish()
        else:
            self._settle(troubles)

    def _now_missing(self) -> dict[str, str]:
        troubles = self.troubles()
        for name in self._names:
            if name not in troubles and name not in self._kept:
                troubles[name] = "it has said nothing yet, or its data are not valid"
        return troubles

    def _fresh(self, troubles: Mapping[str, str]) -> dict[str, K]:
        return {name: self._kept[name] for name in self._names if name in self._kept and name not in troubles}

    def _publish(self) -> None:
        troubles = self._now_missing()
        fresh = self._fresh(troubles)
        self._shown = (tuple(fresh), tuple(troubles))
        enough = self._settle(troubles)
        if not fresh and not self._empty:
            return
        if enough:
            self.source.publish(self._compose(fresh, troubles))
        elif self.source.status is not StreamStatus.STARTING:
            self.source.deliver(self._compose(fresh, troubles))


class Everything(Merged[M, T], Generic[M, T]):
    """All that each member says, in the order in which it comes; what one lost is a gap that names it."""

    def __init__(
        self,
        members: Members,
        names: Callable[[], Sequence[str]],
        subscribe: Callable[[str, ExchangeHandle], Subscription[M]],
        *,
        convert: Callable[[str, M], T | None],
        quorum: int | None,
    ) -> None:
        self._convert = convert
        super().__init__(members, names, subscribe, quorum=quorum, max_age=0.0)

    def _follow(self, name: str, subscription: Subscription[M]) -> None:
        task = asyncio.create_task(self._pump(name, subscription), name=f"merge {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(self, name: str, subscription: Subscription[M]) -> None:
        while True:
            try:
                item = await anext(subscription)
            except StopAsyncIteration:
                break
            except StreamGap as gap:
                self.source.gap(StreamGap(f"{name}: {gap.message}", start=gap.start, end=gap.end, exchange=name))
                continue
            except ExchangeError:
                break  # it has failed for good: `troubles` says why
            made = self._convert(name, item)
            if made is not None:
                self._hand_over(made)
        await asyncio.sleep(_AGAIN)
        await subscription.close()
        self._subscriptions.pop(name, None)

    def _hand_over(self, item: T) -> None:
        if self._settle(self.troubles()):
            self.source.publish(item)
        else:
            self.source.deliver(item)

    def _look(self) -> None:
        if self._settle(self.troubles()):
            self.source.set_status(StreamStatus.LIVE)

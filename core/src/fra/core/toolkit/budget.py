"""The venue's budgets: weighted, first come first served, never more than the venue allows in any window.

Each budget is a sliding window: units come back ``interval`` after the request that took them was let go, so no
window of the venue, wherever it starts, ever holds more than the capacity. A token bucket would allow twice that in
one window. There is no lock and no sleeping: every step is a plain function on the event loop, waiters are futures.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import attrs

from fra.core.contract.capabilities import RateLimit
from fra.core.contract.errors import FraError

_SLOTS: Final = 64
"""Grants are remembered in slots of 1/64 of the interval: bounded memory, at most 1.6 % of the budget idle."""
_MARGIN_SHARE: Final = 0.02
_MARGIN_LIMIT: Final = 0.05
_LATE_ANSWER: Final = 1.0
_MIN_TIMER: Final = 1e-4
_NEVER: Final = -math.inf


class BudgetExceeded(FraError, ValueError):
    """A cost that ``scope`` can never afford, however long one waits: the request or the limit is misconfigured."""

    def __init__(self, message: str, *, scope: str, cure: str | None = None) -> None:
        super().__init__(message, cure=cure)
        self.scope = scope


@attrs.frozen
class BudgetUsage:
    """One scope at one moment: units taken of the window, requests waiting, seconds for which the venue has shut it."""

    scope: str
    used: int
    capacity: int
    interval: float
    reserve: int
    waiting: int
    blocked_for: float


class BudgetKey(NamedTuple):
    """Whose budget it is: of a scope of a venue, for everybody at ``place`` (an egress address or an account)."""

    venue: str
    scope: str
    place: str


class BudgetPeers(Protocol):
    """The other processes that use the same budgets, as far as somebody knows of them."""

    def opened(self, key: BudgetKey, budget: Budget) -> None:
        """``budget`` is used here from now on: :meth:`Budget.share` says among how many."""

    def shut(self, key: BudgetKey, seconds: float, reason: str) -> None:
        """The venue shut it to us for ``seconds``: whoever shares it must stop, too."""


class Slot:
    """Units granted close together; they return together, ``hold`` after the last of them was granted."""

    __slots__ = ("last", "retired", "units", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.last = _NEVER
        self.units = 0
        self.retired = False


class Waiter:
    __slots__ = ("future", "parts", "priority", "slots")

    def __init__(self, future: asyncio.Future[None], parts: Parts, priority: bool) -> None:
        self.future = future
        self.parts = parts
        self.priority = priority
        self.slots: list[Slot] = []


class Budget:
    """The state of one scope, shared by every :class:`RateLimiter` that is built on it.

    The manager keeps one per venue, scope and egress or account; two accounts behind one address then queue in one
    line. Belongs to one event loop; not for threads.
    """

    __slots__ = (
        "_hold",
        "_margin",
        "_parts",
        "_past",
        "_queue",
        "_slots",
        "_timer",
        "_told",
        "_urgent",
        "_width",
        "blocked_until",
        "clock",
        "fast_until",
        "limit",
        "open",
        "slot",
        "used",
        "whole",
    )

    def __init__(
        self, limit: RateLimit, *, margin: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``margin`` seconds are added to the interval for the network's jitter (default 2 %, at most 50 ms)."""
        self.clock = clock
        self._margin = margin
        self._queue: OrderedDict[Waiter, None] = OrderedDict()
        self._urgent: OrderedDict[Waiter, None] = OrderedDict()
        self._slots: deque[Slot] = deque()
        self._past: deque[Slot] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._parts = 1
        self._told = False
        self.used = 0
        self.blocked_until = _NEVER
        self.whole = limit
        """What the venue allows everybody together; :attr:`limit` is our part of it."""
        self._configure(limit)

    def _configure(self, limit: RateLimit) -> None:
        if limit.reserve >= limit.capacity:
            raise BudgetExceeded(
                f"the reserve of {limit.scope!r} ({limit.reserve}) leaves nothing of its capacity ({limit.capacity})",
                scope=limit.scope,
            )
        margin = self._margin
        if margin is None:
            margin = min(_MARGIN_LIMIT, limit.interval * _MARGIN_SHARE)
        self.whole = limit
        if self._parts > 1 and not self._told:
            capacity = max(limit.capacity // self._parts, 1)
            limit = attrs.evolve(limit, capacity=capacity, reserve=min(limit.reserve // self._parts, capacity - 1))
        self.limit = limit
        self.open = limit.capacity - limit.reserve
        self._width = limit.interval / _SLOTS
        self._hold = limit.interval + margin
        self.slot = Slot(_NEVER)
        self.fast_until = _NEVER  # until then a grant needs no more than a look at `used`

    def adjust(self, limit: RateLimit) -> None:
        """Take the venue's current word on this scope (Binance sends its limits with exchangeInfo).

        What has been used stays used. Whoever waits for more than the new capacity gets :class:`BudgetExceeded`.
        """
        if limit.scope != self.limit.scope:
            raise ValueError(f"a budget of {self.limit.scope!r} cannot become one of {limit.scope!r}")
        self._take(limit)

    def share(self, parts: int) -> None:
        """From now on ``parts`` processes use this budget, and we take an equal part of it.

        Where the venue says with its answers how much is used of a scope, by whomever, that is what counts, and the
        whole is everybody's.
        """
        if parts != self._parts:
            self._parts = max(parts, 1)
            self._take(self.whole)

    def _take(self, limit: RateLimit) -> None:
        self._configure(limit)
        for waiter in [*self._urgent, *self._queue]:
            units = next(units for budget, units in waiter.parts if budget is self)
            try:
                self.check(units, waiter.priority)
            except BudgetExceeded as error:
                if not waiter.future.done():
                    waiter.future.set_exception(error)
        settle([self])

    def check(self, units: int, priority: bool) -> None:
        """Refuse what can never be granted."""
        if not isinstance(units, int) or isinstance(units, bool) or units < 0:
            raise ValueError(f"the cost in {self.limit.scope!r} must be a whole number of units, not {units!r}")
        most = self.limit.capacity if priority else self.open
        if units > most:
            kept = "" if priority or not self.limit.reserve else f" ({self.limit.reserve} more are kept for cancels)"
            raise BudgetExceeded(
                f"a request costs {units} in {self.limit.scope!r}, which allows {most} in "
                f"{self.limit.interval:g} s{kept}",
                scope=self.limit.scope,
                cure="ask for less at once, or correct the limit",
            )

    def delay(self, units: int, priority: bool, now: float) -> float:
        """Seconds until ``units`` could be granted if nobody else wanted any; 0.0 means now."""
        gate = max(self.blocked_until - now, 0.0)
        most = self.limit.capacity if priority else self.open
        if self.used + units > most:
            self.expire(now)
        excess = self.used + units - most
        if excess <= 0 or not units:
            return gate
        latest = _NEVER
        for slot in self._slots:
            excess -= slot.units
            latest = max(latest, slot.last)
            if excess <= 0:
                break
        return max(gate, latest + self._hold - now, _MIN_TIMER)

    def charge(self, units: int, now: float) -> Slot:
        slot = self.slot
        if now >= slot.until:
            self.expire(now)
            slot = self.slot = Slot(now + self._width)
            self._slots.append(slot)
        slot.units += units
        slot.last = now
        self.used += units
        self.fast_until = _NEVER if self._queue or self._urgent or now < self.blocked_until else slot.until
        return slot

    def expire(self, now: float) -> None:
        """Return what was granted longer ago than the window; keep it in mind for answers that come late."""
        slots, past, hold = self._slots, self._past, self._hold
        while slots and slots[0].last + hold <= now:
            slot = slots.popleft()
            slot.retired = True
            self.used -= slot.units
            past.append(slot)
        while past and past[0].last + hold + self.limit.interval <= now:
            past.popleft()

    def observe(self, used: int, at: float | None) -> None:
        if not self._told:
            self._told = True
            if self._parts > 1:
                self._take(self.whole)
        now = self.clock()
        self.expire(now)
        interval = self.limit.interval
        sent = now - min(_LATE_ANSWER, interval) if at is None else min(max(at, now - interval), now)
        # The venue counted when the request arrived. Everything of ours that its window could hold then is ours;
        # only the rest was used by somebody else, and is charged as if it had been used just now.
        since = sent - self._hold
        ours = sum(slot.units for slots in (self._past, self._slots) for slot in slots if slot.last > since)
        if used > ours:
            self.charge(used - ours, now)

    def block(self, seconds: float) -> None:
        self.blocked_until = max(self.blocked_until, self.clock() + seconds)
        self.fast_until = _NEVER

    def usage(self) -> BudgetUsage:
        now = self.clock()
        self.expire(now)
        limit = self.limit
        return BudgetUsage(
            scope=limit.scope,
            used=self.used,
            capacity=limit.capacity,
            interval=limit.interval,
            reserve=limit.reserve,
            waiting=self.waiting,
            blocked_for=max(self.blocked_until - now, 0.0),
        )

    @property
    def waiting(self) -> int:
        """How many requests wait for this scope."""
        return len(self._queue) + len(self._urgent)

    def head(self) -> Waiter | None:
        """Whose turn it is: the oldest urgent request, else the oldest."""
        queue = self._urgent or self._queue
        return next(iter(queue)) if queue else None

    def is_free(self, priority: bool) -> bool:
        """Whether a newcomer would stand first in line."""
        return not self._urgent and (priority or not self._queue)

    def join(self, waiter: Waiter) -> None:
        (self._urgent if waiter.priority else self._queue)[waiter] = None
        self.fast_until = _NEVER

    def leave(self, waiter: Waiter) -> None:
        (self._urgent if waiter.priority else self._queue).pop(waiter, None)

    def arm(self, delay: float, loop: asyncio.AbstractEventLoop) -> None:
        self.disarm()
        self._timer = loop.call_later(delay, self._on_timer)

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        settle([self])

    def refund(self, slot: Slot, units: int) -> None:
        """Give back what was granted but never sent."""
        if not slot.retired:
            slot.units -= units
            self.used -= units

    def land(self, units: int, granted: float) -> None:
        """What was let go at ``granted`` was counted by the venue some time until now: the window counts from now."""
        now = self.clock()
        for slot in reversed(self._slots):
            if slot.until - self._width <= granted and slot.units >= units:
                if slot is self.slot and now < slot.until:
                    slot.last = max(slot.last, now)
                    return
                slot.units -= units
                self.used -= units
                break
        self.charge(units, now)

    def stamp(self, slot: Slot, units: int) -> None:
        """The waiter really goes now, which may be later than it was granted: the window counts from here."""
        now = self.clock()
        if slot.retired:
            self.charge(units, now)
        else:
            slot.last = max(slot.last, now)


Parts = tuple[tuple[Budget, int], ...]


def settle(pending: list[Budget]) -> None:
    """Grant whatever can be granted, in order, from these budgets onwards; set timers for what cannot yet.

    A waiter goes when it stands first in *all* its scopes and all of them can pay, so it never holds units of one
    scope while it waits for another. The oldest waiter is first everywhere, so there is always somebody to go.
    """
    while pending:
        budget = pending.pop()
        while (waiter := budget.head()) is not None:
            now = budget.clock()
            alive = not waiter.future.done()
            if alive:
                if any(other.head() is not waiter for other, _ in waiter.parts):
                    break  # whoever stands before it there settles this budget again
                delays = [(other, other.delay(units, waiter.priority, now)) for other, units in waiter.parts]
                late = [(other, delay) for other, delay in delays if delay > 0]
                if late:
                    for other, delay in late:
                        other.arm(delay, waiter.future.get_loop())
                    break
            for other, _ in waiter.parts:
                other.leave(waiter)
                if other is not budget:
                    pending.append(other)
            if alive:
                waiter.slots = [other.charge(units, now) for other, units in waiter.parts]
                waiter.future.set_result(None)
        else:
            budget.disarm()

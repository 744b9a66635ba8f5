"""One account's view of the venue's budgets: what an adapter asks before each request."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fra.core.contract.capabilities import RateLimit
from fra.core.toolkit.budget import Budget, BudgetUsage, Parts, Waiter, settle

_UNLIMITED: Final = RateLimit("unlimited", 2**62, 1.0)


class RateLimiter:
    """Lets requests go as fast as the venue allows and no faster.

    Built from :class:`RateLimit` rows, or from :class:`Budget` objects that other limiters share. With none at all
    it lets everything pass that is not blocked.
    """

    def __init__(
        self,
        limits: Iterable[RateLimit | Budget] = (),
        *,
        on_wait: Callable[[str, float], None] | None = None,
        on_block: Callable[[str, float, str], None] | None = None,
        margin: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``on_wait(scope, seconds)`` is called when a scope begins to make requests wait, ``on_block(scope, seconds,
        reason)`` when the venue shuts one. Both run on the event loop after the call that caused them; what they raise
        goes to the loop's exception handler. ``margin`` and ``clock`` are for the budgets made here.
        """
        budgets = [
            limit if isinstance(limit, Budget) else Budget(limit, margin=margin, clock=clock) for limit in limits
        ] or [Budget(_UNLIMITED, clock=clock)]
        self._budgets = {budget.limit.scope: budget for budget in budgets}
        if len(self._budgets) != len(budgets):
            names = [budget.limit.scope for budget in budgets]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"one scope, one limit: {', '.join(twice)} is given more than once")
        self._only = budgets[0] if len(budgets) == 1 else None
        self._clock = clock
        self._on_wait = on_wait
        self._on_block = on_block

    async def acquire(self, costs: Mapping[str, int] | int = 1, *, priority: bool = False) -> None:
        """Wait until the request may be sent, and take its units in all scopes at once.

        ``costs`` maps scopes to units; a number is the cost in the only scope. Requests of a scope go in the order in
        which they came, urgent ones (``priority=True``, for cancels) before all others and from the reserve too.
        Cancelled before it returns, it has taken nothing. Raises :class:`BudgetExceeded` at once for a cost that no
        waiting can pay, ValueError for an unknown scope. Does not promise the venue's consent: others may use the same
        address.
        """
        now = self._clock()
        only = self._only
        if costs.__class__ is int:
            if (
                only is not None
                and now < only.fast_until
                and 0 < costs <= (only.limit.capacity if priority else only.open) - only.used
            ):
                slot = only.slot
                slot.units += costs
                slot.last = now
                only.used += costs
                return
        elif costs.__class__ is dict:
            budgets = self._budgets
            for scope, units in costs.items():
                budget = budgets.get(scope)
                if (
                    budget is None
                    or now >= budget.fast_until
                    or not 0 < units <= (budget.limit.capacity if priority else budget.open) - budget.used
                ):
                    break
            else:
                for scope, units in costs.items():
                    budget = budgets[scope]
                    slot = budget.slot
                    slot.units += units
                    slot.last = now
                    budget.used += units
                return
        parts = self._parts(costs, priority)
        for budget, units in parts:
            if not budget.is_free(priority) or budget.delay(units, priority, now) > 0:
                break
        else:
            for budget, units in parts:
                budget.charge(units, now)
            return
        await self._wait(parts, priority, now)

    def _parts(self, costs: Mapping[str, int] | int, priority: bool) -> Parts:
        if isinstance(costs, int):
            if self._only is None:
                raise ValueError(f"name the scopes of this cost: there are several ({', '.join(self._budgets)})")
            parts: Parts = ((self._only, costs),)
        else:
            parts = tuple((self._budget(scope), units) for scope, units in costs.items())
        for budget, units in parts:
            budget.check(units, priority)
        return parts

    def _budget(self, scope: str) -> Budget:
        try:
            return self._budgets[scope]
        except KeyError:
            raise ValueError(f"no limit is named {scope!r}; there are {', '.join(self._budgets)}") from None

    async def _wait(self, parts: Parts, priority: bool, now: float) -> None:
        loop = asyncio.get_running_loop()
        if self._on_wait is not None:
            for budget, units in parts:
                if not budget.waiting and (delay := budget.delay(units, priority, now)) > 0:
                    loop.call_soon(self._on_wait, budget.limit.scope, delay)
        waiter = Waiter(loop.create_future(), parts, priority)
        for budget, _ in parts:
            budget.join(waiter)
        settle([budget for budget, _ in parts])
        try:
            await waiter.future
        except BaseException:
            for budget, _ in parts:
                budget.leave(waiter)
            for (budget, units), slot in zip(parts, waiter.slots, strict=False):
                budget.refund(slot, units)
            settle([budget for budget, _ in parts])
            raise
        for (budget, units), slot in zip(parts, waiter.slots, strict=True):
            budget.stamp(slot, units)

    def answered(self, costs: Mapping[str, int], *, since: float) -> None:
        """A request that was let through at ``since`` (monotonic) has its answer, or none will come.

        The venue counted it at some time between, so its units come back an interval after now: however unevenly long
        requests are under way (up to an interval), no window of the venue holds more than the capacity. Without this
        call they come back an interval after they were let through.
        """
        for scope, units in costs.items():
            self._budget(scope).land(units, since)

    def observe(self, scope: str, used: int, *, at: float | None = None) -> None:
        """Take note of what the venue says was used in its current window (its used-weight header).

        What it counts beyond our own is charged for a whole interval; nothing is ever given back. ``at`` is the
        monotonic time at which the request that got this answer was sent; without it the answer may be a second old.
        """
        self._budget(scope).observe(used, at)

    def adjust(self, limit: RateLimit) -> None:
        """Replace the limit of ``limit.scope``, for everybody who shares it; what was used stays used."""
        self._budget(limit.scope).adjust(limit)

    def block(self, scope: str | None, seconds: float, reason: str) -> None:
        """Shut a scope (None: all of them) for ``seconds``, for whoever waits already too; a longer block stays."""
        if not seconds >= 0 or math.isinf(seconds):
            raise ValueError(f"cannot block for {seconds!r} seconds")
        for budget in self._budgets.values() if scope is None else (self._budget(scope),):
            budget.block(seconds)
            if self._on_block is not None:
                asyncio.get_running_loop().call_soon(self._on_block, budget.limit.scope, seconds, reason)

    def blocked_for(self, scope: str | None = None) -> float:
        """Seconds for which ``scope`` (None: the longest of all) stays shut; 0.0 when it is open."""
        budgets = self._budgets.values() if scope is None else (self._budget(scope),)
        return max(budget.usage().blocked_for for budget in budgets)

    def snapshot(self) -> dict[str, BudgetUsage]:
        """Every scope as it stands now, for health and metrics."""
        return {scope: budget.usage() for scope, budget in self._budgets.items()}

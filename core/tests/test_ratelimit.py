"""The limiter, on a virtual clock: hours pass in milliseconds and a starving waiter shows as a dead loop."""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fra.core.contract.capabilities import RateLimit
from fra.core.toolkit.budget import Budget, BudgetExceeded
from fra.core.toolkit.ratelimit import RateLimiter


class Starved(AssertionError):
    """Tasks wait, but nothing will ever wake them."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting, moves the clock to where the loop wanted to wake."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Starved
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def stall(self, seconds: float) -> None:
        """Time passes while the loop is busy."""
        self._jumping.now += seconds


def virtual(test: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    loop = VirtualLoop()
    try:
        loop.run_until_complete(test(loop))
    finally:
        loop.close()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def most_in_any_window(grants: list[tuple[float, int]], interval: float) -> int:
    """The largest sum of costs in any half-open window of ``interval`` seconds."""
    return max(
        (sum(cost for at, cost in grants if start <= at < start + interval) for start, _ in grants),
        default=0,
    )


Arrival = tuple[float, int, bool, float | None]
"""(pause before it, cost, urgent, cancelled this many seconds after its arrival)"""

arrivals = st.lists(
    st.tuples(
        st.floats(0, 1.5, allow_nan=False),
        st.integers(1, 7),
        st.booleans(),
        st.none() | st.floats(0, 3, allow_nan=False),
    ),
    max_size=60,
)


async def _run(limiter: RateLimiter, requests: list[Arrival]) -> tuple[list[tuple[float, int]], list[int]]:
    """Let the requests arrive as they say; returns the grants and the order in which they came out."""
    loop = asyncio.get_running_loop()
    grants: list[tuple[float, int]] = []
    order: list[int] = []

    async def one(number: int, cost: int, urgent: bool) -> None:
        await limiter.acquire(cost, priority=urgent)
        grants.append((loop.time(), cost))
        order.append(number)

    tasks = []
    for number, (pause, cost, urgent, cancelled_after) in enumerate(requests):
        await asyncio.sleep(pause)
        task = asyncio.create_task(one(number, cost, urgent))
        tasks.append(task)
        if cancelled_after is not None:
            loop.call_later(cancelled_after, task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    return grants, order


@settings(deadline=None, max_examples=150)
@given(requests=arrivals, interval=st.sampled_from([0.5, 2.0, 60.0]))
def test_no_window_ever_holds_more_than_the_capacity(requests: list[Arrival], interval: float) -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, interval, reserve=3)], clock=loop.time)
        grants, _ = await _run(limiter, requests)
        assert most_in_any_window(grants, interval) <= 10

    virtual(test)


@settings(deadline=None, max_examples=150)
@given(
    requests=st.lists(
        st.tuples(st.floats(0, 5), st.integers(1, 10), st.floats(0, 0.9), st.floats(0, 0.9)), min_size=1, max_size=40
    )
)
def test_however_long_requests_are_under_way_the_venue_never_counts_more_than_its_capacity(
    requests: list[tuple[float, int, float, float]],
) -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, 2.0)], clock=loop.time)
        counted: list[tuple[float, int]] = []

        async def one(start: float, cost: int, way_out: float, way_back: float) -> None:
            await asyncio.sleep(start)
            await limiter.acquire({"ip": cost})
            since = loop.time()
            await asyncio.sleep(way_out)
            counted.append((loop.time(), cost))
            await asyncio.sleep(way_back)
            limiter.answered({"ip": cost}, since=since)

        await asyncio.gather(*(one(*request) for request in requests))
        assert most_in_any_window(sorted(counted), 2.0) <= 10
        await asyncio.sleep(2.1)
        assert limiter.snapshot()["ip"].used == 0

    virtual(test)


@settings(deadline=None, max_examples=150)
@given(requests=arrivals)
def test_after_any_cancellations_everyone_else_is_served_and_nothing_is_lost_or_doubled(
    requests: list[Arrival],
) -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, 2.0, reserve=3)], clock=loop.time)
        grants, order = await _run(limiter, requests)
        patient = {number for number, request in enumerate(requests) if request[3] is None}
        assert patient <= set(order)
        usage = limiter.snapshot()["ip"]
        assert usage.waiting == 0
        assert usage.used <= sum(cost for _, cost in grants)
        await asyncio.sleep(3)
        assert limiter.snapshot()["ip"].used == 0

    virtual(test)


@settings(deadline=None, max_examples=100)
@given(costs=st.lists(st.integers(1, 10), max_size=40))
def test_equal_requests_go_in_the_order_in_which_they_came(costs: list[int]) -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, 1.0)], clock=loop.time)
        _, order = await _run(limiter, [(0.0, cost, False, None) for cost in costs])
        assert order == sorted(order)

    virtual(test)


@settings(deadline=None, max_examples=100)
@given(
    requests=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["ip", "orders", "uid"]), st.integers(1, 5), min_size=1),
            st.floats(0, 0.5, allow_nan=False),
            st.booleans(),
            st.none() | st.floats(0, 2, allow_nan=False),
        ),
        max_size=40,
    )
)
def test_scopes_together_never_starve_and_never_overspend(
    requests: list[tuple[dict[str, int], float, bool, float | None]],
) -> None:
    limits = [RateLimit("ip", 9, 1.0), RateLimit("orders", 6, 2.0, reserve=1), RateLimit("uid", 5, 0.5)]

    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter(limits, clock=loop.time)
        grants: dict[str, list[tuple[float, int]]] = {limit.scope: [] for limit in limits}
        order: dict[str, list[int]] = {limit.scope: [] for limit in limits}

        async def one(number: int, costs: dict[str, int], urgent: bool) -> None:
            await limiter.acquire(costs, priority=urgent)
            for scope, cost in costs.items():
                grants[scope].append((loop.time(), cost))
                if not urgent:
                    order[scope].append(number)

        tasks = []
        for number, (costs, pause, urgent, cancelled_after) in enumerate(requests):
            await asyncio.sleep(pause)
            tasks.append(asyncio.create_task(one(number, costs, urgent)))
            if cancelled_after is not None:
                loop.call_later(cancelled_after, tasks[-1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        for limit in limits:
            assert most_in_any_window(grants[limit.scope], limit.interval) <= limit.capacity
            assert order[limit.scope] == sorted(order[limit.scope])

    virtual(test)


@pytest.mark.parametrize(("capacity", "interval"), [(6_000, 60.0), (20, 2.0), (1_000, 1.0), (300, 10.0)])
def test_sustained_demand_gets_at_least_nine_tenths_of_the_budget(capacity: int, interval: float) -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", capacity, interval)], clock=loop.time)
        granted = 0

        async def worker() -> None:
            nonlocal granted
            while True:
                await limiter.acquire()
                granted += 1
                await asyncio.sleep(interval / capacity)  # a steady drip is the hardest case for slots

        tasks = [asyncio.create_task(worker()) for _ in range(2)]
        await asyncio.sleep(2 * interval)
        granted = 0
        await asyncio.sleep(5 * interval)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert granted >= 0.9 * 5 * capacity

    virtual(test)


def test_a_long_idle_scope_lets_its_whole_capacity_go_at_once_and_no_more() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 50, 1.0)], clock=loop.time)
        await asyncio.sleep(100)
        started = loop.time()
        for _ in range(50):
            await limiter.acquire()
        assert loop.time() == started
        await limiter.acquire()
        assert loop.time() >= started + 1.0

    virtual(test)


def test_a_cancelled_waiter_lets_the_next_one_take_its_place() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, 1.0)], clock=loop.time)
        await limiter.acquire(6)
        heavy = asyncio.create_task(limiter.acquire(10))
        light = asyncio.create_task(limiter.acquire(4))
        await settle()
        assert not light.done()
        heavy.cancel()
        await settle()
        assert light.done()
        assert limiter.snapshot()["ip"].used == 10

    virtual(test)


def test_cancelled_between_grant_and_return_gives_its_units_back() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 1, 1.0)], clock=loop.time)
        await limiter.acquire()
        task = asyncio.create_task(limiter.acquire())
        await settle()
        hold = 1.02  # the interval and its margin: the timer that grants was set before ours
        loop.call_later(hold, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert limiter.snapshot()["ip"].used == 0
        before = loop.time()
        await limiter.acquire()
        assert loop.time() == before

    virtual(test)


def test_cancels_may_use_the_reserve_and_overtake() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, 1.0, reserve=2)], clock=loop.time)
        await limiter.acquire(8)
        waiting = asyncio.create_task(limiter.acquire())
        await settle()
        started = loop.time()
        await limiter.acquire(2, priority=True)
        assert loop.time() == started
        assert not waiting.done()
        await waiting

    virtual(test)


def test_a_cancel_that_must_wait_goes_before_those_who_waited_already() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 2, 1.0)], clock=loop.time)
        await limiter.acquire(2)
        order: list[str] = []

        async def one(name: str, *, priority: bool) -> None:
            await limiter.acquire(2, priority=priority)
            order.append(name)

        first = asyncio.create_task(one("read", priority=False))
        await settle()
        await asyncio.gather(first, asyncio.create_task(one("cancel", priority=True)))
        assert order == ["cancel", "read"]

    virtual(test)


@pytest.mark.parametrize(("cost", "priority", "allowed"), [(9, False, False), (9, True, True), (11, True, False)])
async def test_a_cost_that_no_waiting_can_pay_is_refused_at_once(cost: int, priority: bool, allowed: bool) -> None:
    limiter = RateLimiter([RateLimit("orders", 10, 1.0, reserve=2)])
    if allowed:
        await limiter.acquire(cost, priority=priority)
        return
    with pytest.raises(BudgetExceeded, match="'orders'") as caught:
        await limiter.acquire(cost, priority=priority)
    assert isinstance(caught.value, ValueError)
    assert caught.value.scope == "orders"
    assert limiter.snapshot()["orders"].used == 0


@pytest.mark.parametrize("costs", [-1, 1.5, True, {"ip": -1}, {"nowhere": 1}])
async def test_a_cost_that_makes_no_sense_is_refused(costs: Any) -> None:
    limiter = RateLimiter([RateLimit("ip", 10, 1.0)])
    with pytest.raises((ValueError, AttributeError)):
        await limiter.acquire(costs)
    assert limiter.snapshot()["ip"].used == 0


async def test_a_bare_number_needs_a_single_scope() -> None:
    limiter = RateLimiter([RateLimit("ip", 10, 1.0), RateLimit("uid", 10, 1.0)])
    with pytest.raises(ValueError, match="ip, uid"):
        await limiter.acquire(1)


async def test_one_scope_cannot_have_two_limits() -> None:
    with pytest.raises(ValueError, match="ip"):
        RateLimiter([RateLimit("ip", 10, 1.0), RateLimit("ip", 20, 2.0)])


def test_a_waiter_for_one_scope_takes_nothing_from_another() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, 1.0), RateLimit("orders", 1, 60.0)], clock=loop.time)
        await limiter.acquire({"orders": 1})
        blocked = asyncio.create_task(limiter.acquire({"ip": 5, "orders": 1}))
        await settle()
        assert limiter.snapshot()["ip"].used == 0
        blocked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocked

    virtual(test)


def test_what_the_venue_counts_beyond_ours_is_not_spent_again() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 100, 60.0)], clock=loop.time)
        await limiter.acquire(10)
        limiter.observe("ip", 95)
        await limiter.acquire(5)
        started = loop.time()
        await limiter.acquire(1)
        assert loop.time() >= started + 60.0

    virtual(test)


def test_the_venues_count_of_our_own_requests_costs_nothing() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 100, 60.0)], clock=loop.time)
        for used in range(10, 101, 10):
            await limiter.acquire(10)
            limiter.observe("ip", used)
            limiter.observe("ip", used - 5)  # answers overtake each other; a lower count gives nothing back
        assert limiter.snapshot()["ip"].used == 100

    virtual(test)


def test_an_answer_that_comes_after_our_window_has_turned_is_not_charged_twice() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 100, 2.0)], clock=loop.time)
        await limiter.acquire(100)
        sent = loop.time() + 1.9
        await asyncio.sleep(2.2)
        limiter.observe("ip", 100, at=sent)
        assert limiter.snapshot()["ip"].used == 0

    virtual(test)


def test_a_block_holds_those_who_wait_already_and_those_who_come() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 1, 1.0)], clock=loop.time)
        await limiter.acquire()
        early = asyncio.create_task(limiter.acquire())
        await settle()
        limiter.block("ip", 30.0, "418")
        limiter.block("ip", 5.0, "429")
        until = loop.time() + 30.0
        assert limiter.blocked_for("ip") == pytest.approx(30.0)
        late = asyncio.create_task(limiter.acquire(priority=True))
        await asyncio.gather(early, late)
        assert loop.time() >= until
        assert limiter.blocked_for("ip") == 0.0

    virtual(test)


def test_blocking_no_scope_in_particular_blocks_all() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 5, 1.0), RateLimit("uid", 5, 1.0)], clock=loop.time)
        limiter.block(None, 10.0, "banned")
        started = loop.time()
        await limiter.acquire({"uid": 1})
        assert loop.time() >= started + 10.0

    virtual(test)


async def test_a_limiter_without_limits_lets_everything_pass() -> None:
    limiter = RateLimiter()
    for _ in range(1_000):
        await limiter.acquire(100)


def test_two_accounts_share_one_egress_budget_in_one_line() -> None:
    async def test(loop: VirtualLoop) -> None:
        egress = Budget(RateLimit("ip", 4, 1.0), clock=loop.time)
        accounts = [
            RateLimiter([egress, Budget(RateLimit("uid", 3, 1.0, per="account"), clock=loop.time)], clock=loop.time)
            for _ in range(2)
        ]
        grants: list[tuple[float, int]] = []
        order: list[int] = []

        async def one(number: int, limiter: RateLimiter) -> None:
            await limiter.acquire({"ip": 1, "uid": 1})
            grants.append((loop.time(), 1))
            order.append(number)

        await asyncio.gather(*(one(number, accounts[number % 2]) for number in range(40)))
        assert most_in_any_window(grants, 1.0) <= 4
        assert order == sorted(order)

    virtual(test)


def test_a_limit_may_change_while_requests_wait() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 10, 60.0)], clock=loop.time)
        await limiter.acquire(10)
        heavy = asyncio.create_task(limiter.acquire(8))
        light = asyncio.create_task(limiter.acquire(2))
        await settle()
        started = loop.time()
        limiter.adjust(RateLimit("ip", 5, 1.0))
        with pytest.raises(BudgetExceeded):
            await heavy
        await light
        assert 1.0 <= loop.time() - started < 2.0

    virtual(test)


def test_it_tells_when_a_scope_begins_to_hold_requests_back() -> None:
    async def test(loop: VirtualLoop) -> None:
        waits: list[tuple[str, float]] = []
        blocks: list[tuple[str, float, str]] = []
        limiter = RateLimiter(
            [RateLimit("ip", 1, 1.0)],
            clock=loop.time,
            on_wait=lambda scope, seconds: waits.append((scope, seconds)),
            on_block=lambda scope, seconds, reason: blocks.append((scope, seconds, reason)),
        )
        limiter.block("ip", 3.0, "HTTP 429")
        await asyncio.gather(*(limiter.acquire() for _ in range(3)))
        assert blocks == [("ip", 3.0, "HTTP 429")]
        assert [scope for scope, _ in waits] == ["ip"]
        assert waits[0][1] == pytest.approx(3.0)

    virtual(test)


def test_a_failing_listener_hurts_no_request() -> None:
    async def test(loop: VirtualLoop) -> None:
        heard: list[BaseException | None] = []
        loop.set_exception_handler(lambda _, context: heard.append(context.get("exception")))

        def broken(scope: str, seconds: float) -> None:
            raise RuntimeError(scope)

        limiter = RateLimiter([RateLimit("ip", 1, 1.0)], clock=loop.time, on_wait=broken)
        await asyncio.gather(limiter.acquire(), limiter.acquire())
        assert [str(error) for error in heard] == ["ip"]

    virtual(test)


def test_its_memory_does_not_grow_with_the_number_of_requests() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 100_000, 60.0)], clock=loop.time)

        async def ask(times: int) -> None:
            for _ in range(times):
                await limiter.acquire()
                await asyncio.sleep(0.01)

        await ask(13_000)  # both windows that it remembers are full now
        gc.collect()
        before = len(gc.get_objects())
        await ask(13_000)
        gc.collect()
        assert len(gc.get_objects()) - before < 50

    virtual(test)


async def test_on_the_real_clock_contenders_share_a_budget_evenly() -> None:
    limiter = RateLimiter([RateLimit("ip", 100, 0.1)])
    counts = [0] * 10

    async def worker(number: int) -> None:
        for _ in range(30):
            await limiter.acquire()
            counts[number] += 1
            await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    started = loop.time()
    tasks: list[Awaitable[None]] = [worker(number) for number in range(10)]
    await asyncio.gather(*tasks)
    assert counts == [30] * 10
    assert loop.time() - started >= 0.2


def test_the_window_counts_from_when_a_request_really_goes_not_from_its_grant() -> None:
    async def test(loop: VirtualLoop) -> None:
        limiter = RateLimiter([RateLimit("ip", 1, 1.0)], clock=loop.time)
        await limiter.acquire()
        second = asyncio.create_task(limiter.acquire())
        await settle()
        loop.call_later(1.02, lambda: loop.stall(0.5))  # after the grant, before the waiter runs
        await second
        went = loop.time()
        await limiter.acquire()
        assert loop.time() - went >= 1.0

    virtual(test)


# --- with other processes


def test_each_of_several_processes_takes_an_equal_part_and_keeps_a_reserve() -> None:
    budget = Budget(RateLimit("orders", 30, 2.0, reserve=6), clock=lambda: 0.0)
    limiter = RateLimiter([budget], clock=lambda: 0.0)
    budget.share(3)
    usage = limiter.snapshot()["orders"]
    assert (usage.capacity, usage.reserve) == (10, 2)
    budget.share(1)
    usage = limiter.snapshot()["orders"]
    assert (usage.capacity, usage.reserve) == (30, 6)


def test_what_the_venue_counts_for_all_needs_no_parts() -> None:
    budget = Budget(RateLimit("weight", 6000, 60.0), clock=lambda: 0.0)
    limiter = RateLimiter([budget], clock=lambda: 0.0)
    budget.share(2)
    assert limiter.snapshot()["weight"].capacity == 3000
    limiter.observe("weight", 4500)
    usage = limiter.snapshot()["weight"]
    assert (usage.used, usage.capacity) == (4500, 6000)


def test_a_new_word_of_the_venue_is_parted_too() -> None:
    budget = Budget(RateLimit("orders", 30, 2.0), clock=lambda: 0.0)
    budget.share(3)
    budget.adjust(RateLimit("orders", 60, 2.0))
    assert budget.usage().capacity == 20


def test_more_processes_than_units_still_leave_one_each() -> None:
    budget = Budget(RateLimit("orders", 3, 2.0, reserve=1), clock=lambda: 0.0)
    budget.share(5)
    assert (budget.usage().capacity, budget.usage().reserve) == (1, 0)


def test_waiters_go_on_when_the_part_grows() -> None:
    async def test(loop: VirtualLoop) -> None:
        budget = Budget(RateLimit("orders", 4, 100.0), clock=loop.time)
        limiter = RateLimiter([budget], clock=loop.time)
        budget.share(2)
        await limiter.acquire(2)
        begun = loop.time()
        waiting = asyncio.ensure_future(limiter.acquire(2))
        await settle()
        assert not waiting.done()
        budget.share(1)
        await waiting
        assert loop.time() - begun < 1.0

    virtual(test)

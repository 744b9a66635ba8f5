"""Several processes within one budget, over a real broker: equal parts, cancels first, and a ban that stops all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from time import monotonic
from uuid import uuid4

import pytest
from proxy_world import NatsServer, World
from traders import configured, emulator, managed

from fra.adapters.proxy.limits import SharedLimits
from fra.adapters.proxy.options import BrokerOptions
from fra.core import (
    Banned,
    Budget,
    BudgetKey,
    ExchangeHandle,
    ExchangeRateLimitError,
    PluginManager,
    RateLimit,
    RateLimiter,
)
from fra.emulator import Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _member(server: NatsServer, stack: AsyncExitStack, *, egress: str) -> SharedLimits:
    limits = SharedLimits(BrokerOptions(servers=(server.url,)), egress=egress, report=lambda error: None)
    return await stack.enter_async_context(limits)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process's sign is not announced
            await asyncio.sleep(0.02)


async def test_two_take_half_each_and_a_third_a_third(server: NatsServer, world: World) -> None:
    limit, key = RateLimit("orders", 60, 2.0, reserve=6), BudgetKey("okx", "orders", "direct")
    async with AsyncExitStack() as stack:
        egress = uuid4().hex
        budgets = [Budget(limit) for _ in range(3)]
        first = await _member(server, stack, egress=egress)
        first.opened(key, budgets[0])
        assert budgets[0].usage().capacity == 60
        second = await _member(server, stack, egress=egress)
        second.opened(key, budgets[1])
        await _until(lambda: budgets[1].usage().blocked_for > limit.interval)  # the other's larger part counts yet
        await _until(lambda: [budget.usage().capacity for budget in budgets[:2]] == [30, 30])
        third = await _member(server, stack, egress=egress)
        third.opened(key, budgets[2])
        await _until(lambda: [budget.usage().capacity for budget in budgets] == [20, 20, 20])
        assert [budget.usage().reserve for budget in budgets] == [2, 2, 2], "each keeps something for cancels"


async def test_another_address_or_account_is_another_budget(server: NatsServer, world: World) -> None:
    async with AsyncExitStack() as stack:
        budgets = [Budget(RateLimit("orders", 60, 2.0)) for _ in range(3)]
        for budget, egress, place in zip(budgets, ("a", "b", "b"), ("direct", "direct", "account"), strict=True):
            member = await _member(server, stack, egress=egress + uuid4().hex)
            member.opened(BudgetKey("okx", "orders", place + uuid4().hex), budget)
        await asyncio.sleep(0.3)
        assert [budget.usage().capacity for budget in budgets] == [60, 60, 60]


async def test_what_the_venue_shuts_to_one_stops_all_and_who_comes_later(server: NatsServer, world: World) -> None:
    key = BudgetKey("binance", "weight", "direct")
    async with AsyncExitStack() as stack:
        egress = uuid4().hex
        budgets = [Budget(RateLimit("weight", 6000, 60.0)) for _ in range(3)]
        members = [await _member(server, stack, egress=egress) for _ in range(2)]
        for member, budget in zip(members, budgets, strict=False):
            member.opened(key, budget)
        budgets[0].block(30.0)
        members[0].shut(key, 30.0, "418")
        await _until(lambda: budgets[1].usage().blocked_for > 25)
        late = await _member(server, stack, egress=egress)
        late.opened(key, budgets[2])
        await _until(lambda: budgets[2].usage().blocked_for > 25)


async def test_no_window_of_the_venue_holds_more_than_it_allows_for_all(server: NatsServer, world: World) -> None:
    """Two processes at full speed, the second comes while the first is at it: the venue's own count is kept."""
    limit, key = RateLimit("orders", 40, 0.5), BudgetKey("okx", "orders", "direct")
    sent: list[float] = []

    async def work(limiter: RateLimiter) -> None:
        while True:
            await limiter.acquire(1)
            sent.append(monotonic())

    async with AsyncExitStack() as stack:
        egress = uuid4().hex
        tasks, budgets = [], [Budget(limit) for _ in range(2)]
        for budget in budgets:
            member = await _member(server, stack, egress=egress)
            member.opened(key, budget)
            if tasks:
                await _until(lambda budget=budget: budget.usage().capacity == 20)  # type: ignore[misc]
            tasks.append(asyncio.create_task(work(RateLimiter([budget]))))
            await _until(lambda: len(sent) >= 60)
        await _until(lambda: budgets[1].usage().used > 0)
        await asyncio.sleep(limit.interval)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert all(budget.usage().capacity == 20 for budget in budgets)
    most = max(sum(start <= moment < start + limit.interval for moment in sent) for start in sent)
    assert most <= limit.capacity


async def _held_back(handle: ExchangeHandle, venue: Venue) -> bool:
    """Whether a question does not reach the venue."""
    asked = venue.stats.requests
    try:
        async with asyncio.timeout(0.5):
            await handle.get_ticker("BTC/USDT:USDT")
    except (TimeoutError, ExchangeRateLimitError):
        return venue.stats.requests == asked
    return False


async def test_a_ban_of_one_manager_keeps_another_from_asking(server: NatsServer, world: World) -> None:
    async with AsyncExitStack() as stack, emulator("binance") as running:
        venue, egress = running.venues["binance"], uuid4().hex
        handles = []
        for _ in range(2):
            member = await _member(server, stack, egress=egress)
            config = {"exchanges": {"main": configured(venue, None, timeout=1.0)}}
            manager = await stack.enter_async_context(PluginManager.from_config(config, peers=member))
            handles.append(manager.get_plugin("main"))
            await handles[-1].get_symbols()
        venue.answer_with(418, "{}", headers={"Retry-After": "30"})
        with pytest.raises(Banned):
            await handles[0].get_ticker("BTC/USDT:USDT")
        venue.answer_normally()
        async with asyncio.timeout(10):
            while not await _held_back(handles[1], venue):
                pass  # the ban is on its way


async def test_a_manager_alone_is_not_slowed(world: World) -> None:
    async with emulator("okx") as running, managed({"main": configured(running.venues["okx"], None)}) as manager:
        assert await manager.get_plugin("main").get_symbols()

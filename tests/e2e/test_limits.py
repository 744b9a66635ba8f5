"""Two accounts behind one address, many tasks: the venue's whole budget is used and never overdrawn; its gates hold."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import pytest

from fra.core import Banned, ExchangeHandle, ExchangeRateLimitError, PluginManager, RateLimited
from fra.emulator import Account, Emulator, Venue

pytestmark = pytest.mark.alone

TASKS = 50
WINDOWS = 3


@attrs.frozen
class Budget:
    """One scope of a venue as its documents state it, and the full-depth book that is asked for out of it."""

    venue: str
    market: str
    symbol: str
    depth: int
    path: str
    cost: int
    capacity: int
    window: float
    """Seconds that the emulator is told to make of it."""
    scale: float = 1.0


MINUTE_S, SHORT_S = 60.0, 2.0
BUDGETS = [
    Budget("binance", "spot", "BTC/USDT", 5000, "/api/v3/depth", 250, 6000, SHORT_S, SHORT_S / MINUTE_S),
    Budget("binance", "usdm", "BTC/USDT:USDT", 1000, "/fapi/v1/depth", 20, 2400, SHORT_S, SHORT_S / MINUTE_S),
    Budget("okx", "swap", "BTC/USDT:USDT", 5000, "/api/v5/market/books-full", 1, 10, 2.0),
]
EACH = pytest.mark.parametrize("budget", [pytest.param(b, id=f"{b.venue}-{b.market}") for b in BUDGETS])
Accounts = tuple[ExchangeHandle, ExchangeHandle]


@asynccontextmanager
async def two_accounts(budget: Budget) -> AsyncIterator[tuple[Venue, PluginManager, Accounts]]:
    """Two configured instances with accounts of their own; instruments and limits are read, their streams are open."""
    names = ("first", "second")
    keys = [Account(name=name, key=f"key-{name}", secret=f"secret-{name}", passphrase=f"{name}-p") for name in names]
    async with Emulator([budget.venue], seed=7, rate_window_scale=budget.scale, accounts=keys) as emulator:
        venue = emulator.venues[budget.venue]
        account = {"exchange_id": budget.venue, "base_url": venue.markets, "markets": [budget.market], "timeout": 30}
        config = {
            "exchanges": {
                name: {**account, "api_key": f"key-{name}", "secret_key": f"secret-{name}", "passphrase": f"{name}-p"}
                for name in names
            }
        }
        async with PluginManager.from_config(config) as manager:
            first, second = (manager.get_plugin(name) for name in names)
            await asyncio.gather(first.get_symbols(), second.get_symbols())
            async with asyncio.timeout(10), first.subscribe_user_data(), second.subscribe_user_data():
                pass  # what they ask of their accounts at the start is answered
            yield venue, manager, (first, second)


@EACH
async def test_fifty_tasks_of_two_accounts_use_the_budget_and_do_not_overdraw_it(budget: Budget) -> None:
    async with two_accounts(budget) as (venue, _, accounts):
        answered = 0

        async def ask(account: ExchangeHandle) -> None:
            nonlocal answered
            while True:
                with contextlib.suppress(ExchangeRateLimitError):  # counted by the venue
                    book = await account.get_orderbook(budget.symbol, depth=budget.depth)
                    answered += 1
                    assert book.bids

        tasks = [asyncio.create_task(ask(accounts[n % 2])) for n in range(TASKS)]
        done, _ = await asyncio.wait(tasks, timeout=WINDOWS * budget.window, return_when=asyncio.FIRST_EXCEPTION)
        used = answered * budget.cost
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [task.exception() for task in done] == []
        assert venue.stats.answered_418 == 0
        assert venue.stats.answered_429 <= 1
        assert used >= 0.8 * WINDOWS * budget.capacity


def _refusals(budget: Budget) -> Mapping[str, tuple[int, str, Mapping[str, str], float, type[ExchangeRateLimitError]]]:
    """Status, body, headers, seconds to wait, and what it is to a caller."""
    if budget.venue == "okx":
        return {
            "429": (429, json.dumps({"code": "50011", "msg": "Too Many Requests"}), {}, 2.0, ExchangeRateLimitError)
        }
    full = json.dumps({"code": -1003, "msg": "Too much request weight used."})
    until = f"Way too many requests; IP banned until {int(time.time() * 1000) + 1500}."
    banned = json.dumps({"code": -1003, "msg": until})
    return {
        "429": (429, full, {"Retry-After": "1"}, 1.0, ExchangeRateLimitError),
        "418": (418, banned, {}, 1.5, Banned),
        "418 with Retry-After": (418, banned, {"Retry-After": "1"}, 1.0, Banned),
    }


@pytest.mark.parametrize(
    ("budget", "refusal"),
    [pytest.param(b, name, id=f"{b.venue}-{b.market}-{name}") for b in BUDGETS for name in _refusals(b)],
)
async def test_a_refusal_shuts_the_scope_for_both_accounts_for_as_long_as_it_says(budget: Budget, refusal: str) -> None:
    async with two_accounts(budget) as (venue, manager, (first, second)):
        told: list[RateLimited] = []
        manager.register_event_handler(RateLimited, told.append)
        status, body, headers, seconds, kind = _refusals(budget)[refusal]
        venue.answer_with(status, body, headers=headers, count=1, path=budget.path)
        with pytest.raises(kind) as caught:
            await first.get_orderbook(budget.symbol, depth=budget.depth)
        since = time.monotonic()
        asked = venue.stats.by_path[budget.path]
        assert caught.value.retry_after == pytest.approx(seconds, abs=0.4)

        answers = asyncio.gather(
            *(account.get_orderbook(budget.symbol, depth=budget.depth) for account in (first, second))
        )
        await asyncio.wait([answers], timeout=0.7 * seconds)
        assert venue.stats.by_path[budget.path] == asked, "somebody asked before the venue wanted to be asked"
        async with asyncio.timeout(seconds + 3):
            first_book, second_book = await answers
        assert time.monotonic() - since >= (caught.value.retry_after or 0) - 0.1
        assert first_book.bids
        assert second_book.bids
        assert venue.stats.by_path[budget.path] == asked + 2
        assert told
        assert told[0].seconds == pytest.approx(caught.value.retry_after)


@pytest.mark.parametrize("budget", [pytest.param(b, id=b.market) for b in BUDGETS if b.venue == "binance"])
async def test_a_ban_shuts_every_call_of_its_market(budget: Budget) -> None:
    async with two_accounts(budget) as (venue, _, (first, second)):
        venue.answer_with(
            418, json.dumps({"code": -1003, "msg": "Way too many requests."}), headers={"Retry-After": "1"}, count=1
        )
        with pytest.raises(Banned):
            await first.get_trades(budget.symbol, limit=5)
        since, before = time.monotonic(), venue.stats.requests
        async with asyncio.timeout(5):
            await second.get_ticker(budget.symbol)
        assert time.monotonic() - since >= 0.95
        assert venue.stats.requests > before


@pytest.mark.parametrize("budget", [pytest.param(b, id=b.market) for b in BUDGETS if b.venue == "binance"])
async def test_a_capacity_that_the_user_set_outlives_what_the_venue_states(budget: Budget) -> None:
    async with Emulator(["binance"], seed=7, rate_window_scale=budget.scale) as emulator:
        venue = emulator.binance
        own = budget.cost * 4
        exchange = {
            "exchange_id": "binance",
            "base_url": venue.markets,
            "markets": [budget.market],
            "rate_limit": {f"{budget.market}.weight": own},
        }
        async with PluginManager.from_config({"exchanges": {"binance": exchange}}) as manager:
            binance = manager.get_plugin("binance")
            await binance.get_symbols()
            started = time.monotonic()
            for _ in range(5):
                await binance.get_orderbook(budget.symbol, depth=budget.depth)
            assert budget.window - 0.1 <= time.monotonic() - started < 2.5 * budget.window

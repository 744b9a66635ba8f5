"""Back-off: how long, how often, and what starts it anew."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fra.core.contract.errors import ExchangeConnectionError
from fra.core.toolkit.reconnect import ReconnectManager


class Venue:
    """Refuses so many connections, then accepts."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.calls = 0

    async def connect(self) -> None:
        self.calls += 1
        if self.calls <= self.refusals:
            raise OSError(f"refused {self.calls}")


def quick(max_retries: int | None = None, **settings: float) -> ReconnectManager:
    return ReconnectManager(max_retries, base_delay=0.0, max_delay=settings.get("max_delay", 0.0))


async def _fail(manager: ReconnectManager, times: int) -> None:
    venue = Venue(refusals=times)
    await manager.handle_disconnect(venue.connect)


@given(failures=st.integers(0, 10), seed=st.integers())
def test_a_delay_lies_between_nothing_and_the_doubled_base(failures: int, seed: int) -> None:
    manager = ReconnectManager(base_delay=1e-7, max_delay=6e-6, rng=random.Random(seed))

    async def lose_the_connection() -> None:
        for _ in range(failures):
            await _fail(manager, 0)

    asyncio.run(lose_the_connection())
    assert 0.0 <= manager.next_delay() <= min(6e-6, 1e-7 * 2.0**failures)


def test_the_jitter_uses_the_whole_range() -> None:
    manager = ReconnectManager(base_delay=8.0, max_delay=60.0, rng=random.Random(7))
    delays = [manager.next_delay() for _ in range(500)]
    assert min(delays) < 0.5
    assert max(delays) > 7.5


def test_the_same_seed_gives_the_same_delays() -> None:
    one, two = (ReconnectManager(rng=random.Random(3)) for _ in range(2))
    assert [one.next_delay() for _ in range(5)] == [two.next_delay() for _ in range(5)]


async def test_it_tries_until_it_is_connected() -> None:
    venue = Venue(refusals=4)
    await quick().handle_disconnect(venue.connect)
    assert venue.calls == 5


async def test_it_gives_up_after_the_retries_with_the_last_cause() -> None:
    venue = Venue(refusals=10)
    with pytest.raises(ExchangeConnectionError, match="refused 3") as caught:
        await quick(3).handle_disconnect(venue.connect)
    assert venue.calls == 3
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_bare_connect_does_not_shorten_the_next_delay() -> None:
    manager = quick(2)
    venue = Venue(refusals=0)
    await manager.handle_disconnect(venue.connect)
    await manager.handle_disconnect(venue.connect)
    assert manager.attempts == 2
    with pytest.raises(ExchangeConnectionError):
        await manager.handle_disconnect(venue.connect)
    assert venue.calls == 2


async def test_data_starts_it_anew() -> None:
    manager = quick(3)
    await _fail(manager, 2)
    manager.data_received()
    assert manager.attempts == 0
    await _fail(manager, 2)


async def test_cancellation_goes_straight_through_a_delay() -> None:
    manager = ReconnectManager(base_delay=50.0, max_delay=60.0, rng=random.Random(1))
    task = asyncio.create_task(manager.handle_disconnect(Venue(0).connect))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancellation_of_the_connecting_itself_is_no_failed_attempt() -> None:
    manager = quick()
    connecting = asyncio.Event()

    async def hang() -> None:
        connecting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(manager.handle_disconnect(hang))
    await connecting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.attempts == 1


async def test_every_attempt_asks_the_connect_limit_first() -> None:
    class Limit:
        asked = 0

        async def acquire(self) -> None:
            self.asked += 1

    limit = Limit()
    manager = ReconnectManager(base_delay=0.0, max_delay=0.0, limit=limit)
    await _fail(manager, 2)
    assert limit.asked == 3


async def test_failed_attempts_are_told() -> None:
    told: list[tuple[int, str]] = []
    manager = ReconnectManager(
        base_delay=0.0, max_delay=0.0, on_attempt_failed=lambda attempt, error: told.append((attempt, str(error)))
    )
    await _fail(manager, 2)
    assert told == [(1, "refused 1"), (2, "refused 2")]


async def test_failed_attempts_are_logged_when_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await _fail(quick(), 1)
    assert "refused 1" in caplog.text


@pytest.mark.parametrize("settings", [{"base_delay": -1.0}, {"base_delay": 5.0, "max_delay": 1.0}, {"max_retries": -1}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        ReconnectManager(**settings)  # type: ignore[arg-type]

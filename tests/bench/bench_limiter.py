"""What the limiter costs beside the least one could do, and whether it reaches the rate it is told."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from fra.core.contract.capabilities import RateLimit
from fra.core.toolkit.ratelimit import RateLimiter

_ROUNDS = 7
_CALLS = 50_000
_TASKS = 20
_SECONDS = 3


class Floor:
    """GCRA with a FIFO queue: one float of state, no scopes, no feedback, no cancellation."""

    def __init__(self, capacity: int, interval: float) -> None:
        self._unit = interval / capacity
        self._interval = interval
        self._free_at = 0.0
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def acquire(self, cost: int = 1) -> None:
        now = time.monotonic()
        free_at = max(self._free_at, now) + cost * self._unit
        if not self._waiters and free_at - now <= self._interval:
            self._free_at = free_at
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter


async def _per_call(limiter: Floor | RateLimiter, cost: int | dict[str, int]) -> float:
    started = time.process_time()
    for _ in range(_CALLS):
        await limiter.acquire(cost)  # type: ignore[arg-type]
    return (time.process_time() - started) / _CALLS


async def _uncontended() -> dict[str, float]:
    capacity = 10**9
    subjects: dict[str, tuple[Floor | RateLimiter, int | dict[str, int]]] = {
        "floor": (Floor(capacity, 60.0), 1),
        "fra": (RateLimiter([RateLimit("ip", capacity, 60.0)]), 1),
        "fra, named scope": (RateLimiter([RateLimit("ip", capacity, 60.0)]), {"ip": 1}),
        "fra, two scopes": (
            RateLimiter([RateLimit("ip", capacity, 60.0), RateLimit("uid", capacity, 10.0)]),
            {"ip": 1, "uid": 1},
        ),
    }
    best = dict.fromkeys(subjects, float("inf"))
    for _ in range(_ROUNDS):
        for name, (limiter, cost) in subjects.items():
            best[name] = min(best[name], await _per_call(limiter, cost))
    return best


async def _contended() -> dict[str, float]:
    """Twenty tasks ask for as much as they get from a budget of 1,000 a second."""
    limiter = RateLimiter([RateLimit("ip", 1_000, 1.0)])
    grants: list[tuple[float, int]] = []

    async def worker(number: int) -> None:
        while True:
            await limiter.acquire()
            grants.append((time.monotonic(), number))
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(worker(number)) for number in range(_TASKS)]
    await asyncio.sleep(_SECONDS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    times = [at for at, _ in grants]
    first, worst, right = 0, 0, 0
    for right, at in enumerate(times):
        while times[first] <= at - 1.0:
            first += 1
        worst = max(worst, right - first + 1)
    shares = [sum(1 for _, owner in grants if owner == number) for number in range(_TASKS)]
    return {
        "granted in 3 s": right + 1,
        "share of 1000/s": (right + 1) / (1_000 * _SECONDS),
        "most in any second": worst,
        "fewest to one task / most": min(shares) / max(shares),
    }


def run() -> dict[str, object]:
    """Ratios to the floor (CPU per acquire), and what a contended budget delivers."""
    cost = asyncio.run(_uncontended())
    return {
        "uncontended": {
            name: {"ns": round(seconds * 1e9), "ratio": round(seconds / cost["floor"], 2)}
            for name, seconds in cost.items()
        },
        "contended": {name: round(value, 3) for name, value in asyncio.run(_contended()).items()},
    }


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))

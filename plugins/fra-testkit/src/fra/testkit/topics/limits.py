"""Limits: asked before every request, and heeded when the venue says stop."""

from __future__ import annotations

import asyncio

from fra.core import ExchangeRateLimitError, MarketKind, Operation
from fra.testkit.bench import Bench
from fra.testkit.calls import ACCOUNT, READS
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotEvaluated, ensure
from fra.testkit.topics.lifecycle import ATTEMPTS


class LimitsConformance(Topic):
    """A venue that is asked too often bans the address, with positions open."""

    topic = "limits"

    @check(counts=("requests",))
    async def test_every_request_asks_the_limiter(self, bench: Bench) -> None:
        """One budget for all instances only works if every request is counted."""
        uncounted = []
        for _ in range(ATTEMPTS):  # one that the shared instance was granted before may be sent meanwhile
            requests, acquired = await _asked(bench)
            if not requests:
                raise NotEvaluated("it sent no request")
            if acquired >= requests:
                return
            uncounted.append(f"{requests} requests and {acquired} questions to the limiter")
        raise Broken(f"there were {uncounted[-1]} → await context.limiter(…).acquire(…) before every request")

    @check()
    async def test_its_limits_are_the_ones_it_declares(self, bench: Bench) -> None:
        """`fra plugins` and the configuration show what it declares."""
        declared = {limit.scope for limit in bench.adapter.cls.describe().rate_limits}
        asked = {limit.scope for limit in bench.main.watch.limits}
        if not asked and not declared:
            raise NotEvaluated("it declares no limits")
        ensure(
            asked <= declared or not declared,
            f"it uses the limits {', '.join(sorted(asked - declared))}, which describe() does not name",
            "declare them in describe().rate_limits",
        )

    @check(Operation.GET_TICKER, faults=("fail",))
    async def test_too_many_requests_is_called_so_and_heeded(self, bench: Bench) -> None:
        """Retrying into a 429 is how bans begin."""
        await _shut(bench, 429)

    @check(Operation.GET_TICKER, faults=("fail",))
    async def test_a_ban_is_called_so_and_heeded(self, bench: Bench) -> None:
        """A banned address that goes on asking is banned for days."""
        await _shut(bench, 418)


async def _asked(bench: Bench) -> tuple[int, int]:
    """How many requests an instance sent from its start on, for every public call, and how often it asked the limiter.

    From its start: an account's stream opens beside what is asked here, and a request that was counted comes later.
    What the shared instance sends and asks meanwhile is in both figures.
    """
    assert bench.venue.requests is not None
    requests, shared = bench.venue.requests(), bench.main.watch.acquired
    async with bench.another() as own:
        await own.handle.get_symbols()
        for operation in READS:
            for kind in own.handle.capabilities.kinds(operation):
                if operation not in ACCOUNT and operation.value not in bench.venue.not_evaluated:
                    try:
                        await READS[operation](own.plugin, await bench.symbol(kind))
                    except Exception:  # another test judges it
                        continue
        return bench.venue.requests() - requests, own.watch.acquired + bench.main.watch.acquired - shared


async def _shut(bench: Bench, status: int) -> None:
    loop, asked = asyncio.get_running_loop(), bench.venue.retry_after
    kinds = bench.capabilities.kinds(Operation.GET_TICKER)
    kind = MarketKind.LINEAR_SWAP if MarketKind.LINEAR_SWAP in kinds else kinds[0]
    symbol = await bench.symbol(kind)
    await bench.sample(Operation.GET_TICKER, kind)
    async with bench.another() as own:
        await own.handle.get_symbols()
        async with bench.faulty("fail", status, retry_after=asked):
            error = await bench.provoked(own.plugin.get_ticker(symbol))
            shut = loop.time()
        ensure(
            isinstance(error, ExchangeRateLimitError),
            f"a {status} is called {type(error).__name__}: {error}",
            "raise ExchangeRateLimitError (Banned for a ban)",
        )
        wait = getattr(error, "retry_after", None)
        ensure(
            wait is not None and wait <= 2 * asked,
            f"the venue says Retry-After: {asked:g}, and the error says {wait}",
            "pass retry_after, in seconds",
        )
        try:
            await own.plugin.get_ticker(symbol)
        except ExchangeRateLimitError as refused:
            bench.errors.append(refused)
            return
        ensure(
            loop.time() - shut >= 0.7 * asked,
            f"{loop.time() - shut:.2f} s after a {status} that asked for {asked:g} s the venue was asked again",
            "context.limiter(…).block(scope, retry_after, reason)",
        )

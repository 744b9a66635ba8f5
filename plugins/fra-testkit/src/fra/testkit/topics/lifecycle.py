"""From a class to a connected instance, and back to nothing."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Mapping

from fra.core import ConnectionStatus, ExchangeConnectionError, FraError, Operation
from fra.testkit import descriptors
from fra.testkit.bench import Bench
from fra.testkit.calls import STREAMS
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotEvaluated, ensure
from fra.testkit.topics.capabilities import listed

NOBODY = "127.0.0.1:1"
"""Where nothing listens."""
_MOMENT_S = 0.05
ATTEMPTS = 3
"""How often requests are counted, where others may come between."""


class LifecycleConformance(Topic):
    """Start, health, stop; nothing is left behind."""

    topic = "lifecycle"

    @check(started=False)
    async def test_it_starts(self, bench: Bench) -> None:
        """The configured instance connects."""
        error = bench.start_error
        if isinstance(error, ExchangeConnectionError) and bench.venue.live:
            raise NotEvaluated(f"the venue cannot be reached: {error}")
        if error is not None:
            raise Broken(f"it does not start: {error}") from error

    @check(started=False)
    async def test_it_describes_itself_before_there_is_an_instance(self, bench: Bench) -> None:
        """`fra plugins` and the configuration ask the class, with no network."""
        about = bench.adapter.cls.describe()
        ensure(about.name and about.display_name and about.version, "it has no name or version", "fill describe()")
        ensure(about.capabilities.matrix, "it claims nothing, so nothing is ever called", "fill `capabilities`")

    @check(counts=("requests",))
    async def test_initialize_sends_nothing(self, bench: Bench) -> None:
        """Configurations are checked by initializing; that must not cost requests or need a network."""
        sent = 1
        async with bench.another() as own:  # of its own: disconnect() tells the host that the exchange is gone
            for _ in range(ATTEMPTS):  # the shared instance may ask something of its own meanwhile
                await _quiet(bench)
                before = _count(bench)
                plugin = bench.adapter.cls(own.plugin.config)
                plugin.options, plugin.context = own.plugin.options, own.plugin.context
                await plugin.initialize()
                sent = min(sent, _count(bench) - before)
                await plugin.disconnect()
        ensure(sent == 0, "initialize() sends requests", "move them to connect()")

    @check()
    async def test_stopping_leaves_no_task_and_no_socket(self, bench: Bench) -> None:
        """What is left running after a stop goes on trading, or eats memory until the process dies."""
        symbols, more = await listed(bench), 1
        for _ in range(ATTEMPTS):  # the shared instance may open something of its own meanwhile
            gc.collect()
            before = descriptors.count()
            async with bench.another() as own:
                for symbol in symbols:
                    for operation in STREAMS:
                        if bench.claims(operation, symbol.kind) and operation.value not in bench.venue.not_evaluated:
                            STREAMS[operation](own.handle, symbol)
                tasks = own.tasks
                await asyncio.sleep(0)
            left = await _gone(tasks, bench.venue.patience / 4)
            ensure(
                not left,
                f"after the stop {len(left)} tasks of it go on: {', '.join(sorted(left)[:3])}",
                "cancel and await in disconnect() every task that you make",
            )
            more = await _still_open(before)
            if more <= 0:
                break
        ensure(more <= 0, f"after the stop {more} sockets or files stay open", "close sessions in disconnect()")

    @check()
    async def test_stopping_twice_is_no_error(self, bench: Bench) -> None:
        """A program that ends while it reconnects stops twice."""
        async with bench.another() as own:
            plugin = own.plugin
            await plugin.disconnect()
        try:
            await plugin.disconnect()
        except Exception as error:
            raise Broken(f"the second disconnect() raises {error!r} → make it idempotent") from error

    @check()
    async def test_a_venue_that_is_away_is_an_error_and_leaves_nothing(self, bench: Bench) -> None:
        """A start that fails in silence leaves a trader with an exchange that is not there."""
        url = bench.venue.config.get("base_url")
        if not url:
            raise NotEvaluated("it has no base_url to point elsewhere")
        tasks: set[asyncio.Task[object]] = set()
        try:
            async with bench.another(tasks, base_url=away(url), timeout=bench.venue.patience / 3):
                pass
        except ExchangeConnectionError as error:
            bench.errors.append(error)
        except FraError as error:
            raise Broken(
                f"nobody answers, and it says {type(error).__name__}: {error} → raise ExchangeConnectionError"
            ) from error
        else:
            raise Broken("nobody answers, and it says that it is connected → ask the venue something in connect()")
        left = await _gone(tasks, bench.venue.patience / 4)
        ensure(not left, f"after the failed start {', '.join(left)} goes on", "clean up when connect() fails")

    @check()
    async def test_health_is_told(self, bench: Bench) -> None:
        """`fra health` says how far away the venue is and whether its clock is ours."""
        health = await bench.handle.health_check()
        ensure(health.status is ConnectionStatus.CONNECTED, f"it is {health.status.value}", "see connection_changed")
        ensure(
            health.latency is None or 0 <= health.latency < bench.venue.patience,
            f"its latency is {health.latency} s",
            "latency is in seconds, not milliseconds",
        )
        ensure(
            health.clock_skew is None or abs(health.clock_skew) < 3600,
            f"its clock is {health.clock_skew} s away from ours",
            "clock_skew is in seconds, the venue's clock minus ours",
        )

    @check(Operation.GET_SYMBOLS)
    async def test_symbols_are_one_each_and_say_their_rules(self, bench: Bench) -> None:
        """Two symbols of one name, or a wrong unit, send the order elsewhere or ten times too large."""
        symbols = await bench.handle.get_symbols()
        ensure(symbols, "it lists no symbol", "convert what the venue lists")
        counted = Counter(symbol.name for symbol in symbols)
        twice = [name for name, count in counted.items() if count > 1]
        ensure(not twice, f"{twice[:3]} are listed twice", "refuse one of them by name in SymbolList.refused")
        for symbol in symbols:
            ensure(
                symbol.name.startswith(f"{symbol.base}/{symbol.quote}"),
                f"{symbol.name} is of {symbol.base} and {symbol.quote}",
                "write names as BASE/QUOTE, BASE/QUOTE:SETTLE",
            )
            ensure(
                not symbol.kind.is_derivative or symbol.settle == (symbol.base if symbol.inverse else symbol.settle),
                f"{symbol.name} is {symbol.kind.value} and settles in {symbol.settle}",
                "inverse contracts settle in the base coin",
            )
            ensure(
                symbol.lot_size % symbol.contract_size == 0 or symbol.contract_size % symbol.lot_size == 0,
                f"{symbol.name} has lots of {symbol.lot_size} and contracts of {symbol.contract_size}",
                "lot_size is in base coin (quote for inverse): contracts × contract_size",
            )


def _count(bench: Bench) -> int:
    assert bench.venue.requests is not None
    return bench.venue.requests()


async def _quiet(bench: Bench) -> None:
    """Wait, a second at most, until nothing is asked for a moment: an account's stream opens beside what is tried."""
    for _ in range(20):
        asked = _count(bench)
        await asyncio.sleep(_MOMENT_S)
        if _count(bench) == asked:
            return


async def _still_open(before: int) -> int:
    """How many more files and sockets there are than ``before``."""
    gc.collect()
    more = await descriptors.left(lambda: descriptors.count() - before)
    if more > 0:
        gc.collect()
    return descriptors.count() - before


async def _gone(tasks: set[asyncio.Task[object]], within: float) -> list[str]:
    """The names of those that are not done after a while; the test's own task is none of them."""
    mine = asyncio.current_task()
    waiting = {task for task in tasks if task is not mine}
    if not waiting:
        return []
    _, left = await asyncio.wait(waiting, timeout=within)
    return [task.get_name() for task in left]


def away(url: object) -> object:
    """The same URLs, at a port where nobody is."""
    if isinstance(url, Mapping):
        return {key: away(value) for key, value in url.items()}
    scheme, _, rest = str(url).partition("://")
    _, slash, path = rest.partition("/")
    return f"{scheme}://{NOBODY}{slash}{path}"

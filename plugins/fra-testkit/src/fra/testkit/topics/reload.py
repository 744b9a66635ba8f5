"""Reload: a new instance behind the same handle, and consumers that notice nothing worse than a gap."""

from __future__ import annotations

import asyncio
from typing import Any

from fra.core import ConfigManager, FraError, MarketKind, Operation, StreamGap, StreamStatus
from fra.testkit.bench import Bench
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotClaimed, NotEvaluated, ensure
from fra.testkit.running import NAME, Running
from fra.testkit.topics.lifecycle import away


class ReloadConformance(Topic):
    """The host does it; the adapter must bear a second instance beside the first."""

    topic = "reload"

    @check()
    async def test_consumers_go_on_through_a_reload(self, bench: Bench) -> None:
        """A strategy in the middle of `async for` keeps its handle, its listeners and its iterators."""
        operation = next(
            (each for each in (Operation.SUBSCRIBE_ORDERBOOK, Operation.SUBSCRIBE_TICKER) if bench.claims(each)), None
        )
        if operation is None or operation.value in bench.venue.not_evaluated:
            raise NotClaimed("no stream of prices")
        kinds = bench.capabilities.kinds(operation)
        symbol = await bench.symbol(MarketKind.LINEAR_SWAP if MarketKind.LINEAR_SWAP in kinds else kinds[0])
        async with bench.another() as own:
            handle, first = own.handle, own.plugin
            stream: Any = getattr(handle, operation.value)(symbol)
            await _next(bench, stream, "the stream to begin")
            await own.manager.reload_plugin(NAME)
            ensure(own.plugin is not first and own.handle is handle, "nothing was swapped", "keep no instance of yours")
            for _ in range(2):
                await _next(bench, stream, "the stream to go on after a reload")
            ensure(stream.status is StreamStatus.LIVE, f"the stream is {stream.status.value}", "publish again")
            await _answers(own, "after a reload")

    @check()
    async def test_a_reload_that_fails_keeps_the_old(self, bench: Bench) -> None:
        """A typing error in the configuration must not take a running exchange away."""
        url = bench.venue.config.get("base_url")
        if not url:
            raise NotEvaluated("it has no base_url to point elsewhere")
        async with bench.another() as own:
            first = own.plugin
            changes = {"plugin": own.plugin_name, "base_url": away(url), "timeout": bench.venue.patience / 3}
            config = {**bench.venue.config, **changes}
            config.setdefault("exchange_id", bench.adapter.cls.describe().name)
            own.manager.set_config_manager(ConfigManager.from_mapping({"exchanges": {NAME: config}}))
            try:
                await own.manager.reload_plugin(NAME)
            except FraError as error:
                bench.errors.append(error)
            else:
                raise NotEvaluated("a venue that is away does not fail it, which another test judges")
            ensure(own.watch.instances[0] is first, "the old instance is gone", "see above")
            await _answers(own, "after a reload that failed")


async def _next(bench: Bench, stream: Any, what: str) -> None:
    try:
        async with asyncio.timeout(bench.venue.patience):
            while True:
                try:
                    await anext(stream)
                    return
                except StreamGap:
                    continue
    except (TimeoutError, StopAsyncIteration):
        raise Broken(f"waited in vain for {what} → a second instance must work beside the first") from None


async def _answers(own: Running, when: str) -> None:
    try:
        await own.handle.health_check()
        await own.handle.get_symbols(refresh=True)
    except FraError as error:
        raise Broken(f"{when} it fails: {error} → share nothing between instances") from error

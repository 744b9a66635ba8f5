"""Reload: a new instance behind the same handle, and consumers that notice nothing worse than a gap."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import attrs

from fra.core import ConfigManager, FraError, Operation, StreamGap, StreamStatus, Trade
from fra.testkit import descriptors
from fra.testkit.bench import Bench
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotClaimed, NotEvaluated, ensure
from fra.testkit.running import NAME, Running
from fra.testkit.topics.lifecycle import away
from fra.testkit.topics.streams import Following, first_kind, following

ATTEMPTS: Final = 2
_PRICES: Final = (Operation.SUBSCRIBE_ORDERBOOK, Operation.SUBSCRIBE_TICKER)


class ReloadConformance(Topic):
    """The host does it; the adapter must bear a second instance beside the first."""

    topic = "reload"

    @check()
    async def test_consumers_go_on_through_a_reload(self, bench: Bench) -> None:
        """A strategy in the middle of `async for` keeps its handle, its listeners and its iterators."""
        played = await _reloaded(bench)
        if played.broke is not None:
            raise played.broke
        ensure(played.swapped, "nothing was swapped", "keep no instance of yours")
        ensure(played.status is StreamStatus.LIVE, f"the stream is {played.status.value}", "publish again")
        ensure(played.then is None, f"after a reload it fails: {played.then}", "share nothing between instances")

    @check(Operation.SUBSCRIBE_TRADES)
    async def test_no_trade_is_lost_or_told_twice_by_a_reload(self, bench: Bench) -> None:
        """The host knows by their ids which trades the old instance has told: an id must mean one trade for ever."""
        played = await _reloaded(bench)
        told, witnessed = played.told, played.witnessed
        if played.broke is not None or not told:
            raise NotEvaluated(f"another test judges the reload: {played.broke}")
        counted = Counter(trade.id for trade in told)
        if not all(counted):
            raise NotEvaluated("its trades have no ids")
        twice = [id_ for id_, count in counted.items() if count > 1]
        ensure(not twice, f"the trades {twice[:3]} are told twice", "publish each of the venue's trade ids once")
        truth = {trade.id: trade for trade in witnessed}
        both = [trade for trade in told if trade.id in truth]
        other = [trade.id for trade in both if _terms(trade) != _terms(truth[trade.id])]
        ensure(
            both and not other,
            f"two instances call one trade by different ids ({other[:3] or [*counted][:3]}): at a reload trades are"
            " taken for told that are not",
            "take the venue's trade id, and number none yourself",
        )
        lost = [id_ for id_ in played.meanwhile if id_ not in counted]
        ensure(
            not lost or played.gaps,
            f"the trades {lost[:3]} were never told, and no gap was",
            "share nothing between instances",
        )

    @check()
    async def test_a_reload_closes_what_the_old_had_open(self, bench: Bench) -> None:
        """A connection that stays with every reload is one too many for the venue at the twentieth."""
        if not descriptors.are_told():
            raise NotEvaluated("the system does not tell what is open")
        if bench.venue.others:
            raise NotEvaluated("it is built on other exchanges, which keep theirs")
        played = await _reloaded(bench)
        for attempt in range(ATTEMPTS):  # the shared instance may open something of its own meanwhile
            if played.broke is not None:
                raise NotEvaluated(f"another test judges the reload: {played.broke}")
            if not played.left:
                return
            if attempt + 1 < ATTEMPTS:
                played = await _reload(bench)
        raise Broken(
            f"after a reload {played.left} sockets of the instance before stay open → close all of it in disconnect()"
        )

    @check()
    async def test_a_reload_takes_the_new_configuration(self, bench: Bench) -> None:
        """Who changes the address or the account and goes on at the old one trades where nobody looks."""
        misled = await _misled(bench)
        if misled.refused is None:
            raise NotEvaluated(f"a venue that is away does not fail it, which another test judges: {misled.then}")
        ensure(
            misled.refused is not _NOTHING,
            "the configuration was changed to an address where nobody is, and it goes on answering from the old one",
            "read self.config in every instance anew; keep nothing of it on the class or the module",
        )

    @check()
    async def test_a_reload_that_fails_keeps_the_old(self, bench: Bench) -> None:
        """A typing error in the configuration must not take a running exchange away."""
        misled = await _misled(bench)
        if misled.refused in (None, _NOTHING):
            raise NotEvaluated("a venue that is away does not fail it, which another test judges")
        ensure(misled.then is None, f"after it the old one fails: {misled.then}", "share nothing between instances")


_NOTHING: Final = FraError("nothing was refused")


@attrs.frozen
class Misled:
    """What became of a reload whose new configuration leads nowhere."""

    refused: FraError | None
    """What the reload raised; where it went through, ``_NOTHING`` if the venue still answers and None if not."""
    then: FraError | None
    """What asking it afterwards raised."""


async def _misled(bench: Bench) -> Misled:
    url = bench.venue.config.get("base_url")
    if not url:
        raise NotEvaluated("it has no base_url to point elsewhere")
    return await bench.once("misled", lambda: _mislead(bench, url))


async def _mislead(bench: Bench, url: object) -> Misled:
    async with bench.another() as own:
        changes = {"plugin": own.plugin_name, "base_url": away(url), "timeout": bench.venue.patience / 3}
        config = {**bench.venue.config, **changes}
        config.setdefault("exchange_id", bench.adapter.cls.describe().name)
        own.manager.set_config_manager(ConfigManager.from_mapping({"exchanges": {NAME: config}}))
        refused: FraError | None = None
        try:
            await own.manager.reload_plugin(NAME)
        except FraError as error:
            bench.errors.append(error)
            refused = error
        then = await _answers(own)
        if refused is None and then is None:
            refused = _NOTHING
        return Misled(refused, then)


@attrs.define
class Reloaded:
    """What became of two reloads under a stream of prices and one of trades."""

    broke: Broken | None = None
    """Why it did not come to its end."""
    swapped: bool = False
    status: StreamStatus = StreamStatus.STARTING
    then: FraError | None = None
    """What asking it afterwards raised."""
    told: list[Trade] = attrs.field(factory=list)
    witnessed: list[Trade] = attrs.field(factory=list)
    """The same trades as an instance tells them that is not reloaded."""
    meanwhile: list[str] = attrs.field(factory=list)
    """The ids of those that it told from the reload on: what came before it may be older than the stream."""
    gaps: int = 0
    """How often the host said that trades may be missing."""
    left: int = 0
    """How many sockets that the first opened were open after the second."""


async def _reloaded(bench: Bench) -> Reloaded:
    """The play, once for all tests. Raises NotClaimed where no prices are streamed."""
    return await bench.once("reloaded", lambda: _reload(bench))


async def _reload(bench: Bench) -> Reloaded:
    operation = next((each for each in _PRICES if bench.claims(each)), None)
    if operation is None or operation.value in bench.venue.not_evaluated:
        raise NotClaimed("no stream of prices")
    symbol, played = await bench.symbol(first_kind(bench, operation)), Reloaded()
    try:
        async with bench.another() as own, _trades(bench, own) as (stream, witness):
            handle, first = own.handle, own.plugin
            prices = getattr(handle, operation.value)(symbol)
            await _next(bench, prices, "the stream to begin")
            if prices.status is not StreamStatus.LIVE:
                raise NotEvaluated("the stream does not begin, which another test judges")
            before = descriptors.sockets()
            at = 0 if witness is None else len(witness.items)
            await own.manager.reload_plugin(NAME)
            played.swapped = own.plugin is not first and own.handle is handle
            for _ in range(2):
                await _next(bench, prices, "the stream to go on after a reload")
            played.status, played.then = prices.status, await _answers(own)
            if stream is not None and witness is not None:
                for each in (stream, witness):
                    await each.until_more("trades to go on after a reload")
                played.witnessed = [*witness.items]
                played.meanwhile = [trade.id for trade in witness.items[at:]]
                await _all_told(stream, played)
                played.told, played.gaps = [*stream.items], len(stream.gaps)
            opened = descriptors.sockets() - before
            await own.manager.reload_plugin(NAME)
            played.left = await descriptors.left(lambda: len(opened & descriptors.sockets()))
    except Broken as broken:
        played.broke = broken
    except FraError as error:
        played.broke = Broken(f"the reload fails: {error} → a second instance must work beside the first")
        played.broke.__cause__ = error
    return played


@asynccontextmanager
async def _trades(bench: Bench, own: Running) -> AsyncIterator[tuple[Following | None, Following | None]]:
    """The trades that an instance streams, and those that the shared one does, where there are any."""
    operation = Operation.SUBSCRIBE_TRADES
    if not bench.claims(operation) or operation.value in bench.venue.not_evaluated:
        yield None, None
        return
    kind = first_kind(bench, operation)
    ids = [trade.id for trade in (await bench.listen(operation, kind)).items]
    if not ids or len({*ids}) < len(ids):  # which another test judges
        yield None, None
        return
    async with following(bench, operation, kind) as witness, following(bench, operation, kind, own) as stream:
        for each in (witness, stream):
            await each.until_more("a trade")
            await _live(each)
        yield stream, witness


async def _live(stream: Following) -> None:
    await stream.until(lambda: stream.status is StreamStatus.LIVE, "a stream that tells trades to be live")


async def _all_told(stream: Following, played: Reloaded) -> None:
    """Wait for what another instance has told already: no two need to tell the trades in one order.

    What does not come in time, or cannot since the ids are others or a gap was told, is the test's to judge.
    """
    meanwhile, witnessed = {*played.meanwhile}, {trade.id for trade in played.witnessed}

    def settled() -> bool:
        told = {trade.id for trade in stream.items}
        return bool(stream.gaps) or meanwhile <= told or witnessed.isdisjoint(told)

    with suppress(Broken):
        await stream.until(settled, "every trade")


def _terms(trade: Trade) -> tuple[object, ...]:
    return trade.timestamp_ms, trade.price, trade.amount, trade.side


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


async def _answers(own: Running) -> FraError | None:
    """What asking the instance that serves now raises, if anything."""
    try:
        await own.handle.health_check()
        await own.handle.get_symbols(refresh=True)
    except FraError as error:
        return error
    return None

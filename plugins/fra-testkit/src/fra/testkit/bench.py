"""Bench: one adapter on one venue, shared by the tests of a module, and what was asked of it already."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final, TypeVar, final

import attrs

from fra.core import (
    BookView,
    ExchangeCapabilities,
    ExchangeConnectionError,
    ExchangeHandle,
    ExchangePluginInterface,
    FraError,
    MarketKind,
    Operation,
    PluginRegistry,
    StreamStatus,
    Symbol,
)
from fra.testkit.calls import ACCOUNT, READS, STREAMS
from fra.testkit.check import Case, Needs
from fra.testkit.outcomes import Broken, NotClaimed, NotEvaluated
from fra.testkit.running import Running, running
from fra.testkit.venue import VenueUnderTest

T = TypeVar("T")
_GROUP: Final = "fra.exchanges"
_FAVOURITES: Final = (("BTC", "USDT"), ("BTC", "USD"), ("BTC", "USDC"), ("ETH", "USDT"))
"""What is traded most on most venues."""
_ENOUGH: Final[Mapping[Operation, int]] = {
    Operation.SUBSCRIBE_ORDERBOOK: 4,
    Operation.SUBSCRIBE_TRADES: 3,
    Operation.SUBSCRIBE_TICKER: 2,
}
"""How many items of a stream are judged; of the others one."""
_QUIET_S: Final = 1.0
"""How long a stream that has told something is waited for to tell more."""


@attrs.define
class Taken:
    """What one stream told: items in order (books as they were at each call), and how it ended."""

    items: list[Any] = attrs.field(factory=list)
    error: Exception | None = None
    status: StreamStatus | None = None


@attrs.frozen
class Adapter:
    """An adapter to be judged: its class, and where it is from."""

    name: str
    cls: type[ExchangePluginInterface]
    distribution: str | None = None
    version: str | None = None

    @classmethod
    def of(cls, adapter: str | type[ExchangePluginInterface]) -> Adapter:
        """By the name of its entry point, or a class. Raises PluginError."""
        if isinstance(adapter, str):
            return _installed(adapter)
        return _given(adapter)

    @property
    def capabilities(self) -> ExchangeCapabilities:
        """What the class says before there is an instance."""
        return self.cls.describe().capabilities


@cache
def _given(cls: type[ExchangePluginInterface]) -> Adapter:
    """A class, with the distribution that installs it under its name."""
    about = cls.describe()
    package = cls.__module__.partition(".")[0]
    for entry in entry_points(group=_GROUP, name=about.name):
        if entry.dist is not None and entry.module.partition(".")[0] == package:
            return Adapter(about.name, cls, entry.dist.name, entry.dist.version)
    return Adapter(about.name, cls, None, about.version)


@cache
def _installed(name: str) -> Adapter:
    """Asked for each of some hundred tests; what is installed stays so while they run."""
    registry = PluginRegistry()
    row = registry.resolve(name)
    return Adapter(row.name, registry.get_plugin_class(row.name), row.distribution, row.version)


@final
class Bench:
    """Everything that the tests of one adapter share: an event loop, the venue, one connected instance, samples.

    A call is made once and its answer judged by many tests; whether it answers at all is the affair of one.
    """

    def __init__(
        self,
        adapter: str | type[ExchangePluginInterface],
        venue: Callable[[], AbstractAsyncContextManager[VenueUnderTest]],
    ) -> None:
        self.adapter = Adapter.of(adapter)
        self._open_venue = venue
        # What is installed is looked at only for its sake: a class brings itself.
        self._registry = PluginRegistry(path=[]) if isinstance(adapter, type) else PluginRegistry()
        self._runner = asyncio.Runner()
        self._host: asyncio.Task[None] | None = None
        self._end: asyncio.Event | None = None
        self._venue: VenueUnderTest | None = None
        self._main: Running | None = None
        self.start_error: Exception | None = None
        self._reads: dict[tuple[Operation, MarketKind], asyncio.Task[Any]] = {}
        self._streams: dict[tuple[Operation, MarketKind], asyncio.Task[Taken]] = {}
        self._memos: dict[str, asyncio.Task[Any]] = {}
        self.errors: list[FraError] = []
        """Every error that a test provoked, to be searched for secrets."""

    # --- life

    def judge(self, name: str, needs: Needs, case: Case, run: Callable[[], Awaitable[None]]) -> None:
        """Run one test. Raises NotRun where it has nothing to judge, and what it raises."""
        self._runner.run(self._judge(name, needs, case, run))

    async def _judge(self, name: str, needs: Needs, case: Case, run: Callable[[], Awaitable[None]]) -> None:
        if self._host is None:
            await self._open()
        elif self._venue is None:
            raise NotEvaluated("the venue does not open, which the first test says")
        self._admit(name, needs, case)
        async with asyncio.timeout(6 * self.venue.patience):
            await run()

    async def _open(self) -> None:
        opened = asyncio.Event()
        self._end = asyncio.Event()
        self._host = asyncio.create_task(self._run(opened, self._end), name="fra testkit venue")
        waiting = asyncio.create_task(opened.wait())
        await asyncio.wait({self._host, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not opened.is_set():
            waiting.cancel()
            await self._host

    async def _run(self, opened: asyncio.Event, end: asyncio.Event) -> None:
        """Keep the venue and the shared instance open, all in one task: what they enter they leave in it."""
        async with AsyncExitStack() as stack:
            self._venue = await stack.enter_async_context(self._open_venue())
            try:
                self._main = await stack.enter_async_context(self.another())
            except Exception as error:
                self.start_error = error
            opened.set()
            await end.wait()

    def close(self) -> None:
        """Close everything; the bench is not used again."""
        try:
            if self._host is not None and self._end is not None:
                self._end.set()
                self._runner.run(self._closed(self._host))
        finally:
            self._runner.close()

    async def _closed(self, host: asyncio.Task[None]) -> None:
        await asyncio.wait({host})
        if self._venue is not None:  # else a test has said so
            host.result()

    def _admit(self, name: str, needs: Needs, case: Case) -> None:
        """Raises NotRun where a test would say nothing."""
        if needs.started:
            _ = self.main
        kind = case if isinstance(case, MarketKind) else case[1] if isinstance(case, tuple) else None
        asked = [*needs.claims]
        if isinstance(case, tuple) and needs.scope != "empty":
            asked.append(case[0])
        for operation in asked:
            if not self.claims(operation, kind):
                where = f" for {kind.value}" if kind else ""
                raise NotClaimed(f"{operation.value}{where}")
        for key in (name, name.partition("[")[0], *(operation.value for operation in asked)):
            if key in self.venue.not_evaluated:
                raise NotEvaluated(self.venue.not_evaluated[key])
        if needs.account or any(operation in ACCOUNT for operation in asked):
            self._needs_keys()
        if needs.trading and not self.venue.may_trade:
            raise NotEvaluated("no orders may be sent here (may_trade is False)")
        for switch in needs.faults:
            if getattr(self.venue.faults, switch) is None:
                raise NotEvaluated(f"the venue has no switch {switch!r}")
        for counter in needs.counts:
            if getattr(self.venue, counter) is None:
                raise NotEvaluated(f"the venue does not tell {counter!r}")

    def _needs_keys(self) -> None:
        about = self.adapter.cls.describe()
        if about.account_needs_credentials and "api_key" not in self.venue.config:
            raise NotEvaluated("there are no keys for an account")

    # --- what there is

    @property
    def venue(self) -> VenueUnderTest:
        assert self._venue is not None
        return self._venue

    @property
    def main(self) -> Running:
        """The shared instance. Raises NotEvaluated when it does not start: one test says why."""
        if self._main is None:
            away = self.venue.live and isinstance(self.start_error, ExchangeConnectionError)
            reason = "the venue cannot be reached" if away else "it does not start, which another test judges"
            raise NotEvaluated(f"{reason}: {self.start_error}")
        return self._main

    @property
    def handle(self) -> ExchangeHandle:
        return self.main.handle

    @property
    def capabilities(self) -> ExchangeCapabilities:
        """What the instance says; before there is one, what the class says."""
        return self.adapter.capabilities if self._main is None else self._main.plugin.capabilities

    def claims(self, operation: Operation, kind: MarketKind | None = None) -> bool:
        return bool(self.capabilities.support(operation, kind))

    def another(
        self, tasks: set[asyncio.Task[Any]] | None = None, /, **changes: object
    ) -> AbstractAsyncContextManager[Running]:
        """An instance of a test's own: the venue's configuration with these keys changed, None for left out.

        Its tasks are noted in ``tasks``, also of one that does not start.
        """
        config = {key: value for key, value in {**self.venue.config, **changes}.items() if value is not None}
        return running(self.adapter.cls, config, registry=self._registry, others=self.venue.others, tasks=tasks)

    async def symbol(self, kind: MarketKind) -> Symbol:
        """The symbol that stands for a market kind. Raises NotEvaluated where none is listed."""
        return await self.once(f"symbol of {kind.value}", lambda: self._pick(kind))

    async def _pick(self, kind: MarketKind) -> Symbol:
        listed = [symbol for symbol in await self.handle.get_symbols() if symbol.kind is kind and symbol.active]
        if (name := self.venue.symbols.get(kind)) is not None:
            return self.handle.symbol(name)
        for base, quote in _FAVOURITES:
            for symbol in listed:
                if symbol.base == base and symbol.quote == quote:
                    return symbol
        if not listed:
            raise NotEvaluated(f"the venue lists no {kind.value}")
        return listed[0]

    # --- samples

    async def ask(self, operation: Operation, kind: MarketKind) -> Any:
        """The answer to a reading call for a market kind, asked once. Raises what it raised."""
        symbol = await self.symbol(kind)
        task = self._reads.get((operation, kind))
        if task is None:
            task = self._reads[operation, kind] = asyncio.ensure_future(READS[operation](self.handle, symbol))
        return await asyncio.shield(task)

    async def sample(self, operation: Operation, kind: MarketKind) -> Any:
        """The same for tests that judge the answer. Raises NotClaimed, or NotEvaluated where it failed."""
        if not self.claims(operation, kind):
            raise NotClaimed(f"{operation.value} for {kind.value}")
        self._excused(operation)
        try:
            return await self.ask(operation, kind)
        except (FraError, TypeError, ValueError) as error:
            raise NotEvaluated(f"{operation.value} failed, which another test judges: {error}") from None

    async def fresh(self, operation: Operation, answer: Awaitable[T]) -> T:
        """What a call answers now. Raises NotEvaluated where it fails: another test is about that."""
        try:
            return await answer
        except FraError as error:
            raise NotEvaluated(f"{operation.value} failed, which another test judges: {error}") from None

    async def listen(self, operation: Operation, kind: MarketKind) -> Taken:
        """What a stream tells within a while; all streams are listened to at once, and once."""
        if not self._streams:
            for each in STREAMS:
                for of_kind in self.capabilities.kinds(each):
                    if each.value not in self.venue.not_evaluated:
                        self._streams[each, of_kind] = asyncio.ensure_future(self._listen(each, of_kind))
        return await asyncio.shield(self._streams[operation, kind])

    async def told(self, operation: Operation, kind: MarketKind) -> list[Any]:
        """What a stream told, for tests that judge it. Raises NotClaimed, or NotEvaluated where it told nothing."""
        if not self.claims(operation, kind):
            raise NotClaimed(f"{operation.value} for {kind.value}")
        self._excused(operation)
        taken = await self.listen(operation, kind)
        if not taken.items:
            raise NotEvaluated(f"{operation.value} told nothing, which another test judges: {taken.error}")
        return taken.items

    def _excused(self, operation: Operation) -> None:
        if operation.value in self.venue.not_evaluated:
            raise NotEvaluated(self.venue.not_evaluated[operation.value])

    async def _listen(self, operation: Operation, kind: MarketKind) -> Taken:
        taken = Taken()
        more = asyncio.Event()

        def note(item: Any) -> None:
            taken.items.append(item.snapshot(20) if isinstance(item, BookView) else item)
            more.set()

        try:
            stream = STREAMS[operation](self.handle, await self.symbol(kind))
        except (FraError, NotEvaluated) as error:
            return Taken(error=error)
        enough = _ENOUGH.get(operation, 1) if self.capabilities.support(operation, kind).mode == "native" else 1
        stream.add_listener(note)
        try:
            async with asyncio.timeout(self.venue.patience) as deadline:
                while len(taken.items) < enough:
                    more.clear()
                    if taken.items:
                        deadline.reschedule(asyncio.get_running_loop().time() + _QUIET_S)
                    await more.wait()
        except TimeoutError:
            pass
        taken.status, taken.error = stream.status, stream.error
        await stream.close()
        return taken

    async def once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """What several tests need and is made once. Raises what making it raised."""
        task = self._memos.get(name)
        if task is None:
            task = self._memos[name] = asyncio.ensure_future(make())
        result: T = await asyncio.shield(task)
        return result

    # --- faults

    @asynccontextmanager
    async def faulty(self, switch: str, *arguments: object, **keywords: object) -> AsyncIterator[None]:
        """A switch of the venue, put back at the end."""
        try:
            await throw(getattr(self.venue.faults, switch), *arguments, **keywords)
            yield
        finally:
            await throw(self.venue.faults.restore)

    async def provoked(self, answer: Awaitable[object]) -> FraError:
        """The error of fra's tree that a call must raise. Raises Broken when it answers or raises anything else."""
        try:
            async with asyncio.timeout(self.venue.patience):
                got = await answer
        except FraError as error:
            self.errors.append(error)
            return error
        except TimeoutError:
            raise Broken(
                f"it hung for {self.venue.patience:g} s instead of failing → give every request a deadline"
            ) from None
        except Exception as error:
            raise Broken(
                f"{type(error).__name__} came out, which nobody catches: {error} → raise an error of fra's tree"
            ) from error
        raise Broken(
            f"a failure was answered with {str(got)[:80]!r}, which a trader takes for the truth → let the error out"
        )


async def throw(switch: Callable[..., object], *arguments: object, **keywords: object) -> None:
    """Call a switch, plain or async."""
    result = switch(*arguments, **keywords)
    if inspect.isawaitable(result):
        await result

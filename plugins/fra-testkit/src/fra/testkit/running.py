"""One adapter at work: started by fra's own manager from a configuration, watched from outside."""

from __future__ import annotations

import asyncio
import itertools
import types
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import attrs

from fra.core import (
    ConnectionStatus,
    Event,
    ExchangeConfig,
    ExchangeHandle,
    ExchangePluginInterface,
    Limiter,
    PluginContext,
    PluginManager,
    PluginRegistry,
    RateLimit,
)

E = TypeVar("E", bound=Event)
NAME: Final = "under_test"
"""What the exchange under test is called in the configuration."""
_numbers = itertools.count(1)
_OWNED: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("fra testkit tasks", default=None)


@attrs.define
class Watch:
    """What was seen of every instance of one adapter: the instances, and how often a limiter was asked."""

    instances: list[ExchangePluginInterface] = attrs.field(factory=list)
    acquired: int = 0
    limits: list[RateLimit] = attrs.field(factory=list)


class _CountingLimiter:
    """The limiter behind it, saying when it is asked."""

    def __init__(self, limiter: Limiter, watch: Watch) -> None:
        self._limiter = limiter
        self._watch = watch

    async def acquire(self, costs: Mapping[str, int] | int = 1, *, priority: bool = False) -> None:
        if sum(costs.values()) if isinstance(costs, Mapping) else costs:  # for nothing, nothing is counted
            self._watch.acquired += 1
        await self._limiter.acquire(costs, priority=priority)

    def answered(self, costs: Mapping[str, int], *, since: float) -> None:
        self._limiter.answered(costs, since=since)

    def observe(self, scope: str, used: int, *, at: float | None = None) -> None:
        self._limiter.observe(scope, used, at=at)

    def adjust(self, limit: RateLimit) -> None:
        self._limiter.adjust(limit)

    def block(self, scope: str | None, seconds: float, reason: str) -> None:
        self._limiter.block(scope, seconds, reason)


class _WatchedContext(PluginContext):
    """The host's context, lending limiters that count."""

    def __init__(self, context: PluginContext, watch: Watch) -> None:
        self._context = context
        self._watch = watch
        self.now_ms = context.now_ms  # type: ignore[method-assign] # asked for every message

    @property
    def exchange_name(self) -> str:
        return self._context.exchange_name

    def now_ms(self) -> int:
        return self._context.now_ms()

    def limiter(self, venue: str, limits: Sequence[RateLimit]) -> Limiter:
        self._watch.limits += limits
        return _CountingLimiter(self._context.limiter(venue, limits), self._watch)

    def connection_changed(self, status: ConnectionStatus, reason: str | None = None) -> None:
        self._context.connection_changed(status, reason)

    def emit(self, event: Event) -> None:
        self._context.emit(event)

    def register(self, event_type: type[E], handler: Callable[[E], object]) -> Callable[[], None]:
        return self._context.register(event_type, handler)

    async def exchange(self, name: str) -> ExchangeHandle:
        return await self._context.exchange(name)


def watched(cls: type[ExchangePluginInterface], watch: Watch) -> type[ExchangePluginInterface]:
    """The same adapter; every instance of it is noted, and so is what it asks of the limiters it is lent."""

    def __init__(self: ExchangePluginInterface, config: ExchangeConfig) -> None:
        cls.__init__(self, config)
        watch.instances.append(self)

    def __setattr__(self: ExchangePluginInterface, name: str, value: object) -> None:
        if name == "context" and isinstance(value, PluginContext):
            value = _WatchedContext(value, watch)
        cls.__setattr__(self, name, value)

    body: dict[str, object] = {"__init__": __init__, "__setattr__": __setattr__, "__module__": cls.__module__}
    made: type[ExchangePluginInterface] = types.new_class(
        cls.__name__, (cls,), exec_body=lambda names: names.update(body)
    )
    return made


@attrs.define
class Running:
    """A manager with the adapter started: what a user has, and what lies behind."""

    manager: PluginManager
    watch: Watch
    tasks: set[asyncio.Task[Any]]
    plugin_name: str
    """What its class is registered as."""

    @property
    def handle(self) -> ExchangeHandle:
        return self.manager.get_plugin(NAME)

    @property
    def plugin(self) -> ExchangePluginInterface:
        """The instance that serves now."""
        return self.watch.instances[-1]


@asynccontextmanager
async def running(
    cls: type[ExchangePluginInterface],
    config: Mapping[str, object],
    *,
    registry: PluginRegistry,
    others: Mapping[str, Mapping[str, object]] | None = None,
    tasks: set[asyncio.Task[Any]] | None = None,
) -> AsyncIterator[Running]:
    """The adapter started; raises what its start raises. Every task that it makes is noted."""
    watch = Watch()
    plugin = f"{NAME}_{next(_numbers)}"
    registry.register_plugin(plugin, watched(cls, watch))
    exchanges = {**(others or {}), NAME: {"exchange_id": cls.describe().name, **config, "plugin": plugin}}
    manager = PluginManager.from_config({"exchanges": exchanges}, registry=registry)
    tasks = set() if tasks is None else tasks
    asyncio.get_running_loop().set_task_factory(_noting)
    token = _OWNED.set(tasks)
    try:
        await manager.initialize()
        for failure in manager.failures.values():
            raise failure
        yield Running(manager, watch, tasks, plugin)
    finally:
        await manager.shutdown()
        _OWNED.reset(token)


def _noting(loop: asyncio.AbstractEventLoop, coroutine: Any, **keywords: Any) -> asyncio.Task[Any]:
    """A task factory that notes each task with whoever caused it."""
    task = asyncio.Task(coroutine, loop=loop, **keywords)
    context = keywords.get("context")
    owner = _OWNED.get() if context is None else context.get(_OWNED)
    if owner is not None:
        owner.add(task)
        task.add_done_callback(owner.discard)
    return task

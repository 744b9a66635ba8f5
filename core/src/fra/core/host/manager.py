"""PluginManager: configuration in, handles out; and :func:`connect` for people without a configuration."""

from __future__ import annotations

import asyncio
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar, final

from fra.core.contract.capabilities import ConnectionStatus
from fra.core.contract.config import Secret
from fra.core.contract.errors import ConfigError, FraError
from fra.core.contract.events import ErrorRaised, Event, HostStarted, HostStopped
from fra.core.contract.host import HookRecord
from fra.core.contract.models import Health
from fra.core.host.config.manager import ConfigManager
from fra.core.host.context import Budgets, now_ms
from fra.core.host.events.bus import EventBus
from fra.core.host.failures import Failures
from fra.core.host.handle import ExchangeHandle
from fra.core.host.hotplug import Changes, HotPlug
from fra.core.host.journal.journal import OrderJournal
from fra.core.host.journal.journals import Journals
from fra.core.host.loader import PluginLoader
from fra.core.host.plugins.registry import PluginRegistry
from fra.core.host.watch import Watch
from fra.core.toolkit.budget import BudgetPeers

E = TypeVar("E", bound=Event)
Configuration = ConfigManager | Mapping[str, object] | str | Path | None
"""Where a configuration comes from: a manager, a mapping shaped like fra.toml, a path, or (None) the usual places."""


@final
class PluginManager:
    """Every configured exchange of one program, by instance name.

    ``async with PluginManager.from_config() as manager`` starts them all at once and closes them at the end. One that
    does not start is in :attr:`failures` and delays no other. Belongs to one event loop.
    """

    def __init__(
        self,
        *,
        registry: PluginRegistry | None = None,
        bus: EventBus | None = None,
        journal: OrderJournal | None = None,
        fence: Callable[[str], None] | None = None,
        peers: BudgetPeers | None = None,
        only: Iterable[str] | None = None,
    ) -> None:
        """``only`` names the instances to start; None: all that are configured. ``journal`` takes the orders of all of
        them; None: each account has the one that the configuration says, by default a file. ``fence(name)`` is asked
        at the last moment before an order of that instance leaves: raising ExchangeConnectionError(sent=False), it
        stops the order (for accounts that several processes take turns on). ``peers`` are other processes that use the
        same rate limits.
        """
        self._given_registry = registry
        self._registry = registry
        self.events = bus if bus is not None else EventBus()
        self._journal = journal
        self._fence = fence
        self._peers = peers
        self._only = None if only is None else tuple(only)
        self._config_manager: ConfigManager | None = None
        self._loader: PluginLoader | None = None
        self._journals: Journals | None = None
        self._starts: dict[str, asyncio.Task[ExchangeHandle]] = {}
        self._waits: dict[str, set[str]] = {}
        self._failures: dict[str, FraError] = {}
        self._hook_failures: tuple[FraError, ...] = ()
        self._stopping: asyncio.Task[None] | None = None
        self._hot_plug: HotPlug | None = None
        self._watches: set[Watch] = set()

    # --- life

    @classmethod
    def from_config(
        cls,
        configuration: Configuration = None,
        *,
        registry: PluginRegistry | None = None,
        bus: EventBus | None = None,
        journal: OrderJournal | None = None,
        fence: Callable[[str], None] | None = None,
        peers: BudgetPeers | None = None,
        only: Iterable[str] | None = None,
    ) -> Self:
        """A manager for ``configuration``; raises ConfigError for one that is wrong."""
        manager = cls(registry=registry, bus=bus, journal=journal, fence=fence, peers=peers, only=only)
        if isinstance(configuration, ConfigManager):
            manager.set_config_manager(configuration)
        elif isinstance(configuration, Mapping):
            manager.set_config_manager(ConfigManager.from_mapping(configuration))
        else:
            manager.set_config_manager(ConfigManager().load_config(configuration))
        return manager

    def set_config_manager(self, config_manager: ConfigManager) -> None:
        """Where instances are looked up from now on; what runs already goes on."""
        self._config_manager = config_manager

    @property
    def config_manager(self) -> ConfigManager:
        if self._config_manager is None:
            self._config_manager = ConfigManager().load_config()
        return self._config_manager

    @property
    def registry(self) -> PluginRegistry:
        """The plugins that may be loaded, by the configuration's allow-list and pins unless one was given."""
        if self._registry is None:
            plugins = self.config_manager.plugins
            self._registry = PluginRegistry(allow=plugins.allow, pins=plugins.pins, folder=plugins.folder)
        return self._registry

    @property
    def failures(self) -> Mapping[str, FraError]:
        """Why instances did not start, by name."""
        return MappingProxyType(self._failures)

    @property
    def hook_failures(self) -> tuple[FraError, ...]:
        """Why installed or configured hook packages are not in use."""
        return self._hook_failures

    async def initialize(self) -> None:
        """Take in the hooks, then start every configured instance at the same time, and wait until all have started or
        failed. Raises PluginError when a hook that the configuration enables cannot be used: orders rely on it.
        """
        if self._stopping is not None:
            raise ConfigError("this manager was shut down", cure="make a new one")
        if self._loader is None:
            hooks = self.config_manager.hooks
            self._hook_failures = self.events.load_hooks(
                self.registry, enabled=hooks.enabled, disabled=hooks.disabled, options=hooks.options
            )
            self._journals = Journals(self.config_manager.journal.folder, given=self._journal)
            self._loader = PluginLoader(
                self.registry,
                bus=self.events,
                budgets=Budgets(self._peers),
                journals=self._journals,
                fence=self._fence,
                exchange=self._exchange,
            )
            self.events.emit(HostStarted(timestamp_ms=now_ms(), host=_View(self)))
        names = self.config_manager.names() if self._only is None else self._only
        starts = [self._start(name) for name in names]
        if starts:
            await asyncio.wait(starts)
        for start in self._starts.values():
            error = start.exception() if start.done() and not start.cancelled() else None
            if error is not None and not isinstance(error, FraError):
                raise error

    def _start(self, name: str) -> asyncio.Task[ExchangeHandle]:
        start = self._starts.get(name)
        if start is None:
            start = self._starts[name] = asyncio.create_task(self._load(name), name=f"fra start {name}")
            start.add_done_callback(_retrieve)
        return start

    async def _load(self, name: str) -> ExchangeHandle:
        assert self._loader is not None
        try:
            return await self._loader.load_plugin(self.config_manager.get_exchange_config(name))
        except Exception as error:
            where = f"starting {name}"
            failure = Failures(name).complete(error, where)
            self._failures[name] = failure
            self.events.emit(ErrorRaised(exchange=name, timestamp_ms=now_ms(), where=where, error=failure))
            raise failure from failure.__cause__

    async def _exchange(self, asking: str, name: str) -> ExchangeHandle:
        """The handle of ``name`` for a plugin that is built on it; started if it is configured and not started yet."""
        chain = self._chain(name, asking)
        if chain is not None:
            circle = " → ".join((asking, *chain))
            raise ConfigError(f"{asking} cannot be built on {name}: {circle}", path=f"exchanges.{asking}")
        if self._stopping is not None:
            raise ConfigError("this manager was shut down")
        waits = self._waits.setdefault(asking, set())
        waits.add(name)
        return await asyncio.shield(self._start(name))

    def _chain(self, start: str, end: str) -> list[str] | None:
        """How ``start`` comes to need ``end``; None if it does not."""
        if start == end:
            return [end]
        for other in self._waits.get(start, ()):
            rest = self._chain(other, end)
            if rest is not None:
                return [start, *rest]
        return None

    async def reload_plugin(self, name: str) -> ExchangeHandle:
        """Start ``name`` anew from the present configuration and swap it in behind its handle.

        Raises what a start raises, and then the old plugin goes on. One that had not started is started.
        """
        if self._loader is None:
            raise ConfigError("this manager is not initialized", cure="await manager.initialize() first")
        starting = self._starts.get(name)
        if starting is not None and not starting.done():
            await asyncio.wait([starting])
        if name in self._loader.get_loaded_plugins():
            return await self._loader.reload_plugin(name, self.config_manager.get_exchange_config(name))
        self._failures.pop(name, None)
        self._starts.pop(name, None)
        return await asyncio.shield(self._start(name))

    async def refresh(self) -> Changes:
        """Read the configuration file and what is installed anew, and let what has changed take effect.

        An exchange that was added is started, one whose keys changed is reloaded without a gap, one that was taken out
        is closed, as is one whose plugin was uninstalled; nothing else notices. What is wrong with an edit is in the
        result and an error event, and then nothing changes. Looks made at the same time wait for each other.
        """
        if self._loader is None:
            raise ConfigError("this manager is not initialized", cure="await manager.initialize() first")
        if self._stopping is not None:
            raise ConfigError("this manager was shut down")
        if self._hot_plug is None:
            self._hot_plug = HotPlug(
                self,
                self._loader,
                only=self._only,
                stop=self._stop,
                emit=self.events.emit,
                own_registry=self._given_registry is None,
            )
        return await self._hot_plug.refresh()

    def watch(self, *, settle: float = 0.3) -> Watch:
        """Follow the configuration file and what pip installs: ``async with manager.watch():`` around the program.

        :meth:`refresh` is called when nothing has changed further for ``settle`` seconds. Needs the extra
        ``fra-core[watch]``. Ends with the manager.
        """
        watch = Watch(
            self.refresh,
            file=lambda: self.config_manager.source,
            folder=lambda: self.config_manager.plugins.folder,
            settle=settle,
            raised=self._raised,
        )
        self._watches.add(watch)
        return watch

    def _raised(self, where: str, error: FraError) -> None:
        self.events.emit(ErrorRaised(exchange="", timestamp_ms=now_ms(), where=where, error=error))

    async def _stop(self, reasons: Mapping[str, FraError | None]) -> None:
        """Close these, for a reason or because nobody wants them; those that are built on others go before them."""
        assert self._loader is not None
        waiting = [*reasons]
        while waiting:
            needed = {other for name in waiting for other in self._waits.get(name, ())}
            now = [name for name in waiting if name not in needed] or waiting
            await asyncio.gather(*(self._loader.unload_plugin(name) for name in now))
            waiting = [name for name in waiting if name not in now]
            for name in now:
                self._starts.pop(name, None)
                self._waits.pop(name, None)
                self._failures.pop(name, None)
                if (reason := reasons[name]) is not None:
                    self._failures[name] = reason

    async def shutdown(self) -> None:
        """Close everything; within each instance's timeout, whatever hangs. Idempotent."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._shut_down(), name="fra shutdown")
        await asyncio.shield(self._stopping)

    async def _shut_down(self) -> None:
        for watch in self._watches:
            await watch.close()
        starts = list(self._starts.values())
        for start in starts:
            start.cancel()
        if starts:
            await asyncio.wait(starts)
        if self._loader is not None:
            await self._stop(dict.fromkeys(self._loader.get_loaded_plugins()))
        if self._journals is not None:
            await self._journals.close()
        self.events.emit(HostStopped(timestamp_ms=now_ms()))
        await self.events.close()

    async def __aenter__(self) -> Self:
        try:
            await self.initialize()
        except BaseException:
            await self.shutdown()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    def __del__(self) -> None:
        if getattr(self, "_loader", None) is not None and self._stopping is None:
            warnings.warn(f"{self!r} was never shut down", ResourceWarning, source=self, stacklevel=1)

    # --- what is there

    def get_plugin(self, name: str) -> ExchangeHandle:
        """The handle of an instance. Raises why it did not start, or ConfigError when there is none of that name."""
        handle = self.get_all_plugins().get(name)
        if handle is not None:
            return handle
        if name in self._failures:
            raise self._failures[name]
        known = ", ".join(self.get_all_plugins()) or "none"
        configured = name in self.config_manager.names()
        raise ConfigError(
            f"{name!r} is not started" if configured else f"no exchange {name!r} is configured",
            path=f"exchanges.{name}",
            cure="await manager.initialize() first" if configured else f"started: {known}",
        )

    def get_all_plugins(self) -> Mapping[str, ExchangeHandle]:
        """Every started instance by name."""
        return {} if self._loader is None else self._loader.get_loaded_plugins()

    def _health_now(self) -> tuple[Health, ...]:
        handles = self.get_all_plugins()
        failed = [_unhealthy(name, error) for name, error in self._failures.items() if name not in handles]
        return (*(handle.health for handle in handles.values()), *failed)

    async def health_check_all(self) -> Mapping[str, Health]:
        """Every configured instance at once; ERROR is one that does not answer or did not start, and says why."""
        handles = self.get_all_plugins()
        answers = await asyncio.gather(*(self._health(handle) for handle in handles.values()))
        result = dict(zip(handles, answers, strict=True))
        for name, failure in self._failures.items():
            if name not in result:
                result[name] = _unhealthy(name, failure)
        return result

    async def _health(self, handle: ExchangeHandle) -> Health:
        try:
            async with asyncio.timeout(self.config_manager.get_exchange_config(handle.name).timeout):
                return await handle.health_check()
        except Exception as error:
            return _unhealthy(handle.name, Failures(handle.name).complete(error, "health_check"))

    def register_event_handler(self, event_type: type[E], handler: Callable[[E], object]) -> Callable[[], None]:
        """Call ``handler`` for each such event of any exchange; the result removes it."""
        return self.events.register(event_type, handler)


@final
class _View:
    """What hooks may ask. One that remembers it must not keep a manager alive that was forgotten without a shutdown."""

    def __init__(self, manager: PluginManager) -> None:
        self._manager = weakref.ref(manager)

    def health(self) -> tuple[Health, ...]:
        manager = self._manager()
        return () if manager is None else manager._health_now()

    def hook_records(self) -> tuple[HookRecord, ...]:
        manager = self._manager()
        return () if manager is None else manager.events.ledger()


def _retrieve(start: asyncio.Task[ExchangeHandle]) -> None:
    # A start that nobody awaits is reported through `failures`, not by the event loop.
    if not start.cancelled():
        start.exception()


def _unhealthy(name: str, error: FraError) -> Health:
    return Health(exchange=name, status=ConnectionStatus.ERROR, checked_ms=now_ms(), detail=str(error))


@asynccontextmanager
async def connect(
    exchange_id: str,
    *,
    name: str | None = None,
    plugin: str | None = None,
    api_key: str | Secret | None = None,
    secret_key: str | Secret | None = None,
    passphrase: str | Secret | None = None,
    sandbox: bool | None = None,
    timeout: float | None = None,
    rate_limit: Mapping[str, int] | None = None,
    base_url: str | Mapping[str, Mapping[str, str]] | None = None,
    extra_params: Mapping[str, object] | None = None,
    markets: Sequence[str] | None = None,
    proxy: str | None = None,
    options: Mapping[str, object] | None = None,
    registry: PluginRegistry | None = None,
    bus: EventBus | None = None,
) -> AsyncIterator[ExchangeHandle]:
    """One exchange without a configuration file: ``async with connect("okx") as okx``.

    The keys are those of fra.toml. Two of these in one program do not share their rate limits: several accounts of
    one venue belong in one PluginManager. Raises what a start raises.
    """
    name = name or exchange_id
    given: dict[str, object] = {
        "exchange_id": exchange_id,
        "plugin": plugin,
        "api_key": api_key,
        "secret_key": secret_key,
        "passphrase": passphrase,
        "sandbox": sandbox,
        "timeout": timeout,
        "rate_limit": rate_limit,
        "base_url": base_url,
        "extra_params": extra_params,
        "markets": markets,
        "proxy": proxy,
        "options": options,
    }
    keys = {key: value for key, value in given.items() if value is not None}
    configuration = ConfigManager.from_mapping({"exchanges": {name: keys}})
    async with PluginManager.from_config(configuration, registry=registry or PluginRegistry(), bus=bus) as manager:
        yield manager.get_plugin(name)

"""PluginLoader: one configured instance from class to connected, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Final, final

import attrs

from fra.core.contract.capabilities import ConnectionStatus
from fra.core.contract.config import ExchangeConfig
from fra.core.contract.errors import ConfigError, ExchangeConnectionError, FraError
from fra.core.contract.events import ErrorRaised, PluginLoaded, PluginUnloaded
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.host.config.options import structure_options
from fra.core.host.context import Budgets, HostContext, now_ms
from fra.core.host.events.bus import EventBus
from fra.core.host.failures import Failures
from fra.core.host.handle import ExchangeHandle
from fra.core.host.journal.journals import Journals
from fra.core.host.plugins.policy import PluginRow, PluginState
from fra.core.host.plugins.registry import PluginRegistry

_START_TIMEOUTS: Final = 3
"""A start may take as long as three requests; it is a handful of them."""


@attrs.define
class _Loaded:
    """One running plugin and what belongs to it."""

    config: ExchangeConfig
    row: PluginRow
    plugin: ExchangePluginInterface
    context: HostContext
    handle: ExchangeHandle


@final
class PluginLoader:
    """Starts and stops plugins. A start that fails closes what it opened and touches no other."""

    def __init__(
        self,
        registry: PluginRegistry,
        *,
        bus: EventBus | None = None,
        budgets: Budgets | None = None,
        journals: Journals | None = None,
        fence: Callable[[str], None] | None = None,
        exchange: Callable[[str, str], Awaitable[ExchangeHandle]] | None = None,
    ) -> None:
        """``exchange(asking, name)`` finds the handle of another exchange for a plugin that is built on it.

        ``fence(name)`` is asked before each order is written to the wire, and raises when it must not be.
        """
        self.registry = registry
        self.bus = bus if bus is not None else EventBus()
        self._budgets = budgets if budgets is not None else Budgets()
        self._journals = journals if journals is not None else Journals()
        self._fence = fence
        self._exchange = exchange if exchange is not None else self._only_loaded
        self._loaded: dict[str, _Loaded] = {}
        self._reloads: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def load_plugin(self, config: ExchangeConfig) -> ExchangeHandle:
        """Load, configure, initialize and connect one instance.

        Raises what the registry, the options and the adapter raise; ExchangeConnectionError when it is not connected
        within three times ``config.timeout``.
        """
        if config.name in self._loaded:
            raise ConfigError(
                f"{config.name!r} is loaded already", path=f"exchanges.{config.name}", cure="unload or reload it"
            )
        handle = ExchangeHandle(config, bus=self.bus, journals=self._journals)
        try:
            loaded = await self._bring_up(config, handle)
        except BaseException:
            await handle._close()
            raise
        handle._swap(loaded.plugin, config)
        self._serves(loaded)
        if config.name in self._loaded:
            await self._stop(loaded)
            raise ConfigError(f"{config.name!r} was loaded twice at once", path=f"exchanges.{config.name}")
        self._loaded[config.name] = loaded
        return handle

    async def reload_plugin(self, name: str, config: ExchangeConfig) -> ExchangeHandle:
        """Start a second plugin beside the first, bring its streams up, swap it in behind the handle, stop the first.

        When the second does not start, or does not stream what the first does, the first goes on and the error is
        raised. Trades and the account's events are neither lost nor told twice; where that cannot be shown (items
        without identities, a stream that does not come up though the plugin is connected), there is a StreamGap. Calls
        that are under way end at the first plugin, within its time-out. Reloads of one instance wait for each other.
        """
        async with self._turns.setdefault(name, asyncio.Lock()):
            task = asyncio.create_task(self._replace(self._get(name), config), name=f"fra reload {name}")
            self._reloads[name] = task
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise ConfigError(f"{name!r} was closed meanwhile", path=f"exchanges.{name}") from None
                task.cancel()  # undone, or brought to its end at once
                await asyncio.wait([task])
                raise
            finally:
                del self._reloads[name]
        return self._get(name).handle

    async def _replace(self, old: _Loaded, config: ExchangeConfig) -> None:
        handle = old.handle
        new = await self._bring_up(config, handle)
        under_way = handle._swap(new.plugin, config)
        self._loaded[config.name] = new
        self._serves(new)
        assert under_way is not None
        try:
            await handle._settle(under_way, patience=old.config.timeout)
        finally:
            await self._stop(old, keep_handle=True)

    async def unload_plugin(self, name: str) -> None:
        """Close its streams, disconnect it and forget it, in the middle of a reload too. Idempotent."""
        reload = self._reloads.get(name)
        if reload is not None:
            reload.cancel()
            await asyncio.wait([reload])
        loaded = self._loaded.pop(name, None)
        if loaded is not None:
            await self._stop(loaded)

    def get_loaded_plugin(self, name: str) -> ExchangeHandle:
        """The handle of a loaded instance; raises ConfigError when there is none of that name."""
        return self._get(name).handle

    def get_loaded_plugins(self) -> Mapping[str, ExchangeHandle]:
        """Every loaded instance by name, as it is now."""
        return MappingProxyType({name: loaded.handle for name, loaded in self._loaded.items()})

    def configurations(self) -> Mapping[str, ExchangeConfig]:
        """How every loaded instance is configured."""
        return {name: loaded.config for name, loaded in self._loaded.items()}

    def plugin_name(self, name: str) -> str:
        """The plugin that a loaded instance is of."""
        return self._get(name).row.name

    def in_use(self) -> frozenset[str]:
        """The distributions whose code runs."""
        return frozenset(loaded.row.distribution for loaded in self._loaded.values() if loaded.row.distribution)

    def users(self, distribution: str) -> tuple[str, ...]:
        """The instances that run code of ``distribution``."""
        return tuple(name for name, loaded in self._loaded.items() if loaded.row.distribution == distribution)

    async def check(self, config: ExchangeConfig) -> None:
        """Raise what a start would, as far as it can be told without one: no such plugin, options that it has not."""
        cls = await self._import(self.registry.resolve(config.plugin_name))
        structure_options(cls.Options, config.options, path=f"exchanges.{config.name}.options")

    def _get(self, name: str) -> _Loaded:
        try:
            return self._loaded[name]
        except KeyError:
            known = ", ".join(self._loaded) or "none"
            raise ConfigError(f"no exchange {name!r} is loaded", cure=f"loaded: {known}") from None

    async def _only_loaded(self, asking: str, name: str) -> ExchangeHandle:
        return self.get_loaded_plugin(name)

    # --- one start and one stop

    async def _import(self, row: PluginRow) -> type[ExchangePluginInterface]:
        """The class, imported in a thread of its own: one that takes long must not hold up those that run."""
        if row.state is PluginState.LOADED:
            return self.registry.get_plugin_class(row.name)
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"fra import {row.name}")
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, self.registry.get_plugin_class, row.name)
        finally:
            thread.shutdown(wait=False)

    async def _bring_up(self, config: ExchangeConfig, handle: ExchangeHandle) -> _Loaded:
        """Connected, and ready to serve behind ``handle`` in place of whoever does now."""
        loaded = await self._connect(config, handle)
        try:
            await handle._prepare(loaded.plugin, config)
        except BaseException as error:
            await self._stop(loaded, quietly=True)
            if not isinstance(error, Exception):
                raise
            failure = Failures(config.name, config.secrets()).complete(error, "bringing it up")
            if failure is error:
                raise
            raise failure from failure.__cause__
        return loaded

    async def _connect(self, config: ExchangeConfig, handle: ExchangeHandle) -> _Loaded:
        row = self.registry.resolve(config.plugin_name)
        cls = await self._import(row)
        failures = Failures(config.name, config.secrets())
        path = f"exchanges.{config.name}.options"
        options: object = structure_options(cls.Options, config.options, path=path)
        plugin: ExchangePluginInterface | None = None
        reloading = handle.status is not ConnectionStatus.DISCONNECTED

        def on_status(status: ConnectionStatus, reason: str | None) -> None:
            # While the old plugin still serves, how the new one fares is not the exchange's status.
            if not reloading or handle._plugin is plugin:
                handle._set_status(status, reason)

        context = HostContext(
            config,
            failures=failures,
            bus=self.bus,
            budgets=self._budgets,
            on_status=on_status,
            exchange=lambda name: self._exchange(config.name, name),
            fence=self._fence,
        )
        patience = _START_TIMEOUTS * config.timeout
        if not reloading:
            handle._set_status(ConnectionStatus.CONNECTING)
        try:
            async with asyncio.timeout(patience) as deadline:
                plugin = cls(config)
                plugin.options = options
                plugin.context = context
                await plugin.initialize()
                await plugin.connect()
                context.check_overrides()
        except BaseException as error:
            if plugin is not None:
                await self._disconnect(plugin, config, failures)
            context.close()
            if not isinstance(error, Exception):
                raise
            failure = failures.complete(error, "connect")
            if isinstance(error, TimeoutError) and deadline.expired():
                failure = ExchangeConnectionError(
                    f"it was not connected within {patience:g} s",
                    exchange=config.name,
                    cure="check the network, or raise its timeout",
                )
            if not reloading:
                handle._set_status(ConnectionStatus.ERROR, failure.args[0] if failure.args else None)
            if failure is error:
                raise
            raise failure from failure.__cause__
        return _Loaded(config, row, plugin, context, handle)

    def _serves(self, loaded: _Loaded) -> None:
        """Tell that its handle asks this plugin now."""
        loaded.handle._set_status(ConnectionStatus.CONNECTED)
        self.bus.emit(
            PluginLoaded(
                exchange=loaded.config.name,
                timestamp_ms=now_ms(),
                plugin=loaded.row.name,
                distribution=loaded.row.distribution,
                version=loaded.row.version,
            )
        )

    async def _stop(self, loaded: _Loaded, *, keep_handle: bool = False, quietly: bool = False) -> None:
        """``keep_handle``: another plugin serves behind it. ``quietly``: this one never did."""
        name = loaded.config.name
        try:
            if not (keep_handle or quietly):
                await loaded.handle._close()
        finally:
            loaded.context.close()
            await self._disconnect(loaded.plugin, loaded.config, Failures(name, loaded.config.secrets()))
            if not (keep_handle or quietly):
                loaded.handle._set_status(ConnectionStatus.DISCONNECTED)
        if not quietly:
            self.bus.emit(PluginUnloaded(exchange=name, timestamp_ms=now_ms(), plugin=loaded.row.name))

    async def _disconnect(self, plugin: ExchangePluginInterface, config: ExchangeConfig, failures: Failures) -> None:
        """Let it close, within its timeout; what goes wrong is reported and stops nothing."""
        try:
            async with asyncio.timeout(config.timeout):
                await plugin.disconnect()
        except Exception as error:
            failure: FraError = failures.complete(error, "disconnect")
            self.bus.emit(ErrorRaised(exchange=config.name, timestamp_ms=now_ms(), where="disconnect", error=failure))

"""HotPlug: what changes in the configuration and among the installed plugins takes effect in the running process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, final

import attrs

from fra.core.contract.errors import ConfigError, FraError, PluginBlocked, PluginError, PluginNotFound
from fra.core.contract.events import ErrorRaised, Event
from fra.core.host.config.manager import ConfigManager
from fra.core.host.context import now_ms
from fra.core.host.failures import Failures
from fra.core.host.loader import PluginLoader
from fra.core.host.plugins.registry import HAND_OVER, PluginRegistry

_NEXT_START: Final = ("hooks", "journal")


@attrs.frozen(kw_only=True)
class Changes:
    """What a look at the configuration and at what is installed came to. False when there was nothing to do.

    ``started``, ``reloaded`` and ``stopped`` name instances, ``failed`` those that did not follow, with the reason (a
    reload that failed leaves the old one at work). ``refused`` is why the whole edit was not taken: then nothing
    changed. ``held`` are the distributions whose old code is still in use, and why that is; ``fresh`` those whose code
    is imported anew at the next start; ``later`` the tables that only count at the next start of the program.
    """

    started: tuple[str, ...] = ()
    reloaded: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    failed: Mapping[str, FraError] = attrs.field(factory=dict)
    refused: FraError | None = None
    held: Mapping[str, str] = attrs.field(factory=dict)
    fresh: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in attrs.fields(type(self)))


class Program(Protocol):
    """What runs, as the manager has it."""

    @property
    def config_manager(self) -> ConfigManager: ...
    @property
    def registry(self) -> PluginRegistry: ...
    @property
    def failures(self) -> Mapping[str, FraError]: ...
    def set_config_manager(self, config_manager: ConfigManager, /) -> None: ...
    async def reload_plugin(self, name: str, /) -> object: ...


@attrs.frozen
class _Plan:
    config: ConfigManager
    unwanted: tuple[str, ...]
    gone: Mapping[str, FraError]
    reload: tuple[str, ...]
    start: tuple[str, ...]


@final
class HotPlug:
    """Compares what runs with what is wanted, and does what is missing; one look after the other."""

    def __init__(
        self,
        program: Program,
        loader: PluginLoader,
        *,
        only: Sequence[str] | None,
        stop: Callable[[Mapping[str, FraError | None]], Awaitable[None]],
        emit: Callable[[Event], None],
        own_registry: bool,
    ) -> None:
        """``stop`` closes instances, each for a reason or because nobody wants it. ``own_registry``: the configuration
        says which plugins may be used, not who made the manager.
        """
        self._program = program
        self._loader = loader
        self._only = only
        self._stop = stop
        self._emit = emit
        self._own_registry = own_registry
        self._turn = asyncio.Lock()
        self._held: Mapping[str, str] = {}

    async def refresh(self) -> Changes:
        """Look once. Never raises for what it finds."""
        async with self._turn:
            before = self._program.config_manager
            try:
                plan = await self._plan(before)
            except FraError as error:
                self._look(before)
                source = "the configuration" if before.source is None else str(before.source)
                self._raised("", f"{source}: nothing was changed", error)
                return Changes(refused=error)
            return await self._do(plan, before)

    # --- what there is to do

    def _look(self, config: ConfigManager) -> None:
        """Read what is installed anew, and judge it by ``config``."""
        plugins = config.plugins
        if self._own_registry:
            self._program.registry.use_policy(allow=plugins.allow, pins=plugins.pins, folder=plugins.folder)
        else:
            self._program.registry.refresh()

    async def _plan(self, before: ConfigManager) -> _Plan:
        """Raises why the configuration as a whole cannot be taken."""
        config = await asyncio.to_thread(before.reread)
        self._look(config)
        wanted = config.names() if self._only is None else [name for name in self._only if name in config.names()]
        running = self._loader.configurations()
        reload: list[str] = []
        start: list[str] = []
        gone: dict[str, FraError] = {}
        for name in wanted:
            is_edited = not config.says_the_same(before, name)
            try:
                exchange = config.get_exchange_config(name)
                if name not in running:
                    if is_edited or isinstance(self._program.failures.get(name), PluginError | ConfigError):
                        await self._loader.check(exchange)
                        start.append(name)
                elif (error := self._is_gone(name)) is not None:
                    gone[name] = error
                elif exchange != running[name]:
                    await self._loader.check(exchange)
                    reload.append(name)
            except FraError:
                if is_edited:
                    raise
        unwanted = tuple(name for name in {**running, **self._program.failures} if name not in wanted)
        return _Plan(config, unwanted, gone, tuple(reload), tuple(start))

    def _is_gone(self, name: str) -> FraError | None:
        """Why a running instance may not run any longer: its plugin was uninstalled, or is not allowed any more."""
        try:
            self._program.registry.resolve(self._loader.plugin_name(name))
        except (PluginNotFound, PluginBlocked) as error:
            return error
        except PluginError:
            pass  # broken or contested in what is installed now: what runs is as good as it was
        return None

    # --- doing it

    async def _do(self, plan: _Plan, before: ConfigManager) -> Changes:
        program, failed = self._program, dict(plan.gone)
        running = self._loader.configurations()
        await self._stop({**dict.fromkeys(plan.unwanted), **plan.gone})
        for name, error in plan.gone.items():
            self._raised(name, f"stopping {name}", error)
        fresh = program.registry.forget(in_use=self._loader.in_use())
        program.set_config_manager(plan.config)
        names = (*plan.reload, *plan.start)
        outcomes = await asyncio.gather(*map(program.reload_plugin, names), return_exceptions=True)
        for name, outcome in zip(names, outcomes, strict=True):
            if isinstance(outcome, Exception):
                failed[name] = Failures(name).complete(outcome, f"starting {name}")
                if name in plan.reload:  # a start tells of its failure itself
                    self._raised(name, f"reloading {name}", failed[name])
            elif isinstance(outcome, BaseException):
                raise outcome
        held = program.registry.stale()
        news, self._held = {each: why for each, why in held.items() if self._held.get(each) != why}, held
        for distribution, why in news.items():
            using = ", ".join(sorted(self._loader.users(distribution))) or "a hook or command"
            cure = f"{using} uses it: {HAND_OVER}"
            self._raised("", distribution, PluginError(f"{distribution}: {why}", plugin=distribution, cure=cure))
        later = tuple(name for name in _NEXT_START if getattr(plan.config, name) != getattr(before, name))
        for table in later:
            late = ConfigError(
                f"[{table}] was changed and counts at the next start", path=table, cure="start the program anew"
            )
            self._raised("", f"[{table}]", late)
        return Changes(
            started=tuple(name for name in plan.start if name not in failed),
            reloaded=tuple(name for name in plan.reload if name not in failed),
            stopped=tuple(name for name in (*plan.unwanted, *plan.gone) if name in running),
            failed=failed,
            held=news,
            fresh=fresh,
            later=later,
        )

    def _raised(self, exchange: str, where: str, error: FraError) -> None:
        self._emit(ErrorRaised(exchange=exchange, timestamp_ms=now_ms(), where=where, error=error))

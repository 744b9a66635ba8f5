"""EventBus: tells hooks and handlers what happened, so that none of them can hurt another, or us."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import itertools
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final, Protocol, TypeVar, cast, final

import pluggy

from fra.core.contract.errors import ConfigError, FraError, OrderVetoed, PluginBroken, PluginError
from fra.core.contract.events import EVENT_HOOKS, ErrorRaised, Event, OrderProposed
from fra.core.contract.host import HookRecord
from fra.core.host.config.options import structure_options
from fra.core.host.events.hookspecs import PROJECT, HookSpecs
from fra.core.host.events.listeners import EXPECTED, AsyncListener, Gate, Listener, ThreadGate

E = TypeVar("E", bound=Event)

HOOKS: Final = "fra.hooks"
"""The entry-point group of hook packages."""

VETO_ORDER: Final = "veto_order"
_SLOW: Final = 0.05
_STRIKES: Final = 3
_Chain = tuple[tuple[Callable[[Event], object], Listener], ...]
_log = logging.getLogger("fra.hooks")


class HookSource(Protocol):
    """Where installed hooks come from: the registry."""

    def names(self, group: str) -> Collection[str]:
        """Every installed name of the group, usable or not."""

    def load(self, name: str, *, group: str) -> object:
        """Import it. Raises PluginError."""


@final
class EventBus:
    """Hooks and handlers, and the events that reach them. One per manager; used from one event loop's thread.

    pluggy checks and orders the hooks; the calling is done here, because each has to be isolated, timed and recorded.
    """

    def __init__(
        self,
        *,
        now_ms: Callable[[], int] | None = None,
        queue_size: int = 1_000,
        veto_deadline: float = 1.0,
    ) -> None:
        """``queue_size`` bounds the events that wait for one async hook; ``veto_deadline`` is in seconds per hook."""
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._queue_size = queue_size
        self._veto_deadline = veto_deadline
        self._plugins = pluggy.PluginManager(PROJECT)
        self._plugins.add_hookspecs(HookSpecs)
        self._hooks: dict[pluggy.HookImpl, Listener] = {}
        self._handlers: dict[int, tuple[type[Event], Listener]] = {}
        self._keys = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._chains: dict[type[Event], _Chain] = {}
        self._gates: tuple[Gate, ...] = ()
        self._closed = False

    # --- who listens

    def add_hook(self, plugin: object, name: str, *, vetoes: bool = True) -> None:
        """Take in an object or module whose functions carry ``@hookimpl`` (of a class, an instance is made).

        With ``vetoes=False`` its ``veto_*`` functions are not asked. Raises PluginError for a wrapper, for a hook that
        does not exist (with a suggestion), for other arguments than ``event``, and when there is no hook in it at all;
        nothing of it is registered then.
        """
        if isinstance(plugin, type):
            plugin = _made(plugin, name)
        found = self._check(plugin, name)
        try:
            self._plugins.register(plugin, name)
        except ValueError:
            raise PluginError(f"hook {name!r} is registered already", plugin=name) from None
        except pluggy.PluginValidationError as error:
            raise PluginError(f"hook {name!r}: {' '.join(str(error).split())}", plugin=name) from None
        for hook in found:
            for implementation in self._implementations(hook):
                if implementation.plugin is plugin:
                    self._hooks[implementation] = self._listener(implementation, hook, vetoes=vetoes)
        self._renew()

    def _check(self, plugin: object, name: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for attribute in dir(plugin):
            options = self._plugins.parse_hookimpl_opts(plugin, attribute)
            if options is None:
                continue
            hook = options.get("specname") or attribute
            if options.get("wrapper") or options.get("hookwrapper"):
                raise PluginError(
                    f"hook {name!r}: {attribute} is a wrapper, and hooks cannot wrap each other",
                    plugin=name,
                    cure="write a plain function",
                )
            if not hasattr(HookSpecs, hook):
                if options.get("optionalhook"):
                    continue
                known = [*EVENT_HOOKS.values(), VETO_ORDER]
                close = difflib.get_close_matches(hook, known, n=1)
                raise PluginError(
                    f"hook {name!r}: there is no hook {hook!r}",
                    plugin=name,
                    cure=f"did you mean {close[0]!r}?" if close else f"hooks: {', '.join(known)}",
                )
            found[hook] = None
        if not found:
            raise PluginError(f"hook {name!r}: nothing in it carries @hookimpl", plugin=name)
        return tuple(found)

    def _listener(self, implementation: pluggy.HookImpl, hook: str, *, vetoes: bool) -> Listener:
        name = implementation.plugin_name
        function: Callable[..., object] = implementation.function
        is_async = inspect.iscoroutinefunction(function)
        call = function if implementation.argnames else lambda _event: function()
        if hook == VETO_ORDER:
            gate = Gate(name, hook, call) if is_async else ThreadGate(name, hook, call)
            if not vetoes:
                gate.disabled = f"veto hooks are off until the configuration says: [hooks] enabled = [{name!r}]"
            return gate
        return self._make(name, hook, call, is_async=is_async)

    def _make(
        self, name: str, hook: str, call: Callable[[Event], object], *, is_async: bool, exchange: str | None = None
    ) -> Listener:
        if not is_async:
            return Listener(name, hook, call, exchange=exchange)
        function = cast("Callable[[Event], Awaitable[object]]", call)
        return AsyncListener(
            name, hook, function, size=self._queue_size, tasks=self._tasks, failed=self._failed, exchange=exchange
        )

    def remove_hook(self, name: str) -> None:
        """Forget what :meth:`add_hook` took in; events that already wait for it still reach it. Raises PluginError."""
        if not self._plugins.has_plugin(name):
            raise PluginError(f"no hook {name!r} is registered", plugin=name)
        self._plugins.unregister(name=name)
        for implementation in [known for known in self._hooks if known.plugin_name == name]:
            listener = self._hooks.pop(implementation)
            if isinstance(listener, Gate):
                listener.close()
        self._renew()

    def load_hooks(
        self,
        source: HookSource,
        *,
        enabled: Iterable[str] = (),
        disabled: Collection[str] = (),
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> tuple[FraError, ...]:
        """Take in the installed hook packages: all but ``disabled`` are told, and only the ``enabled`` are asked.

        A hook class with an attrs class ``Options`` has settings: it is made with an instance of that, read from its
        table in ``options``, and only where it is ``enabled`` or has a table, even an empty one; so what opens a port
        or speaks to others never does so because it is installed. A package that cannot be used, or whose settings are
        wrong, is passed over, logged, and its error returned. But one that is ``enabled``, whose vetoes somebody
        relies on, raises it.
        """
        errors: list[FraError] = []
        tables = options or {}
        wanted = dict.fromkeys(enabled, True)
        for name in (*source.names(HOOKS), *tables):
            if name not in disabled:
                wanted.setdefault(name, False)
        for name, vetoes in wanted.items():
            try:
                hook = source.load(name, group=HOOKS)
                if isinstance(hook, type) and hasattr(hook, "Options"):
                    if not vetoes and name not in tables:
                        continue
                    hook = _made(
                        hook, name, structure_options(hook.Options, tables.get(name, {}), path=f"hooks.{name}")
                    )
                elif tables.get(name):
                    raise ConfigError(
                        f"the hook {name!r} has no settings", path=f"hooks.{name}", cure=f"remove [hooks.{name}]"
                    )
                self.add_hook(hook, name, vetoes=vetoes)
            except (PluginError, ConfigError) as error:
                if vetoes:
                    raise
                _log.warning("the hook %s is not in use: %s", name, error)
                errors.append(error)
        return tuple(errors)

    def register(
        self, event_type: type[E], handler: Callable[[E], object], *, exchange: str | None = None
    ) -> Callable[[], None]:
        """Call ``handler`` for every event of this type (and its subclasses), of one exchange or of all.

        A handler is called, timed, and if need be disabled just as a hook is. The result removes it; calling that again
        does nothing. Raises ValueError for OrderProposed: only hooks are asked.
        """
        if issubclass(event_type, OrderProposed):
            raise ValueError("OrderProposed is asked, not told: write a veto_order hook")
        name = f"{getattr(handler, '__module__', '?')}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"
        call = cast("Callable[[Event], object]", handler)
        is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004  # an object with an async __call__
        )
        key = next(self._keys)
        listener = self._make(name, event_type.__name__, call, is_async=is_async, exchange=exchange)
        self._handlers[key] = event_type, listener
        self._renew()

        def remove() -> None:
            if self._handlers.pop(key, None) is not None:
                self._renew()

        return remove

    def _renew(self) -> None:
        self._chains.clear()
        self._gates = tuple(
            gate for gate in self._ordered(VETO_ORDER) if isinstance(gate, Gate) and gate.disabled is None
        )

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        # pluggy keeps them in the reverse of the order of calling.
        return list(reversed(getattr(self._plugins.hook, hook).get_hookimpls()))

    def _ordered(self, hook: str) -> list[Listener]:
        return [self._hooks[implementation] for implementation in self._implementations(hook)]

    def _chain(self, event_type: type[Event]) -> _Chain:
        names = [EVENT_HOOKS[base] for base in event_type.__mro__ if base in EVENT_HOOKS]
        hooks = [listener for name in names for listener in self._ordered(name)]
        handlers = [listener for wanted, listener in self._handlers.values() if issubclass(event_type, wanted)]
        chain = tuple((listener.call, listener) for listener in (*hooks, *handlers) if listener.disabled is None)
        self._chains[event_type] = chain
        return chain

    # --- telling

    def emit(self, event: Event) -> None:
        """Tell everybody who listens; costs almost nothing when nobody does. Never raises.

        Plain functions have run when it returns; coroutine functions run later, each in a task of its own.
        """
        try:
            chain = self._chains[event.__class__]
        except KeyError:
            if self._closed:
                return
            chain = self._chain(event.__class__)
        for call, listener in chain:
            if listener.untimed:
                listener.untimed -= 1
                try:
                    if (result := call(event)) is not None:
                        self._ignore(listener, event, result)
                except EXPECTED as error:
                    self._failed(listener, event, error)
            else:
                self._time(listener, event)

    def _time(self, listener: Listener, event: Event) -> None:
        listener.grant()
        started = time.perf_counter()
        try:
            if (result := listener.call(event)) is not None:
                self._ignore(listener, event, result)
        except EXPECTED as error:
            self._failed(listener, event, error)
        if time.perf_counter() - started <= _SLOW:
            return
        listener.was_slow()
        if listener.slow >= _STRIKES and listener.disabled is None:
            listener.disabled = f"{_STRIKES} calls took longer than {_SLOW * 1000:g} ms"
            self._chains.clear()
            message = f"{listener.hook} of {listener.name} is switched off: {listener.disabled}"
            cure = "make it async def, or quicker"
            self._report(listener, event, PluginError(message, plugin=listener.name, cure=cure))

    def _ignore(self, listener: Listener, event: Event, result: object) -> None:
        if inspect.iscoroutine(result):
            result.close()
            self._failed(listener, event, TypeError("it returned a coroutine, which nobody awaits: make it async def"))

    def _failed(self, listener: Listener, event: Event, error: BaseException) -> None:
        listener.failures += 1
        listener.last_error = _what(error)
        # The first, the tenth, the hundredth: a hook that always fails must not drown those that work.
        if math.log10(listener.failures).is_integer():
            message = f"{listener.hook} of {listener.name} failed"
            times = f" ({listener.failures} times so far)" if listener.failures > 1 else ""
            failure = PluginError(f"{message}{times}: {listener.last_error}", plugin=listener.name)
            failure.__cause__ = error
            self._report(listener, event, failure)

    def _report(self, listener: Listener, event: Event, error: PluginError) -> None:
        _log.warning("%s", error, exc_info=error.__cause__)
        if not isinstance(event, ErrorRaised):  # else those who hear of errors would hear of their own for ever
            where = f"hook {listener.name}"
            self.emit(ErrorRaised(exchange=event.exchange, timestamp_ms=self._now_ms(), where=where, error=error))

    # --- asking

    async def veto(self, event: OrderProposed) -> None:
        """Ask every ``veto_order`` hook, one after the other, each with its own deadline.

        Raises OrderVetoed, naming the hook, when one objects, fails, is late or answers neither a str nor None.
        """
        for gate in self._gates:
            if self._closed:
                raise OrderVetoed("fra is shutting down", hook=gate.name, exchange=event.exchange)
            gate.grant()
            reason = await self._objection(gate, event)
            if reason is not None:
                raise OrderVetoed(
                    f"the order was stopped by {gate.name}: {reason}", hook=gate.name, exchange=event.exchange
                )

    async def _objection(self, gate: Gate, event: OrderProposed) -> str | None:
        deadline = asyncio.timeout(self._veto_deadline)
        try:
            async with deadline:
                answer = await gate.ask(event)
        except EXPECTED as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            failure: BaseException = error
            if deadline.expired():
                gate.slow += 1
                failure = TimeoutError(f"no answer within {self._veto_deadline:g} s")
            self._failed(gate, event, failure)
            return f"it failed: {_what(failure)}"
        if answer is None or answer == "":
            return None
        if isinstance(answer, str):
            return answer
        if inspect.iscoroutine(answer):
            answer.close()
        wrong = TypeError(f"it answered {type(answer).__name__}, which is neither a reason (str) nor None")
        self._failed(gate, event, wrong)
        return str(wrong)

    # --- afterwards

    def ledger(self) -> tuple[HookRecord, ...]:
        """What became of the calls of every hook and handler that is registered now."""
        listeners = [*self._hooks.values(), *(listener for _, listener in self._handlers.values())]
        return tuple(listener.record() for listener in listeners)

    async def close(self, *, deadline: float = 5.0) -> None:
        """Let async hooks work off what waits for them, for at most ``deadline`` seconds; then cancel them.

        Idempotent. Events emitted afterwards reach nobody, and where there are veto hooks, orders are stopped. A plain
        veto function that never returns keeps its daemon thread: Python cannot stop it.
        """
        self._closed = True
        self._chains.clear()
        if tasks := set(self._tasks):
            _, late = await asyncio.wait(tasks, timeout=deadline)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=deadline)
        for listener in self._hooks.values():
            if isinstance(listener, Gate):
                listener.close()


def _made(cls: Callable[..., object], name: str, *options: object) -> object:
    try:
        return cls(*options)
    except EXPECTED as error:
        raise PluginBroken(f"hook {name!r} cannot be made: {_what(error)}", plugin=name) from error


def _what(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

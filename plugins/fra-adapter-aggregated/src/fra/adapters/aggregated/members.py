"""The members: opened side by side, asked side by side, each with a time limit, none in another's way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Final, Generic, TypeVar

import attrs

from fra.core import (
    ConnectionChanged,
    ConnectionStatus,
    Event,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    FraError,
    NotSupported,
    Operation,
    PluginContext,
    StreamStatusChanged,
    Symbol,
)

R = TypeVar("R")

_KNOWN_SOON: Final = 1.0
"""Seconds in which the stream of an account without credentials has said so: no request is needed for that."""
_AGAIN: Final = 2.0
"""Seconds before a member that could not be opened is tried again."""


@attrs.define(eq=False)
class Member:
    """One member. ``handle`` is None while it could not be opened, ``error`` says why."""

    name: str
    handle: ExchangeHandle | None = None
    error: FraError | None = None
    symbols: Sequence[Symbol] = ()
    has_account: bool = False
    opening: asyncio.Task[None] | None = None
    tried: float = 0.0

    @property
    def trouble(self) -> str | None:
        """Why it cannot be relied on now; None when it is connected."""
        if self.handle is None:
            return str(self.error) if self.error is not None else "it has not started yet"
        status = self.handle.status
        return None if status is ConnectionStatus.CONNECTED else f"it is {status.value}"


@attrs.frozen
class Answers(Generic[R]):
    """What the members said, by name: results, and the errors of those that have none."""

    good: Mapping[str, R]
    bad: Mapping[str, FraError]

    @property
    def missing(self) -> dict[str, str]:
        """Who is not in it, and why."""
        return {name: str(error) for name, error in self.bad.items()}


class Members:
    """Every member of one aggregated exchange."""

    def __init__(
        self,
        names: Sequence[str],
        context: PluginContext,
        *,
        timeout: float,
        changed: Callable[[], None],
    ) -> None:
        self._context = context
        self._changed = changed
        self.timeout = timeout
        self.all = {name: Member(name) for name in names}
        self._forget: list[Callable[[], None]] = []
        self._listeners: set[Callable[[str], None]] = set()

    # --- opening

    async def open(self, *, within: float) -> None:
        """Start all of them, and wait until each has started or failed, at most ``within`` seconds."""
        tasks = [self._begin(member) for member in self.all.values()]
        await asyncio.wait(tasks, timeout=within)

    def _begin(self, member: Member) -> asyncio.Task[None]:
        if member.opening is None or (member.opening.done() and member.handle is None):
            member.tried = monotonic()
            member.opening = asyncio.create_task(self._open(member), name=f"open member {member.name}")
        return member.opening

    async def _open(self, member: Member) -> None:
        try:
            handle = await self._context.exchange(member.name)
            member.symbols = await handle.get_symbols()
            member.has_account = await _has_account(handle)
        except FraError as error:
            member.error = error
        else:
            member.handle, member.error = handle, None
            self._forget += [
                handle.register_event_handler(ConnectionChanged, self._on_event),
                handle.register_event_handler(StreamStatusChanged, self._on_event),
            ]
            self._tell(member.name)
        self._changed()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, ConnectionChanged):
            self._changed()
        self._tell(event.exchange)

    def retry(self) -> None:
        """Try those again that could not be opened, now and then."""
        for member in self.all.values():
            if member.handle is None and monotonic() - member.tried > _AGAIN:
                self._begin(member)

    def on_change(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call ``listener(name)`` when a member was opened, or its connection or one of its streams changed."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _tell(self, name: str) -> None:
        for listener in tuple(self._listeners):
            listener(name)

    async def close(self) -> None:
        """Stop waiting for those that are being opened. They themselves belong to the manager."""
        for forget in self._forget:
            forget()
        tasks = [member.opening for member in self.all.values() if member.opening is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- asking

    def opened(self) -> list[Member]:
        """Those that could be opened."""
        return [member for member in self.all.values() if member.handle is not None]

    def handle(self, name: str) -> ExchangeHandle:
        """That member's. Raises why it could not be opened."""
        member = self.all[name]
        if member.handle is not None:
            return member.handle
        self.retry()
        why = str(member.error) if member.error is not None else "it has not started yet"
        raise ExchangeConnectionError(f"it cannot be asked: {why}", sent=False, exchange=name)

    async def ask(
        self, names: Iterable[str], work: Callable[[str, ExchangeHandle], Awaitable[R]], *, timed: bool = True
    ) -> Answers[R]:
        """``work`` with each of them at once, each within its time; without ``timed`` within the member's own."""
        names = tuple(names)
        results = await asyncio.gather(*(self._one(name, work, timed) for name in names))
        told = dict(zip(names, results, strict=True))
        return Answers(
            {name: result.value for name, result in told.items() if isinstance(result, _Said)},
            {name: result for name, result in told.items() if not isinstance(result, _Said)},
        )

    async def _one(
        self, name: str, work: Callable[[str, ExchangeHandle], Awaitable[R]], timed: bool
    ) -> _Said[R] | FraError:
        try:
            handle = self.handle(name)
            async with asyncio.timeout(self.timeout if timed else None):
                return _Said(await work(name, handle))
        except FraError as error:
            return error
        except TimeoutError:
            return ExchangeConnectionError(f"no answer within {self.timeout:g} s", exchange=name)


@attrs.frozen
class _Said(Generic[R]):
    value: R


def failure(bad: Mapping[str, FraError], what: str) -> FraError:
    """One error for several members: their own where they agree, else that too few answered, with what each said."""
    errors = list(bad.values())
    if errors and all(type(error) is type(errors[0]) for error in errors):
        return errors[0]
    said = "; ".join(str(error) for error in errors) or "no member lists it"
    kind = ExchangeError if any(not isinstance(error, ExchangeConnectionError) for error in errors) else None
    return (kind or ExchangeConnectionError)(f"{what}: {said}")


async def _has_account(handle: ExchangeHandle) -> bool:
    """Whether it follows an account: its stream is not refused for want of credentials."""
    if not handle.capabilities.support(Operation.SUBSCRIBE_USER_DATA):
        return False
    try:
        async with asyncio.timeout(_KNOWN_SOON), handle.subscribe_user_data():
            return True
    except (NotSupported, ExchangeAuthError):
        return False
    except (FraError, TimeoutError):
        return True  # it has one, which is not there yet

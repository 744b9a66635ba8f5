"""Calls: what is under way at one plugin, so that it is not closed in the middle of it."""

from __future__ import annotations

import asyncio
import inspect
from types import TracebackType
from typing import cast, final

from fra.core.contract.exchange import ExchangePluginInterface


@final
class Calls:
    """One plugin and how many calls wait for its answers. ``with calls as plugin`` counts one."""

    __slots__ = ("_idle", "_running", "plugin")

    def __init__(self, plugin: ExchangePluginInterface) -> None:
        self.plugin = plugin
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> ExchangePluginInterface:
        self._running += 1
        self._idle.clear()
        return self.plugin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def drained(self, patience: float) -> bool:
        """Wait until no call is under way, for at most ``patience`` seconds: whether it is so."""
        try:
            async with asyncio.timeout(patience):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def counting(self) -> ExchangePluginInterface:
        """The plugin, each of whose coroutines is counted while it runs."""
        return cast("ExchangePluginInterface", _Counting(self))


class _Counting:
    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> object:
        found = getattr(self._calls.plugin, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def counted(*args: object, **kwargs: object) -> object:
            with self._calls:
                return await found(*args, **kwargs)

        return counted

"""Watch: follows the configuration file, the folder of local plugins and what pip installs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

from fra.core.contract.errors import ConfigError, FraError
from fra.core.host.hotplug import Changes
from fra.core.host.plugins.local import SUFFIX

_METADATA: Final = (".dist-info", ".egg-info", ".egg-link", ".pth")
_KEPT: Final = 100
_UP: Final = 5.0
_AGAIN: Final = 1.0
_LONGEST: Final = 30.0
"""Seconds for which an installation may be half there; one that never gets a RECORD is taken as it is."""

_State = frozenset[tuple[str, int, int]]


@final
class Watch:
    """``async with manager.watch() as watch``: what changes takes effect as long as it is open.

    ``async for changes in watch`` tells what each change came to; the latest hundred are kept for it.
    """

    def __init__(
        self,
        refresh: Callable[[], Awaitable[Changes]],
        *,
        file: Callable[[], Path | None],
        folder: Callable[[], Path | None],
        settle: float,
        raised: Callable[[str, FraError], None],
    ) -> None:
        self._refresh = refresh
        self._file = file
        self._folder = folder
        self._settle = settle
        self._raised = raised
        self._seen: _State = frozenset()
        self._told: deque[Changes] = deque(maxlen=_KEPT)
        self._more = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Returns when nothing is missed any more. Raises ConfigError without watchfiles."""
        try:
            import watchfiles  # noqa: F401 - most programs never watch
        except ImportError as error:
            raise ConfigError(
                f"changes can be followed with the library watchfiles, which cannot be imported: {error}",
                cure='pip install "fra-core[watch]", or await manager.refresh() yourself',
            ) from None
        self._seen = self._state()
        self._task = asyncio.create_task(self._run(), name="fra watch")
        self._task.add_done_callback(lambda task: self._more.set())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait((ready, self._task), timeout=_UP, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Follow no more. A reload that is under way is undone, or brought to its end at once. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            self._more.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Changes:
        while not self._told:
            if self._task is None or self._task.done():
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._told.popleft()

    # --- following

    async def _run(self) -> None:
        """Follow, and go on following whatever goes wrong."""
        while True:
            try:
                await self._follow()
            except Exception as error:
                failure = error if isinstance(error, FraError) else FraError(f"{type(error).__name__}: {error}")
                self._raised("following changes", failure)
                await asyncio.sleep(_AGAIN)

    async def _follow(self) -> None:
        """Look at the present places, until there are others."""
        from watchfiles import Change, awatch

        file, folder = self._file(), self._folder()
        places = _places(file, folder)

        def is_ours(change: Change, path: str) -> bool:
            return _is_ours(path, file, folder)

        stop = asyncio.Event()
        changes = awatch(
            *places,
            watch_filter=is_ours,
            recursive=False,
            stop_event=stop,
            debounce=200,
            step=50,
            rust_timeout=200,
            yield_on_timeout=True,
        )
        is_first = True
        try:
            async for some in changes:
                # The first time-out says that it looks; what happened until then is seen by comparing.
                if not (some or is_first):
                    continue
                is_first = False
                self._ready.set()
                if (state := self._state()) != self._seen:
                    self._seen = await self._settled(self._seen, state)
                    await self._look()
                if _places(self._file(), self._folder()) != places:
                    return
        finally:
            stop.set()
            await changes.aclose()

    async def _look(self) -> None:
        changes = await self._refresh()
        if changes:
            self._told.append(changes)
            self._more.set()

    async def _settled(self, before: _State, state: _State) -> _State:
        """Wait until nothing has changed for a while, and what is being installed is whole."""
        until = asyncio.get_running_loop().time() + _LONGEST
        known = {path for path, _, _ in before}
        while True:
            await asyncio.sleep(self._settle)
            after = self._state()
            paths = {path for path, _, _ in after}
            # RECORD is what pip writes last
            half = [each for each in paths - known if each.endswith(".dist-info") and f"{each}/RECORD" not in paths]
            if after == state and (not half or asyncio.get_running_loop().time() > until):
                return state
            state = after

    def _state(self) -> _State:
        """What is there, by time and size."""
        file, folder = self._file(), self._folder()
        found: set[tuple[str, int, int]] = set()
        for place in _places(file, folder):
            try:
                with os.scandir(place) as entries:
                    names = [entry.path for entry in entries if _is_ours(entry.path, file, folder)]
            except OSError:
                continue
            for name in names:
                for path in (name, f"{name}/RECORD") if name.endswith(_METADATA) else (name,):
                    try:
                        stat = os.stat(path)
                    except OSError:
                        continue
                    found.add((path, stat.st_mtime_ns, stat.st_size))
        return frozenset(found)


def _places(file: Path | None, folder: Path | None) -> tuple[str, ...]:
    """The folders to look at: the file's own, since editors replace a file, and those from which Python imports."""
    installed = (path for path in sys.path if os.path.isdir(path) and _holds_distributions(path))
    others = (
        str(path) for path in (None if file is None else file.absolute().parent, folder) if path and path.is_dir()
    )
    return tuple(dict.fromkeys((*others, *installed)))


def _holds_distributions(path: str) -> bool:
    return os.path.basename(path) in ("site-packages", "dist-packages")


def _is_ours(path: str, file: Path | None, folder: Path | None) -> bool:
    if file is not None and path == str(file.absolute()):
        return True
    name = os.path.basename(path)
    if folder is not None and name.endswith(SUFFIX) and os.path.dirname(path) == str(folder):
        return True
    return name.endswith(_METADATA) and not name.startswith("~")

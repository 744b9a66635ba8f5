"""SqliteJournal: a journal in a file, which a crash of the process or the machine does not take with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Generic, TypeVar, final

import attrs

from fra.core.contract.errors import JournalError
from fra.core.contract.orders import Order
from fra.core.host.journal.file import JournalFile
from fra.core.host.journal.journal import JournalEntry

T = TypeVar("T")
_MOST: Final = 10_000
_OLDEST_MS: Final = 30 * 86_400_000


@attrs.frozen(eq=False)
class _Job(Generic[T]):
    """What the thread is asked to do, and where its answer goes. ``entry``: one to be written, maybe with others."""

    work: Callable[[], T] | None
    answer: asyncio.Future[T]
    entry: JournalEntry | None = None

    def done(self, result: T) -> None:
        self._tell(lambda: self.answer.set_result(result))

    def failed(self, error: BaseException) -> None:
        self._tell(lambda: self.answer.set_exception(error))

    def _tell(self, settle: Callable[[], None]) -> None:
        def unless_cancelled() -> None:
            if not self.answer.done():
                settle()

        with suppress(RuntimeError):  # the loop that asked has ended
            self.answer.get_loop().call_soon_threadsafe(unless_cancelled)


@final
class SqliteJournal:
    """Orders in the SQLite file ``path``, which is made when the first is written.

    One thread works on the file, so that no event loop waits for the disk; intents that come while it writes are
    committed together. From its first order on, or from the settling of what an earlier process left, it holds the
    file's lock: another process that wants to send orders gets AccountInUse, reading apart. ``one_account`` says that
    every entry is of the same account, whatever the instance was called that wrote it. Settled entries are forgotten
    when they are 30 days older than the newest, and beyond the newest 10,000. Close it at the end.
    """

    def __init__(
        self, path: str | Path, *, one_account: bool = False, most: int = _MOST, oldest_ms: int = _OLDEST_MS
    ) -> None:
        self.path = Path(path)
        self._file = JournalFile(self.path, one_account=one_account, most=most, oldest_ms=oldest_ms)
        self._jobs: SimpleQueue[_Job[object] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._pid = os.getpid()
        self._closed = False

    def __repr__(self) -> str:
        return f"<SqliteJournal {self.path}>"

    async def record(self, entry: JournalEntry) -> None:
        """Return when ``entry`` is safe: an intent from a power cut, too. Raises JournalError, AccountInUse."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._ask(_Job(None, answer, entry))
        await answer

    async def has_open(self) -> bool:
        """Whether there are open intents, whoever wrote them. Takes no lock and makes no file."""
        return await self._do(self._file.has_open)

    async def claim(self, exchange: str) -> Sequence[JournalEntry]:
        """Take the lock; the open intents that earlier processes left (of ``exchange``, unless it is one account)."""
        return await self._do(lambda: self._file.claim(exchange))

    async def let_go(self) -> None:
        """Close the file and release its lock, until it is wanted again."""
        await self._do(self._file.close)

    async def last_order(self, symbol: str, client_order_id: str) -> Order | None:
        """What was written down last of what the venue said of that order."""
        return await self._do(lambda: self._file.last_order(symbol, client_order_id))

    async def close(self) -> None:
        """Write what is waiting, then let go of the file and its lock. Idempotent; nothing is recorded afterwards."""
        if self._closed:
            return
        self._closed = True
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(self._file.close, answer))
        self._jobs.put(None)
        await answer
        thread.join()

    async def _do(self, work: Callable[[], T]) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._ask(_Job(work, answer))
        return await answer

    def _ask(self, job: _Job[T]) -> None:
        """Queue it at once: what is asked first is done first, and done even if nobody waits for it any more."""
        if self._closed:
            raise JournalError(f"the order journal {self.path} was closed", path=str(self.path))
        if self._pid != os.getpid():
            raise JournalError(
                f"the order journal {self.path} belongs to the process that this one was forked from",
                path=str(self.path),
                cure="start exchanges after the fork",
            )
        if self._thread is None:
            self._thread = Thread(target=self._run, name=f"fra journal {self.path.stem}", daemon=True)
            self._thread.start()
        self._jobs.put(job)  # type: ignore[arg-type]  # each job answers its own future

    # --- in the thread

    def _run(self) -> None:
        while True:
            batch = [self._jobs.get()]
            with suppress(Empty):
                while True:
                    batch.append(self._jobs.get_nowait())
            entries: list[_Job[object]] = []
            for job in batch:
                if job is not None and job.entry is not None:
                    entries.append(job)
                    continue
                self._write(entries)
                entries = []
                if job is None:
                    return
                self._work(job)
            self._write(entries)

    def _write(self, jobs: list[_Job[object]]) -> None:
        if not jobs:
            return
        try:
            self._file.write([job.entry for job in jobs if job.entry is not None])
        except Exception as error:
            for job in jobs:
                job.failed(error)
            return
        for job in jobs:
            job.done(None)

    def _work(self, job: _Job[object]) -> None:
        assert job.work is not None
        try:
            result = job.work()
        except Exception as error:
            job.failed(error)
        else:
            job.done(result)

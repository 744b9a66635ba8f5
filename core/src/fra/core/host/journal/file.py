"""JournalFile: the SQLite file of a durable journal, as the one thread that works on it sees it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from fra.core.contract.errors import JournalError
from fra.core.contract.orders import Order, OrderRequest, OrderStatus
from fra.core.host.journal.journal import UNSETTLED, JournalEntry
from fra.core.host.journal.lock import AccountLock
from fra.core.host.journal.records import from_text, to_text

_SCHEMA: Final = 1
_TABLES: Final = """
CREATE TABLE intents (
    number INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    exchange TEXT NOT NULL,
    symbol TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    request TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    deadline_ms INTEGER,
    status TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    venue_order TEXT,
    reason TEXT
);
CREATE INDEX by_name ON intents (symbol, client_order_id);
CREATE INDEX still_open ON intents (status) WHERE status IN ('pending', 'unknown');
CREATE INDEX by_age ON intents (changed_ms);
"""
_OPEN: Final = "status IN ('pending', 'unknown')"
_LATEST: Final = """
SELECT number, status FROM intents
WHERE symbol = ? AND client_order_id = ? AND exchange = ? ORDER BY number DESC LIMIT 1
"""
_BUSY_S: Final = 5.0
_PRUNED_EVERY: Final = 1_000

_DAMAGED: Final = "look at your open orders at the venue, move the file away, and go on with a new one"
_ELSEWHERE: Final = "make the folder writable, or name another: [journal] folder in fra.toml, or FRA_JOURNAL"
_CURES: Final = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_BUSY: "end the program that holds the file open",
}
"""By SQLite's primary result code; whatever else it is, it is the place."""


@final
class JournalFile:
    """One file in WAL mode. Opened when something is there to be read or written; all calls come from one thread.

    An intent is on the disk when :meth:`write` returns (synchronous = FULL), so that a power cut forgets none. An
    outcome is with the system (NORMAL): it outlives the process, and where a power cut forgets it, the intent is open
    and the venue is asked.
    """

    def __init__(self, path: Path, *, one_account: bool, most: int, oldest_ms: int) -> None:
        self._path = path
        self._one_account = one_account
        self._most = most
        self._oldest_ms = oldest_ms
        self._lock = AccountLock(path.with_name(f"{path.name}.lock"))
        self._session: str | None = None
        self._database: sqlite3.Connection | None = None
        self._full: bool | None = None
        self._written = 0

    # --- reading

    def has_open(self) -> bool:
        """Whether there are open intents; without a file there are none, and none is made."""
        with self._told("read"):
            if self._database is not None:
                return self._any_open(self._database)
            if not self._path.exists():
                return False
            database = self._connect()
            try:
                return self._version(database) > 0 and self._any_open(database)
            finally:
                database.close()

    @staticmethod
    def _any_open(database: sqlite3.Connection) -> bool:
        return database.execute(f"SELECT 1 FROM intents WHERE {_OPEN} LIMIT 1").fetchone() is not None

    def claim(self, exchange: str) -> list[JournalEntry]:
        """Take the lock, and the open intents that others than this process left."""
        with self._told("read"):
            database = self._open()
            own = "1" if self._one_account else "exchange = :exchange"
            rows = database.execute(
                "SELECT exchange, client_order_id, begun_ms, deadline_ms, request, status, reason FROM intents "
                f"WHERE {_OPEN} AND session != :session AND {own} ORDER BY number",
                {"session": self._session, "exchange": exchange},
            ).fetchall()
            return [self._entry(*row) for row in rows]

    def _entry(
        self, exchange: str, name: str, begun_ms: int, deadline_ms: int | None, request: str, status: str, reason: str
    ) -> JournalEntry:
        try:
            return JournalEntry(
                exchange=exchange,
                client_order_id=name,
                timestamp_ms=begun_ms,
                deadline_ms=deadline_ms,
                request=from_text(OrderRequest, request),
                status=OrderStatus(status),
                reason=reason,
            )
        except (ValueError, TypeError, ArithmeticError) as error:
            raise self._error(f"holds what is no order: {error}", _DAMAGED) from error

    def last_order(self, symbol: str, client_order_id: str) -> Order | None:
        """What the venue said last of the order of that name."""
        with self._told("read"):
            row = self._open().execute(
                "SELECT venue_order FROM intents WHERE symbol = ? AND client_order_id = ? ORDER BY number DESC LIMIT 1",
                (symbol, client_order_id),
            )
            found = row.fetchone()
            return None if found is None or found[0] is None else from_text(Order, found[0])

    # --- writing

    def write(self, entries: Sequence[JournalEntry]) -> None:
        """All of them or none, in one transaction. Takes the lock."""
        with self._told("written"):
            database = self._open()
            full = any(map(_is_intent, entries))
            if full is not self._full:
                database.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
                self._full = full
            database.execute("BEGIN IMMEDIATE")
            try:
                for entry in entries:
                    self._write(database, entry)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            self._written += len(entries)
            if self._written >= _PRUNED_EVERY:
                self._prune(database)

    def _write(self, database: sqlite3.Connection, entry: JournalEntry) -> None:
        order = None if entry.order is None else to_text(entry.order)
        outcome = (entry.status.value, entry.timestamp_ms, order, entry.reason)
        if not _is_intent(entry):
            key = (entry.request.symbol, entry.client_order_id, entry.exchange)
            found = database.execute(_LATEST, key).fetchone()
            if found is not None:
                number, status = found
                if entry.status in UNSETTLED and OrderStatus(status) not in UNSETTLED:
                    return  # what is known stays known
                change = "UPDATE intents SET status = ?, changed_ms = ?, venue_order = ?, reason = ? WHERE number = ?"
                database.execute(change, (*outcome, number))
                return
        columns = (
            self._session,
            entry.exchange,
            entry.request.symbol,
            entry.client_order_id,
            to_text(entry.request),
            entry.timestamp_ms,
            entry.deadline_ms,
            *outcome,
        )
        database.execute(
            "INSERT INTO intents (session, exchange, symbol, client_order_id, request, begun_ms, deadline_ms, "
            "status, changed_ms, venue_order, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            columns,
        )

    def _prune(self, database: sqlite3.Connection) -> None:
        """Forget what is settled and old, or beyond the most that are kept. What is open stays, however old."""
        self._written = 0
        database.execute(
            f"DELETE FROM intents WHERE NOT {_OPEN} AND (changed_ms < (SELECT max(changed_ms) FROM intents) - ? "
            "OR number <= (SELECT max(number) FROM intents) - ?)",
            (self._oldest_ms, self._most),
        )

    # --- the file

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            new = not self._path.exists()
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._session = self._lock.acquire()
            try:
                if new:
                    self._create()
                database = self._connect()
                try:
                    self._prepare(database)
                except BaseException:
                    database.close()
                    raise
            except BaseException:
                self._lock.release()
                raise
            if new:
                _sync_folder(self._path.parent)
            self._database, self._full = database, None
        return self._database

    def _create(self) -> None:
        """For its owner's eyes alone. Not where it is: closing a descriptor would take SQLite's own locks away."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            pass

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA fullfsync = 1")  # macOS means less by a plain fsync; elsewhere it says nothing
        if not self._version(database):
            database.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_SCHEMA}; COMMIT;")
        damage = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise self._error(f"is damaged: {damage}", _DAMAGED)
        self._prune(database)

    def _version(self, database: sqlite3.Connection) -> int:
        """The file's schema, 0 for an empty file; raises JournalError for one that is not for us."""
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > _SCHEMA:
            raise self._error(
                f"was written by a newer fra-core (schema {version}, and this one knows {_SCHEMA})",
                "pip install -U fra-core",
            )
        if not version and database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None:
            raise self._error("is another program's database", _DAMAGED)
        return version

    def close(self) -> None:
        """Put everything into the one file and let go of it. Idempotent."""
        database, self._database = self._database, None
        if database is None:
            return
        try:
            with self._told("closed"):
                database.close()
        finally:
            self._lock.release()

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Whatever goes wrong becomes a JournalError that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            raise self._error(f"cannot be {done}: {error}", _CURES.get(code, _ELSEWHERE)) from error
        except OSError as error:
            raise self._error(f"cannot be {done}: {error.strerror or error}", _ELSEWHERE) from error

    def _error(self, what: str, cure: str) -> JournalError:
        return JournalError(f"the order journal {self._path} {what}", path=str(self._path), cure=cure)


def _is_intent(entry: JournalEntry) -> bool:
    """An order about to be sent. One that is still pending when the venue has it is more than that."""
    return entry.status is OrderStatus.PENDING and entry.order is None


def _sync_folder(folder: Path) -> None:
    """The file's name, too, must outlive a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

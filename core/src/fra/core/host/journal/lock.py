"""AccountLock: one process sends the orders of one account. The system lets go of it when the process dies, however."""

from __future__ import annotations

import errno
import os
import sys
import uuid
from pathlib import Path
from threading import Lock
from typing import Final, final

import attrs

from fra.core.contract.errors import AccountInUse

_FAR: Final = 1 << 30
"""The byte that is locked: behind the text, so that others can read who holds it where locks are mandatory."""
_TAKEN: Final = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_HELD: Final[dict[str, _Held]] = {}
"""What this process holds. Such locks belong to a process, and closing any descriptor of the file gives them up."""
_GUARD: Final = Lock()

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        # Not flock: that one goes on in forked children when its owner is dead.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _FAR)


@attrs.define
class _Held:
    descriptor: int
    session: str
    pid: int
    users: int = 1


@final
class AccountLock:
    """The lock file at ``path``. Several in one process share it: they know of each other's orders by the journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key: str | None = None

    def acquire(self) -> str:
        """Take it; the result names this time of holding it. Raises AccountInUse, and OSError for a bad file."""
        key = os.path.realpath(self.path)
        with _GUARD:
            held = _HELD.get(key)
            if held is not None and held.pid == os.getpid():
                held.users += 1
            else:
                held = _HELD[key] = self._open()
            self._key = key
            return held.session

    def _open(self) -> _Held:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            try:
                _take(descriptor)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                raise self._in_use(descriptor) from None
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except BaseException:
            os.close(descriptor)
            raise
        return _Held(descriptor, uuid.uuid4().hex, os.getpid())

    def _in_use(self, descriptor: int) -> AccountInUse:
        os.lseek(descriptor, 0, os.SEEK_SET)
        said = os.read(descriptor, 32).decode("ascii", "replace").strip()
        pid = int(said) if said.isdigit() else None
        who = "another process" if pid is None else f"process {pid}"
        return AccountInUse(
            f"{who} sends the orders of this account: it holds {self.path}",
            pid=pid,
            path=str(self.path),
            cure="send this order through that process, or end it and try again; reading works beside it",
        )

    def release(self) -> None:
        """Let go of it. Idempotent."""
        with _GUARD:
            key, self._key = self._key, None
            held = None if key is None else _HELD.get(key)
            if key is None or held is None or held.pid != os.getpid():
                return
            held.users -= 1
            if not held.users:
                del _HELD[key]
                os.ftruncate(held.descriptor, 0)
                os.close(held.descriptor)

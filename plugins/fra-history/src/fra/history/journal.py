"""What has come of a download that is not finished: a folder beside the file, one journal a series, one line a page.

A line is written whole or is cut off when the journal is opened again: so a page is there with all of its rows and the
progress that they make, or not at all, however the process ended.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, final
from urllib.parse import quote

from fra.history.errors import FileRefused
from fra.history.rows import Kind, Row
from fra.history.series import Page, Progress, Series

_FORMAT: Final = 1
_LOCK: Final = "lock"


@final
class Journal:
    """The pages of one series so far; ``start`` is where they join on to the finished file."""

    def __init__(self, path: Path, start: Progress, progress: Progress, end: int) -> None:
        self.path = path
        self.start = start
        self.progress = progress
        self._file: IO[bytes] = path.open("r+b")
        self._file.truncate(end)
        self._file.seek(end)

    def write(self, page: Page) -> None:
        """Take a page, at once."""
        line = json.dumps({"rows": page.rows, **page.progress.fields()}, separators=(",", ":"))
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        self.progress = page.progress

    def rows(self) -> Iterator[Row]:
        """All rows, oldest first."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                for row in json.loads(line)["rows"]:
                    yield tuple(row)

    def close(self) -> None:
        """Have it on the disk."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()


@final
class Journals:
    """The journals beside one output file."""

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(out.name + ".part")

    @contextmanager
    def held(self) -> Iterator[None]:
        """For this process alone. Raises FileRefused while another holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("a") as file:
            try:
                import fcntl
            except ImportError:  # no such locks on Windows
                yield
                return
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FileRefused(
                    f"another process is writing to {self.folder}", cure="wait for it, or end it"
                ) from None
            yield

    def open(self, kind: Kind, wanted: Mapping[Series, Progress]) -> dict[Series, Journal]:
        """The journal of each series, made where there is none to start from the progress given.

        Raises FileRefused when the folder holds something else than this download.
        """
        paths = {series: self.folder / _file_name(series) for series in wanted}
        found = {path for path in self.folder.iterdir() if path.name != _LOCK}
        if others := found - set(paths.values()):
            raise self._refused(f"holds other series too ({', '.join(sorted(path.stem for path in others))})")
        return {series: self._open(path, kind, series, wanted[series]) for series, path in paths.items()}

    def _open(self, path: Path, kind: Kind, series: Series, start: Progress) -> Journal:
        head = {"format": _FORMAT, "kind": kind.name, "interval": series.interval}
        if path.exists() and (read := self._read(path, head)) is not None:
            began, progress, end = read
            # Nothing has come, or the range now begins beyond what has: this is another range.
            unused = progress == began or start.since_ms > progress.proven_ms
            if start.since_ms < began.since_ms and not unused:
                raise self._refused("begins later than asked now")
            fresh = start.proven_ms == start.since_ms and began.proven_ms == began.since_ms
            if start == began or (fresh and not unused):
                return Journal(path, began, progress, end)
            # A file that has come as far has these pages: only the folder's removal was interrupted.
            if start.proven_ms < progress.proven_ms and not unused:
                raise self._refused("does not join on to the file")
        line = json.dumps({**head, "start": start.fields()}, separators=(",", ":")).encode() + b"\n"
        path.write_bytes(line)
        return Journal(path, start, start, len(line))

    def _read(self, path: Path, head: Mapping[str, object]) -> tuple[Progress, Progress, int] | None:
        """Where the journal starts, how far it has come, and where its last whole line ends; None without a head."""
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        lines: Sequence[bytes] = data[:end].splitlines()
        if not lines:
            return None
        try:
            first = json.loads(lines[0])
            start = Progress.read(first.pop("start"))
            progress = Progress.read(json.loads(lines[-1])) if len(lines) > 1 else start
        except (ValueError, TypeError, KeyError, AttributeError):
            raise self._refused("cannot be read") from None
        if first != head:
            raise self._refused(f"is of another download ({first.get('kind')} {first.get('interval') or ''})")
        return start, progress, end

    def _refused(self, why: str) -> FileRefused:
        return FileRefused(f"{self.folder} {why}", cure="another --out, or delete the folder to begin anew")

    def remove(self) -> None:
        """They are in the file now."""
        shutil.rmtree(self.folder)


def _file_name(series: Series) -> str:
    return quote(f"{series.exchange}-{series.symbol}", safe="") + ".jsonl"

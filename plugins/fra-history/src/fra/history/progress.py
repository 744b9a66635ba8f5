"""How far a download is, with an end and an estimate: on stderr, a bar a series on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fra.cli import figures
from fra.cli.table import interactive, say
from fra.history.series import Series

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_EVERY: Final = 2.0
"""Seconds between the plain lines of one series."""


class Meter:
    """Tells how far each series is. Use it as a context manager."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series
        self._bars: Bars | None = None
        self._tasks: dict[Series, TaskID] = {}
        self._begun: dict[Series, tuple[float, int]] = {}
        self._told: dict[Series, float] = {}

    def __enter__(self) -> Meter:
        if interactive(sys.stderr):
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[rows]} rows"),
                TimeRemainingColumn(),
            )
            self._bars = Progress(*columns, console=Console(stderr=True))
            self._tasks = {one: self._bars.add_task(str(one), total=None, start=False, rows=0) for one in self._series}
            self._bars.start()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def start(self, series: Series, *, since_ms: int, at_ms: int, until_ms: int) -> None:
        """It runs from ``since_ms`` to ``until_ms``, and is at ``at_ms`` already."""
        self._begun[series] = (time.monotonic(), at_ms)
        if self._bars is not None:
            self._bars.start_task(self._tasks[series])
            done = max(0, at_ms - since_ms)
            self._bars.update(self._tasks[series], total=max(1, until_ms - since_ms), completed=done)
        else:
            share = _share(since_ms, at_ms, until_ms)
            say(f"{series}: {'goes on at' if at_ms > since_ms else 'from'} {figures.moment(at_ms)} ({share} %)")

    def advance(self, series: Series, *, since_ms: int, at_ms: int, until_ms: int, rows: int) -> None:
        """It has come to ``at_ms``, with so many rows in this run."""
        if self._bars is not None:
            self._bars.update(self._tasks[series], completed=min(at_ms, until_ms) - since_ms, rows=rows)
            return
        now = time.monotonic()
        if now - self._told.get(series, -_EVERY) < _EVERY:
            return
        self._told[series] = now
        begun, from_ms = self._begun[series]
        left = (until_ms - at_ms) * (now - begun) / (at_ms - from_ms) if at_ms > from_ms else None
        share = _share(since_ms, at_ms, until_ms)
        say(f"{series}: {share} %, {rows} rows, about {figures.duration(left)} left")

    def finish(self, series: Series, *, rows: int) -> None:
        """It is whole."""
        if self._bars is not None:
            total = next(task.total for task in self._bars.tasks if task.id == self._tasks[series])
            self._bars.update(self._tasks[series], completed=total or 1, total=total or 1, rows=rows)
        else:
            say(f"{series}: done, {rows} new rows")


def _share(since_ms: int, at_ms: int, until_ms: int) -> int:
    return min(100, max(0, at_ms - since_ms) * 100 // max(1, until_ms - since_ms))

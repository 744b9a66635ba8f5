"""One download: what is there already, the pages that are missing, and the file that comes of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from fra.cli.table import say
from fra.core import FraError
from fra.history import funding, klines, trades
from fra.history.errors import FileRefused
from fra.history.files import Contents, HistoryFile, Part, history_file
from fra.history.journal import Journal, Journals
from fra.history.klines import Missing
from fra.history.moments import brief
from fra.history.progress import Meter
from fra.history.rows import FUNDING, KLINES, Kind, Row
from fra.history.series import Page, Progress, Series

if TYPE_CHECKING:
    from fra.cli.session import Session
    from fra.core import ExchangeHandle

Walk = Callable[["ExchangeHandle", Series, Progress, int], AsyncIterator[Page]]


@attrs.frozen
class Request:
    """What to have in the end: all of ``series`` in [``since_ms``, ``until_ms``) in the file ``out``."""

    kind: Kind
    series: Sequence[Series]
    since_ms: int
    until_ms: int
    out: Path
    missing: Missing = "refuse"

    def walk(self, handle: ExchangeHandle, series: Series, progress: Progress) -> AsyncIterator[Page]:
        """The pages that ``series`` lacks."""
        if self.kind is FUNDING:
            return funding.walk(handle, series, progress, self.until_ms)
        if self.kind is KLINES:
            return klines.walk(handle, series, progress, self.until_ms, missing=self.missing)
        return trades.walk(handle, series, progress, self.until_ms)


async def download(request: Request, session: Session, meter: Meter) -> Contents:
    """Make or extend the file; what it holds then.

    Interrupted, it leaves the pages that have come beside the file, and the same request goes on from there. Raises
    FileRefused before anything is asked, or the first error of a series after all others are done; the file is then as
    it was.
    """
    file = history_file(request.out)
    before = file.contents()
    start = _start(request, before)
    journals = Journals(request.out)
    with journals.held(), ExitStack() as stack:
        open_ = journals.open(request.kind, start)
        for journal in open_.values():
            stack.callback(journal.close)
        try:
            await _fetch_all(request, session, meter, open_)
            contents = _finish(request, file, before, open_)
        except BaseException:
            if all(journal.progress == journal.start for journal in open_.values()):
                journals.remove()  # nothing has come, so nothing is kept
            raise
        journals.remove()
        return contents


async def _fetch_all(request: Request, session: Session, meter: Meter, journals: dict[Series, Journal]) -> None:
    """Every series: of several exchanges side by side, of one in turn, since they share its budget."""
    errors: list[FraError] = []

    async def one_exchange(name: str) -> None:
        for series in request.series:
            if series.exchange == name:
                try:
                    await _fetch(request, session, meter, series, journals[series])
                except FraError as error:
                    errors.append(error)

    names = dict.fromkeys(series.exchange for series in request.series)
    tasks = [asyncio.create_task(one_exchange(name), name=f"history of {name}") for name in names]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if errors:
        *others, last = errors
        for error in others:
            say(f"fra: {error}")
        raise last


def _start(request: Request, before: Contents | None) -> dict[Series, Progress]:
    """Where each series stands in the finished file."""
    if before is None:
        return {series: Progress.start(request.since_ms) for series in request.series}
    found = {part.series: part.progress for part in before.parts}
    if before.kind is not request.kind or list(found) != list(request.series):
        held = ", ".join(str(series) for series in found)
        raise FileRefused(f"{request.out} holds {before.kind.name} of {held}: other series", cure="another --out")
    latest = max(progress.since_ms for progress in found.values())
    if request.since_ms < latest:
        raise FileRefused(
            f"{request.out} begins at {brief(latest)}, later than asked now",
            cure=f"another --out, or --since {brief(latest)}",
        )
    return found


async def _fetch(request: Request, session: Session, meter: Meter, series: Series, journal: Journal) -> None:
    progress = journal.progress
    since_ms, until_ms = progress.since_ms, request.until_ms
    meter.start(series, since_ms=since_ms, at_ms=progress.proven_ms, until_ms=until_ms)
    rows = 0
    if progress.proven_ms < until_ms:
        handle = await session.handle(series.exchange)
        async for page in request.walk(handle, series, progress):
            journal.write(page)
            rows += len(page.rows)
            at_ms = page.progress.proven_ms
            meter.advance(series, since_ms=since_ms, at_ms=at_ms, until_ms=until_ms, rows=rows)
    meter.finish(series, rows=rows)


def _finish(request: Request, file: HistoryFile, before: Contents | None, journals: dict[Series, Journal]) -> Contents:
    """Write what was there and what has come as one file, unless that changes nothing."""
    had = {part.series: part.rows for part in before.parts} if before else dict.fromkeys(journals, 0)
    came = {series: sum(1 for _ in journal.rows()) for series, journal in journals.items()}
    parts = tuple(Part(series, journals[series].progress, had[series] + came[series]) for series in request.series)
    contents = Contents(request.kind, parts)
    if contents == before:
        return contents

    def rows() -> Iterator[Row]:
        old = file.rows(request.kind) if before else iter(())
        for series in request.series:
            yield from islice(old, had[series])
            yield from journals[series].rows()

    file.write(contents, rows())
    return contents

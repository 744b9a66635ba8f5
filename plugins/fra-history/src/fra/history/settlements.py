"""Settled funding to draw: from a file that `fra history funding` wrote, or straight from exchanges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from fra.history import funding
from fra.history.errors import FileRefused
from fra.history.files import history_file
from fra.history.rows import FUNDING, Row
from fra.history.series import Progress, Series

if TYPE_CHECKING:
    from fra.cli.session import Session

_YEAR: Final = 365 * 86_400
_DAY_MS: Final = 86_400_000


@attrs.frozen
class Settlement:
    """One: the fraction that longs paid shorts, and the seconds that it was for; None when that is unknown."""

    settled_ms: int
    rate: Decimal
    interval: int | None

    @property
    def apr(self) -> Decimal | None:
        """The rate over 365 days at this interval, uncompounded."""
        return None if self.interval is None else self.rate * _YEAR / self.interval


@attrs.frozen
class Curve:
    """The settlements of one series in [``since_ms``, ``until_ms``), all of them."""

    series: Series
    since_ms: int
    until_ms: int
    settlements: Sequence[Settlement]

    @property
    def intervals(self) -> tuple[int | None, ...]:
        """Each interval that there is, in order of appearance."""
        return tuple(dict.fromkeys(one.interval for one in self.settlements))


Curves: TypeAlias = list[Curve]


def from_file(path: Path, wanted: Sequence[Series] | None, since_ms: int | None, until_ms: int | None) -> Curves:
    """The series of a file that are ``wanted`` (None: all), within the moments given."""
    file = history_file(path)
    contents = file.contents()
    if contents is None:
        raise FileRefused(f"{path} is not there", cure=f"fra history funding … --out {path}")
    if contents.kind.name != FUNDING.name:
        raise FileRefused(f"{path} holds {contents.kind.name}, no funding", cure="fra history funding …")
    parts = {part.series: part for part in contents.parts}
    chosen = list(parts) if wanted is None else list(wanted)
    if absent := [str(series) for series in chosen if series not in parts]:
        raise FileRefused(f"{path} has no {', '.join(absent)}", cure=f"it has {', '.join(map(str, parts))}")
    rows: dict[tuple[object, object], list[Row]] = {(series.exchange, series.symbol): [] for series in chosen}
    for row in file.rows(FUNDING):
        if (found := rows.get((row[0], row[1]))) is not None:
            found.append(row)
    curves = []
    for series in chosen:
        covered = parts[series].progress
        start = covered.since_ms if since_ms is None else max(since_ms, covered.since_ms)
        end = covered.proven_ms if until_ms is None else min(until_ms, covered.proven_ms)
        curves.append(_curve(series, start, end, rows[series.exchange, series.symbol]))
    return curves


async def from_exchanges(session: Session, wanted: Sequence[Series], since_ms: int, until_ms: int) -> Curves:
    """The series as the exchanges serve them now. Raises as a download does: what is drawn is whole."""
    import asyncio

    async def one(series: Series) -> Curve:
        handle = await session.handle(series.exchange)
        rows: list[Row] = []
        async for page in funding.walk(handle, series, Progress.start(since_ms), until_ms):
            rows += page.rows
        return _curve(series, since_ms, until_ms, rows)

    return list(await asyncio.gather(*map(one, wanted)))


def _curve(series: Series, since_ms: int, until_ms: int, rows: Sequence[Row]) -> Curve:
    settlements = [
        Settlement(int(row[2] or 0), Decimal(str(row[3])), None if row[4] is None else int(row[4]))
        for row in rows
        if since_ms <= int(row[2] or 0) < until_ms
    ]
    return Curve(series, since_ms, until_ms, settlements)


@attrs.frozen
class Day:
    """What a hedge of one notional received on one UTC day: ``short`` receives the rate, ``long`` pays it."""

    date: date
    long: Decimal
    short: Decimal

    @property
    def spread(self) -> Decimal:
        return self.short - self.long


def days(long: Curve, short: Curve) -> list[Day]:
    """Each UTC day that both legs cover whole."""
    start = -(-max(long.since_ms, short.since_ms) // _DAY_MS)
    end = min(_whole_days(long), _whole_days(short))
    sums = [_sums(long), _sums(short)]
    zero = Decimal(0)
    epoch = datetime.fromtimestamp(0, tz=UTC).date()
    return [
        Day(epoch + timedelta(days=day), sums[0].get(day, zero), sums[1].get(day, zero)) for day in range(start, end)
    ]


def _whole_days(curve: Curve) -> int:
    """The first day (since 1970) that is not whole: up to now, the next settlement may still be due in it."""
    end = curve.until_ms
    if curve.settlements and (interval := curve.settlements[-1].interval) is not None:
        end = min(end, curve.settlements[-1].settled_ms + interval * 1000)
    return end // _DAY_MS


def _sums(curve: Curve) -> Mapping[int, Decimal]:
    found: dict[int, Decimal] = {}
    for one in curve.settlements:
        day = one.settled_ms // _DAY_MS
        found[day] = found.get(day, Decimal(0)) + one.rate
    return found

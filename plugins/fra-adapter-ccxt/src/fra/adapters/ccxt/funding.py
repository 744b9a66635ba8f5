"""Funding rates from ccxt: the interval that it names, if the venue does; the next settlement; and no guesses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Final

from fra.adapters.ccxt.convert import Raw, moment, needed
from fra.adapters.ccxt.numbers import number, positive
from fra.core import FundingRate, IntervalSource, RateKind, Symbol

Interval = tuple[timedelta, IntervalSource] | None
"""A funding interval and where it is from; None is unknown."""

_WORD: Final = re.compile(r"(\d+)(m|h|d)")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
_LEARN_AGAIN_MS: Final = 600_000
_LONGEST_MS: Final = 86_400_000


def outdated(learnt_ms: int | None, now_ms: int) -> bool:
    """Whether a list of intervals is to be asked for again: each ten minutes, and after each full hour, since a venue
    changes an interval at a settlement, and settles at full hours.
    """
    if learnt_ms is None:
        return True
    return now_ms - learnt_ms >= _LEARN_AGAIN_MS or now_ms // _HOUR_MS != learnt_ms // _HOUR_MS


def worded(interval: object) -> timedelta | None:
    """ccxt's "8h" as a time; None for what is no such word, or nothing."""
    match = _WORD.fullmatch(interval) if isinstance(interval, str) else None
    if match is None or not int(match[1]):
        return None
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def apart(settlement: object, following: object) -> timedelta | None:
    """The time between the next settlement and the one after it; None where one of them is not told."""
    first, second = moment(settlement), moment(following)
    return None if first is None or second is None else _gap(first, second)


def upcoming(stamp: object, now_ms: int) -> int | None:
    """A settlement time if it is still to come."""
    made = moment(stamp)
    return made if made is not None and made > now_ms else None


def funding_rate(
    raw: Raw, symbol: Symbol, *, received_ms: int, interval: Interval, next_settlement_ms: int | None
) -> FundingRate:
    """The running estimate. Raises ExchangeAPIError when there is no rate."""
    return FundingRate(
        symbol=symbol.name,
        kind=RateKind.ESTIMATED,
        rate=needed(number(raw.get("fundingRate")), "funding rate", symbol),
        received_ms=received_ms,
        timestamp_ms=moment(raw.get("timestamp")),
        interval=interval[0] if interval else None,
        interval_source=interval[1] if interval else None,
        next_settlement_ms=next_settlement_ms,
        mark_price=positive(raw.get("markPrice")),
        index_price=positive(raw.get("indexPrice")),
    )


async def one_by_one(
    symbols: Iterable[Symbol], ask: Callable[[Symbol], Awaitable[FundingRate | None]], *, at_once: int
) -> list[FundingRate]:
    """The rates of a venue that tells them one symbol at a time, ``at_once`` of them at the same time; None is left
    out. Raises what the first failure raises, and asks no further then.
    """
    free = asyncio.Semaphore(at_once)

    async def one(symbol: Symbol) -> FundingRate | None:
        async with free:
            return await ask(symbol)

    tasks = [asyncio.ensure_future(one(symbol)) for symbol in symbols]
    try:
        return [rate for rate in await asyncio.gather(*tasks) if rate is not None]
    finally:
        for task in tasks:
            task.cancel()


def settled_rates(
    rows: Iterable[Raw], symbol: Symbol, *, received_ms: int, settled_at: Callable[[Raw], int | None]
) -> list[FundingRate]:
    """Settled rates, oldest first; each interval is the time since the settlement before it in the answer."""
    dated = sorted(((stamp, row) for row in rows if (stamp := settled_at(row)) is not None), key=lambda pair: pair[0])
    gaps: list[timedelta | None] = [None, *(_gap(before[0], after[0]) for before, after in pairwise(dated))]
    return [
        FundingRate(
            symbol=symbol.name,
            kind=RateKind.SETTLED,
            rate=needed(number(row.get("fundingRate")), "funding rate", symbol),
            received_ms=received_ms,
            timestamp_ms=stamp,
            settled_ms=stamp,
            interval=gap,
            interval_source=IntervalSource.DERIVED if gap else None,
        )
        for (stamp, row), gap in zip(dated, gaps, strict=False)
    ]


def _gap(before: int, after: int) -> timedelta | None:
    """The time between two settlements, to the minute; None beyond a day, where some are surely missing."""
    minutes = round((after - before) / _MINUTE_MS)
    return timedelta(minutes=minutes) if 0 < minutes * _MINUTE_MS <= _LONGEST_MS else None

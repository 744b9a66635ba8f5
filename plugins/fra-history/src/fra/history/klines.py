"""Klines page by page: every candle, or a word for why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from fra.core import Kline, KlineInterval
from fra.history.asking import Source
from fra.history.calendar import longest_ms, next_open, opens
from fra.history.errors import HistoryGap, RangeNotServed
from fra.history.moments import brief, now_ms
from fra.history.rows import Row, kline_row, missing_row
from fra.history.series import Page, Progress, Series

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

Missing = Literal["refuse", "row"]
# How long after its end a candle is taken as closed where the venue does not say.
_SETTLE_MS: Final = 10_000
_NAMED: Final = 5


async def walk(
    handle: ExchangeHandle, series: Series, progress: Progress, until_ms: int, *, missing: Missing = "refuse"
) -> AsyncIterator[Page]:
    """The closed candles that open from where ``progress`` stands to before ``until_ms``.

    A candle that the venue leaves out between two others is asked for once more. If it stays out it is HistoryGap, or
    with ``missing="row"`` a row that says so. Raises RangeNotServed where candles begin too late or end too early.
    """
    interval = KlineInterval(series.interval)
    step = longest_ms(interval)

    async def fetch(start: int) -> list[Kline]:
        return list(await handle.get_klines(series.symbol, interval, since=start))

    source = Source(series.exchange, fetch, lambda kline: kline.open_ms, lambda kline: kline)
    due = int(progress.tail[0]) if progress.tail else None
    start = due if due is not None else progress.since_ms
    while start < until_ms:
        candles = await source.page_from(start)
        now = now_ms()
        if not candles:
            if start + (2 * step if due is None else step) + _SETTLE_MS > now:
                return  # nothing has closed since
            found = await source.first_from(start, min(until_ms, now), step_ms=step)
            if found is None:
                raise _ends(series, start, until_ms, started=due is not None)
            candles = [found]
        rows: list[Row] = []
        ended = False
        for candle in candles:
            if due is None:
                if candle.open_ms >= min(progress.since_ms + step, until_ms):
                    if candle.open_ms - step < progress.since_ms:
                        return  # no candle opens in the range
                    raise RangeNotServed(
                        f"{series.name}: klines are served from {brief(candle.open_ms)} on, "
                        f"not from {brief(progress.since_ms)}",
                        exchange=series.exchange,
                        served_from=candle.open_ms,
                        cure=f"--since {brief(candle.open_ms)}",
                    )
            elif candle.open_ms > due:
                rows += await _between(source, series, interval, due, min(candle.open_ms, until_ms), missing)
            elif candle.open_ms < due:
                raise HistoryGap(
                    f"{series.name}: a candle opens at {brief(candle.open_ms)}, within the one before",
                    exchange=series.exchange,
                    times=(candle.open_ms,),
                )
            ended = candle.open_ms >= until_ms or not _is_closed(candle, now, last=candle is candles[-1])
            if ended:
                break
            due = next_open(interval, candle.open_ms)
            rows.append(kline_row(series.exchange, candle))
        if rows:
            due = next_open(interval, int(rows[-1][3] or 0))
            yield Page(rows, Progress(progress.since_ms, due, (due,)))
        if ended or due is None:
            return
        start = due


def _is_closed(candle: Kline, now: int, *, last: bool) -> bool:
    if candle.closed is not None:
        return candle.closed
    return not last or next_open(candle.interval, candle.open_ms) + _SETTLE_MS <= now


async def _between(
    source: Source[Kline], series: Series, interval: KlineInterval, start: int, end: int, missing: Missing
) -> list[Row]:
    """The rows of [start, end), of which a page left out at least the first.

    Only a venue that still serves the candle before can have left out this one; else it serves that time no more.
    """
    known = await source.page_from(start - longest_ms(interval))
    if not known or known[0].open_ms >= start:
        raise RangeNotServed(
            f"{series.name}: klines from {brief(start)} on are served no more, only those from {brief(end)} on",
            exchange=series.exchange,
            served_from=end,
            cure=f"another --out with --since {brief(end)}",
        )
    again = {candle.open_ms: candle for candle in await source.page_from(start) if candle.open_ms < end}
    rows: list[Row] = []
    absent: list[int] = []
    for at in opens(interval, start, end):
        if (candle := again.get(at)) is not None:
            rows.append(kline_row(series.exchange, candle))
        else:
            absent.append(at)
            rows.append(missing_row(series.exchange, series.symbol, interval.value, at))
    if absent and missing == "refuse":
        named = ", ".join(brief(at) for at in islice(absent, _NAMED))
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        raise HistoryGap(
            f"{series.name}: {len(absent)} candle{'s are' if len(absent) > 1 else ' is'} missing: {named}{more}",
            exchange=series.exchange,
            times=tuple(absent),
            cure="--missing row writes each as a row that says so",
        )
    return rows


def _ends(series: Series, start: int, until_ms: int, *, started: bool) -> RangeNotServed:
    if not started:
        return RangeNotServed(f"{series.name}: no klines are served from {brief(start)} on", exchange=series.exchange)
    return RangeNotServed(
        f"{series.name}: klines are served up to {brief(start)}, not to {brief(until_ms)}",
        exchange=series.exchange,
        served_until=start,
        cure=f"--until {brief(start)}",
    )

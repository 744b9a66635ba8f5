"""Public trades: the interface offers the latest page, so a range is had whole from it or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from fra.history.asking import patiently
from fra.history.errors import HistoryGap, RangeNotServed
from fra.history.moments import brief
from fra.history.rows import trade_row
from fra.history.series import Page, Progress, Series

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

_MOST: Final = 1_000


async def walk(handle: ExchangeHandle, series: Series, progress: Progress, until_ms: int) -> AsyncIterator[Page]:
    """The trades from where ``progress`` stands to before ``until_ms``.

    Raises RangeNotServed unless the venue's latest page reaches back to before the range, and HistoryGap when it no
    longer reaches the trade that was written last.
    """
    page = await patiently(lambda: handle.get_trades(series.symbol, limit=_MOST))
    page = sorted(page, key=lambda trade: trade.timestamp_ms)  # stable: the venue's order within a millisecond
    if not page:
        raise RangeNotServed(f"{series.name}: no trades are served now", exchange=series.exchange)
    oldest = page[0].timestamp_ms
    known = frozenset(map(str, progress.tail))
    if not known and oldest >= progress.since_ms:
        raise RangeNotServed(
            f"{series.name}: trades are served from {brief(oldest)} on, not from {brief(progress.since_ms)}",
            exchange=series.exchange,
            served_from=oldest + 1,
            cure=f"--since {brief(oldest + 1)}",
        )
    last = progress.proven_ms
    if known and not known <= {trade.id for trade in page if trade.timestamp_ms == last}:
        raise HistoryGap(
            f"{series.name}: trades between {brief(last)} and {brief(oldest)} are served no more",
            exchange=series.exchange,
            times=(last, oldest),
            cure=f"another --out with --since {brief(oldest + 1)}",
        )
    fresh = {
        trade.id: trade
        for trade in page
        if last <= trade.timestamp_ms < until_ms and trade.timestamp_ms >= progress.since_ms and trade.id not in known
    }
    newest = max((trade.timestamp_ms for trade in fresh.values()), default=last)
    ids = tuple(trade.id for trade in fresh.values() if trade.timestamp_ms == newest)
    if newest == last:
        ids = tuple(dict.fromkeys((*map(str, progress.tail), *ids)))
    rows = [trade_row(series.exchange, trade) for trade in fresh.values()]
    yield Page(rows, Progress(progress.since_ms, newest, ids))

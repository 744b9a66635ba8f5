"""Public trades: whole from the latest page, or refused."""

from decimal import Decimal

import pytest

from fra.core import Side, Trade
from fra.history import trades
from fra.history.errors import HistoryGap, RangeNotServed
from fra.history.series import Progress, Series

SERIES = Series("venue", "BTC/USDT")


class LatestPage:
    """Trades as (id, ms); the page holds the last ``size``."""

    def __init__(self, *pairs, size=5):
        self.pairs, self.size = pairs, size

    async def get_trades(self, symbol, *, limit=None):
        return [
            Trade(symbol, str(id), Decimal(1), Decimal("0.10"), Side.BUY, at, at + 5)
            for id, at in self.pairs[-self.size :]
        ]


async def walked(venue, progress, until=1_000_000):
    rows = []
    async for page in trades.walk(venue, SERIES, progress, until):
        rows += page.rows
        progress = page.progress
    return [row[3] for row in rows], progress


async def test_a_page_that_reaches_back_to_before_the_range_proves_it():
    ids, progress = await walked(LatestPage((1, 10), (2, 20), (3, 30), (4, 30)), Progress.start(11))
    assert (ids, progress.proven_ms, progress.tail) == (["2", "3", "4"], 30, ("3", "4"))


@pytest.mark.parametrize("since", [5, 10])
async def test_a_page_that_does_not_is_refused_with_its_first_moment(since):
    with pytest.raises(RangeNotServed) as refused:
        await walked(LatestPage((1, 10), (2, 20)), Progress.start(since))
    assert refused.value.served_from == 11


async def test_no_trades_are_no_proof():
    with pytest.raises(RangeNotServed):
        await walked(LatestPage(), Progress.start(5))


async def test_a_later_page_joins_on_without_repeats():
    pairs = [(1, 10), (2, 20), (3, 30)]
    _, progress = await walked(LatestPage(*pairs), Progress.start(15))
    ids, progress = await walked(LatestPage(*pairs, (4, 30), (5, 40)), progress)
    assert (ids, progress.tail) == (["4", "5"], ("5",))


async def test_of_one_millisecond_each_is_had_once():
    pairs = [(1, 10), (2, 20)]
    _, progress = await walked(LatestPage(*pairs), Progress.start(15))
    _, progress = await walked(LatestPage(*pairs, (3, 20)), progress)
    assert progress.tail == ("2", "3")
    assert (await walked(LatestPage(*pairs, (3, 20), (4, 20)), progress))[0] == ["4"]


async def test_a_page_that_no_longer_reaches_the_last_trade_is_a_gap():
    _, progress = await walked(LatestPage((1, 10), (2, 20)), Progress.start(15))
    with pytest.raises(HistoryGap):
        await walked(LatestPage((2, 20), (3, 30), (4, 40), size=2), progress)


async def test_trades_from_until_on_are_left_for_later():
    ids, progress = await walked(LatestPage((1, 10), (2, 20), (3, 30)), Progress.start(15), until=30)
    assert (ids, progress.proven_ms) == (["2"], 20)

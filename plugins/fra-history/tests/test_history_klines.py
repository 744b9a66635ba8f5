"""Every candle of a range, or a refusal, whatever the venue's pages are like."""

import pytest

from fra.core import KlineInterval
from fra.history import klines
from fra.history.calendar import next_open
from fra.history.errors import HistoryGap, RangeNotServed
from fra.history.moments import now_ms
from fra.history.series import Progress, Series

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_700_006_400_000  # 2023-11-15T00:00Z
HOURS = [START + n * HOUR for n in range(48)]


async def walked(venue, *, since=START, until=START + 24 * HOUR, interval="1h", progress=None, **options):
    series = Series("venue", "BTC/USDT", interval)
    progress = progress or Progress.start(since)
    rows = []
    async for page in klines.walk(venue, series, progress, until, **options):
        rows += page.rows
        progress = page.progress
    return rows, progress


def opened(rows):
    return [row[3] for row in rows]


@pytest.mark.parametrize(
    "habits",
    [{}, {"page": 1}, {"page": 500}, {"repeats": True}, {"window": 2 * HOUR}, {"repeats": True, "page": 1}],
    ids=str,
)
async def test_pages_become_one_series(paged, habits):
    rows, progress = await walked(paged(HOURS, **habits))
    assert opened(rows) == HOURS[:24]
    assert progress.proven_ms == START + 24 * HOUR


async def test_a_range_that_begins_within_a_candle_has_the_next_one_first(paged):
    rows, _ = await walked(paged(HOURS), since=START + 1, until=START + 3 * HOUR + 1)
    assert opened(rows) == HOURS[1:4]


@pytest.mark.parametrize("empty", [True, False])
async def test_candles_that_begin_too_late_are_refused_with_the_first_moment_served(paged, empty):
    with pytest.raises(RangeNotServed) as refused:
        await walked(paged(HOURS, served_from=HOURS[7], empty=empty))
    assert refused.value.served_from == HOURS[7]
    assert "--since 2023-11-15T07:00Z" in str(refused.value)


async def test_candles_that_end_too_early_are_refused_with_the_last_moment_served(paged):
    with pytest.raises(RangeNotServed) as refused:
        await walked(paged(HOURS[:10]))
    assert refused.value.served_until == HOURS[10]


async def test_a_venue_without_any_is_refused(paged):
    with pytest.raises(RangeNotServed):
        await walked(paged([]))


@pytest.mark.parametrize("page", [1, 3, 500])
@pytest.mark.parametrize("window", [None, 3 * HOUR])
async def test_a_missing_candle_is_named(paged, page, window):
    venue = paged([at for at in HOURS if at not in HOURS[5:12]], page=page, window=window)
    with pytest.raises(HistoryGap) as gap:
        await walked(venue)
    assert gap.value.times == tuple(HOURS[5:12])
    assert "2023-11-15T05:00Z" in str(gap.value)


@pytest.mark.parametrize("page", [1, 3, 500])
async def test_a_missing_candle_is_a_row_when_asked_for(paged, page):
    venue = paged([at for at in HOURS if at != HOURS[5]], page=page)
    rows, _ = await walked(venue, missing="row")
    assert opened(rows) == HOURS[:24]
    assert [row[3] for row in rows if row[-1]] == [HOURS[5]]
    assert rows[5][4:10] == (None,) * 6


async def test_a_candle_that_only_one_answer_lacked_is_had(paged):
    venue = paged(HOURS, page=500)
    whole = venue._page

    def once_without(since):
        return [at for at in whole(since) if at != HOURS[5] or len(venue.asked) > 1]

    venue._page = once_without
    rows, _ = await walked(venue)
    assert opened(rows) == HOURS[:24]


async def test_what_was_had_before_the_gap_is_kept(paged):
    seen = []
    venue = paged([at for at in HOURS if at != HOURS[7]])
    pages = klines.walk(venue, Series("venue", "BTC/USDT", "1h"), Progress.start(START), HOURS[24])

    async def read():
        async for page in pages:
            seen.extend(opened(page.rows))

    with pytest.raises(HistoryGap):
        await read()
    assert seen == HOURS[:6]


async def test_the_running_candle_is_left_out(paged):
    now = now_ms() // HOUR * HOUR
    venue = paged([now - n * HOUR for n in range(5)])

    async def undecided(symbol, interval, *, since=None, **rest):
        from attrs import evolve

        return [evolve(k, closed=None) for k in await type(venue).get_klines(venue, symbol, interval, since=since)]

    venue.get_klines = undecided
    rows, progress = await walked(venue, since=now - 3 * HOUR, until=now_ms())
    assert opened(rows)[:2] == [now - 3 * HOUR, now - 2 * HOUR]
    assert now not in opened(rows)
    assert progress.proven_ms == opened(rows)[-1] + HOUR


async def test_what_goes_on_from_a_page_is_what_would_have_come_at_once(paged):
    straight, end = await walked(paged(HOURS))
    first, middle = await walked(paged(HOURS), until=HOURS[10])
    rest, resumed = await walked(paged(HOURS, page=7), progress=middle)
    assert (first + rest, resumed) == (straight, end)


async def test_a_gap_where_two_runs_meet_is_found(paged):
    _, middle = await walked(paged(HOURS), until=HOURS[10])
    with pytest.raises(HistoryGap):
        await walked(paged([at for at in HOURS if at != HOURS[10]]), progress=middle)


@pytest.mark.parametrize("empty", [True, False])
async def test_what_is_served_no_more_is_no_missing_candle(paged, empty):
    _, middle = await walked(paged(HOURS), until=HOURS[10])
    with pytest.raises(RangeNotServed) as refused:
        await walked(paged(HOURS, served_from=HOURS[15], empty=empty), progress=middle, missing="row")
    assert refused.value.served_from == HOURS[15]


async def test_two_candles_that_disagree_are_refused(paged):
    from decimal import Decimal

    from attrs import evolve

    venue = paged(HOURS)

    async def twice(symbol, interval, *, since=None, **rest):
        page = await type(venue).get_klines(venue, symbol, interval, since=since)
        return [*page, evolve(page[0], close=Decimal(1))]

    venue.get_klines = twice
    with pytest.raises(HistoryGap, match="differ"):
        await walked(venue)


@pytest.mark.parametrize(
    ("opened_at", "following"),
    [
        (1_706_745_600_000, 1_709_251_200_000),  # 2024-02-01 → 2024-03-01, UTC
        (1_706_716_800_000, 1_709_222_400_000),  # 2024-01-31T16:00 → 2024-02-29T16:00: UTC+8
    ],
)
def test_months_follow_the_calendar_of_the_venue(opened_at, following):
    assert next_open(KlineInterval.MONTH, opened_at) == following

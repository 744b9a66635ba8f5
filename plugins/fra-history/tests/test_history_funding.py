"""Every settlement of a range, or a refusal, while intervals change."""

from datetime import timedelta

import pytest

from fra.history import funding
from fra.history.errors import HistoryGap, RangeNotServed
from fra.history.moments import now_ms
from fra.history.series import Progress, Series

HOUR = 3_600_000
START = 1_700_006_400_000  # 2023-11-15T00:00Z


def every(hours, *, start=0, end=96):
    return [START + n * HOUR for n in range(start, end, hours)]


async def walked(venue, *, since=START, until=START + 48 * HOUR, progress=None):
    progress = progress or Progress.start(since)
    rows = []
    async for page in funding.walk(venue, Series("venue", "BTC/USDT:USDT"), progress, until):
        rows += page.rows
        progress = page.progress
    return rows, progress


def times(rows):
    return [row[2] for row in rows]


@pytest.mark.parametrize("habits", [{}, {"page": 1}, {"page": 500}, {"repeats": True}, {"window": 24 * HOUR}], ids=str)
async def test_pages_become_one_series(paged, habits):
    rows, progress = await walked(paged(every(8), **habits))
    assert times(rows) == every(8)[:6]
    assert progress.proven_ms == START + 48 * HOUR


@pytest.mark.parametrize("page", [1, 2, 3, 5, 500])
@pytest.mark.parametrize(
    "settled",
    [
        every(8, end=24) + every(4, start=24, end=60) + every(1, start=60),
        every(1, end=21) + every(8, start=24),  # the change waits for the eight-hour grid
        every(4, end=24) + every(8, start=24),
    ],
    ids=["8 4 1", "1 8", "4 8"],
)
async def test_an_interval_may_change(paged, page, settled):
    rows, _ = await walked(paged(settled, page=page), until=START + 72 * HOUR)
    assert times(rows) == [at for at in settled if at < START + 72 * HOUR]


async def test_the_interval_of_a_row_does_not_depend_on_its_page(paged):
    settled = every(8, start=-48, end=24) + every(4, start=24)
    pages = [(await walked(paged(settled, page=size)))[0] for size in (1, 2, 7, 500)]
    assert all(rows == pages[0] for rows in pages)
    assert [row[4] for row in pages[0]] == [8 * 3600] * 4 + [4 * 3600] * 5
    assert {row[5] for row in pages[0]} == {"derived"}


async def test_a_reported_interval_stays_reported(paged, hours):
    rows, _ = await walked(paged(every(4), reported=hours(4)))
    assert {row[4:6] for row in rows} == {(4 * 3600, "reported")}


@pytest.mark.parametrize("page", [1, 3, 500])
@pytest.mark.parametrize("hour", [8, 16, 40])
async def test_a_settlement_left_out_is_a_gap(paged, page, hour):
    settled = [at for at in every(8, start=-24) if at != START + hour * HOUR]
    with pytest.raises(HistoryGap) as gap:
        await walked(paged(settled, page=page))
    assert gap.value.times == (START + (hour - 8) * HOUR, START + (hour + 8) * HOUR)


async def test_settlements_some_milliseconds_late_are_on_time(paged):
    settled = [at + n % 7 for n, at in enumerate(every(8))]
    rows, _ = await walked(paged(settled), since=START - HOUR)
    assert len(rows) == 6


@pytest.mark.parametrize("empty", [True, False])
async def test_settlements_that_begin_too_late_are_refused_with_the_first_served(paged, empty):
    venue = paged(every(8), served_from=START + 24 * HOUR, empty=empty)
    with pytest.raises(RangeNotServed) as refused:
        await walked(venue)
    assert refused.value.served_from == START + 24 * HOUR


async def test_from_the_first_moment_served_it_is_served(paged):
    venue = paged(every(8), served_from=START + 24 * HOUR)
    rows, _ = await walked(venue, since=START + 24 * HOUR)
    assert times(rows) == every(8)[3:6]


async def test_a_settlement_due_at_the_very_beginning_is_missed(paged):
    with pytest.raises(RangeNotServed):
        await walked(paged(every(8), served_from=START + HOUR))


async def test_settlements_that_end_too_early_are_refused_with_the_last(paged):
    with pytest.raises(RangeNotServed) as refused:
        await walked(paged(every(8, end=24)))
    assert refused.value.served_until == START + 16 * HOUR + 1


async def test_one_settlement_proves_nothing_of_the_time_around_it(paged):
    with pytest.raises(RangeNotServed):
        await walked(paged([START + 8 * HOUR]))


async def test_a_venue_without_any_is_refused(paged):
    with pytest.raises(RangeNotServed):
        await walked(paged([]))


async def test_up_to_now_the_next_settlement_is_not_missed(paged, hours):
    now = now_ms()
    settled = [now - n * 8 * HOUR - HOUR for n in range(20)]
    rows, progress = await walked(paged(settled, interval=hours(8)), since=now - 48 * HOUR, until=now)
    assert (len(rows), progress.proven_ms) == (6, now - HOUR + 1)


async def test_the_running_interval_explains_the_last_settlement_after_a_change(paged, hours):
    now = now_ms()
    settled = [now - HOUR] + [now - 9 * HOUR - n * 4 * HOUR for n in range(20)]
    rows, _ = await walked(paged(settled, interval=hours(8)), since=now - 48 * HOUR, until=now)
    assert times(rows)[-1] == now - HOUR
    with pytest.raises(HistoryGap):
        await walked(paged(settled, interval=timedelta(hours=4)), since=now - 48 * HOUR, until=now)


async def test_a_range_between_two_settlements_is_empty_and_whole(paged):
    rows, progress = await walked(paged(every(8, start=-24)), since=START + HOUR, until=START + 7 * HOUR)
    assert (rows, progress.proven_ms) == ([], START + 7 * HOUR)


@pytest.mark.parametrize("at", [9, 24, 30])
async def test_what_goes_on_from_a_page_is_what_would_have_come_at_once(paged, at):
    settled = every(8, start=-24, end=24) + every(4, start=24)
    straight, end = await walked(paged(settled))
    first, middle = await walked(paged(settled), until=START + at * HOUR)
    rest, resumed = await walked(paged(settled, page=2), progress=middle)
    assert (first + rest, resumed) == (straight, end)

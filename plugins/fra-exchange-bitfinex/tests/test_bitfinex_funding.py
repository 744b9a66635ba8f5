"""Funding on Bitfinex, of its rows without names.

No funding answer of Bitfinex was recorded, so the rows here are written as Bitfinex's document pages "Derivatives
Status" and "Derivatives Status History" show them, with values of our own.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from ccxt_local import Local
from ccxt_plain import with_recordings

from fra.core import ExchangeAPIError, IntervalSource, RateKind
from fra.exchanges.bitfinex import BitfinexPlugin
from fra.exchanges.bitfinex.funding import Seen, Status, interval, settlements

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NAME = "BTC/USDT:USDT"
DAY = 1_760_054_400_000
"""A midnight in UTC."""


def now_ms() -> int:
    return int(time.time() * 1000)


def next_event() -> int:
    """The next time of the eight-hourly grid, as Bitfinex names it."""
    return (now_ms() // (8 * HOUR_MS) + 1) * 8 * HOUR_MS


def row(
    key: str = "tBTCF0:USTF0", *, stamp: int | None = None, event: int | None = 0, rate: Any = 0.00007587
) -> list[Any]:
    made: list[Any] = [None] * 24
    made[0], made[1] = key, now_ms() if stamp is None else stamp
    made[3], made[4], made[6] = 61230.5, 61228.25, 36950860.76010306
    made[8], made[9], made[10] = next_event() if event == 0 else event, 0.00018734, 3343
    made[12], made[15], made[18], made[22], made[23] = rate, 61229.995, 9636.07644994, 0.0005, 0.0025
    return made


def snapshot(stamp: int, event: int, rate: float = 0.0001) -> list[Any]:
    """A row of the history, which has no key."""
    return row(stamp=stamp, event=event, rate=rate)[1:]


class Venue:
    def __init__(self, *rows: list[Any]) -> None:
        self.rows = list(rows) or [row()]
        self.snapshots: list[list[Any]] = []

    def __call__(self, request: web.Request) -> Any:
        query = request.query
        if request.path.endswith("/hist"):
            first, last = int(query.get("start", 0)), int(query.get("end", now_ms()))
            found = [one for one in self.snapshots if first <= one[0] <= last]
            found.sort(key=lambda one: one[0] * int(query["sort"]))
            return json.dumps(found[: int(query["limit"])])
        keys = query["keys"].split(",")
        return json.dumps([one for one in self.rows if one[0] in keys])


@with_recordings
@pytest.mark.parametrize("documented", [pytest.param(Venue, id="documented")])
async def test_a_running_rate_has_its_settlement_its_mark_and_the_documented_interval(documented: type[Venue]) -> None:
    venue = documented()
    async with Local(venue).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        rate = await bitfinex.get_funding_rate(bitfinex.symbol(NAME))
    sent = venue.rows[0]
    assert (rate.kind, rate.rate, rate.timestamp_ms) == (RateKind.ESTIMATED, Decimal("0.00007587"), sent[1])
    assert (rate.interval, rate.interval_source) == (timedelta(hours=8), IntervalSource.VENUE_DEFAULT)
    assert rate.next_settlement_ms == sent[8]
    assert not rate.next_settlement_derived
    assert (rate.mark_price, rate.index_price) == (Decimal("61229.995"), None)
    assert (rate.cap, rate.floor) == (Decimal("0.0025"), Decimal("-0.0025"))


@with_recordings
async def test_all_rates_come_in_one_answer_without_those_that_have_none() -> None:
    eth = row("tETHF0:USTF0", rate=-0.0002)
    local = Local(Venue(row(), eth, row("tLTCF0:USTF0", rate=None)))
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        rates = {rate.symbol: rate.rate for rate in await bitfinex.get_funding_rates()}
        with pytest.raises(ExchangeAPIError, match="funding rate"):
            await bitfinex.get_funding_rates([bitfinex.symbol("LTC/USDT:USDT")])
        with pytest.raises(ExchangeAPIError, match="funding rate"):
            await bitfinex.get_funding_rates([bitfinex.symbol("ADA/USDT:USDT")])
    assert rates == {NAME: Decimal("0.00007587"), "ETH/USDT:USDT": Decimal("-0.0002")}


@with_recordings
@pytest.mark.parametrize("event", [None, 1], ids=["documented-null", "documented-past"])
async def test_without_a_settlement_to_come_interval_and_settlement_are_unknown(event: int | None) -> None:
    async with Local(Venue(row(event=event))).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        rate = await bitfinex.get_funding_rate(bitfinex.symbol(NAME))
    assert (rate.interval, rate.interval_source, rate.next_settlement_ms) == (None, None, None)


@with_recordings
async def test_a_change_in_mid_life_shows_between_two_answers() -> None:
    event = next_event()
    venue = Venue(row(event=event))
    async with Local(venue).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        symbol = bitfinex.symbol(NAME)
        answers = []
        for stamp, then in ((event - HOUR_MS, event), (event + MINUTE_MS, event + 4 * HOUR_MS)):
            venue.rows = [row(stamp=stamp, event=then)]
            answers.append(await bitfinex.get_funding_rate(symbol))
    assert [(rate.interval, rate.interval_source) for rate in answers] == [
        (timedelta(hours=8), IntervalSource.VENUE_DEFAULT),
        (timedelta(hours=4), IntervalSource.DERIVED),
    ]


@pytest.mark.parametrize("hours", [1, 2, 4, 6, 8], ids=lambda hours: f"documented-{hours}h")
def test_two_settlements_that_were_seen_are_the_interval(hours: int) -> None:
    status = Status.of(row(stamp=DAY + MINUTE_MS, event=DAY + hours * HOUR_MS))
    assert interval(status, Seen(DAY, None)) == (timedelta(hours=hours), IntervalSource.DERIVED)


@pytest.mark.parametrize("hours", [1, 2, 4, 6], ids=lambda hours: f"documented-{hours}h")
def test_a_settlement_off_the_documented_grid_leaves_the_interval_unknown(hours: int) -> None:
    assert interval(Status.of(row(stamp=DAY + MINUTE_MS, event=DAY + hours * HOUR_MS)), None) is None


@pytest.mark.parametrize(
    ("stamp", "event", "before"),
    [
        (DAY + 2 * HOUR_MS, DAY + 4 * HOUR_MS, Seen(DAY, None)),
        (DAY, DAY + 16 * HOUR_MS, None),
        (DAY + 9 * HOUR_MS, DAY + 8 * HOUR_MS, None),
    ],
    ids=["seen too late", "too far off", "passed"],
)
def test_what_speaks_against_eight_hours_makes_the_interval_unknown(
    stamp: int, event: int, before: Seen | None
) -> None:
    assert interval(Status.of(row(stamp=stamp, event=event)), before) is None


def test_an_interval_that_was_seen_stays_until_its_settlement() -> None:
    known = (timedelta(hours=4), IntervalSource.DERIVED)
    status = Status.of(row(stamp=DAY + 3 * HOUR_MS, event=DAY + 8 * HOUR_MS))
    assert interval(status, Seen(DAY + 8 * HOUR_MS, known)) == known


def snapshots(*events: tuple[int, float], every: int = 30 * MINUTE_MS) -> list[list[Any]]:
    """Rows each half hour from eight hours before the first settlement to the last one."""
    made, stamp = [], events[0][0] - 8 * HOUR_MS
    for event, rate in events:
        while stamp < event:
            made.append(snapshot(stamp, event, rate))
            stamp += every
    return made


@with_recordings
async def test_settled_history_is_read_off_the_snapshots() -> None:
    venue = Venue()
    hours = (0, 8, 16, 20, 24)
    venue.snapshots = snapshots(*((DAY + hour * HOUR_MS, round(0.0001 + hour / 10_000, 4)) for hour in hours))
    async with Local(venue).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        symbol = bitfinex.symbol(NAME)
        rates = await bitfinex.get_funding_rate_history(symbol, since=DAY)
        newest = await bitfinex.get_funding_rate_history(symbol, limit=2)
        part = await bitfinex.get_funding_rate_history(symbol, since=DAY + 1, until=DAY + 20 * HOUR_MS)
    assert [rate.settled_ms for rate in rates][:4] == [DAY + hour * HOUR_MS for hour in (0, 8, 16, 20)]
    assert [rate.rate for rate in rates][:4] == [Decimal(f"0.{1 + hour:04}") for hour in (0, 8, 16, 20)]
    assert [rate.interval and rate.interval // timedelta(hours=1) for rate in rates][:4] == [None, 8, 8, 4]
    assert {rate.interval_source for rate in rates} == {None, IntervalSource.DERIVED}
    assert [rate.settled_ms for rate in part] == [DAY + 8 * HOUR_MS, DAY + 16 * HOUR_MS]
    assert [rate.settled_ms for rate in newest] == [DAY + hour * HOUR_MS for hour in (16, 20)]


def test_a_settlement_that_was_moved_before_it_came_does_not_count() -> None:
    rows = [
        snapshot(DAY, DAY + 8 * HOUR_MS),
        snapshot(DAY + HOUR_MS, DAY + 4 * HOUR_MS),
        snapshot(DAY + 5 * HOUR_MS, DAY + 8 * HOUR_MS, 0.0003),
        snapshot(DAY + 9 * HOUR_MS, DAY + 12 * HOUR_MS),
    ]
    found = settlements(rows, DAY + 9 * HOUR_MS)
    assert {time - DAY: status.rate for time, status in found.items()} == {4 * HOUR_MS: 0.0001, 8 * HOUR_MS: 0.0003}


@with_recordings
async def test_where_settlements_are_missing_the_interval_is_unknown() -> None:
    venue = Venue()
    first, third = DAY, DAY + 16 * HOUR_MS
    venue.snapshots = [
        snapshot(first - MINUTE_MS, first),
        snapshot(first + MINUTE_MS, third),
        snapshot(third - MINUTE_MS, third),
        snapshot(third + MINUTE_MS, third + 8 * HOUR_MS),
    ]
    async with Local(venue).adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        rates = await bitfinex.get_funding_rate_history(bitfinex.symbol(NAME), since=DAY)
    assert [(rate.settled_ms, rate.interval) for rate in rates] == [(first, None), (third, None)]


@with_recordings
async def test_settled_history_goes_on_over_full_pages_without_a_settlement() -> None:
    venue = Venue()
    every = 4_000
    begin = DAY + HOUR_MS
    venue.snapshots = [snapshot(begin + n * every, DAY + 8 * HOUR_MS) for n in range(6 * HOUR_MS // every)]
    venue.snapshots += [
        snapshot(DAY + 8 * HOUR_MS - MINUTE_MS, DAY + 8 * HOUR_MS, 0.0007),
        snapshot(DAY + 8 * HOUR_MS + MINUTE_MS, DAY + 16 * HOUR_MS),
    ]
    local = Local(venue)
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        (rate,) = await bitfinex.get_funding_rate_history(bitfinex.symbol(NAME), since=begin)
    assert (rate.settled_ms, rate.rate) == (DAY + 8 * HOUR_MS, Decimal("0.0007"))
    assert len(local.asked) == 2

"""Funding on Crypto.com: the interval is read off its settlements, and unknown where they do not agree.

The estimate is a recorded answer; lists of settlements (`funding_hist`) and marks (`mark_price`) were not recorded:
their rows are written as Crypto.com's document page "public/get-valuations" shows them, with values of our own.
"""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from ccxt_local import Local
from ccxt_plain import with_recordings

from fra.core import ExchangeAPIError, IntervalSource, MarketKind, Operation, RateKind
from fra.exchanges.cryptocom import CryptoComPlugin

pytestmark = with_recordings
HOUR_MS = 3_600_000
NAME = "BTC/USD:USD"


def now_ms() -> int:
    return int(time.time() * 1000)


def last_hour() -> int:
    return now_ms() // HOUR_MS * HOUR_MS


class Venue:
    """Valuations by type; settlements within the range that is asked for, the newest ``count`` of them first."""

    def __init__(self, *settled: int) -> None:
        self.settled = list(settled)
        self.estimate: list[dict[str, Any]] = [{"v": "0.000043997", "t": now_ms()}]
        self.asked: list[str] = []

    def __call__(self, request: web.Request) -> Any:
        query = request.query
        kind = query["valuation_type"]
        self.asked.append(kind)
        if kind == "funding_hist":
            first, last = int(query.get("start_ts", 0)), int(query.get("end_ts", now_ms()))
            times = sorted((t for t in self.settled if first <= t <= last), reverse=True)
            data: list[dict[str, Any]] = [{"v": "-0.000001884", "t": t} for t in times[: int(query.get("count", 25))]]
        else:
            data = self.estimate if kind == "estimated_funding_rate" else [{"v": "50772.05000", "t": now_ms()}]
        result = {"data": data, "instrument_name": query["instrument_name"]}
        return {"id": -1, "method": "public/get-valuations", "code": 0, "result": result}


def every(hours: int, count: int = 6) -> list[int]:
    return [last_hour() - number * hours * HOUR_MS for number in range(count)]


@pytest.mark.parametrize("hours", [1, 2, 4, 6, 8], ids=lambda hours: f"documented-{hours}h")
async def test_the_interval_is_the_time_between_the_last_settlements(hours: int) -> None:
    async with Local(Venue(*every(hours))).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        rate = await venue.get_funding_rate(venue.symbol(NAME))
    assert (rate.interval, rate.interval_source) == (timedelta(hours=hours), IntervalSource.DERIVED)
    assert (rate.kind, rate.rate, rate.mark_price) == (RateKind.ESTIMATED, Decimal("0.000043997"), Decimal("50772.05"))
    assert rate.next_settlement_ms == every(hours)[0] + hours * HOUR_MS
    assert rate.next_settlement_derived


def settled_at(*hours: int) -> list[int]:
    """Settlements so many hours before the last full hour."""
    return [last_hour() - hour * HOUR_MS for hour in hours]


@pytest.mark.parametrize(
    "settled",
    [[], settled_at(0), settled_at(0, 8), settled_at(0, 4, 12, 20), settled_at(40, 48, 56, 64), settled_at(0, 48, 96)],
    ids=[f"documented-{name}" for name in ("none", "one", "two", "changed", "old", "too far apart")],
)
async def test_without_two_equal_gaps_interval_and_settlement_are_unknown(settled: list[int]) -> None:
    async with Local(Venue(*settled)).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        rate = await venue.get_funding_rate(venue.symbol(NAME))
    assert (rate.interval, rate.interval_source, rate.next_settlement_ms) == (None, None, None)
    assert not rate.next_settlement_derived
    assert rate.rate == Decimal("0.000043997")


async def test_after_a_change_in_mid_life_the_new_interval_is_told_once_it_has_shown_twice() -> None:
    answers: dict[str, timedelta | None] = {}
    for name, hours in (("before", (0, 8, 16)), ("at", (0, 4, 12, 20)), ("after", (0, 4, 8, 16))):
        async with Local(Venue(*settled_at(*hours))).adapter("cryptocom", cls=CryptoComPlugin) as venue:
            answers[name] = (await venue.get_funding_rate(venue.symbol(NAME))).interval
    assert answers == {"before": timedelta(hours=8), "at": None, "after": timedelta(hours=4)}


async def test_settlements_are_not_asked_for_again_each_time() -> None:
    server = Venue(*every(1))
    async with Local(server).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        for _ in range(3):
            await venue.get_funding_rate(venue.symbol(NAME))
    assert server.asked.count("estimated_funding_rate") == 3
    assert server.asked.count("funding_hist") <= 2, "once, or twice over a full hour"


async def test_no_estimate_is_an_error_and_not_zero() -> None:
    server = Venue(*every(1))
    server.estimate = []
    async with Local(server).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        with pytest.raises(ExchangeAPIError, match="no funding rate"):
            await venue.get_funding_rate(venue.symbol(NAME))


async def test_many_rates_are_asked_for_one_by_one() -> None:
    server = Venue(*every(4))
    async with Local(server).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        assert venue.capabilities.support(Operation.GET_FUNDING_RATES, MarketKind.LINEAR_SWAP).mode == "native"
        rates = await venue.get_funding_rates()
        swaps = {symbol.name for symbol in await venue.get_symbols() if symbol.kind.is_swap}
    assert {rate.symbol for rate in rates} == swaps
    assert {rate.interval for rate in rates} == {timedelta(hours=4)}


async def test_settled_history_from_a_time_has_no_hole() -> None:
    times = every(1, 24 * 4)
    async with Local(Venue(*times)).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        symbol = venue.symbol(NAME)
        since = times[-1]
        rates = await venue.get_funding_rate_history(symbol, since=since)
        first = await venue.get_funding_rate_history(symbol, since=since, limit=2)
        newest = await venue.get_funding_rate_history(symbol, limit=2)
        until = await venue.get_funding_rate_history(symbol, since=since, until=since + HOUR_MS)
    assert [rate.settled_ms for rate in rates] == sorted(times)
    assert {rate.interval for rate in rates} == {None, timedelta(hours=1)}
    assert [rate.settled_ms for rate in first] == sorted(times)[:2]
    assert [rate.settled_ms for rate in newest] == sorted(times)[-2:]
    assert [rate.settled_ms for rate in until] == [since]
    assert all(rate.rate == Decimal("-0.000001884") for rate in rates)


async def test_settled_history_looks_past_an_empty_month() -> None:
    times = every(8, 3)
    async with Local(Venue(*times)).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        rates = await venue.get_funding_rate_history(venue.symbol(NAME), since=now_ms() - 40 * 24 * HOUR_MS)
    assert [rate.settled_ms for rate in rates] == sorted(times)

"""Funding on MEXC: intervals, settlements and history as MEXC's own rows say them.

No funding answer of MEXC was recorded, so the rows here are written as MEXC's document pages show them ("Get Funding
Rate", "Get Funding Rate History", "Get Ticker", "Get Funding Fee Details" of the futures API), with values of our own.
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
from fra.exchanges.mexc import MEXCPlugin

pytestmark = with_recordings
HOUR_MS = 3_600_000
NAME = "BTC/USDT:USDT"


def now_ms() -> int:
    return int(time.time() * 1000)


def rate_row(symbol: str = "BTC_USDT", **fields: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "fundingRate": 0.000073,
        "maxFundingRate": 0.0018,
        "minFundingRate": -0.0018,
        "collectCycle": 8,
        "nextSettleTime": now_ms() + 2 * HOUR_MS,
        "timestamp": now_ms(),
        **fields,
    }


def ticker_row(symbol: str = "BTC_USDT") -> dict[str, Any]:
    return {
        "symbol": symbol,
        "lastPrice": 61234.5,
        "fairPrice": 61230.1,
        "indexPrice": 61229.9,
        "fundingRate": 0.000073,
    }


class Venue:
    """Answers each path of the futures API with ``data``."""

    def __init__(self, **rates: dict[str, Any]) -> None:
        self.rates = rates or {"BTC_USDT": rate_row()}
        self.pages: list[list[dict[str, Any]]] = [[]]
        self.payments: list[dict[str, Any]] = []

    def __call__(self, request: web.Request) -> Any:
        path = request.path.rpartition("/contract/")[2]
        if path.startswith("funding_rate/history"):
            page = int(request.query.get("page_num", 1))
            return answer({"currentPage": page, "totalPage": len(self.pages), "resultList": self.pages[page - 1]})
        if path.startswith("funding_rate/"):
            return answer(self.rates[path.rpartition("/")[2]])
        if path == "ticker":
            rows = [ticker_row(symbol) for symbol in self.rates]
            return answer(rows[0] if "symbol" in request.query else rows)
        return answer({"resultList": self.payments, "totalPage": 1})


def answer(data: Any) -> dict[str, Any]:
    return {"success": True, "code": 0, "data": data}


@pytest.mark.parametrize("hours", [1, 2, 4, 6, 8], ids=lambda hours: f"documented-{hours}h")
async def test_the_interval_is_mexcs_collect_cycle(hours: int) -> None:
    row = rate_row(collectCycle=hours)
    async with Local(Venue(BTC_USDT=row)).adapter("mexc", cls=MEXCPlugin) as mexc:
        rate = await mexc.get_funding_rate(mexc.symbol(NAME))
    assert (rate.interval, rate.interval_source) == (timedelta(hours=hours), IntervalSource.REPORTED)
    assert (rate.kind, rate.rate) == (RateKind.ESTIMATED, Decimal("0.000073"))
    assert (rate.next_settlement_ms, rate.timestamp_ms) == (row["nextSettleTime"], row["timestamp"])
    assert not rate.next_settlement_derived
    assert (rate.mark_price, rate.index_price) == (Decimal("61230.1"), Decimal("61229.9"))
    assert (rate.cap, rate.floor) == (Decimal("0.0018"), Decimal("-0.0018"))


@pytest.mark.parametrize("cycle", [None, 0, ""], ids=["documented-null", "documented-zero", "documented-empty"])
async def test_without_a_collect_cycle_the_interval_is_unknown(cycle: object) -> None:
    row = rate_row(collectCycle=cycle, nextSettleTime=None)
    async with Local(Venue(BTC_USDT=row)).adapter("mexc", cls=MEXCPlugin) as mexc:
        rate = await mexc.get_funding_rate(mexc.symbol(NAME))
    assert (rate.interval, rate.interval_source, rate.next_settlement_ms) == (None, None, None)


async def test_a_settlement_that_has_passed_is_not_the_next() -> None:
    row = rate_row(nextSettleTime=now_ms() - 1)
    async with Local(Venue(BTC_USDT=row)).adapter("mexc", cls=MEXCPlugin) as mexc:
        assert (await mexc.get_funding_rate(mexc.symbol(NAME))).next_settlement_ms is None


async def test_a_rate_of_null_is_an_error_and_not_zero() -> None:
    async with Local(Venue(BTC_USDT=rate_row(fundingRate=None))).adapter("mexc", cls=MEXCPlugin) as mexc:
        with pytest.raises(ExchangeAPIError, match="no funding rate"):
            await mexc.get_funding_rate(mexc.symbol(NAME))


async def test_a_change_in_mid_life_shows_in_the_next_answer() -> None:
    venue = Venue(BTC_USDT=rate_row(collectCycle=8))
    async with Local(venue).adapter("mexc", cls=MEXCPlugin) as mexc:
        before = await mexc.get_funding_rate(mexc.symbol(NAME))
        venue.rates["BTC_USDT"] = rate_row(collectCycle=4)
        after = await mexc.get_funding_rate(mexc.symbol(NAME))
    assert (before.interval, after.interval) == (timedelta(hours=8), timedelta(hours=4))


async def test_many_rates_are_asked_for_one_by_one_and_each_keeps_its_own_interval() -> None:
    venue = Venue(BTC_USDT=rate_row("BTC_USDT", collectCycle=8), ETH_USDT=rate_row("ETH_USDT", collectCycle=4))
    local = Local(venue)
    async with local.adapter("mexc", cls=MEXCPlugin) as mexc:
        support = mexc.capabilities.support(Operation.GET_FUNDING_RATES, MarketKind.LINEAR_SWAP)
        rates = await mexc.get_funding_rates([mexc.symbol("BTC/USDT:USDT"), mexc.symbol("ETH/USDT:USDT")])
    assert support.mode == "native"
    assert {rate.symbol: rate.interval for rate in rates} == {
        "BTC/USDT:USDT": timedelta(hours=8),
        "ETH/USDT:USDT": timedelta(hours=4),
    }
    assert all(rate.mark_price == Decimal("61230.1") for rate in rates)
    assert len(local.asked) == 3


async def test_all_rates_leave_out_those_without_one_yet() -> None:
    rows = {id: rate_row(id) for id in ("LTC_USDT", "BTC_USDT", "ADA_USDT", "XRP_USDT", "TRX_USDT", "ETH_USDT")}
    venue = Venue(**rows, SOL_USDT=rate_row("SOL_USDT", fundingRate=None))
    async with Local(venue).adapter("mexc", cls=MEXCPlugin) as mexc:
        rates = await mexc.get_funding_rates()
    assert {rate.symbol for rate in rates} == {f"{id.removesuffix('_USDT')}/USDT:USDT" for id in rows}


def settled(*hours: float, **fields: Any) -> list[dict[str, Any]]:
    """Rows that settled so many hours after a moment, as MEXC lists them: the newest first."""
    return [
        {"symbol": "BTC_USDT", "fundingRate": 0.0001, "settleTime": 1_760_000_400_000 + int(hour * HOUR_MS), **fields}
        for hour in sorted(hours, reverse=True)
    ]


async def test_settled_history_has_the_intervals_between_settlements() -> None:
    venue = Venue()
    venue.pages = [settled(0, 8, 16, 20, 24, 25)]
    async with Local(venue).adapter("mexc", cls=MEXCPlugin) as mexc:
        rates = await mexc.get_funding_rate_history(mexc.symbol(NAME))
    assert [rate.interval and rate.interval // timedelta(hours=1) for rate in rates] == [None, 8, 8, 4, 4, 1]
    assert {rate.interval_source for rate in rates} == {None, IntervalSource.DERIVED}
    assert all(rate.kind is RateKind.SETTLED and rate.settled_ms is not None for rate in rates)


async def test_settled_history_has_mexcs_own_interval_where_its_row_has_one() -> None:
    venue = Venue()
    venue.pages = [settled(0, 8, collectCycle=8)]
    async with Local(venue).adapter("mexc", cls=MEXCPlugin) as mexc:
        rates = await mexc.get_funding_rate_history(mexc.symbol(NAME))
    assert {(rate.interval, rate.interval_source) for rate in rates} == {(timedelta(hours=8), IntervalSource.REPORTED)}


async def test_settled_history_goes_back_page_by_page_to_where_it_was_asked_from() -> None:
    venue = Venue()
    venue.pages = [settled(40, 48), settled(24, 32), settled(8, 16), settled(0)]
    since = venue.pages[1][-1]["settleTime"]
    local = Local(venue)
    async with local.adapter("mexc", cls=MEXCPlugin) as mexc:
        all_since = await mexc.get_funding_rate_history(mexc.symbol(NAME), since=since)
        asked = len(local.asked)
        first = await mexc.get_funding_rate_history(mexc.symbol(NAME), since=since, limit=1)
        newest = await mexc.get_funding_rate_history(mexc.symbol(NAME), limit=1)
    assert len(all_since) == 4
    assert all_since[0].settled_ms == first[0].settled_ms == since
    assert newest[0].settled_ms == venue.pages[0][0]["settleTime"]
    assert asked == 3


async def test_a_streamed_rate_has_the_interval_that_was_asked_for_until_it_settles() -> None:
    row = rate_row(collectCycle=4)
    async with Local(Venue(BTC_USDT=row)).adapter("mexc", cls=MEXCPlugin) as mexc:
        symbol = mexc.symbol(NAME)
        streamed = {"symbol": "BTC_USDT", "rate": -0.000021, "nextSettleTime": row["nextSettleTime"]}
        later = {**streamed, "nextSettleTime": row["nextSettleTime"] + HOUR_MS}
        assert mexc.funding_interval({"info": streamed}, symbol) is None
        await mexc.learn_intervals([symbol])
        assert mexc.funding_interval({"info": streamed}, symbol) == (timedelta(hours=4), IntervalSource.REPORTED)
        assert mexc.funding_interval({"info": later}, symbol) is None, "its cycle changed: unknown until asked again"


async def test_payments_of_every_symbol_keep_their_names() -> None:
    venue = Venue()
    stamp = now_ms() - HOUR_MS
    row = {"id": 7423910, "positionType": 1, "positionValue": 29.3, "rate": -0.000026, "settleTime": stamp}
    venue.payments = [
        {**row, "symbol": "BTC_USDT", "funding": 0.00076180624},
        {**row, "symbol": "X_USDT", "funding": 1},
    ]
    async with Local(venue).adapter("mexc", cls=MEXCPlugin) as mexc:
        (payment,) = await mexc.get_funding_payments()
    assert (payment.symbol, payment.amount, payment.asset) == (NAME, Decimal("0.00076180624"), "USDT")
    assert payment.timestamp_ms == stamp

"""Bitget's funding from rows shaped like the recorded ones: every interval, none, and a change in mid-life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from time import time_ns
from typing import Any

import pytest
from ccxt_local import Local, fixtures

from fra.core import ExchangeAPIError, IntervalSource, Operation, RateKind
from fra.exchanges.bitget import BitgetPlugin

VENUE = "bitget"
HOUR_MS = 3_600_000
CHARGED = 1_750_435_200_000

pytestmark = pytest.mark.skipif(not fixtures("markets", VENUE), reason="FRA_FIXTURES does not name the recorded data")


def soon(hours: int = 1) -> int:
    return (time_ns() // 1_000_000 // HOUR_MS + hours) * HOUR_MS


def row(symbol: str = "BTCUSDT", **fields: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "fundingRate": "-0.000014",
        "fundingRateInterval": "8",
        "nextUpdate": str(soon()),
        "minFundingRate": "-0.003",
        "maxFundingRate": "0.003",
        **fields,
    }


def ticker(symbol: str = "BTCUSDT") -> dict[str, Any]:
    return {
        "symbol": symbol,
        "lastPr": "1",
        "markPrice": "104676.5",
        "indexPrice": "104723.736847",
        "ts": "1750333294671",
    }


def answers(**by_path: Any) -> Callable[[Any], Any]:
    """Bitget's envelope around what belongs to the last part of a path."""

    def answer(request: Any) -> Any:
        found = by_path.get(request.path.rpartition("/")[2].replace("-", "_"), [])
        data = found(request) if callable(found) else found
        return {"code": "00000", "msg": "success", "requestTime": 1, "data": data}

    return answer


@pytest.mark.parametrize("hours", [1, 2, 4, 6, 8])
async def test_hours_are_the_interval(hours: int) -> None:
    local = Local(answers(current_fund_rate=[row(fundingRateInterval=str(hours))], ticker=[ticker()]))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        rate = await bitget.get_funding_rate(bitget.symbol("BTC/USDT:USDT"))
    assert (rate.interval, rate.interval_source) == (timedelta(hours=hours), IntervalSource.REPORTED)
    assert rate.next_settlement_ms == soon()
    assert (rate.mark_price, rate.index_price) == (Decimal("104676.5"), Decimal("104723.736847"))


@pytest.mark.parametrize("told", [{"fundingRateInterval": value} for value in (None, "", "0", "-8", "x", "100")])
async def test_without_an_interval_it_is_unknown(told: Mapping[str, Any]) -> None:
    local = Local(answers(current_fund_rate=[row(**told)], ticker=[ticker()]))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        rate = await bitget.get_funding_rate(bitget.symbol("BTC/USDT:USDT"))
    assert (rate.interval, rate.interval_source, rate.apr) == (None, None, None)


@pytest.mark.parametrize("told", [None, "", "0", str(CHARGED)])
async def test_a_settlement_that_is_not_to_come_is_unknown(told: str | None) -> None:
    local = Local(answers(current_fund_rate=[row(nextUpdate=told)], ticker=[ticker()]))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        rate = await bitget.get_funding_rate(bitget.symbol("BTC/USDT:USDT"))
    assert rate.next_settlement_ms is None
    assert rate.interval == timedelta(hours=8)


async def test_a_change_is_told_by_the_next_answer_whatever_the_listing_says() -> None:
    told = iter(["8", "8", "4"])
    local = Local(answers(current_fund_rate=lambda request: [row(fundingRateInterval=next(told))], ticker=[ticker()]))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        symbol = bitget.symbol("BTC/USDT:USDT")
        assert bitget.client.markets[symbol.name]["info"]["fundInterval"] == "8"
        found = [(await bitget.get_funding_rate(symbol)).interval for _ in range(3)]
    assert found == [timedelta(hours=8), timedelta(hours=8), timedelta(hours=4)]


async def test_all_rates_are_asked_for_by_product_with_marks_from_the_tickers() -> None:
    names = {"BTCUSDT": "8", "ETHUSDT": "4", "ADAUSDT": None}
    rates = [row(name, fundingRateInterval=hours) for name, hours in names.items()]
    rates.append(row("LTCUSDT", fundingRate=""))
    local = Local(answers(current_fund_rate=rates, tickers=[ticker("BTCUSDT"), ticker("ETHUSDT")]))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        found = {rate.symbol: rate for rate in await bitget.get_funding_rates()}
        with pytest.raises(ExchangeAPIError, match="LTC/USDT:USDT"):
            await bitget.get_funding_rates([bitget.symbol("LTC/USDT:USDT")])
    assert {name: rate.interval for name, rate in found.items()} == {
        "BTC/USDT:USDT": timedelta(hours=8),
        "ETH/USDT:USDT": timedelta(hours=4),
        "ADA/USDT:USDT": None,
    }
    assert found["BTC/USDT:USDT"].mark_price == Decimal("104676.5")
    assert found["ADA/USDT:USDT"].mark_price is None
    assert {asked.query for asked in local.asked if "fund-rate" in asked.path} == {"productType=USDT-FUTURES"}


async def test_the_settled_rates_of_a_change_have_the_interval_that_they_were_charged_by() -> None:
    gaps = [8, 8, 4, 4, 1, 1]
    stamps = [CHARGED]
    for hours in gaps:
        stamps.append(stamps[-1] + hours * HOUR_MS)
    charged = [{"symbol": "BTCUSDT", "fundingRate": "-0.000013", "fundingTime": str(stamp)} for stamp in stamps]
    local = Local(answers(history_fund_rate=charged[::-1]))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        found = await bitget.get_funding_rate_history(bitget.symbol("BTC/USDT:USDT"))
    assert [rate.settled_ms for rate in found] == stamps
    assert [rate.interval for rate in found] == [None, *(timedelta(hours=hours) for hours in gaps)]
    assert {rate.interval_source for rate in found[1:]} == {IntervalSource.DERIVED}
    assert {(rate.kind, rate.rate) for rate in found} == {(RateKind.SETTLED, Decimal("-0.000013"))}


async def test_history_pages_back_to_where_it_was_asked_from() -> None:
    stamps = [CHARGED + index * 8 * HOUR_MS for index in range(250)]

    def page(request: Any) -> Any:
        number, size = int(request.query["pageNo"]), int(request.query["pageSize"])
        kept = stamps[::-1][(number - 1) * size : number * size]
        return [{"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingTime": str(stamp)} for stamp in kept]

    local = Local(answers(history_fund_rate=page))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        symbol = bitget.symbol("BTC/USDT:USDT")
        since, until = stamps[20], stamps[240]
        found = await bitget.get_funding_rate_history(symbol, since=since, until=until)
        assert [rate.settled_ms for rate in found] == stamps[20:240]
        assert {rate.interval for rate in found} == {timedelta(hours=8)}
        assert len(local.asked) == 3
        first = await bitget.get_funding_rate_history(symbol, since=since, limit=10)
        assert [rate.settled_ms for rate in first] == stamps[20:30]
        last = await bitget.get_funding_rate_history(symbol, limit=10)
        assert [rate.settled_ms for rate in last] == stamps[-10:]


async def test_the_running_rate_is_polled_and_says_so() -> None:
    local = Local(answers(current_fund_rate=[row()], ticker=[ticker()]))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        symbol = bitget.symbol("BTC/USDT:USDT")
        support = bitget.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, symbol.kind)
        assert (support.mode, support.cadence) == ("polled", 30.0)
        stream = bitget.subscribe_funding_rate(symbol)
        assert (await anext(aiter(stream))).interval == timedelta(hours=8)
        await stream.aclose()

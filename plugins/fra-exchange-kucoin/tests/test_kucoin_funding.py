"""KuCoin's funding from rows shaped like the recorded ones: every interval, none, and a change in mid-life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from time import time_ns
from typing import Any

import pytest
from ccxt_local import Local, fixtures

from fra.core import ExchangeAPIError, IntervalSource, MarketKind, Operation
from fra.exchanges.kucoin import KuCoinPlugin, funding

VENUE = "kucoin"
HOUR_MS = 3_600_000
SWAP = "BTC/USDT:USDT"

pytestmark = pytest.mark.skipif(not fixtures("markets", VENUE), reason="FRA_FIXTURES does not name the recorded data")


def soon(hours: int = 1) -> int:
    return (time_ns() // 1_000_000 // HOUR_MS + hours) * HOUR_MS


def current(**fields: Any) -> dict[str, Any]:
    """A row of "Get Current Funding Rate"."""
    return {
        "symbol": ".XBTUSDTMFPI8H",
        "granularity": 28_800_000,
        "timePoint": soon(-7),
        "value": -0.000029,
        "dailyInterestRate": 0.0003,
        "fundingRateCap": 0.00375,
        "fundingRateFloor": -0.00375,
        "period": 1,
        "fundingTime": soon(),
        **fields,
    }


def contract(symbol: str = "XBTUSDTM", **fields: Any) -> dict[str, Any]:
    """A row of "Get All Symbols"."""
    return {
        "symbol": symbol,
        "fundingFeeRate": 0.000032,
        "predictedFundingFeeRate": None,
        "fundingRateGranularity": 28_800_000,
        "fundingRateCap": 0.003,
        "fundingRateFloor": -0.003,
        "effectiveFundingRateCycleStartTime": soon(-100),
        "currentFundingRateGranularity": 28_800_000,
        "markPrice": 87858.8,
        "indexPrice": 87868.57,
        "nextFundingRateTime": 7_710_051,
        "nextFundingRateDateTime": soon(),
        **fields,
    }


def answers(**by_path: Any) -> Callable[[Any], Any]:
    """KuCoin's envelope around what belongs to a part of the path."""

    def answer(request: Any) -> Any:
        found = next((told for name, told in by_path.items() if name.replace("_", "-") in request.path), {})
        return {"code": "200000", "data": found(request) if callable(found) else found}

    return answer


MARK = {"symbol": "XBTUSDTM", "granularity": 1000, "timePoint": soon(), "value": 87858.8, "indexPrice": 87868.57}


@pytest.mark.parametrize("hours", [1, 2, 4, 6, 8])
async def test_milliseconds_are_the_interval(hours: int) -> None:
    local = Local(answers(mark_price=MARK, funding_rate=current(granularity=hours * HOUR_MS)))
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        rate = await kucoin.get_funding_rate(kucoin.symbol(SWAP))
    assert (rate.interval, rate.interval_source) == (timedelta(hours=hours), IntervalSource.REPORTED)
    assert (rate.rate, rate.next_settlement_ms) == (Decimal("-0.000029"), soon())
    assert (rate.mark_price, rate.index_price) == (Decimal("87858.8"), Decimal("87868.57"))


@pytest.mark.parametrize("told", [None, "", 0, -28_800_000, "x", 90_000_000, 1])
async def test_without_an_interval_it_is_unknown(told: Any) -> None:
    local = Local(answers(mark_price=MARK, funding_rate=current(granularity=told)))
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        rate = await kucoin.get_funding_rate(kucoin.symbol(SWAP))
    assert (rate.interval, rate.interval_source, rate.apr) == (None, None, None)


@pytest.mark.parametrize("told", [None, 0, 1_776_700_800_000])
async def test_a_settlement_that_is_not_to_come_is_unknown(told: Any) -> None:
    local = Local(answers(mark_price=MARK, funding_rate=current(fundingTime=told)))
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        rate = await kucoin.get_funding_rate(kucoin.symbol(SWAP))
    assert (rate.next_settlement_ms, rate.interval) == (None, timedelta(hours=8))


NAMES = [("currentGranularity", "newGranularity", "newGranularityStartTime")]
NAMES += [("currentFundingRateGranularity", "fundingRateGranularity", "effectiveFundingRateCycleStartTime")]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(
    ("now", "new", "starts", "hours"),
    [(8, 8, -100, 8), (8, 4, 5, 8), (8, 4, -5, 4), (4, 8, 5, 4), (2, 6, -1, 6), (8, None, 5, 8), (None, 4, 5, None)],
)
def test_a_change_of_schedule_counts_from_its_start(
    names: tuple[str, str, str], now: int | None, new: int | None, starts: int, hours: int | None
) -> None:
    told = (None if now is None else now * HOUR_MS, None if new is None else new * HOUR_MS, soon(starts))
    found = funding.interval(dict(zip(names, told, strict=True)), time_ns() // 1_000_000)
    assert found == (None if hours is None else (timedelta(hours=hours), IntervalSource.REPORTED))


async def test_a_change_of_schedule_is_no_settlement() -> None:
    row = {"currentGranularity": 28_800_000, "newGranularity": 14_400_000, "newGranularityStartTime": soon(30)}
    local = Local(answers(mark_price=MARK, funding_rate=current() | row))
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        rate = await kucoin.get_funding_rate(kucoin.symbol(SWAP))
    assert rate.next_settlement_ms == soon()


async def test_all_rates_are_one_request_with_schedule_settlement_and_prices() -> None:
    rows = [
        contract(),
        contract("ETHUSDTM", fundingRateGranularity=14_400_000, effectiveFundingRateCycleStartTime=soon(20)),
        contract("ADAUSDTM", fundingRateGranularity=14_400_000, effectiveFundingRateCycleStartTime=soon(-20)),
        contract("XBTUSDM", fundingRateGranularity=None, currentFundingRateGranularity=None),
        contract("LTCUSDTM", fundingFeeRate=None),
        contract("SOMEUSDTM"),
    ]
    local = Local(answers(contracts=rows))
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        found = {rate.symbol: rate for rate in await kucoin.get_funding_rates()}
        assert [(asked.path, asked.query) for asked in local.asked] == [("/api/v1/contracts/active", "")]
        with pytest.raises(ExchangeAPIError, match="LTC/USDT:USDT"):
            await kucoin.get_funding_rates([kucoin.symbol("LTC/USDT:USDT")])
    hours: Mapping[str, int | None] = {SWAP: 8, "ETH/USDT:USDT": 8, "ADA/USDT:USDT": 4, "BTC/USD:BTC": None}
    assert {name: rate.interval for name, rate in found.items()} == {
        name: None if told is None else timedelta(hours=told) for name, told in hours.items()
    }
    rate = found[SWAP]
    assert (rate.rate, rate.next_settlement_ms) == (Decimal("0.000032"), soon())
    assert (rate.mark_price, rate.index_price) == (Decimal("87858.8"), Decimal("87868.57"))
    assert (rate.cap, rate.floor) == (Decimal("0.003"), Decimal("-0.003"))


async def test_the_settled_rates_of_a_change_have_the_interval_that_they_were_charged_by() -> None:
    gaps = [8, 8, 4, 4, 1, 1]
    stamps = [1_769_328_000_000]
    for hours in gaps:
        stamps.append(stamps[-1] + hours * HOUR_MS)
    charged = [{"symbol": "XBTUSDTM", "fundingRate": 0.000082, "timepoint": stamp} for stamp in stamps[::-1]]
    async with Local(answers(funding_rates=charged)).adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        found = await kucoin.get_funding_rate_history(kucoin.symbol(SWAP), since=stamps[0])
    assert [rate.settled_ms for rate in found] == stamps
    assert [rate.interval for rate in found] == [None, *(timedelta(hours=hours) for hours in gaps)]
    assert {rate.rate for rate in found} == {Decimal("0.000082")}


async def test_the_running_rate_is_polled_and_says_so() -> None:
    local = Local(answers(mark_price=MARK, funding_rate=current()))
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        for kind in (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP):
            support = kucoin.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, kind)
            assert (support.mode, support.cadence) == ("polled", 30.0)
        stream = kucoin.subscribe_funding_rate(kucoin.symbol(SWAP))
        assert (await anext(aiter(stream))).interval == timedelta(hours=8)
        await stream.aclose()

"""Gate's funding from rows shaped like the recorded ones: every interval, none, and a change in mid-life."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from time import time_ns
from typing import Any

import pytest
from ccxt_cases import ABSENT, body, markets
from ccxt_local import Local, fixtures

from fra.core import ExchangeAPIError, IntervalSource, Operation, RateKind
from fra.exchanges.gate import GatePlugin, funding

VENUE = "gate"
HOUR = 3_600
SWAP = "BTC/USDT:USDT"
CHARGED = 1_750_435_200

pytestmark = pytest.mark.skipif(not fixtures("markets", VENUE), reason="FRA_FIXTURES does not name the recorded data")


def soon(hours: int = 1) -> int:
    """A whole hour to come, in seconds."""
    return (time_ns() // 1_000_000_000 // HOUR + hours) * HOUR


def row(name: str = "BTC_USDT", **fields: Any) -> dict[str, Any]:
    """A contract as it was recorded, settling soon."""
    told = {market["id"]: market["info"] for market in fixtures("markets", VENUE, str).values() if market["swap"]}
    return {**told[name], "funding_next_apply": soon(), **fields}


@pytest.mark.parametrize("hours", [1, 2, 4, 6, 8])
async def test_seconds_are_the_interval(hours: int) -> None:
    told = row(funding_interval=hours * HOUR, funding_rate="0.000071", funding_rate_indicative="-0.5")
    async with Local(told).adapter(VENUE, cls=GatePlugin) as gate:
        rate = await gate.get_funding_rate(gate.symbol(SWAP))
    assert (rate.interval, rate.interval_source) == (timedelta(hours=hours), IntervalSource.REPORTED)
    assert (rate.kind, rate.rate) == (RateKind.ESTIMATED, Decimal("0.000071"))
    assert (rate.next_settlement_ms, rate.next_settlement_derived) == (soon() * 1000, False)
    assert (rate.mark_price, rate.index_price) == (Decimal(told["mark_price"]), Decimal(told["index_price"]))


@pytest.mark.parametrize("told", [None, "", 0, -28800, 90_000, 1])
async def test_without_an_interval_it_is_unknown(told: Any) -> None:
    async with Local(row(funding_interval=told)).adapter(VENUE, cls=GatePlugin) as gate:
        rate = await gate.get_funding_rate(gate.symbol(SWAP))
    assert (rate.interval, rate.interval_source, rate.apr) == (None, None, None)


@pytest.mark.parametrize("told", [None, 0, CHARGED])
async def test_a_settlement_that_is_not_to_come_is_unknown(told: Any) -> None:
    async with Local(row(funding_next_apply=told)).adapter(VENUE, cls=GatePlugin) as gate:
        rate = await gate.get_funding_rate(gate.symbol(SWAP))
    assert (rate.next_settlement_ms, rate.interval) == (None, timedelta(hours=8))


async def test_without_a_rate_it_is_an_error() -> None:
    async with Local(row(funding_rate="")).adapter(VENUE, cls=GatePlugin) as gate:
        with pytest.raises(ExchangeAPIError, match="funding rate"):
            await gate.get_funding_rate(gate.symbol(SWAP))


async def test_a_change_is_told_by_the_next_answer_whatever_the_listing_says() -> None:
    told = iter([8, 8, 4])
    async with Local(lambda request: row(funding_interval=next(told) * HOUR)).adapter(VENUE, cls=GatePlugin) as gate:
        symbol = gate.symbol(SWAP)
        found = [(await gate.get_funding_rate(symbol)).interval for _ in range(3)]
    assert found == [timedelta(hours=8), timedelta(hours=8), timedelta(hours=4)]


async def test_all_rates_are_one_request_for_each_coin_of_settlement() -> None:
    listed = {
        "usdt": [row(), row("ETH_USDT", funding_interval=4 * HOUR), row("ADA_USDT", funding_interval=None)],
        "btc": [row("BTC_USD", funding_interval=HOUR)],
    }
    listed["usdt"].append(row("LTC_USDT", funding_rate=None))
    local = Local(lambda request: listed[request.path.split("/")[-2]])
    async with local.adapter(VENUE, cls=GatePlugin) as gate:
        found = {rate.symbol: rate.interval for rate in await gate.get_funding_rates()}
        asked = [(one.path, one.query) for one in local.asked]
        with pytest.raises(ExchangeAPIError, match="LTC/USDT:USDT"):
            await gate.get_funding_rates([gate.symbol("LTC/USDT:USDT")])
        (one,) = await gate.get_funding_rates([gate.symbol("BTC/USD:BTC")])
    assert asked == [("/api/v4/futures/usdt/contracts", ""), ("/api/v4/futures/btc/contracts", "")]
    assert local.asked[-1].path == "/api/v4/futures/btc/contracts"
    assert one.interval == timedelta(hours=1)
    assert found == {
        SWAP: timedelta(hours=8),
        "ETH/USDT:USDT": timedelta(hours=4),
        "ADA/USDT:USDT": None,
        "BTC/USD:BTC": timedelta(hours=1),
    }


RECORDED = [one for one in markets(VENUE) if one.values[0] and "funding_interval" in one.values[0].get("info", {})]


@pytest.mark.parametrize("market", RECORDED or [pytest.param(None, marks=ABSENT, id="none")])
async def test_a_recorded_contract_says_how_often_and_when_it_settles(market: Any, monkeypatch: Any) -> None:
    told = body(market["info"])
    settles = int(told["funding_next_apply"]) * 1000
    async with Local(told).adapter(VENUE, cls=GatePlugin) as gate:
        monkeypatch.setattr(gate.context, "now_ms", lambda: settles - 1)
        rate = await gate.get_funding_rate(gate.symbol(market["symbol"]))
    assert rate.interval == timedelta(seconds=int(told["funding_interval"]))
    assert rate.interval_source is IntervalSource.REPORTED
    assert rate.next_settlement_ms == settles
    assert (rate.rate, rate.mark_price) == (Decimal(told["funding_rate"]), Decimal(told["mark_price"]))
    assert funding.settlement(told, settles) is None


def charged(stamps: list[int], request: Any) -> list[dict[str, Any]]:
    """Gate's answer: the latest of a range, newest first."""
    since, until = int(request.query.get("from", 0)), int(request.query.get("to", 1 << 40))
    kept = [stamp for stamp in stamps[::-1] if since <= stamp <= until][: int(request.query.get("limit", 100))]
    return [{"r": "0.000013", "t": stamp} for stamp in kept]


async def test_the_settled_rates_of_a_change_have_the_interval_that_they_were_charged_by() -> None:
    gaps = [8, 8, 4, 4, 1, 1]
    stamps = [CHARGED]
    for hours in gaps:
        stamps.append(stamps[-1] + hours * HOUR)
    async with Local(lambda request: charged(stamps, request)).adapter(VENUE, cls=GatePlugin) as gate:
        found = await gate.get_funding_rate_history(gate.symbol(SWAP))
    assert [rate.settled_ms for rate in found] == [stamp * 1000 for stamp in stamps]
    assert [rate.interval for rate in found] == [None, *(timedelta(hours=hours) for hours in gaps)]
    assert {(rate.kind, rate.rate) for rate in found} == {(RateKind.SETTLED, Decimal("0.000013"))}


async def test_history_pages_back_to_where_it_was_asked_from() -> None:
    stamps = [CHARGED + index * 8 * HOUR for index in range(2500)]
    local = Local(lambda request: charged(stamps, request))
    async with local.adapter(VENUE, cls=GatePlugin) as gate:
        symbol = gate.symbol(SWAP)
        since, until = stamps[20] * 1000, stamps[2400] * 1000
        found = await gate.get_funding_rate_history(symbol, since=since, until=until)
        assert [rate.settled_ms for rate in found] == [stamp * 1000 for stamp in stamps[20:2400]]
        assert {rate.interval for rate in found} == {timedelta(hours=8)}
        first = await gate.get_funding_rate_history(symbol, since=since, limit=10)
        assert [rate.settled_ms for rate in first] == [stamp * 1000 for stamp in stamps[20:30]]
        last = await gate.get_funding_rate_history(symbol, limit=10)
        assert [rate.settled_ms for rate in last] == [stamp * 1000 for stamp in stamps[-10:]]


async def test_the_running_rate_is_polled_and_says_so() -> None:
    async with Local(row()).adapter(VENUE, cls=GatePlugin) as gate:
        symbol = gate.symbol(SWAP)
        support = gate.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, symbol.kind)
        assert (support.mode, support.cadence) == ("polled", 30.0)
        stream = gate.subscribe_funding_rate(symbol)
        assert (await anext(aiter(stream))).interval == timedelta(hours=8)
        await stream.aclose()

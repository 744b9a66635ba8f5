"""Every recorded answer of KuCoin and its futures through the package, over ccxt's own HTTP path."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from ccxt_cases import answering, ask, body, cases, check, markets, reachable, same, symbol_of
from ccxt_local import Local, fixtures

from fra.core import IntervalSource, MarketKind, RateKind, Symbol, connect
from fra.exchanges.kucoin import KuCoinPlugin

VENUE = "kucoin"
RECORDED_MARKETS = fixtures("markets", VENUE, str)
LISTED = pytest.mark.skipif(not RECORDED_MARKETS, reason="FRA_FIXTURES does not name the folder of recorded data")
BOTH = (VENUE, "kucoinfutures")


@pytest.mark.parametrize(
    ("venue", "method", "case"),
    [pytest.param(name, *one.values, id=one.id, marks=one.marks) for name in BOTH for one in cases(name)],
)
async def test_a_recorded_answer_comes_out_of_our_interface(venue: str, method: str, case: Any) -> None:
    async with answering(KuCoinPlugin, venue, case) as kucoin:
        check(method, await ask(kucoin, method, case), case, kucoin)


@pytest.mark.parametrize(("method", "case"), cases(VENUE, "fetchFundingRate"))
async def test_interval_and_settlement_are_what_the_raw_body_says(method: str, case: Any, monkeypatch: Any) -> None:
    row = body(case["httpResponse"])["data"]
    async with answering(KuCoinPlugin, VENUE, case) as kucoin:
        monkeypatch.setattr(kucoin.context, "now_ms", lambda: row["fundingTime"] - 1)
        rate = await kucoin.get_funding_rate(symbol_of(kucoin, case))
    assert (rate.kind, rate.rate) == (RateKind.ESTIMATED, Decimal(row["value"]))
    assert rate.interval == timedelta(milliseconds=row["granularity"])
    assert rate.interval == timedelta(milliseconds=row["fundingTime"] - row["timePoint"])
    assert rate.interval_source is IntervalSource.REPORTED
    assert (rate.next_settlement_ms, rate.next_settlement_derived) == (row["fundingTime"], False)
    assert (rate.cap, rate.floor) == (Decimal(row["fundingRateCap"]), Decimal(row["fundingRateFloor"]))


@pytest.mark.parametrize(("method", "case"), cases(VENUE, "fetchFundingRateHistory"))
async def test_settled_rates_have_the_interval_between_the_settlements_of_the_body(method: str, case: Any) -> None:
    charged = sorted((row["timepoint"], row["fundingRate"]) for row in body(case["httpResponse"])["data"])
    async with answering(KuCoinPlugin, VENUE, case) as kucoin:
        found = await kucoin.get_funding_rate_history(symbol_of(kucoin, case))
    assert [(rate.settled_ms, rate.rate) for rate in found] == [(stamp, Decimal(rate)) for stamp, rate in charged]
    gaps = [after[0] - before[0] for before, after in pairwise(charged)]
    assert [rate.interval for rate in found] == [None, *(timedelta(milliseconds=gap) for gap in gaps)]


@pytest.mark.parametrize(
    ("venue", "market"),
    [pytest.param(name, *one.values, id=f"{name}-{one.id}", marks=one.marks) for name in BOTH for one in markets(name)],
)
async def test_a_recorded_market_is_a_symbol(venue: str, market: Any) -> None:
    async with Local({}).adapter(venue, cls=KuCoinPlugin) as kucoin:
        listed = kucoin.take_markets()
    assert not listed.refused
    (symbol,) = [symbol for symbol in listed if symbol.name == market["symbol"]]
    check_symbol(symbol, body(market["info"]))


def check_symbol(symbol: Symbol, row: Any) -> None:
    """Against the raw row, read anew: lots of contracts, contracts of coins, and XBT is BTC."""
    coin = {"XBT": "BTC"}.get(row["baseCurrency"], row["baseCurrency"])
    assert (symbol.venue_id, symbol.base, symbol.asset) == (row["symbol"], coin, coin)
    assert symbol.quote == row["quoteCurrency"]
    if "multiplier" in row:
        size = abs(Decimal(str(row["multiplier"])))
        assert symbol.contract_size == size
        assert symbol.kind is (MarketKind.INVERSE_SWAP if row["isInverse"] else MarketKind.LINEAR_SWAP)
        assert symbol.settle == {"XBT": "BTC"}.get(row["settleCurrency"], row["settleCurrency"])
        assert symbol.market == "swap"
        assert (symbol.lot_size, symbol.tick_size) == (row["lotSize"] * size, Decimal(str(row["tickSize"])))
        assert symbol.max_amount == row["maxOrderQty"] * size
    else:
        assert (symbol.kind, symbol.market) == (MarketKind.SPOT, "spot")
        assert symbol.lot_size == Decimal(row["baseIncrement"])
        assert symbol.tick_size == Decimal(row["priceIncrement"])
        same(symbol.min_amount, row["baseMinSize"])


def listing(request: Any) -> Any:
    """What lists markets, by path."""
    rows = {kind: [m["info"] for m in RECORDED_MARKETS.values() if m["spot"] is kind] for kind in (True, False)}
    data: Any = {"ticker": []} if "allTickers" in request.path else rows["contracts" not in request.path]
    return {"code": "200000", "data": data}


@LISTED
async def test_the_listing_comes_over_http() -> None:
    async with Local(listing).adapter(VENUE, cls=KuCoinPlugin, keys=False) as kucoin:
        before = await kucoin.get_symbols()
        after = await kucoin.get_symbols()
    assert {symbol.name for symbol in after} == {symbol.name for symbol in before}
    assert not after.refused


@LISTED
async def test_the_plain_name_and_the_variant_connect_side_by_side() -> None:
    async with (
        reachable(Local(listing)) as url,
        connect("kucoin", base_url=url) as plain,
        connect("kucoin_ccxt", base_url=url) as variant,
    ):
        ours, theirs = [{symbol.name for symbol in await one.get_symbols()} for one in (plain, variant)]
    assert ours
    assert ours <= theirs

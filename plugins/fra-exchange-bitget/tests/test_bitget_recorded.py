"""Every recorded answer of Bitget through the package, from a local server over ccxt's own HTTP path."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from ccxt_cases import answering, ask, body, cases, check, markets, reachable, same, symbol_of
from ccxt_local import Local, fixtures

from fra.core import ExchangeAPIError, IntervalSource, MarketKind, RateKind, Symbol, SymbolNotFound, connect
from fra.exchanges.bitget import BitgetPlugin

VENUE = "bitget"
RECORDED_MARKETS = fixtures("markets", VENUE, str)
LISTED = pytest.mark.skipif(not RECORDED_MARKETS, reason="FRA_FIXTURES does not name the folder of recorded data")
RECORDED = cases(VENUE)


def of_coin_margined(case: Any) -> bool:
    return bool(case) and any(str(given).startswith("BTC/USD:") for given in case["input"])


def has_no_rate(method: str, case: Any) -> bool:
    return method == "fetchFundingRate" and case["parsedResponse"]["fundingRate"] is None


@pytest.mark.parametrize(("method", "case"), RECORDED)
async def test_a_recorded_answer_comes_out_of_our_interface(method: str, case: Any) -> None:
    if of_coin_margined(case):
        async with Local({}).adapter(VENUE, cls=BitgetPlugin) as bitget:
            with pytest.raises(SymbolNotFound):
                symbol_of(bitget, case)
        return
    async with answering(BitgetPlugin, VENUE, case) as bitget:
        if has_no_rate(method, case):
            with pytest.raises(ExchangeAPIError, match="funding rate"):
                await ask(bitget, method, case)
        else:
            check(method, await ask(bitget, method, case), case, bitget)


@pytest.mark.parametrize(("method", "case"), cases(VENUE, "fetchFundingRate"))
async def test_interval_and_settlement_are_what_the_raw_body_says(method: str, case: Any, monkeypatch: Any) -> None:
    (row,) = body(case["httpResponse"])["data"]
    hours = row.get("fundingRateInterval") or row.get("ratePeriod")
    settles = int(row.get("nextUpdate") or row["nextFundingTime"])
    async with answering(BitgetPlugin, VENUE, case) as bitget:
        monkeypatch.setattr(bitget.context, "now_ms", lambda: settles - 1)
        symbol = symbol_of(bitget, case)
        if "fundingRate" not in row:
            with pytest.raises(ExchangeAPIError, match="funding rate"):
                await bitget.get_funding_rate(symbol)
            rate = None
        else:
            rate = await bitget.get_funding_rate(symbol)
        raw = {"info": row}
        assert bitget.funding_interval(raw, symbol) == (timedelta(hours=int(hours)), IntervalSource.REPORTED)
        assert bitget.next_settlement(raw, symbol) == settles
        if rate is not None:
            assert (rate.kind, rate.rate) == (RateKind.ESTIMATED, Decimal(row["fundingRate"]))
            assert (rate.interval, rate.interval_source) == (timedelta(hours=int(hours)), IntervalSource.REPORTED)
            assert (rate.next_settlement_ms, rate.next_settlement_derived) == (settles, False)
            assert (rate.cap, rate.floor) == (Decimal(row["maxFundingRate"]), Decimal(row["minFundingRate"]))


@pytest.mark.parametrize(("method", "case"), cases(VENUE, "fetchMyTrades"))
async def test_fees_are_positive_when_they_were_paid(method: str, case: Any) -> None:
    async with answering(BitgetPlugin, VENUE, case) as bitget:
        fills = await bitget.get_trade_history(symbol_of(bitget, case))
    assert fills
    for fill in fills:
        (row,) = [row for row in rows(case) if fill.trade_id in (row.get("tradeId"), row.get("execId"))]
        detail = row["feeDetail"] if isinstance(row["feeDetail"], dict) else row["feeDetail"][0]
        paid = -Decimal(detail["totalFee"]) if "totalFee" in detail else Decimal(detail["fee"])
        assert fill.fee == paid > 0
        assert fill.fee_asset == detail["feeCoin"]


def rows(case: Any) -> list[Any]:
    data = body(case["httpResponse"])["data"]
    return list(data["list"]) if isinstance(data, dict) else list(data)


@pytest.mark.parametrize("market", markets(VENUE))
async def test_a_recorded_market_is_a_symbol_or_refused_by_name(market: Any) -> None:
    async with Local({}).adapter(VENUE, cls=BitgetPlugin) as bitget:
        listed = bitget.take_markets()
    refused = {one.venue_id: one.reason for one in listed.refused}
    if market["inverse"]:
        assert market["symbol"] not in {symbol.name for symbol in listed}
        assert "base coin" in refused[market["id"]]
        return
    (symbol,) = [symbol for symbol in listed if symbol.name == market["symbol"]]
    check_symbol(symbol, body(market["info"]), market)


def check_symbol(symbol: Symbol, row: Any, market: Any) -> None:
    """Against the raw row, read anew."""
    assert (symbol.venue_id, symbol.base, symbol.quote) == (row["symbol"], row["baseCoin"], row["quoteCoin"])
    assert symbol.contract_size == 1
    if "symbolType" in row:
        assert (symbol.kind, symbol.settle, symbol.market) == (MarketKind.LINEAR_SWAP, "USDT", "usdt")
        assert symbol.tick_size == Decimal(row["priceEndStep"]).scaleb(-int(row["pricePlace"]))
        assert symbol.lot_size == Decimal(row["sizeMultiplier"])
        same(symbol.min_amount, row["minTradeNum"])
        same(symbol.max_amount, row["maxOrderQty"])
        same(symbol.min_notional, row["minTradeUSDT"])
    else:
        assert (symbol.kind, symbol.settle, symbol.market) == (MarketKind.SPOT, None, "spot")
        assert symbol.tick_size == Decimal(1).scaleb(-int(row["pricePrecision"]))
        assert symbol.lot_size == Decimal(1).scaleb(-int(row["quantityPrecision"]))
        same(symbol.min_notional, row["minTradeUSDT"])


def listing(request: Any) -> Any:
    """What lists markets, by path."""
    product = request.query.get("productType")
    kept = [m for m in RECORDED_MARKETS.values() if _product(m) == product] if "margin" not in request.path else []
    return {"code": "00000", "msg": "success", "data": [market["info"] for market in kept]}


@LISTED
async def test_the_listing_comes_over_http() -> None:
    async with Local(listing).adapter(VENUE, cls=BitgetPlugin, keys=False) as bitget:
        before = await bitget.get_symbols()
        after = await bitget.get_symbols()
    assert {symbol.name for symbol in after} == {symbol.name for symbol in before}
    assert after.refused == before.refused


@LISTED
async def test_the_plain_name_and_the_variant_connect_side_by_side() -> None:
    async with (
        reachable(Local(listing)) as url,
        connect("bitget", base_url=url) as plain,
        connect("bitget_ccxt", base_url=url) as variant,
    ):
        ours, theirs = [{symbol.name for symbol in await one.get_symbols()} for one in (plain, variant)]
    assert ours
    assert ours <= theirs


def _product(market: Any) -> str | None:
    return None if market["spot"] else "COIN-FUTURES" if market["inverse"] else f"{market['settle']}-FUTURES"

"""Funding of all ten exchanges through ccxt, from answers shaped as each venue's documents show them: whatever the
interval is, it is told right with its source, or it is unknown and says so; and so is a change in mid-life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import attrs
import pytest
from aiohttp import web
from ccxt_local import ADAPTERS, Local, fixtures

from fra.adapters.ccxt import CCXTAdapter
from fra.core import FundingRate, IntervalSource
from fra.exchanges.bitfinex import BitfinexPlugin
from fra.exchanges.bitget import BitgetPlugin
from fra.exchanges.cryptocom import CryptoComPlugin
from fra.exchanges.gate import GatePlugin
from fra.exchanges.kucoin import KuCoinPlugin
from fra.exchanges.mexc import MEXCPlugin

HOUR_MS: Final = 3_600_000
START: Final = 1_900_000_800_000 // (24 * HOUR_MS) * 24 * HOUR_MS
"""A midnight in UTC, when something settles everywhere."""
RATE: Final = "0.000125"
CHANGED: Final = 2
"""Which of the answers is the first by the new interval."""

pytestmark = pytest.mark.skipif(not fixtures("markets", "binance"), reason="FRA_FIXTURES does not name the data")


@attrs.define
class Market:
    """A swap that has settled at ``settled`` (UTC milliseconds, oldest first) and does next after ``hours``; None is
    for a venue that does not tell.
    """

    settled: list[int]
    hours: int | None

    @property
    def next_ms(self) -> int:
        return self.settled[-1] + (8 if self.hours is None else self.hours) * HOUR_MS

    @property
    def after_ms(self) -> int | None:
        return None if self.hours is None else self.next_ms + self.hours * HOUR_MS

    @property
    def now_ms(self) -> int:
        """A minute after the last settlement."""
        return self.settled[-1] + 60_000


Answer = Callable[[web.Request, Market], Any]


def binance(request: web.Request, market: Market) -> Any:
    """ "Mark Price", "Get Funding Rate Info" (which lists adjusted symbols only)."""
    if request.path.endswith("fundingInfo"):
        rows = [{"symbol": "LTCUSDT", "adjustedFundingRateCap": "0.02", "fundingIntervalHours": 4}]
        return rows if market.hours == 8 else [*rows, {"symbol": "BTCUSDT", "fundingIntervalHours": market.hours}]
    return {
        "symbol": "BTCUSDT",
        "markPrice": "60000.1",
        "indexPrice": "60000.2",
        "lastFundingRate": RATE,
        "nextFundingTime": market.next_ms,
        "time": market.now_ms,
    }


def okx(request: web.Request, market: Market) -> Any:
    """ "Get funding rate"."""
    row = {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "fundingRate": RATE,
        "nextFundingRate": "",
        "fundingTime": str(market.next_ms),
        "nextFundingTime": "" if market.after_ms is None else str(market.after_ms),
        "ts": str(market.now_ms),
    }
    return {"code": "0", "msg": "", "data": [row]}


def bybit(request: web.Request, market: Market) -> Any:
    """ "Get Tickers"."""
    row = {
        "symbol": "BTCUSDT",
        "lastPrice": "60000",
        "markPrice": "60000.1",
        "indexPrice": "60000.2",
        "fundingRate": RATE,
        "nextFundingTime": str(market.next_ms),
        "fundingIntervalHour": "" if market.hours is None else str(market.hours),
    }
    result = {"category": "linear", "list": [row]}
    return {"retCode": 0, "retMsg": "OK", "result": result, "time": market.now_ms}


def htx(request: web.Request, market: Market) -> Any:
    """ "Query Funding Rate" of /v5, "Query Swap Elements"."""
    if request.path.endswith("swap_query_elements"):
        period = None if market.hours is None else str(market.hours)
        return {"status": "ok", "data": [{"contract_code": "BTC-USDT", "settle_period": period}], "ts": market.now_ms}
    row = {
        "contract_code": "BTC-USDT",
        "funding_rate": RATE,
        "funding_time": str(market.next_ms),
        "next_funding_time": None,
    }
    return {"code": 200, "message": "Success", "data": [row], "ts": market.now_ms}


def bitget(request: web.Request, market: Market) -> Any:
    """ "Get Current Funding Rate", "Get Ticker"."""
    row: dict[str, Any] = {"symbol": "BTCUSDT", "markPrice": "60000.1", "indexPrice": "60000.2", "lastPr": "60000"}
    if request.path.endswith("current-fund-rate"):
        hours = None if market.hours is None else str(market.hours)
        row = {
            "symbol": "BTCUSDT",
            "fundingRate": RATE,
            "fundingRateInterval": hours,
            "nextUpdate": str(market.next_ms),
        }
    return {"code": "00000", "msg": "success", "requestTime": market.now_ms, "data": [row]}


def kucoin(request: web.Request, market: Market) -> Any:
    """ "Get Current Funding Rate", "Get Mark Price"."""
    row: dict[str, Any] = {"symbol": "XBTUSDTM", "timePoint": market.now_ms, "value": 60000.1, "indexPrice": 60000.2}
    if "funding-rate" in request.path:
        granularity = None if market.hours is None else market.hours * HOUR_MS
        row = {
            "symbol": ".XBTUSDTMFPI8H",
            "granularity": granularity,
            "timePoint": market.settled[-1],
            "value": float(RATE),
            "fundingTime": market.next_ms,
        }
    return {"code": "200000", "data": row}


def gate(request: web.Request, market: Market) -> Any:
    """ "Get a single contract"."""
    told = {row["id"]: row["info"] for row in fixtures("markets", "gate", str).values() if row["swap"]}["BTC_USDT"]
    seconds = None if market.hours is None else market.hours * 3_600
    return {**told, "funding_rate": RATE, "funding_interval": seconds, "funding_next_apply": market.next_ms // 1000}


def mexc(request: web.Request, market: Market) -> Any:
    """ "Get Contract Funding Rate", "Get Contract Trend Data"."""
    row = {
        "symbol": "BTC_USDT",
        "fundingRate": float(RATE),
        "collectCycle": market.hours,
        "nextSettleTime": market.next_ms,
        "timestamp": market.now_ms,
    }
    prices = {"symbol": "BTC_USDT", "lastPrice": 60000, "fairPrice": 60000.1, "indexPrice": 60000.2}
    return {"success": True, "code": 0, "data": row if "/funding_rate/" in request.path else prices}


def cryptocom(request: web.Request, market: Market) -> Any:
    """ "public/get-valuations"."""
    kind, name = request.query["valuation_type"], request.query["instrument_name"]
    rows = [{"v": RATE if kind != "mark_price" else "60000.1", "t": market.now_ms}]
    if kind == "funding_hist":
        rows = [{"v": RATE, "t": stamp} for stamp in market.settled[::-1]]
    return {"id": -1, "method": "public/get-valuations", "code": 0, "result": {"data": rows, "instrument_name": name}}


def bitfinex(request: web.Request, market: Market) -> Any:
    """ "Derivatives Status"."""
    row: list[Any] = [None] * 24
    row[0], row[1], row[3], row[4], row[6] = "tBTCF0:USTF0", market.now_ms, 60000, 60000.1, 1
    row[8], row[9], row[10], row[12] = None if market.hours is None else market.next_ms, 0.0001, 1, float(RATE)
    row[15], row[18] = 60000.1, 1
    return [row]


@attrs.frozen
class Exchange:
    """How an exchange answers, and what is known of an interval of so many hours (None: not told) when it is asked."""

    answer: Answer
    source: IntervalSource
    cls: type[CCXTAdapter] | None = None
    symbol: str = "BTC/USDT:USDT"
    sources: Mapping[int | None, IntervalSource | None] = {None: None}
    turns: int = 1
    """So often a settlement has to be seen before its interval is known."""


EXCHANGES: Final[Mapping[str, Exchange]] = {
    "binance": Exchange(binance, IntervalSource.REPORTED, sources={None: None, 8: IntervalSource.VENUE_DEFAULT}),
    "okx": Exchange(okx, IntervalSource.DERIVED),
    "bybit": Exchange(bybit, IntervalSource.REPORTED),
    "htx": Exchange(htx, IntervalSource.REPORTED),
    "bitget": Exchange(bitget, IntervalSource.REPORTED, BitgetPlugin),
    "kucoin": Exchange(kucoin, IntervalSource.REPORTED, KuCoinPlugin),
    "gate": Exchange(gate, IntervalSource.REPORTED, GatePlugin),
    "mexc": Exchange(mexc, IntervalSource.REPORTED, MEXCPlugin),
    "cryptocom": Exchange(cryptocom, IntervalSource.DERIVED, CryptoComPlugin, "BTC/USD:USD", turns=2),
    "bitfinex": Exchange(bitfinex, IntervalSource.DERIVED, BitfinexPlugin, turns=2),
}


def life(before: int | None, *hours: int | None) -> Iterator[Market]:
    """A swap that settled each ``before`` hours, asked just after each of its next settlements."""
    settled = [START + number * (8 if before is None else before) * HOUR_MS for number in range(-6, 1)]
    for one in hours:
        yield Market(list(settled), one)
        settled.append(settled[-1] + (8 if one is None else one) * HOUR_MS)


async def told(venue: str, markets: Sequence[Market], monkeypatch: pytest.MonkeyPatch) -> list[FundingRate]:
    """What one adapter tells of a swap that is, one after the other, as these say."""
    exchange, now = EXCHANGES[venue], [markets[0]]
    local = Local(lambda request: exchange.answer(request, now[0]))
    async with local.adapter(venue, cls=exchange.cls or ADAPTERS[venue]) as adapter:
        monkeypatch.setattr(adapter.context, "now_ms", lambda: now[0].now_ms)
        found = []
        for market in markets:
            now[0] = market
            found.append(await adapter.get_funding_rate(adapter.symbol(exchange.symbol)))
    return found


@pytest.mark.parametrize("hours", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("venue", EXCHANGES)
async def test_an_interval_is_right_and_says_where_it_is_from(
    venue: str, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = EXCHANGES[venue]
    rate = (await told(venue, [*life(hours, *[hours] * exchange.turns)], monkeypatch))[-1]
    assert rate.interval == timedelta(hours=hours)
    assert rate.interval_source is exchange.sources.get(hours, exchange.source)
    assert rate.next_settlement_ms == START + exchange.turns * hours * HOUR_MS
    assert format(rate.rate, "f") == RATE


@pytest.mark.parametrize("venue", [name for name in EXCHANGES if name != "cryptocom"])
async def test_an_interval_that_is_not_told_is_unknown(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (rate,) = await told(venue, [*life(None, None)], monkeypatch)
    assert (rate.interval, rate.interval_source, rate.apr) == (None, None, None)


async def test_without_settlements_crypto_coms_interval_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells none, so that the settlements are all there is."""
    (rate,) = await told("cryptocom", [Market([START], 8)], monkeypatch)
    assert (rate.interval, rate.interval_source, rate.next_settlement_ms) == (None, None, None)


@pytest.mark.parametrize(
    "change", [(8, 4), (8, 1), (4, 8), (1, 2), (2, 6)], ids=lambda change: "-".join(map(str, change))
)
@pytest.mark.parametrize("venue", EXCHANGES)
async def test_a_change_in_mid_life_is_right_or_unknown_at_once(
    venue: str, change: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked just after each settlement by one adapter; never is the old interval told once the new one counts.

    Crypto.com tells of settlements that were, and of no other: until the first that comes at another distance the one
    before is what is derived.
    """
    before, after = change
    markets = [*life(before, *[before] * CHANGED, *[after] * 4)]
    rates = await told(venue, markets, monkeypatch)
    wrong = [
        (number, market.hours, rate.interval)
        for number, (market, rate) in enumerate(zip(markets, rates, strict=True))
        if rate.interval not in (None, timedelta(hours=market.hours or 0))
        and not (venue == "cryptocom" and number == CHANGED and rate.interval_source is IntervalSource.DERIVED)
    ]
    assert not wrong
    assert [rate.interval for rate in rates[-1:]] == [timedelta(hours=after)]
    assert all((rate.interval is None) == (rate.interval_source is None) for rate in rates)

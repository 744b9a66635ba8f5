"""The same recorded rows through ccxt's Bybit and through ours, field by field; where we differ the rule is named."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from bybit_cases import ABSENT, at, cases, fixtures, server
from captures import lines, recordings

from fra.core import ExchangeHandle, FundingRate, KlineInterval, MarketKind, Symbol
from fra.exchanges.bybit import convert, wire

NOW = 1_700_000_000_000


def each(pattern: str) -> pytest.MarkDecorator:
    params = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in recordings(f"bybit/{pattern}")]
    return pytest.mark.parametrize("capture", params or [pytest.param(None, marks=ABSENT, id="none")])


def pushed(path: Path, channel: str) -> Iterator[dict[str, Any]]:
    for line in lines(path):
        message = json.loads(line["raw"]) if line["dir"] == "recv" else {}
        if message.get("topic", "").startswith(f"{channel}."):
            yield message


@pytest_asyncio.fixture
async def theirs() -> AsyncIterator[Any]:
    """ccxt.pro's Bybit with strings for numbers and the markets that it recorded."""
    ccxtpro = pytest.importorskip("ccxt.pro")
    bybit = ccxtpro.bybit()
    bybit.number = str
    bybit.set_markets(list(json.loads(json.dumps(fixtures("markets"), default=float)).values()))
    yield bybit
    await bybit.close()


def symbol(venue_id: str, category: str = "linear") -> Symbol:
    kind = MarketKind.SPOT if category == "spot" else MarketKind.LINEAR_SWAP
    settle = None if category == "spot" else "USDT"
    return Symbol(venue_id, venue_id, kind, "B", "USDT", settle, tick_size=Decimal("0.1"), lot_size=Decimal(1))


def decimal(text: Any) -> Decimal | None:
    return None if text is None else Decimal(str(text))


# --- markets


def markets() -> list[Any]:
    # Some have no raw row.
    found = [pytest.param(market, id=name) for name, market in fixtures("markets").items() if market["info"]]
    return found or [pytest.param(None, marks=ABSENT, id="none")]


@pytest.mark.parametrize("market", markets())
def test_instruments_agree_with_ccxt(market: dict[str, Any]) -> None:
    row = msgspec.convert(market["info"], wire.Instrument, strict=False)
    result = convert.symbols([row], "spot" if market["spot"] else market["subType"] or "linear")
    if market["option"]:
        # Named rule: options are not covered, and say so.
        assert [refused.venue_id for refused in result.refused] == [market["id"]]
        return
    (found,) = result
    assert (found.name, found.venue_id, found.active) == (market["symbol"], market["id"], market["active"])
    assert (found.base, found.quote, found.settle) == (market["base"], market["quote"], market["settle"])
    assert (found.linear, found.inverse) == (bool(market["linear"]), bool(market["inverse"]))
    assert found.contract_size == Decimal(market["contractSize"] or 1)
    assert found.tick_size == market["precision"]["price"]
    assert found.lot_size == market["precision"]["amount"]
    limits = market["limits"]
    assert found.min_amount == Decimal(str(limits["amount"]["min"]))
    assert found.max_amount == decimal(limits["amount"]["max"])
    if market["spot"]:
        # Named rule: ccxt leaves the smallest value of contracts out.
        assert found.min_notional == decimal(limits["cost"]["min"])


# --- answers, through the adapter over a socket


def answering(path: str, case: dict[str, Any]) -> dict[str, Any]:
    return {path: json.loads(json.dumps(case["httpResponse"], default=str))}


@pytest.mark.parametrize(("method", "case"), cases("response", "fetchTicker"))
async def test_tickers_agree_with_ccxt(method: str, case: dict[str, Any]) -> None:
    expected = case["parsedResponse"]
    async with server(answering("market/tickers", case)).asked() as bybit:
        ticker = await bybit.get_ticker(case["input"][0])
    same = {
        "symbol": ticker.symbol,
        "bid": ticker.bid,
        "bidVolume": ticker.bid_amount,
        "ask": ticker.ask,
        "askVolume": ticker.ask_amount,
        "last": ticker.last,
        "open": ticker.open,
        "high": ticker.high,
        "low": ticker.low,
        "baseVolume": ticker.volume,
        "quoteVolume": ticker.quote_volume,
    }
    assert same == {key: decimal(expected[key]) if key != "symbol" else expected[key] for key in same}
    # Named rule: ccxt leaves the time of the answer out.
    assert (ticker.timestamp_ms, expected["timestamp"]) == (int(case["httpResponse"]["time"]), None)


@pytest.mark.parametrize(("method", "case"), cases("response", "fetchOHLCV"))
async def test_klines_agree_with_ccxt(method: str, case: dict[str, Any]) -> None:
    name, interval, since, limit = (*case["input"], None, None)[:4]
    async with server(answering("market/kline", case)).asked() as bybit:
        klines = await bybit.get_klines(name, interval, since=since, limit=limit)
    found = [[k.open_ms, k.open, k.high, k.low, k.close, k.volume] for k in klines]
    assert found == [[row[0], *map(decimal, row[1:])] for row in case["parsedResponse"]]


def check_rate(rate: FundingRate, expected: dict[str, Any]) -> None:
    assert (rate.symbol, rate.rate) == (expected["symbol"], decimal(expected["fundingRate"]))
    assert (rate.mark_price, rate.index_price) == (decimal(expected["markPrice"]), decimal(expected["indexPrice"]))
    assert rate.timestamp_ms == expected["timestamp"]
    assert rate.interval is not None
    assert f"{rate.interval // timedelta(hours=1)}h" == expected["interval"]
    # Named rule: by now the recorded settlement has passed; ours is the next one of the same schedule.
    assert rate.next_settlement_derived
    assert rate.next_settlement_ms is not None
    assert (rate.next_settlement_ms - expected["fundingTimestamp"]) % (rate.interval // timedelta(milliseconds=1)) == 0


@pytest.mark.parametrize(("method", "case"), cases("response", "fetchFundingRate"))
async def test_funding_agrees_with_ccxt(method: str, case: dict[str, Any]) -> None:
    async with server(answering("market/tickers", case)).asked(markets=["linear"]) as bybit:
        check_rate(await bybit.get_funding_rate(case["input"][0]), case["parsedResponse"])


@pytest.mark.parametrize(("method", "case"), cases("response", "fetchFundingRates"))
async def test_funding_of_many_agrees_with_ccxt(method: str, case: dict[str, Any]) -> None:
    async with server(answering("market/tickers", case)).asked(markets=["linear"]) as bybit:
        rates = await bybit.get_funding_rates(case["input"][0])
    assert {rate.symbol for rate in rates} == set(case["parsedResponse"])
    for rate in rates:
        check_rate(rate, case["parsedResponse"][rate.symbol])


async def book(bybit: ExchangeHandle, arguments: list[Any], expected: Any) -> None:
    found = await bybit.get_orderbook(arguments[0], depth=at(arguments, 1))
    for ours, their in ((found.bids, expected["bids"]), (found.asks, expected["asks"])):
        assert [[level.price, level.amount] for level in ours] == [[decimal(n) for n in row] for row in their]
    assert (found.symbol, found.timestamp_ms) == (expected["symbol"], expected["timestamp"])
    # Named rule: ccxt leaves the update id out.
    assert (found.sequence is not None, expected["nonce"]) == (True, None)


async def history(bybit: ExchangeHandle, arguments: list[Any], expected: Any) -> None:
    rates = await bybit.get_funding_rate_history(arguments[0])
    assert [(rate.symbol, rate.settled_ms, rate.rate) for rate in rates] == [
        (row["symbol"], row["timestamp"], decimal(row["fundingRate"])) for row in expected
    ]


async def trades(bybit: ExchangeHandle, arguments: list[Any], expected: Any) -> None:
    found = await bybit.get_trades(arguments[0])
    assert [(t.id, t.timestamp_ms, t.side.value, t.price, t.amount) for t in found] == [
        (row["id"], row["timestamp"], row["side"], decimal(row["price"]), decimal(row["amount"])) for row in expected
    ]


async def tickers(bybit: ExchangeHandle, arguments: list[Any], expected: Any) -> None:
    found = {ticker.symbol: ticker for ticker in await bybit.get_tickers(list(expected))}
    for name, row in expected.items():
        best = (found[name].bid, found[name].ask, found[name].last)
        assert best == (decimal(row["bid"]), decimal(row["ask"]), decimal(row["last"]))


OTHERS = {
    "fetchOrderBook": ("market/orderbook", book),
    "fetchFundingRateHistory": ("market/funding/history", history),
    "fetchTickers": ("market/tickers", tickers),
    "fetchTrades": ("market/recent-trade", trades),
}


@pytest.mark.parametrize(("method", "case"), cases("response", *OTHERS))
async def test_other_answers_agree_with_ccxt(method: str, case: dict[str, Any]) -> None:
    path, check = OTHERS[method]
    category = case["httpResponse"]["result"].get("category")
    if category == "option":
        # Named rule: options are not covered.
        return
    async with server(answering(path, case)).asked(markets=[category] if category else []) as bybit:
        await check(bybit, case["input"], case["parsedResponse"])


# --- captures, through ccxt's parsers and ours


@each("*-trades/*")
async def test_trades(capture: Path, theirs: Any) -> None:
    compared = 0
    for message in pushed(capture, "publicTrade"):
        for row in message["data"]:
            trade = convert.trade(msgspec.convert(row, wire.Trade), symbol(row["s"]), received_ms=NOW)
            parsed = theirs.parse_ws_trade(dict(row), None)
            compared += 1
            assert (trade.id, trade.side.value, trade.timestamp_ms) == (
                parsed["id"],
                parsed["side"],
                parsed["timestamp"],
            )
            assert (trade.price, trade.amount) == (decimal(parsed["price"]), decimal(parsed["amount"]))
    assert compared > 0


@each("*-ticker/*")
async def test_tickers(capture: Path, theirs: Any) -> None:
    category = capture.parent.name.partition("-")[0]
    told: dict[str, dict[str, Any]] = {}
    for message in pushed(capture, "tickers"):
        row = told.setdefault(message["data"]["symbol"], {})
        row.update(message["data"])
        ticker = convert.ticker(
            msgspec.convert(row, wire.Ticker), symbol(row["symbol"], category), received_ms=NOW, timestamp_ms=None
        )
        parsed = theirs.parse_ticker(dict(row))
        for name in ("bid", "ask", "last", "open", "high", "low"):
            assert getattr(ticker, name) == decimal(parsed[name]), name
        assert ticker.bid_amount == decimal(parsed["bidVolume"])
        assert ticker.ask_amount == decimal(parsed["askVolume"])
        assert ticker.volume == decimal(parsed["baseVolume"])
        assert ticker.quote_volume == decimal(parsed["quoteVolume"])
    assert told


@each("*-kline/*")
async def test_klines(capture: Path, theirs: Any) -> None:
    for message in pushed(capture, "kline"):
        for row in message["data"]:
            kline = convert.candle(msgspec.convert(row, wire.Candle), symbol("X"), KlineInterval.M1)
            opened, *numbers = theirs.parse_ws_ohlcv(dict(row))
            assert kline.open_ms == opened
            assert [kline.open, kline.high, kline.low, kline.close, kline.volume] == list(map(decimal, numbers))


@each("linear-ticker/*")
async def test_funding(capture: Path, theirs: Any) -> None:
    told: dict[str, dict[str, Any]] = {}
    for message in pushed(capture, "tickers"):
        row = told.setdefault(message["data"]["symbol"], {})
        row.update(message["data"])
        rate = convert.funding_rate(
            msgspec.convert(row, wire.Ticker), symbol(row["symbol"]), received_ms=NOW, venue_ms=message["ts"]
        )
        parsed = theirs.parse_funding_rate(dict(row))
        assert rate.rate == decimal(parsed["fundingRate"])
        assert rate.next_settlement_ms == parsed["fundingTimestamp"]
        assert rate.mark_price == decimal(parsed["markPrice"])
    assert told

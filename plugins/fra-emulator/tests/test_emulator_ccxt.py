"""ccxt and ccxt.pro, pointed at the emulator by URLs only, find every venue as they know it."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOLS = {
    "binance": ("BTC/USDT", "BTC/USDT:USDT", "1000PEPE/USDT:USDT"),
    "okx": ("BTC/USDT", "BTC/USDT:USDT", "PEPE/USDT:USDT", "BTC/USD:BTC"),
    "bybit": ("BTC/USDT", "BTC/USDT:USDT", "1000PEPE/USDT:USDT", "BTC/USD:BTC"),
    "htx": ("BTC/USDT", "PEPE/USDT", "BTC/USDT:USDT", "PEPE/USDT:USDT"),
}
PEPE = {
    "binance": ("1000PEPE/USDT:USDT", 1),
    "okx": ("PEPE/USDT:USDT", 10_000_000),
    "bybit": ("1000PEPE/USDT:USDT", 1),
    "htx": ("PEPE/USDT:USDT", 100_000),
}
CASES = [(venue, symbol) for venue, symbols in SYMBOLS.items() for symbol in symbols]
SWAPS = [(venue, symbol) for venue, symbol in CASES if ":" in symbol]


@pytest.fixture
def client(request: pytest.FixtureRequest, outside: Mapping[str, Any]) -> Any:
    return outside[request.param]


venues = pytest.mark.parametrize("client", list(SYMBOLS), indirect=True)


@venues
async def test_every_listed_instrument_is_loaded(client: Any) -> None:
    assert {"BTC/USDT", "ETH/USDT:USDT", "DOGE/USDT:USDT"} <= set(client.symbols)
    assert len([s for s in client.symbols if ":" in s]) > 25
    symbol, size = PEPE[client.id]
    assert float(client.market(symbol)["contractSize"]) == size


@pytest.mark.parametrize(("client", "symbol"), CASES, indirect=["client"])
async def test_market_data_is_fetched_and_agrees_with_itself(client: Any, symbol: str) -> None:
    book = await client.fetch_order_book(symbol)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    assert 0 < bid < ask
    trades = await client.fetch_trades(symbol)
    assert trades[-1]["price"] == pytest.approx(bid, rel=0.01)
    ticker = await client.fetch_ticker(symbol)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    candles = await client.fetch_ohlcv(symbol, "1h", limit=24)
    assert len(candles) == 24
    assert [c[0] for c in candles] == sorted(c[0] for c in candles)
    for before, after in itertools.pairwise(candles):
        assert after[1] == pytest.approx(before[4], rel=1e-3), "a candle opens where the last one closed"


@venues
async def test_all_tickers_are_fetched_at_once(client: Any) -> None:
    tickers = await client.fetch_tickers()
    assert len(tickers) > 30


# ccxt has no call for all of HTX's linear rates
@pytest.mark.parametrize("client", [name for name in SYMBOLS if name != "htx"], indirect=True)
async def test_all_funding_rates_are_fetched_at_once(client: Any) -> None:
    rates = await client.fetch_funding_rates()
    assert len([r for r in rates.values() if r["fundingRate"] is not None]) > 25


@pytest.mark.parametrize(("client", "symbol"), SWAPS, indirect=["client"])
async def test_funding_is_fetched_with_its_history(client: Any, symbol: str) -> None:
    rate = await client.fetch_funding_rate(symbol)
    now = client.milliseconds()
    assert now < rate["fundingTimestamp"] <= now + 8 * 3_600_000
    history = await client.fetch_funding_rate_history(symbol, limit=10)
    assert len(history) == 10
    times = [row["timestamp"] // 60_000 for row in history]
    assert {after - before for before, after in itertools.pairwise(times)} == {480}


@pytest.mark.parametrize(("client", "symbol"), CASES, indirect=["client"])
async def test_market_data_is_watched(client: Any, symbol: str) -> None:
    async with asyncio.timeout(15):
        first = await client.watch_order_book(symbol)
        # ccxt keeps no id of a Bybit book
        order = "nonce" if client.id != "bybit" else "timestamp"
        reached = first[order]
        later = await client.watch_order_book(symbol)
        assert later[order] >= reached
        assert later["bids"][0][0] < later["asks"][0][0]
        trades = await client.watch_trades(symbol)
        assert trades[-1]["price"] == pytest.approx(later["bids"][0][0], rel=0.01)
        ticker = await client.watch_ticker(symbol)
        assert ticker["last"] == pytest.approx(later["bids"][0][0], rel=0.01)
        candles = await client.watch_ohlcv(symbol)
        assert candles[-1][4] == pytest.approx(later["bids"][0][0], rel=0.01)


@pytest.mark.parametrize("client", ["okx"], indirect=True)
async def test_okx_funding_is_watched(client: Any) -> None:
    rate = await asyncio.wait_for(client.watch_funding_rate("ETH/USDT:USDT"), 5)
    assert rate["interval"] == "8h"


@pytest.mark.parametrize("client", ["binance"], indirect=True)
async def test_binance_lists_only_adjusted_intervals(client: Any) -> None:
    intervals = await client.fetch_funding_intervals()
    assert {row["interval"] for row in intervals.values()} == {"1h", "4h"}
    assert "BTC/USDT:USDT" not in intervals


@venues
async def test_a_watched_book_stays_sorted_and_full(client: Any) -> None:
    """Twenty updates in a row, through ccxt's own bridging and merging."""
    depth = 200 if client.id == "bybit" else None
    async with asyncio.timeout(20):
        for _ in range(20):
            book = await client.watch_order_book("ETH/USDT:USDT", depth)
            assert len(book["bids"]) > 100
            prices = [row[0] for row in book["bids"]]
            assert prices == sorted(prices, reverse=True)
            assert book["bids"][0][0] < book["asks"][0][0]

"""Candles of inverse contracts have their volume in US dollars, whatever a venue counts and ccxt makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import Local, fixtures

from fra.core import KlineInterval

pytestmark = pytest.mark.skipif(not fixtures("markets", "binance"), reason="FRA_FIXTURES is not set")

OPEN_MS = 1_700_000_000_000
OHLC = ["40000", "41000", "39000", "40500"]
CANDLES: Mapping[str, tuple[Any, Decimal]] = {
    # COIN-M, "Kline/Candlestick Data": volume in contracts of 100 USD, then the time of the end, then base coin
    "binance": ([[OPEN_MS, *OHLC, "300", OPEN_MS + 3_599_999, "0.75", 9, "100", "0.25", "0"]], Decimal(30_000)),
    # "Get candlesticks": contracts of 100 USD, base coin, quote coin
    "okx": (
        {"code": "0", "msg": "", "data": [[str(OPEN_MS), *OHLC, "300", "0.75", "30000", "1"]]},
        Decimal(30_000),
    ),
    # "Get Kline": of inverse contracts the volume is in US dollars
    "bybit": (
        {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"symbol": "BTCUSD", "category": "inverse", "list": [[str(OPEN_MS), *OHLC, "30000", "0.75"]]},
            "time": OPEN_MS,
        },
        Decimal(30_000),
    ),
    # Coin-margined swaps, "Get KLine Data": ``vol`` in contracts of 100 USD, both sides; ``amount`` in coin
    "htx": (
        {
            "ch": "market.BTC-USD.kline.60min",
            "ts": OPEN_MS,
            "status": "ok",
            "data": [
                {
                    **dict(zip(("open", "high", "low", "close"), map(Decimal, OHLC), strict=True)),
                    "id": OPEN_MS // 1000,
                    "vol": 600,
                    "amount": Decimal("1.5"),
                    "count": 9,
                }
            ],
        },
        Decimal(30_000),
    ),
    # "Futures market K-line chart": ``v`` in contracts, of 1 USD for BTC_USD
    "gate": (
        [{**dict(zip("ohlc", OHLC, strict=True)), "t": OPEN_MS // 1000, "v": 30_000, "sum": "0.75"}],
        Decimal(30_000),
    ),
    # Futures, "Get Klines": in contracts, of 1 USD for XBTUSDM
    "kucoin": (
        {"code": "200000", "data": [[OPEN_MS, *map(float, OHLC), 30_000, 0.75]]},
        Decimal(30_000),
    ),
}


async def test_mexcs_contracts_of_100_dollars_are_dollars() -> None:
    """Futures, "Get Candlestick Data": ``vol`` in contracts. None of its inverse contracts was recorded: one is made of
    a linear one, as "Get Contract Info" shows BTC_USD.
    """
    columns = dict(zip(("open", "high", "low", "close"), ([float(price)] for price in OHLC), strict=True))
    told = {"time": [OPEN_MS // 1000], **columns, "vol": [300], "amount": [0.75]}
    async with Local({"success": True, "code": 0, "data": told}).adapter("mexc") as adapter:
        linear = adapter.client.markets["BTC/USDT:USDT"]
        named = {"id": "BTC_USD", "symbol": "BTC/USD:BTC", "quote": "USD", "quoteId": "USD", "settle": "BTC"}
        adapter.client.set_markets([{**linear, **named, "linear": False, "inverse": True, "contractSize": "100"}])
        adapter.take_markets()
        (candle,) = await adapter.get_klines(adapter.symbol("BTC/USD:BTC"), KlineInterval.H1)
    assert (candle.close, candle.volume) == (Decimal("40500"), Decimal(30_000))


@pytest.mark.parametrize("venue", CANDLES)
async def test_a_candles_volume_is_in_us_dollars(venue: str) -> None:
    answer, volume = CANDLES[venue]
    async with Local(answer).adapter(venue) as adapter:
        symbol = adapter.symbol("BTC/USD:BTC")
        (candle,) = await adapter.get_klines(symbol, KlineInterval.H1)
    assert (candle.open_ms, candle.open, candle.close) == (OPEN_MS, Decimal("40000"), Decimal("40500"))
    assert candle.volume == volume

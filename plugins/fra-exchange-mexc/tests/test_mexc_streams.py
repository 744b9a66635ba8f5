"""Streams of MEXC's contracts, over a socket: rates, trades, tickers, candles."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ccxt_plain import Heard, Speaking, with_recordings

from fra.core import IntervalSource, KlineInterval, MarketKind, Operation, Side
from fra.exchanges.mexc import MEXCPlugin

pytestmark = with_recordings
NAME = "LTC/USDT:USDT"
NOW = int(time.time() * 1000)
DEAL = {"p": 50.25, "v": 2, "T": 2, "O": 1, "M": 1, "t": NOW}
RATE = {"symbol": "LTC_USDT", "fundingRate": 0.000073, "collectCycle": 4, "nextSettleTime": NOW + 9_000_000}
PUSHED: dict[str, Any] = {
    "sub.funding.rate": {"symbol": "LTC_USDT", "rate": -0.000021, "nextSettleTime": NOW + 9_000_000},
    "sub.deal": [DEAL, DEAL, {**DEAL, "T": 1, "p": 50.26}],
    "sub.ticker": {
        "symbol": "LTC_USDT",
        "lastPrice": 50.25,
        "bid1": 50.2,
        "ask1": 50.3,
        "volume24": 150,
        "timestamp": NOW,
    },
    "sub.kline": {
        "symbol": "LTC_USDT",
        "interval": "Min1",
        "t": 1779871620,
        "o": 50.1,
        "c": 50.2,
        "h": 50.3,
        "l": 50,
        "q": 7,
    },
}


def react(frame: dict[str, Any]) -> Iterable[Any]:
    data = PUSHED.get(frame["method"])
    if data is not None:
        yield {"channel": frame["method"].replace("sub.", "push."), "symbol": "LTC_USDT", "ts": NOW, "data": data}


def venue() -> Speaking:
    return Speaking({"success": True, "code": 0, "data": RATE}, react=react)


async def test_a_streamed_rate_has_the_interval_that_mexc_tells_when_asked() -> None:
    async with venue().adapter("mexc", cls=MEXCPlugin) as mexc:
        assert mexc.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, MarketKind.LINEAR_SWAP).mode == "native"
        (rate,) = await Heard(mexc.subscribe_funding_rate(mexc.symbol(NAME))).until(1)
    assert (rate.rate, rate.interval, rate.interval_source) == (
        Decimal("-0.000021"),
        timedelta(hours=4),
        IntervalSource.REPORTED,
    )
    assert rate.next_settlement_ms == RATE["nextSettleTime"]


async def test_two_equal_trades_of_one_millisecond_are_two() -> None:
    async with venue().adapter("mexc", cls=MEXCPlugin) as mexc:
        trades = await Heard(mexc.subscribe_trades(mexc.symbol(NAME))).until(3)
    assert sorted((trade.side.value, trade.price, trade.amount) for trade in trades) == [
        (Side.BUY.value, Decimal("50.26"), Decimal("0.02")),
        (Side.SELL.value, Decimal("50.25"), Decimal("0.02")),
        (Side.SELL.value, Decimal("50.25"), Decimal("0.02")),
    ]


async def test_a_ticker_and_a_candle_count_coins() -> None:
    async with venue().adapter("mexc", cls=MEXCPlugin) as mexc:
        symbol = mexc.symbol(NAME)
        (ticker,) = await Heard(mexc.subscribe_ticker(symbol)).until(1)
        (kline,) = await Heard(mexc.subscribe_klines(symbol, KlineInterval.M1)).until(1)
    assert (ticker.last, ticker.bid, ticker.ask, ticker.volume) == (
        Decimal("50.25"),
        Decimal("50.2"),
        Decimal("50.3"),
        Decimal("1.5"),
    )
    assert (kline.open, kline.close, kline.volume, kline.open_ms) == (
        Decimal("50.1"),
        Decimal("50.2"),
        Decimal("0.07"),
        1_779_871_620_000,
    )

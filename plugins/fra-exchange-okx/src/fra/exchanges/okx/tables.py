"""OKX's REST calls, channels and budgets, a row each (API v5 guide, the page of each path and channel)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

import attrs

from fra.adapters.custom import Channel, Endpoint, Params
from fra.adapters.custom.endpoint import Serves
from fra.core import MarketKind, Operation, RateLimit, Symbol
from fra.exchanges.okx import wire
from fra.exchanges.okx.books import RawRow
from fra.exchanges.okx.dialect import CONNECTS, topic

T = TypeVar("T")

KINDS: Final[Mapping[str, tuple[MarketKind, ...]]] = {
    "spot": (MarketKind.SPOT,),
    "swap": (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP),
}
INST_TYPES: Final[Mapping[str, str]] = {"spot": "SPOT", "swap": "SWAP"}
_SWAP: Final = ("swap",)

BUDGETS: Final[Mapping[str, int]] = {
    "public/time": 10,
    "public/instruments": 20,
    "public/funding-rate": 10,
    "public/funding-rate-history": 10,
    "public/mark-price": 10,
    "market/books": 40,
    "market/books-full": 10,
    "market/ticker": 20,
    "market/tickers": 20,
    "market/trades": 100,
    "market/candles": 40,
    "market/history-candles": 20,
}
"""Requests in any 2 s by one address, a budget per path (API v5 guide, at each endpoint)."""


def _get(
    path: str, row: type[T], *, serves: Serves = None, markets: Iterable[str] = KINDS
) -> tuple[Endpoint[wire.Reply[T]], ...]:
    """One public path, as a row per market."""
    reply: type[wire.Reply[T]] = wire.Reply[row]  # type: ignore[valid-type]
    return tuple(
        Endpoint("GET", f"/api/v5/{path}", reply, market=market, serves=serves, kinds=KINDS[market], cost={path: 1})
        for market in markets
    )


def _push(
    name: str,
    row: type[T],
    *,
    serves: Serves = None,
    url: str = "ws",
    staleness: float | None = None,
    markets: Iterable[str] = KINDS,
) -> tuple[Channel[wire.Push[T]], ...]:
    """One channel, as a row per market. Its name may hold ``{bar}``."""
    push: type[wire.Push[T]] = wire.Push[row]  # type: ignore[valid-type]

    def topic_of(symbol: Symbol | None, params: Params) -> str:
        return topic(name.format(**params), symbol.venue_id if symbol else "")

    return tuple(
        Channel(topic_of, push, market=market, serves=serves, kinds=KINDS[market], url=url, staleness=staleness)
        for market in markets
    )


TIME = _get("public/time", wire.ServerTime)
INSTRUMENTS = _get("public/instruments", wire.Instrument, serves=Operation.GET_SYMBOLS)
BOOK = _get("market/books", wire.Book, serves=Operation.GET_ORDERBOOK)
FULL_BOOK = _get("market/books-full", wire.Book)
TICKER = _get("market/ticker", wire.Ticker, serves=Operation.GET_TICKER)
TICKERS = _get("market/tickers", wire.Ticker, serves=Operation.GET_TICKERS)
TRADES = _get("market/trades", wire.Trade, serves=Operation.GET_TRADES)
CANDLES = _get("market/candles", wire.Candle, serves=Operation.GET_KLINES)
OLD_CANDLES = _get("market/history-candles", wire.Candle)
FUNDING = _get(
    "public/funding-rate",
    wire.FundingRate,
    serves=(Operation.GET_FUNDING_RATE, Operation.GET_FUNDING_RATES),
    markets=_SWAP,
)
SETTLED = _get(
    "public/funding-rate-history", wire.SettledFunding, serves=Operation.GET_FUNDING_RATE_HISTORY, markets=_SWAP
)
MARK = _get("public/mark-price", wire.MarkPrice, markets=_SWAP)

# A quiet book is repeated each 60 s, a funding rate comes each 30 to 90 s; the others are silent when nothing happens.
BOOK_CHANNEL = tuple(
    attrs.evolve(row, snapshot_first=True)
    for row in _push("books", RawRow, serves=Operation.SUBSCRIBE_ORDERBOOK, staleness=90.0)
)
TICKER_CHANNEL = _push("tickers", wire.Ticker, serves=Operation.SUBSCRIBE_TICKER)
BEST_CHANNEL = _push("bbo-tbt", wire.Book)
TRADE_CHANNEL = tuple(
    attrs.evolve(row, lossless=True, order_of=lambda push: int(push.data[-1].tradeId))
    for row in _push("trades", wire.Trade, serves=Operation.SUBSCRIBE_TRADES)
)
CANDLE_CHANNEL = _push("candle{bar}", wire.Candle, serves=Operation.SUBSCRIBE_KLINES, url="ws_business")
FUNDING_CHANNEL = _push(
    "funding-rate", wire.FundingRate, serves=Operation.SUBSCRIBE_FUNDING_RATE, staleness=180.0, markets=_SWAP
)

ENDPOINTS: Final[tuple[Endpoint[object], ...]] = (
    *TIME,
    *INSTRUMENTS,
    *BOOK,
    *FULL_BOOK,
    *TICKER,
    *TICKERS,
    *TRADES,
    *CANDLES,
    *OLD_CANDLES,
    *FUNDING,
    *SETTLED,
    *MARK,
)

CHANNELS: Final[tuple[Channel[object], ...]] = (
    *BOOK_CHANNEL,
    *TICKER_CHANNEL,
    *BEST_CHANNEL,
    *TRADE_CHANNEL,
    *CANDLE_CHANNEL,
    *FUNDING_CHANNEL,
)

LIMITS: Final = (
    *(RateLimit(path, capacity, 2.0) for path, capacity in BUDGETS.items()),
    RateLimit(CONNECTS, 3, 1.0),
)

FEES: Final[Mapping[str, Decimal]] = {
    "maker": Decimal("0.0008"),
    "taker": Decimal("0.001"),
    "linear_swap.maker": Decimal("0.0002"),
    "linear_swap.taker": Decimal("0.0005"),
    "inverse_swap.maker": Decimal("0.0002"),
    "inverse_swap.taker": Decimal("0.0005"),
}
"""Base rates of a level 1 account."""

"""Messages exactly as Binance sends them. Field names are the venue's own; what fra does not use is left out.

Book rows are (float, str): see ``fra.adapters.custom.levels``. All other numbers are Decimals from the wire text.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from fra.adapters.custom.levels import BookPrice

Row = tuple[BookPrice, str]


class _Rest(msgspec.Struct, gc=False):
    """A row of a REST answer."""


class _Push(msgspec.Struct, gc=False):
    """A message of a stream."""


# --- REST: general


class ServerTime(_Rest):
    serverTime: int


class Filter(_Rest):
    """One trading rule of a symbol; which fields there are depends on ``filterType``."""

    filterType: str
    tickSize: str | None = None
    stepSize: str | None = None
    minQty: str | None = None
    maxQty: str | None = None
    minNotional: str | None = None
    notional: str | None = None


class DeclaredLimit(_Rest):
    """One of the venue's limits as it stands now: ``limit`` units in ``intervalNum`` times ``interval``."""

    rateLimitType: str
    interval: str
    intervalNum: int
    limit: int


class SpotSymbol(_Rest):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[Filter]


class SpotInfo(_Rest):
    symbols: list[SpotSymbol]
    rateLimits: list[DeclaredLimit] = []


class UsdmSymbol(_Rest):
    symbol: str
    contractType: str
    status: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str
    deliveryDate: int
    filters: list[Filter]


class UsdmInfo(_Rest):
    symbols: list[UsdmSymbol]
    rateLimits: list[DeclaredLimit] = []


# --- REST: market data


class Depth(_Rest):
    """A book to be handed on: texts, so that every price is exact whatever its length."""

    lastUpdateId: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    E: int | None = None
    T: int | None = None


class Snapshot(_Rest):
    """The same answer as the start of a live book."""

    lastUpdateId: int
    bids: list[Row]
    asks: list[Row]
    E: int | None = None
    T: int | None = None


class SpotTrade(_Rest):
    id: int
    price: Decimal
    qty: Decimal
    time: int
    isBuyerMaker: bool


class AggTrade(_Rest):
    a: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class DayTicker(_Rest):
    """24 hour statistics; USD-M has no best prices here."""

    symbol: str
    lastPrice: Decimal
    openPrice: Decimal
    highPrice: Decimal
    lowPrice: Decimal
    volume: Decimal
    quoteVolume: Decimal
    closeTime: int
    bidPrice: Decimal | None = None
    bidQty: Decimal | None = None
    askPrice: Decimal | None = None
    askQty: Decimal | None = None


class BookTicker(_Rest):
    symbol: str
    bidPrice: Decimal
    bidQty: Decimal
    askPrice: Decimal
    askQty: Decimal
    time: int | None = None


class Candle(msgspec.Struct, array_like=True, gc=False):
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    close_ms: int
    quote_volume: Decimal
    trades: int


# --- REST: funding


class PremiumIndex(_Rest):
    symbol: str
    markPrice: str
    indexPrice: str
    lastFundingRate: str
    nextFundingTime: int
    time: int


class FundingInfo(_Rest):
    """Only of symbols whose cap, floor or interval were adjusted."""

    symbol: str
    fundingIntervalHours: int
    adjustedFundingRateCap: str = ""
    adjustedFundingRateFloor: str = ""


class SettledRate(_Rest):
    symbol: str
    fundingRate: Decimal
    fundingTime: int
    markPrice: str = ""


# --- streams: each frame is {"stream": name, "data": one of these}


class DepthUpdate(_Push):
    """``pu`` and ``T`` are USD-M's."""

    E: int
    U: int
    u: int
    b: list[Row]
    a: list[Row]
    pu: int = 0
    T: int | None = None


class DepthFrame(_Push):
    data: DepthUpdate


class TradePush(_Push):
    t: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class TradeFrame(_Push):
    data: TradePush


class AggTradePush(_Push):
    a: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class AggTradeFrame(_Push):
    data: AggTradePush


class BookTickerPush(_Push):
    """``E`` is USD-M's: spot gives no time."""

    u: int
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal
    E: int | None = None


class BookTickerFrame(_Push):
    data: BookTickerPush


class KlinePush(_Push):
    t: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741
    c: Decimal
    v: Decimal
    q: Decimal
    n: int
    x: bool


class KlineEvent(_Push):
    k: KlinePush


class KlineFrame(_Push):
    data: KlineEvent


class MarkPrice(_Push):
    """``r`` is empty and ``T`` 0 for delivery contracts."""

    E: int
    p: str
    i: str
    r: str
    T: int


class MarkPriceFrame(_Push):
    data: MarkPrice

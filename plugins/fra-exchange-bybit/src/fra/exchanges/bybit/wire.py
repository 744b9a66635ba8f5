"""What Bybit sends, field by field, as its V5 documents name it. Numbers are text; ``''`` and null are unknown."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from fra.adapters.custom.levels import BookPrice

T = TypeVar("T")

Text = str | None


class Reply(msgspec.Struct, Generic[T]):
    """The envelope of every REST answer. ``time`` is when Bybit answered."""

    retCode: int
    result: T
    retMsg: str = ""
    time: int = 0


class Page(msgspec.Struct, Generic[T]):
    """The ``result`` of what comes as a list. ``nextPageCursor`` is empty on the last page."""

    rows: list[T] = msgspec.field(name="list")
    nextPageCursor: Text = ""
    category: Text = ""


class Nothing(msgspec.Struct):
    """A ``result`` of which nothing is read."""


class ServerTime(msgspec.Struct, frozen=True):
    """GET /v5/market/time."""

    timeNano: str


# --- market data


class PriceFilter(msgspec.Struct, frozen=True):
    """The price grid of an instrument."""

    tickSize: str = ""


class LotSizeFilter(msgspec.Struct, frozen=True):
    """The amount grid of an instrument: ``qtyStep`` of contracts, ``basePrecision`` of spot."""

    basePrecision: str = ""
    qtyStep: str = ""
    minOrderQty: str = ""
    maxOrderQty: str = ""
    maxLimitOrderQty: str = ""
    minOrderAmt: str = ""
    minNotionalValue: str = ""


class Instrument(msgspec.Struct, frozen=True):
    """A row of GET /v5/market/instruments-info. ``fundingInterval`` is in minutes."""

    symbol: str
    status: str = ""
    baseCoin: str = ""
    quoteCoin: str = ""
    settleCoin: str = ""
    contractType: str = ""
    fundingInterval: int = 0
    priceFilter: PriceFilter = PriceFilter()
    lotSizeFilter: LotSizeFilter = LotSizeFilter()


class Ticker(msgspec.Struct):
    """A row of GET /v5/market/tickers, and of the channel, where an absent field (None) means unchanged."""

    symbol: str
    bid1Price: Text = None
    bid1Size: Text = None
    ask1Price: Text = None
    ask1Size: Text = None
    lastPrice: Text = None
    prevPrice24h: Text = None
    highPrice24h: Text = None
    lowPrice24h: Text = None
    volume24h: Text = None
    turnover24h: Text = None
    markPrice: Text = None
    indexPrice: Text = None
    fundingRate: Text = None
    nextFundingTime: Text = None
    fundingIntervalHour: Text = None
    fundingCap: Text = None


class Book(msgspec.Struct, frozen=True):
    """GET /v5/market/orderbook. A level is ``[price, size]``."""

    b: list[list[str]]
    a: list[list[str]]
    u: int
    ts: int
    cts: int = 0


class RecentTrade(msgspec.Struct, frozen=True):
    """A row of GET /v5/market/recent-trade."""

    execId: str
    price: str
    size: str
    side: Literal["Buy", "Sell"]
    time: str


class Candles(msgspec.Struct, frozen=True):
    """GET /v5/market/kline, newest first: start, open, high, low, close, volume, turnover."""

    rows: list[list[str]] = msgspec.field(name="list")


class SettledFunding(msgspec.Struct, frozen=True):
    """A row of GET /v5/market/funding/history."""

    symbol: str
    fundingRate: str
    fundingRateTimestamp: str


# --- channels


Level = tuple[BookPrice, str]
"""A level of an ``orderbook`` channel, price as float: decode with ``strict=False``."""


class BookChange(msgspec.Struct, gc=False):
    """The data of an ``orderbook`` channel."""

    b: list[Level]
    a: list[Level]
    u: int


class BookPush(msgspec.Struct, gc=False):
    """A message of an ``orderbook`` channel. ``cts`` is the matching engine's time, ``ts`` the sender's."""

    type: str
    ts: int
    data: BookChange
    cts: int = 0


class TickerPush(msgspec.Struct):
    """A message of a ``tickers`` channel."""

    type: str
    ts: int
    data: Ticker


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A row of a ``publicTrade`` channel: ``S`` is the taker's side, ``seq`` only rises."""

    i: str
    T: int
    p: str
    v: str
    S: Literal["Buy", "Sell"]
    seq: int = 0


class TradePush(msgspec.Struct):
    """A message of a ``publicTrade`` channel."""

    data: Annotated[list[Trade], msgspec.Meta(min_length=1)]


class Candle(msgspec.Struct, frozen=True, gc=False):
    """A row of a ``kline`` channel; ``confirm`` once it is complete."""

    start: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str
    confirm: bool


class CandlePush(msgspec.Struct):
    """A message of a ``kline`` channel."""

    data: list[Candle]


class Event(msgspec.Struct):
    """Any message that is no data. The public sockets, the private one and errors differ in their names."""

    op: str = ""
    success: bool | None = None
    ret_msg: Text = ""
    retCode: int | None = None
    retMsg: Text = ""
    req_id: str | int | None = ""
    topic: str = ""


# --- account


class Ids(msgspec.Struct, frozen=True):
    """What placing and cancelling answer with: that the request was received, and no more."""

    orderId: str = ""
    orderLinkId: str = ""


class Canceled(msgspec.Struct, frozen=True):
    """What cancelling everything answers with: whose cancel was received."""

    rows: list[Ids] = msgspec.field(name="list", default_factory=list)


class Order(msgspec.Struct, frozen=True):
    """A row of GET /v5/order/realtime, /v5/order/history and of the ``order`` topic."""

    symbol: str
    orderId: str
    side: str
    orderType: str
    orderStatus: str
    category: str = ""
    orderLinkId: Text = ""
    qty: Text = ""
    price: Text = ""
    avgPrice: Text = ""
    cumExecQty: Text = ""
    cumExecValue: Text = ""
    timeInForce: Text = ""
    marketUnit: Text = ""
    positionIdx: int = 0
    reduceOnly: bool | None = None
    stopOrderType: Text = ""
    triggerPrice: Text = ""
    triggerDirection: int = 0
    rejectReason: Text = ""
    cancelType: Text = ""
    createdTime: Text = ""
    updatedTime: Text = ""


class Execution(msgspec.Struct, frozen=True):
    """A row of GET /v5/execution/list (``feeCurrency``) and of the ``execution`` topic (``feeCoin``).

    A negative ``execFee`` is a rebate.
    """

    symbol: str
    execId: str
    side: str
    execPrice: str
    execQty: str
    execTime: str
    execType: str = "Trade"
    category: str = ""
    orderId: Text = ""
    orderLinkId: Text = ""
    execFee: Text = ""
    feeRate: Text = ""
    feeCurrency: Text = ""
    feeCoin: Text = ""
    isMaker: bool | None = None


class Position(msgspec.Struct, frozen=True):
    """A row of GET /v5/position/list (``avgPrice``) and of the ``position`` topic (``entryPrice``)."""

    symbol: str
    size: str
    side: Text = ""
    category: str = ""
    positionIdx: int = 0
    avgPrice: Text = ""
    entryPrice: Text = ""
    markPrice: Text = ""
    liqPrice: Text = ""
    unrealisedPnl: Text = ""
    leverage: Text = ""
    tradeMode: int = 0
    updatedTime: Text = ""


class Coin(msgspec.Struct, frozen=True):
    """One coin of a wallet. ``locked`` is held by spot orders, the margins by contracts; a loan has two names."""

    coin: str
    walletBalance: Text = ""
    unrealisedPnl: Text = ""
    locked: Text = ""
    totalOrderIM: Text = ""
    totalPositionIM: Text = ""
    borrowAmount: Text = ""
    spotBorrow: Text = ""


class Wallet(msgspec.Struct, frozen=True):
    """A row of GET /v5/account/wallet-balance and of the ``wallet`` topic."""

    coin: list[Coin]


class AccountInfo(msgspec.Struct, frozen=True):
    """GET /v5/account/info."""

    marginMode: str = ""
    unifiedMarginStatus: int = 0


class Key(msgspec.Struct, frozen=True):
    """GET /v5/user/query-api. ``readOnly`` 1 reads whatever ``permissions`` say; ``ips`` is ``*`` for a free key."""

    readOnly: int
    permissions: dict[str, list[str] | None] = {}
    ips: list[str] = []
    expiredAt: str | None = None


class Transaction(msgspec.Struct, frozen=True):
    """A row of GET /v5/account/transaction-log. A positive ``funding`` was received."""

    symbol: str
    transactionTime: str
    currency: str
    id: str = ""
    category: str = ""
    funding: Text = ""
    feeRate: Text = ""
    size: Text = ""


class UserPush(msgspec.Struct, Generic[T]):
    """A message of a private topic."""

    data: list[T]
    creationTime: int = 0

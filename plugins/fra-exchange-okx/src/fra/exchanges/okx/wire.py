"""What OKX sends, field by field, as its API v5 guide names it. Numbers are text; ``''`` is unknown."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from fra.adapters.custom.levels import BookPrice

T = TypeVar("T")


class Reply(msgspec.Struct, Generic[T]):
    """The envelope of every REST answer."""

    code: str
    data: list[T]
    msg: str = ""


class Instrument(msgspec.Struct, frozen=True):
    """A row of GET /public/instruments."""

    instType: str
    instId: str
    state: str = ""
    tickSz: str = ""
    lotSz: str = ""
    minSz: str = ""
    baseCcy: str = ""
    quoteCcy: str = ""
    settleCcy: str = ""
    uly: str = ""
    instFamily: str = ""
    ctType: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctValCcy: str = ""
    maxLmtSz: str = ""


class Ticker(msgspec.Struct, frozen=True):
    """A row of GET /market/ticker(s) and of the ``tickers`` channel."""

    instId: str
    ts: str
    last: str = ""
    askPx: str = ""
    askSz: str = ""
    bidPx: str = ""
    bidSz: str = ""
    open24h: str = ""
    high24h: str = ""
    low24h: str = ""
    vol24h: str = ""
    volCcy24h: str = ""


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /market/trades and of the ``trades`` channel (which sums up fills at one price)."""

    instId: str
    tradeId: str
    px: str
    sz: str
    side: Literal["buy", "sell"]
    ts: str


class Book(msgspec.Struct, frozen=True):
    """A row of GET /market/books(-full) and of the channel ``bbo-tbt``. A level is ``[price, size, "0", orders]``.

    Answers of ``books-full`` have no ``seqId``.
    """

    asks: list[list[str]]
    bids: list[list[str]]
    ts: str
    seqId: int | None = None


class Level(msgspec.Struct, array_like=True, gc=False):
    """A level of the ``books`` channel, price as float: decode with ``strict=False``."""

    px: BookPrice
    sz: str


class BookChange(msgspec.Struct, gc=False):
    """A row of the ``books`` channel. ``checksum`` is 0 since June 2026: absent, not wrong."""

    asks: list[Level]
    bids: list[Level]
    ts: str
    seqId: int
    prevSeqId: int
    checksum: int = 0


class BookTexts(msgspec.Struct, gc=False):
    """The levels of a ``books`` row as they are spelt, which is what a checksum is made of."""

    asks: list[list[str]]
    bids: list[list[str]]


Candle = list[str]
"""Of GET /market/(history-)candles and the channels ``candle…``: ts o h l c vol volCcy volCcyQuote confirm."""


class FundingRate(msgspec.Struct, frozen=True):
    """A row of GET /public/funding-rate and of the ``funding-rate`` channel.

    ``fundingTime`` is the *upcoming* settlement, ``nextFundingTime`` the one after it.
    """

    instId: str
    fundingRate: str
    fundingTime: str
    nextFundingTime: str = ""
    maxFundingRate: str = ""
    minFundingRate: str = ""
    ts: str = ""


class SettledFunding(msgspec.Struct, frozen=True):
    """A row of GET /public/funding-rate-history: ``realizedRate`` is what was charged, ``fundingRate`` a forecast."""

    instId: str
    fundingTime: str
    realizedRate: str = ""


class MarkPrice(msgspec.Struct, frozen=True):
    """A row of GET /public/mark-price and of the ``mark-price`` channel."""

    instId: str
    markPx: str
    ts: str


class ServerTime(msgspec.Struct, frozen=True):
    """The row of GET /public/time."""

    ts: str


class Ack(msgspec.Struct, frozen=True):
    """A row of what the order endpoints answer: one order each, with its own code."""

    sCode: str = ""
    sMsg: str = ""
    ordId: str = ""
    clOrdId: str = ""
    algoId: str = ""
    algoClOrdId: str = ""
    ts: str = ""


class Acks(msgspec.Struct):
    """The envelope of a batch, whose rows are looked at one by one: code ``1`` all failed, ``2`` some."""

    code: str
    data: list[Ack]
    msg: str = ""


class AccountConfig(msgspec.Struct, frozen=True):
    """The row of GET /account/config.

    ``acctLv``: 1 spot, 2 futures, 3 multi-currency margin, 4 portfolio margin. ``posMode``: ``net_mode`` or
    ``long_short_mode``. ``perm``: what the key may do, of ``read_only``, ``trade`` and ``withdraw``, with commas;
    ``ip``: the addresses that it is bound to, with commas.
    """

    acctLv: str
    posMode: str
    perm: str = ""
    ip: str = ""


class AssetBalance(msgspec.Struct, frozen=True):
    """One coin in :class:`Account`. ``eq`` is the equity, with unrealized profit."""

    ccy: str
    eq: str = ""
    cashBal: str = ""
    availEq: str = ""
    availBal: str = ""
    liab: str = ""
    uTime: str = ""


class Account(msgspec.Struct, frozen=True):
    """The row of GET /account/balance and of the ``account`` channel."""

    details: list[AssetBalance]
    uTime: str = ""


class Position(msgspec.Struct, frozen=True):
    """A row of GET /account/positions and of the ``positions`` channel. In ``net`` mode the sign is in ``pos``."""

    instType: str
    instId: str
    pos: str
    posSide: str = ""
    avgPx: str = ""
    markPx: str = ""
    liqPx: str = ""
    upl: str = ""
    lever: str = ""
    mgnMode: str = ""
    uTime: str = ""


class Leverage(msgspec.Struct, frozen=True):
    """A row of POST /account/set-leverage."""

    instId: str = ""
    lever: str = ""
    mgnMode: str = ""
    posSide: str = ""


class PositionMode(msgspec.Struct, frozen=True):
    """The row of POST /account/set-position-mode."""

    posMode: str


class Order(msgspec.Struct, frozen=True):
    """A row of GET /trade/order, orders-pending, orders-history(-archive) and of the ``orders`` channel.

    ``fill…`` are the last fill in answers, and in a push the fill that it tells of. Fees are negative when paid.
    """

    instType: str
    instId: str
    ordId: str
    side: Literal["buy", "sell"]
    ordType: str
    state: str
    sz: str = ""
    px: str = ""
    clOrdId: str = ""
    posSide: str = ""
    tgtCcy: str = ""
    accFillSz: str = ""
    avgPx: str = ""
    reduceOnly: str = ""
    cTime: str = ""
    uTime: str = ""
    cancelSource: str = ""
    cancelSourceReason: str = ""
    source: str = ""
    algoId: str = ""
    algoClOrdId: str = ""
    tradeId: str = ""
    fillSz: str = ""
    fillPx: str = ""
    fillTime: str = ""
    fillFee: str = ""
    fillFeeCcy: str = ""
    execType: str = ""


class AlgoOrder(msgspec.Struct, frozen=True):
    """A row of GET /trade/order-algo, orders-algo-pending and of the ``orders-algo`` channel.

    ``ordIdList``: the ordinary orders that came of it when it was triggered.
    """

    instType: str
    instId: str
    algoId: str
    side: Literal["buy", "sell"]
    ordType: str
    state: str
    algoClOrdId: str = ""
    sz: str = ""
    posSide: str = ""
    tgtCcy: str = ""
    reduceOnly: str = ""
    slTriggerPx: str = ""
    slOrdPx: str = ""
    tpTriggerPx: str = ""
    tpOrdPx: str = ""
    ordId: str = ""
    ordIdList: list[str] = []
    failCode: str = ""
    cTime: str = ""
    uTime: str = ""


class Fill(msgspec.Struct, frozen=True):
    """A row of GET /trade/fills and fills-history. It traded at ``fillTime``; ``ts`` is when that was written down."""

    instType: str
    instId: str
    tradeId: str
    side: Literal["buy", "sell"]
    fillPx: str
    fillSz: str
    billId: str = ""
    ordId: str = ""
    clOrdId: str = ""
    fee: str = ""
    feeCcy: str = ""
    execType: str = ""
    ts: str = ""
    fillTime: str = ""


class Bill(msgspec.Struct, frozen=True):
    """A row of GET /account/bills(-archive). For funding ``pnl`` is what was paid or received, ``sz`` contracts."""

    billId: str
    type: str
    ccy: str
    ts: str
    instType: str = ""
    instId: str = ""
    pnl: str = ""
    balChg: str = ""
    sz: str = ""


class Arg(msgspec.Struct, frozen=True):
    """What a subscription is about; every push and every acknowledgement repeats it."""

    channel: str
    instId: str = ""


class Push(msgspec.Struct, Generic[T]):
    """A data message of a channel. ``action`` is ``snapshot`` or ``update`` on the books, absent elsewhere."""

    arg: Arg
    data: Annotated[list[T], msgspec.Meta(min_length=1)]
    action: str = ""


class UserPush(msgspec.Struct, Generic[T]):
    """A data message of a private channel: an account without positions has no rows in it."""

    arg: Arg
    data: list[T]


class Event(msgspec.Struct):
    """Any message that is no data: ``subscribe``, ``login``, ``error``, ``notice``, ``channel-conn-count``…."""

    event: str = ""
    arg: Arg | None = None
    code: str = ""
    msg: str = ""
    id: str = ""
    channel: str = ""

"""What OKX sends, field by field, as its API v5 guide names it. Numbers are text; ``''`` is unknown."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

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

    px: float
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


class Arg(msgspec.Struct, frozen=True):
    """What a subscription is about; every push and every acknowledgement repeats it."""

    channel: str
    instId: str = ""


class Push(msgspec.Struct, Generic[T]):
    """A data message of a channel. ``action`` is ``snapshot`` or ``update`` on the books, absent elsewhere."""

    arg: Arg
    data: Annotated[list[T], msgspec.Meta(min_length=1)]
    action: str = ""


class Event(msgspec.Struct):
    """Any message that is no data: ``subscribe``, ``login``, ``error``, ``notice``, ``channel-conn-count``…."""

    event: str = ""
    arg: Arg | None = None
    code: str = ""
    msg: str = ""
    id: str = ""

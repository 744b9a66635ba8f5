"""What HTX sends about markets, field by field, as its spot and USDT-margined documents name it.

Numbers are JSON numbers or strings, whichever the endpoint prefers, often with an exponent: they are decoded from
their text. Spot ids are larger than any machine integer and stay text.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from fra.adapters.custom import whole
from fra.adapters.custom.levels import BookPrice

T = TypeVar("T")

Pair = tuple[Decimal, Decimal]
"""A level: price and size (contracts for swaps)."""


class Reply(msgspec.Struct, Generic[T]):
    """The envelope of most REST answers. Refusals have no ``data``, or null."""

    data: T
    ts: int = 0


class TickReply(msgspec.Struct, Generic[T]):
    """The envelope of market endpoints that give one thing."""

    tick: T
    ts: int = 0


class TicksReply(msgspec.Struct, Generic[T]):
    """The envelope of ``batch_merged``."""

    ticks: list[T]
    ts: int = 0


class ServerTime(msgspec.Struct):
    """GET /v1/common/timestamp (spot: ``data``) and /api/v1/timestamp (contracts: ``ts``)."""

    data: int = 0
    ts: int = 0


class Instrument(msgspec.Struct, frozen=True, rename="kebab"):
    """A row of GET /v1/common/symbols."""

    base_currency: str
    quote_currency: str
    symbol: str
    state: str
    price_precision: int
    amount_precision: int
    api_trading: str = "enabled"
    min_order_amt: Decimal | None = None
    limit_order_min_order_amt: Decimal | None = None
    limit_order_max_order_amt: Decimal | None = None
    min_order_value: Decimal | None = None


class Contract(msgspec.Struct, frozen=True):
    """A row of GET /linear-swap-api/v1/swap_contract_info."""

    contract_code: str
    contract_size: Decimal
    price_tick: Decimal
    contract_status: int
    business_type: str = "swap"
    trade_partition: str = ""


class Elements(msgspec.Struct, frozen=True):
    """A row of GET /linear-swap-api/v1/swap_query_elements. ``settle_period`` is in hours."""

    contract_code: str
    settle_period: Decimal | None = None
    funding_rate_cap: Decimal | None = None
    funding_rate_floor: Decimal | None = None


class Day(msgspec.Struct, frozen=True):
    """The last 24 hours: ``detail/merged``, ``batch_merged`` and the swap's ``detail`` channel.

    ``amount`` is in base coin; ``vol`` is quote coin for spot and contracts for swaps, whose quote coin is
    ``trade_turnover``.
    """

    open: Decimal | None = None
    close: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    amount: Decimal | None = None
    vol: Decimal | None = None
    trade_turnover: Decimal | None = None
    bid: list[Decimal] | None = None
    ask: list[Decimal] | None = None
    ts: int | None = None
    contract_code: str = ""


class SpotTicker(msgspec.Struct, frozen=True):
    """A row of GET /market/tickers, and the ``ticker`` channel."""

    open: Decimal | None = None
    close: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    amount: Decimal | None = None
    vol: Decimal | None = None
    bid: Decimal | None = None
    bidSize: Decimal | None = None
    ask: Decimal | None = None
    askSize: Decimal | None = None
    symbol: str = ""


class SpotBest(msgspec.Struct, frozen=True):
    """The ``bbo`` channel of spot."""

    bid: Decimal | None = None
    bidSize: Decimal | None = None
    ask: Decimal | None = None
    askSize: Decimal | None = None
    quoteTime: int | None = None


class SwapBest(msgspec.Struct, frozen=True):
    """The ``bbo`` channel of swaps."""

    bid: list[Decimal] | None = None
    ask: list[Decimal] | None = None
    ts: int | None = None


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade. Spot has ``tradeId`` in pushes and ``trade-id`` in answers (very old ones only ``id``).

    A swap's ``amount`` counts contracts on both sides of the trade. ``direction`` has been seen empty.
    """

    amount: Decimal
    price: Decimal
    direction: Literal["buy", "sell", ""]
    ts: int
    id: msgspec.Raw = msgspec.Raw(b"")
    tradeId: int | None = None
    trade_id: int | None = msgspec.field(default=None, name="trade-id")

    @property
    def number(self) -> int:
        """What rises from trade to trade. Raises ValueError for what is no number of a trade."""
        known = self.tradeId if self.tradeId is not None else self.trade_id
        return known if known is not None else whole(Decimal(self.text))

    @property
    def text(self) -> str:
        """``id`` as it is spelt."""
        return bytes(self.id).decode().strip('"')


class Trades(msgspec.Struct, frozen=True):
    """Trades of one moment, in answers and pushes."""

    data: Annotated[list[Trade], msgspec.Meta(min_length=1)]


class Candle(msgspec.Struct, frozen=True):
    """A row of ``history/kline`` and the ``kline`` channels; ``id`` is the opening in seconds. Volumes as in Day."""

    id: int
    open: Decimal
    close: Decimal
    high: Decimal
    low: Decimal
    amount: Decimal
    vol: Decimal
    count: Decimal | None = None
    trade_turnover: Decimal | None = None


class Book(msgspec.Struct, frozen=True):
    """The tick of ``depth.step0``. Spot counts ``version``; for swaps that is a second's number, and ``mrid`` counts.

    A side without levels may be left out.
    """

    bids: list[Pair] = []
    asks: list[Pair] = []
    ts: int | None = None
    version: int | None = None
    mrid: int | None = None


class Level(msgspec.Struct, array_like=True, gc=False):
    """A level of an incremental book, price as float."""

    px: BookPrice
    sz: Decimal


class Mbp(msgspec.Struct, gc=False):
    """What is in a push or an answer of ``mbp.N``; a side may be missing. Answers have no ``prevSeqNum``."""

    seqNum: int
    prevSeqNum: int = 0
    bids: list[Level] = []
    asks: list[Level] = []


class MbpPush(msgspec.Struct):
    """A frame of a ``mbp.N`` topic: a push (``tick``), the answer to a ``req`` (``rep``, ``data``), or its refusal."""

    ts: int = 0
    tick: Mbp | None = None
    rep: str = ""
    data: Mbp | None = None
    err_code: str = msgspec.field(default="", name="err-code")
    err_msg: str = msgspec.field(default="", name="err-msg")


class Depth(msgspec.Struct, gc=False):
    """The tick of ``depth.size_N.high_freq``, incremental."""

    event: Literal["snapshot", "update"]
    version: int
    ts: int
    bids: list[Level] = []
    asks: list[Level] = []


class Push(msgspec.Struct, Generic[T]):
    """A data message of a market channel."""

    tick: T
    ts: int = 0


class FundingRate(msgspec.Struct, frozen=True):
    """GET /linear-swap-api/v1/swap_funding_rate and swap_batch_funding_rate.

    ``funding_time`` is the settlement that this rate is for. ``next_funding_time`` is null since January 2024.
    """

    contract_code: str
    funding_rate: Decimal | None = None
    funding_time: str | None = None
    next_funding_time: str | None = None


class FundingPush(msgspec.Struct, frozen=True):
    """A row of ``public.*.funding_rate``: ``funding_time`` is the minute of the estimate, ``settlement_time`` the
    settlement it is for.
    """

    contract_code: str
    funding_rate: Decimal | None = None
    funding_time: str | None = None
    settlement_time: str | None = None


class Settled(msgspec.Struct, frozen=True):
    """A row of GET /linear-swap-api/v1/swap_historical_funding_rate, newest first."""

    contract_code: str
    funding_time: str
    funding_rate: Decimal | None = None
    realized_rate: Decimal | None = None


class SettledPage(msgspec.Struct):
    """A page of that history."""

    data: list[Settled]
    total_page: int
    current_page: int = 1


class Mark(msgspec.Struct, frozen=True):
    """A row of GET /index/market/history/linear_swap_mark_price_kline."""

    id: int
    close: Decimal


class Notification(msgspec.Struct, Generic[T]):
    """A data message of the notification socket that lists rows."""

    data: list[T]
    topic: str = ""
    ts: int = 0
    event: str = ""

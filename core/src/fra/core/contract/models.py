"""What markets say: tickers, trades, klines, funding; and how an exchange is.

Money is ``Decimal`` and validated; times are ``timestamp_ms`` (UTC, the exchange's clock) with ``.timestamp`` as an
aware datetime, and ``received_ms`` apart (our clock). ``symbol`` is the unified name. None means unknown.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import attrs

from fra.core.contract import values
from fra.core.contract.capabilities import ConnectionStatus
from fra.core.contract.symbol import Side

if TYPE_CHECKING:
    from attrs import frozen as message
else:
    # Made once per message: `define` costs 0.16 µs where `frozen` with validators costs 1.35. Type checkers see frozen.
    from attrs import define as message

_DAY: Final = timedelta(days=1)
_UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000, "M": 28 * 86_400_000}


class RateKind(enum.Enum):
    """Which funding rate: the running estimate, one that was charged, or the one after the next settlement."""

    ESTIMATED = "estimated"
    SETTLED = "settled"
    NEXT_PERIOD = "next_period"


class IntervalSource(enum.Enum):
    """Where a funding interval comes from: the venue says it, two settlements do, or its documented default."""

    REPORTED = "reported"
    DERIVED = "derived"
    VENUE_DEFAULT = "venue_default"


class KlineInterval(enum.Enum):
    """The length of a kline as the field writes it; ``1M`` is a calendar month."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    D3 = "3d"
    W1 = "1w"
    MONTH = "1M"

    @property
    def shortest_ms(self) -> int:
        """Milliseconds from one opening to the next; of months the shortest, 28 days."""
        return int(self.value[:-1]) * _UNITS_MS[self.value[-1]]


@message
class Trade:
    """One public trade: ``side`` is the taker's, ``amount`` in base coin (quote for inverse)."""

    symbol: str
    id: str
    price: Decimal
    amount: Decimal
    side: Side
    timestamp_ms: int
    received_ms: int

    @property
    def timestamp(self) -> datetime:
        return values.as_datetime(self.timestamp_ms)


@message
class Ticker:
    """Best prices and the last 24 hours. ``volume`` is in base coin (quote for inverse), ``quote_volume`` in quote."""

    symbol: str
    received_ms: int
    timestamp_ms: int | None = None
    bid: Decimal | None = None
    bid_amount: Decimal | None = None
    ask: Decimal | None = None
    ask_amount: Decimal | None = None
    last: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    quote_volume: Decimal | None = None

    @property
    def timestamp(self) -> datetime | None:
        return None if self.timestamp_ms is None else values.as_datetime(self.timestamp_ms)


@attrs.frozen(kw_only=True)
class Kline:
    """One candle; ``volume`` in base coin (quote for inverse); ``closed`` is None where the venue does not say."""

    symbol: str = attrs.field(validator=values.text)
    interval: KlineInterval = attrs.field(validator=values.member(KlineInterval))
    open_ms: int = attrs.field(validator=values.timestamp)
    open: Decimal = attrs.field(validator=values.decimal)
    high: Decimal = attrs.field(validator=values.decimal)
    low: Decimal = attrs.field(validator=values.decimal)
    close: Decimal = attrs.field(validator=values.decimal)
    volume: Decimal = attrs.field(validator=values.not_negative)
    quote_volume: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    trades: int | None = None
    closed: bool | None = None

    @property
    def timestamp(self) -> datetime:
        """When it opened."""
        return values.as_datetime(self.open_ms)


def _interval(instance: object, field: attrs.Attribute[timedelta | None], value: object) -> None:
    if value is None:
        return
    if not isinstance(value, timedelta):
        raise TypeError(f"FundingRate.interval must be a timedelta or None for unknown, not {value!r}")
    if value <= timedelta(0):
        raise ValueError(f"FundingRate.interval must be above zero, not {value}")


@attrs.frozen(kw_only=True)
class FundingRate:
    """A funding rate: the fraction of ``amount × mark_price`` that longs pay shorts at one settlement (if positive).

    ``interval`` is None when the venue does not say and it cannot be derived: never guessed. ``interval_source`` says
    where it is from, and is None exactly when the interval is. ``next_settlement_ms`` is the next time that the
    symbol settles, ``next_settlement_derived`` whether we rolled it forward ourselves; ``settled_ms`` is when a
    SETTLED rate was charged. ``cap`` and ``floor`` bound the rate where the venue says so.
    """

    symbol: str = attrs.field(validator=values.text)
    kind: RateKind = attrs.field(validator=values.member(RateKind))
    rate: Decimal = attrs.field(validator=values.decimal)
    received_ms: int = attrs.field(validator=values.timestamp)
    timestamp_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)
    interval: timedelta | None = attrs.field(default=None, validator=_interval)
    interval_source: IntervalSource | None = attrs.field(
        default=None, validator=values.member(IntervalSource, optional=True)
    )
    next_settlement_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)
    next_settlement_derived: bool = False
    settled_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)
    mark_price: Decimal | None = attrs.field(default=None, validator=values.positive_or_none)
    index_price: Decimal | None = attrs.field(default=None, validator=values.positive_or_none)
    cap: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    floor: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)

    def __attrs_post_init__(self) -> None:
        if (self.interval is None) != (self.interval_source is None):
            raise ValueError(
                f"FundingRate of {self.symbol}: interval and interval_source are known together or not at all, "
                f"not {self.interval} from {self.interval_source}"
            )
        if (self.kind is RateKind.SETTLED) != (self.settled_ms is not None):
            raise ValueError(f"FundingRate of {self.symbol}: settled_ms is given exactly when kind is SETTLED")

    @property
    def timestamp(self) -> datetime | None:
        return None if self.timestamp_ms is None else values.as_datetime(self.timestamp_ms)

    @property
    def next_settlement(self) -> datetime | None:
        """When the symbol settles next, UTC."""
        return None if self.next_settlement_ms is None else values.as_datetime(self.next_settlement_ms)

    @property
    def per_day(self) -> Decimal | None:
        """The rate over one day at the present interval, None when the interval is unknown."""
        if self.interval is None:
            return None
        return self.rate * Decimal(_DAY // timedelta(microseconds=1)) / (self.interval // timedelta(microseconds=1))

    @property
    def apr(self) -> Decimal | None:
        """:attr:`per_day` times 365, uncompounded; None when the interval is unknown."""
        return None if (per_day := self.per_day) is None else per_day * 365


@attrs.frozen(kw_only=True)
class StreamHealth:
    """One upstream: ``age`` is seconds since its last message, None when none has come yet."""

    channel: str
    symbol: str | None
    status: str
    age: float | None
    consumers: int = 0


@attrs.frozen(kw_only=True)
class Health:
    """How one exchange is, judged by the age of its data and not by the state of its sockets.

    ``latency`` is the round trip of one request and ``clock_skew`` the venue's clock minus ours, both in seconds.
    """

    exchange: str = attrs.field(validator=values.text)
    status: ConnectionStatus = attrs.field(validator=values.member(ConnectionStatus))
    checked_ms: int = attrs.field(validator=values.timestamp)
    latency: float | None = None
    clock_skew: float | None = None
    streams: tuple[StreamHealth, ...] = ()
    detail: str | None = None

    @property
    def healthy(self) -> bool:
        """Connected, with no stream stale or failed."""
        return self.status is ConnectionStatus.CONNECTED and all(s.status in ("live", "starting") for s in self.streams)

"""What an account holds, was paid and lets its key do: balances, positions, funding payments, permissions."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal

import attrs

from fra.core.contract import values


class PositionSide(enum.Enum):
    """LONG or SHORT; NET in one-way mode, where the sign is in the order's side."""

    LONG = "long"
    SHORT = "short"
    NET = "net"


class MarginMode(enum.Enum):
    """Whether a position has margin of its own or shares the account's."""

    CROSS = "cross"
    ISOLATED = "isolated"


class PositionMode(enum.Enum):
    """Whether one symbol has one position (ONE_WAY) or a long and a short one side by side (HEDGE)."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


@attrs.frozen(kw_only=True)
class FundingPayment:
    """What one settlement moved on this account: ``amount`` in ``asset``, positive when received."""

    symbol: str = attrs.field(validator=values.text)
    amount: Decimal = attrs.field(validator=values.decimal)
    asset: str = attrs.field(validator=values.text)
    timestamp_ms: int = attrs.field(validator=values.timestamp)
    id: str | None = None
    rate: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    position_amount: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)

    @property
    def timestamp(self) -> datetime:
        return values.as_datetime(self.timestamp_ms)


@attrs.frozen(kw_only=True)
class KeyPermissions:
    """What the API key of this configuration may do, as its venue says; None where the venue does not say.

    ``trade`` is whether it may place orders of any kind, ``withdraw`` whether it may move coins to another owner or
    address, ``ip_restricted`` whether it is bound to addresses, ``expires_ms`` when it (or a right of it) ends, None
    also where it does not. ``rights`` are the venue's own words.
    """

    read: bool | None = None
    trade: bool | None = None
    withdraw: bool | None = None
    ip_restricted: bool | None = None
    expires_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)
    rights: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Balance:
    """One asset in one wallet of the venue (``market``): ``total`` is ``free`` plus what orders and positions hold.

    What open positions have won or lost so far is in both, on every venue.
    """

    asset: str = attrs.field(validator=values.text)
    market: str = attrs.field(validator=values.text)
    free: Decimal = attrs.field(validator=values.decimal)
    total: Decimal = attrs.field(validator=values.decimal)
    borrowed: Decimal = attrs.field(default=Decimal(0), validator=values.decimal)
    timestamp_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)

    @property
    def used(self) -> Decimal:
        return self.total - self.free


@attrs.frozen(kw_only=True)
class Position:
    """An open position: ``amount`` is never negative, the side is LONG or SHORT also in one-way mode."""

    symbol: str = attrs.field(validator=values.text)
    side: PositionSide = attrs.field(validator=values.member(PositionSide))
    amount: Decimal = attrs.field(validator=values.not_negative)
    entry_price: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    mark_price: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    liquidation_price: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    unrealized_pnl: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    leverage: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    margin_mode: MarginMode | None = attrs.field(default=None, validator=values.member(MarginMode, optional=True))
    hedge_mode: bool | None = None
    timestamp_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)

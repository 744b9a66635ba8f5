"""Positions: average entry, profit and margin, for linear and inverse perpetuals."""

import enum
from decimal import Decimal

import attrs

from fra.matching.order import PositionSide


class PositionMode(enum.Enum):
    ONE_WAY = "one_way"
    HEDGE = "hedge"


class MarginMode(enum.Enum):
    CROSS = "cross"
    ISOLATED = "isolated"


@attrs.frozen(kw_only=True)
class Position:
    """A snapshot of a position.

    ``amount`` is signed in every mode (a SHORT is negative), base coin for linear and quote for inverse. ``entry`` is
    None when flat. Profit and margin are in settle coin; ``unrealised`` is on the mark price; ``realised`` is since
    the position was first opened, without fees and funding. ``initial_margin`` is of the position alone, without
    orders; under isolated margin it is what was set apart for it. ``liquidation_price`` is an estimate and None where
    there is none.
    """

    account: str
    symbol: str
    side: PositionSide
    amount: Decimal
    entry: Decimal | None
    mark: Decimal | None
    unrealised: Decimal
    realised: Decimal
    leverage: Decimal
    margin_mode: MarginMode
    initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_price: Decimal | None
    settle: str
    opened_ms: int | None
    updated_ms: int

"""A matching engine with accounts, positions and funding: pure, exact, deterministic."""

from fra.matching.account import CLEARING, FEES, INSURANCE, OUTSIDE, Balance
from fra.matching.book import Level
from fra.matching.events import (
    BalanceChanged,
    BalanceReason,
    Event,
    Filled,
    FundingPaid,
    Liquidated,
    OrderChanged,
    OutsideTaken,
    Payment,
    PositionChanged,
    SettingChanged,
    Traded,
)
from fra.matching.exchange import Exchange
from fra.matching.instrument import Instrument, Kind
from fra.matching.order import (
    Fill,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)
from fra.matching.position import MarginMode, Position, PositionMode
from fra.matching.refusals import Reason, Refused

__all__ = [
    "CLEARING",
    "FEES",
    "INSURANCE",
    "OUTSIDE",
    "Balance",
    "BalanceChanged",
    "BalanceReason",
    "Event",
    "Exchange",
    "Fill",
    "Filled",
    "FundingPaid",
    "Instrument",
    "Kind",
    "Level",
    "Liquidated",
    "MarginMode",
    "Order",
    "OrderChanged",
    "OrderRequest",
    "OrderStatus",
    "OrderType",
    "OutsideTaken",
    "Payment",
    "Position",
    "PositionChanged",
    "PositionMode",
    "PositionSide",
    "Reason",
    "Refused",
    "SettingChanged",
    "Side",
    "TimeInForce",
    "Traded",
    "Trigger",
    "TriggerBy",
    "TriggerKind",
]

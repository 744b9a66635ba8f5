"""Which of Bybit's codes says why an order, a cancel or a setting was refused (Bybit docs: "Error Codes")."""

from collections.abc import Mapping

import attrs

from fra.emulator.bybit.rest import SYMBOL_INVALID, Refusal
from fra.matching import Reason, Refused


@attrs.frozen
class Told:
    """The code and text on spot, and those on contracts."""

    spot: tuple[int, str]
    contract: tuple[int, str]


_BAD = (10001, "Request parameter error.")
_NO_MONEY = Told((170131, "Insufficient balance."), (110007, "ab not enough for new order"))
_NO_ORDER = Told((170213, "Order does not exist."), (110001, "order not exists or too late to cancel"))
_TABLE: Mapping[Reason, Told] = {
    Reason.UNKNOWN_SYMBOL: Told((170121, "Invalid symbol."), (10001, SYMBOL_INVALID)),
    Reason.UNKNOWN_ORDER: _NO_ORDER,
    Reason.ORDER_CLOSED: _NO_ORDER,
    Reason.DUPLICATE_CLIENT_ID: Told((170141, "Duplicate clientOrderId"), (110072, "OrderLinkedID is duplicate")),
    Reason.OFF_TICK: Told((170134, "Order price has too many decimals."), (10001, "params error: price invalid")),
    Reason.OFF_LOT: Told((170137, "Order quantity has too many decimals."), (10001, "Qty invalid")),
    Reason.MIN_AMOUNT: Told(
        (170136, "Order quantity exceeded lower limit."),
        (10001, "The number of contracts exceeds minimum limit allowed"),
    ),
    Reason.MAX_AMOUNT: Told(
        (170135, "Order quantity exceeded upper limit."),
        (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    ),
    Reason.MIN_NOTIONAL: Told(
        (170140, "Order value exceeded lower limit."), (110094, "Order does not meet minimum order value 5USDT")
    ),
    Reason.INSUFFICIENT_FUNDS: _NO_MONEY,
    Reason.MARGIN: _NO_MONEY,
    Reason.LEVERAGE: Told(_BAD, (110013, "cannot set leverage gt maxLeverage by risk limit")),
    Reason.POSITION_SIDE: Told(_BAD, (10001, "position idx not match position mode")),
    Reason.POSITION_MODE: Told(_BAD, (110024, "You have an existing position, so position mode cannot be switched")),
    Reason.REDUCE_ONLY: Told(_BAD, (110017, "current position is zero, cannot fix reduce-only order qty")),
}
TRUNCATED = (110017, "orderQty will be truncated to zero.")
"""A contract's quantity below one step."""


def refusal(refused: Refused, *, spot: bool) -> Refusal:
    """What the venue says of a refusal."""
    told = _TABLE.get(refused.reason)
    code, text = _BAD if told is None else told.spot if spot else told.contract
    return Refusal(code, text)


NO_ERROR = "EC_NoError"
REJECT_REASONS: Mapping[Reason, str] = {
    Reason.WOULD_TAKE: "EC_PostOnlyWillTakeLiquidity",
    Reason.NO_LIQUIDITY: "EC_NoImmediateQtyToFill",
    Reason.TIME_IN_FORCE: "EC_NoImmediateQtyToFill",
}
"""`rejectReason` of an order that was accepted and ended short of its quantity; `EC_PerCancelRequest` is the user's."""
CANCEL_TYPES: Mapping[Reason, str] = {
    Reason.REDUCE_ONLY: "CancelByReduceOnly",
    Reason.LIQUIDATION: "CancelAllBeforeLiq",
}
"""`cancelType`, where it is not `UNKNOWN`."""

"""Why a call or an order came to nothing: one reason code that a front-end maps to its venue's own."""

import enum


class Reason(enum.Enum):
    """A refusal's cause, or why an accepted order ended without being filled."""

    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_CLOSED = "order_closed"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    BAD_REQUEST = "bad_request"
    OFF_TICK = "off_tick"
    OFF_LOT = "off_lot"
    MIN_AMOUNT = "min_amount"
    MAX_AMOUNT = "max_amount"
    MIN_NOTIONAL = "min_notional"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    MARGIN = "margin"
    LEVERAGE = "leverage"
    POSITION_SIDE = "position_side"
    POSITION_MODE = "position_mode"
    REDUCE_ONLY = "reduce_only"
    WOULD_TAKE = "would_take"
    NO_LIQUIDITY = "no_liquidity"
    TIME_IN_FORCE = "time_in_force"
    LIQUIDATION = "liquidation"


class Refused(Exception):
    """A call that changed nothing; ``reason`` is the code, the text is for people.

    ``limit`` is the bound that was missed (a tick, a minimum, what is available), where there is one.
    """

    def __init__(self, reason: Reason, message: str, *, limit: object = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.limit = limit

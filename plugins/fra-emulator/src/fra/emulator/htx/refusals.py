"""What the engine refuses, in HTX's codes: words on spot, numbers on contracts (HTX docs: "Error Code")."""

from collections.abc import Mapping
from decimal import Decimal

from fra.emulator.exchange import Listing
from fra.emulator.htx.rest import Refusal
from fra.matching import Order, OrderStatus, Reason, Refused

_SPOT: Mapping[Reason, tuple[str, str]] = {
    Reason.UNKNOWN_SYMBOL: ("base-symbol-error", "The symbol is invalid"),
    Reason.UNKNOWN_ORDER: ("base-record-invalid", "record invalid"),
    Reason.ORDER_CLOSED: ("order-orderstate-error", "Incorrect order state"),
    # reused within a day, the id is called invalid
    Reason.DUPLICATE_CLIENT_ID: ("invalid-client-order-id", "invalid.client.order.id (NT)"),
    Reason.BAD_REQUEST: ("bad-argument", "Bad argument"),
    Reason.OFF_TICK: ("order-orderprice-precision-error", "order price precision error, scale: `{places}`"),
    Reason.OFF_LOT: ("order-orderamount-precision-error", "order amount precision error, scale: `{places}`"),
    Reason.MIN_AMOUNT: ("order-limitorder-amount-min-error", "limit order amount error, min: `{limit}`"),
    Reason.MAX_AMOUNT: ("order-limitorder-amount-max-error", "limit order amount error, max: `{limit}`"),
    Reason.MIN_NOTIONAL: ("order-value-min-error", "Order total cannot be lower than: {limit} {quote}"),
    Reason.INSUFFICIENT_FUNDS: (
        "account-frozen-balance-insufficient-error",
        "trade account balance is not enough, left: `{limit}`",
    ),
    Reason.NO_LIQUIDITY: ("order-marketorder-amount-error", "market order amount error"),
}
_LINEAR: Mapping[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (1332, "The contract doesn't exist."),
    Reason.UNKNOWN_ORDER: (1061, "This order doesn't exist."),
    Reason.ORDER_CLOSED: (1071, "Repeated cancellation. Your order has been canceled."),
    Reason.DUPLICATE_CLIENT_ID: (1050, "Customer's order number is repeated. Please try again later."),
    Reason.BAD_REQUEST: (1030, "Input error."),
    Reason.OFF_TICK: (1038, "The order price exceeds the precision limit, please modify and order again."),
    Reason.OFF_LOT: (1040, "Invalid amount, please modify and order again."),
    Reason.MIN_AMOUNT: (1040, "Invalid amount, please modify and order again."),
    Reason.MAX_AMOUNT: (1041, "The order amount exceeds the limit ({limit}Cont), please modify and order again."),
    Reason.INSUFFICIENT_FUNDS: (1047, "Insufficient margin available."),
    Reason.MARGIN: (1047, "Insufficient margin available."),
    Reason.LEVERAGE: (1037, "The leverage is invalid. Please contact the customer service."),
    Reason.POSITION_SIDE: (1036, "Incorrect field of open long form."),
    Reason.POSITION_MODE: (
        1421,
        "There are open orders or positions of the current contract, please cancel or close these first.",
    ),
    Reason.REDUCE_ONLY: (1048, "Insufficient close amount available."),
    Reason.NO_LIQUIDITY: (1016, "The bid offer does not exist. Please input the price."),
}


def _places(step: object) -> int:
    text = f"{step:f}"
    return len(text.partition(".")[2].rstrip("0"))


def spot(refused: Refused, listing: Listing | None = None) -> Refusal:
    """Spot's answer to what the engine refused."""
    word, text = _SPOT.get(refused.reason, ("order-update-error", "order update error"))
    grid = refused.reason in (Reason.OFF_TICK, Reason.OFF_LOT)
    quote = "" if listing is None else listing.instrument.quote
    places = _places(refused.limit) if grid else 0
    limit = f"{refused.limit.normalize():f}" if isinstance(refused.limit, Decimal) else refused.limit
    return Refusal(200, word, text.format(limit=limit, places=places, quote=quote), 0)


def linear(refused: Refused) -> Refusal:
    """The contracts' answer to what the engine refused."""
    number, text = _LINEAR.get(refused.reason, (1030, "Input error."))
    return Refusal(200, str(number), text, number, text.format(limit=refused.limit))


def not_cancelled(order: Order) -> Refusal:
    """Why a contract's order cannot be cancelled any more."""
    if order.status is OrderStatus.FILLED:
        return Refusal(200, "1063", "", 1063, "The order has been executed.")
    return linear(Refused(Reason.ORDER_CLOSED, ""))


def missing(name: str) -> Refusal:
    """A contract's request without a field that it needs."""
    return Refusal(200, "1066", "", 1066, f"The {name} field cannot be empty. Please re-enter.")


def invalid(name: str) -> Refusal:
    """A contract's request with a field that says nothing."""
    return Refusal(200, "1067", "", 1067, f"The {name} field is invalid. Please re-enter.")


def format_error(name: str) -> Refusal:
    """A spot request with a field that says nothing."""
    return Refusal(200, "validation-format-error", f"Format Error: {name}.", 0)


def required(name: str) -> Refusal:
    """A spot request without a field that it needs."""
    return Refusal(200, "validation-constraints-required", f"Field is missing: {name}.", 0)


def in_use() -> Refusal:
    """A leverage that what is open does not allow."""
    return Refusal(200, "1045", "", 1045, "Unable to switch leverage due to open orders.")


def other_leverage() -> Refusal:
    """An order with a leverage that is not the position's."""
    text = "The leverage of the order does not match the leverage of the current position"
    return Refusal(200, "1349", "", 1349, f"{text}, please switch the leverage first.")

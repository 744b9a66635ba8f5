"""What an order must satisfy by itself, before the market and the account's money are looked at."""

from decimal import Decimal

from fra.matching.account import Account
from fra.matching.instrument import LARGEST, ZERO, Instrument
from fra.matching.order import OrderRequest, OrderType, PositionSide, Side, TimeInForce
from fra.matching.position import PositionMode
from fra.matching.refusals import Reason, Refused


def check(account: Account, instrument: Instrument, request: OrderRequest) -> None:
    """:raises Refused: if the request contradicts itself, the instrument's grid and limits, or the account's mode."""
    _check_shape(instrument, request)
    _check_side(account, instrument, request)
    _check_grid(instrument, request)
    client_id = request.client_id
    if client_id is not None and account.by_client_id.get(client_id) in account.open:
        raise Refused(Reason.DUPLICATE_CLIENT_ID, f"an open order has the client id {client_id}")


def is_reducing(side: Side, position_side: PositionSide, reduce_only: bool) -> bool:
    """Whether an order can only close: by its flag, or as the closing side of a hedge position."""
    return reduce_only or (side, position_side) in _CLOSING


_CLOSING = frozenset({(Side.SELL, PositionSide.LONG), (Side.BUY, PositionSide.SHORT)})


def _check_shape(instrument: Instrument, request: OrderRequest) -> None:
    trigger = request.trigger
    for name, value in (
        ("amount", request.amount),
        ("quote amount", request.quote_amount),
        ("price", request.price),
        ("trigger price", None if trigger is None else trigger.price),
    ):
        if value is not None and not (isinstance(value, Decimal) and value.is_finite() and 0 < value < LARGEST):
            raise Refused(Reason.BAD_REQUEST, f"the {name} is a positive Decimal below {LARGEST}, not {value!r}")
    limit = request.type is OrderType.LIMIT
    wrong = {
        "a limit order needs a price, a market order has none": limit is (request.price is None),
        "either an amount or a quote amount": (request.amount is None) is (request.quote_amount is None),
        "only a spot market buy is sized by quote": request.quote_amount is not None
        and (limit or not instrument.is_spot or request.side is Side.SELL),
        "post-only is for GTC limit orders": request.post_only
        and not (limit and request.time_in_force is TimeInForce.GTC),
        "there is nothing to reduce on spot": request.reduce_only and instrument.is_spot,
    }
    if request.price is not None and request.amount is not None and request.price * request.amount >= LARGEST:
        raise Refused(Reason.MAX_AMOUNT, f"worth more than {LARGEST}", limit=LARGEST)
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise Refused(Reason.BAD_REQUEST, message)


def _check_side(account: Account, instrument: Instrument, request: OrderRequest) -> None:
    net = request.position_side is PositionSide.NET
    if net is not (instrument.is_spot or account.mode is PositionMode.ONE_WAY):
        mode = "spot" if instrument.is_spot else account.mode.value
        raise Refused(Reason.POSITION_SIDE, f"position side {request.position_side.value} on {mode}")
    if request.reduce_only and not net and not is_reducing(request.side, request.position_side, False):
        raise Refused(
            Reason.REDUCE_ONLY, f"a {request.side.value} does not reduce a {request.position_side.value} position"
        )


def _check_grid(instrument: Instrument, request: OrderRequest) -> None:
    for price in (request.price, None if request.trigger is None else request.trigger.price):
        if price is not None and price % instrument.tick:
            raise Refused(Reason.OFF_TICK, f"{price} is not a multiple of {instrument.tick}", limit=instrument.tick)
    amount = request.amount
    if amount is None:
        check_notional(instrument, request.quote_amount or ZERO)
        return
    if amount < instrument.min_amount:
        raise Refused(
            Reason.MIN_AMOUNT, f"{amount} is below the minimum {instrument.min_amount}", limit=instrument.min_amount
        )
    if amount % instrument.lot:
        raise Refused(Reason.OFF_LOT, f"{amount} is not a multiple of {instrument.lot}", limit=instrument.lot)
    if instrument.max_amount is not None and amount > instrument.max_amount:
        raise Refused(
            Reason.MAX_AMOUNT, f"{amount} is above the maximum {instrument.max_amount}", limit=instrument.max_amount
        )
    if request.price is not None and not is_reducing(request.side, request.position_side, request.reduce_only):
        check_notional(instrument, instrument.notional(amount, request.price))


def check_notional(instrument: Instrument, notional: Decimal) -> None:
    """:raises Refused: MIN_NOTIONAL."""
    if notional < instrument.min_notional:
        raise Refused(
            Reason.MIN_NOTIONAL,
            f"{notional} {instrument.quote} is below the minimum {instrument.min_notional}",
            limit=instrument.min_notional,
        )

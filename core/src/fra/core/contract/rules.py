"""The rules of a symbol that an order is held to: what is wrong and the nearest valid values; nothing is altered."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal

from fra.core.contract.orders import OrderRequest, OrderType
from fra.core.contract.symbol import Side, Symbol


def order_problems(request: OrderRequest, symbol: Symbol, *, price: Decimal | None = None) -> Iterator[str]:
    """Which rules of ``symbol`` the order breaks, one line each.

    An order without a price of its own is valued at ``price``; without that its notional is the venue's to check.
    """
    if not symbol.active:
        yield f"{symbol} is not trading now"
    for what, value, step in (
        ("price", request.price, symbol.tick_size),
        ("trigger price", request.trigger_price, symbol.tick_size),
        ("amount", request.amount, symbol.lot_size),
    ):
        if value is not None and value % step:
            yield _off_grid(what, value, step, symbol)
    at = request.price if request.price is not None else price
    if request.amount is not None:
        yield from size_problems(symbol, request.amount, at, closing=request.reduce_only)
    elif request.type is not OrderType.MARKET or request.side is not Side.BUY or symbol.kind.is_derivative:
        yield f"quote_amount is for spot market buys: give this order of {symbol} an amount in {symbol.amount_unit}"
    elif request.quote_amount is not None and (low := _low_notional(symbol, request.quote_amount)):
        yield low


def size_problems(
    symbol: Symbol, amount: Decimal, price: Decimal | None = None, *, closing: bool = False
) -> Iterator[str]:
    """Which limits of ``symbol`` on size ``amount`` breaks at ``price``; what only closes may be of any notional."""
    unit = symbol.amount_unit
    if symbol.min_amount is not None and amount < symbol.min_amount:
        yield f"the amount {plain(amount)} {unit} of {symbol} is below its minimum of {plain(symbol.min_amount)}"
    elif symbol.max_amount is not None and amount > symbol.max_amount:
        yield f"the amount {plain(amount)} {unit} of {symbol} is above its maximum of {plain(symbol.max_amount)}"
    elif not closing and (symbol.inverse or price is not None):
        low = _low_notional(symbol, amount if symbol.inverse else symbol.notional(amount, price or Decimal(0)))
        if low and price is not None and symbol.min_notional is not None and not symbol.inverse:
            steps = -((symbol.min_notional / price) // -symbol.lot_size)
            low += f": the smallest valid amount at this price is {plain(steps * symbol.lot_size)} {unit}"
        if low:
            yield low


def plain(value: Decimal) -> str:
    """A number as people write it: no exponent, no trailing zeros."""
    return format(value.normalize(), "f")


def _off_grid(what: str, value: Decimal, step: Decimal, symbol: Symbol) -> str:
    below = (value / step).to_integral_value(ROUND_FLOOR) * step
    nearest = f"{plain(below)} and {plain(below + step)}" if below else plain(step)
    return (
        f"the {what} {plain(value)} of {symbol} is not a multiple of {plain(step)}: the nearest valid "
        f"{'are' if below else 'is'} {nearest}"
    )


def _low_notional(symbol: Symbol, notional: Decimal) -> str:
    if symbol.min_notional is None or notional >= symbol.min_notional:
        return ""
    return f"{plain(notional)} {symbol.quote} of {symbol} is below its minimum of {plain(symbol.min_notional)}"

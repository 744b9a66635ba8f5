"""What an order would come to, reckoned before it is sent: its notional, its way through the book, its fee. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from fra.core import Side, order_problems

if TYPE_CHECKING:
    from fra.core import OrderBook, OrderRequest, PriceLevel, Symbol


@attrs.frozen(kw_only=True)
class Estimate:
    """The figures of an order as the book stands; None is unknown.

    ``price`` is the average at which it would trade now (its own limit where it would only rest), ``at_once`` how much
    of it would. ``notional`` (at the limit, where there is one) and ``fee`` are in quote coin, ``slippage`` is a
    fraction of the mid price. ``problems`` say why it would not be taken.
    """

    price: Decimal | None
    at_once: Decimal | None
    notional: Decimal | None
    slippage: Decimal | None
    fee_rate: Decimal | None
    fee: Decimal | None
    problems: tuple[str, ...]


def estimate(request: OrderRequest, symbol: Symbol, book: OrderBook | None, fees: Mapping[str, Decimal]) -> Estimate:
    """What ``request`` comes to."""
    problems: list[str] = []
    average = at_once = None
    if request.trigger_price is None and book is not None and book.valid:
        levels = _within(request, book.asks if request.side is Side.BUY else book.bids)
        if request.amount is not None and request.price is not None:
            at_once = min(request.amount, sum((level.amount for level in levels), Decimal(0)))
            average = average_price(symbol, levels, at_once) if at_once else None
        else:
            average = average_price(symbol, levels, request.amount, request.quote_amount)
        if request.price is None and average is None:
            problems.append(f"the book of {symbol} does not hold that much at the depth that was asked for")
    if request.post_only and at_once:
        problems.append("a post-only order would trade at once at this price, so the venue would not take it")
    price = request.price if request.price is not None else average or request.trigger_price
    notional = request.quote_amount
    if request.amount is not None:
        notional = request.amount if symbol.inverse else None if price is None else request.amount * price
    problems = [*order_problems(request, symbol, price=price), *problems]
    mid = book.mid if book is not None and book.valid else None
    slippage = None
    if average is not None and mid is not None:
        slippage = (average / mid - 1) * (1 if request.side is Side.BUY else -1)
    rate = fee_rate(fees, symbol, maker=at_once == 0)
    return Estimate(
        price=average or price,
        at_once=at_once,
        notional=notional,
        slippage=slippage,
        fee_rate=rate,
        fee=None if rate is None or notional is None else notional * rate,
        problems=tuple(problems),
    )


def _within(request: OrderRequest, levels: Sequence[PriceLevel]) -> Sequence[PriceLevel]:
    """The levels that the order may trade with: all, or those no worse than its limit."""
    limit = request.price
    if limit is None:
        return levels
    buys = request.side is Side.BUY
    return [level for level in levels if (level.price <= limit if buys else level.price >= limit)]


def average_price(
    symbol: Symbol, levels: Iterable[PriceLevel], amount: Decimal | None, spend: Decimal | None = None
) -> Decimal | None:
    """The average price of taking ``amount`` (or of spending ``spend``) from ``levels``, None when they hold less."""
    left = amount if amount is not None else spend or Decimal(0)
    base = quote = Decimal(0)
    for price, there in levels:
        if left <= 0:
            break
        # Amounts of inverse contracts, and what is spent, are in quote coin; all others in base coin.
        in_quote = symbol.inverse or amount is None
        held = there if amount is not None else there * price
        take = min(left, held)
        left -= take
        base += take / price if in_quote else take
        quote += take if in_quote else take * price
    return None if left > 0 or not base else quote / base


def fee_rate(fees: Mapping[str, Decimal], symbol: Symbol, *, maker: bool = False) -> Decimal | None:
    """The venue's published rate for the kind of ``symbol``, a fraction; None when it says none."""
    role = "maker" if maker else "taker"
    own = fees.get(f"{symbol.kind.value}.{role}")
    return own if own is not None else fees.get(role)

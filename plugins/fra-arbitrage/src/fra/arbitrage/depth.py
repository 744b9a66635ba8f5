"""What it costs to get in and out of a position through the books as they stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from typing import Final

import attrs

from fra.core import OrderBook, PriceLevel, Symbol

# Averages over thousands of levels must not lose the last digit that orders them.
_PRECISION: Final = 60


@attrs.frozen
class Fill:
    """What walking one side would give: ``filled`` of the wanted base amount at the average ``price``.

    ``price`` is None when nothing was filled; ``levels`` counts the levels touched, ``worst`` is the price of the last.
    """

    wanted: Decimal
    filled: Decimal
    price: Decimal | None
    levels: int
    worst: Decimal | None = None

    @property
    def complete(self) -> bool:
        """Whether the side held all that was wanted."""
        return self.filled >= self.wanted


def base_levels(symbol: Symbol, levels: Iterable[PriceLevel]) -> list[PriceLevel]:
    """The levels with amounts in base coin, which inverse instruments count in quote coin."""
    if symbol.inverse:
        return [PriceLevel(level.price, level.amount / level.price) for level in levels if level.price > 0]
    return list(levels)


def walk(levels: Sequence[PriceLevel], amount: Decimal) -> Fill:
    """Take ``amount`` (base coin) from ``levels``, best first. The average price never betters as the amount grows."""
    with localcontext() as context:
        context.prec = _PRECISION
        left, paid, touched = amount, Decimal(0), 0
        worst: Decimal | None = None
        for level in levels:
            if left <= 0:
                break
            take = min(left, level.amount)
            paid += take * level.price
            left -= take
            touched += 1
            worst = level.price
        filled = amount - left
        return Fill(amount, filled, paid / filled if filled > 0 else None, touched, worst)


@attrs.frozen
class RoundTrip:
    """Going in and out of one leg at the present book, for ``amount`` base coin.

    ``cost`` is what the spread and the walk take, as a fraction of ``amount × mid``; None when a side is too thin or
    there is no book. ``depth`` is the notional in quote coin that *both* sides hold, measured at mid.
    """

    amount: Decimal
    cost: Decimal | None
    depth: Decimal
    problem: str | None = None


def round_trip(symbol: Symbol, book: OrderBook, amount: Decimal) -> RoundTrip:
    """Buy and sell ``amount`` base coin through ``book``."""
    bids, asks = base_levels(symbol, book.bids), base_levels(symbol, book.asks)
    if not book.valid:
        return RoundTrip(amount, None, Decimal(0), "the book has lost its place")
    if not bids or not asks:
        side = "asks" if not asks else "bids"
        return RoundTrip(amount, None, Decimal(0), f"the book has no {side}")
    with localcontext() as context:
        context.prec = _PRECISION
        mid = (bids[0].price + asks[0].price) / 2
        held = {"bids": sum((level.amount for level in bids), Decimal(0))}
        held["asks"] = sum((level.amount for level in asks), Decimal(0))
        thin = min(held, key=lambda side: held[side])
        depth = held[thin] * mid
        if held[thin] < amount:
            return RoundTrip(amount, None, depth, f"too thin: the {thin} hold {_short(depth)} {symbol.quote}")
        bought, sold = walk(asks, amount).price, walk(bids, amount).price
        if bought is None or sold is None:
            return RoundTrip(amount, None, depth, "the size is zero")
        return RoundTrip(amount, (bought - sold) / mid, depth)


def _short(number: Decimal) -> str:
    return format(number.quantize(Decimal(1)), "f")

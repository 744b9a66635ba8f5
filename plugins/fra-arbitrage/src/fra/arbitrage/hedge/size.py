"""How much: sizes as users say them, and amounts that both venues can trade exactly. Pure.

A *unit* is what the two legs have in common: one of the asset for linear contracts (1000 PEPE on a venue that lists
1000PEPE), one of the quote coin for inverse ones.
"""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal, localcontext
from math import lcm
from typing import Final

import attrs

from fra.core import Symbol, plain

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:\s*([A-Za-z]\w*)|[\s:]\s*(\w+))?")
_PRECISION: Final = 60


@attrs.frozen
class Size:
    """``1000`` (of the quote coin, the notional of one leg), or ``0.5BTC``, ``20:1INCH``: an exact amount."""

    value: Decimal
    coin: str | None = None

    @classmethod
    def parse(cls, text: str) -> Size:
        """Raises ValueError for what is no size."""
        match = _SIZE.fullmatch(text.strip())
        if match is None or not Decimal(match[1]):
            raise ValueError(f"{text!r} is no size: say 1000 (quote coin a leg) or 0.5BTC")
        coin = match[2] or match[3]
        return cls(Decimal(match[1]), coin.upper() if coin else None)

    def units(self, symbol: Symbol, price: Decimal) -> Decimal:
        """The size in units at ``price`` (quote coin for one of the asset). Raises ValueError for a foreign coin."""
        if self.coin not in (None, symbol.quote, symbol.asset):
            raise ValueError(f"the size is in {symbol.quote} or in {symbol.asset}, not in {self.coin}")
        in_asset = self.coin == symbol.asset
        with localcontext() as context:
            context.prec = _PRECISION
            if symbol.inverse:
                return self.value * price if in_asset else self.value
            return self.value if in_asset else self.value / price

    def __str__(self) -> str:
        coin = self.coin or ""
        return f"{plain(self.value)}{':' if coin[:1].isdigit() else ''}{coin}"


def trim(value: Decimal) -> Decimal:
    """The same number without the zeros at its end."""
    return Decimal(plain(value))


def unit_name(symbol: Symbol) -> str:
    """The coin that units are counted in."""
    return symbol.quote if symbol.inverse else symbol.asset


def to_units(symbol: Symbol, amount: Decimal) -> Decimal:
    """An amount of ``symbol`` in units."""
    return amount if symbol.inverse else amount * symbol.multiplier


def to_amount(symbol: Symbol, units: Decimal) -> Decimal:
    """Units in the amounts of ``symbol``; exact, since multipliers are powers of ten."""
    with localcontext() as context:
        context.prec = _PRECISION
        return units if symbol.inverse else trim(units / symbol.multiplier)


def common_lot(first: Symbol, second: Symbol) -> Decimal:
    """The smallest amount in units that is a whole number of lots on both venues: their least common multiple."""
    lots = [to_units(symbol, symbol.lot_size).normalize() for symbol in (first, second)]
    with localcontext() as context:
        context.prec = _PRECISION
        places = max(0, *(-int(lot.as_tuple().exponent) for lot in lots))
        whole = [int(lot.scaleb(places)) for lot in lots]
        return Decimal(lcm(*whole)).scaleb(-places)


def round_down(units: Decimal, lot: Decimal) -> Decimal:
    """The largest multiple of ``lot`` that is not above ``units``."""
    with localcontext() as context:
        context.prec = _PRECISION
        return trim((units / lot).to_integral_value(ROUND_FLOOR) * lot)


def round_up(units: Decimal, lot: Decimal) -> Decimal:
    """The smallest multiple of ``lot`` that is not below ``units``."""
    below = round_down(units, lot)
    return below if below >= units else below + lot

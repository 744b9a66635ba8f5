"""Numbers out of what venues tell: whole ones, and exact products."""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""A product that does not come out exactly is an error, never a rounded amount."""

_DIGITS: Final = 60
"""More than any id, count or time has."""


def whole(value: Decimal) -> int:
    """The integer part of what a venue tells.

    Raises ValueError where it has more digits than anything a venue counts: over ``1E+999999``, which is a number by
    every grammar, int() reckons for minutes, and everything stands still.
    """
    if value.is_finite() and value.adjusted() > _DIGITS:
        raise ValueError(f"{value} is no number that a venue counts by")
    return int(value)

"""Numbers on their way out of ccxt: exact, whatever type it kept them in."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, Final

_ZERO: Final = Decimal(0)
_PLACES: Final = 5_000
"""Before or behind the point; no venue has money of so many, and it is more than Python reads as one number."""


class Exact(float):
    """A float that remembers the text it was made of.

    ccxt reads the levels of books (and some candles) as floats whatever its ``number`` is; it compares and sorts them,
    and hands them out as they are. So the price it hands out is the text that the venue sent.
    """

    __slots__ = ("text",)

    text: str

    def __new__(cls, value: object) -> Exact:
        text = str(value)
        made = super().__new__(cls, text)
        made.text = text
        return made


def number(value: object) -> Decimal | None:
    """The exact number in ``value``, None where there is none.

    A plain float is taken for the shortest decimal number that it stands for: the literal it was parsed from, up to
    fifteen digits.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, Exact):
            made = Decimal(value.text)
        elif isinstance(value, Decimal):
            made = value
        elif isinstance(value, bool):
            return None
        elif isinstance(value, int | str):
            made = Decimal(value)
        elif isinstance(value, float):
            made = Decimal(repr(value))
        else:
            return None
    except InvalidOperation:
        return None
    return made if made.is_finite() and -_PLACES < made.adjusted() < _PLACES else None


def positive(value: object) -> Decimal | None:
    """:func:`number`, with zero and below for unknown: venues write 0 for "none"."""
    made = number(value)
    return made if made is not None and made > _ZERO else None


def plain(value: Decimal) -> str:
    """``value`` in fixed point, as venues take it."""
    return format(value, "f")


def bound(precise: Any) -> None:
    """Let ccxt's exact numbers have no more than so many places, in the whole process, from now on.

    ccxt writes out what an exponent stands for: over the eight letters of 1E+999999 it reckons for minutes, and nothing
    else runs meanwhile. Beyond the bound it raises ValueError instead; all other numbers are what they were.
    """
    make = precise.__init__
    if hasattr(make, "__wrapped__"):
        return

    @wraps(make)
    def made(self: Any, number: Any, decimals: Any = None) -> None:
        make(self, number, decimals)
        if not -_PLACES < self.decimals < _PLACES:
            raise ValueError(f"a number of {abs(self.decimals)} places")

    precise.__init__ = made

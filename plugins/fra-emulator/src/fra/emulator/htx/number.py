"""Numbers as HTX writes them: JSON numbers, never strings, on spot in the form of Java's `Double.toString`."""

from decimal import Decimal

import msgspec


def scientific(text: str) -> str:
    """A plain positive decimal in spot's form: `9144` is `9144.0`, below 0.001 and from ten million on `1.98E-4`."""
    whole, _, fraction = text.partition(".")
    if len(whole) > 7:
        digits, exponent = (whole + fraction).rstrip("0"), len(whole) - 1
    elif whole == "0" and fraction.startswith("000"):
        digits = fraction.lstrip("0")
        exponent = len(digits) - len(fraction) - 1
    else:
        return text if fraction else f"{whole}.0"
    return f"{digits[0]}.{digits[1:] or '0'}E{exponent}"


def decimal(value: float, places: int) -> str:
    """A float as plain decimal text without trailing zeros."""
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def raw(text: str) -> msgspec.Raw:
    """JSON text to stand in an answer as it is: the encoder's own numbers are floats and 64-bit integers only."""
    return msgspec.Raw(text.encode())


def double(value: float) -> msgspec.Raw:
    """A positive float as spot writes it: the shortest text that gives it back."""
    return raw(scientific(f"{Decimal(repr(value)):f}".removesuffix(".0")))

"""Exact decimal text for integers on a grid: ticks and lots are counted, never floated."""

from decimal import Decimal


class Grid:
    """Turns a count of steps into the venue's decimal text.

    With `pad` the text has exactly that many decimals (Binance); without, trailing zeros are cut (OKX).
    """

    __slots__ = ("_decimals", "_pad", "_strip", "_unit", "step", "step_float")

    def __init__(self, step: Decimal, *, pad: int | None = None, strip: bool = False) -> None:
        self.step = step
        self.step_float = float(step)
        exponent = step.as_tuple().exponent
        if not isinstance(exponent, int):
            raise ValueError(f"not a step: {step}")
        self._decimals = max(0, -exponent)
        self._unit = int(step.scaleb(self._decimals))
        self._pad = "0" * (pad - self._decimals) if pad is not None and pad > self._decimals else ""
        self._strip = strip

    def text(self, count: int) -> str:
        """`count` steps as fixed-point text."""
        whole = count * self._unit
        places = self._decimals
        if places == 0:
            return f"{whole}.{self._pad}" if self._pad else str(whole)
        digits = f"{whole:0{places + 1}d}"
        out = f"{digits[:-places]}.{digits[-places:]}{self._pad}"
        return out.rstrip("0").rstrip(".") if self._strip else out

    def count(self, value: float) -> int:
        """The nearest count of steps to a float."""
        return round(value / self.step_float)

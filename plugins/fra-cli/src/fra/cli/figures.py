"""How figures are written: signs that do not need colour, units that do not need guessing, ``?`` for unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

UNKNOWN: Final = "?"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def percent(fraction: Decimal | None, *, places: int = 4, signed: bool = True) -> str:
    """A fraction in percent, with its sign: ``+0.0100 %``."""
    if fraction is None:
        return UNKNOWN
    rounded = (fraction * 100).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return f"{rounded:+f} %" if signed else f"{rounded:f} %"


def number(value: Decimal | None) -> str:
    """A number as the venue wrote it, in fixed point."""
    return UNKNOWN if value is None else format(value, "f")


def notional(value: Decimal | None) -> str:
    """An amount of money at a glance: ``950``, ``12.3k``, ``4.5M``. Cut, never rounded up."""
    if value is None:
        return UNKNOWN
    for scale, letter in ((9, "G"), (6, "M"), (3, "k")):
        if abs(value) >= Decimal(10) ** scale:
            tenths = int(value.scaleb(1 - scale))
            return f"{tenths // 10}.{tenths % 10}{letter}"
    return str(int(value))


def duration(seconds: float | None) -> str:
    """The two largest units: ``7h12m``, ``45s``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0:
        return f"-{duration(-seconds)}"
    left = int(seconds)
    parts: list[str] = []
    for size, letter in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{letter}")
        if len(parts) == 2:
            break
    return "".join(part for part in parts if not part.startswith("0")) or "0s"


def age(received_ms: int | None, now_ms: int) -> str:
    """How long ago a figure came, to the tenth below ten seconds."""
    if received_ms is None:
        return UNKNOWN
    seconds = max(0, now_ms - received_ms) / 1000
    return f"{seconds:.1f}s" if seconds < 10 else duration(seconds)


def interval(value: timedelta | None, source: str | None) -> str:
    """A funding interval and where it is from: ``8h reported``; ``?`` when unknown."""
    return UNKNOWN if value is None else f"{duration(value.total_seconds())} {source or UNKNOWN}"


def moment(timestamp_ms: int | None) -> str:
    """A moment in UTC: ``2026-03-01 08:00:00Z``."""
    if timestamp_ms is None:
        return UNKNOWN
    return datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")

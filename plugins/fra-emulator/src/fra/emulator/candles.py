"""Candle opening times: fixed spans on the venue's own alignment, and calendar months."""

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

_S, _M, _H, _D = 1000, 60_000, 3_600_000, 86_400_000
_MONDAY = 4 * _D  # 1970-01-05
_HONG_KONG = -8 * _H


@attrs.frozen
class Span:
    """A candle length: `ms` per candle aligned to `shift_ms`, or whole calendar months."""

    ms: int
    shift_ms: int = 0
    months: int = 0

    def open_at(self, t_ms: int) -> int:
        """The opening time of the candle that holds `t_ms`."""
        if self.months:
            moment = datetime.fromtimestamp((t_ms - self.shift_ms) / 1000, UTC)
            index = (moment.year * 12 + moment.month - 1) // self.months * self.months
            opening = datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)
            return int(opening.timestamp() * 1000) + self.shift_ms
        return (t_ms - self.shift_ms) // self.ms * self.ms + self.shift_ms

    def following(self, open_ms: int) -> int:
        """The opening time of the next candle."""
        return self.open_at(open_ms + self.months * 32 * _D) if self.months else open_ms + self.ms

    def preceding(self, open_ms: int) -> int:
        """The opening time of the candle before."""
        return self.open_at(open_ms - 1)


BINANCE: Mapping[str, Span] = {
    "1s": Span(_S),
    **{f"{n}m": Span(n * _M) for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": Span(n * _H) for n in (1, 2, 4, 6, 8, 12)},
    "1d": Span(_D),
    "3d": Span(3 * _D),
    "1w": Span(7 * _D, _MONDAY),
    "1M": Span(30 * _D, months=1),
}

_LONG: Mapping[str, int] = {"6H": 6 * _H, "12H": 12 * _H, "1D": _D, "2D": 2 * _D, "3D": 3 * _D}
OKX: Mapping[str, Span] = {
    "1s": Span(_S),
    **{f"{n}m": Span(n * _M) for n in (1, 3, 5, 15, 30)},
    **{f"{n}H": Span(n * _H) for n in (1, 2, 4)},
    **{bar: Span(ms, _HONG_KONG) for bar, ms in _LONG.items()},
    **{f"{bar}utc": Span(ms) for bar, ms in _LONG.items()},
    "1W": Span(7 * _D, _MONDAY + _HONG_KONG),
    "1Wutc": Span(7 * _D, _MONDAY),
    **{f"{n}M": Span(n * 30 * _D, _HONG_KONG, months=n) for n in (1, 3)},
    **{f"{n}Mutc": Span(n * 30 * _D, months=n) for n in (1, 3)},
}

BYBIT: Mapping[str, Span] = {
    **{str(n): Span(n * _M) for n in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": Span(_D),
    "W": Span(7 * _D, _MONDAY),
    "M": Span(30 * _D, months=1),
}

HTX: Mapping[str, Span] = {
    **{f"{n}min": Span(n * _M) for n in (1, 5, 15, 30, 60)},
    "4hour": Span(4 * _H),
    "1day": Span(_D, _HONG_KONG),
    "1week": Span(7 * _D, _MONDAY + _HONG_KONG),
    "1mon": Span(30 * _D, _HONG_KONG, months=1),
    "1year": Span(365 * _D, _HONG_KONG, months=12),
}


def opens(
    span: Span, *, now_ms: int, limit: int, start_ms: int | None = None, end_ms: int | None = None, oldest_ms: int
) -> list[int]:
    """At most `limit` opening times, ascending: from `start_ms` on if given, else the last ones up to `end_ms`
    (now if None)."""
    last = span.open_at(min(now_ms, end_ms if end_ms is not None else now_ms))
    if start_ms is None:
        found: list[int] = []
        at = last
        while len(found) < limit and at >= oldest_ms:
            found.append(at)
            at = span.preceding(at)
        return found[::-1]
    at = span.open_at(max(start_ms, oldest_ms))
    if at < start_ms:
        at = span.following(at)
    found = []
    while at <= last and len(found) < limit:
        found.append(at)
        at = span.following(at)
    return found

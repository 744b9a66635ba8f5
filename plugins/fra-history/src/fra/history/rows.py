"""What a file holds of each kind: its columns, and how a model becomes a row of them.

Numbers of money are text in fixed point, exactly as the venue wrote them: their scale differs from symbol to symbol,
and one decimal type for all would cut or pad. Times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import attrs

from fra.core import FundingRate, Kline, Trade

Cell: TypeAlias = str | int | bool | None
Row: TypeAlias = tuple[Cell, ...]
CellType = Literal["text", "int", "bool"]


@attrs.frozen
class Kind:
    """One kind of history. ``time`` names the column that rows are ordered by, within a series."""

    name: str
    columns: Mapping[str, CellType]
    time: str


FUNDING: Final = Kind(
    "funding",
    {
        "exchange": "text",
        "symbol": "text",
        "settled_ms": "int",
        "rate": "text",
        "interval_seconds": "int",
        "interval_source": "text",
        "mark_price": "text",
    },
    "settled_ms",
)
KLINES: Final = Kind(
    "klines",
    {
        "exchange": "text",
        "symbol": "text",
        "interval": "text",
        "open_ms": "int",
        "open": "text",
        "high": "text",
        "low": "text",
        "close": "text",
        "volume": "text",
        "quote_volume": "text",
        "trades": "int",
        "missing": "bool",
    },
    "open_ms",
)
TRADES: Final = Kind(
    "trades",
    {
        "exchange": "text",
        "symbol": "text",
        "timestamp_ms": "int",
        "id": "text",
        "side": "text",
        "price": "text",
        "amount": "text",
    },
    "timestamp_ms",
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in (FUNDING, KLINES, TRADES)}


def funding_row(exchange: str, rate: FundingRate, before_ms: int | None) -> Row:
    """``before_ms`` is the settlement before: what tells the interval where the venue does not report it.

    So the interval of a row does not depend on the page that it came with.
    """
    from fra.core import IntervalSource

    seconds: int | None = None
    source: str | None = None
    if rate.interval is not None and rate.interval_source is IntervalSource.REPORTED:
        seconds, source = int(rate.interval.total_seconds()), rate.interval_source.value
    elif before_ms is not None and rate.settled_ms is not None:
        # Settlements are some milliseconds late on some venues.
        seconds, source = round((rate.settled_ms - before_ms) / 60_000) * 60, IntervalSource.DERIVED.value
    return (exchange, rate.symbol, rate.settled_ms, _text(rate.rate), seconds, source, _text(rate.mark_price))


def kline_row(exchange: str, kline: Kline) -> Row:
    """A candle."""
    prices = (kline.open, kline.high, kline.low, kline.close, kline.volume, kline.quote_volume)
    name = (exchange, kline.symbol, kline.interval.value, kline.open_ms)
    return (*name, *map(_text, prices), kline.trades, False)


def missing_row(exchange: str, symbol: str, interval: str, open_ms: int) -> Row:
    """A candle that the venue does not serve, as a row that says so."""
    return (exchange, symbol, interval, open_ms, None, None, None, None, None, None, None, True)


def trade_row(exchange: str, trade: Trade) -> Row:
    """A public trade."""
    price, amount = _text(trade.price), _text(trade.amount)
    return (exchange, trade.symbol, trade.timestamp_ms, trade.id, trade.side.value, price, amount)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")

"""One ticker of several members: the best prices and whose they are, volumes summed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

import attrs

from fra.adapters.aggregated.listings import Units
from fra.core import Ticker

if TYPE_CHECKING:
    from attrs import frozen as message
else:
    from attrs import define as message

_PRICES: Final = ("bid", "ask", "last", "open", "high", "low")
_AMOUNTS: Final = ("bid_amount", "ask_amount", "volume")


@message
class AggregatedTicker(Ticker):
    """The best bid and ask over the members, which may cross; ``last`` is the newest, ``open`` is not known.

    High, low and volumes are known only if every member in it knows them. ``received_ms`` is that of the oldest part.
    ``by_member`` are the parts, ``missing`` says who is not in it, and why.
    """

    bid_exchange: str | None = None
    ask_exchange: str | None = None
    by_member: Mapping[str, Ticker] = attrs.field(factory=dict)
    missing: Mapping[str, str] = attrs.field(factory=dict)


def ours(ticker: Ticker, name: str, part: Units) -> Ticker:
    """A member's ticker under our name and in our units."""
    changes: dict[str, object] = {"symbol": name}
    if part.scale != 1:
        for fields, convert in ((_PRICES, part.price), (_AMOUNTS, part.amount)):
            for field in fields:
                if (value := getattr(ticker, field)) is not None:
                    changes[field] = convert(value)
    return attrs.evolve(ticker, **changes)  # type: ignore[arg-type]  # each is of its field's own type


def combined(name: str, tickers: Mapping[str, Ticker], missing: Mapping[str, str]) -> AggregatedTicker:
    """At least one of them."""
    rows = tickers.values()
    bid = max((row for row in tickers.items() if row[1].bid is not None), key=lambda r: r[1].bid or 0, default=None)
    ask = min((row for row in tickers.items() if row[1].ask is not None), key=lambda r: r[1].ask or 0, default=None)
    newest = max((row for row in rows if row.last is not None), key=lambda row: row.timestamp_ms or 0, default=None)
    times = [row.timestamp_ms for row in rows if row.timestamp_ms is not None]
    return AggregatedTicker(
        symbol=name,
        received_ms=min(row.received_ms for row in rows),
        timestamp_ms=max(times, default=None),
        bid=bid[1].bid if bid else None,
        bid_amount=bid[1].bid_amount if bid else None,
        ask=ask[1].ask if ask else None,
        ask_amount=ask[1].ask_amount if ask else None,
        last=newest.last if newest else None,
        high=_all("high", rows, max),
        low=_all("low", rows, min),
        volume=_all("volume", rows, sum),
        quote_volume=_all("quote_volume", rows, sum),
        bid_exchange=bid[0] if bid else None,
        ask_exchange=ask[0] if ask else None,
        by_member=tickers,
        missing=missing,
    )


def _all(
    field: Literal["high", "low", "volume", "quote_volume"],
    rows: Iterable[Ticker],
    of: Callable[[list[Decimal]], Decimal | int],
) -> Decimal | None:
    values: list[Decimal] = []
    for row in rows:
        value = getattr(row, field)
        if value is None:
            return None
        values.append(value)
    return Decimal(of(values))

"""Funding across members: every rate with its venue, and where to be long and where to be short."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from fra.adapters.aggregated.listings import Units
from fra.core import FundingRate


@attrs.frozen(kw_only=True)
class MemberFunding(FundingRate):
    """A funding rate of one member: ``exchange``."""

    exchange: str


@attrs.frozen(kw_only=True)
class FundingSpread(FundingRate):
    """One symbol's funding over the members. Its own figures are those of ``short``, or of the first where none is.

    ``long`` is where a long pays least, ``short`` where a short is paid most, by the rate per day, so that an 8-hour
    rate and an hourly one can be compared; a member whose interval is not known is neither. With one member known both
    are the same. ``missing`` says who is not in it, and why.
    """

    exchange: str
    long: MemberFunding | None = None
    short: MemberFunding | None = None
    by_member: Mapping[str, MemberFunding] = attrs.field(factory=dict)
    missing: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def spread_per_day(self) -> Decimal | None:
        """What a day of long there and short here earns, before fees; None when no interval is known."""
        if self.long is None or self.short is None or self.long.per_day is None or self.short.per_day is None:
            return None
        return self.short.per_day - self.long.per_day


def ours(rate: FundingRate, name: str, part: Units, member: str) -> MemberFunding:
    """A member's rate under our name and in our units."""
    fields = attrs.asdict(rate, recurse=False)
    for price in ("mark_price", "index_price"):
        if fields[price] is not None:
            fields[price] = part.price(fields[price])
    return MemberFunding(**{**fields, "symbol": name, "exchange": member})


def spread(rates: Mapping[str, MemberFunding], missing: Mapping[str, str]) -> FundingSpread:
    """At least one of them."""
    known = [(rate.per_day, rate) for rate in rates.values() if rate.per_day is not None]
    long = min(known, key=lambda row: row[0])[1] if known else None
    short = max(known, key=lambda row: row[0])[1] if known else None
    shown = short if short is not None else next(iter(rates.values()))
    fields = attrs.asdict(shown, recurse=False)
    return FundingSpread(**fields, long=long, short=short, by_member=rates, missing=missing)

"""What a user asks of `fra spreads`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from fra.arbitrage.settlements import DAY_MS
from fra.arbitrage.spread import DEFAULT_MAX_GAP, Quote, Spread, taker_fee
from fra.core import FraError, Symbol


@attrs.frozen(kw_only=True)
class SpreadRequest:
    """Which spreads, at what size, for how long, at which fees.

    ``size`` is the notional of one leg in quote coin, ``hold_ms`` the time it is held, ``fees`` overrides the venues'
    published taker rates by exchange name (under ``""`` for all). ``top`` rows are shown, and only these get their
    books. ``first_answer`` and ``books_answer`` are how many seconds a venue may take for its rates and for its
    books: one that takes longer is shown as late. ``stale_after`` is the age in seconds beyond which figures no
    longer count, None for the defaults by kind.
    """

    assets: frozenset[str] = frozenset()
    size: Decimal = Decimal(1000)
    hold_ms: int = 7 * DAY_MS
    top: int = 20
    depth: int = 100
    fees: Mapping[str, Decimal] = attrs.field(factory=dict)
    max_gap: Decimal = DEFAULT_MAX_GAP
    all_pairs: bool = False
    min_net: Decimal | None = None
    min_apr: Decimal | None = None
    min_depth: Decimal | None = None
    first_answer: float = 6.0
    books_answer: float = 3.0
    stale_after: float | None = None

    def wants(self, symbol: Symbol) -> bool:
        """Whether ``symbol`` is a perpetual contract of an asset that was asked for, by asset, base or full name."""
        if not symbol.kind.is_swap or not symbol.active:
            return False
        return not self.assets or not self.assets.isdisjoint((symbol.asset, symbol.base, symbol.name.upper()))

    def fee(self, exchange: str, published: Mapping[str, Decimal], symbol: Symbol) -> Decimal | None:
        """The taker fee to reckon with, a fraction; None when it is unknown."""
        for name in (exchange, ""):
            if name in self.fees:
                return self.fees[name]
        return taker_fee(published, symbol)

    def admits(self, spread: Spread) -> bool:
        """Whether the row passes the asked minimums; an unknown figure passes none."""
        return all(
            least is None or (value is not None and value >= least)
            for least, value in (
                (self.min_net, spread.net),
                (self.min_apr, spread.annual),
                (self.min_depth, spread.depth),
            )
        )


@attrs.frozen
class VenueReport:
    """How one exchange answered: how many instruments it gave, or why it gave none."""

    exchange: str
    instruments: int
    error: FraError | None = None


def oldest_ms(quotes: tuple[Quote, ...]) -> int:
    """When the oldest figure of a row was received."""
    times = [quote.funding.received_ms for quote in quotes]
    times += [quote.book.received_ms for quote in quotes if quote.book is not None]
    return min(times)

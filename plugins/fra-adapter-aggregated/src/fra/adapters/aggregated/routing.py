"""Which member has an order, and how much of it: the best price after fees, or a split by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

import attrs

from fra.adapters.aggregated.listings import Listing
from fra.core import OrderBook, OrderRequest, PriceLevel, Side, Symbol

_ZERO: Final = Decimal(0)


@attrs.frozen
class Venue:
    """What is known of one member for one order: its book in our units, and its fees as fractions (None: unknown)."""

    name: str
    book: OrderBook
    taker: Decimal | None
    maker: Decimal | None

    def takes(self, request: OrderRequest) -> Sequence[PriceLevel]:
        """The levels that the order would trade with, best first."""
        levels = self.book.asks if request.side is Side.BUY else self.book.bids
        if request.price is None:
            return levels
        limit, sign = request.price, _sign(request.side)
        return [level for level in levels if level.price * sign <= limit * sign]

    def after_fees(self, price: Decimal, side: Side) -> Decimal:
        """What one unit costs (sells for) with the taker fee; a fee that is not known counts as none."""
        return price * (1 + _sign(side) * (self.taker or _ZERO))


def _sign(side: Side) -> int:
    """Lower is better to buy, higher to sell."""
    return 1 if side is Side.BUY else -1


def fee(fees: Mapping[str, Decimal], symbol: Symbol, kind: Literal["maker", "taker"]) -> Decimal | None:
    """What a venue's published base rates say for this symbol."""
    return fees.get(f"{symbol.kind.value}.{kind}", fees.get(kind))


def marketable(request: OrderRequest, venues: Sequence[Venue]) -> bool:
    """Whether it would trade at once anywhere."""
    return request.trigger_price is None and not request.post_only and any(venue.takes(request) for venue in venues)


def best(request: OrderRequest, venues: Sequence[Venue]) -> Venue:
    """The one member for the whole of it: the most of it filled, then the best price after fees.

    An order that would rest goes where making costs least. Ties go to the first. ``venues`` is not empty.
    """
    if not marketable(request, venues):
        return min(venues, key=lambda venue: (venue.maker is None, venue.maker or _ZERO))
    return min(venues, key=lambda venue: _cost(request, venue))


def _cost(request: OrderRequest, venue: Venue) -> tuple[Decimal, Decimal]:
    """How much is left unfilled, and the mean price after fees, as something to be made small."""
    left = request.amount if request.amount is not None else request.quote_amount
    assert left is not None
    by_quote = request.amount is None
    got = paid = _ZERO
    for level in venue.takes(request):
        take = min(level.amount, left / level.price if by_quote else left)
        got += take
        paid += take * venue.after_fees(level.price, request.side)
        left -= take * level.price if by_quote else take
        if left <= 0:
            break
    mean = paid / got if got else Decimal("Infinity")
    return max(left, _ZERO), mean * _sign(request.side) if got else mean


def split(request: OrderRequest, listing: Listing, venues: Sequence[Venue]) -> dict[str, Decimal]:
    """Member → its amount: level by level, the best price after fees first, each part valid at its member.

    What nobody offers within the price goes to whom has most already. One part where a split would leave parts below
    a member's minimum, and for orders that cannot be split: fill-or-kill, by quote amount, those that would rest.
    """
    amount, lot = request.amount, listing.symbol.lot_size
    whole = best(request, venues)
    assert amount is not None
    sign = _sign(request.side)
    offers = sorted(
        ((venue.after_fees(level.price, request.side) * sign, index, level.amount, venue.name))
        for index, venue in enumerate(venues)
        for level in venue.takes(request)
    )
    shares: dict[str, Decimal] = {}
    left = amount
    for _, _, offered, name in offers:
        take = min(offered, left)
        shares[name] = shares.get(name, _ZERO) + take
        left -= take
        if left <= 0:
            break
    shares = {name: share // lot * lot for name, share in shares.items()}
    shares = {name: share for name, share in shares.items() if share and _valid(share, request, listing, name, whole)}
    if not shares:
        return {whole.name: amount}
    rest = amount - sum(shares.values(), _ZERO)
    most = max(shares, key=lambda name: shares[name])
    shares[most] += rest
    return shares


def _valid(share: Decimal, request: OrderRequest, listing: Listing, name: str, whole: Venue) -> bool:
    """Whether the member takes so small a part; its worth is reckoned at the best price of the best member."""
    part = listing.parts[name]
    symbol = part.symbol
    if symbol.min_amount is not None and part.its_amount(share) < symbol.min_amount:
        return False
    levels = whole.takes(request)
    price = request.price if request.price is not None else levels[0].price if levels else None
    if symbol.min_notional is None or price is None:
        return True
    return symbol.notional(part.its_amount(share), part.its_price(price)) >= symbol.min_notional

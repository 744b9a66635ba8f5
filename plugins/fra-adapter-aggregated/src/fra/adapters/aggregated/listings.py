"""One name for the same thing on several members, and the units of each: 1000PEPE and PEPE are one, exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Literal

import attrs

from fra.core import Symbol

Key = tuple[object, ...]


@attrs.frozen
class Units:
    """How many of our base unit one of a member's is: its price = ours × ``scale``."""

    scale: Decimal = attrs.field(default=Decimal(1), kw_only=True)

    def price(self, price: Decimal) -> Decimal:
        """Its price as ours."""
        return price if self.scale == 1 else price / self.scale

    def amount(self, amount: Decimal) -> Decimal:
        """Its amount as ours."""
        return amount if self.scale == 1 else amount * self.scale

    def its_price(self, price: Decimal) -> Decimal:
        """Our price as its."""
        return price if self.scale == 1 else price * self.scale

    def its_amount(self, amount: Decimal) -> Decimal:
        """Our amount as its."""
        return amount if self.scale == 1 else amount / self.scale


SAME: Final = Units()
"""Those of a symbol that is none of ours."""


@attrs.frozen
class Part(Units):
    """A member's symbol and its units."""

    symbol: Symbol


@attrs.frozen
class Listing:
    """One instrument of the aggregated exchange: what is valid of it is valid at every member that lists it."""

    symbol: Symbol
    parts: Mapping[str, Part]


class Listings:
    """All instruments, by our name; and (member, its name) → our name. A name, once chosen, stays."""

    def __init__(self) -> None:
        self.by_name: Mapping[str, Listing] = {}
        self.names: Mapping[tuple[str, str], str] = {}
        self._chosen: dict[Key, str] = {}

    def update(self, members: Mapping[str, Sequence[Symbol]], which: Literal["common", "all"]) -> None:
        """From what the members list now; where they differ, the first of them names it."""
        found: dict[Key, dict[str, Symbol]] = {}
        for member, symbols in members.items():
            for symbol in symbols:
                group = found.setdefault(_key(symbol), {})
                if member in group:  # it lists both 1000PEPE and PEPE: they are two
                    group = found.setdefault((symbol.name,), {})
                group[member] = symbol
        made: dict[str, Listing] = {}
        names: dict[tuple[str, str], str] = {}
        for key, by_member in found.items():
            if which == "common" and len(by_member) < len(members):
                continue
            name = self._chosen.setdefault(key, next(iter(by_member.values())).name)
            listing = _listing(by_member, name)
            made.setdefault(listing.symbol.name, listing)
            names |= {(member, part.symbol.name): listing.symbol.name for member, part in listing.parts.items()}
        self.by_name, self.names = made, names


def _key(symbol: Symbol) -> Key:
    """What is the same everywhere. USDT is not USDC; what settles inversely is compared by name alone."""
    if symbol.inverse:
        return (symbol.name,)
    _, _, rest = symbol.name.partition("/")  # quote, settlement and expiry as the name has them
    return (symbol.kind, symbol.asset, rest)


def _listing(symbols: Mapping[str, Symbol], name: str) -> Listing:
    first = next((symbol for symbol in symbols.values() if symbol.name == name), next(iter(symbols.values())))
    parts = {
        member: Part(symbol, scale=Decimal(1) if symbol.inverse else symbol.multiplier / first.multiplier)
        for member, symbol in symbols.items()
    }
    each = parts.values()
    symbol = attrs.evolve(
        first,
        venue_id=first.name,
        market="",
        tick_size=_common(part.price(part.symbol.tick_size) for part in each),
        lot_size=_common(part.amount(part.symbol.lot_size) for part in each),
        contract_size=Decimal(1),
        min_amount=max((part.amount(part.symbol.min_amount) for part in each if part.symbol.min_amount), default=None),
        max_amount=min((part.amount(part.symbol.max_amount) for part in each if part.symbol.max_amount), default=None),
        min_notional=max((part.symbol.min_notional for part in each if part.symbol.min_notional), default=None),
        active=any(part.symbol.active for part in each),
    )
    return Listing(symbol, parts)


def _common(steps: Iterable[Decimal]) -> Decimal:
    """The smallest step that is a multiple of each."""
    steps = tuple(steps)
    exponent = min(int(step.as_tuple().exponent) for step in steps)
    unit = Decimal(1).scaleb(exponent)
    return math.lcm(*(int(step / unit) for step in steps)) * unit

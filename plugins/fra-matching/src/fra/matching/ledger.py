"""Who holds what: every movement has a source and a target, so that the sum of an asset never changes by itself."""

from collections.abc import Iterator
from decimal import Decimal

from fra.matching.instrument import ZERO

# An account and one of its wallets; the built-in accounts have one, without a name.
Holder = tuple[str, str]


class Ledger:
    """The balances of all holders; those of the built-in accounts may be negative."""

    def __init__(self) -> None:
        self._balances: dict[Holder, dict[str, Decimal]] = {}

    def get(self, holder: Holder, asset: str) -> Decimal:
        return self._balances.get(holder, {}).get(asset, ZERO)

    def add(self, holder: Holder, asset: str, amount: Decimal) -> None:
        """Money that comes from nowhere or leaves: a deposit, or a withdrawal if negative."""
        wallet = self._balances.setdefault(holder, {})
        wallet[asset] = wallet.get(asset, ZERO) + amount

    def move(self, source: Holder, target: Holder, asset: str, amount: Decimal) -> None:
        """Move ``amount`` (negative: the other way)."""
        self.add(source, asset, -amount)
        self.add(target, asset, amount)

    def assets(self, holder: Holder) -> tuple[str, ...]:
        """The assets that the holder ever had, oldest first."""
        return tuple(self._balances.get(holder, {}))

    def total(self, asset: str) -> Decimal:
        return sum((wallet.get(asset, ZERO) for wallet in self._balances.values()), ZERO)

    def holders(self) -> Iterator[Holder]:
        return iter(self._balances)

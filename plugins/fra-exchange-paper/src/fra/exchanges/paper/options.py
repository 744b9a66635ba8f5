"""What may be set under ``options``."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import attrs

from fra.core import PositionMode

DEFAULT_FEES: Final[Mapping[str, Decimal]] = {
    "maker": Decimal("0.001"),
    "taker": Decimal("0.001"),
    "linear_swap.maker": Decimal("0.0002"),
    "linear_swap.taker": Decimal("0.0005"),
    "inverse_swap.maker": Decimal("0.0002"),
    "inverse_swap.taker": Decimal("0.0005"),
}


def _fees(instance: PaperOptions, field: attrs.Attribute[Mapping[str, Decimal]], fees: Mapping[str, Decimal]) -> None:
    known = (*DEFAULT_FEES, "spot.maker", "spot.taker")
    for key in fees:
        if key not in known:
            raise ValueError(f"there is no fee {key!r}: the fees are {', '.join(known)}")


def _amounts(
    instance: PaperOptions, field: attrs.Attribute[Mapping[str, Decimal]], amounts: Mapping[str, Decimal]
) -> None:
    for asset, amount in amounts.items():
        if not amount > 0:
            raise ValueError(f"the balance of {asset} must be above zero, not {amount}")


@attrs.frozen(kw_only=True)
class PaperOptions:
    """Settings of a paper account.

    ``market_data`` names another configured exchange whose live market is traded on; without it there is a small
    market of its own, which ``seed`` moves. ``balances`` is what the account starts with: coin → amount. ``leverage``
    is that of every symbol until it is set. ``fees`` are fractions, ``"taker"`` or ``"linear_swap.taker"``; what is not
    given is the published base rate of the exchange that is traded on. ``latency`` is how many seconds an order or a
    cancel is on its way. No order is taken against a book that has not been heard of for ``stale_after`` seconds.
    """

    market_data: str | None = None
    balances: Mapping[str, Decimal] = attrs.field(factory=lambda: {"USDT": Decimal(100_000)}, validator=_amounts)
    leverage: Decimal = attrs.field(default=Decimal(10), validator=attrs.validators.ge(Decimal(1)))
    max_leverage: Decimal = attrs.field(default=Decimal(100), validator=attrs.validators.ge(Decimal(1)))
    position_mode: PositionMode = PositionMode.ONE_WAY
    fees: Mapping[str, Decimal] = attrs.field(factory=dict, validator=_fees)
    latency: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    stale_after: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    seed: int = 0

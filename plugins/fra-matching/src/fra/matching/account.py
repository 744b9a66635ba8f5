"""Accounts: wallets, what is in them and what is free."""

from decimal import Decimal

import attrs

OUTSIDE = "outside"
FEES = "fees"
INSURANCE = "insurance"
CLEARING = "clearing"
BUILTIN = (OUTSIDE, FEES, INSURANCE, CLEARING)


@attrs.frozen(kw_only=True)
class Balance:
    """One asset of a wallet.

    ``free`` is what spot orders, transfers and withdrawals may use; ``available`` is what new derivative orders may
    use, which counts unrealised profit too. ``unrealised`` is of the positions that settle in the asset.
    """

    account: str
    wallet: str
    asset: str
    total: Decimal
    free: Decimal
    available: Decimal
    unrealised: Decimal
    maintenance_margin: Decimal

    @property
    def equity(self) -> Decimal:
        return self.total + self.unrealised

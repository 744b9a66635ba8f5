"""Who may trade on an emulated venue: keys, what they may do, and what the account starts with."""

import hmac
from collections.abc import Mapping
from decimal import Decimal

import attrs

START = {"USDT": Decimal(100_000)}


@attrs.frozen(kw_only=True)
class Account:
    """One account with one API key. `balances` is what each of its wallets is opened with.

    `may_trade` False is a key that only reads, `may_withdraw` one of which is said that it could withdraw. `hedge`
    opens the account in hedge mode.
    """

    key: str
    secret: str = attrs.field(repr=False)
    passphrase: str = attrs.field(default="", repr=False)
    name: str = attrs.field()
    balances: Mapping[str, Decimal] = attrs.field(factory=lambda: dict(START))
    may_trade: bool = True
    may_withdraw: bool = False
    hedge: bool = False

    @name.default
    def _name(self) -> str:
        return f"account of {self.key[:4]}…"


def same_signature(right: str, told: str) -> bool:
    """Whether they are the same; any text may be told, and hmac compares ASCII alone."""
    return hmac.compare_digest(right.encode(), told.encode(errors="replace"))

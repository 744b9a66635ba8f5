"""The NATS subjects of one hosted exchange: what a broker's permissions can tell apart.

``fra.v1.TARGET.market.>`` is public market data, ``.account.>`` what reads an account, ``.trade.>`` what changes one.
A user who may not publish to ``fra.v1.*.trade.>`` cannot trade, whatever their client does.
"""

from __future__ import annotations

import re
from typing import Final, final

import attrs

from fra.core import Operation

VERSION: Final = 1
"""Of the subjects and of everything that travels on them. Another version is another tree of subjects."""

_PLAIN: Final = re.compile(r"[^A-Za-z0-9_/:-]")
_ACCOUNT: Final = frozenset(
    {
        Operation.GET_BALANCE,
        Operation.GET_POSITIONS,
        Operation.GET_FUNDING_PAYMENTS,
        Operation.GET_KEY_PERMISSIONS,
        Operation.GET_ORDER,
        Operation.GET_OPEN_ORDERS,
        Operation.GET_ORDER_HISTORY,
        Operation.GET_TRADE_HISTORY,
        Operation.SUBSCRIBE_USER_DATA,
    }
)
_TRADE: Final = frozenset(
    {
        Operation.CREATE_ORDER,
        Operation.CANCEL_ORDER,
        Operation.CANCEL_ALL_ORDERS,
        Operation.SET_LEVERAGE,
        Operation.SET_MARGIN_MODE,
        Operation.SET_POSITION_MODE,
    }
)


def area(operation: Operation) -> str:
    """``market``, ``account`` or ``trade``: whose permission an operation needs."""
    if operation in _TRADE:
        return "trade"
    return "account" if operation in _ACCOUNT else "market"


def token(text: str) -> str:
    """``text`` as one token of a subject: what NATS gives a meaning is written as ``=XX``."""
    return _PLAIN.sub(lambda match: "".join(f"={byte:02X}" for byte in match[0].encode()), text) or "="


@final
@attrs.frozen
class Subjects:
    """The subjects of ``target``, the name under which a host serves an exchange."""

    target: str

    @property
    def root(self) -> str:
        return f"fra.v{VERSION}.{token(self.target)}"

    def call(self, operation: Operation) -> str:
        """Where a method is asked for."""
        return f"{self.root}.{area(operation)}.call.{operation.value}"

    @property
    def calls(self) -> str:
        """Every call of every area, for the host."""
        return f"{self.root}.*.call.*"

    @property
    def describe(self) -> str:
        """Where the exchange says what it is."""
        return f"{self.root}.market.call.describe"

    @property
    def health(self) -> str:
        """Where the exchange says how it is."""
        return f"{self.root}.market.call.health_check"

    @property
    def open(self) -> str:
        """Where a stream is asked for."""
        return f"{self.root}.market.call.open"

    @property
    def renew(self) -> str:
        """Where clients say which streams they still use."""
        return f"{self.root}.market.renew"

    @property
    def beat(self) -> str:
        """Where the host says each second that it lives, and how far each stream is."""
        return f"{self.root}.market.beat"

    def stream(self, operation: Operation, symbol: str, parameter: str | None = None) -> str:
        """Where a public stream is published."""
        channel = operation.value.removeprefix("subscribe_")
        tail = "" if parameter is None else f".{token(parameter)}"
        return f"{self.root}.market.stream.{channel}.{token(symbol)}{tail}"

    @property
    def events(self) -> str:
        """Where the account's orders, fills, balances and positions are published, and kept."""
        return f"{self.root}.account.events"

    @property
    def payments(self) -> str:
        """Where its funding payments are published, and kept beside them."""
        return f"{self.root}.account.payments"

    @property
    def kept(self) -> str:
        """The name of the JetStream stream that keeps :attr:`events` and :attr:`payments`."""
        return f"fra_v{VERSION}_{re.sub(r'[^A-Za-z0-9_-]', '-', token(self.target))}_events"

    @property
    def key(self) -> str:
        """The target as a key of a NATS bucket."""
        return token(self.target).replace(":", "=3A").replace("/", "=2F")

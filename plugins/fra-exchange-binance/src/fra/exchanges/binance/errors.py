"""What Binance's codes mean to a caller. Documents: "Error Codes" of Spot and of USD-M Futures."""

from __future__ import annotations

import re
import time
from typing import Final

import attrs
import msgspec

from fra.adapters.custom import ErrorRule, ErrorTable, Failure, Refusal
from fra.core import (
    DuplicateOrder,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    PermissionDenied,
    SymbolNotFound,
)
from fra.exchanges.binance.dialect import CLOCK


class _Body(msgspec.Struct):
    code: int
    msg: str = ""


_BODY: Final = msgspec.json.Decoder(_Body)
_BANNED_UNTIL: Final = re.compile(r"banned until (\d{13})")
_ORDERS_PER: Final = re.compile(r"per (\d+) (SECOND|MINUTE|HOUR|DAY)")
_UNITS: Final = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3600.0, "DAY": 86_400.0}
_KEY_OR_RIGHT: Final = "-2015"
"""Binance refuses wrong keys, addresses and missing rights alike: of a key that was good before it is no wrong key."""
_TOO_MANY_ORDERS: Final = "-1015"
_ORDER_WINDOW: Final = 10.0
_LONGEST_PAUSE: Final = 60.0
"""A day's orders are counted again as the venue's headers tell: nobody is shut out for a day on a guess."""
_UNSAID: Final = {429: 60.0, 418: 120.0}
"""Seconds where the venue does not say: weights are by the minute, and bans last two minutes at least ("Limits")."""

_KEY: Final = "check that the key belongs to this environment, may be used from this address and has the right it needs"

CODES: Final[dict[str, type[ExchangeError] | ErrorRule]] = {
    # -1003 is left to the HTTP status: 429 is a full budget, 418 a ban.
    "-1000": ExchangeConnectionError,
    "-1001": ExchangeConnectionError,
    "-1002": ErrorRule(PermissionDenied, _KEY),
    "-1004": ExchangeConnectionError,
    "-1006": ExchangeConnectionError,
    "-1007": ExchangeConnectionError,
    "-1008": ExchangeConnectionError,
    "-1013": InvalidOrder,
    "-1014": InvalidOrder,
    "-1015": ExchangeRateLimitError,
    "-1016": ExchangeConnectionError,
    "-1021": ErrorRule(ExchangeAuthError, "this machine's clock is off: synchronise it"),
    "-1022": ErrorRule(ExchangeAuthError, "the secret does not belong to this key"),
    "-1099": PermissionDenied,
    "-1111": InvalidOrder,
    "-1115": InvalidOrder,
    "-1116": InvalidOrder,
    "-1117": InvalidOrder,
    "-1121": SymbolNotFound,
    "-2008": ErrorRule(ExchangeAuthError, _KEY),
    "-2010": InvalidOrder,
    "-2011": OrderNotFound,
    "-2013": OrderNotFound,
    "-2014": ErrorRule(ExchangeAuthError, "the key is not one of Binance's: look for cut or added characters"),
    "-2015": ErrorRule(ExchangeAuthError, _KEY),
    "-2018": InsufficientFunds,
    "-2019": InsufficientFunds,
    "-2020": InvalidOrder,
    "-2021": InvalidOrder,
    "-2022": InvalidOrder,
    "-2025": InvalidOrder,
    "-2027": InvalidOrder,
    "-2028": InsufficientFunds,
    "-4001": InvalidOrder,
    "-4002": InvalidOrder,
    "-4003": InvalidOrder,
    "-4004": InvalidOrder,
    "-4005": InvalidOrder,
    "-4013": InvalidOrder,
    "-4014": InvalidOrder,
    "-4023": InvalidOrder,
    "-4024": InvalidOrder,
    "-4029": InvalidOrder,
    "-4030": InvalidOrder,
    "-4050": InsufficientFunds,
    "-4051": InsufficientFunds,
    "-4061": ErrorRule(InvalidOrder, "the account is in the other position mode (one-way or hedge)"),
    "-4109": PermissionDenied,
    "-4116": DuplicateOrder,
    "-4118": InvalidOrder,
    "-4120": InvalidOrder,
    "-4131": InvalidOrder,
    "-4136": InvalidOrder,
    "-4164": InvalidOrder,
    "-5021": InvalidOrder,
    "-5022": InvalidOrder,
    # Not the venue's codes: events after which a stream is made anew, and a timestamp that gets another try.
    "listenKeyExpired": ExchangeConnectionError,
    "eventStreamTerminated": ExchangeConnectionError,
    CLOCK: ExchangeConnectionError,
}
"""Codes that are not here go by HTTP status."""

_BY_TEXT: Final[tuple[tuple[str, str, type[ExchangeError]], ...]] = (
    ("-2010", "insufficient balance", InsufficientFunds),
    ("-2010", "Duplicate order", DuplicateOrder),
    ("-2010", "not permitted for this account", PermissionDenied),
    ("-2011", "Duplicate order", DuplicateOrder),
)
"""Codes that stand for several things: (code, part of the text, what it is)."""


@attrs.frozen(kw_only=True)
class BinanceErrors(ErrorTable):
    """The table, and the few codes whose text must be read."""

    def error(self, failure: Failure, *, exchange: str) -> ExchangeError:
        rule: type[ExchangeError] | ErrorRule | None = None
        if failure.code == _KEY_OR_RIGHT and failure.known_key:
            rule = ErrorRule(PermissionDenied, _KEY)
        for code, part, kind in _BY_TEXT:
            if failure.code == code and part in failure.message:
                rule = kind
        if rule is not None:
            rules = BinanceErrors(codes={failure.code: rule}, read=self.read)
            return ErrorTable.error(rules, failure, exchange=exchange)
        return ErrorTable.error(self, failure, exchange=exchange)


def read(body: bytes) -> Refusal | None:
    """Code and text of ``{"code": -1121, "msg": "..."}``; None for anything else, such as the firewall's page."""
    try:
        answer = _BODY.decode(body)
    except msgspec.DecodeError:
        return None
    return Refusal(str(answer.code), answer.msg) if answer.code < 0 else None


def seconds(failure: Failure) -> float | None:
    """How long a ban lasts, from "…IP banned until 1700000000000"; how long too many orders shut out those to come."""
    if failure.code == _TOO_MANY_ORDERS:
        match = _ORDERS_PER.search(failure.message)
        return _ORDER_WINDOW if match is None else min(int(match[1]) * _UNITS[match[2]], _LONGEST_PAUSE)
    match = _BANNED_UNTIL.search(failure.message)
    if match is not None:
        return max(0.0, int(match[1]) / 1000 - time.time())
    return _UNSAID.get(failure.status or 0)


ERRORS: Final = BinanceErrors(
    codes=CODES,
    read=read,
    clock_codes=frozenset({"-1021"}),
    retry_after=seconds,
    shuts={_TOO_MANY_ORDERS: ".orders"},
)

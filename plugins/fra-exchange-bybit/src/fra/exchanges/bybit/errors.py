"""Bybit's codes and what each asks of the caller ("Error Codes" page of the V5 documents)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from fra.adapters.custom import ErrorRule, ErrorTable, Failure, Refusal
from fra.core import (
    Banned,
    DuplicateOrder,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OrderNotFound,
    PermissionDenied,
    SymbolNotFound,
)
from fra.exchanges.bybit.wire import Reply

BAD_SYMBOL: Final = "symbol"
BAD_LOGIN: Final = "login"
BAD_ORDER: Final = "order"
BAD_MODE: Final = "position mode"
TOO_FREQUENT: Final = "too frequent"
"""Names for refusals that Bybit gives by text alone, or under a code that says less than the text."""

LEVERAGE_UNCHANGED: Final = "110043"
MARGIN_MODE_UNCHANGED: Final = "110026"
POSITION_MODE_UNCHANGED: Final = "110025"

_CODES: Final[tuple[tuple[type[ExchangeError], str], ...]] = (
    # The venue could not answer; the request may have been carried out.
    (ExchangeConnectionError, "429 5004 10000 10014 10016 10019 170001 170007 170032 170035 170146 170147 170234"),
    (ExchangeRateLimitError, "10006 10018 10403 10429 20003 170005 170222"),
    (Banned, f"10009 {TOO_FREQUENT}"),
    (ExchangeAuthError, f"-2015 10002 10003 10004 10007 33004 131004 {BAD_LOGIN}"),
    (
        PermissionDenied,
        (
            "10005 10008 10010 10020 10024 10027 10028 100028 110065 110067 110068 110069 170201 170209 170224 170241 "
            "175010 176035 176036 176037"
        ),
    ),
    (SymbolNotFound, f"10029 170121 {BAD_SYMBOL}"),
    (NotSupported, "10017 10404 131231 131232"),
    (DuplicateOrder, "110072 170141"),
    (OrderNotFound, "110001 110008 110010 140001 170139 170142 170143 170213"),
    (
        InsufficientFunds,
        (
            "110004 110006 110007 110012 110014 110044 110045 110051 110052 110053 131001 131212 140004 140006 140007 "
            "140012 140014 140044 140045 140051 140052 140053 170033 170034 170131 170223 170226 175003 175006 176015 "
            "3200300"
        ),
    ),
    (
        InvalidOrder,
        (
            "12137 110003 110005 110009 110011 110013 110016 110017 110019 110020 110021 110022 110023 110024 "
            "110028 110029 110030 110031 110032 110033 110034 110035 110036 110037 110038 110039 110040 110041 110042 "
            "110054 110055 110056 110057 110058 110059 110060 110061 110062 110064 110070 110092 110093 110094 110095 "
            "110096 110097 110098 110099 170010 170011 170019 170105 170115 170116 170117 170124 170130 170132 "
            "170133 170134 170135 170136 170137 170140 170144 170145 170148 170151 170157 170159 170190 "
            "170191 170192 170193 170194 170195 170196 170197 170198 170199 170200 170202 170203 170204 170206 170210 "
            "170217 170218 170221 170227 170228 170229 170341 170344 170346 170348 170371 170372 3100116 3100198 "
        ),
    ),
)

_TEXTS: Final[tuple[tuple[str, str], ...]] = (
    ("invalid symbol", BAD_SYMBOL),
    ("symbol invalid", BAD_SYMBOL),
    ("not supported symbols", BAD_SYMBOL),
    ("symbol params err", BAD_SYMBOL),
    ("handler not found", BAD_SYMBOL),
    ("openapi sign params error", BAD_LOGIN),
    ("authenticate", BAD_LOGIN),
    ("not authorized", BAD_LOGIN),
    ("position idx not match", BAD_MODE),
    ("number of contracts", BAD_ORDER),
    ("qty", BAD_ORDER),
    ("price", BAD_ORDER),
)
"""What a text says, where its code is 10001 ("request parameter error") or there is none: the first that it holds."""

_CURES: Final[Mapping[str, str]] = {
    "10002": "set this machine's clock, or a larger recv_window: Bybit refuses what is late, or a second early",
    "10003": "a key of the test network needs sandbox = true, another sandbox = false",
    "10005": "give the key this right on Bybit's page of API keys",
    "10010": "allow this machine's address for the key, or make a key without an address list",
    TOO_FREQUENT: "wait: Bybit lifts it by itself after ten minutes",
    BAD_MODE: "give position_side LONG or SHORT in hedge mode, NET in one-way mode",
}

_FORBIDDEN: Final = 403
"""The status of an address that asked too often, or is in a country that Bybit does not serve."""
_BAN: Final = 600.0
_WINDOW: Final = 1.0
_RESET: Final = "X-Bapi-Limit-Reset-Timestamp"


class _Envelope(msgspec.Struct):
    retCode: int = 0
    retMsg: str | None = ""
    time: int = 0


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope, strict=False)


def read(body: bytes) -> Refusal | None:
    """Code and message of an answer that is no success, None for a success and for what nobody here understands."""
    try:
        envelope = _ENVELOPE.decode(body)
    except msgspec.DecodeError:
        return None
    return Refusal(str(envelope.retCode), envelope.retMsg or "") if envelope.retCode else None


def check(answer: object) -> Refusal | None:
    """The refusal that a decoded answer with a good status really is."""
    if not isinstance(answer, Reply) or answer.retCode == 0:
        return None
    return Refusal(str(answer.retCode), answer.retMsg)


def _retry_after(failure: Failure) -> float:
    """Seconds until this account's budget is whole again, or until a shut address is let in."""
    try:
        reset, now = int(failure.headers.get(_RESET, "")), _ENVELOPE.decode(failure.body).time
    except (ValueError, msgspec.DecodeError):
        return _WINDOW
    return min(max(0.0, (reset - now) / 1000), 60.0) if now else _WINDOW


def _named(failure: Failure) -> str:
    """The name of what is wrong by its text or HTTP status, where the code does not tell."""
    if failure.code not in ("", "10001"):
        return failure.code
    if failure.status == _FORBIDDEN and not failure.code:
        return "" if b"country" in failure.body.lower() else TOO_FREQUENT
    message = failure.message.lower()
    return next((name for text, name in _TEXTS if text in message), failure.code)


class BybitErrors(ErrorTable):
    """Codes first, then texts; the error always carries the code that Bybit gave, and none that it did not."""

    def error(self, failure: Failure, *, exchange: str) -> ExchangeError:
        if (named := _named(failure)) == failure.code:
            return super().error(failure, exchange=exchange)
        retry_after = failure.retry_after
        if named == TOO_FREQUENT and retry_after is None:
            retry_after = _BAN
        error = super().error(attrs.evolve(failure, code=named, retry_after=retry_after), exchange=exchange)
        error.code = failure.code or None
        return error


ERRORS: Final = BybitErrors(
    codes={code: ErrorRule(kind, _CURES.get(code)) for kind, codes in _CODES for code in codes.split()}
    | {TOO_FREQUENT: ErrorRule(Banned, _CURES[TOO_FREQUENT])}
    | {name: ErrorRule(InvalidOrder, _CURES.get(name)) for name in (BAD_ORDER, BAD_MODE)},
    read=read,
    check=check,
    clock_codes=frozenset({"10002"}),
    retry_after=_retry_after,
)
"""A code that is not named goes by HTTP status, and is an ExchangeAPIError under a good one."""

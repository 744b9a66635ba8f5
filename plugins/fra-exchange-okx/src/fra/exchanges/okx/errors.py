"""OKX's codes and what each asks of the caller ("Error Code" page of the API v5 guide)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fra.core import (
    Banned,
    DuplicateOrder,
    ExchangeAPIError,
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

_CODES: Final[tuple[tuple[type[ExchangeError], str], ...]] = (
    # The venue could not answer. 50004 says itself that the request may have been carried out.
    (ExchangeConnectionError, "50001 50004 50005 50013 50026 51774 60015 60016 60023 64008 500 4004 4005"),
    (ExchangeRateLimitError, "50011 50040 50061 51113 58102 60014 4003 4008"),
    (Banned, "50023"),
    (
        ExchangeAuthError,
        "50008 50101 50102 50103 50104 50105 50106 50107 50108 50111 50112 50113 50114 50119 58213 60001 60002 60003 "
        "60004 60005 60006 60007 60008 60009 60010 60011 60022 60024 60026 60031 60032 4001 4007",
    ),
    (
        PermissionDenied,
        "50007 50009 50027 50030 50035 50100 50110 50120 51009 51010 51024 51155 51773 58002 58004 58101 60021 60029 "
        "60030 4088",
    ),
    (SymbolNotFound, "51001 51002 51014 51015 51026 51130 60018"),
    (NotSupported, "60028"),
    (DuplicateOrder, "51016"),
    (OrderNotFound, "51400 51401 51402 51503 51509 51603"),
    (InsufficientFunds, "51008 51119 51127 51131 51502 51736 51764 51772"),
    (
        InvalidOrder,
        "51004 51005 51006 51007 51011 51020 51021 51022 51027 51028 51029 51030 51031 51046 51047 51051 51072 51073 "
        "51074 51090 51091 51092 51093 51094 51095 51096 51098 51099 51100 51101 51102 51103 51104 51105 51106 51107 "
        "51108 51109 51110 51112 51115 51116 51117 51118 51120 51121 51122 51124 51125 51126 51128 51129 51132 51133 "
        "51134 51135 51136 51137 51138 51139 51162 51163 51166 51174 51185 51201 51202 51203 51204 51205 51250 51251 "
        "51252 51253 51254 51255 51256 51257 51258 51259 51260 51261 51262 51263 51264 51265 51267 51268 51269 51270 "
        "51271 51272 51273 51274 51275 51276 51277 51278 51279 51280 51321 51322 51325 51327 51328 51329 51330 54008 "
        "54009 54011",
    ),
)

ERRORS: Final[Mapping[str, type[ExchangeError]]] = {code: kind for kind, codes in _CODES for code in codes.split()}
"""Code → class. A code that is not here is an ExchangeAPIError."""

_CURES: Final[Mapping[str, str]] = {
    "50102": "set this machine's clock: OKX refuses requests that are more than 30 s off",
    "50101": "a demo key needs sandbox = true, a live key sandbox = false",
    "50119": "this key does not exist on this host: check the region of the account, and sandbox",
    "50105": "the passphrase is the one chosen when the key was made",
    "50110": "allow this machine's address for the key, or make one without an address list",
    "51155": "your region may not trade this instrument",
}

_STATUS: Final[Mapping[int, type[ExchangeError]]] = {
    401: ExchangeAuthError,
    403: PermissionDenied,
    429: ExchangeRateLimitError,
}


class _Detail(msgspec.Struct):
    sCode: str = ""
    sMsg: str = ""


class _Refusal(msgspec.Struct):
    code: str | int = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


_REFUSAL: Final = msgspec.json.Decoder(_Refusal)
_DETAILS: Final = msgspec.json.Decoder(list[_Detail])


def error_of(
    code: str, message: str, *, exchange: str, status: int | None = None, response: str | bytes | None = None
) -> ExchangeError:
    """The error for one code of OKX; ``response`` is the raw answer."""
    kind = ERRORS.get(code) or _STATUS.get(status or 0)
    if kind is None:
        kind = ExchangeConnectionError if (status or 0) >= 500 else ExchangeAPIError
    text = message.strip() or f"OKX answered with code {code}"
    cure = _CURES.get(code)
    if issubclass(kind, ExchangeAPIError):
        return kind(text, status_code=status, response=response, exchange=exchange, code=code, cure=cure)
    return kind(text, response=response, exchange=exchange, code=code, cure=cure)


def error_in(body: bytes, *, exchange: str, status: int) -> ExchangeError | None:
    """The error that a REST answer holds, None when it is a success.

    Order endpoints answer ``1`` (all failed) or ``2`` (some failed) and give the reason per order; the first failed
    order's is taken. A body that is not OKX's envelope is an error of its own.
    """
    try:
        refusal = _REFUSAL.decode(body)
    except msgspec.DecodeError:
        return _no_envelope(body, exchange=exchange, status=status)
    code = str(refusal.code)
    if code == "0" and status < 400:
        return None
    message = refusal.msg
    if code in ("1", "2"):
        try:
            details = _DETAILS.decode(refusal.data)
        except msgspec.DecodeError:
            details = []
        failed = next((detail for detail in details if detail.sCode not in ("", "0")), None)
        if failed is not None:
            code, message = failed.sCode, failed.sMsg or message
    return error_of(code, message, exchange=exchange, status=status, response=body)


def _no_envelope(body: bytes, *, exchange: str, status: int) -> ExchangeError:
    if kind := _STATUS.get(status):
        return kind(f"OKX answered HTTP {status}", exchange=exchange, code=status, response=body)
    if status >= 500:
        return ExchangeConnectionError(f"OKX answered HTTP {status}", exchange=exchange, code=status, response=body)
    return ExchangeAPIError("the answer is not OKX's envelope", status_code=status, exchange=exchange, response=body)

"""OKX's codes and what each asks of the caller ("Error Code" page of the API v5 guide)."""

from __future__ import annotations

import re
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
from fra.exchanges.okx.wire import Ack, Acks, Reply

_CODES: Final[tuple[tuple[type[ExchangeError], str], ...]] = (
    # The venue could not answer. 50004 and 51149 say themselves that the request may have been carried out.
    (ExchangeConnectionError, "50001 50004 50005 50013 50026 51054 51149 51774 60015 60016 60023 64008 500 4004 4005"),
    (ExchangeRateLimitError, "50011 50040 50061 51113 58102 60014 4003 4008"),
    (Banned, "50023"),
    (
        ExchangeAuthError,
        (
            "50008 50101 50102 50103 50104 50105 50106 50107 50108 50111 50112 50113 50114 50119 58213 60001 "
            "60002 60003 60004 60005 60006 60007 60008 60009 60010 60011 60022 60024 60026 60031 60032 4001 4007"
        ),
    ),
    (
        PermissionDenied,
        (
            "50007 50009 50027 50030 50035 50100 50110 50120 51009 51010 51024 51155 51773 58002 58004 58101 "
            "60021 60029 60030 4088"
        ),
    ),
    (SymbolNotFound, "51001 51002 51014 51015 51026 51087 51130 60018"),
    (NotSupported, "51039 51041 60028"),
    (DuplicateOrder, "51016 51065 51068"),
    (OrderNotFound, "51063 51400 51401 51402 51405 51503 51509 51603"),
    (InsufficientFunds, "51008 51119 51127 51131 51502 51736 51764 51772"),
    (
        InvalidOrder,
        (
            "51004 51005 51006 51007 51011 51020 51021 51022 51023 51025 51027 51028 51029 51030 51031 51033 "
            "51046 51047 51048 51049 51050 51051 51052 51053 51058 51148 51150 51169 51170 51186 51187 "
            "51072 51073 51074 51090 51091 51092 51093 51094 51095 51096 51098 51099 51100 51101 51102 51103 "
            "51104 51105 51106 51107 51108 51109 51110 51112 51115 51116 51117 51118 51120 51121 51122 51124 "
            "51125 51126 51128 51129 51132 51133 51134 51135 51136 51137 51138 51139 51162 51163 51166 51174 "
            "51185 51201 51202 51203 51204 51205 51250 51251 51252 51253 51254 51255 51256 51257 51258 51259 "
            "51260 51261 51262 51263 51264 51265 51267 51268 51269 51270 51271 51272 51273 51274 51275 51276 "
            "51277 51278 51279 51280 51321 51322 51325 51327 51328 51329 51330 54008 54009 54011"
        ),
    ),
)

_CURES: Final[Mapping[str, str]] = {
    "50102": "set this machine's clock: OKX refuses requests that are more than 30 s off",
    "50101": "a demo key needs sandbox = true, a live key sandbox = false",
    "50119": "this key does not exist on this host: check the region of the account, and sandbox",
    "50105": "the passphrase is the one that was chosen when the key was made",
    "50110": "allow this machine's address for the key, or make a key without an address list",
    "51155": "your region may not trade this instrument",
}

_WRONG_PARAMETER: Final = "51000"
_OF_AN_ORDER: Final = re.compile(r"\b(px|sz|ordType|tdMode|posSide|reduceOnly|clOrdId|\w+Px)\b")
"""What OKX names in "Parameter px error"."""

_WINDOW: Final = 2.0  # seconds; every limit of OKX is per rolling 2 s, and its answers carry no Retry-After


class _Detail(msgspec.Struct):
    sCode: str = ""
    sMsg: str = ""


class _Envelope(msgspec.Struct):
    code: str | int = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


def read(body: bytes) -> Refusal | None:
    """Code and message of an answer that is no success, None for a success and for what is no envelope of OKX.

    Order endpoints answer ``1`` (all failed) or ``2`` (some failed) and give the reason per order: the first failed
    order's is taken.
    """
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except msgspec.DecodeError:
        return None
    code = str(envelope.code)
    if code in ("", "0"):
        return None
    if code in ("1", "2"):
        try:
            details = msgspec.json.decode(envelope.data, type=list[_Detail])
        except msgspec.DecodeError:
            details = []
        for detail in details:
            if detail.sCode not in ("", "0"):
                return Refusal(detail.sCode, detail.sMsg or envelope.msg)
    return Refusal(code, envelope.msg)


def check(answer: object) -> Refusal | None:
    """The refusal that a decoded answer with a good status really is; the rows of a batch are the caller's affair."""
    if isinstance(answer, Acks):
        return None if answer.code in ("0", "1", "2") and answer.data else Refusal(answer.code, answer.msg)
    if not isinstance(answer, Reply):
        return None
    for row in answer.data:
        if not isinstance(row, Ack):
            break
        if row.sCode not in ("", "0"):  # also under the code 0, as order-algo answers
            return Refusal(row.sCode, row.sMsg or answer.msg)
    return None if answer.code == "0" else Refusal(answer.code, answer.msg)


@attrs.frozen(kw_only=True)
class OKXErrors(ErrorTable):
    """OKX's table, which looks at which parameter it is that OKX calls wrong."""

    def error(self, failure: Failure, *, exchange: str) -> ExchangeError:
        if failure.code == _WRONG_PARAMETER and _OF_AN_ORDER.search(failure.message):
            return ErrorTable.error(attrs.evolve(self, codes={failure.code: InvalidOrder}), failure, exchange=exchange)
        return ErrorTable.error(self, failure, exchange=exchange)


ERRORS: Final = OKXErrors(
    codes={code: ErrorRule(kind, _CURES.get(code)) for kind, codes in _CODES for code in codes.split()},
    read=read,
    check=check,
    clock_codes=frozenset({"50102", "60006"}),
    retry_after=lambda failure: _WINDOW,
)
"""A code that is not named goes by HTTP status, and is an ExchangeAPIError under a good one."""

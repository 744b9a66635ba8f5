"""HTX's codes and what each asks of the caller ("Error Code" of the spot and of the USDT-margined documents)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from fra.adapters.custom import ErrorRule, ErrorTable, Failure, Refusal
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
    # Contracts: the venue could not answer, or settles just now.
    (ExchangeConnectionError, "1000 1001 1002 1003 1004 1046 1053 1054 1077 1078 1079 1080 1108 1250 1251 1252"),
    (ExchangeRateLimitError, "1032 1052 1076 4000 1305 80010"),
    (Banned, "1084"),
    (ExchangeAuthError, "403 1011 1200 1253 2002 2003 2005 2006 1306"),
    (PermissionDenied, "1010 1012 1018 1019 1031 1109 1110 1113 1115 1220 1221 1222 1223 1224 1227 1228 1254 2004"),
    (SymbolNotFound, "1013 1014 1033 1332 1333 2011"),
    (NotSupported, "4002 4003 4007 1492"),
    (DuplicateOrder, "1050 1064"),
    (OrderNotFound, "1017 1051 1061 1063 1071"),
    (InsufficientFunds, "1047 1090 1091 1301"),
    (
        InvalidOrder,
        (
            "1016 1034 1035 1036 1037 1038 1039 1040 1041 1042 1043 1044 1045 1048 1049 1055 1056 1057 1058 1059 1060 "
            "1062 1065 1066 1067 1069 1072 1073 1074 1075 1081 1082 1083 1085 1086 1087 1088 1092 1093 1094 1095 "
            "1097 1100 1101 1104 1105 1233 1234 1235 1461 1485"
        ),
    ),
    # Spot.
    (ExchangeConnectionError, "gateway-internal-error system-maintenance timeout order-update-error base-system-error"),
    (ExchangeRateLimitError, "rate-too-many-requests base-request-exceed-frequency-limit too-many-requests"),
    (ExchangeAuthError, "api-signature-not-valid api-signature-check-failed login-required api-key-invalid"),
    (PermissionDenied, "api-not-support-temp-addr base-user-request-not-allowed account-account-id-inexistent"),
    (SymbolNotFound, "base-symbol-error base-symbol-trade-disabled invalid-symbol base-currency-error"),
    # "Error Code" says of the last one that the id was used within 24 hours.
    (DuplicateOrder, "base-client-order-id-exist order-client-order-id-repeated invalid-client-order-id"),
    (OrderNotFound, "order-queryorder-invalid base-record-invalid base-not-found order-orderstate-error"),
    (
        InsufficientFunds,
        (
            "account-frozen-balance-insufficient-error account-transfer-balance-insufficient-error "
            "order-accountbalance-error account-balance-insufficient-error insufficient-balance"
        ),
    ),
    (
        InvalidOrder,
        (
            "order-value-min-error order-invalid-price order-orderprice-precision-error "
            "order-orderamount-precision-error order-limitorder-amount-min-error order-limitorder-amount-max-error "
            "order-limitorder-amount-error order-limitorder-price-error order-limitorder-price-min-error "
            "order-limitorder-price-max-error order-marketorder-amount-error order-marketorder-amount-min-error "
            "order-marketorder-amount-max-error order-marketorder-amount-buy-max-error "
            "order-marketorder-amount-sell-max-error order-etp-nav-price-max-error order-etp-nav-price-min-error "
            "order-holding-limit-failed order-type-invalid order-stop-order-hit-trigger invalid-amount "
            "o-amount-min-error order-source-invalid order-fl-order-price-error"
        ),
    ),
)

_MESSAGES: Final[tuple[tuple[str, str, type[ExchangeError]], ...]] = (
    # HTX gives some codes more than one meaning, and says in words which.
    ("1003", "signature", ExchangeAuthError),
    ("1002", "unauthorized", ExchangeAuthError),
    ("403", "no permission", PermissionDenied),
    ("403", "ip address", PermissionDenied),
    ("api-signature-not-valid", "no permission", PermissionDenied),
    ("api-signature-not-valid", "ip address", PermissionDenied),
    ("invalid-parameter", "request limit", ExchangeRateLimitError),
    ("invalid-parameter", "symbol", SymbolNotFound),
    ("bad-request", "too many request", ExchangeRateLimitError),
    ("bad-request", "invalid topic", SymbolNotFound),
    ("bad-request", "invalid symbol", SymbolNotFound),
    ("2002", "symbol", SymbolNotFound),
    ("2002", "invalid field", ExchangeAPIError),
    ("2003", "mandatory", ExchangeAPIError),
)

_CURES: Final[Mapping[str, str]] = {
    "api-signature-not-valid": "check api_key and secret_key, and the name of the host that is signed (signed_hosts)",
    "403": "check api_key; it is another one than of other venues, and belongs to the live exchange",
    "1084": "too many orders that were cancelled unfilled: HTX lets this account order again later",
    "1220": "open the account for contracts on HTX's pages first",
    "1045": "cancel the open orders of this contract first",
    "4007": "this account has another asset mode than these endpoints serve",
}

_PAUSE: Final = 3.0  # seconds; contracts count in 3 s, spot in 2 s, and answers carry no Retry-After


class _Envelope(msgspec.Struct):
    status: str = ""
    code: int | str = ""
    err_code: int | str = ""
    message: str = ""
    msg: str = ""
    err_msg: str | None = ""
    spot_code: str | None = msgspec.field(default="", name="err-code")
    spot_msg: str | None = msgspec.field(default="", name="err-msg")


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def read(body: bytes) -> Refusal | None:
    """Code and message of an answer that is no success, None for a success and for what is no envelope of HTX.

    Four spellings: ``err-code`` (spot), ``err_code`` (contracts), ``code`` with ``message`` (spot v2) or ``msg``
    (contracts v3).
    """
    try:
        envelope = _ENVELOPE.decode(body)
    except msgspec.DecodeError:
        return None
    if envelope.status == "error":
        code = envelope.spot_code or envelope.err_code or envelope.code
        return Refusal(str(code), envelope.spot_msg or envelope.err_msg or envelope.message or envelope.msg)
    code = str(envelope.code)
    return None if code in ("", "200", "0") else Refusal(code, envelope.message or envelope.msg)


@attrs.frozen(kw_only=True)
class HTXErrors(ErrorTable):
    """HTX's table, which looks at the words where a code means several things."""

    def error(self, failure: Failure, *, exchange: str) -> ExchangeError:
        message = failure.message.lower()
        for code, words, kind in _MESSAGES:
            if failure.code == code and words in message:
                rule = ErrorRule(kind, _CURES.get(code))
                return attrs.evolve(self, codes={code: rule})._plain(failure, exchange=exchange)
        return self._plain(failure, exchange=exchange)

    def _plain(self, failure: Failure, *, exchange: str) -> ExchangeError:
        return ErrorTable.error(self, failure, exchange=exchange)


ERRORS: Final = HTXErrors(
    codes={code: ErrorRule(kind, _CURES.get(code)) for kind, codes in _CODES for code in codes.split()},
    read=read,
    # Under these a late timestamp comes too: the clock is read again, once, before the key is blamed.
    clock_codes=frozenset({"api-signature-not-valid", "403", "1003"}),
    retry_after=lambda failure: _PAUSE,
)
"""A code that is not named goes by HTTP status, and is an ExchangeAPIError under a good one."""

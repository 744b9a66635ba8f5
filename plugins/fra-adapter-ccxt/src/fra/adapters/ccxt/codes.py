"""Codes of venues that ccxt reads as something else, or not at all. Each table names the page that it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fra.adapters.ccxt.errors import Words
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


def _codes(*rows: tuple[type[ExchangeError], str]) -> Mapping[str, type[ExchangeError]]:
    return {code: kind for kind, codes in rows for code in codes.split()}


BINANCE: Final = _codes(
    (ExchangeConnectionError, "-1004 -1016"),
    (ExchangeAuthError, "-2008"),
    (PermissionDenied, "-1002 -1099 -4109"),
    (DuplicateOrder, "-4116"),
    (InsufficientFunds, "-2018 -2019 -2028 -4050 -4051"),
    (
        InvalidOrder,
        (
            "-1013 -1111 -1115 -1116 -1117 -2020 -2021 -2022 -2025 -2027 -4001 -4002 -4003 -4004 -4005 -4013 "
            "-4014 -4023 -4024 -4029 -4030 -4061 -4118 -4120 -4131 -4136 -4164 -5021 -5022"
        ),
    ),
)
""""Error Codes" of Spot and of USD-M Futures."""

OKX: Final = _codes(
    (ExchangeConnectionError, "51054 51149 60023 500"),
    (ExchangeRateLimitError, "50040 50061"),
    (Banned, "50023"),
    (ExchangeAuthError, "50108 50119"),
    (PermissionDenied, "50007 50009 50030 50035 50100 50120 51009 51024 58004 58101 4088"),
    (SymbolNotFound, "51087 60018"),
    (NotSupported, "51039 51041"),
    (DuplicateOrder, "51016 51065 51068"),
    (OrderNotFound, "51063 51405"),
    (
        InvalidOrder,
        ("51023 51025 51033 51048 51049 51050 51052 51053 51058 51148 51150 51169 51170 51186 51187"),
    ),
)
""""Error Code" of the API v5 guide."""

BYBIT: Final = _codes(
    (ExchangeConnectionError, "429 5004 10000 10014 10016 10019 170001 170032 170035 170146 170147 170234"),
    (ExchangeRateLimitError, "10403 10429 20003 170005"),
    (Banned, "10009"),
    (PermissionDenied, "10008 170241"),
    (SymbolNotFound, "10029 170121"),
    (NotSupported, "10017 10404"),
    (DuplicateOrder, "110072 170141"),
    (OrderNotFound, "110008 110010 170139 170142 170143"),
    (
        InvalidOrder,
        (
            "110013 110024 110028 110029 110060 110061 110062 110095 110096 110097 110098 110099 170105 170130 "
            "170221 170227 170341 170344 170346 170348 3100116 3100198"
        ),
    ),
)
""""Error Codes" of V5."""

HTX: Final = _codes(
    (
        ExchangeConnectionError,
        ("1000 1001 1002 1003 1004 1046 1053 1054 1077 1078 1079 1080 1108 1250 1251 1252 base-system-error"),
    ),
    (ExchangeRateLimitError, "1032 1052 1076 4000 1305 80010 too-many-requests"),
    (Banned, "1084"),
    (ExchangeAuthError, "1011 1200 1253 2002 2003 2005 2006 1306 login-required api-key-invalid"),
    (
        PermissionDenied,
        (
            "1012 1018 1019 1031 1109 1110 1113 1115 1221 1222 1223 1224 1227 1228 1254 2004 base-user-request- "
            "not-allowed account-account-id-inexistent"
        ),
    ),
    (SymbolNotFound, "1014 1033 1332 1333 2011 invalid-symbol base-currency-error"),
    (NotSupported, "4002 4003 4007 1492"),
    (
        DuplicateOrder,
        ("1050 1064 base-client-order-id-exist order-client-order-id-repeated invalid-client-order-id"),
    ),
    (OrderNotFound, "1051 1063 1071 base-not-found"),
    (
        InsufficientFunds,
        (
            "1090 1091 1301 account-transfer-balance-insufficient-error order-accountbalance-error account- "
            "balance-insufficient-error insufficient-balance"
        ),
    ),
    (
        InvalidOrder,
        (
            "1016 1035 1037 1038 1040 1042 1043 1044 1045 1048 1049 1055 1056 1057 1058 1059 1060 1062 1065 1066 "
            "1069 1072 1073 1074 1075 1081 1082 1083 1085 1086 1087 1088 1092 1093 1095 1097 1100 1101 1104 1105 "
            "1233 1234 1235 1485 order-orderamount-precision-error order-limitorder-amount-error order- "
            "limitorder-price-error order-marketorder-amount-error order-marketorder-amount-max-error order- "
            "marketorder-amount-buy-max-error order-marketorder-amount-sell-max-error order-etp-nav-price-min- "
            "error order-type-invalid o-amount-min-error order-source-invalid order-fl-order-price-error"
        ),
    ),
)
""""Error Code" of spot and of USDT-margined contracts."""

BINANCE_WORDS: Final[tuple[Words, ...]] = (
    ("-2010", "insufficient balance", InsufficientFunds),
    ("-2010", "duplicate order", DuplicateOrder),
    ("-2010", "not permitted for this account", PermissionDenied),
    ("-2011", "duplicate order", DuplicateOrder),
)
BYBIT_WORDS: Final[tuple[Words, ...]] = (
    ("", "api key is invalid", ExchangeAuthError),
    ("", "authenticate", ExchangeAuthError),
    ("", "not authorized", ExchangeAuthError),
    ("", "invalid sign", ExchangeAuthError),
    ("", "error sign", ExchangeAuthError),
    ("10001", "invalid symbol", SymbolNotFound),
    ("10001", "symbol invalid", SymbolNotFound),
    ("10001", "not supported symbols", SymbolNotFound),
    ("10001", "position idx not match", InvalidOrder),
    ("10001", "number of contracts", InvalidOrder),
    ("10001", "qty", InvalidOrder),
    ("10001", "price", InvalidOrder),
)
HTX_WORDS: Final[tuple[Words, ...]] = (
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
OKX_WORDS: Final[tuple[Words, ...]] = tuple(
    ("51000", word, InvalidOrder)
    for word in ("parameter px", "parameter sz", "ordtype", "tdmode", "posside", "reduceonly", "clordid")
)
"""OKX names the parameter that is wrong."""

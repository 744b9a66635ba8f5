"""What in a recording is nobody's business: names of fields, venue by venue, known values, and what looks like a key.

The filter that records (scrub.py) and the linter (lint.py) both ask here.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

import attrs

MASK: Final = "scrubbed"
"""What stands in place of a private text; a private number becomes 0."""

_GENERIC: Final = re.compile(r"key|secret|sign|pass|token|auth|cookie|nonce|mail|mobile|phone", re.IGNORECASE)
_SECRET_VARIABLE: Final = re.compile(r"API_?KEY|SECRET|PASSPHRASE|PASSWORD|TOKEN|PRIVATE_?KEY", re.IGNORECASE)
_SHORTEST: Final = 6
"""Characters below which a known value is not looked for: it would be found by accident."""


@attrs.frozen(kw_only=True)
class VenueNames:
    """Names of one venue's headers, parameters and fields, as its documents spell them; case, - and _ are nothing.

    ``credentials`` hold keys and signatures, ``account`` says whose account it is, ``moments`` when it was
    signed, which is no secret, but no recorded question would ever be asked again.
    """

    credentials: tuple[str, ...]
    account: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()


VENUES: Final[Mapping[str, VenueNames]] = {
    "binance": VenueNames(
        credentials=("X-MBX-APIKEY", "signature", "listenKey"),
        account=("uid", "accountAlias", "subAccountId", "subUserId"),
        moments=("timestamp", "recvWindow"),
    ),
    "okx": VenueNames(
        credentials=("OK-ACCESS-KEY", "OK-ACCESS-SIGN", "OK-ACCESS-PASSPHRASE", "apiKey", "passphrase", "sign"),
        account=("uid", "mainUid", "label", "ip", "subAcct"),
        moments=("OK-ACCESS-TIMESTAMP",),
    ),
    "bybit": VenueNames(
        credentials=("X-BAPI-API-KEY", "X-BAPI-SIGN", "api_key", "sign"),
        account=("uid", "userId", "userID", "memberId", "parentUid", "affiliateID", "inviterID", "ips", "note"),
        moments=("X-BAPI-TIMESTAMP", "X-BAPI-RECV-WINDOW"),
    ),
    "htx": VenueNames(
        credentials=("AccessKeyId", "accessKey", "Signature"),
        account=("uid", "user-id", "account-id", "subUid", "subAccountId", "sub_uid"),
        moments=("Timestamp",),
    ),
    "bitget": VenueNames(
        credentials=("ACCESS-KEY", "ACCESS-SIGN", "ACCESS-PASSPHRASE"),
        account=("userId", "uid", "parentId", "traderId", "ips"),
        moments=("ACCESS-TIMESTAMP",),
    ),
    "kucoin": VenueNames(
        credentials=("KC-API-KEY", "KC-API-SIGN", "KC-API-PASSPHRASE", "token", "connectId"),
        account=("uid", "userId", "accountId", "subName", "subUserId"),
        moments=("KC-API-TIMESTAMP",),
    ),
    "gate": VenueNames(
        credentials=("KEY", "SIGN"),
        account=("user", "user_id", "uid"),
        moments=("Timestamp",),
    ),
    "mexc": VenueNames(
        credentials=("X-MEXC-APIKEY", "ApiKey", "signature", "listenKey"),
        account=("uid", "memberId"),
        moments=("timestamp", "recvWindow", "Request-Time"),
    ),
    "cryptocom": VenueNames(
        credentials=("api_key", "sig"),
        account=("account_id", "master_account", "user_uuid", "account_uuid"),
        moments=("nonce",),
    ),
    "bitfinex": VenueNames(
        credentials=("bfx-apikey", "bfx-signature", "apiKey", "authSig", "authPayload"),
        account=("userId",),
        moments=("bfx-nonce", "authNonce"),
    ),
    "kraken": VenueNames(
        credentials=("API-Key", "API-Sign", "otp", "token"),
        account=("iban", "user"),
        moments=("nonce",),
    ),
    "any": VenueNames(
        credentials=("Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key"),
        account=(
            "uid", "mainUid", "masterUid", "subUid", "userName", "loginName", "userAlias", "accountAlias", "userId",
            "acctId", "accountId", "label", "ip", "clientIp", "remoteIp", "X-Forwarded-For", "X-Real-IP",
        ),
        moments=("timestamp", "recvWindow"),
    ),
}  # fmt: skip
"""Every row counts for every venue: a name that is private at one is scrubbed wherever it stands."""


def plain(name: str) -> str:
    """``name`` without what venues spell in different ways."""
    return name.lower().replace("-", "").replace("_", "")


_NAMES: Final = frozenset(plain(name) for row in VENUES.values() for name in (*row.credentials, *row.account))
_MOMENTS: Final = frozenset(plain(name) for row in VENUES.values() for name in row.moments)

ACCOUNT_IN_PATH: Final = re.compile(
    r"(?<=/)(?P<what>accounts?|users?|sub-?users?)/(?P<id>\d{2,}|[0-9a-f]{16,}|[0-9a-f-]{36})(?=/|$)"
)
"""`/v1/account/accounts/{account-id}/balance` (HTX), `/api/v1/accounts/{accountId}` (KuCoin)."""

_LOOKS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a login token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
    ("a login", re.compile(r"\b(?:bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)),
    ("a login in an address", re.compile(r"(?<=://)[^/\s:@\"']+:[^/\s:@\"']+(?=@)")),
    ("a mail address", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("a signature in hex", re.compile(r"(?<![\w/+])[0-9a-fA-F]{64,}(?![\w/+])")),
    ("a signature in base64", re.compile(r"(?<![\w/+])(?:[\w+/-]{43}=|[\w+/-]{86}==)(?![\w/+=])")),
    ("a key", re.compile(r"(?<![\w/+=-])(?=\w*[a-z])(?=\w*[A-Z])(?=\w*\d)[A-Za-z0-9]{60,}(?![\w/+-])")),
)
_LOOKS_IN_REQUESTS: Final = (
    ("a key or a signature", re.compile(r"(?<![\w/+=-])(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9]{32,}(?![\w/+-])")),
)
_OWN_IDS: Final = re.compile(r"(?:cl|client|link|orig).*(?:id|oid)|text|orderid|ordid")


def _as_names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(plain, names))


def _as_values(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class Privacy:
    """What an author adds to the table: private ``names`` of another venue, ``values`` that must stand nowhere.

    ``public`` are names that only look private (``baseToken``). They are compared as the table's are.
    """

    names: frozenset[str] = attrs.field(default=(), converter=_as_names)
    public: frozenset[str] = attrs.field(default=(), converter=_as_names)
    values: tuple[str, ...] = attrs.field(default=(), converter=_as_values, repr=False)

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        names: Iterable[str] = (),
        public: Iterable[str] = (),
        values: Iterable[str] = (),
    ) -> Privacy:
        """With the values of all variables that are named like secrets: KRAKEN_API_KEY, KRAKEN_SECRET, …"""
        found = [value for name, value in environ.items() if _SECRET_VARIABLE.search(name) and len(value) >= 8]
        return cls(names=names, public=public, values=(*values, *found))

    def is_private(self, name: str) -> bool:
        """Whether a header, parameter or field of this name may hold a key, a signature or who somebody is."""
        spelt = plain(name)
        if spelt in self.public:
            return False
        return spelt in _NAMES or spelt in self.names or bool(_GENERIC.search(name))

    def is_hidden(self, name: str) -> bool:
        """Whether a request's header or parameter is private, or tells only when it was signed."""
        return self.is_private(name) or plain(name) in _MOMENTS

    def known(self, text: str) -> bool:
        """Whether one of the known values stands in ``text``, in any of the spellings that it may have on the wire."""
        return any(spelling in text for spelling in self._spellings())

    def looks(self, text: str, *, request: bool, name: str = "") -> str | None:
        """What ``text`` seems to hold, None for nothing. Requests are judged harder: we know what we send."""
        for what, pattern in self._patterns(request, name):
            if pattern.search(text):
                return what
        return "a known secret" if self.known(text) else None

    def mask(self, text: str, *, request: bool, name: str = "") -> str:
        """``text`` with MASK in place of everything that :meth:`looks` would name."""
        for spelling in self._spellings():
            text = text.replace(spelling, MASK)
        for _, pattern in self._patterns(request, name):
            text = pattern.sub(MASK, text)
        return text

    @staticmethod
    def _patterns(request: bool, name: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return (*_LOOKS, *_LOOKS_IN_REQUESTS) if request and not _OWN_IDS.search(plain(name)) else _LOOKS

    def _spellings(self) -> Iterator[str]:
        for value in self.values:
            if len(value) >= _SHORTEST:
                yield from dict.fromkeys(
                    (value, quote(value, safe=""), quote_plus(value), b64encode(value.encode()).decode())
                )

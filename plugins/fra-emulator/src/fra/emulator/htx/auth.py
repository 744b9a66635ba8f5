"""HTX's signatures: HMAC-SHA256 over method, host, path and sorted parameters, on REST and on the sockets."""

import base64
import enum
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

import attrs

from fra.emulator.accounts import Account, same_signature
from fra.emulator.exchange import VenueExchange

_TOLERANCE_MS = 300_000
HOSTS: Mapping[str, tuple[str, ...]] = {
    "spot": ("api.huobi.pro", "api-aws.huobi.pro"),
    "linear": ("api.hbdm.com", "api.hbdm.vn"),
}
"""The documented hosts, which are signed even behind another name."""


class Failure(enum.Enum):
    """Why nobody was recognised, in the venue's words."""

    KEY = "Incorrect Access key [Access key错误]"
    TIME = "Invalid submission time or incorrect time format [无效的提交时间，或时间格式错误]"
    SIGNATURE = "Verification failure [校验失败]"
    PERMISSION = "API key has no permission [API Key没有权限]"


class Unrecognised(Exception):
    """A request or login without a valid signature."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


@attrs.frozen
class Names:
    """What the signed parameters are called, and the version they state."""

    key: str
    method: str
    version: str
    time: str
    signature: str
    stated: str


CAPITAL = Names("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp", "Signature", "2")
"""REST, and the contracts' socket (HTX docs: "Authentication")."""
CAMEL = Names("accessKey", "signatureMethod", "signatureVersion", "timestamp", "signature", "2.1")
"""The spot account socket."""


def signature(secret: str, method: str, host: str, path: str, params: Mapping[str, str]) -> str:
    """Base64 of the HMAC; the parameters without the signature itself, encoded and in ASCII order."""
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(params.items()))
    text = f"{method}\n{host}\n{path}\n{query}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def authenticate(
    exchange: VenueExchange | None,
    params: Mapping[str, str],
    *,
    names: Names,
    method: str,
    places: Iterable[tuple[str, str]],
    now_ms: int,
) -> Account:
    """The account that signed for one of the `places` (host and path). Raises Unrecognised."""
    account = None if exchange is None else exchange.accounts.get(params.get(names.key, ""))
    if account is None:
        raise Unrecognised(Failure.KEY)
    try:
        stamp = datetime.strptime(params.get(names.time, ""), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Unrecognised(Failure.TIME) from None
    if abs(now_ms - stamp.timestamp() * 1000) > _TOLERANCE_MS:
        raise Unrecognised(Failure.TIME)
    told = params.get(names.signature, "")
    signed = {k: v for k, v in params.items() if k != names.signature}
    right = params.get(names.method) == "HmacSHA256" and params.get(names.version) == names.stated
    if not right or not any(
        same_signature(signature(account.secret, method, host, path, signed), told) for host, path in places
    ):
        raise Unrecognised(Failure.SIGNATURE)
    return account

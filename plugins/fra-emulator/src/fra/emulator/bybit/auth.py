"""Who asks: Bybit's signed headers and its login on a socket (Bybit docs: "Integration Guidance")."""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from fra.emulator.accounts import Account, same_signature
from fra.emulator.bybit.rest import Refusal

Find = Callable[[str], Account | None]
_WINDOW_MS, _AHEAD_MS = 5000, 1000


def _sign(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def check(headers: Mapping[str, str], payload: str, find: Find, now_ms: int) -> Account:
    """The account of a request whose query (or body) is `payload`, byte for byte. Raises Refusal."""
    key = headers.get("X-BAPI-API-KEY", "")
    at, sign = headers.get("X-BAPI-TIMESTAMP", ""), headers.get("X-BAPI-SIGN", "")
    window = headers.get("X-BAPI-RECV-WINDOW", "")
    if not key:
        raise Refusal(10003, "API key is invalid.", status=401)
    if not (at.isdecimal() and sign):
        raise Refusal(
            10001,
            f"empty value: apiTimestamp[{at}] apiKey[{key}] apiSignature[{sign}]: openapi sign params error!",
        )
    if window and not window.isdecimal():
        raise Refusal(10001, "params error: recv_window invalid")
    account = find(key)
    if account is None:
        raise Refusal(10003, "API key is invalid.")
    if not now_ms - (int(window) if window else _WINDOW_MS) <= int(at) < now_ms + _AHEAD_MS:
        raise Refusal(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{at}],server_timestamp[{now_ms}],recv_window[{window or _WINDOW_MS}]",
        )
    origin = f"{at}{key}{window}{payload}"
    if not same_signature(_sign(account.secret, origin), sign.lower()):
        raise Refusal(10004, f"error sign! origin_string[{origin}]")
    return account


def login(args: list[str | int], find: Find, now_ms: int) -> Account:
    """The account that logs in on a socket with key, expiry (ms) and signature. Raises Refusal."""
    if len(args) != 3 or not str(args[1]).isdecimal():
        raise Refusal(10001, "Params Error")
    key, expires, sign = map(str, args)
    account = find(key)
    if account is None:
        raise Refusal(10003, "API key is invalid.")
    if int(expires) <= now_ms:
        raise Refusal(10002, "The request has expired")
    if not same_signature(_sign(account.secret, f"GET/realtime{expires}"), sign.lower()):
        raise Refusal(10004, "Invalid sign")
    return account

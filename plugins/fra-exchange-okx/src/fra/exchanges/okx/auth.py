"""OKX's signatures ("REST Authentication" and "Login" of the API v5 guide)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

from fra.adapters.custom import AuthHandler, Endpoint, HttpRequest

_LOGIN_PATH: Final = "/users/self/verify"


def timestamp_text(timestamp_ms: int) -> str:
    """UTC milliseconds as ``OK-ACCESS-TIMESTAMP`` wants them: ``2020-12-08T09:08:57.715Z``."""
    seconds, milliseconds = divmod(timestamp_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def signature(secret: bytes, timestamp: str, method: str, path: str, body: str = "") -> str:
    """Base64 of HMAC-SHA256 over timestamp, method, path with query, and body, joined as they are."""
    text = f"{timestamp}{method}{path}{body}"
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()


class OKXAuth(AuthHandler):
    """Signs in headers; a private connection logs in with the same signature over a fixed path."""

    def sign(self, request: HttpRequest, endpoint: Endpoint[object]) -> HttpRequest:
        timestamp = timestamp_text(self.clock.now_ms())
        signed = signature(self.secret_key, timestamp, request.method, request.target, request.body.decode())
        headers = {
            "OK-ACCESS-KEY": self.api_key,
            "OK-ACCESS-SIGN": signed,
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-PASSPHRASE": self.passphrase,
        }
        return attrs.evolve(request, headers={**request.headers, **headers})

    def login(self) -> Mapping[str, str]:
        """The argument of the ``login`` operation; its timestamp is in seconds."""
        timestamp = str(self.clock.now_ms() // 1000)
        return {
            "apiKey": self.api_key,
            "passphrase": self.passphrase,
            "timestamp": timestamp,
            "sign": signature(self.secret_key, timestamp, "GET", _LOGIN_PATH),
        }

"""Bybit's signatures ("Integration Guidance" and "Connect", authentication, of the V5 documents)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import attrs

from fra.adapters.custom import AuthHandler, Endpoint, HttpRequest, ServerClock
from fra.core import ExchangeConfig

_LOGIN_MS: Final = 10_000
"""For how long a login that is under way stays good."""


def signature(secret: bytes, text: str) -> str:
    """HMAC-SHA256 of ``text`` in hexadecimal."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


class BybitAuth(AuthHandler):
    """Signs time, key, window and the query or body in headers; a private connection logs in by a fixed text.

    ``recv_window`` is how many milliseconds a request may be under way before Bybit refuses it.
    """

    def __init__(self, config: ExchangeConfig, clock: ServerClock, *, recv_window: int = 5000) -> None:
        super().__init__(config, clock)
        self._window = str(recv_window)

    def sign(self, request: HttpRequest, endpoint: Endpoint[object]) -> HttpRequest:
        timestamp = str(self.clock.now_ms())
        payload = request.body.decode() or request.query
        headers = {
            "X-BAPI-API-KEY": self.api_key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": self._window,
            "X-BAPI-SIGN": signature(self.secret_key, f"{timestamp}{self.api_key}{self._window}{payload}"),
        }
        return attrs.evolve(request, headers={**request.headers, **headers})

    def login(self) -> Mapping[str, str]:
        """The arguments of the ``auth`` operation in their order: key, until when it is good, signature."""
        expires = str(self.clock.now_ms() + _LOGIN_MS)
        return {
            "key": self.api_key,
            "expires": expires,
            "signature": signature(self.secret_key, f"GET/realtime{expires}"),
        }

"""Signing as Binance wants it: HMAC-SHA256 over the query as it is sent, the signature last."""

from __future__ import annotations

import hashlib
import hmac

import attrs

from fra.adapters.custom import AuthHandler, Endpoint, HttpRequest


class BinanceAuth(AuthHandler):
    """Binance, "Request Security": parameters are percent-encoded first, then signed, then sent as they are.

    ``recv_window`` is for how many milliseconds after its timestamp the venue accepts a request; a wide one hides a
    wrong clock and lets late orders through, so it stays short.
    """

    recv_window: int = 5000

    def sign(self, request: HttpRequest, endpoint: Endpoint[object]) -> HttpRequest:
        headers = {**request.headers, "X-MBX-APIKEY": self.api_key}
        if endpoint.key_only:
            return attrs.evolve(request, headers=headers)
        stamp = f"recvWindow={self.recv_window}&timestamp={self.clock.now_ms()}"
        query = f"{request.query}&{stamp}" if request.query else stamp
        signature = sign(self.secret_key, query.encode() + request.body)
        return attrs.evolve(request, headers=headers, query=f"{query}&signature={signature}")


def sign(secret: bytes, payload: bytes) -> str:
    """The signature of a query string followed by the body, as lower-case hex."""
    return hmac.new(secret, payload, hashlib.sha256).hexdigest()

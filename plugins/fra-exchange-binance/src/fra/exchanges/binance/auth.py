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

    def signed_params(self) -> dict[str, object]:
        """The parameters of a signed call over WebSocket that has none of its own: sorted by name, signature last.

        Binance, Spot, "WebSocket API", "Request security".
        """
        params: dict[str, object] = {
            "apiKey": self.api_key,
            "recvWindow": self.recv_window,
            "timestamp": self.clock.now_ms(),
        }
        payload = "&".join(f"{key}={value}" for key, value in sorted(params.items()))
        return {**params, "signature": sign(self.secret_key, payload.encode())}


def sign(secret: bytes, payload: bytes) -> str:
    """The signature of a query string followed by the body, as lower-case hex."""
    return hmac.new(secret, payload, hashlib.sha256).hexdigest()

"""HTX's signatures ("Authentication", spot and USDT-margined documents, and the same for the asset/order sockets)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import attrs

from fra.adapters.custom import AuthHandler, Endpoint, HttpRequest

_METHOD: Final = "HmacSHA256"
_VERSION: Final = "2"
_SOCKET_VERSION: Final = "2.1"


def timestamp_text(timestamp_ms: int) -> str:
    """UTC milliseconds as ``Timestamp`` wants them, in whole seconds: ``2017-05-11T15:19:30``."""
    return f"{datetime.fromtimestamp(timestamp_ms // 1000, tz=UTC):%Y-%m-%dT%H:%M:%S}"


def signature(secret: bytes, method: str, host: str, path: str, query: str) -> str:
    """Base64 of HMAC-SHA256 over method, host, path and the sorted, encoded query, a line each."""
    text = f"{method}\n{host}\n{path}\n{query}"
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()


def sorted_query(parameters: Mapping[str, str]) -> str:
    """Percent-encoded, in the order of the names' ASCII codes."""
    return "&".join(f"{name}={quote(parameters[name], safe='')}" for name in sorted(parameters))


class HTXAuth(AuthHandler):
    """Signs in the query, whatever the method; bodies are not signed.

    A signature bears the name of the host that is called: HTX knows its own names, the AWS ones too. What stands before
    HTX under another name (a relay) needs ``signed_hosts``.
    """

    signed_hosts: Mapping[str, str] = {}

    def sign(self, request: HttpRequest, endpoint: Endpoint[object]) -> HttpRequest:
        own = {
            "AccessKeyId": quote(self.api_key, safe=""),
            "SignatureMethod": _METHOD,
            "SignatureVersion": _VERSION,
            "Timestamp": quote(timestamp_text(self.clock.now_ms()), safe=""),
        }
        # What is there already is encoded, and is signed as it stands.
        pairs = [*(f"{name}={value}" for name, value in own.items()), *request.query.split("&")]
        query = "&".join(sorted(pair for pair in pairs if pair))
        host = self._host(request.host, endpoint.market)
        signed = signature(self.secret_key, request.method, host, request.path, query)
        return attrs.evolve(request, query=f"{query}&Signature={quote(signed, safe='')}")

    def spot_login(self, host: str, path: str) -> Mapping[str, str]:
        """The ``params`` of the ``auth`` request on the spot account's socket."""
        parameters = {
            "accessKey": self.api_key,
            "signatureMethod": _METHOD,
            "signatureVersion": _SOCKET_VERSION,
            "timestamp": timestamp_text(self.clock.now_ms()),
        }
        signed = signature(self.secret_key, "GET", self._host(host, "spot"), path, sorted_query(parameters))
        return {"authType": "api", **parameters, "signature": signed}

    def swap_login(self, host: str, path: str) -> Mapping[str, str]:
        """The members of the ``auth`` operation on the swap account's socket."""
        parameters = {
            "AccessKeyId": self.api_key,
            "SignatureMethod": _METHOD,
            "SignatureVersion": _VERSION,
            "Timestamp": timestamp_text(self.clock.now_ms()),
        }
        signed = signature(self.secret_key, "GET", self._host(host, "linear"), path, sorted_query(parameters))
        return {"type": "api", **parameters, "Signature": signed}

    def _host(self, called: str, market: str) -> str:
        return self.signed_hosts.get(market) or called

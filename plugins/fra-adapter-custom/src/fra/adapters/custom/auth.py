"""Signing: the whole request goes in, the very bytes that are sent come out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote

import attrs
import msgspec

from fra.adapters.custom.endpoint import Endpoint, Params
from fra.core import ExchangeAuthError, ExchangeConfig, Secret

if TYPE_CHECKING:
    from fra.adapters.custom.clock import ServerClock


@attrs.frozen(kw_only=True)
class HttpRequest:
    """A request as it goes over the wire: ``query`` and ``body`` are already encoded and are sent byte for byte.

    ``host`` is host and port, ``path`` starts with a slash and is encoded.
    """

    method: str
    host: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def target(self) -> str:
        """Path and query as in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


class AuthHandler(ABC):
    """How one venue signs. Each exchange package subclasses it in its ``auth.py``.

    Every sending is signed anew, a repeated one too, with the venue's own time.
    """

    def __init__(self, config: ExchangeConfig, clock: ServerClock) -> None:
        self.config = config
        self.clock = clock

    @abstractmethod
    def sign(self, request: HttpRequest, endpoint: Endpoint[object]) -> HttpRequest:
        """``request`` with whatever the venue wants added to query, body and headers.

        Called for rows that are ``signed`` or ``key_only``. Raises ExchangeAuthError without credentials.
        """

    def login(self) -> Mapping[str, str]:
        """What the dialect needs to log a private connection in. Raises ExchangeAuthError without credentials."""
        raise NotImplementedError(f"{type(self).__name__} signs no connections")

    @property
    def api_key(self) -> str:
        return self._revealed(self.config.api_key, "api_key")

    @property
    def secret_key(self) -> bytes:
        return self._revealed(self.config.secret_key, "secret_key").encode()

    @property
    def passphrase(self) -> str:
        return self._revealed(self.config.passphrase, "passphrase")

    def _revealed(self, secret: Secret | None, key: str) -> str:
        if secret is None:
            raise missing_credentials(self.config.name, key)
        return secret.reveal()


def missing_credentials(exchange: str, key: str = "api_key and secret_key") -> ExchangeAuthError:
    """The error for a signed call of an instance that has no credentials."""
    return ExchangeAuthError(
        "this call needs credentials and none are configured",
        exchange=exchange,
        cure=f"set {key} for {exchange} in the configuration",
    )


def encode_query(params: Params) -> str:
    """``params`` as a query string, in their order, percent-encoded once; None is left out."""
    return "&".join(
        f"{quote(key, safe='')}={quote(_text(value), safe='')}" for key, value in params.items() if value is not None
    )


def encode_json(params: Params) -> bytes:
    """``params`` as a JSON body, None left out; Decimals become strings in fixed point, floats are refused."""
    return msgspec.json.encode({key: _plain(value) for key, value in params.items() if value is not None})


def encode_rows(params: Params) -> bytes:
    """The parameter ``rows``, a sequence of mappings, as a JSON array; every other parameter goes into each row."""
    rest = dict(params)
    rows = rest.pop("rows")
    if not isinstance(rows, list | tuple):
        raise TypeError(f"rows must be a list of mappings, not {type(rows).__name__}")
    return msgspec.json.encode([_plain({**rest, **row}) for row in rows])


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _text(value) if isinstance(value, Decimal | float) else value


def _text(value: object) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Decimal):
        # Without zeros at its end: venues hold the digits as they are written to a symbol's precision.
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, float):
        raise TypeError(f"a float is never sent to an exchange: {value!r}")
    return str(value)

"""The aiohttp session of one configured instance, its way out through a proxy, and words for what went wrong."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
from yarl import URL

from fra.core import ConfigError, ExchangeConfig, ExchangeConnectionError

USER_AGENT: Final = "fra"
_RESPONSE_SCAN: Final = 65_536


class Network:
    """One session for REST and WebSocket, made on first use and closed once."""

    def __init__(self, config: ExchangeConfig) -> None:
        """Raises ConfigError for a proxy that is no HTTP URL."""
        self._config = config
        self._closed = False
        self._session: aiohttp.ClientSession | None = None
        self._ssl_context: ssl.SSLContext | None = None
        self.proxy: URL | None = None
        self.proxy_headers: Mapping[str, str] | None = None
        self._hidden: tuple[str, ...] = ()
        if config.proxy is not None:
            self._use_proxy(config.proxy)

    def _use_proxy(self, text: str) -> None:
        try:
            url = URL(text)
        except ValueError:
            url = URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError("proxy must be an http:// or https:// URL", path="proxy")
        if url.user is not None or url.password is not None:
            # Apart from the URL, because aiohttp's own errors show the URL.
            authorization = aiohttp.encode_basic_auth(url.user or "", url.password or "")
            self.proxy_headers = {"Proxy-Authorization": authorization}
            self._hidden = tuple(part for part in (url.password, url.raw_password, authorization) if part)
        self.proxy = url.with_user(None)

    def headers_to(self, scheme: str) -> Mapping[str, str]:
        """What a request itself must carry for the proxy: one that is not tunnelled shows the proxy its own headers."""
        return self.proxy_headers or {} if scheme in ("http", "ws") else {}

    @property
    def proxy_with_login(self) -> str | None:
        """The proxy's URL as it was configured, which is a secret."""
        return self._config.proxy

    def ssl_context(self) -> ssl.SSLContext:
        """What checks a venue's certificate where aiohttp does not; made on first use, since that takes a while."""
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        return self._ssl_context

    def session(self) -> aiohttp.ClientSession:
        """The session; belongs to the running loop. Raises ExchangeConnectionError after :meth:`close`."""
        if self._closed:
            raise ExchangeConnectionError(
                "disconnected", sent=False, exchange=self._config.name, cure="connect() again"
            )
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
                timeout=aiohttp.ClientTimeout(total=self._config.timeout),
            )
            # aiohttp would send a GET, PUT or DELETE again by itself when a kept connection was closed: the same bytes
            # with the old signature, past the limiter, and perhaps twice.
            self._session._retry_connection = False
        return self._session

    def reopen(self) -> None:
        """Allow connections again."""
        self._closed = False

    async def close(self) -> None:
        """Close the session and its sockets; none is opened before :meth:`reopen`. Idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def redact(self, text: str) -> str:
        """``text`` without any secret of this instance."""
        for secret in self._config.secrets():
            text = secret.redact(text)
        for hidden in self._hidden:
            text = text.replace(hidden, "********")
        return text

    def redact_bytes(self, body: bytes) -> bytes:
        """The beginning of an answer, without any secret."""
        return self.redact(body[:_RESPONSE_SCAN].decode("utf-8", "replace")).encode()

    def proxy_refused(self, status: int) -> ExchangeConnectionError:
        """The error for a proxy that does not let us through."""
        return ExchangeConnectionError(
            f"the proxy refused with HTTP {status}",
            sent=False,
            exchange=self._config.name,
            cure="check proxy and its password in the configuration",
        )

    def proxy_unreachable(self, reason: str) -> ExchangeConnectionError:
        """The error for a proxy that is not there."""
        return ExchangeConnectionError(
            f"cannot reach the proxy: {reason}",
            sent=False,
            exchange=self._config.name,
            cure="check proxy in the configuration",
        )

    def unreachable(self, to: str, reason: str) -> ExchangeConnectionError:
        """The error for a venue that no connection can be made to."""
        return ExchangeConnectionError(
            f"cannot connect to {to}: {self.redact(reason)}",
            sent=False,
            exchange=self._config.name,
            cure="check the network and base_url",
        )

    def failure(self, error: BaseException, *, to: str) -> ExchangeConnectionError:
        """The error for a transport's failure. aiohttp's own is not chained: it holds the request and its headers."""
        name = self._config.name
        match error:
            case TimeoutError():
                return ExchangeConnectionError(
                    f"no answer from {to} within {self._config.timeout:g} s",
                    exchange=name,
                    cure="check the network, or raise timeout (seconds)",
                )
            case aiohttp.ClientProxyConnectionError():
                return self.proxy_unreachable(error.strerror or type(error).__name__)
            case aiohttp.ClientHttpProxyError():
                return self.proxy_refused(error.status)
            case aiohttp.ClientConnectorError():
                return self.unreachable(to, str(error.os_error) or type(error.os_error).__name__)
            case OSError() if error.errno:
                reason = os.strerror(error.errno)  # aiohttp's own text may hold the URL with its signature
            case _:
                reason = type(error).__name__
        return ExchangeConnectionError(f"the connection to {to} broke: {self.redact(reason)}", exchange=name)

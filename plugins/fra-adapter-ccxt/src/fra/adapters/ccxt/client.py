"""ccxt's client of one exchange, with the few places mended that money or budgets pass through.

This is the one module that imports ccxt, and it does so when a client is made.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from importlib import import_module
from time import time_ns
from typing import Any, Final

from fra.adapters.ccxt.numbers import Exact
from fra.adapters.ccxt.symbols import kind_of
from fra.core import ConfigError, MarketKind

Throttle = Callable[[float], Awaitable[None]]

BROKER_HEADERS: Final = frozenset(
    {
        "referer",
        "x-channel-api-code",
        "x-gate-channel-id",
        "source",
        "kc-api-partner",
        "kc-api-partner-sign",
        "kc-api-partner-verify",
        "kc-broker-name",
    }
)
"""By these ccxt tells venues that an order came through it; a fee goes to its makers. They are not sent."""
BROKER_PARAMS: Final = frozenset({"channel_code", "broker_id"})
"""The same in requests' bodies. Where it is a client order id, ours stands in its place."""

waiting: ContextVar[Callable[[Any, Any], None] | None] = ContextVar("waiting", default=None)
"""Told, within a task that watches, of the socket on which ccxt waits and of the future that it waits for."""

_MISSED: Final = 200
_classes: Final[dict[type, type]] = {}


class Mended:
    """What comes before ccxt's class in the order of methods. All names without `fra_` are ccxt's."""

    fra_throttle: Throttle
    fra_news: Callable[[], None]
    fra_refused: Callable[[Any], bool]
    fra_options: Mapping[str, Any] = {}
    fra_candle_volume: Mapping[MarketKind, tuple[int, str]] = {}
    fra_ahead_ms = 0
    """By how much the venue's clock is ahead of ours, as it was last read."""

    # --- budgets

    async def throttle(self, cost: float | None = None) -> None:
        """Our limiter instead of ccxt's, with the cost that ccxt reckons."""
        await self.fra_throttle(1.0 if cost is None else float(cost))

    # --- the clock

    def microseconds(self) -> int:
        """The venue's time, as far as it is known. ccxt signs by it, and on sockets corrects nothing."""
        return time_ns() // 1_000 + self.fra_ahead_ms * 1_000

    def milliseconds(self) -> int:
        return self.microseconds() // 1_000

    def seconds(self) -> int:
        return self.microseconds() // 1_000_000

    # --- numbers

    @staticmethod
    def safe_float(dictionary: Any, key: Any, default_value: Any = None) -> Any:
        """Books are read by this: the number keeps its text."""
        try:
            return Exact(dictionary[key])
        except (KeyError, IndexError, TypeError, ValueError):
            return default_value

    def parse_ohlcv(self, ohlcv: Any, market: Any = None) -> Any:
        return self._fra_candle(super().parse_ohlcv(ohlcv, market), ohlcv, market)  # type: ignore[misc]

    def parse_ws_ohlcv(self, ohlcv: Any, market: Any = None) -> Any:
        return self._fra_candle(super().parse_ws_ohlcv(ohlcv, market), ohlcv, market)  # type: ignore[misc]

    def _fra_candle(self, row: Any, raw: Any, market: Any) -> Any:
        """ccxt's volume is in base coin for some contracts of a venue and not for others; contracts are contracts."""
        kind = None if market is None else kind_of(market)
        places = None if kind is None else self.fra_candle_volume.get(kind)
        if places is not None:
            place = places[isinstance(raw, dict)]
            row[5] = self.safe_number(raw, place)  # type: ignore[attr-defined]
        return row

    # --- what leaves

    async def request(
        self, path: Any, api: Any = "public", method: Any = "GET", params: Any = None, config: Any = None
    ) -> Any:
        params = {} if params is None else params
        if isinstance(params, dict) and not BROKER_PARAMS.isdisjoint(params):
            params = {key: value for key, value in params.items() if key not in BROKER_PARAMS}
        return await super().request(path, api, method, params, {} if config is None else config)  # type: ignore[misc]

    def json(self, data: Any, params: Any = None) -> Any:
        if isinstance(data, dict) and not BROKER_PARAMS.isdisjoint(data):
            data = {key: value for key, value in data.items() if key not in BROKER_PARAMS}
        return super().json(data, params)  # type: ignore[misc]

    async def fetch(self, url: Any, method: Any = "GET", headers: Any = None, body: Any = None) -> Any:
        if headers:
            headers = {name: value for name, value in headers.items() if name.lower() not in BROKER_HEADERS}
        return await super().fetch(url, method, headers, body)  # type: ignore[misc]

    # --- what comes back

    def handle_errors(
        self,
        code: Any,
        reason: Any,
        url: Any,
        method: Any,
        headers: Any,
        body: Any,
        response: Any,
        requestHeaders: Any,
        requestBody: Any,
    ) -> Any:
        try:
            handled = super().handle_errors(  # type: ignore[misc]
                code, reason, url, method, headers, body, response, requestHeaders, requestBody
            )
            if self.fra_refused(response):
                raise import_module("ccxt.base.errors").ExchangeError(f"{self.id} {body}")  # type: ignore[attr-defined]
            return handled
        except Exception as error:
            _note(error, code, headers, body)
            raise

    def handle_http_status_code(self, code: Any, reason: Any, url: Any, method: Any, body: Any) -> Any:
        try:
            return super().handle_http_status_code(code, reason, url, method, body)  # type: ignore[misc]
        except Exception as error:
            _note(error, code, getattr(self, "last_response_headers", None), body)
            raise

    # --- sockets

    def client(self, url: Any) -> Any:
        """ccxt's socket, which keeps the numbers' text, counts what a book is told and tells of what it sends."""
        known = url in (getattr(self, "clients", None) or {})
        client = super().client(url)  # type: ignore[misc]
        if not known:
            _mend_socket(client, self)
        return client

    def watch(
        self,
        url: Any,
        message_hash: Any,
        message: Any = None,
        subscribe_hash: Any = None,
        subscription: Any = None,
    ) -> Any:
        client = self.client(url)
        waits = subscribe_hash is None and message_hash in client.futures
        due = bool(message) and not waits and not client.subscriptions.get(subscribe_hash)
        client.fra_due += due
        future = super().watch(url, message_hash, message, subscribe_hash, subscription)  # type: ignore[misc]
        _catch_up(client, (message_hash,))
        return _noted(client, future)

    def watch_multiple(
        self,
        url: Any,
        message_hashes: Any,
        message: Any = None,
        subscribe_hashes: Any = None,
        subscription: Any = None,
    ) -> Any:
        client = self.client(url)
        due = bool(message) and any(one not in client.subscriptions for one in subscribe_hashes or ())
        client.fra_due += due
        future = super().watch_multiple(url, message_hashes, message, subscribe_hashes, subscription)  # type: ignore[misc]
        _catch_up(client, message_hashes or ())
        return _noted(client, future)


def make_client(
    exchange_id: str,
    settings: Mapping[str, object],
    *,
    news: Callable[[], None],
    refused: Callable[[Any], bool],
) -> Any:
    """A client of ccxt's exchange, streams included where ccxt has them. Imports ccxt.

    Raises ConfigError for a name that ccxt does not know.
    """
    rest, streaming = import_module("ccxt.async_support"), import_module("ccxt.pro")
    if exchange_id not in rest.exchanges:
        from difflib import get_close_matches

        near = get_close_matches(exchange_id, rest.exchanges, n=1)
        raise ConfigError(
            f"ccxt knows no exchange {exchange_id!r}",
            path="options.exchange_id",
            cure=f"did you mean {near[0]!r}?" if near else "`python -m ccxt` lists none: see ccxt.exchanges",
        )
    source = streaming if exchange_id in streaming.exchanges else rest
    base = getattr(source, exchange_id)
    cls = _classes.get(base)
    if cls is None:
        cls = _classes[base] = type(exchange_id, (Mended, base), {"__module__": __name__})
    client = cls({"number": str, "enableRateLimit": True, **settings})
    client.fra_news, client.fra_refused = news, refused
    client.has = {**client.has, "fetchCurrencies": False}  # a private call on most venues, and not needed
    client.options["maxRetriesOnFailure"] = 0
    for name, snapshot in (("watchPositions", "PositionsSnapshot"), ("watchBalance", "BalanceSnapshot")):
        told = client.options.get(name)
        nothing = {f"{verb}{snapshot}": False for verb in ("fetch", "await")}  # the account is asked for by UserFeed
        client.options[name] = {**(told if isinstance(told, dict) else {}), **nothing}
    client.headers = {name: value for name, value in client.headers.items() if name.lower() not in BROKER_HEADERS}
    return client


async def drop(socket: Any, owner: Any) -> None:
    """Close one of ccxt's sockets as if the venue had: whoever waits on it hears so, and the next opens another."""
    if owner.clients.get(socket.url) is not socket:
        return
    del owner.clients[socket.url]
    error = socket.error = import_module("ccxt.base.errors").NetworkError(f"{owner.id} the socket was given up")
    socket.reject(error)
    await socket.aiohttp_close()


def _catch_up(client: Any, message_hashes: Iterable[str]) -> None:
    """Whoever waits anew is told first what came while nobody waited."""
    for name in message_hashes:
        if name in client.fra_missed and name in client.futures:
            client.resolve(client.fra_missed.pop(name), name)


def _noted(client: Any, future: Any) -> Any:
    note = waiting.get()
    if note is not None:
        note(client, future)
    return future


def _note(error: Exception, code: object, headers: object, body: object) -> None:
    error.fra_answer = (code, headers or {}, body)  # type: ignore[attr-defined]


def _mend_socket(client: Any, owner: Mended) -> None:
    """Floats in JSON stay the text they are; books count their updates; whoever waits for an answer is told."""
    client.fra_due = client.fra_sent = client.fra_heard = 0
    client.fra_missed = {}
    resolve, send, on_connected = client.resolve, client.send, client.on_connected_callback

    def read(data: Any) -> None:
        if client.decompressBinary and isinstance(data, bytes):
            try:
                data = data.decode()
            except UnicodeDecodeError:
                pass  # protobuf
        message = json.loads(data, parse_float=str) if isinstance(data, str) and data[:1] in ("{", "[") else data
        client.fra_heard, pong = client.fra_sent, client.lastPong
        client.on_message_callback(client, message)
        if client.lastPong != pong:
            client.lastPong = time_ns() // 1_000_000  # by our own clock, with which ccxt compares it
        owner.fra_news()

    def resolved(result: Any, message_hash: Any = None) -> Any:
        if hasattr(result, "limit") and isinstance(result, dict):
            result.__dict__["fra_updates"] = getattr(result, "fra_updates", 0) + 1
        waited_for = message_hash in client.futures
        if not waited_for and type(result) is list and result and "contracts" in result[0]:
            # orders and trades are in a cache that ccxt reads from; pushed positions are in none
            client.fra_missed[message_hash] = [*client.fra_missed.get(message_hash, ()), *result][-_MISSED:]
        return resolve(result, message_hash)

    async def sent(message: Any) -> Any:
        client.fra_sent += 1
        client.fra_due = max(0, client.fra_due - 1)
        try:
            return await send(message)
        finally:
            owner.fra_news()

    def connected(*args: Any) -> Any:
        asyncio.get_running_loop().call_soon(owner.fra_news)
        return on_connected(*args)

    client.handle_text_or_binary_message = read
    client.resolve, client.send, client.on_connected_callback = resolved, sent, connected

"""ccxt's client of one exchange, with the few places mended that money or budgets pass through.

ccxt is imported here and in ``sockets``, when a client is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from fra.adapters.ccxt.errors import MALFORMED
from fra.adapters.ccxt.numbers import Exact, bound
from fra.adapters.ccxt.sequences import Numbers
from fra.adapters.ccxt.sockets import catch_up, mend
from fra.adapters.ccxt.symbols import kind_of
from fra.adapters.ccxt.updates import Listener, Updates
from fra.core import ConfigError, ExchangeAPIError, MarketKind

if TYPE_CHECKING:
    from ssl import SSLContext

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

_OK: Final = range(200, 300)
_SHOWN: Final = 200
_classes: Final[dict[type, type]] = {}


class Mended:
    """What comes before ccxt's class in the order of methods. All names without `fra_` are ccxt's."""

    fra_throttle: Throttle
    fra_news: Callable[[], None]
    fra_refused: Callable[[Any], bool]
    fra_broken: Callable[[Any, Exception], None]
    fra_numbers: Numbers | None = None
    fra_silence: float
    id: str
    clients: dict[str, Any]
    asyncio_loop: asyncio.AbstractEventLoop
    options: dict[str, Any]
    ssl_context: SSLContext | None
    verify: bool
    cafile: str
    fra_options: Mapping[str, Any] = {}
    fra_candle_volume: Mapping[MarketKind, tuple[int, str]] = {}
    fra_ahead_ms = 0
    """By how much the venue's clock is ahead of ours, as it was last read."""
    fra_listeners: list[Listener]
    """Who is told of each update of an order or an own trade."""
    fra_timers: list[asyncio.TimerHandle]
    fra_closed = False
    orders, triggerOrders, myTrades = Updates(), Updates(), Updates()

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

    def open(self, lazy: Any = False) -> Any:
        """The certificates are read once for all clients, not once for each: that takes 40 ms of the processor."""
        if self.fra_closed:  # of what was still being asked or watched; nobody would close it again
            raise import_module("ccxt.base.errors").NetworkError(f"{self.id} is closed")
        if self.ssl_context is None and self.verify and not self.options.get("include_OS_certificates"):
            self.ssl_context = _trust(self.cafile)
        return super().open(lazy)  # type: ignore[misc]

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
        if code in _OK:  # before ccxt looks: of some venues it would call that a refusal
            _check_readable(response, code, body)
        try:
            handled = super().handle_errors(  # type: ignore[misc]
                code, reason, url, method, headers, body, response, requestHeaders, requestBody
            )
            if self.fra_refused(response):
                raise import_module("ccxt.base.errors").ExchangeError(f"{self.id} {body}")
        except Exception as error:
            _note(error, code, headers, body)
            raise
        return handled

    def handle_http_status_code(self, code: Any, reason: Any, url: Any, method: Any, body: Any) -> Any:
        try:
            super().handle_http_status_code(code, reason, url, method, body)  # type: ignore[misc]
        except Exception as error:
            _note(error, code, getattr(self, "last_response_headers", None), body)
            raise
        if code not in _OK:  # of a status that it does not know ccxt reads the answer as if it were one
            raise ExchangeAPIError(f"it answered {code} {reason}", status_code=code, response=body)

    # --- what goes on by itself

    def delay(self, timeout: Any, method: Any, *args: Any) -> Any:
        """ccxt's timers (a listen key's next renewal, say) end with their client."""
        now = self.asyncio_loop.time()
        self.fra_timers = [one for one in self.fra_timers if one.when() >= now]
        timer = super().delay(timeout, method, *args)  # type: ignore[misc]
        self.fra_timers.append(timer)
        return timer

    async def close(self, *args: Any, **more: Any) -> None:
        self.fra_closed = True
        for timer in self.fra_timers:
            timer.cancel()
        await super().close(*args, **more)  # type: ignore[misc]

    # --- sockets

    def client(self, url: Any) -> Any:
        """ccxt's socket, which keeps the numbers' text, counts what a book is told and tells of what it sends."""
        known = url in (getattr(self, "clients", None) or {})
        client = super().client(url)  # type: ignore[misc]
        if not known:
            mend(client, self)
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
        catch_up(client, (message_hash,))
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
        catch_up(client, message_hashes or ())
        return _noted(client, future)

    async def load_order_book(self, client: Any, *args: Any, **more: Any) -> None:
        """Where a book does not begin, ccxt closes its socket and tells nobody else who waits on it."""
        await super().load_order_book(client, *args, **more)  # type: ignore[misc]
        if client.error is not None:
            client.fra_given_up = True
            why = f"{self.id} a book on this socket did not begin: {client.error}"
            client.reject(import_module("ccxt.base.errors").NetworkError(why))


@cache
def _trust(cafile: str) -> SSLContext:
    from ssl import create_default_context  # only who connects pays for it

    return create_default_context(cafile=cafile)


def make_client(
    exchange_id: str,
    settings: Mapping[str, object],
    *,
    news: Callable[[], None],
    refused: Callable[[Any], bool],
    broken: Callable[[Any, Exception], None],
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
    bound(import_module("ccxt.base.precise").Precise)
    client = cls({"number": str, "enableRateLimit": True, **settings})
    client.fra_news, client.fra_refused, client.fra_broken = news, refused, broken
    client.fra_listeners, client.fra_timers = [], []
    client.has = {**client.has, "fetchCurrencies": False}  # a private call on most venues, and not needed
    client.options["maxRetriesOnFailure"] = 0
    for name, snapshot in (("watchPositions", "PositionsSnapshot"), ("watchBalance", "BalanceSnapshot")):
        told = client.options.get(name)
        nothing = {f"{verb}{snapshot}": False for verb in ("fetch", "await")}  # the account is asked for by UserFeed
        client.options[name] = {**(told if isinstance(told, dict) else {}), **nothing}
    client.headers = {name: value for name, value in client.headers.items() if name.lower() not in BROKER_HEADERS}
    return client


def _check_readable(answer: Any, code: int, body: str) -> None:
    """Raises ExchangeAPIError "malformed" where an answer is no JSON: ccxt would find nothing in it, and say so."""
    if answer is None or isinstance(answer, str):
        shown = body[:_SHOWN] if body else "nothing"
        raise ExchangeAPIError(f"the answer is no JSON: {shown}", code=MALFORMED, status_code=code, response=body)


def _noted(client: Any, future: Any) -> Any:
    note = waiting.get()
    if note is not None:
        note(client, future)
    return future


def _note(error: Exception, code: object, headers: object, body: object) -> None:
    error.fra_answer = (code, headers or {}, body)  # type: ignore[attr-defined]

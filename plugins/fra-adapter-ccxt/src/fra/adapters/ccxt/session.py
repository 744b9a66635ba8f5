"""One ccxt client through its life: made, connected, asked, closed. What goes out to the venue goes through here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from fra.adapters.ccxt import budget
from fra.adapters.ccxt import client as clients
from fra.adapters.ccxt.answers import Unanswered
from fra.adapters.ccxt.budget import Budget
from fra.adapters.ccxt.capabilities import capabilities
from fra.adapters.ccxt.errors import code_in, fra_error, is_clock, refusal_code
from fra.adapters.ccxt.markets import CCXTMarkets
from fra.adapters.ccxt.sequences import LostUpdate
from fra.adapters.ccxt.sockets import UnreadableFrame, give_up, listen, watchful
from fra.adapters.ccxt.streams import Pumps
from fra.adapters.ccxt.urls import one_host
from fra.adapters.ccxt.venue import Urls
from fra.core import (
    ConfigError,
    ConnectionStatus,
    ErrorRaised,
    ExchangeAuthError,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    Health,
    SymbolList,
)

_WRONG_MS: Final = 500
"""A clock that is off by less is not what a login was refused for."""


class CCXTSession(CCXTMarkets):
    """The life of an adapter on ccxt."""

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self.pumps: Pumps | None = None
        self.budget: Budget
        self._loaded = False
        self._changed = asyncio.Event()

    # --- lifecycle

    async def initialize(self) -> None:
        """Import ccxt, in a thread, and make its client. Raises ConfigError for settings that it cannot have."""
        name = self.exchange_id
        settings = self.settings()
        self.client = await asyncio.to_thread(
            clients.make_client, name, settings, news=self._news, refused=self.refused, broken=self._broken
        )
        ccxt = self.client
        ccxt.fra_candle_volume, ccxt.fra_numbers = self.venue.candle_volume, self.venue.book_numbers
        watchful(ccxt, silence=self.options.silence, timeout=self.config.timeout)
        listen(ccxt, self._stray)
        self._point()
        self.adjust(ccxt)
        self.budget = Budget(ccxt, name, self.config, self.context)
        ccxt.fra_throttle = self.budget.spend
        self._matrix = capabilities(ccxt.has, ccxt.features or {}, self.kinds, missing=self.missing)
        self.pumps = Pumps(self)

    def settings(self) -> dict[str, object]:
        """What ccxt's constructor is given: keys, time-out, proxies, the venue's settings, the option ``ccxt``."""
        config = self.config
        made: dict[str, object] = {"timeout": int(config.timeout * 1000)}
        for key, secret in (
            ("apiKey", config.api_key),
            ("secret", config.secret_key),
            ("password", config.passphrase),
        ):
            if secret is not None:
                made[key] = secret.reveal()
        if config.proxy is not None:
            made |= {"httpProxy": config.proxy, "wsProxy": config.proxy}
        merged = _merged(_merged(made, self.venue.settings), self.options.ccxt)
        options = dict(merged.get("options") or {})  # type: ignore[call-overload]
        chosen = {self.venue.types[name] for name in self.markets}
        types = {name: name in chosen for name in self.venue.types.values()}
        wanted = types if self.venue.types_as_flags else [name for name in types if types[name]]
        options.setdefault("fetchMarkets", {"types": wanted})
        return {**merged, "options": options}

    def adjust(self, client: Any) -> None:
        """A hook: change what no setting reaches, on the client that was just made."""

    def _point(self) -> None:
        """Sandbox or other hosts, where the configuration says so."""
        if self.config.sandbox:
            try:
                self.client.set_sandbox_mode(True)
            except Exception as error:
                raise ConfigError(
                    f"ccxt knows no sandbox of {self.venue.display_name or self.exchange_id}",
                    path=f"exchanges.{self.config.name}.sandbox",
                ) from error
        base = self.config.base_url
        if base is None:
            return
        api = self.client.urls["api"]
        if isinstance(base, str):
            self.client.urls["api"] = one_host(api, base)
        elif self.venue.point is not None:
            self.venue.point(api, self._all_urls(base))
        else:
            hosts = {url for urls in base.values() for url in urls.values()}
            rest = next((urls["rest"] for urls in base.values() if "rest" in urls), None)
            if rest is None:
                raise ConfigError(f"base_url names no `rest` URL among {len(hosts)}", path="base_url")
            self.client.urls["api"] = one_host(api, rest)

    def _all_urls(self, base: Urls) -> Urls:
        """Every market of the venue: those that ``base_url`` does not name share the URLs of the first that it does."""
        first = next(iter(base.values()))
        return {name: base.get(name, first) for name in self.venue.markets} | dict(base)

    async def connect(self) -> None:
        """Load the markets; with keys the venue's clock is read before. Raises what the venue answers."""
        try:
            if self.config.api_key is not None:
                await self._read_clock()
            await self.call("load_markets", True)
            self.take_markets()
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """Streams, sockets, sessions and tasks. Idempotent."""
        pumps, self.pumps = self.pumps, None
        if pumps is not None:
            await pumps.close()
        client, self.client = self.client, None
        if client is not None:
            await client.close()

    async def health_check(self) -> Health:
        """The venue's clock where ccxt can ask for it, else one ticker."""
        sent_ms, sent = self.context.now_ms(), monotonic()
        skew = None
        if self.client.has.get("fetchTime"):
            told = await self.call("fetch_time")
            taken = monotonic() - sent
            skew = (int(told) - sent_ms) / 1000 - taken / 2
        else:
            await self.call("fetch_ticker", next(iter(self._symbols)))
            taken = monotonic() - sent
        return Health(
            exchange=self.config.name,
            status=ConnectionStatus.CONNECTED,
            checked_ms=self.context.now_ms(),
            latency=taken,
            clock_skew=skew,
        )

    async def get_symbols(self) -> SymbolList:
        """Spot and perpetual swaps; dated futures and options are not taken through ccxt."""
        if self._loaded:
            await self.call("load_markets", True)
        self._loaded = True
        return self.take_markets()

    # --- asking

    async def call(
        self, method: str, *args: object, params: Mapping[str, object] | None = None, urgent: bool = False
    ) -> Any:
        """``client.method(*args, params)``, with the errors of fra's tree. A refused clock is read anew, once."""
        if self.client is None:
            raise ExchangeError("it is not connected", exchange=self.config.name)
        more = self.with_params(params)
        token = budget.urgent.set(urgent)
        try:
            return await self._ask(method, args, more)
        except Exception as error:
            raise self.failure(error, method) from None
        finally:
            budget.urgent.reset(token)

    async def watch(self, method: str, *args: object, params: Mapping[str, object] | None = None) -> Any:
        """``client.method(*args, params)`` for the streams, whose pumps see to the errors.

        After a refused clock, or a login that is refused for whatever reason (HTX's spot tells no other), the clock is
        read again; if it was wrong, that is raised as a lost connection, since ccxt takes what a socket refused for
        done.
        """
        believed = self.client.fra_ahead_ms
        try:
            return await getattr(self.client, method)(*args, **self.with_params(params))
        except Exception as error:
            refused = self._is_late(error) or isinstance(self.failure(error, method), ExchangeAuthError)
            if not refused or not await self._read_clock():
                raise
            if abs(self.client.fra_ahead_ms - believed) <= _WRONG_MS:
                raise
            raise ExchangeConnectionError(f"the clock was wrong: {self.failure(error, method).message}") from error

    async def _ask(self, method: str, args: tuple[object, ...], more: Mapping[str, object]) -> Any:
        try:
            return await getattr(self.client, method)(*args, **more)
        except Exception as error:
            if not self._is_late(error) or not await self._read_clock():
                raise
        return await getattr(self.client, method)(*args, **more)

    def _is_late(self, error: Exception) -> bool:
        """Whether the venue refused a time."""
        return is_clock(error) or refusal_code(error, self.error_code) in self.venue.clock_codes

    async def _read_clock(self) -> bool:
        """Whether the venue told its time, by which ccxt goes from then on."""
        if not self.client.has.get("fetchTime"):
            return False
        sent = self.context.now_ms()
        try:
            told = int(await self.client.fetch_time())
        except Exception as error:
            self.report(self.failure(error, "fetch_time"), "the venue's clock")
            return False
        self.client.fra_ahead_ms = told - (sent + self.context.now_ms()) // 2
        return True

    def venue_ms(self) -> int:
        """The venue's time, as far as it is known, UTC milliseconds."""
        return self.context.now_ms() + int(self.client.fra_ahead_ms)

    def with_params(self, params: Mapping[str, object] | None = None) -> dict[str, dict[str, object]]:
        """ccxt's ``params`` with the configuration's ``extra_params`` before them; nothing where there are none."""
        made = {**self.config.extra_params, **(params or {})}
        return {"params": made} if made else {}

    def failure(self, error: Exception, what: str = "") -> ExchangeError:
        """The error of fra's tree; a hook for venues whose codes ccxt misreads."""
        venue = self.venue
        made = fra_error(
            error, exchange=self.config.name, code_of=self.error_code, what=what, codes=venue.codes, words=venue.words
        )
        if isinstance(made, ExchangeRateLimitError) and made.retry_after:
            self.budget.shut(made.retry_after, made.message)
        return made

    def refused(self, answer: object) -> bool:
        """A hook: whether an answer is a refusal that ccxt lets pass. Asked for each that ccxt takes for good."""
        return False

    def error_code(self, answer: object) -> str | None:
        """A hook: the venue's own code in a decoded answer."""
        return code_in(answer)

    def report(self, error: ExchangeError, where: str) -> None:
        """Tell of an error that nobody awaits."""
        if error.exchange is None:
            error.exchange = self.config.name
        self.context.emit(
            ErrorRaised(exchange=self.config.name, timestamp_ms=self.context.now_ms(), where=where, error=error)
        )

    def _broken(self, socket: Any, error: Exception) -> None:
        """A frame of a socket cannot be read, an update or an answer is missing: its streams begin anew on another."""
        if self.pumps is None or self.pumps.closing:
            return
        known = isinstance(error, LostUpdate | UnreadableFrame | Unanswered)
        why = f"the socket was given up: {error if known else repr(error)}"
        if give_up(socket, self.client, why):
            self.report(ExchangeConnectionError(why), "a socket")
            self.pumps.spawn(socket.aiohttp_close(), name="a socket that was given up")

    def _stray(self, error: BaseException) -> None:
        if isinstance(error, Exception) and self.pumps is not None and not self.pumps.closing:
            self.report(self.failure(error), "ccxt, by itself")

    def _news(self) -> None:
        self._changed.set()

    async def news(self) -> None:
        """Wait until something was sent or came on a socket."""
        self._changed.clear()
        await self._changed.wait()


def _merged(base: Mapping[str, object], more: Mapping[str, object]) -> dict[str, object]:
    """``base`` with ``more`` on top, tables into tables."""
    made = dict(base)
    for key, value in more.items():
        old = made.get(key)
        made[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return made

"""One ccxt client through its life: made, connected, asked, closed. What goes out to the venue goes through here."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from time import monotonic
from typing import Any, ClassVar, Final

from fra.adapters.ccxt import client as clients
from fra.adapters.ccxt import symbols as listing
from fra.adapters.ccxt.capabilities import capabilities, coarse, features_of
from fra.adapters.ccxt.errors import code_in, fra_error, is_clock
from fra.adapters.ccxt.options import CCXTOptions
from fra.adapters.ccxt.streams import Pumps
from fra.adapters.ccxt.urls import one_host
from fra.adapters.ccxt.venue import Urls, Venue
from fra.core import (
    Cell,
    ConfigError,
    ConnectionStatus,
    ErrorRaised,
    ExchangeAPIError,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeError,
    ExchangeMetadata,
    ExchangePluginInterface,
    ExchangeRateLimitError,
    Health,
    MarketKind,
    NotSupported,
    PluginType,
    RateLimit,
    Symbol,
    SymbolList,
    SymbolNotFound,
)

SCOPE: Final = "cost"
HUNDREDTHS: Final = 100
"""ccxt's costs are fractions of a unit; budgets count whole numbers."""
_SHORTEST_WINDOW_MS: Final = 1_000.0
_RESERVED: Final = 20

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


class CCXTSession(ExchangePluginInterface):
    """The life of an adapter on ccxt. Subclasses say which exchange by :attr:`venue`."""

    venue: ClassVar[Venue] = Venue(id="", display_name="ccxt")
    missing: ClassVar[frozenset[Cell]] = frozenset()
    """Cells of the matrix that ccxt claims and that do not work; an exchange package lists them."""

    Options = CCXTOptions
    options: CCXTOptions
    client: Any
    """ccxt's own client, made by :meth:`initialize`."""

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self.client = None
        self.pumps: Pumps | None = None
        self._matrix: ExchangeCapabilities | None = None
        self._symbols: dict[str, Symbol] = {}
        self._loaded = False
        self._changed = asyncio.Event()

    # --- what it is

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        """Coarse: ccxt is not imported for it. An instance knows exactly from ``initialize()`` on."""
        kinds = dict.fromkeys(kind for names in cls.venue.markets.values() for kind in names)
        return ExchangeMetadata(
            name=f"{cls.venue.id}_ccxt" if cls.venue.id else "ccxt",
            display_name=f"{cls.venue.display_name} (ccxt)" if cls.venue.id else "ccxt",
            version="0.1.0",
            plugin_type=PluginType.CCXT,
            capabilities=coarse(kinds),
            client_order_id_rule=cls.venue.client_order_id_rule,
            markets=tuple(cls.venue.markets),
        )

    @property
    def capabilities(self) -> ExchangeCapabilities:
        """Exact from ``initialize()`` on, which is when ccxt is imported; before, the coarse one of :meth:`describe`.

        The host asks only after ``initialize()``, so what it sees is known without a connection and never changes.
        """
        return coarse(self.kinds) if self._matrix is None else self._matrix

    @property
    def exchange_id(self) -> str:
        """ccxt's name of the exchange. Raises ConfigError when neither the plugin nor the options say it."""
        named = self.venue.id or self.options.exchange_id or self.config.exchange_id.removesuffix("ccxt")
        if not named:
            raise ConfigError(
                "the plugin `ccxt` needs to know which exchange",
                path=f"exchanges.{self.config.name}.options.exchange_id",
                cure='set options.exchange_id to ccxt\'s name of it, as in exchange_id = "kraken"',
            )
        return named

    @property
    def markets(self) -> tuple[str, ...]:
        """The configured markets: those that are asked for, else those that ``base_url`` names, else all."""
        known = self.venue.markets
        urls = self.config.base_url
        wanted = self.config.markets or (
            tuple(name for name in known if name in urls) if isinstance(urls, Mapping) else ()
        )
        for name in wanted:
            if name not in known:
                raise ConfigError(
                    f"{self.venue.display_name} has no market {name!r}",
                    path=f"exchanges.{self.config.name}.markets",
                    cure=f"its markets are: {', '.join(known)}",
                )
        return wanted or tuple(known)

    @property
    def kinds(self) -> tuple[MarketKind, ...]:
        """The market kinds in the configured markets."""
        return tuple(dict.fromkeys(kind for name in self.markets for kind in self.venue.markets[name]))

    @property
    def names(self) -> Mapping[MarketKind, str]:
        """Kind → the configured market that holds it."""
        return {kind: name for name in self.markets for kind in self.venue.markets[name]}

    # --- lifecycle

    async def initialize(self) -> None:
        """Import ccxt, in a thread, and make its client. Raises ConfigError for settings that it cannot have."""
        name = self.exchange_id
        settings = self.settings()
        self.client = await asyncio.to_thread(
            clients.make_client, name, settings, throttle=self._throttle, news=self._news, refused=self.refused
        )
        self.client.fra_candle_volume = self.venue.candle_volume
        self._point()
        self.adjust(self.client)
        ccxt = self.client
        window_ms = max(float(ccxt.rollingWindowSize or 0), _SHORTEST_WINDOW_MS)
        capacity = max(1, int(window_ms / float(ccxt.rateLimit) * HUNDREDTHS))
        limit = RateLimit(SCOPE, capacity, window_ms / 1000, reserve=capacity // _RESERVED)
        self._capacity = min(capacity, self.config.rate_limit.get(SCOPE, capacity))
        self._limiter = self.context.limiter(f"{name} (ccxt)", [limit])
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
        """Load the markets. Raises what the venue answers."""
        try:
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

    # --- asking

    async def call(
        self, method: str, *args: object, params: Mapping[str, object] | None = None, urgent: bool = False
    ) -> Any:
        """``client.method(*args, params)``, with the errors of fra's tree. A refused clock is read anew, once."""
        if self.client is None:
            raise ExchangeError("it is not connected", exchange=self.config.name)
        more = self.with_params(params)
        token = _urgent.set(urgent)
        try:
            try:
                return await getattr(self.client, method)(*args, **more)
            except Exception as error:
                if not is_clock(error) or not await self._resync():
                    raise
            return await getattr(self.client, method)(*args, **more)
        except Exception as error:
            raise self.failure(error, method) from None
        finally:
            _urgent.reset(token)

    async def watch(self, method: str, *args: object, params: Mapping[str, object] | None = None) -> Any:
        """``client.method(*args, params)`` for the streams, whose pumps see to the errors."""
        return await getattr(self.client, method)(*args, **self.with_params(params))

    def with_params(self, params: Mapping[str, object] | None = None) -> dict[str, dict[str, object]]:
        """ccxt's ``params`` with the configuration's ``extra_params`` before them; nothing where there are none."""
        made = {**self.config.extra_params, **(params or {})}
        return {"params": made} if made else {}

    def failure(self, error: Exception, what: str = "") -> ExchangeError:
        """The error of fra's tree; a hook for venues whose codes ccxt misreads."""
        made = fra_error(error, exchange=self.config.name, code_of=self.error_code, what=what, codes=self.venue.codes)
        if isinstance(made, ExchangeRateLimitError) and made.retry_after:
            self._limiter.block(SCOPE, made.retry_after, made.message)
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

    async def _resync(self) -> bool:
        if not self.client.has.get("fetchTime") or "timeDifference" not in self.client.options:
            return False
        await self.client.load_time_difference()
        return True

    async def _throttle(self, cost: float) -> None:
        """ccxt's cost, in hundredths. What is dearer than a whole window is paid in instalments."""
        urgent = _urgent.get()
        most = self._capacity if urgent else max(1, self._capacity - self._capacity // _RESERVED)
        units = math.ceil(cost * HUNDREDTHS)
        while units > 0:
            part = min(units, most)
            await self._limiter.acquire({SCOPE: part}, priority=urgent)
            units -= part

    def _news(self) -> None:
        self._changed.set()

    async def news(self) -> None:
        """Wait until something was sent or came on a socket."""
        self._changed.clear()
        await self._changed.wait()

    # --- symbols

    async def get_symbols(self) -> SymbolList:
        """Spot and perpetual swaps; dated futures and options are not taken through ccxt."""
        if self._loaded:
            await self.call("load_markets", True)
        self._loaded = True
        return self.take_markets()

    def take_markets(self) -> SymbolList:
        """Make symbols of the markets that ccxt's client holds."""
        made = listing.symbols(self.client.markets.values(), self.make_symbol, self.names)
        self._symbols = {symbol.name: symbol for symbol in made}
        return made

    def make_symbol(self, market: listing.Market, name: str) -> Symbol:
        """A hook: one market of ccxt as a Symbol. Raises symbols.Refused."""
        mode = int(self.client.precisionMode)
        return listing.symbol_of(
            market,
            mode=mode,
            market_name=name,
            amount_mode=listing.DECIMAL_PLACES if mode == listing.SIGNIFICANT_DIGITS else None,
        )

    @property
    def symbols(self) -> Mapping[str, Symbol]:
        """Every symbol by its name, as they were last loaded."""
        return self._symbols

    def symbol(self, name: object) -> Symbol:
        """The symbol that ccxt calls so. Raises SymbolNotFound."""
        found = self._symbols.get(str(name))
        if found is None:
            raise SymbolNotFound(f"ccxt speaks of {name!r}, which is not listed", exchange=self.config.name)
        return found

    def named(self, rows: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Symbol]]:
        """Rows with their symbols; of other market kinds they are left out."""
        found = []
        for row in rows:
            symbol = self._symbols.get(str(row.get("symbol")))
            if symbol is not None:
                found.append((row, symbol))
        return found

    def wanted(self, symbols: Sequence[Symbol] | None, kinds: Iterable[MarketKind]) -> dict[str, Symbol]:
        """The symbols that were asked for, by name; None: all of these kinds."""
        allowed = set(kinds)
        pool = self._symbols.values() if symbols is None else symbols
        return {symbol.name: symbol for symbol in pool if symbol.kind in allowed}

    def all_there(self, symbols: Sequence[Symbol] | None, found: Iterable[str], what: str) -> None:
        """Raises ExchangeAPIError when the venue left out a symbol that was asked for."""
        if symbols is None:
            return
        told = set(found)
        missing = [symbol.name for symbol in symbols if symbol.name not in told]
        if missing:
            raise ExchangeAPIError(f"no {what} came for {', '.join(missing)}", exchange=self.config.name)

    def features(self, kind: MarketKind) -> Mapping[str, Any]:
        """What ccxt says of its methods for one market kind."""
        return features_of(self.client.features, kind)

    def scope(self, market: str) -> dict[str, object]:
        """The parameters by which ccxt asks for one market, where no symbol says which."""
        kinds = self.venue.markets[market]
        if MarketKind.SPOT in kinds:
            return {"type": "spot"}
        inverse = {kind.is_inverse for kind in kinds}
        which: dict[str, object] = {"subType": "inverse" if True in inverse else "linear"} if len(inverse) == 1 else {}
        return {"type": "swap", **which}

    def user_scopes(self, flag: str) -> list[dict[str, object]]:
        """A hook: the parameters of each list of the account that ccxt has to watch by itself (``watchOrders``,
        ``watchBalance``, …); ``wallet`` in them is the name of the wallet that a balance is of.
        """
        if self.venue.one_account:
            return [{"wallet": next(iter(self.venue.wallets))}]
        made: list[dict[str, object]] = []
        for market in self.markets:
            wallet = self.venue.wallet_of[market]
            if flag == "watchPositions" and MarketKind.SPOT in self.venue.markets[market]:
                continue
            if flag == "watchBalance" and any(one["wallet"] == wallet for one in made):
                continue
            made.append({**self.scope(market), "wallet": wallet})
        return made

    def _cannot(self, what: str, cure: str | None = None) -> NotSupported:
        return NotSupported(what, exchange=self.config.name, cure=cure)


def _merged(base: Mapping[str, object], more: Mapping[str, object]) -> dict[str, object]:
    """``base`` with ``more`` on top, tables into tables."""
    made = dict(base)
    for key, value in more.items():
        old = made.get(key)
        made[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return made

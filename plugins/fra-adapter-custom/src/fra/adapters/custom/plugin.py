"""CustomExchangePlugin: the base of every native adapter. Tables and small methods are all that is left to write."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

import attrs

from fra.adapters.custom.auth import AuthHandler
from fra.adapters.custom.channel import Channel
from fra.adapters.custom.clock import SAMPLES, ClockSample, ServerClock
from fra.adapters.custom.dialect import Dialect
from fra.adapters.custom.endpoint import Endpoint, operations_of
from fra.adapters.custom.errors import ErrorTable
from fra.adapters.custom.options import CustomOptions, structure_options, suggestion
from fra.adapters.custom.urls import BaseUrls, Urls
from fra.core import (
    ClientOrderIdRule,
    ConfigError,
    ConnectionStatus,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeError,
    ExchangeMetadata,
    ExchangePluginInterface,
    Health,
    Limiter,
    PluginType,
    RateLimit,
    Support,
    read_soundly,
)

if TYPE_CHECKING:
    from fra.adapters.custom.http import HttpClient
    from fra.adapters.custom.streams import StreamClient


class CustomExchangePlugin(ExchangePluginInterface):
    """A native adapter: a venue's tables, and methods that call ``http.request`` or ``streams.open`` and convert.

    A subclass sets the class attributes, implements the methods of the interface that its rows serve, and
    :meth:`server_time`, :meth:`make_dialect` and (for signed calls) :meth:`make_auth`. ``http``, ``streams``,
    ``clock``, ``limiter`` and ``options`` are there after ``initialize()``.
    """

    venue: ClassVar[str]
    """The name that all adapters of one venue share; budgets are kept under it."""
    display_name: ClassVar[str]
    version: ClassVar[str] = "0.1.0"
    urls: ClassVar[Urls]
    sandbox_urls: ClassVar[Urls | None] = None
    endpoints: ClassVar[tuple[Endpoint[object], ...]] = ()
    channels: ClassVar[tuple[Channel[object], ...]] = ()
    limits: ClassVar[tuple[RateLimit, ...]] = ()
    errors: ClassVar[ErrorTable]
    fee_structure: ClassVar[Mapping[str, Decimal]] = {}
    client_order_id_rule: ClassVar[ClientOrderIdRule | None] = None
    Options: ClassVar[type] = CustomOptions

    options: CustomOptions
    http: HttpClient
    streams: StreamClient
    clock: ServerClock
    limiter: Limiter

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        read_soundly(cls)

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self.markets: tuple[str, ...] = config.markets or tuple(self.urls)

    # --- what a venue adds

    @abstractmethod
    async def server_time(self) -> ClockSample:
        """One look at the venue's clock: ``answer = await self.http.timed(TIME)``, ``answer.sample(ms)``."""

    @abstractmethod
    def make_dialect(self, channel: Channel[object]) -> Dialect:
        """A new dialect for a connection that serves ``channel`` (its market, url key and path)."""

    def make_auth(self) -> AuthHandler | None:
        """The signer; None for an adapter that has no signed calls."""
        return None

    def headers(self) -> Mapping[str, str]:
        """Headers of every request (OKX's demo trading is one)."""
        return {}

    def used(self, endpoint: Endpoint[object], headers: Mapping[str, str]) -> Iterable[tuple[str, int]]:
        """What the venue says is used of its budgets, as (scope, units), from an answer's headers."""
        return ()

    # --- what is derived

    @classmethod
    def matrix(cls, markets: Iterable[str]) -> ExchangeCapabilities:
        """The cells that rows of ``markets`` serve."""
        names = frozenset(markets)
        rows: tuple[Endpoint[object] | Channel[object], ...] = (*cls.endpoints, *cls.channels)
        return ExchangeCapabilities(
            {
                (operation, kind): Support.NATIVE
                for row in rows
                if row.market in names
                for operation in operations_of(row.serves)
                for kind in row.kinds
            }
        )

    @property
    def capabilities(self) -> ExchangeCapabilities:
        return self.matrix(self.markets)

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return ExchangeMetadata(
            name=cls.venue,
            display_name=cls.display_name,
            version=cls.version,
            plugin_type=PluginType.CUSTOM,
            capabilities=cls.matrix(cls.urls),
            rate_limits=cls.limits,
            fee_structure=cls.fee_structure,
            client_order_id_rule=cls.client_order_id_rule,
            markets=tuple(cls.urls),
        )

    # --- lifecycle: a subclass that adds to these calls them

    async def initialize(self) -> None:
        """Make the clients. Raises ConfigError for what is wrong in the configuration."""
        # Whoever only asks what an adapter can do and which options it takes does not pay for aiohttp.
        await _imported("fra.adapters.custom.streams")
        from fra.adapters.custom.http import HttpClient
        from fra.adapters.custom.network import Network
        from fra.adapters.custom.streams import StreamClient

        config, context = self.config, self.context
        if not isinstance(getattr(self, "options", None), CustomOptions):
            self.options = structure_options(config.options, self.Options)
        urls = self._base_urls()
        limits = self._limits()
        self.limiter = context.limiter(self.venue, limits)
        self._kept = {limit.scope: limit for limit in limits}
        self._network = Network(config)
        # Public data need no exact clock: short-lived processes in a row must not use up the budget for it.
        self.clock = ServerClock(self.server_time, context.now_ms, samples=SAMPLES if config.has_credentials else 1)
        self.http = HttpClient(
            config,
            network=self._network,
            urls=urls,
            errors=self.errors,
            limiter=self.limiter,
            limits=limits,
            endpoints=self.endpoints,
            options=self.options,
            now_ms=context.now_ms,
            auth=self.make_auth(),
            headers=self.headers(),
            used=self.used,
            sync_clock=self.clock.sync,
            before_order=self._order_leaves,
        )
        self.streams = StreamClient(
            config,
            context=context,
            network=self._network,
            urls=urls,
            errors=self.errors,
            limiter=self.limiter,
            options=self.options,
            make_dialect=self.make_dialect,
            venue_ms=self.clock.at,
            sync_clock=self.clock.sync,
        )

    async def connect(self) -> None:
        """Read the venue's clock, which shows that it can be reached, and keep it read. Raises when it cannot."""
        self.context.connection_changed(ConnectionStatus.CONNECTING)
        self._network.reopen()
        try:
            await self.clock.sync()
        except BaseException:
            await self.disconnect()
            raise
        self.streams.start()
        self.streams.spawn(self._keep_clock(), name="server clock")
        self.context.connection_changed(ConnectionStatus.CONNECTED)

    async def disconnect(self) -> None:
        """End all streams and close every socket, within a few seconds. Idempotent, also before initialize()."""
        if not hasattr(self, "streams"):
            return
        try:
            await self.streams.close()
        finally:
            await self._network.close()
        self.context.connection_changed(ConnectionStatus.DISCONNECTED)

    async def health_check(self) -> Health:
        """Latency and clock skew, by one request for the venue's time. Raises when it does not answer."""
        sample = await self.server_time()
        return Health(
            exchange=self.config.name,
            status=self.streams.status,
            checked_ms=self.context.now_ms(),
            latency=sample.round_trip / 1000,
            clock_skew=sample.offset / 1000,
        )

    def _order_leaves(self) -> None:
        self.context.before_order()
        self.streams.note_order()

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(self.options.clock_interval)
            try:
                await self.clock.sync()
            except ExchangeError as error:
                self.streams.report(error, where="server clock")

    # --- configuration

    def _base_urls(self) -> BaseUrls:
        name, known = self.config.name, list(self.urls)
        for market in self.markets:
            if market not in known:
                raise ConfigError(
                    f"{name}: {self.display_name} has no market {market!r}",
                    path="markets",
                    cure=suggestion(market, known),
                )
        defaults, override = self.urls, self.config.base_url
        if self.config.sandbox and override is None:
            if self.sandbox_urls is None:
                raise ConfigError(
                    f"{name}: {self.display_name} has no sandbox",
                    path="sandbox",
                    cure="set base_url, or run `fra emulate`",
                )
            defaults = self.sandbox_urls
        if override is not None and not isinstance(override, str):
            for market in self.markets:
                if market not in override:
                    raise ConfigError(
                        f"{name}: base_url names no {market!r}",
                        path="base_url",
                        cure=f"add it, or set markets = {sorted(set(self.markets) & set(override))}",
                    )
        return BaseUrls(defaults, override)

    def adopt(self, limits: Iterable[RateLimit]) -> None:
        """Keep to these limits from now on: the venue says that they hold. A capacity that the user set stays."""
        for limit in limits:
            limit = attrs.evolve(limit, capacity=self.config.rate_limit.get(limit.scope, limit.capacity))
            if limit != self._kept.get(limit.scope):
                self._kept[limit.scope] = limit
                self.limiter.adjust(limit)

    def _limits(self) -> tuple[RateLimit, ...]:
        capacities = dict(self.config.rate_limit)
        known = [limit.scope for limit in self.limits]
        for scope in capacities:
            if scope not in known:
                raise ConfigError(
                    f"{self.config.name}: {self.display_name} has no rate limit {scope!r}",
                    path=f"rate_limit.{scope}",
                    cure=suggestion(scope, known),
                )
            if capacities[scope] <= 0:
                raise ConfigError(
                    f"{self.config.name}: a rate limit must be above zero, not {capacities[scope]}",
                    path=f"rate_limit.{scope}",
                )
        return tuple(attrs.evolve(limit, capacity=capacities.get(limit.scope, limit.capacity)) for limit in self.limits)


async def _imported(module: str) -> None:
    """Import it in a thread, which ends then: aiohttp takes a quarter of a second, in which others stream on."""
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(1, thread_name_prefix="fra import")
    try:
        await asyncio.get_running_loop().run_in_executor(pool, import_module, module)
    finally:
        pool.shutdown(wait=False)

"""CustomExchangePlugin: the base of every native adapter. Tables and small methods are all that is left to write."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import ClassVar

from fra.adapters.custom.auth import AuthHandler
from fra.adapters.custom.channel import Channel
from fra.adapters.custom.clock import ClockSample, ServerClock
from fra.adapters.custom.dialect import Dialect
from fra.adapters.custom.endpoint import Endpoint, operations_of
from fra.adapters.custom.errors import ErrorTable
from fra.adapters.custom.http import HttpClient
from fra.adapters.custom.options import CustomOptions
from fra.adapters.custom.streams import StreamClient
from fra.adapters.custom.urls import Urls
from fra.core import (
    ClientOrderIdRule,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeMetadata,
    ExchangePluginInterface,
    Limiter,
    PluginType,
    RateLimit,
    Support,
)


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

    http: HttpClient
    streams: StreamClient
    clock: ServerClock
    limiter: Limiter

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

    # --- lifecycle: to be called through by subclasses that add to it

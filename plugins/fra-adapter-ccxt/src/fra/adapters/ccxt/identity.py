"""What an adapter on ccxt is: which exchange, which markets and kinds, and what it can do there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from fra.adapters.ccxt.capabilities import coarse
from fra.adapters.ccxt.options import CCXTOptions
from fra.adapters.ccxt.venue import Venue
from fra.core import (
    Cell,
    ConfigError,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeMetadata,
    ExchangePluginInterface,
    MarketKind,
    NotSupported,
    PluginType,
    read_soundly,
)


class CCXTIdentity(ExchangePluginInterface):
    """Subclasses say which exchange by :attr:`venue`."""

    venue: ClassVar[Venue] = Venue(id="", display_name="ccxt")
    missing: ClassVar[frozenset[Cell]] = frozenset()
    """Cells of the matrix that ccxt claims and that do not work; an exchange package lists them."""

    Options = CCXTOptions
    options: CCXTOptions

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        read_soundly(cls)

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self._matrix: ExchangeCapabilities | None = None

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        """Coarse: ccxt is not imported for it. An instance knows exactly from ``initialize()`` on."""
        kinds = dict.fromkeys(kind for names in cls.venue.markets.values() for kind in names)
        return ExchangeMetadata(
            name=f"{cls.venue.id}_ccxt" if cls.venue.id else "ccxt",
            display_name=f"{cls.venue.display_name} (ccxt)" if cls.venue.id else "ccxt",
            version="0.1.0",
            plugin_type=PluginType.CCXT,
            capabilities=coarse(kinds, missing=cls.missing),
            client_order_id_rule=cls.venue.client_order_id_rule,
            markets=tuple(cls.venue.markets),
        )

    @property
    def capabilities(self) -> ExchangeCapabilities:
        """Exact from ``initialize()`` on, which is when ccxt is imported; before, the coarse one of :meth:`describe`.

        The host asks only after ``initialize()``, so what it sees is known without a connection and never changes.
        """
        return coarse(self.kinds, missing=self.missing) if self._matrix is None else self._matrix

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

    # --- what ccxt is told of them

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

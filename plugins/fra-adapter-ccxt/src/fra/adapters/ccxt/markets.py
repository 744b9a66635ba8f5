"""The symbols of a venue, made of the markets that ccxt's client holds, and what else it says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fra.adapters.ccxt import symbols as listing
from fra.adapters.ccxt.capabilities import features_of
from fra.adapters.ccxt.identity import CCXTIdentity
from fra.core import ExchangeAPIError, ExchangeConfig, MarketKind, Symbol, SymbolList, SymbolNotFound


class CCXTMarkets(CCXTIdentity):
    """ccxt's client and the symbols of its markets."""

    client: Any
    """ccxt's own client; None before it is made and after it is closed."""

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self.client = None
        self._symbols: dict[str, Symbol] = {}

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

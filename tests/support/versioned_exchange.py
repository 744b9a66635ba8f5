"""Somebody else's exchange, whose version is in what it answers: for tests of new code in place of old."""

from __future__ import annotations

from wheelhouse import Package

ADAPTER = """
from decimal import Decimal
from fra.core import *

class Plugin(ExchangePluginInterface):
    capabilities = ExchangeCapabilities.of([Operation.GET_SYMBOLS, Operation.GET_TICKER], [MarketKind.SPOT])
    asked = 0

    @classmethod
    def describe(cls):
        return ExchangeMetadata("kraken", "Kraken", "{version}", PluginType.CUSTOM, cls.capabilities)

    async def initialize(self): ...
    async def connect(self): ...
    async def disconnect(self): ...

    async def health_check(self):
        return Health(self.config.name, ConnectionStatus.CONNECTED, self.context.now_ms())

    async def get_symbols(self):
        grid = {"tick_size": Decimal("0.1"), "lot_size": Decimal("0.0001")}
        return [Symbol("BTC/USD", "XXBTZUSD", MarketKind.SPOT, "BTC", "USD", **grid)]

    async def get_ticker(self, symbol):
        self.asked += 1
        return Ticker(symbol.name, self.context.now_ms(), last=Decimal("{version}"), volume=Decimal(self.asked))

    async def get_orderbook(self, symbol, *, depth=None):
        raise NotSupported("no book")
"""


def kraken(version: str) -> Package:
    """The distribution of that version; its ticker's last price is the version."""
    return Package(
        "fra-exchange-kraken",
        "fra_exchange_kraken",
        ADAPTER.replace("{version}", version),
        {"fra.exchanges": {"kraken": "fra_exchange_kraken:Plugin"}},
        version=version,
    )

"""Packages that other people publish: found, loaded and called, or told apart when they cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from wheelhouse import Environment, Package, Wheels, build_all, new_environment

KRAKEN = """
from decimal import Decimal
from fra.core import *

CAN = [Operation.GET_SYMBOLS, Operation.GET_TICKER, Operation.GET_ORDERBOOK, Operation.CREATE_ORDER]

class Kraken(ExchangePluginInterface):
    capabilities = ExchangeCapabilities.of(CAN, [MarketKind.SPOT])

    @classmethod
    def describe(cls):
        return ExchangeMetadata("kraken", "Kraken", "1.0", PluginType.CUSTOM, cls.capabilities)

    async def initialize(self): ...
    async def connect(self): ...
    async def disconnect(self): ...

    async def health_check(self):
        return Health(self.config.name, ConnectionStatus.CONNECTED, self.context.now_ms())

    async def get_symbols(self):
        grid = {"tick_size": Decimal("0.1"), "lot_size": Decimal("0.0001")}
        return [Symbol("BTC/USD", "XXBTZUSD", MarketKind.SPOT, "BTC", "USD", **grid)]

    async def get_ticker(self, symbol):
        return Ticker(symbol.name, self.context.now_ms(), bid=Decimal("60000.1"), ask=Decimal("60000.2"))

    async def get_orderbook(self, symbol, *, depth=None):
        return OrderBook(symbol=symbol.name, bids=(), asks=(), received_ms=self.context.now_ms())

    async def create_order(self, request, symbol):
        raise InsufficientFunds("the order left")
"""

LIMITS = """
from fra.core import hookimpl

@hookimpl
def on_plugin_loaded(event):
    print("loaded", event.exchange, event.plugin, event.distribution, event.version)

@hookimpl
def veto_order(event):
    return "too large" if event.request.amount > 1 else None
"""


def exchange(
    name: str, *, of: str = "", target: str = ":Plugin", code: str = "Plugin = None", needs: str = ""
) -> Package:
    """A distribution that claims an exchange's name."""
    module = name.replace("-", "_")
    points = {"fra.exchanges": {of or name.removeprefix("fra-exchange-"): f"{module}{target}"}}
    return Package(name, module, code, points, [needs] if needs else ["fra-core>=0.1,<0.2"])


@pytest.fixture(scope="module")
def environment(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Core and the command line, a good exchange and a good hook, and everything that can be wrong with others."""
    third_party = [
        exchange("fra-exchange-kraken", target=":Kraken", code=KRAKEN),
        Package("fra-hook-limits", "fra_hook_limits", LIMITS, {"fra.hooks": {"limits": "fra_hook_limits"}}),
        exchange("fra-exchange-broken", target=""),
        exchange("fra-exchange-raises", code="raise RuntimeError('no licence')"),
        exchange("fra-exchange-old", needs="fra-core<0.1"),
        exchange("fra-exchange-gemini"),
        exchange("gemini-for-fra", of="gemini"),
    ]
    environment = new_environment(tmp_path_factory.mktemp("environment"))
    built = build_all(
        third_party, sources=tmp_path_factory.mktemp("sources"), target=tmp_path_factory.mktemp("third-party")
    )
    ours = wheels.with_ours("fra-core", "fra-cli")
    old = [wheel for wheel in built if wheel.name.startswith("fra_exchange_old")]
    environment.install(*ours, *(wheel for wheel in built if wheel not in old))
    environment.install(*old, check=False)
    return environment


def test_an_exchange_of_somebody_else_is_found_loaded_and_called(environment: Environment) -> None:
    done = environment.run(
        """
        import asyncio, fra.core

        async def main():
            async with fra.core.connect("kraken") as kraken:
                print((await kraken.get_ticker("BTC/USD")).ask)

        asyncio.run(main())
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "60000.2"


def test_a_hook_of_somebody_else_hears_and_once_enabled_stops_orders(environment: Environment) -> None:
    done = environment.run(
        """
        import asyncio
        from decimal import Decimal
        from fra.core import *

        config = {"exchanges": {"kraken": {"api_key": "a", "secret_key": "b"}}, "hooks": {"enabled": ["limits"]}}

        async def main():
            async with PluginManager.from_config(ConfigManager.from_mapping(config)) as manager:
                kraken = manager.get_plugin("kraken")
                for amount in ("1", "2"):
                    kind = {"side": Side.BUY, "type": OrderType.MARKET}
                    order = OrderRequest(symbol="BTC/USD", amount=Decimal(amount), **kind)
                    try:
                        await kraken.create_order(order)
                    except (InsufficientFunds, OrderVetoed) as error:
                        print(type(error).__name__, error.message)

        asyncio.run(main())
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "loaded kraken kraken fra-exchange-kraken 1.0",
        "InsufficientFunds the order left",
        "OrderVetoed the order was stopped by limits: too large",
    ]


def test_what_is_wrong_with_others_are_rows_and_everything_else_works(environment: Environment) -> None:
    done = environment.fra("plugins", "--json")
    assert done.returncode == 0, done.stderr
    rows = {(row["name"], row["distribution"]): row for row in json.loads(done.stdout)["plugins"]}
    states = {key: row["state"] for key, row in rows.items() if row["group"] == "fra.exchanges"}
    assert states == {
        ("broken", "fra-exchange-broken"): "broken",
        ("gemini", "fra-exchange-gemini"): "conflicting",
        ("gemini", "gemini-for-fra"): "conflicting",
        ("kraken", "fra-exchange-kraken"): "available",
        ("old", "fra-exchange-old"): "incompatible",
        ("raises", "fra-exchange-raises"): "available",  # nobody has imported it
    }
    assert rows["limits", "fra-hook-limits"]["state"] == "available"
    assert "fra-exchange-gemini" in rows["gemini", "gemini-for-fra"]["cure"]
    assert "fra-core<0.1" in rows["old", "fra-exchange-old"]["reason"]


def test_the_table_for_people_shows_each_of_them(environment: Environment) -> None:
    done = environment.fra("plugins")
    assert done.returncode == 0, done.stderr
    for name in ("broken", "incompatible", "conflicting", "gemini-for-fra", "fra-exchange-gemini"):
        assert name in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_listing_imports_none_of_them(environment: Environment) -> None:
    done = environment.run(
        """
        import sys
        from fra.core import PluginRegistry
        count = len(PluginRegistry().rows())
        print(count, *(name for name in sys.modules if name.startswith(("fra_", "gemini_"))))
        """
    )
    count, *imported = done.stdout.split()
    assert int(count) > 6, done.stderr
    assert imported == []


def test_an_exchange_that_fails_to_import_is_broken_by_name_and_reason(environment: Environment) -> None:
    done = environment.run(
        """
        from fra.core import PluginBroken, PluginRegistry
        registry = PluginRegistry()
        try:
            registry.get_plugin_class("raises")
        except PluginBroken as error:
            print(error.message)
        print(next(row.state.value for row in registry.rows() if row.name == "raises"))
        print(registry.get_plugin_class("kraken").__name__)
        """
    )
    message, state, other = done.stdout.splitlines()
    assert "RuntimeError: no licence" in message, done.stderr
    assert (state, other) == ("broken", "Kraken")


def test_a_pin_settles_who_is_meant(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "fra.toml").write_text('[plugins.pins]\ngemini = "gemini-for-fra"\n', encoding="utf-8")
    done = environment.fra("plugins", "--json", FRA_CONFIG=str(tmp_path / "fra.toml"))
    rows = {row["distribution"]: row["state"] for row in json.loads(done.stdout)["plugins"] if row["name"] == "gemini"}
    assert rows == {"gemini-for-fra": "available", "fra-exchange-gemini": "blocked"}

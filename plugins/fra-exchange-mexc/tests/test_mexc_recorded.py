"""What MEXC answered, through ccxt's own HTTP path from a local server and out of the package's interface."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ccxt_plain import agree, imported_with, listed, recorded, with_recordings

from fra.adapters.ccxt import MEXCCCXT
from fra.core import MarketKind, PluginRegistry
from fra.exchanges.mexc import MEXCPlugin

MENDED = {
    "client_order_id": "a contract order's `externalOid`, which ccxt does not read",
    "position_side": "which position a contract order is for",
    "reduce_only": "whether a contract order closes",
    "time_in_force": "a contract order's `orderType`, which ccxt does not read",
    "post_only": "the same",
}


@recorded("mexc")
async def test_a_recorded_answer_comes_out_as_it_does_of_the_adapter(case: Any) -> None:
    await agree("mexc", MEXCPlugin, case, MENDED)


@with_recordings
async def test_every_recorded_market_is_a_symbol_or_is_refused_by_name() -> None:
    for symbol, row in await listed("mexc", MEXCPlugin):
        assert (symbol.base, symbol.quote, symbol.settle) == (row["base"], row["quote"], row["settle"])
        if symbol.kind is not MarketKind.SPOT:
            assert symbol.contract_size == Decimal(row["info"]["contractSize"])
            assert symbol.tick_size == Decimal(row["info"]["priceUnit"])
            assert symbol.lot_size == symbol.contract_size * Decimal(row["info"]["volUnit"])


def test_what_the_package_is_can_be_asked_without_ccxt() -> None:
    code = "from fra.exchanges.mexc import MEXCPlugin\nassert MEXCPlugin.describe().name == 'mexc'"
    assert not imported_with(code) & {"ccxt", "aiohttp"}


def test_the_plain_name_and_the_variant_on_ccxt_lie_side_by_side() -> None:
    registry = PluginRegistry()
    registry.discover_plugins()
    assert registry.get_plugin_class("mexc") is MEXCPlugin
    assert registry.get_plugin_class("mexc_ccxt") is MEXCCCXT

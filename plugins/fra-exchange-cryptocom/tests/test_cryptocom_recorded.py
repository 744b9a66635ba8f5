"""What Crypto.com answered, through ccxt's own HTTP path from a local server and out of the package's interface."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from ccxt_plain import agree, fixtures, hosted, imported_with, listed, lists_the_same, recorded, with_recordings

from fra.adapters.ccxt import CryptoComCCXT
from fra.core import MarketKind, PluginRegistry
from fra.exchanges.cryptocom import CryptoComPlugin

MENDED = {
    "market": "there is one wallet, `trading`; the adapter has it once for spot and once for swaps",
    "mark_price": "of Crypto.com's own valuation of it; ccxt has none",
}


@recorded("cryptocom")
async def test_a_recorded_answer_comes_out_as_it_does_of_the_adapter(case: Any) -> None:
    await agree("cryptocom", CryptoComPlugin, case, MENDED)


@with_recordings
async def test_every_recorded_market_is_a_symbol_or_is_refused_by_name() -> None:
    for symbol, row in await listed("cryptocom", CryptoComPlugin):
        assert (symbol.base, symbol.quote, symbol.settle) == (row["base"], row["quote"], row["settle"])
        assert symbol.tick_size == Decimal(row["info"]["price_tick_size"])
        assert symbol.lot_size == Decimal(row["info"]["qty_tick_size"]) * symbol.contract_size
        if symbol.kind is not MarketKind.SPOT:
            assert symbol.contract_size == Decimal(row["info"]["contract_size"])


def test_what_the_package_is_can_be_asked_without_ccxt() -> None:
    code = "from fra.exchanges.cryptocom import CryptoComPlugin\nassert CryptoComPlugin.describe().name == 'cryptocom'"
    assert not imported_with(code) & {"ccxt", "aiohttp"}


def test_the_plain_name_and_the_variant_on_ccxt_lie_side_by_side() -> None:
    registry = PluginRegistry()
    registry.discover_plugins()
    assert registry.get_plugin_class("cryptocom") is CryptoComPlugin
    assert registry.get_plugin_class("cryptocom_ccxt") is CryptoComCCXT


@with_recordings
async def test_the_plain_name_lists_cryptocoms_own_rows_and_serves_a_user() -> None:
    rows = [row["info"] for row in fixtures("markets", "cryptocom", str).values()]
    stamp = int(time.time() * 1000)
    valuation = {"data": [{"v": "0.0001", "t": stamp}], "instrument_name": "BTCUSD-PERP"}
    answers = {
        "get-instruments": {"id": 1, "code": 0, "result": {"data": rows}},
        "get-valuations": {"id": -1, "code": 0, "result": valuation},
    }
    async with hosted("cryptocom", answers) as cryptocom:
        await lists_the_same(cryptocom, "cryptocom", CryptoComPlugin)
        told = await cryptocom.get_funding_rate("BTC/USD:USD")
    assert (told.rate, told.interval, told.next_settlement) == (Decimal("0.0001"), None, None)

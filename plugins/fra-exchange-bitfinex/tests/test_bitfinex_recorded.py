"""What Bitfinex answered, through ccxt's own HTTP path from a local server and out of the package's interface."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ccxt_plain import agree, fixtures, hosted, imported_with, listed, lists_the_same, recorded, with_recordings

from fra.adapters.ccxt import BitfinexCCXT
from fra.core import MarketKind, PluginRegistry
from fra.exchanges.bitfinex import BitfinexPlugin

MENDED = {
    "created_ms": "when the order was made; ccxt gives its last change",
    "client_order_id": "an own trade has it too",
    "reduce_only": "whether the order only reduces, of its flags",
}


@recorded("bitfinex")
async def test_a_recorded_answer_comes_out_as_it_does_of_the_adapter(case: Any) -> None:
    await agree("bitfinex", BitfinexPlugin, case, MENDED)


@with_recordings
async def test_every_recorded_market_is_a_symbol_or_is_refused_by_name() -> None:
    for symbol, row in await listed("bitfinex", BitfinexPlugin):
        id = row["id"].removeprefix("t")
        base, quote = id.split(":") if ":" in id else (id[:3], id[3:])
        coins = {"UST": "USDT", "USTF0": "USDT"}
        assert symbol.base == base.removesuffix("F0")
        assert symbol.quote == coins.get(quote, quote)
        assert symbol.kind is (MarketKind.LINEAR_SWAP if "F0" in id else MarketKind.SPOT)
        assert symbol.settle == (symbol.quote if symbol.kind.is_swap else None)
        assert symbol.contract_size == 1
        assert (symbol.min_amount, symbol.max_amount) == (Decimal(row["info"][3]), Decimal(row["info"][4]))


@with_recordings
async def test_a_swap_of_tether_has_the_plain_names() -> None:
    symbols = {symbol.venue_id: symbol for symbol, _ in await listed("bitfinex", BitfinexPlugin)}
    assert symbols["tBTCF0:USTF0"].name == "BTC/USDT:USDT"
    assert symbols["tBTCF0:USTF0"].asset == symbols["tBTCUST"].asset == "BTC"


def test_what_the_package_is_can_be_asked_without_ccxt() -> None:
    code = "from fra.exchanges.bitfinex import BitfinexPlugin\nassert BitfinexPlugin.describe().name == 'bitfinex'"
    assert not imported_with(code) & {"ccxt", "aiohttp"}


def test_the_plain_name_and_the_variant_on_ccxt_lie_side_by_side() -> None:
    registry = PluginRegistry()
    registry.discover_plugins()
    assert registry.get_plugin_class("bitfinex") is BitfinexPlugin
    assert registry.get_plugin_class("bitfinex_ccxt") is BitfinexCCXT


@with_recordings
async def test_the_plain_name_lists_bitfinexs_own_rows_and_serves_a_user() -> None:
    rows = fixtures("markets", "bitfinex", str).values()
    spot, swaps = (
        [[row["id"].removeprefix("t"), row["info"]] for row in rows if row["swap"] is swap] for swap in (False, True)
    )
    stamp = int(time.time() * 1000)
    event = (stamp // 28_800_000 + 1) * 28_800_000
    status = ["tBTCF0:USTF0", stamp, *[None] * 6, event, *[None] * 3, 0.0001, None, None, 61000.5, *[None] * 8]
    async with hosted("bitfinex", {"/conf/": [spot, swaps, [], []], "status/deriv": [status]}) as bitfinex:
        await lists_the_same(bitfinex, "bitfinex", BitfinexPlugin)
        told = await bitfinex.get_funding_rate("BTC/USDT:USDT")
    assert (told.rate, told.mark_price, told.next_settlement_ms) == (Decimal("0.0001"), Decimal("61000.5"), event)
    assert told.interval == timedelta(hours=8)

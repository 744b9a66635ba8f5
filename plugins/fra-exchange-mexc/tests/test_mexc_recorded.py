"""What MEXC answered, through ccxt's own HTTP path from a local server and out of the package's interface."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ccxt_plain import agree, fixtures, hosted, imported_with, listed, lists_the_same, recorded, with_recordings

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


@with_recordings
async def test_the_plain_name_lists_mexcs_own_rows_and_serves_a_user() -> None:
    rows = list(fixtures("markets", "mexc", str).values())
    now = int(time.time() * 1000)
    rate = {"symbol": "BTC_USDT", "fundingRate": 0.000073, "collectCycle": 4, "nextSettleTime": now + 9_000_000}
    answers = {
        "exchangeInfo": {"symbols": [row["info"] for row in rows if row["spot"]]},
        "contract/detail": {"success": True, "code": 0, "data": [row["info"] for row in rows if row["swap"]]},
        "funding_rate": {"success": True, "code": 0, "data": rate},
        "contract/ticker": {"success": True, "code": 0, "data": {"symbol": "BTC_USDT", "fairPrice": 61230.1}},
        "depth": {"lastUpdateId": 5, "bids": [["1.5", "2"]], "asks": [["1.6", "3"]], "timestamp": now},
        "ticker/24hr": {"symbol": "LTCUSDT", "lastPrice": "1.55", "closeTime": now},
    }
    async with hosted("mexc", answers) as mexc:
        await lists_the_same(mexc, "mexc", MEXCPlugin)
        told = await mexc.get_funding_rate("BTC/USDT:USDT")
        async with mexc.subscribe_orderbook("LTC/USDT") as books, mexc.subscribe_ticker("LTC/USDT") as tickers:
            book, ticker = await anext(aiter(books)), await anext(aiter(tickers))
    assert (told.interval, told.mark_price) == (timedelta(hours=4), Decimal("61230.1"))
    assert book.best_bid is not None
    assert (book.best_bid.price, ticker.last) == (Decimal("1.5"), Decimal("1.55"))

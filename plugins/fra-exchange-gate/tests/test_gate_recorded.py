"""Every recorded answer of Gate through the package, from a local server over ccxt's own HTTP path."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ccxt_cases import answering, ask, body, cases, check, markets, reachable, same, symbol_of
from ccxt_local import Local, fixtures

from fra.core import MarketKind, Symbol, connect
from fra.exchanges.gate import GatePlugin

VENUE = "gate"
RECORDED_MARKETS = fixtures("markets", VENUE, str)
LISTED = pytest.mark.skipif(not RECORDED_MARKETS, reason="FRA_FIXTURES does not name the folder of recorded data")


@pytest.mark.parametrize(("method", "case"), cases(VENUE))
async def test_a_recorded_answer_comes_out_of_our_interface(method: str, case: Any) -> None:
    async with answering(GatePlugin, VENUE, case) as gate:
        check(method, await ask(gate, method, case), case, gate)


@pytest.mark.parametrize(("method", "case"), cases(VENUE, "fetchOpenOrders"))
async def test_texts_of_gate_are_no_client_order_ids(method: str, case: Any) -> None:
    async with answering(GatePlugin, VENUE, case) as gate:
        orders = await gate.get_open_orders(symbol_of(gate, case))
    assert orders
    assert {order.client_order_id for order in orders} == {None}


@pytest.mark.parametrize(("method", "case"), cases(VENUE, "fetchMyTrades"))
async def test_fees_are_positive_when_they_were_paid(method: str, case: Any) -> None:
    (row,) = body(case["httpResponse"])
    async with answering(GatePlugin, VENUE, case) as gate:
        symbol = symbol_of(gate, case)
        (fill,) = await gate.get_trade_history(symbol)
    assert (fill.fee, fill.fee_asset) == (Decimal(row["fee"]), "USDT")
    assert fill.amount == abs(Decimal(row["size"])) * symbol.contract_size
    assert fill.client_order_id is None


@pytest.mark.parametrize("market", markets(VENUE))
async def test_a_recorded_market_is_a_symbol_or_refused_by_name(market: Any) -> None:
    async with Local({}).adapter(VENUE, cls=GatePlugin) as gate:
        listed = gate.take_markets()
    refused = {one.venue_id: one.reason for one in listed.refused}
    if market["expiry"]:
        assert "dated" in refused.pop(market["id"])
        assert market["symbol"] not in {symbol.name for symbol in listed}
        return
    assert market["id"] not in refused
    (symbol,) = [symbol for symbol in listed if symbol.name == market["symbol"]]
    check_symbol(symbol, body(market["info"]))


def check_symbol(symbol: Symbol, row: Any) -> None:
    """Against the raw row, read anew."""
    if "quanto_multiplier" in row:
        base, quote = row["name"].split("_")
        size = Decimal(row["quanto_multiplier"]) or Decimal(1)
        assert (symbol.venue_id, symbol.base, symbol.quote) == (row["name"], base, quote)
        assert symbol.contract_size == size
        assert symbol.kind is (MarketKind.INVERSE_SWAP if row["type"] == "inverse" else MarketKind.LINEAR_SWAP)
        assert (symbol.market, symbol.settle) == (("btc", base) if symbol.inverse else ("usdt", quote))
        assert symbol.lot_size == (Decimal(row["order_size_min"]) or 1) * size
        same(symbol.min_amount, row["order_size_min"], size)
        assert symbol.max_amount == Decimal(row["order_size_max"]) * size
        assert symbol.tick_size == Decimal(row["order_price_round"])
        assert symbol.active == (row["status"] == "trading" and not row["in_delisting"])
    else:
        assert (symbol.venue_id, symbol.base, symbol.quote) == (row["id"], row["base"], row["quote"])
        assert (symbol.kind, symbol.market, symbol.settle) == (MarketKind.SPOT, "spot", None)
        assert symbol.lot_size == Decimal(1).scaleb(-int(row["amount_precision"]))
        assert symbol.tick_size == Decimal(1).scaleb(-int(row["precision"]))
        same(symbol.min_notional, row["min_quote_amount"])
        assert symbol.active == (row["trade_status"] == "tradable")


def listing(request: Any) -> Any:
    """What lists markets, by path."""
    if "margin" in request.path:
        return []
    settle = request.path.split("/")[-2] if "futures" in request.path else None
    kept = [m for m in RECORDED_MARKETS.values() if not m["expiry"] and (m["settleId"] or "").lower() == (settle or "")]
    return [market["info"] for market in kept]


@LISTED
async def test_the_listing_comes_over_http() -> None:
    async with Local(listing).adapter(VENUE, cls=GatePlugin, keys=False) as gate:
        before = await gate.get_symbols()
        after = await gate.get_symbols()
    assert {symbol.name for symbol in after} == {symbol.name for symbol in before}
    assert not after.refused


@LISTED
async def test_the_plain_name_and_the_variant_connect_side_by_side() -> None:
    async with (
        reachable(Local(listing)) as url,
        connect("gate", base_url=url) as plain,
        connect("gate_ccxt", base_url=url) as variant,
    ):
        ours, theirs = [{symbol.name for symbol in await one.get_symbols()} for one in (plain, variant)]
    assert ours
    assert ours <= theirs

"""What the package mends beside funding: ids, statuses, modes, accounts, units; and that it imports no ccxt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import Local, fixtures

from fra.core import (
    ExchangeConnectionError,
    ExchangeError,
    InvalidOrder,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from fra.exchanges.gate import GatePlugin

VENUE = "gate"
SWAP = "BTC/USDT:USDT"

recorded = pytest.mark.skipif(not fixtures("markets", VENUE), reason="FRA_FIXTURES does not name the recorded data")


def answers(**by_path: Any) -> Callable[[Any], Any]:
    """What belongs to the first part of the path that is named; an empty list for others."""
    return lambda request: next((told for name, told in by_path.items() if f"/{name}" in request.path), [])


def test_it_is_described_without_ccxt() -> None:
    code = (
        "import sys; from fra.exchanges.gate import GatePlugin; told = GatePlugin.describe();"
        "print([told.name, sorted(told.markets), 'ccxt' in sys.modules, 'aiohttp' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['gate', ['btc', 'spot', 'usdt'], False, False]"


def test_the_plain_name_and_the_variant_are_two() -> None:
    variant = GatePlugin.__bases__[0].describe()
    assert (variant.name, GatePlugin.describe().name) == ("gate_ccxt", "gate")


@recorded
async def test_a_quanto_contract_is_refused_by_name() -> None:
    async with Local({}).adapter(VENUE, cls=GatePlugin) as gate:
        real = gate.client.markets["BTC/USD:BTC"]
        quanto = {**real, "id": "ETH_USD", "symbol": "ETH/USD:BTC", "base": "ETH", "baseId": "ETH"}
        gate.client.markets["ETH/USD:BTC"] = quanto
        listed = gate.take_markets()
    assert "quanto" in {one.venue_id: one.reason for one in listed.refused}["ETH_USD"]
    assert "ETH/USD:BTC" not in {symbol.name for symbol in listed}


@recorded
async def test_what_is_being_delisted_is_not_active() -> None:
    async with Local({}).adapter(VENUE, cls=GatePlugin) as gate:
        swap, spot = gate.client.markets[SWAP], gate.client.markets["BTC/USDT"]
        leaving = gate.make_symbol({**swap, "info": {**swap["info"], "in_delisting": True}}, "usdt")
        closed = gate.make_symbol({**spot, "info": {**spot["info"], "trade_status": "untradable"}}, "spot")
        assert (leaving.active, closed.active, gate.symbol(SWAP).active) == (False, False, True)


@recorded
async def test_only_the_configured_coin_of_settlement_is_asked_for() -> None:
    async with Local({}).adapter(VENUE, cls=GatePlugin, markets=("btc",)) as gate:
        listed = gate.take_markets()
    assert {symbol.name for symbol in listed} == {"BTC/USD:BTC"}


def row(**fields: Any) -> dict[str, Any]:
    """A futures order."""
    return {
        "id": 1,
        "contract": "BTC_USDT",
        "size": 300,
        "left": 200,
        "price": "25000",
        "fill_price": "24999.5",
        "tif": "gtc",
        "text": "t-fra0001",
        "status": "finished",
        "finish_as": "cancelled",
        "is_reduce_only": False,
        "create_time": 1_700_000_000.123,
        **fields,
    }


@recorded
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "open", "finish_as": None}, OrderStatus.OPEN),
        ({"finish_as": "cancelled"}, OrderStatus.CANCELED),
        ({"finish_as": "ioc"}, OrderStatus.CANCELED),
        ({"finish_as": "reduce_only"}, OrderStatus.CANCELED),
        ({"finish_as": "auto_deleveraged"}, OrderStatus.CANCELED),
        ({"finish_as": "stp"}, OrderStatus.CANCELED),
        ({"finish_as": "liquidated"}, OrderStatus.CANCELED),
        ({"finish_as": "poc", "left": 300}, OrderStatus.EXPIRED),
        ({"finish_as": "filled", "left": 0}, OrderStatus.FILLED),
        ({"finish_as": "a new word"}, OrderStatus.UNKNOWN),
    ],
)
async def test_why_an_order_ended_and_what_it_filled_are_two_things(fields: Any, status: OrderStatus) -> None:
    told = row(**fields)
    async with Local(told).adapter(VENUE, cls=GatePlugin) as gate:
        order = await gate.get_order("1", gate.symbol(SWAP))
    assert order.status is status
    assert (order.amount, order.filled) == (Decimal("0.03"), (300 - told["left"]) * Decimal("0.0001"))
    assert (order.client_order_id, order.created_ms) == ("fra0001", 1_700_000_000_123)
    assert order.average_price == (Decimal("24999.5") if order.filled else None)


@recorded
@pytest.mark.parametrize("name", ["fra0001", "trade1"])
async def test_a_client_order_id_goes_out_with_the_prefix_and_comes_back_without(name: str) -> None:
    local = Local(
        answers(accounts={"in_dual_mode": False}, orders=row(text=f"t-{name}", status="open", finish_as=None))
    )
    request = OrderRequest(
        symbol=SWAP,
        side=Side.BUY,
        type=OrderType.LIMIT,
        amount=Decimal("0.03"),
        price=Decimal(25000),
        client_order_id=name,
    )
    async with local.adapter(VENUE, cls=GatePlugin) as gate:
        gate.client.options["unifiedAccount"] = False
        symbol = gate.symbol(SWAP)
        made = await gate.create_order(request, symbol)
        found = await gate.get_order(None, symbol, client_order_id=name)
    sent = json.loads(next(one.body for one in local.asked if one.method == "POST"))
    assert (sent["text"], sent["contract"], int(sent["size"])) == (f"t-{name}", "BTC_USDT", 300)
    assert local.asked[-1].path == f"/api/v4/futures/usdt/orders/t-{name}"
    assert made.client_order_id == found.client_order_id == name


@recorded
@pytest.mark.parametrize("dual", [True, False])
async def test_an_order_is_for_the_mode_that_the_account_is_in(dual: bool) -> None:
    local = Local(answers(accounts={"in_dual_mode": dual}, orders=row()))
    given = {"symbol": SWAP, "side": Side.SELL, "type": OrderType.MARKET, "amount": Decimal("0.03")}
    long = OrderRequest(**given, position_side=PositionSide.LONG, reduce_only=True, client_order_id="fra0001")
    net = OrderRequest(**given, reduce_only=True, client_order_id="fra0001")
    async with local.adapter(VENUE, cls=GatePlugin) as gate:
        gate.client.options["unifiedAccount"] = False
        symbol = gate.symbol(SWAP)
        with pytest.raises(InvalidOrder, match="mode"):
            await gate.create_order(net if dual else long, symbol)
        assert not [one for one in local.asked if one.method == "POST"]
        await gate.create_order(long if dual else net, symbol)
    (sent,) = [json.loads(one.body) for one in local.asked if one.method == "POST"]
    assert (int(sent["size"]), sent["reduce_only"], sent["tif"]) == (-300, True, "ioc")
    assert "hedged" not in sent


def spot(**fields: Any) -> dict[str, Any]:
    """A spot order."""
    return {
        "id": "700604309511",
        "text": "t-fra0001",
        "create_time_ms": 1_729_180_336_718,
        "update_time_ms": 1_729_180_336_718,
        "status": "closed",
        "currency_pair": "BTC_USDT",
        "type": "market",
        "account": "spot",
        "side": "buy",
        "amount": "5",
        "price": "0",
        "time_in_force": "ioc",
        "left": "0.0313",
        "filled_amount": "0.00007",
        "fill_price": "4.9687",
        "filled_total": "4.9687",
        "avg_deal_price": "70981.4",
        "fee": "0.00000007",
        "fee_currency": "BTC",
        "finish_as": "filled",
        **fields,
    }


@recorded
async def test_a_spot_market_buy_has_what_it_spent_and_what_it_filled_to_the_digit() -> None:
    async with Local(spot()).adapter(VENUE, cls=GatePlugin) as gate:
        gate.client.options["unifiedAccount"] = False
        order = await gate.get_order("700604309511", gate.symbol("BTC/USDT"))
    assert (order.status, order.filled, order.quote_amount) == (OrderStatus.FILLED, Decimal("0.00007"), Decimal(5))
    assert (order.amount, order.average_price) == (None, Decimal("70981.4"))


@recorded
async def test_a_fee_that_was_paid_in_another_coin_is_that_fee() -> None:
    told = {
        "id": "1",
        "create_time_ms": "1729180336718.123",
        "currency_pair": "BTC_USDT",
        "side": "buy",
        "role": "taker",
        "amount": "0.00007",
        "price": "70981.4",
        "order_id": "700604309511",
        "fee": "0",
        "fee_currency": "BTC",
        "point_fee": "0",
        "gt_fee": "0.0007",
        "text": "t-fra0001",
    }
    async with Local([told, told | {"id": "2", "gt_fee": "0", "fee": "0.00000007"}]).adapter(
        VENUE, cls=GatePlugin
    ) as gate:
        gate.client.options["unifiedAccount"] = False
        fills = await gate.get_trade_history(gate.symbol("BTC/USDT"))
    assert [(fill.fee, fill.fee_asset) for fill in fills] == [(Decimal("0.0007"), "GT"), (Decimal("0.00000007"), "BTC")]
    assert {fill.client_order_id for fill in fills} == {"fra0001"}


@recorded
async def test_leverage_and_mode_are_set_as_they_are_meant() -> None:
    local = Local({})
    async with local.adapter(VENUE, cls=GatePlugin) as gate:
        await gate.set_leverage(gate.symbol(SWAP), Decimal(5))
        await gate.set_position_mode(PositionMode.HEDGE)
    leverage, *modes = local.asked
    assert "cross_leverage_limit=5" in leverage.query
    assert "leverage=0" in leverage.query
    assert [one.path for one in modes] == ["/api/v4/futures/usdt/dual_mode", "/api/v4/futures/btc/dual_mode"]


@recorded
async def test_a_mode_that_is_set_already_is_no_error() -> None:
    local = Local({"label": "NO_CHANGE", "message": "no change is made"}, status=400)
    async with local.adapter(VENUE, cls=GatePlugin) as gate:
        await gate.set_position_mode(PositionMode.ONE_WAY)
        local.answer = {"label": "POSITION_NOT_EMPTY", "message": "there is a position"}
        with pytest.raises(ExchangeError, match="position"):
            await gate.set_position_mode(PositionMode.ONE_WAY)


@recorded
@pytest.mark.parametrize(("mode", "status", "unified"), [(2, 200, True), (1, 200, False), (None, 403, False)])
async def test_the_account_is_asked_what_it_is(mode: int | None, status: int, unified: bool) -> None:
    refused = {"label": "FORBIDDEN", "message": "no permission"}
    detail = {"user_id": 10406147, "key": {"mode": mode}} if mode else refused
    local = Local(answers(account=detail), status=status)
    async with local.adapter(VENUE, cls=GatePlugin) as gate:
        assert await gate._asks_account() == ("10406147" if mode else "", unified)


@recorded
async def test_no_answer_to_what_the_account_is_is_not_taken_for_a_classic_one() -> None:
    async with Local("busy", status=503).adapter(VENUE, cls=GatePlugin) as gate:
        with pytest.raises(ExchangeConnectionError):
            await gate.connect()


@recorded
async def test_wallets_are_by_coin_of_settlement_and_one_when_unified() -> None:
    def told(request: Any) -> Any:
        if "unified" in request.path:
            return {"balances": {"USDT": {"available": "9", "freeze": "1", "equity": "10"}}}
        if "spot" in request.path:
            return [{"currency": "USDT", "available": "7", "locked": "0"}]
        coin = request.path.split("/")[-2].upper()
        return {"currency": coin, "total": "3", "available": "2", "in_dual_mode": False}

    async with Local(told).adapter(VENUE, cls=GatePlugin) as gate:
        gate.client.options["unifiedAccount"] = False
        held = {(one.market, one.asset): one.total for one in await gate.get_balance()}
        gate.client.options["unifiedAccount"] = True
        whole = await gate.get_balance()
    assert held == {("spot", "USDT"): 7, ("usdt", "USDT"): 3, ("btc", "BTC"): 3}
    assert [(one.market, one.asset) for one in whole] == [("unified", "USDT")]

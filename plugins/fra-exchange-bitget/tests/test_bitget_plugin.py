"""What the package mends beside funding: which account, the mode, sides, wallets; and that it imports no ccxt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from ccxt_local import Local, fixtures

from fra.core import (
    ExchangeConnectionError,
    InvalidOrder,
    MarketKind,
    Operation,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)
from fra.exchanges.bitget import BitgetPlugin

VENUE = "bitget"
SWAP = "BTC/USDT:USDT"

recorded = pytest.mark.skipif(not fixtures("markets", VENUE), reason="FRA_FIXTURES does not name the recorded data")


def answers(**by_path: Any) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        data = by_path.get(request.path.rpartition("/")[2].replace("-", "_"), [])
        return {"code": "00000", "msg": "success", "requestTime": 1, "data": data}

    return answer


def test_it_is_described_without_ccxt() -> None:
    code = (
        "import sys; from fra.exchanges.bitget import BitgetPlugin; told = BitgetPlugin.describe();"
        "print([told.name, sorted(told.markets), 'ccxt' in sys.modules, 'aiohttp' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['bitget', ['spot', 'usdc', 'usdt'], False, False]"


@recorded
async def test_coin_margined_contracts_are_in_no_cell_of_the_matrix() -> None:
    async with Local({}).adapter(VENUE, cls=BitgetPlugin) as bitget:
        assert all(kind is not MarketKind.INVERSE_SWAP for _, kind in bitget.capabilities.matrix)
        assert bitget.capabilities.support(Operation.GET_FUNDING_RATES, MarketKind.LINEAR_SWAP)


@recorded
async def test_contracts_of_demo_trading_are_refused_by_name() -> None:
    async with Local({}).adapter(VENUE, cls=BitgetPlugin) as bitget:
        real = bitget.client.markets[SWAP]
        demo = {
            **real,
            "id": "SBTCSUSDT",
            "symbol": "SBTC/SUSDT:SUSDT",
            "base": "SBTC",
            "quote": "SUSDT",
            "settle": "SUSDT",
        }
        bitget.client.markets["SBTC/SUSDT:SUSDT"] = demo
        refused = {one.venue_id: one.reason for one in bitget.take_markets().refused}
    assert "demo" in refused["SBTCSUSDT"]


@recorded
@pytest.mark.parametrize(
    ("answer", "unified"),
    [
        ({"code": "00000", "msg": "success", "data": {"holdMode": "one_way_mode"}}, True),
        ({"code": "40084", "msg": "You are in Classic Account mode", "data": None}, False),
    ],
)
async def test_the_account_is_asked_what_it_is(answer: Any, unified: bool) -> None:
    listing = {"code": "00000", "msg": "success", "data": []}
    local = Local(lambda request: answer if request.path.endswith("account/settings") else listing)
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        await bitget.connect()
        assert bitget.unified is unified


@recorded
async def test_no_answer_to_what_the_account_is_is_not_taken_for_a_classic_one() -> None:
    async with Local("busy", status=503).adapter(VENUE, cls=BitgetPlugin) as bitget:
        with pytest.raises(ExchangeConnectionError):
            await bitget.connect()


def request(**fields: Any) -> OrderRequest:
    given = {"symbol": SWAP, "side": Side.SELL, "type": OrderType.MARKET, "amount": Decimal("0.001")} | fields
    return OrderRequest(**given, client_order_id="fra0001")


@recorded
@pytest.mark.parametrize("mode", ["one_way_mode", "hedge_mode"])
async def test_an_order_is_for_the_mode_that_the_account_is_in(mode: str) -> None:
    local = Local(answers(account={"posMode": mode}, place_order={"orderId": "1", "clientOid": "fra0001"}))
    hedged = mode == "hedge_mode"
    long = request(position_side=PositionSide.LONG, reduce_only=True)
    net = request(reduce_only=True)
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        bitget.client.options["uta"] = False
        symbol = bitget.symbol(SWAP)
        with pytest.raises(InvalidOrder, match="mode"):
            await bitget.create_order(net if hedged else long, symbol)
        assert not [asked for asked in local.asked if asked.path.endswith("place-order")]
        order = await bitget.create_order(long if hedged else net, symbol)
    (sent,) = [json.loads(asked.body) for asked in local.asked if asked.path.endswith("place-order")]
    assert (order.side, order.client_order_id) == (Side.SELL, "fra0001")
    assert (sent["clientOid"], sent["size"], sent["productType"]) == ("fra0001", "0.001", "USDT-FUTURES")
    assert sent["marginMode"] == "crossed"
    if hedged:
        assert (sent["side"], sent["tradeSide"]) == ("buy", "Close")  # of the position's side, as Bitget has it
    else:
        assert (sent["side"], sent["reduceOnly"]) == ("sell", "YES")


def rows(method: str, name: str) -> Any:
    for case in fixtures("response", VENUE, str)["methods"][method]:
        data = case["httpResponse"]["data"] if isinstance(case["httpResponse"], dict) else {}
        if isinstance(data, dict) and name in data:
            return data[name]
    raise AssertionError(f"no {name} was recorded")


@recorded
async def test_a_closing_order_of_hedge_mode_has_the_side_of_what_was_done() -> None:
    (row,) = rows("fetchClosedOrders", "entrustedList")
    assert (row["side"], row["tradeSide"], row["posSide"]) == ("buy", "close", "long")
    shown = {
        "long": [row, row | {"orderId": "2", "reduceOnly": "NO"}],
        "short": [row | {"orderId": "3", "side": "sell", "posSide": "short"}],
        "open": [row | {"orderId": "4", "tradeSide": "open", "reduceOnly": "NO"}],
    }
    listed = [one for several in shown.values() for one in several]
    async with Local(answers(orders_history={"entrustedList": listed, "endId": "4"})).adapter(
        VENUE, cls=BitgetPlugin
    ) as bitget:
        bitget.client.options["uta"] = False
        orders = {o.id: o for o in await bitget.get_order_history(bitget.symbol("LTC/USDT:USDT"))}
    assert [orders[one].side for one in (row["orderId"], "2", "3", "4")] == [Side.SELL, Side.SELL, Side.BUY, Side.BUY]
    assert {order.position_side for order in orders.values()} == {PositionSide.LONG, PositionSide.SHORT}


@recorded
async def test_a_fill_that_closes_in_hedge_mode_has_the_side_of_what_was_done() -> None:
    row = {
        "tradeId": "1",
        "symbol": "LTCUSDT",
        "orderId": "2",
        "price": "72.25",
        "baseVolume": "0.1",
        "quoteVolume": "7.225",
        "feeDetail": [{"deduction": "no", "feeCoin": "USDT", "totalDeductionFee": "0", "totalFee": "-0.004335"}],
        "side": "buy",
        "tradeSide": "close",
        "posMode": "hedge_mode",
        "tradeScope": "taker",
        "cTime": "1701792863938",
    }
    fills = {
        "fillList": [
            row,
            row | {"tradeId": "2", "tradeSide": "open"},
            row | {"tradeId": "3", "posMode": "one_way_mode"},
        ]
    }
    async with Local(answers(fills=fills)).adapter(VENUE, cls=BitgetPlugin) as bitget:
        bitget.client.options["uta"] = False
        found = {fill.trade_id: fill for fill in await bitget.get_trade_history(bitget.symbol("LTC/USDT:USDT"))}
    assert {name: fill.side for name, fill in found.items()} == {"1": Side.SELL, "2": Side.BUY, "3": Side.BUY}
    assert {fill.fee for fill in found.values()} == {Decimal("0.004335")}


@recorded
async def test_a_cancelled_order_keeps_what_it_filled() -> None:
    (row,) = rows("fetchClosedOrders", "entrustedList")
    part = row | {"status": "canceled", "size": "0.3", "baseVolume": "0.1"}
    local = Local(answers(orders_history={"entrustedList": [part], "endId": "4"}))
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        bitget.client.options["uta"] = False
        (order,) = await bitget.get_order_history(bitget.symbol("LTC/USDT:USDT"))
    assert (order.status, order.filled, order.amount) == (OrderStatus.CANCELED, Decimal("0.1"), Decimal("0.3"))
    assert order.average_price == Decimal("72.25")


@recorded
async def test_a_unified_account_has_one_wallet_and_average_prices() -> None:
    (case,) = [c for c in fixtures("response", VENUE, str)["methods"]["fetchBalance"] if "assets" in str(c)]
    async with Local(case["httpResponse"]).adapter(VENUE, cls=BitgetPlugin) as bitget:
        bitget.client.options["uta"] = True
        held = await bitget.get_balance()
        raw = {"info": {"avgPrice": "107005.4", "orderStatus": "filled", "posSide": "short"}, "side": "sell"}
        order = bitget.order(
            {**raw, "status": "closed", "type": "limit", "amount": "1", "filled": "1"}, bitget.symbol(SWAP)
        )
    assert {balance.market for balance in held} == {"unified"}
    assert len({balance.asset for balance in held}) == len(held)
    assert (order.average_price, order.position_side) == (Decimal("107005.4"), PositionSide.SHORT)


@recorded
async def test_positions_are_asked_for_by_product() -> None:
    local = Local(answers())
    async with local.adapter(VENUE, cls=BitgetPlugin) as bitget:
        bitget.client.options["uta"] = False
        assert await bitget.get_positions() == []
        assert await bitget.get_open_orders() == []
    assert [asked.query.count("USDC-FUTURES") for asked in local.asked if "position" in asked.path] == [0, 1]
    assert {asked.path for asked in local.asked} == {
        "/api/v2/mix/position/all-position",
        "/api/v2/spot/trade/unfilled-orders",
        "/api/v2/mix/order/orders-pending",
    }


def test_the_plain_name_and_the_variant_are_two() -> None:
    variant = BitgetPlugin.__bases__[0].describe()
    assert (variant.name, BitgetPlugin.describe().name) == ("bitget_ccxt", "bitget")
    assert attrs.asdict(BitgetPlugin.venue, recurse=False)["id"] == "bitget"

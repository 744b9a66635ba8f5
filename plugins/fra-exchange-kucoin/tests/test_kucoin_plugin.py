"""What the package mends beside funding: volumes, orders, accounts, units; and that it imports no ccxt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import Local, fixtures

from fra.adapters.ccxt import CCXTOptions
from fra.core import NotSupported, OrderRequest, OrderStatus, OrderType, Side
from fra.exchanges.kucoin import KuCoinPlugin

VENUE = "kucoin"
SWAP = "BTC/USDT:USDT"

recorded = pytest.mark.skipif(not fixtures("markets", VENUE), reason="FRA_FIXTURES does not name the recorded data")


def answers(**by_path: Any) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        found = next((told for name, told in by_path.items() if name.replace("_", "-") in request.path), {})
        return {"code": "200000", "data": found(request) if callable(found) else found}

    return answer


def test_it_is_described_without_ccxt() -> None:
    code = (
        "import sys; from fra.exchanges.kucoin import KuCoinPlugin; told = KuCoinPlugin.describe();"
        "print([told.name, sorted(told.markets), 'ccxt' in sys.modules, 'aiohttp' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['kucoin', ['spot', 'swap'], False, False]"


def test_the_plain_name_and_the_variant_are_two() -> None:
    variant = KuCoinPlugin.__bases__[0].describe()
    assert (variant.name, KuCoinPlugin.describe().name) == ("kucoin_ccxt", "kucoin")


@recorded
async def test_multiples_of_an_asset_are_that_asset() -> None:
    async with Local({}).adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        real = kucoin.client.markets[SWAP]
        names = {"1000BONK": ("BONK", 1000), "10000CAT": ("CAT", 10000), "BTC": ("BTC", 1)}
        for name in names:
            made = kucoin.make_symbol({**real, "base": name, "symbol": f"{name}/USDT:USDT"}, "swap")
            assert (made.asset, made.multiplier) == names[name]


@recorded
async def test_a_contract_that_settles_in_a_third_coin_is_refused_by_name() -> None:
    async with Local({}).adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        real = kucoin.client.markets[SWAP]
        kucoin.client.markets["ETH/USD:BTC"] = {**real, "id": "ETHUSDM", "symbol": "ETH/USD:BTC", "settle": "SOL"}
        refused = {one.venue_id: one.reason for one in kucoin.take_markets().refused}
    assert "settles in SOL" in refused["ETHUSDM"]


@recorded
async def test_volumes_of_inverse_contracts_are_quote_coin() -> None:
    rows = [
        {"symbol": "XBTUSDM", "volumeOf24h": 6050066, "turnoverOf24h": 91.73987854, "lastTradePrice": 66461.4},
        {"symbol": "XBTUSDTM", "volumeOf24h": 9237.098, "turnoverOf24h": 808218646.0130717, "lastTradePrice": 87858.8},
    ]
    async with Local(answers(contracts=rows)).adapter(VENUE, cls=KuCoinPlugin, markets=("swap",)) as kucoin:
        found = {ticker.symbol: ticker for ticker in await kucoin.get_tickers()}
    assert found["BTC/USD:BTC"].volume == found["BTC/USD:BTC"].quote_volume == Decimal(6050066)
    assert found[SWAP].volume == Decimal("9237.098")
    assert found[SWAP].quote_volume == Decimal("808218646.0130717")


def swap_order(**fields: Any) -> dict[str, Any]:
    """A row of futures orders."""
    return {
        "id": "1",
        "symbol": "XBTUSDTM",
        "type": "limit",
        "side": "buy",
        "price": "25000",
        "size": 30,
        "filledSize": 10,
        "filledValue": "250",
        "avgDealPrice": "25000",
        "isActive": False,
        "cancelExist": False,
        "clientOid": "fra0001",
        "createdAt": 1_700_000_000_000,
        **fields,
    }


@recorded
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"isActive": True}, OrderStatus.OPEN),
        ({"isActive": True, "cancelExist": True}, OrderStatus.OPEN),
        ({"cancelExist": True}, OrderStatus.CANCELED),
        ({}, OrderStatus.CANCELED),
        ({"filledSize": 30, "filledValue": "750"}, OrderStatus.FILLED),
    ],
)
async def test_where_an_order_stands_and_what_it_filled_are_two_things(fields: Any, status: OrderStatus) -> None:
    row = swap_order(**fields)
    async with Local(answers(orders=row)).adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        kucoin.client.options["uta"] = False
        order = await kucoin.get_order("1", kucoin.symbol(SWAP))
    assert order.status is status
    assert (order.amount, order.filled) == (Decimal("0.030"), row["filledSize"] * Decimal("0.001"))
    assert order.average_price == Decimal(25000)


@recorded
async def test_an_order_goes_out_in_lots_with_cross_margin_and_our_id() -> None:
    local = Local(answers(getPositionMode={"positionMode": 0}, orders={"orderId": "1", "clientOid": "fra0001"}))
    request = OrderRequest(
        symbol=SWAP,
        side=Side.BUY,
        type=OrderType.LIMIT,
        amount=Decimal("0.030"),
        price=Decimal("25000.1"),
        client_order_id="fra0001",
    )
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        kucoin.client.options["uta"] = False
        await kucoin.create_order(request, kucoin.symbol(SWAP))
    (sent,) = [json.loads(asked.body) for asked in local.asked if asked.method == "POST"]
    assert (sent["symbol"], sent["size"], sent["price"]) == ("XBTUSDTM", 30, "25000.1")
    assert (sent["clientOid"], sent["marginMode"]) == ("fra0001", "CROSS")
    assert "tags" not in sent
    isolated = CCXTOptions(margin_mode="isolated")
    async with local.adapter(VENUE, cls=KuCoinPlugin, options=isolated) as kucoin:
        kucoin.client.options["uta"] = False
        with pytest.raises(NotSupported, match="leverage of 1"):
            await kucoin.create_order(request, kucoin.symbol(SWAP))
    assert len([asked for asked in local.asked if asked.method == "POST"]) == 1


@recorded
async def test_a_market_buy_by_value_keeps_what_was_to_be_spent() -> None:
    row = {
        "id": "65e371dd0ddaa40007cb437b",
        "symbol": "LTC-USDT",
        "type": "market",
        "side": "buy",
        "price": "0",
        "size": "0",
        "funds": "5",
        "dealFunds": "4.5969",
        "dealSize": "0.05",
        "isActive": False,
        "cancelExist": False,
        "createdAt": 1_709_404_637_667,
    }
    async with Local(answers(orders=row)).adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        kucoin.client.options["uta"] = False
        order = await kucoin.get_order(row["id"], kucoin.symbol("LTC/USDT"))
    assert (order.status, order.quote_amount, order.filled) == (OrderStatus.FILLED, Decimal(5), Decimal("0.05"))


@recorded
async def test_each_coin_of_futures_is_asked_for_and_a_unified_account_is_one_wallet() -> None:
    def overview(request: Any) -> Any:
        return {"currency": request.query["currency"], "availableBalance": 2, "accountEquity": 3}

    spot = [{"type": "trade", "currency": "USDT", "balance": "7", "available": "7", "holds": "0"}]
    local = Local(answers(account_overview=overview, accounts=spot))
    async with local.adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        kucoin.client.options["uta"] = False
        held = {(one.market, one.asset): one.total for one in await kucoin.get_balance()}
        assert held == {("spot", "USDT"): 7, ("swap", "USDT"): 3, ("swap", "BTC"): 3}
        assert {one.market for one in await kucoin.get_balance("swap")} == {"swap"}
    coins = [{"currency": "USDT", "equity": "5", "balance": "5", "available": "5", "hold": "0"}]
    unified = answers(
        mode={"selfAccountMode": "UNIFIED"}, balance={"accountType": "UNIFIED", "accounts": [{"currencyList": coins}]}
    )
    async with Local(unified).adapter(VENUE, cls=KuCoinPlugin) as kucoin:
        assert await kucoin.call_unified()

"""The account's stream of Bitget, from sockets that a test speaks through."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import fixtures
from ccxt_sockets import Sockets, first

from fra.core import Order, OrderStatus, PositionSide, Side, connect

VENUE = "bitget"
MARKETS = fixtures("markets", VENUE, str)
KEYS = {"api_key": "the-key", "secret_key": "the-secret", "passphrase": "the-passphrase"}

pytestmark = pytest.mark.skipif(not MARKETS, reason="FRA_FIXTURES does not name the recorded data")


def answers(unified: bool) -> Any:
    def answer(request: Any) -> Any:
        name, product = request.path.rpartition("/")[2], request.query.get("productType")
        data: Any = []
        if name == "settings" and not unified:
            return {"code": "40084", "msg": "You are in Classic Account mode", "data": None}
        if name == "contracts" and product == "USDT-FUTURES":
            data = [one["info"] for one in MARKETS.values() if one["linear"]]
        elif name == "symbols":
            data = [one["info"] for one in MARKETS.values() if one["spot"]]
        elif "/v3/" in request.path:
            data = {"list": [], "assets": []}
        return {"code": "00000", "msg": "success", "data": data}

    return answer


def reply(frame: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if frame["op"] == "login":
        return [{"event": "login", "code": 0}]
    return [{"event": frame["op"], "arg": arg} for arg in frame["args"]]


async def test_an_order_that_closes_in_hedge_mode_comes_as_what_was_done() -> None:
    venue = Sockets(answers(unified=False), reply)
    row = {
        "accBaseVolume": "0.01",
        "cTime": "1695718781129",
        "clientOid": "fra0001",
        "feeDetail": [{"feeCoin": "USDT", "fee": "-0.162"}],
        "fillPrice": "27000.5",
        "baseVolume": "0.01",
        "fillTime": "1695718781146",
        "force": "gtc",
        "instId": "BTCUSDT",
        "leverage": "20",
        "marginCoin": "USDT",
        "marginMode": "crossed",
        "notionalUsd": "270",
        "orderId": "1",
        "orderType": "limit",
        "posMode": "hedge_mode",
        "posSide": "long",
        "price": "27000.0",
        "priceAvg": "27000.5",
        "reduceOnly": "yes",
        "side": "buy",
        "size": "0.02",
        "status": "partially_filled",
        "tradeSide": "close",
        "tradeId": "9",
        "uTime": "1695718781146",
    }
    async with venue.serving() as url, connect("bitget", base_url=url, **KEYS) as bitget:
        stream = bitget.subscribe_user_data()
        await stream.ready()
        arg = {"instType": "USDT-FUTURES", "channel": "orders", "instId": "default"}
        await venue.push("/v2/ws/private", {"action": "snapshot", "arg": arg, "data": [row], "ts": 1695718781206})
        order = await first(stream, Order)
    asked = [
        (arg["instType"], arg["channel"]) for _, frame in venue.frames for arg in frame["args"] if "channel" in arg
    ]
    assert sorted(asked) == sorted(
        (product, channel) for product in ("SPOT", "USDT-FUTURES", "USDC-FUTURES") for channel in ("orders", "fill")
    )
    assert (order.symbol, order.client_order_id) == ("BTC/USDT:USDT", "fra0001")
    assert (order.side, order.position_side, order.status) == (Side.SELL, PositionSide.LONG, OrderStatus.OPEN)
    assert (order.amount, order.filled, order.average_price) == (Decimal("0.02"), Decimal("0.01"), Decimal("27000.5"))


async def test_a_unified_account_has_one_list_of_each() -> None:
    venue = Sockets(answers(unified=True), reply)
    async with venue.serving() as url, connect("bitget", base_url=url, **KEYS) as bitget:
        await bitget.subscribe_user_data().ready()
    asked = [(arg["instType"], arg["topic"]) for _, frame in venue.frames for arg in frame["args"] if "topic" in arg]
    assert sorted(asked) == [("UTA", "fill"), ("UTA", "order")]

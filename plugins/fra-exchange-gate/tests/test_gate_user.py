"""The account's stream of Gate, from sockets that a test speaks through."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import fixtures
from ccxt_sockets import Sockets, first

from fra.core import Order, OrderStatus, Side, connect

VENUE = "gate"
MARKETS = fixtures("markets", VENUE, str)
KEYS = {"api_key": "the-key", "secret_key": "the-secret"}

pytestmark = pytest.mark.skipif(not MARKETS, reason="FRA_FIXTURES does not name the recorded data")


def answer(request: Any) -> Any:
    path = request.path
    if path.endswith("account/detail"):
        return {"user_id": 10406147, "key": {"mode": 1}}
    if path.endswith("contracts"):
        settle = path.split("/")[-2]
        return [one["info"] for one in MARKETS.values() if one["swap"] and one["settleId"] == settle]
    if path.endswith("spot/currency_pairs"):
        return [one["info"] for one in MARKETS.values() if one["spot"]]
    if "futures" in path and path.endswith("accounts"):
        return {"currency": path.split("/")[-2].upper(), "total": "3", "available": "2", "in_dual_mode": False}
    return []


def reply(frame: dict[str, Any]) -> Iterable[dict[str, Any]]:
    told = {name: frame.get(name) for name in ("time", "id", "channel", "event")}
    return [{**told, "error": None, "result": {"status": "success"}}] if frame.get("event") == "subscribe" else []


async def test_orders_of_each_coin_of_settlement_come_as_they_are() -> None:
    venue = Sockets(answer, reply)
    row = {
        "id": 74046514,
        "contract": "BTC_USD",
        "size": -300,
        "left": -100,
        "price": 25000,
        "fill_price": 24999.5,
        "tif": "gtc",
        "text": "t-fra0001",
        "status": "finished",
        "finish_as": "cancelled",
        "create_time": 1_700_000_000,
        "create_time_ms": 1_700_000_000_123,
        "finish_time_ms": 1_700_000_000_456,
        "user": "10406147",
    }
    async with venue.serving() as url, connect("gate", base_url=url, **KEYS) as gate:
        stream = gate.subscribe_user_data()
        await stream.ready()
        push = {"time": 1, "time_ms": 1_000, "channel": "futures.orders", "event": "update", "result": [row]}
        await venue.push("/v4/ws/btc", push)
        order = await first(stream, Order)
    asked = {(path, frame["channel"]): frame["payload"] for path, frame in venue.frames if "payload" in frame}
    assert {channel for _, channel in asked} == {
        "spot.orders",
        "spot.usertrades",
        "futures.orders",
        "futures.usertrades",
    }
    assert {path for path, channel in asked if channel == "futures.orders"} == {"/v4/ws/usdt", "/v4/ws/btc"}
    assert {payload[0] for (_, channel), payload in asked.items() if "futures" in channel} == {"10406147"}
    assert (order.symbol, order.client_order_id, order.side) == ("BTC/USD:BTC", "fra0001", Side.SELL)
    assert (order.status, order.amount, order.filled) == (OrderStatus.CANCELED, Decimal(300), Decimal(200))

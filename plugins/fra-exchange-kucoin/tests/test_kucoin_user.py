"""The account's stream of KuCoin, from sockets that a test speaks through."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from ccxt_local import fixtures
from ccxt_sockets import Sockets, first

from fra.core import Order, OrderStatus, Side, connect

VENUE = "kucoin"
MARKETS = fixtures("markets", VENUE, str)
KEYS = {"api_key": "the-key", "secret_key": "the-secret", "passphrase": "the-passphrase"}
SOCKETS = count()
TOPICS = ("/spotMarket/tradeOrders", "/contractMarket/tradeOrders")

pytestmark = pytest.mark.skipif(not MARKETS, reason="FRA_FIXTURES does not name the recorded data")


def answer(request: Any) -> Any:
    path = request.path
    data: Any = []
    if "bullet" in path:
        path = f"/socket/{next(SOCKETS)}"  # spot and futures have connections of their own
        server = {"endpoint": f"ws://{request.host}{path}", "pingInterval": 18_000, "pingTimeout": 10_000}
        data = {"token": "t", "instanceServers": [server]}
    elif path.endswith("account/mode"):
        data = {"selfAccountMode": "CLASSIC"}
    elif path.endswith("contracts/active"):
        data = [one["info"] for one in MARKETS.values() if one["swap"]]
    elif path.endswith("symbols"):
        data = [one["info"] for one in MARKETS.values() if one["spot"]]
    elif path.endswith("account-overview"):
        data = {"currency": request.query["currency"], "availableBalance": 1, "accountEquity": 1}
    elif "allTickers" in path:
        data = {"ticker": []}
    elif "orders" in path:
        data = {"items": []}
    return {"code": "200000", "data": data}


def reply(frame: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return [{"id": frame["id"], "type": "ack"}] if frame["type"] == "subscribe" else []


SPOT = {
    "symbol": "LTC-USDT",
    "orderType": "limit",
    "side": "buy",
    "orderId": "6249167327218b000135e749",
    "type": "canceled",
    "orderTime": 1_648_957_043_065_280_224,
    "size": "100.45",
    "filledSize": "10.05",
    "price": "2.963",
    "clientOid": "fra0001",
    "remainSize": "0",
    "status": "done",
    "ts": 1_648_957_054_031_001_037,
}
SWAP = {
    "symbol": "XBTUSDTM",
    "orderType": "limit",
    "side": "sell",
    "canceledSize": "0",
    "orderId": "416204113500479490",
    "marginMode": "CROSS",
    "type": "open",
    "orderTime": "1772043995356345762",
    "size": "30",
    "filledSize": "0",
    "price": "90000",
    "remainSize": "30",
    "clientOid": "fra0002",
    "status": "open",
    "ts": 1_772_043_995_362_000_000,
}


async def test_orders_of_spot_and_swaps_come_in_coins_and_milliseconds() -> None:
    venue = Sockets(answer, reply, greeting={"id": "1", "type": "welcome"})
    async with venue.serving() as url, connect("kucoin", base_url=url, **KEYS) as kucoin:
        stream = kucoin.subscribe_user_data()
        await stream.ready()
        found = []
        for topic, row in zip(TOPICS, (SPOT, SWAP), strict=True):
            frame = {"type": "message", "topic": topic, "channelType": "private", "subject": "orderChange", "data": row}
            path = next(path for path, told in venue.frames if told.get("topic") == topic)
            await venue.push(path, frame)
            found.append(await first(stream, Order))
    assert {frame["topic"] for _, frame in venue.frames if frame["type"] == "subscribe"} == set(TOPICS)
    spot, swap = found
    assert (spot.symbol, spot.client_order_id, spot.side) == ("LTC/USDT", "fra0001", Side.BUY)
    assert (spot.status, spot.amount, spot.filled) == (OrderStatus.CANCELED, Decimal("100.45"), Decimal("10.05"))
    assert (spot.created_ms, spot.timestamp_ms) == (1_648_957_043_065, 1_648_957_054_031)
    assert (swap.symbol, swap.client_order_id, swap.side) == ("BTC/USDT:USDT", "fra0002", Side.SELL)
    assert (swap.status, swap.amount, swap.filled) == (OrderStatus.OPEN, Decimal("0.030"), 0)
    assert swap.timestamp_ms == 1_772_043_995_362

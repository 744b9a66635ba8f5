"""How KuCoin speaks: https://www.kucoin.com/docs-new (classic accounts, channels of futures). A contract is 0.1 LTC."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from aiohttp import web
from written import MINUTE, NOW, PRICE, Frame, Frames, Written

from fra.exchanges.kucoin import KuCoinPlugin

_CONTRACTS: Final = 20
_NOW_NS: Final = NOW * 1_000_000
_SOCKETS: Final = count()
_ORDERS: Final = "/contractMarket/tradeOrders"


def react(frame: Frame) -> Frames:
    if frame["type"] == "ping":
        yield {"id": frame["id"], "type": "pong", "timestamp": NOW * 1_000}
        return
    yield {"id": frame["id"], "type": "ack"}
    topic = frame["topic"]
    subject, rows = _FRAMES.get(topic.partition(":")[0], ("", ()))
    for row in rows if frame["type"] == "subscribe" else ():
        said = {"topic": topic, "type": "message", "subject": subject, "data": row}
        yield {**said, "channelType": "private"} if topic == _ORDERS else {**said, "sn": row.get("sequence")}


def _trade(number: int, side: str) -> Frame:
    return {
        "symbol": "LTCUSDTM", "sequence": number, "side": side, "size": _CONTRACTS, "price": PRICE,
        "takerOrderId": "171", "makerOrderId": "172", "tradeId": str(number), "ts": _NOW_NS + number,
    }  # fmt: skip


def _changes(*told: str) -> list[Frame]:
    return [{"sequence": number, "change": change, "timestamp": NOW} for number, change in enumerate(told, 1001)]


_ORDER: Final[Frame] = {
    "symbol": "LTCUSDTM", "orderType": "limit", "side": "buy", "canceledSize": "0", "orderId": "235303670076489728",
    "positionSide": "BOTH", "marginMode": "CROSS", "orderTime": _NOW_NS, "size": "20", "filledSize": "20",
    "price": PRICE, "remainSize": "0", "clientOid": "fra0001", "tradeType": "trade",
}  # fmt: skip

_FRAMES: Final[Mapping[str, tuple[str, list[Frame]]]] = {
    "/contractMarket/level2": (
        "level2",
        _changes(
            "50.24,buy,20", "50.30,sell,15", "50.31,sell,70",  # the snapshot is of here
            f"{PRICE},buy,{_CONTRACTS}", "50.31,sell,0", "50.24,buy,0", "50.32,sell,30",
        ),
    ),
    "/contractMarket/execution": ("match", [_trade(1, "buy"), _trade(2, "sell")]),
    "/contractMarket/ticker": (
        "ticker",
        [
            {
                "symbol": "LTCUSDTM", "sequence": number, "side": "buy", "size": _CONTRACTS, "price": PRICE,
                "bestBidSize": 10, "bestBidPrice": "50.24", "bestAskPrice": "50.26", "bestAskSize": 30,
                "tradeId": str(number), "ts": _NOW_NS + number,
            }
            for number in (7, 8)
        ],
    ),
    "/contractMarket/limitCandle": (
        "candle.stick",
        [
            {"symbol": "LTCUSDTM", "candles": [str(start // 1000), *candle], "time": NOW}
            for start, candle in (
                (MINUTE - 60_000, ("50", "50.1", "51", "49", "450", "90")),
                (MINUTE, ("50.1", PRICE, "50.5", "50", "100.5", str(_CONTRACTS))),
            )
        ],
    ),
    _ORDERS: (
        "symbolOrderChange",
        [
            {
                **_ORDER, "type": "match", "status": "match", "liquidity": "taker", "feeType": "takerFee",
                "matchPrice": PRICE, "matchSize": str(_CONTRACTS), "tradeId": "9", "ts": _NOW_NS + 1,
            },
            {**_ORDER, "type": "filled", "status": "done", "ts": _NOW_NS + 2},
        ],
    ),
}  # fmt: skip


def answer(request: web.Request) -> Any:
    path = request.path
    data: Any = []
    if "bullet" in path:  # each of spot and futures, public and private, has a connection of its own
        server = {"endpoint": f"ws://{request.host}/socket/{next(_SOCKETS)}", "pingInterval": 18_000}
        data = {"token": "t", "instanceServers": [{**server, "pingTimeout": 10_000, "protocol": "websocket"}]}
    elif path.endswith("account/mode"):
        data = {"selfAccountMode": "CLASSIC"}
    elif path.endswith("account-overview"):
        data = {"currency": request.query["currency"], "availableBalance": 0, "accountEquity": 0}
    elif path.endswith("level2/snapshot"):
        data = {
            "symbol": "LTCUSDTM", "sequence": 1003, "ts": _NOW_NS,
            "bids": [["50.24", 20]], "asks": [["50.30", 15], ["50.31", 70]],
        }  # fmt: skip
    elif "orders" in path.lower() or "fills" in path:
        data = {"items": []}
    return {"code": "200000", "data": data}


KUCOIN: Final = Written(
    KuCoinPlugin, "LTC/USDT:USDT", react, answer, {"id": "1", "type": "welcome"}, b'{"code": "200000", "data": []}'
)

"""How Bitget speaks: https://www.bitget.com/api-doc/contract/websocket (public and private channels)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from written import COINS, MINUTE, NOW, PRICE, Frame, Frames, Written

from fra.exchanges.bitget import BitgetPlugin


def react(frame: Frame) -> Frames:
    if frame["op"] == "login":
        yield {"event": "login", "code": 0}
        return
    for arg in frame["args"]:
        yield {"event": "subscribe", "arg": arg}
        for action, rows in _FRAMES.get(arg["channel"], ()) if arg["instType"] == "USDT-FUTURES" else ():
            yield {"action": action, "arg": arg, "data": rows, "ts": NOW}


_FRAMES: Final[Mapping[str, Any]] = {
    "books": [
        ("snapshot", [{"bids": [["50.24", "2"]], "asks": [["50.30", "1.5"], ["50.31", "7"]], "ts": str(NOW)}]),
        ("update", [{"bids": [[PRICE, COINS]], "asks": [["50.31", "0"]], "ts": str(NOW + 1)}]),
        ("update", [{"bids": [["50.24", "0"]], "asks": [["50.32", "3"]], "ts": str(NOW + 2)}]),
    ],
    "trade": [
        ("snapshot", [{"ts": str(NOW), "price": PRICE, "size": COINS, "side": "buy", "tradeId": "1116"}]),
        ("update", [{"ts": str(NOW + 1), "price": PRICE, "size": COINS, "side": "sell", "tradeId": "1117"}]),
    ],
    "ticker": [
        (
            "snapshot",
            [
                {
                    "instId": "LTCUSDT", "symbol": "LTCUSDT", "lastPr": PRICE, "bidPr": "50.24", "askPr": "50.26",
                    "bidSz": "1", "askSz": "3", "open24h": "49", "high24h": "51", "low24h": "48", "change24h": "0.01",
                    "fundingRate": "0.0001", "nextFundingTime": str(NOW + 3_600_000), "markPrice": "50.2",
                    "indexPrice": "50.1", "holdingAmount": "100", "baseVolume": "700", "quoteVolume": "35000",
                    "openUtc": "49.5", "symbolType": "1", "deliveryPrice": "0", "ts": str(NOW),
                }
            ],
        )
    ],
    "candle1m": [
        ("snapshot", [[str(MINUTE - 60_000), "50", "51", "49", "50.1", "9", "450", "450"]]),
        ("update", [[str(MINUTE), "50.1", "50.5", "50", PRICE, COINS, "100.5", "100.5"]]),
    ],
    "orders": [
        (
            "snapshot",
            [
                {
                    "accBaseVolume": COINS, "cTime": str(NOW), "clientOid": "fra0001", "feeDetail": [],
                    "fillPrice": PRICE, "baseVolume": COINS, "fillTime": str(NOW), "force": "gtc", "instId": "LTCUSDT",
                    "leverage": "20", "marginCoin": "USDT", "marginMode": "crossed", "orderId": "1",
                    "orderType": "limit", "posMode": "one_way_mode", "posSide": "net", "price": PRICE,
                    "priceAvg": PRICE, "reduceOnly": "no", "side": "buy", "size": COINS, "status": "filled",
                    "tradeSide": "buy_single", "tradeId": "9", "uTime": str(NOW),
                }
            ],
        )
    ],
    "fill": [
        (
            "snapshot",
            [
                {
                    "orderId": "1", "tradeId": "9", "symbol": "LTCUSDT", "orderType": "limit", "side": "buy",
                    "price": PRICE, "baseVolume": COINS, "quoteVolume": "100.5", "profit": "0",
                    "tradeSide": "buy_single", "posMode": "one_way_mode", "tradeScope": "taker",
                    "cTime": str(NOW), "uTime": str(NOW),
                    "feeDetail": [
                        {"feeCoin": "USDT", "deduction": "no", "totalDeductionFee": "0", "totalFee": "-0.05"}
                    ],
                }
            ],
        )
    ],
}  # fmt: skip


def answer(request: web.Request) -> Any:
    name = request.path.rpartition("/")[2]
    if name == "settings":
        return {"code": "40084", "msg": "You are in Classic Account mode", "data": None}
    return {"code": "00000", "msg": "success", "data": []}


BITGET: Final = Written(
    BitgetPlugin, "LTC/USDT:USDT", react, answer, nothing=b'{"code": "00000", "msg": "success", "data": []}'
)

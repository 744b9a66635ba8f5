"""How Bitfinex speaks: https://docs.bitfinex.com/docs/ws-general, ws-public and ws-auth. Rows have no names there."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any, Final

from written import COINS, MINUTE, NOW, PRICE, Frame, Frames, Written

from fra.exchanges.bitfinex import BitfinexPlugin

_PRICE, _COINS = float(PRICE), int(COINS)
_CHANNELS: Final = {"book": 11, "trades": 12, "ticker": 13, "candles": 14}


def react(frame: Frame) -> Frames:
    match frame["event"]:
        case "subscribe":
            number = _CHANNELS[frame["channel"]]
            yield {**frame, "event": "subscribed", "chanId": number}
            for row in _FRAMES[frame["channel"]]:
                yield [number, *row]
        case "conf":  # ccxt wants sums of its books
            yield {"event": "conf", "status": "OK", "flags": frame["flags"]}
            for row in _SUMMED:
                yield [_CHANNELS["book"], *row]
        case "auth":
            yield {
                "event": "auth",
                "status": "OK",
                "chanId": 0,
                "userId": 1,
                "caps": {"orders": {"read": 1, "write": 0}},
            }
            for row in _ACCOUNT:
                yield [0, *row]


def _sum(text: str) -> int:
    """Of the book as it is then, "Checksums for Order Books"."""
    made = binascii.crc32(text.encode())
    return made - 2**32 if made >= 2**31 else made


_FRAMES: Final[Mapping[str, Any]] = {
    # price, orders there (none: the level goes), amount (that of an ask is negative)
    "book": [[[[50.24, 1, 1], [50.2, 2, 4], [50.3, 1, -1.5], [50.31, 3, -7]]], [[50.2, 0, 1]]],
    # id, time, amount (of a sale it is negative), price
    "trades": [
        [[[1117, NOW, _COINS, _PRICE], [1116, NOW - 1, -_COINS, _PRICE]]],
        ["te", [1118, NOW + 1, -_COINS, _PRICE]],
        ["tu", [1118, NOW + 1, -_COINS, _PRICE]],
    ],
    # bid, its size, ask, its size, change, relative, last, volume, high, low
    "ticker": [[[50.24, 1, 50.26, 3, 0.5, 0.01, _PRICE, 700, 51, 48]], ["hb"]],
    # open, close, high, low
    "candles": [
        [[[MINUTE, 50.1, 50.1, 50.2, 50.1, 1], [MINUTE - 60_000, 50, 50.1, 51, 49, 9]]],
        [[MINUTE, 50.1, _PRICE, 50.5, 50, _COINS]],
    ],
}
_SUMMED: Final[Any] = [
    [[_PRICE, 2, _COINS]],
    ["cs", _sum(f"{PRICE}:{COINS}:50.3:-1.5:50.24:1:50.31:-7")],
    ["hb"],
    [[50.31, 0, -1]],
    ["cs", _sum(f"{PRICE}:{COINS}:50.3:-1.5:50.24:1")],
]


def _order(status: str, left: float, average: float) -> list[Any]:
    made: list[Any] = [None] * 32
    made[0:9] = [97084883506, None, 1234567890123, "tLTCF0:USTF0", NOW, NOW + 1, left, _COINS, "LIMIT"]
    made[12:14], made[16:20] = [0, status], [_PRICE, average, 0, 0]
    made[23:25], made[28] = [0, 0], "API>BFX"
    return made


def _trade(*fee: Any) -> list[Any]:
    return [1133411090, "tLTCF0:USTF0", NOW + 1, 97084883506, _COINS, _PRICE, "LIMIT", _PRICE, -1, *fee, 1234567890123]


_ACCOUNT: Final[Any] = [
    ["ws", [["exchange", "LTC", 3.5, 0, None, None, None], ["margin", "USTF0", 200, 0, 150.5, None, None]]],
    ["os", [_order("ACTIVE", _COINS, 0)]],
    ["on", _order("ACTIVE", _COINS, 0)],
    ["wu", ["exchange", "LTC", 4, 0, 4, "Exchange 0.5 LTC for UST @ 50.25", None]],
    ["te", _trade(None, None)],
    ["oc", _order(f"EXECUTED @ {PRICE}({COINS})", 0, _PRICE)],
    ["tu", _trade(-0.05, "USTF0")],
]  # fmt: skip

BITFINEX: Final = Written(BitfinexPlugin, "LTC/USDT:USDT", react, lambda request: [], nothing=b"[]")

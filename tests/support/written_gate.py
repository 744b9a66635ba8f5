"""How Gate speaks: https://www.gate.com/docs/developers/futures/ws/en (a contract is 0.1 LTC). The sockets of USDT and
of BTC say the same of the account here: by what they are asked they cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from written import MINUTE, NOW, PRICE, Frame, Frames, Written

from fra.exchanges.gate import GatePlugin

_CONTRACTS: Final = 20
_SECOND: Final = NOW // 1000
_UID: Final = "10406147"


def react(frame: Frame) -> Frames:
    channel, event = frame["channel"], frame.get("event")
    said = {"time": _SECOND, "time_ms": NOW, "channel": channel}
    if event is None:  # a ping
        yield {**said, "channel": channel.replace("ping", "pong"), "event": "", "error": None, "result": None}
        return
    yield {**said, "id": frame["id"], "event": event, "error": None, "result": {"status": "success"}}
    for result in _RESULTS.get(channel, ()) if event == "subscribe" else ():
        yield {**said, "event": "update", "result": result}


def _level(price: str, contracts: int) -> Frame:
    return {"p": price, "s": contracts}


def _update(first: int, last: int, bids: list[Frame], asks: list[Frame]) -> Frame:
    return {"t": NOW, "s": "LTC_USDT", "U": first, "u": last, "b": bids, "a": asks, "l": "100"}


def _trade(number: int, contracts: int) -> list[Frame]:
    return [
        {
            "id": number, "size": contracts, "create_time": _SECOND, "create_time_ms": NOW, "price": PRICE,
            "contract": "LTC_USDT",
        }
    ]  # fmt: skip


def _candle(start: int, *prices: str, contracts: int) -> Frame:
    told = dict(zip("ohlc", prices, strict=True))
    return {**told, "t": start // 1000, "v": contracts, "n": "1m_LTC_USDT", "a": "1", "w": False}


_RESULTS: Final[Mapping[str, list[Any]]] = {
    "futures.order_book_update": [
        _update(1001, 1002, [_level("50.24", 20)], [_level("50.3", 15), _level("50.31", 70)]),  # as the whole book
        _update(1003, 1003, [_level(PRICE, _CONTRACTS)], []),
        _update(1004, 1006, [_level("50.24", 0)], [_level("50.31", 0)]),
        _update(1007, 1007, [], [_level("50.32", 30)]),
    ],
    "futures.trades": [_trade(27753479, _CONTRACTS), _trade(27753480, -_CONTRACTS)],
    "futures.tickers": [
        [
            {
                "contract": "LTC_USDT", "last": PRICE, "change_percentage": "1.5", "funding_rate": "0.0001",
                "funding_rate_indicative": "0.0001", "mark_price": "50.2", "index_price": "50.1",
                "total_size": "73648", "volume_24h": "7000", "volume_24h_base": "700", "volume_24h_quote": volume,
                "volume_24h_settle": volume, "low_24h": "48", "high_24h": "51", "quanto_base_rate": "",
                "lowest_ask": "50.26", "lowest_size": "30", "highest_bid": "50.24", "highest_size": "10",
                "price_type": "last",
            }
        ]
        for volume in ("35000", "35100")
    ],
    "futures.candlesticks": [
        [_candle(MINUTE - 60_000, "50", "51", "49", "50.1", contracts=90)],
        [_candle(MINUTE, "50.1", "50.5", "50", PRICE, contracts=_CONTRACTS)],
    ],
    "futures.orders": [
        [
            {
                "id": 74046514, "contract": "LTC_USDT", "size": _CONTRACTS, "left": 0, "price": float(PRICE),
                "fill_price": float(PRICE), "status": "finished", "finish_as": "filled", "tif": "gtc",
                "text": "t-fra0001", "create_time": _SECOND, "create_time_ms": NOW, "finish_time": _SECOND,
                "finish_time_ms": NOW, "update_time": NOW, "update_id": 1, "iceberg": 0, "is_close": False,
                "is_liq": False, "is_reduce_only": False, "mkfr": -0.00025, "tkfr": 0.0005, "refr": 0, "refu": 0,
                "role": "taker", "user": _UID,
            }
        ]
    ],
    "futures.usertrades": [
        [
            {
                "id": "3335259", "contract": "LTC_USDT", "order_id": "74046514", "size": _CONTRACTS, "price": PRICE,
                "role": "taker", "text": "t-fra0001", "fee": 0.05, "point_fee": 0, "create_time": _SECOND,
                "create_time_ms": NOW,
            }
        ]
    ],
}  # fmt: skip


def answer(request: web.Request) -> Any:
    path = request.path
    if path.endswith("order_book"):
        return {
            "id": 1002, "current": NOW / 1000, "update": NOW / 1000,
            "bids": [_level("50.24", 20)], "asks": [_level("50.3", 15), _level("50.31", 70)],
        }  # fmt: skip
    if "futures" in path and path.endswith("accounts"):
        return {"currency": path.split("/")[-2].upper(), "total": "0", "available": "0", "in_dual_mode": False}
    return []


GATE: Final = Written(
    GatePlugin,
    "LTC/USDT:USDT",
    react,
    answer,
    nothing=b"[]",
    settings={"uid": _UID, "options": {"unifiedAccount": False}},
)

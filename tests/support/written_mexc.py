"""How MEXC speaks of its contracts: https://www.mexc.com/api-docs/futures/websocket-api (public and private)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from written import MINUTE, NOW, PRICE, RATE, Frame, Frames, Written

from fra.exchanges.mexc import MEXCPlugin

_VOL: Final = 200
"""Contracts of a hundredth of a coin."""
_BEST: Final = float(PRICE)
_UPDATES: Final = 27
"""ccxt asks for the book when it has heard of some twenty-five updates."""
_FIRST: Final = 100


def react(frame: Frame) -> Frames:
    method = frame["method"]
    if method == "login":
        yield {"channel": "rs.login", "data": "success", "ts": NOW}
        for channel, data in _PRIVATE:
            yield {"channel": channel, "data": data, "ts": NOW}
        return
    yield {"channel": f"rs.{method}", "data": "success", "ts": NOW}
    for data in _FRAMES[method]:
        yield {"channel": method.replace("sub.", "push."), "symbol": "LTC_USDT", "data": data, "ts": NOW}


def answer(request: web.Request) -> Any:
    data: Any = []
    if request.path.startswith("/api/v3/"):  # spot
        return data
    if "/depth/" in request.path:
        data = {"asks": [[50.3, 7, 1]], "bids": [[50.1, 20, 2]], "version": _FIRST + 2, "timestamp": NOW}
    elif "funding_rate" in request.path:
        data = {"symbol": "LTC_USDT", "fundingRate": float(RATE), "collectCycle": 4, "nextSettleTime": NOW + 3_600_000}
    return {"success": True, "code": 0, "data": data}


_FRAMES: Final[Mapping[str, list[Any]]] = {
    "sub.depth": [
        {"asks": [[50.4, number, 1]], "bids": [[_BEST, _VOL, 1]], "version": _FIRST + number}
        for number in range(1, _UPDATES)
    ],
    "sub.deal": [
        [{"p": _BEST, "v": _VOL, "T": side, "O": 1, "M": 1, "t": NOW + side, "i": 700 + side}] for side in (1, 2)
    ],
    "sub.ticker": [
        {
            "symbol": "LTC_USDT", "lastPrice": _BEST, "bid1": 50.2, "ask1": 50.3, "volume24": 150, "amount24": 75.1,
            "riseFallRate": 0.01, "fairPrice": 50.2, "indexPrice": 50.1, "high24Price": 51, "lower24Price": 49,
            "holdVol": 9000, "fundingRate": float(RATE), "timestamp": NOW,
        }
    ],
    "sub.kline": [
        {
            "symbol": "LTC_USDT", "interval": "Min1", "t": MINUTE // 1000, "o": 50.1, "c": _BEST, "h": 50.3, "l": 50,
            "q": _VOL, "a": 100.5,
        }
    ],
    "sub.funding.rate": [{"symbol": "LTC_USDT", "rate": float(RATE), "nextSettleTime": NOW + 3_600_000}],
}  # fmt: skip
_ORDER: Final[Frame] = {
    "orderId": "814539157408959488", "symbol": "LTC_USDT", "positionId": 0, "price": _BEST, "vol": _VOL, "leverage": 20,
    "side": 1, "category": 1, "orderType": 1, "dealAvgPrice": _BEST, "dealVol": _VOL, "feeCurrency": "USDT",
    "takerFee": 0.05, "makerFee": 0, "state": 3, "externalOid": "fra0001", "positionMode": 2, "createTime": NOW,
    "updateTime": NOW,
}  # fmt: skip
_DEAL: Final[Frame] = {
    "id": "9", "symbol": "LTC_USDT", "side": 1, "vol": _VOL, "price": _BEST, "fee": 0.05, "feeCurrency": "USDT",
    "timestamp": NOW, "profit": 0, "isTaker": True, "category": 1, "orderId": "814539157408959488", "positionMode": 2,
}  # fmt: skip
_PRIVATE: Final = (("push.personal.order", _ORDER), ("push.personal.order.deal", _DEAL))

MEXC: Final = Written(MEXCPlugin, "LTC/USDT:USDT", react, answer, nothing=b'{"success": true, "code": 0, "data": []}')

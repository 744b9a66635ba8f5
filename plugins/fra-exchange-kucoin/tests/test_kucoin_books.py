"""Streamed books of KuCoin's contracts and spot, from sockets that a test speaks through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from ccxt_local import fixtures
from ccxt_sockets import Sockets, book_with

from fra.core import connect

MARKETS = fixtures("markets", "kucoin", str)
NOW_MS = 1_700_000_000_000
SWAP, SPOT = "/contractMarket/level2:LTCUSDTM", "/market/level2:LTC-USDT"
OPTIONS = {"reconnect_delay": 0.01}

pytestmark = pytest.mark.skipif(not MARKETS, reason="FRA_FIXTURES does not name the recorded data")


def answer(request: Any) -> Any:
    path = request.path
    data: Any = []
    if "bullet" in path:
        server = {"endpoint": f"ws://{request.host}/socket", "pingInterval": 18_000, "pingTimeout": 10_000}
        data = {"token": "t", "instanceServers": [server]}
    elif path.endswith("contracts/active"):
        data = [MARKETS["LTC/USDT:USDT"]["info"]]
    elif path.endswith("symbols"):
        data = [MARKETS["LTC/USDT"]["info"]]
    elif "allTickers" in path:
        data = {"ticker": []}
    elif "level2" in path:  # the one of contracts counts in them, and a contract is 0.1 LTC
        amounts = [20, 15] if path.endswith("snapshot") else ["2", "1.5"]
        data = {"sequence": 3, "bids": [["50.2", amounts[0]]], "asks": [["50.3", amounts[1]]], "time": NOW_MS}
    return {"code": "200000", "data": data}


def change(number: int, told: str) -> dict[str, Any]:
    data = {"sequence": number, "change": told, "timestamp": NOW_MS}
    return {"topic": SWAP, "type": "message", "subject": "level2", "data": data}


def changes(first: int, last: int, **sides: list[list[str]]) -> dict[str, Any]:
    data = {"sequenceStart": first, "sequenceEnd": last, "symbol": "LTC-USDT", "time": NOW_MS, "changes": sides}
    return {"topic": SPOT, "type": "message", "subject": "trade.l2update", "data": data}


BEGUN = {
    SWAP: [change(number, f"49.{number},buy,10") for number in range(1, 4)]
    + [change(4, "50.25,buy,7"), change(5, "50.3,sell,0"), change(6, "50.4,sell,30")],
    SPOT: [changes(number, number, bids=[[f"49.{number}", "1", str(number)]], asks=[]) for number in range(1, 4)]
    + [
        changes(4, 4, bids=[["50.25", "0.7", "4"]], asks=[["0", "0", "4"]]),
        changes(5, 5, bids=[], asks=[["50.3", "0", "5"]]),
        changes(5, 6, bids=[], asks=[["50.4", "3", "6"]]),
    ],
}
"""ccxt asks for the whole book, which is of the third, when six have come."""
NEXT = {
    SWAP: [change(6, "50.4,sell,99"), change(7, "50.27,buy,5")],
    SPOT: [changes(6, 6, asks=[["50.4", "9.9", "6"]]), changes(6, 7, bids=[["50.27", "0.5", "7"]], asks=[])],
}
"""What has been, which is not said anew, and what follows."""
LOST = {SWAP: change(9, "50.29,buy,1"), SPOT: changes(9, 9, bids=[["50.29", "0.1", "9"]], asks=[])}


def reply(frame: dict[str, Any]) -> Iterable[dict[str, Any]]:
    if frame["type"] != "ping":
        yield {"id": frame["id"], "type": "ack"}
    if frame["type"] == "subscribe":
        yield from BEGUN[frame["topic"]]


@pytest.mark.parametrize(("name", "topic"), [("LTC/USDT:USDT", SWAP), ("LTC/USDT", SPOT)])
async def test_a_book_follows_its_updates_and_begins_anew_where_one_is_missing(name: str, topic: str) -> None:
    venue = Sockets(answer, reply, greeting={"id": "1", "type": "welcome"})
    async with venue.serving() as url, connect("kucoin", base_url=url, options=OPTIONS) as kucoin:
        stream = kucoin.subscribe_orderbook(name)
        begun = await book_with(stream, "50.25")
        assert begun == ([("50.25", "0.7"), ("50.2", "2")], [("50.4", "3")])
        for frame in NEXT[topic]:
            await venue.push("/socket", frame)
        assert await book_with(stream, "50.27") == ([("50.27", "0.5"), *begun[0]], begun[1])
        await venue.push("/socket", LOST[topic])
        assert await book_with(stream, "50.25") == begun

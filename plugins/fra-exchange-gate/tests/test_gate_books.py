"""Streamed books of Gate, from sockets that a test speaks through."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest
from ccxt_local import fixtures
from ccxt_sockets import Sockets, book_with, first

from fra.core import StreamGap, Trade, connect

MARKETS = fixtures("markets", "gate", str)
NOW_MS = 1_700_000_000_000
SPOT, SWAP = "spot.obu", "futures.order_book_update"
PATHS = {SPOT: "/ws/v4/", SWAP: "/v4/ws/usdt"}
OPTIONS = {"reconnect_delay": 0.01}

pytestmark = pytest.mark.skipif(not MARKETS, reason="FRA_FIXTURES does not name the recorded data")


def answer(request: Any) -> Any:
    path = request.path
    if path.endswith("usdt/contracts"):
        return [MARKETS["LTC/USDT:USDT"]["info"]]
    if path.endswith("spot/currency_pairs"):
        return [MARKETS["LTC/USDT"]["info"]]
    if path.endswith("order_book"):  # a contract is 0.1 LTC
        return {"id": 3, "current": NOW_MS / 1000, "bids": [{"p": "50.2", "s": 20}], "asks": [{"p": "50.3", "s": 15}]}
    return []


def spot(last: int, bids: list[list[str]], asks: list[list[str]], **more: object) -> dict[str, Any]:
    told = {"t": NOW_MS, "s": "ob.LTC_USDT.50", "u": last, "b": bids, "a": asks, **more}
    return {"channel": SPOT, "event": "update", "time_ms": NOW_MS, "result": told}


def swap(last: int, bids: list[list[Any]], asks: list[list[Any]], **more: object) -> dict[str, Any]:
    bids, asks = ([{"p": price, "s": amount} for price, amount in side] for side in (bids, asks))
    told = {"t": NOW_MS, "s": "LTC_USDT", "u": last, "b": bids, "a": asks, **more}
    return {"channel": SWAP, "event": "update", "time_ms": NOW_MS, "result": told}


BEGUN = {
    SPOT: [
        spot(3, [["50.2", "2"]], [["50.3", "1.5"]], full=True),
        spot(5, [["50.25", "0.7"]], [["50.3", "0"], ["50.4", "3"]], U=4),
    ],
    SWAP: [swap(3, [["50.2", 20]], [["50.3", 15]], U=2), swap(5, [["50.25", 7]], [["50.3", 0], ["50.4", 30]], U=4)],
}
NEXT = {SPOT: spot(6, [["50.27", "0.5"]], [], U=6), SWAP: swap(6, [["50.27", 5]], [], U=6)}
LOST = {SPOT: spot(9, [["50.29", "0.1"]], [], U=8), SWAP: swap(9, [["50.29", 1]], [], U=8)}


def reply(frame: dict[str, Any]) -> Iterable[dict[str, Any]]:
    told = {name: frame.get(name) for name in ("time", "id", "channel", "event")}
    yield {**told, "error": None, "result": {"status": "success"}}
    if frame.get("event") == "subscribe":
        yield from BEGUN[frame["channel"]]


@pytest.mark.parametrize(("name", "channel"), [("LTC/USDT", SPOT), ("LTC/USDT:USDT", SWAP)])
async def test_a_book_follows_its_updates_and_begins_anew_where_one_is_missing(name: str, channel: str) -> None:
    venue = Sockets(answer, reply)
    async with venue.serving() as url, connect("gate", base_url=url, options=OPTIONS) as gate:
        stream = gate.subscribe_orderbook(name)
        begun = await book_with(stream, "50.25")
        assert begun == ([("50.25", "0.7"), ("50.2", "2")], [("50.4", "3")])
        await venue.push(PATHS[channel], NEXT[channel])
        assert await book_with(stream, "50.27") == ([("50.27", "0.5"), *begun[0]], begun[1])
        await venue.push(PATHS[channel], LOST[channel])
        assert await book_with(stream, "50.25") == begun


async def test_a_book_that_does_not_begin_takes_no_other_stream_with_it() -> None:
    """Both are on one socket, which ccxt closes then."""
    begins, ids, books = asyncio.Event(), count(1), count(1)

    def refusing(request: Any) -> Any:
        known = begins.is_set() or not request.path.endswith("order_book")
        return answer(request) if known else {"id": 3, "bids": [], "asks": []}

    def trading(frame: dict[str, Any]) -> Iterable[dict[str, Any]]:
        asked = frame["channel"], frame.get("event")
        if asked == (SWAP, "subscribe") and next(books) > 1:
            begins.set()
        if asked != ("futures.trades", "subscribe"):
            yield from reply(frame)
            return
        row = {"id": next(ids), "size": 1, "price": "50.2", "create_time_ms": NOW_MS, "contract": "LTC_USDT"}
        yield {"channel": "futures.trades", "event": "update", "result": [row]}

    venue = Sockets(refusing, trading)
    async with venue.serving() as url, connect("gate", base_url=url, options=OPTIONS) as gate:
        trades = gate.subscribe_trades("LTC/USDT:USDT")
        assert (await first(trades, Trade)).id == "1"
        book = gate.subscribe_orderbook("LTC/USDT:USDT")
        with pytest.raises(StreamGap, match="did not begin"):
            await first(trades, Trade)
        assert int((await first(trades, Trade)).id) > 1
        await book_with(book, "50.25")

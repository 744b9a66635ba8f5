"""Streamed books of MEXC's contracts: exact, in coins, and never with an update missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
from aiohttp import web
from ccxt_local import Local
from ccxt_plain import with_recordings

from fra.core import BookView, ExchangeError, PriceLevel, StreamGap, StreamStatus
from fra.exchanges.mexc import MEXCPlugin

pytestmark = with_recordings
SNAPSHOT = {
    "asks": [[50.2, 7, 1], [50.3, 1, 1]],
    "bids": [[50.1, 20, 2], [50, 3, 1]],
    "version": 100,
    "timestamp": 1779871668000,
}


def update(
    version: int, *, bids: Sequence[Sequence[float]] = (), asks: Sequence[Sequence[float]] = ()
) -> dict[str, Any]:
    data = {"asks": asks, "bids": bids, "version": version}
    return {"channel": "push.depth", "symbol": "LTC_USDT", "ts": 1779871668415, "data": data}


@attrs.define
class Speaking(Local):
    """Sends ``updates`` to whoever subscribes to a book; those of a second subscription are ``again``."""

    updates: list[Any] = attrs.field(factory=list)
    again: list[Any] = attrs.field(factory=list)
    subscribed: int = 0

    async def serve(self, request: web.Request) -> web.Response:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await super().serve(request)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if json.loads(message.data)["method"] == "sub.depth":
                self.subscribed += 1
                for one in self.updates if self.subscribed == 1 else self.again:
                    await ws.send_str(json.dumps(one))
        return ws  # type: ignore[return-value]


class Sink:
    """Keeps what a stream says until ``last`` is its best bid."""

    def __init__(self, last: str) -> None:
        self.last = Decimal(last)
        self.book: tuple[list[PriceLevel], list[PriceLevel]] = ([], [])
        self.seen: list[Decimal] = []
        self.errors: list[ExchangeError] = []
        self.done = asyncio.Event()

    def on_item(self, view: BookView) -> None:
        self.book = (list(view.bids()), list(view.asks()))
        self.seen.append(self.book[0][0].price)
        if self.seen[-1] == self.last:
            self.done.set()

    def on_gap(self, gap: StreamGap) -> None:
        self.errors.append(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if error is not None:
            self.errors.append(error)


async def streamed(local: Speaking, last: str) -> Sink:
    sink = Sink(last)
    local.answer = {"success": True, "code": 0, "data": SNAPSHOT}
    async with local.adapter("mexc", cls=MEXCPlugin) as mexc:
        source = mexc.subscribe_orderbook(mexc.symbol("LTC/USDT:USDT"))
        source.attach(sink)  # type: ignore[union-attr]
        async with asyncio.timeout(10):
            await sink.done.wait()
        await source.close()  # type: ignore[union-attr]
    return sink


def before(count: int = 26) -> list[dict[str, Any]]:
    """So many updates as ccxt waits for before it asks for the book."""
    return [update(100 - count + number) for number in range(1, count + 1)]


async def test_a_streamed_book_is_exact_and_in_coins() -> None:
    sink = await streamed(Speaking(updates=[*before(), update(101, bids=[[50.15, 11, 1], [50.1, 0, 0]])]), "50.15")
    bids, asks = sink.book
    assert [(level.price, level.amount) for level in bids] == [
        (Decimal("50.15"), Decimal("0.11")),
        (Decimal("50"), Decimal("0.03")),
    ]
    assert [(level.price, level.amount) for level in asks] == [
        (Decimal("50.2"), Decimal("0.07")),
        (Decimal("50.3"), Decimal("0.01")),
    ]
    assert not sink.errors


async def test_a_missing_update_begins_the_book_anew() -> None:
    local = Speaking(
        updates=[*before(), update(101), update(103, bids=[[50.19, 1, 1]])],
        again=[*before(), update(101, bids=[[50.15, 11, 1]])],
    )
    sink = await streamed(local, "50.15")
    assert Decimal("50.19") not in sink.seen
    assert "missing" in str(sink.errors[0])
    assert local.subscribed == 2


async def test_an_impossible_price_does_not_stay_in_the_book() -> None:
    local = Speaking(
        updates=[*before(), update(101, asks=[[-50.4, 1, 1]])],
        again=[*before(), update(101, bids=[[50.15, 11, 1]])],
    )
    sink = await streamed(local, "50.15")
    assert [level.price for level in sink.book[1]] == [Decimal("50.2"), Decimal("50.3")]
    assert local.subscribed == 2

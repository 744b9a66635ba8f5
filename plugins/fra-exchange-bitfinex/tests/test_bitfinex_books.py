"""Books of Bitfinex, asked and streamed: by price, exact, and checked by Bitfinex's own sum."""

from __future__ import annotations

import asyncio
import binascii
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
from aiohttp import web
from ccxt_local import Local
from ccxt_plain import with_recordings

from fra.adapters.ccxt import CCXTOptions
from fra.core import BookView, ExchangeError, PriceLevel, StreamGap, StreamStatus
from fra.exchanges.bitfinex import BitfinexPlugin

pytestmark = with_recordings
ROWS = [[60.1, 2, 1.5], [60, 1, 0.3], [60.2, 1, -2], [60.3, 4, -0.1]]
Levels = list[tuple[str, str]]


def told(levels: Sequence[PriceLevel]) -> Levels:
    return [(f"{level.price.normalize():f}", f"{level.amount.normalize():f}") for level in levels]


def checksum(text: str) -> int:
    """As Bitfinex signs it ("Checksums for Order Books")."""
    made = binascii.crc32(text.encode())
    return made - 2**32 if made >= 2**31 else made


@attrs.define
class Speaking(Local):
    """Sends ``frames`` of the channel 7 to whoever subscribes to a book; before the last of ``connections`` it hangs up
    then.
    """

    frames: list[Any] = attrs.field(factory=list)
    connections: int = 1

    async def serve(self, request: web.Request) -> web.Response:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await super().serve(request)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            frame = json.loads(message.data)
            if frame["event"] == "subscribe":
                self.connections -= 1
                await ws.send_str(json.dumps({**frame, "event": "subscribed", "chanId": 7}))
                for sent in self.frames:
                    await ws.send_str(sent if isinstance(sent, str) else json.dumps([7, *sent]))
                if self.connections > 0:
                    await ws.close()
        return ws  # type: ignore[return-value]


class Sink:
    """Keeps what a stream says until ``last`` is its best bid, or it breaks, on the last connection."""

    def __init__(self, local: Speaking, last: str) -> None:
        self.local = local
        self.last = Decimal(last)
        self.books: list[tuple[Levels, Levels]] = []
        self.errors: list[ExchangeError] = []
        self.done = asyncio.Event()

    def on_item(self, view: BookView) -> None:
        self.books.append((told(view.bids()), told(view.asks())))
        if view.bids()[0].price == self.last and self.local.connections <= 0:
            self.done.set()

    def on_gap(self, gap: StreamGap) -> None:
        self.errors.append(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if error is not None:
            self.errors.append(error)
            if self.local.connections <= 0:
                self.done.set()


async def streamed(local: Speaking, last: str) -> Sink:
    sink = Sink(local, last)
    async with local.adapter("bitfinex", cls=BitfinexPlugin, options=CCXTOptions(reconnect_delay=0.01)) as bitfinex:
        source = bitfinex.subscribe_orderbook(bitfinex.symbol("LTC/USDT"))
        source.attach(sink)  # type: ignore[union-attr]
        async with asyncio.timeout(10):
            await sink.done.wait()
        await source.close()  # type: ignore[union-attr]
    return sink


async def test_a_book_is_asked_for_by_price_and_has_no_time_of_ours() -> None:
    local = Local(json.dumps(ROWS))
    async with local.adapter("bitfinex", cls=BitfinexPlugin) as bitfinex:
        book = await bitfinex.get_orderbook(bitfinex.symbol("LTC/USDT"), depth=10)
    assert told(book.bids) == [("60.1", "1.5"), ("60", "0.3")]
    assert told(book.asks) == [("60.2", "2"), ("60.3", "0.1")]
    assert book.timestamp_ms is None
    assert [(asked.path, asked.query) for asked in local.asked] == [("/v2/book/tLTCUST/P0", "len=25")]


async def test_a_streamed_book_is_exact_and_its_checksum_right() -> None:
    first = checksum("60.05:0.00000527:60.2:-2:60:0.3:60.3:-0.1")
    frames = [[ROWS], [[60.1, 0, 1]], "[7,[60.05,3,0.00000527]]", ["cs", first], [[60.06, 3, 0.5]]]
    sink = await streamed(Speaking(frames=frames), "60.06")
    assert sink.books[-1] == (
        [("60.06", "0.5"), ("60.05", "0.00000527"), ("60", "0.3")],
        [("60.2", "2"), ("60.3", "0.1")],
    )
    assert not sink.errors


async def test_a_wrong_checksum_breaks_the_stream() -> None:
    sink = await streamed(Speaking(frames=[[ROWS], ["cs", 1]]), "0")
    assert sink.errors


async def test_a_book_begins_anew_on_another_connection() -> None:
    local = Speaking(frames=[[ROWS], [[60.3, 0, -1]], [[60.1, 0, 1]]], connections=2)
    sink = await streamed(local, "60")
    assert sink.books[-1] == ([("60", "0.3")], [("60.2", "2")])
    assert len(sink.errors) == 1

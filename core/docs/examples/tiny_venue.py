"""The made-up venue of sixty_line_adapter.py: one question per connection, lines of JSON over TCP."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Self

MARKETS = [
    {"id": "BTC-USD", "base": "BTC", "quote": "USD", "tick": "0.1", "lot": "0.001"},
    {"id": "ETH-USD", "base": "ETH", "quote": "USD", "tick": "0.01", "lot": "0.01"},
]


class TinyVenue:
    """Serves on a free port of loopback as long as the ``async with`` lasts. ``pace`` is seconds between two updates.

    ``questions`` is everything that was asked; ``watching`` counts the streams that are open now; ``cut`` hangs up.
    """

    def __init__(self, *, pace: float = 0.001) -> None:
        self.pace = pace
        self.questions: list[dict[str, Any]] = []
        self.watching = 0
        self.unwatched = asyncio.Event()
        self._seq = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"tcp://{host}:{port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()
        await self._quiet.wait()

    def cut(self) -> None:
        """Drop every connection at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._quiet.clear()
        try:
            question = json.loads(await reader.readline())
            self.questions.append(question)
            if question["op"] == "watch":
                await self._watch(question, writer)
            else:
                await self._say(writer, self._answer(question))
        except (ConnectionError, ValueError):
            pass  # whoever hangs up gets no answer
        finally:
            self._writers.discard(writer)
            if not self._writers:
                self._quiet.set()
            writer.close()

    async def _watch(self, question: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.watching += 1
        self.unwatched.clear()
        try:
            while not writer.is_closing():
                op = "book" if question["channel"] == "book" else "trade"
                await self._say(writer, self._answer({"op": op, "market": question["market"]}))
                await asyncio.sleep(self.pace)
        finally:
            self.watching -= 1
            if not self.watching:
                self.unwatched.set()

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        now = time.time_ns() // 1_000_000
        if question["op"] == "time":
            return {"time": now}
        if question["op"] == "markets":
            return {"markets": MARKETS}
        if question["market"] not in {market["id"] for market in MARKETS}:
            return {"error": f"no market {question['market']}", "code": 404}
        self._seq += 1
        if question["op"] == "book":
            bids = [[f"{100 - level * 0.5:.1f}", f"{self._seq}.{level}"] for level in range(3)]
            asks = [[f"{101 + level * 0.5:.1f}", f"{self._seq}.{level}"] for level in range(3)]
            return {"bids": bids, "asks": asks, "seq": self._seq, "time": now}
        return {"id": str(self._seq), "price": "100.5", "amount": "0.25", "taker": "buy", "time": now}

    async def _say(self, writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()

"""A spot book's request on its own socket: when it is made, what is made of its refusal, and of no answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from fra.core import ExchangeConnectionError, ExchangeRateLimitError
from fra.exchanges.htx import books, wire

TOPIC = "market.btcusdt.mbp.150"
FRAME = msgspec.json.Decoder(wire.MbpPush)


class Upstream:
    """The stream of a book: keeps what is sent on it."""

    topic = TOPIC

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.waiting = asyncio.Event()

    def send(self, text: str) -> None:
        self.sent.append(text)
        self.waiting.set()


class Book:
    """A builder that only counts."""

    def __init__(self) -> None:
        self.updates: list[int] = []

    def update(self, bids: Any, asks: Any, received_ms: int, *, last: int, **more: Any) -> None:
        self.updates.append(last)


def push(text: str) -> wire.MbpPush:
    return FRAME.decode(text)


CHANGE = push(f'{{"ch":"{TOPIC}","ts":1,"tick":{{"seqNum":7,"prevSeqNum":6,"asks":[[1,2]]}}}}')


async def asked() -> tuple[books.SpotBook, Upstream, Book, asyncio.Task[Any]]:
    stream, book = Upstream(), Book()
    paced: list[int] = []

    async def pace() -> None:
        paced.append(1)

    feed = books.SpotBook(stream, pace=pace, exchange="mine")  # type: ignore[arg-type]
    task = asyncio.create_task(feed.fetch())
    await asyncio.sleep(0)
    assert stream.sent == [], "a change must come first, for the answer to chain onto"
    feed.on_push(book, CHANGE, 1)  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        await stream.waiting.wait()
    assert paced == [1]
    return feed, stream, book, task


async def test_the_whole_book_is_asked_for_after_a_change() -> None:
    feed, stream, book, task = await asked()
    assert json.loads(stream.sent[0]) == {"req": TOPIC, "id": f"req:{TOPIC}"}
    answer = push(
        f'{{"id":"req:{TOPIC}","rep":"{TOPIC}","status":"ok","ts":9,"data":{{"seqNum":5,"bids":[[1,2E-3]]}}}}'
    )
    feed.on_push(book, answer, 11)  # type: ignore[arg-type]
    snapshot = await task
    assert snapshot == books.BookSnapshot([(1.0, "0.002")], [], 5, 9, 11)
    assert book.updates == [7]
    feed.on_push(book, answer, 12)  # type: ignore[arg-type]


async def test_a_refused_request_is_an_error_with_its_code() -> None:
    feed, _, book, task = await asked()
    refusal = push(f'{{"status":"error","id":"req:{TOPIC}","err-code":"bad-request","err-msg":"429 too many request"}}')
    feed.on_push(book, refusal, 1)  # type: ignore[arg-type]
    with pytest.raises(ExchangeRateLimitError) as caught:
        await task
    assert (caught.value.code, caught.value.exchange) == ("bad-request", "mine")


async def test_no_answer_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_ANSWER_WITHIN", 0.01)
    _, _, _, task = await asked()
    with pytest.raises(ExchangeConnectionError, match="was not answered"):
        await task

"""What messages of the ``books`` channel do to a book: keep-alives, ids that restart, checksums where there are any."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from zlib import crc32

import msgspec
import pytest

from fra.adapters.custom.books import BookBuilder
from fra.adapters.custom.sync import OKX_BOOKS
from fra.core import (
    BookView,
    ExchangeAPIError,
    ExchangeError,
    MarketKind,
    PriceLevel,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
)
from fra.exchanges.okx import books, wire

SYMBOL = Symbol(
    "BTC/USDT:USDT",
    "BTC-USDT-SWAP",
    MarketKind.LINEAR_SWAP,
    "BTC",
    "USDT",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.01"),
    contract_size=Decimal("0.01"),
)
PUSH = msgspec.json.Decoder(books.BookPush)
Rows = list[list[str]]


class Upstream:
    """The stream of a builder; it never really subscribes again."""

    def __init__(self) -> None:
        self.source: StreamSource[BookView] = StreamSource()
        self.source.attach(self)

    def resubscribe(self, error: ExchangeError) -> None: ...

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        work.close()
        return lambda: None

    def on_item(self, view: BookView) -> None: ...

    def on_gap(self, gap: StreamGap) -> None: ...

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None: ...


@pytest.fixture
def book() -> BookBuilder[books.BookPush]:
    builder = BookBuilder(SYMBOL, Upstream(), OKX_BOOKS, books.BookFeed(), exchange="okx", checksum=books.checksum)
    builder.on_subscribed()
    return builder


def push(action: str, sequence: int, previous: int, bids: Rows, asks: Rows, checksum: int = 0) -> books.BookPush:
    row = {"bids": bids, "asks": asks, "ts": "1790439594900", "seqId": sequence, "prevSeqId": previous}
    arg = {"channel": "books", "instId": "BTC-USDT-SWAP"}
    return PUSH.decode(json.dumps({"arg": arg, "action": action, "data": [row | {"checksum": checksum}]}))


def signed(text: str) -> int:
    value = crc32(text.encode())
    return value - (1 << 32) if value & 0x8000_0000 else value


BIDS, ASKS = [["99.5", "3", "0", "1"], ["99", "5", "0", "1"]], [["100.10", "7", "0", "2"]]
CHECK = signed("99.5:3:100.10:7:99:5")


def test_amounts_are_coins(book: BookBuilder[books.BookPush]) -> None:
    book.on_message(push("snapshot", 10, -1, BIDS, ASKS), 1)
    assert list(book.view.asks()) == [PriceLevel(Decimal("100.1"), Decimal("0.07"))]


def test_a_keep_alive_publishes_nothing_and_keeps_the_book(book: BookBuilder[books.BookPush]) -> None:
    book.on_message(push("snapshot", 10, -1, BIDS, ASKS), 1)
    upstream = book.source
    before, seen = upstream.last_data, book.sequence
    book.on_message(push("update", 10, 10, [], []), 2)
    assert book.sequence == seen == 10
    assert book.view.received_ms == 2
    assert upstream.last_data != before


def test_a_keep_alive_at_another_place_is_a_gap(book: BookBuilder[books.BookPush]) -> None:
    book.on_message(push("snapshot", 10, -1, BIDS, ASKS), 1)
    book.on_message(push("update", 12, 12, [], []), 2)
    assert not book.valid


def test_ids_that_restart_lower_still_chain(book: BookBuilder[books.BookPush]) -> None:
    book.on_message(push("snapshot", 10, -1, BIDS, ASKS), 1)
    book.on_message(push("update", 3, 10, [["99.5", "0", "0", "0"]], []), 2)
    assert book.sequence == 3
    assert book.view.best_bid == PriceLevel(Decimal(99), Decimal("0.05"))


def test_a_right_checksum_is_passed_and_a_wrong_one_loses_the_book(book: BookBuilder[books.BookPush]) -> None:
    book.on_message(push("snapshot", 10, -1, BIDS, ASKS, CHECK), 1)
    assert book.valid
    book.on_message(push("update", 11, 10, [["99.5", "4", "0", "1"]], [], signed("99.5:4:100.10:7:99:5")), 2)
    assert book.valid
    book.on_message(push("update", 12, 11, [["99.5", "5", "0", "1"]], [], CHECK), 3)
    assert not book.valid


def test_a_checksum_of_zero_is_none(book: BookBuilder[books.BookPush]) -> None:
    book.on_message(push("snapshot", 10, -1, BIDS, ASKS, CHECK), 1)
    book.on_message(push("update", 11, 10, [["99.5", "4", "0", "1"]], []), 2)
    assert book.valid


def test_a_checksum_that_begins_in_the_middle_waits_for_a_snapshot(book: BookBuilder[books.BookPush]) -> None:
    book.on_message(push("snapshot", 10, -1, BIDS, ASKS), 1)
    book.on_message(push("update", 11, 10, [["99.5", "4", "0", "1"]], [], 12345), 2)
    assert book.valid


def test_an_asked_book_without_an_id_is_no_start() -> None:
    with pytest.raises(ExchangeAPIError, match="without a seqId"):
        books.snapshot(wire.Book(asks=[], bids=[], ts="1790439594900"), SYMBOL, received_ms=1)

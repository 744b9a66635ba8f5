"""From the ``books`` channel and GET /market/books to the framework's book builder."""

from __future__ import annotations

from typing import Final

import msgspec

from fra.adapters.custom.books import BookBuilder, BookSnapshot
from fra.adapters.custom.levels import Levels, interleaved_crc32
from fra.core import ExchangeAPIError, Symbol
from fra.exchanges.okx import wire
from fra.exchanges.okx.convert import moment

RawRow = msgspec.Raw
BookPush = wire.Push[RawRow]
"""A message of the ``books`` channel; its row is decoded by :class:`BookFeed`, which rarely needs the spelling too."""

_CHANGE: Final = msgspec.json.Decoder(wire.BookChange, strict=False)
_TEXTS: Final = msgspec.json.Decoder(wire.BookTexts)
_CHECKED_LEVELS: Final = 25


class BookFeed:
    """Hands the messages of one book to its builder (API v5 guide, "Order book channel").

    Checksums are compared from a snapshot that has one until the first message without: the spelling of every level
    in the book must be known.
    """

    def __init__(self) -> None:
        self._checked = False

    def __call__(self, book: BookBuilder[BookPush], push: BookPush, received_ms: int) -> None:
        for raw in push.data:
            row = _CHANGE.decode(raw)
            bids = [(level.px, level.sz) for level in row.bids]
            asks = [(level.px, level.sz) for level in row.asks]
            timestamp_ms = int(row.ts)
            whole = push.action == "snapshot"
            self._checked = row.checksum != 0 and (whole or self._checked)
            check = None
            if self._checked:
                check = row.checksum
                texts = _TEXTS.decode(raw)
                book.levels.keep_texts(texts.bids)
                book.levels.keep_texts(texts.asks)
            if whole:
                book.snapshot(bids, asks, received_ms, sequence=row.seqId, timestamp_ms=timestamp_ms, check=check)
            elif not bids and not asks and row.seqId == row.prevSeqId == book.sequence:
                book.touch(received_ms)
            else:
                book.update(
                    bids,
                    asks,
                    received_ms,
                    last=row.seqId,
                    previous=row.prevSeqId,
                    timestamp_ms=timestamp_ms,
                    check=check,
                )


def checksum(levels: Levels) -> int:
    """What OKX's ``checksum`` would be for these levels."""
    return interleaved_crc32(*levels.texts(_CHECKED_LEVELS))


def snapshot(row: wire.Book, symbol: Symbol, *, received_ms: int) -> BookSnapshot:
    """A REST book as the builder starts from one. Raises ExchangeAPIError where it has no ``seqId``."""
    if row.seqId is None:
        raise ExchangeAPIError(f"the book of {symbol.venue_id} came without a seqId", response=repr(row))
    return BookSnapshot(
        bids=[(float(level[0]), level[1]) for level in row.bids],
        asks=[(float(level[0]), level[1]) for level in row.asks],
        sequence=row.seqId,
        timestamp_ms=moment(row.ts),
        received_ms=received_ms,
    )

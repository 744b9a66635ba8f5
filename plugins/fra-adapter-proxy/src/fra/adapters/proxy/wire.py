"""What travels: msgpack of fra's models, as they are declared, and never code. One version for all of it.

Money travels as text and is a Decimal again; times are milliseconds; enums travel by their values. What does not
decode into the declared type is refused.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

import fra.core
from fra.adapters.proxy.subjects import VERSION
from fra.core import (
    ExchangeAPIError,
    ExchangeError,
    FraError,
    OrderBook,
    PriceLevel,
    RefusedInstrument,
    StreamGap,
    StreamStatus,
    Symbol,
    SymbolList,
)

T = TypeVar("T")
Level = tuple[Decimal, Decimal]
_NOTHING: Final = Decimal(0)
_NIL: Final = msgspec.Raw(b"\xc0")
Plain = str | int | float | bool | list[str] | None


class Failure(msgspec.Struct, array_like=True):
    """An error of fra's tree: its class by name, and what it carries."""

    kind: str
    message: str
    fields: dict[str, Plain]


class Call(msgspec.Struct, array_like=True):
    """A question. ``deadline_ms``, by the asking clock, is when nobody waits for the answer any more."""

    version: int
    id: str
    deadline_ms: int
    arguments: msgspec.Raw


class Answer(msgspec.Struct, array_like=True):
    """The answer: a value, or why there is none."""

    version: int
    value: msgspec.Raw = _NIL
    failure: Failure | None = None


class Book(msgspec.Struct, array_like=True):
    """A whole order book, or the levels that changed since the one before (amount 0: gone)."""

    received_ms: int
    timestamp_ms: int | None
    sequence: int | None
    valid: bool
    bids: list[Level]
    asks: list[Level]


class Symbols(msgspec.Struct, array_like=True):
    symbols: list[Symbol]
    refused: list[tuple[str, str]]


class Status(msgspec.Struct, array_like=True):
    status: StreamStatus
    failure: Failure | None = None


class Gap(msgspec.Struct, array_like=True):
    message: str
    start: int | None
    end: int | None


class Frame(msgspec.Struct, array_like=True):
    """One message of a public stream. ``number`` counts the stream's frames within the host's ``epoch``."""

    epoch: str
    number: int
    kind: str
    body: msgspec.Raw


ITEM: Final = "item"
WHOLE: Final = "whole"
DELTA: Final = "delta"
STATUS: Final = "status"
GAP: Final = "gap"


class Opened(msgspec.Struct, array_like=True):
    """The state of a stream at ``number``: what comes on its subject goes on from there."""

    epoch: str
    number: int
    status: Status
    kind: str | None = None
    body: msgspec.Raw = _NIL


class Beat(msgspec.Struct, array_like=True):
    """The host lives. By stream: the number of its newest frame, its status, and seconds since it last had data."""

    epoch: str
    streams: dict[str, tuple[int, StreamStatus, float | None]]
    connection: str
    reduced: dict[str, list[str]] = {}
    """Classes of the exchange's own that travel as less: as which model, and the fields that stay behind."""


class Note(msgspec.Struct, array_like=True):
    """One event of an account: ``kind`` is the model's name, or ``StreamGap``."""

    version: int
    kind: str
    body: msgspec.Raw


def encode(value: object) -> bytes:
    """``value`` as msgpack."""
    return _ENCODER.encode(value)


def raw(value: object) -> msgspec.Raw:
    """``value`` encoded, to stand inside another message."""
    return msgspec.Raw(_ENCODER.encode(value))


def decode(data: bytes | msgspec.Raw | memoryview, type_: type[T]) -> T:
    """Raises ExchangeError for what is no ``type_`` of this version."""
    try:
        return msgspec.msgpack.decode(data, type=type_)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        name = getattr(type_, "__name__", str(type_))
        raise ExchangeError(
            f"a message is no {name}: {error}", cure="run the same version of fra-adapter-proxy on both sides"
        ) from error


def check_version(version: int) -> None:
    """Raises ExchangeError for another version than ours."""
    if version != VERSION:
        raise ExchangeError(
            f"the other side speaks version {version} of the proxy's protocol, we speak {VERSION}",
            cure="run the same version of fra-adapter-proxy on both sides",
        )


def _exact(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} does not travel")


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_exact)


# --- errors


def failure(error: Exception, *, exchange: str) -> Failure:
    """``error`` for the way. Over there the exchange has another name than here, ``exchange``: it is left out."""
    if not isinstance(error, FraError):
        error = ExchangeError(f"the host failed: {type(error).__name__}")
    fields: dict[str, Plain] = {}
    for name, value in vars(error).items():
        if name == "message" or value is None or (name == "exchange" and value == exchange):
            continue
        if isinstance(value, str | int | float | bool):
            fields[name] = value
        elif isinstance(value, tuple):
            fields[name] = [str(part) for part in value]
    return Failure(type(error).__name__, error.message, fields)


def as_error(failure: Failure) -> FraError:
    """The error that was raised over there, of the same class, with all that it carried."""
    cls = error_classes().get(failure.kind, ExchangeAPIError if "status_code" in failure.fields else ExchangeError)
    known = inspect.signature(cls.__init__).parameters
    fields = {name: value for name, value in failure.fields.items() if name in known}
    try:
        return cls(failure.message, **fields)  # type: ignore[arg-type]  # checked by the constructor's own signature
    except TypeError:  # a field that this class cannot do without is missing
        return ExchangeError(f"{failure.kind}: {failure.message}")


def error_classes() -> Mapping[str, type[FraError]]:
    """Every class of fra's tree that has a public name."""
    found = (getattr(fra.core, name) for name in fra.core.__all__)
    return {cls.__name__: cls for cls in found if isinstance(cls, type) and issubclass(cls, FraError)}


def as_gap(gap: Gap) -> StreamGap:
    return StreamGap(gap.message, start=gap.start, end=gap.end)


def of_gap(gap: StreamGap) -> Gap:
    return Gap(gap.message, gap.start, gap.end)


# --- models that do not travel as they are


def of_book(book: OrderBook) -> Book:
    return Book(
        book.received_ms,
        book.timestamp_ms,
        book.sequence,
        book.valid,
        _levels(book.bids),
        _levels(book.asks),
    )


def _levels(side: Sequence[PriceLevel]) -> list[Level]:
    """A price is there once: levels of several members of an aggregated exchange are one."""
    levels = [(level.price, level.amount) for level in side]
    if len({price for price, _ in levels}) == len(levels):
        return levels
    amounts: dict[Decimal, Decimal] = {}
    for price, amount in levels:
        amounts[price] = amounts.get(price, _NOTHING) + amount
    return [*amounts.items()]


def as_book(symbol: str, book: Book) -> OrderBook:
    return OrderBook(
        symbol=symbol,
        bids=tuple(PriceLevel(*level) for level in book.bids),
        asks=tuple(PriceLevel(*level) for level in book.asks),
        received_ms=book.received_ms,
        timestamp_ms=book.timestamp_ms,
        sequence=book.sequence,
        valid=book.valid,
    )


def of_symbols(symbols: SymbolList) -> Symbols:
    return Symbols(list(symbols), [(one.venue_id, one.reason) for one in symbols.refused])


def as_symbols(symbols: Symbols) -> SymbolList:
    found = SymbolList(symbols.symbols)
    found.refused = tuple(RefusedInstrument(*one) for one in symbols.refused)
    return found


# --- large answers

_PACK_FROM: Final = 32_768
_MOST: Final = 256 * 1024 * 1024
_PACKED: Final = b"z"


def pack(data: bytes) -> bytes:
    """``data``, compressed where it is large: a broker takes a megabyte, a venue lists thousands of symbols."""
    return data if len(data) < _PACK_FROM else _PACKED + zlib.compress(data, 1)


def unpack(data: bytes) -> bytes:
    """What :func:`pack` packed. Raises ExchangeError for what is broken or larger than 256 MiB."""
    if not data.startswith(_PACKED):
        return data
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(memoryview(data)[1:], _MOST)
    except zlib.error as error:
        raise ExchangeError(f"a message is broken: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise ExchangeError("a message is larger than it may be, or cut off")
    return plain

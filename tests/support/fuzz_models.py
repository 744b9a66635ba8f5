"""What a model that comes out may hold, whatever came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import attrs

from fra.core import BookView, FraError, OrderBook

_PLAIN = frozenset((str, bytes, int, float, bool))
_SMALLEST_MS, _LARGEST_MS = 100_000_000_000, 10_000_000_000_000


def check_model(value: Any, where: str = "answer") -> None:
    """Finite Decimals, times in milliseconds, no float where money is, and books that are sorted."""
    kind = value.__class__
    if value is None or kind in _PLAIN:
        return
    if kind is Decimal:
        assert value.is_finite(), f"{where} is {value}"
    elif kind in (OrderBook, BookView):
        check_book(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_model(item, f"{where}[{key!r}]")
    elif isinstance(value, Sequence):
        for item in value:
            check_model(item, where)
    elif attrs.has(kind) and not isinstance(value, FraError):
        for name, holds in _fields(kind):
            item = getattr(value, name)
            if item is None:
                continue
            if holds is int:
                assert type(item) is int, f"{kind.__name__}.{name} is {item!r}"
                assert _SMALLEST_MS <= item < _LARGEST_MS, f"{kind.__name__}.{name} is {item}"
            elif holds is Decimal:
                assert type(item) is Decimal, f"{kind.__name__}.{name} is {item!r}"
                assert item.is_finite(), f"{kind.__name__}.{name} is {item}"
            else:
                check_model(item, name)


@cache
def _fields(kind: type) -> tuple[tuple[str, type | None], ...]:
    """The fields of a model, and whether each is a time in milliseconds (int), money (Decimal) or something else."""
    found: list[tuple[str, type | None]] = []
    for field in attrs.fields(kind):
        money = str(field.type).removesuffix(" | None") == "Decimal"
        found.append((field.name, int if field.name.endswith("_ms") else Decimal if money else None))
    return tuple(found)


def check_book(book: OrderBook | BookView) -> None:
    """A valid one is sorted, finite and positive on both sides, and not crossed."""
    if not book.valid:
        return
    bids, asks = (book.bids, book.asks) if isinstance(book, OrderBook) else (book.bids(), book.asks())
    for side, levels in (("bids", bids), ("asks", asks)):
        prices = [level.price for level in levels]
        for level in levels:
            for number in (level.price, level.amount):
                assert type(number) is Decimal, f"{side} hold {number!r}"
                assert number.is_finite(), f"{side} hold {number}"
                assert number > 0, f"{side} hold {number}"
        assert prices == sorted(set(prices), reverse=side == "bids"), f"{side} are not sorted: {prices[:5]}"
    if bids and asks:
        assert bids[0].price < asks[0].price, f"crossed: {bids[0].price} ≥ {asks[0].price}"


def check_told(error: FraError) -> None:
    """It says something, in one line that ends."""
    assert 0 < len(str(error)) < 20_000

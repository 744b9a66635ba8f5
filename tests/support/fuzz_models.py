"""What a model that comes out may hold, whatever came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from fra.core import BookView, FraError, OrderBook

_SMALLEST_MS, _LARGEST_MS = 100_000_000_000, 10_000_000_000_000


def check_model(value: Any, where: str = "answer") -> None:
    """Finite Decimals, times in milliseconds, no float where money is, and books that are sorted."""
    if isinstance(value, OrderBook | BookView):
        check_book(value)
    elif isinstance(value, Decimal):
        assert value.is_finite(), f"{where} is {value}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_model(item, f"{where}[{key!r}]")
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            check_model(item, f"{where}[{index}]")
    elif attrs.has(type(value)) and not isinstance(value, FraError):
        for field in attrs.fields(type(value)):
            item = getattr(value, field.name)
            name = f"{type(value).__name__}.{field.name}"
            if field.name.endswith("_ms") and item is not None:
                assert type(item) is int, f"{name} is {item!r}"
                assert _SMALLEST_MS <= item < _LARGEST_MS, f"{name} is {item}"
            elif "Decimal" in str(field.type) and "Mapping" not in str(field.type) and item is not None:
                assert type(item) is Decimal, f"{name} is {item!r}"
                assert item.is_finite(), f"{name} is {item}"
            else:
                check_model(item, name)


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

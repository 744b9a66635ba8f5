"""MEXC's streamed books of contracts, where ccxt fails over exact numbers and does not see a missing update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fra.adapters.ccxt.numbers import Exact
from fra.core import ExchangeConnectionError


def mend(client: Any) -> None:
    """Make ccxt's client keep the text of prices and sizes, and begin a book anew when a version is missing (MEXC,
    futures, "Order Book Depth": each update has the version after the last one's).
    """
    store, apply, ask = client.handle_bookside_delta, client.handle_book_delta, client.fetch_rest_order_book_safe

    async def asked(*args: Any) -> Any:
        book = await ask(*args)
        return {**book, "bids": _exact(book["bids"]), "asks": _exact(book["asks"])}

    def stored(side: Any, rows: Sequence[Any]) -> None:
        store(side, _exact(rows))

    def applied(book: Any, delta: Any) -> None:
        before, version = book["nonce"], delta.get("version")
        if before is not None and version is not None and int(version) > before + 1:
            for symbol in [name for name, known in client.orderbooks.items() if known is book]:
                del client.orderbooks[symbol]
            raise ExchangeConnectionError(f"an update of the book is missing: {before} was followed by {version}")
        apply(book, delta)

    client.handle_bookside_delta, client.handle_book_delta, client.fetch_rest_order_book_safe = stored, applied, asked


def _exact(rows: Sequence[Any]) -> list[Any]:
    """Levels whose numbers ccxt can compare; those of spot are tables, and are left as they are."""
    return [[Exact(one) for one in row] if isinstance(row, list) else row for row in rows]

"""ccxt's caches of orders and own trades, which tell of each update as it comes.

ccxt merges all messages of an order into one row and shows the row when its watcher gets to run: of messages that are
read in one go only the last is seen, and where they came out of turn that is the older word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

CACHES: Final[Mapping[str, str]] = {
    "orders": "watchOrders",
    "triggerOrders": "watchOrders",
    "myTrades": "watchMyTrades",
}
"""ccxt's name of a cache → the list that is watched through it."""
TOLD: Final = "fra_told"
"""Stands in a row whose latest update somebody was told of."""

Listener = Callable[[str, dict[str, Any]], bool]
"""Given the name of the list and the row as it is after an update, to be read at once; whether that was of use."""


class Updates:
    """One of a client's caches: whenever ccxt makes one, it tells the client's ``fra_listeners`` from then on."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, client: Any, owner: type | None = None) -> Any:
        return self if client is None else client.__dict__.get(self._name)

    def __set__(self, client: Any, cache: Any) -> None:
        if hasattr(cache, "hashmap") and "append" not in vars(cache):
            cache.append = _telling(cache, CACHES[self._name], client.fra_listeners)
        client.__dict__[self._name] = cache


def _telling(cache: Any, what: str, listeners: list[Listener]) -> Callable[[dict[str, Any]], None]:
    append, rows = cache.append, cache.hashmap

    def appended(row: dict[str, Any]) -> None:
        append(row)
        kept = (rows.get(row.get("symbol")) or {}).get(row.get("id"), row)
        kept.pop(TOLD, None)
        heard = [listen(what, kept) for listen in listeners]
        if any(heard):
            kept[TOLD] = True

    return appended

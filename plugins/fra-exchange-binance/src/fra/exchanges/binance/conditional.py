"""Conditional orders of USD-M and the plain orders that come of them, as one order each.

The algo service numbers its orders by itself. Once one is triggered, a plain order with another number and the same
client order id does the trading, and its first events come before the algo service says so ("Event: Algo Order
Update"). Whoever sent the order knows one: it keeps its first id, its type and its trigger to its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from fra.core import Fill, Order, Recent

_Key = tuple[str, str]

_KEPT: Final = 2_000
"""How many are remembered: those that were seen last."""


class Conditionals:
    """Remembers conditional orders, and which plain order belongs to which."""

    def __init__(self) -> None:
        self._waiting: Recent[_Key, Order] = Recent(_KEPT)
        self._parents: Recent[_Key, Order] = Recent(_KEPT)
        self._ids: Recent[_Key, None] = Recent(_KEPT)

    def knows(self, symbol: str, order_id: str | None) -> bool:
        """Whether this is the id of a conditional order, as far as it was seen."""
        return (symbol, order_id or "") in self._ids

    def see(self, order: Order, child: str | int | None) -> Order:
        """Take note of a conditional order as it is now; ``child`` is the plain order's id, if there is one."""
        if order.id is not None:
            self._ids[order.symbol, order.id] = None
        if child:
            self._parents[order.symbol, str(child)] = order
        if order.client_order_id is not None:
            key = (order.symbol, order.client_order_id)
            if order.status.final:
                self._waiting.pop(key, None)  # its client id may be used again
            else:
                self._waiting[key] = order
        return order

    def plain(self, order: Order) -> Order:
        """A plain order; one that was triggered as the conditional order that it came of."""
        if order.id is None:
            return order
        parent = self._parents.get((order.symbol, order.id))
        if parent is None and order.client_order_id is not None:
            parent = self._waiting.get((order.symbol, order.client_order_id))
        if parent is None or parent.side is not order.side:
            return order
        self._parents[order.symbol, order.id] = parent
        return attrs.evolve(
            parent,
            status=order.status,
            filled=order.filled,
            average_price=order.average_price,
            reason=order.reason,
            timestamp_ms=order.timestamp_ms,
        )

    def fill(self, fill: Fill) -> Fill:
        """A fill, under the id of the conditional order that it was of."""
        parent = self._parents.get((fill.symbol, fill.order_id or ""))
        if parent is None:
            return fill
        return attrs.evolve(fill, order_id=parent.id, client_order_id=parent.client_order_id)

    def joined(self, plain: Iterable[Order], conditional: Iterable[Order]) -> list[Order]:
        """Both kinds, each order once: of a triggered one what the plain order says."""
        found = [self.plain(order) for order in plain]
        there = {(order.symbol, order.id) for order in found}
        return [*found, *(order for order in conditional if (order.symbol, order.id) not in there)]

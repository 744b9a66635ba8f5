"""OrderTracker: what is known of an account's orders and fills, from whichever side it came, and never backwards."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import Any, Final, final

import attrs

from fra.core.contract.orders import Fill, Order, OrderRequest, OrderStatus
from fra.core.toolkit.recent import Recent

_ORDERS: Final = 10_000
_FILLS: Final = 50_000
_RANKS: Final = {OrderStatus.PENDING: 0, OrderStatus.UNKNOWN: 1, OrderStatus.OPEN: 1}
_FINAL_RANK: Final = 2

_Key = tuple[str, str]


@final
class OrderTracker:
    """Puts together what streams and answers say, in any order and any number of times.

    An order only moves on: ``filled`` never falls, an order that has ended stays ended, news that are older than what
    is known change nothing. A fill is news once, by its trade id. The latest 10,000 orders and 50,000 fills are
    remembered, and the fills of as many orders that nothing else was said of; order ids and client order ids are taken
    as unique within a symbol, as some venues have them.
    """

    def __init__(self) -> None:
        self._orders: OrderedDict[int, Order] = OrderedDict()
        self._by_id: dict[_Key, int] = {}
        self._by_client: dict[_Key, int] = {}
        self._filled: dict[int, Decimal] = {}
        self._fills: Recent[tuple[str, str, str], None] = Recent(_FILLS)
        self._early: Recent[_Key, list[Fill]] = Recent(_ORDERS)
        self._next = 0

    # --- orders

    def expect(self, request: OrderRequest) -> None:
        """``request`` is about to be sent."""
        order = Order.of(request)
        self._remember(order, None)

    def forget(self, symbol: str, client_order_id: str) -> None:
        """It is certain that no order came of it."""
        number = self._by_client.get((symbol, client_order_id))
        if number is not None and self._orders[number].id is None:
            self._drop(number)

    def get(self, symbol: str, *, id: str | None = None, client_order_id: str | None = None) -> Order | None:
        """The order as it is known, by either id."""
        number = self._find(symbol, id, client_order_id)
        return None if number is None else self._orders[number]

    def orders(self) -> tuple[Order, ...]:
        """All that are known, the one that changed last at the end."""
        return tuple(self._orders.values())

    def see(self, order: Order) -> tuple[Order, bool]:
        """Take in what was said of an order: the order as it is known now, and whether that is news."""
        number = self._find(order.symbol, order.id, order.client_order_id)
        known = None if number is None else self._orders[number]
        merged = order if known is None else merge(known, order)
        number = self._remember(merged, number)
        for fill in self._early_fills(merged):
            merged = self._add(number, fill)
        news = known is None or attrs.evolve(merged, timestamp_ms=known.timestamp_ms) != known
        return merged, news

    # --- fills

    def see_fill(self, fill: Fill) -> tuple[bool, Order | None]:
        """Take in a fill: whether it is news, and its order if that changed by it."""
        key = (fill.symbol, fill.trade_id, fill.side.value)
        if key in self._fills:
            return False, None
        self._fills[key] = None
        number = self._find(fill.symbol, fill.order_id, fill.client_order_id)
        if number is None:
            for name in (fill.order_id, fill.client_order_id):
                if name is not None:
                    self._early.setdefault((fill.symbol, name), []).append(fill)
                    break
            return True, None
        before = self._orders[number]
        after = self._add(number, fill)
        return True, after if after != before else None

    def _add(self, number: int, fill: Fill) -> Order:
        """One more fill of this order: it lives, and has traded at least as much as its fills."""
        order = self._orders[number]
        filled = self._filled[number] = self._filled.get(number, Decimal(0)) + fill.amount
        if order.amount is not None:
            filled = min(filled, order.amount)
        changes: dict[str, Any] = {}
        if filled > order.filled:
            changes["filled"] = filled
        if order.status in (OrderStatus.PENDING, OrderStatus.UNKNOWN):
            changes["status"] = OrderStatus.OPEN
        if order.id is None and fill.order_id is not None:
            changes["id"] = fill.order_id
        if changes:
            order = attrs.evolve(order, **changes)
            self._remember(order, number)
        return order

    def _early_fills(self, order: Order) -> list[Fill]:
        fills: list[Fill] = []
        for name in (order.id, order.client_order_id):
            if name is not None:
                fills += self._early.pop((order.symbol, name), ())
        return fills

    # --- memory

    def _find(self, symbol: str, id: str | None, client_order_id: str | None) -> int | None:
        if id is not None and (number := self._by_id.get((symbol, id))) is not None:
            return number
        if client_order_id is None:
            return None
        number = self._by_client.get((symbol, client_order_id))
        # A client order id may be used again once its order has ended: then it is another order.
        if number is not None and id is not None and self._orders[number].id not in (None, id):
            return None
        return number

    def _remember(self, order: Order, number: int | None) -> int:
        if number is None:
            number, self._next = self._next, self._next + 1
        self._orders[number] = order
        self._orders.move_to_end(number)
        if order.id is not None:
            self._by_id[order.symbol, order.id] = number
        if order.client_order_id is not None:
            self._by_client[order.symbol, order.client_order_id] = number
        while len(self._orders) > _ORDERS:
            ended = next((n for n, known in self._orders.items() if known.status.final), None)
            if ended is None or ended == number:
                break  # so many open orders are kept, whatever they cost
            self._drop(ended)
        return number

    def _drop(self, number: int) -> None:
        order = self._orders.pop(number)
        self._filled.pop(number, None)
        if order.id is not None and self._by_id.get((order.symbol, order.id)) == number:
            del self._by_id[order.symbol, order.id]
        if order.client_order_id is not None and self._by_client.get((order.symbol, order.client_order_id)) == number:
            del self._by_client[order.symbol, order.client_order_id]


def merge(known: Order, said: Order) -> Order:
    """``known`` moved on by what was ``said`` of the same order; what was not said stays.

    What moves on: more is filled; it has ended; or, where neither decides, the venue's later word.
    """
    ahead = _is_ahead(said, known)
    first, second = (said, known) if ahead else (known, said)
    fields: dict[str, Any] = {
        field.name: value
        for field in attrs.fields(Order)
        if (value := getattr(first, field.name)) is None and (value := getattr(second, field.name)) is not None
    }
    filled = max(known.filled, said.filled)
    if filled != first.filled:
        fields["filled"] = filled
    if known.created_ms is not None:
        fields["created_ms"] = known.created_ms  # an acknowledgement's time and the order's own differ by a little
    return attrs.evolve(first, **fields) if fields else first


def _is_ahead(said: Order, known: Order) -> bool:
    rank, known_rank = _rank(said), _rank(known)
    if said.filled != known.filled and (rank == known_rank or _FINAL_RANK not in (rank, known_rank)):
        return said.filled > known.filled
    if rank != known_rank:
        return rank > known_rank
    if rank == _FINAL_RANK and said.status is not known.status:
        return known.status is OrderStatus.REJECTED  # its first end is its end, unless that was no word of the venue's
    if said.timestamp_ms is None or known.timestamp_ms is None:
        return True
    return said.timestamp_ms >= known.timestamp_ms


def _rank(order: Order) -> int:
    return _RANKS.get(order.status, _FINAL_RANK)

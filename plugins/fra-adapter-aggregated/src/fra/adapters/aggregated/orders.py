"""Orders that are one here and one or several there: ids with their members, and one order of the parts."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs

from fra.adapters.aggregated.listings import Part, Units
from fra.core import ClientOrderIdRule, Fill, Order, OrderRequest, OrderStatus

_LENGTH: Final = 24
_KEPT: Final = 10_000
_AND: Final = "+"
_OF: Final = "/"
RESERVED: Final = (_AND, _OF)
"""What no member's name may hold."""
_ANY_RULE: Final = ClientOrderIdRule(32)


def member_id(member: str, id: str) -> str:
    """A member's id as ours: ``okx-main/123``."""
    return f"{member}{_OF}{id}"


def split_id(order_id: str) -> dict[str, str] | None:
    """Member → its id, of an id of ours: ``okx-main/123+bybit-main/7``; None for what is none."""
    found: dict[str, str] = {}
    for one in order_id.split(_AND):
        member, slash, id = one.partition(_OF)
        if not (member and slash and id):
            return None
        found[member] = id
    return found


def child_id(client_order_id: str, member: str, rule: ClientOrderIdRule | None) -> str:
    """The client order id at a member: made of ours and the member's name, always the same, by the member's rule."""
    rule = rule if rule is not None else _ANY_RULE
    number = int.from_bytes(hashlib.sha256(f"{member}{_OF}{client_order_id}".encode()).digest())
    alphabet = "".join(sorted({char for char in rule.alphabet if char.isalnum()})) or rule.alphabet
    letters = []
    for _ in range(min(rule.max_length, _LENGTH) - len(rule.prefix)):
        number, index = divmod(number, len(alphabet))
        letters.append(alphabet[index])
    if letters[0] == "0" and len(alphabet) > 1:
        letters[0] = alphabet[1]  # a venue that takes numbers would drop it
    return rule.prefix + "".join(letters)


@attrs.define
class Placed:
    """One part of an order: what a member was sent, and what is known of it. ``error`` is why there is none."""

    client_order_id: str
    amount: Decimal | None
    part: Part
    order: Order | None = None
    error: Exception | None = None
    unknown: bool = False


@attrs.define
class Known:
    """One order of ours and its parts by member."""

    request: OrderRequest
    parts: dict[str, Placed]

    def see(self, member: str, order: Order) -> Order:
        """Take in what a member said of its part; the order as it is now."""
        placed = self.parts[member]
        if placed.order is None or order.filled >= placed.order.filled:
            placed.order, placed.error, placed.unknown = order, None, False
        return self.order()

    def order(self) -> Order:
        """The whole. Its id is told when every part has one; ``reason`` says what became of parts that are not."""
        request = self.request
        told = {member: placed.order for member, placed in self.parts.items() if placed.order is not None}
        whole = whole_of(request.symbol, {member: (order, self.parts[member].part) for member, order in told.items()})
        refused = {member: placed for member, placed in self.parts.items() if placed.error is not None}
        waiting = [placed for placed in self.parts.values() if placed.order is None and placed.error is None]
        status = OrderStatus.PENDING if whole is None else whole.status
        if any(placed.unknown for placed in self.parts.values()):
            status = OrderStatus.UNKNOWN
        elif waiting:
            status = OrderStatus.PENDING
        elif refused and status is OrderStatus.FILLED:
            status = OrderStatus.CANCELED  # what was refused will not fill
        reasons = [f"{member}: {placed.error}" for member, placed in refused.items()]
        if whole is not None and whole.reason:
            reasons.append(whole.reason)
        start = Order.of(request) if whole is None else whole
        return attrs.evolve(
            start,
            type=request.type,
            side=request.side,
            status=status,
            id=None if waiting or any(order.id is None for order in told.values()) else start.id,
            client_order_id=request.client_order_id,
            amount=request.amount if request.amount is not None else start.amount,
            quote_amount=request.quote_amount,
            price=request.price if len(self.parts) > 1 else start.price,
            reason="; ".join(reasons) or None,
        )


def whole_of(name: str, parts: Mapping[str, tuple[Order, Units]]) -> Order | None:
    """One order of the members' orders, in our units, without what only a :class:`Known` knows."""
    rows = [(member, converted(order, name, part, member)) for member, (order, part) in parts.items()]
    if len(rows) == 1:
        return rows[0][1]
    if not rows:
        return None
    orders = [order for _, order in rows]
    filled = sum((order.filled for order in orders), Decimal(0))
    worth = [(order.average_price, order.filled) for order in orders if order.filled]
    paid = [price * amount for price, amount in worth if price is not None]
    amounts = [order.amount for order in orders if order.amount is not None]
    ids = [order.id for order in orders if order.id is not None]
    return attrs.evolve(
        orders[0],
        id=_AND.join(ids) if len(ids) == len(orders) else None,
        client_order_id=None,
        status=_status([order.status for order in orders]),
        amount=sum(amounts, Decimal(0)) if len(amounts) == len(orders) else None,
        filled=filled,
        average_price=sum(paid, Decimal(0)) / filled if filled and len(paid) == len(worth) else None,
        reason="; ".join(f"{member}: {order.reason}" for member, order in rows if order.reason) or None,
        created_ms=min((order.created_ms for order in orders if order.created_ms is not None), default=None),
        timestamp_ms=max((order.timestamp_ms for order in orders if order.timestamp_ms is not None), default=None),
    )


def _status(statuses: Sequence[OrderStatus]) -> OrderStatus:
    """What decides: first what is not known, then what still lives, then how it ended."""
    for status in (OrderStatus.UNKNOWN, OrderStatus.PENDING, OrderStatus.OPEN):
        if status in statuses:
            return status
    if len(set(statuses)) == 1:
        return statuses[0]
    return next((s for s in (OrderStatus.EXPIRED, OrderStatus.CANCELED) if s in statuses), OrderStatus.CANCELED)


def converted(order: Order, name: str, part: Units, member: str) -> Order:
    """A member's order under our name, with its member in its id, in our units."""
    changes: dict[str, object] = {"symbol": name}
    if order.id is not None:
        changes["id"] = member_id(member, order.id)
    if part.scale != 1:
        changes["filled"] = part.amount(order.filled)
        if order.amount is not None:
            changes["amount"] = part.amount(order.amount)
        for price in ("price", "average_price", "trigger_price"):
            if (value := getattr(order, price)) is not None:
                changes[price] = part.price(value)
    return attrs.evolve(order, **changes)  # type: ignore[arg-type]  # each is of its field's own type


def fill_of(fill: Fill, name: str, part: Units, member: str) -> Fill:
    """A member's fill under our name, with its member in its ids, in our units."""
    return attrs.evolve(
        fill,
        symbol=name,
        trade_id=member_id(member, fill.trade_id),
        order_id=None if fill.order_id is None else member_id(member, fill.order_id),
        price=part.price(fill.price),
        amount=part.amount(fill.amount),
    )


class Ledger:
    """The orders that were sent from here, by our client order id and by each member's ids."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._by_child: dict[tuple[str, str], Known] = {}

    def add(self, known: Known) -> None:
        """Remember it, before anything is sent."""
        request = known.request
        assert request.client_order_id is not None
        self._known[request.symbol, request.client_order_id] = known
        for member, placed in known.parts.items():
            self._by_child[member, placed.client_order_id] = known
        while len(self._known) > _KEPT:
            _, old = self._known.popitem(last=False)
            for member, placed in old.parts.items():
                self._by_child.pop((member, placed.client_order_id), None)

    def find(self, symbol: str | None, client_order_id: str) -> Known | None:
        """By our client order id; without a symbol the one that was sent last."""
        if symbol is not None:
            return self._known.get((symbol, client_order_id))
        return next((known for (_, id), known in reversed(self._known.items()) if id == client_order_id), None)

    def of_child(self, member: str, client_order_id: str | None) -> Known | None:
        """By the client order id at a member."""
        return None if client_order_id is None else self._by_child.get((member, client_order_id))

    def by_ids(self, ids: Mapping[str, str]) -> Known | None:
        """By the members' own ids."""
        return next((known for known in reversed(self._known.values()) if _has(known, ids)), None)


def _has(known: Known, ids: Mapping[str, str]) -> bool:
    return all(
        (placed := known.parts.get(member)) is not None and placed.order is not None and placed.order.id == id
        for member, id in ids.items()
    )


def newest_first(orders: Iterable[Order]) -> list[Order]:
    """By when they were placed, those that do not say last."""
    return sorted(orders, key=lambda order: (order.created_ms is None, order.created_ms or 0))

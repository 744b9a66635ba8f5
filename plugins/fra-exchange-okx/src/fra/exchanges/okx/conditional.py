"""Stop and take-profit orders: OKX's algo orders, and the ordinary orders that come of them, as one order each.

An algo order has an id of its own, and once it is triggered an ordinary order with another id does the trading. Whoever
sent it knows the first id and its own client order id: under these the order stays known to its end.
"""

from __future__ import annotations

from typing import Final

import attrs

from fra.core import Order, OrderStatus, OrderType, Recent, Symbol, TimeInForce
from fra.exchanges.okx import account, wire
from fra.exchanges.okx.convert import SIDES, moment

KINDS: Final = "conditional"
"""The ``ordType`` that is covered: one-way stop losses and take profits. Algo orders of other kinds that were made
elsewhere (OCO, trailing, trigger, chase, iceberg, TWAP) are not shown."""
_REMEMBERED: Final = 10_000
_OF_STOP: Final = "7"


class Conditionals:
    """Remembers algo orders, and which ordinary order belongs to which."""

    def __init__(self) -> None:
        self._rows: Recent[str, wire.AlgoOrder] = Recent(_REMEMBERED)
        self._parents: Recent[str, str] = Recent(_REMEMBERED)

    def remember(self, row: wire.AlgoOrder) -> None:
        """Take note of an algo order as it is now."""
        self._rows[row.algoId] = row
        for child in children(row):
            self._parents[child] = row.algoId

    def get(self, algo_id: str) -> wire.AlgoOrder | None:
        """The algo order as it was last seen."""
        return self._rows.get(algo_id)

    def forget(self, algo_id: str | None) -> None:
        """OKX knows it no more."""
        self._rows.pop(algo_id or "", None)

    def waiting(self) -> list[wire.AlgoOrder]:
        """Those that were not triggered when they were last seen."""
        return [row for row in self._rows.values() if account.ALGO_STATES.get(row.state) is OrderStatus.OPEN]

    def of_fill(self, row: wire.Fill) -> tuple[str, str | None] | None:
        """Order id and client order id to tell of a fill, where it is one of a triggered order that is known."""
        parent = self._rows.get(self._parents.get(row.ordId, ""))
        return None if parent is None else (parent.algoId, parent.algoClOrdId or None)

    def order(self, row: wire.Order, symbol: Symbol) -> Order:
        """An ordinary order; one that was triggered under the ids, type and trigger price of its algo order."""
        plain = account.order(row, symbol)
        parent = self._rows.get(row.algoId)
        if not is_triggered(row) or (parent is not None and len(children(parent)) > 1):
            return plain
        self._parents[row.ordId] = row.algoId
        client_id = row.algoClOrdId or (parent.algoClOrdId if parent is not None else "")
        if parent is None:
            return attrs.evolve(plain, id=row.algoId, client_order_id=client_id or None)
        waited = untriggered(parent, symbol)
        return attrs.evolve(
            plain,
            id=row.algoId,
            client_order_id=client_id or None,
            type=waited.type,
            price=waited.price,
            trigger_price=waited.trigger_price,
            created_ms=waited.created_ms,
        )


def is_triggered(row: wire.Order) -> bool:
    """Whether it came of a stop loss or take profit, and not of an algo order that makes many."""
    return bool(row.algoId) and row.source == _OF_STOP


def children(row: wire.AlgoOrder) -> list[str]:
    """The ids of the ordinary orders that came of it."""
    return row.ordIdList or ([row.ordId] if row.ordId else [])


def untriggered(row: wire.AlgoOrder, symbol: Symbol) -> Order:
    """An algo order that was not triggered, or of which nothing more is known than that it was: then UNKNOWN."""
    stop = bool(row.slTriggerPx)
    price = account.price(row.slOrdPx if stop else row.tpOrdPx)
    size, spent = account.sizes(row, symbol, market=price is None)
    status = account.ALGO_STATES.get(row.state, OrderStatus.UNKNOWN)
    return Order(
        symbol=symbol.name,
        side=SIDES[row.side],
        type=OrderType.STOP if stop else OrderType.TAKE_PROFIT,
        status=status,
        id=row.algoId,
        client_order_id=row.algoClOrdId or None,
        amount=size,
        quote_amount=spent,
        price=price,
        trigger_price=account.price(row.slTriggerPx if stop else row.tpTriggerPx),
        time_in_force=TimeInForce.GTC,
        post_only=False,
        reduce_only=account.FLAGS.get(row.reduceOnly),
        position_side=account.POSITION_SIDES.get(row.posSide),
        reason=f"OKX could not place it: {row.failCode}" if status is OrderStatus.REJECTED else None,
        created_ms=moment(row.cTime),
        timestamp_ms=moment(row.uTime) or moment(row.cTime),
    )

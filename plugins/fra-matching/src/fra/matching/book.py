"""The two halves of a market's liquidity: accounts' resting orders, and the levels of the world outside."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from decimal import Decimal

from fra.matching.account import Account
from fra.matching.instrument import ZERO, Instrument
from fra.matching.order import Order, Side

Level = tuple[Decimal, Decimal]


class RestingSide:
    """One side's resting orders: by price, then by time."""

    def __init__(self, side: Side) -> None:
        self._sign = -side.sign
        self.keys: list[Decimal] = []  # prices, best first: bids are negated
        self._queues: dict[Decimal, dict[int, Account]] = {}

    def __bool__(self) -> bool:
        return bool(self.keys)

    def add(self, account: Account, order: Order) -> None:
        assert order.price is not None
        key = order.price * self._sign
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = {}
            insort(self.keys, key)
        queue[order.id] = account

    def remove(self, order: Order) -> None:
        assert order.price is not None
        key = order.price * self._sign
        queue = self._queues.get(key)
        if queue is None or queue.pop(order.id, None) is None or queue:
            return
        del self._queues[key]
        del self.keys[bisect_left(self.keys, key)]

    def __iter__(self) -> Iterator[tuple[Decimal, Account, Order]]:
        """Price, account and order, best first."""
        for key in self.keys:
            for order_id, account in self._queues[key].items():
                yield key * self._sign, account, account.orders[order_id]

    def levels(self) -> tuple[Level, ...]:
        return tuple(
            (key * self._sign, sum((a.orders[i].remaining for i, a in self._queues[key].items()), ZERO))
            for key in self.keys
        )


class OutsideSide:
    """One side of the outside book as last told, less what was taken since."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.levels: Sequence[Level] = ()
        self.taken: dict[Decimal, Decimal] = {}

    def __iter__(self) -> Iterator[Level]:
        """What is left, best first, in whole lots: a fill leaves no order off its grid."""
        taken = self.taken
        for price, amount in self.levels:
            left = self.instrument.floor(amount - taken.get(price, ZERO))
            if left > 0:
                yield price, left

    def take(self, price: Decimal, amount: Decimal) -> None:
        self.taken[price] = self.taken.get(price, ZERO) + amount

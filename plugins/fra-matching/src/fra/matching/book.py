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
        self._keys: list[Decimal] = []  # best first: bids are negated
        self._queues: dict[Decimal, dict[int, Account]] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def add(self, account: Account, order: Order) -> None:
        assert order.price is not None
        key = order.price * self._sign
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = {}
            insort(self._keys, key)
        queue[order.id] = account

    def remove(self, order: Order) -> None:
        assert order.price is not None
        key = order.price * self._sign
        queue = self._queues.get(key)
        if queue is None or queue.pop(order.id, None) is None or queue:
            return
        del self._queues[key]
        del self._keys[bisect_left(self._keys, key)]

    def __iter__(self) -> Iterator[tuple[Decimal, Account, Order]]:
        """Price, account and order, best first."""
        for key in self._keys:
            for order_id, account in self._queues[key].items():
                yield key * self._sign, account, account.orders[order_id]

    def levels(self) -> tuple[Level, ...]:
        return tuple(
            (key * self._sign, sum((a.orders[i].remaining for i, a in self._queues[key].items()), ZERO))
            for key in self._keys
        )


class OutsideSide:
    """One side of the outside book as last told, less what was taken since."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self._levels: Sequence[Level] = ()
        self._taken: dict[Decimal, Decimal] = {}

    def tell(self, levels: Sequence[Level]) -> None:
        self._levels = levels
        if self._taken:
            self._taken = {}

    def __iter__(self) -> Iterator[Level]:
        """What is left, best first, in whole lots: a fill leaves no order off its grid."""
        taken = self._taken
        for price, amount in self._levels:
            left = self.instrument.floor(amount - taken.get(price, ZERO))
            if left > 0:
                yield price, left

    def take(self, price: Decimal, amount: Decimal) -> None:
        self._taken[price] = self._taken.get(price, ZERO) + amount

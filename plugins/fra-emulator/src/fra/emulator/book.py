"""One generated order book: integer ticks and lots, deltas with update ids, trades that take what is there."""

import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

import attrs

from fra.emulator.instruments import Instrument


@attrs.frozen
class Trade:
    """A taker's trade against the book, price in ticks, amount in lots."""

    trade_id: int
    price: int
    amount: int
    taker_buys: bool
    time_ms: int
    seq: int


@attrs.frozen
class Step:
    """What one step changed: new lots per tick (0 deletes), and the ids it spans."""

    previous_id: int
    first_id: int
    last_id: int
    bids: Mapping[int, int]
    asks: Mapping[int, int]
    trades: tuple[Trade, ...]
    time_ms: int


@attrs.frozen
class Levels:
    """A whole book at `update_id`: ticks to lots, no order promised."""

    update_id: int
    bids: Mapping[int, int]
    asks: Mapping[int, int]
    time_ms: int


class BookEngine:
    """A book that follows a price, step by step; the same key and the same steps give the same book."""

    HISTORY = 1200

    def __init__(self, instrument: Instrument, *, key: str, mid: float, now_ms: int, levels: int, changes: int) -> None:
        self.instrument = instrument
        self.wanted_ms = now_ms
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.trades: deque[Trade] = deque(maxlen=1000)
        self.time_ms = now_ms
        self._rng = random.Random(key)
        self._levels = levels
        self._changes = changes
        self._tick = float(instrument.tick)
        # a level's price is some ticks from its neighbour: on a fine grid books are sparse, on a coarse one dense
        self._gap = max(1, round(mid * 4e-5 / self._tick / 3))
        self._lot_notional = instrument.lot_notional(mid)
        self.update_id = self._rng.randrange(10**11, 9 * 10**12)
        self._trade_id = self._rng.randrange(10**8, 9 * 10**9)
        self._undo: deque[tuple[int, int, dict[int, int], dict[int, int]]] = deque(maxlen=self.HISTORY)
        best = int(mid / self._tick)
        self._fill(best, best + 1)
        for n in range(50, 0, -1):
            amount = 1 + self._size() // 10
            self._trade(bool(self._rng.getrandbits(1)), amount, now_ms - 200 * n, {}, {}, take=False)

    # -- reading
    @property
    def best_bid(self) -> int:
        return max(self.bids)

    @property
    def best_ask(self) -> int:
        return min(self.asks)

    @property
    def last_trade(self) -> Trade:
        return self.trades[-1]

    def top(self, depth: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The best `depth` levels of each side, best first."""
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        asks = sorted(self.asks.items())[:depth]
        return bids, asks

    def levels(self) -> Levels:
        """A copy of the whole book as it is."""
        return Levels(self.update_id, dict(self.bids), dict(self.asks), self.time_ms)

    def at(self, update_id: int) -> Levels | None:
        """The whole book as it was right after `update_id`, or None if that id ended no step still remembered."""
        bids, asks, current = dict(self.bids), dict(self.asks), self.update_id
        if current == update_id:
            return Levels(current, bids, asks, self.time_ms)
        for previous, time_ms, old_bids, old_asks in reversed(self._undo):
            _restore(bids, old_bids)
            _restore(asks, old_asks)
            current = previous
            if current == update_id:
                return Levels(current, bids, asks, time_ms)
            if current < update_id:
                return None
        return None

    def past(self, steps: int) -> Levels:
        """The whole book `steps` steps ago (or the oldest remembered)."""
        back = [p for p, *_ in reversed(self._undo)][:steps]
        found = self.at(back[-1]) if back else None
        return found if found is not None else self.levels()

    # -- moving
    def step(self, mid: float, now_ms: int) -> Step:
        """Move the book to `mid`: take what stands in the way, add and change levels, trim what is far."""
        rng = self._rng
        bids: dict[int, int] = {}
        asks: dict[int, int] = {}
        old_bids: dict[int, int] = {}
        old_asks: dict[int, int] = {}
        made: list[Trade] = []
        previous, previous_ms = self.update_id, self.time_ms
        target = int(mid / self._tick)
        bid, ask = self.best_bid, self.best_ask
        if target >= ask:
            while self.asks and (price := min(self.asks)) <= target:
                if len(made) < 4:
                    made.append(self._trade(True, self.asks[price], now_ms, old_asks, asks, price=price))
                else:
                    self._set(self.asks, price, 0, old_asks, asks)
        elif target < bid:
            while self.bids and (price := max(self.bids)) > target:
                if len(made) < 4:
                    made.append(self._trade(False, self.bids[price], now_ms, old_bids, bids, price=price))
                else:
                    self._set(self.bids, price, 0, old_bids, bids)
        elif rng.random() < 0.35:
            buys = bool(rng.getrandbits(1))
            side, old, new = (self.asks, old_asks, asks) if buys else (self.bids, old_bids, bids)
            best = min(side) if buys else max(side)
            amount = min(max(1, int(side[best] * rng.uniform(0.01, 0.6))), max(1, side[best] - 1))
            made.append(self._trade(buys, amount, now_ms, old, new))
        for price in self._missing(target, -1):
            self._set(self.bids, price, self._size(), old_bids, bids)
        for price in self._missing(target + 1, 1):
            self._set(self.asks, price, self._size(), old_asks, asks)
        for _ in range(self._changes):
            on_bids = bool(rng.getrandbits(1))
            side, old, new = (self.bids, old_bids, bids) if on_bids else (self.asks, old_asks, asks)
            offset = int(rng.expovariate(1.0 / (12 * self._gap)))
            price = (max(side) - offset) if on_bids else (min(side) + offset)
            if price <= 0:
                continue
            if price in side and offset and rng.random() < 0.4:
                self._set(side, price, 0, old, new)
            else:
                self._set(side, price, self._size(), old, new)
        self._refill(self.bids, -1, old_bids, bids)
        self._refill(self.asks, 1, old_asks, asks)
        self._trim(self.bids, old_bids, bids, highest_first=False)
        self._trim(self.asks, old_asks, asks, highest_first=True)
        changed = max(1, len(bids) + len(asks))
        # spot numbers every change in a row; derivatives share their counter with other symbols, so ids have holes
        first = previous + (1 + rng.randrange(0, 9) if self.instrument.market != "spot" else 1)
        self.update_id = first + changed - 1
        self.time_ms = now_ms
        trades = tuple(attrs.evolve(t, seq=self.update_id) for t in made)
        self.trades.extend(trades)
        self._undo.append((previous, previous_ms, old_bids, old_asks))
        return Step(previous, first, self.update_id, bids, asks, trades, now_ms)

    def take(
        self, levels: Iterable[tuple[int, int]], trades: Iterable[tuple[int, int, bool]], *, asks: bool, now_ms: int
    ) -> Step:
        """Take lots of one side's levels away, (price, lots), for trades of (price, lots, whether the taker buys)."""
        side = self.asks if asks else self.bids
        old: dict[int, int] = {}
        new: dict[int, int] = {}
        previous, previous_ms = self.update_id, self.time_ms
        for price, lots in levels:
            self._set(side, price, side.get(price, 0) - lots, old, new)
        if not side:
            # a venue's book is not bought empty: others follow, further away
            direction = 1 if asks else -1
            last = max(old, default=self.best_bid) if asks else min(old, default=self.best_ask)
            for n in range(1, self._levels // 2):
                if (price := last + direction * n * self._gap) > 0:
                    self._set(side, price, self._size(), old, new)
        first = previous + 1
        self.update_id = previous + max(1, len(new))
        self.time_ms = max(now_ms, previous_ms)
        made: list[Trade] = []
        for price, lots, taker_buys in trades:
            self._trade_id += 1
            made.append(Trade(self._trade_id, price, lots, taker_buys, self.time_ms, self.update_id))
        self.trades.extend(made)
        bids, asks_ = ({}, new) if asks else (new, {})
        self._undo.append((previous, previous_ms, {} if asks else old, old if asks else {}))
        return Step(previous, first, self.update_id, bids, asks_, tuple(made), self.time_ms)

    def renumber(self, update_id: int) -> None:
        """Go on counting from `update_id`, as after a venue's maintenance; older states are forgotten."""
        self.update_id = update_id
        self._undo.clear()

    # -- parts
    def _size(self) -> int:
        notional = self._rng.lognormvariate(9.0, 1.1)
        return max(1, round(notional / self._lot_notional))

    def _fill(self, bid: int, ask: int) -> None:
        low, high = bid, ask
        for n in range(self._levels):
            if low > 0:
                self.bids[low] = self._size()
            self.asks[high] = self._size()
            spread = self._gap * (1 + n // 40)
            low -= self._rng.randint(1, 2 * spread - 1)
            high += self._rng.randint(1, 2 * spread - 1)

    def _missing(self, best: int, direction: int) -> Iterator[int]:
        side = self.bids if direction < 0 else self.asks
        if not side:
            for n in range(self._levels // 2):
                yield max(1, best + direction * n * self._gap)
            return
        current = max(side) if direction < 0 else min(side)
        if best == current:
            return
        price, made = best, 0
        while (price > current if direction < 0 else price < current) and made < 60:
            if price > 0:
                yield price
                made += 1
            price += direction * self._rng.randint(1, 2 * self._gap - 1)

    def _refill(self, side: dict[int, int], direction: int, old: dict[int, int], new: dict[int, int]) -> None:
        """Put levels behind the last one of a side that a moving price has eaten into."""
        lacking = self._levels - len(side)
        if lacking <= 0:
            return
        price = min(side) if direction < 0 else max(side)
        for _ in range(lacking):
            price += direction * self._rng.randint(1, 4 * self._gap)
            if price <= 0:
                return
            self._set(side, price, self._size(), old, new)

    def _trim(self, side: dict[int, int], old: dict[int, int], new: dict[int, int], *, highest_first: bool) -> None:
        excess = len(side) - self._levels
        if excess <= 0:
            return
        for price in sorted(side, reverse=highest_first)[:excess]:
            self._set(side, price, 0, old, new)

    def _trade(
        self,
        buys: bool,
        amount: int,
        now_ms: int,
        old: dict[int, int],
        new: dict[int, int],
        *,
        price: int | None = None,
        take: bool = True,
    ) -> Trade:
        side = self.asks if buys else self.bids
        at = price if price is not None else (min(side) if buys else max(side))
        if take:
            self._set(side, at, side[at] - amount, old, new)
        self._trade_id += 1
        trade = Trade(self._trade_id, at, amount, buys, now_ms, self.update_id)
        if not take:
            self.trades.append(trade)
        return trade

    @staticmethod
    def _set(side: dict[int, int], price: int, lots: int, old: dict[int, int], new: dict[int, int]) -> None:
        old.setdefault(price, side.get(price, 0))
        if lots > 0:
            side[price] = lots
        else:
            side.pop(price, None)
        new[price] = max(0, lots)


def _restore(side: dict[int, int], old: Mapping[int, int]) -> None:
    for price, lots in old.items():
        if lots:
            side[price] = lots
        else:
            side.pop(price, None)

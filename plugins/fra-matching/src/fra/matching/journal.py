"""The order of things: event numbers, ids, and events told only when the call that caused them is done."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from fra.matching.events import Event


class Journal:
    """Numbers events and hands them to the listener; ids are counters that start where the seed says."""

    def __init__(self, seed: int, listener: Callable[[Event], None] | None) -> None:
        rng = random.Random(f"ids:{seed}")
        self.order_ids = count(rng.randrange(10**9, 10**10))
        self.trade_ids = count(rng.randrange(10**8, 10**9))
        self.payment_ids = count(rng.randrange(10**7, 10**8))
        self.now_ms = 0
        self._sequence = count(1)
        self._listener = listener
        self._waiting: deque[Event] = deque()
        self._telling = False

    def seq(self) -> int:
        return next(self._sequence)

    def tell(self, event: Event) -> None:
        if self._listener is not None:
            self._waiting.append(event)

    @contextmanager
    def call(self, now_ms: int) -> Iterator[None]:
        """The span of one call; a call that a listener makes has its events told after those that wait already."""
        self.now_ms = now_ms
        yield
        if self._telling or self._listener is None:
            return
        self._telling = True
        try:
            while self._waiting:
                self._listener(self._waiting.popleft())
        finally:
            self._telling = False

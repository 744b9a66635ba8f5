"""Bybit's update ids: each depth of each book counts its own pushes, and one sequence is shared by all of them."""

import random
from collections import OrderedDict
from collections.abc import Callable, Mapping

from fra.emulator.book import BookEngine, Levels

PERIOD_MS: Mapping[int, int] = {1: 10, 50: 20, 200: 100, 1000: 200}
"""How often a depth is pushed at most (Bybit docs: "Orderbook", WebSocket stream)."""
REST_DEPTH: Mapping[str, int] = {"spot": 200, "linear": 1000, "inverse": 1000}
"""Whose ids a REST book carries (Bybit docs: "Get Orderbook")."""


class Updates:
    """`u` of one depth: it rises by exactly one for each state that is told, and each `u` is remembered with the step
    of the book (`seq`) that it stands for."""

    def __init__(self, depth: int, key: str) -> None:
        self.depth = depth
        self.on_restart: Callable[[], None] | None = None
        """What the stream that tells these ids does when they start anew; None while there is none."""
        self._rng = random.Random(f"{key}:{depth}")
        self._last = self._rng.randrange(10**5, 5 * 10**7)
        self._steps: OrderedDict[int, int] = OrderedDict()

    def tell(self, seq: int) -> int:
        """The `u` for the state after `seq`: the last one again if nothing has moved."""
        if self._steps and next(reversed(self._steps.values())) == seq:
            return self._last
        self._last += 1
        self._steps[self._last] = seq
        if len(self._steps) > BookEngine.HISTORY:
            self._steps.popitem(last=False)
        return self._last

    def last(self) -> tuple[int, int] | None:
        """The newest `u` and its `seq`, None if nothing has been told since the start."""
        return next(reversed(self._steps.items()), None)

    def seq_of(self, u: int) -> int | None:
        """The step that `u` stood for, None if it is unknown or forgotten."""
        return self._steps.get(u)

    def u_of(self, seq: int) -> int:
        """The `u` told at `seq`, or of the last state told before it."""
        found = [u for u, told in self._steps.items() if told <= seq]
        return found[-1] if found else max(1, self._last - 1)

    def skip(self) -> None:
        """Pass over some ids, as those that were told while nobody listened."""
        if self._steps:
            self._last += self._rng.randrange(1, 50)

    def restart(self) -> None:
        """The service starts anew: the next state told is `u` 1 (Bybit docs: "Orderbook", WebSocket stream)."""
        self._last = 0
        self._steps.clear()
        if self.on_restart is not None:
            self.on_restart()


class BookUpdates:
    """The counters of one symbol's book."""

    def __init__(self, key: str) -> None:
        self.by_depth = {depth: Updates(depth, key) for depth in PERIOD_MS}

    def restart(self) -> None:
        for updates in self.by_depth.values():
            updates.restart()

    def levels(self, engine: BookEngine, update_id: int) -> Levels | None:
        """The whole book at a `seq`, or at the `u` of any depth (after a restart, when depths may share a `u`, of
        the depth that told it last); None if it is not remembered."""
        told = [seq for updates in self.by_depth.values() if (seq := updates.seq_of(update_id)) is not None]
        return engine.at(max(told) if told else update_id)

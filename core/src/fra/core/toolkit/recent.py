"""What was seen last, and no more of it than so much."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar, final

K = TypeVar("K")
V = TypeVar("V")


@final
class Recent(OrderedDict[K, V]):
    """A mapping of at most ``limit`` keys. A key that is set, again or for the first time, is the newest; the oldest
    goes when there are too many.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)

"""How many inputs are drawn, and what each may cost."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Generic, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

B = TypeVar("B")
T = TypeVar("T")

INPUTS: Final = int(os.environ.get("FRA_FUZZ_INPUTS", "1000"))
"""Inputs for each parser. The first are the same every time, however many follow."""
BATCH: Final = 50
"""Inputs that hypothesis draws as one: drawing a single one costs more than most parsers do."""
SIZE: Final = 24
"""Bytes that pick what is done to one message."""
SECONDS: Final = 20.0
"""Of processor time that a batch may cost; the most costly ones take a tenth."""
MEGABYTES: Final = 400
"""That the process may grow by, from the first input of a parser to its last."""


def play_all(
    play: Callable[[Sequence[bytes]], object], *, inputs: int = INPUTS, size: int = SIZE, batch: int = BATCH
) -> None:
    """Play so many inputs, ``batch`` of them at a time; what fails is made as small as it can be."""

    @settings(
        max_examples=max(1, inputs // batch),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(st.binary(min_size=batch * size, max_size=batch * size))
    def batches(data: bytes) -> None:
        before = time.process_time()
        play([data[begin : begin + size] for begin in range(0, len(data), size)])
        spent = time.process_time() - before
        assert spent < SECONDS, f"{batch} inputs took {spent:.1f} s"

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    batches()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES, f"the process grew by {grown:.0f} MB"


class Played(Generic[B]):
    """What is fuzzed at one venue, in a loop of its own that lives as long as the tests of this venue."""

    def __init__(self, venue: str, bench: AbstractAsyncContextManager[B]) -> None:
        self.name = venue
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.bench: B = self.run(self._stack.enter_async_context(bench))
        gc.collect()
        gc.freeze()  # what there is now stays, and need not be searched whenever a bench looks for what was lost

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the loop run until this is done: starting it costs as much as an input, so not for each."""
        return self._runner.run(work)

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

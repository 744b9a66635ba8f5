"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_AGAIN: Final = 3.0
"""Seconds: what ends in an orderly way is done by then, and is not disturbed at it."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel, and return when all are done. Idempotent.

    It is said again until it is heard: `asyncio.wait_for` of Python 3.11, which the broker's client waits with, loses a
    cancellation that meets the result.
    """
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_AGAIN)

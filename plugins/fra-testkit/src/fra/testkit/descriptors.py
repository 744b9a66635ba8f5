"""What this process has open, as far as the system tells."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_OPEN: Final = Path("/proc/self/fd")


def are_told() -> bool:
    """Whether the system tells at all."""
    return _OPEN.is_dir()


def count() -> int:
    """How many files and sockets there are; 0 where the system does not tell."""
    return len(os.listdir(_OPEN)) if are_told() else 0


def sockets() -> set[str]:
    """The sockets, by what the system calls them; none where it does not tell."""
    found = set()
    for descriptor in os.listdir(_OPEN) if are_told() else ():
        try:
            found.add(os.readlink(_OPEN / descriptor))
        except OSError:  # it was that of the listing
            continue
    return {name for name in found if name.startswith("socket:")}


async def left(look: Callable[[], int]) -> int:
    """What ``look`` counts when it is nothing, or after a second: the venue's ends of sockets close after ours."""
    for _ in range(100):
        if look() <= 0:
            break
        await asyncio.sleep(0.01)
    return look()

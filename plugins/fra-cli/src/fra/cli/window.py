"""How far back a question about the past goes."""

from __future__ import annotations

import time


def start_ms(since: int | None) -> int | None:
    """The moment ``since`` milliseconds ago, None for as far as the venue's latest page goes."""
    return None if since is None else time.time_ns() // 1_000_000 - since

"""The settings of an aggregated exchange."""

from __future__ import annotations

from typing import Literal

import attrs


@attrs.frozen
class AggregatedOptions:
    """``members`` are names of configured exchanges, in the order in which ties are broken."""

    members: tuple[str, ...] = ()
    quorum: int | None = None
    """How many members have to answer. None: one for market data; all of them for what is summed or listed of an
    account, since a sum without one of them is wrong."""
    member_timeout: float = 5.0
    """Seconds that one member may take for an answer; orders have their member's own time-out."""
    max_age: float = 30.0
    """Seconds after which what a member streamed last is stale and leaves, whatever its own stream says; 0: never."""
    route: str = "best"
    """What becomes of an order that names no member: ``best`` price after fees, ``split`` by depth, or a
    member."""
    symbols: Literal["common", "all"] = "common"
    """Which symbols there are: those that every member lists that answers, or those of any."""

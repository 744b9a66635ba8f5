"""What venues are traded through when things go wrong: how each is set, and what it is held to where it can less."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from fault_scenarios import Feed, Scenario

STALE_S = 1.0
"""A stream without data, or a connection without a frame, is told of after so long."""
TIMEOUT_S = 1.0


@attrs.frozen
class Player:
    """How one kind of plugin is set, and what it promises."""

    options: Callable[[Scenario], dict[str, Any]]
    suffix: str = ""
    """Of the plugin's name."""
    told_s: float = STALE_S * 1.25
    """So long a connection may be dead before it is told."""
    recovery_s: float = 20.0
    """A bound for failures: a recovery takes what its back-off and the venue's limits of connections take."""
    watched: frozenset[Feed] = frozenset({Feed.BOOK, Feed.FUNDING})
    """Streams that tell when they have no data, on a connection that is alive. Quiet is normal for others."""


def _native(scenario: Scenario) -> dict[str, Any]:
    return {**_RECONNECT, "silence": STALE_S, "ack_timeout": STALE_S, "retries": 1, "transport": scenario.transport}


def _ccxt(scenario: Scenario) -> dict[str, Any]:
    return {**_RECONNECT, "silence": STALE_S}


_RECONNECT = {"reconnect_delay": 0.03, "reconnect_max_delay": 0.3, "staleness": STALE_S}

PLAYERS: Mapping[str, Player] = {
    "native": Player(_native),
    "paper": Player(_native),
    # ccxt counts its own failures to connect, and waits up to twice as long with each (0.2 s to 30 s)
    "ccxt": Player(_ccxt, suffix="_ccxt", recovery_s=45.0, watched=frozenset({Feed.BOOK})),
}

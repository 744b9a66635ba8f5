"""No duplicate and no lost order: drawn orders, drawn faults, and what users are told held to what happened.

``FRA_FAULT_SEEDS`` is how many seeds are played in all, ``FRA_FAULT_SEED`` plays one of them alone, and
``FRA_FAULT_PLUGIN`` says through what: ``native`` or ``ccxt``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from order_campaign import Spread, campaign
from order_scenarios import VENUES

_SHOWN = 5
"""Failures of a venue that are told at length."""


@pytest.mark.parametrize("plugin", ["native", "ccxt"])
@pytest.mark.parametrize("venue", VENUES)
async def test_orders_are_never_doubled_lost_or_told_wrong(
    venue: str, plugin: str, order_seeds: Callable[[str], Sequence[int]], spread: Spread
) -> None:
    failures = await campaign(venue, order_seeds(plugin), spread, None if plugin == "native" else f"{venue}_{plugin}")
    if failures:
        pytest.fail(
            f"{len(failures)} seeds failed on {venue} ({plugin}): {', '.join(map(str, failures))}\n\n"
            + "\n\n".join([*failures.values()][:_SHOWN]),
            pytrace=False,
        )

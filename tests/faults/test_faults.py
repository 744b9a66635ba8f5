"""Everything that can go wrong between an adapter and its venue, drawn by seeds; README.md says what is held to what.

``FRA_FAULT_SEEDS`` is how many seeds are played in all, ``FRA_FAULT_SEED`` plays one of them alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fault_campaign import Tally, campaign, trust
from fault_kinds import VENUES
from fault_leaks import Held
from fault_players import PLAYERS
from fault_scenarios import Scenario

_SHOWN = 5
"""Failures of a venue that are told at length."""


@pytest.mark.parametrize("plugin", PLAYERS)
@pytest.mark.parametrize("venue", VENUES)
async def test_nothing_false_is_told_and_all_is_well_again(
    venue: str,
    plugin: str,
    fault_seeds: Callable[[str], Sequence[int]],
    tally: Tally,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(trust(tmp_path)))
    seeds = fault_seeds(plugin)
    if len(seeds) == 1 and (alone := Scenario.of(seeds[0], plugin)).venue == venue:
        tally.drawn.append(str(alone))

    def tell(text: str) -> None:
        print(text, file=sys.__stderr__, flush=True)

    failures = await campaign(seeds, venue, tally, plugin=plugin, tell=tell)
    if failures:
        pytest.fail(
            f"{len(failures)} seeds failed on {venue} ({plugin}): {', '.join(map(str, failures))}\n\n"
            + "\n\n".join([*failures.values()][:_SHOWN]),
            pytrace=False,
        )


async def test_memory_that_each_scenario_keeps_is_told_of() -> None:
    before, kept = Held.now(), list[dict[int, list[int]]]()
    assert Held.now().grown(before, 100) is None
    kept += [{n: [n] for n in range(10)} for _ in range(100)]
    told = Held.now().grown(before, 100)
    assert told is not None
    assert told.startswith("memory grows: 100 scenarios have left ")


@pytest.mark.parametrize("plugin", PLAYERS)
def test_a_seed_draws_the_same_again(plugin: str) -> None:
    assert [str(Scenario.of(n, plugin)) for n in range(200)] == [str(Scenario.of(n, plugin)) for n in range(200)]

"""Many scenarios on emulated venues, several at a time, and how often what came of what."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter, deque
from collections.abc import Iterable

from order_play import Play, Violation
from order_scenarios import VENUES, Scenario, venue_of
from order_verdict import Placed
from order_witness import account

from fra.core import PluginRegistry
from fra.emulator import Emulator, Venue
from fra.matching import Order as TrueOrder

_LANES = 8
"""Scenarios at a time, each on a venue of its own: most of their time they wait."""


class Spread:
    """How often what came of what, over all scenarios that were played."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str, str]] = Counter()
        """Of orders: by trouble, what the caller was told, what the engine has, and venue."""
        self.seeds: Counter[str] = Counter()
        self.fills: Counter[str] = Counter()

    def add(self, venue: str, placed: Placed, true: TrueOrder | None) -> None:
        found = "never there" if true is None else true.status.value
        trouble = "several at once" if placed.at_once else placed.step.trouble.value
        self.counts[trouble, placed.outcome, found, venue] += 1

    def rows(self) -> list[list[list[object]]]:
        """The counts as plain lists, for another process."""
        return [[[key, n] for key, n in counts.items()] for counts in (self.counts, self.seeds, self.fills)]

    def add_rows(self, rows: list[list[list[object]]]) -> None:
        """Add what another process counted."""
        for counts, told in zip((self.counts, self.seeds, self.fills), rows, strict=True):
            for key, n in told:
                counts[tuple(key) if isinstance(key, list | tuple) else key] += n

    def table(self) -> str:
        """One line for each trouble, caller's answer and truth, one column for each venue, native and through ccxt."""
        names = [name for venue in VENUES for name in (venue, f"{venue}_ccxt") if self.seeds[name]]
        head = ("request", "the caller was told", "the venue has", *names)
        kinds = sorted({key[:3] for key in self.counts})
        rows = [(*kind, *(str(self.counts[(*kind, venue)] or "") for venue in names)) for kind in kinds]
        orders = Counter[str]()
        for (*_, venue), count in self.counts.items():
            orders[venue] += count
        for name, counted in (("seeds", self.seeds), ("orders", orders), ("fills", self.fills)):
            rows.append((name, "", "", *(str(counted[venue]) for venue in names)))
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < 3 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (head, *rows)
        )


async def play(
    scenario: Scenario, venue: Venue, spread: Spread, registry: PluginRegistry, plugin: str | None = None
) -> None:
    """Play one scenario and add it to the spread. Raises Violation, or whatever else went wrong."""
    async with account(venue, scenario.seed, registry, plugin) as trader:
        placed = await Play(scenario, trader).run()
        name = venue.name if plugin is None else plugin
        for one in placed:
            spread.add(name, one, trader.true_order(one.name))
        spread.fills[name] += sum(trader.true_fills().values())
        spread.seeds[name] += 1


async def campaign(name: str, seeds: Iterable[int], spread: Spread, plugin: str | None = None) -> dict[int, str]:
    """Play those of the seeds that belong to one venue: what went wrong with which, and how to see it again.

    ``plugin`` plays them in place of the venue's native one. Through ccxt HTX's accounts are all of the kind that it
    serves.
    """
    scenarios = [Scenario.of(seed) for seed in seeds if venue_of(seed) == name]
    failures: dict[int, str] = {}
    registry = PluginRegistry()

    def multi_assets(scenario: Scenario) -> bool:
        return scenario.multi_assets or (name == "htx" and plugin is not None)

    async def play_some(waiting: deque[Scenario]) -> None:
        if not waiting:
            return
        # The books stand still, so they need neither be deep nor be looked at often.
        settings = {"levels": 40, "step_ms": 500, "htx_multi_assets": multi_assets(waiting[0])}
        async with Emulator([name], seed=3, enforce_limits=False, **settings) as emulator:
            while waiting:
                scenario = waiting.popleft()
                seed = scenario.seed
                try:
                    await play(scenario, emulator.venues[name], spread, registry, plugin)
                except Exception as error:
                    why = error if isinstance(error, Violation) else "".join(traceback.format_exception(error))
                    option = "" if plugin is None else "--plugin ccxt "
                    failures[seed] = f"seed {seed} on {name} (again: nox -s faults -- {option}--seed {seed})\n{why}"

    kinds = [deque(one for one in scenarios if multi_assets(one) is multi) for multi in (False, True)]
    lanes = [kind for kind in kinds if kind] * _LANES
    await asyncio.gather(*map(play_some, lanes[:_LANES]))
    return dict(sorted(failures.items()))

"""How many seeds are played, and the spread of what came of them, at the end of the run whatever its verbosity."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
from fault_campaign import Tally
from order_campaign import Spread

_SPREAD = pytest.StashKey[Spread]()
_TALLY = pytest.StashKey[Tally]()
_IN_CI: Mapping[str, Sequence[int]] = {
    "orders": range(280),
    "orders through ccxt": (*range(12), 27, 31, 62, 63, 94, 102, 105, 129, 150),
    "native": range(200),
    "ccxt": range(0, 204, 17),
    "paper": range(0, 204, 17),
}
"""Through ccxt and on paper few, of as many kinds as possible, and of orders those that have found something."""


def _seeds(campaign: str) -> Sequence[int]:
    alone = os.environ.get("FRA_FAULT_SEED")
    if alone is not None:
        return range(int(alone), int(alone) + 1)
    first, many = int(os.environ.get("FRA_FAULT_FIRST", "0")), os.environ.get("FRA_FAULT_SEEDS")
    return range(first, first + int(many)) if many is not None else _IN_CI[campaign]


@pytest.fixture(scope="session")
def order_seeds() -> Callable[[str], Sequence[int]]:
    """Seeds of the campaign over the switches of orders, by plugin; none of those that are not asked for."""
    asked, names = os.environ.get("FRA_FAULT_PLUGIN"), {"native": "orders", "ccxt": "orders through ccxt"}
    return lambda plugin: _seeds(names[plugin]) if asked in (None, plugin) else range(0)


@pytest.fixture(scope="session")
def fault_seeds() -> Callable[[str], Sequence[int]]:
    """Seeds of the campaign over everything, by plugin; none of those that are not asked for."""
    asked = os.environ.get("FRA_FAULT_PLUGIN")
    return lambda plugin: _seeds(plugin) if asked in (None, plugin) else range(0)


@pytest.fixture(scope="session")
def spread(pytestconfig: pytest.Config) -> Spread:
    """What came of which order, over the whole session."""
    return pytestconfig.stash.setdefault(_SPREAD, Spread())


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """What came of which fault, over the whole session."""
    return pytestconfig.stash.setdefault(_TALLY, Tally())


def pytest_sessionfinish(session: pytest.Session) -> None:
    # with xdist the counts are the workers', and the table is the controller's
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is None:
        return
    if (tally := session.config.stash.get(_TALLY, None)) is not None:
        counts = attrs.asdict(tally)
        output["tally"] = {name: dict(v) if isinstance(v, Counter) else v for name, v in counts.items()}
    if (spread := session.config.stash.get(_SPREAD, None)) is not None:
        output["spread"] = spread.rows()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    if "tally" in output:
        node.config.stash.setdefault(_TALLY, Tally()).merge(output["tally"])
    if "spread" in output:
        node.config.stash.setdefault(_SPREAD, Spread()).add_rows(output["spread"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    spread = config.stash.get(_SPREAD, None)
    if spread is not None:
        terminalreporter.section("orders under faults")
        terminalreporter.write_line(spread.table())
    tally = config.stash.get(_TALLY, None)
    if tally is not None:
        terminalreporter.section("everything under faults")
        terminalreporter.write_line(tally.table())

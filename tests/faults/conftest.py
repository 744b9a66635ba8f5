"""The spread of outcomes of the fault campaigns, at the end of the run whatever its verbosity."""

from __future__ import annotations

import pytest
from order_campaign import Spread

_SPREAD = pytest.StashKey[Spread]()


@pytest.fixture(scope="session")
def spread(pytestconfig: pytest.Config) -> Spread:
    """What came of what, over the whole session."""
    return pytestconfig.stash.setdefault(_SPREAD, Spread())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    spread = config.stash.get(_SPREAD, None)
    if spread is not None:
        terminalreporter.section("orders under faults")
        terminalreporter.write_line(spread.table())

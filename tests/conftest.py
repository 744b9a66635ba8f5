"""What every test that crosses packages may ask for."""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONG = tuple(ROOT / "tests" / name for name in ("docs", "faults", "fuzz", "e2e"))
"""Files in these start processes or play many seeds: they last longer than their number of tests says."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers take the longest files first, or one is still at it when the others have nothing left to do."""
    if hasattr(config, "workerinput"):
        sizes = Counter(item.path for item in items)
        places = {path: next((i for i, at in enumerate(LONG) if path.is_relative_to(at)), len(LONG)) for path in sizes}
        items.sort(key=lambda item: (places[item.path], -sizes[item.path]))


def pytest_collection_finish() -> None:
    """Leave out of every search for garbage what stays to the end: fifteen thousand tests and what they import.

    Else a search costs half a second, and the tests that look for what was left open make one each.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def fixtures_folder() -> Path:
    """The recorded data that FRA_FIXTURES names; skips without it."""
    folder = os.environ.get("FRA_FIXTURES")
    if not folder:
        pytest.skip("FRA_FIXTURES does not name the folder of recorded data")
    path = Path(folder)
    assert path.is_dir(), f"FRA_FIXTURES names no folder: {path}"
    return path

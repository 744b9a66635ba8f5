"""What every test that crosses packages may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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

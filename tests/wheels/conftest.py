"""Our wheels, built once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from wheelhouse import Wheels


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """The wheels of our distributions, from FRA_WHEELS or built when one is asked for."""
    given = os.environ.get("FRA_WHEELS")
    return Wheels(Path(given) if given else tmp_path_factory.mktemp("wheels"), built=bool(given))

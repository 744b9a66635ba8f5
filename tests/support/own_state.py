"""Loaded for every test (pyproject.toml): what fra keeps among a user's state goes to a folder of the test's own."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_VARIABLE = "LOCALAPPDATA" if os.name == "nt" else "XDG_STATE_HOME"
_IN_MEMORY = "/dev/shm"
"""Intents are flushed to the disk, which tests need not wait for."""
_NUMBERS = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.mkdtemp(prefix="fra-state-", dir=_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None)
    os.environ.pop("FRA_JOURNAL", None)
    os.environ[_VARIABLE] = folder  # subprocesses, too
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    config.stash[_FOLDER] = Path(folder)


_FOLDER = pytest.StashKey[Path]()


@pytest.fixture(autouse=True)
def own_state(pytestconfig: pytest.Config) -> Iterator[Path]:
    """The folder that fra takes for the user's state during this test."""
    before = os.environ[_VARIABLE]
    folder = pytestconfig.stash[_FOLDER] / str(next(_NUMBERS))
    os.environ[_VARIABLE] = str(folder)
    yield folder
    os.environ[_VARIABLE] = before

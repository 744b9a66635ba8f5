"""`import fra.core` stays light, whatever is installed beside it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "ccxt", "click", "importlib_metadata", "msgspec", "numpy", "rich")


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after running ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("code", ["import fra.core", "from fra.core import *"])
def test_importing_core_pulls_in_nothing_heavy(code: str) -> None:
    assert imported_by(code).isdisjoint(HEAVY)

"""The least that must work on every Python that we support."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "core" / "src", *sorted(ROOT.glob("plugins/*/src"))]
MODULES = sorted(
    ".".join(path.relative_to(source).with_suffix("").parts)
    for source in SOURCES
    for path in source.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports(module: str) -> None:
    importlib.import_module(module)


def test_the_command_lists_the_installed_exchanges() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fra.core.main", "plugins"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "okx" in done.stdout
    assert "binance" in done.stdout

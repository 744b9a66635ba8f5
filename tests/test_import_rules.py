"""The import rules in pyproject.toml hold, and each of them catches what it is there for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest

_RUN = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def _copy(repository: Path, target: Path) -> dict[str, Path]:
    """The sources of every distribution, by its folder's name."""
    sources = {}
    for source in (repository / "core" / "src", *sorted(repository.glob("plugins/*/src"))):
        copy = target / source.parent.name / "src"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        sources[source.parent.name] = copy
    return sources


def _lint(repository: Path, sources: Mapping[str, Path]) -> subprocess.CompletedProcess[str]:
    # -S: without it, the editable installations would be in the namespace beside the copies.
    paths = [*map(str, sources.values()), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return subprocess.run(
        [sys.executable, "-S", "-c", _RUN, "--no-cache", "--config", str(repository / "pyproject.toml")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "300", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_rules_hold(repository: Path, tmp_path: Path) -> None:
    done = _lint(repository, _copy(repository, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("folder", "module", "line", "rule"),
    [
        ("core", "fra/core/contract/models.py", "import fra.core.host.plugins.registry", "never back BROKEN"),
        ("core", "fra/core/toolkit/ratelimit.py", "import fra.core.host.events.bus", "never back BROKEN"),
        ("core", "fra/core/contract/models.py", "from fra.core import Order", "public surface BROKEN"),
        ("core", "fra/core/host/plugins/registry.py", "import fra.core.host.handle", "inside the host: .* BROKEN"),
        ("core", "fra/core/host/streams/hub.py", "import fra.core.host.loader", "inside the host: .* BROKEN"),
        ("core", "fra/core/host/plugins/policy.py", "import fra.core.contract.exchange", "know no adapter BROKEN"),
        ("core", "fra/core/host/manager.py", "import fra.exchanges.okx", "core names no plugin, .* BROKEN"),
        ("core", "fra/core/toolkit/ratelimit.py", "import aiohttp", "core names no plugin, .* BROKEN"),
        (
            "fra-exchange-okx",
            "fra/exchanges/okx/plugin.py",
            "import fra.core.contract.models",
            "never a submodule BROKEN",
        ),
        ("fra-cli", "fra/cli/main.py", "import fra.core.host.plugins.registry", "never a submodule BROKEN"),
        ("fra-exchange-okx", "fra/exchanges/okx/plugin.py", "import fra.exchanges.binance", "imports another BROKEN"),
        ("fra-emulator", "fra/emulator/venue.py", "import fra.exchanges.okx", "knows an adapter BROKEN"),
        ("fra-emulator", "fra/emulator/venue.py", "import fra.core", "knows an adapter BROKEN"),
        ("fra-matching", "fra/matching/exchange.py", "import fra.core", "stands alone BROKEN"),
        ("fra-hook-prometheus", "fra/hooks/prometheus/hook.py", "import fra.exchanges.okx", "and no exchange BROKEN"),
        ("fra-testkit", "fra/testkit/bench.py", "import fra.exchanges.okx", "kit knows no adapter .* BROKEN"),
        ("fra-testkit", "fra/testkit/scripted.py", "import fra.emulator", "kit knows no adapter .* BROKEN"),
    ],
)
def test_a_planted_violation_is_caught(
    repository: Path, tmp_path: Path, folder: str, module: str, line: str, rule: str
) -> None:
    sources = _copy(repository, tmp_path)
    file = sources[folder] / module
    assert file.is_file(), "the rule's example has moved"
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    done = _lint(repository, sources)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rule, done.stdout), done.stdout


def test_every_package_is_bound_to_the_public_names_of_core(repository: Path) -> None:
    settings = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    rule = next(contract for contract in settings["contracts"] if contract["id"] == "public-names-only")
    patterns = rule["source_modules"]
    packages = {
        ".".join(marker.parent.relative_to(source).parts)
        for source in repository.glob("plugins/*/src")
        for marker in source.rglob("py.typed")
    }
    assert {name for name in packages if not any(fnmatch(name, pattern) for pattern in patterns)} == {
        "fra.emulator",  # these may import nothing of core at all
        "fra.matching",
    }

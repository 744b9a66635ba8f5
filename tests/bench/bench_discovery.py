"""Discovery of 200 installed adapters beside a bare text scan of their metadata folders."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_ADAPTERS = 200
_ROUNDS = 9

_DESCRIPTION = "An adapter whose description is as long as such texts are.\n" * 60
_METADATA = "Metadata-Version: 2.1\nName: fra-exchange-x{n}\nVersion: 1.{n}.0\nRequires-Dist: fra-core<1,>=0.1\n\n"
_POINTS = "[fra.exchanges]\nx{n} = fra_exchange_x{n}:Plugin\n"

_TIMED = """
import sys, time
path = [sys.argv[1]]
{setup}
started, cpu = time.perf_counter(), time.process_time()
{work}
print(time.perf_counter() - started, time.process_time() - cpu, count)
assert not any(name.startswith("fra_exchange_x") for name in sys.modules)
"""
_FLOOR = """
import os
count = 0
for folder in path:
    for entry in os.listdir(folder):
        if entry.endswith(".dist-info"):
            with open(os.path.join(folder, entry, "entry_points.txt"), encoding="utf-8") as file:
                section = ""
                for line in file:
                    if line.startswith("["):
                        section = line.strip()
                    elif section == "[fra.exchanges]" and "=" in line:
                        count += 1
"""
_SUBJECTS = {
    "floor": ("import os", _FLOOR),
    "fra, names": (
        "from fra.core.host.plugins.registry import PluginRegistry",
        "count = len(PluginRegistry(path=path, environ={}).names())",
    ),
    "fra, names, library imported before": (
        "import importlib_metadata\nfrom fra.core.host.plugins.registry import PluginRegistry",
        "count = len(PluginRegistry(path=path, environ={}).names())",
    ),
    "fra, every row with its METADATA": (
        "import importlib_metadata\nfrom fra.core.host.plugins.registry import PluginRegistry",
        "count = len(PluginRegistry(path=path, environ={}).rows())",
    ),
    "importlib.metadata": (
        "import importlib.metadata",
        "count = len([p for d in importlib.metadata.distributions(path=path) for p in d.entry_points])",
    ),
}


def install(folder: Path, count: int) -> None:
    """Metadata of ``count`` adapters whose modules refuse to be imported."""
    for n in range(count):
        info = folder / f"fra_exchange_x{n}-1.{n}.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(_METADATA.format(n=n) + _DESCRIPTION)
        (info / "entry_points.txt").write_text(_POINTS.format(n=n))
        (folder / f"fra_exchange_x{n}.py").write_text("raise SystemExit('discovery must not import')\n")


def run() -> dict[str, object]:
    """Wall and CPU milliseconds, each round in a process of its own, and ratios to the floor."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in _SUBJECTS}
    with tempfile.TemporaryDirectory() as temporary:
        install(Path(temporary), _ADAPTERS)
        environ = {key: value for key, value in os.environ.items() if key != "FRA_PLUGINS"}
        for _ in range(_ROUNDS):
            for name, (setup, work) in _SUBJECTS.items():
                program = _TIMED.format(setup=setup, work=work)
                result = subprocess.run(
                    [sys.executable, "-c", program, temporary], capture_output=True, text=True, check=True, env=environ
                )
                wall, cpu, count = result.stdout.split()
                if int(count) != _ADAPTERS:
                    raise RuntimeError(f"{name} found {count} of {_ADAPTERS}")
                times[name].append((float(wall), float(cpu)))
    median = {
        name: (statistics.median(wall for wall, _ in rounds), statistics.median(cpu for _, cpu in rounds))
        for name, rounds in times.items()
    }
    return {
        name: {
            "wall ms": round(wall * 1e3, 1),
            "cpu ms": round(cpu * 1e3, 1),
            "ratio": round(wall / median["floor"][0], 2),
            "cpu ratio": round(cpu / median["floor"][1], 2),
        }
        for name, (wall, cpu) in median.items()
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

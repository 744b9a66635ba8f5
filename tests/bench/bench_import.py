"""What starting costs over bare Python, beside what an exchange client must import anyway."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench_discovery import install

_ROUNDS = 15
_IGNORED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "FRA_PLUGINS", "FRA_CONFIG")
_BARE = "bare Python"
_FLOOR = "floor: aiohttp, msgspec, attrs, pluggy"
_CLIENTS = "from fra.adapters.custom import HttpClient, StreamClient"
"""What an adapter imports when it is initialized, aiohttp among it."""
_IMPORTS = {
    _BARE: "pass",
    _FLOOR: "import aiohttp, msgspec, attrs, pluggy",
    "asyncio, attrs, pluggy": "import asyncio, attrs, pluggy",
    "fra.core": "import fra.core",
    "fra.core: models": "from fra.core import FundingRate, OrderBook, Symbol, Ticker, Trade",
    "fra.core: connect": "from fra.core import connect",
    "fra.core: everything": "from fra.core import *",
    "okx": "from fra.exchanges.okx import OKXPlugin",
    "okx, its clients": f"from fra.exchanges.okx import OKXPlugin; {_CLIENTS}",
    "binance": "from fra.exchanges.binance import CustomBinancePlugin",
    "binance, its clients": f"from fra.exchanges.binance import CustomBinancePlugin; {_CLIENTS}",
    "okx, its clients, connect": f"from fra.core import connect; from fra.exchanges.okx import OKXPlugin; {_CLIENTS}",
    "ccxt": "import ccxt",
}
_FRA = ["-m", "fra.core.main"]
_COMPLETE = {"_FRA_COMPLETE": "bash_complete", "COMP_WORDS": "fra pl", "COMP_CWORD": "1"}
# name → adapters installed beside what is there, arguments, environment
_COMMANDS: Mapping[str, tuple[int, Sequence[str], Mapping[str, str]]] = {
    "fra --help, 20 adapters": (20, ["--help"], {}),
    "fra plugins, 20 adapters": (20, ["plugins"], {}),
    "fra pl<TAB>, 20 adapters": (20, [], _COMPLETE),
    "fra completion bash, 20 adapters": (20, ["completion", "bash"], {}),
    "fra plugins, 200 adapters": (200, ["plugins"], {}),
}


def _cost(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, env=environ, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run() -> dict[str, object]:
    """Milliseconds in all, and as a ratio to the floor what is above bare Python; medians, taken in turns."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # Compiled, as an installer leaves a package; what the caller's environment says of it does not matter.
        environ = {key: value for key, value in os.environ.items() if key not in _IGNORED}
        environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
        subjects = {name: (["-c", code], environ) for name, code in _IMPORTS.items()}
        for name, (count, arguments, extra) in _COMMANDS.items():
            site = folder / str(count)
            if not site.exists():
                site.mkdir()
                install(site, count)
            path = os.pathsep.join(filter(None, [str(site), environ.get("PYTHONPATH")]))
            subjects[name] = ([*_FRA, *arguments], {**environ, **extra, "PYTHONPATH": path})
        for arguments, settings in subjects.values():
            _cost(arguments, settings)
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
        for _ in range(_ROUNDS):
            for name, (arguments, settings) in subjects.items():
                costs[name].append(_cost(arguments, settings))
    median = {
        name: (statistics.median(wall for wall, _ in rounds), statistics.median(cpu for _, cpu in rounds))
        for name, rounds in costs.items()
    }
    bare, floor = median[_BARE], median[_FLOOR]
    return {
        name: {
            "wall ms": round(wall * 1e3),
            "ratio": round((wall - bare[0]) / (floor[0] - bare[0]), 2),
            "cpu ratio": round((cpu - bare[1]) / (floor[1] - bare[1]), 2),
        }
        for name, (wall, cpu) in median.items()
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

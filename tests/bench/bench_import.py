"""What importing costs, wall time over bare Python, beside what an exchange client must import anyway."""

from __future__ import annotations

import subprocess
import sys
import time

_ROUNDS = 15
_SUBJECTS = {
    "bare Python": "pass",
    "floor: aiohttp, msgspec, attrs, pluggy": "import aiohttp, msgspec, attrs, pluggy",
    "asyncio": "import asyncio",
    "fra.core": "import fra.core",
    "fra.core, everything in it": "from fra.core import *",
    "fra.exchanges.okx": "import fra.exchanges.okx",
    "fra.exchanges.binance": "import fra.exchanges.binance",
    "ccxt": "import ccxt",
}


def _seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def run() -> dict[str, object]:
    """Milliseconds above bare Python and the ratio to the floor, best of several, taken in turns."""
    best = dict.fromkeys(_SUBJECTS, float("inf"))
    for _ in range(_ROUNDS):
        for name, code in _SUBJECTS.items():
            best[name] = min(best[name], _seconds(code))
    bare = best.pop("bare Python")
    floor = next(seconds for name, seconds in best.items() if name.startswith("floor")) - bare
    return {
        name: {"ms": round((seconds - bare) * 1e3, 1), "ratio": round((seconds - bare) / floor, 2)}
        for name, seconds in best.items()
    }


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))

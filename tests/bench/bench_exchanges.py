"""What each exchange costs to start, native beside ccxt: time and memory, each in a process of its own.

`connected` starts the adapter on an emulated venue until its symbols are there; `initialized` imports the adapter and
makes it ready, which needs no venue, beside ccxt's own client of the same exchange made by hand. Time and memory count
from an interpreter that has fra.core and a running loop. The last row starts everything in one process.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping

NATIVE = ("binance", "okx", "bybit", "htx")
PACKAGES = ("bitget", "kucoin", "gate", "mexc", "cryptocom", "bitfinex")
ROUNDS = 3

_SERVER = """
import asyncio, json, sys
from fra.emulator import Emulator
async def main():
    async with Emulator(sys.argv[1:], enforce_limits=False) as emulator:
        print(json.dumps({name: venue.markets for name, venue in emulator.venues.items()}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""

_MEASURE = """
import asyncio, gc, json, os, sys, time
from fra.core import ExchangeConfig, PluginContext, PluginManager, PluginRegistry, RateLimiter
names, urls = json.loads(sys.argv[1]), json.loads(sys.argv[2])
def rss():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
async def watch(pauses):
    while True:
        then = time.perf_counter()
        await asyncio.sleep(0.001)
        pauses.append(time.perf_counter() - then)
async def measured(work):
    pauses = []
    watching = asyncio.create_task(watch(pauses))
    await asyncio.sleep(0.01)
    pauses.clear()
    before, started, cpu = rss(), time.perf_counter(), time.process_time()
    kept = await work()
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    watching.cancel()
    print(json.dumps({"wall": wall, "cpu": cpu, "rss": rss() - before, "pause": max(pauses, default=0)}))
    return kept
class Context(PluginContext):
    exchange_name = "bench"
    def now_ms(self): return time.time_ns() // 1_000_000
    def limiter(self, venue, limits): return RateLimiter(limits)
    def connection_changed(self, status, reason=None): pass
    def emit(self, event): pass
    def register(self, event_type, handler): return lambda: None
    async def exchange(self, name): raise LookupError(name)
async def initialized(registry, name):
    cls = registry.get_plugin_class(name)
    plugin = cls(ExchangeConfig(name=name, exchange_id=name))
    plugin.options, plugin.context = cls.Options(), Context()
    await plugin.initialize()
    return plugin
"""

_CONNECTED = (
    _MEASURE
    + """
async def main():
    exchanges = {name: {"plugin": name, "base_url": urls[name.removesuffix("_ccxt")]} for name in names}
    async with PluginManager.from_config({"exchanges": exchanges}, only=()) as manager:
        async def work():
            handles = await asyncio.gather(*map(manager.reload_plugin, names))
            for handle in handles:
                assert await handle.get_symbols()
        await measured(work)
asyncio.run(main())
"""
)

_INITIALIZED = (
    _MEASURE
    + """
async def main():
    registry = PluginRegistry()
    registry.rows()
    async def work():
        return [await initialized(registry, name) for name in names]
    for plugin in await measured(work):
        await plugin.disconnect()
asyncio.run(main())
"""
)

_BY_HAND = (
    _MEASURE
    + """
async def main():
    async def work():
        import ccxt.async_support, ccxt.pro
        return [getattr(ccxt.pro, name)({"number": str}) for name in names]
    for client in await measured(work):
        await client.close()
asyncio.run(main())
"""
)

Figures = dict[str, float]


def _once(code: str, names: list[str], urls: Mapping[str, object]) -> Figures:
    command = [sys.executable, "-c", code, json.dumps(names), json.dumps(urls)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _shown(cost: Figures, peer: Figures | None = None) -> dict[str, object]:
    made: dict[str, object] = {"wall ms": round(cost["wall"] * 1e3), "MB": round(cost["rss"] / 1e6, 1)}
    if peer is not None:
        made |= {"cpu ratio": cost["cpu"] / peer["cpu"], "memory ratio": cost["rss"] / max(peer["rss"], 1.0)}
    return made


def run() -> dict[str, object]:
    """Medians, taken in turns; ratios are to the row above it of the same exchange."""
    everything = [*NATIVE, *(f"{name}_ccxt" for name in NATIVE)]
    subjects: dict[str, tuple[str, list[str]]] = {}
    for name in NATIVE:
        subjects[f"{name} connected"] = (_CONNECTED, [name])
        subjects[f"{name}_ccxt connected"] = (_CONNECTED, [f"{name}_ccxt"])
    for name in PACKAGES:
        subjects[f"{name} by hand"] = (_BY_HAND, [name])
        subjects[f"{name} initialized"] = (_INITIALIZED, [name])
    subjects["eight connected"] = (_CONNECTED, everything)
    subjects["six initialized"] = (_INITIALIZED, list(PACKAGES))
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, *NATIVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        urls = json.loads(server.stdout.readline())
        rounds: dict[str, list[Figures]] = {name: [] for name in subjects}
        for _ in range(ROUNDS):
            for name, (code, names) in subjects.items():
                rounds[name].append(_once(code, names, urls))
    finally:
        server.communicate()
    cost = {
        name: {key: statistics.median(one[key] for one in each) for key in each[0]} for name, each in rounds.items()
    }
    made: dict[str, object] = {}
    for name in NATIVE:
        native = cost[f"{name} connected"]
        made[name] = {
            "native": _shown(native),
            "ccxt, to native": _shown(cost[f"{name}_ccxt connected"], native),
        }
    for name in PACKAGES:
        floor = cost[f"{name} by hand"]
        made[name] = {
            "floor: ccxt's client by hand": _shown(floor),
            "ours, to the floor": _shown(cost[f"{name} initialized"], floor),
        }
    for name in ("eight connected", "six initialized"):
        made[f"{name} in one process"] = {
            **_shown(cost[name]),
            "longest pause of the loop ms": round(cost[name]["pause"] * 1e3),
        }
    return made


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

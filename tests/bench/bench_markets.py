"""Loading 3,000 spot symbols: CPU and memory growth of the floor, fra and ccxt, each in a process of its own.

The floor decodes the same exchangeInfo into typed structs and keeps one small record with exact numbers per symbol.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

SYMBOLS = 3_000
CLIENTS = ("floor", "fra", "ccxt")

_SERVER = """
import asyncio, sys
from fra.emulator import Emulator
async def main():
    async with Emulator(["binance"], symbols=int(sys.argv[1])) as emulator:
        print(emulator.venues["binance"].markets["spot"]["rest"], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""

_MEASURE = """
import asyncio, gc, json, os, time
def rss():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def report(before, cpu, count, kept):
    print(json.dumps({"cpu": time.process_time() - cpu, "rss": rss() - before, "count": count}))
"""

_FLOOR = (
    _MEASURE
    + """
import sys, aiohttp, msgspec
from decimal import Decimal
class Filter(msgspec.Struct):
    filterType: str
    tickSize: Decimal | None = None
    stepSize: Decimal | None = None
    minQty: Decimal | None = None
    maxQty: Decimal | None = None
    minNotional: Decimal | None = None
class Row(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[Filter]
class Info(msgspec.Struct):
    symbols: list[Row]
class Kept(msgspec.Struct):
    name: str
    id: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    least: Decimal | None
    most: Decimal | None
    notional: Decimal | None
async def main():
    decode = msgspec.json.Decoder(Info).decode
    async with aiohttp.ClientSession() as session:
        before, cpu = rss(), time.process_time()
        async with session.get(sys.argv[1] + "/api/v3/exchangeInfo") as answer:
            info = decode(await answer.read())
        kept = {}
        for row in info.symbols:
            by = {f.filterType: f for f in row.filters}
            price, lot, notional = by["PRICE_FILTER"], by["LOT_SIZE"], by.get("NOTIONAL")
            name = f"{row.baseAsset}/{row.quoteAsset}"
            kept[name] = Kept(name, row.symbol, row.baseAsset, row.quoteAsset, price.tickSize, lot.stepSize,
                              lot.minQty, lot.maxQty, notional and notional.minNotional)
        del info, row, by, price, lot, notional
        report(before, cpu, len(kept), kept)
asyncio.run(main())
"""
)

_FRA = (
    _MEASURE
    + """
import sys
from fra.core import connect
async def main():
    urls = {"spot": {"rest": sys.argv[1], "ws": sys.argv[1].replace("http", "ws")}}
    async with connect("binance", base_url=urls, markets=("spot",)) as exchange:
        before, cpu = rss(), time.process_time()
        kept = await exchange.get_symbols()
        report(before, cpu, len(kept), kept)
asyncio.run(main())
"""
)

_CCXT = (
    _MEASURE
    + """
import sys, ccxt.async_support as ccxt
async def main():
    exchange = ccxt.binance({"options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}})
    exchange.urls["api"]["public"] = sys.argv[1] + "/api/v3"
    try:
        before, cpu = rss(), time.process_time()
        kept = await exchange.load_markets()
        report(before, cpu, len(kept), kept)
    finally:
        await exchange.close()
asyncio.run(main())
"""
)

_CODE = {"floor": _FLOOR, "fra": _FRA, "ccxt": _CCXT}


def run(rounds: int = 5) -> dict[str, dict[str, float]]:
    """{client: {cpu ms, growth in MB, and the ratio of both to the floor}}, medians over rounds in turn."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(SYMBOLS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        results: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
        for _ in range(rounds):
            for client in CLIENTS:
                done = subprocess.run(
                    [sys.executable, "-c", _CODE[client], url], capture_output=True, text=True, timeout=120, check=True
                )
                results[client].append(json.loads(done.stdout))
    finally:
        server.communicate()
    table: dict[str, dict[str, float]] = {}
    for client, rows in results.items():
        floors = results["floor"]
        table[client] = {
            "symbols": rows[0]["count"],
            "cpu_ms": 1e3 * statistics.median(row["cpu"] for row in rows),
            "cpu_ratio": statistics.median(row["cpu"] / floor["cpu"] for row, floor in zip(rows, floors, strict=True)),
            "growth_mb": statistics.median(row["rss"] for row in rows) / 1e6,
            "growth_ratio": statistics.median(
                row["rss"] / floor["rss"] for row, floor in zip(rows, floors, strict=True)
            ),
        }
    return table


if __name__ == "__main__":
    for name, figures in run().items():
        print(f"{name:6}", "  ".join(f"{key} {value:.2f}" for key, value in figures.items()))

"""CPU per message, added latency and share of updates delivered: fra beside ccxt.pro and the floor, one feed, one run.

Figures are medians over rounds in which every client runs in turn, each against a fresh server; only ratios count.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CLIENTS = ("floor", "fra", "ccxt.pro")
RECORDED = "recordings/binance/usdm-book/hftbacktest-20240808__BTCUSDT.jsonl.gz"


def once(client: str, kind: str, count: int, rate: float = 0, *, timeout: float = 180) -> dict[str, object]:
    """One client reads one whole feed; raises with its stderr when it fails."""
    server = subprocess.Popen(
        [sys.executable, HERE / "feed_server.py", kind, str(count), str(rate)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        hello = json.loads(server.stdout.readline())
        channel = "trades" if kind in ("trades", "burst") else "book"
        arguments = [client, channel, str(hello["port"]), str(hello["count"]), str(hello["last"])]
        process = subprocess.run(
            [sys.executable, HERE / "feed_clients.py", *arguments], capture_output=True, text=True, timeout=timeout
        )
        if process.returncode:
            raise RuntimeError(f"{client} on {kind} failed:\n{process.stderr[-2000:]}")
        result: dict[str, object] = json.loads(process.stdout.splitlines()[-1])
        result["count"] = hello["count"]
        if rate:
            result["latency"] = _latency(hello["port"], result)
        return result
    finally:
        server.communicate()


def _latency(port: int, result: dict[str, object]) -> list[float]:
    """Microseconds from just before a message was sent until the caller had it, for those that were delivered.

    The first tenth is the warm-up of every client alike (snapshot, first decoders) and is left out.
    """
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/sent") as answer:
        sent = json.load(answer)
    warm = len(sent["ids"]) // 10
    at = dict(zip(sent["ids"][warm:], sent["sent"][warm:], strict=True))
    return [(arrival - at[number]) / 1000 for number, arrival in result["arrivals"] if at.get(number)]  # type: ignore[attr-defined]


def run(rounds: int = 3) -> dict[str, dict[str, float]]:
    """{workload: {figure: value}}; cpu_us is per message sent, ratios are to the floor of the same round."""
    fixtures = os.environ.get("FRA_FIXTURES")
    feeds = {"USD-M book, generated": ("book", 6_000), "trades": ("trades", 40_000)}
    if fixtures:
        feeds["USD-M book, recorded"] = (str(Path(fixtures) / RECORDED), 0)
    table: dict[str, dict[str, float]] = {}
    for workload, (kind, count) in feeds.items():
        results = [{client: once(client, kind, count) for client in CLIENTS} for _ in range(rounds)]
        row: dict[str, float] = {}
        for client in CLIENTS:
            per_message = [1e6 * r[client]["cpu"] / r[client]["count"] for r in results]  # type: ignore[operator]
            row[f"{client} cpu_us"] = statistics.median(per_message)
            row[f"{client} ratio"] = statistics.median(
                r[client]["cpu"] / r["floor"]["cpu"]
                for r in results  # type: ignore[operator]
            )
            row[f"{client} delivered"] = statistics.median(
                r[client]["delivered"] / r["floor"]["delivered"]
                for r in results  # type: ignore[operator]
            )
        table[workload] = row
    latency: dict[str, float] = {}
    paced = {client: once(client, "book", 6_000, 2_000)["latency"] for client in CLIENTS}
    for client, micros in paced.items():
        cuts = statistics.quantiles(micros, n=100)  # type: ignore[type-var]
        latency[f"{client} p50_us"], latency[f"{client} p99_us"] = cuts[49], cuts[98]  # type: ignore[assignment]
    table["latency at 2,000 book messages/s"] = latency
    return table


if __name__ == "__main__":
    for workload, figures in run().items():
        print(workload)
        for name, value in figures.items():
            print(f"  {name:24} {value:10.2f}")

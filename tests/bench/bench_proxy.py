"""What a hosted exchange costs: CPU of host, broker and client for each frame of a book, for one client and for eight.

The host's exchange is made here and costs nothing, so that the figures are those of the proxy alone; what a venue's own
messages cost is `feed`'s to say. Every book has 20 levels a side, and each update changes three of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from fra.core import (
    BookView,
    ExchangeCapabilities,
    ExchangeMetadata,
    ExchangePluginInterface,
    Health,
    MarketKind,
    Operation,
    OrderBook,
    PluginManager,
    PluginRegistry,
    PluginType,
    PriceLevel,
    StreamSource,
    Symbol,
    Ticker,
)

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))
SYMBOLS, ROUNDS, LEVELS, CHANGES = 200, 60, 20, 3
TICK = Decimal("0.1")


class Levels:
    """Both sides of a book, which move with each round."""

    def __init__(self) -> None:
        self._bids = [PriceLevel(100 - TICK * number, Decimal(1)) for number in range(LEVELS)]
        self._asks = [PriceLevel(100 + TICK * (number + 1), Decimal(1)) for number in range(LEVELS)]
        self._round = 0

    def move(self) -> None:
        self._round += 1
        for change in range(CHANGES):
            at = (self._round * 7 + change) % LEVELS
            for side in (self._bids, self._asks):
                side[at] = PriceLevel(side[at].price, Decimal(self._round))

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return tuple(self._bids[:depth])

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return tuple(self._asks[:depth])


class Made(ExchangePluginInterface):
    """An exchange whose books are made here."""

    sources: dict[str, tuple[StreamSource[BookView], Levels]]

    @property
    def capabilities(self) -> ExchangeCapabilities:
        return self.describe().capabilities

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        operations = (
            Operation.GET_SYMBOLS,
            Operation.GET_ORDERBOOK,
            Operation.GET_TICKER,
            Operation.SUBSCRIBE_ORDERBOOK,
        )
        can = ExchangeCapabilities.of(operations, [MarketKind.SPOT])
        return ExchangeMetadata("made", "Made", "0", PluginType.SIMULATED, can)

    async def initialize(self) -> None:
        self.sources = {}

    async def connect(self) -> None: ...
    async def disconnect(self) -> None: ...

    async def health_check(self) -> Health:
        raise NotImplementedError

    async def get_symbols(self) -> Sequence[Symbol]:
        return [
            Symbol(
                f"C{number}/USDT", f"C{number}", MarketKind.SPOT, f"C{number}", "USDT", tick_size=TICK, lot_size=TICK
            )
            for number in range(SYMBOLS)
        ]

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        raise NotImplementedError

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        raise NotImplementedError

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        source: StreamSource[BookView] = StreamSource()
        levels = Levels()
        self.sources[symbol.name] = (source, levels)
        source.publish(BookView(symbol.name, levels, int(time.time() * 1000), None, 0))
        return source

    async def play(self) -> None:
        """Every book moves ROUNDS times; between two moves everybody has a turn, as between two reads of a socket."""
        for number in range(1, ROUNDS + 1):
            for name, (source, levels) in self.sources.items():
                levels.move()
                source.publish(BookView(name, levels, int(time.time() * 1000), None, number))
            await asyncio.sleep(0.05)


async def host(url: str, clients: int) -> dict[str, float]:
    """Serve, wait until every book is asked for, play."""
    from fra.adapters.proxy.broker import Broker
    from fra.adapters.proxy.host import ExchangeHost
    from fra.adapters.proxy.lease import Lease, lease_bucket
    from fra.adapters.proxy.options import BrokerOptions
    from fra.adapters.proxy.subjects import Subjects

    registry = PluginRegistry()
    made: list[Made] = []

    class Kept(Made):
        async def connect(self) -> None:
            made.append(self)

    registry.register_plugin("made", Kept)
    manager = PluginManager.from_config({"exchanges": {"made": {"exchange_id": "made"}}}, registry=registry)
    broker = Broker(BrokerOptions(servers=(url,)), name="host", report=print)
    await broker.connect()
    async with manager:
        subjects = Subjects("made")
        lease = Lease(await lease_bucket(broker.client, 10), subjects.key, uuid4().hex, seconds=10, margin=1)
        sent = 0
        publish = broker.publish

        async def count(subject: str, data: bytes) -> None:
            nonlocal sent
            sent += ".stream." in subject
            await publish(subject, data)

        broker.publish = count  # type: ignore[method-assign]
        serving = ExchangeHost(
            broker,
            manager.get_plugin("made"),
            subjects,
            lease,
            now_ms=lambda: int(time.time() * 1000),
            account=False,
            kept_for=60,
        )
        task = asyncio.create_task(serving.run())
        for _ in range(clients):
            await asyncio.to_thread(sys.stdin.readline)  # each client says when it has all its books
        sent = 0
        cpu, begun = time.process_time(), time.monotonic()
        await made[0].play()
        await asyncio.sleep(0.3)
        result = {"cpu": time.process_time() - cpu, "sent": sent, "seconds": time.monotonic() - begun}
        await broker.publish("bench.end", b"")
        task.cancel()
        await asyncio.wait((task,))
    await broker.close()
    return result


async def client(url: str) -> dict[str, float]:
    """Take every book of the host."""
    from nats.aio.client import Client

    config = {"exchange_id": "made", "plugin": "proxy", "options": {"servers": [url], "target": "made"}}
    ended = asyncio.Event()
    bare = Client()
    await bare.connect(url)

    async def end(_: object) -> None:
        ended.set()

    await bare.subscribe("bench.end", cb=end)
    async with PluginManager.from_config({"exchanges": {"far": config}}) as manager:
        handle = manager.get_plugin("far")
        got = 0

        def take(view: BookView) -> None:
            nonlocal got
            got += view.best_bid is not None

        books = [handle.subscribe_orderbook(symbol.name) for symbol in await handle.get_symbols()]
        for book in books:
            book.add_listener(take)
        await asyncio.gather(*(book.ready() for book in books))
        print("ready", flush=True)
        got, cpu = 0, time.process_time()
        await ended.wait()
        cpu = time.process_time() - cpu
        for book in books:
            await book.close()
    await bare.close()
    return {"cpu": cpu, "got": got}


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def once(clients: int) -> dict[str, float]:
    """One play in front of so many clients."""
    from proxy_world import free_port

    with tempfile.TemporaryDirectory() as folder:
        url = f"nats://127.0.0.1:{free_port()}"
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary is not None
        arguments = ["-a", "127.0.0.1", "-p", url.rpartition(":")[2], "-js", "-sd", folder]
        broker = subprocess.Popen([binary, *arguments], stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            hosting = _start("host", url, str(clients), stdin=subprocess.PIPE)
            time.sleep(1.5)
            taking = [_start("client", url) for _ in range(clients)]
            for process in taking:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            before = _cpu_of(broker.pid)
            hosted = json.loads(hosting.communicate("\n" * clients)[0].splitlines()[-1])
            taken = [json.loads(process.communicate()[0].splitlines()[-1]) for process in taking]
            spent = _cpu_of(broker.pid) - before
        finally:
            broker.kill()
            broker.wait()
    sent, got = hosted["sent"], sum(one["got"] for one in taken)
    return {
        "host cpu_us per frame": 1e6 * hosted["cpu"] / sent,
        "broker cpu_us per delivery": 1e6 * spent / (sent * clients),
        "client cpu_us per frame": 1e6 * sum(one["cpu"] for one in taken) / max(got, 1),
        "frames per second": sent / hosted["seconds"],
        "delivered": got / (sent * clients),
    }


def _start(*arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, __file__, *arguments], stdin=stdin, stdout=subprocess.PIPE, text=True)


def run() -> dict[str, dict[str, float]]:
    """{clients: figures}."""
    return {f"{clients} client{'s' * (clients > 1)}": once(clients) for clients in (1, 8)}


if __name__ == "__main__":
    role, url, *rest = sys.argv[1:]
    print(json.dumps(asyncio.run(host(url, int(rest[0])) if role == "host" else client(url))))

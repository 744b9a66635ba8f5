"""New code of an exchange in use comes by hand-over: two hosts with two versions, and a client that notices nothing."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from proxy_world import NatsServer
from versioned_exchange import kraken
from wheelhouse import Environment, Wheels, build_all, new_environment

from fra.core import ExchangeConnectionError, PluginManager

VERSIONS = ("1.0", "2.0")
STARTUP_S = 60.0


@asynccontextmanager
async def serving(environment: Environment, config: Path, url: str) -> AsyncIterator[Any]:
    """`fra serve` in its own environment; the result waits for a state of it."""
    process = await asyncio.create_subprocess_exec(
        environment.python.parent / "fra", "serve", "--nats", url, "--config", config, "--lease", "2s", "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=config.parent,
    )  # fmt: skip
    assert process.stdout is not None

    async def until(state: str) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(STARTUP_S):
            while line := await process.stdout.readline():
                if json.loads(line)["state"] == state:
                    return
        raise AssertionError((await process.stderr.read()).decode())

    until.leave = lambda: process.send_signal(signal.SIGINT)  # type: ignore[attr-defined]
    try:
        yield until
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_second_host_with_the_next_version_takes_over_and_clients_go_on(
    wheels: Wheels, tmp_path: Path, tmp_path_factory: Any
) -> None:
    sources, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    for version in VERSIONS:
        build_all([kraken(version)], sources=sources, target=target)
    ours = wheels.with_ours("fra-adapter-proxy", "fra-cli")
    environments = []
    for version in VERSIONS:
        environment = new_environment(tmp_path / version)
        environment.install(*ours, target / f"fra_exchange_kraken-{version}-py3-none-any.whl")
        environments.append(environment)
    config = tmp_path / "fra.toml"
    config.write_text("[exchanges.kraken]\n", encoding="utf-8")
    server = NatsServer(tmp_path)
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            old = await stack.enter_async_context(serving(environments[0], config, server.url))
            await old("active")
            far = {"exchange_id": "kraken", "plugin": "proxy", "options": {"servers": [server.url], "target": "kraken"}}
            manager = await stack.enter_async_context(PluginManager.from_config({"exchanges": {"kraken": far}}))
            client = manager.get_plugin("kraken")
            assert str((await client.get_ticker("BTC/USD")).last) == "1.0"
            new = await stack.enter_async_context(serving(environments[1], config, server.url))
            await new("standby")
            assert str((await client.get_ticker("BTC/USD")).last) == "1.0"
            old.leave()
            seen = set()
            async with asyncio.timeout(STARTUP_S):
                while "2.0" not in seen:
                    try:
                        seen.add(str((await client.get_ticker("BTC/USD")).last))
                    except ExchangeConnectionError:  # between the two: nobody serves it
                        continue
            assert seen <= {"1.0", "2.0"}
            await new("active")
            assert str((await client.get_ticker("BTC/USD")).last) == "2.0"
    finally:
        server.kill()

"""All exchanges in one program: what cannot be imported, is refused or never answers is its own affair."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from traders import LINEAR, PATIENCE_S, VENUES, configured, emulator

from fra.core import (
    ConnectionStatus,
    ExchangeConnectionError,
    ExchangeHandle,
    FraError,
    PluginBroken,
    PluginManager,
    PluginRegistry,
    PluginState,
)
from fra.emulator import Venue

PACKAGES = ("bitget", "kucoin", "gate", "mexc", "cryptocom", "bitfinex")
WORKING = (*VENUES, *(f"{name}_ccxt" for name in VENUES))
NOBODY = "http://127.0.0.1:1"
"""Where nothing listens."""


class Silent:
    """A host that takes connections and never says a word."""

    def __init__(self) -> None:
        self.asked = 0
        self.url = ""
        self._changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readline()
            self.asked += 1
            self._changed.set()
            await reader.read()
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.asked < count:
                self._changed.clear()
                await self._changed.wait()


@pytest_asyncio.fixture
async def silent() -> AsyncIterator[Silent]:
    made = Silent()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    await server.wait_closed()


@pytest_asyncio.fixture
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator(htx_multi_assets=True) as running:
        yield running.venues


@pytest.fixture
def registry(tmp_path: Path) -> PluginRegistry:
    """What is installed here, and one more that cannot be imported."""
    info = tmp_path / "fra_exchange_broken-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: fra-exchange-broken\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[fra.exchanges]\nbroken = fra_exchange_that_is_not_there:Plugin\n")
    return PluginRegistry(path=[str(tmp_path), *sys.path], environ={})


def all_of_them(venues: Mapping[str, Venue], url: str, *, timeout: float) -> dict[str, dict[str, Any]]:
    """Eight that work, six at ``url``, and one that is broken."""
    working = {name: configured(venues[name.removesuffix("_ccxt")], None, plugin=name) for name in WORKING}
    away = {name: {"plugin": name, "base_url": url, "timeout": timeout} for name in PACKAGES}
    return {"broken": {}, **away, **working}


async def check(handle: ExchangeHandle) -> None:
    """It answers."""
    assert handle.status is ConnectionStatus.CONNECTED
    assert (await handle.get_orderbook(LINEAR, depth=5)).best_bid is not None
    assert (await handle.get_funding_rate(LINEAR)).symbol == LINEAR


async def test_the_silence_of_six_delays_none_of_the_others(
    venues: Mapping[str, Venue], registry: PluginRegistry, silent: Silent
) -> None:
    exchanges = all_of_them(venues, silent.url, timeout=600.0)
    async with PluginManager.from_config({"exchanges": exchanges}, registry=registry, only=()) as manager:
        starts = {name: asyncio.create_task(manager.reload_plugin(name)) for name in exchanges}
        async with asyncio.timeout(6 * PATIENCE_S):
            handles = await asyncio.gather(*(starts[name] for name in WORKING))
        await silent.until(len(PACKAGES))
        await asyncio.gather(*map(check, handles))
        assert not any(starts[name].done() for name in PACKAGES)
        with pytest.raises(PluginBroken, match="fra_exchange_that_is_not_there"):
            await starts["broken"]
    # and the end waits for none of them either
    ended = await asyncio.gather(*(starts[name] for name in PACKAGES), return_exceptions=True)
    assert not any(isinstance(end, ExchangeHandle) for end in ended)


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_those_that_cannot_be_reached_fail_alone_and_by_name(
    venues: Mapping[str, Venue], registry: PluginRegistry, silent: Silent, how: str
) -> None:
    exchanges = all_of_them(venues, NOBODY if how == "refused" else silent.url, timeout=1.5)
    async with PluginManager.from_config({"exchanges": exchanges}, registry=registry) as manager:
        assert manager.failures.keys() == {"broken", *PACKAGES}
        for name in PACKAGES:
            failure = manager.failures[name]
            assert isinstance(failure, ExchangeConnectionError), failure
            assert str(failure).startswith(f"{name}: ")
        assert {handle.name for handle in manager.get_all_plugins().values()} == set(WORKING)
        await asyncio.gather(*(check(manager.get_plugin(name)) for name in WORKING))
        rows = {row.name: row.state for row in registry.rows()}
        assert {rows[name] for name in (*WORKING, *PACKAGES)} == {PluginState.LOADED}
        assert rows["broken"] is PluginState.BROKEN


LINGERS = """
import pathlib, time
released = pathlib.Path(__file__).with_name("released")
given_up = time.monotonic() + 30
while not released.exists() and time.monotonic() < given_up:
    time.sleep(0.005)
raise ImportError("after all that" if released.exists() else "nobody else got ready meanwhile")
"""


async def test_an_import_that_lingers_and_fails_holds_up_nobody(
    venues: Mapping[str, Venue], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("fra_exchange_that_lingers.py").write_text(LINGERS)
    info = tmp_path / "fra_exchange_lingers-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: fra-exchange-lingers\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[fra.exchanges]\nlingers = fra_exchange_that_lingers:Plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    exchanges = {"lingers": {}, **all_of_them(venues, NOBODY, timeout=1.5)}
    async with PluginManager.from_config({"exchanges": exchanges}, only=()) as manager:
        lingering = asyncio.create_task(manager.reload_plugin("lingers"))
        await asyncio.gather(*[check(await manager.reload_plugin(name)) for name in ("okx", "okx_ccxt")])
        assert not lingering.done()
        tmp_path.joinpath("released").touch()
        with pytest.raises(PluginBroken, match="after all that"):
            await lingering


async def test_one_that_recovers_is_started_beside_the_others(
    venues: Mapping[str, Venue], registry: PluginRegistry
) -> None:
    exchanges = all_of_them(venues, NOBODY, timeout=1.5)
    working = exchanges["okx_ccxt"]["base_url"]
    exchanges["okx_ccxt"]["base_url"] = NOBODY
    async with PluginManager.from_config({"exchanges": exchanges}, registry=registry) as manager:
        with pytest.raises(FraError):
            manager.get_plugin("okx_ccxt")
        exchanges["okx_ccxt"]["base_url"] = working
        manager.set_config_manager(type(manager.config_manager).from_mapping({"exchanges": exchanges}))
        await check(await manager.reload_plugin("okx_ccxt"))
        await check(manager.get_plugin("okx"))

"""One process goes on while pip installs, removes and upgrades somebody else's adapter beneath it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from versioned_exchange import ADAPTER, kraken
from wheelhouse import Environment, Package, Wheels, build_all, new_environment

PROGRAM = """
import asyncio, json, sys
from fra.core import PluginManager

def tell(**what):
    print(json.dumps(what), flush=True)

async def main():
    async with PluginManager.from_config(sys.argv[1]) as manager, manager.watch() as watch:
        tell(ready=sorted(manager.get_all_plugins()))
        async for changes in watch:
            running = {}
            for name, handle in manager.get_all_plugins().items():
                ticker = await handle.get_ticker("BTC/USD")
                running[name] = [str(ticker.last), int(ticker.volume)]
            tell(
                started=changes.started, stopped=changes.stopped, held=dict(changes.held), running=running,
                failed={name: str(error) for name, error in changes.failed.items()},
                modules=sorted(name for name in sys.modules if name.startswith("fra_exchange_")),
            )
            if not running:
                return

def run():
    asyncio.run(main())
"""


@attrs.frozen
class Installed:
    environment: Environment
    versions: dict[str, Path]


@pytest.fixture(scope="module")
def installed(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Core, a program that watches and an adapter that stays; three versions of another one lie ready."""
    steady = {"fra.exchanges": {"steady": "fra_exchange_steady:Plugin"}}
    others = [
        Package("fra-exchange-steady", "fra_exchange_steady", ADAPTER.replace("{version}", "7"), steady),
        Package("desk", "desk", PROGRAM, {}, ("fra-core>=0.1,<0.2", "watchfiles>=0.24")),
    ]
    sources, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    build_all([kraken("1.0"), *others], sources=sources, target=target)
    for version in ("2.0", "3.0"):
        build_all([kraken(version)], sources=sources, target=target)
    versions = {wheel.name.split("-")[1]: wheel for wheel in target.glob("fra_exchange_kraken-*.whl")}
    environment = new_environment(tmp_path_factory.mktemp("environment"))
    environment.install(*wheels.with_ours("fra-core"), *target.glob("desk-*"), *target.glob("fra_exchange_steady-*"))
    return Installed(environment, versions)


@asynccontextmanager
async def running(installed: Installed, file: Path) -> AsyncIterator[Any]:
    """The program; the result gives the next thing that it tells."""
    process = await asyncio.create_subprocess_exec(
        installed.environment.python, "-W", "error", "-c", "import desk; desk.run()", file,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=file.parent,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None

    async def told() -> dict[str, Any]:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert line, (await process.stderr.read()).decode()
        found: dict[str, Any] = json.loads(line)
        return found

    try:
        yield told
        async with asyncio.timeout(60):
            _, errors = await process.communicate()
        assert (process.returncode, errors.decode()) == (0, "")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_what_pip_does_takes_effect_in_the_running_process(installed: Installed, tmp_path: Path) -> None:
    environment, file = installed.environment, tmp_path / "fra.toml"
    file.write_text("[exchanges.steady]\n[exchanges.kraken]\n")
    async with running(installed, file) as told:
        assert await told() == {"ready": ["steady"]}

        await asyncio.to_thread(environment.install, installed.versions["1.0"])
        news = await told()
        assert (news["started"], news["running"]) == (["kraken"], {"steady": ["7", 1], "kraken": ["1.0", 1]})

        await asyncio.to_thread(environment.uninstall, "fra-exchange-kraken")
        news = await told()
        assert (news["stopped"], news["running"]) == (["kraken"], {"steady": ["7", 2]})
        assert "pip install fra-exchange-kraken" in news["failed"]["kraken"]
        assert news["modules"] == ["fra_exchange_steady"]

        await asyncio.to_thread(environment.install, installed.versions["2.0"])
        news = await told()
        assert (news["started"], news["running"]) == (["kraken"], {"steady": ["7", 3], "kraken": ["2.0", 1]})

        await asyncio.to_thread(environment.install, installed.versions["3.0"])  # while 2.0 is in use
        news = await told()
        assert news["held"] == {"fra-exchange-kraken": "2.0 is in use, 3.0 installed"}
        assert news["running"] == {"steady": ["7", 4], "kraken": ["2.0", 2]}

        file.write_text("[exchanges.steady]\n")
        assert (await told())["stopped"] == ["kraken"]
        file.write_text("[exchanges.steady]\n[exchanges.kraken]\n")
        news = await told()
        assert (news["started"], news["running"]) == (["kraken"], {"steady": ["7", 6], "kraken": ["3.0", 1]})

        file.write_text("")
        assert sorted((await told())["stopped"]) == ["kraken", "steady"]

"""ccxt, which takes a second and a hundred megabytes to import, is imported when an adapter on it is started and not
before: not by discovery, help and listings, not by what adapters say of themselves, not by native adapters."""

from __future__ import annotations

import subprocess
import sys

import pytest

CCXT = ("ccxt", "ccxt.async_support", "ccxt.pro")
REPORT = f"""
import sys
print(*(name for name in {CCXT!r} if name in sys.modules))
"""
START = """
import asyncio
from fra.core import PluginManager
from fra.emulator import Emulator

async def main():
    async with Emulator([{venue!r}], seed=1) as running:
        urls = running.venues[{venue!r}].markets
        exchanges = {{name: {{"plugin": name, "base_url": urls}} for name in {plugins!r}}}
        async with PluginManager.from_config({{"exchanges": exchanges}}, only={start!r}) as manager:
            assert not manager.failures, manager.failures
            for name in {start!r}:
                await manager.get_plugin(name).get_symbols()

asyncio.run(main())
"""
COMMAND = """
from fra.cli.main import run
assert run({arguments!r}) == 0
"""


def imported_by(code: str) -> list[str]:
    """Which of ccxt's packages a fresh interpreter holds after running ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("from fra.core import PluginRegistry; PluginRegistry().rows()", id="discovery"),
        pytest.param("import fra.adapters.ccxt", id="the adapter's own package"),
        pytest.param(
            "from fra.core import PluginRegistry\nr = PluginRegistry()\n"
            "described = [r.get_plugin_metadata(name) for name in r.get_available_plugins()]\n"
            "assert {m.plugin_type.value for m in described} >= {'ccxt', 'custom'}",
            id="what every adapter says of itself",
        ),
        *(
            pytest.param(COMMAND.format(arguments=arguments), id=f"fra {' '.join(arguments)}")
            for arguments in (
                ["plugins"],
                ["--help"],
                ["config", "schema", "--plugin", "okx_ccxt"],
                ["compare", "--help"],
            )
        ),
        *(
            pytest.param(
                START.format(venue=name, plugins=[name, f"{name}_ccxt"], start=[name]),
                id=f"{name} with {name}_ccxt configured beside it",
            )
            for name in ("binance", "okx", "bybit", "htx")
        ),
    ],
)
def test_ccxt_is_not_imported_by(code: str) -> None:
    assert imported_by(code) == []


def test_ccxt_is_imported_when_an_adapter_on_it_is_started() -> None:
    assert imported_by(START.format(venue="okx", plugins=["okx_ccxt"], start=["okx_ccxt"])) == [*CCXT]

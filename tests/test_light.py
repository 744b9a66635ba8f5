"""Starting stays light: what nobody asked for is not imported, however much is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

HEAVY = ("aiohttp", "ccxt", "click", "importlib_metadata", "msgspec", "numpy", "packaging", "rich")
REPORT = "\nimport sys\nprint(*sys.modules, sep='\\n', file=sys.stderr)"
COMMAND = """
import sys
from fra.core.main import main
sys.argv[0] = "fra"
try:
    code = main()
except SystemExit as done:  # a completion ends the process itself
    code = done.code
assert code == 0
"""


def imported_by(
    code: str, *arguments: str, site: Path | None = None, environ: dict[str, str] | None = None
) -> tuple[set[str], str]:
    """The modules that a fresh interpreter holds after running ``code``, and what it printed."""
    settings = {key: value for key, value in os.environ.items() if not key.startswith("FRA_")} | (environ or {})
    if site is not None:
        settings["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), settings.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=settings,
    )
    return set(done.stderr.split()), done.stdout


def packages(modules: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def install(site: Path, count: int) -> list[str]:
    """Metadata of adapters as pip leaves it, and modules that nobody may import."""
    names = [f"x{number}" for number in range(count)]
    for name in names:
        info = site / f"fra_exchange_{name}-1.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: fra-exchange-{name}\nVersion: 1.0\nRequires-Dist: fra-core>=0.1,<99\n"
        )
        info.joinpath("entry_points.txt").write_text(f"[fra.exchanges]\n{name} = fra_exchange_{name}:Plugin\n")
        site.joinpath(f"fra_exchange_{name}.py").write_text("raise SystemExit('listing it must not import it')\n")
    return names


@pytest.mark.parametrize("code", ["import fra.core", "from fra.core import *", "import fra.emulator"])
def test_importing_pulls_in_nothing_heavy(code: str) -> None:
    modules, _ = imported_by(code)
    assert packages(modules).isdisjoint(HEAVY)


def test_naming_a_model_does_not_import_what_runs_adapters() -> None:
    modules, _ = imported_by("from fra.core import FundingRate, Symbol, Trade")
    assert packages(modules).isdisjoint({"asyncio", "pluggy"})
    assert not {name for name in modules if name.startswith(("fra.core.host", "fra.core.toolkit"))}


@pytest.mark.parametrize(
    "code",
    [
        "from fra.exchanges.okx import OKXPlugin; OKXPlugin.describe()",
        "from fra.exchanges.binance import CustomBinancePlugin; CustomBinancePlugin.describe()",
    ],
)
def test_asking_an_adapter_what_it_can_do_opens_no_sockets_library(code: str) -> None:
    modules, _ = imported_by(code)
    assert packages(modules).isdisjoint({"aiohttp", "ccxt", "rich"})
    assert "fra.core.contract.models" in modules, "it was not imported at all"


def test_listing_200_installed_adapters_imports_none(tmp_path: Path) -> None:
    names = install(tmp_path, 200)
    modules, shown = imported_by(COMMAND, "plugins", site=tmp_path)
    assert set(names) <= {line.split()[0] for line in shown.splitlines()[1:] if "available" in line}
    assert not {name for name in modules if name.startswith(("fra_exchange_", "fra.exchanges.", "fra.adapters."))}


@pytest.mark.parametrize(
    ("arguments", "environ", "expected"),
    [
        (["--help"], {}, "Commands"),
        (["plugins"], {}, "available"),
        (["completion", "bash"], {}, "_FRA_COMPLETE"),
        ([], {"_FRA_COMPLETE": "bash_complete", "COMP_WORDS": "fra pl", "COMP_CWORD": "1"}, "plugins"),
    ],
    ids=["help", "plugins", "completion script", "completion"],
)
def test_a_command_that_meets_no_exchange_imports_nothing_for_one(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], expected: str
) -> None:
    install(tmp_path, 20)
    modules, shown = imported_by(COMMAND, *arguments, site=tmp_path, environ=environ)
    assert expected in shown
    assert packages(modules).isdisjoint({"aiohttp", "asyncio", "ccxt", "msgspec", "packaging", "pluggy", "rich"})
    assert "fra.core.contract.models" not in modules


STARTED = """
import asyncio, sys, threading

class Seen:
    threads = {}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.threads.setdefault(name, threading.current_thread())

async def main():
    from fra.core import PluginManager
    nowhere = {"base_url": "http://127.0.0.1:1", "timeout": 1}
    sys.meta_path.insert(0, Seen)
    async with PluginManager.from_config({"exchanges": {"okx": nowhere, "bybit": nowhere}}) as manager:
        assert manager.failures.keys() == {"okx", "bybit"}
    assert Seen.threads["aiohttp"] is not threading.main_thread()

asyncio.run(main())
"""


def test_the_loop_does_not_stand_still_while_an_adapter_imports_its_clients() -> None:
    modules, _ = imported_by(STARTED)
    assert "aiohttp" in modules

"""What `fra new` writes, built into wheels and installed in a clean environment: it is there, and it works."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import attrs
import pytest
from wheelhouse import Environment, Wheels, build, new_environment, run

pytestmark = pytest.mark.skipif("FRA_WHEELS" not in os.environ, reason="the wheels are built by `nox -s wheels`")


@attrs.frozen
class Installed:
    """An environment with both packages, and a folder with their tests alone."""

    environment: Environment
    tests: Path

    def pytest(self, project: str, *arguments: str) -> str:
        """Run an installed project's tests, without its sources; what pytest printed."""
        done = run(
            self.environment.python, "-m", "pytest", "-p", "no:cacheprovider", *arguments, folder=self.tests / project
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Both kinds of project: written by the installed `fra new`, built, and installed."""
    projects, tests = tmp_path_factory.mktemp("projects"), tmp_path_factory.mktemp("tests")
    environment = new_environment(tmp_path_factory.mktemp("environment"))
    environment.install(*wheels.with_ours("fra-testkit", "fra-adapter-custom"))
    for kind, name in (("exchange", "kraken"), ("hook", "risk-desk")):
        done = environment.fra("new", kind, name, "--into", str(projects))
        assert done.returncode == 0, done.stderr
    folders = sorted(projects.iterdir())
    environment.install(*build(folders, target=tmp_path_factory.mktemp("built")))
    for folder in folders:
        shutil.copytree(folder / "tests", tests / folder.name / "tests")
        shutil.copy(folder / "pyproject.toml", tests / folder.name)
    return Installed(environment, tests)


def test_both_show_in_the_list_of_plugins(installed: Installed) -> None:
    done = installed.environment.fra("plugins", "--json")
    assert done.returncode == 0, done.stderr
    rows = {(row["group"], row["name"]): row for row in json.loads(done.stdout)["plugins"]}
    for key in (("fra.exchanges", "kraken"), ("fra.hooks", "risk-desk"), ("fra.commands", "new")):
        assert (rows[key]["state"], rows[key]["version"]) == ("available", "0.1.0")
    assert rows["fra.exchanges", "kraken"]["distribution"] == "fra-exchange-kraken"
    assert rows["fra.hooks", "risk-desk"]["distribution"] == "fra-hook-risk-desk"


def test_the_exchange_passes_its_tests_and_earns_a_certificate(installed: Installed) -> None:
    own = "tests/test_fra_exchange_kraken.py"
    told = installed.pytest("fra-exchange-kraken", own, "--fra-adapter", "kraken", "--fra-venue", "venue:local_venue")
    (certificate,) = [
        line for line in told.splitlines() if line.startswith("fra-exchange-kraken 0.1.0") and "kit" in line
    ]
    assert "passed" in certificate
    assert "failed" not in certificate


def test_the_hook_passes_its_tests_and_stops_an_order_once_it_is_enabled(installed: Installed) -> None:
    assert "4 passed" in installed.pytest("fra-hook-risk-desk")
    done = installed.environment.run(
        """
        import asyncio
        from decimal import Decimal
        from fra.core import *

        config = {"exchanges": {}, "hooks": {"enabled": ["risk-desk"], "risk-desk": {"never": ["LUNA"]}}}

        async def main():
            async with PluginManager.from_config(ConfigManager.from_mapping(config)) as manager:
                kind = {"side": Side.BUY, "type": OrderType.MARKET, "amount": Decimal(1)}
                for symbol in ("BTC/USDT", "LUNA/USDT"):
                    request = OrderRequest(symbol=symbol, **kind)
                    try:
                        await manager.events.veto(OrderProposed(exchange="x", timestamp_ms=1, request=request))
                    except OrderVetoed as error:
                        print(error.message)

        asyncio.run(main())
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["the order was stopped by risk-desk: LUNA is never traded"]

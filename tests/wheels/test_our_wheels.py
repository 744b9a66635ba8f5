"""Each of our wheels holds what it must and nothing else, and installs and imports alone."""

from __future__ import annotations

import os
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath

import pytest
from wheelhouse import FOLDERS, Wheels, extras, new_environment

pytestmark = pytest.mark.skipif("FRA_WHEELS" not in os.environ, reason="the wheels are built by `nox -s wheels`")

SHARED = {"fra", "fra/exchanges", "fra/adapters", "fra/hooks"}
every_distribution = pytest.mark.parametrize("name", sorted(FOLDERS))


def files(wheel: Path) -> list[PurePosixPath]:
    with zipfile.ZipFile(wheel) as archive:
        return [PurePosixPath(name) for name in archive.namelist() if not name.endswith("/")]


@every_distribution
def test_a_wheel_leaves_the_shared_namespace_to_everybody(wheels: Wheels, name: str) -> None:
    assert [file for file in files(wheels.get(name)) if str(file.parent) in SHARED] == []


@every_distribution
def test_a_wheel_says_that_it_is_typed_and_under_which_licence(wheels: Wheels, name: str) -> None:
    inside = files(wheels.get(name))
    packages = {file.parent for file in inside if file.name == "__init__.py"}
    tops = {package for package in packages if str(package.parent) in SHARED}
    assert tops
    assert {package / "py.typed" for package in tops} <= set(inside)
    assert any(file.name == "LICENSE" and ".dist-info" in file.parts[0] for file in inside)


@every_distribution
def test_a_wheel_holds_its_package_and_nothing_else(wheels: Wheels, name: str) -> None:
    tops = {file.parts[0] for file in files(wheels.get(name))}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"fra"}
    assert not [file for file in files(wheels.get(name)) if "tests" in file.parts and file.suffix == ".py"]


@every_distribution
def test_a_source_distribution_lies_beside_its_wheel(wheels: Wheels, name: str) -> None:
    assert list(wheels.folder.glob(f"{name.replace('-', '_')}-*.tar.gz"))


@every_distribution
def test_it_imports_alone_with_only_what_it_declares(wheels: Wheels, tmp_path: Path, name: str) -> None:
    environment = new_environment(tmp_path / "environment")
    environment.install(*wheels.with_ours(name))
    inside = [file for file in files(wheels.get(name)) if file.suffix == ".py" and file.name != "__main__.py"]
    modules = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in inside]
    code = """
        import importlib, sys
        for module in sys.stdin.read().split():
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                print(error.name)
    """
    done = environment.run(code, given="\n".join(modules))
    assert done.returncode == 0, done.stderr
    optional = extras(wheels.get(name))
    offered = {module for module, owners in packages_distributions().items() if optional.intersection(owners)}
    missing = set(done.stdout.split())
    assert missing <= offered, "these are imported and neither required nor an extra"
    if missing:
        tops = [".".join(file.parent.parts) for file in files(wheels.get(name)) if file.name == "py.typed"]
        done = environment.run(f"import {', '.join(tops)}")
        assert done.returncode == 0, f"the package itself needs an extra: {done.stderr}"


def test_core_and_one_exchange_bring_no_ccxt(wheels: Wheels, tmp_path: Path) -> None:
    environment = new_environment(tmp_path / "environment")
    environment.install(*wheels.with_ours("fra-core", "fra-exchange-okx"))
    done = environment.run("import importlib.util as u; print(u.find_spec('ccxt'), u.find_spec('fra.cli'))")
    assert done.stdout.split() == ["None", "None"], done.stderr


def test_without_the_command_line_package_the_command_says_how_to_get_it(wheels: Wheels, tmp_path: Path) -> None:
    environment = new_environment(tmp_path / "environment")
    environment.install(*wheels.with_ours("fra-core"))
    done = environment.fra("plugins")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install fra-core[cli]" in done.stderr


def test_from_wheels_alone_every_exchange_and_command_is_listed(wheels: Wheels, tmp_path: Path) -> None:
    environment = new_environment(tmp_path / "environment")
    environment.install(*wheels.with_ours(*FOLDERS))
    done = environment.fra("plugins")
    assert done.returncode == 0, done.stderr
    for word in ("okx", "binance", "binance_custom", "spreads", "emulate"):
        assert word in done.stdout
    assert {"broken", "incompatible", "conflicting"}.isdisjoint(done.stdout.split())

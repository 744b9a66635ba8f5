"""Wheels, and environments that hold nothing but what was installed into them. None of it needs a network."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from email import message_from_bytes
from pathlib import Path

import attrs
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {folder.name: folder for folder in sorted(ROOT.glob("plugins/*")) if (folder / "pyproject.toml").is_file()}
FOLDERS["fra-core"] = ROOT / "core"


def run(
    *command: str | Path, environ: Mapping[str, str] | None = None, given: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it, in ``folder``, with nothing of this process's Python paths; ``given`` is its standard input."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "FRA_", "VIRTUAL_ENV"))}
    return subprocess.run(
        [*map(str, command)],
        env={**clean, "NO_COLOR": "1", **(environ or {})},
        input=given,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def requirements(wheel: Path) -> list[Requirement]:
    """What a wheel needs, without its extras."""
    return [needed for needed in declared(wheel) if needed.marker is None or needed.marker.evaluate({"extra": ""})]


def extras(wheel: Path) -> set[str]:
    """The distributions that a wheel's extras bring."""
    return {needed.name for needed in declared(wheel)} - {needed.name for needed in requirements(wheel)}


def declared(wheel: Path) -> list[Requirement]:
    """All that a wheel names, extras too."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
    return [*map(Requirement, lines)]


@attrs.define
class Wheels:
    """The wheels of our distributions: those in FRA_WHEELS, or built when they are asked for."""

    folder: Path
    built: bool

    def get(self, name: str) -> Path:
        """The wheel of one distribution."""
        pattern = f"{name.replace('-', '_')}-*.whl"
        if not self.built and not list(self.folder.glob(pattern)):
            done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", self.folder, FOLDERS[name])
            assert done.returncode == 0, done.stdout + done.stderr
        (wheel,) = self.folder.glob(pattern)
        return wheel

    def with_ours(self, *names: str) -> list[Path]:
        """The wheels of these distributions and of all of ours that they need."""
        found: dict[str, Path] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name in FOLDERS and name not in found:
                found[name] = self.get(name)
                todo += [needed.name for needed in requirements(found[name])]
        return list(found.values())


@attrs.frozen
class Environment:
    """A Python environment of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        return Path(sysconfig.get_path("scripts", "venv", {"base": str(self.folder)})) / Path(sys.executable).name

    @property
    def site_packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))

    def install(self, *wheels: Path, check: bool = True) -> None:
        """`pip install` with no index: what the wheels need must be among them, or a third party's that they declare.

        ``check=False`` installs what pip would refuse, as people do who upgrade one package of two.
        """
        for wheel in wheels:
            self._lend(requirements(wheel))
        options = [] if check else ["--no-deps"]
        done = run(
            sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--python", self.python,
            "install", "--no-index", "--no-compile", *options, *wheels,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def uninstall(self, name: str) -> None:
        """`pip uninstall`."""
        done = run(
            sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--python", self.python,
            "uninstall", "--yes", name,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def _lend(self, needed: Iterable[Requirement]) -> None:
        """Copy third-party distributions, and what they need in turn, from the environment that runs the tests."""
        todo = [requirement for requirement in needed if requirement.name not in FOLDERS]
        while todo:
            found = importlib.metadata.distribution(todo.pop().name)
            if self._holds(found):
                continue
            for file in found.files or ():
                if ".." not in file.parts and file.suffix != ".pyc":
                    target = self.site_packages / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(str(file.locate()), target)
            for requirement in map(Requirement, found.requires or ()):
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    todo.append(requirement)

    def _holds(self, wanted: importlib.metadata.Distribution) -> bool:
        installed = importlib.metadata.distributions(path=[str(self.site_packages)])
        return any(one.metadata["Name"] == wanted.metadata["Name"] for one in installed)

    def run(self, code: str, *, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run Python code in it, with warnings as errors; ``given`` is its standard input."""
        return run(self.python, "-W", "error", "-c", textwrap.dedent(code), given=given)

    def fra(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the `fra` command in it."""
        return run(self.python.parent / "fra", *arguments, environ=environ)


@attrs.frozen
class Package:
    """A distribution of somebody else's, as its author would write it."""

    name: str
    module: str
    code: str
    entry_points: Mapping[str, Mapping[str, str]]
    needs: Sequence[str] = ("fra-core>=0.1,<0.2",)
    version: str = "1.0"

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        (folder / f"{self.module}.py").write_text(textwrap.dedent(self.code), encoding="utf-8")
        needs = ", ".join(f'"{need}"' for need in self.needs)
        lines = [
            "[build-system]", 'requires = ["setuptools>=77"]', 'build-backend = "setuptools.build_meta"',
            "[project]", f'name = "{self.name}"', f'version = "{self.version}"', f"dependencies = [{needs}]",
            "[tool.setuptools]", f'py-modules = ["{self.module}"]',
        ]  # fmt: skip
        for group, points in self.entry_points.items():
            lines += [f'[project.entry-points."{group}"]', *(f'{name} = "{target}"' for name, target in points.items())]
        (folder / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
        return folder


def build_all(packages: Sequence[Package], *, sources: Path, target: Path) -> list[Path]:
    """Build packages into wheels, as their authors would."""
    return build([package.write(sources / f"{package.name}-{package.version}") for package in packages], target=target)


def build(folders: Sequence[Path], *, target: Path) -> list[Path]:
    """Build the projects in these folders into wheels."""
    done = run(
        sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "wheel", "--no-index",
        "--no-deps", "--no-build-isolation", "--wheel-dir", target, *folders,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(target.glob("*.whl"))


def new_environment(folder: Path) -> Environment:
    """An environment with nothing in it."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return Environment(folder)

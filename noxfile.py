"""What a contributor runs: ``nox -s demo``, ``nox -s tests``, …; ``nox --list`` names them all.

Nothing here lists our distributions: they are the folders that hold a pyproject.toml.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import signal
import tomllib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False  # `smoke` runs what the machine has, in CI too

# What starts in a shell's background ignores SIGINT and hands that on; tests that press Ctrl-C need it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent
BUILD_TOOL = "setuptools>=77"


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


TOOLS = _toml(ROOT / "pyproject.toml")
PROJECTS = {
    path.parent: _toml(path)["project"]
    for path in sorted([ROOT / "core" / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")])
}
FOLDERS = {project["name"]: folder for folder, project in PROJECTS.items()}
SOURCES = [folder / "src" for folder in PROJECTS]


def _import_names(folder: Path) -> list[str]:
    """The packages of a distribution: where its py.typed lies is where the shared namespace ends."""
    source = folder / "src"
    return [".".join(marker.parent.relative_to(source).parts) for marker in sorted(source.rglob("py.typed"))]


def _with_ours(*names: str) -> list[Path]:
    """The folders of these distributions (``name`` or ``name[extra]``) and of all of ours that they need."""
    found: dict[Path, None] = {}
    todo = [Requirement(name) for name in names]
    while todo:
        wanted = todo.pop()
        folder = FOLDERS.get(wanted.name)
        if folder is None:
            continue
        project = PROJECTS[folder]
        needs = [*project.get("dependencies", ())] if folder not in found else []
        for extra in wanted.extras:
            needs += project["optional-dependencies"][extra]
        found[folder] = None
        todo += map(Requirement, needs)
    return sorted(found)


def _group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(TOOLS, name))


def _install(session: nox.Session, folders: Iterable[Path], *others: str, quiet: bool = True) -> None:
    """Our packages editable and whatever else; nothing at all when that was done before and no pyproject changed."""
    folders = list(folders)
    state = hashlib.sha256(repr((sorted(folders), others)).encode())
    for folder in folders:
        state.update((folder / "pyproject.toml").read_bytes())
    stamp = Path(session.virtualenv.location) / "installed-by-nox"
    if stamp.is_file() and stamp.read_text() == state.hexdigest():
        return
    stamp.unlink(missing_ok=True)
    session.log(f"installing what `{session.name}` needs; this is done once and takes a minute or so …")
    session.install(BUILD_TOOL, silent=quiet)
    editable = [part for folder in folders for part in ("-e", str(folder))]
    # Without isolation: an environment of its own for each of our packages would triple the time of a first run.
    session.install("--no-build-isolation", *editable, *others, silent=quiet)
    stamp.write_text(state.hexdigest())


@nox.session
def environment(session: nox.Session) -> None:
    """What most sessions run in: all of ours, and every tool. It is a gigabyte, so there is one."""
    _install(session, PROJECTS, *_group("tests"))


def _in_environment(function: Callable[[nox.Session], None]) -> Callable[[nox.Session], None]:
    """Make it a session that has no environment of its own, and runs after the one that all share is there."""
    return nox.session(venv_backend="none", requires=["environment"])(function)  # type: ignore[return-value]


def _run(session: nox.Session, program: str, *arguments: str, env: Mapping[str, str] | None = None, **how: Any) -> None:
    """Run a program of the shared environment."""
    programs = session.cache_dir.parent.resolve() / "environment" / ("Scripts" if os.name == "nt" else "bin")
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    session.run(str(programs / program), *arguments, env={"PATH": path, **(env or {})}, **how)


@nox.session
def demo(session: nox.Session) -> None:
    """Install what is needed and run `fra demo`; arguments go to it: `nox -s demo -- --recorded DIR`."""
    _install(session, _with_ours("fra-arbitrage[demo]"), quiet=False)
    session.run("fra", "demo", *session.posargs)


@_in_environment
def tests(session: nox.Session) -> None:
    """Run pytest with the arguments given, and nothing else."""
    _run(session, "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and who imports whom."""
    _install(session, [], *_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    # The sources are enough: nothing is imported, so nothing of ours need be installed.
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": os.pathsep.join(map(str, SOURCES))})


@_in_environment
def types(session: nox.Session) -> None:
    """Run mypy --strict over every package of ours, as its users see it: installed."""
    packages = [part for folder in PROJECTS for name in _import_names(folder) for part in ("-p", name)]
    _run(session, "mypy", "--strict", *packages)


def _wheels(session: nox.Session) -> Path:
    """The folder of what `build` built."""
    return session.cache_dir.resolve() / "wheels"


@nox.session
def build(session: nox.Session) -> None:
    """Build every distribution, two at a time on two cores."""
    _install(session, [], "build>=1.2")
    built = _wheels(session)
    shutil.rmtree(built, ignore_errors=True)
    make = functools.partial(session.run, "python", "-m", "build", "--no-isolation", "--outdir", str(built))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda folder: make(str(folder), silent=True), PROJECTS))


@nox.session(venv_backend="none", requires=["environment", "build"])
def wheels(session: nox.Session) -> None:
    """Look into the wheels, and install from them in clean environments."""
    built = _wheels(session)
    workers = ["-n", str(os.cpu_count())]
    _run(session, "pytest", "tests/wheels", *(session.posargs or workers), env={"FRA_WHEELS": str(built)})

    clean = Path(session.create_tmp()) / "clean"
    _run(session, "python", "-m", "venv", "--clear", "--without-pip", str(clean))
    python = shutil.which("python", path=f"{clean / 'bin'}{os.pathsep}{clean / 'Scripts'}")
    _run(session, "python", "-m", "pip", "--python", str(python), "install", "-q", *map(str, built.glob("*.whl")))
    names = [name for folder in PROJECTS for name in _import_names(folder)]
    session.run(str(python), "-c", f"import {', '.join(names)}", external=True)
    session.run(str(python), "-m", "fra.core.main", "plugins", external=True)


@nox.session(python=["3.12", "3.13"], requires=["build"])
def smoke(session: nox.Session) -> None:
    """Install the wheels, import and list on the other Pythons that the machine has."""
    built = [str(wheel) for wheel in sorted(_wheels(session).glob("*.whl"))]
    session.install(*built, *_group("smoke"))
    session.install("--force-reinstall", "--no-deps", *built)  # the same version may have been built anew
    session.run("pytest", "tests/smoke", *session.posargs)


@_in_environment
def live(session: nox.Session) -> None:
    """Judge an adapter on its real venue, reading only: `nox -s live -- okx`; what follows the name goes to pytest."""
    if not session.posargs or session.posargs[0].startswith("-"):
        session.error("name the adapter: nox -s live -- okx")
    adapter, *more = session.posargs
    _run(session, "pytest", "--fra-adapter", adapter, "--fra-live", *more)


@_in_environment
def faults(session: nox.Session) -> None:
    """Everything under drawn faults: `-- --seeds 5000 -n 2` plays so many, `-- --plugin ccxt --seed 17` that again."""
    args, env = list(session.posargs), dict[str, str]()
    for option in ("--seeds", "--seed", "--first", "--plugin"):
        if option in args:
            at = args.index(option)
            env[f"FRA_FAULT_{option[2:].upper()}"] = args[at + 1]
            del args[at : at + 2]
    # not captured: a long run tells how far it is, and of each violation as it comes
    _run(session, "pytest", "-s", "tests/faults/test_orders.py", "tests/faults/test_faults.py", *args, env=env)


@nox.session
def audit(session: nox.Session) -> None:
    """Ask the public advisories about everything that we install; not passed where they could not be asked."""
    _install(session, PROJECTS, *_group("tests"), *_group("lint"), "pip-audit>=2.7")
    report = Path(session.create_tmp()) / "audit.json"
    report.unlink(missing_ok=True)
    session.run(
        "pip-audit", "--local", "--skip-editable", "--progress-spinner", "off", "--format", "json", "--output",
        str(report), *session.posargs, success_codes=[0, 1], silent=True,
    )  # fmt: skip
    # pip-audit finds nothing and ends well, too, when it could look nothing up: its report decides.
    known = json.loads(report.read_text() or "{}").get("dependencies", []) if report.is_file() else []
    rows = [row for row in known if row["name"] not in FOLDERS]
    for row in rows:
        for found in row.get("vulns", []):
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            session.warn(f"{row['name']} {row['version']}: {found['id']} → mended in {fixed}")
    if vulnerable := [row["name"] for row in rows if row.get("vulns")]:
        session.error(f"known vulnerabilities in {', '.join(vulnerable)}")
    unasked = {row["name"]: row["skip_reason"] for row in rows if "skip_reason" in row}
    if not rows or len(unasked) == len(rows):
        reason = next(iter(unasked.values()), "the advisories gave no answer")
        session.skip(f"NOT AUDITED, nothing could be asked (no network?): {reason}")
    if unasked:
        session.skip(f"{len(rows) - len(unasked)} of {len(rows)} audited, NOT AUDITED: {', '.join(sorted(unasked))}")
    session.log(f"{len(rows)} distributions, no known vulnerability")


@_in_environment
def fuzz(session: nox.Session) -> None:
    """Every parser under changed messages: `-- --inputs 100000` plays so many for each, `-- -k okx` narrows it."""
    args, env = list(session.posargs), dict[str, str]()
    if "--inputs" in args:
        at = args.index("--inputs")
        env["FRA_FUZZ_INPUTS"] = args[at + 1]
        del args[at : at + 2]
    _run(session, "pytest", "tests/fuzz", *args, env=env)


@_in_environment
def bench(session: nox.Session) -> None:
    """Run tests/bench (or only those named) and print each figure beside its floor and its peers."""
    _run(session, "python", "tests/bench", *session.posargs)


@_in_environment
def record(session: nox.Session) -> None:
    """Record the native exchanges' REST calls anew, against the emulator; `-- --live` against the venues themselves."""
    live = "--live" in session.posargs
    arguments = [argument for argument in session.posargs if argument != "--live"] or ["plugins"]
    _run(session, "pytest", "-m", "cassette", *arguments, env={"FRA_RECORD": "live" if live else "emulator"})

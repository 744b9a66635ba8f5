"""`fra new`: what it writes stands on its own, and what it refuses leaves nothing behind."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from fra.testkit.new.names import KINDS, LONGEST, NameRefused, Names
from fra.testkit.new.project import write

PROJECTS = {"exchange": "my-venue", "hook": "risk-desk"}
LONG = "a2b-c3d_" + "x" * (LONGEST - 8)

every_kind = pytest.mark.parametrize("kind", PROJECTS)


def run(
    command: Sequence[str], folder: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module of this Python in ``folder``, as a shell of an author would."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("FRA_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=before,
    )


def fra(*arguments: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = run(["fra.core.main", "new", *arguments], folder)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One project of each kind, as the command writes it."""
    folder = tmp_path_factory.mktemp("projects")
    for kind, name in PROJECTS.items():
        fra(kind, name, "--author", "Ada Lovelace", folder=folder)
    return {kind: folder / f"fra-{kind}-{name}" for kind, name in PROJECTS.items()}


# --- what is written


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_every_project_passes_ruff_however_long_its_name(command: list[str], tmp_path: Path) -> None:
    for kind in KINDS.values():
        for name in ("x", LONG):
            write(Names(kind, name), tmp_path)
    done = run(["ruff", *command, "--no-cache", "."], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@every_kind
def test_its_types_are_strict(projects: dict[str, Path], kind: str) -> None:
    done = run(["mypy", "--cache-dir", "../mypy"], projects[kind])
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_exchange_passes_its_tests_and_the_kit_without_being_installed(projects: dict[str, Path]) -> None:
    done = run(["pytest", "-p", "no:cacheprovider"], projects["exchange"])
    assert done.returncode == 0, done.stdout + done.stderr
    (certificate,) = [line for line in done.stdout.splitlines() if line.startswith("my-venue · kit")]
    assert "failed" not in certificate
    assert "unclaimed" not in certificate


def test_the_hook_passes_its_tests_without_being_installed(projects: dict[str, Path]) -> None:
    done = run(["pytest", "-p", "no:cacheprovider"], projects["hook"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


@every_kind
def test_it_is_published_by_a_trusted_publisher_alone(projects: dict[str, Path], kind: str) -> None:
    text = (projects[kind] / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert jobs["build"]["needs"] == "check"
    assert "secrets." not in text
    assert "${{ matrix.python }}" in text


@every_kind
def test_nothing_of_the_template_is_left(projects: dict[str, Path], kind: str) -> None:
    names = Names(KINDS[kind], PROJECTS[kind])
    for file in filter(Path.is_file, projects[kind].rglob("*")):
        assert "{{" not in str(file)
        if not {"__pycache__", ".github"} & set(file.parts):
            assert "{{" not in file.read_text(encoding="utf-8")
    assert (projects[kind] / "src" / names.module / "py.typed").is_file()
    assert "Ada Lovelace" in (projects[kind] / "LICENSE").read_text(encoding="utf-8")


def test_with_json_it_says_what_it_wrote(tmp_path: Path) -> None:
    done = fra("hook", "x", "--into", "some/where", "--json", folder=tmp_path)
    said = json.loads(done.stdout)
    assert said["schema"] == "fra.new/1"
    assert (said["kind"], said["name"], said["distribution"]) == ("hook", "x", "fra-hook-x")
    assert (said["module"], said["class_name"]) == ("fra_hook_x", "XHook")
    written = [path for path in (tmp_path / said["folder"]).rglob("*") if path.is_file()]
    assert sorted(said["files"]) == sorted(str(path.relative_to(tmp_path / said["folder"])) for path in written)


# --- what is refused


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Kraken",
        "2kraken",
        "kra ken",
        "kraken.py",
        "-kraken",
        "kraken-",
        "kra--ken",
        "../kraken",
        "кракен",
        "x" * 25,
    ],
)
@every_kind
def test_a_bad_name_is_refused(kind: str, name: str) -> None:
    with pytest.raises(NameRefused):
        Names(KINDS[kind], name)


def test_a_bad_name_is_a_usage_error_and_nothing_is_written(tmp_path: Path) -> None:
    done = fra("exchange", "../kraken", folder=tmp_path, code=2)
    assert "NAME" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "fra-hook-x").mkdir()
    (tmp_path / "fra-hook-x" / "mine").write_text("mine")
    done = fra("hook", "x", folder=tmp_path, code=1)
    assert "fra-hook-x is already there" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["fra-hook-x", "mine"]


def test_the_name_of_an_installed_plugin_is_a_conflict(tmp_path: Path) -> None:
    done = fra("exchange", "okx", folder=tmp_path, code=3)
    assert "already installed, by fra-exchange-okx" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_author_who_would_have_to_be_quoted_is_refused(tmp_path: Path) -> None:
    assert "cannot stand in pyproject.toml" in fra("hook", "x", "--author", 'A "B"', folder=tmp_path, code=2).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    done = run(["fra.core.main", "new", "exchange", "x"], tmp_path, before=small_files)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "cannot be written to" in done.stderr
    assert list(tmp_path.iterdir()) == []

"""What the documents tell people to type is typed here, against emulated exchanges."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxy_world import NatsServer

from fra.core import ConfigManager

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "core/*.md", "core/docs/*.md", "plugins/*/README.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)[^)]*\)")
LIVE = ("--watch", "emulate", "serve")  # these go on until Ctrl-C
BROKER = "nats://127.0.0.1:4222"
VENUES = ("okx", "binance", "bybit", "htx")
KEYS = {"api_key": "documents-key-01", "secret_key": "documents-secret-01", "passphrase": "documents-phrase-01"}


def blocks(language: str) -> list[object]:
    """Every fenced block of a language in any document, named by its place."""
    return [
        pytest.param(block, id=f"{path.relative_to(ROOT)}-{number}")
        for path in DOCUMENTS
        for number, (tag, block) in enumerate(FENCE.findall(path.read_text(encoding="utf-8")), 1)
        if tag == language
    ]


def commands(*programs: str) -> list[object]:
    """Every `$ command` of a console block that starts with one of the programs, without its comment."""
    return [
        pytest.param(command, id=command)
        for parameter in blocks("console")
        for line in parameter.values[0].splitlines()  # type: ignore[attr-defined]
        if line.startswith("$ ")
        for command in [re.sub(r"\s+#.*", "", line.removeprefix("$ "))]
        if shlex.split(command)[0] in programs
    ]


@pytest.fixture(scope="module")
def markets() -> Iterator[dict[str, dict[str, dict[str, str]]]]:
    """The URLs of the emulated exchanges, in a process of their own: venue → market → kind."""
    options = ["--key", KEYS["api_key"], "--secret", KEYS["secret_key"], "--passphrase", KEYS["passphrase"]]
    command = [sys.executable, "-m", "fra.emulator", *VENUES, "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    rows = [json.loads(process.stdout.readline()) for _ in VENUES]
    yield {row["venue"]: row["markets"] for row in rows}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


@pytest.fixture
def environment(markets: dict[str, dict[str, dict[str, str]]], tmp_path: Path) -> dict[str, str]:
    """An environment whose fra.toml points at the emulated exchanges; `fra` is this environment's."""
    lines = []
    for venue, urls in markets.items():
        lines.append(f"[exchanges.{venue}]")
        lines += [f'{key} = "env:DOCUMENTS_{key.upper()}"' for key in KEYS]
        for market, kinds in urls.items():
            lines.append(f"[exchanges.{venue}.base_url.{market}]")
            lines += [f"{kind} = {url!r}" for kind, url in kinds.items()]
    config = tmp_path / "fra.toml"
    config.write_text("\n".join(lines))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    keys = {f"DOCUMENTS_{key.upper()}": value for key, value in KEYS.items()}
    return {**os.environ, **keys, "FRA_CONFIG": str(config), "PATH": path, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A NATS broker's address; documents name its usual port."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    asyncio.run(server.start())
    yield server.url
    server.kill()


def until_it_speaks(command: list[str], environment: dict[str, str], folder: Path) -> tuple[str, int, str]:
    """The first line that a lasting command prints, and its exit code and stderr after Ctrl-C."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    return first, process.returncode, errors


@pytest.mark.parametrize("command", commands("fra", "eval"))
def test_a_documented_fra_command_works(
    command: str, environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    command = command.replace("--port 18000", "--port 0")
    if BROKER in command:
        command = command.replace(BROKER, request.getfixturevalue("broker"))
    if "DIR" in command:
        pytest.skip("plays a folder of the reader's; test_emulator_playback plays one")
    if any(word in command for word in LIVE):
        first, code, errors = until_it_speaks(shlex.split(command), environment, tmp_path)
        assert first, errors
        assert code in (0, 130), errors
        return
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:3000] + done.stderr
    assert done.stdout or command.startswith("eval"), done.stderr


@pytest.mark.parametrize("command", commands("pip"))
def test_a_documented_installation_names_what_there_is(command: str) -> None:
    ours = {
        tomllib.loads(path.read_text())["project"]["name"] for path in ROOT.glob("**/pyproject.toml") if _is_ours(path)
    }
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE))
    installs, _, runs = command.partition(" && ")
    names = {name.partition("[")[0] for name in shlex.split(installs)[2:]}
    assert names <= ours | {"nox"}
    assert not runs or shlex.split(runs)[2] in sessions


def _is_ours(path: Path) -> bool:
    return path.parent.name == "core" or path.parent.parent.name == "plugins"


@pytest.mark.parametrize("block", blocks("python"))
def test_documented_python_is_python(block: str) -> None:
    compile(block, "document", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", [p for p in blocks("python") if "asyncio.run(main())" in p.values[0]])  # type: ignore[attr-defined]
def test_a_documented_program_runs(
    block: str, markets: dict[str, dict[str, dict[str, str]]], environment: dict[str, str], tmp_path: Path
) -> None:
    def pointed(found: re.Match[str]) -> str:
        return f"connect({found[1]!r}, base_url=URLS.get({found[1]!r}))"

    program = re.sub(r'connect\("(\w+)"\)', pointed, block)
    assert program != block or "connect(" not in block
    script = tmp_path / "program.py"
    script.write_text(f"URLS = {markets!r}\n{program}")
    first, _, errors = until_it_speaks([sys.executable, str(script)], environment, tmp_path)
    assert first, errors


@pytest.mark.parametrize("block", blocks("toml"))
def test_documented_configuration_is_right(block: str) -> None:
    tables = tomllib.loads(block)
    if "project" in tables:
        groups = tables["project"]["entry-points"]
        assert set(groups) <= {"fra.exchanges", "fra.hooks", "fra.commands"}
        assert all(re.fullmatch(r"[\w.]+:\w+", target) for group in groups.values() for target in group.values())
    else:
        assert ConfigManager.from_mapping(tables).names()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    targets = [target for target in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in target]
    assert not [target for target in targets if not (path.parent / target).exists()]

"""Whatever is typed after `fra`: an exit code of the documented ones, an error of fra's tree, and no traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import click
import pytest
from fuzz_models import check_told
from fuzz_mutations import Choices
from fuzz_play import INPUTS, play_all

from fra.cli.exit_codes import ExitCode
from fra.cli.main import CommandGroup, run
from fra.core import FraError, PluginRegistry

WORDS = (
    "BTC/USDT:USDT", "BTC/USDT", "BTC", "okx", "mine", "", "-", "--", "-1", "0", "1e9", "NaN", "inf", "9" * 400, "\x00",
    "ключ", "١", "'", '"', "../..", "/dev/null", "=", "buy", "0.1", "1h", "2026-11-27", "x" * 5_000, "[", "{}",
    "\ud800",
)  # fmt: skip
FILES = ("", "[exchanges.mine]\nexchange_id = 'nothing'\n", "[exchanges", "[hooks]\nenabled = ['absent']\n", "\x00")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user who has nothing: no plugin, no terminal, a home that is empty."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("FRA_CONFIG", str(tmp_path / "fra.toml"))
    monkeypatch.setenv("FRA_PLUGINS", "fra-cli")
    monkeypatch.setenv("FRA_TRACEBACK", "1")  # what is no error of the tree comes through
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> dict[str, list[str]]:
    """Every command of fra-cli, as `fra` finds it, and the options that it knows."""
    registry = PluginRegistry(allow=["fra-cli"])
    group = CommandGroup(registry)
    context = click.Context(group, resilient_parsing=True)  # what is blocked here is none then
    found: dict[str, list[str]] = {}

    def walk(command: click.Command, words: tuple[str, ...]) -> None:
        options = [name for parameter in command.params for name in parameter.opts if name.startswith("-")]
        found[" ".join(words)] = [*options, "--help", "--no-such-thing", "-x"]
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                if inner is not None:
                    walk(inner, (*words, name))

    for name in group.list_commands(context):
        try:
            command = group.get_command(context, name)
        except click.ClickException:
            continue  # another distribution's, which is not allowed here
        if command is not None:
            walk(command, (name,))
    return found


def test_whatever_is_typed_ends_with_a_documented_code(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = commands()
    names = sorted(known)
    assert len(names) > 10

    def play(data: bytes) -> None:
        choices = Choices(data)
        name = choices.one(names)
        arguments = name.split()
        for _ in range(choices.pick(6)):
            arguments.append(choices.one(known[name]) if choices.pick(2) else choices.one(WORDS))
        if "--watch" in arguments:
            arguments.remove("--watch")  # it goes on
        (nowhere / "fra.toml").write_text(choices.one(FILES))
        out, err = StringIO(), StringIO()
        with monkeypatch.context() as terminal:
            terminal.setattr(sys, "stdin", StringIO(""))
            terminal.setattr(sys, "stdout", out)
            terminal.setattr(sys, "stderr", err)
            try:
                assert run(arguments) in ExitCode
            except FraError as error:
                check_told(error)
            except BaseException as error:
                error.add_note(f"fra {arguments!r}")
                raise
        assert "Traceback" not in err.getvalue()

    play_all(
        lambda drawn: [play(data) for data in drawn], inputs=INPUTS // 5
    )  # a command takes as long as fifty parsers

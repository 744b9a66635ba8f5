"""A plugin that the configuration does not allow is never imported, whatever is asked."""

import subprocess
import sys
import textwrap

import pytest

CONFIG = """
[plugins]
allow = ["fra-cli", "fra-scripted"]

[exchanges.alpha]
plugin = "scripted"

[exchanges.evil]
"""
EVIL = """
from pathlib import Path

Path(__file__).with_name("imported").write_text("by somebody")
"""


@pytest.fixture
def guarded(shell):
    """An environment in which a distribution that is not allowed claims an exchange, a hook and a command."""
    shell.folder.joinpath("fra.toml").write_text(CONFIG)
    for group in ("exchanges", "hooks", "commands"):
        shell.folder.joinpath(f"evil_{group}.py").write_text(EVIL)
        shell.install(f"evil-{group}", group=f"fra.{group}", evil=f"evil_{group}:Evil")
    return shell


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["plugins"], 0),
        (["plugins", "--json"], 0),
        (["--help"], 0),
        (["config", "check"], 4),
        (["config", "schema", "--plugin", "evil"], 3),
        (["completion", "bash"], 0),
        (["health", "-e", "alpha"], 0),
        (["health", "-e", "evil"], 3),
        (["book", "BTC/USDT:USDT", "-e", "evil"], 3),
        (["evil"], 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_no_command_imports_it(guarded, arguments, code):
    guarded.run(*arguments, code=code)
    assert not guarded.folder.joinpath("imported").exists()


def test_a_file_that_is_named_elsewhere_counts_as_well(guarded):
    guarded.folder.joinpath("fra.toml").rename(guarded.folder / "other.toml")
    assert "evil-commands" in guarded.run("evil", "--config", "other.toml", code=3).stderr
    assert "evil-commands" in guarded.run("evil", "--config=other.toml", code=3).stderr
    guarded.run("evil", environ={"FRA_CONFIG": "other.toml"}, code=3)
    assert not guarded.folder.joinpath("imported").exists()


def test_while_the_configuration_cannot_be_read_nobody_elses_command_is_imported(guarded):
    guarded.folder.joinpath("fra.toml").write_text("[plugins")
    assert "not valid TOML" in guarded.run("evil", code=4).stderr
    assert "not valid TOML" in guarded.run("--help").stdout
    guarded.run("help", "exit-codes")
    assert not guarded.folder.joinpath("imported").exists()


def test_a_program_imports_none_of_it(guarded):
    program = """
    import asyncio
    from fra.core import PluginBlocked, PluginManager

    async def main():
        async with PluginManager.from_config("fra.toml") as manager:
            print(*manager.get_all_plugins(), *(type(error).__name__ for error in manager.failures.values()))

    asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=guarded.folder,
        env=guarded.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.returncode) == (["alpha", "PluginBlocked"], 0), done.stderr
    assert not guarded.folder.joinpath("imported").exists()


def test_what_is_allowed_is_imported(guarded):
    """So that the tests above say something."""
    guarded.folder.joinpath("fra.toml").write_text("")
    guarded.run("evil", code=3)
    assert guarded.folder.joinpath("imported").exists()

"""`fra` itself: its commands are entry points, a broken one hurts no other, an error is one line."""

import textwrap

import pytest


@pytest.fixture
def module(shell):
    """Writes a module into the environment of the test."""

    def write(name, text):
        shell.folder.joinpath(f"{name}.py").write_text(textwrap.dedent(text))

    return write


def test_help_lists_the_commands(shell):
    out = shell.run("--help").stdout
    assert all(f"  {name} " in out for name in ("plugins", "funding", "book", "trades", "health", "config", "help"))


@pytest.mark.parametrize("arguments", [["help", "exit-codes"], ["plugins"], ["completion", "bash"]], ids=" ".join)
def test_commands_that_talk_to_nobody_import_nothing_that_does(shell, module, arguments):
    module(
        "sitecustomize",
        """
        import atexit, sys
        heavy = ("rich", "aiohttp", "ccxt", "fra.core.host.manager", "scripted_venue")
        atexit.register(lambda: print(*[name for name in heavy if name in sys.modules], file=sys.stderr))
        """,
    )
    assert shell.run(*arguments).stderr.strip() == ""


def test_a_command_of_another_package_joins(shell, module):
    module(
        "greeting",
        """
        import click

        @click.command()
        def greet():
            "Say hello."
            click.echo("hello")
        """,
    )
    shell.install("fra-greeting", group="fra.commands", greet="greeting:greet")
    assert shell.run("greet").stdout == "hello\n"


def test_a_command_that_cannot_be_imported_is_a_line_of_the_help(shell, module):
    module("broken_command", "import nothing_of_that_name")
    shell.install("fra-broken", group="fra.commands", frob="broken_command:frob")
    done = shell.run("--help")
    assert "nothing_of_that_name" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr


def test_a_command_that_cannot_be_imported_is_one_line_when_it_is_called(shell, module):
    module("broken_command", "import nothing_of_that_name")
    shell.install("fra-broken", group="fra.commands", frob="broken_command:frob")
    (line,) = shell.run("frob", code=3).stderr.splitlines()
    assert "nothing_of_that_name" in line


def test_a_command_that_fails_by_a_bug_is_one_line(shell, module):
    module(
        "buggy",
        """
        import click

        @click.command()
        def oops():
            raise ZeroDivisionError("division by zero")
        """,
    )
    shell.install("fra-buggy", group="fra.commands", oops="buggy:oops")
    (line,) = shell.run("oops", code=1).stderr.splitlines()
    assert "ZeroDivisionError" in line


def test_a_command_that_is_none_is_a_usage_error(shell):
    assert "frobnicate" in shell.run("frobnicate", code=2).stderr


def test_an_option_that_is_none_is_a_usage_error(shell):
    assert "--frob" in shell.run("funding", "--frob", code=2).stderr


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(shell, name):
    assert "_FRA_COMPLETE" in shell.run("completion", name).stdout


def test_commands_are_completed(shell):
    environ = {"_FRA_COMPLETE": "bash_complete", "COMP_WORDS": "fra fund", "COMP_CWORD": "1"}
    assert "funding" in shell.run(environ=environ).stdout


def test_completing_a_command_imports_none(shell, module):
    module("slow_command", "raise SystemExit('imported')")
    shell.install("fra-slow", group="fra.commands", frobnicate="slow_command:frob")
    environ = {"_FRA_COMPLETE": "bash_complete", "COMP_WORDS": "fra frob", "COMP_CWORD": "1"}
    assert shell.run(environ=environ).stdout.split(",")[-1].strip() == "frobnicate"


def test_exchanges_are_completed(shell):
    environ = {"_FRA_COMPLETE": "bash_complete", "COMP_WORDS": "fra book -e scr", "COMP_CWORD": "3"}
    assert "scripted" in shell.run(environ=environ).stdout


def test_a_reader_that_has_seen_enough_is_no_error(shell):
    shell.configure(alpha={"rates": {f"A{n}/USDT:USDT": "0.0001" for n in range(3000)}})
    process = shell.start("funding", "-e", "alpha")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=20) == 0

"""The `fra` command: finds its subcommands as entry points and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Final, TextIO

import click
from click.shell_completion import CompletionItem

from fra.cli.exit_codes import ExitCode, exit_code_for
from fra.core import (
    ConfigError,
    ConfigManager,
    ExchangeError,
    FraError,
    PluginBlocked,
    PluginError,
    PluginNotFound,
    PluginRegistry,
)

GROUP: Final = "fra.commands"
_OWN: Final = "fra-cli"
_TRACEBACK: Final = "FRA_TRACEBACK"


class CommandGroup(click.Group):
    """A group whose commands are the installed entry points; each is imported when it is asked for.

    One that cannot be imported is a line in the help and an error of its own, and hurts no other. ``unread`` is why the
    configuration could not be read: nobody knows then what it allows, so only this package's own commands are imported.
    """

    def __init__(self, registry: PluginRegistry, *, unread: ConfigError | None = None) -> None:
        super().__init__(
            name="fra",
            help="One async interface to every crypto exchange.",
            context_settings={"help_option_names": ["-h", "--help"]},
            epilog="Exit codes: fra help exit-codes",
        )
        self._registry = registry
        self._unread = unread
        self._problems: dict[str, FraError] = {}

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of all installed commands; reads metadata only."""
        return list(self._registry.names(GROUP))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, imported now; None when nothing is installed under ``name``. Raises PluginError, ConfigError."""
        try:
            found = self._load(name)
        except PluginNotFound:
            return None
        except (PluginError, ConfigError) as error:
            if not context.resilient_parsing:
                raise
            self._problems[name] = error
            return None
        if not isinstance(found, click.Command):
            raise PluginError(f"command {name!r} is a {type(found).__name__}, no click command", plugin=name)
        return found

    def _load(self, name: str) -> object:
        if self._unread is not None and self._registry.resolve(name, group=GROUP).distribution != _OWN:
            raise self._unread
        try:
            return self._registry.load(name, group=GROUP)
        except PluginBlocked:
            # FRA_PLUGINS and the allow-list shut plugins out; this package's own commands are how one looks at them.
            unrestricted = PluginRegistry(environ={})
            row = unrestricted.resolve(name, group=GROUP)
            if row.distribution != _OWN:
                raise
            return unrestricted.load(name, group=GROUP)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that fit, from metadata alone: a completion must not wait for imports."""
        options = click.Command.shell_complete(self, context, incomplete)
        names = (name for name in self.list_commands(context) if name.startswith(incomplete))
        return [CompletionItem(name) for name in names] + options

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their first line of help; for a broken one, what is wrong with it."""
        rows = []
        for name in self.list_commands(context):
            try:
                command = self.get_command(context, name)
            except (PluginError, ConfigError) as error:
                rows.append((name, f"! {error.message}"))
                continue
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(90)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code, as :class:`ExitCode` documents it."""
    return int(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str], *, registry: PluginRegistry | None = None) -> ExitCode:
    """Run the command line; errors become one line on stderr and an exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        return _run(arguments, registry)


def _run(arguments: Sequence[str], registry: PluginRegistry | None) -> ExitCode:
    try:
        registry, unread = _allowed(PluginRegistry() if registry is None else registry, arguments)
        group = CommandGroup(registry, unread=unread)
        outcome = group.main(list(arguments), prog_name="fra", standalone_mode=False, obj=registry)
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (fra spreads | head); nothing may be written when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            raise
        report(error)
        return exit_code_for(error)
    # click answers --help and the like with an int of its own.
    return ExitCode(outcome) if isinstance(outcome, int) else ExitCode.DONE


def _allowed(registry: PluginRegistry, arguments: Sequence[str]) -> tuple[PluginRegistry, ConfigError | None]:
    """What the configuration allows, for commands are plugins, too; or why it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the command reads it again, and warns
            plugins = ConfigManager().load_config(_named_configuration(arguments)).plugins
    except ConfigError as error:
        return registry, error
    return registry.with_policy(allow=plugins.allow, pins=plugins.pins, folder=plugins.folder), None


def _named_configuration(arguments: Sequence[str]) -> str | None:
    """The value of ``--config``, which every command spells alike."""
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--config":
            return value if equals else next(iter(arguments[index + 1 :]), None)
        if argument == "--":
            break
    return None


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning for users on one line; one for programmers as Python writes it."""
    if issubclass(category, UserWarning):
        click.echo(f"fra: warning: {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), err=True, nl=False)


def report(error: Exception) -> None:
    """One line on stderr: what happened, why, and what cures it."""
    from fra.cli.table import printable, say

    if isinstance(error, ExchangeError):
        say(printable(f"fra: {error}"))
    elif isinstance(error, FraError):
        say(f"fra: {error}")
    else:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        say(f"fra: unexpected {what} → set {_TRACEBACK}=1 for the details, and report it")

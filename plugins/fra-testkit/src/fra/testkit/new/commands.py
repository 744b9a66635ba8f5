"""`fra new`: the command."""

from __future__ import annotations

from pathlib import Path

import click

from fra.cli.options import json_option


@click.command()
@json_option
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where the project's folder is made; default: here.",
)
@click.option("--author", metavar="NAME", help="Who stands in LICENSE and pyproject.toml.")
@click.argument("kind", type=click.Choice(["exchange", "hook"]))
@click.argument("name")
@click.pass_obj
def new(registry: object, *, kind: str, name: str, author: str | None, into: Path, as_json: bool) -> None:
    """Write a new project: an exchange adapter or a hook called NAME.

    What is written passes lint, types and its own tests and builds a wheel as it stands.
    """
    from fra.cli import json_lines
    from fra.cli.exit_codes import CommandFailed
    from fra.core import PluginRegistry
    from fra.testkit.new.names import KINDS, NameRefused, Names
    from fra.testkit.new.project import write

    at = "NAME"
    try:
        names = Names(KINDS[kind], name)
        at = "--author"
        made = write(names, into, author=author, registry=registry if isinstance(registry, PluginRegistry) else None)
    except NameRefused as error:
        raise click.BadParameter(str(error), param_hint=at) from None
    except OSError as error:
        raise CommandFailed(f"{into} cannot be written to: {error.strerror or error}") from None
    if as_json:
        json_lines.write(
            "new/1",
            kind=kind,
            name=name,
            distribution=names.distribution,
            module=names.module,
            class_name=names.class_name,
            folder=str(made.folder),
            files=made.files,
        )
        return
    click.echo(f"{made.folder}: {len(made.files)} files of {names.distribution}")
    click.echo(f"next: cd {made.folder} && pip install --editable . --group dev && pytest", err=True)

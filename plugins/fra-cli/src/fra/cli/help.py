"""`fra help`: what is not the help of one command."""

from __future__ import annotations

import click


@click.group()
def help() -> None:
    """Pages that belong to no single command."""


@help.command("exit-codes")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def exit_codes(*, as_json: bool) -> None:
    """What the exit codes mean."""
    from fra.cli.exit_codes import MEANINGS

    if as_json:
        from fra.cli import json_lines

        rows = [{"code": int(code), "name": code.name.lower(), "meaning": text} for code, text in MEANINGS.items()]
        json_lines.write("exit-codes/1", exit_codes=rows)
        return
    for code, text in MEANINGS.items():
        click.echo(f"{int(code):>3}  {text}")

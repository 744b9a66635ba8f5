"""`fra plugins`: every installed plugin, whether it works and, where it does not, why and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, json_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import PluginRow


@click.command()
@config_option
@json_option
def plugins(*, config: Path | None, as_json: bool) -> None:
    """List what is installed, with state, reason and cure."""
    from fra.cli import json_lines
    from fra.cli.installed import registry_for
    from fra.cli.table import show

    rows = registry_for(config).rows()
    if as_json:
        json_lines.write("plugins/1", plugins=rows)
    else:
        show(table_of(rows))


def table_of(rows: tuple[PluginRow, ...]) -> Table[PluginRow]:
    """One line a plugin; reason and cure are never cut."""
    from fra.cli.table import Column, Table

    columns: list[Column[PluginRow]] = [
        Column("PLUGIN", lambda row: row.name),
        Column("KIND", lambda row: row.group.removeprefix("fra.").rstrip("s"), weight=3),
        Column("STATE", lambda row: row.state.value, tone=_tone),
        Column("DISTRIBUTION", lambda row: row.distribution or "-", weight=5),
        Column("VERSION", lambda row: row.version or "?", weight=4),
    ]
    if any(row.reason for row in rows):
        columns.append(Column("REASON AND CURE", _note, wrap=True))
    exchanges = [row for row in rows if row.group == "fra.exchanges"]
    footer = () if exchanges else ("no exchange is installed → pip install fra-exchange-okx",)
    return Table(columns, rows, footer)


def _note(row: PluginRow) -> str:
    text = " → ".join(part for part in (row.reason, row.cure) if part)
    return " ".join(text.split())


def _tone(row: PluginRow) -> Tone:
    return "good" if row.usable else "bad"

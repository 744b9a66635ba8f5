"""`fra health`: whether each exchange answers, how fast, and how far its clock is from ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_option, json_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import FraError, Health

    Row = tuple[str, Health | FraError]


@click.command()
@config_option
@exchange_option
@json_option
def health(*, config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    """Connect to each exchange and ask how it is."""
    from fra.cli.session import run

    run(_health(config, exchanges, as_json))


async def _health(config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    from fra.cli import json_lines
    from fra.cli.answers import split
    from fra.cli.session import open_session
    from fra.cli.table import show

    async with open_session(config, exchanges) as session:
        answers: Mapping[str, Health | FraError] = await session.each(lambda handle: handle.health_check())
    _, bad = split(answers)
    if as_json:
        json_lines.write("health/1", exchanges=[_json_row(name, answer) for name, answer in answers.items()])
    else:
        show(table_of(list(answers.items())))
    if bad:
        # The rows have said it; the exit code is the signal.
        from fra.cli.exit_codes import exit_code_for

        raise click.exceptions.Exit(exit_code_for(next(iter(bad.values()))))


def table_of(rows: list[Row]) -> Table[Row]:
    """One line an exchange."""
    from fra.cli.table import Column, Table
    from fra.core import FraError

    def milliseconds(row: Row, field: str) -> str:
        seconds = None if isinstance(row[1], FraError) else getattr(row[1], field)
        return "?" if seconds is None else f"{seconds * 1000:.0f} ms"

    columns: list[Column[Row]] = [
        Column("EXCHANGE", lambda row: row[0]),
        Column("STATUS", lambda row: "error" if isinstance(row[1], FraError) else row[1].status.value, tone=_tone),
        Column("ROUND TRIP", lambda row: milliseconds(row, "latency"), right=True),
        Column("CLOCK SKEW", lambda row: milliseconds(row, "clock_skew"), right=True),
    ]
    if any(_detail(row) for row in rows):
        columns.append(Column("DETAIL", _detail, wrap=True))
    return Table(columns, rows)


def _detail(row: Row) -> str:
    from fra.core import FraError

    return str(row[1]).removeprefix(f"{row[0]}: ") if isinstance(row[1], FraError) else row[1].detail or ""


def _tone(row: Row) -> Tone:
    from fra.core import FraError

    return "good" if not isinstance(row[1], FraError) and row[1].healthy else "bad"


def _json_row(name: str, answer: Health | FraError) -> dict[str, object]:
    from fra.cli import json_lines
    from fra.core import FraError

    if isinstance(answer, FraError):
        return {"exchange": name, "status": "error", "error": json_lines.error_fields(answer, exchange=name)}
    return {**json_lines.plain(answer), "healthy": answer.healthy, "error": None}

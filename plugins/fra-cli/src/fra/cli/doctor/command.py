"""`fra doctor`: one page that says what is wrong with this installation, and what cures it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_option, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fra.cli.doctor.finding import Finding
    from fra.cli.table import Table, Tone


@click.command()
@config_option
@exchange_option
@click.option("--verify", is_flag=True, help="Compare every installed file with the hash that it was installed with.")
@click.option("--offline", is_flag=True, help="Ask no exchange.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds for each exchange.",
)
@json_option
def doctor(
    *, config: Path | None, exchanges: tuple[str, ...], verify: bool, offline: bool, timeout: float, as_json: bool
) -> None:
    """Look at everything: versions, plugins, files, configuration, exchanges and their keys.

    The exit code says whether something is wrong: of the rows that failed, that of the first with a code of its own.
    """
    from fra.cli import json_lines
    from fra.cli.doctor.examination import Examination
    from fra.cli.doctor.finding import exit_code
    from fra.cli.exit_codes import ExitCode
    from fra.cli.table import show

    findings = Examination(config, exchanges, verify=verify, timeout=None if offline else timeout).findings()
    if as_json:
        json_lines.write("doctor/1", rows=findings, **count(findings))
    else:
        show(table_of(findings))
    if (code := exit_code(findings)) is not ExitCode.DONE:
        raise click.exceptions.Exit(code)


def count(findings: Sequence[Finding]) -> dict[str, int]:
    """How many rows are in each state."""
    return {state: sum(row.state == state for row in findings) for state in ("ok", "warn", "fail", "skip")}


def table_of(findings: Sequence[Finding]) -> Table[Finding]:
    """One line a finding, and the sum below."""
    from fra.cli.table import Column, Table

    columns: list[Column[Finding]] = [
        Column("STATE", lambda row: row.state, tone=_tone),
        Column("CHECK", lambda row: row.check),
        Column("SUBJECT", lambda row: row.subject),
        Column("DETAIL AND CURE", _detail, wrap=True),
    ]
    return Table(columns, findings, [", ".join(f"{number} {state}" for state, number in count(findings).items())])


def _detail(row: Finding) -> str:
    return " ".join(" → ".join(part for part in (row.detail, row.cure) if part).split())


def _tone(row: Finding) -> Tone:
    tones: dict[str, Tone] = {"ok": "good", "warn": "warn", "fail": "bad", "skip": "dim"}
    return tones[row.state]

"""What several exchanges answered: who failed is told on stderr, and only when all did does the command fail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fra.cli.table import Table, say, show
from fra.core import FraError

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

R = TypeVar("R")


def split(answers: Mapping[str, R | FraError]) -> tuple[dict[str, R], dict[str, FraError]]:
    """The results, and the errors, by exchange."""
    good: dict[str, R] = {}
    bad: dict[str, FraError] = {}
    for name, answer in answers.items():
        if isinstance(answer, FraError):
            bad[name] = answer
        else:
            good[name] = answer
    return good, bad


def report_errors(errors: Mapping[str, FraError], *, of: int) -> None:
    """One line for each on stderr; when all ``of`` exchanges failed, raises the first."""
    if errors and len(errors) == of:
        *others, last = errors.values()
        for error in others:
            say(f"fra: {error}")
        raise last
    for error in errors.values():
        say(f"fra: {error}")


async def show_accounts(
    question: Callable[[ExchangeHandle], Coroutine[object, object, Sequence[R]]],
    *,
    schema: str,
    table: Callable[[list[tuple[str, R]]], Table[tuple[str, R]]],
    fields: Callable[[str, R], dict[str, object]],
    config: Path | None,
    exchanges: Sequence[str],
    as_json: bool,
    newest_last: Callable[[R], int | None] | None = None,
) -> None:
    """Ask every account the same and show the rows: a table, or one JSON object with rows and errors.

    ``newest_last`` gives the time by which rows of all accounts are put in one order. Raises when all failed.
    """
    from fra.cli import json_lines
    from fra.cli.session import open_session

    async with open_session(config, exchanges, accounts=True) as session:
        good, bad = split(await session.each(question))
    rows = [(name, item) for name, answer in good.items() for item in answer]
    if newest_last is not None:
        rows.sort(key=lambda row: newest_last(row[1]) or 0)
    if as_json:
        json_lines.write(
            schema,
            rows=[fields(name, item) for name, item in rows],
            errors=[json_lines.error_fields(error, exchange=name) for name, error in bad.items()],
        )
    elif rows or not bad:
        show(table(rows))
    report_errors(bad, of=len(session.names))

"""`fra compare`: the read-only interface through two adapters of one venue, and each field where they differ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from fra.cli.options import config_option, exchange_argument, json_option

if TYPE_CHECKING:
    from fra.cli.differences import Difference, Outcome, Rows, Side
    from fra.cli.exit_codes import ExitCode
    from fra.cli.questions import Question
    from fra.cli.session import Session
    from fra.core import ConfigManager, ExchangeHandle, PluginRegistry

_LOOKS: Final = 6
"""A market that moves is looked at so often before a difference is one."""


class Answered(NamedTuple):
    """One question and what came of it."""

    operation: str
    symbol: str | None
    outcome: Outcome


@click.command()
@exchange_argument("left", metavar="A")
@exchange_argument("right", metavar="B")
@click.argument("more", nargs=-1, metavar="[SYMBOL]...")
@click.option(
    "--symbols",
    multiple=True,
    metavar="SYMBOL",
    help="Ask about these (BTC/USDT:USDT, or just BTC): repeatable, or with commas. Without it: one of each market.",
)
@config_option
@json_option
def compare(
    *, left: str, right: str, more: tuple[str, ...], symbols: tuple[str, ...], config: Path | None, as_json: bool
) -> ExitCode:
    """Ask A and B the same and show each field where they differ.

    A and B are two exchanges of the configuration, or plugins (okx okx_ccxt); a plugin that is not configured is
    given the settings of the other. Only reads; asks for an account only where there are credentials. Exit code 0 when
    nothing differs beyond the named rules, 1 when something does.
    """
    from fra.cli.session import run

    wanted = [name.strip() for text in (*symbols, *more) for name in text.split(",") if name.strip()]
    return run(_compare(left, right, wanted, config, as_json))


async def _compare(left: str, right: str, wanted: Sequence[str], config: Path | None, as_json: bool) -> ExitCode:
    from fra.cli.exit_codes import CommandFailed, ExitCode
    from fra.cli.installed import registry_of
    from fra.cli.session import open_session
    from fra.core import ConfigManager

    if left == right:
        raise CommandFailed(f"{left} is {right}: there is nothing to compare", exit_code=ExitCode.USAGE)
    configuration = ConfigManager().load_config(config)
    settings = side_by_side(configuration, registry_of(configuration), left, right)
    async with open_session(exchanges=(left, right), settings=settings) as session:
        handles = tuple([await session.handle(name) for name in session.names])
        answered = [each async for each in _ask_all(session, handles, wanted)]
    if as_json:
        _write(answered, session.names)
    else:
        _show(answered, session.names)
    return ExitCode.FAILED if any(one.outcome.unexplained for one in answered) else ExitCode.DONE


# --- whom


def side_by_side(configuration: ConfigManager, registry: PluginRegistry, left: str, right: str) -> ConfigManager:
    """The configuration of both: an instance's own, and for a plugin that is not configured those of the other.

    What the plugin does not know of the other's options is left out, and so are budgets, whose names differ from
    adapter to adapter; both are told. Raises PluginNotFound for what is neither configured nor installed.
    """
    configured = [name for name in (left, right) if name in configuration.names()]
    made: dict[str, dict[str, object]] = {}
    for name in (left, right):
        if name in configured:
            made[name] = _settings(configuration, name)
            continue
        cls = registry.get_plugin_class(name)
        lent = _settings(configuration, configured[0]) if configured else {}
        made[name] = {**_fitting(name, cls.Options, lent), "plugin": name}
    both = type(configuration).from_mapping({"exchanges": made})
    both.plugins, both.hooks = configuration.plugins, configuration.hooks
    return both


def _settings(configuration: ConfigManager, name: str) -> dict[str, object]:
    """An instance as a table of the configuration, secrets looked up."""
    import attrs

    found = attrs.asdict(configuration.get_exchange_config(name), recurse=False)
    del found["name"]
    return {key: value for key, value in found.items() if value not in (None, (), {})}


def _fitting(name: str, options: type, lent: dict[str, object]) -> dict[str, object]:
    import attrs

    from fra.cli.table import say

    known = {field.alias for field in attrs.fields(options)}
    given = lent.get("options") or {}
    assert isinstance(given, dict)
    unknown = [key for key in given if key not in known]
    made = {key: value for key, value in lent.items() if key not in ("options", "rate_limit")}
    if unknown or "rate_limit" in lent:
        left_out = [f"options.{key}" for key in unknown] + (["rate_limit"] if "rate_limit" in lent else [])
        say(f"fra: {name} is opened without {', '.join(left_out)} of the other")
    return {**made, "options": {key: value for key, value in given.items() if key in known}}


def _side(session: Session, handle: ExchangeHandle) -> Side:
    from fra.cli.differences import Side
    from fra.core import PluginType

    is_ccxt = handle.metadata.plugin_type is PluginType.CCXT
    return Side(handle.name, session.config(handle.name).exchange_id.partition("_")[0], is_ccxt)


# --- asking


async def _ask_all(
    session: Session, handles: tuple[ExchangeHandle, ...], wanted: Sequence[str]
) -> AsyncIterator[Answered]:
    from fra.cli.questions import QUESTIONS, chosen

    sides = (_side(session, handles[0]), _side(session, handles[1]))
    private = all(session.config(handle.name).has_credentials for handle in handles)
    symbols = chosen(wanted, {handle.name: await handle.get_symbols() for handle in handles})
    if wanted and not symbols:
        from fra.cli.exit_codes import CommandFailed

        raise CommandFailed(f"{' and '.join(session.names)} have nothing in common that is called {', '.join(wanted)}")
    for question in QUESTIONS:
        if question.private and not private:
            continue
        for symbol in [None] if question.whole else symbols:
            if symbol is None or question.concerns(symbol):
                name = None if symbol is None else symbol.name
                yield Answered(question.operation.value, name, await _ask(question, handles, name, sides))


async def _ask(
    question: Question, handles: tuple[ExchangeHandle, ...], symbol: str | None, sides: tuple[Side, Side]
) -> Outcome:
    """Both at once; again while something differs without a reason, since the market may have moved in between."""
    import asyncio

    from fra.cli.differences import compare, compare_failures
    from fra.core import FraError

    looks: list[tuple[Rows, Rows]] = []
    outcome: Outcome | None = None

    async def one(handle: ExchangeHandle) -> Rows | FraError:
        try:
            return await question.rows(handle, symbol or "")
        except FraError as error:
            return error

    for _ in range(_LOOKS):
        left, right = await asyncio.gather(*map(one, handles))
        if isinstance(left, FraError) or isinstance(right, FraError):
            return compare_failures(left, right, operation=question.operation.value, symbol=symbol)
        looks.append((left, right))
        outcome = compare(looks, question.pairing, operation=question.operation.value, symbol=symbol, sides=sides)
        if not outcome.unexplained and outcome.basis != "range":
            break
    assert outcome is not None
    return outcome


# --- showing


def _write(answered: Sequence[Answered], names: Sequence[str]) -> None:
    """One line for each question, one for each field that differs, and one in the end."""
    from fra.cli import json_lines

    for one in answered:
        json_lines.write(
            "compare.question/1",
            operation=one.operation,
            symbol=one.symbol,
            rows=one.outcome.rows,
            fields=one.outcome.fields,
            basis=one.outcome.basis,
            differences=len(one.outcome.differences),
            unexplained=len(one.outcome.unexplained),
        )
        for difference in one.outcome.differences:
            json_lines.write("compare.difference/1", **json_lines.plain(difference))
    differences = [difference for one in answered for difference in one.outcome.differences]
    json_lines.write(
        "compare.summary/1",
        exchanges=list(names),
        questions=len(answered),
        fields=sum(one.outcome.fields for one in answered),
        differences=len(differences),
        unexplained=sum(difference.rule is None for difference in differences),
        rules={difference.rule: difference.reason for difference in differences if difference.rule},
    )


def _show(answered: Sequence[Answered], names: Sequence[str]) -> None:
    """What differs, grouped by field and rule; then the rules that applied, with their reasons."""
    from itertools import groupby

    from fra.cli.table import Column, Table, show

    differences = [difference for one in answered for difference in one.outcome.differences]
    differences.sort(key=lambda one: (one.rule is not None, one.operation, one.field, one.rule or ""))
    groups = [list(group) for _, group in groupby(differences, lambda one: (one.rule, one.operation, one.field))]
    columns: list[Column[list[Difference]]] = [
        Column("OPERATION", lambda group: group[0].operation),
        Column("FIELD", lambda group: group[0].field),
        Column("TIMES", lambda group: str(len(group)), right=True),
        Column("FOR EXAMPLE", lambda group: _where(group[0])),
        Column(names[0].upper(), lambda group: _text(group[0].left), right=True),
        Column(names[1].upper(), lambda group: _text(group[0].right), right=True),
        Column("RULE", lambda group: group[0].rule or "DIFFERS", tone=lambda group: "dim" if group[0].rule else "bad"),
    ]
    unexplained = sum(difference.rule is None for difference in differences)
    footer = [f"{rule}: {reason}" for rule, reason in sorted({(d.rule, d.reason) for d in differences if d.rule})]
    fields = sum(one.outcome.fields for one in answered)
    footer.append(
        f"{len(answered)} questions, {fields} fields compared, "
        f"{len(differences) - unexplained} differ by a rule, {unexplained} without one"
    )
    if groups:
        show(Table(columns, groups, footer))
    else:
        show(Table([Column("NOTHING DIFFERS", lambda line: line)], footer))


def _where(difference: Difference) -> str:
    return " ".join(part for part in (difference.symbol, difference.key) if part) or "-"


def _text(value: object) -> str:
    from datetime import timedelta

    from fra.cli import figures

    if value is None:
        return figures.UNKNOWN
    if isinstance(value, timedelta):
        return figures.duration(value.total_seconds())
    if isinstance(value, tuple):
        return " x ".join(map(_text, value))
    return str(getattr(value, "value", value))

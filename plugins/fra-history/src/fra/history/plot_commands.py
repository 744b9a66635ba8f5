"""`fra plot`: settled funding, and what a hedge of two legs received per day, as PNG or HTML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fra.cli.options import config_option, exchange_name_option, exchange_option, json_option
from fra.history.commands import writing
from fra.history.moments import MomentType, now_ms

if TYPE_CHECKING:
    from fra.history.series import Series
    from fra.history.settlements import Curve

F = TypeVar("F", bound=Callable[..., Any])


def _plot_options(function: F) -> F:
    for decorate in (
        json_option,
        config_option,
        click.option(
            "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The picture: .png or .html."
        ),
        click.option(
            "--from",
            "source",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="A file of `fra history funding`; without it the exchanges are asked.",
        ),
        click.option("--until", type=MomentType(), metavar="MOMENT", help="Before this moment; default: now."),
        click.option(
            "--since", type=MomentType(), metavar="MOMENT", help="2026-03-01, 90d; default: 30d, or the file."
        ),
    ):
        function = decorate(function)
    return function


@click.group()
def plot() -> None:
    """Draw settled funding as PNG or HTML, from a file or from exchanges."""


@plot.command()
@click.argument("symbols", nargs=-1, metavar="[SYMBOL]...")
@exchange_option
@_plot_options
def funding(
    *,
    symbols: tuple[str, ...],
    exchanges: tuple[str, ...],
    source: Path | None,
    since: int | None,
    until: int | None,
    out: Path,
    config: Path | None,
    as_json: bool,
) -> None:
    """Rates per settlement of SYMBOLs, as steps, annualised on the right."""
    from fra.cli import figures
    from fra.cli.session import run

    if source is None and not symbols:
        raise click.UsageError("name a SYMBOL, or a file with --from")

    def wanted(series: Series) -> bool:
        return (not symbols or series.symbol in symbols) and (not exchanges or series.exchange in exchanges)

    if source is not None:
        curves = _read(source, wanted, since, until)
    else:
        curves = run(_ask(list(symbols), exchanges, since, until, config))
    if not any(curve.settlements for curve in curves):
        raise _nothing("no settlement lies in that range")
    from fra.history.chart import funding_chart
    from fra.history.page import draw

    rows = [(curve, one) for curve in curves for one in curve.settlements]
    rows.sort(key=lambda row: row[1].settled_ms)
    with writing(out):
        draw(
            funding_chart(curves),
            out,
            title="Settled funding",
            head=("Settled", "Exchange", "Symbol", "Rate", "Every", "Annualised"),
            rows=(
                (
                    figures.moment(one.settled_ms),
                    curve.series.exchange,
                    curve.series.symbol,
                    f"{one.rate * 100:+f} %",
                    figures.UNKNOWN if one.interval is None else figures.duration(one.interval),
                    figures.percent(one.apr, places=2),
                )
                for curve, one in rows
            ),
        )
    _told(out, as_json, rows=len(rows), series=[str(curve.series) for curve in curves])


@plot.command()
@click.argument("symbol")
@click.argument("short_symbol", required=False)
@exchange_name_option("--long", help="The exchange of the long leg.")
@exchange_name_option("--short", help="The exchange of the short leg.")
@_plot_options
def spread(
    *,
    symbol: str,
    short_symbol: str | None,
    long: str,
    short: str,
    source: Path | None,
    since: int | None,
    until: int | None,
    out: Path,
    config: Path | None,
    as_json: bool,
) -> None:
    """What SYMBOL long and short together received per UTC day (SHORT_SYMBOL where the short leg is called so)."""
    from fra.cli.session import run
    from fra.history.series import Series

    legs = (Series(long, symbol), Series(short, short_symbol or symbol))
    if source is not None:
        from fra.history.settlements import from_file

        one, other = from_file(source, legs, since, until)
    else:
        one, other = run(_ask_series(list(legs), since, until, config))
    from fra.history.settlements import days

    found = days(one, other)
    if not found:
        raise _nothing("no UTC day is whole in that range")
    from fra.history.chart import spread_chart, summary
    from fra.history.page import draw

    with writing(out):
        draw(
            spread_chart(one, other, found),
            out,
            title=f"Funding spread: long {legs[0]}, short {legs[1]}",
            head=("Day", "Long pays", "Short receives", "Both receive"),
            rows=(
                (day.date.isoformat(), *(f"{rate * 100:+f} %" for rate in (day.long, day.short, day.spread)))
                for day in found
            ),
        )
    _told(out, as_json, rows=len(found), series=[str(leg) for leg in legs], summary=summary(found))


def _read(source: Path, wanted: Callable[[Series], bool], since: int | None, until: int | None) -> list[Curve]:
    from fra.history.files import history_file
    from fra.history.settlements import from_file

    contents = history_file(source).contents()
    chosen = None if contents is None else [part.series for part in contents.parts if wanted(part.series)]
    if chosen == []:
        raise _nothing(f"{source} holds no such series")
    return from_file(source, chosen, since, until)


async def _ask(
    symbols: list[str], exchanges: tuple[str, ...], since: int | None, until: int | None, config: Path | None
) -> list[Curve]:
    from fra.cli.session import open_session
    from fra.history.series import Series

    async with open_session(config, exchanges) as session:
        names = session.names
    return await _ask_series([Series(name, symbol) for symbol in symbols for name in names], since, until, config)


async def _ask_series(series: list[Series], since: int | None, until: int | None, config: Path | None) -> list[Curve]:
    from fra.cli.session import open_session
    from fra.history.settlements import from_exchanges

    now = now_ms()
    start, end = now - _MONTH_MS if since is None else since, now if until is None else min(until, now)
    if start >= end:
        raise click.BadParameter("must lie before --until", param_hint="--since")
    async with open_session(config, tuple(dict.fromkeys(one.exchange for one in series))) as session:
        return await from_exchanges(session, series, start, end)


_MONTH_MS = 30 * 86_400_000


def _nothing(why: str) -> Exception:
    from fra.cli.exit_codes import CommandFailed

    return CommandFailed(why)


def _told(out: Path, as_json: bool, *, rows: int, series: list[str], summary: str | None = None) -> None:
    if as_json:
        from fra.cli import json_lines

        json_lines.write("plot/1", file=str(out), rows=rows, series=series, summary=summary)
    else:
        click.echo(f"{out}: {', '.join(series)}" + (f"\n{summary}" if summary else ""))

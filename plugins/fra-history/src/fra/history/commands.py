"""`fra history`: settled funding, klines and public trades of a range of time, as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from fra.cli.options import config_option, exchange_option, interval_option, json_option
from fra.history.moments import MomentType, now_ms

if TYPE_CHECKING:
    from fra.history.files import Contents

F = TypeVar("F", bound=Callable[..., Any])


def _download_options(function: F) -> F:
    """What the three have in common."""
    for decorate in (
        json_option,
        exchange_option,
        config_option,
        click.option(
            "--out",
            required=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="The file: .parquet or .csv. One that is there already is extended.",
        ),
        click.option("--until", type=MomentType(), metavar="MOMENT", help="Before this moment; default: now."),
        click.option(
            "--since", required=True, type=MomentType(), metavar="MOMENT", help="2026-03-01, 2026-03-01T08:00Z, 30d."
        ),
        click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL..."),
    ):
        function = decorate(function)
    return function


@click.group()
def history() -> None:
    """Download funding, klines or trades to parquet or CSV: whole, or not at all.

    Ctrl-C stops it; the same command goes on from there. A file that is finished is extended.
    """


@history.command()
@_download_options
def funding(**options: Any) -> None:
    """Settled funding rates of SYMBOLs, each with its interval."""
    _run("funding", **options)


@history.command()
@interval_option
@click.option(
    "--missing",
    type=click.Choice(["refuse", "row"]),
    default="refuse",
    show_default=True,
    help="A candle that the venue leaves out: refuse the range, or write a row that says so.",
)
@_download_options
def klines(**options: Any) -> None:
    """Closed candles of SYMBOLs."""
    _run("klines", **options)


@history.command()
@_download_options
def trades(**options: Any) -> None:
    """Public trades of SYMBOLs, as far back as the exchange's latest page goes."""
    _run("trades", **options)


def _run(
    kind: str,
    *,
    symbols: tuple[str, ...],
    since: int,
    until: int | None,
    out: Path,
    config: Path | None,
    exchanges: tuple[str, ...],
    as_json: bool,
    interval: str | None = None,
    missing: Literal["refuse", "row"] = "refuse",
) -> None:
    from fra.cli.options import kline_interval
    from fra.cli.session import run

    now = now_ms()
    if until is not None and until > now:
        raise click.BadParameter("lies in the future; without it the range ends now", param_hint="--until")
    until = now if until is None else until
    if since >= until:
        raise click.BadParameter("must lie before --until", param_hint="--since")
    if interval is not None:
        kline_interval(interval)
    with writing(out):
        contents = run(_download(kind, symbols, interval, since, until, out, config, exchanges, missing))
    _show(out, contents, as_json)


async def _download(
    kind: str,
    symbols: tuple[str, ...],
    interval: str | None,
    since: int,
    until: int,
    out: Path,
    config: Path | None,
    exchanges: tuple[str, ...],
    missing: Literal["refuse", "row"],
) -> Contents:
    import asyncio

    from fra.cli.exit_codes import CommandFailed, ExitCode
    from fra.cli.session import open_session
    from fra.cli.table import say
    from fra.history.download import Request, download
    from fra.history.progress import Meter
    from fra.history.rows import KINDS
    from fra.history.series import Series

    async with open_session(config, exchanges) as session:
        if not exchanges and len(session.names) > 1:
            raise CommandFailed(
                f"whose history? there are {', '.join(session.names)}",
                exit_code=ExitCode.USAGE,
                cure=f"-e {session.names[0]}",
            )
        series = [Series(name, symbol, interval) for name in session.names for symbol in dict.fromkeys(symbols)]
        request = Request(KINDS[kind], series, since, until, out, missing)
        with Meter(series) as meter:
            try:
                return await download(request, session, meter)
            except asyncio.CancelledError:
                say("fra: stopped; the same command goes on from here")
                raise


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """What the disk refuses is an error of one line."""
    try:
        yield
    except OSError as error:
        from fra.history.errors import FileRefused

        raise FileRefused(f"{out} cannot be written: {error.strerror or error}") from None


def _show(out: Path, contents: Contents, as_json: bool) -> None:
    from fra.cli import figures, json_lines
    from fra.cli.table import Column, Table, show
    from fra.history.files import Part

    if as_json:
        json_lines.write(
            "history/1",
            file=str(out),
            kind=contents.kind.name,
            series=[
                {
                    "exchange": part.series.exchange,
                    "symbol": part.series.symbol,
                    "interval": part.series.interval,
                    "since_ms": part.progress.since_ms,
                    "until_ms": part.progress.proven_ms,
                    "rows": part.rows,
                }
                for part in contents.parts
            ],
        )
        return
    columns: list[Column[Part]] = [
        Column("EXCHANGE", lambda part: part.series.exchange),
        Column("SYMBOL", lambda part: part.series.symbol),
        Column("FROM", lambda part: figures.moment(part.progress.since_ms)),
        Column("TO", lambda part: figures.moment(part.progress.proven_ms)),
        Column("ROWS", lambda part: str(part.rows), right=True),
    ]
    show(Table(columns, contents.parts, (f"{contents.kind.name} in {out}",)))

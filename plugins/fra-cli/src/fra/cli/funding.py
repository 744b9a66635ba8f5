"""`fra funding`: the running funding rates, with interval, its source and the next settlement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_option, json_option, watch_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import ExchangeHandle, FundingRate

    Row = tuple[str, FundingRate]


@click.command()
@click.argument("symbols", nargs=-1, metavar="[SYMBOL]...")
@config_option
@exchange_option
@json_option
@watch_option
def funding(
    *, symbols: tuple[str, ...], config: Path | None, exchanges: tuple[str, ...], as_json: bool, watch: bool
) -> None:
    """Funding rates: of all swaps, or of SYMBOLs (BTC/USDT:USDT, or just BTC)."""
    from fra.cli.session import run

    if watch and not symbols:
        raise click.UsageError("--watch needs a SYMBOL: every swap of every venue would be thousands of streams")
    run(_watch(symbols, config, exchanges, as_json) if watch else _once(symbols, config, exchanges, as_json))


async def _once(symbols: tuple[str, ...], config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    from fra.cli import json_lines
    from fra.cli.answers import report_errors, split
    from fra.cli.session import open_session
    from fra.cli.table import show

    async def rates(handle: ExchangeHandle) -> Sequence[FundingRate]:
        names = await matching(handle, symbols)
        if symbols and not names:
            return []
        return await handle.get_funding_rates(names or None)

    async with open_session(config, exchanges) as session:
        good, bad = split(await session.each(rates))
    rows = sorted(
        ((name, rate) for name, answer in good.items() for rate in answer), key=lambda row: (row[1].symbol, row[0])
    )
    if as_json:
        json_lines.write(
            "funding/1",
            rows=[json_row(name, rate) for name, rate in rows],
            errors=[json_lines.error_fields(error, exchange=name) for name, error in bad.items()],
        )
    elif rows or not bad:
        show(table_of(rows))
    report_errors(bad, of=len(session.names))
    if symbols and not rows:
        from fra.cli.exit_codes import CommandFailed

        raise CommandFailed(f"no swap of {', '.join(session.names)} is called {' or '.join(symbols)}")


async def matching(handle: ExchangeHandle, symbols: Sequence[str]) -> list[str]:
    """The names of the active swaps that ``symbols`` mean: unified names, or assets."""
    wanted = {symbol.upper() for symbol in symbols}
    return [
        symbol.name
        for symbol in await handle.get_symbols()
        if symbol.kind.is_swap
        and symbol.active
        and not wanted.isdisjoint((symbol.name.upper(), symbol.asset, symbol.base))
    ]


def table_of(rows: Sequence[Row]) -> Table[Row]:
    """One line an instrument."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    now_ms = time.time_ns() // 1_000_000

    def next_in(rate: FundingRate) -> str:
        at_ms = rate.next_settlement_ms
        text = figures.duration(None if at_ms is None else (at_ms - now_ms) / 1000)
        return f"{text} (derived)" if rate.next_settlement_derived else text

    def interval(rate: FundingRate) -> str:
        return figures.interval(rate.interval, rate.interval_source.value if rate.interval_source else None)

    columns: list[Column[Row]] = [
        Column("EXCHANGE", lambda row: row[0]),
        Column("SYMBOL", lambda row: row[1].symbol),
        Column("RATE", lambda row: figures.percent(row[1].rate), right=True, tone=_tone),
        Column("KIND", lambda row: row[1].kind.value, weight=3),
        Column("EVERY", lambda row: interval(row[1])),
        Column("SETTLES IN", lambda row: next_in(row[1]), right=True),
        Column("PER DAY", lambda row: figures.percent(row[1].per_day), right=True, weight=5),
        Column("APR", lambda row: figures.percent(row[1].apr, places=2), right=True),
        Column("MARK", lambda row: figures.number(row[1].mark_price), right=True, weight=4),
        Column("AGE", lambda row: figures.age(row[1].received_ms, now_ms), right=True, weight=6),
    ]
    return Table(columns, rows)


def json_row(exchange: str, rate: FundingRate) -> dict[str, object]:
    """A funding rate as data; null is unknown."""
    return {
        "exchange": exchange,
        "symbol": rate.symbol,
        "rate": rate.rate,
        "kind": rate.kind,
        "interval_seconds": rate.interval,
        "interval_source": rate.interval_source,
        "next_settlement_ms": rate.next_settlement_ms,
        "next_settlement_derived": rate.next_settlement_derived,
        "per_day": rate.per_day,
        "apr": rate.apr,
        "mark_price": rate.mark_price,
        "index_price": rate.index_price,
        "timestamp_ms": rate.timestamp_ms,
        "received_ms": rate.received_ms,
        "age_seconds": max(0, time.time_ns() // 1_000_000 - rate.received_ms) / 1000,
    }


def _tone(row: Row) -> Tone:
    return "good" if row[1].rate > 0 else "bad" if row[1].rate < 0 else "plain"


async def _watch(symbols: tuple[str, ...], config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    from fra.cli.follow import follow
    from fra.cli.session import open_session

    async with open_session(config, exchanges) as session:
        await follow(
            session,
            names=lambda handle: matching(handle, symbols),
            subscribe=lambda handle, name: handle.subscribe_funding_rate(name),
            line=json_line if as_json else text_line,
        )


def json_line(exchange: str, rate: FundingRate) -> str:
    """One change of a rate as one JSON object."""
    from fra.cli import json_lines

    return json_lines.dumps("funding-rate/1", **json_row(exchange, rate))


def text_line(exchange: str, rate: FundingRate) -> str:
    """One change of a rate on one line."""
    from fra.cli import figures

    source = rate.interval_source.value if rate.interval_source else None
    parts = (
        figures.moment(rate.timestamp_ms or rate.received_ms),
        exchange,
        rate.symbol,
        figures.percent(rate.rate),
        f"every {figures.interval(rate.interval, source)}",
        f"settles {figures.moment(rate.next_settlement_ms)}",
    )
    return "  ".join(parts)

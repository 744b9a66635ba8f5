"""`fra trades`: the latest public trades of one symbol, or every new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_option, json_option, watch_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import Trade

    Row = tuple[str, Trade]


@click.command()
@click.argument("symbol")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many trades.")
@config_option
@exchange_option
@json_option
@watch_option
def trades(
    *, symbol: str, limit: int, config: Path | None, exchanges: tuple[str, ...], as_json: bool, watch: bool
) -> None:
    """Public trades of SYMBOL, oldest first."""
    from fra.cli.session import run

    run(_watch(symbol, config, exchanges, as_json) if watch else _once(symbol, limit, config, exchanges, as_json))


async def _once(symbol: str, limit: int, config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    from fra.cli import json_lines
    from fra.cli.answers import report_errors, split
    from fra.cli.session import open_session
    from fra.cli.table import show

    async with open_session(config, exchanges) as session:
        good, bad = split(await session.each(lambda handle: handle.get_trades(symbol, limit=limit)))
    rows = [(name, trade) for name, answer in good.items() for trade in answer[-limit:]]
    rows.sort(key=lambda row: row[1].timestamp_ms)
    if as_json:
        for name, trade in rows:
            json_lines.write("trade/1", **json_fields(name, trade))
    elif rows or not bad:
        show(table_of(rows))
    report_errors(bad, of=len(session.names))


def table_of(rows: list[Row]) -> Table[Row]:
    """One line a trade; the side is the taker's."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    columns: list[Column[Row]] = [
        Column("TIME", lambda row: figures.moment(row[1].timestamp_ms)),
        Column("EXCHANGE", lambda row: row[0]),
        Column("SYMBOL", lambda row: row[1].symbol),
        Column("SIDE", lambda row: row[1].side.value, tone=_tone),
        Column("PRICE", lambda row: figures.number(row[1].price), right=True),
        Column("AMOUNT", lambda row: figures.number(row[1].amount), right=True),
        Column("ID", lambda row: row[1].id, weight=2),
    ]
    return Table(columns, rows)


def json_fields(exchange: str, trade: Trade) -> dict[str, object]:
    """A trade as data."""
    return {
        "exchange": exchange,
        "symbol": trade.symbol,
        "id": trade.id,
        "side": trade.side,
        "price": trade.price,
        "amount": trade.amount,
        "timestamp_ms": trade.timestamp_ms,
        "received_ms": trade.received_ms,
    }


def _tone(row: Row) -> Tone:
    return "good" if row[1].side.value == "buy" else "bad"


async def _watch(symbol: str, config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    from fra.cli import figures, json_lines
    from fra.cli.follow import follow
    from fra.cli.session import open_session

    def line(exchange: str, trade: Trade) -> str:
        if as_json:
            return json_lines.dumps("trade/1", **json_fields(exchange, trade))
        when, side = figures.moment(trade.timestamp_ms), trade.side.value
        return f"{when}  {exchange}  {trade.symbol}  {side:<4}  {trade.price:f}  {trade.amount:f}"

    async with open_session(config, exchanges) as session:
        await follow(
            session,
            names=lambda handle: _just(symbol),
            subscribe=lambda handle, name: handle.subscribe_trades(name),
            line=line,
        )


async def _just(symbol: str) -> list[str]:
    return [symbol]

"""`fra book`: the order book of one symbol, best levels first."""

from __future__ import annotations

import time
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, depth_option, exchange_option, json_option, watch_option

if TYPE_CHECKING:
    from fra.cli.table import Table
    from fra.core import OrderBook, PriceLevel

    Row = tuple[PriceLevel | None, PriceLevel | None]


@click.command()
@click.argument("symbol")
@config_option
@exchange_option
@depth_option
@json_option
@watch_option
def book(
    *, symbol: str, config: Path | None, exchanges: tuple[str, ...], depth: int, as_json: bool, watch: bool
) -> None:
    """The order book of SYMBOL (BTC/USDT, BTC/USDT:USDT)."""
    from fra.cli.session import run

    work = _watch if watch else _once
    run(work(symbol, config, exchanges, depth, as_json))


async def _once(symbol: str, config: Path | None, exchanges: tuple[str, ...], depth: int, as_json: bool) -> None:
    from fra.cli import json_lines
    from fra.cli.answers import report_errors, split
    from fra.cli.session import open_session
    from fra.cli.table import show

    async with open_session(config, exchanges) as session:
        good, bad = split(await session.each(lambda handle: handle.get_orderbook(symbol, depth=depth)))
    for name, found in good.items():
        if as_json:
            json_lines.write("book/1", **json_fields(name, found, depth))
        else:
            show(table_of(name, found, depth))
    report_errors(bad, of=len(session.names))


def table_of(exchange: str, book: OrderBook, depth: int) -> Table[Row]:
    """Bids left, asks right; amounts are in base coin (quote coin for inverse)."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    rows: list[Row] = list(zip_longest(book.bids[:depth], book.asks[:depth]))
    columns: list[Column[Row]] = [
        Column("BID AMOUNT", lambda row: figures.number(row[0].amount) if row[0] else "", right=True),
        Column("BID", lambda row: figures.number(row[0].price) if row[0] else "", right=True, tone=lambda row: "good"),
        Column("ASK", lambda row: figures.number(row[1].price) if row[1] else "", right=True, tone=lambda row: "bad"),
        Column("ASK AMOUNT", lambda row: figures.number(row[1].amount) if row[1] else "", right=True),
    ]
    age = figures.age(book.received_ms, time.time_ns() // 1_000_000)
    state = "" if book.valid else "  INVALID: it has lost its place"
    sequence = "" if book.sequence is None else f"  sequence {book.sequence}"
    return Table(columns, rows, [f"{exchange}  {book.symbol}  age {age}{sequence}{state}"])


def json_fields(exchange: str, book: OrderBook, depth: int) -> dict[str, object]:
    """A book as data: levels are [price, amount], best first."""
    return {
        "exchange": exchange,
        "symbol": book.symbol,
        "valid": book.valid,
        "sequence": book.sequence,
        "timestamp_ms": book.timestamp_ms,
        "received_ms": book.received_ms,
        "age_seconds": max(0, time.time_ns() // 1_000_000 - book.received_ms) / 1000,
        "bids": [list(level) for level in book.bids[:depth]],
        "asks": [list(level) for level in book.asks[:depth]],
    }


async def _watch(symbol: str, config: Path | None, exchanges: tuple[str, ...], depth: int, as_json: bool) -> None:
    from fra.cli import json_lines
    from fra.cli.follow import follow
    from fra.cli.session import open_session

    def line(exchange: str, found: OrderBook) -> str:
        if as_json:
            return json_lines.dumps("book/1", **json_fields(exchange, found, depth))
        return table_of(exchange, found, depth).plain() + "\n"

    async with open_session(config, exchanges) as session:
        await follow(
            session,
            names=lambda handle: _just(symbol),
            subscribe=lambda handle, name: handle.subscribe_orderbook(name, depth=depth),
            line=line,
        )


async def _just(symbol: str) -> list[str]:
    return [symbol]

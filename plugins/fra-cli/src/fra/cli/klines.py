"""`fra klines`: the candles of one symbol, or the running one at each change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import (
    config_option,
    exchange_option,
    interval_option,
    json_option,
    kline_interval,
    since_option,
    watch_option,
)

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import Kline, KlineInterval

    Row = tuple[str, Kline]


@click.command()
@click.argument("symbol")
@interval_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many candles.")
@since_option
@config_option
@exchange_option
@json_option
@watch_option
def klines(
    *,
    symbol: str,
    interval: str,
    limit: int,
    since: int | None,
    config: Path | None,
    exchanges: tuple[str, ...],
    as_json: bool,
    watch: bool,
) -> None:
    """Candles of SYMBOL, oldest first: the latest, or the first ones since then."""
    from fra.cli.session import run

    length = kline_interval(interval)
    if watch:
        run(_watch(symbol, length, config, exchanges, as_json))
    else:
        run(_once(symbol, length, limit, since, config, exchanges, as_json))


async def _once(
    symbol: str,
    interval: KlineInterval,
    limit: int,
    since: int | None,
    config: Path | None,
    exchanges: tuple[str, ...],
    as_json: bool,
) -> None:
    from fra.cli import json_lines
    from fra.cli.answers import report_errors, split
    from fra.cli.session import open_session
    from fra.cli.table import show
    from fra.cli.window import start_ms

    start = start_ms(since)
    async with open_session(config, exchanges) as session:
        answers = await session.each(lambda handle: handle.get_klines(symbol, interval, since=start, limit=limit))
    good, bad = split(answers)
    chosen = slice(-limit, None) if start is None else slice(limit)
    rows = [(name, kline) for name, answer in good.items() for kline in answer[chosen]]
    rows.sort(key=lambda row: row[1].open_ms)
    if as_json:
        for name, kline in rows:
            json_lines.write("kline/1", **json_fields(name, kline))
    elif rows or not bad:
        show(table_of(rows))
    report_errors(bad, of=len(session.names))


def table_of(rows: list[Row]) -> Table[Row]:
    """One line a candle; the last may still run."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    columns: list[Column[Row]] = [
        Column("OPENS", lambda row: figures.moment(row[1].open_ms)),
        Column("EXCHANGE", lambda row: row[0]),
        Column("SYMBOL", lambda row: row[1].symbol, weight=5),
        Column("OPEN", lambda row: figures.number(row[1].open), right=True),
        Column("HIGH", lambda row: figures.number(row[1].high), right=True),
        Column("LOW", lambda row: figures.number(row[1].low), right=True),
        Column("CLOSE", lambda row: figures.number(row[1].close), right=True, tone=_tone),
        Column("VOLUME", lambda row: figures.number(row[1].volume), right=True, weight=4),
        Column("STATE", lambda row: state(row[1]), weight=3),
    ]
    return Table(columns, rows)


def state(kline: Kline) -> str:
    """Whether a candle has closed; ``?`` where the venue does not say."""
    from fra.cli import figures

    return figures.UNKNOWN if kline.closed is None else "closed" if kline.closed else "running"


def json_fields(exchange: str, kline: Kline) -> dict[str, object]:
    """A candle as data; null is unknown."""
    return {
        "exchange": exchange,
        "symbol": kline.symbol,
        "interval": kline.interval,
        "open_ms": kline.open_ms,
        "open": kline.open,
        "high": kline.high,
        "low": kline.low,
        "close": kline.close,
        "volume": kline.volume,
        "quote_volume": kline.quote_volume,
        "trades": kline.trades,
        "closed": kline.closed,
    }


def _tone(row: Row) -> Tone:
    return "good" if row[1].close >= row[1].open else "bad"


async def _watch(
    symbol: str, interval: KlineInterval, config: Path | None, exchanges: tuple[str, ...], as_json: bool
) -> None:
    from fra.cli import figures, json_lines
    from fra.cli.follow import follow
    from fra.cli.session import open_session

    def line(exchange: str, kline: Kline) -> str:
        if as_json:
            return json_lines.dumps("kline/1", **json_fields(exchange, kline))
        prices = "  ".join(f"{price:f}" for price in (kline.open, kline.high, kline.low, kline.close, kline.volume))
        return f"{figures.moment(kline.open_ms)}  {exchange}  {kline.symbol}  {prices}  {state(kline)}"

    async def just(name: str) -> list[str]:
        return [name]

    async with open_session(config, exchanges) as session:
        await follow(
            session,
            names=lambda handle: just(symbol),
            subscribe=lambda handle, name: handle.subscribe_klines(name, interval),
            line=line,
        )

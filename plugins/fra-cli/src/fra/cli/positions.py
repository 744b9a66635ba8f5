"""`fra positions`: what is open, on which side, how far from liquidation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_option, json_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import ExchangeHandle, Position

    Row = tuple[str, Position]


@click.command()
@click.argument("symbols", nargs=-1, metavar="[SYMBOL]...")
@config_option
@exchange_option
@json_option
def positions(*, symbols: tuple[str, ...], config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    """Open positions of your accounts: all, or of SYMBOLs (BTC/USDT:USDT, or just BTC)."""
    from fra.cli.answers import show_accounts
    from fra.cli.session import run

    wanted = {symbol.upper() for symbol in symbols}

    def meant(name: str) -> bool:
        return not wanted or not wanted.isdisjoint((name.upper(), name.partition("/")[0].upper()))

    async def opened(handle: ExchangeHandle) -> Sequence[Position]:
        return [position for position in await handle.get_positions() if meant(position.symbol)]

    run(
        show_accounts(
            opened,
            schema="positions/1",
            table=table_of,
            fields=json_fields,
            config=config,
            exchanges=exchanges,
            as_json=as_json,
        )
    )


def table_of(rows: list[Row]) -> Table[Row]:
    """One line a position; amounts are in base coin (quote coin for inverse)."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    def leverage(row: Row) -> str:
        return figures.UNKNOWN if row[1].leverage is None else f"{row[1].leverage.normalize():f}x"

    def margin(row: Row) -> str:
        return row[1].margin_mode.value if row[1].margin_mode else figures.UNKNOWN

    columns: list[Column[Row]] = [
        Column("EXCHANGE", lambda row: row[0]),
        Column("SYMBOL", lambda row: row[1].symbol),
        Column("SIDE", lambda row: row[1].side.value),
        Column("AMOUNT", lambda row: figures.number(row[1].amount), right=True),
        Column("ENTRY", lambda row: figures.number(row[1].entry_price), right=True),
        Column("MARK", lambda row: figures.number(row[1].mark_price), right=True, weight=6),
        Column("LIQUIDATION", lambda row: figures.number(row[1].liquidation_price), right=True, weight=7),
        Column("PNL", lambda row: _signed(row[1]), right=True, tone=_tone),
        Column("LEVERAGE", leverage, right=True, weight=5),
        Column("MARGIN", margin, weight=4),
    ]
    return Table(columns, rows, () if rows else ("no position is open there",))


def json_fields(exchange: str, position: Position) -> dict[str, object]:
    """A position as data; null is unknown."""
    return {
        "exchange": exchange,
        "symbol": position.symbol,
        "side": position.side,
        "amount": position.amount,
        "entry_price": position.entry_price,
        "mark_price": position.mark_price,
        "liquidation_price": position.liquidation_price,
        "unrealized_pnl": position.unrealized_pnl,
        "leverage": position.leverage,
        "margin_mode": position.margin_mode,
        "hedge_mode": position.hedge_mode,
        "timestamp_ms": position.timestamp_ms,
    }


def _signed(position: Position) -> str:
    from fra.cli import figures

    return figures.UNKNOWN if position.unrealized_pnl is None else f"{position.unrealized_pnl:+f}"


def _tone(row: Row) -> Tone:
    pnl = row[1].unrealized_pnl
    return "plain" if not pnl else "good" if pnl > 0 else "bad"

"""`fra balance`: what the accounts hold, asset by asset and wallet by wallet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_option, json_option

if TYPE_CHECKING:
    from fra.cli.table import Table
    from fra.core import Balance, ExchangeHandle

    Row = tuple[str, Balance]


@click.command()
@click.argument("assets", nargs=-1, metavar="[ASSET]...")
@click.option("--wallet", metavar="NAME", help="Only this wallet, by the venue's own name (spot, usdm, unified).")
@config_option
@exchange_option
@json_option
def balance(
    *, assets: tuple[str, ...], wallet: str | None, config: Path | None, exchanges: tuple[str, ...], as_json: bool
) -> None:
    """Balances of your accounts: of all assets, or of ASSETs."""
    from fra.cli.answers import show_accounts
    from fra.cli.session import run

    wanted = {asset.upper() for asset in assets}

    async def held(handle: ExchangeHandle) -> Sequence[Balance]:
        return [row for row in await handle.get_balance(wallet) if not wanted or row.asset.upper() in wanted]

    run(
        show_accounts(
            held,
            schema="balances/1",
            table=table_of,
            fields=json_fields,
            config=config,
            exchanges=exchanges,
            as_json=as_json,
        )
    )


def table_of(rows: list[Row]) -> Table[Row]:
    """One line an asset and wallet."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    columns: list[Column[Row]] = [
        Column("EXCHANGE", lambda row: row[0]),
        Column("WALLET", lambda row: row[1].market),
        Column("ASSET", lambda row: row[1].asset),
        Column("FREE", lambda row: figures.number(row[1].free), right=True),
        Column("USED", lambda row: figures.number(row[1].used), right=True, weight=5),
        Column("TOTAL", lambda row: figures.number(row[1].total), right=True),
    ]
    if any(row[1].borrowed for row in rows):
        columns.append(Column("BORROWED", lambda row: figures.number(row[1].borrowed), right=True))
    return Table(columns, rows, () if rows else ("nothing is held there",))


def json_fields(exchange: str, balance: Balance) -> dict[str, object]:
    """A balance as data; ``wallet`` is the venue's own name."""
    return {
        "exchange": exchange,
        "wallet": balance.market,
        "asset": balance.asset,
        "free": balance.free,
        "used": balance.used,
        "total": balance.total,
        "borrowed": balance.borrowed,
        "timestamp_ms": balance.timestamp_ms,
    }

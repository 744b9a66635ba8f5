"""`fra fills`: what your own orders traded, with fees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_option, json_option, limit_option, since_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import ExchangeHandle, Fill

    Row = tuple[str, Fill]


@click.command()
@click.argument("symbol", required=False)
@since_option
@limit_option
@config_option
@exchange_option
@json_option
def fills(
    *,
    symbol: str | None,
    since: int | None,
    limit: int | None,
    config: Path | None,
    exchanges: tuple[str, ...],
    as_json: bool,
) -> None:
    """Your own trades (of SYMBOL), oldest first."""
    from fra.cli.answers import show_accounts
    from fra.cli.session import run
    from fra.cli.window import start_ms

    start = start_ms(since)

    async def traded(handle: ExchangeHandle) -> Sequence[Fill]:
        found = await handle.get_trade_history(symbol, since=start, limit=limit if start is None else None)
        return found[-limit:] if limit else found

    run(
        show_accounts(
            traded,
            schema="fills/1",
            table=table_of,
            fields=json_fields,
            config=config,
            exchanges=exchanges,
            as_json=as_json,
            newest_last=lambda fill: fill.timestamp_ms,
        )
    )


def table_of(rows: list[Row]) -> Table[Row]:
    """One line an execution; a fee with a minus sign was received."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    def fee(row: Row) -> str:
        return f"{figures.number(row[1].fee)} {row[1].fee_asset or figures.UNKNOWN}" if row[1].fee is not None else "?"

    def role(row: Row) -> str:
        return figures.UNKNOWN if row[1].maker is None else "maker" if row[1].maker else "taker"

    columns: list[Column[Row]] = [
        Column("TIME", lambda row: figures.moment(row[1].timestamp_ms)),
        Column("EXCHANGE", lambda row: row[0]),
        Column("SYMBOL", lambda row: row[1].symbol),
        Column("SIDE", lambda row: row[1].side.value, tone=_tone),
        Column("PRICE", lambda row: figures.number(row[1].price), right=True),
        Column("AMOUNT", lambda row: figures.number(row[1].amount), right=True),
        Column("FEE", fee, right=True),
        Column("ROLE", role, weight=5),
        Column("ORDER", lambda row: row[1].order_id or "-", weight=4),
        Column("ID", lambda row: row[1].trade_id, weight=3),
    ]
    return Table(columns, rows, () if rows else ("nothing was traded there",))


def json_fields(exchange: str, fill: Fill) -> dict[str, object]:
    """An execution as data; null is unknown."""
    return {
        "exchange": exchange,
        "symbol": fill.symbol,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "side": fill.side,
        "price": fill.price,
        "amount": fill.amount,
        "fee": fill.fee,
        "fee_asset": fill.fee_asset,
        "maker": fill.maker,
        "timestamp_ms": fill.timestamp_ms,
    }


def _tone(row: Row) -> Tone:
    return "good" if row[1].side.value == "buy" else "bad"

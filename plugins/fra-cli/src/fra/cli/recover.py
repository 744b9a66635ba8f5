"""`fra orders recover`: what became of the orders that a crash left open in the order journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import config_option, exchange_argument, json_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import ExchangeHandle, RecoveredOrder

    Row = tuple[str, RecoveredOrder]


@click.command()
@exchange_argument("exchange", metavar="[EXCHANGE]", required=False)
@config_option
@json_option
def recover(*, exchange: str | None, config: Path | None, as_json: bool) -> None:
    """Ask the venue what became of every order that was written down and has no known outcome.

    Of EXCHANGE, or of every account. What is found out is written down too; nothing is sent or cancelled. An order
    that the venue does not know counts as never arrived only when it can no longer be on its way, some minutes after
    it was written down. Exits with 8 while the fate of one is unknown.
    """
    from fra.cli.answers import show_accounts
    from fra.cli.exit_codes import CommandFailed, ExitCode
    from fra.cli.session import run
    from fra.core import OrderFate

    unknown: list[RecoveredOrder] = []

    async def recovered(handle: ExchangeHandle) -> Sequence[RecoveredOrder]:
        found = await handle.recover_orders()
        unknown.extend(order for order in found if order.fate is OrderFate.UNKNOWN)
        return found

    run(
        show_accounts(
            recovered,
            schema="orders-recover/1",
            table=table_of,
            fields=json_fields,
            config=config,
            exchanges=() if exchange is None else (exchange,),
            as_json=as_json,
            newest_last=lambda order: order.recorded_ms,
        )
    )
    if unknown:
        raise CommandFailed(
            f"{len(unknown)} of the orders may still live",
            exit_code=ExitCode.OUTCOME_UNKNOWN,
            cure="look at them at the venue, and run fra orders recover again later",
        )


def table_of(rows: list[Row]) -> Table[Row]:
    """One line an order, as it was asked for, and what became of it."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    columns: list[Column[Row]] = [
        Column("EXCHANGE", lambda row: row[0]),
        Column("SYMBOL", lambda row: row[1].request.symbol),
        Column("SIDE", lambda row: row[1].request.side.value),
        Column("TYPE", lambda row: row[1].request.type.value.replace("_", "-"), weight=7),
        Column("AMOUNT", lambda row: _amount(row[1]), right=True),
        Column("PRICE", lambda row: figures.number(row[1].request.price), right=True),
        Column("WRITTEN DOWN", lambda row: figures.moment(row[1].recorded_ms), weight=4),
        Column("CLIENT ORDER ID", lambda row: row[1].client_order_id, weight=5),
        Column("FILLED", lambda row: "-" if row[1].order is None else figures.number(row[1].order.filled), right=True),
        Column("BECAME", lambda row: became(row[1]), tone=_tone, wrap=True),
    ]
    return Table(columns, rows, () if rows else ("no order was left open",))


def became(order: RecoveredOrder) -> str:
    """The status at the venue; else that it never arrived or is unknown, and why."""
    from fra.core import OrderFate

    if order.fate is OrderFate.FOUND and order.order is not None:
        return order.order.status.value
    if order.fate is OrderFate.NEVER_ARRIVED:
        return order.reason or "never arrived"
    return f"unknown: {order.reason}" if order.reason else "unknown"


def json_fields(exchange: str, order: RecoveredOrder) -> dict[str, object]:
    """What became of an order as data; ``order`` is null where the venue has none, or has not said."""
    from fra.cli import orders

    request = order.request
    return {
        "exchange": exchange,
        "client_order_id": order.client_order_id,
        "fate": order.fate,
        "reason": order.reason,
        "recorded_ms": order.recorded_ms,
        "symbol": request.symbol,
        "side": request.side,
        "type": request.type,
        "amount": request.amount,
        "quote_amount": request.quote_amount,
        "price": request.price,
        "order": None if order.order is None else orders.json_fields(exchange, order.order),
    }


def _amount(order: RecoveredOrder) -> str:
    from fra.cli import figures

    request = order.request
    return figures.number(request.amount) if request.amount else f"for {figures.number(request.quote_amount)}"


def _tone(row: Row) -> Tone:
    from fra.core import OrderFate

    tones: dict[OrderFate, Tone] = {OrderFate.FOUND: "good", OrderFate.NEVER_ARRIVED: "dim", OrderFate.UNKNOWN: "warn"}
    return tones[row[1].fate]

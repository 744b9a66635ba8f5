"""`fra orders`: the open orders, those that ended, or one by its id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from fra.cli.options import config_option, exchange_option, json_option, limit_option, since_option

if TYPE_CHECKING:
    from fra.cli.table import Table, Tone
    from fra.core import ExchangeHandle, Order

    Row = tuple[str, Order]

RECOVER: Final = "recover"


class _Orders(click.Command):
    """`fra orders [SYMBOL]`, save that no symbol is called recover."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == [RECOVER]:
            from fra.cli.recover import recover

            return recover.make_context(f"{info_name} {RECOVER}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def _complete_symbol(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(RECOVER)] if RECOVER.startswith(incomplete) else []


@click.command(cls=_Orders, epilog="fra orders recover --help: orders that a crash left open.")
@click.argument("symbol", required=False, shell_complete=_complete_symbol)
@click.option("--history", is_flag=True, help="Those that ended, instead of the open ones.")
@click.option("--id", "order_id", metavar="ID", help="Only the order of this id, whatever became of it.")
@click.option("--client-order-id", metavar="ID", help="Only the order of this client order id.")
@since_option
@limit_option
@config_option
@exchange_option
@json_option
def orders(
    *,
    symbol: str | None,
    history: bool,
    order_id: str | None,
    client_order_id: str | None,
    since: int | None,
    limit: int | None,
    config: Path | None,
    exchanges: tuple[str, ...],
    as_json: bool,
) -> None:
    """Your open orders (of SYMBOL), or with --history those that ended."""
    from fra.cli.answers import show_accounts
    from fra.cli.session import run
    from fra.cli.window import start_ms

    if order_id is not None and client_order_id is not None:
        raise click.UsageError("--id or --client-order-id, one of the two")
    if (since is not None or limit is not None) and not history:
        raise click.UsageError("--since and --limit belong to --history")
    start = start_ms(since)

    async def asked(handle: ExchangeHandle) -> Sequence[Order]:
        if order_id is not None or client_order_id is not None:
            return [await handle.get_order(order_id, symbol, client_order_id=client_order_id)]
        if not history:
            return await handle.get_open_orders(symbol)
        found = await handle.get_order_history(symbol, since=start, limit=limit if start is None else None)
        return found[-limit:] if limit else found

    run(
        show_accounts(
            asked,
            schema="orders/1",
            table=table_of,
            fields=json_fields,
            config=config,
            exchanges=exchanges,
            as_json=as_json,
            newest_last=lambda order: order.timestamp_ms or order.created_ms,
        )
    )


def table_of(rows: list[Row]) -> Table[Row]:
    """One line an order; amounts are in base coin (quote coin for inverse)."""
    from fra.cli import figures
    from fra.cli.table import Column, Table

    columns: list[Column[Row]] = [
        Column("EXCHANGE", lambda row: row[0]),
        Column("SYMBOL", lambda row: row[1].symbol),
        Column("SIDE", lambda row: row[1].side.value, tone=_tone),
        Column("TYPE", lambda row: kind_text(row[1])),
        Column("PRICE", lambda row: price_text(row[1]), right=True),
        Column("AMOUNT", lambda row: amount_text(row[1]), right=True),
        Column("FILLED", lambda row: figures.number(row[1].filled), right=True),
        Column("AVERAGE", lambda row: figures.number(row[1].average_price) if row[1].filled else "-", right=True),
        Column("STATUS", lambda row: status_text(row[1])),
        Column("UPDATED", lambda row: figures.moment(row[1].timestamp_ms), weight=4),
        Column("ID", lambda row: row[1].id or "-", weight=8),
        Column("CLIENT ORDER ID", lambda row: row[1].client_order_id or "-", weight=3),
    ]
    return Table(columns, rows, () if rows else ("there are no such orders",))


def kind_text(order: Order) -> str:
    """The type with all that changes its meaning: ``limit IOC reduce-only``."""
    parts = [order.type.value.replace("_", "-")]
    if order.time_in_force is not None and order.price is not None:
        parts.append(order.time_in_force.value)
    if order.post_only:
        parts.append("post-only")
    if order.reduce_only:
        parts.append("reduce-only")
    if order.position_side is not None and order.position_side.value != "net":
        parts.append(f"of the {order.position_side.value}")
    return " ".join(parts)


def price_text(order: Order) -> str:
    """``100``, ``at 100`` (triggered there), ``100 at 99``, or ``market``."""
    from fra.cli import figures

    price = "market" if order.price is None else figures.number(order.price)
    return price if order.trigger_price is None else f"{price} at {figures.number(order.trigger_price)}"


def amount_text(order: Order) -> str:
    """The amount; what is to be spent, where that is given instead."""
    from fra.cli import figures

    if order.amount is None and order.quote_amount is not None:
        return f"for {figures.number(order.quote_amount)}"
    return figures.number(order.amount)


def status_text(order: Order) -> str:
    """The status, and where the venue gave one, the reason."""
    return f"{order.status.value}: {order.reason}" if order.reason else order.status.value


def json_fields(exchange: str, order: Order) -> dict[str, object]:
    """An order as data; null is unknown."""
    return {
        "exchange": exchange,
        "symbol": order.symbol,
        "id": order.id,
        "client_order_id": order.client_order_id,
        "side": order.side,
        "type": order.type,
        "status": order.status,
        "amount": order.amount,
        "quote_amount": order.quote_amount,
        "filled": order.filled,
        "price": order.price,
        "average_price": order.average_price,
        "trigger_price": order.trigger_price,
        "time_in_force": order.time_in_force,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "position_side": order.position_side,
        "reason": order.reason,
        "created_ms": order.created_ms,
        "timestamp_ms": order.timestamp_ms,
    }


def _tone(row: Row) -> Tone:
    return "good" if row[1].side.value == "buy" else "bad"

"""`fra cancel`: one order by its id, or all that are open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.consent import Consent, consent_options
from fra.cli.options import account_option, config_option, json_option

if TYPE_CHECKING:
    from fra.core import Order


@click.command()
@click.argument("order_id", required=False)
@click.option("--symbol", metavar="SYMBOL", help="Of which symbol; some venues need it to find an order.")
@click.option("--client-order-id", metavar="ID", help="The order of this client order id.")
@click.option("--all", "everything", is_flag=True, help="All open orders (of --symbol), once that is confirmed.")
@consent_options
@config_option
@account_option
@json_option
def cancel(
    *,
    order_id: str | None,
    symbol: str | None,
    client_order_id: str | None,
    everything: bool,
    consent: Consent,
    config: Path | None,
    exchange: str | None,
    as_json: bool,
) -> None:
    """Cancel ORDER_ID at once, or plan to cancel --all open orders."""
    from fra.cli.session import run

    if (order_id is not None) + (client_order_id is not None) + everything != 1:
        raise click.UsageError("ORDER_ID, --client-order-id or --all, one of the three")
    if consent.given and not everything:
        raise click.UsageError("one order is cancelled at once: --live, --yes and --confirm belong to --all")
    run(_all(symbol, consent, config, exchange, as_json)) if everything else run(
        _one(order_id, client_order_id, symbol, config, exchange, as_json)
    )


async def _one(
    order_id: str | None,
    client_order_id: str | None,
    symbol: str | None,
    config: Path | None,
    exchange: str | None,
    as_json: bool,
) -> None:
    from fra.cli.session import open_session

    async with open_session(config, (exchange,) if exchange else (), accounts=True) as session:
        handle = await session.account("a cancel")
        cancelled = await handle.cancel_order(order_id, symbol, client_order_id=client_order_id)
    _show(handle.name, [cancelled], as_json)


async def _all(symbol: str | None, consent: Consent, config: Path | None, exchange: str | None, as_json: bool) -> None:
    from fra.cli.account import account_of
    from fra.cli.plan import Plan, command_line
    from fra.cli.session import open_session
    from fra.cli.table import say

    async with open_session(config, (exchange,) if exchange else (), accounts=True) as session:
        handle = await session.account("a cancel")
        found = await handle.get_open_orders(symbol)
        _show(handle.name, found, as_json)
        if not found:
            say(f"fra: {handle.name}: there is nothing to cancel")
            return
        words = ["cancel", "--all", *(["--symbol", symbol] if symbol else []), "-e", handle.name]
        words += ["--config", str(config)] if config is not None else []
        plan = Plan(
            accounts=[account_of(handle, session.config(handle.name))],
            terms={"cancel": sorted(f"{order.symbol} {order.id or order.client_order_id}" for order in found)},
            amount=f"{len(found)} orders",
            command=command_line(*words),
        )
        if not plan.permits(consent):
            plan.tell()
            return
        cancelled = await handle.cancel_all_orders(symbol)
    _show(handle.name, cancelled, as_json)
    say(f"fra: {handle.name}: {len(cancelled)} orders cancelled")


def _show(exchange: str, orders: Sequence[Order], as_json: bool) -> None:
    from fra.cli import json_lines
    from fra.cli.orders import json_fields, table_of
    from fra.cli.table import show

    if as_json:
        json_lines.write("orders/1", rows=[json_fields(exchange, order) for order in orders], errors=[])
    else:
        show(table_of([(exchange, order) for order in orders]))

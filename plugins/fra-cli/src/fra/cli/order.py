"""`fra order buy` and `fra order sell`: the options; the work is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from fra.cli.consent import Consent, consent_options
from fra.cli.options import AmountType, account_option, config_option, json_option

F = TypeVar("F", bound=Callable[..., Any])
_LIFE: Final = ("GTC", "IOC", "FOK")
_SIDES: Final = ("net", "long", "short")


@click.group()
def order() -> None:
    """Plan an order, and send it when that is confirmed."""


def order_options(function: F) -> F:
    """Everything that makes an order what it is."""
    for option in (
        json_option,
        account_option,
        config_option,
        consent_options,
        click.option("--client-order-id", metavar="ID", help="Your own id for it; without one the plan has one."),
        click.option(
            "--position-side",
            type=click.Choice(_SIDES, case_sensitive=False),
            default="net",
            show_default=True,
            help="In hedge mode: of which position.",
        ),
        click.option("--reduce-only", is_flag=True, help="It may only close what is open."),
        click.option("--post-only", is_flag=True, help="It may only rest: a maker's order, or none."),
        click.option(
            "--tif",
            type=click.Choice(_LIFE, case_sensitive=False),
            default="GTC",
            show_default=True,
            help="How long it lives: until cancelled, what fills at once, all at once or nothing.",
        ),
        click.option("--take-profit", type=AmountType(), metavar="P", help="It starts when the price is this good."),
        click.option("--stop", type=AmountType(), metavar="P", help="It starts when the price is this bad."),
        click.option("--price", type=AmountType(), metavar="P", help="The limit; without it, a market order."),
        click.option("--quote", is_flag=True, help="AMOUNT is what to spend, in quote coin: spot market buys."),
        click.argument("amount", type=AmountType()),
        click.argument("symbol"),
    ):
        function = option(function)
    return function


@order.command()
@order_options
def buy(*, consent: Consent, **options: Any) -> None:
    """Buy AMOUNT (base coin; quote coin for inverse) of SYMBOL. Only a plan, until it is confirmed."""
    _run("buy", consent, **options)


@order.command()
@order_options
def sell(*, consent: Consent, **options: Any) -> None:
    """Sell AMOUNT (base coin; quote coin for inverse) of SYMBOL. Only a plan, until it is confirmed."""
    _run("sell", consent, **options)


def _run(
    side: str,
    consent: Consent,
    *,
    symbol: str,
    amount: Decimal,
    quote: bool,
    price: Decimal | None,
    stop: Decimal | None,
    take_profit: Decimal | None,
    tif: str,
    post_only: bool,
    reduce_only: bool,
    position_side: str,
    client_order_id: str | None,
    config: Path | None,
    exchange: str | None,
    as_json: bool,
) -> None:
    from fra.cli.ordering import send_order
    from fra.cli.session import run
    from fra.core import OrderRequest, OrderType, PositionSide, Side, TimeInForce

    if stop is not None and take_profit is not None:
        raise click.UsageError("--stop or --take-profit, one of the two")
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    if stop is not None or take_profit is not None:
        kind = OrderType.STOP if stop is not None else OrderType.TAKE_PROFIT
    try:
        request = OrderRequest(
            symbol=symbol,
            side=Side(side),
            type=kind,
            amount=None if quote else amount,
            quote_amount=amount if quote else None,
            price=price,
            trigger_price=stop if stop is not None else take_profit,
            time_in_force=TimeInForce(tif.upper()),
            post_only=post_only,
            reduce_only=reduce_only,
            position_side=PositionSide(position_side.lower()),
            client_order_id=client_order_id,
        )
    except ValueError as error:
        raise click.UsageError(str(error).removeprefix("OrderRequest: ")) from error
    run(send_order(request, consent, config=config, exchange=exchange, as_json=as_json))

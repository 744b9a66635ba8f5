"""`fra spreads`, `fra hedge` and `fra demo`: the options; the work is imported when it is asked for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.consent import Consent, consent_options
from fra.cli.options import (
    AmountType,
    DecimalType,
    DurationType,
    config_option,
    exchange_name_option,
    exchange_option,
    json_option,
    watch_option,
)

if TYPE_CHECKING:
    FeeParameter = click.ParamType[tuple[str, Decimal]]
else:  # click's own types have parameters only in its stubs of late
    FeeParameter = click.ParamType


class FeeType(FeeParameter):
    """``okx=0.05%`` or, for all exchanges, ``0.0005``."""

    name = "fee"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, Decimal]:
        name, _, rate = str(value).rpartition("=")
        return name.strip(), DecimalType().convert(rate, param, context)


@click.command()
@click.argument("assets", nargs=-1, metavar="[ASSET]...")
@click.option(
    "--size",
    type=DecimalType(above=Decimal(0)),
    default="1000",
    show_default=True,
    help="Notional of one leg, in quote coin, that is walked through the books.",
)
@click.option("--hold", type=DurationType(), default="7d", show_default=True, help="How long the legs are held.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="How many rows.")
@click.option("--fee", "fees", type=FeeType(), multiple=True, metavar="[NAME=]RATE", help="Taker fee: okx=0.05%.")
@click.option("--min-net", type=DecimalType(), help="Only rows with at least this net (0.1% or 0.001).")
@click.option("--min-apr", type=DecimalType(), help="Only rows with at least this spread a year.")
@click.option("--min-depth", type=DecimalType(), help="Only rows whose thinner book holds this much quote coin.")
@click.option(
    "--max-gap",
    type=DecimalType(above=Decimal(0)),
    default="2%",
    show_default=True,
    help="Prices further apart are not paired.",
)
@click.option("--all-pairs", is_flag=True, help="Every pair of venues, not only the best of each market.")
@click.option("--depth", type=click.IntRange(min=1), default=100, show_default=True, help="Book levels a side.")
@click.option("--stale-after", type=DurationType(), help="Age beyond which figures do not count, for all kinds.")
@click.option("--every", type=DurationType(), default="2s", show_default=True, help="With --watch: between tables.")
@config_option
@exchange_option
@json_option
@watch_option
def spreads(
    *,
    assets: tuple[str, ...],
    size: Decimal,
    hold: int,
    top: int,
    fees: tuple[tuple[str, Decimal], ...],
    min_net: Decimal | None,
    min_apr: Decimal | None,
    min_depth: Decimal | None,
    max_gap: Decimal,
    all_pairs: bool,
    depth: int,
    stale_after: int | None,
    every: int,
    config: Path | None,
    exchanges: tuple[str, ...],
    as_json: bool,
    watch: bool,
) -> None:
    """Funding spreads between exchanges, net of fees and slippage."""
    from fra.arbitrage.request import SpreadRequest
    from fra.arbitrage.show import show_spreads
    from fra.cli.session import run

    request = SpreadRequest(
        assets=frozenset(asset.upper() for asset in assets),
        size=size,
        hold_ms=hold,
        top=top,
        depth=depth,
        fees=dict(fees),
        max_gap=max_gap,
        all_pairs=all_pairs,
        min_net=min_net,
        min_apr=min_apr,
        min_depth=min_depth,
        stale_after=None if stale_after is None else stale_after / 1000,
    )
    run(show_spreads(request, config, exchanges, as_json=as_json, watch=watch, every=every / 1000))


@click.command()
@click.argument("symbol")
@exchange_name_option("--long", help="Where to buy.")
@exchange_name_option("--short", help="Where to sell.")
@click.option("--size", required=True, metavar="N", help="Of one leg: 1000 (quote coin), or 0.5BTC (exact amount).")
@click.option(
    "--max-slippage",
    type=DecimalType(above=Decimal(0)),
    default="0.5%",
    show_default=True,
    help="From the mid price, beyond which no leg trades.",
)
@click.option("--long-limit", type=AmountType(), metavar="P", help="The long leg's protective price itself.")
@click.option("--short-limit", type=AmountType(), metavar="P", help="The short leg's protective price itself.")
@click.option("--market", is_flag=True, help="Market orders, without a protective price.")
@click.option("--leverage", type=AmountType(), metavar="N", help="Set on both venues before the orders are sent.")
@click.option("--any-margin", is_flag=True, help="Let the venues judge the margin: other coins are collateral.")
@click.option("--hedge-mode", "hedge_modes", multiple=True, metavar="NAME", help="That account is in hedge mode.")
@click.option("--hold", type=DurationType(), default="7d", show_default=True, help="How long the legs are held.")
@click.option("--fee", "fees", type=FeeType(), multiple=True, metavar="[NAME=]RATE", help="Taker fee: okx=0.05%.")
@click.option(
    "--max-gap",
    type=DecimalType(above=Decimal(0)),
    default="2%",
    show_default=True,
    help="Prices further apart are not hedged.",
)
@click.option("--depth", type=click.IntRange(min=1), default=100, show_default=True, help="Book levels a side.")
@consent_options
@config_option
@json_option
def hedge(
    *,
    symbol: str,
    long: str,
    short: str,
    size: str,
    max_slippage: Decimal,
    long_limit: Decimal | None,
    short_limit: Decimal | None,
    market: bool,
    leverage: Decimal | None,
    any_margin: bool,
    hedge_modes: tuple[str, ...],
    hold: int,
    fees: tuple[tuple[str, Decimal], ...],
    max_gap: Decimal,
    depth: int,
    consent: Consent,
    config: Path | None,
    as_json: bool,
) -> None:
    """Plan a hedge of SYMBOL (long here, short there), and open it when that is confirmed."""
    from fra.arbitrage.hedge.opening import show_hedge
    from fra.arbitrage.hedge.plan import HedgeRequest
    from fra.arbitrage.hedge.size import Size
    from fra.cli.session import run
    from fra.core import PositionSide

    if long == short:
        raise click.UsageError("--long and --short are two exchanges")
    if market and (long_limit is not None or short_limit is not None):
        raise click.UsageError("--market has no protective prices")
    limits = {PositionSide.LONG: long_limit, PositionSide.SHORT: short_limit}
    try:
        wanted = Size.parse(size)
    except ValueError as error:
        raise click.UsageError(f"--size: {error}") from error
    request = HedgeRequest(
        size=wanted,
        max_slippage=max_slippage,
        at_market=market,
        max_gap=max_gap,
        hold_ms=hold,
        leverage=leverage,
        check_margin=not any_margin,
        limits={side: limit for side, limit in limits.items() if limit is not None},
    )
    run(
        show_hedge(
            symbol,
            long,
            short,
            request,
            consent,
            fees=dict(fees),
            hedge_modes=hedge_modes,
            depth=depth,
            config=config,
            as_json=as_json,
        )
    )


@click.command()
@click.option(
    "--recorded",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Play the exchanges' recorded answers from this folder instead of a generated market.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Of the generated market.")
@click.option("--size", type=DecimalType(above=Decimal(0)), default="1000", show_default=True, help="As in spreads.")
@json_option
@watch_option
def demo(*, recorded: Path | None, seed: int, size: Decimal, as_json: bool, watch: bool) -> None:
    """The spreads of emulated exchanges on this machine: no network, no keys."""
    from fra.arbitrage.demo import run_demo
    from fra.cli.session import run

    run(run_demo(recorded=recorded, seed=seed, size=size, as_json=as_json, watch=watch))

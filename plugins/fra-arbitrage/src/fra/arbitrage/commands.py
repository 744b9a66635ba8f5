"""`fra spreads` and `fra demo`: the options; the work is imported when it is asked for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import DecimalType, DurationType, config_option, exchange_option, json_option, watch_option

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

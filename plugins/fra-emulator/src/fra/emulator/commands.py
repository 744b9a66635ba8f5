"""`fra emulate`: the emulator from the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fra.emulator.accounts import Account


@click.command()
@click.argument("venues", nargs=-1, required=True, metavar="VENUE...")
@click.option(
    "--port",
    default=18000,
    show_default=True,
    type=click.IntRange(0, 65000),
    help="Port of the first venue; 0 picks free ones.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the generated market.")
@click.option(
    "--play",
    type=click.Path(exists=True, path_type=Path),
    help="Play the captures in this folder (or one file) instead of generating a market.",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Speed of the play-back; 0 is as fast as the sockets take it.",
)
@click.option(
    "--symbols",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Generated assets beside the bundled ones.",
)
@click.option("--key", help="Open an account with this API key on every venue.")
@click.option("--secret", help="The account's secret.")
@click.option("--passphrase", default="", help="The account's passphrase, for venues that have one.")
@click.option(
    "--balance",
    "balances",
    multiple=True,
    metavar="ASSET=AMOUNT",
    help="What each wallet of the account starts with; several may be given. By default USDT=100000.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per venue.")
def emulate(
    venues: tuple[str, ...],
    port: int,
    seed: int,
    play: Path | None,
    speed: float,
    symbols: int,
    key: str | None,
    secret: str | None,
    passphrase: str,
    balances: tuple[str, ...],
    as_json: bool,
) -> None:
    """Serve emulated exchanges on this machine's loopback interface, each on a port of its own, until Ctrl-C."""
    import asyncio

    from fra.emulator.server import VENUES

    names = list(dict.fromkeys(v.lower() for v in venues))
    unknown = [n for n in names if n not in VENUES]
    if unknown:
        raise click.UsageError(f"no emulated venue {', '.join(unknown)}; there are {', '.join(VENUES)}")
    accounts = _accounts(key, secret, passphrase, balances)
    if accounts and play is not None:
        raise click.UsageError("a recording does not answer to orders: leave out --key, or --play")
    asyncio.run(_serve(names, port, seed, play, speed, symbols, accounts, as_json))


def _accounts(key: str | None, secret: str | None, passphrase: str, balances: tuple[str, ...]) -> "list[Account]":
    from decimal import Decimal, InvalidOperation

    from fra.emulator.accounts import START, Account

    if key is None or secret is None:
        if key is not None or secret is not None or passphrase or balances:
            raise click.UsageError("an account needs --key and --secret")
        return []
    held: dict[str, Decimal] = {}
    for text in balances:
        asset, _, amount = text.partition("=")
        try:
            held[asset] = Decimal(amount)
        except InvalidOperation:
            held[asset] = Decimal(-1)
        if not asset or not held[asset].is_finite() or held[asset] < 0:
            raise click.UsageError(f"--balance takes ASSET=AMOUNT, such as USDT=100000, not {text!r}")
    return [Account(key=key, secret=secret, passphrase=passphrase, balances=held or dict(START))]


async def _serve(
    names: list[str],
    port: int,
    seed: int,
    play: Path | None,
    speed: float,
    symbols: int,
    accounts: "list[Account]",
    as_json: bool,
) -> None:
    import asyncio
    import json
    import signal

    from fra.emulator.playback import NothingRecorded, recorded_source
    from fra.emulator.server import Emulator, generated_source

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    source = generated_source if play is None else recorded_source(play, speed=speed)
    emulator = Emulator(names, port=port, seed=seed, symbols=symbols, source=source, accounts=accounts)
    try:
        await emulator.start()
    except NothingRecorded as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot serve: {error.strerror or error}; choose other ports with --port") from None
    try:
        for name, venue in emulator.venues.items():
            if as_json:
                click.echo(json.dumps({"venue": name, "markets": venue.markets}))
            else:
                markets = "; ".join(f"{market}: {urls['rest']} {urls['ws']}" for market, urls in venue.markets.items())
                click.echo(f"{name} serves {markets}")
        await stopped.wait()
    finally:
        await emulator.stop()

"""`fra serve`: host configured exchanges for other processes, over NATS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.cli.options import DurationType, config_option, exchange_option, json_option

if TYPE_CHECKING:
    from fra.adapters.proxy.serving import ServeOptions

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@click.option(
    "--nats", "servers", multiple=True, metavar="URL", help="The broker; repeatable. Default: nats://127.0.0.1:4222."
)
@click.option("--user", metavar="NAME", help="Log in by user and password.")
@click.option("--password-file", type=_FILE, help="Where the password of --user stands.")
@click.option("--nkey", type=_FILE, help="Log in by this nkey seed.")
@click.option("--creds", type=_FILE, help="Log in by this .creds file.")
@click.option("--tls-ca", type=_FILE, help="Whose certificates to trust.")
@click.option("--tls-cert", type=_FILE, help="Our own certificate.")
@click.option("--tls-key", type=_FILE, help="Its key.")
@click.option("--lease", type=DurationType(), default="5s", show_default=True, help="How soon another host takes over.")
@click.option(
    "--keep", type=DurationType(), default="1d", show_default=True, help="How long the broker keeps account events."
)
@click.option(
    "--book-pause", type=DurationType(), default=0, help="Leave a book alone for so long after each frame of it."
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="On how many nodes of a NATS cluster leases, intents and events are kept; 3 outlasts one node.",
)
@click.option(
    "--share-limits", "egress", metavar="ADDRESS", help="Share rate limits with all who name the same egress ADDRESS."
)
@config_option
@exchange_option
@json_option
def serve(
    *,
    servers: tuple[str, ...],
    user: str | None,
    password_file: Path | None,
    nkey: Path | None,
    creds: Path | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    lease: int,
    keep: int,
    book_pause: int,
    replicas: int,
    egress: str | None,
    config: Path | None,
    exchanges: tuple[str, ...],
    as_json: bool,
) -> None:
    """Host configured exchanges, so that other processes use them with `plugin = "proxy"`.

    Each exchange is served by one host at a time. Started twice, the second stands by and takes over within --lease
    when the first has died. Ctrl-C ends it and lets the other take over at once.
    """
    from fra.adapters.proxy.options import BrokerOptions
    from fra.adapters.proxy.serving import ServeOptions
    from fra.cli.session import run
    from fra.core import Secret

    broker = BrokerOptions(
        **({"servers": servers} if servers else {}),
        user=user,
        nkey=nkey,
        creds=creds,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    password = None if password_file is None else Secret(password_file.read_text(encoding="utf-8").strip())
    options = ServeOptions(
        broker=broker,
        password=password,
        lease=lease / 1000,
        kept_for=keep / 1000,
        book_pause=book_pause / 1000,
        replicas=replicas,
        egress=egress,
    )
    run(_serve(options, config, exchanges, as_json))


async def _serve(options: ServeOptions, config: Path | None, exchanges: tuple[str, ...], as_json: bool) -> None:
    from fra.adapters.proxy.serving import Serving
    from fra.cli import json_lines
    from fra.cli.installed import registry_of
    from fra.cli.table import say
    from fra.core import ConfigManager, FraError

    configuration = ConfigManager().load_config(config)
    for name in exchanges:
        configuration.get_exchange_config(name)  # ConfigError names what is configured

    def on_state(exchange: str, state: str) -> None:
        if as_json:
            json_lines.write("serve/1", exchange=exchange, state=state, error=None)
        else:
            click.echo(f"{exchange}: {state}")

    def report(where: str, error: Exception) -> None:
        if as_json and isinstance(error, FraError):
            json_lines.write("serve/1", exchange=where, state="error", error=json_lines.error_fields(error))
        else:
            say(f"fra: {where}: {error}")

    serving = Serving(
        configuration,
        options,
        registry=registry_of(configuration),
        only=exchanges,
        on_state=on_state,
        report=report,
    )
    await serving.run()

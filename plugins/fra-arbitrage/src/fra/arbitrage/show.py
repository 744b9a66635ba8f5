"""`fra spreads`: one table, or one after the other, on the screen or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fra.arbitrage.follow import Follower
from fra.arbitrage.present import json_of, table_of
from fra.arbitrage.request import SpreadRequest
from fra.arbitrage.scan import Scan, Spreads
from fra.cli.exit_codes import CommandFailed, exit_code_for
from fra.cli.session import open_session
from fra.cli.table import LiveTable, say, show
from fra.core import ExchangeConnectionError, ExchangeMetadata

_DEMO = "fra demo shows the same on emulated exchanges, without a network"


async def show_spreads(
    request: SpreadRequest, config: Path | None, exchanges: Sequence[str], *, as_json: bool, watch: bool, every: float
) -> None:
    """Scan, show, and with ``watch`` follow until cancelled. Raises when no venue answered."""
    async with open_session(config, exchanges, wanted=pays_funding) as session:
        if len(session.names) < 2:
            say(f"fra: a spread needs two exchanges, and only {session.names[0]} is there → pip install another, or -e")
        scan = Scan(session, request)
        spreads = await scan.run()
        check(spreads)
        if not watch:
            write(spreads, as_json=as_json)
            return
        async with Follower(session, scan) as follower:
            await follow(follower, as_json=as_json, every=every)


async def follow(follower: Follower, *, as_json: bool, every: float) -> None:
    """Live tables until cancelled."""
    if as_json:
        async for spreads in follower.tables(every):
            write(spreads, as_json=True)
    else:
        with LiveTable() as live:
            async for spreads in follower.tables(every):
                live.update(table_of(spreads))


def write(spreads: Spreads, *, as_json: bool) -> None:
    """One table on stdout."""
    if as_json:
        sys.stdout.write(json_of(spreads) + "\n")
        sys.stdout.flush()
    else:
        show(table_of(spreads))


def check(spreads: Spreads) -> None:
    """Tell stderr who is missing; raise when nobody answered, with the way to see something all the same."""
    if not spreads.errors:
        return
    if len(spreads.errors) < len(spreads.venues):
        for error in spreads.errors:
            say(f"fra: {error}")
        return
    *others, last = spreads.errors
    for error in others:
        say(f"fra: {error}")
    if all(isinstance(error, ExchangeConnectionError) for error in spreads.errors):
        where = f"{last.exchange}: " if isinstance(last, ExchangeConnectionError) and last.exchange else ""
        raise CommandFailed(f"{where}{last.message}", exit_code=exit_code_for(last), cure=f"check the network; {_DEMO}")
    raise last


def pays_funding(metadata: ExchangeMetadata) -> bool:
    """Whether an exchange is of use here."""
    return metadata.capabilities.funding_rate

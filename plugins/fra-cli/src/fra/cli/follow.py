"""`--watch`: what streams say, line by line, and on stderr when one falls silent and when it is back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from fra.cli.table import say
from fra.core import FraError, StreamGap, StreamStatus

if TYPE_CHECKING:
    from fra.cli.session import Session
    from fra.core import ExchangeHandle, Subscription

T = TypeVar("T")
_LOOK: Final = 0.25


async def follow(
    session: Session,
    *,
    names: Callable[[ExchangeHandle], Awaitable[Sequence[str]]],
    subscribe: Callable[[ExchangeHandle, str], Subscription[T]],
    line: Callable[[str, T], str],
) -> None:
    """Print a line for every item of every matching stream until Ctrl-C. Raises when no exchange has one."""
    errors: list[FraError] = []
    found = 0

    async def one(name: str) -> None:
        nonlocal found
        try:
            handle = await session.handle(name)
            symbols = await names(handle)
            found += len(symbols)
            await asyncio.gather(*(read(handle, symbol) for symbol in symbols))
        except FraError as error:
            errors.append(error)
            say(f"fra: {error}")

    async def read(handle: ExchangeHandle, symbol: str) -> None:
        subscription = subscribe(handle, symbol)
        watcher = asyncio.create_task(tell_status(subscription, f"{handle.name} {symbol}"))
        try:
            while True:
                try:
                    async for item in subscription:
                        sys.stdout.write(line(handle.name, item) + "\n")
                        sys.stdout.flush()
                    return
                except StreamGap as gap:
                    say(f"fra: {handle.name} {symbol}: GAP: {gap.message}")
        finally:
            watcher.cancel()
            await subscription.close()

    await asyncio.gather(*map(one, session.names))
    if errors:
        raise errors[0]
    if not found:
        from fra.cli.exit_codes import CommandFailed

        raise CommandFailed(f"none of {', '.join(session.names)} has such a symbol")


async def tell_status(subscription: Subscription[T], what: str) -> None:
    """Say on stderr when the stream stops being live, and when it is again."""
    told = StreamStatus.STARTING
    while True:
        status = subscription.status
        if status is not told:
            if status is not StreamStatus.LIVE:
                why = f": {subscription.error.message}" if subscription.error is not None else ""
                label = "STALE" if status is StreamStatus.STALE else status.value.upper()
                say(f"fra: {what}: {label}{why}")
            elif told is not StreamStatus.STARTING:
                say(f"fra: {what}: live again")
            told = status
        await asyncio.sleep(_LOOK)

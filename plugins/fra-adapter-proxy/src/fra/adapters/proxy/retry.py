"""Opening a stream over the broker, and opening it again: after a failure in longer and longer pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from fra.core import (
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    FraError,
    NotSupported,
    SymbolNotFound,
)

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_PERMANENT: Final = (NotSupported, SymbolNotFound, ExchangeAuthError)


async def keep_open(
    open_: Callable[[], Awaitable[None]], again: asyncio.Event, *, lost: Callable[[ExchangeError], None]
) -> ExchangeError:
    """Open it now and whenever ``again`` is set; ``lost`` hears each failure that may pass. The one that does not."""
    pause = _FIRST_PAUSE
    while True:
        again.clear()
        try:
            await open_()
        except Exception as error:
            failure = _failure(error)
            if isinstance(failure, _PERMANENT) or not isinstance(error, FraError | NatsError | OSError):
                return failure
            lost(failure)
            try:
                async with asyncio.timeout(pause):
                    await again.wait()
            except TimeoutError:
                pass
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            pause = _FIRST_PAUSE
            await again.wait()


def _failure(error: Exception) -> ExchangeError:
    if isinstance(error, ExchangeError):
        return error
    if isinstance(error, NotFoundError):
        return ExchangeConnectionError("no host has served this account yet", cure="start `fra serve`")
    if isinstance(error, NatsError | OSError):
        return ExchangeConnectionError(f"the broker failed: {type(error).__name__}: {error}")
    return ExchangeError(f"{type(error).__name__}: {error}")

"""Coming back after a lost connection, without a thundering herd."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from fra.core.contract.errors import ExchangeConnectionError

if TYPE_CHECKING:
    import random

_MAX_DOUBLINGS: Final = 64
_logger: Final = logging.getLogger("fra.reconnect")


class ConnectLimit(Protocol):
    """Something that holds back attempts to connect to what the venue allows; a RateLimiter is one."""

    async def acquire(self) -> None:
        """Return when the next attempt may be made."""


class ReconnectManager:
    """Exponential back-off with full jitter; only data that proves the connection good starts it anew.

    Full jitter means that the delay before attempt ``n`` is uniform between zero and ``base_delay * 2**n``, at most
    ``max_delay`` seconds, so that many clients cut at once do not come back at once.
    """

    def __init__(
        self,
        max_retries: int | None = None,
        base_delay: float = 1.0,
        max_delay: float = 60.0,
        *,
        rng: random.Random | None = None,
        limit: ConnectLimit | None = None,
        on_attempt_failed: Callable[[int, Exception], None] | None = None,
    ) -> None:
        """``max_retries=None`` never gives up. ``on_attempt_failed(attempt, error)`` hears of each failed attempt;
        without it failures are logged as warnings.
        """
        if max_retries is not None and max_retries < 0:
            raise ValueError(f"max_retries must be None or at least 0, not {max_retries}")
        if not 0 <= base_delay <= max_delay:
            raise ValueError(f"delays must be 0 <= base_delay <= max_delay, not {base_delay} and {max_delay}")
        self.max_retries = max_retries
        self.base_delay = base_delay
        self.max_delay = max_delay
        if rng is None:
            import random  # not with the core: it pulls in OpenSSL's hashes

            rng = random.Random()
        self._rng = rng
        self._limit = limit
        self._on_attempt_failed = on_attempt_failed if on_attempt_failed is not None else _log
        self._attempts = 0

    @property
    def attempts(self) -> int:
        """Attempts made since data was last received."""
        return self._attempts

    def data_received(self) -> None:
        """The connection has delivered something valid: the next loss starts from the shortest delay again.

        Call it for data, not for a connect: a venue that accepts and cuts at once must be met with growing delays.
        """
        self._attempts = 0

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt, drawn anew at each call."""
        ceiling = min(self.max_delay, self.base_delay * 2.0 ** min(self._attempts, _MAX_DOUBLINGS))
        return self._rng.uniform(0.0, ceiling)

    async def handle_disconnect(self, reconnect: Callable[[], Awaitable[None]]) -> None:
        """Wait and call ``reconnect`` until it succeeds.

        Raises ExchangeConnectionError, caused by the last failure, once ``max_retries`` attempts were made since data
        was last received. Cancellation goes straight through.
        """
        last: Exception | None = None
        while self.max_retries is None or self._attempts < self.max_retries:
            delay = self.next_delay()
            self._attempts += 1
            await asyncio.sleep(delay)
            if self._limit is not None:
                await self._limit.acquire()
            try:
                await reconnect()
            except Exception as error:
                last = error
                self._on_attempt_failed(self._attempts, error)
            else:
                return
        raise ExchangeConnectionError(
            f"gave up reconnecting after {self._attempts} attempts" + (f": {last}" if last else ""),
            cure="check the network and the venue's status page",
        ) from last


def _log(attempt: int, error: Exception) -> None:
    _logger.warning("reconnect attempt %d failed: %s: %s", attempt, type(error).__name__, error)

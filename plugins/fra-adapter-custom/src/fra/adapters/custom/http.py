"""The REST client: tables in, typed answers out, every failure an error of fra's tree."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

from fra.adapters.custom.clock import ClockSample
from fra.adapters.custom.endpoint import Endpoint, Params

R = TypeVar("R")


@attrs.frozen
class Timed(Generic[R]):
    """An answer, and our clock just before sending and just after receiving (fractional milliseconds)."""

    value: R
    sent_ms: float
    received_ms: float

    def sample(self, server_ms: float) -> ClockSample:
        """A look at the venue's clock, which stood in this answer."""
        return ClockSample(server_ms=server_ms, sent_ms=self.sent_ms, received_ms=self.received_ms)


class HttpClient:
    """The REST calls of one configured instance over one aiohttp session."""

    async def request(self, endpoint: Endpoint[R], params: Params | None = None, *, priority: bool = False) -> R:
        """Make the call and give its decoded answer. Waits for the venue's budgets first."""
        raise NotImplementedError

    async def timed(self, endpoint: Endpoint[R], params: Params | None = None) -> Timed[R]:
        """As :meth:`request`, with the times of the attempt that was answered."""
        raise NotImplementedError

"""One budget: ccxt's costs, asked of the host's limiter."""

from __future__ import annotations

import math
from contextvars import ContextVar
from typing import Any, Final

from fra.core import ExchangeConfig, PluginContext, RateLimit

SCOPE: Final = "cost"
HUNDREDTHS: Final = 100
"""ccxt's costs are fractions of a unit; budgets count whole numbers."""
_SHORTEST_WINDOW_MS: Final = 1_000.0
_RESERVED: Final = 20

urgent: ContextVar[bool] = ContextVar("urgent", default=False)
"""Whether what is asked now goes first."""


class Budget:
    """What a client of ccxt's may spend: its ``rateLimit`` is milliseconds per unit of cost, within its window."""

    def __init__(self, client: Any, name: str, config: ExchangeConfig, context: PluginContext) -> None:
        window_ms = max(float(client.rollingWindowSize or 0), _SHORTEST_WINDOW_MS)
        capacity = max(1, int(window_ms / float(client.rateLimit) * HUNDREDTHS))
        limit = RateLimit(SCOPE, capacity, window_ms / 1000, reserve=capacity // _RESERVED)
        self._capacity = min(capacity, config.rate_limit.get(SCOPE, capacity))
        self._limiter = context.limiter(f"{name} (ccxt)", [limit])

    async def spend(self, cost: float) -> None:
        """Wait until ``cost`` units may be spent. What is dearer than a whole window is paid in instalments.

        What ccxt's table calls free is one unit: the venue counts it, whatever the table says.
        """
        first = urgent.get()
        most = self._capacity if first else max(1, self._capacity - self._capacity // _RESERVED)
        units = math.ceil((cost if cost > 0 else 1.0) * HUNDREDTHS)
        while units > 0:
            part = min(units, most)
            await self._limiter.acquire({SCOPE: part}, priority=first)
            units -= part

    def shut(self, seconds: float, reason: str) -> None:
        """Nothing is spent for so long: the venue said so."""
        self._limiter.block(SCOPE, seconds, reason)

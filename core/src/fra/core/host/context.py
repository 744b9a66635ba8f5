"""What the host lends one plugin, and the budgets that all plugins of a manager share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar, final

import attrs

from fra.core.contract.capabilities import ConnectionStatus, RateLimit
from fra.core.contract.config import ExchangeConfig
from fra.core.contract.context import PluginContext
from fra.core.contract.errors import ConfigError
from fra.core.contract.events import ErrorRaised, Event, RateLimited
from fra.core.host.events.bus import EventBus
from fra.core.host.failures import Failures
from fra.core.toolkit.budget import Budget, BudgetKey, BudgetPeers
from fra.core.toolkit.ratelimit import RateLimiter

if TYPE_CHECKING:
    from fra.core.host.handle import ExchangeHandle

E = TypeVar("E", bound=Event)
_DIRECT: Final = "direct"
_ANONYMOUS: Final = "no key"


def now_ms() -> int:
    """Our clock: UTC milliseconds."""
    return time.time_ns() // 1_000_000


def account_of(config: ExchangeConfig) -> str:
    """What tells accounts apart without telling what their keys are."""
    if config.api_key is None:
        return _ANONYMOUS
    from hashlib import sha256

    return sha256(config.api_key.reveal().encode()).hexdigest()[:16]


@final
class Budgets:
    """Every budget of a manager, by venue, scope, and egress address or account: however many ask, there is one."""

    def __init__(self, peers: BudgetPeers | None = None) -> None:
        """``peers`` are told of each budget: other processes may use it, too."""
        self._peers = peers
        self._budgets: dict[BudgetKey, Budget] = {}

    def get(self, venue: str, limit: RateLimit, *, egress: str, account: str) -> Budget:
        """The one budget for ``limit``. Two that ask for different capacities get the smaller."""
        key = BudgetKey(venue, limit.scope, egress if limit.per == "egress" else account)
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._budgets[key] = Budget(limit)
            if self._peers is not None:
                self._peers.opened(key, budget)
        elif limit.capacity < budget.whole.capacity:
            budget.adjust(limit)
        return budget

    def shut(self, budget: Budget, seconds: float, reason: str) -> None:
        """The venue shut ``budget``: tell the others who use it."""
        if self._peers is not None:
            for key, known in self._budgets.items():
                if known is budget:
                    self._peers.shut(key, seconds, reason)


@final
class HostContext(PluginContext):
    """One plugin's side of the host."""

    def __init__(
        self,
        config: ExchangeConfig,
        *,
        failures: Failures,
        bus: EventBus,
        budgets: Budgets,
        on_status: Callable[[ConnectionStatus, str | None], None],
        exchange: Callable[[str], Awaitable[ExchangeHandle]],
        fence: Callable[[str], None] | None = None,
    ) -> None:
        self._config = config
        self._failures = failures
        self._bus = bus
        self._budgets = budgets
        self._on_status = on_status
        self._exchange = exchange
        self._fence = fence
        self._removers: list[Callable[[], None]] = []
        self._limited: set[str] = set()
        self._closed = False

    @property
    def exchange_name(self) -> str:
        return self._config.name

    now_ms = staticmethod(now_ms)  # asked for every message

    def limiter(self, venue: str, limits: Sequence[RateLimit]) -> RateLimiter:
        egress = self._config.proxy or _DIRECT
        account = account_of(self._config)
        budgets = [
            self._budgets.get(venue, self._overridden(limit), egress=egress, account=account) for limit in limits
        ]
        scopes = {budget.limit.scope: budget for budget in budgets}

        def shut(scope: str, seconds: float, reason: str) -> None:
            self._limited_by(scope, seconds, reason, by_venue=True)
            self._budgets.shut(scopes[scope], seconds, reason)

        return RateLimiter(budgets, on_wait=self._waits, on_block=shut)

    def _overridden(self, limit: RateLimit) -> RateLimit:
        self._limited.add(limit.scope)
        capacity = self._config.rate_limit.get(limit.scope)
        if capacity is None:
            return limit
        return attrs.evolve(limit, capacity=capacity, reserve=min(limit.reserve, capacity // 2))

    def check_overrides(self) -> None:
        """Raises ConfigError for a configured limit of a scope that the adapter does not have."""
        unknown = sorted(set(self._config.rate_limit) - self._limited)
        if unknown:
            known = ", ".join(sorted(self._limited)) or "none"
            raise ConfigError(
                f"{self._config.name} has no rate limit named {unknown[0]!r}",
                path=f"exchanges.{self._config.name}.rate_limit.{unknown[0]}",
                cure=f"its scopes are: {known}",
            )

    def _waits(self, scope: str, seconds: float) -> None:
        self._limited_by(scope, seconds, "the budget is used up", by_venue=False)

    def _limited_by(self, scope: str, seconds: float, reason: str, *, by_venue: bool) -> None:
        self.emit(
            RateLimited(
                exchange=self.exchange_name,
                timestamp_ms=now_ms(),
                scope=scope,
                seconds=seconds,
                reason=reason,
                by_venue=by_venue,
            )
        )

    def before_order(self) -> None:
        if self._fence is not None:
            self._fence(self.exchange_name)

    def connection_changed(self, status: ConnectionStatus, reason: str | None = None) -> None:
        if not self._closed:
            self._on_status(status, None if reason is None else self._failures.redact(reason))

    def emit(self, event: Event) -> None:
        if isinstance(event, ErrorRaised):
            self._failures.complete(event.error, event.where)
        self._bus.emit(event)

    def register(self, event_type: type[E], handler: Callable[[E], object]) -> Callable[[], None]:
        remove = self._bus.register(event_type, handler, exchange=self.exchange_name)
        self._removers.append(remove)
        return remove

    async def exchange(self, name: str) -> ExchangeHandle:
        return await self._exchange(name)

    def close(self) -> None:
        """The plugin has gone: its handlers and its status count no more."""
        self._closed = True
        for remove in self._removers:
            remove()
        self._removers.clear()

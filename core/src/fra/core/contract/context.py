"""What the host lends an adapter: events, budgets, a clock, the other exchanges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from fra.core.contract.capabilities import ConnectionStatus, RateLimit
    from fra.core.contract.events import Event
    from fra.core.host.handle import ExchangeHandle

E = TypeVar("E", bound="Event")


class Limiter(Protocol):
    """The budgets of one venue for this egress address and account, shared by every instance that uses them."""

    async def acquire(self, costs: Mapping[str, int] | int = 1, *, priority: bool = False) -> None:
        """Wait for ``costs`` (scope → units) of all named scopes at once, first come first served.

        ``priority`` (cancels) may use each scope's reserve. Raises ValueError for a cost above a scope's capacity.
        """

    def answered(self, costs: Mapping[str, int], *, since: float) -> None:
        """A request that was let through at ``since`` (monotonic clock) has its answer: the venue counted it by now."""

    def observe(self, scope: str, used: int, *, at: float | None = None) -> None:
        """The venue says that ``used`` units of ``scope`` are used in its present window: true the budget up.

        ``at`` is when the request that it answers was sent, on the monotonic clock; without it the answer counts as up
        to a second old.
        """

    def adjust(self, limit: RateLimit) -> None:
        """The venue says what it allows now: ``limit`` replaces the one of its scope, for everybody who shares it."""

    def block(self, scope: str | None, seconds: float, reason: str) -> None:
        """The venue shut ``scope`` (None: everything) for ``seconds``: nobody is let through before."""


class PluginContext(ABC):
    """Set by the loader as ``plugin.context`` before ``initialize()``; the same object for the plugin's whole life."""

    @property
    @abstractmethod
    def exchange_name(self) -> str:
        """The configured instance name, as users know it and as errors and events carry it."""

    @abstractmethod
    def now_ms(self) -> int:
        """Our clock: UTC milliseconds."""

    @abstractmethod
    def limiter(self, venue: str, limits: Sequence[RateLimit]) -> Limiter:
        """The budgets of ``venue`` (a name that all adapters of one venue share), made on first asking.

        Limits with ``per="account"`` are shared by instances with the same API key, the others by everyone behind
        the same egress address (proxy).
        """

    def before_order(self) -> None:
        """To be called at the last moment before an order is written to the wire.

        Raises ExchangeConnectionError with ``sent=False`` where this process may not write it any more: another may
        have taken the account over while it waited.
        """
        return  # nobody shares the account

    @abstractmethod
    def connection_changed(self, status: ConnectionStatus, reason: str | None = None) -> None:
        """The adapter's connections as a whole are now ``status``."""

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Tell hooks and handlers; costs almost nothing when nobody listens. Never raises."""

    @abstractmethod
    def register(self, event_type: type[E], handler: Callable[[E], object]) -> Callable[[], None]:
        """Call ``handler`` for every event of this type at this exchange; the result removes it."""

    @abstractmethod
    async def exchange(self, name: str) -> ExchangeHandle:
        """The handle of another configured exchange, for adapters built on others (proxy, aggregated, paper)."""

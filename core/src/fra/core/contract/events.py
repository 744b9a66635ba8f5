"""The frozen objects that hooks and handlers receive. They may grow fields without breaking a hook."""

from __future__ import annotations

import attrs

from fra.core.contract.capabilities import ConnectionStatus
from fra.core.contract.errors import ExchangeError, FraError, StreamGap
from fra.core.contract.host import HostView
from fra.core.contract.models import FundingRate, Health
from fra.core.contract.orders import Fill, Order, OrderRequest, OrderStatus
from fra.core.contract.streams import StreamStatus


@attrs.frozen(kw_only=True)
class Event:
    """Something happened at one configured exchange, at ``timestamp_ms`` of our clock."""

    exchange: str
    timestamp_ms: int


@attrs.frozen(kw_only=True)
class HostStarted(Event):
    """The manager runs and is about to start its exchanges (hook: ``on_started``); the first event of all.

    It is of no one exchange. ``host`` may be asked for the present state until ``on_shutdown``.
    """

    exchange: str = ""
    host: HostView


@attrs.frozen(kw_only=True)
class HostStopped(Event):
    """Every exchange is closed, and this is the last event (``on_shutdown``): let go of sockets and tasks.

    Coroutines have five seconds. It may come without an ``on_started`` before it, when the start failed.
    """

    exchange: str = ""


@attrs.frozen(kw_only=True)
class PluginLoaded(Event):
    """An instance was loaded and connected (hook: ``on_plugin_loaded``)."""

    plugin: str
    distribution: str | None = None
    version: str | None = None


@attrs.frozen(kw_only=True)
class PluginUnloaded(Event):
    """An instance was disconnected and let go (``on_plugin_unloaded``)."""

    plugin: str


@attrs.frozen(kw_only=True)
class ConnectionChanged(Event):
    """The status of an exchange changed (``on_connection_changed``)."""

    old: ConnectionStatus
    new: ConnectionStatus
    reason: str | None = None


@attrs.frozen(kw_only=True)
class HealthChecked(Event):
    """A health check was made (``on_health_checked``)."""

    health: Health


@attrs.frozen(kw_only=True)
class RateLimited(Event):
    """A budget was used up or the venue shut a scope for ``seconds`` (``on_rate_limited``).

    ``by_venue`` says which of the two: True when the venue shut it.
    """

    scope: str
    seconds: float
    reason: str
    by_venue: bool = False


@attrs.frozen(kw_only=True)
class StreamGapped(Event):
    """A stream lost its place or items (``on_stream_gap``)."""

    channel: str
    symbol: str | None
    gap: StreamGap


@attrs.frozen(kw_only=True)
class StreamStatusChanged(Event):
    """An open stream went LIVE, STALE, RECOVERING or FAILED, or was closed (``on_stream_status_changed``).

    ``error`` is why, where that is known.
    """

    channel: str
    symbol: str | None
    old: StreamStatus
    new: StreamStatus
    error: ExchangeError | None = None


@attrs.frozen(kw_only=True)
class OrderChanged(Event):
    """One of the account's orders changed (``on_order_changed``).

    ``old`` is its status before: PENDING when it was sent from here and this is the first word of it, None when it
    was not heard of before.
    """

    order: Order
    old: OrderStatus | None = None


@attrs.frozen(kw_only=True)
class OrderRefused(Event):
    """An order did not come to be (``on_order_refused``): ``error`` says who refused it, a rule of ours, a hook, or
    the venue. One whose fate is unknown is not refused: ``on_order_changed`` tells of it.
    """

    request: OrderRequest
    error: FraError


@attrs.frozen(kw_only=True)
class FillReceived(Event):
    """One of the account's orders traded (``on_fill``); each trade id once."""

    fill: Fill


@attrs.frozen(kw_only=True)
class FundingRateChanged(Event):
    """A funding rate that somebody subscribes to changed (``on_funding_rate_changed``)."""

    funding_rate: FundingRate


@attrs.frozen(kw_only=True)
class FundingIntervalChanged(Event):
    """A symbol settles at another interval than before (``on_funding_interval_changed``)."""

    old: FundingRate
    new: FundingRate


@attrs.frozen(kw_only=True)
class SymbolsChanged(Event):
    """The venue's listing changed: unified names (``on_symbols_changed``)."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ErrorRaised(Event):
    """Something failed in the background, where nobody awaits it (``on_error``). ``where`` names the part."""

    where: str
    error: FraError


@attrs.frozen(kw_only=True)
class OrderProposed(Event):
    """An order is about to leave (``veto_order``): a hook that returns a reason, raises or is late stops it."""

    request: OrderRequest


EVENT_HOOKS: dict[type[Event], str] = {
    HostStarted: "on_started",
    HostStopped: "on_shutdown",
    PluginLoaded: "on_plugin_loaded",
    PluginUnloaded: "on_plugin_unloaded",
    ConnectionChanged: "on_connection_changed",
    HealthChecked: "on_health_checked",
    RateLimited: "on_rate_limited",
    StreamGapped: "on_stream_gap",
    StreamStatusChanged: "on_stream_status_changed",
    OrderChanged: "on_order_changed",
    OrderRefused: "on_order_refused",
    FillReceived: "on_fill",
    FundingRateChanged: "on_funding_rate_changed",
    FundingIntervalChanged: "on_funding_interval_changed",
    SymbolsChanged: "on_symbols_changed",
    ErrorRaised: "on_error",
}
"""Which hook hears which event."""

"""The hooks that fra calls: one per event, each with the frozen event object as its only argument.

``on_*`` hooks are told afterwards; what they return is ignored. ``veto_*`` hooks are asked before: a returned str is
the reason why not, None is no objection. Either kind may be ``async def``. A hook package registers an object (or a
module) whose functions carry ``@hookimpl`` under the entry-point group ``fra.hooks``.
"""

from __future__ import annotations

from typing import Final, Protocol

import pluggy

from fra.core.contract.events import (
    ConnectionChanged,
    ErrorRaised,
    FillReceived,
    FundingIntervalChanged,
    FundingRateChanged,
    HealthChecked,
    HostStarted,
    HostStopped,
    OrderChanged,
    OrderProposed,
    OrderRefused,
    PluginLoaded,
    PluginUnloaded,
    RateLimited,
    StreamGapped,
    StreamStatusChanged,
    SymbolsChanged,
)

PROJECT: Final = "fra"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a hook's functions; ``tryfirst`` and ``trylast`` order them, wrappers are refused."""


class HookSpecs(Protocol):
    """Every hook. An implementation may leave the argument out, and may be ``async def``."""

    @hookspec
    def on_started(self, event: HostStarted) -> object:
        """The manager runs and is about to start its exchanges; the first event of all."""

    @hookspec
    def on_shutdown(self, event: HostStopped) -> object:
        """Every exchange is closed; the last event. Let go of sockets and tasks: a coroutine has five seconds."""

    @hookspec
    def on_plugin_loaded(self, event: PluginLoaded) -> object:
        """An instance was loaded and connected."""

    @hookspec
    def on_plugin_unloaded(self, event: PluginUnloaded) -> object:
        """An instance was disconnected and let go."""

    @hookspec
    def on_connection_changed(self, event: ConnectionChanged) -> object:
        """The status of an exchange changed."""

    @hookspec
    def on_health_checked(self, event: HealthChecked) -> object:
        """A health check was made."""

    @hookspec
    def on_rate_limited(self, event: RateLimited) -> object:
        """A budget was used up, or the venue shut a scope."""

    @hookspec
    def on_stream_gap(self, event: StreamGapped) -> object:
        """A stream lost its place or items."""

    @hookspec
    def on_stream_status_changed(self, event: StreamStatusChanged) -> object:
        """An open stream went live, stale, recovering or failed, or was closed."""

    @hookspec
    def on_order_changed(self, event: OrderChanged) -> object:
        """One of the account's orders changed."""

    @hookspec
    def on_order_refused(self, event: OrderRefused) -> object:
        """An order did not come to be."""

    @hookspec
    def on_fill(self, event: FillReceived) -> object:
        """One of the account's orders traded; each trade id once."""

    @hookspec
    def on_funding_rate_changed(self, event: FundingRateChanged) -> object:
        """A funding rate that somebody subscribes to changed."""

    @hookspec
    def on_funding_interval_changed(self, event: FundingIntervalChanged) -> object:
        """A symbol settles at another interval than before."""

    @hookspec
    def on_symbols_changed(self, event: SymbolsChanged) -> object:
        """The venue's listing changed."""

    @hookspec
    def on_error(self, event: ErrorRaised) -> object:
        """Something failed in the background, a hook for example."""

    @hookspec
    def veto_order(self, event: OrderProposed) -> object:
        """An order is about to leave: return a reason (str) to stop it, None to let it go.

        An exception, a result of another kind, or no answer within the deadline stops it too. A plain function runs in
        a worker thread, so that a slow one cannot hold up the event loop.
        """

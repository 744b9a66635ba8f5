"""The hook itself: what each event means for the figures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from fra.core import (
    ConnectionChanged,
    ConnectionStatus,
    DuplicateOrder,
    ErrorRaised,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeRateLimitError,
    FillReceived,
    FraError,
    FundingIntervalChanged,
    FundingRateChanged,
    HealthChecked,
    HostStarted,
    HostStopped,
    HostView,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OrderChanged,
    OrderRefused,
    OrderStatus,
    OrderVetoed,
    PluginError,
    PluginLoaded,
    PluginUnloaded,
    RateLimited,
    StreamGap,
    StreamGapped,
    StreamStatus,
    StreamStatusChanged,
    hookimpl,
)
from fra.hooks.prometheus.options import PrometheusOptions

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_REASONS: Final[tuple[tuple[type[FraError], str], ...]] = (
    (InvalidOrder, "invalid"),
    (InsufficientFunds, "funds"),
    (DuplicateOrder, "duplicate"),
    (OrderVetoed, "veto"),
    (NotSupported, "not_supported"),
    (StreamGap, "gap"),
    (ExchangeRateLimitError, "rate_limit"),
    (ExchangeAuthError, "auth"),
    (ExchangeConnectionError, "connection"),
    (ExchangeAPIError, "refused"),
    (PluginError, "plugin"),
)
"""The first class that an error is of is its reason. Its text goes nowhere: a venue may quote a request in it."""

_FINAL: Final = frozenset(status for status in OrderStatus if status.final)


class Prometheus:
    """Counts what happens, and serves it at ``/metrics`` from ``on_started`` to ``on_shutdown``.

    ``registry`` is its own: a program may add metrics to it, and they are served with these.
    """

    Options = PrometheusOptions

    def __init__(self, options: PrometheusOptions | None = None) -> None:
        # Only who uses metrics imports what they need: an installed hook is looked at in every program.
        from prometheus_client import CollectorRegistry

        from fra.hooks.prometheus.metrics import Metrics
        from fra.hooks.prometheus.server import MetricsServer

        options = options if options is not None else PrometheusOptions()
        self.registry: CollectorRegistry = CollectorRegistry(auto_describe=False)
        self.server = MetricsServer(self.registry, host=options.host, port=options.port)
        self._metrics = Metrics(self._ask)
        self._symbols = frozenset(options.symbols)
        self._host: HostView | None = None
        self._loaded: Counter[str] = Counter()
        self.registry.register(self._metrics)

    # --- start and end

    @hookimpl
    async def on_started(self, event: HostStarted) -> None:
        self._host = event.host
        self._metrics.put("fra_started_timestamp_seconds", value=event.timestamp_ms / 1000)
        await self.server.start()

    @hookimpl
    async def on_shutdown(self, event: HostStopped) -> None:
        await self.server.stop()

    @hookimpl
    def on_plugin_loaded(self, event: PluginLoaded) -> None:
        self._loaded[event.exchange] += 1
        self._metrics.put("fra_plugin_info", event.exchange, event.plugin, event.version or "", value=1)

    @hookimpl
    def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
        self._loaded[event.exchange] -= 1
        if not self._loaded[event.exchange]:  # else it was reloaded: the old goes after the new has come
            self._metrics.forget(event.exchange)

    # --- what is asked when somebody reads

    def _ask(self) -> None:
        """What there is no event for: the age of data, and the calls of hooks."""
        if self._host is None:
            return
        metrics = self._metrics
        metrics.clear("fra_connection_state", "fra_streams", "fra_stream_data_timestamp_seconds")
        for health in self._host.health():
            for state in ConnectionStatus:
                metrics.put("fra_connection_state", health.exchange, state.value, value=state is health.status)
            now, oldest = health.checked_ms / 1000, dict[str, float]()
            for stream in health.streams:
                metrics.add("fra_streams", health.exchange, stream.channel, stream.status)
                if stream.age is not None:
                    oldest[stream.channel] = max(oldest.get(stream.channel, 0.0), stream.age)
            for channel, age in oldest.items():
                metrics.put("fra_stream_data_timestamp_seconds", health.exchange, channel, value=now - age)
        metrics.clear("fra_hook_failures_total", "fra_hook_drops_total", "fra_hook_disabled")
        for record in self._host.hook_records():
            if not record.hook.startswith(("on_", "veto_")):
                continue  # a program's own handler, whose name is the program's own
            metrics.add("fra_hook_failures_total", record.name, by=record.failures)
            metrics.add("fra_hook_drops_total", record.name, by=record.drops)
            metrics.add("fra_hook_disabled", record.name, by=record.disabled is not None)

    # --- connections and streams

    @hookimpl
    def on_connection_changed(self, event: ConnectionChanged) -> None:
        self._metrics.add("fra_reconnects_total", event.exchange, by=event.new is ConnectionStatus.RECONNECTING)

    @hookimpl
    def on_health_checked(self, event: HealthChecked) -> None:
        health = event.health
        self._metrics.put("fra_health_check_timestamp_seconds", event.exchange, value=event.timestamp_ms / 1000)
        if health.latency is not None:
            self._metrics.put("fra_latency_seconds", event.exchange, value=health.latency)
        if health.clock_skew is not None:
            self._metrics.put("fra_clock_skew_seconds", event.exchange, value=health.clock_skew)

    @hookimpl
    def on_stream_gap(self, event: StreamGapped) -> None:
        self._metrics.add("fra_stream_gaps_total", event.exchange, event.channel)

    @hookimpl
    def on_stream_status_changed(self, event: StreamStatusChanged) -> None:
        if event.new is StreamStatus.LIVE and event.old is not StreamStatus.STARTING:
            self._metrics.add("fra_stream_resyncs_total", event.exchange, event.channel)
        elif event.old is StreamStatus.LIVE and event.new is not StreamStatus.CLOSED:
            reason = "silence" if event.new is StreamStatus.STALE else _reason(event.error)
            self._metrics.add("fra_stream_breaks_total", event.exchange, event.channel, reason)

    # --- orders

    @hookimpl
    def on_order_changed(self, event: OrderChanged) -> None:
        old, new = event.old, event.order.status
        if old is new:
            return
        unknown = (new is OrderStatus.UNKNOWN) - (old is OrderStatus.UNKNOWN)
        self._metrics.add("fra_unknown_orders", event.exchange, by=unknown)
        # What is first heard of when it has ended was asked for, and ended before we looked.
        if new is OrderStatus.UNKNOWN or (new in _FINAL and old is not None):
            self._metrics.add("fra_orders_total", event.exchange, new.value)

    @hookimpl
    def on_order_refused(self, event: OrderRefused) -> None:
        self._metrics.add("fra_orders_total", event.exchange, "refused")
        self._metrics.add("fra_order_refusals_total", event.exchange, _reason(event.error))

    @hookimpl
    def on_fill(self, event: FillReceived) -> None:
        self._metrics.add("fra_fills_total", event.exchange)

    # --- limits and errors

    @hookimpl
    def on_rate_limited(self, event: RateLimited) -> None:
        reason = "venue" if event.by_venue else "budget"
        self._metrics.add("fra_limiter_waits_total", event.exchange, reason)
        self._metrics.add("fra_limiter_wait_seconds_total", event.exchange, reason, by=event.seconds)

    @hookimpl
    def on_error(self, event: ErrorRaised) -> None:
        self._metrics.add("fra_errors_total", event.exchange, _reason(event.error))

    # --- funding

    @hookimpl
    def on_funding_rate_changed(self, event: FundingRateChanged) -> None:
        rate = event.funding_rate
        if rate.symbol not in self._symbols:
            return
        settlement = rate.next_settlement_ms
        self._metrics.put_funding(
            event.exchange,
            rate.symbol,
            {
                "fra_funding_rate_ratio": float(rate.rate),
                "fra_funding_interval_seconds": None if rate.interval is None else rate.interval.total_seconds(),
                "fra_funding_settlement_timestamp_seconds": None if settlement is None else settlement / 1000,
                "fra_funding_data_timestamp_seconds": rate.received_ms / 1000,
            },
        )

    @hookimpl
    def on_funding_interval_changed(self, event: FundingIntervalChanged) -> None:
        self._metrics.add("fra_funding_interval_changes_total", event.exchange)


def _reason(error: FraError | None) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "other")

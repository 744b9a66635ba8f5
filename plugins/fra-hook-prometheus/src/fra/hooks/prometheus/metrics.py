"""Every metric as a row of a table, and the figures behind them.

What a label may say is a closed set, fixed here; anything else is counted as ``other``. Exchanges are the configured
names, at most :data:`EXCHANGES` of them, and funding is kept for at most :data:`FUNDING` pairs of exchange and symbol.
So the number of series has a bound that no venue, listing or plugin can raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

import attrs
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

OTHER: Final = "other"
EXCHANGES: Final = 32
"""Distinct values of ``exchange``; further ones are counted as ``other``."""
HOOKS: Final = 20
"""Distinct values of ``hook``; further ones are ``other``."""
FUNDING: Final = 120
"""Pairs of exchange and symbol that have funding metrics; those left out are counted."""

_STATES: Final = ("disconnected", "connecting", "connected", "reconnecting", "error")
_STREAMS: Final = ("orderbook", "trades", "ticker", "klines", "funding_rate", "user_data")
_STREAM_STATES: Final = ("starting", "live", "stale", "recovering", "failed")
_BREAKS: Final = ("auth", "connection", "gap", "rate_limit", "silence")
_OUTCOMES: Final = ("filled", "canceled", "expired", "rejected", "refused", "unknown")
_REFUSALS: Final = (
    "auth", "connection", "duplicate", "funds", "invalid", "not_supported", "rate_limit", "refused", "veto",
)  # fmt: skip
_ERRORS: Final = ("auth", "connection", "gap", "plugin", "rate_limit", "refused")

Closed = tuple[str, ...] | None
"""The values that a label may have; None for names that the configuration gives, which are counted and cut off."""


@attrs.frozen
class Row:
    """One metric: ``labels`` maps each label to what it may say."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: Mapping[str, Closed] = attrs.field(factory=dict)


def _of(**others: Closed) -> dict[str, Closed]:
    return {"exchange": None, **others}


def _gauge(name: str, help: str, labels: Mapping[str, Closed]) -> Row:
    return Row(name, "gauge", help, labels)


def _counter(name: str, help: str, labels: Mapping[str, Closed]) -> Row:
    return Row(name, "counter", help, labels)


_FUNDING: Final = _of(symbol=None)
ROWS: Final[Mapping[str, Row]] = {
    row.name: row
    for row in (
        _gauge("fra_started_timestamp_seconds", "When this program's exchanges were started.", {}),
        _gauge("fra_plugin_info", "What serves an exchange; always 1.", _of(plugin=None, version=None)),
        _gauge("fra_connection_state", "1 for the state that an exchange is in, else 0.", _of(state=_STATES)),
        _counter("fra_reconnects_total", "How often an exchange's connections broke.", _of()),
        _gauge("fra_latency_seconds", "Round trip of the request of the last health check.", _of()),
        _gauge("fra_clock_skew_seconds", "The exchange's clock minus ours at the last health check.", _of()),
        _gauge("fra_health_check_timestamp_seconds", "When health was last checked by a request.", _of()),
        _gauge("fra_streams", "Open streams.", _of(stream=_STREAMS, state=_STREAM_STATES)),
        _gauge(
            "fra_stream_data_timestamp_seconds",
            "When the stream of this kind that was silent longest last had data.",
            _of(stream=_STREAMS),
        ),
        _counter("fra_stream_gaps_total", "How often a stream lost items or its place.", _of(stream=_STREAMS)),
        _counter(
            "fra_stream_breaks_total", "How often a stream ceased to be live.", _of(stream=_STREAMS, reason=_BREAKS)
        ),
        _counter("fra_stream_resyncs_total", "How often a stream was live again after a break.", _of(stream=_STREAMS)),
        _counter("fra_orders_total", "Orders by what came of them, each time.", _of(outcome=_OUTCOMES)),
        _counter("fra_order_refusals_total", "Orders that did not come to be.", _of(reason=_REFUSALS)),
        _gauge("fra_unknown_orders", "Orders that were sent and whose fate is unknown now.", _of()),
        _counter("fra_fills_total", "Executions of the account's orders.", _of()),
        _counter(
            "fra_limiter_waits_total",
            "How often requests began to wait: for our own budget, or because the venue shut it.",
            _of(reason=("budget", "venue")),
        ),
        _counter(
            "fra_limiter_wait_seconds_total",
            "The seconds of those waits, as they were foreseen.",
            _of(reason=("budget", "venue")),
        ),
        _counter("fra_errors_total", "What failed in the background.", _of(reason=_ERRORS)),
        _counter("fra_hook_failures_total", "Calls of a hook that failed.", {"hook": None}),
        _counter("fra_hook_drops_total", "Events that a hook was too slow for.", {"hook": None}),
        _gauge("fra_hook_disabled", "How many functions of a hook are switched off.", {"hook": None}),
        _counter("fra_funding_interval_changes_total", "Symbols that settle at another interval now.", _of()),
        _gauge("fra_funding_rate_ratio", "What longs pay shorts at the next settlement.", _FUNDING),
        _gauge("fra_funding_interval_seconds", "The time between settlements, where it is known.", _FUNDING),
        _gauge("fra_funding_settlement_timestamp_seconds", "The next settlement, where it is known.", _FUNDING),
        _gauge("fra_funding_data_timestamp_seconds", "When the funding rate last changed here.", _FUNDING),
        _gauge("fra_funding_left_out", "Allowed symbols that found no room under the bound.", {}),
    )
}
_FAMILIES: Final = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class Metrics(Collector):
    """The figures of one program. ``refresh`` is called before they are read, for what is only known when asked."""

    def __init__(self, refresh: Callable[[], None] | None = None) -> None:
        self._refresh = refresh
        self._values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in ROWS}
        self._names: dict[str, set[str]] = {"exchange": set(), "hook": set()}
        self._funding: set[tuple[str, str]] = set()
        self._left_out: set[tuple[str, str]] = set()

    def add(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Count."""
        values, key = self._values[name], self._key(name, labels)
        values[key] = values.get(key, 0.0) + by

    def put(self, name: str, *labels: str, value: float) -> None:
        """Set; what stands of several exchanges at once would be true of none."""
        key = self._key(name, labels)
        if key[:1] != (OTHER,):
            self._values[name][key] = value

    def put_funding(self, exchange: str, symbol: str, figures: Mapping[str, float | None]) -> None:
        """Set the figures of one symbol; what is None is unknown, and not shown."""
        pair = (self._bounded("exchange", exchange), symbol)
        if pair not in self._funding:
            if len(self._funding) >= FUNDING or pair[0] == OTHER:
                self._left_out.add(pair)
                self._values["fra_funding_left_out"][()] = len(self._left_out)
                return
            self._funding.add(pair)
        for name, value in figures.items():
            if value is None:
                self._values[name].pop(pair, None)
            else:
                self._values[name][pair] = value

    def forget(self, exchange: str) -> None:
        """What stood of an exchange that has gone. What was counted stays, and orders of unknown fate, too: they are
        not known now.
        """
        self._funding = {pair for pair in self._funding if pair[0] != exchange}
        self._left_out = {pair for pair in self._left_out if pair[0] != exchange}
        for name, row in ROWS.items():
            if row.kind == "gauge" and "exchange" in row.labels and name != "fra_unknown_orders":
                self._values[name] = {key: value for key, value in self._values[name].items() if key[0] != exchange}

    def clear(self, *names: str) -> None:
        """Before they are set anew."""
        for name in names:
            self._values[name].clear()

    def _key(self, name: str, labels: Iterable[str]) -> tuple[str, ...]:
        return tuple(
            self._bounded(label, value) if allowed is None else value if value in allowed else OTHER
            for (label, allowed), value in zip(ROWS[name].labels.items(), labels, strict=True)
        )

    def _bounded(self, label: str, value: str) -> str:
        known = self._names.get(label)
        if known is None or value in known:
            return value
        if len(known) >= (EXCHANGES if label == "exchange" else HOOKS):
            return OTHER
        known.add(value)
        return value

    def collect(self) -> Iterator[Metric]:
        """The families of all metrics that have figures."""
        if self._refresh is not None:
            self._refresh()
        for name, values in self._values.items():
            if values:
                row = ROWS[name]
                family = _FAMILIES[row.kind](name, row.help, labels=tuple(row.labels))
                for key, value in values.items():
                    family.add_metric(key, value)
                yield family

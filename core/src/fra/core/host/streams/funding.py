"""What happens to funding rates, as events: a rate that moves, and a symbol that begins to settle more often."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import final

from fra.core.contract.errors import ExchangeError, StreamGap
from fra.core.contract.events import Event, FundingIntervalChanged, FundingRateChanged
from fra.core.contract.models import FundingRate, RateKind
from fra.core.contract.streams import StreamStatus


@final
class FundingWatch:
    """Sees every running rate of one exchange, asked for or streamed. A sink of its funding streams."""

    __slots__ = ("_emit", "_exchange", "_intervals", "_now_ms", "_rates")

    def __init__(self, exchange: str, *, emit: Callable[[Event], None], now_ms: Callable[[], int]) -> None:
        self._exchange = exchange
        self._emit = emit
        self._now_ms = now_ms
        self._intervals: dict[str, FundingRate] = {}
        self._rates: dict[str, FundingRate] = {}

    def seen(self, rates: Iterable[FundingRate]) -> None:
        """Compare the intervals of running rates with the last known ones; settled rates are the past."""
        for rate in rates:
            if rate.interval is None or rate.kind is not RateKind.ESTIMATED:
                continue
            old = self._intervals.get(rate.symbol)
            self._intervals[rate.symbol] = rate
            if old is not None and old.interval != rate.interval:
                self._emit(
                    FundingIntervalChanged(exchange=self._exchange, timestamp_ms=self._now_ms(), old=old, new=rate)
                )

    def on_item(self, item: FundingRate) -> None:
        self.seen((item,))
        old = self._rates.get(item.symbol)
        self._rates[item.symbol] = item
        if old is None or (old.rate, old.next_settlement_ms, old.interval) != (
            item.rate,
            item.next_settlement_ms,
            item.interval,
        ):
            self._emit(FundingRateChanged(exchange=self._exchange, timestamp_ms=self._now_ms(), funding_rate=item))

    def on_gap(self, gap: StreamGap) -> None:
        pass

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        pass

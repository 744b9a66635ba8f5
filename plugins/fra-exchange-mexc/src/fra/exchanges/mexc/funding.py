"""MEXC's funding rows: the interval and the settlement as MEXC itself writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import attrs

from fra.adapters.ccxt import funding, number
from fra.adapters.ccxt.convert import moment
from fra.core import FundingRate, IntervalSource, Symbol

Row = Mapping[str, Any]
"""A row as MEXC sends it."""


def interval(row: Row) -> timedelta | None:
    """``collectCycle``, which is in hours (MEXC, futures, "Get Funding Rate"); None where there is none."""
    hours = number(row.get("collectCycle"))
    if hours is None or hours <= 0:
        return None
    return timedelta(minutes=int(hours * 60))


def settles(row: Row) -> int | None:
    """``nextSettleTime``, UTC milliseconds."""
    return moment(row.get("nextSettleTime"))


def settled(rows: Iterable[Row], symbol: Symbol, *, received_ms: int) -> list[FundingRate]:
    """Settled rates, oldest first, each once; MEXC's interval where the row has one, else the time since the last."""
    by_time = {settled_ms: row for row in rows if (settled_ms := moment(row.get("settleTime"))) is not None}
    made = funding.settled_rates(
        by_time.values(), symbol, received_ms=received_ms, settled_at=lambda row: moment(row.get("settleTime"))
    )
    return [
        rate
        if rate.settled_ms is None or (told := interval(by_time[rate.settled_ms])) is None
        else attrs.evolve(rate, interval=told, interval_source=IntervalSource.REPORTED)
        for rate in made
    ]

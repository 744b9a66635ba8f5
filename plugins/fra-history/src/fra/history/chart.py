"""Charts of funding, drawn by matplotlib without a screen. Floats are for drawing only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fra.cli import figures
from fra.core import PluginError
from fra.history.settlements import Curve, Day

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision tell apart; and dashes, which need none.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES: Final = ("-", "--", "-.", ":")
_DAY_MS: Final = 86_400_000  # a day is one of matplotlib's date numbers, which count from 1970
_INK, _FAINT = "#333333", "#B0B0B0"
_GAIN, _LOSS = "#0072B2", "#D55E00"


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    """Panels above each other with one time axis. Raises PluginError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PluginError(
            "charts need matplotlib, which is not installed", plugin="plot", cure='pip install "fra-history[plot]"'
        ) from None
    figure = Figure(figsize=(11, 3.4 + 2.4 * panels), dpi=150, layout="constrained")
    made = figure.subplots(panels, 1, sharex=True, squeeze=False)
    axes = [row[0] for row in made]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="y", color=_FAINT, alpha=0.4, linewidth=0.6)
        one.axhline(0, color=_INK, linewidth=0.8)
    return figure, axes


def _times(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.set_xlabel("UTC", color=_INK, fontsize=9)


def _percent(axes: Axes, label: str) -> None:
    from matplotlib.ticker import FuncFormatter

    def write(value: float, position: int | None) -> str:
        # As many places as the ticks are apart.
        ticks = axes.yaxis.get_majorticklocs()
        step = float(abs(ticks[1] - ticks[0])) if len(ticks) > 1 else 1.0
        places = next(places for places in range(9) if abs(round(step, places) - step) < step / 100 or places == 8)
        return f"{value:+.{places}f} %" if abs(value) > step / 100 else "0 %"

    axes.yaxis.set_major_formatter(FuncFormatter(write))
    axes.set_ylabel(label, color=_INK, fontsize=10)
    axes.tick_params(colors=_INK, labelsize=9)


def funding_chart(curves: Sequence[Curve]) -> Figure:
    """Rates per settlement as steps: each over the time that it was charged for.

    The annualised axis stands on the right of the same panel when all intervals are one; else the annualised rates
    have a panel of their own, since no one scale is both.
    """
    intervals = {interval for curve in curves for interval in curve.intervals}
    (interval,) = intervals if len(intervals) == 1 else (None,)
    figure, axes = _figure(1 if interval is not None else 2)
    for curve, colour, dash in zip(curves, itertools.cycle(_COLOURS), itertools.cycle(_DASHES), strict=False):
        label = f"{curve.series.exchange}  {curve.series.symbol}  ({_intervals(curve)})"
        x, rates, aprs = _steps(curve)
        axes[0].plot(x, rates, color=colour, linestyle=dash, linewidth=1.5, label=label)
        if interval is None:
            axes[1].plot(x, aprs, color=colour, linestyle=dash, linewidth=1.5)
        _mark_changes(axes[0], curve, colour)
    _percent(axes[0], "Rate per settlement")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(2, len(curves)), frameon=False, fontsize=9)
    if interval is not None:
        factor = 365 * 86_400 / interval
        right = axes[0].secondary_yaxis("right", functions=_times_factor(factor))
        _percent(right, f"Annualised: {factor:,g} settlements of {figures.duration(interval)}")  # type: ignore[arg-type]
    else:
        axes[1].yaxis.tick_right()
        axes[1].yaxis.set_label_position("right")
        axes[1].spines[["left"]].set_visible(False)
        axes[1].spines[["right"]].set_visible(True)
        _percent(axes[1], "Annualised by each interval")
    _times(axes[-1])
    axes[0].margins(x=0.01)
    title = f"Settled funding, {_range(curves)}: above zero longs pay shorts"
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    return figure


def spread_chart(long: Curve, short: Curve, days: Sequence[Day]) -> Figure:
    """What long and short together received per whole UTC day, annualised on the right, and its sum below."""
    figure, axes = _figure(2)
    x = [(day.date - date(1970, 1, 1)).days + 0.5 for day in days]
    spreads = [_float(day.spread) for day in days]
    colours = [_GAIN if value >= 0 else _LOSS for value in spreads]
    axes[0].bar(x, spreads, width=0.8, color=colours)
    _percent(axes[0], "Received per day, of one leg's notional")
    right = axes[0].secondary_yaxis("right", functions=_times_factor(365))
    _percent(right, "Annualised: × 365")  # type: ignore[arg-type]
    legs = (
        ("both", [day.spread for day in days], _INK, "-"),
        (f"short {short.series.exchange}", [day.short for day in days], _COLOURS[2], "--"),
        (f"long {long.series.exchange}", [-day.long for day in days], _COLOURS[3], "-."),
    )
    for name, values, colour, dash in legs:
        sums = [_float(total) for total in itertools.accumulate(values)]
        axes[1].plot(x, sums, color=colour, linestyle=dash, linewidth=1.5, label=f"{name}  {sums[-1]:+.4f} %")
    _percent(axes[1], "Sum since the first day")
    axes[1].legend(loc="best", frameon=False, fontsize=9)
    _times(axes[-1])
    axes[0].margins(x=0.01)
    names = f"long {long.series}, short {short.series}"
    figure.suptitle(f"Funding spread per day: {names}\n{summary(days)}", fontsize=12, x=0.01, ha="left")
    return figure


def summary(days: Sequence[Day]) -> str:
    """Does it last? The mean, how many days were above zero, and how often the sign changed."""
    mean = sum((day.spread for day in days), Decimal(0)) / len(days)
    above = sum(day.spread > 0 for day in days)
    signs = [day.spread > 0 for day in days if day.spread]
    flips = sum(one is not other for one, other in itertools.pairwise(signs))
    mean_text, apr = figures.percent(mean), figures.percent(mean * 365, places=2)
    return f"{len(days)} days: mean {mean_text} a day ({apr} a year), {above} above zero, {flips} changes of sign"


def _steps(curve: Curve) -> tuple[list[float], list[float], list[float]]:
    """Corners of the steps: a rate holds from a settlement's interval before it until it, and a gap where unknown."""
    x: list[float] = []
    rates: list[float] = []
    aprs: list[float] = []
    before: int | None = None
    for one in curve.settlements:
        start = one.settled_ms - one.interval * 1000 if one.interval is not None else before
        apr = float("nan") if one.apr is None else _float(one.apr)
        for at in (one.settled_ms if start is None else start, one.settled_ms):
            x.append(at / _DAY_MS)
            rates.append(_float(one.rate))
            aprs.append(apr)
        before = one.settled_ms
    return x, rates, aprs


def _mark_changes(axes: Axes, curve: Curve, colour: str) -> None:
    for one, other in itertools.pairwise(curve.settlements):
        if None not in (one.interval, other.interval) and one.interval != other.interval:
            at = one.settled_ms / _DAY_MS
            text = f"{figures.duration(one.interval)} → {figures.duration(other.interval)}"
            axes.axvline(at, color=colour, linewidth=0.8, alpha=0.6, linestyle=":")
            axes.annotate(
                text,
                (at, 0.98),
                xycoords=("data", "axes fraction"),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=8,
                color=colour,
                va="top",
            )


def _intervals(curve: Curve) -> str:
    return ", ".join(f"every {figures.duration(one)}" if one else "interval ?" for one in curve.intervals)


def _range(curves: Sequence[Curve]) -> str:
    start, end = min(curve.since_ms for curve in curves), max(curve.until_ms for curve in curves)
    return f"{figures.moment(start)[:10]} to {figures.moment(end)[:10]}"


def _times_factor(factor: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """There and back, of arrays."""
    return lambda values: values * factor, lambda values: values / factor


def _float(fraction: Decimal) -> float:
    return float(fraction * 100)

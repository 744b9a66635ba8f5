"""Moments on the command line and in files: UTC, in milliseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fra.cli.options import DurationType

if TYPE_CHECKING:
    IntParameter = click.ParamType[int]
else:
    IntParameter = click.ParamType


class MomentType(IntParameter):
    """``2026-03-01``, ``2026-03-01T08:00Z`` (UTC unless it says otherwise), or ``30d`` ago: UTC ms as int."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            try:
                return now_ms() - DurationType().convert(text, param, context)
            except click.BadParameter:
                self.fail(f"{text!r} is no moment: say 2026-03-01, 2026-03-01T08:00Z or 30d", param, context)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        if (timestamp_ms := round(moment.timestamp() * 1000)) < 0:
            self.fail(f"{text!r} is before 1970", param, context)
        return timestamp_ms


def now_ms() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000_000


def iso(timestamp_ms: int) -> str:
    """``2026-03-01T08:00:00.000Z``."""
    return datetime.fromtimestamp(timestamp_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def brief(timestamp_ms: int) -> str:
    """The same for people and for ``--since``: seconds only where there are any."""
    text = iso(timestamp_ms)
    return text.replace(":00.000Z", "Z").replace(".000Z", "Z")

"""The venue's clock, as well as it can be known from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs

SAMPLES: Final = 3
"""Looks at the clock for signing, where a second's error is a refused request."""


_SMALLEST_MS: Final = 100_000_000_000
_LARGEST_MS: Final = 10_000_000_000_000


def _moment(instance: object, field: attrs.Attribute[float], value: float) -> None:
    # What is believed here shifts the time of every signed request.
    if not _SMALLEST_MS <= value < _LARGEST_MS:
        raise ValueError(f"the venue's clock stands at {str(value)[:30]} ms")


@attrs.frozen(kw_only=True)
class ClockSample:
    """One look at the venue's clock: what it said, and our clock before and after asking, in milliseconds.

    Raises ValueError for what is no time in milliseconds.
    """

    server_ms: float = attrs.field(validator=_moment)
    sent_ms: float
    received_ms: float

    @property
    def round_trip(self) -> float:
        """Milliseconds from sending to answer."""
        return self.received_ms - self.sent_ms

    @property
    def offset(self) -> float:
        """The venue's clock minus ours, if the answer was made at the midpoint of the round trip."""
        return self.server_ms - (self.sent_ms + self.received_ms) / 2


class ServerClock:
    """Milliseconds as the venue counts them: our clock plus an offset, measured by round trips.

    Of several samples the one with the shortest round trip counts: its midpoint can be least wrong.
    """

    def __init__(
        self, read: Callable[[], Awaitable[ClockSample]], now_ms: Callable[[], int], *, samples: int = SAMPLES
    ) -> None:
        self._samples = samples
        self._read = read
        self._now_ms = now_ms
        self.sample: ClockSample | None = None

    def now_ms(self) -> int:
        """The venue's time now; our own until the first :meth:`sync`."""
        return self.at(self._now_ms())

    def at(self, our_ms: int) -> int:
        """One of our times as the venue counts it; as it is until the first :meth:`sync`."""
        return our_ms if self.sample is None else round(our_ms + self.sample.offset)

    @property
    def skew(self) -> float | None:
        """The venue's clock minus ours in seconds, None when never measured."""
        return None if self.sample is None else self.sample.offset / 1000

    async def sync(self) -> ClockSample:
        """Measure anew. Raises what the request raises; the old offset then stays."""
        taken = [await self._read() for _ in range(self._samples)]
        self.sample = min(taken, key=lambda sample: sample.round_trip)
        return self.sample

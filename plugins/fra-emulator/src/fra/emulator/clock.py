"""The emulated venues' clock: wall time by default, shifted or sped up on demand."""

import time

import attrs


@attrs.define
class Clock:
    """Milliseconds UTC as the emulated venues tell them.

    `start_ms` is the time told at the first reading (wall time if None); from there it runs `scale` times as fast
    as the wall.
    """

    scale: float = 1.0
    start_ms: int | None = None
    _wall0: float = attrs.field(init=False, factory=time.monotonic)
    _base_ms: float = attrs.field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        if self.scale <= 0:
            raise ValueError(f"clock scale must be above 0, got {self.scale}")
        self._base_ms = float(self.start_ms) if self.start_ms is not None else time.time() * 1000.0

    def now_ms(self) -> int:
        """Emulated time, integer ms UTC; never falls unless `jump` is asked to."""
        return int(self._base_ms + (time.monotonic() - self._wall0) * 1000.0 * self.scale)

    def jump(self, delta_ms: int) -> None:
        """Move the clock by `delta_ms` at once."""
        self._base_ms += delta_ms

    def seconds_until(self, when_ms: int) -> float:
        """Wall seconds until the emulated time `when_ms`; 0 if it has passed."""
        return max(0.0, (when_ms - self.now_ms()) / 1000.0 / self.scale)

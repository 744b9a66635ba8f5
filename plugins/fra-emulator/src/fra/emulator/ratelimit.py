"""The venues' request limits: Binance's weighted minute with its bans, OKX's rolling windows."""

from collections import deque

import attrs


@attrs.frozen
class Charge:
    """What a request was answered by the limiter: 200, 429 or 418; the weight used so far; milliseconds to wait."""

    status: int
    used: int
    wait_ms: int = 0
    banned_until_ms: int = 0


@attrs.define
class WeightWindow:
    """A fixed window of request weight per address (Binance docs: "LIMITS", "IP Limits").

    The window opens on multiples of `window_ms`. Over `limit` every request is refused with 429 until the window's
    end; more than
    `ban_after` refusals in one window end in a ban of `ban_ms`, twice as long each time.
    """

    limit: int
    window_ms: int
    ban_after: int
    ban_ms: int
    used: int = 0
    history: deque[int] = attrs.field(factory=lambda: deque(maxlen=1000))
    _window: int = -1
    _refused: int = 0
    _banned_until: int = 0
    _bans: int = 0

    def charge(self, weight: int, now_ms: int) -> Charge:
        """Book `weight` at `now_ms`."""
        window = now_ms // self.window_ms
        if window != self._window:
            if self._window >= 0:
                self.history.append(self.used)
            self._window, self.used, self._refused = window, 0, 0
        if now_ms < self._banned_until:
            return Charge(418, self.used, self._banned_until - now_ms, self._banned_until)
        self.used += weight
        if self.used <= self.limit:
            return Charge(200, self.used)
        self._refused += 1
        if self._refused > self.ban_after:
            self._banned_until = now_ms + self.ban_ms * 2**self._bans
            self._bans += 1
            return Charge(418, self.used, self._banned_until - now_ms, self._banned_until)
        return Charge(429, self.used, (window + 1) * self.window_ms - now_ms)


@attrs.define
class RollingWindow:
    """At most `limit` events in any `window_ms` (OKX docs: "Rate Limits")."""

    limit: int
    window_ms: int
    _times: deque[int] = attrs.field(factory=deque)

    def take(self, now_ms: int) -> bool:
        """Whether one more event fits at `now_ms`; refused ones do not count."""
        times = self._times
        while times and times[0] <= now_ms - self.window_ms:
            times.popleft()
        if len(times) >= self.limit:
            return False
        times.append(now_ms)
        return True

    def left(self, now_ms: int) -> int:
        """How many more events fit at `now_ms`."""
        return self.limit - sum(t > now_ms - self.window_ms for t in self._times)

    def frees_in_ms(self, now_ms: int) -> int:
        """Milliseconds until the oldest counted event leaves the window; 0 if there is none."""
        return max(0, self._times[0] + self.window_ms - now_ms) if self._times else 0

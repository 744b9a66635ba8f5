"""Bybit's limit by address: 600 requests in five seconds, then ten minutes of HTTP 403 (Bybit docs: "Rate Limit")."""

from fra.emulator.ratelimit import RollingWindow

REQUESTS, WINDOW_MS, BAN_S = 600, 5000, 600.0


class AddressLimit:
    """Counts requests over all of REST; `scale` shortens the window and the ban."""

    def __init__(self, scale: float = 1.0) -> None:
        self._window_ms = round(WINDOW_MS * scale)
        self._ban_s = BAN_S * scale
        self._windows: dict[str, RollingWindow] = {}
        self._until: dict[str, float] = {}

    def take(self, address: str, now_s: float) -> bool:
        """Whether the address may ask once more at `now_s` (any monotonic clock); one too many bans it."""
        if now_s < self._until.get(address, 0.0):
            return False
        window = self._windows.setdefault(address, RollingWindow(REQUESTS, self._window_ms))
        if window.take(int(now_s * 1000)):
            return True
        self._until[address] = now_s + self._ban_s
        return False

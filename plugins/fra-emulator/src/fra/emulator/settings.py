"""How an emulator runs: everything that a test or a demo may want to shorten, loosen or shift."""

import attrs

from fra.emulator.clock import Clock


@attrs.define(kw_only=True)
class Settings:
    """Defaults are the venues' own numbers. Times are seconds of wall time unless the name says ms."""

    seed: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    symbols: int = 0
    """Generated assets beside the bundled ones, listed in every market."""
    clock: Clock = attrs.field(factory=Clock)
    """Emulated time; `Clock(start_ms=…, scale=…)` brings a settlement near."""
    settle_in_s: float | None = None
    """Shift every instrument's settlement grid so that the next settlement comes this many emulated seconds after
    the start."""
    enforce_limits: bool = True
    rate_window_scale: float = 1.0
    """Length of every rate window and ban, as a share of the venue's own: 0.1 makes Binance's minute six seconds."""
    ban_after: int = 5
    """Requests refused with 429 in one window before Binance answers 418."""
    ping_interval_s: float | None = None
    """Period of the venue's own pings (Binance spot 20 s, USD-M 180 s; HTX 5 s, its spot account socket 20 s)."""
    pong_timeout_s: float | None = None
    """Silence after a ping before Binance closes (spot 60 s, USD-M 600 s)."""
    lifetime_s: float | None = None
    """Age at which a connection is closed (Binance 24 h; the others none)."""
    idle_close_s: float = 30.0
    """OKX closes a connection on which nothing went either way for this long."""
    bybit_idle_close_s: float = 600.0
    """Bybit closes a connection on which nothing went either way for this long."""
    book_heartbeat_s: float = 60.0
    """OKX repeats a quiet book's sequence id this often."""
    funding_push_s: float = 30.0
    """Period of OKX's funding-rate channel; HTX's is twice as long."""
    mark_price_push_s: float | None = None
    """Period of Binance's mark price streams (1 s or 3 s, as their names say)."""
    htx_multi_assets: bool = False
    """HTX accounts begin in multi-assets collateral mode (the `/v5` paths) instead of single-asset."""
    htx_snapshot_lag_s: float = 0.5
    """An HTX spot book that is pulled over the socket is so much older than the deltas sent meanwhile."""
    okx_connects_per_s: int = 3
    """New OKX connections per second and path."""
    okx_initial_snapshot: bool = True
    """False is the announced mode in which `books` starts without a snapshot."""
    listen_key_s: float = 3600.0
    """How long a listen key of Binance's lives unless it is extended."""
    step_ms: int = 50
    """Period at which watched books move."""
    levels: int = 150
    """Levels a side of a generated book."""
    changes_per_step: int = 8
    """Levels changed per step beside those that the price's own move changes."""
    _shift_ms: int | None = attrs.field(init=False, default=None)

    @property
    def funding_shift_ms(self) -> int:
        """How far all settlement grids are shifted: 0, or what `settle_in_s` asked for, one value for all venues."""
        if self.settle_in_s is None:
            return 0
        if self._shift_ms is None:
            # all intervals divide eight hours, so one shift brings every next settlement to the same moment
            due = self.clock.now_ms() + round(self.settle_in_s * 1000)
            self._shift_ms = -(-due // 1000) * 1000 % 28_800_000
        return self._shift_ms

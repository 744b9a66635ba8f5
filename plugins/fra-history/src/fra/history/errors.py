"""What a download refuses: a range that the venue does not serve, a hole in it, a file that is something else."""

from __future__ import annotations

from fra.core import ExchangeError, FraError


class RangeNotServed(ExchangeError):
    """The venue does not serve, or cannot be proven to have served, all of the asked range.

    ``served_from`` is the first moment (UTC ms) from which it does, and ``served_until`` the one up to which; None
    where that is unknown or not what is missing.
    """

    def __init__(
        self,
        message: str,
        *,
        exchange: str,
        served_from: int | None = None,
        served_until: int | None = None,
        cure: str | None = None,
    ) -> None:
        super().__init__(message, exchange=exchange, cure=cure)
        self.served_from = served_from
        self.served_until = served_until


class HistoryGap(ExchangeError):
    """Items between two that were served are missing: ``times`` are those known to be, in UTC ms."""

    def __init__(self, message: str, *, exchange: str, times: tuple[int, ...] = (), cure: str | None = None) -> None:
        super().__init__(message, exchange=exchange, cure=cure)
        self.times = times


class FileRefused(FraError):
    """The file, or what stands beside it, does not go together with what was asked; nothing was changed."""

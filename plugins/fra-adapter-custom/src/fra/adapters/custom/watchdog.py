"""What notices that nothing comes: silence, pings and answers that are late, streams without data."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import Final, Protocol

from fra.adapters.custom.dialect import Dialect
from fra.adapters.custom.topic import Topic
from fra.core import ExchangeConnectionError, ExchangeError

_SHORTEST_TICK: Final = 0.02
_LONGEST_TICK: Final = 1.0
_SECOND_CHANCE: Final = 0.75
"""Of the deadline: so that a connection goes within twice the deadline, ticks included."""


class Watched(Protocol):
    """A connection, as its watchdog sees it."""

    def is_lost(self) -> bool: ...
    def take_heard(self) -> bool: ...
    def carried(self) -> Iterable[Topic]: ...
    def overdue(self, now: float) -> bool: ...
    def reply(self, text: str) -> None: ...
    def ping(self) -> None: ...
    def lose(self, error: ExchangeError) -> None: ...
    def broken(self, reason: str) -> ExchangeConnectionError: ...


class Watchdog:
    """Looks at a connection several times within its shortest deadline. Frames only set a flag: they are many."""

    def __init__(self, watched: Watched, dialect: Dialect, *, ack_timeout: float) -> None:
        self._watched = watched
        self._dialect = dialect
        self._ack_timeout = ack_timeout
        self._quiet_since = monotonic()
        self._pinged = False
        self._pinged_at = self._quiet_since
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now, and again and again until the connection is lost or :meth:`stop`."""
        if self._watched.is_lost():
            return
        now = monotonic()
        if self._watched.take_heard():
            self._quiet_since, self._pinged = now, False
        tick = self._tick()
        quiet = now - self._quiet_since
        error = self._silence(quiet, now) or self._unanswered(now) or self._staleness(now, quiet + tick)
        if error is not None:
            self._watched.lose(error)
            return
        self._timer = asyncio.get_running_loop().call_later(tick, self.start)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> float:
        heartbeat = self._dialect.heartbeat
        spans = [self._dialect.silence, self._ack_timeout, heartbeat.timeout, heartbeat.interval or _LONGEST_TICK]
        spans += [topic.staleness for topic in self._watched.carried() if topic.staleness is not None]
        return min(_LONGEST_TICK, max(_SHORTEST_TICK, min(spans) / 8))

    def _silence(self, quiet: float, now: float) -> ExchangeError | None:
        heartbeat = self._dialect.heartbeat
        if heartbeat.interval is not None:
            due = (now - self._pinged_at if heartbeat.regular else quiet) >= heartbeat.interval
            if due and (heartbeat.regular or not self._pinged):
                self._pinged, self._pinged_at = True, now
                if heartbeat.control:
                    self._watched.ping()
                elif (ping := heartbeat.ping()) is not None:
                    self._watched.reply(ping)
            elif quiet >= heartbeat.interval + heartbeat.timeout:
                return self._watched.broken(f"the ping was not answered within {heartbeat.timeout:g} s")
        if quiet >= self._dialect.silence:
            return self._watched.broken(f"nothing came for {quiet:.1f} s")
        return None

    def _unanswered(self, now: float) -> ExchangeError | None:
        if self._watched.overdue(now):
            return self._watched.broken(f"a request was not answered within {self._ack_timeout:g} s")
        return None

    def _staleness(self, now: float, quiet: float) -> ExchangeError | None:
        """A stream without data is STALE and subscribed anew; a silent connection, or a second time, is given up."""
        for topic in self._watched.carried():
            deadline = topic.staleness
            if deadline is None:
                continue
            if topic.renewed_at is not None:
                if topic.last_data > topic.renewed_at:
                    topic.renewed_at = None
                elif now - topic.renewed_at >= _SECOND_CHANCE * deadline:
                    return self._watched.broken(f"{topic.text} had no data although it was subscribed anew")
            elif (age := topic.age(now)) >= deadline:
                error = self._watched.broken(f"{topic.text} had no data for {age:.1f} s")
                topic.stale(error)
                if quiet >= deadline:
                    return error
                topic.renewed_at = now
                topic.renew(error)
        return None

"""What a hook may ask of the host that calls it."""

from __future__ import annotations

from typing import Protocol

import attrs

from fra.core.contract.models import Health


@attrs.frozen
class HookRecord:
    """What became of one implementation's calls, at the moment of asking.

    ``calls`` counts the events that reached it (for a handler of one exchange, those of the others too, which it was
    not called for), ``drops`` how many of them the full queue of an async one pushed out, ``slow`` how many of the
    timed calls were over the limit. ``disabled`` is the reason why it is no longer called, None while it is.
    """

    name: str
    hook: str
    calls: int
    failures: int
    drops: int
    slow: int
    disabled: str | None
    last_error: str | None


class HostView(Protocol):
    """Everything that runs here, at the moment of asking. Asked on the event loop's thread; no venue is asked."""

    def health(self) -> tuple[Health, ...]:
        """Every exchange that was started or failed to start, with its streams and the age of their data.

        ``latency`` and ``clock_skew`` are None: they take a request (``on_health_checked`` tells of those).
        """

    def hook_records(self) -> tuple[HookRecord, ...]:
        """The ledger of every hook and handler."""

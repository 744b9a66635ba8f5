"""Faults: the switches of a venue that the kit may throw. What a venue cannot do is None, and then not evaluated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs

from fra.core import Symbol

Switch = Callable[[], object | Awaitable[object]]
SymbolSwitch = Callable[[Symbol], object | Awaitable[object]]


@attrs.frozen
class Refusal:
    """How a venue refuses: its own code, as it stands in the answer, and the answer (JSON, or text as it is sent).

    ``status`` is the HTTP status that it comes with, where that is not the one asked for: many say no with 200.
    """

    code: str
    body: object
    status: int | None = None


class Fail(Protocol):
    """Answer every REST request with a status from now on."""

    def __call__(self, status: int, *, retry_after: float | None = None) -> object: ...


@attrs.frozen(kw_only=True)
class Faults:
    """Each is a plain or async function; ``restore`` puts all of them back."""

    restore: Switch = lambda: None
    fail: Fail | None = None
    """Every REST request is answered with this status, and with Retry-After where it is given."""
    refusal: Callable[[int], Refusal] | None = None
    """What ``fail`` answers, by status: errors are then searched for the venue's code and answer. None: not known."""
    garble: Switch | None = None
    """Every REST request is answered with something that is no whole JSON document."""
    cut: Switch | None = None
    """Every stream connection ends now, with no close frame."""
    silence: Switch | None = None
    """Stream connections stay open, and nothing more comes."""
    garble_sockets: Switch | None = None
    """Every stream connection is sent a frame that is no whole JSON document, once."""
    lose_book_update: SymbolSwitch | None = None
    """The next update of a symbol's book never comes."""
    hold_book: SymbolSwitch | None = None
    """A symbol's book stands still."""
    lose_order_reply: Switch | None = None
    """The next order is carried out, and its answer never comes."""
    lose_order_request: Switch | None = None
    """The next order never arrives, and nobody is told."""

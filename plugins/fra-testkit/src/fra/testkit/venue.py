"""VenueUnderTest: what an author tells the kit about the venue that the adapter is pointed at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from fra.core import MarketKind, Symbol
from fra.testkit.faults import Faults


@attrs.frozen(kw_only=True)
class VenueUnderTest:
    """Where the adapter is pointed, and what may be done there. Only ``config`` is needed.

    ``config`` holds the keys of one exchange in fra.toml (``base_url``, ``api_key``, ``options``, …); without a
    ``base_url`` the adapter goes to the real venue. ``symbols`` names one symbol per market kind (else the first that
    is listed is taken); ``others`` are further exchanges of the configuration, for adapters built on others.
    """

    config: Mapping[str, object] = attrs.field(factory=dict)
    symbols: Mapping[MarketKind, str] = attrs.field(factory=dict)
    others: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict)
    may_trade: bool = False
    """Whether orders may be sent. They are real ones where the venue is."""
    amounts: Mapping[str, Decimal] = attrs.field(factory=dict)
    """By symbol, how much one order is for (base coin; quote coin for inverse); else the least that is allowed."""
    requests: Callable[[], int] | None = None
    """How many REST requests have come to the venue so far."""
    order_requests: Callable[[], int] | None = None
    """How many requests to place an order have come so far, whatever became of them."""
    bought: Callable[[Symbol], Decimal] | None = None
    """How much of a symbol the account has bought less sold, by the venue's own books: in base coin (quote coin for
    inverse), before fees."""
    faults: Faults = attrs.field(factory=Faults)
    stale_after: float = 5.0
    """Seconds of silence after which a stream must not look live any more; set the adapter's options to it."""
    retry_after: float = 1.0
    """Seconds that the venue asks to be left alone when it is told to answer 429 or 418."""
    patience: float = 10.0
    """Seconds that anything may take."""
    not_evaluated: Mapping[str, str] = attrs.field(factory=dict)
    """What cannot be shown on this venue, and why: the name of a test (or of one case, ``test_name[linear_swap]``),
    or of an operation (``subscribe_user_data``), and the reason. It is reported, never counted as passed."""
    live: bool = False
    """Whether this is the real venue: when it cannot be reached, nothing is evaluated, and that is no failure."""

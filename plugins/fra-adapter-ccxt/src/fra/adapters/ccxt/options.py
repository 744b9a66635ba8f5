"""What a user may set of an adapter on ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs


def _positive(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} must be above zero, not {value!r}")


@attrs.frozen(kw_only=True)
class CCXTOptions:
    """Times are in seconds.

    ``exchange_id`` is ccxt's name of the exchange, for the plugin ``ccxt`` only. ``margin_mode`` is what an order is
    sent with where the margin mode belongs to each order. A book without an update for ``staleness`` is stale, and
    after twice as long subscribed anew. A socket on which Binance, OKX, Bybit or HTX leaves a ping or another message
    without an answer for ``silence`` is given up. ``reconnect_delay`` and ``reconnect_max_delay`` bound the wait after
    a loss.
    ``ccxt`` is given to ccxt's constructor as it is, as in ``{options = {defaultType = "swap"}}``.
    """

    exchange_id: str | None = None
    ccxt: Mapping[str, object] = attrs.field(factory=dict)
    margin_mode: Literal["cross", "isolated"] = "cross"
    staleness: float = attrs.field(default=30.0, validator=_positive)
    silence: float = attrs.field(default=30.0, validator=_positive)
    reconnect_delay: float = attrs.field(default=1.0, validator=_positive)
    reconnect_max_delay: float = attrs.field(default=60.0, validator=_positive)

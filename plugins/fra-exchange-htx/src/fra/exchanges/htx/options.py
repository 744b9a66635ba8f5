"""The adapter's own settings."""

from __future__ import annotations

from typing import Literal

import attrs

from fra.adapters.custom import CustomOptions


@attrs.frozen(kw_only=True)
class HTXOptions(CustomOptions):
    """``ticker_channel``: ``detail`` has best prices and the last 24 h, ``bbo`` best prices alone and at each change.

    ``margin_mode`` of swaps: HTX has calls and channels of their own for each, so it is the adapter's for all orders.
    ``account``: whether swaps are traded on a ``single``-asset account or a ``multi``-assets one; ``auto`` asks HTX.
    ``signed_hosts`` (market → host) is for servers that stand before HTX under names of their own: the name that HTX
    knows, which signatures must bear.
    """

    ticker_channel: Literal["detail", "bbo"] = "detail"
    margin_mode: Literal["cross", "isolated"] = "cross"
    account: Literal["auto", "single", "multi"] = "auto"
    signed_hosts: dict[str, str] = attrs.field(factory=dict)

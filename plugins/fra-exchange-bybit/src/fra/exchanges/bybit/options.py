"""What can be set, and where Bybit is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from fra.adapters.custom import CustomOptions
from fra.exchanges.bybit.tables import KINDS


@attrs.frozen(kw_only=True)
class BybitOptions(CustomOptions):
    """``book_depth``: levels a side of a live book; 50 come each 20 ms, 200 each 100 ms, 1000 each 200 ms.

    ``ticker_channel``: ``tickers`` has the last 24 h and, for contracts only, best prices; ``orderbook.1`` has best
    prices alone, each 10 ms. Without it contracts take the first and spot the second.
    ``recv_window``: how many milliseconds a signed request may be under way.
    """

    book_depth: Literal[50, 200, 1000] = 200
    ticker_channel: Literal["tickers", "orderbook.1"] | None = None
    recv_window: int = attrs.field(default=5000, validator=attrs.validators.gt(0))


def urls_of(rest: str, stream: str) -> Mapping[str, Mapping[str, str]]:
    """By market, of these two hosts ("Integration Guidance" and "Connect" pages)."""
    return {
        market: {
            "rest": f"https://{rest}",
            "ws": f"wss://{stream}/v5/public/{market}",
            "ws_private": f"wss://{stream}/v5/private",
        }
        for market in KINDS
    }

"""The adapter's own settings."""

from __future__ import annotations

from typing import Literal

import attrs

from fra.adapters.custom import CustomOptions


@attrs.frozen(kw_only=True)
class OKXOptions(CustomOptions):
    """``ticker_channel``: ``tickers`` has best prices and the last 24 h, ``bbo-tbt`` best prices alone, each 10 ms.

    ``margin_mode`` of orders and leverage on swaps: OKX has it at each order, and not as a setting of the account.
    """

    ticker_channel: Literal["tickers", "bbo-tbt"] = "tickers"
    margin_mode: Literal["cross", "isolated"] = "cross"

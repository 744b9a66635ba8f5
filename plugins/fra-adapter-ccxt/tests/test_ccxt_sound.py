"""What ccxt hands over and no venue means does not come out as a model."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fra.adapters.ccxt import CCXTAdapter, convert
from fra.adapters.ccxt.client import make_client
from fra.adapters.ccxt.errors import fra_error
from fra.core import ExchangeAPIError, ExchangeConfig, ExchangeRateLimitError, MarketKind, Symbol

SYMBOL = Symbol("A/B", "AB", MarketKind.SPOT, "A", "B", tick_size=Decimal("0.1"), lot_size=Decimal("0.1"))


class Handed(CCXTAdapter):
    """Hands over a book as the test says, in ccxt's place."""

    def __init__(self, raw: dict[str, Any]) -> None:
        super().__init__(ExchangeConfig("mine", "mine"))
        self.raw = raw

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> Any:
        return convert.order_book(self.raw, symbol, received_ms=1_700_000_000_000)


@pytest.mark.parametrize(
    "bids", [[["1", None]], [["1", "abc"]], [["NaN", "1"]], [["1", "0"]], [["1", "1"], ["2", "1"]], [["9", "1"]]]
)
async def test_a_book_that_no_venue_means_is_an_error(bids: list[list[object]]) -> None:
    with pytest.raises(ExchangeAPIError) as malformed:
        await Handed({"bids": bids, "asks": [["3", "1"]], "timestamp": None}).get_orderbook(SYMBOL)
    assert malformed.value.code == "malformed"


def test_a_limit_without_an_end_says_no_end() -> None:
    from ccxt.base.errors import RateLimitExceeded

    error = RateLimitExceeded("slow")
    error.fra_answer = (429, {"Retry-After": "inf"}, "")  # type: ignore[attr-defined]
    made = fra_error(error, exchange="mine", code_of=lambda answer: None)
    assert isinstance(made, ExchangeRateLimitError)
    assert made.retry_after is None


def test_a_number_of_a_million_places_is_an_error_and_not_minutes() -> None:
    client = make_client("gate", {}, news=lambda: None, refused=lambda answer: False, broken=lambda socket, error: None)
    market = {"id": "BTC_USDT", "symbol": "BTC/USDT", "spot": True, "contract": False}
    with pytest.raises(ValueError, match="places"):
        client.parse_ticker({"currency_pair": "BTC_USDT", "last": "1E+999999", "change_percentage": "1"}, market)
    assert client.parse_ticker({"currency_pair": "BTC_USDT", "last": "1e-8"}, market)["last"] == "1e-8"

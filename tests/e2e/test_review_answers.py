"""What an answer to an order means where it is not what the venue documents: a refusal only where that is certain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from traders import LINEAR, SPOT, emulator, trading

from fra.core import ExchangeError, OrderOutcomeUnknown, OrderType
from fra.emulator import Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACES = {
    ("binance", SPOT): "/api/v3/order",
    ("binance", LINEAR): "/fapi/v1/order",
    ("okx", SPOT): "/trade/order",
    ("okx", LINEAR): "/trade/order",
    ("bybit", SPOT): "/order/create",
    ("bybit", LINEAR): "/order/create",
    ("htx", SPOT): "/order/orders/place",
    ("htx", LINEAR): "/swap_cross_order",
}
MAYBE = [(200, ""), (200, "{}"), (200, "<html>"), (204, ""), (408, "<html>"), (500, ""), (503, "{}"), (504, "<html>")]
"""Nobody knows: it may have come to the venue."""
NEVER = [(302, ""), (400, "<html>"), (403, "<html>"), (404, ""), (429, "<html>")]
"""It did not get as far as an order."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator() as running:
        yield running.venues


@pytest.mark.parametrize(
    ("name", "symbol"), PLACES, ids=[f"{name}-{'linear' if ':' in symbol else 'spot'}" for name, symbol in PLACES]
)
async def test_an_answer_that_is_none_leaves_the_fate_of_an_order_open(
    venues: Mapping[str, Venue], name: str, symbol: str
) -> None:
    for status, body in MAYBE:
        async with trading(venues[name], timeout=0.3, listen=True) as trader:
            price = await trader.price(symbol, "0.05")
            trader.venue.answer_with(status, body, count=1, path=PLACES[name, symbol])
            with pytest.raises(OrderOutcomeUnknown):
                await trader.send(symbol, type=OrderType.LIMIT, price=price)
            assert trader.true_orders() == (), (status, body)


@pytest.mark.parametrize(
    ("name", "symbol"), PLACES, ids=[f"{name}-{'linear' if ':' in symbol else 'spot'}" for name, symbol in PLACES]
)
async def test_an_answer_from_in_front_of_the_venue_is_a_refusal(
    venues: Mapping[str, Venue], name: str, symbol: str
) -> None:
    for status, body in NEVER:
        async with trading(venues[name], listen=True) as trader:
            price = await trader.price(symbol, "0.05")
            trader.venue.answer_with(status, body, count=1, path=PLACES[name, symbol])
            with pytest.raises(ExchangeError) as refused:
                await trader.send(symbol, type=OrderType.LIMIT, price=price)
            assert type(refused.value) is not OrderOutcomeUnknown, (status, body)

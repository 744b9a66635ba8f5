"""What a backfill must find also on an account that is busy: pages and windows of the venues hide nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from traders import LINEAR, SPOT, VENUES, Trader, emulator, trading

from fra.core import Fill, Order, OrderStatus, OrderType
from fra.emulator import Venue
from fra.matching import OrderRequest as TrueRequest
from fra.matching import OrderType as TrueType
from fra.matching import Side as TrueSide

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUSY = 120
"""More orders than a page of any venue's history has, but Binance's."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator() as running:
        yield running.venues


def resting(trader: Trader, order: Order, name: str) -> TrueRequest:
    true = trader.true_order(order)
    assert true.price is not None
    return TrueRequest(
        symbol=true.symbol, side=TrueSide.BUY, type=TrueType.LIMIT, amount=true.amount, price=true.price, client_id=name
    )


@pytest.mark.parametrize("symbol", [SPOT, LINEAR], ids=["spot", "linear"])
@pytest.mark.parametrize("name", VENUES)
async def test_an_order_cancelled_unheard_is_told_after_many_others(
    venues: Mapping[str, Venue], name: str, symbol: str
) -> None:
    async with trading(venues[name], listen=True) as trader:
        price = await trader.price(symbol, "0.05")
        first = await trader.send(symbol, type=OrderType.LIMIT, price=price)
        exchange = trader.venue.exchange
        for number in range(BUSY):
            exchange.place(trader.account, resting(trader, first, f"{700_000 + number}"))
        exchange.cancel_all(trader.account)
        await trader.told.until(lambda: trader.told.of(Order, id=first.id, status=OrderStatus.CANCELED))
        last = await trader.send(symbol, type=OrderType.LIMIT, price=price)
        await trader.told.until(lambda: trader.told.of(Order, id=last.id))
        trader.venue.refuse_connections()
        trader.venue.cut()
        await trader.down()
        exchange.cancel_all(trader.account)
        trader.venue.refuse_connections(False)
        await trader.up()
        assert trader.told.of(Order, id=last.id)[-1].status is OrderStatus.CANCELED


@pytest.mark.parametrize("symbol", [SPOT, LINEAR], ids=["spot", "linear"])
@pytest.mark.parametrize("name", VENUES)
async def test_an_old_order_cancelled_unheard_is_told(venues: Mapping[str, Venue], name: str, symbol: str) -> None:
    async with trading(venues[name], listen=True) as trader:
        price = await trader.price(symbol, "0.05")
        first = await trader.send(symbol, type=OrderType.LIMIT, price=price)
        exchange = trader.venue.exchange
        then = trader.venue.now_ms() - 9 * 86_400_000
        old = exchange.engine.place(trader.account.name, resting(trader, first, "123456"), now_ms=then)
        await trader.told.until(lambda: trader.told.of(Order, client_order_id="123456"))
        trader.venue.refuse_connections()
        trader.venue.cut()
        await trader.down()
        exchange.cancel(trader.account, order_id=old.id)
        trader.venue.refuse_connections(False)
        await trader.up()
        assert trader.told.of(Order, client_order_id="123456")[-1].status is OrderStatus.CANCELED


@pytest.mark.parametrize("symbol", [SPOT, LINEAR], ids=["spot", "linear"])
@pytest.mark.parametrize("name", VENUES)
async def test_a_trade_made_unheard_is_told_where_our_clock_is_ahead(
    venues: Mapping[str, Venue], name: str, symbol: str
) -> None:
    venue = venues[name]
    venue.clock_offset_ms = -400_000
    try:
        async with trading(venue, listen=True) as trader:
            price = await trader.price(symbol, "0.05")
            first = await trader.send(symbol, type=OrderType.LIMIT, price=price)
            await trader.told.until(lambda: trader.told.of(Order, id=first.id))
            venue.refuse_connections()
            venue.cut()
            await trader.down()
            true = trader.true_order(first)
            bought = TrueRequest(symbol=true.symbol, side=TrueSide.BUY, type=TrueType.MARKET, amount=true.amount)
            trader.engine.place(trader.account.name, bought, now_ms=venue.now_ms())
            assert trader.true_fills(symbol)
            venue.refuse_connections(False)
            await trader.told.until(lambda: trader.told.of(Fill))
    finally:
        venue.clock_offset_ms = 0

"""Messages of one order that are read in one go: ccxt keeps one row of them, and each is told all the same."""

from __future__ import annotations

from decimal import Decimal

import pytest
from order_scenarios import LINEAR
from order_witness import Trader, account

from fra.core import Fill, Order, OrderRequest, OrderStatus, OrderType, PluginRegistry, Side
from fra.emulator import Emulator
from fra.matching import OrderRequest as TrueRequest
from fra.matching import Side as TrueSide

_PATIENCE_S = 10.0
_FILLED, _ENDED = "1111111", "2222222"


def _to_rest(trader: Trader) -> OrderRequest:
    symbol, side = trader.handle.symbol(LINEAR), Side.BUY
    best, _ = trader.venue.book(symbol.market, symbol.venue_id).asks[0]
    price, amount = symbol.round_price(Decimal(best) * Decimal("0.98"), side), symbol.lot_size * 20
    return OrderRequest(
        symbol=LINEAR, side=side, type=OrderType.LIMIT, price=price, amount=amount, client_order_id=_FILLED
    )


def _told(trader: Trader, name: str) -> list[tuple[OrderStatus, Decimal]]:
    orders = [order for order in trader.streamed_of(Order) if order.client_order_id == name]
    return [(order.status, order.filled) for order in orders]


async def _until(trader: Trader, status: OrderStatus) -> None:
    told = await trader.until(lambda: any(one is status for one, _ in _told(trader, _FILLED)), _PATIENCE_S)
    assert told, f"it was told as {_told(trader, _FILLED)}"


@pytest.mark.parametrize("venue", ["binance", "okx", "bybit", "htx"])
async def test_of_messages_that_are_read_at_once_each_is_told_and_none_opens_what_has_ended(venue: str) -> None:
    settings = {"levels": 40, "step_ms": 500, "htx_multi_assets": True}
    async with (
        Emulator([venue], seed=3, enforce_limits=False, **settings) as emulator,
        account(emulator.venues[venue], 1, PluginRegistry(), f"{venue}_ccxt") as trader,
    ):
        await trader.stream.ready()
        await trader.handle.create_order(_to_rest(trader))
        await _until(trader, OrderStatus.OPEN)
        true = trader.true_order(_FILLED)
        assert true is not None
        assert true.price is not None
        exchange, events, quarter = trader.venue.exchange, trader.venue.order_faults.events, true.amount / 4

        def trade(price: Decimal) -> None:
            exchange.engine.trade(true.symbol, price, quarter, TrueSide.SELL, now_ms=exchange.now_ms())

        # Nobody reads while these follow each other; of the other order its end is told before its beginning.
        trade(true.price)
        events.swap()
        other = TrueRequest(symbol=true.symbol, side=TrueSide.BUY, amount=quarter, price=true.price, client_id=_ENDED)
        exchange.cancel(trader.account, order_id=exchange.place(trader.account, other).id)
        for _ in range(3):
            trade(true.price)

        await _until(trader, OrderStatus.FILLED)
        amount = trader.handle.symbol(LINEAR).lot_size * 20
        told = [filled for _, filled in _told(trader, _FILLED) if filled]
        assert told == [amount * n / 4 for n in (1, 2, 3, 4)]
        assert {status for status, _ in _told(trader, _ENDED)} == {OrderStatus.CANCELED}
        assert await trader.until(lambda: len(trader.streamed_of(Fill)) == 4, _PATIENCE_S)

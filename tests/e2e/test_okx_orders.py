"""OKX's adapter trades on the emulated OKX: what it is told, what it asks for and the account's stream agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from traders import INVERSE, LINEAR, LOT, SPOT, Trader, trading

from fra.core import (
    ExchangeAuthError,
    Fill,
    InsufficientFunds,
    Order,
    OrderNotFound,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
    connect,
)
from fra.emulator import Account, Emulator

KEYS = Account(key="trader-key", secret="trader-secret", passphrase="trader-word")


@pytest_asyncio.fixture
async def trader() -> AsyncIterator[Trader]:
    async with Emulator(["okx"], seed=3) as emulator, trading(emulator.okx, KEYS, listen=True) as trader:
        yield trader


async def test_a_filled_order_is_the_same_by_answer_and_by_stream(trader: Trader) -> None:
    sent = await trader.send()
    await trader.filled(sent)
    order = await trader.handle.get_order(sent.id, LINEAR)
    told = trader.told.of(Order, id=sent.id)[-1]
    assert (order.status, order.filled) == (told.status, told.filled) == (OrderStatus.FILLED, LOT)
    assert order.average_price == told.average_price
    listed = {fill.trade_id: fill for fill in await trader.handle.get_trade_history(LINEAR)}
    assert listed == {fill.trade_id: fill for fill in trader.fills(sent)}
    (position,) = await trader.handle.get_positions(LINEAR)
    assert (position.side, position.amount) == (PositionSide.LONG, LOT)


async def test_a_resting_order_is_open_and_then_cancelled(trader: Trader) -> None:
    price = await trader.price(LINEAR, "0.02")
    sent = await trader.send(type=OrderType.LIMIT, price=price)
    (resting,) = await trader.handle.get_open_orders(LINEAR)
    assert (resting.id, resting.price, resting.status) == (sent.id, price, OrderStatus.OPEN)
    cancelled = await trader.handle.cancel_order(client_order_id=sent.client_order_id, symbol=LINEAR)
    assert (cancelled.status, cancelled.filled) == (OrderStatus.CANCELED, 0)
    assert await trader.handle.get_open_orders() == []
    with pytest.raises(OrderNotFound):
        await trader.handle.cancel_order("123456", LINEAR)


@pytest.mark.parametrize(
    ("fields", "away", "status"),
    [
        ({"time_in_force": TimeInForce.IOC}, "0.02", OrderStatus.CANCELED),
        ({"time_in_force": TimeInForce.FOK}, "0.02", OrderStatus.CANCELED),
        ({"post_only": True}, "-0.02", OrderStatus.EXPIRED),
    ],
)
async def test_what_may_not_rest_or_take_ends_unfilled(
    trader: Trader, fields: dict[str, Any], away: str, status: OrderStatus
) -> None:
    sent = await trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, away), **fields)
    order = await trader.handle.get_order(sent.id, LINEAR)
    assert (order.status, order.filled) == (status, 0)
    assert order.reason


async def test_a_conditional_order_waits_among_the_open_ones_and_all_are_cancelled(trader: Trader) -> None:
    await trader.send()
    stop = await trader.send(
        side=Side.SELL, type=OrderType.STOP, trigger_price=await trader.price(LINEAR, "0.05"), reduce_only=True
    )
    limit = await trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.02"))
    assert {order.id: order.type for order in await trader.handle.get_open_orders()} == {
        stop.id: OrderType.STOP,
        limit.id: OrderType.LIMIT,
    }
    cancelled = await trader.handle.cancel_all_orders()
    assert {order.id: order.status for order in cancelled} == dict.fromkeys((stop.id, limit.id), OrderStatus.CANCELED)
    assert await trader.handle.get_open_orders() == []


async def test_a_triggered_order_stays_one_order_to_its_end(trader: Trader) -> None:
    for side, away in ((Side.BUY, "-0.001"), (Side.SELL, "0.001")):
        trigger = await trader.price(LINEAR, away)
        await trader.send(side=side, type=OrderType.STOP, trigger_price=trigger)
    stops = {order.id for order in await trader.handle.get_open_orders(LINEAR)}
    trader.somebody_trades(LINEAR, trigger)
    await trader.told.until(lambda: any(order.status is OrderStatus.FILLED for order in trader.told.of(Order)))
    (done,) = [order for order in trader.told.of(Order) if order.status is OrderStatus.FILLED][:1]
    assert done.id in stops
    await trader.filled(done)
    asked = await trader.handle.get_order(done.id, LINEAR)
    assert (asked.id, asked.type, asked.status, asked.filled) == (
        done.id,
        OrderType.STOP,
        OrderStatus.FILLED,
        LOT,
    )
    assert {order.id for order in trader.told.of(Order)} <= stops
    assert done.id in [order.id for order in await trader.handle.get_order_history(LINEAR)]
    assert {fill.order_id for fill in await trader.handle.get_trade_history(LINEAR)} <= stops


async def test_spot_is_bought_by_coins_and_by_value(trader: Trader) -> None:
    by_coins = await trader.send(SPOT, amount=Decimal("0.01"))
    by_value = await trader.send(SPOT, amount=None, quote_amount=Decimal(1000))
    first, second = [await trader.handle.get_order(order.id, SPOT) for order in (by_coins, by_value)]
    assert (first.amount, first.filled) == (Decimal("0.01"), Decimal("0.01"))
    assert second.quote_amount == 1000
    assert second.amount == second.filled > Decimal("0.005")
    balances = {balance.asset: balance for balance in await trader.handle.get_balance()}
    await trader.told.until(lambda: trader.fills(by_value))
    fees = sum(fill.fee or 0 for order in (by_coins, by_value) for fill in trader.fills(order))
    assert balances["BTC"].total == first.filled + second.filled - fees


async def test_hedge_mode_holds_both_sides(trader: Trader) -> None:
    await trader.handle.set_position_mode(PositionMode.HEDGE)
    await trader.handle.set_position_mode(PositionMode.HEDGE)
    for side, position_side in ((Side.BUY, PositionSide.LONG), (Side.SELL, PositionSide.SHORT)):
        await trader.send(side=side, position_side=position_side)
    positions = {position.side: position for position in await trader.handle.get_positions(LINEAR)}
    assert positions.keys() == {PositionSide.LONG, PositionSide.SHORT}
    assert all(position.hedge_mode and position.amount == LOT for position in positions.values())
    await trader.send(side=Side.BUY, position_side=PositionSide.SHORT, reduce_only=True)
    assert [position.side for position in await trader.handle.get_positions(LINEAR)] == [PositionSide.LONG]


async def test_leverage_shows_in_the_position(trader: Trader) -> None:
    await trader.send()
    await trader.handle.set_leverage(LINEAR, Decimal(7))
    assert [position.leverage for position in await trader.handle.get_positions(LINEAR)] == [7]


async def test_what_the_account_cannot_pay_is_refused(trader: Trader) -> None:
    with pytest.raises(InsufficientFunds) as caught:
        await trader.send(amount=Decimal(50))
    assert caught.value.code == "51008"


async def test_a_fill_behind_a_cut_is_told_once_when_the_stream_is_back(trader: Trader) -> None:
    before = await trader.send()
    await trader.filled(before)
    assert trader.venue.cut() > 0
    sent = await trader.send()
    await trader.filled(sent)
    await trader.up()
    trades = [fill.trade_id for fill in trader.told.of(Fill)]
    assert len(trades) == len(set(trades))
    listed = {fill.trade_id for fill in await trader.handle.get_trade_history(LINEAR)}
    assert set(trades) == listed


async def test_an_inverse_swap_is_counted_in_dollars(trader: Trader) -> None:
    await trader.send(SPOT)
    sent = await trader.send(INVERSE, amount=Decimal(300))
    await trader.filled(sent, Decimal(300))
    assert {fill.fee_asset for fill in trader.fills(sent)} == {"BTC"}
    assert (await trader.handle.get_order(sent.id, INVERSE)).filled == 300
    assert [position.amount for position in await trader.handle.get_positions(INVERSE)] == [300]


async def test_a_wrong_key_is_told_with_the_venues_code(trader: Trader) -> None:
    keys = {"api_key": "nobody", "secret_key": KEYS.secret, "passphrase": KEYS.passphrase}
    async with connect("okx", name="stranger", base_url=trader.venue.markets, **keys) as okx:
        with pytest.raises(ExchangeAuthError) as caught:
            await okx.get_balance()
    assert caught.value.code == "50111"

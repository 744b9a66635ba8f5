"""Binance's adapter trades on the emulated Binance: what it is told, what it asks for and its streams agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial

import pytest
import pytest_asyncio
from traders import LINEAR, LOT, SPOT, Trader, trading

from fra.core import (
    Balance,
    DuplicateOrder,
    ExchangeAuthError,
    Fill,
    InsufficientFunds,
    MarginMode,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
    connect,
)
from fra.emulator import Account, Emulator

KEYS = Account(key="trader-key", secret="trader-secret")
BOTH = pytest.mark.parametrize("symbol", [SPOT, LINEAR])


@pytest_asyncio.fixture
async def trader() -> AsyncIterator[Trader]:
    async with Emulator(["binance"], seed=3) as emulator, trading(emulator.binance, KEYS, listen=True) as trader:
        yield trader


@BOTH
async def test_a_filled_order_is_the_same_by_answer_and_by_stream(trader: Trader, symbol: str) -> None:
    sent = await trader.send(symbol)
    await trader.filled(sent)
    asked = await trader.handle.get_order(sent.id, symbol)
    assert (asked.status, asked.filled) == (sent.status, sent.filled) == (OrderStatus.FILLED, LOT)
    assert asked.average_price == sent.average_price
    paid = sum(fill.price * fill.amount for fill in trader.fills(sent))
    assert asked.average_price == pytest.approx(paid / LOT)
    listed = {fill.trade_id: fill for fill in await trader.handle.get_trade_history(symbol)}
    assert listed.keys() == {fill.trade_id for fill in trader.fills(sent)}
    assert [listed[fill.trade_id].fee for fill in trader.fills(sent)] == [fill.fee for fill in trader.fills(sent)]
    assert [order.id for order in await trader.handle.get_order_history(symbol)] == [sent.id]


@BOTH
async def test_a_resting_order_is_open_and_then_cancelled(trader: Trader, symbol: str) -> None:
    price = await trader.price(symbol, "0.02")
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=price)
    (resting,) = await trader.handle.get_open_orders(symbol)
    assert (resting.id, resting.price, resting.status) == (sent.id, price, OrderStatus.OPEN)
    assert sent.client_order_id is not None
    with pytest.raises(DuplicateOrder):
        await trader.send(symbol, type=OrderType.LIMIT, price=price, client_order_id=sent.client_order_id)
    cancelled = await trader.handle.cancel_order(client_order_id=sent.client_order_id, symbol=symbol)
    assert (cancelled.id, cancelled.status, cancelled.filled) == (sent.id, OrderStatus.CANCELED, 0)
    assert cancelled.client_order_id == sent.client_order_id
    assert list(await trader.handle.get_open_orders()) == []
    for ask in (trader.handle.cancel_order, trader.handle.get_order):
        with pytest.raises(OrderNotFound):
            await ask("123456", symbol)


@BOTH
@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
async def test_what_may_not_rest_ends_unfilled(trader: Trader, symbol: str, force: TimeInForce) -> None:
    price = await trader.price(symbol, "0.02")
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=price, time_in_force=force)
    order = await trader.handle.get_order(sent.id, symbol)
    assert (order.status, order.filled, order.time_in_force) == (OrderStatus.EXPIRED, 0, force)


async def test_spot_is_bought_by_coins_and_by_value(trader: Trader) -> None:
    by_coins = await trader.send(SPOT, amount=Decimal("0.01"))
    by_value = await trader.send(SPOT, amount=None, quote_amount=Decimal(1000))
    first, second = [await trader.handle.get_order(order.id, SPOT) for order in (by_coins, by_value)]
    assert (first.amount, first.filled) == (Decimal("0.01"), Decimal("0.01"))
    assert second.amount == second.filled > Decimal("0.005")
    await trader.filled(by_value, second.filled)
    fees = sum(fill.fee or 0 for order in (by_coins, by_value) for fill in trader.fills(order))
    wallet = {balance.asset: balance for balance in await trader.handle.get_balance("spot")}
    assert wallet["BTC"].total == first.filled + second.filled - fees
    await trader.told.until(lambda: trader.told.of(Balance, asset="BTC", total=wallet["BTC"].total))


async def test_a_position_is_told_by_answer_and_by_stream_and_closed(trader: Trader) -> None:
    await trader.handle.set_leverage(LINEAR, 7)
    await trader.handle.set_margin_mode(LINEAR, MarginMode.CROSS)
    await trader.send()
    await trader.told.until(lambda: trader.told.of(Position))
    (asked,) = await trader.handle.get_positions(LINEAR)
    told = trader.told.of(Position)[-1]
    assert (told.side, told.amount, told.entry_price) == (asked.side, asked.amount, asked.entry_price)
    assert (asked.side, asked.amount, asked.hedge_mode) == (PositionSide.LONG, LOT, False)
    assert (asked.leverage, asked.margin_mode) == (7, MarginMode.CROSS)
    assert told.leverage == 7
    await trader.send(side=Side.SELL, reduce_only=True)
    await trader.told.until(lambda: trader.told.of(Position)[-1].amount == 0)
    assert trader.told.of(Position)[-1].side is PositionSide.LONG
    assert list(await trader.handle.get_positions()) == []


async def test_what_is_held_by_a_position_is_not_free(trader: Trader) -> None:
    (before,) = await trader.handle.get_balance("usdm")
    assert before.free == before.total
    await trader.send()
    await trader.told.until(lambda: any(b.market == "usdm" and b.free < b.total for b in trader.told.of(Balance)))


async def test_a_conditional_order_waits_among_the_open_ones_and_all_are_cancelled(trader: Trader) -> None:
    await trader.send()
    trigger = await trader.price(LINEAR, "0.05")
    stop = await trader.send(side=Side.SELL, type=OrderType.STOP, trigger_price=trigger, reduce_only=True)
    limit = await trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.02"))
    assert {order.id: order.type for order in await trader.handle.get_open_orders()} == {
        stop.id: OrderType.STOP,
        limit.id: OrderType.LIMIT,
    }
    assert (await trader.handle.get_order(client_order_id=stop.client_order_id, symbol=LINEAR)).trigger_price == trigger
    cancelled = await trader.handle.cancel_all_orders()
    assert {order.id: order.status for order in cancelled} == dict.fromkeys((stop.id, limit.id), OrderStatus.CANCELED)
    assert list(await trader.handle.get_open_orders()) == []


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
    assert (asked.id, asked.type, asked.status, asked.filled) == (done.id, OrderType.STOP, OrderStatus.FILLED, LOT)
    assert {order.id for order in trader.told.of(Order)} <= stops
    assert done.id in [order.id for order in await trader.handle.get_order_history(LINEAR)]


async def test_one_conditional_order_is_cancelled_by_its_id(trader: Trader) -> None:
    trigger = await trader.price(LINEAR, "-0.05")
    stop = await trader.send(type=OrderType.STOP, trigger_price=trigger)
    cancelled = await trader.handle.cancel_order(stop.id, LINEAR)
    assert (cancelled.id, cancelled.status) == (stop.id, OrderStatus.CANCELED)


@BOTH
async def test_an_order_that_another_program_makes_is_told_by_the_stream(trader: Trader, symbol: str) -> None:
    keys = {"api_key": KEYS.key, "secret_key": KEYS.secret}
    price = await trader.price(symbol, "0.02")
    order = OrderRequest(symbol=symbol, side=Side.BUY, type=OrderType.LIMIT, amount=LOT, price=price)
    async with connect("binance", name="other", base_url=trader.venue.markets, **keys) as other:
        made = await other.create_order(order)
        await other.cancel_order(made.id, symbol)
    await trader.told.until(lambda: any(told.status is OrderStatus.CANCELED for told in trader.told.of(Order)))
    assert [(told.id, told.client_order_id, told.status) for told in trader.told.of(Order)] == [
        (made.id, made.client_order_id, OrderStatus.OPEN),
        (made.id, made.client_order_id, OrderStatus.CANCELED),
    ]


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


@BOTH
async def test_what_the_account_cannot_pay_is_refused(trader: Trader, symbol: str) -> None:
    with pytest.raises(InsufficientFunds) as caught:
        await trader.send(symbol, amount=Decimal(50))
    assert caught.value.code == {SPOT: "-2010", LINEAR: "-2019"}[symbol]


@BOTH
async def test_a_fill_behind_a_cut_is_told_once_when_the_stream_is_back(trader: Trader, symbol: str) -> None:
    before = await trader.send(symbol)
    await trader.filled(before)
    assert trader.venue.cut() > 0
    sent = await trader.send(symbol)
    await trader.filled(sent)
    trades = [(fill.symbol, fill.trade_id) for fill in trader.told.of(Fill)]
    assert len(trades) == len(set(trades))
    assert {trade for _, trade in trades} == {fill.trade_id for fill in await trader.handle.get_trade_history(symbol)}


async def test_an_expired_listen_key_is_replaced_and_nothing_is_missed(trader: Trader) -> None:
    assert trader.venue.expire_listen_keys() > 0
    sent = await trader.send()
    await trader.filled(sent)


async def test_a_settlement_is_told_as_a_payment_and_a_balance() -> None:
    async with (
        Emulator(["binance"], seed=3, settle_in_s=4) as emulator,
        trading(emulator.binance, KEYS, listen=True) as trader,
    ):
        await trader.send()
        rate = await trader.handle.get_funding_rate(LINEAR)
        assert rate.next_settlement_ms is not None
        due = rate.next_settlement_ms
        balances = partial(trader.told.of, Balance, market="usdm")
        await trader.told.until(lambda: any((told.timestamp_ms or 0) >= due for told in balances()))
        (payment,) = await trader.handle.get_funding_payments(LINEAR)
    assert (payment.symbol, payment.asset) == (LINEAR, "USDT")
    assert abs(payment.timestamp_ms - due) < 1000
    # A positive rate is paid by who is long.
    assert (payment.amount < 0) is (rate.rate > 0)


async def test_a_wrong_key_is_told_with_the_venues_code(trader: Trader) -> None:
    keys = {"api_key": "nobody", "secret_key": KEYS.secret}
    async with connect("binance", name="stranger", base_url=trader.venue.markets, **keys) as binance:
        with pytest.raises(ExchangeAuthError) as caught:
            await binance.get_balance()
    assert caught.value.code == "-2015"

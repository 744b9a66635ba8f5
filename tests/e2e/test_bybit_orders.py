"""Bybit's adapter trades on the emulated Bybit: what it is told, what it asks for and the account's stream agree."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from traders import INVERSE, LINEAR, LOT, SPOT, Trader, trading

from fra.core import (
    Balance,
    DuplicateOrder,
    ExchangeAuthError,
    ExchangeError,
    ExchangeHandle,
    Fill,
    InsufficientFunds,
    InvalidOrder,
    MarginMode,
    NotSupported,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PermissionDenied,
    Position,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
    connect,
)
from fra.emulator import Account, Emulator

KEYS = Account(key="trader-key", secret="trader-secret", passphrase="trader-word")


@asynccontextmanager
async def trading_on_bybit(account: Account = KEYS, **settings: Any) -> AsyncIterator[Trader]:
    async with (
        Emulator(["bybit"], seed=3, **settings) as emulator,
        trading(emulator.bybit, account, listen=True) as trader,
    ):
        yield trader


@asynccontextmanager
async def elsewhere(trader: Trader) -> AsyncIterator[ExchangeHandle]:
    """The same account from another place."""
    keys = {"api_key": KEYS.key, "secret_key": KEYS.secret}
    async with connect("bybit", name="elsewhere", base_url=trader.venue.markets, **keys) as other:
        yield other


@pytest_asyncio.fixture
async def trader() -> AsyncIterator[Trader]:
    async with trading_on_bybit() as found:
        yield found


async def test_a_filled_order_is_the_same_by_answer_and_by_stream(trader: Trader) -> None:
    sent = await trader.send()
    await trader.filled(sent)
    order = await trader.handle.get_order(sent.id, LINEAR)
    await trader.told.until(lambda: trader.told.of(Order, id=sent.id, status=OrderStatus.FILLED))
    (told,) = trader.told.of(Order, id=sent.id, status=OrderStatus.FILLED)
    assert (order.status, order.filled) == (told.status, told.filled) == (OrderStatus.FILLED, LOT)
    assert order.average_price == told.average_price is not None
    assert (order.type, order.price, order.client_order_id) == (OrderType.MARKET, None, sent.client_order_id)
    listed = {fill.trade_id: fill for fill in await trader.handle.get_trade_history(LINEAR)}
    assert listed == {fill.trade_id: fill for fill in trader.fills(sent)}
    assert {fill.fee_asset for fill in listed.values()} == {"USDT"}
    (position,) = await trader.handle.get_positions(LINEAR)
    assert (position.side, position.amount, position.hedge_mode) == (PositionSide.LONG, LOT, False)
    (ended,) = await trader.handle.get_order_history(LINEAR)
    assert (ended.id, ended.status, ended.filled, ended.average_price) == (
        order.id,
        order.status,
        order.filled,
        order.average_price,
    )


async def test_a_resting_order_is_open_and_then_cancelled(trader: Trader) -> None:
    price = await trader.price(LINEAR, "0.02")
    sent = await trader.send(type=OrderType.LIMIT, price=price, post_only=True)
    (resting,) = await trader.handle.get_open_orders(LINEAR)
    assert (resting.id, resting.price, resting.status, resting.post_only) == (sent.id, price, OrderStatus.OPEN, True)
    assert await trader.handle.get_open_orders() == [resting]
    cancelled = await trader.handle.cancel_order(client_order_id=sent.client_order_id, symbol=LINEAR)
    assert (cancelled.status, cancelled.filled) == (OrderStatus.CANCELED, 0)
    assert await trader.handle.get_open_orders() == []
    with pytest.raises(OrderNotFound):
        await trader.handle.cancel_order("123456", LINEAR)
    with pytest.raises(OrderNotFound):
        await trader.handle.get_order("123456", LINEAR)


@pytest.mark.parametrize("symbol", [LINEAR, SPOT])
@pytest.mark.parametrize(
    ("fields", "away"),
    [
        ({"time_in_force": TimeInForce.IOC}, "0.02"),
        ({"time_in_force": TimeInForce.FOK}, "0.02"),
        ({"post_only": True}, "-0.02"),
    ],
)
async def test_what_may_not_rest_or_take_ends_unfilled(
    trader: Trader, symbol: str, fields: dict[str, Any], away: str
) -> None:
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=await trader.price(symbol, away), **fields)
    order = await trader.handle.get_order(sent.id, symbol)
    assert order.status in (OrderStatus.CANCELED, OrderStatus.REJECTED)
    assert order.filled == 0
    assert order.reason


@pytest.mark.parametrize(
    ("kind", "side", "away"),
    [
        (OrderType.STOP, Side.SELL, "0.05"),
        (OrderType.STOP, Side.BUY, "-0.05"),
        (OrderType.TAKE_PROFIT, Side.SELL, "-0.05"),
        (OrderType.TAKE_PROFIT, Side.BUY, "0.05"),
    ],
)
async def test_a_conditional_order_waits_among_the_open_ones(
    trader: Trader, kind: OrderType, side: Side, away: str
) -> None:
    trigger = await trader.price(LINEAR, away)
    sent = await trader.send(side=side, type=kind, trigger_price=trigger)
    (resting,) = await trader.handle.get_open_orders()
    assert (resting.id, resting.type, resting.trigger_price) == (sent.id, kind, trigger)
    assert resting == await trader.handle.get_order(sent.id, LINEAR)
    (cancelled,) = await trader.handle.cancel_all_orders()
    assert (cancelled.id, cancelled.status) == (sent.id, OrderStatus.CANCELED)


async def test_a_conditional_order_may_have_a_limit_and_is_told_by_the_stream(trader: Trader) -> None:
    trigger, price = await trader.price(LINEAR, "-0.05"), await trader.price(LINEAR, "-0.06")
    sent = await trader.send(type=OrderType.STOP, trigger_price=trigger, price=price)
    await trader.told.until(lambda: trader.told.of(Order, id=sent.id, status=OrderStatus.OPEN))
    told = trader.told.of(Order, id=sent.id)[-1]
    assert (told.type, told.trigger_price, told.price) == (OrderType.STOP, trigger, price)
    await trader.handle.cancel_order(sent.id, LINEAR)
    assert (await trader.handle.get_order(sent.id, LINEAR)).status is OrderStatus.CANCELED


async def test_all_orders_of_all_markets_are_cancelled_at_once(trader: Trader) -> None:
    await trader.send(SPOT)
    sent = [
        await trader.send(symbol, type=OrderType.LIMIT, price=await trader.price(symbol, "0.02"), amount=amount)
        for symbol, amount in ((LINEAR, LOT), (SPOT, LOT), (INVERSE, Decimal(100)))
    ]
    cancelled = await trader.handle.cancel_all_orders()
    assert {order.id: order.status for order in cancelled} == {order.id: OrderStatus.CANCELED for order in sent}
    assert await trader.handle.get_open_orders() == []


async def test_spot_is_bought_by_coins_and_by_value(trader: Trader) -> None:
    by_coins = await trader.send(SPOT, amount=Decimal("0.01"))
    by_value = await trader.send(SPOT, amount=None, quote_amount=Decimal(1000))
    first, second = [await trader.handle.get_order(order.id, SPOT) for order in (by_coins, by_value)]
    assert (first.amount, first.filled) == (Decimal("0.01"), Decimal("0.01"))
    assert second.quote_amount == 1000
    assert second.filled > Decimal("0.005")
    balances = {balance.asset: balance for balance in await trader.handle.get_balance()}
    await trader.filled(by_value, second.filled)
    fees = sum(fill.fee or 0 for order in (by_coins, by_value) for fill in trader.fills(order))
    assert {fill.fee_asset for fill in trader.fills(by_value)} == {"BTC"}
    assert balances["BTC"].total == first.filled + second.filled - fees
    assert {balance.market for balance in balances.values()} == {"unified"}
    again = {balance.asset: balance.total for balance in await trader.handle.get_balance("linear")}
    assert again == {asset: balance.total for asset, balance in balances.items()}
    with pytest.raises(NotSupported, match="there is unified"):
        await trader.handle.get_balance("margin")


async def test_what_an_order_holds_is_not_free(trader: Trader) -> None:
    price = await trader.price(SPOT, "0.02")
    await trader.send(SPOT, type=OrderType.LIMIT, price=price)
    (usdt,) = [balance for balance in await trader.handle.get_balance() if balance.asset == "USDT"]
    assert usdt.used == price * LOT
    await trader.told.until(lambda: trader.told.of(Balance, asset="USDT", free=usdt.free))


async def test_a_closed_position_is_told_as_nothing(trader: Trader) -> None:
    await trader.send()
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.LONG, amount=LOT))
    await trader.send(side=Side.SELL, reduce_only=True)
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.LONG, amount=Decimal(0)))
    assert await trader.handle.get_positions() == []
    assert trader.told.of(Position, side=PositionSide.SHORT) == []


async def test_a_position_that_turns_leaves_its_old_side(trader: Trader) -> None:
    await trader.send()
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.LONG, amount=LOT))
    await trader.send(side=Side.SELL, amount=3 * LOT)
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.SHORT, amount=2 * LOT))
    assert trader.told.of(Position, side=PositionSide.LONG, amount=Decimal(0))


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
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.SHORT, amount=Decimal(0)))


async def test_a_side_that_does_not_fit_the_position_mode_is_refused_before_it_is_sent(trader: Trader) -> None:
    with pytest.raises(InvalidOrder, match="one-way mode"):
        await trader.send(position_side=PositionSide.LONG)
    await trader.handle.set_position_mode(PositionMode.HEDGE)
    with pytest.raises(InvalidOrder, match="hedge mode: give position_side LONG or SHORT"):
        await trader.send()
    with pytest.raises(InvalidOrder, match="cannot be reduce-only"):
        await trader.send(position_side=PositionSide.LONG, reduce_only=True)
    assert trader.venue.stats.by_path["/v5/order/create"] == 0


async def test_leverage_and_margin_mode_show_in_the_position(trader: Trader) -> None:
    await trader.handle.set_margin_mode(LINEAR, MarginMode.ISOLATED)
    await trader.handle.set_margin_mode(LINEAR, MarginMode.ISOLATED)
    await trader.send()
    await trader.handle.set_leverage(LINEAR, Decimal(7))
    await trader.handle.set_leverage(LINEAR, Decimal(7))
    (position,) = await trader.handle.get_positions(LINEAR)
    assert (position.leverage, position.margin_mode) == (7, MarginMode.ISOLATED)


@pytest.mark.parametrize(
    ("symbol", "fields", "kind", "code"),
    [
        (LINEAR, {"amount": Decimal(50)}, InsufficientFunds, "110007"),
        (SPOT, {"amount": Decimal(20)}, InsufficientFunds, "170131"),
        (LINEAR, {"side": Side.SELL, "reduce_only": True}, InvalidOrder, "110017"),
    ],
)
async def test_what_the_account_may_not_do_is_refused_with_bybits_code(
    trader: Trader, symbol: str, fields: dict[str, Any], kind: type[ExchangeError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        await trader.send(symbol, **fields)
    assert (type(caught.value), caught.value.code) == (kind, code)


async def test_a_client_order_id_is_taken_once(trader: Trader) -> None:
    await trader.filled(await trader.send(client_order_id="mine-1_A"))
    async with elsewhere(trader) as other:
        with pytest.raises(DuplicateOrder) as caught:
            await other.create_order(
                OrderRequest(
                    symbol=LINEAR, side=Side.BUY, type=OrderType.MARKET, amount=LOT, client_order_id="mine-1_A"
                )
            )
    assert caught.value.code == "110072"


@pytest.mark.parametrize(
    ("symbol", "fields"),
    [
        (LINEAR, {"time_in_force": TimeInForce.FOK}),
        (SPOT, {"type": OrderType.STOP, "trigger_price": Decimal(1)}),
        (SPOT, {"reduce_only": True}),
        (LINEAR, {"amount": None, "quote_amount": Decimal(100)}),
    ],
)
async def test_what_bybit_cannot_do_is_refused_before_anything_is_sent(
    trader: Trader, symbol: str, fields: dict[str, Any]
) -> None:
    with pytest.raises((NotSupported, InvalidOrder)):
        await trader.send(symbol, **fields)
    assert trader.venue.stats.by_path["/v5/order/create"] == 0


async def test_an_order_without_its_symbol_cannot_be_found(trader: Trader) -> None:
    with pytest.raises(NotSupported, match="needs the symbol to find an order"):
        await trader.handle.get_order("123")
    with pytest.raises(NotSupported, match="needs the symbol to cancel an order"):
        await trader.handle.cancel_order("123")


async def test_a_fill_behind_a_cut_is_told_once_when_the_stream_is_back(trader: Trader) -> None:
    await trader.filled(await trader.send())
    resting = await trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.02"))
    async with elsewhere(trader) as other:
        await other.get_symbols()
        assert trader.venue.cut() > 0
        sent = await trader.send()
        await other.cancel_order(resting.id, LINEAR)
    await trader.filled(sent)
    await trader.told.until(lambda: trader.told.of(Order, id=resting.id, status=OrderStatus.CANCELED))
    await trader.up()
    trades = [fill.trade_id for fill in trader.told.of(Fill)]
    assert len(trades) == len(set(trades))
    assert set(trades) == {fill.trade_id for fill in await trader.handle.get_trade_history(LINEAR)}


async def test_an_inverse_contract_is_counted_in_dollars(trader: Trader) -> None:
    await trader.send(SPOT)
    sent = await trader.send(INVERSE, amount=Decimal(300))
    await trader.filled(sent, Decimal(300))
    assert {fill.fee_asset for fill in trader.fills(sent)} == {"BTC"}
    order = await trader.handle.get_order(sent.id, INVERSE)
    assert order.filled == 300
    assert order.average_price is not None
    assert abs(order.average_price / trader.fills(sent)[0].price - 1) < Decimal("0.01")
    (position,) = await trader.handle.get_positions(INVERSE)
    assert (position.amount, position.side) == (300, PositionSide.LONG)


async def test_funding_is_paid_and_told_with_its_sign() -> None:
    async with trading_on_bybit(settle_in_s=3.0) as trader:
        await trader.send()
        rate = await trader.handle.get_funding_rate(LINEAR)
        settled = rate.next_settlement_ms or 0
        await trader.told.until(
            lambda: [told for told in trader.told.of(Balance) if (told.timestamp_ms or 0) >= settled]
        )
        payments = await trader.handle.get_funding_payments(LINEAR)
        (payment,) = payments
        assert payment.asset == "USDT"
        assert payment.timestamp_ms == settled
        # Who is long pays a rate above zero.
        assert payment.rate is not None
        assert (payment.amount < 0) is (payment.rate > 0)
        assert payment.position_amount == LOT
        assert await trader.handle.get_funding_payments() == payments
        assert await trader.handle.get_funding_payments(INVERSE) == []
        # A settlement is no fill.
        assert sum(fill.amount for fill in await trader.handle.get_trade_history(LINEAR)) == LOT


async def test_a_wrong_key_is_told_with_the_venues_code(trader: Trader) -> None:
    urls = trader.venue.markets
    async with connect("bybit", name="stranger", base_url=urls, api_key="nobody", secret_key=KEYS.secret) as bybit:
        with pytest.raises(ExchangeAuthError) as caught:
            await bybit.get_balance()
        assert caught.value.code == "10003"
        with pytest.raises(ExchangeAuthError) as refused:
            await bybit.subscribe_user_data().ready()
        assert refused.value.code == "10003" or "authenticate" in refused.value.message
    async with connect("bybit", name="liar", base_url=urls, api_key=KEYS.key, secret_key="wrong") as bybit:
        with pytest.raises(ExchangeAuthError) as caught:
            await bybit.get_positions()
        assert caught.value.code == "10004"


async def test_a_clock_that_is_off_by_a_minute_is_set_and_the_call_made_again() -> None:
    async with trading_on_bybit() as trader:
        trader.venue.clock_offset_ms = 60_000
        assert await trader.handle.get_balance()


async def test_a_key_that_may_not_trade_is_told_so() -> None:
    reader = Account(key="reader-key", secret="reader-secret", may_trade=False)
    async with trading_on_bybit(reader) as trader:
        with pytest.raises(PermissionDenied) as caught:
            await trader.send()
        assert caught.value.code == "10005"

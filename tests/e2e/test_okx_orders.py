"""OKX's adapter trades on the emulated OKX: what it is told, what it asks for and the account's stream agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from fra.core import (
    EventBus,
    ExchangeAuthError,
    ExchangeHandle,
    Fill,
    InsufficientFunds,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    StreamStatus,
    StreamStatusChanged,
    Subscription,
    TimeInForce,
    UserEvent,
    connect,
)
from fra.emulator import Account, Emulator
from fra.matching import Side as TrueSide

KEYS = Account(key="trader-key", secret="trader-secret", passphrase="trader-word")
SWAP, SPOT, INVERSE = "BTC/USDT:USDT", "BTC/USDT", "BTC/USD:BTC"


class Trader:
    """An account on the emulated OKX, with everything that its stream said."""

    def __init__(self, okx: ExchangeHandle, emulator: Emulator, stream: Subscription[UserEvent]) -> None:
        self.okx = okx
        self.emulator = emulator
        self.stream = stream
        self.events: list[UserEvent] = []
        self._more = asyncio.Event()
        stream.add_listener(self._on_event)

    def _on_event(self, event: UserEvent) -> None:
        self.events.append(event)
        self._more.set()

    def on_status(self, event: StreamStatusChanged) -> None:
        self._more.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._more.clear()
                await self._more.wait()

    def fills(self, order: Order) -> list[Fill]:
        return [event for event in self.events if isinstance(event, Fill) and event.order_id == order.id]

    def orders(self) -> list[Order]:
        return [event for event in self.events if isinstance(event, Order)]

    async def send(self, symbol: str = SWAP, side: Side = Side.BUY, **fields: Any) -> Order:
        fields = {"type": OrderType.MARKET, "amount": Decimal("0.1"), **fields}
        return await self.okx.create_order(OrderRequest(symbol=symbol, side=side, **fields))

    async def price(self, symbol: str, away: str) -> Decimal:
        """A price on the grid, this share below the best bid."""
        book = await self.okx.get_orderbook(symbol)
        assert book.best_bid is not None
        (listed,) = [one for one in self.okx.symbols if one.name == symbol]
        return listed.round_price(book.best_bid.price * (1 - Decimal(away)), Side.BUY)


@pytest_asyncio.fixture
async def trader() -> AsyncIterator[Trader]:
    keys, bus = {"api_key": KEYS.key, "secret_key": KEYS.secret, "passphrase": KEYS.passphrase}, EventBus()
    async with (
        Emulator(["okx"], seed=3, accounts=[KEYS]) as emulator,
        connect("okx", base_url=emulator.okx.markets, options={"reconnect_delay": 0.05}, bus=bus, **keys) as okx,
    ):
        stream = okx.subscribe_user_data()
        await stream.ready()
        found = Trader(okx, emulator, stream)
        bus.register(StreamStatusChanged, found.on_status)
        yield found


async def test_a_filled_order_is_the_same_by_answer_and_by_stream(trader: Trader) -> None:
    sent = await trader.send()
    await trader.until(lambda: sum(fill.amount for fill in trader.fills(sent)) == Decimal("0.1"))
    order = await trader.okx.get_order(sent.id, SWAP)
    told = [event for event in trader.events if isinstance(event, Order) and event.id == sent.id][-1]
    assert (order.status, order.filled) == (told.status, told.filled) == (OrderStatus.FILLED, Decimal("0.1"))
    assert order.average_price == told.average_price
    listed = {fill.trade_id: fill for fill in await trader.okx.get_trade_history(SWAP)}
    assert listed == {fill.trade_id: fill for fill in trader.fills(sent)}
    (position,) = await trader.okx.get_positions(SWAP)
    assert (position.side, position.amount) == (PositionSide.LONG, Decimal("0.1"))


async def test_a_resting_order_is_open_and_then_cancelled(trader: Trader) -> None:
    price = await trader.price(SWAP, "0.02")
    sent = await trader.send(type=OrderType.LIMIT, price=price)
    (resting,) = await trader.okx.get_open_orders(SWAP)
    assert (resting.id, resting.price, resting.status) == (sent.id, price, OrderStatus.OPEN)
    cancelled = await trader.okx.cancel_order(client_order_id=sent.client_order_id, symbol=SWAP)
    assert (cancelled.status, cancelled.filled) == (OrderStatus.CANCELED, 0)
    assert await trader.okx.get_open_orders() == []
    with pytest.raises(OrderNotFound):
        await trader.okx.cancel_order("123456", SWAP)


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
    sent = await trader.send(type=OrderType.LIMIT, price=await trader.price(SWAP, away), **fields)
    order = await trader.okx.get_order(sent.id, SWAP)
    assert (order.status, order.filled) == (status, 0)
    assert order.reason


async def test_a_conditional_order_waits_among_the_open_ones_and_all_are_cancelled(trader: Trader) -> None:
    await trader.send()
    stop = await trader.send(
        side=Side.SELL, type=OrderType.STOP, trigger_price=await trader.price(SWAP, "0.05"), reduce_only=True
    )
    limit = await trader.send(type=OrderType.LIMIT, price=await trader.price(SWAP, "0.02"))
    assert {order.id: order.type for order in await trader.okx.get_open_orders()} == {
        stop.id: OrderType.STOP,
        limit.id: OrderType.LIMIT,
    }
    cancelled = await trader.okx.cancel_all_orders()
    assert {order.id: order.status for order in cancelled} == dict.fromkeys((stop.id, limit.id), OrderStatus.CANCELED)
    assert await trader.okx.get_open_orders() == []


async def test_a_triggered_order_stays_one_order_to_its_end(trader: Trader) -> None:
    for side, away in ((Side.BUY, "-0.001"), (Side.SELL, "0.001")):
        trigger = await trader.price(SWAP, away)
        await trader.send(side=side, type=OrderType.STOP, trigger_price=trigger)
    stops = {order.id for order in await trader.okx.get_open_orders(SWAP)}
    venue = trader.emulator.okx
    assert venue.exchange is not None
    venue.exchange.engine.trade("swap:BTC-USDT-SWAP", trigger, Decimal("0.001"), TrueSide.SELL, now_ms=venue.now_ms())
    await trader.until(lambda: any(order.status is OrderStatus.FILLED for order in trader.orders()))
    (done,) = [order for order in trader.orders() if order.status is OrderStatus.FILLED][:1]
    assert done.id in stops
    await trader.until(lambda: sum(fill.amount for fill in trader.fills(done)) == Decimal("0.1"))
    asked = await trader.okx.get_order(done.id, SWAP)
    assert (asked.id, asked.type, asked.status, asked.filled) == (
        done.id,
        OrderType.STOP,
        OrderStatus.FILLED,
        Decimal("0.1"),
    )
    assert {order.id for order in trader.orders()} <= stops
    assert done.id in [order.id for order in await trader.okx.get_order_history(SWAP)]
    assert {fill.order_id for fill in await trader.okx.get_trade_history(SWAP)} <= stops


async def test_spot_is_bought_by_coins_and_by_value(trader: Trader) -> None:
    by_coins = await trader.send(SPOT, amount=Decimal("0.01"))
    by_value = await trader.send(SPOT, amount=None, quote_amount=Decimal(1000))
    first, second = [await trader.okx.get_order(order.id, SPOT) for order in (by_coins, by_value)]
    assert (first.amount, first.filled) == (Decimal("0.01"), Decimal("0.01"))
    assert second.quote_amount == 1000
    assert second.amount == second.filled > Decimal("0.005")
    balances = {balance.asset: balance for balance in await trader.okx.get_balance()}
    await trader.until(lambda: trader.fills(by_value))
    fees = sum(fill.fee or 0 for order in (by_coins, by_value) for fill in trader.fills(order))
    assert balances["BTC"].total == first.filled + second.filled - fees


async def test_hedge_mode_holds_both_sides(trader: Trader) -> None:
    await trader.okx.set_position_mode(PositionMode.HEDGE)
    await trader.okx.set_position_mode(PositionMode.HEDGE)
    for side, position_side in ((Side.BUY, PositionSide.LONG), (Side.SELL, PositionSide.SHORT)):
        await trader.send(side=side, position_side=position_side)
    positions = {position.side: position for position in await trader.okx.get_positions(SWAP)}
    assert positions.keys() == {PositionSide.LONG, PositionSide.SHORT}
    assert all(position.hedge_mode and position.amount == Decimal("0.1") for position in positions.values())
    await trader.send(side=Side.BUY, position_side=PositionSide.SHORT, reduce_only=True)
    assert [position.side for position in await trader.okx.get_positions(SWAP)] == [PositionSide.LONG]


async def test_leverage_shows_in_the_position(trader: Trader) -> None:
    await trader.send()
    await trader.okx.set_leverage(SWAP, Decimal(7))
    assert [position.leverage for position in await trader.okx.get_positions(SWAP)] == [7]


async def test_what_the_account_cannot_pay_is_refused(trader: Trader) -> None:
    with pytest.raises(InsufficientFunds) as caught:
        await trader.send(amount=Decimal(50))
    assert caught.value.code == "51008"


async def test_a_fill_behind_a_cut_is_told_once_when_the_stream_is_back(trader: Trader) -> None:
    before = await trader.send()
    await trader.until(lambda: sum(fill.amount for fill in trader.fills(before)) == Decimal("0.1"))
    assert trader.emulator.okx.cut() > 0
    sent = await trader.send()
    await trader.until(lambda: sum(fill.amount for fill in trader.fills(sent)) == Decimal("0.1"))
    async with asyncio.timeout(30):
        await trader.until(lambda: trader.stream.status is StreamStatus.LIVE)
    trades = [event.trade_id for event in trader.events if isinstance(event, Fill)]
    assert len(trades) == len(set(trades))
    listed = {fill.trade_id for fill in await trader.okx.get_trade_history(SWAP)}
    assert set(trades) == listed


async def test_an_inverse_swap_is_counted_in_dollars(trader: Trader) -> None:
    await trader.send(SPOT, amount=Decimal("0.1"))
    sent = await trader.send(INVERSE, amount=Decimal(300))
    await trader.until(lambda: sum(fill.amount for fill in trader.fills(sent)) == 300)
    assert {fill.fee_asset for fill in trader.fills(sent)} == {"BTC"}
    assert (await trader.okx.get_order(sent.id, INVERSE)).filled == 300
    assert [position.amount for position in await trader.okx.get_positions(INVERSE)] == [300]


async def test_a_wrong_key_is_told_with_the_venues_code(trader: Trader) -> None:
    keys = {"api_key": "nobody", "secret_key": KEYS.secret, "passphrase": KEYS.passphrase}
    async with connect("okx", name="stranger", base_url=trader.emulator.okx.markets, **keys) as okx:
        with pytest.raises(ExchangeAuthError) as caught:
            await okx.get_balance()
    assert caught.value.code == "50111"

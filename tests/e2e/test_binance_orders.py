"""Binance's adapter trades on the emulated Binance: what it is told, what it asks for and its streams agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from fra.core import (
    Balance,
    DuplicateOrder,
    ExchangeAuthError,
    ExchangeHandle,
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
    Subscription,
    TimeInForce,
    UserEvent,
    connect,
)
from fra.emulator import Account, Emulator
from fra.matching import Side as TrueSide

KEYS = Account(key="trader-key", secret="trader-secret")
SWAP, SPOT = "BTC/USDT:USDT", "BTC/USDT"
BOTH = pytest.mark.parametrize("symbol", [SPOT, SWAP])
AMOUNT = Decimal("0.1")


class Trader:
    """An account on the emulated Binance, with everything that its streams said."""

    def __init__(self, binance: ExchangeHandle, emulator: Emulator, stream: Subscription[UserEvent]) -> None:
        self.binance = binance
        self.emulator = emulator
        self.stream = stream
        self.events: list[UserEvent] = []
        self._more = asyncio.Event()
        stream.add_listener(self._on_event)

    def _on_event(self, event: UserEvent) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._more.clear()
                await self._more.wait()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def fills(self, order: Order) -> list[Fill]:
        return [fill for fill in self.of(Fill) if (fill.symbol, fill.order_id) == (order.symbol, order.id)]

    def filled(self, order: Order) -> Decimal:
        return sum((fill.amount for fill in self.fills(order)), Decimal(0))

    async def send(self, symbol: str = SWAP, side: Side = Side.BUY, **fields: Any) -> Order:
        fields = {"type": OrderType.MARKET, "amount": AMOUNT, **fields}
        return await self.binance.create_order(OrderRequest(symbol=symbol, side=side, **fields))

    async def price(self, symbol: str, away: str) -> Decimal:
        """A price on the grid, this share below the best bid."""
        book = await self.binance.get_orderbook(symbol, depth=5)
        assert book.best_bid is not None
        listed = self.binance.symbol(symbol)
        return listed.round_price(book.best_bid.price * (1 - Decimal(away)), Side.BUY)


@pytest_asyncio.fixture
async def trader() -> AsyncIterator[Trader]:
    keys = {"api_key": KEYS.key, "secret_key": KEYS.secret}
    async with (
        Emulator(["binance"], seed=3, accounts=[KEYS]) as emulator,
        connect("binance", base_url=emulator.binance.markets, options={"reconnect_delay": 0.05}, **keys) as binance,
    ):
        await binance.get_symbols()
        stream = binance.subscribe_user_data()
        await stream.ready()
        yield Trader(binance, emulator, stream)


@BOTH
async def test_a_filled_order_is_the_same_by_answer_and_by_stream(trader: Trader, symbol: str) -> None:
    sent = await trader.send(symbol)
    await trader.until(lambda: trader.filled(sent) == AMOUNT)
    asked = await trader.binance.get_order(sent.id, symbol)
    assert (asked.status, asked.filled) == (sent.status, sent.filled) == (OrderStatus.FILLED, AMOUNT)
    assert asked.average_price == sent.average_price
    paid = sum(fill.price * fill.amount for fill in trader.fills(sent))
    assert asked.average_price == pytest.approx(paid / AMOUNT)
    listed = {fill.trade_id: fill for fill in await trader.binance.get_trade_history(symbol)}
    assert listed.keys() == {fill.trade_id for fill in trader.fills(sent)}
    assert [listed[fill.trade_id].fee for fill in trader.fills(sent)] == [fill.fee for fill in trader.fills(sent)]
    assert [order.id for order in await trader.binance.get_order_history(symbol)] == [sent.id]


@BOTH
async def test_a_resting_order_is_open_and_then_cancelled(trader: Trader, symbol: str) -> None:
    price = await trader.price(symbol, "0.02")
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=price)
    (resting,) = await trader.binance.get_open_orders(symbol)
    assert (resting.id, resting.price, resting.status) == (sent.id, price, OrderStatus.OPEN)
    assert sent.client_order_id is not None
    with pytest.raises(DuplicateOrder):
        await trader.send(symbol, type=OrderType.LIMIT, price=price, client_order_id=sent.client_order_id)
    cancelled = await trader.binance.cancel_order(client_order_id=sent.client_order_id, symbol=symbol)
    assert (cancelled.id, cancelled.status, cancelled.filled) == (sent.id, OrderStatus.CANCELED, 0)
    assert cancelled.client_order_id == sent.client_order_id
    assert list(await trader.binance.get_open_orders()) == []
    for ask in (trader.binance.cancel_order, trader.binance.get_order):
        with pytest.raises(OrderNotFound):
            await ask("123456", symbol)


@BOTH
@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
async def test_what_may_not_rest_ends_unfilled(trader: Trader, symbol: str, force: TimeInForce) -> None:
    price = await trader.price(symbol, "0.02")
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=price, time_in_force=force)
    order = await trader.binance.get_order(sent.id, symbol)
    assert (order.status, order.filled, order.time_in_force) == (OrderStatus.EXPIRED, 0, force)


async def test_spot_is_bought_by_coins_and_by_value(trader: Trader) -> None:
    by_coins = await trader.send(SPOT, amount=Decimal("0.01"))
    by_value = await trader.send(SPOT, amount=None, quote_amount=Decimal(1000))
    first, second = [await trader.binance.get_order(order.id, SPOT) for order in (by_coins, by_value)]
    assert (first.amount, first.filled) == (Decimal("0.01"), Decimal("0.01"))
    assert second.amount == second.filled > Decimal("0.005")
    await trader.until(lambda: trader.filled(by_value) == second.filled)
    fees = sum(fill.fee or 0 for order in (by_coins, by_value) for fill in trader.fills(order))
    wallet = {balance.asset: balance for balance in await trader.binance.get_balance("spot")}
    assert wallet["BTC"].total == first.filled + second.filled - fees
    await trader.until(lambda: any(b.asset == "BTC" and b.total == wallet["BTC"].total for b in trader.of(Balance)))


async def test_a_position_is_told_by_answer_and_by_stream_and_closed(trader: Trader) -> None:
    await trader.binance.set_leverage(SWAP, 7)
    await trader.binance.set_margin_mode(SWAP, MarginMode.CROSS)
    await trader.send()
    await trader.until(lambda: trader.of(Position))
    (asked,) = await trader.binance.get_positions(SWAP)
    told = trader.of(Position)[-1]
    assert (told.side, told.amount, told.entry_price) == (asked.side, asked.amount, asked.entry_price)
    assert (asked.side, asked.amount, asked.hedge_mode) == (PositionSide.LONG, AMOUNT, False)
    assert (asked.leverage, asked.margin_mode) == (7, MarginMode.CROSS)
    assert told.leverage == 7
    await trader.send(side=Side.SELL, reduce_only=True)
    await trader.until(lambda: trader.of(Position)[-1].amount == 0)
    assert trader.of(Position)[-1].side is PositionSide.LONG
    assert list(await trader.binance.get_positions()) == []


async def test_what_is_held_by_a_position_is_not_free(trader: Trader) -> None:
    (before,) = await trader.binance.get_balance("usdm")
    assert before.free == before.total
    await trader.send()
    await trader.until(lambda: any(b.market == "usdm" and b.free < b.total for b in trader.of(Balance)))


async def test_a_conditional_order_waits_among_the_open_ones_and_all_are_cancelled(trader: Trader) -> None:
    await trader.send()
    trigger = await trader.price(SWAP, "0.05")
    stop = await trader.send(side=Side.SELL, type=OrderType.STOP, trigger_price=trigger, reduce_only=True)
    limit = await trader.send(type=OrderType.LIMIT, price=await trader.price(SWAP, "0.02"))
    assert {order.id: order.type for order in await trader.binance.get_open_orders()} == {
        stop.id: OrderType.STOP,
        limit.id: OrderType.LIMIT,
    }
    assert (await trader.binance.get_order(client_order_id=stop.client_order_id, symbol=SWAP)).trigger_price == trigger
    cancelled = await trader.binance.cancel_all_orders()
    assert {order.id: order.status for order in cancelled} == dict.fromkeys((stop.id, limit.id), OrderStatus.CANCELED)
    assert list(await trader.binance.get_open_orders()) == []


async def test_a_triggered_order_stays_one_order_to_its_end(trader: Trader) -> None:
    for side, away in ((Side.BUY, "-0.001"), (Side.SELL, "0.001")):
        trigger = await trader.price(SWAP, away)
        await trader.send(side=side, type=OrderType.STOP, trigger_price=trigger)
    stops = {order.id for order in await trader.binance.get_open_orders(SWAP)}
    venue = trader.emulator.binance
    assert venue.exchange is not None
    venue.exchange.engine.trade("usdm:BTCUSDT", trigger, Decimal("0.001"), TrueSide.SELL, now_ms=venue.now_ms())
    await trader.until(lambda: any(order.status is OrderStatus.FILLED for order in trader.of(Order)))
    (done,) = [order for order in trader.of(Order) if order.status is OrderStatus.FILLED][:1]
    assert done.id in stops
    await trader.until(lambda: trader.filled(done) == AMOUNT)
    asked = await trader.binance.get_order(done.id, SWAP)
    assert (asked.id, asked.type, asked.status, asked.filled) == (done.id, OrderType.STOP, OrderStatus.FILLED, AMOUNT)
    assert {order.id for order in trader.of(Order)} <= stops
    assert done.id in [order.id for order in await trader.binance.get_order_history(SWAP)]


async def test_one_conditional_order_is_cancelled_by_its_id(trader: Trader) -> None:
    trigger = await trader.price(SWAP, "-0.05")
    stop = await trader.send(type=OrderType.STOP, trigger_price=trigger)
    cancelled = await trader.binance.cancel_order(stop.id, SWAP)
    assert (cancelled.id, cancelled.status) == (stop.id, OrderStatus.CANCELED)


@BOTH
async def test_an_order_that_another_program_makes_is_told_by_the_stream(trader: Trader, symbol: str) -> None:
    keys = {"api_key": KEYS.key, "secret_key": KEYS.secret}
    price = await trader.price(symbol, "0.02")
    order = OrderRequest(symbol=symbol, side=Side.BUY, type=OrderType.LIMIT, amount=AMOUNT, price=price)
    async with connect("binance", name="other", base_url=trader.emulator.binance.markets, **keys) as other:
        made = await other.create_order(order)
        await other.cancel_order(made.id, symbol)
    await trader.until(lambda: any(told.status is OrderStatus.CANCELED for told in trader.of(Order)))
    assert [(told.id, told.client_order_id, told.status) for told in trader.of(Order)] == [
        (made.id, made.client_order_id, OrderStatus.OPEN),
        (made.id, made.client_order_id, OrderStatus.CANCELED),
    ]


async def test_hedge_mode_holds_both_sides(trader: Trader) -> None:
    await trader.binance.set_position_mode(PositionMode.HEDGE)
    await trader.binance.set_position_mode(PositionMode.HEDGE)
    for side, position_side in ((Side.BUY, PositionSide.LONG), (Side.SELL, PositionSide.SHORT)):
        await trader.send(side=side, position_side=position_side)
    positions = {position.side: position for position in await trader.binance.get_positions(SWAP)}
    assert positions.keys() == {PositionSide.LONG, PositionSide.SHORT}
    assert all(position.hedge_mode and position.amount == AMOUNT for position in positions.values())
    await trader.send(side=Side.BUY, position_side=PositionSide.SHORT, reduce_only=True)
    assert [position.side for position in await trader.binance.get_positions(SWAP)] == [PositionSide.LONG]


@BOTH
async def test_what_the_account_cannot_pay_is_refused(trader: Trader, symbol: str) -> None:
    with pytest.raises(InsufficientFunds) as caught:
        await trader.send(symbol, amount=Decimal(50))
    assert caught.value.code == {SPOT: "-2010", SWAP: "-2019"}[symbol]


@BOTH
async def test_a_fill_behind_a_cut_is_told_once_when_the_stream_is_back(trader: Trader, symbol: str) -> None:
    before = await trader.send(symbol)
    await trader.until(lambda: trader.filled(before) == AMOUNT)
    assert trader.emulator.binance.cut() > 0
    sent = await trader.send(symbol)
    await trader.until(lambda: trader.filled(sent) == AMOUNT)
    trades = [(fill.symbol, fill.trade_id) for fill in trader.of(Fill)]
    assert len(trades) == len(set(trades))
    assert {trade for _, trade in trades} == {fill.trade_id for fill in await trader.binance.get_trade_history(symbol)}


async def test_an_expired_listen_key_is_replaced_and_nothing_is_missed(trader: Trader) -> None:
    assert trader.emulator.binance.expire_listen_keys() > 0
    sent = await trader.send()
    await trader.until(lambda: trader.filled(sent) == AMOUNT)


async def test_a_settlement_is_told_as_a_payment_and_a_balance() -> None:
    keys = {"api_key": KEYS.key, "secret_key": KEYS.secret}
    async with (
        Emulator(["binance"], seed=3, accounts=[KEYS], settle_in_s=4) as emulator,
        connect("binance", base_url=emulator.binance.markets, **keys) as binance,
        binance.subscribe_user_data() as stream,
    ):
        mine = Trader(binance, emulator, stream)
        await mine.send()
        rate = await binance.get_funding_rate(SWAP)
        assert rate.next_settlement_ms is not None
        due = rate.next_settlement_ms
        await mine.until(lambda: [b for b in mine.of(Balance) if b.market == "usdm" and (b.timestamp_ms or 0) >= due])
        (payment,) = await binance.get_funding_payments(SWAP)
    assert (payment.symbol, payment.asset) == (SWAP, "USDT")
    assert abs(payment.timestamp_ms - due) < 1000
    # A positive rate is paid by who is long.
    assert (payment.amount < 0) is (rate.rate > 0)


async def test_a_wrong_key_is_told_with_the_venues_code(trader: Trader) -> None:
    keys = {"api_key": "nobody", "secret_key": KEYS.secret}
    async with connect("binance", name="stranger", base_url=trader.emulator.binance.markets, **keys) as binance:
        with pytest.raises(ExchangeAuthError) as caught:
            await binance.get_balance()
    assert caught.value.code == "-2015"

"""Every view of one account is the same: what is answered, what is streamed, what ccxt sees, and what is true."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import attrs
import pytest
import pytest_asyncio
from outside import outside
from traders import (
    DIGITS,
    INVERSE,
    LINEAR,
    SPOT,
    VENUES,
    WITH_INVERSE,
    Told,
    Trader,
    check_fills,
    check_order,
    emulator,
    standing,
    trading,
)

from fra.core import (
    Balance,
    Fill,
    FillReceived,
    Order,
    OrderChanged,
    OrderStatus,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Side,
    StreamStatus,
    TimeInForce,
)
from fra.emulator import Venue
from fra.matching import Event as TrueEvent
from fra.matching import FundingPaid

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOT = Decimal("0.1")
BOTH = (SPOT, LINEAR)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator() as running:
        yield running.venues


@pytest_asyncio.fixture(loop_scope="module", params=VENUES)
async def trader(request: pytest.FixtureRequest, venues: Mapping[str, Venue]) -> AsyncIterator[Trader]:
    async with trading(venues[request.param]) as trader:
        yield trader


async def deal(trader: Trader) -> list[Order]:
    """Orders that end in every way, and two that stay: on each market one filled at once, one filled in part and
    cancelled, one cut off, one cancelled unfilled, one sold, and one resting."""
    sent: list[Order] = []
    for symbol in BOTH:
        async with standing(trader, symbol):
            book = await trader.handle.get_orderbook(symbol, depth=5)
            ask, bid = book.best_ask, book.best_bid
            assert ask is not None
            assert bid is not None
            more = (await trader.symbol(symbol)).round_amount(ask.amount + LOT)
            through = await trader.price(symbol, "-0.02")
            limit: dict[str, Any] = {"type": OrderType.LIMIT}
            sent.append(await trader.send(symbol, **limit, price=through, amount=LOT))
            book = await trader.handle.get_orderbook(symbol, depth=5)
            assert book.best_ask is not None
            more = (await trader.symbol(symbol)).round_amount(book.best_ask.amount + LOT)
            partly = await trader.send(symbol, **limit, price=book.best_ask.price, amount=more)
            sent.append(partly)
            await trader.handle.cancel_order(partly.id, symbol)
            force = {"time_in_force": TimeInForce.IOC}
            book = await trader.handle.get_orderbook(symbol, depth=5)
            assert book.best_ask is not None
            more = (await trader.symbol(symbol)).round_amount(book.best_ask.amount + LOT)
            sent.append(await trader.send(symbol, **limit, price=book.best_ask.price, amount=more, **force))
        away = await trader.price(symbol, "0.05")
        unfilled = await trader.send(symbol, **limit, price=away, amount=LOT)
        sent.append(unfilled)
        await trader.handle.cancel_order(unfilled.id, symbol)
        sent.append(await trader.send(symbol, Side.SELL, amount=LOT))
        sent.append(await trader.send(symbol, **limit, price=away, amount=LOT))
    return sent


# --- what is answered is true


async def test_orders_and_fills_are_told_as_they_are(trader: Trader) -> None:
    handle, sent = trader.handle, await deal(trader)
    for order in sent:
        true = trader.true_order(order)
        by_id = await handle.get_order(order.id, order.symbol)
        by_name = await handle.get_order(client_order_id=order.client_order_id, symbol=order.symbol)
        assert (by_id.id, by_name.id) == (order.id, order.id)
        check_order(by_id, true)
        check_order(by_name, true)
    open_now = {order.id: order for order in await handle.get_open_orders()}
    assert open_now.keys() == {sent[5].id, sent[11].id}
    for symbol, made in zip(BOTH, (sent[:6], sent[6:]), strict=True):
        assert [order.id for order in await handle.get_open_orders(symbol)] == [made[5].id]
        history = {order.id: order for order in await handle.get_order_history(symbol)}
        # Binance's history holds what is open too
        assert history.keys() - {made[5].id} == {order.id for order in made[:5]}
        for order in made[:5]:
            check_order(history[order.id], trader.true_order(order))
        fills = list(await handle.get_trade_history(symbol))
        check_fills(fills, trader.true_fills(symbol))
        assert [fill.timestamp_ms for fill in fills] == sorted(fill.timestamp_ms for fill in fills)
        assert {fill.order_id for fill in fills} == {made[n].id for n in (0, 1, 2, 4)}


async def test_lists_are_cut_by_time_and_length(trader: Trader) -> None:
    handle = trader.handle
    for _ in range(3):
        await trader.send(amount=LOT)
    fills = list(await handle.get_trade_history(LINEAR))
    assert len(fills) >= 3
    last = fills[-1].timestamp_ms
    assert list(await handle.get_trade_history(LINEAR, since=last + 1)) == []
    assert list(await handle.get_trade_history(LINEAR, since=last)) == [f for f in fills if f.timestamp_ms >= last]
    first = list(await handle.get_trade_history(LINEAR, since=fills[0].timestamp_ms, limit=1))
    assert first == fills[:1]


async def test_money_is_told_as_it_is_while_orders_hold_some_of_it(trader: Trader) -> None:
    await trader.send(SPOT, Side.SELL, amount=LOT)
    for side, away in ((Side.BUY, "0.05"), (Side.SELL, "0.05")):
        price = await trader.price(SPOT, away, side)
        await trader.send(SPOT, side, type=OrderType.LIMIT, price=price, amount=LOT)
    told = {balance.asset: balance for balance in await trader.handle.get_balance("spot")}
    for asset in ("USDT", "BTC"):
        true = trader.balance(asset, SPOT)
        assert true.held > 0
        assert abs(told[asset].total - true.total) <= DIGITS
        assert abs(told[asset].free - true.free) <= DIGITS
        assert abs(told[asset].used - true.held) <= DIGITS
    every = await trader.handle.get_balance()
    assert {(b.asset, b.market) for b in every} >= {(b.asset, b.market) for b in told.values()}
    assert len({(b.asset, b.market) for b in every}) == len(every)


async def test_money_and_position_are_told_as_they_are_while_a_position_is_open(trader: Trader) -> None:
    async with standing(trader, LINEAR):
        await trader.handle.set_leverage(LINEAR, 20)
        await trader.send(amount=Decimal("2.5"))
        await trader.send(LINEAR, Side.SELL, amount=LOT)
        (position,) = await trader.handle.get_positions(LINEAR)
        (true,) = trader.true_positions()
        told = {b.asset: b for b in await trader.handle.get_balance() if b.asset == "USDT" and b.market != "spot"}
        money = trader.balance("USDT", LINEAR)
    assert (position.side, position.amount, position.leverage) == (PositionSide.LONG, true.amount, 20)
    assert position.entry_price is not None
    assert abs(position.entry_price / true.entry - 1) < Decimal("1e-9")  # type: ignore[operator]
    assert position.unrealized_pnl is not None
    assert abs(position.unrealized_pnl - true.unrealised) < Decimal("1e-6")
    assert position.mark_price in (None, true.mark)
    assert abs(told["USDT"].total - money.equity) < Decimal("1e-6")
    assert abs(told["USDT"].free - (money.equity - money.initial_margin)) < Decimal("1e-6")
    assert [p.symbol for p in await trader.handle.get_positions()] == [LINEAR]


@pytest.mark.parametrize("trader", WITH_INVERSE, indirect=True)
async def test_an_inverse_position_and_its_money_are_told_as_they_are(trader: Trader) -> None:
    async with standing(trader, INVERSE):
        await trader.send(INVERSE, amount=Decimal(5000))
        (position,) = await trader.handle.get_positions(INVERSE)
        (true,) = trader.true_positions()
        told = {balance.asset: balance for balance in await trader.handle.get_balance()}["BTC"]
        money = trader.balance("BTC", INVERSE)
    assert (position.side, position.amount) == (PositionSide.LONG, true.amount)
    assert position.unrealized_pnl is not None
    assert abs(position.unrealized_pnl - true.unrealised) < Decimal("1e-8")
    assert abs(told.total - money.equity) < Decimal("1e-8")


async def test_funding_is_told_to_the_last_digit_with_its_sign() -> None:
    async with emulator(settle_in_s=4) as running, AsyncExitStack() as stack:
        traders = [await stack.enter_async_context(trading(running.venues[name])) for name in VENUES]
        paid = Told()
        for trader in traders:

            def hear(event: TrueEvent) -> None:
                if isinstance(event, FundingPaid):
                    paid(event)  # type: ignore[arg-type]

            trader.venue.exchange.listen(trader.account, hear)
            await trader.send(LINEAR, amount=LOT)
            await trader.send("ETH/USDT:USDT", Side.SELL, amount=Decimal(1))
        await paid.until(lambda: len(paid.events) == 2 * len(traders))
        for trader in traders:
            true = {
                (trader.unified(p.symbol), p.amount, p.asset, p.timestamp_ms)
                for p in trader.engine.payments(trader.account.name)
            }
            told = await trader.handle.get_funding_payments()
            assert {(p.symbol, p.amount, p.asset, p.timestamp_ms) for p in told} == true
            (one,) = await trader.handle.get_funding_payments(LINEAR)
            assert [one] == [p for p in told if p.symbol == LINEAR]
            assert len({p.id for p in told}) == 2
            for payment, own in ((p, q) for p in told for q in trader.engine.payments(trader.account.name)):
                if trader.unified(own.symbol) == payment.symbol:
                    assert payment.rate in (None, own.rate)
                    assert payment.position_amount in (None, abs(own.position))
            # a settlement is no fill
            fills = await trader.handle.get_trade_history(LINEAR)
            assert sum(fill.amount for fill in fills) == LOT


# --- what is streamed is true, once


@attrs.frozen
class Stream:
    """What one of two ways told of an account: the subscription or the handlers."""

    orders: list[Order]
    fills: list[Fill]

    @classmethod
    def subscribed(cls, trader: Trader) -> Stream:
        return cls(trader.told.of(Order), trader.told.of(Fill))

    @classmethod
    def handled(cls, trader: Trader) -> Stream:
        orders = [event.order for event in trader.heard.of(OrderChanged)]
        return cls(orders, [event.fill for event in trader.heard.of(FillReceived)])

    def last(self, order: Order) -> Order | None:
        return next((seen for seen in reversed(self.orders) if seen.client_order_id == order.client_order_id), None)


def all_is_told(trader: Trader) -> bool:
    """Whether each way has as many fills as there are, and every order in its last state."""
    for way in (Stream.subscribed(trader), Stream.handled(trader)):
        if len(way.fills) < len(trader.true_fills()):
            return False
        for true in trader.true_orders():
            seen = [order for order in way.orders if order.client_order_id == true.client_id]
            if not seen or seen[-1].filled != true.filled or seen[-1].status.final is true.status.is_open:
                return False
    return True


def assert_told_once(trader: Trader, sent: list[Order]) -> None:
    """No fill twice, none missing, every order in its last state, none ever backwards, and nothing said again."""
    for way in (Stream.subscribed(trader), Stream.handled(trader)):
        for symbol in BOTH:
            check_fills([fill for fill in way.fills if fill.symbol == symbol], trader.true_fills(symbol))
        for order in sent:
            last = way.last(order)
            assert last is not None
            # HTX's spot pushes name the prices of trades only
            averaged = (trader.venue.name, order.symbol) != ("htx", SPOT)
            check_order(last, trader.true_order(order), averaged=averaged)
            assert last.id == order.id
            changes = [seen for seen in way.orders if seen.client_order_id == order.client_order_id]
            assert len(changes) == len({(o.status, o.filled, o.average_price) for o in changes})
            assert [o.filled for o in changes] == sorted(o.filled for o in changes)


async def test_each_change_and_each_fill_is_streamed_once(trader: Trader) -> None:
    await trader.listen()
    sent = await deal(trader)
    await trader.told.until(lambda: all_is_told(trader))
    assert_told_once(trader, sent)
    (true,) = trader.true_positions()
    await trader.told.until(lambda: trader.told.of(Position)[-1].amount == abs(true.amount))
    assert trader.told.of(Position)[-1].side is PositionSide.LONG
    coins = trader.balance("BTC", SPOT).total
    await trader.told.until(
        lambda: any(
            abs(b.total - coins) <= DIGITS for b in trader.told.of(Balance, asset="BTC") if b.market != "linear"
        )
    )


async def test_a_position_that_closes_is_streamed_as_flat(trader: Trader) -> None:
    await trader.listen()
    await trader.send(LINEAR, Side.SELL, amount=LOT)
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.SHORT, amount=LOT))
    await trader.send(LINEAR, Side.BUY, amount=LOT, reduce_only=True)
    await trader.told.until(lambda: trader.told.of(Position)[-1].amount == 0)
    assert trader.told.of(Position)[-1].side is PositionSide.SHORT


async def test_both_sides_of_a_hedge_are_streamed(trader: Trader) -> None:
    await trader.handle.set_position_mode(PositionMode.HEDGE)
    await trader.listen()
    await trader.send(LINEAR, Side.BUY, amount=2 * LOT, position_side=PositionSide.LONG)
    await trader.send(LINEAR, Side.SELL, amount=LOT, position_side=PositionSide.SHORT)
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.LONG, amount=2 * LOT))
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.SHORT, amount=LOT))
    await trader.send(LINEAR, Side.SELL, amount=2 * LOT, position_side=PositionSide.LONG)
    await trader.told.until(lambda: trader.told.of(Position, side=PositionSide.LONG, amount=Decimal(0)))
    assert [p.side for p in await trader.handle.get_positions()] == [PositionSide.SHORT]
    await trader.told.until(lambda: all_is_told(trader))


async def test_handlers_speak_though_nobody_subscribes(trader: Trader) -> None:
    sent = await trader.send(LINEAR, amount=LOT)
    heard = trader.heard
    await heard.until(lambda: sum(e.fill.amount for e in heard.of(FillReceived)) == LOT)
    await heard.until(lambda: heard.of(OrderChanged)[-1].order.status is OrderStatus.FILLED)
    assert heard.of(OrderChanged)[-1].order.client_order_id == sent.client_order_id


@pytest.mark.parametrize("way", ["cut", "closed"])
async def test_what_happens_while_the_stream_is_down_is_told_once_afterwards(
    trader: Trader, venues: Mapping[str, Venue], way: str
) -> None:
    venue = trader.venue
    stream = await trader.listen()
    before = [await trader.send(LINEAR, amount=LOT)]
    sent = list(before)
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(trading(venue))
        for symbol in BOTH:
            await stack.enter_async_context(standing(trader, symbol))
            # the best bid: whoever sells meets it first
            price = await trader.price(symbol)
            sent.append(await trader.send(symbol, type=OrderType.LIMIT, price=price, amount=LOT))
            away = await trader.price(symbol, "0.05")
            sent.append(await trader.send(symbol, type=OrderType.LIMIT, price=away, amount=LOT))
        await trader.told.until(lambda: len({o.client_order_id for o in trader.told.of(Order)}) == len(sent))
        venue.refuse_connections()
        try:
            assert (venue.cut() if way == "cut" else await venue.close_sockets()) >= 1
            await trader.down()
            for symbol in BOTH:
                await other.send(symbol, Side.SELL, amount=Decimal("0.03"))
            for order in (sent[2], sent[4]):
                venue.exchange.cancel(trader.account, client_id=order.client_order_id)
            for symbol in BOTH:
                through = await trader.price(symbol, "-0.02")
                sent.append(await trader.send(symbol, type=OrderType.LIMIT, price=through, amount=LOT))
        finally:
            venue.refuse_connections(False)
        await trader.told.until(lambda: all_is_told(trader) and stream.status is StreamStatus.LIVE)
        for symbol in BOTH:
            await other.send(symbol, Side.SELL, amount=Decimal("0.04"))
        await trader.told.until(lambda: all_is_told(trader))
        assert_told_once(trader, sent)
        assert {o.client_order_id: o.filled for o in await trader.handle.get_open_orders()} == {
            order.client_order_id: Decimal("0.07") for order in (sent[1], sent[3])
        }
    (true,) = trader.true_positions()
    await trader.told.until(lambda: trader.told.of(Position)[-1].amount == abs(true.amount))


@pytest.mark.parametrize("trader", ["binance"], indirect=True)
async def test_a_listen_key_that_expires_loses_nothing(trader: Trader) -> None:
    stream, venue = await trader.listen(), trader.venue
    sent = [await trader.send(LINEAR, amount=LOT)]
    assert venue.expire_listen_keys() > 0  # type: ignore[attr-defined]
    for _ in range(3):
        sent.append(await trader.send(LINEAR, amount=LOT))
        sent.append(await trader.send(SPOT, Side.SELL, amount=LOT))
    await trader.told.until(lambda: all_is_told(trader) and stream.status is StreamStatus.LIVE)
    assert_told_once(trader, sent)


# --- what ccxt sees is what we see


def number(text: Any) -> Decimal:
    return Decimal(str(text))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def with_ccxt() -> AsyncIterator[Mapping[str, Venue]]:
    """Of HTX's contract accounts ccxt trades those in multi-assets collateral only."""
    async with emulator(htx_multi_assets=True) as running:
        yield running.venues


CCXT_STATUSES = {
    "open": {OrderStatus.OPEN},
    "closed": {OrderStatus.FILLED},
    "canceled": {OrderStatus.CANCELED, OrderStatus.EXPIRED},
    "expired": {OrderStatus.CANCELED, OrderStatus.EXPIRED},
}


@pytest.mark.parametrize("name", VENUES)
async def test_ccxt_and_we_see_the_same_account(with_ccxt: Mapping[str, Venue], name: str) -> None:
    venue = with_ccxt[name]
    async with trading(venue) as trader, outside(venue, trader.account) as client:
        handle, sent = trader.handle, await deal(trader)

        def coins(symbol: str, size: Any) -> Decimal:
            return number(size) * (handle.symbol(symbol).contract_size if symbol == LINEAR else 1)

        # one more of ccxt's own
        size = float(LOT / handle.symbol(LINEAR).contract_size)
        away = float(await trader.price(LINEAR, "0.07"))
        theirs = await client.create_order(LINEAR, "limit", "buy", size, away)
        for symbol, made in zip(BOTH, (sent[:6], sent[6:]), strict=True):
            ours = {order.id: order for order in await handle.get_open_orders(symbol)}
            seen = {order["id"]: order for order in await client.fetch_open_orders(symbol)}
            assert ours.keys() == seen.keys() == {made[5].id, *([theirs["id"]] if symbol == LINEAR else [])}
            for id_, order in ours.items():
                assert (order.price, order.amount) == (
                    number(seen[id_]["price"]), coins(symbol, seen[id_]["amount"])
                )  # fmt: skip
            for order in made:
                asked, found = await trader.asked(order), await client.fetch_order(order.id, symbol)
                # to ccxt an order of Bybit's spot that was cancelled with fills is closed
                closed = name == "bybit" and symbol == SPOT and asked.filled > 0 and found["status"] == "closed"
                assert closed or asked.status in CCXT_STATUSES[found["status"]]
                assert asked.filled == coins(symbol, found["filled"])
            fills = [
                (fill.timestamp_ms, fill.price, fill.amount, fill.side.value, fill.order_id)
                for fill in await handle.get_trade_history(symbol)
            ]
            assert sorted(fills) == sorted(
                (fill["timestamp"], number(fill["price"]), coins(symbol, fill["amount"]), fill["side"], fill["order"])
                for fill in await client.fetch_my_trades(symbol)
            )
        async with standing(trader, LINEAR):
            (position,) = await handle.get_positions()
            (held,) = [p for p in await client.fetch_positions([LINEAR]) if number(p["contracts"])]
            assert (position.side.value, position.amount) == (held["side"], coins(LINEAR, held["contracts"]))
            assert abs(number(held["entryPrice"]) / position.entry_price - 1) < Decimal("1e-8")  # type: ignore[operator]
        wallet = await client.fetch_balance({"type": "spot"})
        own = {b.asset: b for b in await handle.get_balance("spot")}
        assert (own["BTC"].total, own["BTC"].free) == (number(wallet["BTC"]["total"]), number(wallet["BTC"]["free"]))
        if name in ("binance", "htx"):
            assert (own["USDT"].total, own["USDT"].free) == (
                number(wallet["USDT"]["total"]), number(wallet["USDT"]["free"])
            )  # fmt: skip

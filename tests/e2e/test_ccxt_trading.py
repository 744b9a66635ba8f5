"""The natives' own end-to-end tests on the same four venues, through ccxt: what holds is the same, or is named here.

`test_trading.py` is loaded a second time with ccxt behind its traders. Its tables are changed where ccxt cannot do what
a native adapter does: then the same tests demand that it is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from ccxt_again import second_copy, trading
from traders import LINEAR, SPOT, VENUES, WEALTH, Trader, check_fills, check_order, new_account

from fra.adapters.ccxt import user
from fra.core import (
    Balance,
    Fill,
    InvalidOrder,
    MarginMode,
    NotSupported,
    Order,
    OrderNotFound,
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
from fra.matching import MarginMode as TrueMarginMode
from fra.matching import PositionSide as TruePositionSide

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOT = Decimal("0.1")
OTHERWISE: Mapping[str, str] = {
    "test_leverage_is_set_before_and_with_a_position": "ccxt's positions of Binance say no leverage",
    "test_the_margin_mode_is_set_where_it_is_a_setting": "ccxt's positions of Bybit say no margin mode",
}
"""Tests that are not taken over as they are, and why; each has its own below."""


_natives, _taken = second_copy("test_trading.py", ("venues", "trader"), OTHERWISE)
# ccxt's stream of HTX tells of a market order by its worth that it traded a little more than it did.
_natives.LISTENING -= {"htx"}
# ccxt has no market order that is filled whole or not at all.
_symbol, _fields, _ = _natives.CANNOT["FOK at the market, linear"]
_natives.CANNOT["FOK at the market, linear"] = (_symbol, _fields, frozenset(VENUES))
globals().update(_taken)


async def test_leverage_is_set_and_told_where_the_venue_tells_it(trader: Trader) -> None:
    await trader.handle.set_leverage(LINEAR, 5)
    await trader.handle.set_leverage(LINEAR, 5)
    assert trader.engine.leverage(trader.account.name, trader.true_name(LINEAR)) == 5
    await trader.send()
    told = [position.leverage for position in await trader.handle.get_positions(LINEAR)]
    assert told == [5]


async def test_the_margin_mode_is_set_where_it_is_a_setting_through_ccxt(venues: Mapping[str, Venue]) -> None:
    for name in ("binance", "bybit"):
        async with trading(venues[name]) as trader:
            await trader.handle.set_margin_mode(LINEAR, MarginMode.ISOLATED)
            await trader.handle.set_margin_mode(LINEAR, MarginMode.ISOLATED)
            true = trader.engine.margin_mode(trader.account.name, trader.true_name(LINEAR))
            assert true is TrueMarginMode.ISOLATED


# --- orders that wait for a price


@pytest.mark.parametrize(
    ("name", "symbol", "limit"),
    [
        ("binance", SPOT, False),
        ("binance", LINEAR, False),
        ("binance", LINEAR, True),
        ("bybit", LINEAR, False),
        ("htx", SPOT, True),
        ("okx", SPOT, False),
        ("okx", LINEAR, False),
        ("okx", LINEAR, True),
    ],
)
async def test_a_triggered_order_stays_one_order_to_its_end_in_answers_and_on_the_stream(
    venues: Mapping[str, Venue], name: str, symbol: str, limit: bool
) -> None:
    async with trading(venues[name]) as trader:
        await trader.listen()
        sent = {}
        for side, away, beyond in ((Side.BUY, "-0.001", "-0.01"), (Side.SELL, "0.001", "0.01")):  # up, or down
            trigger = await trader.price(symbol, away)
            price = await trader.price(symbol, beyond) if limit else None
            stop = await trader.send(symbol, side, type=OrderType.STOP, trigger_price=trigger, price=price)
            sent[stop.id] = (OrderType.STOP, trigger, price)
        trader.somebody_trades(symbol, trigger)
        await trader.told.until(lambda: trader.told.of(Order, status=OrderStatus.FILLED))
        done = trader.told.of(Order, status=OrderStatus.FILLED)[0]
        await trader.told.until(lambda: sum(fill.amount for fill in trader.told.of(Fill, order_id=done.id)) == LOT)
        asked = await trader.handle.get_order(done.id, symbol)
        assert (asked.status, asked.filled) == (OrderStatus.FILLED, LOT)
        assert done.id in [order.id for order in await trader.handle.get_order_history(symbol)]
        await trader.handle.cancel_all_orders(symbol)
        assert trader.engine.open_orders(trader.account.name) == ()
        assert {order.id for order in trader.told.of(Order)} <= sent.keys()
        for told in (asked, *trader.told.of(Order)):
            assert (told.type, told.trigger_price, told.price) == sent[told.id]


async def test_a_trigger_price_off_the_grid_is_refused_and_not_rounded(venues: Mapping[str, Venue]) -> None:
    async with trading(venues["bybit"]) as trader:
        trigger = await trader.price(LINEAR, "-0.05") + Decimal("0.00001")
        before = trader.orders_asked_for
        with pytest.raises(InvalidOrder):
            await trader.send(LINEAR, type=OrderType.STOP, trigger_price=trigger)
        assert trader.orders_asked_for == before


async def test_a_conditional_order_on_binances_spot_is_not_post_only(venues: Mapping[str, Venue]) -> None:
    async with trading(venues["binance"]) as trader:
        trigger, price = await trader.price(SPOT, "-0.05"), await trader.price(SPOT, "-0.06")
        before = trader.orders_asked_for
        with pytest.raises(NotSupported, match="post-only"):
            await trader.send(SPOT, type=OrderType.STOP, trigger_price=trigger, price=price, post_only=True)
        assert trader.orders_asked_for == before


@pytest.mark.parametrize("name", ["binance", "okx"])
async def test_conditional_and_plain_orders_are_listed_and_cancelled_together(
    venues: Mapping[str, Venue], name: str
) -> None:
    async with trading(venues[name]) as trader:
        await trader.handle.set_position_mode(PositionMode.HEDGE)
        trigger = await trader.price(LINEAR, "-0.05")
        stop = await trader.send(type=OrderType.STOP, trigger_price=trigger, position_side=PositionSide.LONG)
        assert trader.true_order(stop).position_side is TruePositionSide.LONG
        limit = await trader.send(
            type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.02"), position_side=PositionSide.LONG
        )
        found = {order.id: order.type for order in await trader.handle.get_open_orders()}
        assert found == {stop.id: OrderType.STOP, limit.id: OrderType.LIMIT}
        by_name = await trader.handle.get_order(client_order_id=stop.client_order_id, symbol=LINEAR)
        assert (by_name.id, by_name.trigger_price) == (stop.id, trigger)
        cancelled = {order.id: order.status for order in await trader.handle.cancel_all_orders()}
        assert cancelled == dict.fromkeys((stop.id, limit.id), OrderStatus.CANCELED)
        with pytest.raises(OrderNotFound):
            await trader.handle.get_order("123456789", LINEAR)


@pytest.mark.parametrize("name", ["binance", "okx"])
async def test_what_came_of_a_stop_is_told_alike_by_one_that_did_not_see_it(
    venues: Mapping[str, Venue], name: str
) -> None:
    account = new_account()
    async with trading(venues[name], account) as trader:
        await trader.listen()
        stops = []
        for side, away in ((Side.BUY, "-0.001"), (Side.SELL, "0.001")):
            trigger = await trader.price(LINEAR, away)
            stops.append(await trader.send(LINEAR, side, type=OrderType.STOP, trigger_price=trigger))
        trader.somebody_trades(LINEAR, trigger)
        await trader.told.until(lambda: trader.told.of(Order, status=OrderStatus.FILLED))
        done = trader.told.of(Order, status=OrderStatus.FILLED)[0]
        async with trading(venues[name], account, opened=True) as other:
            history = {order.id: order for order in await other.handle.get_order_history(LINEAR)}
            asked = await other.handle.get_order(done.id, LINEAR)
            (fill,) = {one.order_id for one in await other.handle.get_trade_history(LINEAR)} & {done.id}
        assert fill == done.id
        assert history.keys() <= {stop.id for stop in stops}
        for told in (asked, history[done.id]):
            sent = next(stop for stop in stops if stop.id == done.id)
            assert (told.type, told.status, told.filled) == (OrderType.STOP, OrderStatus.FILLED, LOT)
            assert (told.client_order_id, told.trigger_price) == (sent.client_order_id, sent.trigger_price)


# --- the account's stream


@pytest.mark.parametrize("symbol", [SPOT, LINEAR], ids=["spot", "linear"])
async def test_the_stream_tells_orders_fills_and_what_the_account_holds(trader: Trader, symbol: str) -> None:
    stream = await trader.listen()
    assert stream.status is StreamStatus.LIVE
    price = await trader.price(symbol, "-0.02")
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=price, amount=LOT, time_in_force=TimeInForce.IOC)
    await trader.told.until(lambda: trader.told.of(Order, id=sent.id, status=OrderStatus.FILLED))
    # HTX's spot stream tells no average price.
    check_order(trader.told.of(Order, id=sent.id)[-1], trader.true_order(sent), averaged=trader.venue.name != "htx")
    true = trader.true_fills(symbol)
    await trader.told.until(lambda: len(trader.told.of(Fill)) == len(true))
    asset = "BTC" if symbol == SPOT else "USDT"
    if symbol == SPOT:
        held = trader.balance(asset, symbol).total
        await trader.told.until(lambda: [b for b in trader.told.of(Balance, asset=asset) if b.total == held])
    else:  # what a position has won or lost moves with the market
        await trader.told.until(lambda: [b for b in trader.told.of(Balance, asset=asset) if b.total != WEALTH[asset]])
    if symbol == LINEAR:
        await trader.told.until(lambda: trader.told.of(Position, symbol=LINEAR, amount=LOT))


async def test_fills_on_the_stream_are_those_of_the_history_and_of_the_venue(trader: Trader) -> None:
    await trader.listen()
    await trader.send(side=Side.BUY)
    await trader.send(side=Side.SELL, amount=Decimal("0.05"))
    true = trader.true_fills(LINEAR)
    await trader.told.until(lambda: len(trader.told.of(Fill)) == len(true))
    check_fills(await trader.handle.get_trade_history(LINEAR), true)
    told = trader.told.of(Fill)
    assert sorted((fill.side.value, fill.price, fill.amount) for fill in told) == sorted(
        (fill.side.value, fill.price, fill.amount) for fill in true
    )
    assert {fill.fee for fill in told} <= {*(fill.fee for fill in true), None}


async def test_a_cut_stream_comes_back_with_what_happened_meanwhile(trader: Trader) -> None:
    stream = await trader.listen()
    trader.venue.cut()
    sent = await trader.send()
    await trader.told.until(lambda: trader.told.of(Order, id=sent.id, status=OrderStatus.FILLED))
    assert trader.told.of(Order, id=sent.id)[-1].filled == LOT
    assert stream.status is not StreamStatus.FAILED


@pytest.mark.parametrize("name", VENUES)
async def test_a_login_that_a_clock_is_to_blame_for_is_made_again(venues: Mapping[str, Venue], name: str) -> None:
    """Some venues say no more of it than that it was refused."""
    venue = venues[name]
    async with trading(venue) as trader:
        venue.clock_offset_ms -= 3_600_000
        try:
            stream = await trader.listen()
            sent = await trader.send()
            await trader.told.until(lambda: trader.told.of(Order, id=sent.id, status=OrderStatus.FILLED))
            assert stream.status is StreamStatus.LIVE
        finally:
            venue.clock_offset_ms += 3_600_000


@pytest.mark.parametrize("conditional", [False, True])
async def test_the_end_of_an_order_from_long_before_a_loss_is_told_after_it(
    trader: Trader, conditional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Venues list what ended by when it was made; one that rested for hours is in none of the pages asked for."""
    monkeypatch.setattr(user, "_OVERLAP_MS", 0)
    await trader.listen()
    fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": await trader.price(LINEAR, "0.05")}
    if conditional:
        fields = {"type": OrderType.STOP, "trigger_price": await trader.price(LINEAR, "-0.05")}
    if (trader.venue.name, LINEAR, False) not in _natives.CONDITIONALS and conditional:
        return
    old = await trader.send(**fields)
    await trader.told.until(lambda: trader.told.of(Order, id=old.id))
    later = await trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.04"))
    await trader.told.until(lambda: trader.told.of(Order, id=later.id))
    trader.venue.refuse_connections()
    try:
        trader.venue.cut()
        await trader.down()
        trader.venue.exchange.cancel_all(trader.account)
    finally:
        trader.venue.refuse_connections(False)
    await trader.told.until(lambda: trader.told.of(Order, id=old.id, status=OrderStatus.CANCELED))

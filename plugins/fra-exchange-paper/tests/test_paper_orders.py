"""Orders on another exchange's live book: what fills, what rests, what is refused, and what is told of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D

import pytest

from fra.core import (
    DuplicateOrder,
    ExchangeAPIError,
    Fill,
    FillReceived,
    InsufficientFunds,
    InvalidOrder,
    MarginMode,
    MemoryJournal,
    NotSupported,
    Order,
    OrderChanged,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Side,
    StreamStatus,
    SymbolNotFound,
    TimeInForce,
    Trade,
)

FILLED, OPEN, CANCELED, EXPIRED = OrderStatus.FILLED, OrderStatus.OPEN, OrderStatus.CANCELED, OrderStatus.EXPIRED


# --- what fills


async def test_a_market_order_takes_the_live_book_level_by_level(desk, kit) -> None:
    trader, _ = desk
    order = await trader.buy(amount="3")
    assert (order.status, order.filled) == (FILLED, 3)
    assert [(fill.price, fill.amount, fill.maker) for fill in trader.heard(Fill)] == [(100, 2, False), (101, 1, False)]
    assert round(order.average_price, 8) == D("100.33333333")
    (position,) = await trader.paper.get_positions()
    assert (position.symbol, position.side, position.amount) == (kit.SWAP, PositionSide.LONG, 3)


async def test_what_the_book_does_not_take_expires(desk) -> None:
    trader, _ = desk
    order = await trader.buy(amount="9")
    assert (order.status, order.filled, order.reason) == (EXPIRED, 7, "no liquidity")


async def test_a_spot_buy_moves_coins_and_a_quote_sized_one_spends_its_quote(desk, kit) -> None:
    trader, _ = desk
    assert (await trader.buy(kit.SPOT, "1")).status is FILLED
    assert (await trader.total("BTC"), await trader.total()) == (2, 900)
    order = await trader.buy(kit.SPOT, None, quote_amount="50")
    assert (order.status, order.filled) == (FILLED, D("0.5"))
    assert await trader.paper.get_positions() == []


async def test_an_inverse_amount_is_quote_coin(desk, kit) -> None:
    trader, _ = desk
    order = await trader.buy(kit.INVERSE, "1000")
    (position,) = await trader.paper.get_positions(kit.INVERSE)
    assert (order.filled, position.amount, position.entry_price) == (1000, 1000, 50000)


async def test_a_limit_order_rests_until_the_live_book_crosses_it(desk, kit) -> None:
    trader, venue = desk
    order = await trader.buy(amount="2", price="99.5")
    assert (order.status, order.filled) == (OPEN, 0)
    venue.book(kit.SWAP, "99*5", "99.6*5")
    assert (await trader.paper.get_order(order.id)).status is OPEN
    venue.book(kit.SWAP, "98*5", "99.4*1.5")
    assert (await trader.paper.get_open_orders())[0].filled == D("1.5")
    venue.book(kit.SWAP, "98*5", "99.3*5")
    order = await trader.paper.get_order(order.id)
    assert (order.status, order.average_price) == (FILLED, D("99.5"))
    assert all(fill.maker and fill.price == D("99.5") for fill in trader.heard(Fill))


async def test_public_trades_fill_nothing(desk, kit) -> None:
    trader, venue = desk
    await trader.buy(amount="1", price="99.5")
    trades = trader.paper.subscribe_trades(kit.SWAP)
    await venue.until(lambda: ("trades", kit.SWAP) in venue.sources)
    venue.sources["trades", kit.SWAP].publish(Trade(kit.SWAP, "1", D(98), D(5), Side.SELL, 1, 1))
    assert (await anext(trades)).price == 98
    await trades.close()
    assert (await trader.paper.get_open_orders())[0].filled == 0


async def test_what_was_taken_of_a_level_stays_taken_while_the_level_stands(desk, kit) -> None:
    trader, venue = desk
    await trader.buy(amount="1.5")
    venue.gap(kit.SWAP)
    venue.book(kit.SWAP, "99.9*2", "100*2 101*5")
    assert (await trader.buy(amount="1", price="100", time_in_force=TimeInForce.IOC)).filled == D("0.5")
    venue.book(kit.SWAP, "99.9*2", "101*5")
    venue.book(kit.SWAP, "99.9*2", "100*2 101*5")
    assert (await trader.buy(amount="1", price="100", time_in_force=TimeInForce.IOC)).filled == 1


async def test_fees_are_the_exchanges_own_unless_they_are_set(kit) -> None:
    async with kit.on_venue(fees={"spot.taker": "0.01"}) as (trader, venue):
        for symbol in (kit.SPOT, kit.SWAP):
            venue.book(symbol, "99*9", "100*9")
            await trader.buy(symbol, "1")
        assert [(fill.fee, fill.fee_asset) for fill in trader.heard(Fill)] == [(D("0.01"), "BTC"), (D("0.05"), "USDT")]
        fees = trader.paper.metadata.fee_structure
        assert (fees["spot.taker"], fees["linear_swap.taker"]) == (D("0.01"), D("0.0005"))


async def test_an_order_meets_the_book_as_it_is_when_it_arrives(kit) -> None:
    async with kit.on_venue(latency=0.05) as (trader, venue):
        venue.book(kit.SWAP, "99*9", "100*9")
        await trader.buy()
        sending = asyncio.ensure_future(trader.buy())
        await asyncio.sleep(0)
        venue.book(kit.SWAP, "99*9", "105*9")
        assert (await sending).average_price == 105


# --- the kinds of order


@pytest.mark.parametrize(("force", "filled"), [(TimeInForce.IOC, 2), (TimeInForce.FOK, 0)])
async def test_ioc_keeps_its_part_and_fok_does_nothing_by_halves(desk, force, filled) -> None:
    trader, _ = desk
    order = await trader.buy(amount="3", price="100", time_in_force=force)
    assert (order.status, order.filled) == (EXPIRED, filled)


async def test_a_post_only_order_that_would_take_is_refused(desk) -> None:
    trader, _ = desk
    with pytest.raises(InvalidOrder, match="post-only"):
        await trader.buy(price="100", post_only=True)
    assert (await trader.buy(price="99.9", post_only=True)).post_only


async def test_a_stop_waits_for_the_mark_price_and_then_takes_the_book(desk, kit) -> None:
    trader, venue = desk
    await trader.buy()
    stop = await trader.sell(type=OrderType.STOP, trigger_price="95", reduce_only=True)
    assert (stop.status, stop.type, stop.trigger_price) == (OPEN, OrderType.STOP, 95)
    venue.book(kit.SWAP, "95*1", "96*1")  # its middle is 95.5
    assert (await trader.paper.get_order(stop.id)).status is OPEN
    venue.book(kit.SWAP, "94*1", "95*1")
    assert (await trader.paper.get_order(stop.id)).average_price == 94
    assert await trader.paper.get_positions() == []


async def test_a_told_mark_price_goes_before_the_middle_of_the_book(desk, kit) -> None:
    trader, venue = desk
    await trader.buy()
    venue.rate(kit.SWAP, next_ms=kit.now_ms() + 3_600_000, mark="97")
    (position,) = await trader.paper.get_positions()
    assert (position.mark_price, position.unrealized_pnl) == (97, -3)


async def test_a_mark_price_that_is_not_told_any_more_gives_way_to_the_middle_of_the_book(
    desk, kit, monkeypatch
) -> None:
    trader, venue = desk
    await trader.buy()
    venue.rate(kit.SWAP, next_ms=kit.now_ms() + 3_600_000, mark="97")
    monkeypatch.setattr("fra.exchanges.paper.feed._MARK_KEPT_MS", -1)
    venue.book(kit.SWAP, "100*2", "102*2")
    assert (await trader.paper.get_positions())[0].mark_price == 101


async def test_hedge_mode_has_a_long_and_a_short_side(desk) -> None:
    trader, _ = desk
    await trader.paper.set_position_mode(PositionMode.HEDGE)
    with pytest.raises(InvalidOrder, match="position_side"):
        await trader.buy()
    await trader.buy(position_side=PositionSide.LONG)
    await trader.sell(position_side=PositionSide.SHORT)
    positions = await trader.paper.get_positions()
    assert [(one.side, one.amount, one.hedge_mode) for one in positions] == [
        (PositionSide.LONG, 1, True),
        (PositionSide.SHORT, 1, True),
    ]
    with pytest.raises(ExchangeAPIError, match="open"):
        await trader.paper.set_position_mode(PositionMode.ONE_WAY)


async def test_leverage_and_margin_mode_are_the_symbols_own(desk, kit) -> None:
    trader, _ = desk
    await trader.paper.set_leverage(kit.SWAP, 20)
    await trader.paper.set_margin_mode(kit.SWAP, MarginMode.ISOLATED)
    await trader.paper.set_margin_mode(kit.SWAP, MarginMode.ISOLATED)
    await trader.buy()
    (position,) = await trader.paper.get_positions()
    assert (position.leverage, position.margin_mode) == (20, MarginMode.ISOLATED)
    (usdt,) = [one for one in await trader.paper.get_balance() if one.asset == "USDT"]
    assert (usdt.total, usdt.used) == (1000, D(100) / 20)
    for call in (trader.paper.set_leverage(kit.SWAP, 101), trader.paper.set_margin_mode(kit.SWAP, MarginMode.CROSS)):
        with pytest.raises(ExchangeAPIError):
            await call


async def test_a_position_that_cannot_be_carried_is_closed(desk, kit) -> None:
    trader, venue = desk
    venue.book(kit.SWAP, "99.9*200", "100*200")
    await trader.paper.set_leverage(kit.SWAP, 50)
    await trader.buy(amount="100")
    venue.book(kit.SWAP, "90.2*200", "90.3*200")
    assert await trader.paper.get_positions() == []
    assert trader.heard(Order)[-1].status is FILLED
    assert 0 <= await trader.total() < 30


# --- cancelling and asking


async def test_orders_are_found_cancelled_and_listed(desk, kit) -> None:
    trader, _ = desk
    paper = trader.paper
    first = await trader.buy(price="90", client_order_id="mine")
    second = await trader.buy(kit.SPOT, price="91", amount="0.1")
    assert (await paper.get_order(client_order_id="mine")).id == first.id
    assert [order.id for order in await paper.get_open_orders(kit.SPOT)] == [second.id]
    with pytest.raises(OrderNotFound):
        await paper.get_order(first.id, kit.SPOT)
    canceled = await paper.cancel_order(client_order_id="mine")
    assert (canceled.status, canceled.id) == (CANCELED, first.id)
    with pytest.raises(OrderNotFound):
        await paper.cancel_order(first.id)
    assert [order.id for order in await paper.cancel_all_orders()] == [second.id]
    assert await paper.get_open_orders() == []
    await trader.buy(amount="0.5")
    history = await paper.get_order_history()
    assert [order.status for order in history] == [CANCELED, CANCELED, FILLED]
    assert await paper.get_order_history(kit.SWAP, limit=1) == history[-1:]
    assert await paper.get_order_history(since=history[0].created_ms, limit=1) == history[:1]
    (fill,) = await paper.get_trade_history(kit.SWAP)
    assert (fill.amount, fill.order_id) == (D("0.5"), history[-1].id)


async def test_one_wallet_answers_to_every_markets_name(desk) -> None:
    trader, _ = desk
    paper = trader.paper
    balances = await paper.get_balance()
    assert {(one.asset, one.market, one.total) for one in balances} == {("USDT", "paper", 1000), ("BTC", "paper", 1)}
    assert [one.total for one in await paper.get_balance("swap")] == [one.total for one in balances]
    with pytest.raises(NotSupported, match="paper, spot, swap"):
        await paper.get_balance("margin")


@pytest.mark.parametrize(
    ("order", "error", "code"),
    [
        ({"amount": "500"}, InsufficientFunds, "insufficient_funds"),
        ({"amount": "0.001"}, InvalidOrder, None),
        ({"price": "99.95"}, InvalidOrder, None),
        ({"symbol": "BTC/USDT", "amount": "0.01", "price": "90"}, InvalidOrder, None),
        ({"symbol": "SOL/USDT:USDT"}, SymbolNotFound, None),
        ({"symbol": "BTC/USDT:USDT-261225"}, NotSupported, None),
        ({"reduce_only": True}, InvalidOrder, "reduce_only"),
        ({"position_side": PositionSide.LONG}, InvalidOrder, "position_side"),
        ({"symbol": "BTC/USDT", "position_side": PositionSide.LONG}, InvalidOrder, "position_side"),
        ({"price": "80", "client_order_id": "taken"}, DuplicateOrder, None),
    ],
)
async def test_a_refusal_has_the_class_that_it_has_everywhere(desk, order, error, code) -> None:
    trader, venue = desk
    venue.book("BTC/USDT:USDT", "99.9*2", "100*900")
    await trader.buy(price="80", client_order_id="taken")
    told = len(trader.told)
    with pytest.raises(error) as refused:
        await trader.buy(**order)
    assert (refused.value.exchange, refused.value.code) == ("paper", code)
    assert len(trader.told) == told


# --- a book that cannot be trusted


@pytest.mark.parametrize("broken", ["gap", "stale", "recovering", "invalid"])
async def test_no_order_is_taken_and_none_fills_while_the_book_is_not_to_be_trusted(desk, kit, broken) -> None:
    trader, venue = desk
    resting = await trader.buy(price="99")
    await trader.buy()
    before = len(trader.heard(Fill))
    stop = await trader.sell(type=OrderType.STOP, trigger_price="98", reduce_only=True)
    if broken == "gap":
        venue.gap(kit.SWAP)
    elif broken == "invalid":
        venue.book(kit.SWAP, "", "", valid=False)
    else:
        venue.status(kit.SWAP, StreamStatus(broken))
    for order in ({}, {"price": "100"}, {"price": "90"}):
        with pytest.raises(InvalidOrder, match="nothing was ordered") as refused:
            await trader.buy(**order)
        assert refused.value.code == "no_book"
    venue.rate(kit.SWAP, next_ms=kit.now_ms() + 3_600_000, mark="50")  # would trigger, and liquidate
    assert len(trader.heard(Fill)) == before
    assert (await trader.paper.get_order(stop.id)).status is OPEN
    assert (await trader.paper.cancel_order(stop.id)).status is CANCELED
    venue.rate(kit.SWAP, next_ms=kit.now_ms() + 3_600_000, mark="98")
    venue.book(kit.SWAP, "97*2", "98.9*0.4")
    assert (await trader.paper.get_order(resting.id)).filled == D("0.4")


async def test_not_even_a_liquidation_trades_with_levels_that_are_not_to_be_trusted(desk, kit) -> None:
    trader, venue = desk
    for symbol in (kit.SWAP, kit.OTHER_SWAP):
        venue.book(symbol, "99.9*200", "100*200")
        await trader.buy(symbol, "45")
    venue.status(kit.OTHER_SWAP, StreamStatus.STALE)
    venue.book(kit.SWAP, "77*200", "77.1*200")
    assert await trader.paper.get_positions() == []
    (closed,) = [one for one in trader.heard(Fill) if one.symbol == kit.OTHER_SWAP and one.side is Side.SELL]
    assert closed.price == D("99.95")  # its last mark price, and not the bid of 99.9


async def test_a_book_that_went_silent_is_stale(kit) -> None:
    async with kit.on_venue(stale_after=0.4) as (trader, venue):
        venue.book(kit.SWAP, "99*1", "100*1")
        assert (await trader.buy(price="90")).status is OPEN
        await asyncio.sleep(0.5)  # silence is the passing of time: there is no event to wait for
        with pytest.raises(InvalidOrder, match="is stale: nothing was heard"):
            await trader.buy()
        venue.book(kit.SWAP, "99*1", "100*1")
        assert (await trader.buy()).status is FILLED


async def test_a_book_that_does_not_come_refuses_the_order(desk, kit) -> None:
    trader, venue = desk
    venue.books.clear()
    with pytest.raises(InvalidOrder, match=r"has not come within 0\.5 s"):
        await trader.buy()
    assert await trader.paper.get_order_history() == []
    venue.book(kit.SWAP, "99*1", "100*1")
    assert (await trader.buy()).status is FILLED


async def test_a_book_that_failed_is_asked_for_anew(desk, kit) -> None:
    trader, venue = desk
    await trader.buy()
    venue.sources["orderbook", kit.SWAP].fail(SymbolNotFound("it went away"))
    assert (await trader.buy()).status is FILLED  # on the book of a new subscription


# --- what is told


async def test_the_stream_and_the_hooks_tell_of_each_change_once(desk) -> None:
    trader, _ = desk
    order = await trader.buy(amount="3")
    orders, fills = trader.heard(Order), trader.heard(Fill)
    assert [one.filled for one in orders] == [0, 2, 3]
    assert orders[-1] == order
    assert [event.fill for event in trader.heard(FillReceived)] == fills
    assert [event.order.filled for event in trader.heard(OrderChanged)] == [0, 2, 3]
    assert trader.heard(Position)[-1].amount == 3
    await trader.sell(amount="3")
    assert (trader.heard(Position)[-1].amount, trader.heard(Position)[-1].hedge_mode) == (0, False)


async def test_hooks_hear_though_nobody_subscribes_and_no_key_is_configured(kit) -> None:
    class Mine(kit.Venue):
        instances = []  # noqa: RUF012

    exchanges = {"main": {"exchange_id": "venue"}, "paper": {"options": {"market_data": "main"}}}
    async with kit.managed(exchanges, venue=Mine) as manager:
        heard = []
        manager.register_event_handler(FillReceived, heard.append)
        (venue,), paper = Mine.instances, manager.get_plugin("paper")
        venue.book(kit.SWAP, "99*1", "100*1")
        request = OrderRequest(symbol=kit.SWAP, side=Side.BUY, type=OrderType.LIMIT, amount=D(1), price=D(99))
        await paper.create_order(request)
        assert heard == []
        venue.book(kit.SWAP, "98*1", "99*1")
        assert [(event.exchange, event.fill.price) for event in heard] == [("paper", 99)]
        assert (await paper.health_check()).latency == 0.25


async def test_the_journal_has_each_order_before_it_is_placed(kit) -> None:
    journal = MemoryJournal()
    async with kit.managed({"paper": {}}, journal=journal) as manager:
        request = OrderRequest(symbol="BTC/USDT", side=Side.BUY, type=OrderType.MARKET, quote_amount=D(100))
        await manager.get_plugin("paper").create_order(request)
    assert [entry.status for entry in journal.entries] == [OrderStatus.PENDING, FILLED]


async def test_a_book_is_left_when_nothing_rests_on_it(desk, kit, monkeypatch) -> None:
    trader, venue = desk
    monkeypatch.setattr("fra.exchanges.paper.feed._LINGER_MS", -1)
    order = await trader.buy(price="90")
    venue.book(kit.SWAP, "99.9*2", "100*2")
    assert ("orderbook", kit.SWAP) in venue.sources
    await trader.paper.cancel_order(order.id)
    venue.book(kit.SWAP, "99.9*2", "100*2")
    await venue.until(lambda: ("orderbook", kit.SWAP) not in venue.sources)
    assert (await trader.buy()).status is FILLED

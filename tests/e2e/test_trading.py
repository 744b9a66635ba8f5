"""The same orders on four emulated venues: the same amounts and outcomes, or a refusal before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from traders import (
    INVERSE,
    LINEAR,
    SPOT,
    VENUES,
    WEALTH,
    WITH_INVERSE,
    Trader,
    check_fills,
    check_order,
    emulator,
    new_account,
    standing,
    trading,
)

from fra.core import (
    ExchangeAPIError,
    InvalidOrder,
    MarginMode,
    MarketKind,
    NotSupported,
    Operation,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)
from fra.emulator import Venue
from fra.matching import MarginMode as TrueMarginMode
from fra.matching import OrderStatus as TrueStatus

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTENING = frozenset(VENUES)
"""An account whose stream is live asks nothing by itself any more: what is counted then is what a test asked for."""
LOT = Decimal("0.1")
BOTH = pytest.mark.parametrize("symbol", [SPOT, LINEAR], ids=["spot", "linear"])
ENDED = (OrderStatus.CANCELED, OrderStatus.EXPIRED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator() as running:
        yield running.venues


@pytest_asyncio.fixture(loop_scope="module", params=VENUES)
async def trader(request: pytest.FixtureRequest, venues: Mapping[str, Venue]) -> AsyncIterator[Trader]:
    """An account of its own for each test."""
    async with trading(venues[request.param], listen=request.param in LISTENING) as trader:
        yield trader


async def more_than_the_best(trader: Trader, symbol: str, side: Side = Side.BUY) -> tuple[Decimal, Decimal, Decimal]:
    """The best price of the other side of a standing book, what rests there, and a valid amount above that."""
    found = await trader.symbol(symbol)
    book = await trader.handle.get_orderbook(symbol, depth=5)
    best = book.best_ask if side is Side.BUY else book.best_bid
    assert best is not None
    least = (found.min_notional or Decimal(0)) / best.price
    return best.price, best.amount, found.round_amount(best.amount + max(LOT, least))


# --- the same amount everywhere


async def all_of(stack: AsyncExitStack, venues: Mapping[str, Venue], *names: str) -> list[Trader]:
    return [await stack.enter_async_context(trading(venues[name])) for name in names or VENUES]


@pytest.mark.parametrize(
    ("asset", "amount"), [("BTC", "0.123"), ("ETH", "1.3"), ("DOGE", "5000"), ("PEPE", "20000000")]
)
@pytest.mark.parametrize("side", Side)
async def test_the_same_coins_are_the_same_position_on_every_venue(
    venues: Mapping[str, Venue], asset: str, amount: str, side: Side
) -> None:
    held: dict[str, Decimal] = {}
    true: dict[str, Decimal] = {}
    async with AsyncExitStack() as stack:
        for trader in await all_of(stack, venues):
            (listed,) = [
                symbol
                for symbol in trader.handle.symbols
                if (symbol.kind, symbol.asset, symbol.quote) == (MarketKind.LINEAR_SWAP, asset, "USDT")
            ]
            size = Decimal(amount) / listed.multiplier
            await trader.send(listed.name, side, amount=size)
            (position,) = await trader.handle.get_positions(listed.name)
            assert position.side is (PositionSide.LONG if side is Side.BUY else PositionSide.SHORT)
            held[trader.venue.name] = position.amount * listed.multiplier
            true[trader.venue.name] = sum((p.amount for p in trader.true_positions()), Decimal(0)) * listed.multiplier
            assert sum(f.amount for f in await trader.handle.get_trade_history(listed.name)) == size
    sign = 1 if side is Side.BUY else -1
    assert held == dict.fromkeys(VENUES, Decimal(amount))
    assert true == dict.fromkeys(VENUES, sign * Decimal(amount))


@pytest.mark.parametrize("name", WITH_INVERSE)
async def test_the_same_dollars_are_the_same_inverse_position(venues: Mapping[str, Venue], name: str) -> None:
    async with trading(venues[name]) as trader:
        sent = await trader.send(INVERSE, Side.SELL, amount=Decimal(300))
        (position,) = await trader.handle.get_positions(INVERSE)
        (true,) = trader.true_positions()
        assert (position.side, position.amount, true.amount) == (PositionSide.SHORT, 300, -300)
        assert position.entry_price is not None
        assert abs(position.entry_price / true.entry - 1) < Decimal("1e-9")  # type: ignore[operator]
        check_order(await trader.asked(sent), trader.true_order(sent))
        fills = await trader.handle.get_trade_history(INVERSE)
        check_fills(fills, trader.true_fills())
        assert {fill.fee_asset for fill in fills} == {"BTC"}


async def test_the_same_coins_are_bought_on_every_spot_market(venues: Mapping[str, Venue]) -> None:
    bought: dict[str, Decimal] = {}
    async with AsyncExitStack() as stack:
        for trader in await all_of(stack, venues):
            price = await trader.price(SPOT, "-0.02")
            sent = await trader.send(
                SPOT, type=OrderType.LIMIT, price=price, amount=Decimal("0.0123"), time_in_force=TimeInForce.IOC
            )
            check_order(await trader.asked(sent), trader.true_order(sent))
            fees = sum(fill.fee for fill in trader.true_fills() if fill.fee_asset == "BTC")
            held = {b.asset: b for b in await trader.handle.get_balance("spot")}["BTC"]
            assert held.total == trader.balance("BTC", SPOT).total
            bought[trader.venue.name] = held.total + fees - WEALTH["BTC"]
    assert bought == dict.fromkeys(VENUES, Decimal("0.0123"))


# --- how an order may end


@BOTH
async def test_a_resting_order_is_open_under_both_ids_until_it_is_cancelled(trader: Trader, symbol: str) -> None:
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=await trader.price(symbol, "0.05"))
    assert trader.true_order(sent).status is TrueStatus.NEW
    by_id = await trader.handle.get_order(sent.id, symbol)
    by_name = await trader.handle.get_order(client_order_id=sent.client_order_id, symbol=symbol)
    (listed,) = await trader.handle.get_open_orders(symbol)
    (of_all,) = await trader.handle.get_open_orders()
    for order in (by_id, by_name, listed, of_all):
        check_order(order, trader.true_order(sent))
        assert (order.id, order.type, order.time_in_force) == (sent.id, OrderType.LIMIT, TimeInForce.GTC)
    cancelled = await trader.handle.cancel_order(client_order_id=sent.client_order_id, symbol=symbol)
    check_order(cancelled, trader.true_order(sent))
    assert (cancelled.id, cancelled.status, cancelled.filled) == (sent.id, OrderStatus.CANCELED, 0)
    assert list(await trader.handle.get_open_orders(symbol)) == []
    check_order(
        await trader.handle.get_order(client_order_id=sent.client_order_id, symbol=symbol), trader.true_order(sent)
    )


@BOTH
@pytest.mark.parametrize("side", Side)
async def test_a_partly_filled_order_is_open_and_then_cancelled_with_its_fills(
    trader: Trader, symbol: str, side: Side
) -> None:
    async with standing(trader, symbol):
        price, best, amount = await more_than_the_best(trader, symbol, side)
        sent = await trader.send(symbol, side, type=OrderType.LIMIT, price=price, amount=amount)
        order = await trader.asked(sent)
        assert (order.status, order.filled) == (OrderStatus.OPEN, best)
        check_order(order, trader.true_order(sent))
        cancelled = await trader.handle.cancel_order(sent.id, symbol)
    assert (cancelled.status, cancelled.filled) == (OrderStatus.CANCELED, best)
    check_order(cancelled, trader.true_order(sent))
    history = {o.id: o for o in await trader.handle.get_order_history(symbol)}
    check_order(history[sent.id], trader.true_order(sent))
    own = [fill for fill in await trader.handle.get_trade_history(symbol) if fill.order_id == sent.id]
    assert sum(fill.amount for fill in own) == best


@BOTH
async def test_an_ioc_order_takes_what_is_there_and_its_rest_is_over(trader: Trader, symbol: str) -> None:
    async with standing(trader, symbol):
        price, best, amount = await more_than_the_best(trader, symbol)
        sent = await trader.send(
            symbol, type=OrderType.LIMIT, price=price, amount=amount, time_in_force=TimeInForce.IOC
        )
    order = await trader.asked(sent)
    assert order.status in ENDED
    assert (order.filled, order.amount, order.time_in_force) == (best, amount, TimeInForce.IOC)
    check_order(order, trader.true_order(sent))
    assert list(await trader.handle.get_open_orders(symbol)) == []
    (ended,) = [o for o in await trader.handle.get_order_history(symbol) if o.id == sent.id]
    check_order(ended, trader.true_order(sent))


@BOTH
async def test_a_fok_order_fills_whole_or_not_at_all(trader: Trader, symbol: str) -> None:
    async with standing(trader, symbol):
        price, best, amount = await more_than_the_best(trader, symbol)
        fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": price, "time_in_force": TimeInForce.FOK}
        nothing = await trader.send(symbol, amount=amount, **fields)
        order = await trader.asked(nothing)
        assert (order.status in ENDED, order.filled) == (True, 0)
        check_order(order, trader.true_order(nothing))
        assert trader.true_fills() == ()
        whole = await trader.send(symbol, amount=best, **fields)
    order = await trader.asked(whole)
    assert (order.status, order.filled, order.time_in_force) == (OrderStatus.FILLED, best, TimeInForce.FOK)
    check_order(order, trader.true_order(whole))


@BOTH
async def test_a_post_only_order_that_would_take_never_does(trader: Trader, symbol: str) -> None:
    """Binance refuses it; the others take it in and end it."""
    price = await trader.price(symbol, "-0.02")
    try:
        sent = await trader.send(symbol, type=OrderType.LIMIT, price=price, post_only=True)
    except InvalidOrder:
        pass
    else:
        order = await trader.asked(sent)
        assert order.status in (*ENDED, OrderStatus.REJECTED)
        assert order.filled == 0
    assert trader.true_fills() == ()
    assert trader.engine.open_orders(trader.account.name) == ()
    assert list(await trader.handle.get_open_orders(symbol)) == []


@BOTH
async def test_a_post_only_order_that_rests_says_so(trader: Trader, symbol: str) -> None:
    sent = await trader.send(symbol, type=OrderType.LIMIT, price=await trader.price(symbol, "0.02"), post_only=True)
    order = await trader.asked(sent)
    assert (order.status, order.post_only) == (OrderStatus.OPEN, True)
    assert trader.true_order(sent).post_only


async def test_all_open_orders_are_cancelled_at_once(trader: Trader) -> None:
    sent = [
        await trader.send(symbol, type=OrderType.LIMIT, price=await trader.price(symbol, away))
        for symbol in (SPOT, LINEAR)
        for away in ("0.05", "0.06")
    ]
    spot = await trader.handle.cancel_all_orders(SPOT)
    assert {(order.id, order.status) for order in spot} == {(order.id, OrderStatus.CANCELED) for order in sent[:2]}
    rest = await trader.handle.cancel_all_orders()
    assert {(order.id, order.status) for order in rest} == {(order.id, OrderStatus.CANCELED) for order in sent[2:]}
    assert trader.engine.open_orders(trader.account.name) == ()
    assert list(await trader.handle.cancel_all_orders()) == []


async def test_a_market_order_is_found_as_one(trader: Trader) -> None:
    sent = await trader.send()
    order = await trader.asked(sent)
    assert (order.type, order.status, order.price) == (OrderType.MARKET, OrderStatus.FILLED, None)


# --- money on spot


async def test_a_quote_sized_buy_spends_no_more_than_it_says(trader: Trader) -> None:
    sent = await trader.send(SPOT, quote_amount=Decimal(1000))
    order, true = await trader.asked(sent), trader.true_order(sent)
    check_order(order, true)
    assert order.quote_amount == 1000
    assert Decimal(990) < true.cost <= 1000
    assert order.amount in (None, order.filled)
    assert order.status is OrderStatus.FILLED
    spent = WEALTH["USDT"] - trader.balance("USDT", SPOT).total
    assert spent == true.cost
    held = {b.asset: b for b in await trader.handle.get_balance("spot")}
    assert {asset: held[asset].total for asset in ("BTC", "USDT")} == {
        asset: trader.balance(asset, SPOT).total for asset in ("BTC", "USDT")
    }


@pytest.mark.parametrize("trader", [name for name in VENUES if name != "htx"], indirect=True)
async def test_a_market_buy_by_coins_buys_these_coins(trader: Trader) -> None:
    sent = await trader.send(SPOT, amount=Decimal("0.0123"))
    order = await trader.asked(sent)
    assert (order.status, order.filled, order.amount) == (OrderStatus.FILLED, Decimal("0.0123"), Decimal("0.0123"))
    check_order(order, trader.true_order(sent))


async def test_coins_are_sold_at_the_market(trader: Trader) -> None:
    sent = await trader.send(SPOT, Side.SELL, amount=Decimal("0.02"))
    order = await trader.asked(sent)
    assert (order.status, order.filled) == (OrderStatus.FILLED, Decimal("0.02"))
    check_order(order, trader.true_order(sent))


# --- positions


async def test_a_reduce_only_order_closes_and_opens_nothing(trader: Trader) -> None:
    await trader.send(amount=LOT)
    await trader.send(side=Side.SELL, amount=LOT, reduce_only=True)
    assert trader.true_positions() == ()
    assert list(await trader.handle.get_positions()) == []
    with pytest.raises(InvalidOrder) as caught:
        await trader.send(side=Side.SELL, amount=LOT, reduce_only=True)
    assert caught.value.code
    assert trader.true_positions() == ()


async def test_a_resting_reduce_only_order_says_so(trader: Trader) -> None:
    await trader.send(amount=LOT)
    price = await trader.price(LINEAR, "0.05", Side.SELL)
    sent = await trader.send(side=Side.SELL, type=OrderType.LIMIT, price=price, amount=LOT, reduce_only=True)
    assert (await trader.asked(sent)).reduce_only is True
    assert trader.true_order(sent).reduce_only


async def test_a_position_turns_when_more_is_sold_than_held(trader: Trader) -> None:
    await trader.send(amount=LOT)
    await trader.send(side=Side.SELL, amount=3 * LOT)
    (position,) = await trader.handle.get_positions(LINEAR)
    (true,) = trader.true_positions()
    assert (position.side, position.amount, true.amount) == (PositionSide.SHORT, 2 * LOT, -2 * LOT)


async def test_hedge_mode_holds_a_long_and_a_short_and_closes_each(trader: Trader) -> None:
    handle = trader.handle
    await handle.set_position_mode(PositionMode.HEDGE)
    await handle.set_position_mode(PositionMode.HEDGE)
    await trader.send(side=Side.BUY, position_side=PositionSide.LONG, amount=2 * LOT)
    await trader.send(side=Side.SELL, position_side=PositionSide.SHORT, amount=LOT)
    assert {p.side: (p.amount, p.hedge_mode) for p in await handle.get_positions()} == {
        PositionSide.LONG: (2 * LOT, True),
        PositionSide.SHORT: (LOT, True),
    }
    sent = await trader.send(side=Side.SELL, position_side=PositionSide.LONG, amount=LOT, reduce_only=True)
    assert (await trader.asked(sent)).position_side is PositionSide.LONG
    assert {p.side: p.amount for p in await handle.get_positions()} == dict.fromkeys(
        (PositionSide.LONG, PositionSide.SHORT), LOT
    )
    with pytest.raises(ExchangeAPIError) as caught:
        await handle.set_position_mode(PositionMode.ONE_WAY)
    assert caught.value.code
    await trader.send(side=Side.BUY, position_side=PositionSide.SHORT, amount=LOT)
    await trader.send(side=Side.SELL, position_side=PositionSide.LONG, amount=LOT)
    assert (list(await handle.get_positions()), trader.true_positions()) == ([], ())
    await handle.set_position_mode(PositionMode.ONE_WAY)
    await trader.send(side=Side.SELL, amount=LOT)
    assert [(p.side, p.hedge_mode) for p in await handle.get_positions()] == [(PositionSide.SHORT, False)]


async def test_a_side_that_does_not_fit_the_position_mode_is_refused_before_it_is_sent(trader: Trader) -> None:
    with pytest.raises(InvalidOrder, match="one-way mode"):
        await trader.send(position_side=PositionSide.LONG)
    await trader.handle.set_position_mode(PositionMode.HEDGE)
    with pytest.raises(InvalidOrder, match="hedge mode: give position_side LONG or SHORT"):
        await trader.send()
    with pytest.raises(InvalidOrder, match="cannot be reduce"):
        await trader.send(position_side=PositionSide.LONG, reduce_only=True)
    assert trader.true_orders() == ()


async def test_an_account_that_is_in_hedge_mode_already_is_asked_for_its_mode(
    request: pytest.FixtureRequest, venues: Mapping[str, Venue]
) -> None:
    for name in VENUES:
        async with trading(venues[name], new_account(hedge=True)) as trader:
            with pytest.raises(InvalidOrder, match="hedge mode"):
                await trader.send()
            await trader.send(side=Side.SELL, position_side=PositionSide.SHORT)
            assert [(p.side, p.amount) for p in await trader.handle.get_positions()] == [(PositionSide.SHORT, LOT)]


async def test_leverage_is_set_before_and_with_a_position(trader: Trader) -> None:
    name = trader.true_name(LINEAR)
    await trader.handle.set_leverage(LINEAR, 5)
    await trader.handle.set_leverage(LINEAR, 5)
    assert trader.engine.leverage(trader.account.name, name) == 5
    await trader.send()
    assert [p.leverage for p in await trader.handle.get_positions(LINEAR)] == [5]
    await trader.handle.set_leverage(LINEAR, 7)
    assert trader.engine.leverage(trader.account.name, name) == 7
    assert [p.leverage for p in await trader.handle.get_positions(LINEAR)] == [7]
    await trader.send()
    assert [p.amount for p in await trader.handle.get_positions(LINEAR)] == [2 * LOT]


async def test_the_margin_mode_is_set_where_it_is_a_setting(trader: Trader) -> None:
    handle = trader.handle
    if not handle.capabilities.support(Operation.SET_MARGIN_MODE, MarketKind.LINEAR_SWAP):
        before = trader.venue.stats.requests
        with pytest.raises(NotSupported):
            await handle.set_margin_mode(LINEAR, MarginMode.ISOLATED)
        assert trader.venue.stats.requests == before
        return
    await handle.set_margin_mode(LINEAR, MarginMode.ISOLATED)
    await handle.set_margin_mode(LINEAR, MarginMode.ISOLATED)
    assert trader.engine.margin_mode(trader.account.name, trader.true_name(LINEAR)) is TrueMarginMode.ISOLATED
    await trader.send()
    assert [p.margin_mode for p in await handle.get_positions(LINEAR)] == [MarginMode.ISOLATED]


# --- orders that wait for a price


@pytest.mark.parametrize("kind", [OrderType.STOP, OrderType.TAKE_PROFIT])
@pytest.mark.parametrize("limit", [False, True], ids=["market", "limit"])
@BOTH
async def test_a_conditional_order_waits_and_is_cancelled_or_is_refused_before_it_is_sent(
    trader: Trader, symbol: str, kind: OrderType, limit: bool
) -> None:
    name = trader.venue.name
    if symbol == LINEAR:
        await trader.send(symbol)
    trigger = await trader.price(symbol, "0.05" if kind is OrderType.STOP else "-0.05")
    price = await trader.price(symbol, "0.06" if kind is OrderType.STOP else "-0.04") if limit else None
    fields: dict[str, Any] = {"type": kind, "trigger_price": trigger, "price": price, "amount": Decimal("0.05")}
    if (name, symbol, limit) in CONDITIONALS:
        sent = await trader.send(symbol, Side.SELL, **fields)
        asked = [
            await trader.handle.get_order(sent.id, symbol),
            await trader.handle.get_order(client_order_id=sent.client_order_id, symbol=symbol),
            *await trader.handle.get_open_orders(symbol),
        ]
        assert [(o.id, o.type, o.status, o.trigger_price, o.price) for o in asked] == [
            (sent.id, kind, OrderStatus.OPEN, trigger, price)
        ] * 3
        cancelled = await trader.handle.cancel_order(sent.id, symbol)
        assert (cancelled.id, cancelled.status, cancelled.filled) == (sent.id, OrderStatus.CANCELED, 0)
        assert trader.engine.open_orders(trader.account.name) == ()
        return
    before = trader.orders_asked_for
    with pytest.raises(NotSupported):
        await trader.send(symbol, Side.SELL, **fields)
    assert trader.orders_asked_for == before


CONDITIONALS = {
    *((name, symbol, limit) for name in ("binance", "okx") for symbol in (SPOT, LINEAR) for limit in (True, False)),
    ("bybit", LINEAR, False),
    ("bybit", LINEAR, True),
    ("htx", SPOT, True),
}
"""(venue, symbol, whether it becomes a limit order): the others are refused."""


# --- what is refused before anything is sent

CANNOT: Mapping[str, tuple[str, dict[str, Any], frozenset[str]]] = {
    "FOK at the market, linear": (LINEAR, {"time_in_force": TimeInForce.FOK}, frozenset(VENUES) - {"htx"}),
    "FOK at the market, spot": (
        SPOT, {"time_in_force": TimeInForce.FOK, "side": Side.SELL}, frozenset(VENUES)
    ),
    "coins at the market, spot": (SPOT, {}, frozenset({"htx"})),
    "reduce-only, spot": (SPOT, {"reduce_only": True, "side": Side.SELL}, frozenset(VENUES)),
    "quote-sized, linear": (LINEAR, {"quote_amount": Decimal(1000)}, frozenset(VENUES)),
    "quote-sized sell, spot": (SPOT, {"quote_amount": Decimal(1000), "side": Side.SELL}, frozenset(VENUES)),
    "position side, spot": (SPOT, {"position_side": PositionSide.LONG, "side": Side.SELL}, frozenset(VENUES)),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT)
async def test_what_a_venue_cannot_do_is_refused_before_anything_is_sent(trader: Trader, case: str) -> None:
    symbol, fields, refusing = CANNOT[case]
    before = trader.orders_asked_for
    if trader.venue.name not in refusing:
        sent = await trader.send(symbol, **fields)
        assert (await trader.asked(sent)).filled == LOT
        return
    with pytest.raises((NotSupported, InvalidOrder)) as caught:
        await trader.send(symbol, **fields)
    assert caught.value.code is None
    assert trader.orders_asked_for == before
    assert trader.true_orders() == ()


async def test_an_empty_cell_of_the_matrix_is_refused_before_anything_is_sent(trader: Trader) -> None:
    handle, tried = trader.handle, 0
    of_kind: dict[MarketKind, Symbol] = {}
    for symbol in handle.symbols:
        of_kind.setdefault(symbol.kind, symbol)
    calls: dict[Operation, Any] = {
        Operation.GET_POSITIONS: handle.get_positions,
        Operation.GET_FUNDING_PAYMENTS: handle.get_funding_payments,
        Operation.SET_LEVERAGE: lambda symbol: handle.set_leverage(symbol, 5),
        Operation.SET_MARGIN_MODE: lambda symbol: handle.set_margin_mode(symbol, MarginMode.CROSS),
        Operation.CREATE_ORDER: lambda symbol: trader.send(symbol.name),
        Operation.CANCEL_ORDER: lambda symbol: handle.cancel_order("1", symbol),
        Operation.CANCEL_ALL_ORDERS: handle.cancel_all_orders,
        Operation.GET_ORDER: lambda symbol: handle.get_order("1", symbol),
        Operation.GET_OPEN_ORDERS: handle.get_open_orders,
        Operation.GET_ORDER_HISTORY: handle.get_order_history,
        Operation.GET_TRADE_HISTORY: handle.get_trade_history,
    }
    before = trader.venue.stats.requests
    for operation, call in calls.items():
        for kind, symbol in of_kind.items():
            if not handle.capabilities.support(operation, kind):
                with pytest.raises(NotSupported):
                    await call(symbol)
                tried += 1
    assert tried >= 3
    assert trader.venue.stats.requests == before


@pytest.mark.parametrize("which", ["get_order", "cancel_order"])
async def test_an_order_without_its_symbol_is_refused_where_the_venue_needs_it(trader: Trader, which: str) -> None:
    before = trader.venue.stats.requests
    with pytest.raises(NotSupported, match="needs the symbol"):
        await getattr(trader.handle, which)("123456")
    assert trader.venue.stats.requests == before


async def test_a_wallet_that_is_not_there_is_refused_by_name(trader: Trader) -> None:
    before = trader.venue.stats.requests
    with pytest.raises(NotSupported, match="spot"):
        await trader.handle.get_balance("savings")
    assert trader.venue.stats.requests == before

"""An account of HTX traded end to end: the adapter under the host, over real sockets, against the emulated venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from fra.core import (
    Balance,
    ExchangeAuthError,
    ExchangeHandle,
    Fill,
    InsufficientFunds,
    InvalidOrder,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PermissionDenied,
    Position,
    PositionMode,
    PositionSide,
    Secret,
    Side,
    Subscription,
    TimeInForce,
    UserEvent,
    connect,
)
from fra.emulator import Account, Emulator, HtxVenue

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
TRADER = Account(key="trader-key", secret="trader-secret", balances={"USDT": Decimal(100_000), "BTC": Decimal(2)})
READER = Account(key="reader-key", secret="reader-secret", may_trade=False)
QUICK = {"reconnect_delay": 0.05, "reconnect_max_delay": 0.2}
KINDS = pytest.mark.parametrize("multi", [False, True], ids=["single", "multi"])


@asynccontextmanager
async def running(
    *, key: str = "trader-key", secret: str = "trader-secret", multi: bool = False, **settings: Any
) -> AsyncIterator[tuple[HtxVenue, ExchangeHandle]]:
    async with (
        Emulator(["htx"], seed=7, accounts=[TRADER, READER], htx_multi_assets=multi, **settings) as emulator,
        connect(
            "htx",
            base_url=emulator.htx.markets,
            api_key=Secret(key),
            secret_key=Secret(secret),
            options=QUICK,
        ) as htx,
    ):
        yield emulator.htx, htx


def request(symbol: str, side: Side, amount: str, price: Decimal | None = None, **more: Any) -> OrderRequest:
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return OrderRequest(symbol=symbol, side=side, type=kind, amount=Decimal(amount), price=price, **more)


async def far(htx: ExchangeHandle, symbol: str, side: Side) -> Decimal:
    """A price at which nothing happens."""
    book = await htx.get_orderbook(symbol)
    best = book.bids[0].price if side is Side.BUY else book.asks[0].price
    return htx.symbol(symbol).round_price(best * (Decimal("0.95") if side is Side.BUY else Decimal("1.05")), side)


async def ended(htx: ExchangeHandle, order: Order) -> Order:
    assert order.id is not None
    async with asyncio.timeout(10):
        while not (order := await htx.get_order(order.id, order.symbol)).status.final:
            pass
    return order


# --- orders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("symbol", "multi"), [(SPOT, False), (SWAP, False), (SWAP, True)])
async def test_an_order_rests_is_found_by_both_ids_and_is_cancelled(symbol: str, multi: bool) -> None:
    async with running(multi=multi) as (_, htx):
        price = await far(htx, symbol, Side.BUY)
        placed = await htx.create_order(request(symbol, Side.BUY, "0.01", price))
        assert placed.id is not None
        found = await htx.get_order(placed.id, symbol)
        assert (found.status, found.filled, found.amount, found.price) == (
            OrderStatus.OPEN,
            Decimal(0),
            Decimal("0.01"),
            price,
        )
        by_client = await htx.get_order(None, symbol, client_order_id=placed.client_order_id)
        assert by_client.id == placed.id
        assert [order.id for order in await htx.get_open_orders(symbol)] == [placed.id]
        assert placed.id in [order.id for order in await htx.get_open_orders()]
        cancelled = await htx.cancel_order(placed.id, symbol)
        assert (cancelled.status, cancelled.filled) == (OrderStatus.CANCELED, Decimal(0))
        assert await htx.get_open_orders() == []
        with pytest.raises(OrderNotFound):
            await htx.cancel_order(placed.id, symbol)


@pytest.mark.parametrize(("symbol", "multi"), [(SPOT, False), (SWAP, False), (SWAP, True)])
async def test_cancel_all_gives_what_was_cancelled(symbol: str, multi: bool) -> None:
    async with running(multi=multi) as (_, htx):
        price = await far(htx, symbol, Side.BUY)
        placed = [await htx.create_order(request(symbol, Side.BUY, "0.01", price)) for _ in range(3)]
        cancelled = await htx.cancel_all_orders(symbol)
        assert {order.id for order in cancelled} == {order.id for order in placed}
        assert {order.status for order in cancelled} == {OrderStatus.CANCELED}
        assert await htx.cancel_all_orders(symbol) == []


@pytest.mark.parametrize(("symbol", "multi"), [(SPOT, False), (SWAP, False), (SWAP, True)])
async def test_an_ioc_order_fills_and_its_fills_add_up(symbol: str, multi: bool) -> None:
    async with running(multi=multi) as (_, htx):
        book = await htx.get_orderbook(symbol)
        price = htx.symbol(symbol).round_price(book.asks[0].price * Decimal("1.01"), Side.BUY)
        ioc = request(symbol, Side.BUY, "0.02", price, time_in_force=TimeInForce.IOC)
        order = await ended(htx, await htx.create_order(ioc))
        assert (order.status, order.filled) == (OrderStatus.FILLED, Decimal("0.02"))
        fills = [fill for fill in await htx.get_trade_history(symbol) if fill.order_id == order.id]
        assert sum(fill.amount for fill in fills) == Decimal("0.02")
        assert len({fill.trade_id for fill in fills}) == len(fills)
        assert all(fill.fee is not None and fill.fee > 0 and fill.maker is False for fill in fills)
        worth = sum((fill.amount * fill.price for fill in fills), Decimal(0))
        assert order.average_price is not None
        assert abs(order.average_price - worth / order.filled) < Decimal("0.1")
        assert order.id in [past.id for past in await htx.get_order_history(symbol)]


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
async def test_what_cannot_fill_at_once_never_rests(force: TimeInForce) -> None:
    async with running() as (_, htx):
        for symbol in (SPOT, SWAP):
            price = await far(htx, symbol, Side.BUY)
            order = await htx.create_order(request(symbol, Side.BUY, "0.01", price, time_in_force=force))
            past = await ended(htx, order)
            assert (past.status.final, past.filled) == (True, Decimal(0))
        assert await htx.get_open_orders() == []


async def test_spot_market_orders_by_value_and_by_amount() -> None:
    async with running() as (_, htx):
        spend = OrderRequest(symbol=SPOT, side=Side.BUY, type=OrderType.MARKET, quote_amount=Decimal(500))
        bought = await ended(htx, await htx.create_order(spend))
        assert bought.status is OrderStatus.FILLED
        assert bought.quote_amount == Decimal(500)
        assert bought.amount == bought.filled > 0
        sold = await ended(htx, await htx.create_order(request(SPOT, Side.SELL, "0.01")))
        assert (sold.status, sold.filled) == (OrderStatus.FILLED, Decimal("0.01"))
        free = {balance.asset: balance.free for balance in await htx.get_balance("spot")}
        assert free["BTC"] > 1


# --- the account of swaps ----------------------------------------------------------------------------------------


@KINDS
async def test_a_position_opens_turns_and_closes_in_one_way_mode(multi: bool) -> None:
    async with running(multi=multi) as (_, htx):
        await htx.set_leverage(SWAP, Decimal(3))
        await ended(htx, await htx.create_order(request(SWAP, Side.BUY, "0.02")))
        (position,) = await htx.get_positions()
        assert (position.side, position.amount, position.hedge_mode) == (PositionSide.LONG, Decimal("0.02"), False)
        assert (position.symbol, position.leverage) == (SWAP, Decimal(3))
        assert position.entry_price is not None
        await ended(htx, await htx.create_order(request(SWAP, Side.SELL, "0.05")))
        (position,) = await htx.get_positions(SWAP)
        assert (position.side, position.amount) == (PositionSide.SHORT, Decimal("0.03"))
        await ended(htx, await htx.create_order(request(SWAP, Side.BUY, "0.03", reduce_only=True)))
        assert await htx.get_positions() == []


@KINDS
async def test_hedge_mode_holds_both_sides(multi: bool) -> None:
    async with running(multi=multi) as (_, htx):
        await htx.set_position_mode(PositionMode.HEDGE)
        await htx.set_position_mode(PositionMode.HEDGE)
        with pytest.raises(InvalidOrder, match="hedge mode"):
            await htx.create_order(request(SWAP, Side.BUY, "0.01"))
        long, short = PositionSide.LONG, PositionSide.SHORT
        await ended(htx, await htx.create_order(request(SWAP, Side.BUY, "0.01", position_side=long)))
        await ended(htx, await htx.create_order(request(SWAP, Side.SELL, "0.02", position_side=short)))
        held = {(p.side, p.amount, p.hedge_mode) for p in await htx.get_positions()}
        assert held == {(long, Decimal("0.01"), True), (short, Decimal("0.02"), True)}
        closing = request(SWAP, Side.SELL, "0.01", position_side=long, reduce_only=True)
        await ended(htx, await htx.create_order(closing))
        assert [p.side for p in await htx.get_positions()] == [short]


@KINDS
async def test_funding_is_found_among_the_payments(multi: bool) -> None:
    async with running(multi=multi, settle_in_s=2.0) as (_, htx):
        await ended(htx, await htx.create_order(request(SWAP, Side.BUY, "0.05")))
        first = await htx.get_funding_rate(SWAP)
        async with asyncio.timeout(15), htx.subscribe_funding_rate(SWAP) as rates:
            while (await anext(rates)).next_settlement_ms == first.next_settlement_ms:
                pass
            while not (payments := await htx.get_funding_payments(SWAP)):
                pass
        assert [(p.symbol, p.asset) for p in payments] == [(SWAP, "USDT")]
        rate = (await htx.get_funding_rate_history(SWAP, limit=1))[-1]
        assert (payments[0].amount < 0) is (rate.rate > 0)


@KINDS
async def test_the_wallets_of_both_markets(multi: bool) -> None:
    async with running(multi=multi) as (_, htx):
        found = {(b.market, b.asset): b for b in await htx.get_balance()}
        assert found["spot", "BTC"].total == Decimal(2)
        assert found["linear", "USDT"].total == Decimal(100_000)


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("symbol", "multi"), [(SPOT, False), (SWAP, False), (SWAP, True)])
@pytest.mark.parametrize(
    ("key", "secret", "kind"),
    [("nobodys-key", "trader-secret", ExchangeAuthError), ("trader-key", "wrong", ExchangeAuthError)],
)
async def test_a_wrong_key_or_secret(symbol: str, multi: bool, key: str, secret: str, kind: type[Exception]) -> None:
    async with running(key=key, secret=secret, multi=multi) as (_, htx):
        with pytest.raises(kind) as caught:
            await htx.get_open_orders(symbol)
        assert not isinstance(caught.value, PermissionDenied)
        assert secret not in str(caught.value)


@pytest.mark.parametrize(("symbol", "multi"), [(SPOT, False), (SWAP, False), (SWAP, True)])
async def test_a_key_that_may_not_trade(symbol: str, multi: bool) -> None:
    async with running(key="reader-key", secret="reader-secret", multi=multi) as (_, htx):
        price = await far(htx, symbol, Side.BUY)
        with pytest.raises(PermissionDenied):
            await htx.create_order(request(symbol, Side.BUY, "0.01", price))


@pytest.mark.parametrize(("symbol", "multi"), [(SPOT, False), (SWAP, False), (SWAP, True)])
async def test_more_than_the_account_has(symbol: str, multi: bool) -> None:
    async with running(multi=multi) as (_, htx):
        price = await far(htx, symbol, Side.BUY)
        with pytest.raises(InsufficientFunds):
            await htx.create_order(request(symbol, Side.BUY, "200", price))


# --- the account's stream ----------------------------------------------------------------------------------------


class Heard:
    """What the stream told, and something to wait on."""

    def __init__(self, subscription: Subscription[UserEvent]) -> None:
        self.events: list[UserEvent] = []
        self._changed = asyncio.Event()
        subscription.add_listener(self._hear)

    def _hear(self, event: UserEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def of(self, kind: type[Any], **fields: object) -> list[Any]:
        return [
            event
            for event in self.events
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())
        ]

    async def until(self, condition: Callable[[], object], *, within: float = 15.0) -> None:
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.mark.parametrize(
    ("symbol", "market", "multi"), [(SPOT, "spot", False), (SWAP, "linear", False), (SWAP, "linear", True)]
)
async def test_the_stream_tells_of_orders_fills_and_balances(symbol: str, market: str, multi: bool) -> None:
    async with running(multi=multi) as (_, htx), htx.subscribe_user_data() as events:
        heard = Heard(events)
        await events.ready()
        price = await far(htx, symbol, Side.BUY)
        resting = await htx.create_order(request(symbol, Side.BUY, "0.01", price))
        await heard.until(lambda: heard.of(Order, id=resting.id, status=OrderStatus.OPEN))
        await htx.cancel_order(resting.id, symbol)
        await heard.until(lambda: heard.of(Order, id=resting.id, status=OrderStatus.CANCELED))
        book = await htx.get_orderbook(symbol)
        price = htx.symbol(symbol).round_price(book.asks[0].price * Decimal("1.01"), Side.BUY)
        taking = request(symbol, Side.BUY, "0.02", price, time_in_force=TimeInForce.IOC)
        placed = await htx.create_order(taking)
        await heard.until(lambda: heard.of(Order, id=placed.id, status=OrderStatus.FILLED))
        await heard.until(lambda: sum(fill.amount for fill in heard.of(Fill, order_id=placed.id)) == Decimal("0.02"))
        fills = heard.of(Fill, order_id=placed.id)
        assert len({fill.trade_id for fill in fills}) == len(fills)
        asked = [fill for fill in await htx.get_trade_history(symbol) if fill.order_id == placed.id]
        assert {fill.trade_id for fill in asked} == {fill.trade_id for fill in fills}
        if not multi:  # whose pushes tell no fee
            fees = {fill.trade_id: (fill.fee, fill.fee_asset) for fill in asked}
            assert {fill.trade_id: (fill.fee, fill.fee_asset) for fill in fills} == fees
        await heard.until(lambda: heard.of(Balance, market=market, asset="USDT"))


@KINDS
async def test_the_stream_tells_when_a_position_is_closed(multi: bool) -> None:
    async with running(multi=multi) as (_, htx), htx.subscribe_user_data() as events:
        heard = Heard(events)
        await events.ready()
        await ended(htx, await htx.create_order(request(SWAP, Side.BUY, "0.02")))
        await heard.until(lambda: heard.of(Position, side=PositionSide.LONG, amount=Decimal("0.02")))
        await ended(htx, await htx.create_order(request(SWAP, Side.SELL, "0.03")))
        await heard.until(lambda: heard.of(Position, side=PositionSide.SHORT, amount=Decimal("0.01")))
        await heard.until(lambda: heard.of(Position, side=PositionSide.LONG, amount=Decimal(0)))
        await ended(htx, await htx.create_order(request(SWAP, Side.BUY, "0.01", reduce_only=True)))
        await heard.until(lambda: heard.of(Position, side=PositionSide.SHORT, amount=Decimal(0)))


@KINDS
async def test_what_happened_during_a_cut_is_told_after_it(multi: bool) -> None:
    async with running(multi=multi) as (venue, htx), htx.subscribe_user_data() as events:
        heard = Heard(events)
        await events.ready()
        price = {symbol: await far(htx, symbol, Side.BUY) for symbol in (SPOT, SWAP)}
        before = {s: await htx.create_order(request(s, Side.BUY, "0.01", price[s])) for s in (SPOT, SWAP)}
        for order in before.values():
            await heard.until(lambda order=order: heard.of(Order, id=order.id, status=OrderStatus.OPEN))
        venue.refuse_connections()
        venue.cut()
        taken = {}
        for symbol in (SPOT, SWAP):
            await htx.cancel_order(before[symbol].id, symbol)
            book = await htx.get_orderbook(symbol)
            at = htx.symbol(symbol).round_price(book.asks[0].price * Decimal("1.01"), Side.BUY)
            ioc = request(symbol, Side.BUY, "0.02", at, time_in_force=TimeInForce.IOC)
            taken[symbol] = await htx.create_order(ioc)
        seen = len(heard.events)
        venue.refuse_connections(False)

        def filled(order: Order) -> Decimal:
            return sum((fill.amount for fill in heard.of(Fill, order_id=order.id)), Decimal(0))

        await heard.until(lambda: all(filled(order) == Decimal("0.02") for order in taken.values()))
        for order in taken.values():
            await heard.until(lambda order=order: heard.of(Order, id=order.id, status=OrderStatus.FILLED))
        assert len(heard.events) > seen

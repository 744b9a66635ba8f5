"""Orders as tests send them: how much, at which price, and what a round of them told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

import attrs

from fra.core import (
    Fill,
    FraError,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    Side,
    Subscription,
    Symbol,
    UserEvent,
)
from fra.testkit.bench import Bench
from fra.testkit.judgements import now_ms
from fra.testkit.outcomes import Broken, NotEvaluated

AWAY: Final = Decimal("0.03")
"""How far from the best price an order rests, as a share: within the bands of every venue."""
_POLL_S: Final = 0.02
_numbers = itertools.count(1)


@attrs.frozen
class Market:
    """One symbol to trade on: its rules, its book a moment ago, and how much one order is for."""

    symbol: Symbol
    book: OrderBook
    amount: Decimal

    @classmethod
    async def of(cls, bench: Bench, kind: MarketKind) -> Market:
        """Raises NotEvaluated when there is no book to find a price in."""
        symbol = await bench.symbol(kind)
        book = await bench.fresh(Operation.GET_ORDERBOOK, bench.handle.get_orderbook(symbol, depth=20))
        if book.best_bid is None or book.best_ask is None:
            raise NotEvaluated(f"nobody offers {symbol.name}")
        return cls(symbol, book, bench.venue.amounts.get(symbol.name) or least(symbol, book.best_bid.price))

    def resting(self) -> Decimal:
        """A price to buy at that nobody sells at."""
        assert self.book.best_bid is not None
        return self.symbol.round_price(self.book.best_bid.price * (1 - AWAY), Side.BUY)

    def taking(self) -> Decimal:
        """A price to buy at that takes."""
        assert self.book.best_ask is not None
        return self.symbol.round_price(self.book.best_ask.price * (1 + AWAY / 3), Side.BUY)

    def buy(self, price: Decimal | None, amount: Decimal | None = None, **fields: Any) -> OrderRequest:
        """A limit order, or a market order where there is no price."""
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        amount = self.amount if amount is None else amount
        return OrderRequest(symbol=self.symbol.name, side=Side.BUY, type=kind, amount=amount, price=price, **fields)


def least(symbol: Symbol, price: Decimal) -> Decimal:
    """The smallest order that the symbol's rules allow 3 % below this price, and a little more."""
    notional = (symbol.min_notional or Decimal(0)) * Decimal("1.2")
    needed = max(
        symbol.min_amount or symbol.lot_size, symbol.lot_size, notional if symbol.inverse else notional / price
    )
    return (needed / symbol.lot_size).to_integral_value(ROUND_CEILING) * symbol.lot_size


def fresh_id() -> str:
    """A client order id that no order has: sixteen digits, as every venue takes them."""
    return str(now_ms() * 1000 + next(_numbers) % 1000)


async def send(bench: Bench, request: OrderRequest) -> Order:
    """Send an order. Raises NotEvaluated when it fails: another test is about that."""
    try:
        return await bench.handle.create_order(request)
    except FraError as error:
        raise NotEvaluated(f"orders fail, which another test judges: {error}") from None


async def ended(bench: Bench, order: Order) -> Order:
    """The order once nothing more can happen to it. Raises Broken when that does not come."""
    try:
        async with asyncio.timeout(bench.venue.patience):
            while not order.status.final:
                await asyncio.sleep(_POLL_S)
                try:
                    order = await bench.handle.get_order(order.id, order.symbol)
                except OrderNotFound:  # not yet known where it is asked
                    continue
            return order
    except TimeoutError:
        raise Broken(
            f"an order that must have ended is still {order.status.value}, filled {order.filled} of {order.amount}"
            " → map the venue's statuses"
        ) from None


async def withdraw(bench: Bench, order: Order) -> None:
    """Take it off the book, whatever became of it meanwhile."""
    try:
        if bench.claims(Operation.CANCEL_ORDER):
            await bench.handle.cancel_order(order.id, order.symbol)
    except FraError:
        pass


async def held(bench: Bench, symbol: Symbol) -> Decimal:
    """The position in a symbol as the adapter tells it, negative when short."""
    positions: list[Position] = [*await bench.handle.get_positions(symbol)]
    return sum((p.amount if p.side is not PositionSide.SHORT else -p.amount for p in positions), Decimal(0))


@attrs.define
class Round:
    """What the account's stream told while one order rested and was cancelled, and another took."""

    market: Market
    rested: Order
    cancelled: Order
    took: Order
    events: list[UserEvent] = attrs.field(factory=list)
    history: list[Fill] | None = None

    def orders(self, of: Order) -> list[Order]:
        return [event for event in self.events if isinstance(event, Order) and same(event, of)]

    def fills(self, of: Order) -> list[Fill]:
        return [event for event in self.events if isinstance(event, Fill) and same(event, of)]


def same(event: Order | Fill, order: Order) -> bool:
    """Whether it is of this order, by either id."""
    id_ = event.id if isinstance(event, Order) else event.order_id
    by_id = id_ is not None and id_ == order.id
    return by_id or (event.client_order_id is not None and event.client_order_id == order.client_order_id)


async def round_of_orders(bench: Bench, kind: MarketKind) -> Round:
    """The round of a market kind, played once. Raises NotEvaluated when an order of it fails: another test says so."""
    try:
        return await bench.once(f"round of {kind.value}", lambda: _play(bench, kind))
    except FraError as error:
        raise NotEvaluated(f"orders fail, which another test judges: {error}") from None


async def _play(bench: Bench, kind: MarketKind) -> Round:
    market = await Market.of(bench, kind)
    events: list[UserEvent] = []
    stream: Subscription[UserEvent] | None = None
    streams = bench.claims(Operation.SUBSCRIBE_USER_DATA, kind)
    if streams and Operation.SUBSCRIBE_USER_DATA.value not in bench.venue.not_evaluated:
        stream = bench.handle.subscribe_user_data()
        stream.add_listener(events.append)
        async with asyncio.timeout(bench.venue.patience):
            await stream.ready()
    try:
        rested = await bench.handle.create_order(market.buy(market.resting()))
        await bench.handle.cancel_order(rested.id, market.symbol)
        cancelled = await ended(bench, rested)
        took = await ended(bench, await bench.handle.create_order(market.buy(market.taking())))
        made = Round(market, rested, cancelled, took, events)
        if stream is not None:
            await _until(bench, lambda: _told(made))
        return made
    finally:
        if stream is not None:
            await stream.close()


def _told(made: Round) -> bool:
    """Whether the stream has told both ends and every fill."""
    ends = [order.status for of in (made.cancelled, made.took) for order in made.orders(of)]
    filled = sum((fill.amount for fill in made.fills(made.took)), Decimal(0))
    return OrderStatus.CANCELED in ends and OrderStatus.FILLED in ends and filled >= made.took.filled


async def _until(bench: Bench, condition: Callable[[], bool]) -> None:
    """Wait for it, and no longer than is reasonable: the tests say what is missing."""
    try:
        async with asyncio.timeout(bench.venue.patience / 2):
            while not condition():  # noqa: ASYNC110 - two things are waited for
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        pass

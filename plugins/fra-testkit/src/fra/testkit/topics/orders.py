"""Orders: sent once, as they are, followed to their end, and never called dead while nobody knows."""

from __future__ import annotations

import itertools
from decimal import Decimal

import attrs

from fra.core import (
    DuplicateOrder,
    ExchangeConnectionError,
    FraError,
    InsufficientFunds,
    InvalidOrder,
    MarketKind,
    NotSupported,
    Operation,
    Order,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderStatus,
    Side,
    TimeInForce,
)
from fra.testkit import judgements
from fra.testkit.bench import Bench
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotEvaluated, ensure, judged_elsewhere
from fra.testkit.trading import Market, ended, fresh_id, held, round_of_orders, send, withdraw

_CREATE, _CANCEL, _GET = Operation.CREATE_ORDER, Operation.CANCEL_ORDER, Operation.GET_ORDER
_LIVES = (OrderStatus.PENDING, OrderStatus.OPEN)


class OrdersConformance(Topic):
    """Real orders, small ones. Nothing here runs unless the venue says ``may_trade``."""

    topic = "orders"

    @check(_CREATE, _CANCEL, _GET, scope="kind", trading=True)
    async def test_an_order_rests_is_found_and_is_cancelled(self, bench: Bench, case: MarketKind) -> None:
        """The life of an order, by either of its ids."""
        market = await Market.of(bench, case)
        request = market.buy(market.resting())
        try:
            order = await bench.handle.create_order(request)
        except FraError as error:
            raise Broken(f"a plain limit order fails: {error} → orders are claimed for {case.value}") from error
        try:
            ensure(order.client_order_id, "the order has no client order id", "send it, and tell it")
            found = await bench.handle.get_order(client_order_id=order.client_order_id, symbol=market.symbol)
            ensure(found.id == order.id, f"by its client id it is {found.id}, and not {order.id}", "pass the id on")
            ensure(found.status in _LIVES, f"it rests and is called {found.status.value}", "map the venue's statuses")
            ensure(
                (found.price, found.amount, found.filled) == (request.price, request.amount, Decimal(0)),
                f"{request.amount} at {request.price} was ordered, and {found.amount} at {found.price} is there",
                "send both as they are (amounts converted to contracts exactly)",
            )
            if bench.claims(Operation.GET_OPEN_ORDERS, case):
                ids = [one.id for one in await bench.handle.get_open_orders(market.symbol)]
                ensure(ids.count(order.id) == 1, f"open orders name it {ids.count(order.id)} times", "page them")
            await bench.handle.cancel_order(order.id, market.symbol)
            end = await ended(bench, order)
            ensure(end.status is OrderStatus.CANCELED, f"cancelled, it is {end.status.value}", "map the statuses")
        finally:
            await withdraw(bench, order)

    @check(_CREATE, scope="kind", trading=True, counts=("bought",))
    async def test_an_amount_is_in_base_coin_at_the_venue(self, bench: Bench, case: MarketKind) -> None:
        """An amount sent as contracts is a position ten or a hundred times too large."""
        assert bench.venue.bought is not None
        market = await Market.of(bench, case)
        before = bench.venue.bought(market.symbol)
        order = await ended(bench, await send(bench, market.buy(market.taking())))
        change = bench.venue.bought(market.symbol) - before
        ensure(
            change == market.amount,
            f"{market.amount} {market.symbol.amount_unit} were ordered, and the venue's account has {change} more",
            "symbol.contracts(amount) is what is sent",
        )
        ensure(
            order.filled == market.amount,
            f"{market.amount} were bought and the order says {order.filled}",
            "symbol.amount(contracts) is what is told",
        )

    @check(_CREATE, Operation.GET_POSITIONS, scope="kind", trading=True)
    async def test_a_position_grows_by_what_was_bought(self, bench: Bench, case: MarketKind) -> None:
        """The other leg is sized by it."""
        market = await Market.of(bench, case)
        before = await held(bench, market.symbol)
        order = await ended(bench, await send(bench, market.buy(market.taking())))
        change = await held(bench, market.symbol) - before
        ensure(
            change == order.filled,
            f"{order.filled} {market.symbol.amount_unit} were bought, and the position grew by {change}",
            "positions are in base coin (quote coin for inverse), like orders",
        )

    @check(_CREATE, Operation.GET_ORDERBOOK, scope="kind", trading=True, faults=("hold_book",))
    async def test_what_a_book_offers_is_what_can_be_bought(self, bench: Bench, case: MarketKind) -> None:
        """An order for more than the best level holds takes exactly that level, if amounts are in one unit."""
        symbol = await bench.symbol(case)
        async with bench.faulty("hold_book", symbol):
            market = await Market.of(bench, case)
            best = market.book.best_ask
            assert best is not None
            with judged_elsewhere():
                judgements.book(market.book, "the book")
                judgements.on_grid(symbol, [best.price], "the book")
                judgements.amounts(symbol, [best.amount], "the book")
            request = market.buy(best.price, 2 * best.amount, time_in_force=TimeInForce.IOC)
            order = await send(bench, request)
            try:
                with judged_elsewhere():  # whether it rests
                    order = await ended(bench, order)
            finally:
                if not order.status.final:
                    await withdraw(bench, order)
        ensure(
            order.filled == best.amount,
            f"the book offers {best.amount} {symbol.amount_unit} at {best.price}, and {order.filled} could be bought",
            "symbol.amount(contracts) for books, symbol.contracts(amount) for orders",
        )

    @check(_CREATE, scope="kind", trading=True)
    async def test_a_market_order_takes(self, bench: Bench, case: MarketKind) -> None:
        """What closes a naked leg must not wait for somebody to come."""
        market = await Market.of(bench, case)
        try:
            order = await _at_the_market(bench, market)
        except (NotSupported, InvalidOrder) as error:
            bench.errors.append(error)
            raise NotEvaluated(f"it takes no market orders: {error}") from None
        try:
            end = await ended(bench, order)
        except Broken:
            await withdraw(bench, order)
            raise Broken("a market order rests → send its type, or raise NotSupported") from None
        ensure(end.status is OrderStatus.FILLED, f"it is {end.status.value}, filled {end.filled}", "map the statuses")

    @check(_CREATE, scope="kind", trading=True)
    async def test_an_ioc_order_does_not_rest(self, bench: Bench, case: MarketKind) -> None:
        """Sent as a plain limit order it would be a naked leg later."""
        await _does_not_rest(bench, case, TimeInForce.IOC)

    @check(_CREATE, scope="kind", trading=True)
    async def test_a_fok_order_does_not_rest(self, bench: Bench, case: MarketKind) -> None:
        """The same; all at once or nothing."""
        await _does_not_rest(bench, case, TimeInForce.FOK)

    @check(_CREATE, scope="kind", trading=True)
    async def test_a_post_only_order_does_not_take(self, bench: Bench, case: MarketKind) -> None:
        """It pays the taker's fee that the plan did not have."""
        market = await Market.of(bench, case)
        try:
            order = await ended(bench, await bench.handle.create_order(market.buy(market.taking(), post_only=True)))
        except (InvalidOrder, NotSupported) as error:
            bench.errors.append(error)
            return
        ensure(order.filled == 0, f"it took {order.filled}", "send post-only, or raise NotSupported")

    @check(_CREATE, scope="kind", trading=True, counts=("order_requests",))
    async def test_an_order_off_the_grid_is_refused_before_it_is_sent(self, bench: Bench, case: MarketKind) -> None:
        """Nothing is rounded in silence."""
        assert bench.venue.order_requests is not None
        market = await Market.of(bench, case)
        before = bench.venue.order_requests()
        off = market.resting() + market.symbol.tick_size / 2
        error = await bench.provoked(bench.handle.create_order(market.buy(off)))
        ensure(isinstance(error, InvalidOrder), f"it is {type(error).__name__}", "let the host check the rules")
        ensure(bench.venue.order_requests() == before, "it was sent", "let the host check the rules")

    @check(_CREATE, scope="kind", trading=True)
    async def test_an_order_that_cannot_be_paid_is_called_so(self, bench: Bench, case: MarketKind) -> None:
        """Not a failure of the network, and not to be tried again."""
        market = await Market.of(bench, case)
        price = market.resting()
        wanted = Decimal("1e12") if market.symbol.inverse else Decimal("1e12") / price
        amount = market.symbol.round_amount(min(wanted, market.symbol.max_amount or wanted))
        try:
            order = await bench.handle.create_order(market.buy(price, amount))
        except FraError as error:
            bench.errors.append(error)
            ensure(
                isinstance(error, InsufficientFunds | InvalidOrder),
                f"it is {type(error).__name__}: {error}",
                "map the venue's code to InsufficientFunds",
            )
            return
        await withdraw(bench, order)
        raise NotEvaluated("the account can pay for the largest order")

    @check(_GET, scope="kind", account=True)
    async def test_an_order_that_is_not_there_is_called_so(self, bench: Bench, case: MarketKind) -> None:
        """OrderNotFound, with the venue's code; not an error of anything else, and not an empty order."""
        symbol = await bench.symbol(case)
        error = await bench.provoked(bench.main.plugin.get_order(symbol=symbol, client_order_id=fresh_id()))
        ensure(isinstance(error, OrderNotFound), f"it is {type(error).__name__}: {error}", "map the venue's code")

    @check(_CREATE, _CANCEL, scope="kind", trading=True)
    async def test_a_second_cancel_says_that_it_is_gone(self, bench: Bench, case: MarketKind) -> None:
        """Gone is gone: OrderNotFound, or the order with its end."""
        market = await Market.of(bench, case)
        order = await send(bench, market.buy(market.resting()))
        await bench.handle.cancel_order(order.id, market.symbol)
        await ended(bench, order)
        try:
            again = await bench.main.plugin.cancel_order(order.id, market.symbol)
        except OrderNotFound as error:
            bench.errors.append(error)
            return
        except FraError as error:
            raise Broken(f"it says {type(error).__name__}: {error} → map the venue's code to OrderNotFound") from error
        ensure(again.status.final, f"cancelled twice, it is {again.status.value}", "raise OrderNotFound")

    @check(_CREATE, _CANCEL, scope="kind", trading=True)
    async def test_a_client_order_id_is_used_once(self, bench: Bench, case: MarketKind) -> None:
        """The venue's refusal of a second order of the same name is what makes asking safe."""
        market = await Market.of(bench, case)
        order = await send(bench, market.buy(market.resting()))
        try:
            request = market.buy(market.resting(), client_order_id=order.client_order_id)
            error = await bench.provoked(bench.main.plugin.create_order(request, market.symbol))
            ensure(isinstance(error, DuplicateOrder), f"it is {type(error).__name__}: {error}", "map the venue's code")
        finally:
            await withdraw(bench, order)

    @check(_CREATE, Operation.CANCEL_ALL_ORDERS, scope="kind", trading=True)
    async def test_cancelling_all_leaves_none(self, bench: Bench, case: MarketKind) -> None:
        """The emergency stop."""
        market = await Market.of(bench, case)
        orders = [await send(bench, market.buy(market.resting())) for _ in range(2)]
        await bench.handle.cancel_all_orders(market.symbol)
        ends = [(await ended(bench, order)).status for order in orders]
        ensure({*ends} == {OrderStatus.CANCELED}, f"they are {[end.value for end in ends]}", "cancel each of them")

    # --- when nobody knows

    @check(_CREATE, _GET, trading=True, faults=("lose_order_reply",), counts=("order_requests",))
    async def test_an_order_without_an_answer_is_sent_once(self, bench: Bench) -> None:
        """Sent again it is twice the position, whether the first has arrived or not."""
        for lost in (await _lose(bench, "lose_order_reply"), await _lose(bench, "lose_order_request")):
            if lost is not None:
                ensure(lost.sent <= 1, f"the order was sent {lost.sent} times", "never repeat what changes something")

    @check(_CREATE, _GET, trading=True, faults=("lose_order_reply",), counts=("order_requests",))
    async def test_an_order_without_an_answer_is_not_called_refused(self, bench: Bench) -> None:
        """Called rejected, it is a position that nobody knows of."""
        for lost in (await _lose(bench, "lose_order_reply"), await _lose(bench, "lose_order_request")):
            if lost is None:
                continue
            lives = lost.found is not None and lost.found.status in _LIVES
            said = lost.said
            ensure(
                (lives and isinstance(said, Order) and said.status in _LIVES)
                or isinstance(said, OrderOutcomeUnknown | ExchangeConnectionError),
                f"nobody knows what became of the order, and it says {said!r}",
                "no answer is OrderOutcomeUnknown (or ExchangeConnectionError)",
            )
            ensure(
                lost.switch == "lose_order_request" or lives,
                f"the order lives, and asked for by its client id it is {lost.found}",
                "find orders by client_order_id",
            )

    # --- the account's stream

    @check(_CREATE, Operation.SUBSCRIBE_USER_DATA, scope="kind", trading=True)
    async def test_the_stream_tells_the_life_of_an_order(self, bench: Bench, case: MarketKind) -> None:
        """Never backwards: after its end nothing comes, and what is filled stays filled."""
        played = await round_of_orders(bench, case)
        for order in (played.cancelled, played.took):
            life = played.orders(order)
            ensure(life, "the stream told nothing of an order", "publish the venue's updates of orders")
            states = [one.status.value for one in life]
            ensure(life[-1].status is order.status, f"{states} was told of one that is {order.status.value}", "see map")
            ensure(
                all(earlier.filled <= later.filled for earlier, later in itertools.pairwise(life))
                and not any(one.status.final for one in life[:-1] if one.status is not life[-1].status),
                f"the life of an order goes backwards: {states}",
                "publish updates in the venue's order",
            )

    @check(_CREATE, Operation.SUBSCRIBE_USER_DATA, scope="kind", trading=True)
    async def test_the_stream_tells_each_fill_once(self, bench: Bench, case: MarketKind) -> None:
        """Fills told twice are a hedge that is too large; fills not told one that is too small."""
        played = await round_of_orders(bench, case)
        fills = played.fills(played.took)
        told = sum((fill.amount for fill in fills), Decimal(0))
        ensure(
            told == played.took.filled,
            f"{played.took.filled} was filled, and {len(fills)} fills of {told} were told",
            "one Fill for each of the venue's trade ids, in base coin (quote coin for inverse)",
        )

    @check(_CREATE, Operation.GET_TRADE_HISTORY, scope="kind", trading=True)
    async def test_the_history_tells_each_fill_once(self, bench: Bench, case: MarketKind) -> None:
        """The same by asking, which is how a gap of the stream is mended."""
        played = await round_of_orders(bench, case)
        history = await bench.handle.get_trade_history(played.market.symbol)
        mine = [fill for fill in history if fill.order_id == played.took.id]
        told = sum((fill.amount for fill in mine), Decimal(0))
        ensure(
            told == played.took.filled,
            f"{played.took.filled} was filled, and the history tells of {told} in {len(mine)} fills",
            "one Fill for each of the venue's trade ids, in base coin (quote coin for inverse)",
        )


def _kind(bench: Bench) -> MarketKind:
    kinds = bench.capabilities.kinds(_CREATE)
    return MarketKind.LINEAR_SWAP if MarketKind.LINEAR_SWAP in kinds else kinds[0]


async def _at_the_market(bench: Bench, market: Market) -> Order:
    """Buy at the market: an amount, or for as much quote coin where the venue will have it so."""
    request = market.buy(None)
    try:
        return await bench.handle.create_order(request)
    except (NotSupported, InvalidOrder):
        if market.symbol.kind.is_derivative:
            raise
    worth = market.symbol.round_price(market.amount * market.taking(), Side.SELL)
    return await bench.handle.create_order(attrs.evolve(request, amount=None, quote_amount=worth))


async def _does_not_rest(bench: Bench, kind: MarketKind, how: TimeInForce) -> None:
    market = await Market.of(bench, kind)
    try:
        order = await bench.handle.create_order(market.buy(market.resting(), time_in_force=how))
    except (NotSupported, InvalidOrder) as error:
        bench.errors.append(error)
        return
    try:
        end = await ended(bench, order)
    except Broken:
        raise Broken(f"an order that is {how.value} rests → send its time in force, or raise NotSupported") from None
    finally:
        await withdraw(bench, order)
    ensure(end.status is not OrderStatus.FILLED, "it was filled at a price that nobody offers", "send its price")


@attrs.frozen
class Lost:
    """What became of one order whose request or reply was lost."""

    switch: str
    said: Order | FraError
    """By the adapter itself, past the host that would go on asking."""
    sent: int
    found: Order | None


async def _lose(bench: Bench, switch: str) -> Lost | None:
    """Lose one order in this way, once for all tests; None where the venue cannot."""
    if getattr(bench.venue.faults, switch) is None:
        return None
    return await bench.once(switch, lambda: _lose_one(bench, switch))


async def _lose_one(bench: Bench, switch: str) -> Lost:
    assert bench.venue.order_requests is not None
    market = await Market.of(bench, _kind(bench))
    before, id_ = bench.venue.order_requests(), fresh_id()
    request = market.buy(market.resting(), client_order_id=id_)
    said: Order | FraError
    async with bench.faulty(switch):
        try:
            said = await bench.main.plugin.create_order(request, market.symbol)
        except FraError as error:
            bench.errors.append(error)
            said = error
    sent = bench.venue.order_requests() - before
    found = None
    try:
        found = await bench.handle.get_order(client_order_id=id_, symbol=market.symbol)
        await withdraw(bench, found)
    except OrderNotFound:
        pass
    except FraError as error:
        raise NotEvaluated(f"get_order fails, which another test judges: {error}") from None
    return Lost(switch, said, sent, found)

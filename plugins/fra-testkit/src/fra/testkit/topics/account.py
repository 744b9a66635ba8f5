"""The account: what it holds, what it did, what it was paid."""

from __future__ import annotations

from decimal import Decimal

from fra.core import FraError, MarketKind, Operation, PositionSide
from fra.testkit import judgements
from fra.testkit.bench import Bench
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotClaimed, NotEvaluated, ensure
from fra.testkit.trading import round_of_orders


class AccountConformance(Topic):
    """Reading an account. Where orders may be sent, a round of them comes first, so that there is something to read."""

    topic = "account"

    @check(Operation.GET_BALANCE)
    async def test_balances_add_up(self, bench: Bench) -> None:
        """Free money that is not free is an order refused in the middle of a hedge."""
        balances = await bench.fresh(Operation.GET_BALANCE, bench.handle.get_balance())
        for balance in balances:
            ensure(
                balance.free <= balance.total or balance.borrowed > 0,
                f"{balance.free} of {balance.total} {balance.asset} are free in {balance.market}",
                "total is what is free and what orders and positions hold",
            )
        wallets = [(balance.market, balance.asset) for balance in balances]
        ensure(len({*wallets}) == len(wallets), "a wallet tells one coin twice", "one Balance per coin and wallet")

    @check(Operation.GET_POSITIONS, scope="kind")
    async def test_positions_have_a_side_and_an_amount(self, bench: Bench, case: MarketKind) -> None:
        """A short that looks like a long doubles what it should hedge."""
        await _something(bench, case)
        symbol = await bench.symbol(case)
        for position in await bench.fresh(Operation.GET_POSITIONS, bench.handle.get_positions(symbol)):
            ensure(position.symbol == symbol.name, f"{position.symbol} was not asked for", "pass the symbol on")
            ensure(position.amount > 0, "a flat position is told", "leave it out")
            ensure(
                position.side in (PositionSide.LONG, PositionSide.SHORT),
                f"the side is {position.side.value}",
                "LONG or SHORT, by the sign in one-way mode",
            )
            judgements.amounts(symbol, (position.amount,), "a position")

    @check(Operation.GET_TRADE_HISTORY, scope="kind")
    async def test_own_trades_are_oldest_first_and_one_each(self, bench: Bench, case: MarketKind) -> None:
        """The journal of a trader is made of them."""
        await _something(bench, case)
        symbol = await bench.symbol(case)
        fills = await bench.fresh(Operation.GET_TRADE_HISTORY, bench.handle.get_trade_history(symbol))
        judgements.rising([fill.timestamp_ms for fill in fills], "the history of own trades")
        keys = [(fill.trade_id, fill.side) for fill in fills]
        ensure(len({*keys}) == len(keys), "an own trade is told twice", "take the venue's trade id")
        judgements.amounts(symbol, (fill.amount for fill in fills), "own trades")

    @check(Operation.GET_ORDER_HISTORY, scope="kind")
    async def test_past_orders_are_oldest_first_and_past(self, bench: Bench, case: MarketKind) -> None:
        """An order that is open is not history."""
        await _something(bench, case)
        symbol = await bench.symbol(case)
        orders = await bench.fresh(Operation.GET_ORDER_HISTORY, bench.handle.get_order_history(symbol))
        judgements.rising([order.created_ms for order in orders if order.created_ms], "the history of orders")
        alive = [order.status.value for order in orders if not order.status.final]
        ensure(not alive, f"the history tells of orders that are {alive[:3]}", "leave out what is open")
        for order in orders:
            ensure(
                order.amount is None or order.filled <= order.amount,
                f"{order.filled} of {order.amount} is filled",
                "both are in base coin (quote coin for inverse)",
            )

    @check(Operation.GET_FUNDING_PAYMENTS, scope="swap")
    async def test_funding_payments_are_oldest_first_and_have_a_coin(self, bench: Bench, case: MarketKind) -> None:
        """What was received is compared with what was expected, settlement by settlement."""
        symbol = await bench.symbol(case)
        payments = await bench.sample(Operation.GET_FUNDING_PAYMENTS, case)
        judgements.rising([payment.timestamp_ms for payment in payments], "funding payments")
        for payment in payments:
            ensure(
                payment.symbol == symbol.name and payment.asset == (symbol.settle or payment.asset),
                f"a payment of {symbol.name} is told as {payment.asset} for {payment.symbol}",
                "payments are in the settlement coin",
            )

    @check(Operation.SET_LEVERAGE, scope="kind", trading=True)
    async def test_leverage_that_is_so_already_is_no_error(self, bench: Bench, case: MarketKind) -> None:
        """Venues answer "not modified"; that is what was wanted."""
        symbol = await bench.symbol(case)
        await bench.handle.set_leverage(symbol, Decimal(3))
        try:
            await bench.handle.set_leverage(symbol, Decimal(3))
        except FraError as error:
            raise Broken(f"set to what it is, the leverage is an error: {error} → take it as success") from error


async def _something(bench: Bench, kind: MarketKind) -> None:
    """Have traded, where that may be done and works."""
    if bench.venue.may_trade and bench.claims(Operation.CREATE_ORDER, kind):
        try:
            await round_of_orders(bench, kind)
        except (NotClaimed, NotEvaluated, Broken):
            pass

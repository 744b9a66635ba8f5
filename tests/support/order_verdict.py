"""Holds what users were told of an account's orders to the engine's truth."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

import attrs
from order_scenarios import LINEAR, SPOT, Step
from order_witness import Trader, asked, facts, latest

from fra.core import Fill, FraError, Order, OrderOutcomeUnknown, OrderRequest, OrderStatus
from fra.matching import Order as TrueOrder
from fra.matching import OrderStatus as TrueStatus

_TRIES = 10
_UNSETTLED = (OrderStatus.PENDING, OrderStatus.UNKNOWN)
_TRUE: Mapping[TrueStatus, frozenset[OrderStatus]] = {
    TrueStatus.NEW: frozenset({OrderStatus.OPEN}),
    TrueStatus.PARTIALLY_FILLED: frozenset({OrderStatus.OPEN}),
    TrueStatus.FILLED: frozenset({OrderStatus.FILLED}),
    TrueStatus.CANCELED: frozenset({OrderStatus.CANCELED}),
    # What the venue itself took off the book is cancelled to some venues and expired to others.
    TrueStatus.EXPIRED: frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED}),
}


@attrs.define
class Placed:
    """One order of a scenario and what its caller was told."""

    step: Step
    request: OrderRequest
    name: str | None
    """The client order id, as soon as it is known."""
    at_once: bool
    """Others are sent at the same time, and the troubles come to whichever is there first."""
    told: Order | BaseException | None = None

    @property
    def outcome(self) -> str:
        if isinstance(self.told, Order):
            return self.told.status.value
        if isinstance(self.told, OrderOutcomeUnknown):
            return "outcome unknown"
        return "given up" if isinstance(self.told, asyncio.CancelledError) else "refused"


def _trades(fills: list[Fill]) -> Counter[tuple[str, str, str]]:
    """How often each was told; both sides of a trade with oneself have one id."""
    return Counter((fill.symbol, fill.trade_id, fill.side.value) for fill in fills)


class Verdict:
    """Over the orders of one scenario, which is waited for so long: a busy machine has it told late, and not never."""

    def __init__(self, trader: Trader, placed: Sequence[Placed], *, settle_s: float = 30.0) -> None:
        self.trader = trader
        self.placed = placed
        self._settle_s = settle_s

    def _told_all(self) -> bool:
        """Whether everything that the engine knows was told."""
        trader = self.trader
        fills, orders = trader.streamed_of(Fill), trader.streamed_of(Order)
        if any(trader.true_fills() - facts(told) for told in (trader.fills, fills)):
            return False
        return all(
            self._fits(order, latest(told, order.client_id))
            for told in (trader.changes, orders)
            for order in trader.true_orders()
        )

    @staticmethod
    def _fits(true: TrueOrder, told: Order | None) -> bool:
        return told is not None and told.status in _TRUE[true.status] and told.filled == true.filled

    async def wrong(self) -> list[str]:
        """What is wrong, when there was time to tell everything."""
        wrong: list[str] = []
        for _ in range(_TRIES):
            await self._settle()
            before = self.trader.true_orders()
            wrong = [*self._orders(), *self._fills(), *self._moves(), *self._journal(), *await self._answers()]
            if not wrong or self.trader.true_orders() == before:
                break  # else an order of a caller who gave up was on its way for that long
        return wrong

    async def _settle(self) -> None:
        await self.trader.until(self._told_all, self._settle_s)
        async with asyncio.timeout(self._settle_s):
            await self.trader.stream.ready()

    def _orders(self) -> list[str]:
        trader, wrong = self.trader, []
        names = Counter(order.client_id for order in trader.true_orders())
        wrong += [f"{count} orders for one request: {name}" for name, count in names.items() if count > 1]
        known = {placed.name for placed in self.placed}
        wrong += [f"an order that nobody sent, or knows of: {name}" for name in names if name not in known]
        for placed in self.placed:
            true, last = trader.true_order(placed.name), trader.last_told(placed.name)
            what = f"{placed.name} ({placed.step.intent.value}, {placed.step.trouble.value})"
            if true is None:
                if isinstance(placed.told, Order):
                    wrong.append(f"{what}: the caller has {placed.told}, the venue has nothing")
                if last is not None and last.status not in _UNSETTLED:
                    wrong.append(f"{what}: told as {last.status.value}, the venue has nothing")
                continue
            if isinstance(placed.told, FraError) and not isinstance(placed.told, OrderOutcomeUnknown):
                wrong.append(f"{what}: the caller was told {placed.told!r}, the venue has it {true.status.value}")
            if isinstance(placed.told, Order):
                order = placed.told
                if order.filled > true.filled or (order.status.final and order.status not in _TRUE[true.status]):
                    wrong.append(f"{what}: the caller has {order}, it is {true}")
            for where, said in (
                ("on_order_changed", last),
                ("the stream", latest(trader.streamed_of(Order), placed.name)),
            ):
                if not self._fits(true, said):
                    wrong.append(f"{what}: by {where} it is {said}, it is {true.status.value}, filled {true.filled}")
        return wrong

    def _fills(self) -> list[str]:
        trader = self.trader
        true, wrong = trader.true_fills(), []
        for where, fills in (("on_fill", trader.fills), ("the stream", trader.streamed_of(Fill))):
            told = facts(fills)
            wrong += [f"{where} told the trade {trade} {n} times" for trade, n in _trades(fills).items() if n > 1]
            wrong += [f"{where} missed the fill {fill}" for fill in true - told]
            wrong += [f"{where} told a fill too much: {fill}" for fill in told - true]
        return wrong

    def _moves(self) -> list[str]:
        """By the hooks and by the stream an order only moves on."""
        wrong = []
        for where, told in (("on_order_changed", self.trader.changes), ("the stream", self.trader.streamed_of(Order))):
            last: dict[str | None, Order] = {}
            for order in told:
                before = last.get(order.client_order_id)
                last[order.client_order_id] = order
                if before is None:
                    continue
                back = before.status.final and order.status is not before.status
                back |= before.status not in _UNSETTLED and order.status in _UNSETTLED
                back |= order.filled < before.filled or (None not in (before.id, order.id) and before.id != order.id)
                if back:
                    wrong.append(f"{where} went from {before} to {order}")
        return wrong

    def _journal(self) -> list[str]:
        """Every order was written down before it was sent, and none that is there as one that is not."""
        wrong = []
        for true in self.trader.true_orders():
            noted = [e.status for e in self.trader.journal.entries if e.client_order_id == true.client_id]
            if not noted or noted[0] is not OrderStatus.PENDING:
                wrong.append(f"{true.client_id} was not written down before it was sent: {noted}")
            elif OrderStatus.REJECTED in noted[len(noted) - noted[::-1].index(OrderStatus.PENDING) :]:
                wrong.append(f"{true.client_id} is written down as rejected: {noted}")
        return wrong

    async def _answers(self) -> list[str]:
        """What can be asked agrees too."""
        trader, wrong = self.trader, []
        engine = trader.venue.exchange.engine
        true: dict[str, Decimal] = defaultdict(Decimal)
        for held in engine.positions(trader.account.name):
            true[held.symbol] += held.amount
        told: dict[str, Decimal] = defaultdict(Decimal)
        for position in await asked(trader.handle.get_positions):
            sign = 1 if position.side.value == "long" else -1
            told[trader.true_name(position.symbol)] += sign * position.amount
        if told != true:
            wrong.append(f"positions {dict(told)}, they are {dict(true)}")
        open_orders = {
            order.client_order_id
            for symbol in (SPOT, LINEAR)
            for order in await asked(partial(trader.handle.get_open_orders, symbol))
        }
        still = {order.client_id for order in engine.open_orders(trader.account.name)}
        if open_orders != still:
            wrong.append(f"open orders {open_orders}, they are {still}")
        return wrong

"""Plays one scenario: orders are placed, things go wrong, and then what users were told is held to the truth."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from order_scenarios import PATIENCE_S, SPOT, Intent, Scenario, Step, Trouble
from order_verdict import Placed, Verdict
from order_witness import WEALTH, Trader

from fra.core import (
    DuplicateOrder,
    ExchangeConnectionError,
    FraError,
    Order,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from fra.emulator import OrderAction, OrderSwitch
from fra.matching import Side as TrueSide


class Violation(AssertionError):
    """What users were told is not what happened."""


class Play:
    """One scenario being played."""

    def __init__(self, scenario: Scenario, trader: Trader) -> None:
        self.scenario = scenario
        self.trader = trader
        self.placed: list[Placed] = []
        self._outages: list[asyncio.Task[None]] = []
        self._faults = trader.venue.order_faults

    async def run(self) -> list[Placed]:
        """Raises Violation."""
        await self.trader.stream.ready()
        try:
            await self._place_all()
        finally:
            self._faults.clear()
            for outage in self._outages:
                outage.cancel()
            self.trader.venue.refuse_connections(False)
        wrong = await Verdict(self.trader, self.placed).wrong()
        if wrong:
            raise Violation("\n".join(wrong))
        return self.placed

    # --- placing

    async def _place_all(self) -> None:
        scenario = self.scenario
        if scenario.at_once:
            await asyncio.gather(*map(self._place, scenario.steps))
        else:
            for number, step in enumerate(scenario.steps):
                await self._place(step)
                if scenario.cut_between == number:
                    self.trader.venue.cut()
        for placed in self.placed:
            await self._move(placed)

    async def _request(self, step: Step) -> OrderRequest:
        handle = self.trader.handle
        symbol = handle.symbol(step.symbol)
        book = self.trader.venue.book(symbol.market, symbol.venue_id)
        best, size = (book.asks if step.side is Side.BUY else book.bids)[0]
        away = {Intent.MISS: "0.02", Intent.TAKE: "-0.01", Intent.TOO_MUCH: "0.02"}.get(step.intent, "0.02")
        sign = -1 if step.side is Side.BUY else 1
        price = symbol.round_price(Decimal(best) * (1 + sign * Decimal(away)), step.side)
        least = max(symbol.min_amount or Decimal(0), (symbol.min_notional or Decimal(0)) / price * 2)
        amount = symbol.round_amount(least + symbol.amount(Decimal(size)) * step.size / 10)
        if step.intent is Intent.TOO_MUCH:
            amount = symbol.round_amount(Decimal(WEALTH["USDT"]) * 50 / price)
        fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": price, "amount": amount}
        if step.intent is Intent.MARKET:
            fields = {"type": OrderType.MARKET, "amount": amount}
            if step.symbol == SPOT and step.side is Side.BUY:
                fields = {"type": OrderType.MARKET, "quote_amount": Decimal(1000)}
        elif step.intent in (Intent.TAKE, Intent.MISS):
            fields["time_in_force"] = TimeInForce.IOC
        return OrderRequest(symbol=step.symbol, side=step.side, client_order_id=step.client_order_id, **fields)

    async def _place(self, step: Step) -> None:
        faults, events = self._faults, self._faults.events
        request = await self._request(step)
        placed = Placed(step, request, step.client_order_id, self.scenario.at_once)
        self.placed.append(placed)
        switch = step.trouble.arm(faults, OrderAction.PLACE)
        if step.cut:
            faults.cut_user_sockets()
        if step.held_s is not None:
            faults.answer_first(seconds=step.held_s)
        if step.duplicates:
            events.duplicate(step.duplicates)
        if step.swaps:
            events.swap(step.swaps)
        if step.outage_s and switch is not None:
            self._outages.append(asyncio.create_task(self._outage(switch, step.outage_s)))
        await self._send(placed)
        if step.again and not isinstance(placed.told, Order):
            await self._send_again(placed)

    async def _outage(self, switch: OrderSwitch, seconds: float) -> None:
        await switch.applied.wait()
        self.trader.venue.refuse_connections(requests=True)
        await asyncio.sleep(seconds)
        self.trader.venue.refuse_connections(False)

    async def _send_again(self, placed: Placed) -> None:
        """Who was refused may; who does not know may not."""
        may = isinstance(placed.told, FraError) and not isinstance(placed.told, OrderOutcomeUnknown)
        there = self.trader.true_order(placed.name) is not None
        if there:
            await self.trader.until(lambda: self.trader.is_over(placed.name), PATIENCE_S)
        try:
            order = await self.trader.handle.create_order(placed.request)
        except DuplicateOrder:
            if may:
                raise Violation(f"{placed.name} was refused, and then called used") from None
        except FraError as error:
            if not may:
                raise
            placed.told = error
        else:
            if not may and there:
                raise Violation(f"{placed.name} was sent twice")
            placed.told = order

    async def _send(self, placed: Placed) -> None:
        step = placed.step
        sending = asyncio.create_task(self.trader.handle.create_order(placed.request))
        if step.gives_up:
            await asyncio.wait((sending,), timeout=PATIENCE_S / 8)
            sending.cancel()
        await asyncio.wait((sending,))
        if sending.cancelled():
            placed.told = asyncio.CancelledError()
        elif (error := sending.exception()) is not None:
            if not isinstance(error, FraError):
                raise error
            placed.told = error
            if isinstance(error, OrderOutcomeUnknown):
                placed.name = error.client_order_id
        else:
            placed.told = sending.result()
            placed.name = sending.result().client_order_id

    async def _move(self, placed: Placed) -> None:
        """What becomes of a resting order, if there is one."""
        trader, step = self.trader, placed.step
        true = trader.true_order(placed.name)
        if true is None or not true.status.is_open:
            return
        assert true.price is not None
        if step.intent in (Intent.REST_AND_FILL, Intent.FILL_HALF_AND_CANCEL):
            half = step.intent is Intent.FILL_HALF_AND_CANCEL
            amount = trader.handle.symbol(step.symbol).round_amount(true.amount / 2) if half else true.amount
            exchange = trader.venue.exchange
            side = TrueSide.SELL if true.side is TrueSide.BUY else TrueSide.BUY
            if step.cut_later:
                trader.cut()
            exchange.engine.trade(true.symbol, true.price, amount, side, now_ms=exchange.now_ms())
        if step.intent.cancelled:
            step.on_cancel.arm(self._faults, OrderAction.CANCEL)
            if step.cut_later:
                self._faults.cut_user_sockets(action=OrderAction.CANCEL)
            try:
                order = await trader.handle.cancel_order(None, step.symbol, client_order_id=placed.name)
            except (OrderOutcomeUnknown, ExchangeConnectionError):
                pass  # it is as it is: this machine may be slow too
            except FraError as error:
                slow = isinstance(error.__cause__, ExchangeConnectionError)  # cancelled, and the question after it
                if step.on_cancel in (Trouble.NOTHING, Trouble.DELAY) and not slow:
                    raise
            else:
                after = trader.true_order(placed.name)
                assert after is not None
                if order.status.final and after.status.is_open:
                    raise Violation(f"cancelling {placed.name} answered {order.status}, but it is {after.status}")

"""The order calls of a scenario: made while things go wrong, made again when they are well, and held to the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

from fault_scenarios import Call
from order_scenarios import Intent, Step, Trouble
from order_verdict import Placed, Verdict
from order_witness import Trader

from fra.core import FraError, Order, OrderNotFound, OrderOutcomeUnknown, OrderRequest, OrderType, Side, TimeInForce

_AWAY = {
    Intent.TAKE: Decimal("-0.02"),
    Intent.REST_AND_FILL: Decimal("0.00003"),
    Intent.REST_AND_CANCEL: Decimal("0.02"),
}
"""How far from the best price of the other side, as a fraction."""
CALL_S = 12.0
"""However much goes wrong, a call has ended by then, on a busy machine too."""


class OrderCalls:
    """Orders of one account in one symbol."""

    def __init__(self, trader: Trader, symbol: str, seed: int, *, one_sided: bool) -> None:
        """`one_sided`: all on one side, since else they might fill each other."""
        self.trader = trader
        self.symbol = symbol
        self.placed: list[Placed] = []
        self.wrong: list[str] = []
        self.late: list[str] = []
        self.outcomes: list[tuple[Call, str]] = []
        self._seed = seed
        self._one_sided = one_sided

    def _step(self, intent: Intent, side: Side, name: str) -> Step:
        return Step(
            symbol=self.symbol,
            side=side,
            intent=intent,
            size=1,
            client_order_id=name,
            trouble=Trouble.NOTHING,
            on_cancel=Trouble.NOTHING,
            cut=False,
            held_s=None,
            duplicates=0,
            swaps=0,
            gives_up=False,
            again=False,
            cut_later=False,
            outage_s=0.0,
        )

    def _request(self, intent: Intent, side: Side, name: str) -> OrderRequest:
        handle = self.trader.handle
        symbol = handle.symbol(self.symbol)
        book = self.trader.venue.book(symbol.market, symbol.venue_id)
        best, _ = (book.asks if side is Side.BUY else book.bids)[0]
        sign = -1 if side is Side.BUY else 1
        price = symbol.round_price(Decimal(best) * (1 + sign * _AWAY[intent]), side)
        least = max(symbol.min_amount or Decimal(0), (symbol.min_notional or Decimal(0)) / price * 2)
        amount = symbol.round_amount(least + symbol.lot_size * 4)
        lifetime: dict[str, Any] = {"time_in_force": TimeInForce.IOC} if intent is Intent.TAKE else {}
        return OrderRequest(
            symbol=self.symbol,
            side=side,
            type=OrderType.LIMIT,
            price=price,
            amount=amount,
            client_order_id=name,
            **lifetime,
        )

    async def create(self, intent: Intent) -> Placed:
        """Place one, once. Whatever it is told is kept."""
        name = f"{self._seed + 1}{len(self.placed)}{4711}"
        side = Side.BUY if (self._seed if self._one_sided else len(self.placed)) % 2 == 0 else Side.SELL
        request = self._request(intent, side, name)
        placed = Placed(self._step(intent, side, name), request, name, at_once=False)
        self.placed.append(placed)
        try:
            placed.told = await self.trader.handle.create_order(request)
        except FraError as error:
            placed.told = error
            if isinstance(error, OrderOutcomeUnknown):
                placed.name = error.client_order_id
        return placed

    # --- while things go wrong

    async def under_fault(self, call: Call) -> None:
        """A call may fail, with an error of fra's; what it answers is true."""
        handle, symbol = self.trader.handle, self.symbol
        name = self.placed[0].name if self.placed else "17"
        made: dict[Call, Callable[[], Awaitable[object]]] = {
            Call.CREATE: lambda: self.create(Intent.TAKE),
            Call.CANCEL: lambda: handle.cancel_order(None, symbol, client_order_id=name),
            Call.CANCEL_ALL: lambda: handle.cancel_all_orders(symbol),
            Call.GET: lambda: handle.get_order(None, symbol, client_order_id=name),
            Call.OPEN: lambda: handle.get_open_orders(symbol),
            Call.HISTORY: lambda: handle.get_order_history(symbol),
        }
        before = self._open_names()
        try:
            async with asyncio.timeout(CALL_S):
                answer = await made[call]()
        except TimeoutError:
            self.late.append(f"{call.value} has not ended within {CALL_S:g} s")
            outcome = "never"
        except FraError as error:
            outcome = type(error).__name__
        except Exception as error:
            self.wrong.append(f"{call.value} raised {error!r}, which is no error of fra's")
            outcome = "stranger"
        else:
            outcome = answer.outcome if isinstance(answer, Placed) else "answered"
            self._check(call, answer, before)
        self.outcomes.append((call, outcome))

    def _open_names(self) -> set[str | None]:
        engine = self.trader.venue.exchange.engine
        name = self.trader.true_name(self.symbol)
        return {order.client_id for order in engine.open_orders(self.trader.account.name) if order.symbol == name}

    def _check(self, call: Call, answer: object, before: set[str | None]) -> None:
        after = self._open_names()
        if call is Call.OPEN and isinstance(answer, Sequence):
            told = {order.client_order_id for order in answer}
            if told not in (before, after):
                self.wrong.append(f"open orders {told}, they were {before} and are {after}")
        elif call is Call.GET and isinstance(answer, Order):
            self._held_to_truth("get_order", answer)
        elif call is Call.HISTORY and isinstance(answer, Sequence):
            for order in answer:
                self._held_to_truth("the history", order)

    def _held_to_truth(self, where: str, told: Order) -> None:
        true = self.trader.true_order(told.client_order_id)
        if true is None or not Verdict._fits(true, told):
            self.wrong.append(f"{where} has {told}, it is {true}")

    # --- when they are well again

    async def afterwards(self, patiently: Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]) -> None:
        """Every call works and tells the truth. `patiently(what, ask)` asks until there is an answer."""
        handle, symbol = self.trader.handle, self.symbol
        for placed in [one for one in self.placed if isinstance(one.told, OrderOutcomeUnknown)]:
            # the desk resolves it: what the account's stream says of it is held to the truth by the verdict
            await self.trader.until(lambda name=placed.name: self._resolved(name), CALL_S)
        taken = await self._until_placed(Intent.TAKE)
        resting = await self._until_placed(Intent.REST_AND_CANCEL)
        if taken is None or resting is None:
            return
        for placed in (taken, resting):
            name = placed.name
            told = await patiently("get", lambda name=name: handle.get_order(None, symbol, client_order_id=name))
            self._held_to_truth("get_order", told)
        told = {order.client_order_id for order in await patiently("open", lambda: handle.get_open_orders(symbol))}
        if told != self._open_names():
            self.wrong.append(f"open orders {told}, they are {self._open_names()}")

        async def cancel() -> None:
            try:
                await handle.cancel_order(None, symbol, client_order_id=resting.name)
            except OrderNotFound:
                if resting.name in self._open_names():
                    raise  # else the answer to an earlier try has not come

        await patiently("cancel", cancel)
        if resting.name in self._open_names():
            self.wrong.append(f"{resting.name} is cancelled, and rests")
        await patiently("cancel all", lambda: handle.cancel_all_orders(symbol))
        if left := self._open_names():
            self.wrong.append(f"all orders are cancelled, and {left} rest")
        history = await patiently("history", lambda: handle.get_order_history(symbol))
        for order in history:
            self._held_to_truth("the history", order)
        known = {order.client_order_id for order in history}
        name = self.trader.true_name(symbol)
        ended = {
            o.client_id for o in self.trader.true_orders() if o.symbol == name and not o.status.is_open and o.filled
        }
        # orders bear the time of the market; where the venue's clock was set back they are in its future
        if (missing := ended - known) and not self.trader.venue.clock_offset_ms:
            self.wrong.append(f"the history misses {missing}")

    async def _until_placed(self, intent: Intent) -> Placed | None:
        """An order that the venue takes; the first ones may still meet a shut gate, or what the fault broke."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CALL_S
        while True:
            placed = await self.create(intent)
            if isinstance(placed.told, Order):
                return placed
            if loop.time() > until:
                self.late.append(f"an order after all is well again: {placed.told!r}")
                return None
            await asyncio.sleep(0.1)

    def _resolved(self, name: str | None) -> bool:
        true, told = self.trader.true_order(name), self.trader.last_told(name)
        return true is None or (told is not None and Verdict._fits(true, told))

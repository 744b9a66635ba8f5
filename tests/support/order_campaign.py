"""Plays scenarios of orders and faults on emulated venues, and holds what users are told to the engine's truth."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import attrs
from order_scenarios import LINEAR, PATIENCE_S, SPOT, VENUES, Intent, Scenario, Step, Trouble, venue_of

from fra.core import (
    DuplicateOrder,
    ErrorRaised,
    ExchangeConnectionError,
    ExchangeHandle,
    Fill,
    FillReceived,
    FraError,
    Order,
    OrderChanged,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginManager,
    PluginRegistry,
    Side,
    TimeInForce,
    UserEvent,
)
from fra.emulator import Account, Emulator, OrderAction, OrderSwitch, Venue
from fra.matching import Fill as TrueFill
from fra.matching import Order as TrueOrder
from fra.matching import OrderStatus as TrueStatus
from fra.matching import Side as TrueSide

T = TypeVar("T")

_TRIES = 10
_LANES = 8
"""Scenarios at a time, each on a venue of its own: most of their time they wait."""
_SETTLE_S = 6.0
_WEALTH = {"USDT": Decimal(50_000_000), "BTC": Decimal(100)}
_UNSETTLED = (OrderStatus.PENDING, OrderStatus.UNKNOWN)
_TRUE: Mapping[TrueStatus, frozenset[OrderStatus]] = {
    TrueStatus.NEW: frozenset({OrderStatus.OPEN}),
    TrueStatus.PARTIALLY_FILLED: frozenset({OrderStatus.OPEN}),
    TrueStatus.FILLED: frozenset({OrderStatus.FILLED}),
    TrueStatus.CANCELED: frozenset({OrderStatus.CANCELED}),
    # What the venue itself took off the book is cancelled to some venues and expired to others.
    TrueStatus.EXPIRED: frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED}),
}


class Violation(AssertionError):
    """What users were told is not what happened."""


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


class Spread:
    """How often what came of what, over all scenarios that were played."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str, str]] = Counter()
        """Of orders: by trouble, what the caller was told, what the engine has, and venue."""
        self.seeds: Counter[str] = Counter()
        self.fills: Counter[str] = Counter()

    def add(self, venue: str, placed: Placed, true: TrueOrder | None) -> None:
        found = "never there" if true is None else true.status.value
        trouble = "several at once" if placed.at_once else placed.step.trouble.value
        self.counts[trouble, placed.outcome, found, venue] += 1

    def table(self) -> str:
        """One line for each trouble, caller's answer and truth, one column for each venue."""
        head = ("request", "the caller was told", "the venue has", *VENUES)
        kinds = sorted({key[:3] for key in self.counts})
        rows = [(*kind, *(str(self.counts[(*kind, venue)] or "") for venue in VENUES)) for kind in kinds]
        orders = Counter[str]()
        for (*_, venue), count in self.counts.items():
            orders[venue] += count
        for name, counted in (("seeds", self.seeds), ("orders", orders), ("fills", self.fills)):
            rows.append((name, "", "", *(str(counted[venue]) for venue in VENUES)))
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column < 3 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (head, *rows)
        )


def _last(orders: list[Order], name: str | None) -> Order | None:
    return next((order for order in reversed(orders) if order.client_order_id == name), None)


class Trader:
    """One account on one emulated venue: the handle and everything that was told of it."""

    def __init__(self, handle: ExchangeHandle, venue: Venue, account: Account) -> None:
        self.handle = handle
        self.venue = venue
        self.account = account
        self.changes: list[Order] = []
        self.fills: list[Fill] = []
        self.errors: list[FraError] = []
        self.streamed: list[UserEvent] = []
        self._more = asyncio.Event()
        self._removals = [
            handle.register_event_handler(OrderChanged, self._on_change),
            handle.register_event_handler(FillReceived, self._on_fill),
            handle.register_event_handler(ErrorRaised, self._on_error),
        ]
        self.stream = handle.subscribe_user_data()
        self.stream.add_listener(self._on_stream)

    def _on_change(self, event: OrderChanged) -> None:
        self.changes.append(event.order)
        self._more.set()

    def _on_fill(self, event: FillReceived) -> None:
        self.fills.append(event.fill)
        self._more.set()

    def _on_error(self, event: ErrorRaised) -> None:
        self.errors.append(event.error)

    def _on_stream(self, event: UserEvent) -> None:
        self.streamed.append(event)
        self._more.set()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether it became true in time."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            return condition()
        return True

    def cut(self) -> None:
        """Cut the user sockets."""
        for connection in self.venue.user_sockets():
            connection.abort()

    def streamed_of(self, kind: type[T]) -> list[T]:
        return [event for event in self.streamed if isinstance(event, kind)]

    # --- the truth

    def true_name(self, symbol: str) -> str:
        found = self.handle.symbol(symbol)
        return f"{found.market}:{found.venue_id}"

    def true_orders(self) -> tuple[TrueOrder, ...]:
        return self.venue.exchange.engine.orders(self.account.name)

    def true_order(self, name: str | None) -> TrueOrder | None:
        return next((order for order in self.true_orders() if name is not None and order.client_id == name), None)

    def true_fills(self) -> Counter[Fact]:
        names = {self.true_name(symbol): symbol for symbol in (SPOT, LINEAR)}
        return Counter(_fact(fill, names[fill.symbol]) for fill in self.venue.exchange.engine.fills(self.account.name))

    def last_told(self, name: str | None) -> Order | None:
        return _last(self.changes, name)


Fact = tuple[object, ...]


def _fact(fill: Fill | TrueFill, symbol: str) -> Fact:
    """What both views of one execution have in common; the venues write the trade's id each in a way of its own."""
    return (symbol, fill.side.value, fill.price, fill.amount, fill.maker, fill.timestamp_ms)


def _facts(fills: list[Fill]) -> Counter[Fact]:
    return Counter(_fact(fill, fill.symbol) for fill in fills)


def _trades(fills: list[Fill]) -> Counter[tuple[str, str]]:
    return Counter((fill.symbol, fill.trade_id) for fill in fills)


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
        scenario = self.scenario
        await self.trader.stream.ready()
        if scenario.at_once:
            await asyncio.gather(*map(self._place, scenario.steps))
        else:
            for number, step in enumerate(scenario.steps):
                await self._place(step)
                if scenario.cut_between == number:
                    self.trader.venue.cut()
        for placed in self.placed:
            await self._move(placed)
        self._faults.clear()
        for outage in self._outages:
            outage.cancel()
        self.trader.venue.refuse_connections(False)
        wrong: list[str] = []
        for _ in range(_TRIES):
            await self._settle()
            before = self.trader.true_orders()
            wrong = [*self._orders(), *self._fills(), *self._moves(), *await self._answers()]
            if not wrong or self.trader.true_orders() == before:
                break  # else an order of a caller who gave up was on its way for that long
        if wrong:
            raise Violation("\n".join(wrong))
        return self.placed

    # --- placing

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
            amount = symbol.round_amount(Decimal(_WEALTH["USDT"]) * 50 / price)
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
        try:
            await self.trader.handle.create_order(placed.request)
        except DuplicateOrder:
            if may:
                raise Violation(f"{placed.name} was refused, and then called used") from None
        except FraError:
            if not may:
                raise
        else:
            raise Violation(f"{placed.name} was sent twice")

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
            except FraError:
                if step.on_cancel in (Trouble.NOTHING, Trouble.DELAY):
                    raise
            else:
                after = trader.true_order(placed.name)
                assert after is not None
                if order.status.final and after.status.is_open:
                    raise Violation(f"cancelling {placed.name} answered {order.status}, but it is {after.status}")

    # --- judging

    def _told_all(self) -> bool:
        """Whether everything that the engine knows was told."""
        trader = self.trader
        fills, orders = trader.streamed_of(Fill), trader.streamed_of(Order)
        if any(trader.true_fills() - _facts(told) for told in (trader.fills, fills)):
            return False
        return all(
            self._fits(order, _last(told, order.client_id))
            for told in (trader.changes, orders)
            for order in trader.true_orders()
        )

    @staticmethod
    def _fits(true: TrueOrder, told: Order | None) -> bool:
        return told is not None and told.status in _TRUE[true.status] and told.filled == true.filled

    async def _settle(self) -> None:
        await self.trader.until(self._told_all, _SETTLE_S)
        async with asyncio.timeout(_SETTLE_S):
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
                ("the stream", _last(trader.streamed_of(Order), placed.name)),
            ):
                if not self._fits(true, said):
                    wrong.append(f"{what}: by {where} it is {said}, it is {true.status.value}, filled {true.filled}")
        return wrong

    def _fills(self) -> list[str]:
        trader = self.trader
        true, wrong = trader.true_fills(), []
        for where, fills in (("on_fill", trader.fills), ("the stream", trader.streamed_of(Fill))):
            told = _facts(fills)
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

    async def _answers(self) -> list[str]:
        """What can be asked agrees too."""
        trader, wrong = self.trader, []
        engine = trader.venue.exchange.engine
        true: dict[str, Decimal] = defaultdict(Decimal)
        for held in engine.positions(trader.account.name):
            true[held.symbol] += held.amount
        told: dict[str, Decimal] = defaultdict(Decimal)
        for position in await _asked(trader.handle.get_positions):
            sign = 1 if position.side.value == "long" else -1
            told[trader.true_name(position.symbol)] += sign * position.amount
        if told != true:
            wrong.append(f"positions {dict(told)}, they are {dict(true)}")
        open_orders = {
            order.client_order_id
            for symbol in (SPOT, LINEAR)
            for order in await _asked(partial(trader.handle.get_open_orders, symbol))
        }
        still = {order.client_id for order in engine.open_orders(trader.account.name)}
        if open_orders != still:
            wrong.append(f"open orders {open_orders}, they are {still}")
        return wrong


async def _asked(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, for which a busy machine may take longer than an order is waited for."""
    for _ in range(_TRIES - 1):
        try:
            return await ask()
        except ExchangeConnectionError:
            pass
    return await ask()


# --- many of them


@asynccontextmanager
async def _account(venue: Venue, seed: int, registry: PluginRegistry) -> AsyncIterator[Trader]:
    """An account that no other scenario has, on a venue that many have after one another."""
    account = Account(
        key=f"key-{seed:06d}-of-{venue.name}",
        secret=f"secret-{seed}",
        passphrase=f"word-{seed}",
        name=f"trader {seed}",
        balances=_WEALTH,
    )
    venue.open_account(account)
    keys = {"api_key": account.key, "secret_key": account.secret}
    if venue.name == "okx":
        keys["passphrase"] = account.passphrase
    config = {
        "exchange_id": venue.name,
        "base_url": venue.markets,
        "timeout": PATIENCE_S,
        "options": {"reconnect_delay": 0.02, "reconnect_max_delay": 0.05},
        **keys,
    }
    async with AsyncExitStack() as stack:

        async def start() -> ExchangeHandle:
            manager = PluginManager.from_config({"exchanges": {"main": config}}, registry=registry)
            handle = (await stack.enter_async_context(manager)).get_plugin("main")
            await handle.get_symbols()
            return handle

        handle = await _asked(start)
        for name in (SPOT, LINEAR):
            venue.freeze_book(handle.symbol(name).market, handle.symbol(name).venue_id)
        try:
            yield Trader(handle, venue, account)
        finally:
            venue.exchange.cancel_all(account)


async def play(scenario: Scenario, venue: Venue, spread: Spread, registry: PluginRegistry) -> None:
    """Play one scenario and add it to the spread. Raises Violation, or whatever else went wrong."""
    async with _account(venue, scenario.seed, registry) as trader:
        placed = await Play(scenario, trader).run()
        for one in placed:
            spread.add(venue.name, one, trader.true_order(one.name))
        spread.fills[venue.name] += sum(trader.true_fills().values())
        spread.seeds[venue.name] += 1


async def campaign(name: str, seeds: Iterable[int], spread: Spread) -> list[str]:
    """Play those of the seeds that belong to one venue, several at a time: what went wrong, and how to see it again."""
    scenarios = [Scenario.of(seed) for seed in seeds if venue_of(seed) == name]
    failures: dict[int, str] = {}
    registry = PluginRegistry()

    async def play_some(waiting: deque[Scenario]) -> None:
        if not waiting:
            return
        # The books stand still, so they need neither be deep nor be looked at often.
        settings = {"levels": 40, "step_ms": 500, "htx_multi_assets": waiting[0].multi_assets}
        async with Emulator([name], seed=3, enforce_limits=False, **settings) as emulator:
            while waiting:
                scenario = waiting.popleft()
                seed = scenario.seed
                try:
                    await play(scenario, emulator.venues[name], spread, registry)
                except Exception as error:
                    why = error if isinstance(error, Violation) else "".join(traceback.format_exception(error))
                    failures[seed] = f"seed {seed} on {name} (again: nox -s faults -- --seed {seed})\n{why}"

    kinds = [deque(one for one in scenarios if one.multi_assets is multi) for multi in (False, True)]
    lanes = [kind for kind in kinds if kind] * _LANES
    await asyncio.gather(*map(play_some, lanes[:_LANES]))
    return [failures[seed] for seed in sorted(failures)]

"""Outcomes: what is written down of a desk's orders, and the following up of those whose outcome is not known."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from copy import copy
from time import monotonic
from typing import Final, final

import attrs

from fra.core.contract.errors import AccountInUse, FraError, JournalError, OrderOutcomeUnknown
from fra.core.contract.events import ErrorRaised, Event
from fra.core.contract.orders import Order, OrderRequest, OrderStatus
from fra.core.contract.symbol import Symbol
from fra.core.host.failures import Failures
from fra.core.host.journal.journal import (
    UNSETTLED,
    DurableJournal,
    JournalEntry,
    LendableJournal,
    MemoryJournal,
    OrderJournal,
)
from fra.core.host.orders.recovery import Answer, Intent, OrderFate, RecoveredOrder, Recovery
from fra.core.host.orders.tracker import OrderTracker

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 15.0
_REMEMBERED: Final = 1_000
_WHERE: Final = "the order journal"


@final
class Outcomes:
    """The journal of one exchange instance, and its orders that nobody knows the outcome of."""

    def __init__(
        self,
        exchange: str,
        *,
        recovery: Recovery,
        tracker: OrderTracker,
        seen: Callable[[Order], Order],
        failures: Failures,
        emit: Callable[[Event], None],
        now_ms: Callable[[], int],
        horizon: float,
    ) -> None:
        self._exchange = exchange
        self._recovery = recovery
        self._tracker = tracker
        self._seen = seen
        self._failures = failures
        self._emit = emit
        self._now_ms = now_ms
        self._horizon = horizon
        self._journal: OrderJournal = MemoryJournal()
        self._claimed = True
        self._wanted = False
        self._claiming = asyncio.Lock()
        self._open: dict[tuple[str, str], Intent] = {}
        self._settled: deque[RecoveredOrder] = deque(maxlen=_REMEMBERED)
        self._asking: set[asyncio.Task[None]] = set()
        self._writing: set[asyncio.Task[None]] = set()
        self._closing = False

    # --- the journal

    def use(self, journal: OrderJournal) -> None:
        """Write to ``journal`` from now on, and settle in the background what an earlier process left open in it.

        Another journal is another account's: what is open in the one before stays open there.
        """
        if journal is self._journal:
            return
        self._journal, self._claimed, self._wanted = journal, not isinstance(journal, DurableJournal), False
        self._open.clear()
        if isinstance(journal, DurableJournal):
            self._run(self._asking, self._take_over(journal), f"fra journal of {self._exchange}")

    async def _take_over(self, journal: DurableJournal) -> None:
        try:
            if await journal.has_open():
                await self._claim()
        except AccountInUse:
            pass  # that process settles them; whoever wants to send an order beside it is told
        except Exception as error:
            self._report(self._failures.complete(error, _WHERE))

    async def _claim(self, *, again: bool = False) -> None:
        """Hold the journal, and all that is still open in it. Once it is held this costs nothing.

        ``again``: others may have written in it since, where several processes take turns.
        """
        if self._claimed and not again:
            return
        async with self._claiming:
            journal = self._journal
            if (self._claimed and not again) or not isinstance(journal, DurableJournal):
                return
            left = await journal.claim(self._exchange)
            if journal is self._journal:
                self._claimed = True
                for entry in left:
                    intent = Intent(entry, journal, left=True)
                    if intent.key not in self._open:
                        self._adopt(intent)

    async def _let_go(self, journal: LendableJournal) -> None:
        """Whoever only reads must not keep the account from who trades on it."""
        async with self._claiming:
            if journal is self._journal and self._claimed and not (self._open or self._wanted or self._closing):
                self._claimed = False
                await journal.let_go()

    def _adopt(self, intent: Intent) -> None:
        """An order that an earlier process sent, or was about to: its name is in use, its news are heard."""
        known = self._known(intent)
        if known is None or known.status in UNSETTLED:
            self._seen(Order.of(intent.request, status=OrderStatus.UNKNOWN))
        else:
            intent.told.set()
        self.follow_up(intent)

    def _known(self, intent: Intent) -> Order | None:
        symbol, name = intent.key
        return self._tracker.get(symbol, client_order_id=name)

    async def ready(self) -> None:
        """Return when orders may be written down. Raises AccountInUse, JournalError, FraError: nothing was sent."""
        self._wanted = True
        try:
            await self._claim()
        except Exception as error:
            raise _nothing_sent(error) from error

    async def write_down(self, request: OrderRequest, client_order_id: str, symbol: Symbol, *, within: float) -> Intent:
        """The intent, before anything leaves; it is given up ``within`` seconds. Raises as :meth:`ready` does."""
        now = self._now_ms()
        entry = JournalEntry(
            exchange=self._exchange,
            client_order_id=client_order_id,
            timestamp_ms=now,
            request=request,
            status=OrderStatus.PENDING,
            deadline_ms=now + int(within * 1000),
        )
        intent = Intent(entry, self._journal, symbol)
        try:
            await intent.journal.record(entry)
        except Exception as error:
            raise _nothing_sent(error) from error
        except BaseException:
            # Cancelled; it may be written all the same, and must not be taken for an order that is on its way.
            outcome = self.note(intent, OrderStatus.REJECTED, reason="nothing was sent: cancelled")
            self._run(self._writing, outcome, f"fra journal of {client_order_id}")
            raise
        if self._now_ms() > intent.deadline_ms:  # the machine slept
            why = "it took too long to write the order down"
            await self.note(intent, OrderStatus.REJECTED, reason=f"nothing was sent: {why}")
            raise JournalError(f"nothing was sent: {why}", cure="send it again")
        return intent

    async def note(
        self, intent: Intent, status: OrderStatus, *, order: Order | None = None, reason: str | None = None
    ) -> None:
        """What became of it. A journal that fails now must not hide that."""
        entry = attrs.evolve(
            intent.entry, timestamp_ms=self._now_ms(), status=status, order=order, reason=reason or intent.entry.reason
        )
        try:
            await intent.journal.record(entry)
        except Exception as error:
            self._report(self._failures.complete(error, _WHERE))

    # --- what is not known

    def told(self, order: Order) -> None:
        """The venue has said something of this order, by whatever way."""
        if order.client_order_id is None or order.status in UNSETTLED:
            return
        intent = self._open.get((order.symbol, order.client_order_id))
        if intent is not None and not intent.told.is_set():
            intent.told.set()
            if not intent.followed:
                self._run(self._writing, self._find_out(intent), f"fra outcome of {intent.name}")

    def await_news(self, intent: Intent) -> None:
        """The venue has taken it in, and has not said what became of it: the account's stream will."""
        self._open[intent.key] = intent

    def follow_up(self, intent: Intent) -> asyncio.Task[None]:
        """Ask behind everybody's back until it is known."""
        self._open[intent.key] = intent
        intent.followed = intent.doubted = True
        return self._run(self._asking, self._find_out(intent), f"fra outcome of {intent.name}")

    async def _find_out(self, intent: Intent) -> None:
        """Ask until the venue has said what became of it. That it does not know it proves nothing for a long while."""
        begun, delay = monotonic(), _FIRST_DELAY
        try:
            while not (intent.told.is_set() or self._closing) and self._open.get(intent.key) is intent:
                answer = await self._recovery.ask(intent)
                if answer.fate is not OrderFate.UNKNOWN:
                    await self._settle(intent, answer)
                    return
                if answer.order is not None:
                    self._seen(answer.order)
                if answer.for_good or monotonic() - begun > self._horizon:
                    if intent.left:
                        self._report(self._unknown(intent, answer))
                    return
                try:
                    async with asyncio.timeout(delay):
                        await intent.told.wait()
                except TimeoutError:
                    delay = min(delay * 2, _LONGEST_DELAY)
            if intent.told.is_set():
                await self._settle(intent, Answer(OrderFate.FOUND, self._known(intent)))
        finally:
            intent.followed = False

    def _unknown(self, intent: Intent, answer: Answer) -> OrderOutcomeUnknown:
        return OrderOutcomeUnknown(
            f"an order of {intent.request.symbol} was left open in the journal, its fate is unknown: {answer.reason}",
            client_order_id=intent.name,
            exchange=self._exchange,
            cure="look at it at the venue; fra orders recover asks again",
        )

    async def _settle(self, intent: Intent, answer: Answer) -> None:
        """It is known now: hooks are told, and it is written down."""
        if self._open.get(intent.key) is not intent:
            return  # two asked at once
        del self._open[intent.key]
        intent.told.set()
        order = answer.order
        if order is not None:
            order = self._seen(attrs.evolve(order, reason=order.reason or answer.reason))
        found = order if answer.fate is OrderFate.FOUND else None
        if intent.doubted:
            self._settled.append(intent.recovered(answer.fate, found, answer.reason))
        status = OrderStatus.REJECTED if order is None else order.status
        await self.note(intent, status, order=found, reason=answer.reason)
        if intent.left and not (self._open or self._wanted) and isinstance(intent.journal, LendableJournal):
            self._run(self._writing, self._let_go(intent.journal), f"fra journal of {self._exchange}")

    async def recover(self) -> Sequence[RecoveredOrder]:
        """Ask now for every order whose outcome is not known; those, and what was found out since the last call."""
        journal = self._journal
        if not isinstance(journal, DurableJournal) or await journal.has_open():
            await self._claim(again=True)
        still = await asyncio.gather(*map(self._ask_now, tuple(self._open.values())))
        settled = tuple(self._settled)
        self._settled.clear()
        return (*settled, *(order for order in still if order is not None))

    async def _ask_now(self, intent: Intent) -> RecoveredOrder | None:
        answer = await self._recovery.ask(intent)
        if intent.told.is_set():
            answer = Answer(OrderFate.FOUND, self._known(intent))
        if answer.fate is OrderFate.UNKNOWN:
            return intent.recovered(answer.fate, answer.order, answer.reason)
        await self._settle(intent, answer)
        return None

    # --- the end

    def stop_asking(self) -> None:
        """From now on what is not known stays open in the journal, for the next process to settle."""
        self._closing = True
        for task in self._asking:
            task.cancel()

    async def close(self) -> None:
        """Ask no more, and have written what is to be written. Idempotent."""
        self.stop_asking()
        tasks = self._asking | self._writing
        if tasks:
            await asyncio.wait(tasks)

    def _run(
        self, tasks: set[asyncio.Task[None]], work: Coroutine[object, object, None], name: str
    ) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def _report(self, error: FraError) -> None:
        self._emit(ErrorRaised(exchange=self._exchange, timestamp_ms=self._now_ms(), where=_WHERE, error=error))


def _nothing_sent(error: Exception) -> FraError:
    if not isinstance(error, FraError):
        return FraError(f"nothing was sent: the order journal failed: {type(error).__name__}: {error}")
    told = copy(error)
    told.message = f"nothing was sent: {error.message}"
    told.args = (told.message,)
    return told

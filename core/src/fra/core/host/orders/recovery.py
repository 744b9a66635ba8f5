"""Recovery: what became of an order whose outcome is not known. Found out by asking, never by sending again."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, final

import attrs

from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import (
    ExchangeAuthError,
    FraError,
    NotSupported,
    OrderNotFound,
    PermissionDenied,
    SymbolNotFound,
)
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.orders import Order, OrderRequest, OrderStatus
from fra.core.contract.symbol import Symbol
from fra.core.host.failures import Failures
from fra.core.host.journal.journal import UNSETTLED, JournalEntry, OrderJournal

ARRIVAL_MS: Final = 360_000
"""For how long after its deadline an order may still come to be, or come to be seen: five minutes and one.

A venue takes a signed request for a while after its signature: Binance and Bybit within the recvWindow (5 s as we
sign), OKX 30 s, HTX 5 minutes, by their documents. The minute is for the venue to show it to those who ask.
"""
_REMEMBERED_MS: Final = 3_600_000
"""So long every venue knows an order by its client order id, whatever became of it (OKX forgets one that was cancelled
unfilled after two hours). Later, that it does not know one proves less."""
_NO_OLDER_MS: Final = 3_600_000
"""An order that ended, and is so much older than the question, is an earlier one of that name. Clocks may be off."""
_LOOK_BACK: Final = (Operation.GET_OPEN_ORDERS, Operation.GET_ORDER_HISTORY)
_LOOK_BACK_MS: Final = 60_000
_AGAIN_S: Final = 1.0


class OrderFate(enum.Enum):
    """What is known of an order whose outcome was not: the venue has it, it never came to be, or nobody can say yet."""

    FOUND = "found"
    NEVER_ARRIVED = "never_arrived"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class RecoveredOrder:
    """What became of an order that was written down and had no known outcome.

    ``order`` is the order as the venue has it, when it was found. ``reason`` says why it counts as never arrived, or
    why nobody can say yet.
    """

    exchange: str
    client_order_id: str
    request: OrderRequest
    recorded_ms: int
    fate: OrderFate
    order: Order | None = None
    reason: str | None = None


@attrs.define(eq=False)
class Intent:
    """An order that was written down before it was sent, until it is known what became of it.

    ``left`` says that an earlier process did so, ``doubted`` that nobody was told whether it lives; ``told`` is set
    when the venue has said what became of it.
    """

    entry: JournalEntry
    journal: OrderJournal
    symbol: Symbol | None = None
    left: bool = False
    doubted: bool = False
    followed: bool = False
    told: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def request(self) -> OrderRequest:
        return self.entry.request

    @property
    def name(self) -> str:
        return self.entry.client_order_id

    @property
    def key(self) -> tuple[str, str]:
        """Symbol and client order id."""
        return self.request.symbol, self.name

    @property
    def deadline_ms(self) -> int:
        """It was not sent later than that."""
        return self.entry.deadline_ms or self.entry.timestamp_ms

    def recovered(self, fate: OrderFate, order: Order | None, reason: str | None) -> RecoveredOrder:
        """It as users are told of it."""
        return RecoveredOrder(
            exchange=self.entry.exchange,
            client_order_id=self.name,
            request=self.request,
            recorded_ms=self.entry.timestamp_ms,
            fate=fate,
            order=order,
            reason=reason,
        )


@attrs.frozen
class Answer:
    """What one question brought. ``for_good``: asking again will bring no other."""

    fate: OrderFate
    order: Order | None = None
    reason: str | None = None
    for_good: bool = False


@final
class Recovery:
    """Asks one venue what became of orders.

    An order that the venue does not know counts as never arrived when its deadline is :data:`ARRIVAL_MS` past, and
    the venue has said so twice since. When that is found out an hour after or later, it must be neither among the open
    orders nor in the history of that time, either. Until then nobody knows.
    """

    def __init__(
        self,
        *,
        plugin: Callable[[], ExchangePluginInterface],
        symbol: Callable[[str], Awaitable[Symbol]],
        failures: Failures,
        now_ms: Callable[[], int],
    ) -> None:
        self._plugin = plugin
        self._symbol = symbol
        self._failures = failures
        self._now_ms = now_ms

    async def ask(self, intent: Intent) -> Answer:
        """One question, or a few when it comes to saying that an order never arrived. Raises nothing."""
        try:
            symbol = intent.symbol
            if symbol is None:
                symbol = intent.symbol = await self._symbol(intent.request.symbol)
            if not self._supports(Operation.GET_ORDER, symbol):
                return Answer(OrderFate.UNKNOWN, reason="this exchange cannot be asked for an order", for_good=True)
            order = await self._order(intent, symbol)
            if order is None:
                return await self._missing(intent, symbol)
            if order.status in UNSETTLED:
                return Answer(OrderFate.UNKNOWN, order, "the venue has it, and does not say where it stands")
            return Answer(OrderFate.FOUND, order)
        except Exception as error:
            failure = self._failures.complete(error, "get_order")
            return Answer(OrderFate.UNKNOWN, reason=str(failure), for_good=_will_never_tell(failure))

    def _supports(self, operation: Operation, symbol: Symbol) -> bool:
        return bool(self._plugin().capabilities.support(operation, symbol.kind))

    async def _order(self, intent: Intent, symbol: Symbol) -> Order | None:
        try:
            order = await self._plugin().get_order(None, symbol, client_order_id=intent.name)
        except OrderNotFound:
            return None
        oldest_ms = intent.entry.timestamp_ms - _NO_OLDER_MS
        return None if order.status.final and (order.created_ms or oldest_ms) < oldest_ms else order

    async def _missing(self, intent: Intent, symbol: Symbol) -> Answer:
        begun_ms = intent.entry.timestamp_ms
        arrived_ms = intent.deadline_ms + ARRIVAL_MS
        if self._now_ms() < arrived_ms:
            until = datetime.fromtimestamp(arrived_ms / 1000, UTC)
            why = f"the venue does not know it, but it could still arrive until {until:%H:%M:%S} UTC"
            return Answer(OrderFate.UNKNOWN, reason=why)
        await asyncio.sleep(_AGAIN_S)
        order = await self._order(intent, symbol)
        minutes = (self._now_ms() - begun_ms) // 60_000
        reason = f"never arrived: {minutes} minutes after it was written down the venue does not know it"
        if order is None and self._now_ms() - begun_ms > _REMEMBERED_MS:
            if not all(self._supports(operation, symbol) for operation in _LOOK_BACK):
                why = "the venue does not know it any more, if it ever did"
                return Answer(OrderFate.UNKNOWN, reason=why, for_good=True)
            order = await self._look_back(intent, symbol, until_ms=arrived_ms)
            reason = "never arrived, or ended unfilled so long ago that the venue has forgotten it"
        if order is not None:
            return Answer(OrderFate.FOUND, order)
        return Answer(OrderFate.NEVER_ARRIVED, Order.of(intent.request, status=OrderStatus.REJECTED), reason)

    async def _look_back(self, intent: Intent, symbol: Symbol, *, until_ms: int) -> Order | None:
        plugin = self._plugin()
        since_ms = intent.entry.timestamp_ms - _LOOK_BACK_MS
        found = [
            *await plugin.get_open_orders(symbol),
            *await plugin.get_order_history(symbol, since=since_ms, until=until_ms),
        ]
        return next((order for order in found if order.client_order_id == intent.name), None)


def _will_never_tell(failure: FraError) -> bool:
    """A bare 403 is a firewall's, which lets in again; with a code it is the venue's own word."""
    if isinstance(failure, PermissionDenied):
        return failure.code is not None
    return isinstance(failure, ExchangeAuthError | NotSupported | SymbolNotFound)

"""OrderDesk: how an order leaves. Checked, never altered; named, vetoed or let go, journalled, sent once."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, final

import attrs

from fra.core.contract.capabilities import ClientOrderIdRule
from fra.core.contract.errors import (
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeRateLimitError,
    FraError,
    InvalidOrder,
    NotSupported,
    OrderOutcomeUnknown,
    SymbolNotFound,
)
from fra.core.contract.events import ErrorRaised, Event, OrderProposed
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.orders import Order, OrderRequest, OrderStatus
from fra.core.contract.symbol import Symbol
from fra.core.host.failures import Failures
from fra.core.host.instruments import check_order
from fra.core.toolkit.budget import BudgetExceeded

_ID_LENGTH: Final = 24
_ID_MINIMUM: Final = 8
_SERVER_ERROR: Final = 500
_REFUSALS: Final = (
    BudgetExceeded,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeRateLimitError,
    NotSupported,
    SymbolNotFound,
)
"""What says for certain that no order came to be."""


@attrs.frozen(kw_only=True)
class JournalEntry:
    """One thing known about one order at one time. ``order`` is what the venue said, None before it said anything."""

    exchange: str
    client_order_id: str
    timestamp_ms: int
    request: OrderRequest
    status: OrderStatus
    order: Order | None = None
    reason: str | None = None


class OrderJournal(Protocol):
    """Where orders are written down before they are sent, so that a crash forgets none."""

    async def record(self, entry: JournalEntry) -> None:
        """Return when ``entry`` is safe. Raising stops an order that was not sent yet."""


@final
class MemoryJournal:
    """A journal that lasts as long as the process."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []

    async def record(self, entry: JournalEntry) -> None:
        self.entries.append(entry)


@final
class ClientOrderIds:
    """Makes client order ids by a venue's rule, and holds a user's own to it."""

    def __init__(self, rule: ClientOrderIdRule | None) -> None:
        self.rule = rule if rule is not None else ClientOrderIdRule(max_length=32)
        self._random = random.SystemRandom()

    def make(self) -> str:
        """A new id: the rule's prefix and random characters, 24 in all where the venue takes as many."""
        rule = self.rule
        length = min(rule.max_length, max(_ID_LENGTH, len(rule.prefix) + _ID_MINIMUM)) - len(rule.prefix)
        alphabet = "".join(sorted({char for char in rule.alphabet if char.isalnum()})) or rule.alphabet
        return rule.prefix + "".join(self._random.choices(alphabet, k=length))

    def check(self, client_order_id: str, *, exchange: str) -> None:
        """Raises InvalidOrder for an id that the venue would not take."""
        rule = self.rule
        wrong = sorted(set(client_order_id) - set(rule.alphabet) - set(rule.prefix))
        if not client_order_id or len(client_order_id) > rule.max_length or wrong:
            why = f"holds {''.join(wrong)!r}" if wrong else f"has {len(client_order_id)} characters"
            raise InvalidOrder(
                f"the client order id {client_order_id!r} {why}; it may have 1 to {rule.max_length} "
                f"of {rule.alphabet!r}",
                exchange=exchange,
            )


@final
class OrderDesk:
    """The orders of one exchange instance."""

    def __init__(
        self,
        exchange: str,
        *,
        veto: Callable[[OrderProposed], Awaitable[None]],
        journal: OrderJournal,
        failures: Failures,
        emit: Callable[[Event], None],
        now_ms: Callable[[], int],
    ) -> None:
        """``veto`` raises OrderVetoed; whatever else it raises stops the order just the same."""
        self._exchange = exchange
        self._veto = veto
        self._journal = journal
        self._failures = failures
        self._emit = emit
        self._now_ms = now_ms
        self.ids = ClientOrderIds(None)

    async def create(self, plugin: ExchangePluginInterface, request: OrderRequest, symbol: Symbol) -> Order:
        """Send ``request``, exactly once and exactly as it is, save for a client order id where it has none.

        Raises InvalidOrder, OrderVetoed, FraError when the journal fails (nothing was sent then), OrderOutcomeUnknown
        (ask, never send again), and what the venue answers.
        """
        check_order(request, symbol, exchange=self._exchange)
        if request.client_order_id is None:
            request = attrs.evolve(request, client_order_id=self.ids.make())
        client_order_id = request.client_order_id
        assert client_order_id is not None
        self.ids.check(client_order_id, exchange=self._exchange)
        await self._veto(OrderProposed(exchange=self._exchange, timestamp_ms=self._now_ms(), request=request))
        try:
            await self._note(request, client_order_id, OrderStatus.PENDING)
        except Exception as error:
            raise FraError(f"nothing was sent: the order journal failed: {type(error).__name__}: {error}") from error
        try:
            order = await plugin.create_order(request, symbol)
        except BaseException as error:
            failure = self._outcome(error, client_order_id)
            unknown = isinstance(failure, OrderOutcomeUnknown)
            status = OrderStatus.UNKNOWN if unknown else OrderStatus.REJECTED
            await self._note_afterwards(request, client_order_id, status, reason=str(failure))
            if failure is error or not isinstance(error, Exception):
                raise  # a cancelled caller is cancelled; the journal knows that the order may live
            raise failure from failure.__cause__
        await self._note_afterwards(request, client_order_id, order.status, order=order)
        return order

    def _outcome(self, error: BaseException, client_order_id: str) -> FraError:
        """A refusal as it is; anything else leaves open what became of the order."""
        cause = self._failures.complete(error, "create_order") if isinstance(error, Exception) else None
        if isinstance(cause, OrderOutcomeUnknown):
            return cause
        # A bare 5xx comes from in front of the matching engine or from behind it: nobody knows.
        behind = type(cause) is ExchangeAPIError and (cause.status_code or 0) >= _SERVER_ERROR
        if isinstance(cause, _REFUSALS) and not behind:
            return cause
        unknown = OrderOutcomeUnknown(
            f"the order was sent and its fate is unknown: {cause.message if cause else type(error).__name__}",
            client_order_id=client_order_id,
            exchange=self._exchange,
            cure=f"ask with get_order(client_order_id={client_order_id!r}); do not send it again",
        )
        unknown.__cause__ = cause
        return unknown

    async def _note_afterwards(
        self,
        request: OrderRequest,
        client_order_id: str,
        status: OrderStatus,
        *,
        order: Order | None = None,
        reason: str | None = None,
    ) -> None:
        """A journal that fails now must not hide what became of the order."""
        try:
            await self._note(request, client_order_id, status, order=order, reason=reason)
        except Exception as error:
            failure = self._failures.complete(error, "the order journal")
            self._emit(
                ErrorRaised(
                    exchange=self._exchange, timestamp_ms=self._now_ms(), where="the order journal", error=failure
                )
            )

    async def _note(
        self,
        request: OrderRequest,
        client_order_id: str,
        status: OrderStatus,
        *,
        order: Order | None = None,
        reason: str | None = None,
    ) -> None:
        await self._journal.record(
            JournalEntry(
                exchange=self._exchange,
                client_order_id=client_order_id,
                timestamp_ms=self._now_ms(),
                request=request,
                status=status,
                order=order,
                reason=reason,
            )
        )

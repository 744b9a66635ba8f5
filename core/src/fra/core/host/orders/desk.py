"""OrderDesk: the orders of one account. Checked, never altered; named, vetoed or let go, journalled, sent once.

Then they are followed, and an outcome that is not known is found out by asking, never by sending again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, final

import attrs

from fra.core.contract.account import FundingPayment
from fra.core.contract.errors import (
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    FraError,
    NotSupported,
    OrderOutcomeUnknown,
    OrderVetoed,
    StreamGap,
    SymbolNotFound,
)
from fra.core.contract.events import Event, FillReceived, OrderChanged, OrderProposed, OrderRefused
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.orders import Fill, Order, OrderRequest, OrderStatus, UserEvent
from fra.core.contract.streams import StreamSource, StreamStatus, Upstream
from fra.core.contract.symbol import Symbol
from fra.core.host.failures import Failures
from fra.core.host.instruments import check_order
from fra.core.host.journal.journal import UNSETTLED, OrderJournal
from fra.core.host.orders.client_ids import ClientOrderIds
from fra.core.host.orders.outcomes import Outcomes
from fra.core.host.orders.recovery import Intent, RecoveredOrder, Recovery
from fra.core.host.orders.tracker import OrderTracker
from fra.core.toolkit.budget import BudgetExceeded
from fra.core.toolkit.recent import Recent

_SERVER_ERROR: Final = 500
_REFUSALS: Final = (
    BudgetExceeded,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeRateLimitError,
    NotSupported,
    OrderVetoed,
    SymbolNotFound,
)
"""What says for certain that no order came to be."""
_SENDING: Final = 60.0
"""Seconds that an order may wait for its turn, beyond the time-out of its request. Then it is given up."""
_UNANSWERED: Final = 10_000
_PAYMENTS: Final = 10_000


@final
class OrderDesk:
    """The orders of one exchange instance."""

    def __init__(
        self,
        exchange: str,
        *,
        plugin: Callable[[], ExchangePluginInterface],
        veto: Callable[[OrderProposed], Awaitable[None]],
        symbol: Callable[[str], Awaitable[Symbol]],
        failures: Failures,
        emit: Callable[[Event], None],
        now_ms: Callable[[], int],
        patience: float = 10.0,
        horizon: float = 900.0,
    ) -> None:
        """``veto`` raises OrderVetoed; whatever else it raises stops the order just the same.

        For ``patience`` seconds, the time-out of one request, a caller waits for an unknown outcome to be found out;
        for ``horizon`` seconds it is asked for at all, and whenever :meth:`recover` is called.
        """
        self._exchange = exchange
        self._plugin = plugin
        self._veto = veto
        self._failures = failures
        self._emit = emit
        self._now_ms = now_ms
        self._patience = patience
        self._tracker = OrderTracker()
        self._streamed = OrderTracker()
        self._payments: Recent[tuple[str, str], None] = Recent(_PAYMENTS)
        self._outcomes = Outcomes(
            exchange,
            recovery=Recovery(plugin=plugin, symbol=symbol, failures=failures, now_ms=now_ms),
            tracker=self._tracker,
            seen=self.seen,
            failures=failures,
            emit=emit,
            now_ms=now_ms,
            horizon=horizon,
        )
        self._sending: set[asyncio.Future[None]] = set()
        self._unanswered: Recent[tuple[str, str], None] = Recent(_UNANSWERED)
        self.ids = ClientOrderIds(None)

    def use(self, journal: OrderJournal) -> None:
        """Write down orders there from now on, and settle in the background what was left open in it."""
        self._outcomes.use(journal)

    # --- sending

    async def create(self, request: OrderRequest, symbol: Symbol) -> Order:
        """Send ``request``, exactly once and exactly as it is, save for a client order id where it has none.

        The answer is the order as it is known by then, which the account's stream may have told more of. Raises
        InvalidOrder, DuplicateOrder, OrderVetoed, FraError when the journal fails (in all these cases nothing was
        sent), OrderOutcomeUnknown (ask, never send again), and what the venue answers.
        """
        try:
            return await self._create(request, symbol)
        except OrderOutcomeUnknown:
            raise
        except FraError as error:
            self._emit(OrderRefused(exchange=self._exchange, timestamp_ms=self._now_ms(), request=request, error=error))
            raise

    async def _create(self, request: OrderRequest, symbol: Symbol) -> Order:
        check_order(request, symbol, exchange=self._exchange)
        if request.client_order_id is None:
            request = attrs.evolve(request, client_order_id=self.ids.make())
        name = request.client_order_id
        assert name is not None
        self.ids.check(name, exchange=self._exchange)
        await self._outcomes.ready()
        self._check_unused(request, name)
        await self._veto(OrderProposed(exchange=self._exchange, timestamp_ms=self._now_ms(), request=request))
        self._check_unused(request, name)  # the veto took its time
        order = await self._send(request, name, symbol)
        self._unanswered.pop((request.symbol, name), None)
        return order

    async def _send(self, request: OrderRequest, name: str, symbol: Symbol) -> Order:
        within = _SENDING + self._patience
        sending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sending.add(sending)
        try:
            self._tracker.expect(request)
            try:
                intent = await self._outcomes.write_down(request, name, symbol, within=within)
            except BaseException:
                self._tracker.forget(request.symbol, name)
                raise
            return await self._send_once(intent, symbol, within)
        finally:
            sending.set_result(None)
            self._sending.discard(sending)

    async def _send_once(self, intent: Intent, symbol: Symbol, within: float) -> Order:
        self._unanswered[intent.key] = None
        try:
            async with asyncio.timeout(within):
                order = await self._plugin().create_order(intent.request, symbol)
        except BaseException as error:
            failure = self._outcome(error, intent.name)
            if isinstance(failure, OrderOutcomeUnknown):
                return await self._unknown(intent, error, failure)
            self._tracker.forget(*intent.key)
            self._unanswered.pop(intent.key, None)
            await self._outcomes.note(intent, OrderStatus.REJECTED, reason=str(failure))
            if failure is error:
                raise
            raise failure from failure.__cause__
        order = self.seen(order)
        if order.status in UNSETTLED:
            self._outcomes.await_news(intent)
        await self._outcomes.note(intent, order.status, order=order)
        return order

    def _check_unused(self, request: OrderRequest, name: str) -> None:
        """A name is free again when its order has ended, and whoever sent it was told: else they may think it lost."""
        known = self._tracker.get(request.symbol, client_order_id=name)
        if known is not None and (not known.status.final or (request.symbol, name) in self._unanswered):
            raise DuplicateOrder(
                f"an order {name!r} of {request.symbol} is {known.status.value}: nothing was sent",
                exchange=self._exchange,
                cure=f"ask with get_order(client_order_id={name!r}), or choose another client order id",
            )

    # --- what is known

    def seen(self, order: Order) -> Order:
        """Take in what the venue said of an order, and tell hooks what is new; the order as it is known now."""
        before = self._tracker.get(order.symbol, id=order.id, client_order_id=order.client_order_id)
        known, news = self._tracker.see(order)
        if news:
            self._tell(known, before)
        return known

    def event(self, event: UserEvent) -> UserEvent | None:
        """What an event of the account's stream comes to: the order as it is known now, or None for no news.

        What an answer has told already is no news to the hooks, but it is to those who hear the stream alone.
        """
        if isinstance(event, Order):
            known = self.seen(event)
            return known if self._streamed.see(known)[1] else None
        if isinstance(event, Fill):
            fill = self.named(event)
            return fill if self._fill(fill) else None
        if isinstance(event, FundingPayment):
            return event if self._payment(event) else None
        return event

    def _payment(self, payment: FundingPayment) -> bool:
        """Whether it is news."""
        key = (payment.symbol, payment.id or f"{payment.timestamp_ms} {payment.amount}")
        if key in self._payments:
            return False
        self._payments[key] = None
        return True

    def named(self, fill: Fill) -> Fill:
        """A fill with the client order id of its order, which some venues do not tell with it."""
        if fill.client_order_id is not None or fill.order_id is None:
            return fill
        order = self._tracker.get(fill.symbol, id=fill.order_id)
        return fill if order is None else attrs.evolve(fill, client_order_id=order.client_order_id)

    def _fill(self, fill: Fill) -> bool:
        """Whether it is news."""
        before = self._tracker.get(fill.symbol, id=fill.order_id, client_order_id=fill.client_order_id)
        news, order = self._tracker.see_fill(fill)
        if order is not None:
            self._tell(order, before)
        if news:
            self._emit(FillReceived(exchange=self._exchange, timestamp_ms=self._now_ms(), fill=fill))
        return news

    def _tell(self, order: Order, before: Order | None) -> None:
        self._outcomes.told(order)
        old = None if before is None else before.status
        self._emit(OrderChanged(exchange=self._exchange, timestamp_ms=self._now_ms(), order=order, old=old))

    def follow(self, upstream: Upstream[UserEvent]) -> Upstream[UserEvent]:
        """The account's stream with each piece of news once and orders never going backwards."""
        if isinstance(upstream, StreamSource):
            return _Follower(self, upstream).source
        return self._follow(upstream)

    async def _follow(self, upstream: AsyncIterator[UserEvent]) -> AsyncIterator[UserEvent]:
        try:
            async for event in upstream:
                news = self.event(event)
                if news is not None:
                    yield news
        finally:
            close = getattr(upstream, "aclose", None)
            if close is not None:
                await close()

    # --- unknown outcomes

    async def _unknown(self, intent: Intent, error: BaseException, failure: OrderOutcomeUnknown) -> Order:
        """Nobody knows what became of it: ask, for a while in front of the caller and then behind their back."""
        symbol, name = intent.key
        known = self._tracker.get(symbol, client_order_id=name)
        if known is None or known.status is OrderStatus.PENDING:
            self.seen(Order.of(intent.request, status=OrderStatus.UNKNOWN))
        if known is not None and known.status not in UNSETTLED:
            intent.told.set()  # the stream was faster than the answer that did not come
        asking = self._outcomes.follow_up(intent)
        await self._outcomes.note(intent, OrderStatus.UNKNOWN, reason=str(failure))
        if not isinstance(error, Exception):
            raise error  # a cancelled caller is cancelled; the desk knows that the order may live
        await asyncio.wait((asking,), timeout=self._patience)
        known = self._tracker.get(symbol, client_order_id=name)
        if intent.told.is_set() and known is not None:
            return known
        if failure is error:
            raise failure
        raise failure from failure.__cause__

    async def recover(self) -> Sequence[RecoveredOrder]:
        """Ask now for every order whose outcome is not known; those, and what was found out since the last call."""
        return await self._outcomes.recover()

    async def close(self) -> None:
        """Let those that are on their way come to their ends, within the time-out; then ask no more. Idempotent."""
        self._outcomes.stop_asking()
        if self._sending:
            await asyncio.wait(tuple(self._sending), timeout=self._patience)
        await self._outcomes.close()

    def _outcome(self, error: BaseException, client_order_id: str) -> FraError:
        """A refusal as it is; anything else leaves open what became of the order."""
        cause = self._failures.complete(error, "create_order") if isinstance(error, Exception) else None
        if isinstance(cause, OrderOutcomeUnknown) or (isinstance(cause, ExchangeConnectionError) and not cause.sent):
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


@final
class _Follower:
    """A source behind a source: what the desk makes of each event goes on, and gaps and statuses as they are."""

    def __init__(self, desk: OrderDesk, upstream: StreamSource[UserEvent]) -> None:
        self.source: StreamSource[UserEvent] = StreamSource(close=upstream.close)
        self._desk = desk
        upstream.attach(self)
        if upstream.status is not self.source.status:
            self.source.set_status(upstream.status, upstream.error)

    def on_item(self, item: UserEvent) -> None:
        news = self._desk.event(item)
        if news is not None:
            self.source.deliver(news)

    def on_gap(self, gap: StreamGap) -> None:
        self.source.gap(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        self.source.set_status(status, error)

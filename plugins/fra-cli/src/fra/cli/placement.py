"""One order sent once, and asked about until its fate is known, or is honestly unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from fra.cli.table import say
from fra.core import (
    DuplicateOrder,
    ExchangeAuthError,
    FraError,
    NotSupported,
    Order,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
)

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

T = TypeVar("T")
PATIENCE: Final = 10.0
ANSWER_WITHIN: Final = 30.0
_FIRST_DELAY: Final = 0.05
_LONGEST_DELAY: Final = 1.0
_UNTOLD: Final = (OrderStatus.PENDING, OrderStatus.UNKNOWN)


@attrs.frozen(kw_only=True)
class Placement:
    """What became of one order. ``order`` is what the venue said last.

    ``refusal`` is why no order came to be; ``doubt`` why nobody knows whether, or how much of, it traded. Both None:
    the order is known.
    """

    exchange: str
    request: OrderRequest
    order: Order | None = None
    refusal: FraError | None = None
    doubt: FraError | None = None

    @property
    def filled(self) -> Decimal | None:
        """How much traded, in the amounts of the symbol; None while that is in doubt."""
        if self.doubt is not None:
            return None
        return Decimal(0) if self.order is None else self.order.filled

    @property
    def least(self) -> Decimal:
        """How much traded for certain."""
        return Decimal(0) if self.order is None else self.order.filled

    @property
    def most(self) -> Decimal:
        """How much can have traded at most."""
        filled = self.filled
        return filled if filled is not None else self.request.amount or self.least

    @property
    def problem(self) -> str | None:
        """Why it is not simply filled, in the venue's words."""
        error = self.refusal or self.doubt
        if error is not None:
            return error.message
        if self.order is None or self.order.status is OrderStatus.FILLED:
            return None
        why = f": {self.order.reason}" if self.order.reason else ""
        return f"{self.order.status.value}{why}"


async def place(
    handle: ExchangeHandle,
    request: OrderRequest,
    *,
    settle: bool,
    fresh: bool = False,
    patience: float = PATIENCE,
    answer_within: float = ANSWER_WITHIN,
) -> Placement:
    """Send ``request``, which has a client order id, exactly once. Never raises what the venue or the host says of it.

    With ``settle`` the order is followed for ``patience`` seconds until nothing more can happen to it (IOC, FOK,
    market); one that still rests then is cancelled. ``fresh``: the client order id was made for this order alone, so
    an order that bears it already *is* this order. A sending that has no answer within ``answer_within`` seconds is
    given up, and its fate asked for.
    """
    placed = Placement(exchange=handle.name, request=request)
    try:
        async with asyncio.timeout(answer_within):
            order = await handle.create_order(request)
    except TimeoutError:
        placed = attrs.evolve(placed, doubt=_unheard(placed, answer_within))
    except OrderOutcomeUnknown as error:
        placed = attrs.evolve(placed, doubt=error)
    except DuplicateOrder as error:
        if not fresh:
            return attrs.evolve(placed, refusal=error)
        placed = attrs.evolve(placed, doubt=error)
    except FraError as error:
        return attrs.evolve(placed, refusal=error)
    else:
        placed = attrs.evolve(placed, order=order)
    placed = await _known(handle, placed, _final if settle else _told, patience)
    order_now = placed.order
    if settle and order_now is not None and not order_now.status.final:
        try:
            await handle.cancel_order(client_order_id=request.client_order_id, symbol=request.symbol)
        except FraError:
            pass  # the question that follows says what counts
        placed = await _known(handle, placed, _final, patience)
    return placed


async def find(handle: ExchangeHandle, symbol: str, client_order_id: str) -> Order | None:
    """The order of that client order id, None when the venue knows none. Raises what else the venue answers."""
    from fra.core import Operation, OrderNotFound

    if not handle.capabilities.support(Operation.GET_ORDER):
        return None
    try:
        return await handle.get_order(symbol=symbol, client_order_id=client_order_id)
    except OrderNotFound:
        return None


async def to_its_end(work: Coroutine[object, object, T], *, what: str) -> T:
    """Do ``work`` whole, also when Ctrl-C comes in its middle: what has left is seen through. The next one ends it."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
            say(f"fra: {what}: waiting until it is known what became of it (Ctrl-C again gives up)")


def _final(order: Order) -> bool:
    return order.status.final


def _told(order: Order) -> bool:
    return order.status not in _UNTOLD


async def _known(
    handle: ExchangeHandle, placed: Placement, enough: Callable[[Order], bool], patience: float
) -> Placement:
    """Ask until the order is known well ``enough``. That the venue finds no such order is no proof of anything."""
    deadline, delay = monotonic() + patience, _FIRST_DELAY
    error = placed.doubt
    order = placed.order
    while order is None or not enough(order):
        try:
            order = await handle.get_order(symbol=placed.request.symbol, client_order_id=placed.request.client_order_id)
            continue_asking = not enough(order)
        except FraError as failure:
            error = error or failure
            continue_asking = not isinstance(failure, NotSupported | ExchangeAuthError)
        if not continue_asking or monotonic() + delay > deadline:
            break
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LONGEST_DELAY)
    if order is not None and enough(order):
        return attrs.evolve(placed, order=order, doubt=None)
    return attrs.evolve(placed, order=order, doubt=error or _unsaid(placed, order))


def _unheard(placed: Placement, seconds: float) -> OrderOutcomeUnknown:
    return OrderOutcomeUnknown(
        f"no answer within {seconds:g} s",
        client_order_id=placed.request.client_order_id or "",
        exchange=placed.exchange,
    )


def _unsaid(placed: Placement, order: Order | None) -> OrderOutcomeUnknown:
    client_order_id = placed.request.client_order_id or ""
    status = "unknown" if order is None else order.status.value
    return OrderOutcomeUnknown(
        f"the order is still {status}, and the venue does not say what becomes of it",
        client_order_id=client_order_id,
        exchange=placed.exchange,
    )

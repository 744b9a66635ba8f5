"""Sending a hedge: both legs at once, each exactly once; what only one of them got is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final, final

import attrs

from fra.arbitrage.hedge.outcome import Holding, Result, surpluses
from fra.cli.placement import ANSWER_WITHIN, PATIENCE, Placement, place
from fra.core import ExchangeRateLimitError, OrderOutcomeUnknown, OrderRequest, PositionSide, Symbol

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

_ATTEMPTS: Final = 3
_BETWEEN: Final = 0.2
_LONGEST_WAIT: Final = 5.0


@attrs.frozen(kw_only=True)
class Leg:
    """One order of the hedge. ``request`` has its client order id; ``new_id`` makes others for unwinding."""

    handle: ExchangeHandle
    symbol: Symbol
    side: PositionSide
    request: OrderRequest
    new_id: Callable[[], str]
    hedge_mode: bool = False


def _silent(text: str) -> None:
    """Nobody listens."""


@final
class Execution:
    """The orders of one hedge, sent once. Use an instance for one hedge and throw it away.

    1. Both entries leave at the same time. A refusal is an answer; a fate that is unknown is asked for.
    2. While any fate is unknown nothing more is sent: an unwinding could double what it should undo.
    3. What one leg holds more than the other, in lots that both can trade, is closed at the market, reduce-only, in at
       most three orders, each of which is sent when the fate of the one before is known.
    """

    def __init__(
        self,
        long: Leg,
        short: Leg,
        *,
        lot: Decimal,
        tell: Callable[[str], None] = _silent,
        patience: float = PATIENCE,
        answer_within: float = ANSWER_WITHIN,
    ) -> None:
        self._legs = (long, short)
        self._lot = lot
        self._tell = tell
        self._patience = patience
        self._answer_within = answer_within
        self._begun = False

    async def run(self) -> Result:
        """Send, and see it through. Never raises what a venue says of an order: the result tells it."""
        if self._begun:
            raise RuntimeError("an Execution sends its orders once")
        self._begun = True
        entries = await asyncio.gather(*(self._sent(leg, leg.request) for leg in self._legs))
        holdings = [
            Holding(
                exchange=leg.handle.name,
                symbol=leg.symbol,
                side=leg.side,
                asked=leg.request.amount or Decimal(0),
                entry=entry,
                hedge_mode=leg.hedge_mode,
            )
            for leg, entry in zip(self._legs, entries, strict=True)
        ]
        if all(holding.known for holding in holdings):
            unwound = (
                self._unwind(leg, holding, surplus)
                for leg, (holding, surplus) in zip(self._legs, surpluses(holdings, self._lot), strict=True)
            )
            holdings = list(await asyncio.gather(*unwound))
        long, short = holdings
        return Result(long=long, short=short, lot=self._lot)

    async def _unwind(self, leg: Leg, holding: Holding, surplus: Decimal) -> Holding:
        left = surplus
        for attempt in range(_ATTEMPTS):
            if left <= 0:
                break
            if attempt:
                await asyncio.sleep(_BETWEEN)
            request = holding.reduction(left, client_order_id=leg.new_id())
            self._tell(f"{leg.handle.name}: unwinding {left.normalize():f} {leg.symbol.amount_unit} ({leg.side.value})")
            placed = await self._sent(leg, request)
            holding = attrs.evolve(holding, unwinds=(*holding.unwinds, placed))
            if placed.filled is None:
                break
            left -= placed.filled
            if placed.refusal is not None:
                if not isinstance(placed.refusal, ExchangeRateLimitError):
                    break
                await asyncio.sleep(min(placed.refusal.retry_after or 0, _LONGEST_WAIT))
        return holding

    async def _sent(self, leg: Leg, request: OrderRequest) -> Placement:
        try:
            placed = await place(
                leg.handle,
                request,
                settle=True,
                fresh=True,
                patience=self._patience,
                answer_within=self._answer_within,
            )
        except Exception as error:  # whatever it is: the other leg must hear that this one is in doubt
            unknown = OrderOutcomeUnknown(
                f"{type(error).__name__}: {error}",
                client_order_id=request.client_order_id or "",
                exchange=leg.handle.name,
            )
            placed = Placement(exchange=leg.handle.name, request=request, doubt=unknown)
        self._tell(_line(leg, placed))
        return placed


def _line(leg: Leg, placed: Placement) -> str:
    """``okx: sell 0.5 BTC: filled 0.5 at 100.1``, or why not."""
    request, order = placed.request, placed.order
    amount = request.amount or Decimal(0)
    text = f"{leg.handle.name}: {request.side.value} {amount.normalize():f} {leg.symbol.amount_unit}: "
    if placed.doubt is not None:
        return f"{text}its fate is UNKNOWN ({placed.doubt.message})"
    if placed.refusal is not None:
        return f"{text}refused ({placed.refusal.message})"
    at = "" if order is None or order.average_price is None else f" at {order.average_price.normalize():f}"
    why = "" if placed.problem is None else f" ({placed.problem})"
    return f"{text}filled {(placed.filled or Decimal(0)).normalize():f}{at}{why}"

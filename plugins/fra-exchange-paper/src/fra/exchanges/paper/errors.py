"""Why the engine refused, as fra's errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from fra.core import (
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    SymbolNotFound,
)
from fra.matching import Reason, Refused

ERRORS: Final[Mapping[Reason, type[ExchangeError]]] = {
    Reason.UNKNOWN_SYMBOL: SymbolNotFound,
    Reason.UNKNOWN_ORDER: OrderNotFound,
    Reason.ORDER_CLOSED: OrderNotFound,
    Reason.DUPLICATE_CLIENT_ID: DuplicateOrder,
    Reason.INSUFFICIENT_FUNDS: InsufficientFunds,
    Reason.MARGIN: InsufficientFunds,
    Reason.LEVERAGE: ExchangeAPIError,
    Reason.POSITION_MODE: ExchangeAPIError,
}
"""What is not here is InvalidOrder."""

_CURES: Final[Mapping[Reason, str]] = {
    Reason.POSITION_SIDE: "give position_side LONG or SHORT in hedge mode, and none in one-way mode or on spot",
    Reason.POSITION_MODE: "cancel the orders and close the positions first",
}


@contextmanager
def refusals(**others: type[ExchangeError]) -> Iterator[None]:
    """Raise the engine's refusals as errors of fra, whose code is the reason; ``others`` are classes by reason."""
    try:
        yield
    except Refused as refused:
        reason = refused.reason
        error = others.get(reason.name) or ERRORS.get(reason, InvalidOrder)
        raise error(str(refused), code=reason.value, cure=_CURES.get(reason)) from refused

"""What an adapter makes of an answer is sound, or it is an error that says so.

Wire types say which fields there are and of which type; that a text is a number, a number finite, a time in
milliseconds, shows only when a model is made of them. Here that is one thing for every method of every adapter: the
venue has sent what it does not document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, ParamSpec, TypeVar

from fra.core.contract.book import OrderBook, PriceLevel
from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import ExchangeAPIError, OrderOutcomeUnknown
from fra.core.contract.models import Ticker, Trade
from fra.core.contract.orders import OrderRequest

P = ParamSpec("P")
R = TypeVar("R")

_READS: Final = frozenset(
    {"health_check", "server_time", *(one.value for one in Operation if not one.value.startswith("subscribe_"))}
)
"""The methods that make something of an answer."""

UNREADABLE: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What a conversion raises of a value that is not what it should be."""

_ZERO: Final = Decimal(0)
_SMALLEST_MS: Final = 100_000_000_000
_LARGEST_MS: Final = 10_000_000_000_000


class Unsound(ValueError):
    """A model holds what no venue means."""


def read_soundly(cls: type) -> None:
    """Make every method of ``cls`` itself that reads an answer do so: an adapter framework calls it of each subclass.

    What such a method cannot make a model of, and a model that no venue means, is ExchangeAPIError with the code
    "malformed"; an order may have been taken all the same, so for ``create_order`` it is OrderOutcomeUnknown.
    """
    for name in _READS & vars(cls).keys():
        method = vars(cls)[name]
        if iscoroutinefunction(method):
            setattr(cls, name, _readable(method, name))


def _readable(method: Callable[P, Awaitable[R]], name: str) -> Callable[P, Awaitable[R]]:
    @wraps(method)
    async def read(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            value = await method(*args, **kwargs)
            check_sound(value)
        except UNREADABLE as error:
            raise _malformed(name, args, error) from error
        return value

    return read


def _malformed(name: str, args: Iterable[object], error: Exception) -> ExchangeAPIError | OrderOutcomeUnknown:
    plugin, *rest = args
    exchange: str | None = getattr(getattr(plugin, "config", None), "name", None)
    why = f"{type(error).__name__}: {error}"[:300]
    request = next((one for one in rest if isinstance(one, OrderRequest)), None)
    if name == Operation.CREATE_ORDER.value and request is not None:
        return OrderOutcomeUnknown(
            f"sent, and the answer cannot be read: {why}",
            client_order_id=request.client_order_id or "",
            exchange=exchange,
            code="malformed",
            cure="ask for the order by its client order id; do not send it again",
        )
    return ExchangeAPIError(
        f"the answer to {name} is not what the venue documents: {why}", exchange=exchange, code="malformed"
    )


def check_sound(value: object) -> None:
    """Raises Unsound for a Ticker, a Trade or an OrderBook, or a sequence of these, that cannot be meant.

    The other models refuse such values themselves; these are made per message, and validate nothing.
    """
    look = _LOOKS.get(value.__class__)
    if look is not None:
        look(value)


def _check_trade(trade: Trade) -> None:
    """A price and an amount above zero, at a time in milliseconds."""
    price, amount = trade.price, trade.amount
    if not (price.is_finite() and amount.is_finite() and price > _ZERO and amount > _ZERO):
        raise Unsound(f"a trade of {amount} at {price}")
    if not _SMALLEST_MS <= trade.timestamp_ms < _LARGEST_MS:
        raise Unsound(f"a trade at {trade.timestamp_ms} ms")


def _check_ticker(ticker: Ticker) -> None:
    """Finite numbers, a time in milliseconds."""
    for number in (
        ticker.bid, ticker.bid_amount, ticker.ask, ticker.ask_amount, ticker.last,
        ticker.open, ticker.high, ticker.low, ticker.volume, ticker.quote_volume,
    ):  # fmt: skip
        if number is not None and not number.is_finite():
            raise Unsound(f"a ticker with {number}")
    if ticker.timestamp_ms is not None and not _SMALLEST_MS <= ticker.timestamp_ms < _LARGEST_MS:
        raise Unsound(f"a ticker at {ticker.timestamp_ms} ms")


def _check_book(book: OrderBook) -> None:
    """Prices in order, amounts above zero, the best bid below the best ask."""
    _check_side(book.bids, up=False)
    _check_side(book.asks, up=True)
    if book.bids and book.asks and book.bids[0].price >= book.asks[0].price:
        raise Unsound(f"a book that is crossed: {book.bids[0].price} bid, {book.asks[0].price} asked")


def _check_side(levels: Sequence[PriceLevel], *, up: bool) -> None:
    last: Decimal | None = None
    for price, amount in levels:
        if not (price.is_finite() and amount.is_finite() and price > 0 and amount > 0):
            raise Unsound(f"a level of {amount} at {price}")
        if last is not None and (price <= last if up else price >= last):
            raise Unsound(f"levels out of order: {price} after {last}")
        last = price


def _check_each(items: Iterable[object]) -> None:
    for item in items:
        check_sound(item)


_LOOKS: Final[Mapping[type, Callable[[Any], None]]] = {
    Ticker: _check_ticker,
    Trade: _check_trade,
    OrderBook: _check_book,
    list: _check_each,
    tuple: _check_each,
}

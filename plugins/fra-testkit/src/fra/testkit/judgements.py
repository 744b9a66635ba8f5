"""What must hold for values, whatever call or stream they came by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from time import time_ns
from typing import Any, Final

import attrs

from fra.core import Kline, OrderBook, Symbol, Ticker
from fra.testkit.outcomes import ensure

MONEY: Final = frozenset(
    (
        "price", "amount", "bid", "bid_amount", "ask", "ask_amount", "last", "open", "high", "low", "close", "volume",
        "quote_volume", "rate", "mark_price", "index_price", "cap", "floor", "free", "total", "borrowed", "filled",
        "quote_amount", "average_price", "trigger_price", "fee", "entry_price", "liquidation_price", "unrealized_pnl",
        "leverage", "tick_size", "lot_size", "contract_size", "min_amount", "max_amount", "min_notional",
        "position_amount",
    )
)  # fmt: skip
"""The fields of fra's models that are money."""
RECKONED: Final = frozenset(
    (
        "average_price", "unrealized_pnl", "entry_price", "liquidation_price", "mark_price", "index_price", "fee",
        "free", "total", "amount_held", "min_amount", "max_amount", "volume", "quote_volume", "leverage",
    )
)  # fmt: skip
"""Those that venues themselves reckon, to as many digits as they like."""
_DIGITS: Final = 20
"""A Decimal made of a float has 50 digits; no venue's price, rate or amount has more than this."""
_FIRST_MS: Final = 1_230_768_000_000
_DAY_MS: Final = 86_400_000


def now_ms() -> int:
    return time_ns() // 1_000_000


def money(answer: Any) -> Iterable[tuple[str, object]]:
    """Every field that is money in an answer, with what stands there; levels of books, too."""
    if isinstance(answer, OrderBook):
        for side in (answer.bids, answer.asks):
            for level in side:
                yield "price", level.price
                yield "amount", level.amount
    elif attrs.has(type(answer)):
        for field in attrs.fields(type(answer)):
            if field.name in MONEY:
                yield field.name, getattr(answer, field.name)
    elif isinstance(answer, Sequence) and not isinstance(answer, str):
        for one in answer:
            yield from money(one)


def decimal(answer: Any, where: str) -> None:
    """That all of it is Decimal."""
    for name, value in money(answer):
        ensure(
            value is None or type(value) is Decimal,
            f"{where}: {name} is a {type(value).__name__} ({value!r}), so sums of it are wrong in the last digits",
            "make Decimals from the venue's own text",
        )


def without_noise(answer: Any, where: str) -> None:
    """That no number went through a float on its way."""
    for name, value in money(answer):
        if isinstance(value, Decimal) and name not in RECKONED and value.is_finite():
            ensure(
                len(value.normalize().as_tuple().digits) <= _DIGITS,
                f"{where}: {name} is {value}, which is what a float looks like",
                "make Decimals from the venue's own text, not from floats",
            )


def times(answer: Any, where: str) -> None:
    """That times are UTC milliseconds: not seconds, not microseconds, not local time far off."""
    for one in answer if isinstance(answer, Sequence) else (answer,):
        for field in attrs.fields(type(one)) if attrs.has(type(one)) else ():
            value = getattr(one, field.name)
            if field.name.endswith("_ms") and value is not None and field.name != "expiry_ms":
                ensure(
                    isinstance(value, int) and _FIRST_MS < value < now_ms() + 40 * _DAY_MS,
                    f"{where}: {field.name} is {value!r}, which is no time in UTC milliseconds of these years",
                    "convert the venue's unit",
                )


def book(told: OrderBook, where: str) -> None:
    """That best prices come first on both sides, and that nobody could buy below what others pay."""
    bids, asks = [level.price for level in told.bids], [level.price for level in told.asks]
    ensure(
        bids == sorted(bids, reverse=True) and asks == sorted(asks) and len({*bids}) == len(bids),
        f"{where} is not sorted, so the best price is not the first",
        "bids fall, asks rise",
    )
    ensure(
        not bids or not asks or bids[0] < asks[0],
        f"{where} is crossed: bid {bids[:1]} and ask {asks[:1]}",
        "check the update rule; a book that has lost its place is invalid",
    )
    ensure(
        all(level.amount > 0 for level in (*told.bids, *told.asks)),
        f"{where} has levels with nothing on them",
        "an amount of zero removes its level",
    )


def on_grid(symbol: Symbol, prices: Iterable[Decimal], where: str) -> None:
    """That prices are those that an order could have."""
    for price in prices:
        if isinstance(price, Decimal):
            ensure(
                price % symbol.tick_size == 0,
                f"{where}: {price} is no price of {symbol.name}, whose tick is {symbol.tick_size}",
                "take tick_size from the venue's instruments, and prices as they come",
            )


def amounts(symbol: Symbol, values: Iterable[Decimal], where: str) -> None:
    """That amounts could be traded: whole lots, in base coin (quote coin for inverse)."""
    for value in values:
        if isinstance(value, Decimal):
            ensure(
                value % min(symbol.lot_size, symbol.contract_size) == 0,
                f"{where}: {value} {symbol.amount_unit} is no multiple of a lot ({symbol.lot_size}) or contract"
                f" ({symbol.contract_size}) of {symbol.name}: it looks like contracts",
                "symbol.amount(contracts) gives base coin (quote coin for inverse)",
            )


def rising(times_ms: Sequence[int], where: str) -> None:
    """That the oldest come first."""
    ensure(
        all(earlier <= later for earlier, later in itertools.pairwise(times_ms)),
        f"{where} is not oldest first, so the newest is taken for the oldest",
        "sort by the venue's time",
    )


def ticker(told: Ticker) -> None:
    """That best prices are the right way round, and the day's range holds its last price."""
    if told.bid is not None and told.ask is not None:
        ensure(told.bid <= told.ask, f"bid {told.bid} is above ask {told.ask}", "exchange the two")
    if told.high is not None and told.low is not None:
        ensure(told.low <= told.high, f"low {told.low} is above high {told.high}", "exchange the two")


def turnover(symbol: Symbol, told: Ticker | Kline, where: str) -> None:
    """That volume is in base coin and quote volume in quote coin: their ratio is a price of that time."""
    if not told.volume or not told.quote_volume or told.low is None or told.high is None or symbol.inverse:
        return
    ratio = told.quote_volume / told.volume
    ensure(
        told.low * Decimal("0.9") <= ratio <= told.high * Decimal("1.1"),
        f"{where}: {told.quote_volume} {symbol.quote} for {told.volume} {symbol.base} is {ratio:.8g} a piece, and"
        f" prices were {told.low} to {told.high}",
        "volume is in base coin, not contracts or quote coin",
    )


def kline(told: Kline) -> None:
    """That open and close lie within low and high."""
    ensure(
        told.low <= min(told.open, told.close) and max(told.open, told.close) <= told.high,
        f"the candle at {told.open_ms} opens at {told.open}, closes at {told.close}, and went from {told.low} to"
        f" {told.high}",
        "check the order of the venue's columns",
    )


def near(left: Decimal, right: Decimal, share: float) -> bool:
    """Whether two are within so much of each other."""
    return math.isclose(left, right, rel_tol=share)


Judge = Callable[[Any, str], None]

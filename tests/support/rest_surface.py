"""What must hold for the answers to the calls of `fra.testkit.cassettes.walk`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fra.core import (
    ConnectionStatus,
    FundingRate,
    Health,
    Kline,
    Operation,
    OrderBook,
    RateKind,
    Symbol,
    Ticker,
    Trade,
)
from fra.testkit.calls import DEPTH, LIMIT

Answer = Any


def check_book(symbol: Symbol, book: OrderBook) -> None:
    """Sorted, not crossed, on the symbol's grid, not above the asked depth."""
    assert book.valid
    assert 0 < len(book.bids) <= DEPTH
    assert 0 < len(book.asks) <= DEPTH
    assert [level.price for level in book.bids] == sorted((level.price for level in book.bids), reverse=True)
    assert [level.price for level in book.asks] == sorted(level.price for level in book.asks)
    assert book.bids[0].price < book.asks[0].price
    assert all(level.price % symbol.tick_size == 0 for level in (*book.bids, *book.asks))
    assert all(level.amount % symbol.lot_size == 0 for level in (*book.bids, *book.asks))


def check_ticker(symbol: Symbol, ticker: Ticker) -> None:
    """Of this symbol; bid below ask; the last price within the day's range."""
    assert ticker.symbol == symbol.name
    assert ticker.bid is None or ticker.ask is None or ticker.bid < ticker.ask
    assert None not in (ticker.last, ticker.low, ticker.high)
    assert ticker.low <= ticker.last <= ticker.high  # type: ignore[operator]


def check_trades(symbol: Symbol, trades: Sequence[Trade]) -> None:
    """Oldest first, ids apart, amounts in whole lots."""
    assert 0 < len(trades) <= LIMIT
    assert [trade.timestamp_ms for trade in trades] == sorted(trade.timestamp_ms for trade in trades)
    assert len({trade.id for trade in trades}) == len(trades)
    assert all(trade.amount > 0 and trade.amount % symbol.lot_size == 0 for trade in trades)


def check_klines(symbol: Symbol, klines: Sequence[Kline]) -> None:
    """A minute apart, oldest first, with a range that holds its ends."""
    opened = [kline.open_ms for kline in klines]
    assert len(opened) == LIMIT
    assert {later - earlier for earlier, later in itertools.pairwise(opened)} == {60_000}
    assert all(kline.low <= min(kline.open, kline.close) for kline in klines)
    assert all(max(kline.open, kline.close) <= kline.high for kline in klines)


def check_terms(symbol: Symbol, rate: FundingRate) -> None:
    """A running estimate whose interval is known, and known from where."""
    assert rate.symbol == symbol.name
    assert rate.kind is RateKind.ESTIMATED
    assert rate.interval is not None
    assert rate.interval_source is not None


def check_funding(symbol: Symbol, rate: FundingRate) -> None:
    """The same with the mark price, which not every venue tells of all symbols at once."""
    check_terms(symbol, rate)
    assert rate.mark_price is not None


def check_funding_history(symbol: Symbol, rates: Sequence[FundingRate]) -> None:
    """Settled rates, oldest first."""
    assert 0 < len(rates) <= LIMIT
    assert {rate.kind for rate in rates} == {RateKind.SETTLED}
    assert {rate.symbol for rate in rates} == {symbol.name}


def check_first(check: Callable[[Symbol, Answer], None]) -> Callable[[Symbol, Sequence[Answer]], None]:
    """The check of a list that must hold exactly this symbol's."""

    def check_it(symbol: Symbol, answers: Sequence[Answer]) -> None:
        (answer,) = answers
        check(symbol, answer)

    return check_it


def check_symbols(symbol: Symbol, symbols: Sequence[Symbol]) -> None:
    """One of many, each there once."""
    names = [listed.name for listed in symbols]
    assert symbol.name in names
    assert len({*names}) == len(names)


CHECKS: Mapping[Operation, Callable[[Symbol, Answer], None]] = {
    Operation.GET_SYMBOLS: check_symbols,
    Operation.GET_ORDERBOOK: check_book,
    Operation.GET_TICKER: check_ticker,
    Operation.GET_TICKERS: check_first(check_ticker),
    Operation.GET_TRADES: check_trades,
    Operation.GET_KLINES: check_klines,
    Operation.GET_FUNDING_RATE: check_funding,
    Operation.GET_FUNDING_RATES: check_first(check_terms),
    Operation.GET_FUNDING_RATE_HISTORY: check_funding_history,
}


def check_health(health: Health) -> None:
    """It answered."""
    assert health.status is ConnectionStatus.CONNECTED
    assert health.latency is not None

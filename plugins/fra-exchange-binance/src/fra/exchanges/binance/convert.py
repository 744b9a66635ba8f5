"""From Binance's messages to fra's models. Sizes of spot and USD-M are base coin already: one contract is one coin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from fra.core import (
    FundingRate,
    IntervalSource,
    Kline,
    KlineInterval,
    LazyLevels,
    MarketKind,
    OrderBook,
    PriceLevel,
    RateKind,
    RefusedInstrument,
    Side,
    Symbol,
    SymbolList,
    Ticker,
    Trade,
)
from fra.exchanges.binance import wire

R = TypeVar("R")

SPOT: Final = "spot"
USDM: Final = "usdm"

_SWAPS: Final = frozenset({"PERPETUAL", "PERPETUAL_DELIVERING", "PERPETUAL DELIVERING", "TRADIFI_PERPETUAL"})
_FUTURES: Final = frozenset(
    f"{length}{state}"
    for length in ("CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER")
    for state in ("", "_DELIVERING", " DELIVERING")
)
_TRADING: Final = "TRADING"
_NOTIONALS: Final = ("NOTIONAL", "MIN_NOTIONAL")
_HOUR_MS: Final = 3_600_000
TAKER: Final = (Side.BUY, Side.SELL)
"""The taker's side by whether the buyer is the maker."""

DEFAULT_INTERVAL: Final = timedelta(hours=8)
"""Binance, USD-M, "Get Funding Rate Info": symbols that it does not list settle each 8 hours."""


class _Refused(Exception):
    """Why an instrument cannot be taken."""


# --- instruments


def spot_symbols(info: wire.SpotInfo) -> SymbolList:
    """Every spot symbol, or among ``refused`` with the reason."""
    return _collect(info.symbols, _spot_symbol, lambda row: row.symbol)


def usdm_symbols(info: wire.UsdmInfo) -> SymbolList:
    """Every USD-M perpetual and dated contract, or among ``refused`` with the reason."""
    return _collect(info.symbols, _usdm_symbol, lambda row: row.symbol)


def merged(lists: Iterable[SymbolList]) -> SymbolList:
    """Several markets' lists as one."""
    lists = tuple(lists)
    result = SymbolList(symbol for symbols in lists for symbol in symbols)
    result.refused = tuple(row for symbols in lists for row in symbols.refused)
    return result


def _collect(rows: Iterable[R], convert: Callable[[R], Symbol], name_of: Callable[[R], str]) -> SymbolList:
    taken: dict[str, Symbol] = {}
    refused: list[RefusedInstrument] = []
    for row in rows:
        try:
            symbol = convert(row)
            if symbol.name in taken:
                raise _Refused(f"{taken[symbol.name].venue_id} is called {symbol.name} too")
        except (_Refused, ValueError, TypeError, ArithmeticError) as error:
            refused.append(RefusedInstrument(name_of(row), str(error)))
        else:
            taken[symbol.name] = symbol
    symbols = SymbolList(taken.values())
    symbols.refused = tuple(refused)
    return symbols


_Rules = tuple[Decimal, Decimal, Decimal | None, Decimal | None, Decimal | None]


def _rules(filters: Iterable[wire.Filter]) -> _Rules:
    """Tick, step, smallest and largest amount, smallest notional. ``pricePrecision`` and its like are no grid."""
    tick = step = smallest = largest = notional = None
    for rule in filters:
        kind = rule.filterType
        if kind == "PRICE_FILTER":
            tick = _shared(rule.tickSize)
        elif kind == "LOT_SIZE":
            step, smallest, largest = _shared(rule.stepSize), _shared(rule.minQty), _shared(rule.maxQty)
        elif kind in _NOTIONALS:
            notional = _shared(rule.minNotional or rule.notional)
    if tick is None or step is None:
        raise _Refused(f"it has no {'tick' if tick is None else 'step'} size")
    return tick, step, smallest, largest, notional


def _bound(text: str | None) -> Decimal | None:
    """A number above zero; the venue's zero is none."""
    return (Decimal(text) or None) if text else None


_shared: Final = lru_cache(maxsize=4096)(_bound)
"""Thousands of symbols have a few steps and limits between them: the same text is the same object."""


def _spot_symbol(row: wire.SpotSymbol) -> Symbol:
    tick, step, smallest, largest, notional = _rules(row.filters)
    return Symbol(
        f"{row.baseAsset}/{row.quoteAsset}",
        row.symbol,
        MarketKind.SPOT,
        row.baseAsset,
        row.quoteAsset,
        active=row.status == _TRADING,
        market=SPOT,
        tick_size=tick,
        lot_size=step,
        min_amount=smallest,
        max_amount=largest,
        min_notional=notional,
    )


def _usdm_symbol(row: wire.UsdmSymbol) -> Symbol:
    name = f"{row.baseAsset}/{row.quoteAsset}:{row.marginAsset}"
    expiry: int | None = None
    if row.contractType in _SWAPS:
        kind = MarketKind.LINEAR_SWAP
    elif row.contractType in _FUTURES:
        kind, expiry = MarketKind.LINEAR_FUTURE, row.deliveryDate
        name = f"{name}-{datetime.fromtimestamp(expiry / 1000, tz=UTC):%y%m%d}"
    else:
        raise _Refused(f"contract type {row.contractType!r} (status {row.status})")
    tick, step, smallest, largest, notional = _rules(row.filters)
    return Symbol(
        name,
        row.symbol,
        kind,
        row.baseAsset,
        row.quoteAsset,
        row.marginAsset,
        expiry_ms=expiry,
        active=row.status == _TRADING,
        market=USDM,
        tick_size=tick,
        lot_size=step,
        min_amount=smallest,
        max_amount=largest,
        min_notional=notional,
    )


# --- market data


def order_book(answer: wire.Depth, symbol: Symbol, received_ms: int) -> OrderBook:
    return OrderBook(
        symbol=symbol.name,
        bids=LazyLevels(answer.bids, _level),
        asks=LazyLevels(answer.asks, _level),
        received_ms=received_ms,
        timestamp_ms=answer.T,
        sequence=answer.lastUpdateId,
    )


def _level(row: tuple[object, object]) -> PriceLevel:
    return PriceLevel(Decimal(row[0]), Decimal(row[1]))  # type: ignore[arg-type]


def day_ticker(day: wire.DayTicker, best: wire.BookTicker | None, symbol: Symbol, received_ms: int) -> Ticker:
    """24 hours, with best prices out of ``best`` where the statistics have none (USD-M)."""
    return Ticker(
        symbol.name,
        received_ms,
        day.closeTime,
        bid=_quoted(day.bidPrice if best is None else best.bidPrice),
        bid_amount=_quoted(day.bidQty if best is None else best.bidQty),
        ask=_quoted(day.askPrice if best is None else best.askPrice),
        ask_amount=_quoted(day.askQty if best is None else best.askQty),
        last=day.lastPrice,
        open=day.openPrice,
        high=day.highPrice,
        low=day.lowPrice,
        volume=day.volume,
        quote_volume=day.quoteVolume,
    )


def _quoted(value: Decimal | None) -> Decimal | None:
    """Binance writes 0 for a side of the book that is empty."""
    return value or None


def best_ticker(push: wire.BookTickerPush, name: str, received_ms: int) -> Ticker:
    return Ticker(name, received_ms, push.E, _quoted(push.b), _quoted(push.B), _quoted(push.a), _quoted(push.A))


def trade(row: wire.SpotTrade, name: str, received_ms: int) -> Trade:
    return Trade(name, str(row.id), row.price, row.qty, TAKER[row.isBuyerMaker], row.time, received_ms)


def aggregate_trade(row: wire.AggTrade | wire.AggTradePush, name: str, received_ms: int) -> Trade:
    """Fills of one taker order at one price, as one trade under the aggregate's id."""
    return Trade(name, str(row.a), row.p, row.q, TAKER[row.m], row.T, received_ms)


def pushed_trade(push: wire.TradePush, name: str, received_ms: int) -> Trade:
    return Trade(name, str(push.t), push.p, push.q, TAKER[push.m], push.T, received_ms)


def kline(row: wire.Candle, symbol: Symbol, interval: KlineInterval, now_ms: int) -> Kline:
    """``now_ms`` is the venue's clock: a candle is closed when its time is over."""
    return Kline(
        symbol=symbol.name,
        interval=interval,
        open_ms=row.open_ms,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        quote_volume=row.quote_volume,
        trades=row.trades,
        closed=row.close_ms < now_ms,
    )


def pushed_kline(push: wire.KlinePush, name: str, interval: KlineInterval) -> Kline:
    return Kline(
        symbol=name,
        interval=interval,
        open_ms=push.t,
        open=push.o,
        high=push.h,
        low=push.l,
        close=push.c,
        volume=push.v,
        quote_volume=push.q,
        trades=push.n,
        closed=push.x,
    )


# --- funding


class FundingTerms(NamedTuple):
    """How one symbol settles: as the venue says, or as its documents say of symbols that it does not list."""

    interval: timedelta
    source: IntervalSource
    cap: Decimal | None = None
    floor: Decimal | None = None


DEFAULT_TERMS: Final = FundingTerms(DEFAULT_INTERVAL, IntervalSource.VENUE_DEFAULT)


def funding_terms(rows: Iterable[wire.FundingInfo]) -> Mapping[str, FundingTerms]:
    """Terms by the venue's symbol. A symbol that is absent has :data:`DEFAULT_TERMS`."""
    return {
        row.symbol: FundingTerms(
            timedelta(hours=row.fundingIntervalHours),
            IntervalSource.REPORTED,
            _number(row.adjustedFundingRateCap),
            _number(row.adjustedFundingRateFloor),
        )
        for row in rows
    }


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def estimated_rate(
    *,
    name: str,
    rate: str,
    next_ms: int,
    mark: str,
    index: str,
    time_ms: int,
    received_ms: int,
    venue_ms: int = 0,
    terms: FundingTerms | None,
) -> FundingRate:
    """The running estimate. ``terms`` None: not known yet, so the interval stays unknown.

    The venue's own next settlement counts. Only when it lies in the past by the venue's clock (``time_ms`` of the row,
    or ``venue_ms`` where that is later: the venue is a message late at each settlement, and an answer may be old) is
    it rolled forward by whole intervals, and marked derived; without terms it is then unknown.
    """
    derived, now = False, max(time_ms, venue_ms)
    settlement: int | None = next_ms
    if next_ms < now:
        derived = terms is not None
        interval_ms = None if terms is None else terms.interval // timedelta(milliseconds=1)
        settlement = None if interval_ms is None else next_ms - ((next_ms - now) // interval_ms) * interval_ms
    return FundingRate(
        symbol=name,
        kind=RateKind.ESTIMATED,
        rate=Decimal(rate),
        received_ms=received_ms,
        timestamp_ms=time_ms,
        interval=None if terms is None else terms.interval,
        interval_source=None if terms is None else terms.source,
        next_settlement_ms=settlement,
        next_settlement_derived=derived,
        mark_price=_bound(mark),
        index_price=_bound(index),
        cap=None if terms is None else terms.cap,
        floor=None if terms is None else terms.floor,
    )


def settled_rates(rows: Sequence[wire.SettledRate], symbol: Symbol, received_ms: int) -> list[FundingRate]:
    """Settled rates oldest first. A row's interval is the time since the row before it, rounded to the hour.

    None for the first row, and where the distance is none that the venue has (a pause in trading).
    """
    rates: list[FundingRate] = []
    before: int | None = None
    for row in rows:
        interval = None if before is None else _hours(row.fundingTime - before)
        before = row.fundingTime
        rates.append(
            FundingRate(
                symbol=symbol.name,
                kind=RateKind.SETTLED,
                rate=row.fundingRate,
                received_ms=received_ms,
                timestamp_ms=row.fundingTime,
                settled_ms=row.fundingTime,
                interval=interval,
                interval_source=None if interval is None else IntervalSource.DERIVED,
                mark_price=_bound(row.markPrice),
            )
        )
    return rates


def _hours(distance_ms: int) -> timedelta | None:
    """A distance between settlements, which are a few milliseconds late, as whole hours."""
    hours = round(distance_ms / _HOUR_MS)
    if not 1 <= hours <= 8 or abs(distance_ms - hours * _HOUR_MS) > 60_000:
        return None
    return timedelta(hours=hours)

"""From Bybit's market data to fra's models. Sizes are base coin, or US dollars where inverse: nothing is scaled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from fra.adapters.custom import settled_history, whole
from fra.core import (
    ExchangeAPIError,
    FundingRate,
    IntervalSource,
    Kline,
    KlineInterval,
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
from fra.exchanges.bybit import wire

SIDES: Final[Mapping[str, Side]] = {"Buy": Side.BUY, "Sell": Side.SELL}

INTERVALS: Final[Mapping[KlineInterval, str]] = {
    KlineInterval.M1: "1",
    KlineInterval.M3: "3",
    KlineInterval.M5: "5",
    KlineInterval.M15: "15",
    KlineInterval.M30: "30",
    KlineInterval.H1: "60",
    KlineInterval.H2: "120",
    KlineInterval.H4: "240",
    KlineInterval.H6: "360",
    KlineInterval.H12: "720",
    KlineInterval.D1: "D",
    KlineInterval.W1: "W",
    KlineInterval.MONTH: "M",
}
"""Interval → Bybit's, for REST and for the channel ``kline.<interval>``. It has none of 8 h and of 3 d."""

_PERPETUALS: Final[Mapping[str, MarketKind]] = {
    "LinearPerpetual": MarketKind.LINEAR_SWAP,
    "InversePerpetual": MarketKind.INVERSE_SWAP,
}
MARKETS: Final[Mapping[MarketKind, str]] = {
    MarketKind.SPOT: "spot",
    MarketKind.LINEAR_SWAP: "linear",
    MarketKind.INVERSE_SWAP: "inverse",
}

_MULTIPLIED: Final = re.compile(r"([A-Z]+)(1000000|100000|10000|1000)")
"""A base coin with its multiplier behind it (SHIB1000); most have it in front (1000PEPE)."""


class _Refused(Exception):
    """Why an instrument cannot be taken."""


def number(text: wire.Text) -> Decimal | None:
    """A Decimal, None for ``''`` and null."""
    return Decimal(text) if text else None


def moment(text: wire.Text) -> int | None:
    """UTC milliseconds, None for ``''``, ``0`` and null."""
    return int(text) or None if text else None


# --- instruments -----------------------------------------------------------------------------------------------


def symbols(rows: Iterable[wire.Instrument], market: str) -> SymbolList:
    """Every instrument of a market as a Symbol, or among ``refused`` with the reason: each row is in one of the two."""
    taken: dict[str, Symbol] = {}
    refused: list[RefusedInstrument] = []
    for row in rows:
        try:
            symbol = _spot(row) if market == "spot" else _contract(row)
            if symbol.name in taken:
                raise _Refused(f"{symbol.name} is already {taken[symbol.name].venue_id}")
            taken[symbol.name] = symbol
        except _Refused as reason:
            refused.append(RefusedInstrument(row.symbol, str(reason)))
    result = SymbolList(taken.values())
    result.refused = tuple(refused)
    return result


def _spot(row: wire.Instrument) -> Symbol:
    lots = row.lotSizeFilter
    return _symbol(
        row,
        MarketKind.SPOT,
        base=row.baseCoin,
        lot=lots.basePrecision,
        largest=lots.maxLimitOrderQty or lots.maxOrderQty,
        notional=lots.minOrderAmt,
    )


def _contract(row: wire.Instrument) -> Symbol:
    kind = _PERPETUALS.get(row.contractType)
    if kind is None:
        dated = row.contractType in ("LinearFutures", "InverseFutures")
        raise _Refused("dated futures are not covered" if dated else f"contract type {row.contractType!r} is not known")
    settle = row.quoteCoin if kind is MarketKind.LINEAR_SWAP else row.baseCoin
    if row.settleCoin != settle:
        raise _Refused(f"{kind.value} settled in {row.settleCoin or '?'} and not in {settle}")
    if kind is MarketKind.INVERSE_SWAP and row.quoteCoin != "USD":
        raise _Refused(f"inverse, but its contracts are {row.quoteCoin} and not US dollars")
    lots = row.lotSizeFilter
    return _symbol(
        row,
        kind,
        base=_MULTIPLIED.sub(r"\2\1", row.baseCoin) if _MULTIPLIED.fullmatch(row.baseCoin) else row.baseCoin,
        settle=settle,
        lot=lots.qtyStep,
        largest=lots.maxOrderQty,
        notional=lots.minNotionalValue,
    )


def _symbol(
    row: wire.Instrument,
    kind: MarketKind,
    *,
    base: str,
    lot: str,
    largest: str,
    notional: str,
    settle: str | None = None,
) -> Symbol:
    if not (row.baseCoin and row.quoteCoin):
        raise _Refused(f"base or quote coin is not given (status {row.status})")
    return Symbol(
        name=f"{base}/{row.quoteCoin}:{settle}" if settle else f"{base}/{row.quoteCoin}",
        venue_id=row.symbol,
        kind=kind,
        base=base,
        quote=row.quoteCoin,
        settle=settle,
        tick_size=_positive(row, "tickSize", row.priceFilter.tickSize),
        lot_size=_positive(row, "basePrecision" if kind is MarketKind.SPOT else "qtyStep", lot),
        min_amount=_positive(row, "minOrderQty", row.lotSizeFilter.minOrderQty),
        max_amount=_limit(row, "maxOrderQty", largest),
        min_notional=_limit(row, "the smallest value", notional),
        active=row.status == "Trading",
        market=MARKETS[kind],
    )


def _limit(row: wire.Instrument, field: str, text: str) -> Decimal | None:
    return _positive(row, field, text) if text.strip("0.") else None


def _positive(row: wire.Instrument, field: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _Refused(f"{field} is {text!r} (status {row.status})") from None
    if not (value.is_finite() and value > 0):
        raise _Refused(f"{field} is {text!r} (status {row.status})")
    return value


# --- prices ------------------------------------------------------------------------------------------------------


def order_book(row: wire.Book, symbol: Symbol, *, received_ms: int) -> OrderBook:
    """A REST book. Its ``u`` is one of the deepest stream's, and of no other."""
    return OrderBook(
        symbol=symbol.name,
        bids=[PriceLevel(Decimal(level[0]), Decimal(level[1])) for level in row.b],
        asks=[PriceLevel(Decimal(level[0]), Decimal(level[1])) for level in row.a],
        received_ms=received_ms,
        timestamp_ms=row.cts or row.ts,
        sequence=row.u,
    )


def ticker(row: wire.Ticker, symbol: Symbol, *, received_ms: int, timestamp_ms: int | None) -> Ticker:
    """Volume in base coin (quote for inverse, of which Bybit counts the turnover in base coin)."""
    volume = number(row.volume24h)
    return Ticker(
        symbol=symbol.name,
        received_ms=received_ms,
        timestamp_ms=timestamp_ms,
        bid=number(row.bid1Price),
        bid_amount=number(row.bid1Size),
        ask=number(row.ask1Price),
        ask_amount=number(row.ask1Size),
        last=number(row.lastPrice),
        open=number(row.prevPrice24h),
        high=number(row.highPrice24h),
        low=number(row.lowPrice24h),
        volume=volume,
        quote_volume=volume if symbol.inverse else number(row.turnover24h),
    )


def recent_trade(row: wire.RecentTrade, symbol: Symbol, *, received_ms: int) -> Trade:
    """A REST trade."""
    price, amount = Decimal(row.price), Decimal(row.size)
    return Trade(symbol.name, row.execId, price, amount, SIDES[row.side], int(row.time), received_ms)


def trade(row: wire.Trade, symbol: Symbol, *, received_ms: int) -> Trade:
    """Positional, for it is made per message."""
    return Trade(symbol.name, row.i, Decimal(row.p), Decimal(row.v), SIDES[row.S], row.T, received_ms)


def kline(row: Sequence[str], symbol: Symbol, interval: KlineInterval, *, venue_ms: int) -> Kline:
    """A REST candle; ``venue_ms`` is Bybit's clock: a candle is closed when its time is over."""
    if len(row) < 7:
        raise ExchangeAPIError(f"a candle of {symbol.venue_id} has {len(row)} columns and not 7", response=repr(row))
    opened, *numbers = row[:7]
    open_ms = int(opened)
    closed = _end_ms(open_ms, interval) <= venue_ms
    return _kline(symbol, interval, open_ms, list(map(Decimal, numbers)), closed=closed)


def _end_ms(open_ms: int, interval: KlineInterval) -> int:
    if interval is not KlineInterval.MONTH:
        return open_ms + interval.shortest_ms
    opened = datetime.fromtimestamp(open_ms // 1000, tz=UTC)
    following = opened.replace(year=opened.year + opened.month // 12, month=opened.month % 12 + 1)
    return int(following.timestamp()) * 1000


def candle(row: wire.Candle, symbol: Symbol, interval: KlineInterval) -> Kline:
    """A candle of the channel."""
    numbers = (row.open, row.high, row.low, row.close, row.volume, row.turnover)
    return _kline(symbol, interval, row.start, list(map(Decimal, numbers)), closed=row.confirm)


def _kline(symbol: Symbol, interval: KlineInterval, open_ms: int, numbers: Sequence[Decimal], *, closed: bool) -> Kline:
    opened, high, low, close, volume, turnover = numbers
    return Kline(
        symbol=symbol.name,
        interval=interval,
        open_ms=open_ms,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        quote_volume=volume if symbol.inverse else turnover,
        closed=closed,
    )


# --- funding -----------------------------------------------------------------------------------------------------


def funding_rate(
    row: wire.Ticker,
    symbol: Symbol,
    *,
    received_ms: int,
    venue_ms: int,
    timestamp_ms: int | None = None,
    interval_minutes: int = 0,
) -> FundingRate:
    """The running estimate. Raises ExchangeAPIError where Bybit gives no rate (a contract that has not opened yet).

    The interval is the ticker's ``fundingIntervalHour``, else ``interval_minutes``, the instrument's own; unknown
    where neither is told. The next settlement is ``nextFundingTime`` as it stands; once that has passed by Bybit's
    clock (``venue_ms``) it is rolled on by the interval and marked derived, and unknown without one.
    """
    if not row.fundingRate:
        raise ExchangeAPIError(f"Bybit gives no funding rate for {symbol.name} now", response=repr(row))
    minutes = whole(Decimal(row.fundingIntervalHour) * 60) if row.fundingIntervalHour else interval_minutes
    interval = timedelta(minutes=minutes) if minutes else None
    settlement, derived = moment(row.nextFundingTime), False
    if settlement is not None and settlement < venue_ms:
        derived = interval is not None
        step = minutes * 60_000
        settlement = settlement - ((settlement - venue_ms) // step) * step if derived else None
    cap = number(row.fundingCap)
    return FundingRate(
        symbol=symbol.name,
        kind=RateKind.ESTIMATED,
        rate=Decimal(row.fundingRate),
        received_ms=received_ms,
        timestamp_ms=timestamp_ms,
        interval=interval,
        interval_source=None if interval is None else IntervalSource.REPORTED,
        next_settlement_ms=settlement,
        next_settlement_derived=derived,
        mark_price=number(row.markPrice),
        index_price=number(row.indexPrice),
        cap=cap,
        floor=None if cap is None else -cap,
    )


def settled_rates(rows: Iterable[wire.SettledFunding], symbol: Symbol, *, received_ms: int) -> list[FundingRate]:
    """Rows as settled rates, oldest first."""
    charged = ((int(row.fundingRateTimestamp), Decimal(row.fundingRate)) for row in rows)
    return settled_history(charged, symbol, received_ms=received_ms)

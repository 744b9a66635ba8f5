"""From HTX's rows to fra's models: contracts become coins, exactly; what is missing is None; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final, TypeVar

from fra.adapters.custom import EXACT, settled_history, whole
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
from fra.exchanges.htx import wire

T = TypeVar("T")

SIDES: Final[Mapping[str, Side]] = {"buy": Side.BUY, "sell": Side.SELL}

PERIODS: Final[Mapping[KlineInterval, str]] = {
    KlineInterval.M1: "1min",
    KlineInterval.M5: "5min",
    KlineInterval.M15: "15min",
    KlineInterval.M30: "30min",
    KlineInterval.H1: "60min",
    KlineInterval.H4: "4hour",
    # From here on HTX counts in Singapore's days, which begin at 16:00 UTC.
    KlineInterval.D1: "1day",
    KlineInterval.W1: "1week",
    KlineInterval.MONTH: "1mon",
}
"""Interval → HTX's ``period``."""

_HALF: Final = Decimal("0.5")


class _Refused(Exception):
    """Why an instrument cannot be taken."""


def positive(value: Decimal | None) -> Decimal | None:
    """``value``, None for nothing and for zero."""
    return value if value else None


def moment(text: str | int | None) -> int | None:
    """UTC milliseconds, None for nothing and zero."""
    return int(text) or None if text else None


# --- instruments -----------------------------------------------------------------------------------------------


def symbols(rows: Iterable[wire.Instrument | wire.Contract]) -> SymbolList:
    """Every instrument as a Symbol, or among ``refused`` with the reason: each row is in one of the two."""
    taken: dict[str, Symbol] = {}
    refused: list[RefusedInstrument] = []
    for row in rows:
        venue_id = row.symbol if isinstance(row, wire.Instrument) else row.contract_code
        try:
            symbol = _spot(row) if isinstance(row, wire.Instrument) else _swap(row)
            if symbol.name in taken:
                raise _Refused(f"{symbol.name} is already {taken[symbol.name].venue_id}")
            taken[symbol.name] = symbol
        except _Refused as reason:
            refused.append(RefusedInstrument(venue_id, str(reason)))
    result = SymbolList(taken.values())
    result.refused = tuple(refused)
    return result


def _spot(row: wire.Instrument) -> Symbol:
    base, quote = row.base_currency.upper(), row.quote_currency.upper()
    if not (base and quote):
        raise _Refused(f"base or quote coin is not given (state {row.state})")
    if row.price_precision < 0 or row.amount_precision < 0:
        raise _Refused(f"precisions of {row.price_precision} and {row.amount_precision} places")
    return Symbol(
        name=f"{base}/{quote}",
        venue_id=row.symbol,
        kind=MarketKind.SPOT,
        base=base,
        quote=quote,
        tick_size=Decimal(1).scaleb(-row.price_precision),
        lot_size=Decimal(1).scaleb(-row.amount_precision),
        min_amount=positive(row.limit_order_min_order_amt) or positive(row.min_order_amt),
        max_amount=positive(row.limit_order_max_order_amt),
        min_notional=positive(row.min_order_value),
        active=row.state == "online" and row.api_trading == "enabled",
        market="spot",
    )


def _swap(row: wire.Contract) -> Symbol:
    base, _, quote = row.contract_code.partition("-")
    if row.business_type != "swap" or "-" in quote:
        raise _Refused("dated contracts are not covered")
    if not (base and quote):
        raise _Refused(f"the contract code {row.contract_code!r} names no two coins")
    settle = row.trade_partition or quote
    if settle != quote:
        raise _Refused(f"quoted in {quote}, but settled in {settle}")
    if row.contract_size <= 0 or row.price_tick <= 0:
        raise _Refused(f"contract size {row.contract_size}, tick {row.price_tick} (status {row.contract_status})")
    size = row.contract_size.normalize()
    return Symbol(
        name=f"{base}/{quote}:{settle}",
        venue_id=row.contract_code,
        kind=MarketKind.LINEAR_SWAP,
        base=base,
        quote=quote,
        settle=settle,
        tick_size=row.price_tick.normalize(),
        lot_size=size,
        contract_size=size,
        min_amount=size,
        active=row.contract_status == 1,
        market="linear",
    )


# --- prices ------------------------------------------------------------------------------------------------------


def amount(size: Decimal, symbol: Symbol) -> Decimal:
    """A size of HTX (contracts for swaps) in base coin."""
    return size if symbol.kind is MarketKind.SPOT else EXACT.multiply(size, symbol.contract_size)


def one_side(volume: Decimal | None, symbol: Symbol) -> Decimal | None:
    """What was traded. Of swaps HTX counts buyers and sellers, so that a trade of one contract is given as two."""
    return volume if volume is None or symbol.kind is MarketKind.SPOT else EXACT.multiply(volume, _HALF)


def order_book(
    row: wire.Book, symbol: Symbol, *, received_ms: int, depth: int | None = None, timestamp_ms: int | None = None
) -> OrderBook:
    """A whole book, cut to ``depth`` levels a side. Its sequence is not the one of the streams."""
    return OrderBook(
        symbol=symbol.name,
        bids=[PriceLevel(price, amount(size, symbol)) for price, size in row.bids[:depth]],
        asks=[PriceLevel(price, amount(size, symbol)) for price, size in row.asks[:depth]],
        received_ms=received_ms,
        timestamp_ms=moment(row.ts) or timestamp_ms,
        sequence=row.version if symbol.kind is MarketKind.SPOT else row.mrid,
    )


def _best(pair: Sequence[Decimal] | None, symbol: Symbol) -> tuple[Decimal | None, Decimal | None]:
    """Price and amount; nothing for an empty side, which HTX leaves out or fills with zeros."""
    if not pair or len(pair) < 2 or not pair[0]:
        return None, None
    return pair[0], amount(pair[1], symbol)


def ticker(row: wire.Day, symbol: Symbol, *, received_ms: int, timestamp_ms: int | None = None) -> Ticker:
    """The last 24 hours with the best prices."""
    bid, bid_amount = _best(row.bid, symbol)
    ask, ask_amount = _best(row.ask, symbol)
    spot = symbol.kind is MarketKind.SPOT
    return Ticker(
        symbol=symbol.name,
        received_ms=received_ms,
        timestamp_ms=row.ts or moment(timestamp_ms),
        bid=bid,
        bid_amount=bid_amount,
        ask=ask,
        ask_amount=ask_amount,
        last=positive(row.close),
        open=positive(row.open),
        high=positive(row.high),
        low=positive(row.low),
        volume=one_side(row.amount, symbol),
        quote_volume=one_side(row.vol if spot else row.trade_turnover, symbol),
    )


def spot_ticker(row: wire.SpotTicker, symbol: Symbol, *, received_ms: int, timestamp_ms: int | None) -> Ticker:
    """The same from a row that spells best prices and sizes apart."""
    return ticker(
        wire.Day(
            row.open, row.close, row.high, row.low, row.amount, row.vol, bid=_pair(row.bid, row.bidSize),
            ask=_pair(row.ask, row.askSize),
        ),
        symbol,
        received_ms=received_ms,
        timestamp_ms=timestamp_ms,
    )  # fmt: skip


def _pair(price: Decimal | None, size: Decimal | None) -> list[Decimal] | None:
    return None if price is None or size is None else [price, size]


def best_prices(
    row: wire.SpotBest | wire.SwapBest, symbol: Symbol, *, received_ms: int, timestamp_ms: int | None
) -> Ticker:
    """A ``bbo`` push: best prices and nothing else."""
    if isinstance(row, wire.SpotBest):
        bids, asks, at = _pair(row.bid, row.bidSize), _pair(row.ask, row.askSize), row.quoteTime
    else:
        bids, asks, at = row.bid, row.ask, row.ts
    bid, bid_amount = _best(bids, symbol)
    ask, ask_amount = _best(asks, symbol)
    return Ticker(
        symbol=symbol.name,
        received_ms=received_ms,
        timestamp_ms=at or timestamp_ms,
        bid=bid,
        bid_amount=bid_amount,
        ask=ask,
        ask_amount=ask_amount,
    )


def trade_id(row: wire.Trade) -> str:
    """``tradeId`` of spot, ``id`` of swaps."""
    known = row.tradeId if row.tradeId is not None else row.trade_id
    return str(known) if known is not None else row.text


def trade(row: wire.Trade, symbol: Symbol, *, received_ms: int) -> Trade:
    """One public trade. Raises ExchangeAPIError where HTX does not say whose side it was."""
    if not row.direction:
        raise ExchangeAPIError(f"a trade of {symbol.venue_id} came without a direction", response=repr(row))
    size = one_side(amount(row.amount, symbol), symbol)
    assert size is not None
    return Trade(symbol.name, trade_id(row), row.price, size, SIDES[row.direction], row.ts, received_ms)


def kline(row: wire.Candle, symbol: Symbol, interval: KlineInterval) -> Kline:
    """One candle; HTX does not say whether it is complete."""
    spot = symbol.kind is MarketKind.SPOT
    volume = one_side(row.amount, symbol)
    assert volume is not None
    return Kline(
        symbol=symbol.name,
        interval=interval,
        open_ms=row.id * 1000,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=volume,
        quote_volume=one_side(row.vol if spot else row.trade_turnover, symbol),
        trades=whole(row.count) if spot and row.count is not None else None,
    )


# --- funding -----------------------------------------------------------------------------------------------------


def funding_rate(
    row: wire.FundingRate | wire.FundingPush,
    symbol: Symbol,
    *,
    received_ms: int,
    venue_ms: int | None = None,
    timestamp_ms: int | None = None,
    elements: wire.Elements | None = None,
    mark_price: Decimal | None = None,
) -> FundingRate:
    """The running estimate. Raises ExchangeAPIError where HTX gives no rate.

    The interval is the contract's ``settle_period`` where its elements are known, else the distance to the settlement
    after the next one where HTX tells that, else unknown. A settlement that has passed by HTX's clock (``venue_ms``,
    by default ``received_ms``) is rolled on by the interval and marked derived; without an interval it is unknown.
    """
    if row.funding_rate is None:
        raise ExchangeAPIError(f"HTX gives no funding rate for {symbol.name} now", response=repr(row))
    if isinstance(row, wire.FundingPush):
        settlement, following = moment(row.settlement_time), None
        timestamp_ms = moment(row.funding_time) or timestamp_ms
    else:
        settlement, following = moment(row.funding_time), moment(row.next_funding_time)
    interval_ms, source = None, None
    if elements is not None and elements.settle_period:
        interval_ms, source = whole(elements.settle_period * 3_600_000), IntervalSource.REPORTED
    elif settlement and following and following > settlement:
        interval_ms, source = following - settlement, IntervalSource.DERIVED
    now = received_ms if venue_ms is None else venue_ms
    derived = False
    if settlement is not None and settlement < now:
        derived = interval_ms is not None
        settlement = None if interval_ms is None else settlement - ((settlement - now) // interval_ms) * interval_ms
    return FundingRate(
        symbol=symbol.name,
        kind=RateKind.ESTIMATED,
        rate=row.funding_rate,
        received_ms=received_ms,
        timestamp_ms=moment(timestamp_ms),
        interval=None if interval_ms is None else timedelta(milliseconds=interval_ms),
        interval_source=source,
        next_settlement_ms=settlement,
        next_settlement_derived=derived,
        mark_price=mark_price,
        cap=None if elements is None else elements.funding_rate_cap,
        floor=None if elements is None else elements.funding_rate_floor,
    )


def settled_rates(rows: Iterable[wire.Settled], symbol: Symbol, *, received_ms: int) -> list[FundingRate]:
    """Rows as settled rates, oldest first.

    ``realized_rate`` is what was charged; since HTX charges the running rate it is null, and ``funding_rate`` is.
    """
    told = ((row, row.funding_rate if row.realized_rate is None else row.realized_rate) for row in rows)
    charged = ((int(row.funding_time), rate) for row, rate in told if rate is not None)
    return settled_history(charged, symbol, received_ms=received_ms)

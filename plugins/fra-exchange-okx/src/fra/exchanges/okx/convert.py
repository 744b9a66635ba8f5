"""From OKX's rows to fra's models: contracts become coins, exactly; ``''`` becomes None; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from fra.adapters.custom import EXACT, settled_history
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
from fra.exchanges.okx import wire

SIDES: Final[Mapping[str, Side]] = {"buy": Side.BUY, "sell": Side.SELL}

BARS: Final[Mapping[KlineInterval, str]] = {
    KlineInterval.M1: "1m",
    KlineInterval.M3: "3m",
    KlineInterval.M5: "5m",
    KlineInterval.M15: "15m",
    KlineInterval.M30: "30m",
    KlineInterval.H1: "1H",
    KlineInterval.H2: "2H",
    KlineInterval.H4: "4H",
    # From here on OKX has a bar that opens in Hong Kong's day and one in UTC's: fra's candles are UTC.
    KlineInterval.H6: "6Hutc",
    KlineInterval.H12: "12Hutc",
    KlineInterval.D1: "1Dutc",
    KlineInterval.D3: "3Dutc",
    KlineInterval.W1: "1Wutc",
    KlineInterval.MONTH: "1Mutc",
}
"""Interval → OKX's bar, for REST's ``bar`` and for the channel ``candle<bar>``. It has none of 8 h."""


class _Refused(Exception):
    """Why an instrument cannot be taken."""


def number(text: str) -> Decimal | None:
    """A Decimal, None for ``''``."""
    return Decimal(text) if text else None


def moment(text: str) -> int | None:
    """UTC milliseconds, None for ``''`` and ``0``."""
    return int(text) or None if text else None


# --- instruments -----------------------------------------------------------------------------------------------


def symbols(rows: Iterable[wire.Instrument]) -> SymbolList:
    """Every instrument as a Symbol, or among ``refused`` with the reason: each row is in one of the two."""
    taken: dict[str, Symbol] = {}
    refused: list[RefusedInstrument] = []
    for row in rows:
        try:
            symbol = _spot(row) if row.instType == "SPOT" else _swap(row)
            if symbol.name in taken:
                raise _Refused(f"{symbol.name} is already {taken[symbol.name].venue_id}")
            taken[symbol.name] = symbol
        except _Refused as reason:
            refused.append(RefusedInstrument(row.instId, str(reason)))
    result = SymbolList(taken.values())
    result.refused = tuple(refused)
    return result


def _spot(row: wire.Instrument) -> Symbol:
    if not (row.baseCcy and row.quoteCcy):
        raise _Refused(f"base or quote coin is not given (state {row.state})")
    return _symbol(row, MarketKind.SPOT, base=row.baseCcy, quote=row.quoteCcy, size=Decimal(1))


def _swap(row: wire.Instrument) -> Symbol:
    if row.instType != "SWAP":
        raise _Refused(f"{row.instType.lower()} instruments are not covered")
    base, _, quote = row.uly.partition("-")
    if not (base and quote and row.settleCcy):
        raise _Refused(f"underlying or settlement coin is not given (state {row.state})")
    size = EXACT.multiply(_positive(row, "ctVal"), _positive(row, "ctMult"))
    if row.ctType == "linear":
        if row.ctValCcy != base:
            raise _Refused(f"a contract is worth {row.ctVal} {row.ctValCcy or '?'}, which is not the base coin {base}")
        return _symbol(row, MarketKind.LINEAR_SWAP, base=base, quote=quote, settle=row.settleCcy, size=size)
    if row.ctType == "inverse":
        if row.ctValCcy != "USD" or quote != "USD":
            raise _Refused(f"a contract of {quote} is worth {row.ctVal} {row.ctValCcy or '?'}, which is not USD")
        if row.settleCcy != base:
            raise _Refused(f"inverse, but settled in {row.settleCcy} and not in {base}")
        return _symbol(row, MarketKind.INVERSE_SWAP, base=base, quote=quote, settle=base, size=size)
    raise _Refused(f"contract type {row.ctType!r} is neither linear nor inverse")


def _symbol(
    row: wire.Instrument, kind: MarketKind, *, base: str, quote: str, size: Decimal, settle: str | None = None
) -> Symbol:
    largest = None if row.maxLmtSz in ("", "0") else _positive(row, "maxLmtSz")
    return Symbol(
        name=f"{base}/{quote}:{settle}" if settle else f"{base}/{quote}",
        venue_id=row.instId,
        kind=kind,
        base=base,
        quote=quote,
        settle=settle,
        tick_size=_positive(row, "tickSz"),
        lot_size=EXACT.multiply(_positive(row, "lotSz"), size),
        contract_size=size,
        min_amount=EXACT.multiply(_positive(row, "minSz"), size),
        max_amount=EXACT.multiply(largest, size) if largest else None,
        active=row.state == "live",
        market="spot" if kind is MarketKind.SPOT else "swap",
    )


def _positive(row: wire.Instrument, field: str) -> Decimal:
    text: str = getattr(row, field)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _Refused(f"{field} is {text!r} (state {row.state})") from None
    if not (value.is_finite() and value > 0):
        raise _Refused(f"{field} is {text!r} (state {row.state})")
    return value


# --- prices ------------------------------------------------------------------------------------------------------


def order_book(row: wire.Book, symbol: Symbol, *, received_ms: int) -> OrderBook:
    """A REST book."""
    return OrderBook(
        symbol=symbol.name,
        bids=[PriceLevel(Decimal(level[0]), amount(level[1], symbol)) for level in row.bids],
        asks=[PriceLevel(Decimal(level[0]), amount(level[1], symbol)) for level in row.asks],
        received_ms=received_ms,
        timestamp_ms=moment(row.ts),
        sequence=row.seqId,
    )


def amount(text: str, symbol: Symbol) -> Decimal:
    """A size of OKX (contracts for swaps) as an amount: base coin, quote coin for inverse."""
    size = Decimal(text)
    return size if symbol.kind is MarketKind.SPOT else EXACT.multiply(size, symbol.contract_size)


def _amount_or_none(text: str, symbol: Symbol) -> Decimal | None:
    return amount(text, symbol) if text else None


def ticker(row: wire.Ticker, symbol: Symbol, *, received_ms: int) -> Ticker:
    """Volume in base coin (quote for inverse). OKX tells no quote volume of a linear swap: None."""
    volume = _amount_or_none(row.vol24h, symbol)
    quote_volume = {MarketKind.SPOT: number(row.volCcy24h), MarketKind.INVERSE_SWAP: volume}.get(symbol.kind)
    return Ticker(
        symbol=symbol.name,
        received_ms=received_ms,
        timestamp_ms=moment(row.ts),
        bid=number(row.bidPx),
        bid_amount=_amount_or_none(row.bidSz, symbol),
        ask=number(row.askPx),
        ask_amount=_amount_or_none(row.askSz, symbol),
        last=number(row.last),
        open=number(row.open24h),
        high=number(row.high24h),
        low=number(row.low24h),
        volume=volume,
        quote_volume=quote_volume,
    )


def best_prices(row: wire.Book, symbol: Symbol, *, received_ms: int) -> Ticker:
    """A ``bbo-tbt`` row: best prices and nothing else."""
    bid = row.bids[0] if row.bids else None
    ask = row.asks[0] if row.asks else None
    return Ticker(
        symbol=symbol.name,
        received_ms=received_ms,
        timestamp_ms=moment(row.ts),
        bid=Decimal(bid[0]) if bid else None,
        bid_amount=amount(bid[1], symbol) if bid else None,
        ask=Decimal(ask[0]) if ask else None,
        ask_amount=amount(ask[1], symbol) if ask else None,
    )


def trade(row: wire.Trade, symbol: Symbol, *, received_ms: int) -> Trade:
    """Positional, for it is made per message. The channel's row may stand for several fills: its id is the last's."""
    return Trade(
        symbol.name,
        row.tradeId,
        Decimal(row.px),
        amount(row.sz, symbol),
        SIDES[row.side],
        int(row.ts),
        received_ms,
    )


def kline(row: wire.Candle, symbol: Symbol, interval: KlineInterval) -> Kline:
    """Nine columns; the last is ``1`` once the candle is complete."""
    if len(row) < 9:
        raise ExchangeAPIError(f"a candle of {symbol.venue_id} has {len(row)} columns and not 9", response=repr(row))
    opened, *prices, volume, _, quote_volume, confirm = row[:9]
    open_, high, low, close = map(Decimal, prices)
    return Kline(
        symbol=symbol.name,
        interval=interval,
        open_ms=int(opened),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=amount(volume, symbol),
        quote_volume=number(quote_volume),
        closed={"1": True, "0": False}.get(confirm),
    )


# --- funding -----------------------------------------------------------------------------------------------------


def funding_rate(
    row: wire.FundingRate,
    symbol: Symbol,
    *,
    received_ms: int,
    venue_ms: int | None = None,
    mark_price: Decimal | None = None,
) -> FundingRate:
    """The running estimate. Raises ExchangeAPIError where OKX gives no rate (a contract that has not opened yet).

    The interval is ``nextFundingTime`` less ``fundingTime``, and unknown where OKX leaves the former out or repeats
    the latter. The next settlement is ``fundingTime`` as it stands; only once that has passed by OKX's clock
    (``venue_ms``, by default ``received_ms``) is it rolled on by the interval and marked derived; without an interval
    it is then unknown.
    """
    if not row.fundingRate:
        raise ExchangeAPIError(f"OKX gives no funding rate for {symbol.name} now", response=repr(row))
    settlement, following = moment(row.fundingTime), moment(row.nextFundingTime)
    interval_ms = following - settlement if settlement and following and following > settlement else None
    now = received_ms if venue_ms is None else venue_ms
    derived = False
    if settlement is not None and settlement < now:
        derived = interval_ms is not None
        settlement = None if interval_ms is None else settlement - ((settlement - now) // interval_ms) * interval_ms
    return FundingRate(
        symbol=symbol.name,
        kind=RateKind.ESTIMATED,
        rate=Decimal(row.fundingRate),
        received_ms=received_ms,
        timestamp_ms=moment(row.ts),
        interval=None if interval_ms is None else timedelta(milliseconds=interval_ms),
        interval_source=None if interval_ms is None else IntervalSource.DERIVED,
        next_settlement_ms=settlement,
        next_settlement_derived=derived,
        mark_price=mark_price,
        cap=number(row.maxFundingRate),
        floor=number(row.minFundingRate),
    )


def settled_rates(rows: Iterable[wire.SettledFunding], symbol: Symbol, *, received_ms: int) -> list[FundingRate]:
    """Rows as settled rates, oldest first. Those without a ``realizedRate`` were not charged yet, and are none."""
    charged = ((int(row.fundingTime), Decimal(row.realizedRate)) for row in rows if row.realizedRate)
    return settled_history(charged, symbol, received_ms=received_ms)

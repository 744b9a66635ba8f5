"""ccxt's unified structures as fra's models. Contracts become coins here, and nowhere else.

Each function takes the structure as ccxt hands it out with ``number = str``; its ``info`` is the venue's own row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import inf
from operator import gt, itemgetter, lt
from typing import Any, Final, TypeVar

from fra.adapters.ccxt.errors import MALFORMED
from fra.adapters.ccxt.numbers import number, positive
from fra.core import (
    Balance,
    ExchangeAPIError,
    Fill,
    FundingPayment,
    Kline,
    KlineInterval,
    LazyLevels,
    MarginMode,
    Order,
    OrderBook,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    PriceLevel,
    Side,
    Symbol,
    Ticker,
    TimeInForce,
    Trade,
)

T = TypeVar("T")
Raw = Mapping[str, Any]
"""One of ccxt's unified structures."""
_PRICE: Final = itemgetter(0)
_AMOUNT: Final = itemgetter(1)
_SHOWN: Final = 100

STATUSES: Final[Mapping[str, OrderStatus]] = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
    "canceling": OrderStatus.OPEN,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
_ZERO: Final = Decimal(0)
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_POSITION_SIDES: Final = {"long": PositionSide.LONG, "short": PositionSide.SHORT}
_MARGIN_MODES: Final = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
_POST_ONLY: Final = ("PO", "GTX")


def needed(value: Decimal | None, what: str, symbol: Symbol) -> Decimal:
    """A number without which the answer means nothing. Raises ExchangeAPIError."""
    if value is None:
        raise ExchangeAPIError(f"ccxt's answer for {symbol.name} has no {what}")
    return value


def scaled(value: object, symbol: Symbol) -> Decimal | None:
    """Contracts as an amount."""
    made = number(value)
    return None if made is None else symbol.amount(made)


def half(value: Decimal | None) -> Decimal | None:
    """One side of what a venue counted for both."""
    return None if value is None else value / 2


def moment(value: object) -> int | None:
    """UTC milliseconds, None where there are none: venues write 0 and -1 for that too."""
    made = positive(value)
    return None if made is None else int(made)


def side(value: object) -> Side:
    """Raises ExchangeAPIError for what is neither."""
    try:
        return _SIDES[str(value).lower()]
    except KeyError:
        raise ExchangeAPIError(f"ccxt names the side {value!r}", code=MALFORMED) from None


# --- market data


def order_book(raw: Raw, symbol: Symbol, *, received_ms: int, depth: int | None = None) -> OrderBook:
    """The best ``depth`` levels of a side. What is returned keeps nothing of ``raw``, which ccxt goes on changing."""
    size = symbol.contract_size
    timestamp = moment(raw.get("timestamp"))
    nonce = raw.get("nonce")
    return OrderBook(
        symbol=symbol.name,
        bids=levels(raw["bids"], size, depth),
        asks=levels(raw["asks"], size, depth),
        received_ms=received_ms,
        timestamp_ms=timestamp,
        sequence=nonce if isinstance(nonce, int) else None,
    )


def check_book(raw: Raw) -> None:
    """Raises ExchangeAPIError "malformed" for a live book that no venue means: of no order or size, or crossed.

    ccxt applies to its book whatever an update says. It keeps floats, which are enough to see it, and cheap.
    """
    bids, asks = raw["bids"], raw["asks"]
    for side, rows, before in (("bids", bids, gt), ("asks", asks, lt)):
        if not rows:
            continue
        prices, amounts = list(map(_PRICE, rows)), list(map(_AMOUNT, rows))
        ends = prices[0], prices[-1]
        ordered = min(ends) > 0 and max(ends) < inf and all(map(before, prices, prices[1:]))
        if not (ordered and min(amounts) > 0 and sum(amounts) < inf):
            raise ExchangeAPIError(f"a book whose {side} are {str(rows)[:_SHOWN]}", code=MALFORMED)
    if bids and asks and bids[0][0] >= asks[0][0]:
        raise ExchangeAPIError(f"a book that is crossed: {bids[0][0]} bid, {asks[0][0]} asked", code=MALFORMED)


def levels(rows: Sequence[Sequence[object]], size: Decimal, depth: int | None) -> Sequence[PriceLevel]:
    """Rows as levels whose Decimals are made when they are read."""

    def level(row: tuple[object, object]) -> PriceLevel:
        price, amount = number(row[0]), number(row[1])
        if price is None or amount is None:
            raise ExchangeAPIError(f"a level of {row[1]!r} at {row[0]!r}", code=MALFORMED)
        return PriceLevel(price, amount if size == 1 else amount * size)

    return LazyLevels([(row[0], row[1]) for row in rows[:depth]], level)


def ticker(raw: Raw, symbol: Symbol, *, received_ms: int, contracts: bool = False) -> Ticker:
    """Sizes at the best prices come in contracts; the day's volume does only where ``contracts`` says so."""
    quote_volume = number(raw.get("quoteVolume"))
    if contracts and symbol.kind.is_derivative:
        volume = scaled(raw.get("baseVolume"), symbol)
        quote_volume = volume if symbol.inverse else quote_volume
    else:
        volume = quote_volume if symbol.inverse else number(raw.get("baseVolume"))
    return Ticker(
        symbol=symbol.name,
        received_ms=received_ms,
        timestamp_ms=moment(raw.get("timestamp")),
        bid=positive(raw.get("bid")),
        bid_amount=scaled(raw.get("bidVolume"), symbol),
        ask=positive(raw.get("ask")),
        ask_amount=scaled(raw.get("askVolume"), symbol),
        last=positive(raw.get("last")),
        open=positive(raw.get("open")),
        high=positive(raw.get("high")),
        low=positive(raw.get("low")),
        volume=volume,
        quote_volume=quote_volume,
    )


def trade(raw: Raw, symbol: Symbol, *, received_ms: int) -> Trade:
    return Trade(
        symbol=symbol.name,
        id=str(raw.get("id") or ""),
        price=needed(number(raw.get("price")), "price", symbol),
        amount=needed(scaled(raw.get("amount"), symbol), "amount", symbol),
        side=side(raw.get("side")),
        timestamp_ms=moment(raw.get("timestamp")) or received_ms,
        received_ms=received_ms,
    )


def kline(row: Sequence[object], symbol: Symbol, interval: KlineInterval, *, contracts: bool) -> Kline:
    """``contracts`` says that this venue counts the volume of candles in them."""
    volume = number(row[5]) or _ZERO
    return Kline(
        symbol=symbol.name,
        interval=interval,
        open_ms=moment(row[0]) or 0,
        open=needed(number(row[1]), "open", symbol),
        high=needed(number(row[2]), "high", symbol),
        low=needed(number(row[3]), "low", symbol),
        close=needed(number(row[4]), "close", symbol),
        volume=symbol.amount(volume) if contracts else volume,
    )


# --- orders


def order_status(raw: Raw) -> OrderStatus:
    """What ccxt calls closed ended: filled if nothing is left of it, else cancelled, with what it filled."""
    status = STATUSES.get(str(raw.get("status")), OrderStatus.UNKNOWN)
    if status is OrderStatus.FILLED:
        amount, filled, remaining = (number(raw.get(name)) for name in ("amount", "filled", "remaining"))
        if amount is not None and filled is not None and order_type(raw) is not OrderType.MARKET:
            remaining = amount - filled  # what is left of a cancelled order is 0 to some venues
        if remaining is not None and remaining > 0:
            return OrderStatus.CANCELED
    return status


def order_type(raw: Raw) -> OrderType:
    """ccxt passes on many venues' own words; those of conditional orders hold "stop" or "take"."""
    word = str(raw.get("type") or "").lower()
    if "take" in word or raw.get("takeProfitPrice") is not None:
        return OrderType.TAKE_PROFIT
    if "stop" in word or raw.get("stopLossPrice") is not None or positive(raw.get("triggerPrice")) is not None:
        return OrderType.STOP
    if "market" in word:
        return OrderType.MARKET
    if "limit" in word:
        return OrderType.LIMIT
    return OrderType.LIMIT if positive(raw.get("price")) is not None else OrderType.MARKET


def order(raw: Raw, symbol: Symbol, *, status: OrderStatus | None = None) -> Order:
    """The whole order. Raises ExchangeAPIError when ccxt does not even know its side."""
    kind = order_type(raw)
    force, post_only = raw.get("timeInForce"), raw.get("postOnly")
    force = force.upper() if isinstance(force, str) else None
    filled = scaled(raw.get("filled"), symbol) or _ZERO
    amount = scaled(raw.get("amount"), symbol)
    if amount is not None and filled > amount:
        amount = filled
    trigger = next(
        (
            made
            for name in ("triggerPrice", "stopLossPrice", "takeProfitPrice")
            if (made := positive(raw.get(name))) is not None
        ),
        None,
    )
    post = True if force in _POST_ONLY else post_only if isinstance(post_only, bool) else None
    reduce_only = raw.get("reduceOnly")
    return Order(
        symbol=symbol.name,
        side=side(raw.get("side")),
        type=kind,
        status=order_status(raw) if status is None else status,
        id=str(raw["id"]) if raw.get("id") else None,
        client_order_id=str(raw["clientOrderId"]) if raw.get("clientOrderId") else None,
        amount=amount if amount or kind is not OrderType.MARKET else None,
        filled=filled,
        price=None if kind is OrderType.MARKET else positive(raw.get("price")),
        average_price=positive(raw.get("average")) if filled else None,
        trigger_price=trigger,
        time_in_force=TimeInForce.GTC if force in _POST_ONLY else _force(force),
        post_only=post,
        reduce_only=reduce_only if isinstance(reduce_only, bool) else None,
        created_ms=moment(raw.get("timestamp")),
        timestamp_ms=moment(raw.get("lastUpdateTimestamp"))
        or moment(raw.get("lastTradeTimestamp"))
        or moment(raw.get("timestamp")),
    )


def _force(word: str | None) -> TimeInForce | None:
    return TimeInForce(word) if word in {force.value for force in TimeInForce} else None


def fill(raw: Raw, symbol: Symbol, *, received_ms: int) -> Fill:
    """One execution; ccxt's fees are positive when paid, as ours."""
    fee = raw.get("fee") or next(iter(raw.get("fees") or ()), None) or {}
    cost, currency = number(fee.get("cost")), fee.get("currency")
    role = raw.get("takerOrMaker")
    return Fill(
        symbol=symbol.name,
        trade_id=str(raw.get("id") or ""),
        side=side(raw.get("side")),
        price=needed(number(raw.get("price")), "price", symbol),
        amount=needed(scaled(raw.get("amount"), symbol), "amount", symbol),
        timestamp_ms=moment(raw.get("timestamp")) or received_ms,
        order_id=str(raw["order"]) if raw.get("order") else None,
        client_order_id=str(raw["clientOrderId"]) if raw.get("clientOrderId") else None,
        fee=cost,
        fee_asset=str(currency) if currency and cost is not None else None,
        maker=None if role not in ("maker", "taker") else role == "maker",
    )


# --- account


def balances(raw: Raw, wallet: str) -> list[Balance]:
    """Every asset that is not zero everywhere."""
    free, total, debt = (raw.get(name) or {} for name in ("free", "total", "debt"))
    stamp = moment(raw.get("timestamp"))
    found = []
    for asset in dict.fromkeys((*total, *free, *debt)):
        row = raw.get(asset) or {}
        whole, loose = number(row.get("total")), number(row.get("free"))
        used, owed = number(row.get("used")) or _ZERO, number(row.get("debt")) or _ZERO
        if whole is None:
            whole = (loose or _ZERO) + used
        if loose is None:
            loose = whole - used
        if whole or loose or owed:
            found.append(
                Balance(asset=asset, market=wallet, free=loose, total=whole, borrowed=owed, timestamp_ms=stamp)
            )
    return found


def position(raw: Raw, symbol: Symbol) -> Position | None:
    """None where ccxt does not say on which side it is: a flat one of one-way mode."""
    contracts = number(raw.get("contracts"))
    which = _POSITION_SIDES.get(str(raw.get("side")).lower())
    if which is None or contracts is None:
        return None
    hedged = raw.get("hedged")
    return Position(
        symbol=symbol.name,
        side=which,
        amount=symbol.amount(abs(contracts)),
        entry_price=positive(raw.get("entryPrice")),
        mark_price=positive(raw.get("markPrice")),
        liquidation_price=positive(raw.get("liquidationPrice")),
        unrealized_pnl=number(raw.get("unrealizedPnl")),
        leverage=positive(raw.get("leverage")),
        margin_mode=_MARGIN_MODES.get(str(raw.get("marginMode")).lower()),
        hedge_mode=hedged if isinstance(hedged, bool) else None,
        timestamp_ms=moment(raw.get("timestamp")),
    )


def funding_payment(raw: Raw, symbol: Symbol) -> FundingPayment:
    return FundingPayment(
        symbol=symbol.name,
        amount=needed(number(raw.get("amount")), "amount", symbol),
        asset=str(raw.get("code") or symbol.settle or symbol.quote),
        timestamp_ms=moment(raw.get("timestamp")) or 0,
        id=str(raw["id"]) if raw.get("id") else None,
        rate=number(raw.get("rate")),
    )


def cut(rows: list[T], since: int | None, limit: int | None) -> list[T]:
    """At most ``limit`` rows, oldest first: the first with ``since``, else the last. Venues do not agree on which."""
    if limit is None:
        return rows
    return rows[:limit] if since is not None else rows[-limit:]


def within(rows: Iterable[Any], key: str, since: int | None, until: int | None) -> list[Any]:
    """The rows whose ``key`` lies in [since, until)."""
    return [
        row
        for row in rows
        if (since is None or getattr(row, key) >= since) and (until is None or getattr(row, key) < until)
    ]

"""OKX's REST calls, channels and budgets, a row each (API v5 guide, the page of each path and channel)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, Literal, TypeVar
from zlib import crc32

import attrs

from fra.adapters.custom import Channel, Costs, Endpoint, Params
from fra.adapters.custom.endpoint import Serves
from fra.core import MarketKind, Operation, RateLimit, Symbol
from fra.exchanges.okx import wire
from fra.exchanges.okx.books import RawRow
from fra.exchanges.okx.dialect import CONNECTS, topic

T = TypeVar("T")
Cost = Costs | Callable[[Params], Costs]

KINDS: Final[Mapping[str, tuple[MarketKind, ...]]] = {
    "spot": (MarketKind.SPOT,),
    "swap": (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP),
}
INST_TYPES: Final[Mapping[str, str]] = {"spot": "SPOT", "swap": "SWAP"}
_SWAP: Final = ("swap",)

BUDGETS: Final[Mapping[str, int]] = {
    "public/time": 10,
    "public/instruments": 20,
    "public/funding-rate": 10,
    "public/funding-rate-history": 10,
    "public/mark-price": 10,
    "market/books": 40,
    "market/books-full": 10,
    "market/ticker": 20,
    "market/tickers": 20,
    "market/trades": 100,
    "market/candles": 40,
    "market/history-candles": 20,
}
"""Requests in any 2 s by one address, a budget per path (API v5 guide, at each endpoint)."""

ACCOUNT_BUDGETS: Final[Mapping[str, int]] = {
    "account/balance": 10,
    "account/positions": 10,
    "account/config": 5,
    "account/set-leverage": 20,
    "account/set-position-mode": 5,
    "account/bills": 5,
    "account/bills-archive": 5,
    "trade/orders-pending": 60,
    "trade/orders-history": 40,
    "trade/orders-history-archive": 20,
    "trade/fills": 60,
    "trade/fills-history": 10,
    "trade/order-algo.get": 20,
    "trade/orders-algo-pending": 20,
}
"""Requests in any 2 s by one account."""

INSTRUMENT_BUDGETS: Final[Mapping[str, int]] = {
    "trade/order": 60,
    "trade/order.get": 60,
    "trade/cancel-order": 60,
    "trade/cancel-batch-orders": 300,
    "trade/order-algo": 20,
    "trade/cancel-algos": 20,
}
"""Requests (of batches: orders) in any 2 s by one account for one instrument."""

NEW_ORDERS: Final = "trade/new-orders"
"""New orders of one account altogether: beyond, OKX answers 50061 ("Sub-account rate limit")."""

_SHARES: Final = 8


def _share(scope: str, venue_id: object) -> str:
    """The budget of an instrument. Several share one, since scopes are fixed: never more than OKX allows."""
    return f"{scope}.{crc32(str(venue_id).encode()) % _SHARES}"


def _get(
    path: str, row: type[T], *, serves: Serves = None, markets: Iterable[str] = KINDS
) -> tuple[Endpoint[wire.Reply[T]], ...]:
    """One public path, as a row per market."""
    reply: type[wire.Reply[T]] = wire.Reply[row]  # type: ignore[valid-type]
    return tuple(
        Endpoint("GET", f"/api/v5/{path}", reply, market=market, serves=serves, kinds=KINDS[market], cost={path: 1})
        for market in markets
    )


def _push(
    name: str,
    row: type[T],
    *,
    serves: Serves = None,
    url: str = "ws",
    staleness: float | None = None,
    markets: Iterable[str] = KINDS,
) -> tuple[Channel[wire.Push[T]], ...]:
    """One channel, as a row per market. Its name may hold ``{bar}``."""
    push: type[wire.Push[T]] = wire.Push[row]  # type: ignore[valid-type]

    def topic_of(symbol: Symbol | None, params: Params) -> str:
        return topic(name.format(**params), symbol.venue_id if symbol else "")

    return tuple(
        Channel(topic_of, push, market=market, serves=serves, kinds=KINDS[market], url=url, staleness=staleness)
        for market in markets
    )


TIME = _get("public/time", wire.ServerTime)
INSTRUMENTS = _get("public/instruments", wire.Instrument, serves=Operation.GET_SYMBOLS)
BOOK = _get("market/books", wire.Book, serves=Operation.GET_ORDERBOOK)
FULL_BOOK = _get("market/books-full", wire.Book)
TICKER = _get("market/ticker", wire.Ticker, serves=Operation.GET_TICKER)
TICKERS = _get("market/tickers", wire.Ticker, serves=Operation.GET_TICKERS)
TRADES = _get("market/trades", wire.Trade, serves=Operation.GET_TRADES)
CANDLES = _get("market/candles", wire.Candle, serves=Operation.GET_KLINES)
OLD_CANDLES = _get("market/history-candles", wire.Candle)
FUNDING = _get(
    "public/funding-rate",
    wire.FundingRate,
    serves=(Operation.GET_FUNDING_RATE, Operation.GET_FUNDING_RATES),
    markets=_SWAP,
)
SETTLED = _get(
    "public/funding-rate-history", wire.SettledFunding, serves=Operation.GET_FUNDING_RATE_HISTORY, markets=_SWAP
)
MARK = _get("public/mark-price", wire.MarkPrice, markets=_SWAP)

# A quiet book is repeated each 60 s, a funding rate comes each 30 to 90 s; the others are silent when nothing happens.
BOOK_CHANNEL = tuple(
    attrs.evolve(row, snapshot_first=True)
    for row in _push("books", RawRow, serves=Operation.SUBSCRIBE_ORDERBOOK, staleness=90.0)
)
TICKER_CHANNEL = _push("tickers", wire.Ticker, serves=Operation.SUBSCRIBE_TICKER)
BEST_CHANNEL = _push("bbo-tbt", wire.Book)
TRADE_CHANNEL = tuple(
    attrs.evolve(row, lossless=True, order_of=lambda push: int(push.data[-1].tradeId))
    for row in _push("trades", wire.Trade, serves=Operation.SUBSCRIBE_TRADES)
)
CANDLE_CHANNEL = _push("candle{bar}", wire.Candle, serves=Operation.SUBSCRIBE_KLINES, url="ws_business")
FUNDING_CHANNEL = _push(
    "funding-rate", wire.FundingRate, serves=Operation.SUBSCRIBE_FUNDING_RATE, staleness=180.0, markets=_SWAP
)

# --- the account (chapters "Trading Account" and "Order Book Trading") ------------------------------------------------


def _signed(
    method: Literal["GET", "POST"],
    path: str,
    row: type[T],
    *,
    serves: Serves = None,
    cost: Cost | None = None,
    outcome_id: str | None = None,
    markets: Iterable[str] = KINDS,
) -> tuple[Endpoint[wire.Reply[T]], ...]:
    """One path of the account, as a row per market."""
    reply: type[wire.Reply[T]] = wire.Reply[row]  # type: ignore[valid-type]
    return tuple(
        Endpoint(
            method,
            f"/api/v5/{path}",
            reply,
            market=market,
            serves=serves,
            kinds=KINDS[market],
            cost={path: 1} if cost is None else cost,
            signed=True,
            outcome_id=outcome_id,
            body="query" if method == "GET" else "json",
        )
        for market in markets
    )


def _batch(path: str, *, serves: Serves = None) -> tuple[Endpoint[wire.Acks], ...]:
    """One path that takes a list of orders, as a row per market."""

    def cost(params: Params) -> Costs:
        rows = params["rows"]
        assert isinstance(rows, list)
        return Counter(_share(path, row["instId"]) for row in rows)

    return tuple(
        Endpoint(
            "POST",
            f"/api/v5/{path}",
            wire.Acks,
            market=market,
            serves=serves,
            kinds=KINDS[market],
            cost=cost,
            signed=True,
            body="json_rows",
        )
        for market in KINDS
    )


def _per_instrument(scope: str) -> Callable[[Params], Costs]:
    return lambda params: {_share(scope, params["instId"]): 1}


def _placing(scope: str) -> Callable[[Params], Costs]:
    return lambda params: {_share(scope, params["instId"]): 1, NEW_ORDERS: 1}


def _user(name: str, row: type[T], *, url: str = "ws_private") -> tuple[Channel[wire.UserPush[T]], ...]:
    """One channel of the account, as a row per market; it tells of all markets at once."""
    push: type[wire.UserPush[T]] = wire.UserPush[row]  # type: ignore[valid-type]

    def topic_of(symbol: Symbol | None, params: Params) -> str:
        return topic(name)

    return tuple(
        Channel(
            topic_of,
            push,
            market=market,
            serves=Operation.SUBSCRIBE_USER_DATA,
            kinds=kinds,
            url=url,
            private=True,
            lossless=True,
        )
        for market, kinds in KINDS.items()
    )


CONFIG = _signed("GET", "account/config", wire.AccountConfig, serves=Operation.GET_KEY_PERMISSIONS)
BALANCE = _signed("GET", "account/balance", wire.Account, serves=Operation.GET_BALANCE)
POSITIONS = _signed("GET", "account/positions", wire.Position, serves=Operation.GET_POSITIONS, markets=_SWAP)
SET_LEVERAGE = _signed("POST", "account/set-leverage", wire.Leverage, serves=Operation.SET_LEVERAGE, markets=_SWAP)
SET_POSITION_MODE = _signed(
    "POST", "account/set-position-mode", wire.PositionMode, serves=Operation.SET_POSITION_MODE, markets=_SWAP
)
BILLS = _signed("GET", "account/bills", wire.Bill, serves=Operation.GET_FUNDING_PAYMENTS, markets=_SWAP)
OLD_BILLS = _signed("GET", "account/bills-archive", wire.Bill, markets=_SWAP)

PLACE = _signed(
    "POST",
    "trade/order",
    wire.Ack,
    serves=Operation.CREATE_ORDER,
    cost=_placing("trade/order"),
    outcome_id="clOrdId",
)
CANCEL = _signed(
    "POST", "trade/cancel-order", wire.Ack, serves=Operation.CANCEL_ORDER, cost=_per_instrument("trade/cancel-order")
)
CANCEL_BATCH = _batch("trade/cancel-batch-orders", serves=Operation.CANCEL_ALL_ORDERS)
ORDER = _signed("GET", "trade/order", wire.Order, serves=Operation.GET_ORDER, cost=_per_instrument("trade/order.get"))
PENDING = _signed("GET", "trade/orders-pending", wire.Order, serves=Operation.GET_OPEN_ORDERS)
ENDED = _signed("GET", "trade/orders-history", wire.Order, serves=Operation.GET_ORDER_HISTORY)
OLD_ENDED = _signed("GET", "trade/orders-history-archive", wire.Order)
FILLS = _signed("GET", "trade/fills", wire.Fill, serves=Operation.GET_TRADE_HISTORY)
OLD_FILLS = _signed("GET", "trade/fills-history", wire.Fill)

PLACE_ALGO = _signed("POST", "trade/order-algo", wire.Ack, cost=_placing("trade/order-algo"), outcome_id="algoClOrdId")
CANCEL_ALGOS = _batch("trade/cancel-algos")
ALGO_ORDER = _signed("GET", "trade/order-algo", wire.AlgoOrder, cost={"trade/order-algo.get": 1})
PENDING_ALGOS = _signed("GET", "trade/orders-algo-pending", wire.AlgoOrder)

ACCOUNT_CHANNEL = _user("account", wire.Account)
POSITION_CHANNEL = _user("positions", wire.Position)
ORDER_CHANNEL = _user("orders", wire.Order)
ALGO_CHANNEL = _user("orders-algo", wire.AlgoOrder, url="ws_business")

ENDPOINTS: Final[tuple[Endpoint[object], ...]] = (
    *TIME,
    *INSTRUMENTS,
    *BOOK,
    *FULL_BOOK,
    *TICKER,
    *TICKERS,
    *TRADES,
    *CANDLES,
    *OLD_CANDLES,
    *FUNDING,
    *SETTLED,
    *MARK,
    *CONFIG,
    *BALANCE,
    *POSITIONS,
    *SET_LEVERAGE,
    *SET_POSITION_MODE,
    *BILLS,
    *OLD_BILLS,
    *PLACE,
    *CANCEL,
    *CANCEL_BATCH,
    *ORDER,
    *PENDING,
    *ENDED,
    *OLD_ENDED,
    *FILLS,
    *OLD_FILLS,
    *PLACE_ALGO,
    *CANCEL_ALGOS,
    *ALGO_ORDER,
    *PENDING_ALGOS,
)

CHANNELS: Final[tuple[Channel[object], ...]] = (
    *BOOK_CHANNEL,
    *TICKER_CHANNEL,
    *BEST_CHANNEL,
    *TRADE_CHANNEL,
    *CANDLE_CHANNEL,
    *FUNDING_CHANNEL,
    *ACCOUNT_CHANNEL,
    *POSITION_CHANNEL,
    *ORDER_CHANNEL,
    *ALGO_CHANNEL,
)

LIMITS: Final = (
    *(RateLimit(path, capacity, 2.0) for path, capacity in BUDGETS.items()),
    *(RateLimit(scope, capacity, 2.0, per="account") for scope, capacity in ACCOUNT_BUDGETS.items()),
    *(
        RateLimit(f"{scope}.{share}", capacity, 2.0, per="account")
        for scope, capacity in INSTRUMENT_BUDGETS.items()
        for share in range(_SHARES)
    ),
    RateLimit(NEW_ORDERS, 1000, 2.0, per="account"),
    RateLimit(CONNECTS, 3, 1.0),
)

FEES: Final[Mapping[str, Decimal]] = {
    "maker": Decimal("0.0008"),
    "taker": Decimal("0.001"),
    "linear_swap.maker": Decimal("0.0002"),
    "linear_swap.taker": Decimal("0.0005"),
    "inverse_swap.maker": Decimal("0.0002"),
    "inverse_swap.taker": Decimal("0.0005"),
}
"""Base rates of a level 1 account."""

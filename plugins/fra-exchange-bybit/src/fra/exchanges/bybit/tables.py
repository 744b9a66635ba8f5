"""Bybit's REST calls, channels and budgets, a row each (V5 documents, the page of each path and topic)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, Literal, TypeVar

from fra.adapters.custom import Channel, Endpoint, Params
from fra.adapters.custom.endpoint import Serves
from fra.core import MarketKind, Operation, RateLimit, Symbol
from fra.exchanges.bybit import wire
from fra.exchanges.bybit.dialect import CONNECTS

T = TypeVar("T")

KINDS: Final[Mapping[str, tuple[MarketKind, ...]]] = {
    "spot": (MarketKind.SPOT,),
    "linear": (MarketKind.LINEAR_SWAP,),
    "inverse": (MarketKind.INVERSE_SWAP,),
}
"""Bybit's categories; ``category`` of a request is the market of its row."""
CONTRACTS: Final = ("linear", "inverse")
_LINEAR: Final = ("linear",)

IP: Final = "ip"
"""The budget of an address, over all of REST."""

ACCOUNT_BUDGETS: Final[Mapping[str, int]] = {
    "order/create": 10,
    "order/create.spot": 20,
    "order/cancel": 10,
    "order/cancel.spot": 20,
    "order/cancel-all": 10,
    "order/cancel-all.spot": 20,
    "order/realtime": 50,
    "order/history": 50,
    "execution/list": 50,
    "position/list": 50,
    "position/set-leverage": 10,
    "position/switch-mode": 10,
    "account/wallet-balance": 50,
    "account/transaction-log": 50,
    "account/info": 50,
    "account/set-margin-mode": 5,
    "user/query-api": 10,
}
"""Requests in any second by one account ("Rate Limit Rules", UTA2.0 Pro); the last three are not in the table there."""

LIMITS: Final = (
    RateLimit(IP, 600, 5.0, reserve=20),
    *(RateLimit(scope, capacity, 1.0, per="account") for scope, capacity in ACCOUNT_BUDGETS.items()),
    RateLimit(CONNECTS, 500, 300.0),
)


def _get(
    path: str, result: type[T], *, serves: Serves = None, markets: Iterable[str] = KINDS
) -> tuple[Endpoint[wire.Reply[T]], ...]:
    """One public path, as a row per market."""
    reply: type[wire.Reply[T]] = wire.Reply[result]  # type: ignore[valid-type]
    return tuple(
        Endpoint(
            "GET",
            f"/v5/{path}",
            reply,
            market=market,
            serves=serves,
            kinds=KINDS[market],
            cost={IP: 1},
            strict=False,
        )
        for market in markets
    )


def _signed(
    method: Literal["GET", "POST"],
    path: str,
    result: type[T],
    *,
    serves: Serves = None,
    markets: Iterable[str] = KINDS,
    outcome_id: str | None = None,
) -> tuple[Endpoint[wire.Reply[T]], ...]:
    """One path of the account, as a row per market."""
    reply: type[wire.Reply[T]] = wire.Reply[result]  # type: ignore[valid-type]
    return tuple(
        Endpoint(
            method,
            f"/v5/{path}",
            reply,
            market=market,
            serves=serves,
            kinds=KINDS[market],
            cost={IP: 1, account_scope(path, market): 1},
            signed=True,
            outcome_id=outcome_id,
            body="query" if method == "GET" else "json",
            strict=False,
        )
        for market in markets
    )


def account_scope(path: str, market: str) -> str:
    """The account's budget for a path: spot has its own for what places and cancels."""
    return spot if market == "spot" and (spot := f"{path}.spot") in ACCOUNT_BUDGETS else path


def _push(
    name: str,
    message: type[T],
    *,
    serves: Serves = None,
    staleness: float | None = None,
    markets: Iterable[str] = KINDS,
    lossless: bool = False,
    order_of: Callable[[T], int] | None = None,
    identity_of: Callable[[T], object] | None = None,
    snapshot_first: bool = False,
    strict: bool = True,
) -> tuple[Channel[T], ...]:
    """One public topic, as a row per market. Its name may hold ``{depth}`` and ``{interval}``."""

    def topic_of(symbol: Symbol | None, params: Params) -> str:
        return f"{name.format(**params)}.{symbol.venue_id if symbol else ''}"

    return tuple(
        Channel(
            topic_of,
            message,
            market=market,
            serves=serves,
            kinds=KINDS[market],
            staleness=staleness,
            lossless=lossless,
            order_of=order_of,
            identity_of=identity_of,
            snapshot_first=snapshot_first,
            strict=strict,
        )
        for market in markets
    )


def _user(topic: str, row: type[T]) -> tuple[Channel[wire.UserPush[T]], ...]:
    """One private topic, as a row per market: it tells of all of them, so one row is enough."""
    push: type[wire.UserPush[T]] = wire.UserPush[row]  # type: ignore[valid-type]
    return tuple(
        Channel(
            topic,
            push,
            market=market,
            serves=Operation.SUBSCRIBE_USER_DATA,
            kinds=KINDS[market],
            url="ws_private",
            private=True,
            lossless=True,
            strict=False,
        )
        for market in KINDS
    )


# --- market data

TIME = _get("market/time", wire.ServerTime)
INSTRUMENTS = _get("market/instruments-info", wire.Page[wire.Instrument], serves=Operation.GET_SYMBOLS)
BOOK = _get("market/orderbook", wire.Book, serves=Operation.GET_ORDERBOOK)
TICKERS = _get("market/tickers", wire.Page[wire.Ticker], serves=(Operation.GET_TICKER, Operation.GET_TICKERS))
TRADES = _get("market/recent-trade", wire.Page[wire.RecentTrade], serves=Operation.GET_TRADES)
CANDLES = _get("market/kline", wire.Candles, serves=Operation.GET_KLINES)
FUNDING = _get(
    "market/tickers",
    wire.Page[wire.Ticker],
    serves=(Operation.GET_FUNDING_RATE, Operation.GET_FUNDING_RATES),
    markets=CONTRACTS,
)
SETTLED = _get(
    "market/funding/history",
    wire.Page[wire.SettledFunding],
    serves=Operation.GET_FUNDING_RATE_HISTORY,
    markets=CONTRACTS,
)

# A book of a quiet market may not change for minutes; the best prices are repeated each 3 s, tickers come each second.
BOOK_CHANNEL = _push(
    "orderbook.{depth}",
    wire.BookPush,
    serves=Operation.SUBSCRIBE_ORDERBOOK,
    staleness=300.0,
    snapshot_first=True,
    strict=False,
)
BEST_CHANNEL = _push("orderbook.1", wire.BookPush, staleness=60.0, snapshot_first=True, strict=False)
TICKER_CHANNEL = _push(
    "tickers", wire.TickerPush, serves=Operation.SUBSCRIBE_TICKER, staleness=90.0, snapshot_first=True
)
FUNDING_CHANNEL = _push(
    "tickers",
    wire.TickerPush,
    serves=Operation.SUBSCRIBE_FUNDING_RATE,
    staleness=90.0,
    snapshot_first=True,
    markets=CONTRACTS,
)
TRADE_CHANNEL = _push(
    "publicTrade",
    wire.TradePush,
    serves=Operation.SUBSCRIBE_TRADES,
    lossless=True,
    order_of=lambda push: push.data[-1].seq,
    identity_of=lambda push: push.data[-1].i,  # trades of one match may come in several messages, with one `seq`
)
CANDLE_CHANNEL = _push("kline.{interval}", wire.CandlePush, serves=Operation.SUBSCRIBE_KLINES)

# --- account

CREATE = _signed("POST", "order/create", wire.Ids, serves=Operation.CREATE_ORDER, outcome_id="orderLinkId")
CANCEL = _signed("POST", "order/cancel", wire.Ids, serves=Operation.CANCEL_ORDER)
CANCEL_ALL = _signed("POST", "order/cancel-all", wire.Canceled, serves=Operation.CANCEL_ALL_ORDERS)
REALTIME = _signed(
    "GET", "order/realtime", wire.Page[wire.Order], serves=(Operation.GET_ORDER, Operation.GET_OPEN_ORDERS)
)
HISTORY = _signed("GET", "order/history", wire.Page[wire.Order], serves=Operation.GET_ORDER_HISTORY)
EXECUTIONS = _signed("GET", "execution/list", wire.Page[wire.Execution], serves=Operation.GET_TRADE_HISTORY)
POSITIONS = _signed("GET", "position/list", wire.Page[wire.Position], serves=Operation.GET_POSITIONS, markets=CONTRACTS)
LEVERAGE = _signed("POST", "position/set-leverage", wire.Nothing, serves=Operation.SET_LEVERAGE, markets=CONTRACTS)
POSITION_MODE = _signed(
    "POST", "position/switch-mode", wire.Nothing, serves=Operation.SET_POSITION_MODE, markets=_LINEAR
)
MARGIN_MODE = _signed(
    "POST", "account/set-margin-mode", wire.Nothing, serves=Operation.SET_MARGIN_MODE, markets=CONTRACTS
)
WALLET = _signed("GET", "account/wallet-balance", wire.Page[wire.Wallet], serves=Operation.GET_BALANCE)
ACCOUNT = _signed("GET", "account/info", wire.AccountInfo)
KEY = _signed("GET", "user/query-api", wire.Key, serves=Operation.GET_KEY_PERMISSIONS)
TRANSACTIONS = _signed(
    "GET",
    "account/transaction-log",
    wire.Page[wire.Transaction],
    serves=Operation.GET_FUNDING_PAYMENTS,
    markets=CONTRACTS,
)

ORDER_TOPIC = _user("order", wire.Order)
EXECUTION_TOPIC = _user("execution", wire.Execution)
POSITION_TOPIC = _user("position", wire.Position)
WALLET_TOPIC = _user("wallet", wire.Wallet)

ENDPOINTS: Final[tuple[Endpoint[object], ...]] = (
    *TIME,
    *INSTRUMENTS,
    *BOOK,
    *TICKERS,
    *TRADES,
    *CANDLES,
    *FUNDING,
    *SETTLED,
    *CREATE,
    *CANCEL,
    *CANCEL_ALL,
    *REALTIME,
    *HISTORY,
    *EXECUTIONS,
    *POSITIONS,
    *LEVERAGE,
    *POSITION_MODE,
    *MARGIN_MODE,
    *WALLET,
    *ACCOUNT,
    *KEY,
    *TRANSACTIONS,
)

CHANNELS: Final[tuple[Channel[object], ...]] = (
    *BOOK_CHANNEL,
    *BEST_CHANNEL,
    *TICKER_CHANNEL,
    *FUNDING_CHANNEL,
    *TRADE_CHANNEL,
    *CANDLE_CHANNEL,
    *ORDER_TOPIC,
    *EXECUTION_TOPIC,
    *POSITION_TOPIC,
    *WALLET_TOPIC,
)

FEES: Final[Mapping[str, Decimal]] = {
    "maker": Decimal("0.001"),
    "taker": Decimal("0.001"),
    "linear_swap.maker": Decimal("0.0002"),
    "linear_swap.taker": Decimal("0.00055"),
    "inverse_swap.maker": Decimal("0.0002"),
    "inverse_swap.taker": Decimal("0.00055"),
}
"""Base rates of an account that is no VIP."""

"""Binance's endpoints, channels and budgets as rows. Weights: "Request weight" of each call's document page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, cast

import attrs

from fra.adapters.custom import Channel, Costs, Endpoint, Params
from fra.core import KlineInterval, MarketKind, Operation, RateLimit, Symbol
from fra.exchanges.binance import wire
from fra.exchanges.binance.convert import SPOT, USDM
from fra.exchanges.binance.dialect import CONNECTIONS

SPOT_WEIGHT: Final = RateLimit("spot.weight", 6000, 60.0, reserve=20)
SPOT_REQUESTS: Final = RateLimit("spot.requests", 300_000, 300.0)
SPOT_ORDERS: Final = RateLimit("spot.orders", 100, 10.0, per="account")
SPOT_ORDERS_DAY: Final = RateLimit("spot.orders.day", 200_000, 86_400.0, per="account")
USDM_WEIGHT: Final = RateLimit("usdm.weight", 2400, 60.0, reserve=20)
USDM_ORDERS: Final = RateLimit("usdm.orders", 300, 10.0, per="account")
USDM_ORDERS_MINUTE: Final = RateLimit("usdm.orders.minute", 1200, 60.0, per="account")
USDM_FUNDING: Final = RateLimit("usdm.funding", 500, 300.0)
"""fundingRate and fundingInfo share 500 calls in 5 minutes."""

LIMITS: Final = (
    SPOT_WEIGHT,
    SPOT_REQUESTS,
    SPOT_ORDERS,
    SPOT_ORDERS_DAY,
    USDM_WEIGHT,
    USDM_ORDERS,
    USDM_ORDERS_MINUTE,
    USDM_FUNDING,
    CONNECTIONS,
)

DECLARED: Final = {
    (SPOT, "REQUEST_WEIGHT", ""): SPOT_WEIGHT,
    (SPOT, "RAW_REQUESTS", ""): SPOT_REQUESTS,
    (SPOT, "ORDERS", "SECOND"): SPOT_ORDERS,
    (SPOT, "ORDERS", "DAY"): SPOT_ORDERS_DAY,
    (USDM, "REQUEST_WEIGHT", ""): USDM_WEIGHT,
    (USDM, "ORDERS", "SECOND"): USDM_ORDERS,
    (USDM, "ORDERS", "MINUTE"): USDM_ORDERS_MINUTE,
}
"""Which of the limits above exchangeInfo states as which type and, where there are two of it, interval.

The figures above hold until then.
"""

INTERVALS: Final = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3600.0, "DAY": 86_400.0}


def declared_limits(market: str, rows: Iterable[wire.DeclaredLimit]) -> list[RateLimit]:
    """Limits as the venue states them now, of those that are counted here."""
    return [
        attrs.evolve(limit, capacity=row.limit, interval=INTERVALS[row.interval] * row.intervalNum)
        for row in rows
        if (limit := _declared(market, row)) is not None
        and row.interval in INTERVALS
        and row.limit > limit.reserve
        and row.intervalNum > 0
    ]


def _declared(market: str, row: wire.DeclaredLimit) -> RateLimit | None:
    kind = (market, row.rateLimitType)
    return DECLARED.get((*kind, row.interval)) or DECLARED.get((*kind, ""))


ANY_SPOT: Final = (MarketKind.SPOT,)
SWAP: Final = (MarketKind.LINEAR_SWAP,)
ANY_USDM: Final = (MarketKind.LINEAR_SWAP, MarketKind.LINEAR_FUTURE)

Steps = tuple[tuple[int, int], ...]
Cost = Costs | Callable[[Params], Costs]


def spot_cost(weight: int) -> Costs:
    return {SPOT_WEIGHT.scope: weight, SPOT_REQUESTS.scope: 1}


def usdm_cost(weight: int) -> Costs:
    return {USDM_WEIGHT.scope: weight}


def _by_limit(costs: Callable[[int], Costs], default: int, steps: Steps) -> Callable[[Params], Costs]:
    """Weight by ``limit``: the first step (bound, weight) that it does not exceed."""

    def cost(params: Params) -> Costs:
        limit = params.get("limit")
        rows = limit if isinstance(limit, int) else default
        return costs(next((weight for bound, weight in steps if rows <= bound), steps[-1][1]))

    return cost


def one_or_all(costs: Callable[[int], Costs], one: int, every: int) -> Callable[[Params], Costs]:
    """Weight by whether one symbol is asked for."""
    return lambda params: costs(one if params.get("symbol") else every)


USDM_DEPTHS: Final = (5, 10, 20, 50, 100, 500, 1000)
"""The only limits that USD-M's depth call takes."""
SPOT_DEPTH: Final = 5000

_SPOT_DEPTH_COST: Final = _by_limit(spot_cost, 100, ((100, 5), (500, 25), (1000, 50), (5000, 250)))
_USDM_DEPTH_COST: Final = _by_limit(usdm_cost, 500, ((50, 2), (100, 5), (500, 10), (1000, 20)))

# --- REST

SPOT_TIME: Final = Endpoint("GET", "/api/v3/time", wire.ServerTime, market=SPOT, cost=spot_cost(1))
USDM_TIME: Final = Endpoint("GET", "/fapi/v1/time", wire.ServerTime, market=USDM, cost=usdm_cost(1))
TIME: Final = {SPOT: SPOT_TIME, USDM: USDM_TIME}

SPOT_INFO: Final = Endpoint(
    "GET",
    "/api/v3/exchangeInfo",
    wire.SpotInfo,
    market=SPOT,
    serves=Operation.GET_SYMBOLS,
    kinds=ANY_SPOT,
    cost=spot_cost(20),
)
USDM_INFO: Final = Endpoint(
    "GET",
    "/fapi/v1/exchangeInfo",
    wire.UsdmInfo,
    market=USDM,
    serves=Operation.GET_SYMBOLS,
    kinds=ANY_USDM,
    cost=usdm_cost(1),
)

DEPTH: Final = tuple(
    Endpoint("GET", path, wire.Depth, market=market, serves=Operation.GET_ORDERBOOK, kinds=kinds, cost=cost)
    for path, market, kinds, cost in (
        ("/api/v3/depth", SPOT, ANY_SPOT, _SPOT_DEPTH_COST),
        ("/fapi/v1/depth", USDM, ANY_USDM, _USDM_DEPTH_COST),
    )
)
SNAPSHOT: Final = tuple(
    Endpoint("GET", row.path, wire.Snapshot, market=row.market, kinds=row.kinds, cost=row.cost, strict=False)
    for row in DEPTH
)
"""The same calls, decoded for a live book."""

SPOT_DAY: Final = Endpoint(
    "GET",
    "/api/v3/ticker/24hr",
    wire.DayTicker,
    market=SPOT,
    serves=Operation.GET_TICKER,
    kinds=ANY_SPOT,
    cost=spot_cost(2),
)
USDM_DAY: Final = Endpoint(
    "GET",
    "/fapi/v1/ticker/24hr",
    wire.DayTicker,
    market=USDM,
    serves=Operation.GET_TICKER,
    kinds=ANY_USDM,
    cost=usdm_cost(1),
)
USDM_BEST: Final = Endpoint("GET", "/fapi/v1/ticker/bookTicker", wire.BookTicker, market=USDM, cost=usdm_cost(2))
SPOT_DAYS: Final = Endpoint(
    "GET",
    "/api/v3/ticker/24hr",
    list[wire.DayTicker],
    market=SPOT,
    serves=Operation.GET_TICKERS,
    kinds=ANY_SPOT,
    cost=spot_cost(80),
)
USDM_DAYS: Final = Endpoint(
    "GET",
    "/fapi/v1/ticker/24hr",
    list[wire.DayTicker],
    market=USDM,
    serves=Operation.GET_TICKERS,
    kinds=ANY_USDM,
    cost=usdm_cost(40),
)
USDM_BESTS: Final = Endpoint("GET", "/fapi/v1/ticker/bookTicker", list[wire.BookTicker], market=USDM, cost=usdm_cost(5))

SPOT_TRADES: Final = Endpoint(
    "GET",
    "/api/v3/trades",
    list[wire.SpotTrade],
    market=SPOT,
    serves=Operation.GET_TRADES,
    kinds=ANY_SPOT,
    cost=spot_cost(25),
)
USDM_TRADES: Final = Endpoint(
    "GET",
    "/fapi/v1/aggTrades",
    list[wire.AggTrade],
    market=USDM,
    serves=Operation.GET_TRADES,
    kinds=ANY_USDM,
    cost=usdm_cost(20),
)
TRADES_LIMIT: Final = 1000

KLINES: Final = tuple(
    Endpoint("GET", path, list[wire.Candle], market=market, serves=Operation.GET_KLINES, kinds=kinds, cost=cost)
    for path, market, kinds, cost in (
        ("/api/v3/klines", SPOT, ANY_SPOT, spot_cost(2)),
        ("/fapi/v1/klines", USDM, ANY_USDM, _by_limit(usdm_cost, 500, ((99, 1), (499, 2), (1000, 5), (1500, 10)))),
    )
)
KLINES_LIMIT: Final = {SPOT: 1000, USDM: 1500}

PREMIUM: Final = Endpoint(
    "GET",
    "/fapi/v1/premiumIndex",
    wire.PremiumIndex,
    market=USDM,
    serves=Operation.GET_FUNDING_RATE,
    kinds=SWAP,
    cost=usdm_cost(1),
)
PREMIUMS: Final = Endpoint(
    "GET",
    "/fapi/v1/premiumIndex",
    list[wire.PremiumIndex],
    market=USDM,
    serves=Operation.GET_FUNDING_RATES,
    kinds=SWAP,
    cost=usdm_cost(10),
)
FUNDING_INFO: Final = Endpoint(
    "GET", "/fapi/v1/fundingInfo", list[wire.FundingInfo], market=USDM, cost={USDM_FUNDING.scope: 1}
)
FUNDING_HISTORY: Final = Endpoint(
    "GET",
    "/fapi/v1/fundingRate",
    # Out of range the venue has answered `null`.
    cast("type[list[wire.SettledRate] | None]", list[wire.SettledRate] | None),
    market=USDM,
    serves=Operation.GET_FUNDING_RATE_HISTORY,
    kinds=SWAP,
    cost={USDM_FUNDING.scope: 1},
)
FUNDING_HISTORY_LIMIT: Final = 1000

# --- streams: spot on /stream; USD-M on the three bases of March 2026, book data on /public, the rest on /market


def _named(suffix: str) -> Callable[[Symbol | None, Params], str]:
    def topic(symbol: Symbol | None, params: Params) -> str:
        if symbol is None:
            raise LookupError(f"@{suffix} is a stream of one symbol")
        return f"{symbol.venue_id.lower()}@{suffix.format(**params)}"

    return topic


_SPOT_PATH: Final = "/stream"
_PUBLIC: Final = "/public/stream"
_MARKET: Final = "/market/stream"
LEGACY_PATH: Final = "/stream"
"""USD-M's single base of before March 2026; announced to end, and still what some gateways offer."""

BOOK: Final = tuple(
    Channel(
        _named("depth@100ms"),
        wire.DepthFrame,
        market=market,
        serves=Operation.SUBSCRIBE_ORDERBOOK,
        kinds=kinds,
        path=path,
        staleness=300.0,
        order_of=lambda frame: frame.data.u,
        strict=False,
    )
    for market, kinds, path in ((SPOT, ANY_SPOT, _SPOT_PATH), (USDM, ANY_USDM, _PUBLIC))
)
BEST: Final = tuple(
    Channel(
        _named("bookTicker"),
        wire.BookTickerFrame,
        market=market,
        serves=Operation.SUBSCRIBE_TICKER,
        kinds=kinds,
        path=path,
        order_of=lambda frame: frame.data.u,
    )
    for market, kinds, path in ((SPOT, ANY_SPOT, _SPOT_PATH), (USDM, ANY_USDM, _PUBLIC))
)
SPOT_TRADE_STREAM: Final = Channel(
    _named("trade"),
    wire.TradeFrame,
    market=SPOT,
    serves=Operation.SUBSCRIBE_TRADES,
    kinds=ANY_SPOT,
    path=_SPOT_PATH,
    lossless=True,
    order_of=lambda frame: frame.data.t,
)
USDM_TRADE_STREAM: Final = Channel(
    _named("aggTrade"),
    wire.AggTradeFrame,
    market=USDM,
    serves=Operation.SUBSCRIBE_TRADES,
    kinds=ANY_USDM,
    path=_MARKET,
    lossless=True,
    order_of=lambda frame: frame.data.a,
)
KLINE_STREAM: Final = tuple(
    Channel(
        _named("kline_{interval}"),
        wire.KlineFrame,
        market=market,
        serves=Operation.SUBSCRIBE_KLINES,
        kinds=kinds,
        path=path,
        lossless=True,
    )
    for market, kinds, path in ((SPOT, ANY_SPOT, _SPOT_PATH), (USDM, ANY_USDM, _MARKET))
)
MARK_PRICE: Final = Channel(
    _named("markPrice@1s"),
    wire.MarkPriceFrame,
    market=USDM,
    serves=Operation.SUBSCRIBE_FUNDING_RATE,
    kinds=SWAP,
    path=_MARKET,
    staleness=15.0,
)

ENDPOINTS: Final[tuple[Endpoint[object], ...]] = (
    SPOT_TIME,
    USDM_TIME,
    SPOT_INFO,
    USDM_INFO,
    *DEPTH,
    *SNAPSHOT,
    SPOT_DAY,
    USDM_DAY,
    USDM_BEST,
    SPOT_DAYS,
    USDM_DAYS,
    USDM_BESTS,
    SPOT_TRADES,
    USDM_TRADES,
    *KLINES,
    PREMIUM,
    PREMIUMS,
    FUNDING_INFO,
    FUNDING_HISTORY,
)
CHANNELS: Final = (*BOOK, *BEST, SPOT_TRADE_STREAM, USDM_TRADE_STREAM, *KLINE_STREAM, MARK_PRICE)


def interval_name(interval: KlineInterval) -> str:
    """Binance's names of intervals are fra's."""
    return interval.value


def depth_limit(market: str, depth: int | None) -> int:
    """The ``limit`` that gives at least ``depth`` levels a side, or the most that there are."""
    if market == SPOT:
        return SPOT_DEPTH if depth is None else min(max(depth, 1), SPOT_DEPTH)
    return next((limit for limit in USDM_DEPTHS if depth is not None and depth <= limit), USDM_DEPTHS[-1])

"""HTX's market data: REST calls, channels and budgets, a row each (spot and USDT-margined documents)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fra.adapters.custom import Channel, Endpoint
from fra.adapters.custom.endpoint import Serves
from fra.core import MarketKind, Operation, RateLimit
from fra.exchanges.htx import wire
from fra.exchanges.htx.dialect import CONNECTS

SPOT: Final = "spot"
LINEAR: Final = "linear"
KINDS: Final[Mapping[str, tuple[MarketKind, ...]]] = {
    SPOT: (MarketKind.SPOT,),
    LINEAR: (MarketKind.LINEAR_SWAP,),
}

BOOK_REQUESTS: Final = "ws.book"
"""The budget of requests for whole books on the socket: a burst of them is refused."""
REFERENCE: Final = "linear.reference"
MARKET: Final = "linear.market"


def _spot(path: str, answer: type[Any], *, serves: Serves = None) -> Endpoint[Any]:
    return Endpoint(
        "GET", path, answer, market=SPOT, serves=serves, kinds=KINDS[SPOT], cost={f"spot{path}": 1}, strict=False
    )


def _linear(path: str, answer: type[Any], *, serves: Serves = None, budget: str = MARKET) -> Endpoint[Any]:
    return Endpoint(
        "GET", path, answer, market=LINEAR, serves=serves, kinds=KINDS[LINEAR], cost={budget: 1}, strict=False
    )


SPOT_TIME: Final[Endpoint[wire.ServerTime]] = _spot("/v1/common/timestamp", wire.ServerTime)
LINEAR_TIME: Final[Endpoint[wire.ServerTime]] = _linear("/api/v1/timestamp", wire.ServerTime, budget=REFERENCE)

PAIRS: Final[Endpoint[wire.Reply[list[wire.Instrument]]]] = _spot(
    "/v1/common/symbols", wire.Reply[list[wire.Instrument]], serves=Operation.GET_SYMBOLS
)
CONTRACTS: Final[Endpoint[wire.Reply[list[wire.Contract]]]] = _linear(
    "/linear-swap-api/v1/swap_contract_info",
    wire.Reply[list[wire.Contract]],
    serves=Operation.GET_SYMBOLS,
    budget=REFERENCE,
)
ELEMENTS: Final[Endpoint[wire.Reply[list[wire.Elements]]]] = _linear(
    "/linear-swap-api/v1/swap_query_elements", wire.Reply[list[wire.Elements]], budget=REFERENCE
)

BOOK: Final[tuple[Endpoint[wire.TickReply[wire.Book]], ...]] = (
    _spot("/market/depth", wire.TickReply[wire.Book], serves=Operation.GET_ORDERBOOK),
    _linear("/linear-swap-ex/market/depth", wire.TickReply[wire.Book], serves=Operation.GET_ORDERBOOK),
)
TICKER: Final[tuple[Endpoint[wire.TickReply[wire.Day]], ...]] = (
    _spot("/market/detail/merged", wire.TickReply[wire.Day], serves=Operation.GET_TICKER),
    _linear("/linear-swap-ex/market/detail/merged", wire.TickReply[wire.Day], serves=Operation.GET_TICKER),
)
SPOT_TICKERS: Final[Endpoint[wire.Reply[list[wire.SpotTicker]]]] = _spot(
    "/market/tickers", wire.Reply[list[wire.SpotTicker]], serves=Operation.GET_TICKERS
)
LINEAR_TICKERS: Final[Endpoint[wire.TicksReply[wire.Day]]] = _linear(
    "/linear-swap-ex/market/detail/batch_merged", wire.TicksReply[wire.Day], serves=Operation.GET_TICKERS
)
TRADES: Final[tuple[Endpoint[wire.Reply[list[wire.Trades]]], ...]] = (
    _spot("/market/history/trade", wire.Reply[list[wire.Trades]], serves=Operation.GET_TRADES),
    _linear("/linear-swap-ex/market/history/trade", wire.Reply[list[wire.Trades]], serves=Operation.GET_TRADES),
)
CANDLES: Final[tuple[Endpoint[wire.Reply[list[wire.Candle]]], ...]] = (
    _spot("/market/history/kline", wire.Reply[list[wire.Candle]], serves=Operation.GET_KLINES),
    _linear("/linear-swap-ex/market/history/kline", wire.Reply[list[wire.Candle]], serves=Operation.GET_KLINES),
)
OLD_CANDLES: Final[Endpoint[wire.Reply[list[wire.Candle]]]] = _spot(
    "/market/history/candles", wire.Reply[list[wire.Candle]]
)

FUNDING: Final[Endpoint[wire.Reply[wire.FundingRate]]] = _linear(
    "/linear-swap-api/v1/swap_funding_rate",
    wire.Reply[wire.FundingRate],
    serves=Operation.GET_FUNDING_RATE,
    budget=REFERENCE,
)
ALL_FUNDING: Final[Endpoint[wire.Reply[list[wire.FundingRate]]]] = _linear(
    "/linear-swap-api/v1/swap_batch_funding_rate",
    wire.Reply[list[wire.FundingRate]],
    serves=Operation.GET_FUNDING_RATES,
    budget=REFERENCE,
)
SETTLED: Final[Endpoint[wire.Reply[wire.SettledPage]]] = _linear(
    "/linear-swap-api/v1/swap_historical_funding_rate",
    wire.Reply[wire.SettledPage],
    serves=Operation.GET_FUNDING_RATE_HISTORY,
    budget=REFERENCE,
)
MARK: Final[Endpoint[wire.Reply[list[wire.Mark]]]] = _linear(
    "/index/market/history/linear_swap_mark_price_kline", wire.Reply[list[wire.Mark]]
)


def _push(
    market: str,
    topic: str,
    message: type[Any],
    *,
    serves: Serves = None,
    path: str = "",
    url: str = "ws",
    staleness: float | None = None,
    **more: Any,
) -> Channel[Any]:
    """A channel of one market."""
    return Channel(
        topic,
        message,
        market=market,
        serves=serves,
        kinds=KINDS[market],
        url=url,
        path=path,
        staleness=staleness,
        **more,
    )


# A book that does not change is not pushed, so a quiet one is made anew now and then; the other channels are silent
# when nothing happens.
_QUIET: Final = 120.0

BOOK_LEVELS: Final = 150
SPOT_BOOK_CHANNEL: Final[Channel[wire.MbpPush]] = _push(
    SPOT,
    f"market.{{symbol.venue_id}}.mbp.{BOOK_LEVELS}",
    wire.MbpPush,
    serves=Operation.SUBSCRIBE_ORDERBOOK,
    url="ws_feed",
    staleness=_QUIET,
    snapshot_first=True,
)
LINEAR_BOOK_CHANNEL: Final[Channel[wire.Push[wire.Depth]]] = _push(
    LINEAR,
    f"market.{{symbol.venue_id}}.depth.size_{BOOK_LEVELS}.high_freq",
    wire.Push[wire.Depth],
    serves=Operation.SUBSCRIBE_ORDERBOOK,
    staleness=_QUIET,
    snapshot_first=True,
)
SPOT_TICKER_CHANNEL: Final[Channel[wire.Push[wire.SpotTicker]]] = _push(
    SPOT, "market.{symbol.venue_id}.ticker", wire.Push[wire.SpotTicker], serves=Operation.SUBSCRIBE_TICKER
)
LINEAR_TICKER_CHANNEL: Final[Channel[wire.Push[wire.Day]]] = _push(
    LINEAR, "market.{symbol.venue_id}.detail", wire.Push[wire.Day], serves=Operation.SUBSCRIBE_TICKER
)
SPOT_BEST_CHANNEL: Final[Channel[wire.Push[wire.SpotBest]]] = _push(
    SPOT, "market.{symbol.venue_id}.bbo", wire.Push[wire.SpotBest]
)
LINEAR_BEST_CHANNEL: Final[Channel[wire.Push[wire.SwapBest]]] = _push(
    LINEAR, "market.{symbol.venue_id}.bbo", wire.Push[wire.SwapBest]
)
TRADE_CHANNEL: Final[tuple[Channel[wire.Push[wire.Trades]], ...]] = tuple(
    _push(
        market,
        "market.{symbol.venue_id}.trade.detail",
        wire.Push[wire.Trades],
        serves=Operation.SUBSCRIBE_TRADES,
        lossless=True,
        order_of=lambda push: max(row.number for row in push.tick.data),
    )
    for market in KINDS
)
CANDLE_CHANNEL: Final[tuple[Channel[wire.Push[wire.Candle]], ...]] = tuple(
    _push(
        market,
        "market.{symbol.venue_id}.kline.{period}",
        wire.Push[wire.Candle],
        serves=Operation.SUBSCRIBE_KLINES,
    )
    for market in KINDS
)
FUNDING_CHANNEL: Final[Channel[wire.Notification[wire.FundingPush]]] = _push(
    LINEAR,
    "public.{symbol.venue_id}.funding_rate",
    wire.Notification[wire.FundingPush],
    serves=Operation.SUBSCRIBE_FUNDING_RATE,
    url="ws_private",
    staleness=180.0,
)

ENDPOINTS: Final[tuple[Endpoint[object], ...]] = (
    SPOT_TIME,
    LINEAR_TIME,
    PAIRS,
    CONTRACTS,
    ELEMENTS,
    *BOOK,
    *TICKER,
    SPOT_TICKERS,
    LINEAR_TICKERS,
    *TRADES,
    *CANDLES,
    OLD_CANDLES,
    FUNDING,
    ALL_FUNDING,
    SETTLED,
    MARK,
)

CHANNELS: Final[tuple[Channel[object], ...]] = (
    SPOT_BOOK_CHANNEL,
    LINEAR_BOOK_CHANNEL,
    SPOT_TICKER_CHANNEL,
    LINEAR_TICKER_CHANNEL,
    SPOT_BEST_CHANNEL,
    LINEAR_BEST_CHANNEL,
    *TRADE_CHANNEL,
    *CANDLE_CHANNEL,
    FUNDING_CHANNEL,
)

LIMITS: Final = (
    # Spot counts each path by itself, 10 in a second by one address ("Rate Limiting Rule").
    *(RateLimit(scope, 10, 1.0) for row in ENDPOINTS if row.market == SPOT for scope in row.costs({})),
    # Contracts: 240 in 3 s for reference data, 800 a second for market data ("API Rate Limit Illustration").
    RateLimit(REFERENCE, 240, 3.0),
    RateLimit(MARKET, 800, 1.0),
    RateLimit(CONNECTS, 10, 1.0),
    RateLimit(BOOK_REQUESTS, 1, 0.1),
)

FEES: Final[Mapping[str, Decimal]] = {
    "maker": Decimal("0.002"),
    "taker": Decimal("0.002"),
    "linear_swap.maker": Decimal("0.0002"),
    "linear_swap.taker": Decimal("0.0005"),
}
"""Base rates of an account without a level."""

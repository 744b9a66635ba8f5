"""Exchanges through ccxt, answered out of memory: recorded answers, changed, by ccxt's own parsing and ours.

The seam is where ccxt has signed a request and would send it: what it makes of an answer, and we of that, runs as in a
program. What stands above the seam and below it is the affair of `test_ccxt_adapter.py`, over sockets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

from ccxt_local import Local, fixtures
from fuzz_models import check_model
from fuzz_mutations import Choices, Seed, encode, trimmed

from fra.adapters.ccxt import CCXTAdapter
from fra.core import FraError, KlineInterval, MarketKind, OrderRequest, OrderType, RateLimiter, Side, Symbol

Call = Callable[[CCXTAdapter, Symbol], Awaitable[Any]]


def _order(symbol: Symbol) -> OrderRequest:
    return OrderRequest(
        symbol=symbol.name, side=Side.BUY, type=OrderType.LIMIT, amount=symbol.lot_size * 10, price=Decimal(20_000),
        client_order_id="fuzz1234",
    )  # fmt: skip


CALLS: Final[Mapping[str, tuple[str, Call]]] = {
    "get_orderbook": ("fetchOrderBook", lambda adapter, symbol: adapter.get_orderbook(symbol)),
    "get_ticker": ("fetchTicker", lambda adapter, symbol: adapter.get_ticker(symbol)),
    "get_tickers": ("fetchTickers", lambda adapter, symbol: adapter.get_tickers()),
    "get_trades": ("fetchTrades", lambda adapter, symbol: adapter.get_trades(symbol)),
    "get_klines": ("fetchOHLCV", lambda adapter, symbol: adapter.get_klines(symbol, KlineInterval.H1)),
    "get_funding_rate": ("fetchFundingRate", lambda adapter, symbol: adapter.get_funding_rate(symbol)),
    "get_funding_rates": ("fetchFundingRates", lambda adapter, symbol: adapter.get_funding_rates()),
    "get_funding_rate_history": (
        "fetchFundingRateHistory", lambda adapter, symbol: adapter.get_funding_rate_history(symbol),
    ),
    "get_balance": ("fetchBalance", lambda adapter, symbol: adapter.get_balance()),
    "get_positions": ("fetchPositions", lambda adapter, symbol: adapter.get_positions()),
    "create_order": ("createOrder", lambda adapter, symbol: adapter.create_order(_order(symbol), symbol)),
    "cancel_order": ("cancelOrder", lambda adapter, symbol: adapter.cancel_order("1", symbol)),
    "get_order": ("fetchOrder", lambda adapter, symbol: adapter.get_order("1", symbol)),
    "get_open_orders": ("fetchOpenOrders", lambda adapter, symbol: adapter.get_open_orders(symbol)),
    "get_order_history": ("fetchClosedOrders", lambda adapter, symbol: adapter.get_order_history(symbol)),
    "get_trade_history": ("fetchMyTrades", lambda adapter, symbol: adapter.get_trade_history(symbol)),
}  # fmt: skip
"""Our method, ccxt's name for it in the recorded cases, and a call."""


class Free(RateLimiter):
    """Lets everything pass, at once."""

    async def acquire(self, costs: Any = 1, *, priority: bool = False) -> None:
        pass

    def block(self, scope: str | None, seconds: float, reason: str) -> None:
        super().block(None, seconds, reason)


STATUSES: Final = (200, 200, 400, 401, 403, 404, 418, 429, 500, 503)
RETRY_AFTER: Final = ("nan", "inf", "-1", "1e9", "soon", "")


class CcxtBench:
    """One exchange on ccxt."""

    def __init__(self, adapter: CCXTAdapter, symbols: Sequence[Symbol], seeds: Mapping[str, Sequence[Seed]]) -> None:
        self.adapter = adapter
        self.symbols = symbols
        self.seeds = seeds
        self.answer: tuple[int, Mapping[str, str], bytes] = (200, {}, b"{}")

    async def answered(self, path: Any, api: Any = "public", method: Any = "GET", *rest: Any, **more: Any) -> Any:
        """What ccxt's ``fetch`` does from an answer on."""
        status, headers, body = self.answer
        client, text = self.adapter.client, body.decode("utf-8", "replace")
        response = client.parse_json(text)
        client.last_http_response, client.last_json_response, client.last_response_headers = text, response, headers
        client.handle_errors(status, "OK", str(path), method, headers, text, response, {}, None)
        client.handle_http_status_code(status, "OK", str(path), method, text)
        return response if response is not None else text

    async def play(self, method: str, data: bytes) -> Any:
        """One input: what came out, or the error of our tree."""
        choices = Choices(data)
        seed, symbol = choices.one(self.seeds[method]), choices.one(self.symbols)
        body, status, headers = seed.mutated(choices), 200, {}
        if choices.pick(8) == 7:
            status, headers = choices.one(STATUSES), {"Retry-After": choices.one(RETRY_AFTER)}
        self.answer = (status, headers, body)
        try:
            result = await CALLS[method][1](self.adapter, symbol)
            check_model(result, method)
        except FraError as error:
            str(error)
            return error
        except BaseException as error:
            error.add_note(f"{method} of {symbol.name}: HTTP {status} {body[:3000]!r}")
            raise
        return result


@asynccontextmanager
async def ccxt_bench(venue: str) -> AsyncIterator[CcxtBench]:
    """The adapter of a venue with its recorded markets and answers."""
    async with Local().adapter(venue, rate_limit={}) as adapter:
        cases = fixtures("response", venue, float)["methods"]
        seeds = {
            method: [
                Seed(encode(trimmed(case["httpResponse"])))
                for case in cases.get(name, ())
                if case.get("disabled") is not True
            ]
            for method, (name, _) in CALLS.items()
        }
        spare = next(found for found in seeds.values() if found)
        # Of what was not recorded, an answer to something else: all of it is garbage then.
        bench = CcxtBench(adapter, _symbols(adapter), {method: found or spare for method, found in seeds.items()})
        adapter.client.fetch2 = bench.answered
        free = Free(())
        adapter.budget._limiter = free  # type: ignore[attr-defined]
        yield bench


def _symbols(adapter: CCXTAdapter) -> list[Symbol]:
    """One of each kind, and those that most answers are of."""
    first: dict[object, Symbol] = {}
    for symbol in adapter._symbols.values():
        if symbol.base == "BTC" or symbol.kind not in first:
            first[symbol.kind] = symbol
    wanted = (MarketKind.LINEAR_SWAP, MarketKind.SPOT, MarketKind.INVERSE_SWAP)
    return [first[kind] for kind in wanted if kind in first]

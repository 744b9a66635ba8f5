"""What ccxt hands over and no venue means does not come out as a model."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from itertools import chain, count, repeat
from math import inf, nan
from typing import Any

import pytest
from aiohttp import web
from ccxt_local import fixtures
from ccxt_plain import Heard, Speaking

from fra.adapters.ccxt import CCXTAdapter, CCXTOptions, convert
from fra.adapters.ccxt.client import make_client
from fra.adapters.ccxt.errors import fra_error
from fra.core import (
    ErrorRaised,
    ExchangeAPIError,
    ExchangeConfig,
    ExchangeRateLimitError,
    KlineInterval,
    MarketKind,
    Symbol,
)

SYMBOL = Symbol("A/B", "AB", MarketKind.SPOT, "A", "B", tick_size=Decimal("0.1"), lot_size=Decimal("0.1"))

NEEDS_RECORDINGS = pytest.mark.skipif(not fixtures("markets", "okx"), reason="FRA_FIXTURES is not set")
HASTY = CCXTOptions(reconnect_delay=0.001, reconnect_max_delay=0.002)
OPENED_MS = 1_700_000_040_000


class Handed(CCXTAdapter):
    """Hands over a book as the test says, in ccxt's place."""

    def __init__(self, raw: dict[str, Any]) -> None:
        super().__init__(ExchangeConfig("mine", "mine"))
        self.raw = raw

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> Any:
        return convert.order_book(self.raw, symbol, received_ms=1_700_000_000_000)


@pytest.mark.parametrize(
    "bids", [[["1", None]], [["1", "abc"]], [["NaN", "1"]], [["1", "0"]], [["1", "1"], ["2", "1"]], [["9", "1"]]]
)
async def test_a_book_that_no_venue_means_is_an_error(bids: list[list[object]]) -> None:
    with pytest.raises(ExchangeAPIError) as malformed:
        await Handed({"bids": bids, "asks": [["3", "1"]], "timestamp": None}).get_orderbook(SYMBOL)
    assert malformed.value.code == "malformed"


def test_a_limit_without_an_end_says_no_end() -> None:
    from ccxt.base.errors import RateLimitExceeded

    error = RateLimitExceeded("slow")
    error.fra_answer = (429, {"Retry-After": "inf"}, "")  # type: ignore[attr-defined]
    made = fra_error(error, exchange="mine", code_of=lambda answer: None)
    assert isinstance(made, ExchangeRateLimitError)
    assert made.retry_after is None


def test_a_number_of_a_million_places_is_an_error_and_not_minutes() -> None:
    client = make_client("gate", {}, news=lambda: None, refused=lambda answer: False, broken=lambda socket, error: None)
    market = {"id": "BTC_USDT", "symbol": "BTC/USDT", "spot": True, "contract": False}
    with pytest.raises(ValueError, match="places"):
        client.parse_ticker({"currency_pair": "BTC_USDT", "last": "1E+999999", "change_percentage": "1"}, market)
    assert client.parse_ticker({"currency_pair": "BTC_USDT", "last": "1e-8"}, market)["last"] == "1e-8"


# --- streams


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([[1.0, 0.0]], []),
        ([[1.0, -2.0]], []),
        ([[1.0, nan]], []),
        ([[nan, 1.0]], []),
        ([], [[3.0, inf]]),
        ([], [[inf, 3.0]]),
        ([[-1.0, 1.0]], []),
        ([[1.0, 1.0], [2.0, 1.0]], []),
        ([], [[3.0, 1.0], [3.0, 1.0]]),
        ([[3.0, 1.0]], [[3.0, 1.0]]),
    ],
)
def test_a_live_book_that_no_venue_means_is_malformed(bids: list[list[float]], asks: list[list[float]]) -> None:
    convert.check_book({"bids": [[2.0, 1.0], [1.0, 1.0]], "asks": [[3.0, 1.0], [4.0, 1.0]]})
    convert.check_book({"bids": [], "asks": []})
    with pytest.raises(ExchangeAPIError) as malformed:
        convert.check_book({"bids": bids, "asks": asks})
    assert malformed.value.code == "malformed"


@NEEDS_RECORDINGS
async def test_a_book_that_an_update_makes_crossed_does_not_come_out_and_is_asked_for_anew() -> None:
    subscribed = count(1)

    def react(frame: dict[str, Any]) -> Iterable[Any]:
        first = next(subscribed) == 1
        arg = frame["args"][0]
        book = {"asks": [["101", "1", "0", "1"]], "bids": [["100", "1", "0", "1"]], "ts": "1700000000000"}
        yield {"event": "subscribe", "arg": arg}
        yield {"arg": arg, "action": "snapshot", "data": [{**book, "seqId": 1 if first else 10, "prevSeqId": -1}]}
        if first:
            wrong = {"asks": [["7", "1", "0", "1"]], "bids": [], "ts": "1700000000001", "seqId": 2, "prevSeqId": 1}
            yield {"arg": arg, "action": "update", "data": [wrong]}

    async with Speaking(react=react).adapter("okx", options=HASTY, keys=False) as adapter:
        source = adapter.subscribe_orderbook(adapter.symbol("BTC/USDT:USDT"))
        heard = Heard(source, lambda view: (view.sequence, view.bids(1)[0].price, view.asks(1)[0].price))
        found = await _until(heard, lambda: heard.items and heard.items[-1][0] == 10)
    assert {(bid, asked) for _, bid, asked in found} == {(100, 101)}
    assert next(subscribed) == 3
    assert any("crossed" in str(error) for error in heard.errors)


class Ticking(Speaking):
    """Sends a candle, an unreadable one, and then the first again and again, as a venue does while it changes."""

    async def serve(self, request: web.Request) -> web.StreamResponse:  # type: ignore[override]
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        arg = (await ws.receive_json())["args"][0]
        await ws.send_json({"event": "subscribe", "arg": arg})
        told: Iterable[tuple[str | None, int]] = chain([(str(OPENED_MS), 1), (None, 1)], repeat((str(OPENED_MS), 2)))
        for opened, close in told:
            if ws.closed:
                break
            await ws.send_json({"arg": arg, "data": [[opened, "1", "9", "1", str(close), "5", "5", "5", "0"]]})
            with suppress(TimeoutError):
                await ws.receive(timeout=0.02)
        return ws


@NEEDS_RECORDINGS
async def test_an_unreadable_candle_does_not_hide_those_that_come_after_it() -> None:
    async with Ticking().adapter("okx", options=HASTY, keys=False) as adapter:
        source = adapter.subscribe_klines(adapter.symbol("BTC/USDT:USDT"), KlineInterval.M1)
        heard = Heard(source, lambda kline: (kline.open_ms, kline.close))
        found = await _until(heard, lambda: heard.items and heard.items[-1][1] == 2)
        assert {opened for opened, _ in found} == {OPENED_MS}
        assert [event for event in adapter.context.events if isinstance(event, ErrorRaised)]  # type: ignore[attr-defined]
        await source.close()


async def _until(heard: Heard, condition: Any) -> list[Any]:
    async with asyncio.timeout(10):
        while not condition():
            heard._changed.clear()
            await heard._changed.wait()
    return heard.items


async def test_an_error_that_nobody_waits_for_is_no_accident() -> None:
    client = make_client("okx", {}, news=lambda: None, refused=lambda answer: False, broken=lambda socket, error: None)
    accidents: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: accidents.append(context))
    try:
        socket = client.client("wss://nowhere.invalid/ws")
        socket.future("a login")
        socket.reject(OSError("lost"))
        del socket
        client.clients.clear()
        gc.collect()
        await asyncio.sleep(0)
    finally:
        await client.close()
    assert not accidents

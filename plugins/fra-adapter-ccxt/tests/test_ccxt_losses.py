"""What ccxt would pass over in silence: answers that cannot be read, and updates of books that are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import ADAPTERS, Local, fixtures

from fra.adapters.ccxt.sequences import LostUpdate, Sequences, bybit, gate, htx, okx
from fra.core import (
    ExchangeAPIError,
    FraError,
    InvalidOrder,
    MarketKind,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderType,
    Side,
)

needs_recordings = pytest.mark.skipif(not fixtures("markets", "binance"), reason="FRA_FIXTURES is not set")
PAGE = "<html><body>We are back soon</body></html>"


# --- answers


@needs_recordings
@pytest.mark.parametrize("body", [PAGE, "", '"soon"', "null", '{"code": "0", "data": [['], ids=range(5))
@pytest.mark.parametrize("venue", ADAPTERS)
async def test_an_answer_that_is_no_json_is_malformed_and_never_empty(venue: str, body: str) -> None:
    async with Local(body).adapter(venue) as adapter:
        spot = next(one for one in adapter.symbols.values() if one.kind is MarketKind.SPOT)
        asks = [adapter.get_ticker(spot), adapter.get_trades(spot), adapter.get_tickers()]
        for ask in asks:
            with pytest.raises(ExchangeAPIError) as raised:
                await ask
            assert (raised.value.code, raised.value.status_code, raised.value.exchange) == ("malformed", 200, venue)


@needs_recordings
@pytest.mark.parametrize("venue", ["binance", "okx", "bybit", "htx"])
async def test_a_value_that_ccxt_would_round_is_refused_before_anything_is_sent(venue: str) -> None:
    local = Local({})
    async with local.adapter(venue) as adapter:
        symbol = adapter.symbol("BTC/USDT")
        asked = {"symbol": symbol.name, "side": Side.BUY, "type": OrderType.MARKET, "client_order_id": "1234567"}
        with pytest.raises(InvalidOrder, match="off the grid; the nearest is 25"):
            await adapter.create_order(OrderRequest(**asked, quote_amount=Decimal("25.0000000000123")), symbol)
    assert not local.asked


@needs_recordings
@pytest.mark.parametrize("venue", ["binance", "okx", "bybit"])
async def test_an_order_whose_answer_is_no_json_may_have_been_taken(venue: str) -> None:
    async with Local(PAGE).adapter(venue) as adapter:
        symbol = next(one for one in adapter.symbols.values() if one.kind is MarketKind.SPOT)
        request = OrderRequest(
            symbol=symbol.name,
            side=Side.BUY,
            type=OrderType.LIMIT,
            amount=symbol.round_amount(Decimal(10)),
            price=symbol.round_price(Decimal(100), Side.BUY),
            client_order_id="mine1",
        )
        with pytest.raises(OrderOutcomeUnknown) as raised:
            await adapter.create_order(request, symbol)
    assert raised.value.client_order_id == "mine1"


@needs_recordings
@pytest.mark.parametrize("status", [302, 413, 524])
async def test_a_status_that_ccxt_does_not_know_is_no_answer(status: int) -> None:
    async with Local({"code": "0", "msg": "", "data": []}, status).adapter("okx") as adapter:
        with pytest.raises(FraError, match=str(status)):
            await adapter.get_tickers()


# --- numbers of updates

Read = Callable[[Mapping[str, Any]], Iterable[Any]]


def okx_frame(last: int, previous: int, action: str = "update") -> dict[str, Any]:
    row = {"asks": [], "bids": [], "seqId": last, "prevSeqId": previous}
    return {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [row]}


def bybit_frame(last: int, kind: str = "delta", symbol: str = "BTCUSDT") -> dict[str, Any]:
    return {"topic": f"orderbook.200.{symbol}", "type": kind, "data": {"s": symbol, "b": [], "a": [], "u": last}}


def swap_frame(version: int, event: str = "update") -> dict[str, Any]:
    return {"ch": "market.BTC-USDT.depth.size_150.high_freq", "tick": {"event": event, "version": version}}


def spot_frame(last: int, previous: int) -> dict[str, Any]:
    return {"ch": "market.btcusdt.mbp.150", "tick": {"seqNum": last, "prevSeqNum": previous}}


def gate_frame(last: int, **more: object) -> dict[str, Any]:
    return {"channel": "spot.obu", "event": "update", "result": {"s": "ob.BTC_USDT.50", "u": last, **more}}


WHOLE: Mapping[str, tuple[Read, list[dict[str, Any]]]] = {
    "okx": (okx, [okx_frame(9, -1, "snapshot"), okx_frame(12, 9), okx_frame(12, 12), okx_frame(3, 12)]),
    "bybit": (bybit, [bybit_frame(7, "snapshot"), bybit_frame(8), bybit_frame(1, "snapshot"), bybit_frame(2)]),
    "bybit, two books": (bybit, [bybit_frame(7, "snapshot"), bybit_frame(3, "snapshot", "X"), bybit_frame(8)]),
    "htx swap": (htx, [swap_frame(5, "snapshot"), swap_frame(6), swap_frame(7)]),
    "htx spot": (htx, [spot_frame(20, 11), spot_frame(25, 20), {"unsubbed": spot_frame(0, 0)["ch"]}, spot_frame(9, 8)]),
    "gate": (gate, [gate_frame(9, full=True), gate_frame(12, U=10), gate_frame(13, U=13), gate_frame(3, full=True)]),
}
BROKEN: Mapping[str, tuple[Read, list[dict[str, Any]]]] = {
    "okx": (okx, [okx_frame(9, -1, "snapshot"), okx_frame(15, 12)]),
    "okx, without a book": (okx, [okx_frame(15, 12)]),
    "bybit": (bybit, [bybit_frame(7, "snapshot"), bybit_frame(9)]),
    "bybit, twice": (bybit, [bybit_frame(7, "snapshot"), bybit_frame(7)]),
    "bybit, restarted": (bybit, [bybit_frame(7, "snapshot"), bybit_frame(1)]),
    "bybit, without a book": (bybit, [bybit_frame(9)]),
    "htx swap": (htx, [swap_frame(5, "snapshot"), swap_frame(7)]),
    "htx spot": (htx, [spot_frame(20, 11), spot_frame(30, 25)]),
    "gate": (gate, [gate_frame(9, full=True), gate_frame(12, U=11)]),
    "gate, without a book": (gate, [gate_frame(12, U=11)]),
}


@pytest.mark.parametrize("name", WHOLE)
def test_updates_that_follow_each_other_are_let_through(name: str) -> None:
    numbers, frames = WHOLE[name]
    book = Sequences(numbers)
    for frame in frames:
        book.follow(frame)


@pytest.mark.parametrize("name", BROKEN)
def test_an_update_that_does_not_follow_is_lost(name: str) -> None:
    numbers, (*before, last) = BROKEN[name]
    book = Sequences(numbers)
    for frame in before:
        book.follow(frame)
    with pytest.raises(LostUpdate):
        book.follow(last)

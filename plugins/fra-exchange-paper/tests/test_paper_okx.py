"""Paper trading on OKX's data: the real adapter, over a socket, as it would be with a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal as D

import pytest
import pytest_asyncio

from fra.core import (
    ExchangeHandle,
    Fill,
    InvalidOrder,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginManager,
    Side,
    StreamStatus,
    UserEvent,
)
from fra.emulator import Emulator

SPOT, SWAP, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(["okx"], seed=3) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def exchanges(emulator: Emulator) -> AsyncIterator[tuple[ExchangeHandle, ExchangeHandle]]:
    """OKX without a key, and a paper account on it."""
    okx = {"exchange_id": "okx", "base_url": emulator.okx.markets, "options": {"reconnect_delay": 0.05}}
    paper = {"options": {"market_data": "okx-main", "balances": {"USDT": 100_000, "BTC": 2}}}
    async with PluginManager.from_config({"exchanges": {"okx-main": okx, "paper": paper}}) as manager:
        yield manager.get_plugin("okx-main"), manager.get_plugin("paper")


async def _looks(condition: Callable[[], bool]) -> None:
    """A subscription tells its status to those who look."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def order(symbol: str, side: Side, amount: D, price: D | None = None) -> OrderRequest:
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return OrderRequest(symbol=symbol, side=side, type=kind, amount=amount, price=price)


async def test_symbols_books_and_rates_are_okxs(exchanges) -> None:
    okx, paper = exchanges
    assert list(await paper.get_symbols()) == list(await okx.get_symbols())
    assert (await paper.get_klines(SWAP, "1h", limit=3))[:2] == (await okx.get_klines(SWAP, "1h", limit=3))[:2]
    rate = await paper.get_funding_rate(SWAP)
    assert rate.next_settlement_ms == (await okx.get_funding_rate(SWAP)).next_settlement_ms
    async with paper.subscribe_orderbook(SWAP, depth=5) as books, asyncio.timeout(10):
        first, second = await anext(books), await anext(books)
        assert second.sequence > first.sequence
        assert first.valid


async def test_orders_fill_at_okxs_prices_with_okxs_fees(exchanges) -> None:
    okx, paper = exchanges
    for symbol, amount in ((SPOT, D("0.01")), (SWAP, D("0.1")), (INVERSE, D(1000))):
        bought = await paper.create_order(order(symbol, Side.BUY, amount))
        assert (bought.status, bought.filled) == (OrderStatus.FILLED, amount)
        book = await okx.get_orderbook(symbol)
        assert abs(bought.average_price / book.mid - 1) < D("0.01")
    positions = {position.symbol: position.amount for position in await paper.get_positions()}
    assert positions == {SWAP: D("0.1"), INVERSE: 1000}
    fills = {fill.symbol: fill for fill in await paper.get_trade_history()}
    fees = okx.metadata.fee_structure
    assert fills[SPOT].fee == fills[SPOT].amount * fees["taker"]
    assert fills[SWAP].fee == fills[SWAP].amount * fills[SWAP].price * fees["linear_swap.taker"]


async def test_a_resting_order_is_filled_by_okxs_live_book(exchanges) -> None:
    okx, paper = exchanges
    (symbol,) = [one for one in await paper.get_symbols() if one.name == SWAP]
    filled = asyncio.Event()
    stream = paper.subscribe_user_data()

    def look(event: UserEvent) -> None:
        if isinstance(event, Fill):
            filled.set()

    stream.add_listener(look)
    book = await okx.get_orderbook(SWAP)
    for side, best in ((Side.BUY, book.best_bid), (Side.SELL, book.best_ask)):
        await paper.create_order(order(SWAP, side, D("0.01"), symbol.round_price(best.price, side)))
    async with asyncio.timeout(20):
        await filled.wait()
    await stream.close()


async def test_a_stream_says_that_okxs_has_no_data(emulator, exchanges) -> None:
    _, paper = exchanges
    async with paper.subscribe_ticker(SWAP) as tickers, asyncio.timeout(20):
        await anext(tickers)
        emulator.okx.refuse_connections()
        assert emulator.okx.cut()
        await _looks(lambda: tickers.status is StreamStatus.RECOVERING)
        emulator.okx.refuse_connections(False)
        await _looks(lambda: tickers.status is StreamStatus.LIVE)


async def test_orders_are_refused_while_okx_is_cut_off_and_taken_when_it_is_back(emulator, exchanges) -> None:
    okx, paper = exchanges
    views: asyncio.Queue[bool] = asyncio.Queue()
    async with okx.subscribe_orderbook(SWAP) as books, asyncio.timeout(20):
        await paper.create_order(order(SWAP, Side.BUY, D("0.01")))
        books.add_listener(lambda view: views.put_nowait(view.valid))
        emulator.okx.refuse_connections()
        assert emulator.okx.cut()
        while await views.get():
            pass
        with pytest.raises(InvalidOrder, match="nothing was ordered") as refused:
            await paper.create_order(order(SWAP, Side.BUY, D("0.01")))
        assert refused.value.code == "no_book"
        emulator.okx.refuse_connections(False)
        while not await views.get():
            pass
        assert (await paper.create_order(order(SWAP, Side.BUY, D("0.01")))).status is OrderStatus.FILLED
    assert [position.amount for position in await paper.get_positions()] == [D("0.02")]

"""The market of its own, and what is passed on of another's; options that are wrong; the account's life."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal as D

import pytest

from fra.core import (
    BookView,
    ConfigError,
    ConnectionChanged,
    ConnectionStatus,
    KlineInterval,
    MarketKind,
    NotSupported,
    Operation,
    OrderStatus,
    PluginType,
    PositionMode,
    Side,
    StreamGap,
    StreamStatus,
    connect,
)
from fra.exchanges.paper import PaperOptions

HOUR, NOW = 3_600_000, 1_700_000_000_000


@pytest.fixture
async def paper(kit):
    async with kit.opened({"paper": {}}) as trader:
        yield trader.paper


# --- its own market


async def test_an_installed_package_is_all_that_it_takes() -> None:
    async with connect("paper") as paper:
        assert paper.metadata.plugin_type is PluginType.SIMULATED
        assert not paper.metadata.requires_credentials
        assert not paper.metadata.account_needs_credentials
        names = [symbol.name for symbol in await paper.get_symbols()]
        assert names[:2] == ["BTC/USDT", "ETH/USDT"]
        assert "BTC/USDT:USDT" in names


async def test_books_are_around_the_price_and_on_the_grid(paper) -> None:
    for symbol in await paper.get_symbols():
        book, ticker = await paper.get_orderbook(symbol), await paper.get_ticker(symbol)
        assert book.bids[0].price < book.asks[0].price
        assert [level.price for level in book.bids] == sorted({level.price for level in book.bids}, reverse=True)
        assert [level.price for level in book.asks] == sorted({level.price for level in book.asks})
        for price, amount in (*book.bids, *book.asks):
            assert (price % symbol.tick_size, amount % symbol.lot_size) == (0, 0)
            assert min(price, amount) > 0
        assert ticker.low <= ticker.bid < ticker.ask <= ticker.high
    assert len((await paper.get_orderbook("BTC/USDT", depth=3)).asks) == 3


async def test_every_public_call_has_an_answer(paper) -> None:
    swap = "XRP/USDT:USDT"
    assert {ticker.symbol for ticker in await paper.get_tickers()} == {s.name for s in paper.symbols}
    trades = await paper.get_trades("BTC/USDT", limit=7)
    assert len({trade.id for trade in trades}) == 7
    assert [trade.timestamp_ms for trade in trades] == sorted(trade.timestamp_ms for trade in trades)
    since = 1_700_000_000_000 // HOUR * HOUR
    klines = await paper.get_klines(swap, "1h", since=since - 5, until=since + 3 * HOUR)
    assert [kline.open_ms for kline in klines] == [since, since + HOUR, since + 2 * HOUR]
    assert [kline.close for kline in klines[:-1]] == [kline.open for kline in klines[1:]]
    assert all(kline.low <= min(kline.open, kline.close) and kline.closed for kline in klines)
    (running,) = await paper.get_klines(swap, "1d", limit=1)
    assert not running.closed
    with pytest.raises(NotSupported, match="1M"):
        await paper.get_klines(swap, "1M")
    history = await paper.get_funding_rate_history(swap, limit=3)
    assert [rate.settled_ms % HOUR for rate in history] == [0, 0, 0]
    assert (await paper.get_funding_rate(swap)).next_settlement_ms == history[-1].settled_ms + HOUR
    with pytest.raises(NotSupported):
        await paper.get_funding_rate("BTC/USDT")
    assert (await paper.health_check()).healthy


async def test_every_stream_goes_on(paper) -> None:
    symbol = "BTC/USDT:USDT"
    views: list[BookView] = []
    books = paper.subscribe_orderbook(symbol, depth=2)
    books.add_listener(lambda view: views.append(view.snapshot()))
    async with books, asyncio.timeout(10):
        first, second = await anext(books), await anext(books)
        assert second.sequence > first.sequence
        assert len(first.bids) == len(views[0].bids) == 2
    async with paper.subscribe_trades(symbol) as trades, asyncio.timeout(10):
        ids = [int((await anext(trades)).id) for _ in range(3)]
        assert ids == list(range(ids[0], ids[0] + 3))
    async with paper.subscribe_klines(symbol, "1m") as klines, asyncio.timeout(10):
        assert (await anext(klines)).interval is KlineInterval.M1
    async with paper.subscribe_ticker(symbol) as tickers, asyncio.timeout(10):
        assert (await anext(tickers)).bid
    async with paper.subscribe_funding_rate(symbol) as rates, asyncio.timeout(10):
        assert (await anext(rates)).mark_price


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_makes_the_same_market_in_every_process(seed) -> None:
    program = f"""
from fra.exchanges.paper.generator import LISTINGS, Generator
made = Generator(LISTINGS, seed={seed}, now_ms=lambda: 1_700_000_000_000)
print([made.book(listing, 1_700_000_000_123) for listing in LISTINGS])
"""
    runs = {subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1
    other = program.replace(f"seed={seed}", "seed=8")
    assert subprocess.run([sys.executable, "-c", other], capture_output=True, check=True).stdout not in runs


async def test_a_resting_order_fills_as_its_own_market_moves(kit) -> None:
    async with kit.opened({"paper": {}}) as trader:
        for side in Side:
            book = await trader.paper.get_orderbook("SOL/USDT:USDT")
            price = book.best_bid.price if side is Side.BUY else book.best_ask.price
            await trader.send("SOL/USDT:USDT", side, "0.1", price=price)
        await trader.until(lambda: [one for one in trader.told if getattr(one, "status", None) is OrderStatus.FILLED])


# --- another exchange's market


async def test_what_the_exchange_cannot_do_this_cannot_either(desk, kit) -> None:
    trader, _ = desk
    can = trader.paper.capabilities
    assert can.support(Operation.CREATE_ORDER, MarketKind.INVERSE_SWAP)
    assert can.support(Operation.GET_TICKER, MarketKind.LINEAR_FUTURE)
    assert not can.support(Operation.CREATE_ORDER, MarketKind.LINEAR_FUTURE)
    assert not can.support(Operation.GET_POSITIONS, MarketKind.SPOT)
    assert not can.support(Operation.SUBSCRIBE_TICKER)
    assert {symbol.name for symbol in await trader.paper.get_symbols()} == {symbol.name for symbol in kit.SYMBOLS}
    with pytest.raises(NotSupported):
        await trader.paper.get_trades(kit.SWAP)
    with pytest.raises(NotSupported):
        trader.paper.subscribe_ticker(kit.SWAP)


async def test_public_calls_are_passed_on(desk, kit) -> None:
    trader, venue = desk
    assert (await trader.paper.get_ticker(kit.FUTURE)).last == 7
    assert (await trader.paper.get_orderbook(kit.SWAP, depth=1)).asks == venue.books[kit.SWAP].asks[:1]
    assert (await trader.paper.get_klines(kit.SWAP, "1h", since=NOW))[0].open_ms == NOW
    assert (await trader.paper.get_funding_rate(kit.SWAP)).rate == D("0.0001")


async def test_a_book_that_loses_its_place_is_passed_on_as_invalid_and_comes_back(desk, kit) -> None:
    trader, venue = desk
    async with trader.paper.subscribe_orderbook(kit.SWAP) as books, asyncio.timeout(10):
        assert (await anext(books)).best_ask.price == 100
        venue.gap(kit.SWAP)
        assert not (await anext(books)).valid
        venue.book(kit.SWAP, "1*1", "2*1")
        while not (book := await anext(books)).valid:
            pass
        assert book.best_ask.price == 2
    await venue.until(lambda: ("orderbook", kit.SWAP) not in venue.sources)


async def test_a_gap_in_trades_is_passed_on(desk, kit) -> None:
    trader, venue = desk
    trades = trader.paper.subscribe_trades(kit.SWAP)
    await venue.until(lambda: ("trades", kit.SWAP) in venue.sources)
    source = venue.sources["trades", kit.SWAP]
    source.set_status(StreamStatus.LIVE)
    source.gap(StreamGap("lost", start=1, end=5))
    with pytest.raises(StreamGap):
        await anext(trades)
    await trades.close()


async def test_its_status_is_that_of_the_exchange(desk) -> None:
    trader, venue = desk
    venue.context.connection_changed(ConnectionStatus.RECONNECTING, "a cut")
    assert trader.paper.status is ConnectionStatus.RECONNECTING
    assert [event.exchange for event in trader.heard(ConnectionChanged)] == ["paper", "main"]
    venue.context.connection_changed(ConnectionStatus.CONNECTED)
    assert trader.paper.status is ConnectionStatus.CONNECTED


async def test_markets_limits_what_is_traded(kit) -> None:
    exchanges = {"main": {"exchange_id": "venue"}, "paper": {"markets": ["spot"], "options": {"market_data": "main"}}}
    async with kit.opened(exchanges) as trader:
        assert {symbol.kind for symbol in await trader.paper.get_symbols()} == {MarketKind.SPOT}


# --- configuration and life


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"options": {"market_data": "nowhere"}}, "nowhere"),
        ({"options": {"market_data": "paper"}}, "cannot be built on paper"),
        ({"options": {"fees": {"takr": "0.1"}}}, "there is no fee 'takr'"),
        ({"options": {"balances": {"USDT": "-1"}}}, "USDT must be above zero"),
        ({"options": {"balances": {"USDT": 0.1}}}, "must be exact"),
        ({"options": {"leverage": "0"}}, "leverage"),
        ({"options": {"colour": "red"}}, "colour"),
        ({"markets": ["coinm"]}, "no market 'coinm'"),
    ],
)
async def test_a_wrong_option_stops_the_start(kit, keys, message) -> None:
    async with kit.managed({"paper": keys}) as manager:
        with pytest.raises(ConfigError, match=message):
            manager.get_plugin("paper")


async def test_an_account_starts_as_it_is_configured(kit) -> None:
    options = {"balances": {"USDT": "50", "ETH": "2"}, "leverage": "3", "position_mode": "hedge"}
    async with kit.opened({"paper": {"options": options}}) as trader:
        assert (await trader.total(), await trader.total("ETH")) == (50, 2)
        with pytest.raises(Exception, match="hedge mode"):
            await trader.buy("XRP/USDT:USDT", "10")
    assert PaperOptions().position_mode is PositionMode.ONE_WAY


async def test_two_accounts_on_one_market_know_nothing_of_each_other(kit) -> None:
    venue = {"exchange_id": "venue"}
    second = {"exchange_id": "paper", "options": {"market_data": "main"}}

    class Mine(kit.Venue):
        instances = []  # noqa: RUF012

    async with kit.opened({"main": venue, "paper": second, "other": second}, venue=Mine) as trader:
        Mine.instances[0].book(kit.SWAP, "99*1", "100*1")
        assert (await trader.buy()).filled == 1
        trader.paper = trader.manager.get_plugin("other")
        assert await trader.paper.get_positions() == []
        assert (await trader.buy()).filled == 1


async def test_the_account_goes_on_when_the_exchange_is_reloaded(desk, kit) -> None:
    trader, venue = desk
    await trader.buy()
    old = venue.instances[-1]
    reload = asyncio.create_task(trader.manager.reload_plugin("main"))
    async with asyncio.timeout(5):
        while (new := venue.instances[-1]) is old or not new.sources:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
    new.book(kit.SWAP, "109*1", "110*1")
    await reload
    assert (await trader.buy()).average_price == 110
    assert (await trader.paper.get_positions())[0].amount == 2


async def test_a_reloaded_account_is_a_new_one(desk, kit) -> None:
    trader, _ = desk
    await trader.buy()
    await trader.manager.reload_plugin("paper")
    assert await trader.paper.get_positions() == []
    assert await trader.total() == 1000
    told = len(trader.told)
    assert (await trader.buy()).filled == 1
    assert len(trader.told) > told


async def test_nothing_stays_open_afterwards(kit) -> None:
    async with kit.opened({"paper": {}}) as trader:
        await trader.buy("BTC/USDT:USDT", "0.01")
        await trader.buy("BTC/USDT", "0.01", price="1000")
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [name for name in left if name.startswith("fra")] == []

"""OKX and Bybit as one, over their sockets: one that dies, one that falls silent, one whose answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import Any

import attrs
import pytest
from traders import configured, emulator, new_account

from fra.adapters.aggregated import AggregatedBook, AggregatedTicker, FundingSpread, MemberLevel, SummedBalance
from fra.core import (
    ConnectionStatus,
    ErrorRaised,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeHandle,
    Fill,
    Order,
    OrderBook,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginManager,
    Side,
    StreamStatus,
    Subscription,
    UserEvent,
)
from fra.emulator import Account, Emulator, Venue
from fra.matching import Order as TrueOrder

SWAP, SPOT = "BTC/USDT:USDT", "BTC/USDT"
PATIENCE_S = 30.0


@attrs.frozen
class World:
    """Two emulated venues with an account at each, and both as one."""

    venues: Emulator
    accounts: dict[str, Account]
    manager: PluginManager

    @property
    def both(self) -> ExchangeHandle:
        return self.manager.get_plugin("both")

    def venue(self, member: str) -> Venue:
        return self.venues.venues[member]

    def truth(self, member: str) -> tuple[TrueOrder, ...]:
        """What the venue itself knows of the account's orders."""
        return self.venue(member).exchange.engine.orders(self.accounts[member].name)


@asynccontextmanager
async def world(
    *, timeout: float = 10.0, dead: str | None = None, keys: bool = True, **options: Any
) -> AsyncIterator[World]:
    async with emulator("okx", "bybit", step_ms=50) as venues:
        accounts = {}
        exchanges: dict[str, Any] = {}
        for name, venue in venues.venues.items():
            accounts[name] = new_account()
            venue.open_account(accounts[name])
            exchanges[name] = configured(
                venue, accounts[name] if keys else None, timeout=timeout, options={"retries": 0}
            )
        if dead is not None:
            venues.venues[dead].refuse_connections(requests=True)
        settings = {"members": list(exchanges), **options}
        exchanges["both"] = {"plugin": "aggregated", "options": settings, "timeout": timeout}
        async with PluginManager.from_config({"exchanges": exchanges}) as manager:
            yield World(venues, accounts, manager)


async def until(books: Subscription[OrderBook], condition: Callable[[AggregatedBook], object]) -> AggregatedBook:
    """The first book of which it is true."""
    async with asyncio.timeout(PATIENCE_S):
        async for book in books:
            assert isinstance(book, AggregatedBook)
            if condition(book):
                return book
    raise AssertionError("the stream ended")


def buy(amount: D, symbol: str = SWAP, **fields: Any) -> OrderRequest:
    return OrderRequest(symbol=symbol, side=Side.BUY, type=OrderType.MARKET, amount=amount, **fields)


async def test_two_venues_are_one_market() -> None:
    async with world() as w:
        common = {symbol.name for symbol in await w.both.get_symbols()}
        lists = [await w.manager.get_plugin(name).get_symbols() for name in ("okx", "bybit")]
        assert {SWAP, SPOT} <= common
        same = {symbol.name for symbol in lists[0]} & {symbol.name for symbol in lists[1]}
        assert common - same == {"PEPE/USDT:USDT", "SHIB/USDT:USDT"}  # Bybit trades them by the thousand
        ours = w.both.symbol(SWAP)
        for symbol in (next(s for s in rows if s.name == SWAP) for rows in lists):
            assert ours.lot_size % symbol.lot_size == 0
            assert ours.tick_size % symbol.tick_size == 0
        book = await w.both.get_orderbook(SWAP, depth=400)  # the venues may be some levels apart
        assert isinstance(book, AggregatedBook)
        assert book.members == ("okx", "bybit")
        assert {level.exchange for level in book.asks if isinstance(level, MemberLevel)} == {"okx", "bybit"}
        ticker = await w.both.get_ticker(SWAP)
        assert isinstance(ticker, AggregatedTicker)
        assert set(ticker.by_member) == {"okx", "bybit"}
        rates = [rate for rate in await w.both.get_funding_rates() if isinstance(rate, FundingSpread)]
        assert {frozenset(rate.by_member) for rate in rates} == {frozenset(("okx", "bybit"))}
        (usdt,) = [row for row in await w.both.get_balance() if row.asset == "USDT"]
        assert isinstance(usdt, SummedBalance)
        assert set(usdt.by_member) == {"okx", "bybit"}
        health = await w.both.health_check()
        assert (health.status, health.detail) == (ConnectionStatus.CONNECTED, None)


async def test_without_keys_it_is_a_market_and_no_account() -> None:
    async with world(keys=False) as w:
        assert (await w.both.get_orderbook(SWAP, depth=5)).valid
        with pytest.raises(ExchangeAuthError, match="no member has an account"):
            await w.both.get_balance()
        with pytest.raises(ExchangeAuthError, match="no member has an account"):
            await w.both.subscribe_user_data().ready()
        with pytest.raises(ExchangeConnectionError, match="nothing was sent"):
            await w.both.create_order(buy(D("0.01")))


async def test_a_coin_that_one_trades_by_the_thousand_is_one_exactly() -> None:
    async with world() as w:
        name = "PEPE/USDT:USDT"
        ours = w.both.symbol(name) if w.both.symbols else (await w.both.get_symbols(), w.both.symbol(name))[1]
        theirs = {member: w.manager.get_plugin(member) for member in ("okx", "bybit")}
        coins = theirs["bybit"].symbol("1000PEPE/USDT:USDT")
        assert ours.lot_size % (coins.lot_size * 1000) == 0
        held = {}
        for member in theirs:
            made = await w.both.create_order(buy(ours.lot_size * 10, name, exchange=member))
            while not made.status.final:
                made = await w.both.get_order(made.id, name)
            held[member] = made
        (position,) = await w.both.get_positions(name)
        assert position.amount == ours.lot_size * 20
        (its,) = await theirs["bybit"].get_positions("1000PEPE/USDT:USDT")
        assert its.amount * 1000 == ours.lot_size * 10
        prices = [order.average_price for order in held.values() if order.average_price is not None]
        assert max(prices) < min(prices) * D("1.01")


async def test_a_split_order_is_two_orders_there_and_one_here() -> None:
    async with world(route="split") as w:
        told: list[UserEvent] = []
        stream = w.both.subscribe_user_data()
        stream.add_listener(told.append)
        async with asyncio.timeout(PATIENCE_S):
            await stream.ready()
        book = await w.both.get_orderbook(SWAP, depth=60)
        amount = w.both.symbol(SWAP).round_amount(sum((level.amount for level in book.asks), D(0)))
        made = await w.both.create_order(buy(amount))
        async with asyncio.timeout(PATIENCE_S):
            while not made.status.final:
                made = await w.both.get_order(client_order_id=made.client_order_id, symbol=SWAP)
        assert made.id is not None
        assert {part.partition("/")[0] for part in made.id.split("+")} == {"okx", "bybit"}
        assert made.id.count("+") == 1
        assert [len(w.truth(name)) for name in ("okx", "bybit")] == [1, 1]
        assert made == await w.both.get_order(made.id, SWAP)
        (position,) = await w.both.get_positions(SWAP)
        assert (position.amount, made.filled) == (amount, amount)
        fills = await w.both.get_trade_history(SWAP)
        assert sum(fill.amount for fill in fills) == amount
        streamed = [event for event in told if isinstance(event, Fill)]
        assert {fill.trade_id for fill in streamed} <= {fill.trade_id for fill in fills}
        assert {event.client_order_id for event in told if isinstance(event, Order)} == {made.client_order_id}
        await stream.close()


async def test_a_member_that_is_killed_leaves_the_book_and_comes_back() -> None:
    async with world() as w, w.both.subscribe_orderbook(SWAP, depth=5) as books:
        await until(books, lambda book: len(book.members) == 2)
        bybit = w.venue("bybit")
        bybit.refuse_connections(requests=True)
        bybit.cut()
        book = await until(books, lambda book: book.members == ("okx",))
        assert book.valid
        assert {level.exchange for level in book.bids if isinstance(level, MemberLevel)} == {"okx"}
        assert "bybit" in book.missing
        assert books.status is StreamStatus.LIVE
        errors: list[ErrorRaised] = []
        w.both.register_event_handler(ErrorRaised, errors.append)
        asked = await w.both.get_orderbook(SWAP, depth=5)
        assert isinstance(asked, AggregatedBook)
        assert (asked.members, set(asked.missing)) == (("okx",), {"bybit"})
        assert any("bybit" in error.where for error in errors)
        assert "bybit" in ((await w.both.health_check()).detail or "")
        bybit.refuse_connections(False)
        book = await until(books, lambda book: len(book.members) == 2)
        assert book.missing == {}


async def test_a_member_that_is_frozen_blocks_nobody_and_its_quotes_leave() -> None:
    async with world(max_age=0.5, member_timeout=1.0) as w, w.both.subscribe_orderbook(SWAP, depth=5) as books:
        await until(books, lambda book: len(book.members) == 2)
        okx = w.venue("okx")
        okx.go_silent()
        okx.delay_answers(60)
        book = await until(books, lambda book: book.members == ("bybit",))
        assert "stale" in book.missing["okx"]
        async with asyncio.timeout(5):
            asked = await w.both.get_orderbook(SWAP, depth=5)
            ticker = await w.both.get_ticker(SWAP)
            made = await w.both.create_order(buy(D("0.01")))
        assert isinstance(asked, AggregatedBook)
        assert isinstance(ticker, AggregatedTicker)
        assert asked.missing["okx"] == ticker.missing["okx"] == "okx: no answer within 1 s"
        assert made.id is not None
        assert made.id.startswith("bybit/")
        with pytest.raises(ExchangeConnectionError, match="okx: no answer"):
            await w.both.get_balance()  # a sum without okx would be wrong
        assert {row.market for row in await w.both.get_balance("bybit")} == {"bybit/unified"}
        okx.delay_answers(0)
        okx.speak_again()
        await until(books, lambda book: len(book.members) == 2)


async def test_with_a_quorum_what_is_there_is_summed_and_says_who_is_missing() -> None:
    async with world(quorum=1, member_timeout=1.0) as w:
        w.venue("okx").delay_answers(60)
        (usdt,) = [row for row in await w.both.get_balance() if row.asset == "USDT"]
        assert isinstance(usdt, SummedBalance)
        assert (set(usdt.by_member), set(usdt.missing)) == ({"bybit"}, {"okx"})
        w.venue("okx").delay_answers(0)


async def test_below_the_quorum_the_book_is_not_valid() -> None:
    async with world(quorum=2) as w, w.both.subscribe_orderbook(SWAP, depth=5) as books:
        await until(books, lambda book: book.valid)
        w.venue("bybit").refuse_connections(requests=True)
        w.venue("bybit").cut()
        book = await until(books, lambda book: not book.valid)
        assert (book.bids, book.asks) == ((), ())
        assert books.status is StreamStatus.RECOVERING
        assert "bybit" in str(books.error)
        with pytest.raises(ExchangeConnectionError):
            await w.both.get_orderbook(SWAP)


async def test_a_member_that_is_dead_at_the_start_joins_when_it_is_started() -> None:
    async with world(dead="bybit") as w, w.both.subscribe_orderbook(SWAP, depth=5) as books:
        assert w.both.status is ConnectionStatus.CONNECTED
        book = await until(books, lambda book: True)
        assert book.members == ("okx",)
        w.venue("bybit").refuse_connections(False)
        await w.manager.reload_plugin("bybit")
        await until(books, lambda book: len(book.members) == 2)


async def test_an_order_whose_part_is_lost_is_unknown_names_it_and_is_sent_once() -> None:
    async with world(route="split", timeout=1.0) as w:
        book = await w.both.get_orderbook(SWAP, depth=60)
        amount = w.both.symbol(SWAP).round_amount(sum((level.amount for level in book.asks), D(0)))
        bybit = w.venue("bybit")
        bybit.order_faults.lose_replies()
        release = bybit.order_faults.events.hold()
        for path in ("order/realtime", "order/history", "execution/list"):
            bybit.answer_with(503, "{}", path=path)
        with pytest.raises(OrderOutcomeUnknown, match=r"the part at bybit is not known \(okx: ") as error:
            await w.both.create_order(buy(amount, client_order_id="halfknown"))
        assert error.value.client_order_id == "halfknown"
        assert [len(w.truth(name)) for name in ("okx", "bybit")] == [1, 1]
        bybit.answer_normally()
        release()
        async with asyncio.timeout(PATIENCE_S):
            made = await w.both.get_order(client_order_id="halfknown", symbol=SWAP)
            while made.status is not OrderStatus.FILLED:
                await asyncio.sleep(0.05)
                made = await w.both.get_order(client_order_id="halfknown", symbol=SWAP)
        assert made.filled == amount
        assert [len(w.truth(name)) for name in ("okx", "bybit")] == [1, 1]

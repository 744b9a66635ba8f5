"""Two paper exchanges as one, in this process: merged data, sums, orders to one of them and to both."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import Any

import pytest

from fra.adapters.aggregated import (
    AggregatedBook,
    AggregatedTicker,
    FundingSpread,
    MemberLevel,
    MemberPosition,
    SummedBalance,
    SummedPosition,
)
from fra.core import (
    ConfigError,
    ExchangeAPIError,
    ExchangeHandle,
    Fill,
    InvalidOrder,
    NotSupported,
    Operation,
    Order,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderProposed,
    OrderRequest,
    OrderStatus,
    OrderType,
    OrderVetoed,
    PluginManager,
    Position,
    Side,
    TimeInForce,
    UserEvent,
    hookimpl,
)

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
RICH = {"USDT": 1_000_000, "BTC": 10}


@asynccontextmanager
async def running(
    options: Mapping[str, Any] | None = None, **members: Mapping[str, Any]
) -> AsyncIterator[tuple[ExchangeHandle, PluginManager]]:
    """Paper exchanges with these options, and what is aggregated of them; as one configuration has it."""
    papers = members or {"one": {"seed": 1}, "two": {"seed": 2}}
    exchanges: dict[str, Any] = {
        "both": {"plugin": "aggregated", "options": {"members": list(papers), **(options or {})}},
        **{name: {"plugin": "paper", "options": {"balances": RICH, **given}} for name, given in papers.items()},
    }
    async with PluginManager.from_config({"exchanges": exchanges}) as manager:
        yield manager.get_plugin("both"), manager


def order(symbol: str = SWAP, side: Side = Side.BUY, **fields: Any) -> OrderRequest:
    kind = OrderType.MARKET if "price" not in fields else OrderType.LIMIT
    return OrderRequest(**{"symbol": symbol, "side": side, "type": kind, "amount": D("0.1"), **fields})


async def live_book(handle: ExchangeHandle, symbol: str) -> AggregatedBook:
    """The first book with both members in it."""
    async with handle.subscribe_orderbook(symbol, depth=20) as books:
        async for book in books:
            assert isinstance(book, AggregatedBook)
            if len(book.members) == 2:
                return book
    raise AssertionError("the stream ended")


# --- market data


@pytest.mark.parametrize("streamed", [False, True], ids=["asked", "streamed"])
async def test_a_book_holds_every_members_levels_in_order_with_venue_and_age(streamed: bool) -> None:
    async with running(one={"seed": 5}, two={"seed": 5}) as (both, _):
        if streamed:
            book = await live_book(both, SPOT)
        else:
            answer = await both.get_orderbook(SPOT, depth=20)
            assert isinstance(answer, AggregatedBook)
            book = answer
        for side, sign in ((book.bids, -1), (book.asks, 1)):
            assert all(isinstance(level, MemberLevel) for level in side)
            assert {level.exchange for level in side} == {"one", "two"}
            assert [level.price * sign for level in side] == sorted(level.price * sign for level in side)
            assert all(0 <= level.age(book.received_ms + 60_000) <= 60 for level in side)
        assert len(book.bids) == 20
        assert (book.members, book.missing, book.valid) == (("one", "two"), {}, True)
        assert book.received_ms == min(level.received_ms for level in (*book.bids, *book.asks))


def test_a_level_survives_a_copy_and_equals_its_price_and_amount() -> None:
    level = MemberLevel(D(1), D(2), "one", 3)
    copied = pickle.loads(pickle.dumps(level))
    assert (copied, copied.exchange, copied.received_ms) == ((D(1), D(2)), "one", 3)


async def test_a_ticker_has_the_best_prices_and_whose_they_are() -> None:
    async with running() as (both, _):
        ticker = await both.get_ticker(SPOT)
        assert isinstance(ticker, AggregatedTicker)
        assert ticker.bid == max(row.bid for row in ticker.by_member.values() if row.bid is not None)
        assert ticker.ask == min(row.ask for row in ticker.by_member.values() if row.ask is not None)
        assert ticker.bid_exchange is not None
        assert ticker.by_member[ticker.bid_exchange].bid == ticker.bid
        assert ticker.volume == sum(row.volume for row in ticker.by_member.values() if row.volume is not None)


async def test_funding_names_the_best_leg_for_a_long_and_for_a_short() -> None:
    async with running() as (both, _):
        spread = await both.get_funding_rate(SWAP)
        assert isinstance(spread, FundingSpread)
        assert set(spread.by_member) == {"one", "two"}
        assert spread.long is not None
        assert spread.short is not None
        days = {name: rate.per_day for name, rate in spread.by_member.items()}
        assert spread.long.per_day == min(day for day in days.values() if day is not None)
        assert spread.short.per_day == max(day for day in days.values() if day is not None)
        assert spread.spread_per_day == spread.short.per_day - spread.long.per_day
        assert (spread.exchange, spread.rate) == (spread.short.exchange, spread.short.rate)
        listed = {rate.symbol for rate in await both.get_funding_rates()}
        assert listed == {symbol.name for symbol in await both.get_symbols() if symbol.kind.is_swap}
        history = await both.get_funding_rate_history(SWAP, limit=4)
        assert [set(rate.by_member) for rate in history if isinstance(rate, FundingSpread)] == [{"one", "two"}] * 4
        assert len({rate.settled_ms for rate in history}) == 4


async def test_trades_of_all_members_have_their_names_in_their_ids() -> None:
    async with running() as (both, _):
        seen: set[str] = set()
        async with both.subscribe_trades(SWAP) as trades, asyncio.timeout(30):
            async for trade in trades:
                seen.add(trade.id.partition("/")[0])
                if seen == {"one", "two"}:
                    break
        assert {trade.id.partition("/")[0] for trade in await both.get_trades(SWAP)} == {"one", "two"}


async def test_what_cannot_be_merged_is_not_claimed() -> None:
    async with running() as (both, manager):
        assert not both.capabilities.support(Operation.GET_KLINES)
        with pytest.raises(NotSupported):
            await both.get_klines(SPOT, "1h")
        one = manager.get_plugin("one").capabilities
        assert set(both.capabilities.kinds(Operation.CREATE_ORDER)) == set(one.kinds(Operation.CREATE_ORDER))


# --- accounts


async def test_balances_are_summed_and_told_by_member() -> None:
    async with running(one={"balances": {"USDT": 100}}, two={"balances": {"USDT": 50, "BTC": 1}}) as (both, _):
        rows = {row.asset: row for row in await both.get_balance()}
        assert (rows["USDT"].total, rows["BTC"].total, rows["USDT"].market) == (150, 1, "all")
        usdt = rows["USDT"]
        assert isinstance(usdt, SummedBalance)
        assert {name: [row.total for row in parts] for name, parts in usdt.by_member.items()} == {
            "one": [100],
            "two": [50],
        }
        each = {(row.market, row.asset): row.total for row in await both.get_balance("members")}
        assert each == {("one/paper", "USDT"): 100, ("two/paper", "USDT"): 50, ("two/paper", "BTC"): 1}
        assert [row.market for row in await both.get_balance("one")] == ["one/paper"]
        with pytest.raises(NotSupported, match="no wallet 'three'"):
            await both.get_balance("three")


async def test_positions_are_summed_by_side_and_told_by_member() -> None:
    async with running() as (both, manager):
        for name, side, amount in (("one", Side.BUY, "0.1"), ("two", Side.BUY, "0.3")):
            await both.create_order(order(side=side, amount=D(amount), exchange=name))
        (position,) = await both.get_positions(SWAP)
        assert isinstance(position, SummedPosition)
        assert position.amount == D("0.4")
        held = {name: await manager.get_plugin(name).get_positions(SWAP) for name in ("one", "two")}
        worth = sum(row.entry_price * row.amount for rows in held.values() for row in rows if row.entry_price)
        assert position.entry_price == worth / D("0.4")
        assert {name: row.amount for name, row in position.by_member.items()} == {"one": D("0.1"), "two": D("0.3")}


async def test_a_long_here_and_a_short_there_are_two() -> None:
    async with running() as (both, _):
        await both.create_order(order(side=Side.BUY, exchange="one"))
        await both.create_order(order(side=Side.SELL, exchange="two"))
        assert sorted(position.side.value for position in await both.get_positions()) == ["long", "short"]


# --- orders


async def test_an_order_goes_to_the_member_that_it_names() -> None:
    async with running() as (both, manager):
        made = await both.create_order(order(exchange="two", client_order_id="mine1"))
        assert made.id is not None
        assert made.id.startswith("two/")
        assert (made.client_order_id, made.status, made.filled) == ("mine1", OrderStatus.FILLED, D("0.1"))
        assert await both.get_order(made.id, SWAP) == await both.get_order(client_order_id="mine1", symbol=SWAP)
        assert await manager.get_plugin("one").get_order_history(SWAP) == []


async def test_a_member_that_is_none_gets_no_order() -> None:
    async with running() as (both, _):
        with pytest.raises(InvalidOrder, match="three is no member"):
            await both.create_order(order(exchange="three"))


@pytest.mark.parametrize("side", Side)
async def test_an_order_goes_where_the_price_is_best_after_fees(side: Side) -> None:
    async with running(one={"seed": 5}, two={"seed": 5, "fees": {"taker": "0.01", "linear_swap.taker": "0.01"}}) as (
        both,
        _,
    ):
        made = await both.create_order(order(side=side))
        assert made.id is not None
        assert made.id.startswith("one/")


async def test_a_split_order_is_one_order_with_a_part_at_each() -> None:
    async with running({"route": "split"}, one={"seed": 5}, two={"seed": 5}) as (both, manager):
        offered = sum(level.amount for level in (await both.get_orderbook(SWAP, depth=6)).asks)
        amount = both.symbol(SWAP).round_amount(offered)
        made = await both.create_order(order(amount=amount))
        assert made.id is not None
        assert [part.partition("/")[0] for part in made.id.split("+")] == ["one", "two"]
        assert (made.status, made.filled, made.amount) == (OrderStatus.FILLED, amount, amount)
        own = [rows[0] for n in ("one", "two") if (rows := await manager.get_plugin(n).get_order_history(SWAP))]
        assert sum(row.filled for row in own) == amount
        assert len({row.client_order_id for row in own} | {made.client_order_id}) == 3
        worth = sum(row.average_price * row.filled for row in own if row.average_price is not None)
        assert made.average_price == worth / amount
        (known,) = await both.get_order_history(SWAP)
        assert (known.id, known.filled) == (made.id, amount)
        fills = await both.get_trade_history(SWAP)
        assert {fill.order_id for fill in fills} == set(made.id.split("+"))
        assert sum(fill.amount for fill in fills) == amount


async def test_orders_are_found_by_either_id_by_an_instance_that_did_not_send_them() -> None:
    async with running({"route": "split"}, one={"seed": 5}, two={"seed": 5}) as (both, manager):
        offered = sum(level.amount for level in (await both.get_orderbook(SWAP, depth=6)).asks)
        amount = both.symbol(SWAP).round_amount(offered)
        made = await both.create_order(order(amount=amount, client_order_id="before"))
        await manager.reload_plugin("both")
        for found in (
            await both.get_order(made.id, SWAP),
            await both.get_order(client_order_id="before", symbol=SWAP),
        ):
            assert (found.id, found.status, found.filled, found.amount) == (made.id, made.status, amount, amount)


async def test_what_one_member_refuses_of_a_split_order_is_told_and_sent_nowhere_else() -> None:
    poor = {"seed": 5, "balances": {"USDT": 1}}
    async with running({"route": "split"}, one={"seed": 5}, two=poor) as (both, manager):
        offered = sum(level.amount for level in (await both.get_orderbook(SPOT, depth=6)).asks)
        amount = both.symbol(SPOT).round_amount(offered)
        made = await both.create_order(order(SPOT, amount=amount))
        assert made.status is OrderStatus.CANCELED
        assert made.amount == amount
        assert 0 < made.filled < amount
        assert made.reason is not None
        assert "two: " in made.reason
        assert len(await manager.get_plugin("one").get_order_history(SPOT)) == 1
        assert await manager.get_plugin("two").get_order_history(SPOT) == []


async def test_an_order_of_which_no_part_was_taken_is_refused_and_not_unknown() -> None:
    hedged = {"seed": 5, "position_mode": "hedge"}  # there an order must name its side
    async with running({"route": "split"}, one=hedged, two={"seed": 5, "balances": {"USDT": 1}}) as (both, _):
        offered = sum(level.amount for level in (await both.get_orderbook(SWAP, depth=6)).asks)
        amount = both.symbol(SWAP).round_amount(offered)
        with pytest.raises(ExchangeAPIError, match=r"no order came of it: one: .*; two: ") as error:
            await both.create_order(order(amount=amount))
        assert not isinstance(error.value, OrderOutcomeUnknown)


async def test_a_veto_of_a_member_is_a_veto() -> None:
    class Desk:
        @hookimpl
        def veto_order(self, event: OrderProposed) -> str | None:
            return "not today" if event.exchange == "one" else None

    async with running() as (both, manager):
        manager.events.add_hook(Desk(), "desk")
        with pytest.raises(OrderVetoed, match="not today"):
            await both.create_order(order(exchange="one"))
        assert (await both.create_order(order(exchange="two"))).status is OrderStatus.FILLED


async def test_a_resting_order_is_found_and_cancelled_by_either_id() -> None:
    async with running() as (both, _):
        book = await both.get_orderbook(SPOT, depth=1)
        assert book.best_bid is not None
        price = both.symbol(SPOT).round_price(book.best_bid.price * D("0.9"), Side.BUY)
        for by_client in (False, True):
            made = await both.create_order(order(SPOT, price=price))
            assert made.status is OrderStatus.OPEN
            (found,) = await both.get_open_orders(SPOT)
            assert (found.id, found.client_order_id) == (made.id, made.client_order_id)
            if by_client:
                ended = await both.cancel_order(client_order_id=made.client_order_id, symbol=SPOT)
            else:
                ended = await both.cancel_order(made.id, SPOT)
            assert (ended.status, ended.id) == (OrderStatus.CANCELED, made.id)
        for name in ("one", "two"):
            await both.create_order(order(SPOT, price=price, exchange=name))
        assert len(await both.cancel_all_orders(SPOT)) == 2
        assert await both.get_open_orders() == []


@pytest.mark.parametrize("id", ["77", "one/77", "three/77", "one/7+two/8"])
async def test_an_order_that_nobody_has_is_not_found(id: str) -> None:
    async with running() as (both, _):
        with pytest.raises(OrderNotFound):
            await both.get_order(id, SPOT)
        with pytest.raises(OrderNotFound):
            await both.get_order(client_order_id="nobodys", symbol=SPOT)


async def test_a_position_is_reduced_where_it_is() -> None:
    async with running() as (both, _):
        await both.create_order(order(exchange="one"))
        with pytest.raises(InvalidOrder, match="name the member"):
            await both.create_order(order(side=Side.SELL, reduce_only=True))
        await both.create_order(order(side=Side.SELL, reduce_only=True, exchange="one"))
        assert await both.get_positions() == []


async def test_orders_that_cannot_be_split_go_to_one_member() -> None:
    async with running({"route": "split"}, one={"seed": 5}, two={"seed": 5}) as (both, _):
        ask = (await both.get_orderbook(SPOT, depth=1)).best_ask
        assert ask is not None
        price = both.symbol(SPOT).round_price(ask.price * D("1.05"), Side.BUY)
        made = await both.create_order(order(SPOT, price=price, time_in_force=TimeInForce.FOK, amount=D("0.01")))
        assert made.id is not None
        assert "+" not in made.id
        spent = OrderRequest(symbol=SPOT, side=Side.BUY, type=OrderType.MARKET, quote_amount=D(100))
        assert "+" not in ((await both.create_order(spent)).id or "")


async def test_the_accounts_stream_tells_of_all_members_under_our_ids() -> None:
    async with running() as (both, _):
        told: list[UserEvent] = []
        more = asyncio.Event()
        stream = both.subscribe_user_data()
        stream.add_listener(lambda event: (told.append(event), more.set()))
        await stream.ready()
        made = [await both.create_order(order(exchange=name)) for name in ("one", "two")]
        async with asyncio.timeout(30):
            while not (
                len([e for e in told if isinstance(e, Fill)]) >= 2
                and len([e for e in told if isinstance(e, Position)]) >= 2
            ):
                more.clear()
                await more.wait()
        assert {e.client_order_id for e in told if isinstance(e, Fill)} == {o.client_order_id for o in made}
        assert {e.id for e in told if isinstance(e, Order)} <= {o.id for o in made} | {None}
        assert {e.exchange for e in told if isinstance(e, MemberPosition)} == {"one", "two"}
        await stream.close()


# --- configuration


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"members": []}, "needs members"),
        ({"members": ["one", "one"]}, "named twice"),
        ({"members": ["one", "two/x"]}, "neither / nor"),
        ({"members": ["one"], "quorum": 2}, "quorum must be from 1 to 1"),
        ({"members": ["one"], "route": "nowhere"}, "route must be best, split or the name of a member"),
        ({"members": ["both"]}, "both cannot be built on both"),
    ],
)
async def test_members_that_cannot_be_are_refused(options: Mapping[str, Any], says: str) -> None:
    exchanges = {"both": {"plugin": "aggregated", "options": options}, "one": {"plugin": "paper"}}
    async with PluginManager.from_config({"exchanges": exchanges}) as manager:
        with pytest.raises(ConfigError, match=says):
            manager.get_plugin("both")

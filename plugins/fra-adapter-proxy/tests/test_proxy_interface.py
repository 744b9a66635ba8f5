"""The whole interface from another process's side, over a real broker: what the hosted exchange says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import attrs
import pytest
from proxy_world import World

from fra.core import (
    DuplicateOrder,
    ExchangeConnectionError,
    ExchangeHandle,
    FundingRate,
    InsufficientFunds,
    InvalidOrder,
    MarketKind,
    NotSupported,
    Operation,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginType,
    Side,
    StreamStatus,
    SymbolNotFound,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


async def _pair(world: World, target: str) -> tuple[ExchangeHandle, ExchangeHandle]:
    """A paper exchange, and the same one from afar."""
    near = (await world.manager("paper", exchange_id="paper")).get_plugin("paper")
    hosting = await world.host(near, target=target)
    await hosting.active.wait()
    return near, await world.client(target)


async def test_what_the_exchange_is_and_can_do_is_what_the_hosted_one_is_and_can(world: World, target: str) -> None:
    near, far = await _pair(world, target)
    assert far.capabilities == near.capabilities
    assert far.metadata.plugin_type is PluginType.PROXY
    assert far.metadata.markets == near.metadata.markets
    assert far.metadata.fee_structure == near.metadata.fee_structure
    assert far.metadata.client_order_id_rule == near.metadata.client_order_id_rule
    assert await far.get_symbols() == await near.get_symbols()
    health = await far.health_check()
    assert (health.exchange, health.status) == ("far", near.status)


async def test_answers_of_history_are_the_same_from_afar(world: World, target: str) -> None:
    near, far = await _pair(world, target)
    tickers = {ticker.symbol for ticker in await near.get_tickers()}
    assert {ticker.symbol for ticker in await far.get_tickers()} == tickers
    assert {ticker.symbol for ticker in await far.get_tickers([SPOT])} == {SPOT}
    history = await near.get_funding_rate_history(SWAP, limit=5)
    assert _timeless(await far.get_funding_rate_history(SWAP, limit=5)) == _timeless(history)
    klines = await near.get_klines(SPOT, "1h", limit=5)
    assert (await far.get_klines(SPOT, "1h", limit=5))[:-1] == klines[:-1]
    assert {(one.asset, one.market, one.total) for one in await far.get_balance()} == {
        (one.asset, one.market, one.total) for one in await near.get_balance()
    }


def _timeless(rates: Sequence[FundingRate]) -> list[FundingRate]:
    return [attrs.evolve(rate, received_ms=1_700_000_000_000) for rate in rates]


async def test_a_book_is_the_hosts_book_and_one_upstream_serves_all(world: World, target: str) -> None:
    near, far = await _pair(world, target)
    also = await world.client(target)
    books = {book.sequence: book for book in [await _next(near.subscribe_orderbook(SWAP, depth=5))]}
    async with far.subscribe_orderbook(SWAP, depth=5) as one, also.subscribe_orderbook(SWAP, depth=5) as other:
        direct = near.subscribe_orderbook(SWAP, depth=5)
        direct.add_listener(lambda view: books.setdefault(view.sequence, view.snapshot(5)))
        compared = 0
        async for book in one:
            if book.sequence in books:
                same = books[book.sequence]
                assert (list(book.bids), list(book.asks)) == (list(same.bids), list(same.asks))
                compared += 1
            if compared > 5:
                break
        assert other.status is StreamStatus.LIVE
        upstreams = [stream for stream in near.health.streams if stream.channel == "orderbook"]
        assert len(upstreams) == 1
        await direct.close()


async def _next(subscription):  # type: ignore[no-untyped-def]
    async with subscription:
        return await anext(subscription)


async def test_trades_come_whole_and_in_order(world: World, target: str) -> None:
    near, far = await _pair(world, target)
    direct, remote = near.subscribe_trades(SWAP), far.subscribe_trades(SWAP)
    first = await anext(remote)
    told = [first.id]
    heard: list[str] = []
    direct.add_listener(lambda trade: heard.append(trade.id))
    while len(told) < 8:
        told.append((await anext(remote)).id)
    common = [id_ for id_ in told if id_ in heard]
    assert len(set(told)) == len(told)
    assert common == [id_ for id_ in heard if id_ in common]
    start = heard.index(common[0])
    assert heard[start : start + len(common)] == common
    await direct.close()
    await remote.close()


async def test_an_order_lives_and_ends_from_afar_and_its_events_come(world: World, target: str) -> None:
    near, far = await _pair(world, target)
    events = far.subscribe_user_data()
    await events.ready()
    order = await far.create_order(await _resting(far))
    assert order.status is OrderStatus.OPEN
    assert [one.id for one in await near.get_open_orders(SPOT)] == [order.id]
    assert (await far.get_order(order.id, SPOT)).client_order_id == order.client_order_id
    assert (await far.cancel_order(order.id, SPOT)).status is OrderStatus.CANCELED
    assert await far.get_open_orders() == []
    statuses = []
    async with asyncio.timeout(5):
        async for event in events:
            if isinstance(event, Order) and event.id == order.id:
                statuses.append(event.status)
                if event.status.final:
                    break
    assert statuses == [OrderStatus.OPEN, OrderStatus.CANCELED]


async def _resting(handle: ExchangeHandle, **changes: object) -> OrderRequest:
    symbol = next(one for one in await handle.get_symbols() if one.name == SPOT)
    bid = (await handle.get_ticker(SPOT)).bid
    assert bid is not None
    price = symbol.round_price(bid * Decimal("0.8"), Side.BUY)
    given: dict[str, object] = {
        "symbol": SPOT,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "amount": symbol.round_amount(Decimal(200) / price),
        "price": price,
        **changes,
    }
    return OrderRequest(**given)  # type: ignore[arg-type]


async def test_refusals_cross_the_wire_as_themselves(world: World, target: str) -> None:
    near, far = await _pair(world, target)
    for error, asked in (
        (SymbolNotFound, lambda handle: handle.get_ticker("NO/SUCH")),
        (OrderNotFound, lambda handle: handle.get_order("1", SPOT)),
    ):
        with pytest.raises(error) as theirs:
            await asked(near)
        with pytest.raises(error) as ours:
            await asked(far)
        assert ours.value.exchange == "far"
        assert (ours.value.message, ours.value.code) == (
            theirs.value.message.replace("paper", "far"),
            theirs.value.code,
        )
    with pytest.raises(InsufficientFunds):
        await far.create_order(await _resting(far, amount=Decimal(5000)))
    with pytest.raises(InvalidOrder):
        await far.create_order(await _resting(far, amount=Decimal("0.00000001")))
    request = await _resting(far, client_order_id="mine1234")
    await far.create_order(request)
    with pytest.raises(DuplicateOrder):
        await near.create_order(request)
    await far.cancel_all_orders(SPOT)


async def test_a_cell_that_the_hosted_exchange_lacks_is_not_asked_for(world: World, target: str) -> None:
    _, far = await _pair(world, target)
    assert not far.capabilities.support(Operation.GET_FUNDING_RATE, MarketKind.SPOT)
    with pytest.raises(NotSupported):
        await far.get_funding_rate(SPOT)


async def test_a_target_that_nobody_serves_says_so(world: World, target: str) -> None:
    with pytest.raises(ExchangeConnectionError, match="no host serves it"):
        await world.client(target)


async def test_an_order_that_no_host_can_have_heard_was_not_sent(world: World, target: str) -> None:
    near = (await world.manager("paper", exchange_id="paper")).get_plugin("paper")
    hosting = await world.host(near, target=target)
    await hosting.active.wait()
    far = await world.client(target)
    request = await _resting(far)
    await hosting.stop()
    with pytest.raises(ExchangeConnectionError) as refused:
        await far.create_order(request)
    assert not refused.value.sent
    assert await near.get_open_orders() == []

"""An aggregated exchange behind a host: it comes as fra's own models, and what of it stays is said once."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

from proxy_world import NatsServer, World
from traders import Told

from fra.adapters.proxy import wire
from fra.core import (
    ErrorRaised,
    FundingRate,
    NotSupported,
    OrderRequest,
    OrderType,
    PluginManager,
    Position,
    PriceLevel,
    Side,
)

SWAP = "BTC/USDT:USDT"
EXCHANGES = {
    "one": {"plugin": "paper", "options": {"seed": 5}},
    "two": {"plugin": "paper", "options": {"seed": 5}},
    "all": {"plugin": "aggregated", "options": {"members": ["one", "two"]}},
}


async def test_what_of_the_members_does_not_cross_is_said_once_and_amounts_are_whole(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            world = World(server, stack)
            near = await stack.enter_async_context(PluginManager.from_config({"exchanges": EXCHANGES}))
            await (await world.host(near.get_plugin("all"), target="all")).active.wait()
            far, errors, account = await world.client("all"), Told(), Told()
            far.register_event_handler(ErrorRaised, errors)
            stream = far.subscribe_user_data()
            stream.add_listener(account)
            await stream.ready()

            assert type(await far.get_funding_rate(SWAP)) is FundingRate
            await errors.until(lambda: len(errors.events) >= 1)
            order = OrderRequest(symbol=SWAP, side=Side.BUY, type=OrderType.MARKET, amount=Decimal("0.1"))
            await far.create_order(order)
            await account.until(lambda: account.of(Position))

            # Two members with one price each are one level with both amounts.
            book = far.subscribe_orderbook(SWAP, depth=5)
            async with asyncio.timeout(30):
                streamed = await anext(book)
            assert {type(level) for level in (*streamed.bids, *streamed.asks)} == {PriceLevel}
            there = await near.get_plugin("all").get_orderbook(SWAP)
            total: dict[Decimal, Decimal] = {}
            for level in there.bids:
                total[level.price] = total.get(level.price, Decimal(0)) + level.amount
            assert len(total) < len(there.bids)
            crossed = wire.as_book(SWAP, wire.of_book(there))
            assert {level.price: level.amount for level in crossed.bids} == total

            wanted = {"FundingSpread", "MemberPosition", "AggregatedBook", "MemberLevel"}
            await errors.until(lambda: {_class(event) for event in errors.of(ErrorRaised)} >= wanted)
            told = Counter(_class(event) for event in errors.of(ErrorRaised))
            assert all(told[name] == 1 for name in wanted)
    finally:
        server.kill()


def _class(event: ErrorRaised) -> str:
    assert isinstance(event.error, NotSupported), event.error
    return event.error.message.split()[0]

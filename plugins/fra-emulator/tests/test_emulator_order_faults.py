"""What the switches do to orders that a client from outside sends, on every venue, and to what accounts are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import ccxt.async_support as ccxt
import ccxt.pro as ccxtpro
import pytest

from fra.emulator import VENUES, Account, Emulator, Markets, OrderAction, Venue
from fra.matching import BalanceChanged, BalanceReason, Event, OrderChanged, OrderRequest, Side

ACCOUNT = Account(key="trader-key", secret="trader-secret", passphrase="trader-word")
SWAP = "BTC/USDT:USDT"
UNHEARD = (ccxt.NetworkError, ccxt.ExchangeError)


class Client:
    """ccxt with one account on one venue."""

    def __init__(self, venue: Venue, client: Any) -> None:
        self.venue = venue
        self.client = client

    async def place(self) -> Any:
        """A limit order that rests."""
        book = await self.client.fetch_order_book(SWAP)
        price = float(self.client.price_to_precision(SWAP, book["bids"][0][0] * 0.98))
        contracts = 0.1 / self.client.markets[SWAP]["contractSize"]
        return await self.client.create_order(SWAP, "limit", "buy", contracts, price)

    @property
    def orders(self) -> int:
        return len(self.venue.exchange.engine.orders(ACCOUNT.name))

    @property
    def open_orders(self) -> int:
        return len(self.venue.exchange.engine.open_orders(ACCOUNT.name))


@pytest.fixture(params=VENUES)
async def trader(
    request: pytest.FixtureRequest, point: Mapping[str, Callable[[Any, Markets], Any]]
) -> AsyncIterator[Client]:
    name = request.param
    # ccxt trades HTX's contracts by the paths of multi-assets accounts only
    async with Emulator([name], seed=3, accounts=[ACCOUNT], htx_multi_assets=True) as emulator:
        keys = {"apiKey": ACCOUNT.key, "secret": ACCOUNT.secret, "password": ACCOUNT.passphrase}
        client = point[name](getattr(ccxtpro, name)(keys), emulator.venues[name].markets)
        try:
            await client.load_markets()
            yield Client(emulator.venues[name], client)
        finally:
            await client.close()


async def test_an_order_without_an_answer_may_be_there_or_not(trader: Client) -> None:
    faults = trader.venue.order_faults
    for switch, taken in ((faults.lose_requests, 0), (faults.refuse, 0), (faults.lose_replies, 1), (faults.fail, 1)):
        before = trader.orders
        waits = switch()
        with pytest.raises(UNHEARD):
            await trader.place()
        assert (trader.orders - before, waits.applied.is_set(), waits.left) == (taken, True, 0)
    before = trader.orders
    await trader.place()
    assert trader.orders == before + 1


async def test_a_cancelling_without_an_answer_has_happened(trader: Client) -> None:
    made = await trader.place()
    trader.venue.order_faults.lose_replies(action=OrderAction.CANCEL)
    with pytest.raises(UNHEARD):
        await trader.client.cancel_order(made["id"], SWAP)
    assert (trader.orders, trader.open_orders) == (1, 0)


async def test_an_answer_comes_late_and_reading_is_not_delayed(trader: Client) -> None:
    loop = asyncio.get_running_loop()
    waits = trader.venue.order_faults.delay(0.3)
    placing = asyncio.create_task(trader.place())
    await waits.applied.wait()
    since = loop.time()
    await trader.client.fetch_order_book(SWAP)
    assert not placing.done()
    await placing
    assert loop.time() - since > 0.2


async def test_the_answer_comes_before_the_events_where_they_are_held(trader: Client) -> None:
    heard: list[Event] = []
    told = asyncio.Event()

    def on_event(event: Event) -> None:
        heard.append(event)
        told.set()

    trader.venue.exchange.listen(ACCOUNT, on_event)
    await trader.place()
    assert any(isinstance(event, OrderChanged) for event in heard)
    heard.clear()
    told.clear()
    trader.venue.order_faults.answer_first(seconds=0.2)
    await trader.place()
    assert heard == []
    async with asyncio.timeout(5):
        await told.wait()
    assert any(isinstance(event, OrderChanged) for event in heard)


async def test_the_user_sockets_are_cut_before_they_hear_of_the_order(trader: Client) -> None:
    heard = asyncio.create_task(trader.client.watch_orders(SWAP))
    async with asyncio.timeout(10):
        while not heard.done():
            await trader.place()
            await asyncio.wait((heard,), timeout=0.05)
        before = trader.orders
        trader.venue.order_faults.cut_user_sockets()
        await trader.place()
        with pytest.raises(ccxt.NetworkError):
            await _watch_on(trader.client)
    assert trader.orders == before + 1


async def _watch_on(client: Any) -> None:
    while True:
        await client.watch_orders(SWAP)


# -- events


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    async with Emulator(["okx"], seed=3, accounts=[ACCOUNT]) as emulator:
        yield emulator.okx


def _changes(venue: Venue, count: int) -> list[Event]:
    """Something to tell: orders as the engine tells them."""
    listing = next(venue.exchange.listings("swap"))
    heard: list[Event] = []
    stop = venue.exchange.listen(ACCOUNT, heard.append)
    for _ in range(count):
        price = listing.terms.tick * 1000
        venue.exchange.place(
            ACCOUNT, OrderRequest(symbol=listing.symbol, side=Side.BUY, amount=listing.terms.lot, price=price)
        )
    stop()
    return heard


async def test_events_of_orders_are_told_twice_or_in_the_wrong_order(venue: Venue) -> None:
    events = venue.order_faults.events
    twice = events.duplicate()
    ids = [event.order.id for event in _changes(venue, 2) if isinstance(event, OrderChanged)]
    assert (ids[0] == ids[1], ids[1] == ids[2], twice.left) == (True, False, 0)
    swapped = events.swap()
    ids = [event.order.id for event in _changes(venue, 3) if isinstance(event, OrderChanged)]
    assert ids == [ids[0], ids[0] - 1, ids[0] + 1]
    assert swapped.applied.is_set()


async def test_a_swapped_event_that_nothing_follows_comes_late(venue: Venue) -> None:
    venue.order_faults.events.swap()
    assert [event for event in _changes(venue, 1) if isinstance(event, OrderChanged)] == []
    late = asyncio.Event()
    venue.exchange.listen(ACCOUNT, lambda event: late.set() if isinstance(event, OrderChanged) else None)
    async with asyncio.timeout(5):
        await late.wait()


async def test_several_holds_end_with_the_last_and_keep_the_order_of_events(venue: Venue) -> None:
    events = venue.order_faults.events
    first, second = events.hold(), events.hold()
    heard: list[Event] = []
    venue.exchange.listen(ACCOUNT, heard.append)
    assert _changes(venue, 2) == []
    first()
    first()
    assert heard == []
    second()
    assert [event.seq for event in heard] == sorted(event.seq for event in heard)
    assert {type(event) for event in heard} >= {OrderChanged, BalanceChanged}
    assert all(event.reason is BalanceReason.ORDER for event in heard if isinstance(event, BalanceChanged))

"""What goes wrong with an account or an order is one typed error: one class on all venues, with the venue's code."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs
import pytest
import pytest_asyncio
from traders import LINEAR, SPOT, VENUES, Trader, configured, emulator, managed, new_account, trading

from fra.core import (
    DuplicateOrder,
    ExchangeAuthError,
    ExchangeError,
    ExchangePluginInterface,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PermissionDenied,
    PluginRegistry,
    Side,
    Symbol,
    SymbolList,
    SymbolNotFound,
)
from fra.emulator import Account, Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = pytest.mark.parametrize("symbol", [SPOT, LINEAR], ids=["spot", "linear"])
EACH = pytest.mark.parametrize("name", VENUES)
PLUGIN = "{}"
"""The name of a venue's adapter."""
NOPE_SPOT, NOPE_LINEAR = "NOPE/USDT", "NOPE/USDT:USDT"
TOLERANCE_MS = {"binance": 5_000, "okx": 30_000, "bybit": 5_000, "htx": 300_000}
"""By how much a request's clock may be late."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator() as running:
        yield running.venues


@pytest_asyncio.fixture(loop_scope="module", params=VENUES)
async def trader(request: pytest.FixtureRequest, venues: Mapping[str, Venue]) -> AsyncIterator[Trader]:
    async with trading(venues[request.param], listen=True) as trader:
        yield trader


async def refused(kind: type[ExchangeError], call: Awaitable[object], *, coded: bool = True) -> ExchangeError:
    """The error, which is of exactly this class and carries the venue's code."""
    with pytest.raises(ExchangeError) as caught:
        await call
    assert type(caught.value) is kind, repr(caught.value)
    if coded:
        assert caught.value.code
    assert caught.value.exchange == "main"
    return caught.value


# --- who asks


CALLS: Mapping[str, Callable[[Trader], Awaitable[object]]] = {
    "balance": lambda trader: trader.handle.get_balance(),
    "positions": lambda trader: trader.handle.get_positions(),
    "open orders": lambda trader: trader.handle.get_open_orders(),
    "spot order": lambda trader: trader.send(SPOT, Side.SELL),
    "linear order": lambda trader: trader.send(LINEAR),
    "spot cancel": lambda trader: trader.handle.cancel_order("123456789", SPOT),
    "linear cancel": lambda trader: trader.handle.cancel_order("123456789", LINEAR),
    "leverage": lambda trader: trader.handle.set_leverage(LINEAR, 3),
}


@EACH
@pytest.mark.parametrize("wrong", ["key", "secret", "passphrase"])
async def test_wrong_credentials_are_told_by_every_call_and_by_the_stream(
    venues: Mapping[str, Venue], name: str, wrong: str
) -> None:
    if wrong == "passphrase" and name != "okx":
        return  # the others have none
    account = new_account()
    venues[name].open_account(account)
    stranger = attrs.evolve(account, **{wrong: "of-somebody-else"})
    async with managed({"main": configured(venues[name], stranger)}) as manager:
        trader = Trader(manager.get_plugin("main"), venues[name], account)
        for call in CALLS.values():
            await refused(ExchangeAuthError, call(trader))
        with pytest.raises(ExchangeAuthError):
            await trader.listen()
        assert trader.true_orders() == ()


@EACH
async def test_a_key_that_may_not_trade_is_told_so(venues: Mapping[str, Venue], name: str) -> None:
    account = new_account(may_trade=False)
    async with trading(venues[name], account) as trader:
        for call in ("balance", "positions", "open orders"):
            await CALLS[call](trader)
        for call in ("spot order", "linear order", "spot cancel", "linear cancel", "leverage"):
            await refused(PermissionDenied, CALLS[call](trader))
        await trader.listen()


@EACH
async def test_calls_without_credentials_are_refused_before_anything_is_sent(
    venues: Mapping[str, Venue], name: str
) -> None:
    async with managed({"main": configured(venues[name], None)}) as manager:
        trader = Trader(manager.get_plugin("main"), venues[name], Account(key="", secret=""))
        await trader.handle.get_symbols()
        before = venues[name].stats.requests
        for call in CALLS.values():
            await refused(ExchangeAuthError, call(trader), coded=False)
        assert venues[name].stats.requests == before


# --- clocks


@EACH
@pytest.mark.parametrize("minutes", [-1, 1, 6])
async def test_a_venues_clock_that_is_another_than_ours_is_followed(
    venues: Mapping[str, Venue], name: str, minutes: int
) -> None:
    venue = venues[name]
    venue.clock_offset_ms = 60_000 * minutes
    try:
        async with trading(venue, listen=True) as trader:
            sent = await trader.send()
            assert (await trader.asked(sent)).status is OrderStatus.FILLED
    finally:
        venue.clock_offset_ms = 0


@EACH
@pytest.mark.parametrize("minutes", [-1, 1, 6])
async def test_a_clock_that_jumps_is_read_again_and_the_call_made_once_more(
    venues: Mapping[str, Venue], name: str, minutes: int
) -> None:
    venue = venues[name]
    async with trading(venue, listen=True) as trader:
        try:
            venue.clock_offset_ms = 60_000 * minutes
            sent = await trader.send()
            assert len(trader.true_orders()) == 1
            assert (await trader.asked(sent)).status is OrderStatus.FILLED
            await trader.handle.get_balance()
        finally:
            venue.clock_offset_ms = 0


TIMES: Mapping[str, tuple[str, Callable[[int], object]]] = {
    "binance": ("/time", lambda ms: {"serverTime": ms}),
    "okx": ("/public/time", lambda ms: {"code": "0", "msg": "", "data": [{"ts": str(ms)}]}),
    "bybit": (
        "/market/time",
        lambda ms: {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"timeSecond": str(ms // 1000), "timeNano": str(ms * 1_000_000)},
            "retExtInfo": {},
            "time": ms,
        },
    ),
    "htx": ("timestamp", lambda ms: {"status": "ok", "data": ms, "ts": ms}),
}


@EACH
async def test_a_clock_that_stays_off_is_told_after_one_more_try(venues: Mapping[str, Venue], name: str) -> None:
    venue = venues[name]
    async with trading(venue) as trader:
        path, body = TIMES[name]
        try:
            venue.clock_offset_ms = 400_000
            venue.answer_with(200, json.dumps(body(int(time.time() * 1000))), path=path)
            before, placed = venue.stats.by_path.copy(), trader.orders_asked_for
            await refused(ExchangeAuthError, trader.send())
            asked = venue.stats.by_path - before
            assert trader.orders_asked_for - placed <= 2
            assert max(asked.values()) <= 16  # a few samples of the time, for the call and for the stream's logins
            assert trader.true_orders() == ()
        finally:
            venue.answer_normally()
            venue.clock_offset_ms = 0


# --- orders


@BOTH
@pytest.mark.parametrize("side", Side)
async def test_what_cannot_be_paid_is_refused(trader: Trader, symbol: str, side: Side) -> None:
    price = await trader.price(symbol, "0.01", side)
    await refused(InsufficientFunds, trader.send(symbol, side, type=OrderType.LIMIT, price=price, amount=Decimal(200)))
    assert trader.true_orders() == ()


@BOTH
async def test_a_client_order_id_that_an_open_order_has_is_refused(
    trader: Trader, venues: Mapping[str, Venue], symbol: str
) -> None:
    """Sent through another program with the same key: a desk knows its own."""
    fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": await trader.price(symbol, "0.05")}
    sent = await trader.send(symbol, **fields)
    again = {**fields, "client_order_id": sent.client_order_id}
    await refused(DuplicateOrder, trader.send(symbol, **again), coded=False)
    async with trading(trader.venue, trader.account, opened=True) as other:
        with pytest.raises(DuplicateOrder):  # the venue's word, or the desk's that heard of the order by its stream
            await other.send(symbol, **again)
        assert len(trader.true_orders()) == 1
    # the desk's own refusal and the venue's leave the earlier order as it stands
    assert trader.true_order(sent).client_id == sent.client_order_id


@BOTH
async def test_an_order_that_is_not_there_is_not_found(trader: Trader, symbol: str) -> None:
    handle = trader.handle
    rule = handle.metadata.client_order_id_rule
    assert rule is not None
    unknown = rule.prefix + "7" * (12 - len(rule.prefix))
    await refused(OrderNotFound, handle.cancel_order("123456789", symbol))
    await refused(OrderNotFound, handle.cancel_order(client_order_id=unknown, symbol=symbol))
    # Bybit answers with an empty list, and so without a code
    coded = trader.venue.name != "bybit"
    await refused(OrderNotFound, handle.get_order("123456789", symbol), coded=coded)
    await refused(OrderNotFound, handle.get_order(client_order_id=unknown, symbol=symbol), coded=coded)


@BOTH
async def test_an_order_that_has_ended_cannot_be_cancelled(trader: Trader, symbol: str) -> None:
    filled = await trader.send(symbol, Side.SELL)
    await refused(OrderNotFound, trader.handle.cancel_order(filled.id, symbol))
    resting = await trader.send(symbol, type=OrderType.LIMIT, price=await trader.price(symbol, "0.05"))
    await trader.handle.cancel_order(resting.id, symbol)
    await refused(OrderNotFound, trader.handle.cancel_order(resting.id, symbol))


@EACH
async def test_a_symbol_that_is_not_listed_is_refused_before_anything_is_sent(
    venues: Mapping[str, Venue], name: str
) -> None:
    async with trading(venues[name], listen=True) as trader:
        before = venues[name].stats.requests
        await refused(SymbolNotFound, trader.send(NOPE_LINEAR), coded=False)
        await refused(SymbolNotFound, trader.handle.get_positions(NOPE_LINEAR), coded=False)
        assert venues[name].stats.requests == before


# --- what the host would have caught: an adapter that reports a finer grid than the venue has, and a symbol too many


def finer(name: str) -> PluginRegistry:
    """The venue's adapter as somebody has extended it."""
    registry = PluginRegistry()
    adapter: Any = registry.get_plugin_class(PLUGIN.format(name))

    async def get_symbols(self: Any) -> SymbolList:
        listed: SymbolList = await adapter.get_symbols(self)
        fine = [
            attrs.evolve(
                symbol,
                tick_size=symbol.tick_size / 1000,
                lot_size=symbol.lot_size / 1000,
                min_amount=None,
                min_notional=None,
            )
            for symbol in listed
        ]
        return SymbolList([*fine, *(_delisted(symbol) for symbol in fine if symbol.name in (SPOT, LINEAR))])

    extended: type[ExchangePluginInterface] = type("Finer", (adapter,), {"get_symbols": get_symbols})
    registry.register_plugin(f"{name}_finer", extended)
    return registry


def _delisted(symbol: Symbol) -> Symbol:
    venue_id = symbol.venue_id.replace("BTC", "NOPE").replace("btc", "nope")
    return attrs.evolve(symbol, name=symbol.name.replace("BTC", "NOPE"), base="NOPE", venue_id=venue_id)


@pytest_asyncio.fixture(loop_scope="module", params=VENUES)
async def careless(request: pytest.FixtureRequest, venues: Mapping[str, Venue]) -> AsyncIterator[Trader]:
    name = request.param
    async with trading(venues[name], registry=finer(name), plugin=f"{name}_finer") as trader:
        yield trader


@BOTH
async def test_an_amount_below_the_minimum_is_refused_by_the_venue_as_by_the_host(
    careless: Trader, symbol: str
) -> None:
    price = await careless.price(symbol, "0.01")
    least = (await careless.symbol(symbol)).lot_size
    fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": price - price % 1}
    await refused(InvalidOrder, careless.send(symbol, amount=least, **fields))
    async with trading(careless.venue) as careful:
        await refused(InvalidOrder, careful.send(symbol, amount=least, **fields), coded=False)
        assert careful.true_orders() == ()
    assert careless.true_orders() == ()


@BOTH
@pytest.mark.parametrize("what", ["amount", "price"])
async def test_what_is_off_the_grid_is_refused_by_the_venue_as_by_the_host(
    careless: Trader, symbol: str, what: str
) -> None:
    found, price = await careless.symbol(symbol), await careless.price(symbol, "0.01")
    fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": price - price % 1, "amount": Decimal("0.1")}
    fields[what] += found.lot_size if what == "amount" else found.tick_size
    await refused(InvalidOrder, careless.send(symbol, **fields))
    async with trading(careless.venue) as careful:
        await refused(InvalidOrder, careful.send(symbol, **fields), coded=False)
        assert careful.true_orders() == ()
    assert careless.true_orders() == ()


@pytest.mark.parametrize("symbol", [NOPE_SPOT, NOPE_LINEAR], ids=["spot", "linear"])
async def test_a_symbol_that_the_venue_does_not_list_is_not_found(careless: Trader, symbol: str) -> None:
    if (careless.venue.name, symbol) == ("htx", NOPE_LINEAR):
        # HTX is asked first for the leverage, which each of its orders names.
        await refused(SymbolNotFound, careless.handle.set_leverage(symbol, 5))
        return
    fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": Decimal(80_000), "amount": Decimal("0.1")}
    await refused(SymbolNotFound, careless.send(symbol, **fields))
    assert careless.true_orders() == ()


@pytest.mark.parametrize("symbol", [SPOT], ids=["spot"])
async def test_an_order_worth_less_than_the_minimum_is_refused_by_the_venue(careless: Trader, symbol: str) -> None:
    if careless.venue.name == "okx":
        return  # it has no minimum worth
    fields: dict[str, Any] = {"type": OrderType.LIMIT, "price": Decimal(100), "amount": Decimal("0.001")}
    await refused(InvalidOrder, careless.send(symbol, **fields))
    assert careless.true_orders() == ()


async def test_a_client_order_id_against_the_venues_rule_is_refused_before_anything_is_sent(trader: Trader) -> None:
    before = trader.venue.stats.requests
    request = OrderRequest(
        symbol=LINEAR, side=Side.BUY, type=OrderType.MARKET, amount=Decimal("0.1"), client_order_id="ä" * 60
    )
    await refused(InvalidOrder, trader.handle.create_order(request), coded=False)
    assert trader.venue.stats.requests == before

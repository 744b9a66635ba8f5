"""What travels on the broker, spoken by hand: doubled, late, foreign and missing messages."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from uuid import uuid4

import msgspec
import pytest
from proxy_world import World

from fra.adapters.proxy import wire
from fra.adapters.proxy.broker import Broker
from fra.adapters.proxy.operations import REMOTE, OfAnySymbol, OfRequest
from fra.adapters.proxy.subjects import VERSION, Subjects, token
from fra.core import (
    Banned,
    ExchangeAPIError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    FraError,
    InvalidOrder,
    Operation,
    Order,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderType,
    OrderVetoed,
    PermissionDenied,
    PluginConflict,
    Side,
    StreamGap,
    StreamStatus,
    Subscription,
    Trade,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


async def _hosted(world: World, target: str) -> tuple[ExchangeHandle, Broker]:
    """A hosted paper exchange, and a bare connection to the broker."""
    near = (await world.manager("paper", exchange_id="paper")).get_plugin("paper")
    hosting = await world.host(near, target=target)
    await hosting.active.wait()
    return near, await world.connection()


def _call(arguments: msgspec.Struct, *, name: str | None = None, late_s: float = 0.0, version: int = VERSION) -> bytes:
    deadline = int((time.time() + 5 - late_s) * 1000)
    return wire.encode(wire.Call(version, name or uuid4().hex, deadline, wire.raw(arguments)))


async def _ask(broker: Broker, subject: str, data: bytes) -> wire.Answer:
    answer = await broker.request(subject, data, timeout=5, what="a test's question")
    return wire.decode(wire.unpack(answer), wire.Answer)


def _order(name: str) -> OfRequest:
    return OfRequest(
        OrderRequest(
            symbol=SPOT,
            side=Side.BUY,
            type=OrderType.LIMIT,
            amount=Decimal("0.01"),
            price=Decimal(20_000),
            client_order_id=name,
        )
    )


async def test_the_same_order_heard_twice_is_placed_once_and_answered_twice(world: World, target: str) -> None:
    near, broker = await _hosted(world, target)
    subject = Subjects(target).call(Operation.CREATE_ORDER)
    data = _call(_order("twice1"), name="the same")
    answers = await asyncio.gather(_ask(broker, subject, data), _ask(broker, subject, data))
    first, second = (wire.decode(answer.value, Order) for answer in answers)
    assert first == second
    assert [order.client_order_id for order in await near.get_open_orders(SPOT)] == ["twice1"]


async def test_an_order_that_comes_after_its_deadline_is_not_sent(world: World, target: str) -> None:
    near, broker = await _hosted(world, target)
    answer = await _ask(broker, Subjects(target).call(Operation.CREATE_ORDER), _call(_order("late1"), late_s=6))
    assert answer.failure is not None
    error = wire.as_error(answer.failure)
    assert isinstance(error, ExchangeConnectionError)
    assert not error.sent
    assert await near.get_open_orders(SPOT) == []


async def test_a_call_in_another_area_than_its_own_is_refused(world: World, target: str) -> None:
    """The broker grants areas: an order on the subject of market data would pass it."""
    near, broker = await _hosted(world, target)
    for area in ("market", "account"):
        answer = await _ask(broker, f"{Subjects(target).root}.{area}.call.create_order", _call(_order("sneaky1")))
        assert answer.failure is not None
        assert isinstance(wire.as_error(answer.failure), PermissionDenied)
    answer = await _ask(broker, f"{Subjects(target).root}.market.call.get_balance", _call(OfAnySymbol()))
    assert answer.failure is not None
    assert isinstance(wire.as_error(answer.failure), PermissionDenied)
    assert await near.get_open_orders() == []


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", b"\x94\x01\x02\x03\x04", b"z\x00", b"\x94" * 2000])
async def test_what_is_no_call_gets_an_error_and_hurts_nobody(world: World, target: str, data: bytes) -> None:
    near, broker = await _hosted(world, target)
    answer = await _ask(broker, Subjects(target).call(Operation.CREATE_ORDER), data)
    assert answer.failure is not None
    assert isinstance(wire.as_error(answer.failure), ExchangeError)
    assert await near.get_open_orders() == []
    subject = Subjects(target).call(Operation.GET_POSITIONS)
    assert (await _ask(broker, subject, _call(OfAnySymbol()))).failure is None


async def test_another_version_is_told_what_to_do(world: World, target: str) -> None:
    _, broker = await _hosted(world, target)
    answer = await _ask(broker, Subjects(target).call(Operation.GET_POSITIONS), _call(OfAnySymbol(), version=99))
    assert answer.failure is not None
    error = wire.as_error(answer.failure)
    assert "version 99" in str(error)
    assert "same version of fra-adapter-proxy" in str(error)


async def test_missing_frames_are_a_gap_of_trades_and_an_asked_for_state_of_books(world: World, target: str) -> None:
    _, broker = await _hosted(world, target)
    far = await world.client(target)
    subjects = Subjects(target)
    trades, book = far.subscribe_trades(SWAP), far.subscribe_orderbook(SWAP, depth=5)
    await anext(trades)
    await book.ready()
    heard: asyncio.Queue[wire.Frame] = asyncio.Queue()

    async def hear(message) -> None:  # type: ignore[no-untyped-def]
        heard.put_nowait(wire.decode(message.data, wire.Frame))

    subject = subjects.stream(Operation.SUBSCRIBE_TRADES, SWAP)
    await broker.subscribe(subject, hear)
    last = await heard.get()
    # A frame from far ahead, as a client hears it that lost those between.
    await broker.publish(subject, wire.encode(wire.Frame(last.epoch, last.number + 50, last.kind, last.body)))
    gap = await _gap_in(trades)
    assert gap.start is not None
    assert gap.end == last.number + 49
    book_subject = subjects.stream(Operation.SUBSCRIBE_ORDERBOOK, SWAP, "5")
    nothing = wire.raw(wire.Book(int(time.time() * 1000), None, None, True, [], []))
    await broker.publish(book_subject, wire.encode(wire.Frame(last.epoch, 10_000, wire.DELTA, nothing)))
    async for view in book:
        assert not view.valid or view.bids
        if view.valid and book.status is StreamStatus.LIVE:
            break


async def _gap_in(trades: Subscription[Trade]) -> StreamGap:
    while True:
        try:
            await anext(trades)
        except StreamGap as gap:
            return gap


async def test_a_host_that_is_silent_makes_streams_recover_and_its_return_makes_them_live(
    world: World, target: str
) -> None:
    near = (await world.manager("paper", exchange_id="paper")).get_plugin("paper")
    hosting = await world.host(near, target=target)
    await hosting.active.wait()
    far = await world.client(target, silence=1.5)
    book = far.subscribe_orderbook(SWAP, depth=5)
    await book.ready()
    await hosting.stop()
    async with asyncio.timeout(10):
        async for view in book:
            if not view.valid:
                break
    assert book.status is StreamStatus.RECOVERING
    again = await world.host(near, target=target)
    await again.active.wait()
    async with asyncio.timeout(10):
        async for view in book:
            if view.valid:
                break
    assert book.status is StreamStatus.LIVE


# --- values


ERRORS = [
    ExchangeAPIError("no", status_code=400, code="-1", response="{}", cure="look"),
    Banned("out", retry_after=2.5, code="-1003"),
    InvalidOrder("off the grid", status_code=None, code=None),
    OrderOutcomeUnknown("who knows", client_order_id="x1"),
    OrderVetoed("no", hook="risk"),
    ExchangeConnectionError("gone", sent=False),
    StreamGap("lost", start=3, end=None),
    PluginConflict("two", plugin="okx", candidates=("a", "b")),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_an_error_travels_with_all_that_it_carries(error: FraError) -> None:
    data = wire.encode(wire.failure(error, exchange="here"))
    there = wire.as_error(wire.decode(data, wire.Failure))
    assert type(there) is type(error)
    assert {**vars(there)} == {**vars(error), **({"candidates": ("a", "b")} if "candidates" in vars(error) else {})}


async def test_an_error_class_of_a_newer_version_is_its_nearest_known_one() -> None:
    assert type(wire.as_error(wire.Failure("Newer", "x", {"status_code": 400}))) is ExchangeAPIError
    assert type(wire.as_error(wire.Failure("Newer", "x", {}))) is ExchangeError


async def test_every_operation_that_is_no_stream_is_in_the_table() -> None:
    assert {op for op in Operation if not op.value.startswith("subscribe_")} == set(REMOTE)


@pytest.mark.parametrize("text", ["BTC/USDT:USDT", "A.B", "A*B", "A>B", "A B", "A=B", "ÄÖ", ""])
async def test_any_name_is_one_token_and_no_two_are_the_same(text: str) -> None:
    made = token(text)
    assert made
    assert not set(made) & set(". *>")
    assert sum(token(other) == made for other in ["BTC/USDT:USDT", "A.B", "A*B", "A>B", "A B", "A=B", "ÄÖ", ""]) == 1


async def test_large_answers_are_packed_and_broken_ones_refused() -> None:
    data = wire.encode(["x" * 100] * 1000)
    assert len(wire.pack(data)) < len(data) / 10
    assert wire.unpack(wire.pack(data)) == data
    with pytest.raises(ExchangeError):
        wire.unpack(wire.pack(data)[:-10])

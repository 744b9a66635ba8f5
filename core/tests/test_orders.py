"""How an order leaves: named, vetoed or let go, journalled, sent once; and what is known afterwards."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import attrs
import pytest

from fra.core import (
    ClientOrderIdRule,
    DuplicateOrder,
    ErrorRaised,
    ExchangeAPIError,
    ExchangeConnectionError,
    ExchangeRateLimitError,
    FraError,
    InsufficientFunds,
    InvalidOrder,
    MemoryJournal,
    NotSupported,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    OrderVetoed,
    PluginManager,
    Side,
    hookimpl,
)

BUY = OrderRequest(symbol="BTC/USDT", side=Side.BUY, type=OrderType.LIMIT, amount=Decimal(1), price=Decimal(100))


class Desk:
    """A running exchange with a journal to look into."""

    def __init__(self, kit) -> None:
        self.kit = kit
        self.journal = MemoryJournal()
        self.manager: PluginManager | None = None

    async def start(self, cls=None, journal=None):
        self.manager = PluginManager.from_config(
            {"exchanges": {"mem": {"plugin": "memory"}}},
            registry=self.kit.registry(memory=cls or self.kit.Memory),
            bus=self.kit.bus,
            journal=journal or self.journal,
        )
        self.manager.register_event_handler(ErrorRaised, self.kit.events.append)
        await self.manager.initialize()
        return self.manager.get_plugin("mem")

    @property
    def noted(self) -> list[OrderStatus]:
        return [entry.status for entry in self.journal.entries]

    @property
    def sent(self) -> list[OrderRequest]:
        return [call[1] for call in self.kit.plugin.calls if call[0] == "create_order"]


@pytest.fixture
async def desk(kit):
    desk = Desk(kit)
    yield desk
    if desk.manager is not None:
        await desk.manager.shutdown()


def _ruled(kit, rule: ClientOrderIdRule):
    class Ruled(kit.Memory):
        @classmethod
        def describe(cls):
            return attrs.evolve(super().describe(), client_order_id_rule=rule)

    return Ruled


@pytest.mark.parametrize(
    "rule",
    [ClientOrderIdRule(32), ClientOrderIdRule(36, "abcdef0123456789-", "x-"), ClientOrderIdRule(18, "0123456789")],
)
async def test_an_order_without_an_id_gets_one_by_the_venues_rule(kit, desk, rule) -> None:
    mem = await desk.start(_ruled(kit, rule))
    for _ in range(50):
        await mem.create_order(BUY)
    ids = [request.client_order_id for request in desk.sent]
    assert len(set(ids)) == 50
    assert all(0 < len(name) <= rule.max_length and name.startswith(rule.prefix) for name in ids)
    assert set("".join(name.removeprefix(rule.prefix) for name in ids)) <= set(rule.alphabet)


async def test_a_users_own_id_is_kept(desk) -> None:
    mem = await desk.start()
    order = await mem.create_order(attrs.evolve(BUY, client_order_id="mine1"))
    assert (order.client_order_id, desk.sent[0].client_order_id) == ("mine1", "mine1")


@pytest.mark.parametrize(("name", "why"), [("no spaces", "holds ' '"), ("x" * 19, "has 19 characters")])
async def test_an_id_that_the_venue_would_not_take_is_refused(kit, desk, name, why) -> None:
    mem = await desk.start(_ruled(kit, ClientOrderIdRule(18)))
    with pytest.raises(InvalidOrder, match=why):
        await mem.create_order(attrs.evolve(BUY, client_order_id=name))
    assert (desk.sent, desk.noted) == ([], [])


async def test_an_order_is_journalled_before_it_is_sent_and_after(kit, desk) -> None:
    mem = await desk.start()
    noted_when_sent = []

    def send(request: OrderRequest):
        noted_when_sent.extend(desk.noted)
        return kit.accepted(request)

    kit.plugin.on_create = send
    await mem.create_order(BUY)
    assert noted_when_sent == [OrderStatus.PENDING]
    assert desk.noted == [OrderStatus.PENDING, OrderStatus.OPEN]
    assert len({entry.client_order_id for entry in desk.journal.entries}) == 1


async def test_an_order_that_cannot_be_journalled_is_not_sent(desk) -> None:
    class Full:
        async def record(self, entry) -> None:
            raise OSError("disk full")

    mem = await desk.start(journal=Full())
    with pytest.raises(FraError, match="nothing was sent: the order journal failed: OSError: disk full"):
        await mem.create_order(BUY)
    assert desk.sent == []


async def test_a_journal_that_fails_afterwards_does_not_hide_the_order(kit, desk) -> None:
    class Filling:
        written = 0

        async def record(self, entry) -> None:
            self.written += 1
            if self.written > 1:
                raise OSError("disk full")

    mem = await desk.start(journal=Filling())
    assert (await mem.create_order(BUY)).status is OrderStatus.OPEN
    assert [event.where for event in kit.heard(ErrorRaised)] == ["the order journal"]


@pytest.mark.parametrize(
    "error",
    [
        InsufficientFunds("too poor", code=-2010),
        DuplicateOrder("again"),
        ExchangeAPIError("bad", status_code=400),
        ExchangeRateLimitError("slow down"),
        NotSupported("no FOK"),
    ],
)
async def test_a_refusal_is_told_as_it_is(kit, desk, error) -> None:
    mem = await desk.start()
    kit.plugin.on_create = _raising(error)
    with pytest.raises(type(error)) as raised:
        await mem.create_order(BUY)
    assert (raised.value, raised.value.exchange) == (error, "mem")
    assert desk.noted == [OrderStatus.PENDING, OrderStatus.REJECTED]


@pytest.mark.parametrize(
    "error",
    [
        ExchangeConnectionError("reset"),
        TimeoutError(),
        ExchangeAPIError("bad gateway", status_code=502),
        KeyError("orderId"),
        OrderOutcomeUnknown("no answer", client_order_id="c"),
    ],
)
async def test_no_clear_answer_leaves_the_outcome_unknown_and_is_never_sent_again(kit, desk, error) -> None:
    mem = await desk.start()
    kit.plugin.on_create = _raising(error)
    with pytest.raises(OrderOutcomeUnknown) as raised:
        await mem.create_order(BUY)
    assert raised.value.exchange == "mem"
    assert len(desk.sent) == 1
    if not isinstance(error, OrderOutcomeUnknown):
        assert raised.value.client_order_id == desk.sent[0].client_order_id
    assert desk.noted == [OrderStatus.PENDING, OrderStatus.UNKNOWN]


async def test_cancelling_the_caller_leaves_the_outcome_unknown_in_the_journal(kit, desk) -> None:
    started = asyncio.Event()

    class Slow(kit.Memory):
        async def create_order(self, request, symbol):
            started.set()
            await asyncio.Event().wait()

    mem = await desk.start(Slow)
    caller = asyncio.create_task(mem.create_order(BUY))
    await started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert desk.noted == [OrderStatus.PENDING, OrderStatus.UNKNOWN]


# --- vetoes


class Veto:
    def __init__(self, answer) -> None:
        self.answer = answer

    @hookimpl
    async def veto_order(self, event):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(event) if callable(self.answer) else self.answer


@pytest.mark.parametrize("answer", ["too much", RuntimeError("bug"), 7])
async def test_a_hook_that_objects_or_fails_stops_the_order(kit, desk, answer) -> None:
    mem = await desk.start()
    kit.bus.add_hook(Veto(answer), "risk")
    with pytest.raises(OrderVetoed) as raised:
        await mem.create_order(BUY)
    assert (raised.value.hook, raised.value.exchange) == ("risk", "mem")
    assert (desk.sent, desk.noted) == ([], [])


async def test_a_hook_that_does_not_object_sees_the_order_as_it_leaves(kit, desk) -> None:
    mem = await desk.start()
    proposed = []
    kit.bus.add_hook(Veto(lambda event: proposed.append(event.request)), "risk")
    await mem.create_order(BUY)
    assert proposed == desk.sent


def _raising(error: Exception):
    def send(request: OrderRequest):
        raise error

    return send

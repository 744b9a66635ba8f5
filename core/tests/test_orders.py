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
    ExchangeCapabilities,
    ExchangeConnectionError,
    ExchangeRateLimitError,
    Fill,
    FillReceived,
    FraError,
    InsufficientFunds,
    InvalidOrder,
    MarketKind,
    MemoryJournal,
    NotSupported,
    Operation,
    Order,
    OrderChanged,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderRequest,
    OrderStatus,
    OrderType,
    OrderVetoed,
    PermissionDenied,
    PluginManager,
    Side,
    hookimpl,
)
from fra.core.host.context import now_ms

BUY = OrderRequest(symbol="BTC/USDT", side=Side.BUY, type=OrderType.LIMIT, amount=Decimal(1), price=Decimal(100))


class Desk:
    """A running exchange with a journal to look into."""

    def __init__(self, kit) -> None:
        self.kit = kit
        self.journal = MemoryJournal()
        self.manager: PluginManager | None = None

    async def start(self, cls=None, journal=None, **keys):
        self.manager = PluginManager.from_config(
            {"exchanges": {"mem": {"plugin": "memory", **keys}}},
            registry=self.kit.registry(memory=cls or self.kit.Memory),
            bus=self.kit.bus,
            journal=journal or self.journal,
        )
        for kind in (ErrorRaised, OrderChanged, OrderRefused, FillReceived):
            self.manager.register_event_handler(kind, self.kit.events.append)
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


async def test_the_journal_in_memory_keeps_the_last_entries_and_no_more(kit, desk) -> None:
    desk.journal = MemoryJournal(most=3)
    mem = await desk.start()
    for _ in range(2):
        await mem.create_order(BUY)
    assert desk.noted[1:] == [OrderStatus.PENDING, OrderStatus.OPEN]
    assert len(desk.noted) == 3


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
        ExchangeConnectionError("cannot connect", sent=False),
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


# --- unknown outcomes


def _venue(kit, answers, *, accept=True):
    """A venue that takes the order, gives no answer to it, and answers ``answers`` one by one when it is asked."""

    class Venue(kit.Memory):
        capabilities = kit.Memory.capabilities | ExchangeCapabilities.of((Operation.GET_ORDER,), (MarketKind.SPOT,))

        async def create_order(self, request, symbol):
            self.calls.append(("create_order", request, symbol))
            raise ExchangeConnectionError("reset")

        async def get_order(self, order_id=None, symbol=None, *, client_order_id=None):
            self.calls.append(("get_order", client_order_id))
            answer = answers.pop(0) if answers else OrderNotFound("unknown")
            if isinstance(answer, Exception):
                raise answer
            return attrs.evolve(kit.accepted(BUY, answer), client_order_id=client_order_id)

    return Venue


async def test_an_unknown_outcome_is_found_out_by_asking(kit, desk) -> None:
    answers = [OrderNotFound("not yet"), PermissionDenied("HTTP 403"), OrderStatus.OPEN]
    mem = await desk.start(_venue(kit, answers))
    order = await mem.create_order(BUY)
    assert (order.status, order.client_order_id) == (OrderStatus.OPEN, desk.sent[0].client_order_id)
    assert len(desk.sent) == 1
    assert [call for call in kit.plugin.calls if call[0] == "get_order"] == [
        ("get_order", desk.sent[0].client_order_id)
    ] * 3
    assert desk.noted == [OrderStatus.PENDING, OrderStatus.UNKNOWN, OrderStatus.OPEN]


async def test_an_earlier_order_of_the_same_client_order_id_is_no_answer(kit, desk) -> None:
    class Reusing(_venue(kit, [OrderStatus.FILLED, OrderStatus.OPEN])):
        async def get_order(self, order_id=None, symbol=None, *, client_order_id=None):
            order = await super().get_order(order_id, symbol, client_order_id=client_order_id)
            if order.status is OrderStatus.OPEN:
                return attrs.evolve(order, id="new", created_ms=now_ms())
            return attrs.evolve(order, id="old", created_ms=now_ms() - 86_400_000)

    mem = await desk.start(Reusing)
    order = await mem.create_order(attrs.evolve(BUY, client_order_id="daily"))
    assert (order.id, order.status) == ("new", OrderStatus.OPEN)


async def test_that_the_venue_does_not_know_an_order_is_no_proof_and_never_a_rejection(kit, desk) -> None:
    mem = await desk.start(_venue(kit, []), timeout=0.5)
    with pytest.raises(OrderOutcomeUnknown):
        await mem.create_order(BUY)
    assert [order.status for order in _changes(kit)] == [OrderStatus.UNKNOWN]
    assert desk.noted == [OrderStatus.PENDING, OrderStatus.UNKNOWN]


async def test_an_unknown_outcome_is_told_when_it_is_found_out_later(kit, desk) -> None:
    mem = await desk.start(_venue(kit, [OrderNotFound("not yet")] * 4 + [OrderStatus.FILLED]), timeout=0.4)
    told = asyncio.Event()
    mem.register_event_handler(OrderChanged, lambda event: event.order.status.final and told.set())
    with pytest.raises(OrderOutcomeUnknown):
        await mem.create_order(BUY)
    async with asyncio.timeout(10):
        await told.wait()
    assert len(desk.sent) == 1


async def test_the_accounts_stream_answers_for_a_request_that_got_no_answer(kit, desk) -> None:
    class Streaming(_venue(kit, [])):
        async def create_order(self, request, symbol):
            async def speak():
                self.sources["user_data", None].publish(kit.accepted(request, OrderStatus.FILLED))

            self.speaking = asyncio.create_task(speak())
            return await super().create_order(request, symbol)

    mem = await desk.start(Streaming, api_key="key", secret_key="secret")
    await _user_data(kit)
    order = await mem.create_order(BUY)
    assert order.status is OrderStatus.FILLED


async def test_an_order_whose_fate_is_unknown_is_not_sent_again_under_its_name(kit, desk) -> None:
    mem = await desk.start(_venue(kit, []), timeout=0.3)
    named = attrs.evolve(BUY, client_order_id="mine1")
    with pytest.raises(OrderOutcomeUnknown):
        await mem.create_order(named)
    with pytest.raises(DuplicateOrder, match="nothing was sent"):
        await mem.create_order(named)
    assert len(desk.sent) == 1


async def test_an_order_that_ended_unseen_by_its_caller_is_not_sent_again_under_its_name(kit, desk) -> None:
    mem = await desk.start(_venue(kit, [OrderNotFound("not yet")] * 4 + [OrderStatus.FILLED]), timeout=0.4)
    ended = asyncio.Event()
    mem.register_event_handler(OrderChanged, lambda event: event.order.status.final and ended.set())
    named = attrs.evolve(BUY, client_order_id="mine1")
    with pytest.raises(OrderOutcomeUnknown):
        await mem.create_order(named)
    async with asyncio.timeout(10):
        await ended.wait()
    with pytest.raises(DuplicateOrder, match="is filled: nothing was sent"):
        await mem.create_order(named)
    assert len(desk.sent) == 1


async def test_a_name_is_free_again_when_its_order_was_refused_or_has_ended(kit, desk) -> None:
    mem = await desk.start()
    named = attrs.evolve(BUY, client_order_id="mine1")
    kit.plugin.on_create = _raising(InsufficientFunds("too poor"))
    with pytest.raises(InsufficientFunds):
        await mem.create_order(named)
    kit.plugin.on_create = lambda request: kit.accepted(request, OrderStatus.FILLED)
    assert (await mem.create_order(named)).status is OrderStatus.FILLED


async def test_hooks_hear_from_where_to_where_an_order_went(kit, desk) -> None:
    mem = await desk.start(api_key="key", secret_key="secret")
    source = await _user_data(kit)
    await mem.create_order(attrs.evolve(BUY, client_order_id="mine1"))
    source.publish(attrs.evolve(kit.accepted(BUY, OrderStatus.FILLED), client_order_id="mine1", filled=Decimal(1)))
    source.publish(attrs.evolve(kit.accepted(BUY), id="99", client_order_id="somebody else's"))
    assert [(event.old, event.order.status) for event in kit.heard(OrderChanged)] == [
        (OrderStatus.PENDING, OrderStatus.OPEN),
        (OrderStatus.OPEN, OrderStatus.FILLED),
        (None, OrderStatus.OPEN),
    ]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (attrs.evolve(BUY, amount=Decimal(1000)), None),
        (BUY, InsufficientFunds("too poor")),
    ],
)
async def test_hooks_hear_of_an_order_that_did_not_come_to_be(kit, desk, request_, answer) -> None:
    mem = await desk.start()
    if answer is not None:
        kit.plugin.on_create = _raising(answer)
    with pytest.raises(ExchangeAPIError) as refusal:
        await mem.create_order(request_)
    (event,) = kit.heard(OrderRefused)
    assert event.error is refusal.value
    assert event.request.amount == request_.amount
    assert kit.heard(OrderChanged) == []


# --- the account's stream


def _changes(kit) -> list[Order]:
    return [event.order for event in kit.heard(OrderChanged)]


def _fill(kit) -> Fill:
    """A part of order "1", as a venue tells it that leaves out the client order id."""
    return Fill(
        symbol="BTC/USDT",
        trade_id="t1",
        side=Side.BUY,
        price=Decimal(100),
        amount=Decimal("0.4"),
        timestamp_ms=kit.NOW,
        order_id="1",
    )


async def test_hooks_hear_of_orders_and_fills_though_nobody_subscribes(kit, desk) -> None:
    await desk.start(api_key="key", secret_key="secret")
    source = await _user_data(kit)
    fill = _fill(kit)
    order = kit.accepted(BUY)
    for event in (order, fill, order, fill):
        source.publish(event)
    assert [event.fill for event in kit.heard(FillReceived)] == [fill]
    assert [changed.filled for changed in _changes(kit)] == [0, Decimal("0.4")]


async def test_a_fill_bears_the_client_order_id_of_its_order_though_the_venue_does_not_tell_it(kit, desk) -> None:
    fill = _fill(kit)
    unknown = attrs.evolve(fill, trade_id="t2", order_id="2")

    class WithHistory(kit.Memory):
        capabilities = kit.Memory.capabilities | ExchangeCapabilities.of(
            (Operation.GET_TRADE_HISTORY,), (MarketKind.SPOT,)
        )

        async def get_trade_history(self, symbol=None, **page):
            return [fill, unknown]

    mem = await desk.start(WithHistory, api_key="key", secret_key="secret")
    source = await _user_data(kit)
    mine = mem.subscribe_user_data()
    order = attrs.evolve(kit.accepted(BUY), client_order_id="mine")
    for event in (order, fill, unknown):
        source.publish(event)
    named = [attrs.evolve(fill, client_order_id="mine"), unknown]
    assert [await anext(mine) for _ in range(3)] == [order, *named]
    assert [event.fill for event in kit.heard(FillReceived)] == named
    assert await mem.get_trade_history() == named
    await mine.close()


async def test_a_user_sees_each_piece_of_news_once_and_orders_never_go_back(kit, desk) -> None:
    mem = await desk.start(api_key="key", secret_key="secret")
    source = await _user_data(kit)
    mine = mem.subscribe_user_data()
    filled = attrs.evolve(kit.accepted(BUY, OrderStatus.FILLED), filled=Decimal(1))
    for event in (kit.accepted(BUY), filled, kit.accepted(BUY), filled):
        source.publish(event)
    assert [await anext(mine), await anext(mine)] == [kit.accepted(BUY), filled]
    await mine.close()
    assert kit.plugin.closed == []  # the desk's own subscription goes on


async def test_what_an_answer_told_already_is_still_told_by_the_stream(kit, desk) -> None:
    mem = await desk.start(api_key="key", secret_key="secret")
    source = await _user_data(kit)
    mine = mem.subscribe_user_data()

    def at_once(request):
        return attrs.evolve(kit.accepted(request, OrderStatus.FILLED), filled=Decimal(1))

    kit.plugin.on_create = at_once
    answered = await mem.create_order(BUY)
    source.publish(answered)
    source.publish(answered)
    source.publish(attrs.evolve(kit.accepted(BUY), id="another", client_order_id="another"))
    assert await anext(mine) == answered
    assert (await anext(mine)).id == "another"
    assert [changed.status for changed in _changes(kit) if changed.id == answered.id] == [OrderStatus.FILLED]
    await mine.close()


async def test_without_credentials_nothing_private_is_opened(kit, desk) -> None:
    mem = await desk.start()
    await mem.get_symbols()
    assert ("user_data", None) not in kit.plugin.calls


async def test_an_account_that_needs_no_credentials_is_followed_without_any(kit, desk) -> None:
    class Simulated(kit.Memory):
        @classmethod
        def describe(cls):
            return attrs.evolve(super().describe(), account_needs_credentials=False)

    async with kit.running(Simulated, symbols=False):
        await kit.plugin.follows_account.wait()


async def test_an_answer_that_is_older_than_the_stream_does_not_turn_back_time(kit, desk) -> None:
    mem = await desk.start(api_key="key", secret_key="secret")
    source = await _user_data(kit)

    def late(request):
        source.publish(attrs.evolve(kit.accepted(request, OrderStatus.FILLED), filled=Decimal(1)))
        return kit.accepted(request)

    kit.plugin.on_create = late
    order = await mem.create_order(BUY)
    assert (order.status, order.filled) == (OrderStatus.FILLED, 1)


async def _user_data(kit):
    """The source of the account's stream, once the desk has opened it."""
    async with asyncio.timeout(5):
        await kit.plugin.follows_account.wait()
    return kit.plugin.sources["user_data", None]


def _raising(error: Exception):
    def send(request: OrderRequest):
        raise error

    return send

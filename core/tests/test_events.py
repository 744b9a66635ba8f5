"""What hooks and handlers may do, and what none of them can do to another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from decimal import Decimal

import attrs
import pytest

from fra.core.contract.capabilities import ConnectionStatus
from fra.core.contract.errors import OrderVetoed, PluginBroken, PluginError
from fra.core.contract.events import (
    EVENT_HOOKS,
    ConnectionChanged,
    ErrorRaised,
    Event,
    OrderProposed,
    PluginUnloaded,
    RateLimited,
)
from fra.core.contract.orders import OrderRequest, OrderType
from fra.core.contract.symbol import Side
from fra.core.host.events.bus import EventBus
from fra.core.host.events.hookspecs import HookSpecs, hookimpl
from fra.core.host.events.listeners import HookRecord

NOW = 1_700_000_000_000


@pytest.fixture
async def bus() -> AsyncIterator[EventBus]:
    bus = EventBus(now_ms=lambda: NOW, veto_deadline=0.2, queue_size=3)
    yield bus
    await bus.close(deadline=0.2)


def unloaded(exchange: str = "okx") -> PluginUnloaded:
    return PluginUnloaded(exchange=exchange, timestamp_ms=NOW, plugin="okx")


def changed() -> ConnectionChanged:
    return ConnectionChanged(
        exchange="okx", timestamp_ms=NOW, old=ConnectionStatus.CONNECTED, new=ConnectionStatus.ERROR
    )


def proposed() -> OrderProposed:
    request = OrderRequest(
        symbol="BTC/USDT", side=Side.BUY, amount=Decimal(1), type=OrderType.LIMIT, price=Decimal(60_000)
    )
    return OrderProposed(exchange="okx", timestamp_ms=NOW, request=request)


def record(bus: EventBus, name: str) -> HookRecord:
    return next(row for row in bus.ledger() if row.name == name)


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    @hookimpl
    def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
        self.heard.append(event)

    @hookimpl
    def on_error(self, event: ErrorRaised) -> None:
        self.heard.append(event)


# --- what may be registered


def test_there_is_a_hook_for_every_event_and_a_veto_for_orders() -> None:
    named = {name for name in vars(HookSpecs) if name.startswith(("on_", "veto_"))}
    assert named == {*EVENT_HOOKS.values(), "veto_order"}


async def test_a_hook_hears_its_own_event_and_no_other(bus: EventBus) -> None:
    ear = Ear()
    bus.add_hook(ear, "ear")
    bus.emit(unloaded())
    bus.emit(changed())
    assert ear.heard == [unloaded()]


async def test_a_class_is_made_into_an_instance(bus: EventBus) -> None:
    bus.add_hook(Ear, "ear")
    bus.emit(unloaded())
    assert sum(row.calls for row in bus.ledger() if row.name == "ear") == 1


async def test_a_hook_may_leave_its_argument_out(bus: EventBus) -> None:
    calls = []

    class Bare:
        @hookimpl
        def on_plugin_unloaded(self) -> None:
            calls.append(1)

    bus.add_hook(Bare(), "bare")
    bus.emit(unloaded())
    assert calls == [1]


async def test_hooks_are_called_in_the_order_that_they_ask_for(bus: EventBus) -> None:
    order: list[str] = []

    def ear(name: str, **options: bool) -> object:
        class One:
            @hookimpl(**options)
            def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
                order.append(name)

        return One()

    bus.add_hook(ear("last", trylast=True), "last")
    bus.add_hook(ear("middle"), "middle")
    bus.add_hook(ear("first", tryfirst=True), "first")
    bus.emit(unloaded())
    assert order == ["first", "middle", "last"]


class Misspelt:
    @hookimpl
    def on_fil(self, event: Event) -> None: ...


class Wrapper:
    @hookimpl(wrapper=True)
    def on_fill(self, event: Event) -> object:
        return (yield)


class OtherArguments:
    @hookimpl
    def on_fill(self, order: Event) -> None: ...


class Unmarked:
    def on_fill(self, event: Event) -> None: ...


class CannotBeMade:
    def __init__(self) -> None:
        raise RuntimeError("no database")

    @hookimpl
    def on_fill(self, event: Event) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "says"),
    [
        (Misspelt, "did you mean 'on_fill'?"),
        (Wrapper, "on_fill is a wrapper"),
        (OtherArguments, r"Argument\(s\) {'order'}"),
        (Unmarked, "nothing in it carries @hookimpl"),
        (CannotBeMade, "cannot be made: RuntimeError: no database"),
    ],
)
async def test_what_cannot_work_is_refused_when_it_is_registered(bus: EventBus, plugin: type, says: str) -> None:
    with pytest.raises(PluginError, match=says) as caught:
        bus.add_hook(plugin, "wrong")
    assert caught.value.plugin == "wrong"
    assert bus.ledger() == ()


async def test_one_name_is_one_hook(bus: EventBus) -> None:
    bus.add_hook(Ear(), "ear")
    with pytest.raises(PluginError, match="registered already"):
        bus.add_hook(Ear(), "ear")


async def test_a_removed_hook_hears_no_more(bus: EventBus) -> None:
    ear = Ear()
    bus.add_hook(ear, "ear")
    bus.remove_hook("ear")
    bus.emit(unloaded())
    assert ear.heard == []
    with pytest.raises(PluginError, match="no hook 'ear'"):
        bus.remove_hook("ear")


# --- isolation


async def test_a_failing_hook_hurts_no_other_and_is_reported(bus: EventBus) -> None:
    class Fails:
        @hookimpl(tryfirst=True)
        def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
            raise ValueError("oops")

    ear = Ear()
    bus.add_hook(Fails(), "fails")
    bus.add_hook(ear, "ear")
    bus.emit(unloaded())
    errors = [event for event in ear.heard if isinstance(event, ErrorRaised)]
    assert unloaded() in ear.heard
    assert [str(event.error) for event in errors] == ["on_plugin_unloaded of fails failed: ValueError: oops"]
    row = record(bus, "fails")
    assert (row.calls, row.failures, row.last_error) == (1, 1, "ValueError: oops")


async def test_a_hook_that_always_fails_is_counted_each_time_and_reported_ever_more_seldom(bus: EventBus) -> None:
    errors: list[ErrorRaised] = []

    def fails(event: PluginUnloaded) -> None:
        raise ValueError("oops")

    bus.register(PluginUnloaded, fails)
    bus.register(ErrorRaised, errors.append)
    for _ in range(250):
        bus.emit(unloaded())
    assert bus.ledger()[0].failures == 250
    assert len(errors) == 3


@pytest.mark.parametrize("raised", [ValueError("oops"), asyncio.CancelledError(), SystemExit(1)])
async def test_emitting_never_raises(bus: EventBus, raised: BaseException) -> None:
    def fails(event: PluginUnloaded) -> None:
        raise raised

    bus.register(PluginUnloaded, fails)
    bus.emit(unloaded())
    assert bus.ledger()[0].failures == 1


async def test_a_hook_for_errors_that_fails_is_not_told_of_its_own_failure(bus: EventBus) -> None:
    class Fails:
        calls = 0

        @hookimpl
        def on_error(self, event: ErrorRaised) -> None:
            self.calls += 1
            raise ValueError("again")

    hook = Fails()
    bus.add_hook(hook, "fails")
    bus.emit(ErrorRaised(exchange="okx", timestamp_ms=NOW, where="here", error=PluginError("x", plugin="x")))
    assert hook.calls == 1


async def test_a_plain_hook_that_is_slow_three_times_is_switched_off_and_reported_once(bus: EventBus) -> None:
    class Slow:
        @hookimpl
        def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
            time.sleep(0.055)

    ear = Ear()
    bus.add_hook(Slow(), "slow")
    bus.add_hook(ear, "ear")
    for _ in range(5):
        bus.emit(unloaded())
    row = record(bus, "slow")
    assert (row.calls, row.slow) == (3, 3)
    assert row.disabled == "3 calls took longer than 50 ms"
    assert ear.heard.count(unloaded()) == 5
    assert len([event for event in ear.heard if isinstance(event, ErrorRaised)]) == 1


async def test_a_hook_that_becomes_slow_later_is_noticed(bus: EventBus) -> None:
    slow = False

    def ear(event: PluginUnloaded) -> None:
        if slow:
            time.sleep(0.055)

    bus.register(PluginUnloaded, ear)
    for _ in range(1_001):
        bus.emit(unloaded())
    slow = True
    for _ in range(10):  # one in eight is timed until one was slow: at most seven go unseen
        bus.emit(unloaded())
    row = bus.ledger()[0]
    assert row.disabled is not None
    assert 1_003 < row.calls <= 1_011


async def test_a_plain_function_that_answers_with_a_coroutine_has_failed(bus: EventBus) -> None:
    async def later() -> None: ...

    bus.register(PluginUnloaded, lambda _: later())
    bus.emit(unloaded())
    assert "make it async def" in str(bus.ledger()[0].last_error)


# --- coroutine functions


async def test_async_hooks_do_not_wait_for_each_other_and_keep_the_order(bus: EventBus) -> None:
    heard: list[Event] = []
    done = asyncio.Event()

    class Stuck:
        @hookimpl(tryfirst=True)
        async def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
            await asyncio.Event().wait()

    class Works:
        @hookimpl
        async def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
            await asyncio.sleep(0)
            heard.append(event)
            if len(heard) == 2:
                done.set()

    bus.add_hook(Stuck(), "stuck")
    bus.add_hook(Works(), "works")
    bus.emit(unloaded("a"))
    bus.emit(unloaded("b"))
    await asyncio.wait_for(done.wait(), 5)
    assert [event.exchange for event in heard] == ["a", "b"]


async def test_a_full_queue_drops_its_oldest_events_and_counts_them(bus: EventBus) -> None:
    heard: list[str] = []
    done = asyncio.Event()

    async def ear(event: PluginUnloaded) -> None:
        heard.append(event.exchange)
        if event.exchange == "9":
            done.set()

    bus.register(PluginUnloaded, ear)
    for number in range(10):  # none of them runs before this loop has ended
        bus.emit(unloaded(str(number)))
    await asyncio.wait_for(done.wait(), 5)
    assert heard == ["7", "8", "9"]
    assert (bus.ledger()[0].calls, bus.ledger()[0].drops) == (10, 7)


async def test_an_async_hook_that_fails_goes_on_with_the_next_event(bus: EventBus) -> None:
    done = asyncio.Event()

    async def ear(event: PluginUnloaded) -> None:
        if event.exchange == "a":
            raise ValueError("oops")
        done.set()

    bus.register(PluginUnloaded, ear)
    bus.emit(unloaded("a"))
    bus.emit(unloaded("b"))
    await asyncio.wait_for(done.wait(), 5)
    assert bus.ledger()[0].failures == 1


# --- handlers


async def test_a_handler_hears_its_exchange_until_it_is_removed(bus: EventBus) -> None:
    okx: list[Event] = []
    everywhere: list[Event] = []
    remove = bus.register(PluginUnloaded, okx.append, exchange="okx")
    bus.register(Event, everywhere.append)
    bus.emit(unloaded("okx"))
    bus.emit(unloaded("binance"))
    remove()
    remove()
    bus.emit(unloaded("okx"))
    assert okx == [unloaded("okx")]
    assert len(everywhere) == 3


async def test_an_adapters_own_event_reaches_the_hook_of_the_event_that_it_extends(bus: EventBus) -> None:
    @attrs.frozen(kw_only=True)
    class Throttled(RateLimited):
        weight: int

    class Hears:
        @hookimpl
        def on_rate_limited(self, event: RateLimited) -> None:
            heard.append(event)

    heard: list[RateLimited] = []
    bus.add_hook(Hears(), "hears")
    event = Throttled(exchange="okx", timestamp_ms=NOW, scope="ip", seconds=1.0, reason="429", weight=5)
    bus.emit(event)
    assert heard == [event]


async def test_a_handler_that_registers_another_while_it_is_called_disturbs_nothing(bus: EventBus) -> None:
    late: list[Event] = []

    def ear(event: PluginUnloaded) -> None:
        bus.register(PluginUnloaded, late.append)

    bus.register(PluginUnloaded, ear)
    bus.emit(unloaded())
    assert late == []


async def test_nobody_registers_a_handler_for_what_is_asked(bus: EventBus) -> None:
    with pytest.raises(ValueError, match="veto_order"):
        bus.register(OrderProposed, print)


# --- vetoes


def gate(answer: Callable[[OrderProposed], object]) -> object:
    class Gate:
        @hookimpl
        def veto_order(self, event: OrderProposed) -> object:
            return answer(event)

    return Gate()


def async_gate(answer: Callable[[OrderProposed], object]) -> object:
    class Gate:
        @hookimpl
        async def veto_order(self, event: OrderProposed) -> object:
            await asyncio.sleep(0)
            return answer(event)

    return Gate()


def fails(event: OrderProposed) -> object:
    raise ValueError("no prices")


async def test_an_order_leaves_when_nobody_objects(bus: EventBus) -> None:
    bus.add_hook(gate(lambda _: None), "plain")
    bus.add_hook(async_gate(lambda _: ""), "async")
    await bus.veto(proposed())
    assert [row.calls for row in bus.ledger()] == [1, 1]


@pytest.mark.parametrize("kind", [gate, async_gate])
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda event: f"{event.request.symbol} is shut", "BTC/USDT is shut"),
        (fails, "it failed: ValueError: no prices"),
        (lambda _: True, "it answered bool"),
        (lambda _: False, "it answered bool"),
        (lambda _: ["reason"], "it answered list"),
    ],
)
async def test_a_reason_a_failure_and_nonsense_all_stop_the_order(
    bus: EventBus, kind: Callable[[object], object], answer: object, says: str
) -> None:
    bus.add_hook(kind(answer), "risk")
    with pytest.raises(OrderVetoed, match=says) as caught:
        await bus.veto(proposed())
    assert (caught.value.hook, caught.value.exchange) == ("risk", "okx")


async def test_an_async_veto_that_is_late_stops_the_order(bus: EventBus) -> None:
    class Late:
        @hookimpl
        async def veto_order(self, event: OrderProposed) -> None:
            await asyncio.Event().wait()

    bus.add_hook(Late(), "late")
    with pytest.raises(OrderVetoed, match=r"no answer within 0\.2 s"):
        await bus.veto(proposed())


async def test_a_plain_veto_that_never_returns_stops_orders_and_not_the_loop(bus: EventBus) -> None:
    release = threading.Event()
    asked = []

    def never(event: OrderProposed) -> object:
        asked.append(event)
        release.wait(10)
        return None

    bus.add_hook(gate(never), "never")
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    heart = asyncio.create_task(beat())
    for _ in range(2):
        with pytest.raises(OrderVetoed, match="no answer within"):
            await bus.veto(proposed())
    heart.cancel()
    release.set()
    assert beats > 10
    assert len(asked) == 1  # the second question ran out of time before it could be put
    assert record(bus, "never").slow == 2


async def test_a_caller_who_is_cancelled_while_a_veto_thinks_stays_cancelled(bus: EventBus) -> None:
    thinking = asyncio.Event()

    class Thinks:
        @hookimpl
        async def veto_order(self, event: OrderProposed) -> None:
            thinking.set()
            await asyncio.Event().wait()

    bus.add_hook(Thinks(), "thinks")
    asking = asyncio.create_task(bus.veto(proposed()))
    await thinking.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert record(bus, "thinks").failures == 0


# --- installed hook packages


@attrs.frozen
class Installed:
    """What a registry offers; an exception stands for a package that cannot be used."""

    hooks: Mapping[str, object]

    def names(self, group: str) -> Collection[str]:
        return tuple(self.hooks) if group == "fra.hooks" else ()

    def load(self, name: str, *, group: str) -> object:
        hook = self.hooks.get(name, PluginError(f"no {name}", plugin=name))
        if isinstance(hook, Exception):
            raise hook
        return hook


async def test_installed_notification_hooks_are_on_unless_switched_off(bus: EventBus) -> None:
    bus.load_hooks(Installed({"ear": Ear(), "noise": Ear()}), disabled=["noise"])
    assert {row.name for row in bus.ledger()} == {"ear"}


async def test_an_installed_veto_is_asked_only_when_the_configuration_says_so(bus: EventBus) -> None:
    no = gate(lambda _: "no")
    bus.load_hooks(Installed({"risk": no}))
    await bus.veto(proposed())
    assert "enabled = ['risk']" in str(record(bus, "risk").disabled)

    bus.remove_hook("risk")
    bus.load_hooks(Installed({"risk": no}), enabled=["risk"])
    with pytest.raises(OrderVetoed):
        await bus.veto(proposed())


async def test_a_broken_hook_package_is_passed_over_and_named(bus: EventBus) -> None:
    broken = PluginBroken("broken", plugin="broken")
    errors = bus.load_hooks(Installed({"broken": broken, "wrong": Misspelt(), "ear": Ear()}))
    assert [error.plugin for error in errors] == ["broken", "wrong"]
    assert {row.name for row in bus.ledger()} == {"ear"}


@pytest.mark.parametrize("installed", [{}, {"risk": PluginBroken("broken", plugin="risk")}])
async def test_a_veto_that_somebody_relies_on_must_be_there(bus: EventBus, installed: dict[str, object]) -> None:
    with pytest.raises(PluginError):
        bus.load_hooks(Installed(installed), enabled=["risk"])


# --- the end


async def test_closing_lets_hooks_finish_and_cancels_those_that_do_not() -> None:
    bus = EventBus()
    heard: list[str] = []

    async def works(event: PluginUnloaded) -> None:
        await asyncio.sleep(0.01)
        heard.append(event.exchange)

    async def stuck(event: PluginUnloaded) -> None:
        await asyncio.Event().wait()

    remove = bus.register(PluginUnloaded, works)
    bus.register(PluginUnloaded, stuck)
    bus.emit(unloaded("a"))
    bus.emit(unloaded("b"))
    remove()
    await bus.close(deadline=0.2)
    await bus.close()
    assert heard == ["a", "b"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_closing_leaves_no_thread_and_stops_orders() -> None:
    bus = EventBus()
    before = set(threading.enumerate())
    bus.add_hook(gate(lambda _: None), "risk")
    await bus.veto(proposed())
    assert set(threading.enumerate()) - before
    await bus.close()
    assert not set(threading.enumerate()) - before
    with pytest.raises(OrderVetoed, match="shutting down"):
        await bus.veto(proposed())


async def test_what_is_emitted_after_closing_reaches_nobody() -> None:
    bus = EventBus()
    ear = Ear()
    bus.add_hook(ear, "ear")
    bus.emit(unloaded())
    await bus.close()
    bus.emit(unloaded())
    assert len(ear.heard) == 1

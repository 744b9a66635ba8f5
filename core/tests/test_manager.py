"""PluginManager, PluginLoader and connect(): starting, failing, sharing, reloading, closing."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import traceback
import warnings
from typing import ClassVar

import attrs
import pytest

from fra import core
from fra.core import (
    Budget,
    ConfigError,
    ConnectionChanged,
    ConnectionStatus,
    ErrorRaised,
    ExchangeAPIError,
    ExchangeConnectionError,
    ExchangeError,
    HealthChecked,
    HostStarted,
    HostStopped,
    PluginLoaded,
    PluginManager,
    PluginNotFound,
    PluginRegistry,
    PluginUnloaded,
    RateLimit,
    RateLimited,
    Secret,
    StreamSource,
    hookimpl,
)

MEM = {"plugin": "memory"}
BROKEN = {"plugin": "memory", "options": {"broken": "connect"}}


# --- starting


async def test_instances_are_keyed_by_their_own_names(kit) -> None:
    async with kit.manager({"a": MEM, "b": MEM}) as manager:
        assert list(manager.get_all_plugins()) == ["a", "b"]
        assert (manager.get_plugin("a").name, manager.get_plugin("b").name) == ("a", "b")
        assert manager.get_plugin("a") is manager.get_plugin("a")


async def test_exchanges_start_at_the_same_time(kit) -> None:
    together = asyncio.Barrier(3)

    class Meeting(kit.Memory):
        async def connect(self) -> None:
            await together.wait()

    async with asyncio.timeout(5), kit.manager({"a": MEM, "b": MEM, "c": MEM}, memory=Meeting) as manager:
        assert not manager.failures


async def test_one_that_does_not_start_is_reported_cleaned_up_and_hurts_no_other(kit) -> None:
    async with kit.manager({"good": MEM, "bad": BROKEN}) as manager:
        assert (await manager.get_plugin("good").get_ticker("BTC/USDT")).symbol == "BTC/USDT"
        with pytest.raises(ExchangeConnectionError, match="bad: connect got no answer: OSError: unreachable"):
            manager.get_plugin("bad")
        assert list(manager.failures) == ["bad"]
        assert [(event.exchange, event.where) for event in kit.heard(ErrorRaised)] == [("bad", "starting bad")]
        bad = next(plugin for plugin in kit.Memory.instances if plugin.config.name == "bad")
        assert bad.disconnects == 1


@pytest.mark.parametrize("stage", ["initialize", "connect"])
async def test_a_start_that_hangs_ends_at_its_deadline(kit, stage) -> None:
    async def hang(self) -> None:
        await asyncio.Event().wait()

    hanging = type("Hanging", (kit.Memory,), {stage: hang})
    async with kit.manager({"mem": {**MEM, "timeout": 0.01}}, memory=hanging) as manager:
        with pytest.raises(ExchangeConnectionError, match=r"mem: it was not connected within 0\.03 s"):
            manager.get_plugin("mem")
        assert kit.plugin.disconnects == 1


async def test_a_plugin_that_is_not_installed_fails_alone(kit) -> None:
    async with kit.manager({"mem": MEM, "kraken": {}}) as manager:
        with pytest.raises(PluginNotFound, match="pip install fra-exchange-kraken"):
            manager.get_plugin("kraken")
        assert manager.get_plugin("mem").status is ConnectionStatus.CONNECTED


async def test_an_instance_that_nobody_configured_is_named_with_those_that_are(kit) -> None:
    async with kit.manager({"mem": MEM}) as manager:
        with pytest.raises(ConfigError, match="no exchange 'me' is configured → started: mem"):
            manager.get_plugin("me")


async def test_the_adapter_finds_its_options_as_declared(kit) -> None:
    async with kit.running(options={"flavour": "sour"}):
        assert kit.plugin.options.flavour == "sour"


async def test_an_unknown_option_is_refused_before_anything_is_made(kit) -> None:
    async with kit.manager({"mem": {**MEM, "options": {"flavor": "sour"}}}) as manager:
        with pytest.raises(ConfigError, match="flavour"):
            manager.get_plugin("mem")
        assert kit.Memory.instances == []


async def test_only_the_named_instances_are_started(kit) -> None:
    config = {"exchanges": {"a": MEM, "b": MEM}}
    async with PluginManager.from_config(config, registry=kit.registry(), only=["b"]) as manager:
        assert list(manager.get_all_plugins()) == ["b"]


async def test_the_life_of_an_instance_is_told_in_events(kit) -> None:
    async with kit.running():
        pass
    told = [type(event) for event in kit.events]
    life = [ConnectionChanged, ConnectionChanged, PluginLoaded, ConnectionChanged, PluginUnloaded]
    assert told == [HostStarted, *life, HostStopped]
    assert [event.new.value for event in kit.heard(ConnectionChanged)] == ["connecting", "connected", "disconnected"]


async def test_what_the_adapter_says_of_its_connection_is_the_status(kit) -> None:
    async with kit.running() as mem:
        kit.plugin.context.connection_changed(ConnectionStatus.RECONNECTING, "cut")
        assert mem.status is ConnectionStatus.RECONNECTING
        assert kit.heard(ConnectionChanged)[-1].reason == "cut"


async def test_what_the_adapter_tells_in_the_background_shows_no_secret(kit) -> None:
    async with kit.running(api_key=Secret("cAnArY")) as mem:
        kit.plugin.context.connection_changed(ConnectionStatus.RECONNECTING, "it closed with: no such key cAnArY")
        error = ExchangeAPIError("no such key cAnArY", response=b"cAnArY")
        kit.plugin.context.emit(ErrorRaised(exchange="mem", timestamp_ms=0, where="keys", error=error))
        assert kit.heard(ErrorRaised)[-1].error is error
        assert (error.exchange, "no such key" in str(error)) == ("mem", True)
        assert mem.status is ConnectionStatus.RECONNECTING
    assert "cAnArY" not in f"{kit.events} {error} {error.response!r}"


async def test_what_runs_can_be_asked_for_without_asking_a_venue(kit) -> None:
    """What a hook is lent when it is told of the start."""
    manager = kit.manager({"mem": MEM, "broken": BROKEN})
    async with manager:
        (started,) = kit.heard(HostStarted)
        kit.plugin.calls.clear()
        await manager.get_plugin("mem").get_symbols()
        subscription = manager.get_plugin("mem").subscribe_trades("BTC/USDT")
        health = {health.exchange: health for health in started.host.health()}
        assert {name: health.status for name, health in health.items()} == {
            "mem": ConnectionStatus.CONNECTED,
            "broken": ConnectionStatus.ERROR,
        }
        assert [(stream.channel, stream.symbol, stream.status) for stream in health["mem"].streams] == [
            ("trades", "BTC/USDT", "starting")
        ]
        assert "unreachable" in health["broken"].detail
        assert all(record.failures == 0 for record in started.host.hook_records())
        await subscription.close()


# --- hooks with settings


@attrs.frozen
class PagerOptions:
    number: str = attrs.field(default="112")


class Pager:
    """A hook that would call somebody."""

    Options = PagerOptions
    made: ClassVar[list[PagerOptions]] = []

    def __init__(self, options: PagerOptions) -> None:
        self.made.append(options)

    @hookimpl
    def on_error(self, event: ErrorRaised) -> None:
        pass


class Plain:
    @hookimpl
    def on_error(self, event: ErrorRaised) -> None:
        pass


class Offering(PluginRegistry):
    """An installation with these two hooks."""

    def names(self, group: str = "fra.exchanges") -> tuple[str, ...]:
        return ("pager", "plain") if group == "fra.hooks" else super().names(group)

    def load(self, name: str, *, group: str) -> object:
        return {"pager": Pager, "plain": Plain}[name] if name in self.names(group) else super().load(name, group=group)


@pytest.mark.parametrize(
    ("hooks", "made", "failure"),
    [
        ({}, [], None),
        ({"pager": {}}, [PagerOptions()], None),
        ({"pager": {"number": "911"}}, [PagerOptions("911")], None),
        ({"pager": {}, "disabled": ["pager"]}, [], None),
        ({"enabled": ["pager"]}, [PagerOptions()], None),
        ({"pager": {"numbr": "911"}}, [], "did you mean 'number'"),
        ({"pager": {"number": 911}}, [], "must be a string"),
        ({"plain": {"volume": 3}}, [], "'plain' has no settings"),
        ({"absent": {}}, [], "absent"),
    ],
)
async def test_a_hook_with_settings_is_made_of_its_table_and_not_without_one(
    kit, hooks: dict[str, object], made: list[PagerOptions], failure: str | None
) -> None:
    Pager.made.clear()
    registry = Offering(path=[])
    registry.register_plugin("memory", kit.Memory)
    async with PluginManager.from_config({"exchanges": {"mem": MEM}, "hooks": hooks}, registry=registry) as manager:
        assert Pager.made == made
        assert manager.get_plugin("mem").status is ConnectionStatus.CONNECTED
        failures = [str(error) for error in manager.hook_failures]
        assert len(failures) == (failure is not None)
        assert all(failure in text for text in failures)


# --- closing


async def test_shutdown_is_idempotent_and_final(kit) -> None:
    manager = kit.manager({"mem": MEM})
    await manager.initialize()
    handle = manager.get_plugin("mem")
    await asyncio.gather(manager.shutdown(), manager.shutdown())
    await manager.shutdown()
    assert kit.plugin.disconnects == 1
    assert handle.status is ConnectionStatus.DISCONNECTED
    with pytest.raises(ExchangeConnectionError, match="mem: it is not connected"):
        await handle.get_ticker("BTC/USDT")
    with pytest.raises(ConfigError):
        await manager.initialize()


async def test_a_disconnect_that_hangs_or_raises_holds_nothing_up(kit) -> None:
    class Sticky(kit.Memory):
        async def disconnect(self) -> None:
            if self.config.name == "hangs":
                await asyncio.Event().wait()
            raise RuntimeError("no")

    keys = {**MEM, "timeout": 0.01}
    async with asyncio.timeout(5), kit.manager({"hangs": keys, "raises": keys}, memory=Sticky):
        pass
    assert sorted(event.exchange for event in kit.heard(ErrorRaised)) == ["hangs", "raises"]


async def test_subscriptions_end_when_the_manager_shuts_down(kit) -> None:
    manager = kit.manager({"mem": MEM})
    await manager.initialize()
    mem = manager.get_plugin("mem")
    await mem.get_symbols()
    trades = mem.subscribe_trades("BTC/USDT")
    await manager.shutdown()
    assert [item async for item in trades] == []
    assert kit.plugin.closed == [("trades", "BTC/USDT")]


async def test_a_failed_stream_is_closed_at_shutdown_too(kit) -> None:
    async with kit.running() as mem:
        mem.subscribe_trades("BTC/USDT")
        kit.plugin.sources["trades", "BTC/USDT"].fail(ExchangeError("no"))
    assert kit.plugin.closed == [("trades", "BTC/USDT")]


async def test_a_manager_that_was_never_shut_down_warns(kit) -> None:
    manager = kit.manager({})
    await manager.initialize()
    with pytest.warns(ResourceWarning, match="never shut down"):  # noqa: PT031
        del manager
        gc.collect()


async def test_nothing_is_left_after_shutdown(kit) -> None:
    before = asyncio.all_tasks()
    async with kit.running() as mem:
        mem.subscribe_trades("BTC/USDT")
        mem.subscribe_ticker("BTC/USDT")
    assert asyncio.all_tasks() == before


async def test_a_stream_that_hangs_in_closing_holds_nothing_up(kit) -> None:
    class Sticky(kit.Memory):
        def subscribe_trades(self, symbol):
            return StreamSource(close=asyncio.Event().wait)

    async with asyncio.timeout(5), kit.running(Sticky, timeout=0.05) as mem:
        mem.subscribe_trades("BTC/USDT")
    assert [event.where for event in kit.heard(ErrorRaised)] == ["closing trades of BTC/USDT"]


# --- reloading


async def test_a_new_plugin_says_nothing_about_the_connection_before_it_serves(kit) -> None:
    class Chatty(kit.Memory):
        async def connect(self) -> None:
            self.context.connection_changed(ConnectionStatus.RECONNECTING)
            if len(self.instances) > 1:
                raise ExchangeAPIError("no")

    async with kit.manager({"mem": MEM}, memory=Chatty) as manager:
        with pytest.raises(ExchangeAPIError):
            await manager.reload_plugin("mem")
        assert manager.get_plugin("mem").status is ConnectionStatus.CONNECTED


async def test_a_reload_that_fails_leaves_the_old_plugin_at_work(kit) -> None:
    class Second(kit.Memory):
        async def connect(self) -> None:
            if len(self.instances) > 1:
                raise ExchangeAPIError("down for maintenance")

    async with kit.manager({"mem": MEM}, memory=Second) as manager:
        old = kit.plugin
        with pytest.raises(ExchangeAPIError, match="down for maintenance"):
            await manager.reload_plugin("mem")
        handle = manager.get_plugin("mem")
        assert (old.disconnects, handle.status) == (0, ConnectionStatus.CONNECTED)
        await handle.get_ticker("BTC/USDT")
        assert old.calls[-1][0] == "get_ticker"


async def test_handlers_of_users_outlive_a_reload_and_those_of_the_old_plugin_do_not(kit) -> None:
    heard = []

    class Listening(kit.Memory):
        async def initialize(self) -> None:
            name = f"plugin {len(self.instances)}"
            self.register_event_handler(HealthChecked, lambda event: heard.append(name))

    async with kit.manager({"mem": MEM}, memory=Listening) as manager:
        handle = manager.get_plugin("mem")
        handle.register_event_handler(HealthChecked, lambda event: heard.append("user"))
        await manager.reload_plugin("mem")
        await handle.health_check()
        assert sorted(heard) == ["plugin 2", "user"]


async def test_an_old_plugin_says_nothing_about_the_new_ones_connection(kit) -> None:
    async with kit.manager({"mem": MEM}) as manager:
        old = kit.plugin
        handle = await manager.reload_plugin("mem")
        old.context.connection_changed(ConnectionStatus.ERROR)
        assert handle.status is ConnectionStatus.CONNECTED


async def test_reloading_one_that_failed_starts_it(kit) -> None:
    class Moody(kit.Memory):
        async def connect(self) -> None:
            if len(self.instances) == 1:
                raise ExchangeAPIError("not yet")

    async with kit.manager({"mem": MEM}, memory=Moody) as manager:
        assert list(manager.failures) == ["mem"]
        handle = await manager.reload_plugin("mem")
        assert handle is manager.get_plugin("mem")
        assert not manager.failures


# --- exchanges built on others


def _on_another(kit, target: dict[str, str]):
    class Nested(kit.Memory):
        async def connect(self) -> None:
            if self.config.name in target:
                self.other = await self.context.exchange(target[self.config.name])

        async def get_ticker(self, symbol):
            return (
                await self.other.get_ticker(symbol) if self.config.name in target else await super().get_ticker(symbol)
            )

    return Nested


async def test_an_exchange_may_be_built_on_another_whatever_their_order(kit) -> None:
    nested = _on_another(kit, {"outer": "inner"})
    async with kit.manager({"outer": MEM, "inner": MEM}, memory=nested) as manager:
        assert (await manager.get_plugin("outer").get_ticker("BTC/USDT")).symbol == "BTC/USDT"


async def test_an_exchange_closes_before_the_one_that_it_is_built_on(kit) -> None:
    order = []

    class Nested(_on_another(kit, {"outer": "inner"})):
        async def disconnect(self) -> None:
            await asyncio.sleep(0)  # time enough for one that closes at the same moment
            order.append(self.config.name)

    async with kit.manager({"inner": MEM, "outer": MEM}, memory=Nested):
        pass
    assert order == ["outer", "inner"]


async def test_exchanges_built_on_each_other_are_refused(kit) -> None:
    nested = _on_another(kit, {"a": "b", "b": "c", "c": "a"})
    async with asyncio.timeout(5), kit.manager({"a": MEM, "b": MEM, "c": MEM}, memory=nested) as manager:
        assert sorted(manager.failures) == ["a", "b", "c"]
        assert any("→" in failure.message for failure in manager.failures.values())


# --- budgets


def _limited(kit, limiters: dict[str, object]):
    limits = (RateLimit("weight", 10, 60), RateLimit("orders", 4, 60, per="account"))

    class Limited(kit.Memory):
        async def initialize(self) -> None:
            limiters[self.config.name] = self.context.limiter("venue", limits)

    return Limited


async def test_accounts_behind_one_address_share_its_budget_and_keep_their_own(kit) -> None:
    limiters: dict = {}
    keys = {name: {**MEM, "api_key": Secret(key), "secret_key": Secret("s")} for name, key in (("a", "1"), ("b", "2"))}
    async with kit.manager(keys, memory=_limited(kit, limiters)):
        await limiters["a"].acquire({"weight": 7, "orders": 4})
        used = limiters["b"].snapshot()
        assert (used["weight"].used, used["orders"].used) == (7, 0)


async def test_another_proxy_is_another_budget(kit) -> None:
    limiters: dict = {}
    config = {"a": MEM, "b": {**MEM, "proxy": "http://127.0.0.1:1"}}
    async with kit.manager(config, memory=_limited(kit, limiters)):
        await limiters["a"].acquire({"weight": 7})
        assert limiters["b"].snapshot()["weight"].used == 0


async def test_a_reload_does_not_hold_a_second_budget(kit) -> None:
    limiters: dict = {}
    async with kit.manager({"a": MEM}, memory=_limited(kit, limiters)) as manager:
        await limiters["a"].acquire({"weight": 7})
        await manager.reload_plugin("a")
        assert limiters["a"].snapshot()["weight"].used == 7


async def test_the_configuration_overrides_a_budget(kit) -> None:
    limiters: dict = {}
    async with kit.manager({"a": {**MEM, "rate_limit": {"weight": 3}}}, memory=_limited(kit, limiters)):
        assert limiters["a"].snapshot()["weight"].capacity == 3


async def test_an_override_of_a_budget_that_the_adapter_has_not_is_refused(kit) -> None:
    config = {"a": {**MEM, "rate_limit": {"wait": 3}}}
    async with kit.manager(config, memory=_limited(kit, {})) as manager:
        with pytest.raises(ConfigError, match="no rate limit named 'wait' → its scopes are: orders, weight"):
            manager.get_plugin("a")


async def test_a_shut_scope_is_an_event(kit) -> None:
    limiters: dict = {}
    async with kit.manager({"a": MEM}, memory=_limited(kit, limiters)):
        limiters["a"].block("weight", 30.0, "429")
        await asyncio.sleep(0)
        (event,) = kit.heard(RateLimited)
        assert (event.exchange, event.scope, event.seconds, event.reason) == ("a", "weight", 30.0, "429")
        assert event.by_venue


async def test_a_budget_that_is_used_up_is_an_event_of_our_own_making(kit) -> None:
    limiters: dict = {}
    limited = asyncio.Event()
    config = {"a": {**MEM, "rate_limit": {"weight": 3}}}
    async with kit.manager(config, memory=_limited(kit, limiters)) as manager:
        manager.register_event_handler(RateLimited, lambda _: limited.set())
        await limiters["a"].acquire({"weight": 3})
        waits = asyncio.create_task(limiters["a"].acquire({"weight": 1}))
        await limited.wait()
        (event,) = kit.heard(RateLimited)
        assert (event.scope, event.by_venue) == ("weight", False)
        waits.cancel()


async def test_budgets_are_the_toolkits(kit) -> None:
    assert Budget(RateLimit("weight", 10, 60)).limit.capacity == 10


# --- health


async def test_health_of_all_shows_what_failed_and_what_does_not_answer(kit) -> None:
    class Ill(kit.Memory):
        async def health_check(self):
            if self.config.name == "mute":
                raise ConnectionResetError("gone")
            return await super().health_check()

    config = {"well": MEM, "mute": MEM, "bad": BROKEN}
    async with kit.manager(config, memory=Ill) as manager:
        health = await manager.health_check_all()
        assert {name: one.status.value for name, one in health.items()} == {
            "well": "connected",
            "mute": "error",
            "bad": "error",
        }
        assert "gone" in health["mute"].detail
        assert health["well"].exchange == "well"


# --- connect()


async def test_connect_needs_no_configuration_file(kit) -> None:
    async with core.connect("memory", registry=kit.registry(), timeout=3, options={"flavour": "sweet"}) as memory:
        assert memory.name == "memory"
        assert (kit.plugin.config.timeout, kit.plugin.options.flavour) == (3, "sweet")
    assert kit.plugin.disconnects == 1


async def test_connect_takes_plain_strings_for_secrets_and_references_too(kit, monkeypatch) -> None:
    monkeypatch.setenv("FRA_TEST_SECRET", "whisper")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with core.connect("memory", registry=kit.registry(), api_key="k", secret_key="env:FRA_TEST_SECRET"):
            config = kit.plugin.config
    assert (config.api_key, config.secret_key.reveal()) == (Secret("k"), "whisper")


async def test_connect_raises_what_the_start_raised(kit) -> None:
    with pytest.raises(ExchangeConnectionError, match="unreachable"):
        async with core.connect("memory", registry=kit.registry(), options={"broken": "connect"}):
            pass


# --- secrets

CANARY = "canary-5f0c1e"


@pytest.mark.parametrize(
    "mistake",
    [
        lambda key: KeyError(f"signature of {key}"),
        lambda key: ExchangeAPIError(f"bad key {key}", response=f'{{"key": "{key}"}}', cure=f"not {key}"),
        lambda key: ConnectionError(f"GET /?key={key}"),
    ],
)
async def test_a_secret_leaves_an_adapter_in_no_error(kit, mistake, caplog) -> None:
    class Leaky(kit.Memory):
        async def get_ticker(self, symbol):
            raise mistake(self.config.api_key.reveal())

        async def subscribe_trades(self, symbol):
            raise mistake(self.config.api_key.reveal())
            yield

    caplog.set_level(logging.DEBUG)
    async with kit.running(Leaky, api_key=Secret(CANARY), secret_key=Secret("x" * 9)) as mem:
        with pytest.raises(ExchangeError) as raised:
            await mem.get_ticker("BTC/USDT")
        trades = mem.subscribe_trades("BTC/USDT")
        trades.add_listener(print)
        for _ in range(5):
            await asyncio.sleep(0)
        assert trades.error is not None
        shown = "".join(traceback.format_exception(raised.value.with_traceback(None)))
        shown += repr(raised.value) + str(vars(raised.value)) + repr(trades.error) + repr(kit.events) + caplog.text
        assert CANARY not in shown
        assert CANARY not in str(pickle.dumps(raised.value))

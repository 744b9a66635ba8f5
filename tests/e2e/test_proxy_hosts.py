"""Hosts that die, stop and are cut off, with orders and streams under way: nothing doubled, nothing lost, no hang."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from time import monotonic, time
from typing import final

import pytest
import pytest_asyncio
from nats.js.errors import NoKeysError
from proxy_world import LEASE, HostProcess, NatsServer, Relay, cluster
from traders import LINEAR, Trader, check_fills, configured, emulator, new_account

from fra.adapters.proxy.journal import BUCKET
from fra.core import (
    ExchangeConnectionError,
    Fill,
    FraError,
    Order,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderType,
    PluginManager,
    Side,
    StreamGap,
)
from fra.emulator import Account, Emulator

pytestmark = pytest.mark.asyncio(loop_scope="module")

VENUE = "okx"
TAKEOVER_S = LEASE + LEASE / 2 + 4.0
"""The lease, until the other looks, and what a loaded machine adds."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Emulator]:
    async with emulator(VENUE) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stage(venues: Emulator, tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield await Stage.open(venues, tmp_path, stack)


@final
class Stage:
    """A broker, an account on an emulated venue, and a configuration that hosts it as ``main``."""

    def __init__(self, venues: Emulator, folder: Path, stack: AsyncExitStack) -> None:
        self.venue = venues.venues[VENUE]
        self.account: Account = new_account()
        self.broker = NatsServer(folder)
        self.config = folder / "host.toml"
        self.stack = stack

    @classmethod
    async def open(
        cls, venues: Emulator, folder: Path, stack: AsyncExitStack, *, broker: NatsServer | None = None
    ) -> Stage:
        """With a broker of its own, unless there is one that runs."""
        stage = cls(venues, folder, stack)
        stage.venue.open_account(stage.account)
        stage.config.write_text(_toml({"main": configured(stage.venue, stage.account)}), encoding="utf-8")
        if broker is None:
            await stage.broker.start()
            stack.callback(stage.broker.kill)
        else:
            stage.broker = broker
        return stage

    async def host(self, url: str | None = None, *, state: str = "active", options: Sequence[str] = ()) -> HostProcess:
        """Another host, in the state that it is to come to."""
        host = await HostProcess.start(url or self.broker.url, self.config, options=options)
        self.stack.push_async_callback(host.end)
        await host.until("main", state)
        return host

    async def client(self, *, timeout: float = 2.0) -> Trader:
        """A program that uses the hosted account."""
        options = {"servers": [self.broker.url], "target": "main", "silence": 2.0}
        far = {"exchange_id": VENUE, "plugin": "proxy", "timeout": timeout, "options": options}
        manager = await self.stack.enter_async_context(PluginManager.from_config({"exchanges": {"far": far}}))
        trader = Trader(manager.get_plugin("far"), self.venue, self.account)
        await trader.handle.get_symbols()
        return trader


def _toml(exchanges: dict[str, dict[str, object]]) -> str:
    """JSON strings, numbers and inline tables are TOML where they are written with `=`."""

    def value(item: object) -> str:
        if isinstance(item, dict):
            return "{" + ", ".join(f"{json.dumps(str(key))} = {value(part)}" for key, part in item.items()) + "}"
        return json.dumps(item)

    lines = []
    for name, keys in exchanges.items():
        lines.append(f"[exchanges.{name}]")
        lines += [f"{key} = {value(item)}" for key, item in keys.items()]
    return "\n".join(lines)


@final
class Orders:
    """Small market orders one after another, and what became of each as its sender was told."""

    def __init__(self, trader: Trader) -> None:
        self._trader = trader
        self.told: dict[str, Order | FraError] = {}
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        number = 0
        while True:
            number += 1
            name = f"{self._trader.account.key[4:8]}n{number}"
            side = Side.BUY if number % 2 else Side.SELL
            request = OrderRequest(
                symbol=LINEAR, side=side, type=OrderType.MARKET, amount=Decimal("0.1"), client_order_id=name
            )
            try:
                self.told[name] = await self._trader.handle.create_order(request)
            except FraError as error:
                self.told[name] = error
            self._news.set()
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def until(self, more: int) -> None:
        """Return when so many more have succeeded."""
        wanted = self.good + more
        await self._until(lambda: self.good >= wanted)

    async def until_unsent(self) -> None:
        """Return when one could not be sent."""
        told = self.told.values()
        await self._until(lambda: any(isinstance(one, ExchangeConnectionError) and not one.sent for one in told))

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._news.clear()
                await self._news.wait()

    @property
    def good(self) -> int:
        return sum(isinstance(told, Order) for told in self.told.values())

    def check(self) -> None:
        """Each order is at the venue once if its sender was told that it is, and not if that it was not sent."""
        there = Counter(order.client_id for order in self._trader.true_orders(LINEAR))
        assert not [name for name, count in there.items() if count > 1]
        for name, told in self.told.items():
            if isinstance(told, Order):
                assert there[name] == 1, f"{name} was told to be there"
            elif isinstance(told, ExchangeConnectionError) and not told.sent:
                assert there[name] == 0, f"{name} was told not to be sent"
            else:
                assert isinstance(told, OrderOutcomeUnknown), f"{name}: {told!r}"


async def test_a_killed_host_is_replaced_within_the_lease_and_nothing_is_doubled_or_lost(stage: Stage) -> None:
    first = await stage.host()
    second = await stage.host(state="standby")
    trader = await stage.client()
    await trader.listen()
    book = trader.handle.subscribe_orderbook(LINEAR, depth=5)
    await book.ready()
    orders = Orders(trader)
    await orders.until(10)
    died = monotonic()
    await first.end(signal.SIGKILL)
    await second.until("main", "active", within=TAKEOVER_S)
    took = monotonic() - died
    await orders.until(10)
    await orders.stop()
    orders.check()
    assert took < TAKEOVER_S
    await trader.told.until(lambda: len(_fills(trader)) >= len(trader.true_fills(LINEAR)))
    check_fills(_fills(trader), trader.true_fills(LINEAR))
    async with asyncio.timeout(15):
        async for later in book:
            if later.valid and later.received_ms / 1000 > time() - 1:
                break


def _fills(trader: Trader) -> list[Fill]:
    return trader.told.of(Fill)


async def test_a_killed_broker_comes_back_and_everything_goes_on(stage: Stage) -> None:
    await stage.host()
    trader = await stage.client()
    await trader.listen()
    orders = Orders(trader)
    await orders.until(5)
    stage.broker.kill()
    await orders.until_unsent()
    await stage.broker.start()
    await orders.until(5)
    await orders.stop()
    orders.check()
    await trader.told.until(lambda: len(_fills(trader)) >= len(trader.true_fills(LINEAR)))
    check_fills(_fills(trader), trader.true_fills(LINEAR))


async def test_a_node_of_a_cluster_that_dies_is_replaced_by_another(venues: Emulator, tmp_path: Path) -> None:
    async with cluster(tmp_path) as nodes, AsyncExitStack() as stack:
        # Both know of the first node only, and are told of the others by it.
        stage = await Stage.open(venues, tmp_path, stack, broker=nodes[0])
        await stage.host(options=["--replicas", "3"])
        trader = await stage.client()
        await trader.listen()
        orders = Orders(trader)
        await orders.until(5)
        nodes[0].kill()
        await orders.until(10)
        await orders.stop()
        orders.check()
        await trader.told.until(lambda: len(_fills(trader)) >= len(trader.true_fills(LINEAR)))
        check_fills(_fills(trader), trader.true_fills(LINEAR))


async def test_a_host_that_was_stopped_past_its_lease_writes_nothing_more(stage: Stage) -> None:
    first = await stage.host()
    second = await stage.host(state="standby")
    trader = await stage.client(timeout=15.0)
    order = await trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.2"))
    first.send(signal.SIGSTOP)
    # It lies in the kernel's buffer of the stopped host when the lease runs out.
    late = asyncio.create_task(trader.send(client_order_id="late1"))
    await second.until("main", "active", within=TAKEOVER_S)
    assert [one.id for one in await trader.handle.get_open_orders(LINEAR)] == [order.id]
    orders = Orders(trader)
    await orders.until(3)
    first.send(signal.SIGCONT)
    await first.until("main", "standby")
    await orders.until(3)
    await orders.stop()
    orders.check()
    assert "late1" not in {one.client_id for one in trader.true_orders(LINEAR)}
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    await second.end(signal.SIGINT)
    await first.until("main", "active", within=TAKEOVER_S)
    assert (await trader.handle.cancel_order(order.id, LINEAR)).id == order.id


async def test_an_order_that_a_dead_host_has_sent_is_found_by_the_next(stage: Stage) -> None:
    first = await stage.host()
    second = await stage.host(state="standby")
    trader = await stage.client(timeout=2.0)
    switch = stage.venue.order_faults.delay(20.0)
    sending = asyncio.create_task(
        trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.2"), client_order_id="kept1")
    )
    await switch.applied.wait()
    await first.end(signal.SIGKILL)
    await second.until("main", "active", within=TAKEOVER_S)
    try:
        known = await sending
    except OrderOutcomeUnknown:
        known = await trader.handle.get_order(symbol=LINEAR, client_order_id="kept1")
    assert [one.client_id for one in trader.true_orders(LINEAR)] == ["kept1"]
    assert (await trader.handle.cancel_order(known.id, LINEAR)).client_order_id == "kept1"


async def test_what_another_host_left_open_is_found_by_one_that_held_the_lease_before(stage: Stage) -> None:
    first = await stage.host()
    trader = await stage.client(timeout=2.0)
    await trader.send()  # the first host has its journal in hand since
    first.send(signal.SIGSTOP)
    second = await stage.host()
    switch = stage.venue.order_faults.delay(20.0)
    sending = asyncio.create_task(
        trader.send(type=OrderType.LIMIT, price=await trader.price(LINEAR, "0.2"), client_order_id="left1")
    )
    await switch.applied.wait()
    assert await _journalled(stage) == 1
    await second.end(signal.SIGKILL)
    first.send(signal.SIGCONT)
    await first.until("main", "standby")
    await first.until("main", "active", within=TAKEOVER_S)
    async with asyncio.timeout(15):
        while await _journalled(stage):  # noqa: ASYNC110 - the broker tells nobody that a key has gone
            await asyncio.sleep(0.05)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert [one.client_order_id for one in await trader.handle.get_open_orders(LINEAR)] == ["left1"]


async def _journalled(stage: Stage) -> int:
    """How many orders are open in the journal that the broker keeps."""
    broker = stage.broker.broker()
    await broker.connect()
    try:
        bucket = await broker.client.jetstream().key_value(BUCKET)
        return len(await bucket.keys())
    except NoKeysError:
        return 0
    finally:
        await broker.close()


async def test_a_host_that_is_cut_off_is_replaced_and_says_nothing_when_it_is_back(stage: Stage) -> None:
    async with Relay(stage.broker.port) as relay:
        first = await stage.host(relay.url)
        second = await stage.host(state="standby")
        trader = await stage.client()
        orders = Orders(trader)
        await orders.until(5)
        relay.cut()
        await second.until("main", "active", within=TAKEOVER_S)
        await orders.until(5)
        relay.heal()
        await first.until("main", "standby")
        await orders.until(5)
        await orders.stop()
        orders.check()
        await first.end()


async def test_trades_that_were_published_while_nobody_listened_are_a_gap_and_go_on(stage: Stage) -> None:
    first = await stage.host()
    second = await stage.host(state="standby")
    trader = await stage.client()
    trades = trader.handle.subscribe_trades(LINEAR)
    seen = [(await anext(trades)).id]
    await first.end(signal.SIGKILL)
    await second.until("main", "active", within=TAKEOVER_S)
    gaps = 0
    async with asyncio.timeout(20):
        while gaps == 0 or len(seen) < 5:
            try:
                seen.append((await anext(trades)).id)
            except StreamGap:
                gaps += 1
    assert gaps == 1
    assert len(set(seen)) == len(seen)


async def test_a_client_that_stands_still_holds_up_nobody_and_goes_on(stage: Stage, tmp_path: Path) -> None:
    await stage.host()
    trader = await stage.client()
    options = {"servers": [stage.broker.url], "target": "main"}
    config = tmp_path / "slow.toml"
    config.write_text(_toml({"far": {"exchange_id": VENUE, "plugin": "proxy", "options": options}}), encoding="utf-8")
    arguments = ["-m", "fra.core.main", "trades", LINEAR, "--watch", "--json", "--config", str(config)]
    slow = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert slow.stdout is not None
        before = json.loads(await slow.stdout.readline())["timestamp_ms"]
        slow.send_signal(signal.SIGSTOP)
        trades = trader.handle.subscribe_trades(LINEAR)
        async with asyncio.timeout(20):
            seen = [await anext(trades) for _ in range(15)]
        assert len({trade.id for trade in seen}) == len(seen)
        slow.send_signal(signal.SIGCONT)
        async with asyncio.timeout(20):
            while json.loads(await slow.stdout.readline()).get("timestamp_ms", before) < seen[-1].timestamp_ms:
                pass
    finally:
        slow.kill()
        await slow.wait()

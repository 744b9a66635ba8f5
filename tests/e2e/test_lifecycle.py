"""A program's life with both venues: accounts from fra.toml, cuts, a venue that is down, the end; no secret shown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import pickle
import sys
import threading
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from fra.core import (
    BookView,
    ConnectionStatus,
    Event,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    FraError,
    OrderBook,
    PluginManager,
    StreamGap,
    StreamStatus,
    Subscription,
    Trade,
)
from fra.emulator import Emulator, Venue

SYMBOL = "BTC/USDT:USDT"
SPOT = "BTC/USDT"
MARKETS = {"binance": "usdm", "okx": "swap"}
ACCOUNTS = {"binance": "binance", "binance_two": "binance", "okx": "okx", "okx_two": "okx"}
_QUICK = "options = { reconnect_delay = 0.05, reconnect_max_delay = 0.2 }"


def fra_toml(accounts: Mapping[str, tuple[str, Mapping[str, Mapping[str, str]]]], *, keys: bool = True) -> str:
    """A configuration with an account per name: (exchange, URLs by market); keys come from the environment."""
    tables: list[str] = []
    for name, (exchange, markets) in accounts.items():
        tables.append(f'[exchanges.{name}]\nexchange_id = "{exchange}"\n{_QUICK}')
        if keys:
            tables.append(
                "\n".join(
                    f'{key} = "env:{name.upper()}_{key.upper()}"' for key in ("api_key", "secret_key", "passphrase")
                )
            )
        for market, urls in markets.items():
            rows = "\n".join(f'{key} = "{url}"' for key, url in urls.items())
            tables.append(f"[exchanges.{name}.base_url.{market}]\n{rows}")
    return "\n".join(tables) + "\n"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A key, a secret and a passphrase for each account, in the environment; what they are."""
    values: list[str] = []
    for name in ACCOUNTS:
        for key in ("API_KEY", "SECRET_KEY", "PASSPHRASE"):
            values.append(f"cAnArY{len(values):02d}{key.lower().replace('_', '')}{name.replace('_', '')}")
            monkeypatch.setenv(f"{name.upper()}_{key}", values[-1])
    return values


@asynccontextmanager
async def two_venues(**settings: object) -> AsyncIterator[Mapping[str, Venue]]:
    async with Emulator(
        list(MARKETS),
        seed=7,
        funding_push_s=0.2,
        okx_connects_per_s=50,
        **settings,  # type: ignore[arg-type]
    ) as emulator:
        yield emulator.venues


@asynccontextmanager
async def managed(venues: Mapping[str, Venue], folder: Path) -> AsyncIterator[PluginManager]:
    """All accounts, each at the venue of its own name in ``venues``, or else at that of its exchange."""
    path = folder / "fra.toml"
    path.write_text(
        fra_toml({name: (venue, venues.get(name, venues[venue]).markets) for name, venue in ACCOUNTS.items()})
    )
    async with PluginManager.from_config(path) as manager:
        assert manager.failures == {}
        yield manager


class Heard:
    """Counts what comes on each subscription."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def listen(self, name: str, subscription: Subscription[object]) -> None:
        def count(item: object) -> None:
            if not isinstance(item, BookView) or item.valid:
                self.counts[name] += 1
                self._changed.set()

        subscription.add_listener(count)

    async def until(self, condition: Callable[[Counter[str]], bool], *, within: float = 15.0) -> None:
        async with asyncio.timeout(within):
            while not condition(self.counts):
                self._changed.clear()
                await self._changed.wait()

    async def more_of_all(self, count: int = 2) -> None:
        """So many further items on every subscription that ever had one."""
        before = Counter(self.counts)
        await self.until(lambda now: all(now[name] >= before[name] + count for name in before))


def everything(handle: ExchangeHandle) -> dict[str, Subscription[object]]:
    """One subscription of each kind that moves by itself."""
    return {
        f"{handle.name} book": handle.subscribe_orderbook(SYMBOL),
        f"{handle.name} spot book": handle.subscribe_orderbook(SPOT),
        f"{handle.name} trades": handle.subscribe_trades(SYMBOL),
        f"{handle.name} ticker": handle.subscribe_ticker(SYMBOL),
        f"{handle.name} funding": handle.subscribe_funding_rate(SYMBOL),
    }


@attrs.frozen
class Held:
    """What a process holds of the machine."""

    tasks: frozenset[str]
    descriptors: int
    threads: frozenset[str]

    @classmethod
    def now(cls) -> Held:
        tasks = frozenset(task.get_name() for task in asyncio.all_tasks() if not task.done())
        threads = frozenset(thread.name for thread in threading.enumerate())
        return cls(tasks, len(os.listdir("/proc/self/fd")), threads)


async def test_shutdown_leaves_no_task_socket_descriptor_or_thread(tmp_path: Path, secrets: list[str]) -> None:
    async with two_venues() as venues:
        gc.collect()
        before = Held.now()
        async with managed(venues, tmp_path) as manager:
            heard = Heard()
            for handle in manager.get_all_plugins().values():
                for name, subscription in everything(handle).items():
                    heard.listen(name, subscription)
            await heard.until(lambda counts: len(counts) == 5 * len(ACCOUNTS))
            await asyncio.gather(*(handle.get_ticker(SYMBOL) for handle in manager.get_all_plugins().values()))
            assert Held.now().descriptors > before.descriptors
        # Our side is closed already; the venues' ends of it follow.
        for _ in range(500):
            if Held.now() == before and not any(venue.connections for venue in venues.values()):
                break
            await asyncio.sleep(0.01)
        assert Held.now() == before
        await manager.shutdown()


async def test_after_a_cut_every_subscription_is_made_anew_and_iterators_go_on(
    tmp_path: Path, secrets: list[str]
) -> None:
    async with two_venues() as venues, managed(venues, tmp_path) as manager:
        heard = Heard()
        handles = manager.get_all_plugins()
        subscriptions = {name: sub for handle in handles.values() for name, sub in everything(handle).items()}
        for name, subscription in subscriptions.items():
            heard.listen(name, subscription)
        kept: Counter[str] = Counter()
        gaps: list[StreamGap] = []

        async def consume(name: str, subscription: Subscription[object]) -> None:
            while True:
                try:
                    async for item in subscription:
                        assert isinstance(item, OrderBook | Trade)
                        kept[name] += 1
                    return
                except StreamGap as gap:
                    gaps.append(gap)

        consumers = [
            asyncio.create_task(consume(name, sub))
            for name, sub in subscriptions.items()
            if name.endswith(("book", "trades"))
        ]
        await heard.until(lambda counts: len(counts) == len(subscriptions))
        for venue in venues.values():
            topics = Counter(venue.stats.subscriptions)
            before_cut = Counter(kept)
            assert venue.cut() >= len([name for name in ACCOUNTS if ACCOUNTS[name] == venue.name])
            await heard.more_of_all()
            assert venue.stats.subscriptions == Counter({topic: 2 * count for topic, count in topics.items()})
            assert all(kept[name] > count for name, count in before_cut.items())
        assert not any(consumer.done() for consumer in consumers)
        assert all(subscription.status is StreamStatus.LIVE for subscription in subscriptions.values())
        assert {handle.status for handle in handles.values()} == {ConnectionStatus.CONNECTED}
    # The end of the manager is the end of every iterator.
    async with asyncio.timeout(5):
        await asyncio.gather(*consumers)


async def test_a_venue_that_is_down_at_the_start_hurts_no_other_and_can_be_started_later(tmp_path: Path) -> None:
    async with Emulator(["okx"], seed=7) as up, Emulator(["binance"], seed=7) as other:
        markets, port = other.binance.markets, other.binance.port
        await other.stop()
        path = tmp_path / "fra.toml"
        path.write_text(fra_toml({"okx": ("okx", up.okx.markets), "binance": ("binance", markets)}, keys=False))
        async with PluginManager.from_config(path) as manager:
            failure = manager.failures["binance"]
            assert isinstance(failure, ExchangeConnectionError)
            with pytest.raises(ExchangeConnectionError):
                manager.get_plugin("binance")
            async with manager.get_plugin("okx").subscribe_orderbook(SYMBOL) as books, asyncio.timeout(10):
                assert (await anext(books)).valid
            health = await manager.health_check_all()
            assert {name: found.status for name, found in health.items()} == {
                "okx": ConnectionStatus.CONNECTED,
                "binance": ConnectionStatus.ERROR,
            }
            assert health["binance"].detail == str(failure)

            async with Emulator(["binance"], seed=7, port=port):
                binance = await manager.reload_plugin("binance")
                assert (await binance.get_orderbook(SYMBOL)).bids
                assert manager.get_plugin("binance") is binance
                assert dict(manager.failures) == {}


# --- secrets


async def _trouble(handle: ExchangeHandle, venue: Venue, secrets: list[str]) -> list[BaseException]:
    """Everything that may make an adapter talk about itself: refusals that quote the request, garbage, time-outs."""
    errors: list[BaseException] = []
    quoted = " ".join(secrets)
    bodies = [
        json.dumps({"code": -2015, "msg": f"Invalid API-key {quoted}"}) if venue.name == "binance"
        else json.dumps({"code": "50111", "msg": f"Invalid OK-ACCESS-KEY {quoted}", "data": []}),
        f"<html>{quoted}</html>",
        json.dumps({"bids": quoted, "data": quoted}),
    ]  # fmt: skip
    for status, body in ((401, bodies[0]), (500, bodies[1]), (200, bodies[2]), (403, bodies[1])):
        answer = venue.answer_with(status, body, headers={"X-Echo": quoted})
        for call in (handle.get_orderbook(SYMBOL), handle.health_check(), handle.get_balance()):
            try:
                await call
            except FraError as error:
                errors.append(error)
        answer.left = 0
    venue.answer_normally()
    return errors


def _shown(error: BaseException) -> str:
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error))
    with contextlib.suppress(Exception):
        told += repr(pickle.dumps(error))
    return told


def _apart(ones: Mapping[str, Venue], others: Mapping[str, Venue]) -> Mapping[str, Venue]:
    return {**ones, **{f"{name}_two": venue for name, venue in others.items()}}


async def test_no_secret_is_in_a_log_a_repr_an_error_or_an_event(
    tmp_path: Path, secrets: list[str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    # A venue quotes to an account what that account sent: the second ones have venues of their own.
    async with two_venues() as ones, two_venues() as others, managed(_apart(ones, others), tmp_path) as manager:
        venues = _apart(ones, others)
        manager.register_event_handler(Event, lambda event: told.append(repr(event)))
        config = manager.config_manager
        told += [repr(manager), repr(config), json.dumps(config.describe(), default=str)]
        for name, handle in manager.get_all_plugins().items():
            venue = venues[name]
            own = [secret for secret in secrets if secret.endswith(name.replace("_", ""))]
            exchange = config.get_exchange_config(name)
            assert [secret.reveal() for secret in exchange.secrets()] == own
            told += [repr(exchange), str(exchange), repr(attrs.asdict(exchange)), f"{exchange.api_key}", repr(handle)]
            async with handle.subscribe_orderbook(SYMBOL) as books:
                greeted = asyncio.Event()
                books.add_listener(lambda view, greeted=greeted: greeted.set() if view.valid else None)
                venue.push_raw(json.dumps({"event": "error", "code": "60012", "msg": " ".join(own), "arg": own}))
                venue.push_raw(" ".join(own))
                errors = await _trouble(handle, venue, own)
                assert any(isinstance(error, ExchangeAuthError) for error in errors)
                assert any(isinstance(error, ExchangeError) and error.code == "malformed" for error in errors)
                venue.cut()
                async with asyncio.timeout(10):
                    greeted.clear()
                    await greeted.wait()
                told += [repr(books), repr(books.error), *map(_shown, errors)]
        told += [repr(health) for health in (await manager.health_check_all()).values()]
    told += [record.getMessage() + repr(vars(record)) for record in caplog.records]
    told += list(capfd.readouterr())
    assert len(told) > 100
    assert [text for text in told if any(secret in text for secret in secrets)] == []


@pytest.mark.parametrize(
    "command",
    [["health", "--json"], ["book", SYMBOL, "--json"], ["config", "check"], ["plugins", "--json"], ["funding", "BTC"]],
    ids=lambda command: " ".join(command),
)
async def test_no_secret_is_in_what_a_command_prints(command: list[str], tmp_path: Path, secrets: list[str]) -> None:
    async with two_venues() as venues:
        (tmp_path / "fra.toml").write_text(fra_toml({name: (name, venue.markets) for name, venue in venues.items()}))
        for name, code in (("okx", "50111"), ("binance", -2015)):
            # A venue that quotes the account's own secrets in its refusal.
            own = " ".join(secret for secret in secrets if secret.endswith(name))
            venues[name].answer_with(401, json.dumps({"code": code, "msg": own}), path="funding-rate")
            venues[name].answer_with(401, json.dumps({"code": code, "msg": own}), path="premiumIndex")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fra.core.main", *command,
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(30):
            out, err = (text.decode() for text in await process.communicate())
    assert out + err
    assert [secret for secret in secrets if secret in out + err] == []

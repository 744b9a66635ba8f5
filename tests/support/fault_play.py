"""Plays one scenario: an adapter meets its fault, recovers, and everything that was told is held to the truth."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import attrs
from fault_kinds import Resolver, Stage
from fault_leaks import Owned, Remains
from fault_orders import OrderCalls
from fault_paper import PaperFills, PaperTrader
from fault_players import PLAYERS, STALE_S, TIMEOUT_S
from fault_proxy import Proxy
from fault_scenarios import Call, Feed, Phase, Scenario
from fault_truth import Truth
from fault_witness import Witness
from order_scenarios import Intent
from order_verdict import Verdict
from order_witness import WEALTH, Journal, Trader

from fra.core import ExchangeError, ExchangeHandle, FraError, NotSupported, PluginManager, PluginRegistry, StreamStatus
from fra.emulator import Account, Venue

SLACK_S = 1.5
"""Of a busy machine."""
STILL_S = 5.0
"""So long after the market's last move book and ticker may take to be its own."""


class Late(str):
    """What is wrong is that something did not happen in time, which a machine without time may be to blame for."""

    __slots__ = ()


class Violation(AssertionError):
    """What was told is not what is, or not in time."""

    def __init__(self, wrong: Sequence[str]) -> None:
        super().__init__("\n".join(dict.fromkeys(wrong)))
        self.late = all(isinstance(one, Late) for one in wrong)
        """Whether that is all."""


@attrs.define(eq=False)
class World:
    """What scenarios of a lane have in common."""

    venue: Venue
    resolver: Resolver
    registry: PluginRegistry
    remains: Remains
    tls: Callable[[], tuple[ssl.SSLContext, ssl.SSLContext]]
    """Fresh contexts of a server: the right one, and one with the certificate of another."""


@attrs.define
class Outcome:
    """What came of a scenario."""

    met: bool = False
    recovery_s: float = 0.0
    compared: int = 0
    trades: int = 0
    gaps: int = 0
    calls: list[tuple[Call, str]] = attrs.field(factory=list)
    orders: int = 0
    fills: int = 0


class Play:
    """One scenario being played."""

    def __init__(self, scenario: Scenario, world: World, attempt: int = 0) -> None:
        self.scenario = scenario
        self.player = PLAYERS[scenario.plugin]
        self._attempt = attempt
        self.world = world
        self.outcome = Outcome()
        self._wrong: list[str] = []

    async def run(self) -> Outcome:
        """Raises Violation."""
        scenario, world = self.scenario, self.world
        venue = world.venue
        right, other = world.tls() if scenario.tls else (None, None)
        named = scenario.kind.named or scenario.tls
        host = f"s{scenario.seed}.{world.resolver.domain}" if named else "127.0.0.1"
        try:
            async with Proxy(venue.port, tls=right, wrong=other) as proxy:
                with Owned() as owned:
                    stage = self._stage(proxy, host)
                    await self._play(stage)
                if not await proxy.left(self.player.recovery_s / 2):
                    self._wrong.append(f"{len(proxy.links)} connections are still open after all was closed")
                self._wrong += [f"a task goes on after all was closed: {task}" for task in await owned.left()]
        finally:
            venue.clock_offset_ms = 0
            venue.answer_normally()
            venue.refuse_connections(False)
            venue.speak_again()
        if self._wrong:
            raise Violation(self._wrong)
        return self.outcome

    def _stage(self, proxy: Proxy, host: str) -> Stage:
        scenario = self.scenario
        return Stage(
            venue=self.world.venue,
            proxy=proxy,
            resolver=self.world.resolver,
            host=host,
            books=[],
            where=scenario.where,
            seconds=scenario.seconds,
            times=scenario.times,
            deep=scenario.deep,
            amount=scenario.amount,
            rng=Random(scenario.seed),
        )

    def _config(self, stage: Stage, account: Account) -> dict[str, Any]:
        venue, scenario = stage.venue, self.scenario
        http, ws = ("https", "wss") if scenario.tls else ("http", "ws")
        at = f"//{stage.host}:{stage.proxy.port}"
        urls = {
            market: {
                key: url.replace(f"http://127.0.0.1:{venue.port}", f"{http}:{at}").replace(
                    f"ws://127.0.0.1:{venue.port}", f"{ws}:{at}"
                )
                for key, url in table.items()
            }
            for market, table in venue.markets.items()
        }
        options = self.player.options(scenario)
        if scenario.plugin == "ccxt" and scenario.tls:
            options["ccxt"] = {"cafile": os.environ["SSL_CERT_FILE"]}  # it brings authorities of its own
        keys = {"api_key": account.key, "secret_key": account.secret}
        if venue.name == "okx":
            keys["passphrase"] = account.passphrase
        plugin = f"{venue.name}{self.player.suffix}"
        made = {"exchange_id": venue.name, "plugin": plugin, "base_url": urls, "timeout": TIMEOUT_S}
        return {**made, "options": options, **keys}

    def _exchanges(self, config: dict[str, Any]) -> dict[str, Any]:
        """What is configured; what is traded on comes last."""
        if self.scenario.plugin != "paper":
            return {"main": config}
        market = {key: value for key, value in config.items() if key not in ("api_key", "secret_key", "passphrase")}
        options = {"market_data": "main", "balances": WEALTH, "stale_after": STALE_S}
        return {"main": market, "paper": {"exchange_id": "paper", "options": options}}

    async def _play(self, stage: Stage) -> None:
        scenario, venue = self.scenario, self.world.venue
        account = Account(
            key=f"key-{scenario.seed:07d}-{self._attempt}-of-{venue.name}",
            secret=f"secret-{scenario.seed}",
            passphrase=f"word-{scenario.seed}",
            name=f"trader {scenario.seed} {self._attempt}",
            balances=WEALTH,
        )
        venue.open_account(account)
        config = self._config(stage, account)
        if scenario.phase is Phase.STARTING:
            await self._start_under_fault(stage, config)
        journal = Journal()
        async with AsyncExitStack() as stack:

            async def start() -> list[ExchangeHandle]:
                exchanges = self._exchanges(config)
                manager = PluginManager.from_config(
                    {"exchanges": exchanges}, registry=self.world.registry, journal=journal
                )
                self.world.remains.note(scenario.seed, manager)
                await stack.enter_async_context(manager)
                handles = [manager.get_plugin(name) for name in exchanges]
                await handles[-1].get_symbols()
                self.world.remains.note(scenario.seed, *handles)
                return handles

            handles = await self._patiently("start", start)
            handle = handles[-1]
            truth = Truth(venue, handle.symbol(scenario.symbol))
            truth.freeze(frozen=False)
            stage.books.append(truth.key)
            fills: PaperFills | None = None
            if scenario.plugin == "paper":
                trader: Trader = PaperTrader(handle, venue, journal)
                fills = PaperFills(handle, handles[0].subscribe_orderbook(scenario.symbol), truth)
                await fills.moves()
            else:
                trader = Trader(handle, venue, account, journal)
            witness = Witness(handle, scenario.symbol, truth)
            witness.watch(Feed.ACCOUNT, trader.stream)
            witness.start()
            try:
                await self._meet(stage, trader, witness)
            finally:
                await witness.close()
                venue.exchange.cancel_all(account)
                if fills is not None:
                    self._wrong += fills.close()

    async def _start_under_fault(self, stage: Stage, config: dict[str, Any]) -> None:
        """It starts, or says with an error of fra's that it cannot; and leaves nothing."""
        async with self.scenario.kind.fault(stage):
            try:
                async with asyncio.timeout(self.player.recovery_s):
                    exchanges = self._exchanges(config)
                    manager = PluginManager.from_config({"exchanges": exchanges}, registry=self.world.registry)
                    async with manager:
                        await manager.get_plugin([*exchanges][-1]).get_symbols()
            except FraError:
                pass
            except TimeoutError:
                self._wrong.append(Late(f"it has neither started nor refused to within {self.player.recovery_s:g} s"))
            self.outcome.met = stage.met()
        self.world.remains.note(self.scenario.seed, manager)

    async def _patiently(self, what: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer as soon as there is one. Raises Violation when there is none within the deadline."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.player.recovery_s
        while True:
            try:
                return await ask()
            except ExchangeError as error:
                if loop.time() > until or isinstance(error, NotSupported):
                    raise Violation([Late(f"{what} does not work again: {error!r}")]) from None
                await asyncio.sleep(0.05)

    # --- the fault

    async def _meet(self, stage: Stage, trader: Trader, witness: Witness) -> None:
        scenario = self.scenario
        calls = OrderCalls(trader, scenario.symbol, scenario.seed, one_sided=scenario.plugin == "paper")
        if scenario.phase is not Phase.SUBSCRIBING:
            for feed in scenario.feeds:
                witness.open(feed)
            await self._whole(witness, "at first")
            await calls.create(Intent.REST_AND_CANCEL)
            if scenario.plugin == "paper":
                await calls.create(Intent.REST_AND_FILL)
        if scenario.phase is not Phase.STARTING:
            async with scenario.kind.fault(stage):
                if scenario.phase is Phase.SUBSCRIBING:
                    for feed in scenario.feeds:
                        witness.open(feed)
                for call in scenario.calls:
                    await calls.under_fault(call)
                await self._felt(stage, witness)
                self.outcome.met = stage.met()
        began = asyncio.get_running_loop().time()
        await self._whole(witness, f"after {scenario.kind.name!r}")
        self.outcome.recovery_s = asyncio.get_running_loop().time() - began
        await calls.afterwards(self._patiently)
        await self._settle(trader, witness, calls)

    async def _felt(self, stage: Stage, witness: Witness) -> None:
        """Hold the fault until it has befallen something, and until those were told who must be."""
        scenario = self.scenario
        seen = {feed: heard.items for feed, heard in witness.heard.items()}
        await witness.until(lambda: stage.met(), 1.0)
        if not scenario.kind.told or scenario.phase is Phase.SUBSCRIBING or scenario.where.value == "REST":
            await witness.until(lambda: any(h.items > seen[f] + 1 or not h.live for f, h in witness.heard.items()), 1.0)
            return
        if not stage.met():
            return
        must = [heard for feed, heard in witness.heard.items() if self._must_tell(feed) and not heard.polled]
        limit = self.player.told_s
        await witness.until(lambda: all(not heard.live for heard in must), limit * 2.5 + 4 * SLACK_S)
        for heard in must:
            if heard.live:
                self._wrong.append(Late(f"{heard.feed.value}: no data for {heard.subscription.age} s, and called live"))
            elif heard.told_after is not None and heard.told_after > limit + SLACK_S and heard.items:
                late = f"{heard.feed.value}: told after {heard.told_after:.2f} s that there are no data"
                self._wrong.append(Late(f"{late}, the limit is {limit:g} s"))

    def _must_tell(self, feed: Feed) -> bool:
        """Where only the data are silent and pings go on, quiet is normal for some streams. Paper's account is here."""
        if feed is Feed.ACCOUNT and self.scenario.plugin == "paper":
            return False
        if self.scenario.kind.name == "open and silent":
            return feed in self.player.watched
        return True

    async def _whole(self, witness: Witness, when: str) -> None:
        """Every stream is live, and those that move have brought something since."""
        heard = witness.heard
        since = {feed: one.items for feed, one in heard.items()}

        def whole() -> bool:
            return all(one.live and (not one.moves or one.items > since[feed]) for feed, one in heard.items()) or any(
                one.failed for one in heard.values()
            )

        if await witness.until(whole, self.player.recovery_s) and not any(one.failed for one in heard.values()):
            return
        for feed, one in heard.items():
            if one.failed is not None:
                self._wrong.append(f"{feed.value}: ended {when} with {one.failed!r}")
            elif not one.live or (one.moves and one.items <= since[feed]):
                status, error = one.subscription.status, one.subscription.error
                self._wrong.append(
                    Late(f"{feed.value}: not whole {when} within {self.player.recovery_s:g} s: {status}, {error!r}")
                )
        raise Violation(self._wrong)

    # --- the verdict

    async def _settle(self, trader: Trader, witness: Witness, calls: OrderCalls) -> None:
        """Let the market stand still, and compare."""
        truth, outcome, heard = witness.truth, self.outcome, witness.heard
        truth.freeze()
        for feed, agrees in (
            (Feed.BOOK, lambda last: self._book_is_now(heard[Feed.BOOK], truth)),
            (Feed.TICKER, truth.has_best),
        ):
            one = heard.get(feed)
            if one is not None and not await witness.until(
                lambda one=one, a=agrees: a(one.last), self.player.recovery_s / 4
            ):
                self._wrong.append(Late(f"{feed.value}: the market stands still, and {one.last} is not the venue's"))
        self._wrong += witness.wrong
        self._wrong += witness.trades_wrong(any_order=self.scenario.kind.swaps, loses=self.scenario.kind.loses)
        self._wrong += witness.klines_wrong()
        self._wrong += calls.wrong
        self._wrong += map(Late, calls.late)
        self._wrong += await self._orders_wrong(trader, calls)
        outcome.compared = witness.compared
        outcome.trades = len(heard[Feed.TRADES].log) if Feed.TRADES in heard else 0
        outcome.gaps = sum(one.gaps for one in heard.values())
        outcome.calls = calls.outcomes
        outcome.orders = len(trader.true_orders())
        outcome.fills = sum(trader.true_fills().values())

    async def _orders_wrong(self, trader: Trader, calls: OrderCalls) -> Sequence[str]:
        """What is wrong with what was told of orders, by a stream that is live: one that is not says itself that
        there is more to come."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.player.recovery_s
        while True:
            live = trader.stream.status is StreamStatus.LIVE
            wrong = await Verdict(trader, calls.placed, settle_s=6.0).wrong()
            live = live and trader.stream.status is StreamStatus.LIVE
            if live or not wrong:
                return wrong
            if loop.time() > until:
                return [Late(one) for one in wrong]

    @staticmethod
    def _book_is_now(heard: Any, truth: Truth) -> bool:
        view = heard.last
        return not view.valid or truth.is_now(view)

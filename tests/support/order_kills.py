"""One emulated venue, processes that are killed while they place an order there, and what is found out afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
from order_process import request_of

from fra.core import (
    DuplicateOrder,
    Fill,
    FillReceived,
    Order,
    OrderChanged,
    OrderFate,
    OrderStatus,
    PluginManager,
    RecoveredOrder,
    Side,
)
from fra.emulator import Account, Emulator, Venue
from fra.matching import Order as TrueOrder
from fra.matching import Side as TrueSide

SYMBOL = "BTC/USDT:USDT"
WEALTH = {"USDT": Decimal(50_000_000), "BTC": Decimal(100)}
WHILE_AWAY_MS = 600_000
"""Longer than an order can be on its way, and than a venue needs to show it; shorter than it forgets one."""
PROCESS = Path(__file__).with_name("order_process.py")
Point = tuple[int, str]


@attrs.define
class Killed:
    """One order, the process that placed it and died at ``point`` (None: it did not), and what is known of it."""

    name: str
    account: Account
    request: dict[str, str]
    point: Point | None
    at: list[str] = attrs.field(factory=list)
    """Where it was suspended, in order."""
    exit: int = 0
    first: RecoveredOrder | None = None
    """What the next process found out at once."""
    later: RecoveredOrder | None = None
    """What the one after that found out, ten minutes on."""
    sent_again: bool = False
    changes: list[Order] = attrs.field(factory=list)
    fills: list[Fill] = attrs.field(factory=list)

    @property
    def filled(self) -> bool:
        """Whether that was told, and by a fill."""
        return bool(self.fills and self.changes and self.changes[-1].status is OrderStatus.FILLED)

    def __str__(self) -> str:
        kind = "rests" if self.request["time_in_force"] == "GTC" else "takes"
        where = "" if self.point is None else f" {self.point[1]} {self.at[-1]}"
        return f"an order that {kind}, killed at {self.point}{where}"


class Scene:
    """A venue and all that is done to it."""

    def __init__(self, venue: Venue, folder: Path) -> None:
        self.venue = venue
        self.folder = folder
        self.killed: list[Killed] = []
        self._process: asyncio.subprocess.Process | None = None
        self._prices: dict[str, tuple[str, str]] = {}
        self._news = asyncio.Event()

    # --- the processes that die

    async def start(self) -> None:
        """Have a process that has imported all, and prices for orders of both kinds."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROCESS),
            self.venue.name,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "FRA_JOURNAL": str(self.folder)},
        )
        async with PluginManager.from_config({"exchanges": {"look": self._config(None)}}) as manager:
            handle = manager.get_plugin("look")
            await handle.get_symbols()
            symbol = handle.symbol(SYMBOL)
        self.venue.freeze_book(symbol.market, symbol.venue_id)
        best, size = self.venue.book(symbol.market, symbol.venue_id).asks[0]
        for kind, factor in (("GTC", "0.98"), ("IOC", "1.01")):
            price = symbol.round_price(Decimal(best) * Decimal(factor), Side.BUY)
            least = max(symbol.min_amount or Decimal(0), (symbol.min_notional or Decimal(0)) / price * 2)
            amount = symbol.round_amount(least + symbol.amount(Decimal(size)) / 10)
            self._prices[kind] = (str(price), str(amount))
        await self._told()

    async def stop(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _told(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return said

    def _config(self, account: Account | None) -> dict[str, object]:
        config: dict[str, object] = {"exchange_id": self.venue.name, "base_url": self.venue.markets}
        if account is not None:
            config |= {"api_key": account.key, "secret_key": account.secret}
            if self.venue.name == "okx":
                config["passphrase"] = account.passphrase
        return config

    async def place(self, kind: str, point: Point | None) -> Killed:
        """Have a process place an order (``GTC`` rests, ``IOC`` takes), and die there."""
        number = len(self.killed)
        account = Account(
            key=f"key-{number:06d}-of-{self.venue.name}",
            secret=f"secret-{number}",
            passphrase=f"word-{number}",
            name=f"trader {number}",
            balances=WEALTH,
        )
        self.venue.open_account(account)
        price, amount = self._prices[kind]
        request = {"symbol": SYMBOL, "side": "buy", "price": price, "amount": amount, "time_in_force": kind}
        request["client_order_id"] = f"{7_700_000 + number}"
        killed = Killed(f"main{number}", account, request, point)
        self.killed.append(killed)
        job = {"configuration": {"exchanges": {"main": self._config(account)}}, "request": request, "point": point}
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(job)}\n".encode())
        while "ended" not in (said := await self._told()):
            if "suspended" in said:
                killed.at.append(said["at"])
        killed.exit = said["ended"]
        return killed

    # --- those that come after them

    @asynccontextmanager
    async def next_process(self) -> AsyncIterator[PluginManager]:
        """Every account at once, in a process that has sent none of the orders: this one."""
        exchanges = {killed.name: self._config(killed.account) for killed in self.killed}
        configuration = {"exchanges": exchanges, "journal": {"folder": str(self.folder)}}
        manager = PluginManager.from_config(configuration)
        manager.register_event_handler(OrderChanged, self._on_change)
        manager.register_event_handler(FillReceived, self._on_fill)
        async with manager:
            yield manager

    def of(self, name: str | None) -> Killed:
        """What is known of the order of an instance."""
        return next(killed for killed in self.killed if killed.name == name)

    def _on_change(self, event: OrderChanged) -> None:
        self.of(event.exchange).changes.append(event.order)
        self._news.set()

    def _on_fill(self, event: FillReceived) -> None:
        self.of(event.exchange).fills.append(event.fill)
        self._news.set()

    async def recover(self, manager: PluginManager) -> dict[str, RecoveredOrder]:
        """What became of the open intents, by instance."""

        async def one(killed: Killed) -> Sequence[RecoveredOrder]:
            return await manager.get_plugin(killed.name).recover_orders()

        found = await asyncio.gather(*map(one, self.killed))
        return {killed.name: orders[0] for killed, orders in zip(self.killed, found, strict=True) if orders}

    async def send_again(self, manager: PluginManager) -> None:
        """What a bot may do that starts its loop over: the same order under the same name, while nobody knows."""
        for killed in self.killed:
            if killed.first is not None and killed.first.fate is OrderFate.UNKNOWN:
                try:
                    await manager.get_plugin(killed.name).create_order(request_of(killed.request))
                    killed.sent_again = True
                except DuplicateOrder:
                    pass

    async def fill_all(self, manager: PluginManager) -> None:
        """Everything that rests trades, while the new process listens."""
        resting = {
            true.id: killed for killed in self.killed for true in self.true_orders(killed) if true.status.is_open
        }
        streams = [manager.get_plugin(killed.name).subscribe_user_data() for killed in self.killed]
        await asyncio.gather(*(stream.ready() for stream in streams))
        exchange = self.venue.exchange
        for killed in resting.values():
            for true in self.true_orders(killed):
                assert true.price is not None
                exchange.engine.trade(true.symbol, true.price, true.amount, TrueSide.SELL, now_ms=exchange.now_ms())
        async with asyncio.timeout(20):
            while not all(killed.filled for killed in resting.values()):
                self._news.clear()
                await self._news.wait()

    def time_passes(self) -> None:
        """Ten minutes, in which nobody was there."""
        names = ("begun_ms", "deadline_ms", "changed_ms")
        columns = ", ".join(f"{name} = {name} - {WHILE_AWAY_MS}" for name in names)
        for database in self._databases():
            with database:
                database.execute(f"UPDATE intents SET {columns}")

    # --- what is true

    def true_orders(self, killed: Killed) -> list[TrueOrder]:
        return [*self.venue.exchange.engine.orders(killed.account.name)]

    def written(self, killed: Killed) -> list[tuple[str, str]]:
        """Name and status of everything in the journal of this account."""
        rows: list[tuple[str, str]] = []
        for database in self._databases():
            rows += database.execute(
                "SELECT client_order_id, status FROM intents WHERE client_order_id = ?",
                (killed.request["client_order_id"],),
            ).fetchall()
        return rows

    def _databases(self) -> Iterator[sqlite3.Connection]:
        """Every journal, save those whose process died before they were more than an empty file."""
        for path in self.folder.glob("*.sqlite"):
            database = sqlite3.connect(path)
            try:
                if database.execute("PRAGMA user_version").fetchone() != (0,):
                    yield database
            finally:
                database.close()


@asynccontextmanager
async def scene(name: str, folder: Path) -> AsyncIterator[Scene]:
    """A venue whose books stand still, and a process ready to be killed."""
    async with Emulator([name], seed=3, enforce_limits=False, levels=40, step_ms=500) as emulator:
        made = Scene(emulator.venues[name], folder)
        try:
            await made.start()
            yield made
        finally:
            await made.stop()

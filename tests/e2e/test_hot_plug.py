"""A running program whose fra.toml is edited: what was edited follows, and no other stream notices anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

from traders import LINEAR, PATIENCE_S, emulator

from fra.core import (
    BookView,
    ErrorRaised,
    ExchangeHandle,
    PluginLoaded,
    PluginManager,
    StreamGapped,
    StreamStatus,
    StreamStatusChanged,
    Trade,
)
from fra.emulator import Venue


def table(name: str, venue: Venue, *, timeout: int = 10) -> str:
    urls = "".join(
        f"[exchanges.{name}.base_url.{market}]\n" + "".join(f'{key} = "{url}"\n' for key, url in found.items())
        for market, found in venue.markets.items()
    )
    return f'[exchanges.{name}]\nexchange_id = "{venue.name}"\ntimeout = {timeout}\n{urls}'


class Listened:
    """The trades and the book of an exchange as its listeners are called."""

    def __init__(self, handle: ExchangeHandle) -> None:
        self.ids: list[str] = []
        self.invalid = 0
        self.more = asyncio.Event()
        self.trades, self.books = handle.subscribe_trades(LINEAR), handle.subscribe_orderbook(LINEAR)
        self.trades.add_listener(self._trade)
        self.books.add_listener(self._book)

    def _trade(self, trade: Trade) -> None:
        self.ids.append(trade.id)
        self.more.set()

    def _book(self, view: BookView) -> None:
        self.invalid += not view.valid

    async def go_on(self) -> None:
        """Wait for another trade."""
        self.more.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self.more.wait()


async def test_what_is_edited_follows_and_nothing_else_notices(tmp_path: Path) -> None:
    file = tmp_path / "fra.toml"
    async with emulator("okx", "binance") as venues:
        okx, binance = venues.venues["okx"], venues.venues["binance"]
        file.write_text(table("okx", okx) + table("binance", binance))
        async with PluginManager.from_config(file) as manager, manager.watch() as watch:
            events: list[object] = []
            loaded: list[str] = []
            for kind in (StreamGapped, StreamStatusChanged, ErrorRaised):
                manager.register_event_handler(kind, events.append)
            manager.register_event_handler(PluginLoaded, lambda event: loaded.append(event.exchange))
            streams = {name: Listened(manager.get_plugin(name)) for name in ("okx", "binance")}
            async with asyncio.timeout(PATIENCE_S):
                for listened in streams.values():
                    await listened.books.ready()
                    await listened.trades.ready()
            events.clear()

            file.write_text(table("okx", okx, timeout=9) + table("binance", binance) + table("second", okx))
            async with asyncio.timeout(PATIENCE_S):
                changes = await anext(watch)
            assert (changes.reloaded, changes.started, changes.stopped) == (("okx",), ("second",), ())
            for listened in streams.values():
                await listened.go_on()
            assert sorted(loaded) == ["okx", "second"]

            file.write_text(table("okx", okx, timeout=9) + table("binance", binance))
            async with asyncio.timeout(PATIENCE_S):
                assert (await anext(watch)).stopped == ("second",)
            for listened in streams.values():
                await listened.go_on()
            assert [str(event) for event in events] == []
            for listened in streams.values():
                numbers = [int(each) for each in listened.ids]
                assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]
                assert listened.invalid == 0
                assert listened.trades.status is listened.books.status is StreamStatus.LIVE

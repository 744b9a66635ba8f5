"""Public trades of a venue that counts anew."""

from __future__ import annotations

import asyncio

from fra.core import PluginManager, Trade
from fra.emulator import Emulator

CONTRACT = "BTC/USDT:USDT"


async def test_trades_go_on_where_their_numbers_begin_anew() -> None:
    async with Emulator(["htx"], seed=5, step_ms=20, levels=20) as emulator:
        config = {"exchanges": {"htx": {"exchange_id": "htx", "base_url": emulator.htx.markets}}}
        async with PluginManager.from_config(config) as manager:
            heard: asyncio.Queue[Trade] = asyncio.Queue()
            subscription = manager.get_plugin("htx").subscribe_trades(CONTRACT)
            subscription.add_listener(heard.put_nowait)
            async with asyncio.timeout(10):
                before = await heard.get()
                emulator.htx.renumber_book("linear", "BTC-USDT")
                while int((await heard.get()).id) >= int(before.id):
                    pass

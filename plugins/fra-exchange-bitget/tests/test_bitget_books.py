"""Streamed books of Bitget: one that begins anew holds nothing of the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ccxt_plain import Heard, Speaking, with_recordings

from fra.core import BookView
from fra.exchanges.bitget import BitgetPlugin

pytestmark = with_recordings
FIRST = [{"bids": [["50.2", "1"]], "asks": [["50.3", "2"]], "ts": "1779871668415"}]
SECOND = [{"bids": [["50.1", "1"]], "asks": [["50.4", "2"]], "ts": "1779871668515"}]


def react(frame: dict[str, Any]) -> Iterable[Any]:
    for arg in frame["args"] if frame["op"] == "subscribe" else ():
        for data in (FIRST, SECOND):
            yield {"action": "snapshot", "arg": arg, "data": data, "ts": 1779871668415}


async def test_a_snapshot_takes_the_place_of_the_book_before() -> None:
    came = asyncio.Event()

    def prices(view: BookView) -> list[Decimal]:
        made = [level.price for level in (*view.bids(), *view.asks())]
        if Decimal("50.1") in made:
            came.set()
        return made

    async with Speaking(react=react).adapter("bitget", cls=BitgetPlugin) as bitget:
        heard = Heard(bitget.subscribe_orderbook(bitget.symbol("LTC/USDT:USDT")), prices)
        async with asyncio.timeout(20):
            await came.wait()
        books = await heard.until(1)
    assert books[-1] == [Decimal("50.1"), Decimal("50.4")]

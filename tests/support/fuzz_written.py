"""Streams on ccxt of exchanges that no emulator plays: heard once from a venue that speaks as it is written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import attrs
from aiohttp import web
from ccxt_local import Local
from fuzz_ccxt import Free
from fuzz_ccxt_streams import GOODBYE_S, Answers, CcxtStreamBench
from fuzz_channels import CHANNELS, overheard, until
from written import COINS, PRICE, RATE, Written
from written_bitfinex import BITFINEX
from written_bitget import BITGET
from written_cryptocom import CRYPTOCOM
from written_gate import GATE
from written_kucoin import KUCOIN
from written_mexc import MEXC

from fra.adapters.ccxt import CCXTAdapter, CCXTOptions, streams
from fra.core import ErrorRaised, Fill, FundingRate, Kline, Operation, Order, Ticker, Trade

_ALL: Final = 100
"""Frames of a connection: they were written down for it."""

WRITTEN: Final[Mapping[str, Written]] = {
    "bitfinex": BITFINEX,
    "bitget": BITGET,
    "cryptocom": CRYPTOCOM,
    "gate": GATE,
    "kucoin": KUCOIN,
    "mexc": MEXC,
}


@attrs.define
class Telling(Local):
    """A venue that speaks by :class:`Written`, and counts what it said."""

    written: Written | None = None
    sent: int = 0

    async def serve(self, request: web.Request) -> web.Response:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await super().serve(request)
        assert self.written is not None
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        if self.written.greeting is not None:
            await self._say(ws, self.written.greeting)
        async for message in ws:
            for frame in self.written.react(json.loads(message.data)):
                await self._say(ws, frame)
        return ws  # type: ignore[return-value]

    async def _say(self, ws: web.WebSocketResponse, frame: Any) -> None:
        self.sent += 1
        await ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))


class _Host:
    """Hears what one adapter reports."""

    def __init__(self, plugin: CCXTAdapter) -> None:
        self._context: Any = plugin.context

    def register_event_handler(self, kind: type[ErrorRaised], handler: Callable[[ErrorRaised], None], /) -> None:
        self._context.emit = lambda event: handler(event) if isinstance(event, kind) else None

    async def shutdown(self) -> None:
        pass  # whoever made the adapter ends it


def _understood(bench: CcxtStreamBench, telling: Telling) -> bool:
    """Whether all that was said has come, and is of two coins at the price."""
    return bench.heard() == telling.sent and _amount(bench.learned.last) == (Decimal(PRICE), Decimal(COINS))


def _amount(item: Any) -> tuple[Decimal, Decimal] | None:
    """Price and coins that an item speaks of."""
    match item:
        case (True, _, ((price, amount, *_), *_), _):  # a book
            return price, amount
        case Trade() | Fill():
            return item.price, item.amount
        case Order():
            return item.average_price or Decimal(0), item.filled
        case Ticker():
            return item.last or Decimal(0), Decimal(COINS)
        case Kline():
            return item.close, item.volume
        case FundingRate() if item.rate == Decimal(RATE):
            return Decimal(PRICE), Decimal(COINS)
    return None


@asynccontextmanager
async def written_stream_benches(name: str) -> AsyncIterator[dict[str, CcxtStreamBench]]:
    """The channels that ccxt streams of an exchange, each after it was heard once."""
    written, benches = WRITTEN[name], dict[str, CcxtStreamBench]()
    options = CCXTOptions(reconnect_delay=1e-6, reconnect_max_delay=1e-6, ccxt=written.settings)
    goodbye, streams._GOODBYE_S = streams._GOODBYE_S, GOODBYE_S  # type: ignore[misc]  # nobody answers to it
    telling = Telling(written.answer, written=written)
    try:
        async with telling.adapter(name, cls=written.plugin, options=options, rate_limit={}) as plugin:
            plugin.client.open()  # as loading the markets does
            answers, symbol = Answers(plugin.client, written.nothing), plugin.symbol(written.symbol)
            for channel in CHANNELS:
                operation = Operation(f"subscribe_{channel}")
                if plugin.capabilities.support(operation, symbol.kind).mode == "polled":
                    continue
                bench, telling.sent = CcxtStreamBench(name, channel, plugin, symbol), 0
                await bench.learn(lambda bench=bench: until(lambda: _understood(bench, telling)), items=0, frames=_ALL)
                benches[channel] = bench
            answers.recording = False
            plugin.budget._limiter = Free(())  # type: ignore[attr-defined]
            async with overheard(_Host(plugin), benches):
                yield benches
    finally:
        streams._GOODBYE_S = goodbye  # type: ignore[misc]

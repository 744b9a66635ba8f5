"""A whole adapter, for a made-up venue that talks lines of JSON over TCP (tiny_venue.py beside this file)."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

from fra import core
from fra.core import MarketKind, Operation, OrderBook, Symbol, Ticker, Trade

CAN = (Operation.GET_ORDERBOOK, Operation.GET_TICKER, Operation.SUBSCRIBE_ORDERBOOK, Operation.SUBSCRIBE_TRADES)


class TinyExchange(core.ExchangePluginInterface):
    capabilities = core.ExchangeCapabilities.of((Operation.GET_SYMBOLS, *CAN), [MarketKind.SPOT])

    @classmethod
    def describe(cls) -> core.ExchangeMetadata:
        return core.ExchangeMetadata("tiny", "Tiny Exchange", "1.0", core.PluginType.CUSTOM, cls.capabilities)

    async def initialize(self) -> None:
        self.host, _, self.port = str(self.config.base_url).removeprefix("tcp://").partition(":")

    async def connect(self) -> None:
        await self._ask(op="time")

    async def disconnect(self) -> None:
        """Nothing to do: every question and every stream closes its own connection."""

    async def health_check(self) -> core.Health:
        now, venue = self.context.now_ms(), (await self._ask(op="time"))["time"]
        latency, skew = (self.context.now_ms() - now) / 1000, (venue - now) / 1000
        status = core.ConnectionStatus.CONNECTED
        return core.Health(exchange="tiny", status=status, checked_ms=now, latency=latency, clock_skew=skew)

    async def get_symbols(self) -> list[Symbol]:
        rows = (await self._ask(op="markets"))["markets"]
        return [Symbol(f"{r['base']}/{r['quote']}", r["id"], MarketKind.SPOT, r["base"], r["quote"],
                       tick_size=Decimal(r["tick"]), lot_size=Decimal(r["lot"])) for r in rows]  # fmt: skip

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        return self._book(symbol, await self._ask(op="book", market=symbol.venue_id))

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        book = await self.get_orderbook(symbol)
        return Ticker(symbol.name, book.received_ms, book.timestamp_ms, bid=book.bids[0].price, ask=book.asks[0].price)

    async def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> AsyncIterator[OrderBook]:
        async with aclosing(self._lines(op="watch", channel="book", market=symbol.venue_id)) as rows:
            async for row in rows:
                yield self._book(symbol, row)

    async def subscribe_trades(self, symbol: Symbol) -> AsyncIterator[Trade]:
        async with aclosing(self._lines(op="watch", channel="trades", market=symbol.venue_id)) as rows:
            async for row in rows:
                price, amount, side = Decimal(row["price"]), Decimal(row["amount"]), core.Side(row["taker"])
                yield Trade(symbol.name, row["id"], price, amount, side, row["time"], self.context.now_ms())

    def _book(self, symbol: Symbol, row: dict[str, Any]) -> OrderBook:
        bids, asks = ([core.PriceLevel(Decimal(p), Decimal(a)) for p, a in row[side]] for side in ("bids", "asks"))
        return OrderBook(symbol=symbol.name, bids=bids, asks=asks, sequence=row["seq"],
                         timestamp_ms=row["time"], received_ms=self.context.now_ms())  # fmt: skip

    async def _ask(self, **question: str) -> dict[str, Any]:
        async with aclosing(self._lines(**question)) as answers:
            async for answer in answers:
                return answer
        raise core.ExchangeConnectionError("the venue hung up without an answer")

    async def _lines(self, **question: str) -> AsyncGenerator[dict[str, Any], None]:
        reader, writer = await asyncio.open_connection(self.host, int(self.port))
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            async for line in reader:
                answer = json.loads(line)
                if "error" in answer:
                    raise core.ExchangeAPIError(answer["error"], code=answer["code"], response=line)
                yield answer
        finally:
            writer.close()


async def main() -> None:
    from tiny_venue import TinyVenue  # type: ignore[import-not-found]

    registry = core.PluginRegistry()
    registry.register_plugin("tiny", TinyExchange)  # a package says this with an entry point in its pyproject.toml
    async with (
        TinyVenue() as venue,
        core.connect("tiny", base_url=venue.url, registry=registry) as tiny,
        tiny.subscribe_orderbook("BTC/USD", depth=1) as books,
    ):
        async for book in books:
            print(book.symbol, book.sequence, book.best_bid, book.best_ask)  # noqa: T201
            if book.sequence is not None and book.sequence >= 5:
                break


if __name__ == "__main__":
    asyncio.run(main())

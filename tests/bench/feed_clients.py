"""The clients of the feed: the floor, ccxt.pro and fra, each in a process of its own.

`python feed_clients.py CLIENT KIND PORT COUNT LAST` reads the whole feed and prints one JSON object: CPU seconds from
just before the stream starts until its last message was handled, how many updates reached the caller, and the
arrival times. KIND is `book` or `trades`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial

Result = dict[str, object]


async def floor(kind: str, port: int, count: int, last: int) -> Result:
    """The least that a Python client can do: aiohttp, a typed msgspec decode, a dict-and-bisect float book."""
    import aiohttp
    import msgspec

    class Depth(msgspec.Struct):
        U: int
        u: int
        pu: int
        b: list[tuple[float, float]]
        a: list[tuple[float, float]]

    class AggTrade(msgspec.Struct):
        a: int
        p: Decimal
        q: Decimal
        T: int
        m: bool

    class Snapshot(msgspec.Struct):
        lastUpdateId: int
        bids: list[tuple[float, float]]
        asks: list[tuple[float, float]]

    class Side:
        def __init__(self, sign: int) -> None:
            self.sign, self.levels, self.keys = sign, {}, []  # type: ignore[var-annotated]

        def apply(self, rows: list[tuple[float, float]]) -> None:
            levels, keys, sign = self.levels, self.keys, self.sign
            for price, size in rows:
                key = price * sign
                if size:
                    if key not in levels:
                        insort(keys, key)
                    levels[key] = size
                elif key in levels:
                    del levels[key]
                    del keys[bisect_left(keys, key)]

    arrivals: list[tuple[int, int]] = []
    clock = time.monotonic_ns
    async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://127.0.0.1:{port}/ws") as socket:
        if kind == "trades":
            decode_trade = msgspec.json.Decoder(AggTrade, strict=False).decode
            await socket.send_str('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}')
            await socket.receive()
            begin = time.process_time()
            while True:
                trade = decode_trade((await socket.receive()).data)
                arrivals.append((trade.a, clock()))
                if trade.a == last:
                    break
            return {"cpu": time.process_time() - begin, "delivered": len(arrivals), "arrivals": arrivals}
        await socket.send_str('{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}')
        await socket.receive()
        begin = time.process_time()
        async with session.get(f"http://127.0.0.1:{port}/fapi/v1/depth") as answer:
            snapshot = msgspec.json.Decoder(Snapshot, strict=False).decode(await answer.read())
        bids, asks = Side(-1), Side(1)
        bids.apply(snapshot.bids)
        asks.apply(snapshot.asks)
        decode = msgspec.json.Decoder(Depth, strict=False).decode
        while True:
            event = decode((await socket.receive()).data)
            if event.u < snapshot.lastUpdateId:
                continue
            bids.apply(event.b)
            asks.apply(event.a)
            _top = (-bids.keys[0], asks.keys[0])
            arrivals.append((event.u, clock()))
            if event.u == last:
                break
        return {"cpu": time.process_time() - begin, "delivered": len(arrivals), "arrivals": arrivals}


async def ccxt_pro(kind: str, port: int, count: int, last: int) -> Result:
    """ccxt.pro as its users write it: a loop around watch_order_book or watch_trades."""
    import ccxt.pro

    exchange = ccxt.pro.binanceusdm({"options": {"fetchCurrencies": False, "tradesLimit": 1_000_000}})
    rest, socket = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/ws"
    for key in list(exchange.urls["api"]):
        if key.startswith("fapi"):
            exchange.urls["api"][key] = f"{rest}/fapi/v1"
    exchange.urls["api"]["ws"] = _replaced(exchange.urls["api"]["ws"], socket)
    arrivals: list[tuple[int, int]] = []
    clock = time.monotonic_ns
    try:
        await exchange.load_markets()
        begin = time.process_time()
        while True:
            if kind == "trades":
                trades = await exchange.watch_trades("BTC/USDT:USDT")
                now = clock()
                arrivals += [(int(trade["id"]), now) for trade in trades]
            else:
                book = await exchange.watch_order_book("BTC/USDT:USDT")
                _top = (book["bids"][0], book["asks"][0])
                arrivals.append((book["nonce"], clock()))
            if arrivals and arrivals[-1][0] == last:
                break
        delivered = len({number for number, _ in arrivals})
        return {"cpu": time.process_time() - begin, "delivered": delivered, "arrivals": arrivals}
    finally:
        await exchange.close()


def _replaced(urls: object, url: str) -> object:
    return {key: _replaced(value, url) for key, value in urls.items()} if isinstance(urls, dict) else url


async def fra(kind: str, port: int, count: int, last: int, *, transport: str = "aiohttp") -> Result:
    """fra as its users write it: a handle and a listener."""
    from fra.core import BookView, Trade, connect

    arrivals: list[tuple[int | str, int]] = []
    last_id = str(last)
    done = asyncio.Event()
    clock = time.monotonic_ns

    def on_book(view: BookView) -> None:
        if not view.valid:
            return
        _top = (view.best_bid, view.best_ask)
        arrivals.append((view.sequence or 0, clock()))
        if view.sequence == last:
            done.set()

    def on_trade(trade: Trade) -> None:
        arrivals.append((trade.id, clock()))
        if trade.id == last_id:
            done.set()

    urls = {"usdm": {"rest": f"http://127.0.0.1:{port}", "ws": f"ws://127.0.0.1:{port}"}}
    async with connect("binance", base_url=urls, markets=("usdm",), options={"transport": transport}) as exchange:
        await exchange.get_symbols()
        begin = time.process_time()
        if kind == "trades":
            subscription = exchange.subscribe_trades("BTC/USDT:USDT")
            subscription.add_listener(on_trade)
        else:
            book = exchange.subscribe_orderbook("BTC/USDT:USDT")
            book.add_listener(on_book)
        await done.wait()
        cpu = time.process_time() - begin
        return {"cpu": cpu, "delivered": len(arrivals), "arrivals": [(int(number), at) for number, at in arrivals]}


CLIENTS: dict[str, Callable[[str, int, int, int], Awaitable[Result]]] = {
    "floor": floor,
    "ccxt.pro": ccxt_pro,
    "fra": fra,
    "fra+picows": partial(fra, transport="picows"),
}


async def main() -> None:
    name, kind, port, count, last = sys.argv[1:6]
    result = await CLIENTS[name](kind, int(port), int(count), int(last))
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())

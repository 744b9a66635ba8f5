"""A loopback feed in Binance's USD-M format, as fast as it can or paced: the same bytes for every client.

`python feed_server.py KIND COUNT RATE` prints its port and serves until its parent closes stdin. KIND is `book`,
`trades`, `burst` or the path of a recorded book capture (JSON Lines, perhaps gzipped). RATE is messages per second, 0
as fast as possible. Every message is prepared before the first client comes, so that only sending costs time.

Messages go out one by one, so that a quick client is woken, and charged, for few at a time; those of a `burst`, which
are trades too, in large writes: every client is kept busy, and only its own work per message is left.

A client connects to any WebSocket path, subscribes, and asks for the book snapshot by REST: the messages that follow
the snapshot are held until it does. `GET /sent` gives the monotonic send time in ns of every message.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
import time
from pathlib import Path

from aiohttp import web

SYMBOL = "BTCUSDT"
WRITE = 500  # messages
LEAD = 3  # messages sent before the snapshot is asked for


def generated_book(count: int, seed: int = 11) -> tuple[dict[str, object], list[str], list[int]]:
    """A snapshot of 1,000 levels a side and `count` deltas of about 35 changed levels a side near the top."""
    rng = random.Random(seed)
    mid = 1_000_000  # in ticks of 0.1
    bids = {mid - 1 - i: rng.randint(1, 9_000) for i in range(1000)}
    asks = {mid + 1 + i: rng.randint(1, 9_000) for i in range(1000)}
    last = 5_000_000
    snapshot: dict[str, object] = {}
    frames: list[str] = []
    ids: list[int] = []
    for number in range(count + LEAD):
        if number == LEAD:
            snapshot = {
                "lastUpdateId": last,
                "E": 1_790_000_000_000,
                "T": 1_790_000_000_000,
                "bids": [[f"{p / 10:.2f}", f"{q / 1000:.3f}"] for p, q in sorted(bids.items(), reverse=True)[:1000]],
                "asks": [[f"{p / 10:.2f}", f"{q / 1000:.3f}"] for p, q in sorted(asks.items())[:1000]],
            }
        step = rng.choice((-1, 0, 0, 1))
        mid += step
        changes: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for side, levels, sign in ((0, bids, -1), (1, asks, 1)):
            crossed = [p for p in levels if (p - mid) * sign <= 0]
            for price in crossed:
                del levels[price]
                changes[side][price] = 0
            for _ in range(35 - min(len(crossed), 30)):
                price = mid + sign * (1 + int(rng.expovariate(1 / 60)))
                size = 0 if price in levels and rng.random() < 0.3 and len(levels) > 500 else rng.randint(1, 9_000)
                changes[side][price] = size
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)
        previous, first, last = last, last + 1, last + rng.randint(1, 40)
        if number == LEAD:  # USD-M: the first event to apply spans the snapshot's own id
            first = previous
        stamp = 1_790_000_000_000 + number * 100
        frames.append(
            json.dumps(
                {
                    "e": "depthUpdate",
                    "E": stamp,
                    "T": stamp - 3,
                    "s": SYMBOL,
                    "U": first,
                    "u": last,
                    "pu": previous,
                    "b": [[f"{p / 10:.2f}", f"{q / 1000:.3f}"] for p, q in sorted(changes[0].items(), reverse=True)],
                    "a": [[f"{p / 10:.2f}", f"{q / 1000:.3f}"] for p, q in sorted(changes[1].items())],
                },
                separators=(",", ":"),
            )
        )
        ids.append(last)
    return snapshot, frames, ids


def recorded_book(path: Path) -> tuple[dict[str, object], list[str], list[int]]:
    """The snapshot and the deltas of a capture, from a few before the first that the snapshot needs."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        rows = [json.loads(line) for line in lines]
    snapshot = next(json.loads(row["raw"]) for row in rows if row["dir"] == "http")
    events = [json.loads(row["raw"]) for row in rows if row["dir"] == "recv"]
    events = [event.get("data", event) for event in events]
    events = [event for event in events if event.get("e") == "depthUpdate"]
    start = next(i for i, event in enumerate(events) if event["u"] >= snapshot["lastUpdateId"])
    events = events[max(0, start - LEAD) :]
    return snapshot, [json.dumps(e, separators=(",", ":")) for e in events], [e["u"] for e in events]


def generated_trades(count: int, seed: int = 11) -> tuple[dict[str, object], list[str], list[int]]:
    """`count` aggregate trades."""
    rng = random.Random(seed)
    frames, price = [], 1_000_000
    for number in range(count):
        price += rng.choice((-1, 0, 0, 1))
        stamp = 1_790_000_000_000 + number
        frames.append(
            f'{{"e":"aggTrade","E":{stamp},"a":{7_000_000 + number},"s":"{SYMBOL}","p":"{price / 10:.2f}",'
            f'"q":"{rng.randint(1, 9000) / 1000:.3f}","f":{8_000_000 + number},"l":{8_000_000 + number},'
            f'"T":{stamp - 2},"m":{"true" if rng.random() < 0.5 else "false"}}}'
        )
    return {}, frames, [7_000_000 + number for number in range(count)]


def framed(message: bytes) -> bytes:
    """One unmasked text message, as RFC 6455 has it."""
    size = len(message)
    if size < 126:
        return bytes((0x81, size)) + message
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + message
    return b"\x81\x7f" + size.to_bytes(8, "big") + message


class Feed:
    """One prepared feed: each connection gets all of it."""

    def __init__(self, kind: str, count: int, rate: float) -> None:
        self.burst = kind == "burst"
        if kind in ("trades", "burst"):
            self.snapshot, self.frames, self.ids = generated_trades(count)
            self.channel = f"{SYMBOL.lower()}@aggTrade"
        else:
            made = generated_book(count) if kind == "book" else recorded_book(Path(kind))
            self.snapshot, self.frames, self.ids = made
            self.channel = f"{SYMBOL.lower()}@depth@100ms"
        self.rate = rate
        self.sent = [0] * len(self.frames)
        self.snapshot_asked = asyncio.Event()

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, autoping=True)
        await socket.prepare(request)
        combined = "stream" in request.path
        task: asyncio.Task[None] | None = None
        async for message in socket:
            if message.type is not web.WSMsgType.TEXT:
                continue
            asked = json.loads(message.data)
            await socket.send_str(json.dumps({"result": None, "id": asked.get("id")}))
            if task is None and any("@" in str(stream) for stream in asked.get("params", ())):
                task = asyncio.create_task(self.send(socket, request.transport, combined))
        if task:
            task.cancel()
        return socket

    async def blast(self, transport: asyncio.WriteTransport, frames: list[str]) -> None:
        """Everything, in writes of many messages."""
        packed = [framed(frame.encode()) for frame in frames]
        for start in range(0, len(packed), WRITE):
            transport.write(b"".join(packed[start : start + WRITE]))
            # A transport tells only its protocol, aiohttp's, when its buffer has been sent.
            while transport.get_write_buffer_size() > 500 * WRITE:  # noqa: ASYNC110
                await asyncio.sleep(0.0005)

    async def send(self, socket: web.WebSocketResponse, transport: asyncio.WriteTransport, combined: bool) -> None:
        frames = self.frames
        if combined:
            frames = [f'{{"stream":"{self.channel}","data":{frame}}}' for frame in frames]
        if self.burst:
            await self.blast(transport, frames)
            return
        clock = time.monotonic_ns
        start = clock()
        for number, frame in enumerate(frames):
            if number == LEAD and self.snapshot:
                await self.snapshot_asked.wait()
                start = clock() - (int(number * 1e9 / self.rate) if self.rate else 0)
            if self.rate:
                wait = start + number * 1e9 / self.rate - clock()
                if wait > 200_000:
                    await asyncio.sleep(wait / 1e9)
            self.sent[number] = clock()
            await socket.send_str(frame)

    async def depth(self, request: web.Request) -> web.Response:
        self.snapshot_asked.set()
        return web.json_response(self.snapshot)

    async def info(self, request: web.Request) -> web.Response:
        filters = [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10", "minPrice": "0.1", "maxPrice": "9999999"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
            {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "100"},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ]
        symbol = {
            "symbol": SYMBOL, "pair": SYMBOL, "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
            "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8,
            "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": [], "triggerProtect": "0.05",
            "liquidationFee": "0.01", "marketTakeBound": "0.05", "filters": filters,
            "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC", "IOC", "FOK"],
        }  # fmt: skip
        return web.json_response(
            {"timezone": "UTC", "serverTime": int(time.time() * 1000), "rateLimits": [], "assets": [],
             "exchangeFilters": [], "symbols": [symbol]}
        )  # fmt: skip

    async def other(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.socket(request)
        match request.path.rsplit("/", 1)[-1]:
            case "depth":
                return await self.depth(request)
            case "exchangeInfo":
                return await self.info(request)
            case "time":
                return web.json_response({"serverTime": int(time.time() * 1000)})
            case "sent":
                return web.json_response({"ids": self.ids, "sent": self.sent})
            case "ping":
                return web.json_response({})
            case _:
                return web.json_response([])


async def serve(kind: str, count: int, rate: float) -> None:
    feed = Feed(kind, count, rate)
    app = web.Application()
    app.router.add_get("/{tail:.*}", feed.other)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(json.dumps({"port": port, "count": len(feed.frames), "last": feed.ids[-1]}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))

"""Sequence rules of both venues over bare sockets, checked against the venue's true book by an independent replay."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from fra.emulator import Emulator

Side = dict[str, str]


def put(side: Side, rows: list[list[str]]) -> None:
    for price, size, *_ in rows:
        if float(size) == 0:
            side.pop(price, None)
        else:
            side[price] = size


async def get(http: aiohttp.ClientSession, url: str, **params: object) -> Any:
    async with http.get(url, params={k: str(v) for k, v in params.items()}) as response:
        assert response.status == 200, await response.text()
        return await response.json()


MARKETS = [
    ("spot", "/stream?streams=btcusdt@depth@100ms", "/api/v3/depth", 5000),
    ("usdm", "/public/stream?streams=btcusdt@depth@100ms", "/fapi/v1/depth", 1000),
    ("usdm", "/stream?streams=btcusdt@depth", "/fapi/v1/depth", 1000),
]


@pytest.mark.parametrize(("market", "path", "rest", "limit"), MARKETS)
async def test_binance_deltas_bridge_the_snapshot_and_replay_to_the_true_book(
    http: aiohttp.ClientSession, wire: Callable[..., Any], market: str, path: str, rest: str, limit: int
) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        venue = emulator.binance
        urls = venue.markets[market]
        socket = await wire(urls["ws"] + path)
        buffered = [(await socket.hear())["data"] for _ in range(3)]
        snapshot = await get(http, urls["rest"] + rest, symbol="BTCUSDT", limit=limit)
        last = snapshot["lastUpdateId"]
        bids, asks = (dict(snapshot[k]) for k in ("bids", "asks"))
        bridged, previous, compared = False, 0, 0
        while compared < 5:
            event = buffered.pop(0) if buffered else (await socket.hear())["data"]
            if bridged:
                assert event["pu" if market == "usdm" else "U"] == (previous if market == "usdm" else previous + 1)
            elif event["u"] < last + (market == "spot"):
                continue
            else:
                assert event["U"] <= last + (market == "spot") <= event["u"]
                bridged = True
            put(bids, event["b"])
            put(asks, event["a"])
            previous = event["u"]
            true = venue.book(market, "BTCUSDT", previous)
            assert (bids, asks) == (dict(true.bids), dict(true.asks))
            compared += 1


async def test_a_stale_binance_snapshot_is_older_than_what_is_buffered(
    http: aiohttp.ClientSession, wire: Callable[..., Any]
) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        venue = emulator.binance
        urls = venue.markets["spot"]
        await get(http, urls["rest"] + "/api/v3/depth", symbol="BTCUSDT")
        early = await wire(urls["ws"] + "/ws/btcusdt@depth@100ms")
        for _ in range(3):
            await early.hear()
        late = await wire(urls["ws"] + "/ws/btcusdt@depth@100ms")
        first = await late.hear()
        venue.stale_snapshots("spot", "BTCUSDT", steps=1000)
        stale = await get(http, urls["rest"] + "/api/v3/depth", symbol="BTCUSDT")
        fresh = await get(http, urls["rest"] + "/api/v3/depth", symbol="BTCUSDT")
        assert stale["lastUpdateId"] < first["U"] - 1 < fresh["lastUpdateId"]


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_binance_book_ticker_equals_the_book_of_the_same_id(wire: Callable[..., Any], market: str) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        socket = await wire(emulator.binance.markets[market]["ws"] + "/ws/ethusdt@bookTicker")
        for _ in range(5):
            event = await socket.hear()
            true = emulator.binance.book(market, "ETHUSDT", event["u"])
            assert ((event["b"], event["B"]), (event["a"], event["A"])) == (true.bids[0], true.asks[0])


@pytest.mark.parametrize("symbol", ["BTC-USDT", "BTC-USDT-SWAP", "PEPE-USDT-SWAP"])
async def test_okx_updates_chain_and_replay_to_the_true_book(wire: Callable[..., Any], symbol: str) -> None:
    async with Emulator(["okx"], seed=7) as emulator:
        venue = emulator.okx
        market = "swap" if symbol.endswith("SWAP") else "spot"
        # the later ones join while the first is in mid-stream: one chain of ids serves all
        for _ in range(3):
            socket = await wire(venue.markets[market]["ws"])
            await socket.say({"op": "subscribe", "id": "x1", "args": [{"channel": "books", "instId": symbol}]})
            ack = await socket.hear()
            assert (ack["event"], ack["id"], ack["arg"]) == ("subscribe", "x1", {"channel": "books", "instId": symbol})
            bids: Side = {}
            asks: Side = {}
            last = -1
            for n in range(4):
                message = await socket.hear()
                assert message["action"] == ("snapshot" if n == 0 else "update")
                (data,) = message["data"]
                assert (data["prevSeqId"], data["checksum"]) == (last, 0)
                put(bids, data["bids"])
                put(asks, data["asks"])
                last = data["seqId"]
                true = venue.book(market, symbol, last)
                assert (bids, asks) == (dict(true.bids), dict(true.asks))


async def test_okx_top_of_book_equals_the_book_of_the_same_id(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], seed=7) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        await socket.say({"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "ETH-USDT-SWAP"}]})
        await socket.hear()
        for _ in range(5):
            (data,) = (await socket.hear())["data"]
            true = emulator.okx.book("swap", "ETH-USDT-SWAP", data["seqId"])
            assert (tuple(data["bids"][0][:2]), tuple(data["asks"][0][:2])) == (true.bids[0], true.asks[0])


async def test_okx_without_initial_snapshot_bridges_from_rest(
    http: aiohttp.ClientSession, wire: Callable[..., Any]
) -> None:
    async with Emulator(["okx"], seed=7, okx_initial_snapshot=False) as emulator:
        urls = emulator.okx.markets["swap"]
        socket = await wire(urls["ws"])
        await socket.say({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT-SWAP"}]})
        assert (await socket.hear())["event"] == "subscribe"
        first = await socket.hear()
        assert first["action"] == "update"
        books = await get(http, urls["rest"] + "/api/v5/market/books", instId="BTC-USDT-SWAP", sz=400)
        sequence = books["data"][0]["seqId"]
        bridge = await socket.hear_until(lambda m: m["data"][0]["seqId"] > sequence)
        assert bridge["data"][0]["prevSeqId"] <= sequence


async def test_a_quiet_okx_book_repeats_its_id(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], seed=7, book_heartbeat_s=0.2) as emulator:
        venue = emulator.okx
        socket = await wire(venue.markets["swap"]["ws"])
        await socket.say({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT-SWAP"}]})
        venue.freeze_book("swap", "BTC-USDT-SWAP")
        beat = await socket.hear_until(lambda m: "data" in m and m["data"][0]["seqId"] == m["data"][0]["prevSeqId"])
        assert (beat["data"][0]["bids"], beat["data"][0]["asks"]) == ([], [])


async def test_okx_ids_may_restart_lower_and_still_chain(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], seed=7) as emulator:
        venue = emulator.okx
        socket = await wire(venue.markets["swap"]["ws"])
        await socket.say({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT-SWAP"}]})
        snapshot = await socket.hear_until(lambda m: m.get("action") == "snapshot")
        last = snapshot["data"][0]["seqId"]
        venue.renumber_book("swap", "BTC-USDT-SWAP", 1000)
        while True:
            (data,) = (await socket.hear())["data"]
            assert data["prevSeqId"] == last
            if data["seqId"] < last:
                break
            last = data["seqId"]


async def binance_ids(socket: Any, count: int) -> list[int]:
    return [(await socket.hear())["u"] for _ in range(count)]


@pytest.mark.parametrize("fault", ["drop", "duplicate", "swap"])
async def test_one_delta_is_lost_doubled_or_swapped_on_demand(wire: Callable[..., Any], fault: str) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        venue = emulator.binance
        socket = await wire(venue.markets["usdm"]["ws"] + "/public/ws/btcusdt@depth@100ms")
        events = [await socket.hear()]
        ask = {"drop": venue.drop_next_delta, "duplicate": venue.duplicate_next_delta, "swap": venue.swap_next_deltas}
        pending = ask[fault]("usdm", "BTCUSDT")
        await asyncio.wait_for(pending.applied.wait(), 5)
        while len(events) < 8:
            events.append(await socket.hear())
        ids = [e["u"] for e in events]
        breaks = [after["u"] for before, after in itertools.pairwise(events) if after["pu"] != before["u"]]
        assert breaks
        assert (len(set(ids)) < len(ids)) is (fault == "duplicate")
        assert (ids != sorted(ids)) is (fault == "swap")

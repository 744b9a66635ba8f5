"""Clients from outside, pointed at the emulator by URLs only."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from fra.emulator import Emulator


@pytest.fixture(scope="session")
def ccxt_pro() -> Any:
    """The ccxt.pro module, imported once: it takes most of a second."""
    return pytest.importorskip("ccxt.pro")


def point_binance(client: Any, markets: Mapping[str, Mapping[str, str]]) -> Any:
    spot, usdm = markets["spot"], markets["usdm"]
    client.urls["api"] |= {
        "public": spot["rest"] + "/api/v3",
        "private": spot["rest"] + "/api/v3",
        "v1": spot["rest"] + "/api/v1",
        "sapi": spot["rest"] + "/sapi/v1",
        "fapiPublic": usdm["rest"] + "/fapi/v1",
        "fapiPublicV2": usdm["rest"] + "/fapi/v2",
        "fapiPublicV3": usdm["rest"] + "/fapi/v3",
        "fapiPrivate": usdm["rest"] + "/fapi/v1",
        "fapiPrivateV2": usdm["rest"] + "/fapi/v2",
        "fapiPrivateV3": usdm["rest"] + "/fapi/v3",
        "dapiPublic": usdm["rest"] + "/dapi/v1",
        "eapiPublic": usdm["rest"] + "/eapi/v1",
    }
    ws = client.urls["api"]["ws"]
    ws |= {"spot": spot["ws"] + "/ws", "linear": usdm["ws"] + "/ws"}
    ws["ws-api"] |= {"spot": spot["ws_api"]}
    return client


def point_okx(client: Any, markets: Mapping[str, Mapping[str, str]]) -> Any:
    client.urls["api"] |= {"rest": markets["swap"]["rest"], "ws": markets["swap"]["ws"].removesuffix("/public")}
    return client


def point_bybit(client: Any, markets: Mapping[str, Mapping[str, str]]) -> Any:
    for kind in ("spot", "futures", "v2", "public", "private"):
        client.urls["api"][kind] = markets["linear"]["rest"]
    public = {market: urls["ws"] for market, urls in markets.items()}
    client.urls["api"]["ws"] = {
        "public": public,
        "private": dict.fromkeys(("contract", "usdc"), markets["linear"]["ws_private"]),
    }
    return client


def point_htx(client: Any, markets: Mapping[str, Mapping[str, str]]) -> Any:
    spot, linear = markets["spot"], markets["linear"]
    for kind in ("spot", "public", "private", "v2Public", "v2Private", "status"):
        client.urls["api"][kind] = spot["rest"]
    client.urls["api"]["contract"] = linear["rest"]
    ws = client.urls["api"]["ws"]["api"]
    ws["spot"] = {"public": spot["ws"], "feed": spot["ws_feed"], "private": spot["ws_private"]}
    for kind in ("swap", "future"):
        private = {"private": linear["ws_private"], "privateV5": linear["ws_private_v5"]}
        ws[kind]["linear"] |= {"public": linear["ws"], **private}
    return client


Point = Callable[[Any, Mapping[str, Mapping[str, str]]], Any]


@pytest.fixture(scope="session")
def point() -> Mapping[str, Point]:
    """What points a ccxt client of a venue at its emulated URLs."""
    return {"binance": point_binance, "okx": point_okx, "bybit": point_bybit, "htx": point_htx}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(ccxt_pro: Any, point: Mapping[str, Point]) -> AsyncIterator[Mapping[str, Any]]:
    """A ccxt.pro client of each emulated venue, markets loaded; one for a whole module, since ccxt paces itself."""
    async with Emulator(list(point), seed=7) as emulator:
        clients = {n: point[n](getattr(ccxt_pro, n)(), emulator.venues[n].markets) for n in point}
        try:
            for client in clients.values():
                await client.load_markets()
            yield clients
        finally:
            for client in clients.values():
                await client.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Wire:
    """A bare WebSocket client: JSON in, JSON out (gzipped or not), every wait bounded."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def say(self, message: object) -> None:
        await self.ws.send_str(message if isinstance(message, str) else msgspec.json.encode(message).decode())

    async def frame(self, timeout: float = 5.0) -> aiohttp.WSMessage:
        return await asyncio.wait_for(self.ws.receive(), timeout)

    async def hear(self, timeout: float = 5.0) -> Any:
        frame = await self.frame(timeout)
        if frame.type is aiohttp.WSMsgType.BINARY:
            return msgspec.json.decode(gzip.decompress(frame.data))
        assert frame.type is aiohttp.WSMsgType.TEXT, frame
        return msgspec.json.decode(frame.data)

    async def hear_until(self, wanted: Callable[[Any], bool], timeout: float = 10.0) -> Any:
        async with asyncio.timeout(timeout):
            while True:
                message = await self.hear(timeout)
                if wanted(message):
                    return message


@pytest.fixture
async def wire(http: aiohttp.ClientSession) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare WebSocket connections; closes them all."""
    opened: list[aiohttp.ClientWebSocketResponse] = []

    async def connect(url: str, *, autoping: bool = True) -> Wire:
        ws = await http.ws_connect(url, autoping=autoping)
        opened.append(ws)
        return Wire(ws)

    yield connect
    for ws in opened:
        await ws.close()

"""Connections: pings, deadlines, lifetimes, message limits, subscriptions, errors, and the switches that hurt them."""

import asyncio
import contextlib
import json
import socket as sockets
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from fra.emulator import Account, Clock, Emulator

TEXT, PING, CLOSED = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING, {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
ENDS = CLOSED | {aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR}


async def end_of(socket: Any, timeout: float = 5.0) -> int | None:
    """Read until the connection ends; its close code."""
    async with asyncio.timeout(timeout):
        while (await socket.ws.receive()).type not in ENDS:
            pass
    code = socket.ws.close_code
    return None if code is None else int(code)


@pytest.mark.parametrize("turns", range(6))
async def test_who_connects_in_the_moment_of_the_end_is_cut_too(turns: int) -> None:
    async with Emulator(["okx"]) as emulator:
        with sockets.create_connection(("127.0.0.1", emulator.okx.port)) as client:
            client.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            await emulator.okx.stop()
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


# -- Binance: pings, lifetime, limits


async def test_binance_pings_and_keeps_who_answers(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], ping_interval_s=0.05, pong_timeout_s=0.2) as emulator:
        socket = await wire(emulator.binance.markets["spot"]["ws"] + "/ws/btcusdt@trade", autoping=False)
        for _ in range(6):
            while (frame := await socket.frame()).type is not PING:
                pass
            await socket.ws.pong(frame.data)
        (connection,) = emulator.binance.connections
        assert connection.pongs >= 5


async def test_binance_closes_who_does_not_answer_pings(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], ping_interval_s=0.05, pong_timeout_s=0.2) as emulator:
        socket = await wire(emulator.binance.markets["usdm"]["ws"] + "/market/ws/btcusdt@markPrice@1s", autoping=False)
        assert await end_of(socket) == 1008


async def test_a_binance_connection_ends_with_its_lifetime(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], lifetime_s=0.3) as emulator:
        socket = await wire(emulator.binance.markets["spot"]["ws"] + "/ws/btcusdt@depth@100ms")
        assert (await socket.hear())["e"] == "depthUpdate"
        assert await end_of(socket) == 1001


async def test_binance_spot_warns_before_a_lifetime_ends(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], lifetime_s=0.5) as emulator:
        socket = await wire(emulator.binance.markets["spot"]["ws"] + "/ws")
        assert (await socket.hear())["e"] == "serverShutdown"
        assert await end_of(socket) == 1001


@pytest.mark.parametrize(("market", "allowed"), [("spot", 5), ("usdm", 10)])
async def test_binance_hangs_up_on_too_many_messages(wire: Callable[..., Any], market: str, allowed: int) -> None:
    async with Emulator(["binance"]) as emulator:
        socket = await wire(emulator.binance.markets[market]["ws"] + "/ws")
        for n in range(allowed):
            await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": n})
        answers = [await socket.hear() for _ in range(allowed)]
        assert [a["id"] for a in answers] == list(range(allowed))
        await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 99})
        assert await end_of(socket) == 1008


# -- Binance: listen keys


async def test_a_listen_key_is_a_stream_that_can_be_left(wire: Callable[..., Any]) -> None:
    account = Account(key="key-of-a-listener", secret="secret")
    async with Emulator(["binance"], accounts=[account]) as emulator, aiohttp.ClientSession() as session:
        markets = emulator.binance.markets["usdm"]
        url = markets["rest"] + "/fapi/v1/listenKey"
        async with session.post(url, headers={"X-MBX-APIKEY": account.key}) as answer:
            key = (await answer.json())["listenKey"]
        socket = await wire(markets["ws_private"] + "/stream")
        await socket.say({"method": "SUBSCRIBE", "params": [key], "id": 1})
        assert await socket.hear() == {"result": None, "id": 1}
        assert len([*emulator.binance.user_sockets()]) == 1
        emulator.binance.expire_listen_keys()
        told = await socket.hear()
        assert (told["stream"], told["data"]["e"]) == (key, "listenKeyExpired")
        async with session.post(url, headers={"X-MBX-APIKEY": account.key}) as answer:
            key = (await answer.json())["listenKey"]
        await socket.say({"method": "SUBSCRIBE", "params": [key], "id": 2})
        await socket.say({"method": "UNSUBSCRIBE", "params": [key], "id": 3})
        assert [(await socket.hear())["id"] for _ in range(2)] == [2, 3]
        assert not [*emulator.binance.user_sockets()]


# -- Binance: subscriptions

FORMS = [
    ("spot", "/ws/btcusdt@trade", False),
    ("spot", "/stream?streams=btcusdt@trade/ethusdt@trade", True),
    ("usdm", "/ws/btcusdt@trade", False),
    ("usdm", "/stream?streams=btcusdt@trade", True),
    ("usdm", "/public/ws/btcusdt@trade", False),
    ("usdm", "/public/stream?streams=btcusdt@bookTicker", True),
    ("usdm", "/market/stream?streams=btcusdt@aggTrade", True),
    ("usdm", "/market/ws/!markPrice@arr@1s", False),
]


@pytest.mark.parametrize(("market", "path", "combined"), FORMS)
async def test_every_url_form_streams(wire: Callable[..., Any], market: str, path: str, combined: bool) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        socket = await wire(emulator.binance.markets[market]["ws"] + path)
        assert ("stream" in await socket.hear()) is combined


async def test_a_bare_host_is_spot_and_a_routed_one_usdm(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        host = emulator.binance.markets["spot"]["rest"].replace("http", "ws")
        assert "pu" not in await (await wire(host + "/ws/btcusdt@depth@100ms")).hear()
        assert "pu" in await (await wire(host + "/public/ws/btcusdt@depth@100ms")).hear()


async def test_a_stream_on_the_wrong_base_stays_silent(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        socket = await wire(emulator.binance.markets["usdm"]["ws"] + "/public/stream")
        await socket.say({"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade", "btcusdt@bookTicker"], "id": 1})
        assert await socket.hear() == {"result": None, "id": 1}
        heard = {(await socket.hear())["stream"] for _ in range(20)}
        assert heard == {"btcusdt@bookTicker"}


async def test_subscribe_list_and_unsubscribe(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        socket = await wire(emulator.binance.markets["spot"]["ws"] + "/ws")
        await socket.say({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": "a"})
        assert await socket.hear() == {"result": None, "id": "a"}
        await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        assert (await socket.hear_until(lambda m: m.get("id") == 2))["result"] == ["btcusdt@depth@100ms"]
        await socket.say({"method": "UNSUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": 3})
        await socket.hear_until(lambda m: m.get("id") == 3)
        await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 4})
        assert await socket.hear() == {"result": [], "id": 4}


@pytest.mark.parametrize(
    ("said", "code"),
    [("{nonsense", 3), ('{"method":"NOPE","id":1}', 2), ('{"method":"SUBSCRIBE","id":1}', 2), ("[]", 2)],
)
async def test_binance_names_what_is_wrong_with_a_frame(wire: Callable[..., Any], said: str, code: int) -> None:
    async with Emulator(["binance"]) as emulator:
        socket = await wire(emulator.binance.markets["spot"]["ws"] + "/ws")
        await socket.say(said)
        assert (await socket.hear())["error"]["code"] == code


# -- OKX


async def test_okx_answers_text_pings_and_closes_who_is_idle(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], idle_close_s=1.2) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        for _ in range(4):
            await socket.say("ping")
            assert (await socket.frame()).data == "pong"
            await asyncio.sleep(0.35)
        assert await end_of(socket) == 4004


OKX_ERRORS = [
    ({"op": "subscribe", "args": [{"channel": "books", "instId": "NOPE-USDT-SWAP"}]}, "60018"),
    ({"op": "subscribe", "args": [{"channel": "nope", "instId": "BTC-USDT-SWAP"}]}, "60018"),
    ({"op": "subscribe", "args": [{"channel": "candle1m", "instId": "BTC-USDT-SWAP"}]}, "60018"),
    ({"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]}, "60011"),
    ({"op": "nope", "args": []}, "60012"),
    ({"op": "subscribe"}, "60012"),
    ("not json", "60012"),
]


@pytest.mark.parametrize(("said", "code"), OKX_ERRORS)
async def test_okx_refuses_with_its_own_code(wire: Callable[..., Any], said: object, code: str) -> None:
    async with Emulator(["okx"]) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        await socket.say(said)
        answer = await socket.hear()
        assert (answer["event"], answer["code"]) == ("error", code)


async def test_okx_streams_candles_on_business_only(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], seed=7) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws_business"])
        await socket.say({"op": "subscribe", "args": [{"channel": "candle1m", "instId": "BTC-USDT-SWAP"}]})
        assert (await socket.hear())["event"] == "subscribe"
        (row,) = (await socket.hear())["data"]
        assert len(row) == 9


async def test_okx_refuses_logins_and_a_fourth_connection_in_a_second(
    http: aiohttp.ClientSession, wire: Callable[..., Any]
) -> None:
    async with Emulator(["okx"]) as emulator:
        url = emulator.okx.markets["swap"]["ws_private"]
        socket = await wire(url)
        await socket.say({"op": "login", "args": [{"apiKey": "k", "passphrase": "p", "timestamp": "1", "sign": "s"}]})
        assert (await socket.hear())["code"] == "60005"
        await wire(url)
        await wire(url)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await wire(url)


async def test_okx_limits_subscriptions_per_hour(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"]) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        for _ in range(481):
            await socket.say({"op": "unsubscribe", "args": [{"channel": "mark-price", "instId": "BTC-USDT-SWAP"}]})
        answers = [await socket.hear() for _ in range(481)]
        assert [a.get("code") for a in answers] == [None] * 480 + ["60014"]


async def test_okx_funding_comes_at_once_and_rolls_over_at_settlement(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], seed=7, settle_in_s=2, clock=Clock(scale=2.0), funding_push_s=0.1) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        await socket.say({"op": "subscribe", "args": [{"channel": "funding-rate", "instId": "LPT-USDT-SWAP"}]})
        first = (await socket.hear_until(lambda m: "data" in m))["data"][0]
        assert int(first["nextFundingTime"]) - int(first["fundingTime"]) == 4 * 3_600_000
        after = await socket.hear_until(lambda m: m["data"][0]["fundingTime"] != first["fundingTime"])
        assert after["data"][0]["fundingTime"] == first["nextFundingTime"]
        assert after["data"][0]["prevFundingTime"] == first["fundingTime"]


async def test_binance_funding_rolls_over_one_message_after_the_settlement(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], seed=7, settle_in_s=2) as emulator:
        socket = await wire(emulator.binance.markets["usdm"]["ws"] + "/market/ws/trbusdt@markPrice@1s")
        events = [await socket.hear()]
        due = events[0]["T"]
        while events[-1]["T"] == due:
            events.append(await socket.hear())
        assert events[-1]["T"] - due == 3_600_000
        assert events[-1]["E"] > due
        assert all(e["E"] <= due for e in events[:-1])


# -- switches


async def test_a_cut_reaches_one_market_only(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        urls = emulator.binance.markets
        spot, usdm = [await wire(urls[m]["ws"] + "/ws/btcusdt@bookTicker") for m in ("spot", "usdm")]
        await spot.hear()
        assert emulator.binance.cut("spot") == 1
        await end_of(spot)
        await usdm.hear()
        assert [c.market for c in emulator.binance.connections] == ["usdm"]


async def test_a_cut_in_mid_frame_leaves_half_a_message(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        socket = await wire(emulator.binance.markets["usdm"]["ws"] + "/ws")
        await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        await socket.hear()
        emulator.binance.cut(mid_frame=True)
        await end_of(socket)
        assert socket.ws.close_code != 1000


async def test_a_silent_venue_keeps_the_connection_and_its_acks(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], seed=7) as emulator:
        emulator.okx.go_silent()
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        await socket.say({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT-SWAP"}]})
        assert (await socket.hear())["event"] == "subscribe"
        with pytest.raises(TimeoutError):
            await socket.hear(timeout=0.5)


async def test_a_deaf_venue_does_not_even_acknowledge(wire: Callable[..., Any]) -> None:
    async with Emulator(["binance"]) as emulator:
        emulator.binance.go_silent(acks=False)
        socket = await wire(emulator.binance.markets["usdm"]["ws"] + "/ws")
        await socket.say({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1})
        with pytest.raises(TimeoutError):
            await socket.hear(timeout=0.3)
        emulator.binance.speak_again()
        await socket.say({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 2})
        assert await socket.hear() == {"result": None, "id": 2}


async def test_any_frame_can_greet_a_new_connection(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"]) as emulator:
        emulator.okx.greet_with(b"\x00" * 1_000_000)
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        frame = await socket.frame()
        assert (frame.type, len(frame.data)) == (aiohttp.WSMsgType.BINARY, 1_000_000)


async def test_okx_tells_its_instruments_on_subscription(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"]) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        await socket.say({"op": "subscribe", "args": [{"channel": "instruments", "instType": "SWAP"}]})
        assert (await socket.hear())["event"] == "subscribe"
        assert {"BTC-USDT-SWAP", "PEPE-USDT-SWAP"} <= {row["instId"] for row in (await socket.hear())["data"]}


async def test_funding_is_paused_and_resumed_while_other_channels_go_on(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"], seed=7, funding_push_s=0.05) as emulator:
        socket = await wire(emulator.okx.markets["swap"]["ws"])
        channels = ("funding-rate", "mark-price")
        await socket.say({"op": "subscribe", "args": [{"channel": c, "instId": "BTC-USDT-SWAP"} for c in channels]})
        await socket.hear_until(lambda m: "data" in m and m["arg"]["channel"] == "funding-rate")
        emulator.okx.pause_funding()
        paused_at = emulator.clock.now_ms()
        heard: list[str] = []
        while heard.count("mark-price") < 3:
            message = await socket.hear()
            if "data" in message and int(message["data"][0]["ts"]) > paused_at:
                heard.append(message["arg"]["channel"])
        assert "funding-rate" not in heard
        emulator.okx.resume_funding()
        await socket.hear_until(lambda m: m["arg"]["channel"] == "funding-rate")


async def test_shutdown_is_announced_in_each_venue_s_own_words(wire: Callable[..., Any]) -> None:
    async with Emulator(["okx", "binance"]) as emulator:
        okx = await wire(emulator.okx.markets["swap"]["ws"])
        binance = await wire(emulator.binance.markets["spot"]["ws"] + "/stream")
        await okx.say("ping")
        await okx.frame()
        await binance.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
        await binance.hear()
        emulator.okx.announce_shutdown()
        emulator.binance.announce_shutdown()
        assert (await okx.hear())["code"] == "64008"
        assert (await binance.hear())["stream"] == "!serverShutdown"


async def test_forged_answers_are_given_as_often_as_asked(http: aiohttp.ClientSession) -> None:
    async with Emulator(["binance"]) as emulator:
        venue = emulator.binance
        url = venue.markets["spot"]["rest"] + "/api/v3/time"
        venue.answer_with(503, json.dumps({"code": -1001, "msg": "down"}), count=1)
        venue.answer_garbage(count=1)
        venue.answer_huge(1_000_000, count=1)
        async with http.get(url) as down:
            assert down.status == 503
        async with http.get(url) as garbage:
            with pytest.raises(ValueError, match="decode"):
                await garbage.json()
        async with http.get(url) as huge:
            assert len(await huge.read()) == 1_000_000
        async with http.get(url) as normal:
            assert (await normal.json())["serverTime"]
        assert venue.stats.answered[503] == 1


async def test_refused_connections_come_back(http: aiohttp.ClientSession, wire: Callable[..., Any]) -> None:
    async with Emulator(["okx"]) as emulator:
        url = emulator.okx.markets["swap"]["ws"]
        emulator.okx.refuse_connections()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await wire(url)
        emulator.okx.refuse_connections(False)
        await wire(url)


async def test_a_shifted_clock_is_told(http: aiohttp.ClientSession) -> None:
    async with Emulator(["okx", "binance"]) as emulator:
        for name, path in (("okx", "/api/v5/public/time"), ("binance", "/fapi/v1/time")):
            venue = emulator.venues[name]
            venue.clock_offset_ms = -60_000
            async with http.get(next(iter(venue.markets.values()))["rest"] + path) as response:
                told = await response.json()
            at = int(told["data"][0]["ts"]) if name == "okx" else told["serverTime"]
            assert abs(at - emulator.clock.now_ms() + 60_000) < 5_000

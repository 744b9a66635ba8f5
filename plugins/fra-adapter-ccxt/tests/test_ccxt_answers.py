"""A message on a socket that is never answered, and what else would be dead for long, or live on, in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ccxt_local import Local

from fra.adapters.ccxt import CCXTOptions
from fra.adapters.ccxt.answers import NAMES, Questions, Unanswered, is_beat
from fra.core import ErrorRaised, PluginManager
from fra.emulator import Emulator

ASKED = {
    "binance": ({"method": "SUBSCRIBE", "params": ["btcusdt@ticker"], "id": 7}, {"result": None, "id": 7}),
    "binance, account": (
        {"id": "1", "method": "userDataStream.subscribe.signature", "params": {}},
        {"id": "1", "status": 200, "result": {"subscriptionId": 0}},
    ),
    "okx": (
        {"op": "subscribe", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]},
        {"event": "subscribe", "arg": {"channel": "tickers", "instId": "BTC-USDT"}, "connId": "1"},
    ),
    "okx, login": ({"op": "login", "args": [{"apiKey": "k"}]}, {"event": "login", "msg": "", "code": "0"}),
    "okx, refused": (
        {"op": "subscribe", "args": [{"channel": "x"}, {"channel": "y"}]},
        {"event": "error", "code": "60012", "msg": "Illegal request"},
    ),
    "bybit": (
        {"op": "subscribe", "req_id": 3, "args": ["tickers.BTCUSDT"]},
        {"success": True, "ret_msg": "", "req_id": 3, "op": "subscribe"},
    ),
    "bybit, login": ({"op": "auth", "args": ["k"]}, {"success": True, "req_id": "", "op": "auth"}),
    "htx": (
        {"sub": "market.btcusdt.ticker", "id": "9"},
        {"id": "9", "status": "ok", "subbed": "market.btcusdt.ticker"},
    ),
    "htx, contracts": ({"op": "sub", "topic": "orders", "cid": "3"}, {"op": "sub", "cid": "3", "err-code": 0}),
    "htx, spot account": (
        {"action": "sub", "ch": "orders#*"},
        {"action": "sub", "code": 200, "ch": "orders#*", "data": {}},
    ),
    "htx, login": ({"op": "auth", "type": "api"}, {"op": "auth", "type": "api", "err-code": 0}),
}
OTHERS = {
    "binance": {"e": "24hrTicker", "s": "BTCUSDT"},
    "okx": {"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": []},
    "bybit": {"topic": "tickers.BTCUSDT", "data": {}},
    "htx": {"action": "push", "ch": "orders#*", "data": {}},
}


class Timer:
    """One that goes off when the test says so."""

    def __init__(self, over: Callable[[], None]) -> None:
        self.over = over
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.mark.parametrize("case", ASKED)
def test_what_was_asked_is_open_until_its_answer_comes(case: str) -> None:
    venue, (message, answer) = case.partition(",")[0], ASKED[case]
    timers: list[Timer] = []
    late: list[Unanswered] = []

    def wait(over: Callable[[], None]) -> Timer:
        timers.append(Timer(over))
        return timers[-1]

    questions = Questions(NAMES[venue], wait, late.append)
    questions.ask(message)
    questions.hear(OTHERS[venue])
    assert questions
    timers[0].over()
    assert "no answer" in str(late[0])
    questions.hear(answer)
    assert not questions
    assert all(timer.cancelled for timer in timers)


@pytest.mark.parametrize(
    "message",
    ["ping", {"op": "ping", "req_id": "4"}, {"pong": 1}, {"action": "pong", "data": {"ts": 1}}, {"op": "pong"}],
)
def test_what_keeps_a_connection_alive_asks_nothing(message: Any) -> None:
    assert is_beat(message)


async def test_a_subscription_that_is_never_answered_is_made_again_on_another_socket() -> None:
    """Pings are answered all the while, by the protocol itself."""
    broken = asyncio.Event()

    def look(event: ErrorRaised) -> None:
        if "no answer to" in str(event.error):
            broken.set()

    async with Emulator(["binance"], seed=3) as emulator:
        venue = emulator.venues["binance"]
        options = {"silence": 0.9, "reconnect_delay": 0.01}
        config = {"exchange_id": "binance", "plugin": "binance_ccxt", "base_url": venue.markets, "options": options}
        async with PluginManager.from_config({"exchanges": {"main": config}}) as manager, asyncio.timeout(20):
            handle = manager.get_plugin("main")
            handle.register_event_handler(ErrorRaised, look)
            await handle.get_symbols()
            venue.faults.deaf = True
            tickers = handle.subscribe_ticker("BTC/USDT")
            await broken.wait()
            venue.faults.deaf = False
            assert (await anext(tickers)).symbol == "BTC/USDT"
            await tickers.close()


async def test_a_socket_is_found_dead_within_the_silence_that_is_configured() -> None:
    options = CCXTOptions(silence=6.0)
    async with Local({}).adapter("okx", options=options) as adapter:
        assert adapter.client.streaming["keepAlive"] == 2000  # ccxt gives up after two in vain
    async with Local({}).adapter("okx", options=CCXTOptions(silence=600.0)) as adapter:
        assert adapter.client.streaming["keepAlive"] == 18_000  # never less often than ccxt does


async def test_a_timer_of_ccxts_ends_with_its_client() -> None:
    async with Local({}).adapter("binance") as adapter:
        client = adapter.client
        client.open()
        timer = client.delay(1_200_000, client.keep_alive_listen_key, {})
    assert timer.cancelled()


async def test_htx_has_the_host_signed_that_is_asked() -> None:
    async with Local({}).adapter("htx") as adapter:
        assert adapter.config.base_url == f"http://{adapter.client.hostname}"
        assert {adapter.client.urls["hostnames"][name] for name in ("spot", "contract")} == {adapter.client.hostname}

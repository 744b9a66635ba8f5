"""Request limits: weights, headers, 429, bans, OKX's rolling windows, and the error codes of bad requests."""

import itertools
from typing import Any

import aiohttp
import pytest

from fra.emulator import Emulator
from fra.emulator.ratelimit import RollingWindow, WeightWindow


async def ask(http: aiohttp.ClientSession, url: str, params: dict[str, str] | None = None) -> tuple[int, Any, Any]:
    async with http.get(url, params=params) as response:
        return response.status, await response.json(), response.headers


def test_a_window_refuses_then_bans_then_forgives() -> None:
    window = WeightWindow(limit=100, window_ms=1000, ban_after=2, ban_ms=5000)
    assert [window.charge(50, 0).status for _ in range(2)] == [200, 200]
    refused = window.charge(1, 400)
    assert (refused.status, refused.wait_ms) == (429, 600)
    assert [window.charge(1, 500).status for _ in range(2)] == [429, 418]
    assert window.charge(1, 1500).status == 418, "a ban outlasts the window"
    assert window.charge(1, 5500).status == 200


def test_a_rolling_window_slides() -> None:
    window = RollingWindow(2, 1000)
    assert [window.take(t) for t in (0, 500, 900, 1001, 1400, 1501)] == [True, True, False, True, False, True]


WEIGHTS = [
    ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "100"}, 5),
    ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5000"}, 250),
    ("/api/v3/exchangeInfo", {}, 20),
    ("/api/v3/ticker/24hr", {}, 80),
    ("/api/v3/ticker/24hr", {"symbols": '["BTCUSDT","ETHUSDT"]'}, 2),
    ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "1000"}, 20),
    ("/fapi/v1/premiumIndex", {}, 10),
    ("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "1000"}, 5),
]


@pytest.mark.parametrize(("path", "params", "weight"), WEIGHTS)
async def test_a_request_weighs_what_binance_says(
    http: aiohttp.ClientSession, path: str, params: dict[str, str], weight: int
) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        status, _, headers = await ask(http, emulator.binance.markets["spot"]["rest"] + path, params)
        assert status == 200
        assert headers["X-MBX-USED-WEIGHT-1M"] == str(weight)
        assert emulator.binance.used_weight("usdm" if path.startswith("/fapi") else "spot") == weight


async def test_binance_answers_429_then_418_and_says_how_long(http: aiohttp.ClientSession) -> None:
    async with Emulator(["binance"], seed=7, rate_window_scale=0.5, ban_after=3) as emulator:
        venue = emulator.binance
        url = venue.markets["spot"]["rest"] + "/api/v3/depth"
        seen: list[int] = []
        while 418 not in seen and len(seen) < 60:
            status, body, headers = await ask(http, url, {"symbol": "BTCUSDT", "limit": "5000"})
            seen.append(status)
            if status != 200:
                assert body["code"] == -1003
                assert 0 < int(headers["Retry-After"]) <= (30 if status == 429 else 60)
        assert seen.count(429) >= 3
        assert seen[-1] == 418
        assert "banned until" in body["msg"]
        assert (venue.stats.answered_429, venue.stats.answered_418) == (seen.count(429), 1)


async def test_a_shortened_window_is_declared(http: aiohttp.ClientSession) -> None:
    async with Emulator(["binance"], seed=7, rate_window_scale=0.1) as emulator:
        _, info, headers = await ask(http, emulator.binance.markets["usdm"]["rest"] + "/fapi/v1/exchangeInfo")
        (weight,) = [r for r in info["rateLimits"] if r["rateLimitType"] == "REQUEST_WEIGHT"]
        assert (weight["interval"], weight["intervalNum"], weight["limit"]) == ("SECOND", 6, 2400)
        assert "X-MBX-USED-WEIGHT-6S" in headers


async def test_okx_counts_each_path_by_itself(http: aiohttp.ClientSession) -> None:
    async with Emulator(["okx"], seed=7, rate_window_scale=10) as emulator:
        rest = emulator.okx.markets["swap"]["rest"] + "/api/v5/"
        books = [await ask(http, rest + "market/books", {"instId": "BTC-USDT-SWAP"}) for _ in range(41)]
        assert [status for status, _, _ in books] == [200] * 40 + [429]
        assert books[-1][1]["code"] == "50011"
        status, _, _ = await ask(http, rest + "public/time")
        assert status == 200
        assert emulator.okx.stats.answered_429 == 1


BINANCE_ERRORS = [
    ("/api/v3/depth", {"symbol": "NOPEUSDT"}, 400, -1121),
    ("/fapi/v1/depth", {"symbol": "NOPEUSDT"}, 400, -1121),
    ("/api/v3/depth", {}, 400, -1102),
    ("/api/v3/depth", {"symbol": "btcusdt"}, 400, -1100),
    ("/api/v3/depth", {"symbol": "BTCUSDT", "limit": "x"}, 400, -1100),
    ("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": "7"}, 400, -4021),
    ("/api/v3/klines", {"symbol": "BTCUSDT", "interval": "7m"}, 400, -1120),
    ("/api/v3/account", {}, 401, -2014),
    ("/fapi/v1/nowhere", {}, 404, -5000),
]


@pytest.mark.parametrize(("path", "params", "status", "code"), BINANCE_ERRORS)
async def test_binance_refuses_with_its_own_code(
    http: aiohttp.ClientSession, path: str, params: dict[str, str], status: int, code: int
) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        answered, body, _ = await ask(http, emulator.binance.markets["spot"]["rest"] + path, params)
        assert (answered, body["code"]) == (status, code)


OKX_ERRORS = [
    ("market/books", {"instId": "NOPE-USDT-SWAP"}, 200, "51001"),
    ("market/books", {}, 400, "50014"),
    ("public/instruments", {}, 400, "51000"),
    ("public/instruments", {"instType": "OPTION"}, 400, "50015"),
    ("public/funding-rate", {"instId": "BTC-USDT"}, 200, "51001"),
    ("market/candles", {"instId": "BTC-USDT", "bar": "7m"}, 400, "51000"),
    ("account/balance", {}, 401, "50103"),
    ("market/nowhere", {}, 404, "404"),
]


@pytest.mark.parametrize(("path", "params", "status", "code"), OKX_ERRORS)
async def test_okx_refuses_with_its_own_code(
    http: aiohttp.ClientSession, path: str, params: dict[str, str], status: int, code: str
) -> None:
    async with Emulator(["okx"], seed=7) as emulator:
        answered, body, _ = await ask(http, emulator.okx.markets["spot"]["rest"] + "/api/v5/" + path, params)
        assert (answered, body["code"]) == (status, code)


async def test_market_kinds_that_are_not_traded_are_valid_and_empty(http: aiohttp.ClientSession) -> None:
    async with Emulator(["binance", "okx"], seed=7) as emulator:
        binance, okx = (emulator.venues[n].markets["spot"]["rest"] for n in ("binance", "okx"))
        assert (await ask(http, binance + "/dapi/v1/exchangeInfo"))[1]["symbols"] == []
        assert (await ask(http, binance + "/eapi/v1/exchangeInfo"))[1]["optionSymbols"] == []
        futures = await ask(http, okx + "/api/v5/public/instruments", {"instType": "FUTURES"})
        assert futures[1] == {"code": "0", "msg": "", "data": []}


async def test_okx_funding_history_pages_backwards_without_a_hole(http: aiohttp.ClientSession) -> None:
    async with Emulator(["okx"], seed=7) as emulator:
        url = emulator.okx.markets["swap"]["rest"] + "/api/v5/public/funding-rate-history"
        times: list[int] = []
        for _ in range(3):
            page = {"instId": "TRB-USDT-SWAP", "limit": "7"} | ({"after": str(times[-1])} if times else {})
            times += [int(row["fundingTime"]) for row in (await ask(http, url, page))[1]["data"]]
        assert {before - after for before, after in itertools.pairwise(times)} == {4 * 3_600_000}
        assert len(times) == 21


async def test_binance_funding_history_is_ascending_from_a_start(http: aiohttp.ClientSession) -> None:
    async with Emulator(["binance"], seed=7) as emulator:
        url = emulator.binance.markets["usdm"]["rest"] + "/fapi/v1/fundingRate"
        start = emulator.clock.now_ms() - 86_400_000
        rows = (await ask(http, url, {"symbol": "TRBUSDT", "startTime": str(start), "limit": "1000"}))[1]
        times = [row["fundingTime"] // 1000 for row in rows]
        assert len(rows) == 24
        assert times == sorted(times)

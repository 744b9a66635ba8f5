"""What leaves for OKX: headers, parameters and how many requests, seen by a server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time_ns
from typing import Any

import pytest
from aiohttp import web
from serving import serving

from fra.core import ExchangeAPIError, ExchangeHandle, connect

NOW = time_ns() // 1_000_000
HOUR = 3_600_000
SWAPS = [
    {
        "instType": "SWAP",
        "instId": f"{base}-USDT-SWAP",
        "state": state,
        "uly": f"{base}-USDT",
        "settleCcy": "USDT",
        "ctType": "linear",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctValCcy": base,
        "tickSz": "0.1",
        "lotSz": "1",
        "minSz": "1",
    }
    for base, state in (("BTC", "live"), ("NEW", "preopen"))
]


class Server:
    """Answers a path with fixed rows (time and two swaps are always there) and keeps the requests."""

    def __init__(self, **rows: list[Any]) -> None:
        self.rows = {"time": [{"ts": str(NOW)}], "instruments": SWAPS, **rows}
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        name = request.path.rpartition("/")[2].replace("-", "_")
        return web.json_response({"code": "0", "msg": "", "data": self.rows.get(name, [])})

    def queries(self, path: str) -> list[dict[str, str]]:
        return [dict(request.query) for request in self.requests if request.path == f"/api/v5/{path}"]

    @asynccontextmanager
    async def asked(self, **config: Any) -> AsyncIterator[ExchangeHandle]:
        app = web.Application()
        app.router.add_get("/{tail:.*}", self.answer)
        async with serving(app) as address:
            url = f"http://{address}"
            urls = {"swap": {"rest": url, "ws": url}}
            async with connect("okx", markets=["swap"], base_url=urls, **config) as okx:
                yield okx


@pytest.mark.parametrize("sandbox", [True, False])
async def test_demo_trading_is_a_header_of_every_request(sandbox: bool) -> None:
    server = Server()
    async with server.asked(sandbox=sandbox) as okx:
        await okx.get_symbols()
    sent = {request.headers.get("x-simulated-trading") for request in server.requests}
    assert sent == ({"1"} if sandbox else {None})


async def test_only_the_configured_market_is_asked_for() -> None:
    server = Server()
    async with server.asked() as okx:
        assert [symbol.name for symbol in await okx.get_symbols()] == ["BTC/USDT:USDT", "NEW/USDT:USDT"]
        assert [symbol.active for symbol in okx.symbols] == [True, False]
    assert server.queries("public/instruments") == [{"instType": "SWAP"}]


async def test_a_range_of_klines_is_cut_to_one_page_from_its_start() -> None:
    server = Server()
    start = NOW // HOUR * HOUR - 500 * HOUR
    async with server.asked() as okx:
        assert await okx.get_klines("BTC/USDT:USDT", "1h", since=start, until=NOW) == []
        await okx.get_klines("BTC/USDT:USDT", "1h", since=start, until=start + 2 * HOUR, limit=50)
    common = {"instId": "BTC-USDT-SWAP", "bar": "1H", "before": str(start - 1)}
    assert server.queries("market/candles") == [
        {**common, "limit": "300", "after": str(start + 300 * HOUR)},
        {**common, "limit": "50", "after": str(start + 2 * HOUR)},
    ]


async def test_months_and_days_are_utc() -> None:
    server = Server()
    async with server.asked() as okx:
        for interval in ("1d", "1M", "4h"):
            await okx.get_klines("BTC/USDT:USDT", interval, limit=1)
    assert [query["bar"] for query in server.queries("market/candles")] == ["1Dutc", "1Mutc", "4H"]


def funding(base: str, rate: str) -> dict[str, str]:
    return {"instId": f"{base}-USDT-SWAP", "fundingRate": rate, "fundingTime": str(NOW + HOUR), "nextFundingTime": ""}


async def test_a_contract_without_a_rate_is_left_out_of_all_and_an_error_when_asked_for() -> None:
    server = Server(funding_rate=[funding("BTC", "0.0001"), funding("NEW", "")])
    async with server.asked() as okx:
        assert [rate.symbol for rate in await okx.get_funding_rates()] == ["BTC/USDT:USDT"]
        with pytest.raises(ExchangeAPIError, match="NEW/USDT:USDT"):
            await okx.get_funding_rates(["NEW/USDT:USDT"])


async def test_a_symbol_that_the_answer_leaves_out_is_an_error_and_no_shorter_list() -> None:
    server = Server(funding_rate=[funding("BTC", "0.0001")])
    async with server.asked() as okx:
        with pytest.raises(ExchangeAPIError, match="no funding rate for NEW/USDT:USDT"):
            await okx.get_funding_rates(["BTC/USDT:USDT", "NEW/USDT:USDT"])
        with pytest.raises(ExchangeAPIError, match="no ticker for BTC/USDT:USDT"):
            await okx.get_tickers(["BTC/USDT:USDT"])


async def test_funding_history_goes_back_until_a_page_is_not_full() -> None:
    row = {"instId": "BTC-USDT-SWAP", "realizedRate": "0.0001"}
    full = [{**row, "fundingTime": str(NOW - n * HOUR)} for n in range(100)]
    server = Server(funding_rate_history=full)
    pages = iter([full, full[:3]])

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("history"):
            server.rows["funding_rate_history"] = next(pages)
        return await Server.answer(server, request)

    server.answer = answer  # type: ignore[method-assign]
    start = NOW - 200 * HOUR
    async with server.asked() as okx:
        await okx.get_funding_rate_history("BTC/USDT:USDT", since=start, until=NOW)
    first, second = server.queries("public/funding-rate-history")
    assert first["after"] == str(NOW)
    assert int(first["before"]) < start
    assert second == {**first, "after": full[-1]["fundingTime"]}

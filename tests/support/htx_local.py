"""A server on loopback that answers as HTX would to whoever trades, and keeps what it was asked."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from aiohttp import web
from serving import serving

from fra.core import ExchangeHandle, Secret, connect

KEY, SECRET = "the-key", "the-secret"
ACCOUNT = 44234548

PAIRS = [
    {
        "base-currency": base,
        "quote-currency": "usdt",
        "symbol": f"{base}usdt",
        "state": "online",
        "price-precision": 2,
        "amount-precision": 6,
        "api-trading": "enabled",
        "limit-order-min-order-amt": 0.00001,
        "min-order-value": 1,
    }
    for base in ("btc", "ltc")
]
CONTRACTS = [
    {
        "symbol": base,
        "contract_code": f"{base}-USDT",
        "contract_size": size,
        "price_tick": 0.1,
        "contract_status": 1,
        "business_type": "swap",
        "trade_partition": "USDT",
    }
    for base, size in (("BTC", 0.001), ("LTC", 0.1))
]
SIZES = {"BTC/USDT:USDT": Decimal("0.001"), "LTC/USDT:USDT": Decimal("0.1")}

_API = "/linear-swap-api/v1/swap_"
Answer = Any


def setup(*, mode: str = "single_side", lever: int = 5) -> dict[str, Answer]:
    """What is asked before an order is sent."""
    margin = {"margin_asset": "USDT", "margin_balance": 10, "margin_account": "USDT", "withdraw_available": 9}
    details = [{"contract_code": row["contract_code"], "lever_rate": lever} for row in CONTRACTS]
    return {
        "/v1/common/symbols": {"status": "ok", "data": PAIRS},
        f"{_API}contract_info": {"status": "ok", "data": CONTRACTS, "ts": 1},
        "/v1/account/accounts": {"status": "ok", "data": [{"id": ACCOUNT, "type": "spot", "state": "working"}]},
        f"{_API}cross_position_side": {"status": "ok", "data": {"margin_account": "USDT", "position_mode": mode}},
        f"{_API}cross_account_info": {"status": "ok", "data": [{**margin, "contract_detail": details}], "ts": 1},
        "/v5/position/mode": {"code": 200, "data": {"position_mode": mode}},
        "/v5/account/asset_mode": {"code": 200, "data": {"asset_mode": 0}},
    }


class HtxLocal:
    """Answers by path; a function may make the answer of the request's query or body. ``asked`` are the others' calls:
    (method, path, query without signature, body).
    """

    def __init__(self, answers: Mapping[str, Answer] | None = None, *, otherwise: Answer = None) -> None:
        self.answers = {**setup(), **(answers or {})}
        self.otherwise = otherwise
        self.asked: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []
        self.signed: list[tuple[str, str]] = []

    async def _answer(self, request: web.Request) -> web.Response:
        now = int(time.time() * 1000)
        if request.path in ("/v1/common/timestamp", "/api/v1/timestamp"):
            return web.json_response({"status": "ok", "data": now, "ts": now})
        body = await request.read()
        signature = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp", "Signature")
        query = {name: value for name, value in request.query.items() if name not in signature}
        values = json.loads(body) if body else {}
        self.asked.append((request.method, request.path, query, values))
        self.signed.append((request.raw_path, body.decode()))
        answer = self.answers.get(request.path, self.otherwise)
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer({**query, **values})
        if answer is None:
            return web.json_response(
                {"status": "error", "err-code": "not-found", "err-msg": "no such path"}, status=404
            )
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/json")
        return web.json_response(answer)

    def calls(self, path: str) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
        """Method, query and body of every call of a path."""
        return [(method, query, body) for method, asked, query, body in self.asked if asked == path]

    @asynccontextmanager
    async def connected(self, **config: Any) -> AsyncIterator[ExchangeHandle]:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        async with serving(app) as address:
            url = f"http://{address}"
            keys = {"rest": url, "ws": url, "ws_feed": url, "ws_private": url}
            options = {"api_key": Secret(KEY), "secret_key": Secret(SECRET), "base_url": {"spot": keys, "linear": keys}}
            async with connect("htx", **{**options, **config}) as htx:
                yield htx

"""A server on loopback that gives recorded answers of OKX's account calls, and keeps what it was asked."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from time import time_ns
from typing import Any

import attrs
from aiohttp import web
from serving import serving

from fra.core import ExchangeHandle, OrderRequest, OrderType, PositionSide, Side, Symbol, TimeInForce, connect

KEYS = {"api_key": "the-key", "secret_key": "the-secret", "passphrase": "the-passphrase"}
_EMPTY = {"code": "0", "msg": "", "data": []}


def fixtures(kind: str) -> Any:
    """``ccxt/KIND/okx.json`` of the recorded data; nothing where FRA_FIXTURES does not name its folder."""
    if "FRA_FIXTURES" not in os.environ:
        return {}
    path = Path(os.environ["FRA_FIXTURES"]) / "ccxt" / kind / "okx.json"
    return json.loads(path.read_text(), parse_float=Decimal)


@attrs.frozen
class Call:
    """One request, with its parameters as the venue reads them: of a list each of its rows is a call."""

    method: str
    path: str
    params: Mapping[str, Any]
    body: str
    target: str
    headers: Mapping[str, str]


class RecordedAccount:
    """Answers every call of the account with ``answer``, or as ``answers`` has it by path."""

    def __init__(
        self,
        answer: object = None,
        *,
        mode: str = "net_mode",
        level: str = "2",
        answers: Mapping[str, object] | None = None,
    ) -> None:
        self.calls: list[Call] = []
        self._answer = _EMPTY if answer is None else answer
        config = {"acctLv": level, "posMode": mode}
        listed = [market["info"] for market in fixtures("markets").values()]
        self._answers = {
            "public/time": {**_EMPTY, "data": [{"ts": str(time_ns() // 1_000_000)}]},
            "account/config": {**_EMPTY, "data": [config]},
            **{f"public/instruments {kind}": _rows(listed, kind) for kind in ("SPOT", "SWAP")},
            **(answers or {}),
        }

    async def _on_request(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/api/v5/")
        body = (await request.read()).decode()
        sent = json.loads(body) if body else dict(request.query)
        for params in sent if isinstance(sent, list) else [sent]:
            call = Call(request.method, path, params, body, request.path_qs, request.headers)
            self.calls.append(call)
        own = self._answers.get(path) or self._answers.get(f"{path} {request.query.get('instType')}")
        answer = own if own is not None else _fitting(self._answer, path, request.query.get("instType"))
        return web.Response(text=json.dumps(answer, default=str), content_type="application/json")

    def asked(self) -> list[Call]:
        """The calls of the account, without those for its modes."""
        return [call for call in self.calls if not call.path.startswith("public/") and call.path != "account/config"]

    @asynccontextmanager
    async def handle(self, **config: Any) -> AsyncIterator[ExchangeHandle]:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._on_request)
        async with serving(app) as address:
            url = f"http://{address}"
            urls = {market: {"rest": url, "ws": url} for market in ("spot", "swap")}
            async with connect("okx", base_url=urls, **KEYS, **config) as okx:
                await okx.get_symbols()
                yield okx


def _rows(listed: Sequence[Mapping[str, Any]], kind: str) -> dict[str, object]:
    return {**_EMPTY, "data": [row for row in listed if row["instType"] == kind]}


def _fitting(answer: Any, path: str, kind: str | None) -> object:
    """A recorded answer, as far as this call would have it: rows of its type of instrument, algo orders for algo calls.

    Algo orders have no ``accFillSz``, others have.
    """
    rows = answer["data"] if isinstance(answer, dict) else []
    if not rows or not all(isinstance(row, dict) for row in rows):
        return answer
    if path in ("trade/orders-pending", "trade/orders-algo-pending", "trade/order", "trade/order-algo"):
        rows = [row for row in rows if "sCode" in row or ("accFillSz" in row) != ("algo" in path)]
    return {**answer, "data": [row for row in rows if kind is None or row.get("instType", kind) == kind]}


class Excluded(Exception):
    """Why a recorded call has no counterpart; the text is the name of the rule."""


_KINDS: Mapping[str, dict[str, Any]] = {
    "limit": {"type": OrderType.LIMIT},
    "market": {"type": OrderType.MARKET},
    "post_only": {"type": OrderType.LIMIT, "post_only": True},
    "fok": {"type": OrderType.LIMIT, "time_in_force": TimeInForce.FOK},
    "ioc": {"type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC},
    "optimal_limit_ioc": {"type": OrderType.MARKET, "time_in_force": TimeInForce.IOC},
}
_FORCES: Mapping[str, dict[str, Any]] = {
    "PO": {"post_only": True},
    **{force.value: {"time_in_force": force} for force in TimeInForce},
}
ATTACHED = "attached stops: an OrderRequest is one order"
_DIRECTION = "trigger orders have no direction: ours are stop losses or take profits"
_MARGIN = "the margin mode is an option of the adapter"
_PARAMS: Mapping[str, str] = {
    "stopLoss": ATTACHED,
    "takeProfit": ATTACHED,
    "trailingPrice": "trailing stops are not covered",
    "trailingPercent": "trailing stops are not covered",
    "closeFraction": "the closing of a whole position by no amount is not covered",
    "triggerPrice": _DIRECTION,
    "stopPrice": _DIRECTION,
    "marginMode": _MARGIN,
    "tdMode": _MARGIN,
}
"""Parameters of ccxt's createOrder that exclude a case, with the rule."""
_KNOWN = {
    "clientOrderId",
    "createMarketBuyOrderRequiresPrice",
    "hedged",
    "posSide",
    "postOnly",
    "reduceOnly",
    "stopLossPrice",
    "takeProfitPrice",
    "tgtCcy",
    "timeInForce",
}


def order_request(arguments: Sequence[Any], listed: Mapping[str, Symbol]) -> OrderRequest:
    """ccxt's createOrder(symbol, type, side, amount, price, params) as ours. Raises Excluded."""
    name, kind, side, amount, price, params = [*arguments, *[None] * (6 - len(arguments))]
    params = params or {}
    for key, rule in _PARAMS.items():
        if key in params:
            raise Excluded(rule)
    if strange := sorted(params.keys() - _KNOWN):
        raise Excluded(f"parameters of OKX's own have no counterpart: {strange}")
    if kind not in _KINDS:
        raise Excluded(f"orders of the kind {kind} are not covered")
    if "stopLossPrice" in params and "takeProfitPrice" in params:
        raise Excluded("one order has one trigger")
    symbol = listed[name]
    fields = {**_KINDS[kind], **(_FORCES[params["timeInForce"]] if "timeInForce" in params else {})}
    size = Decimal(str(amount))
    price = None if price is None else Decimal(str(price))
    by_quote = params.get("tgtCcy") == "quote_ccy"
    if price is not None and fields["type"] is OrderType.MARKET and side == "buy" and symbol.settle is None:
        # ccxt's way to say what is to be spent.
        size, by_quote = size * price, True
    if fields["type"] is OrderType.MARKET and not {"stopLossPrice", "takeProfitPrice"} & params.keys():
        price = None
    for key, conditional in (("stopLossPrice", OrderType.STOP), ("takeProfitPrice", OrderType.TAKE_PROFIT)):
        if key in params:
            fields |= {"type": conditional, "trigger_price": Decimal(str(params[key]))}
    if params.get("postOnly"):
        fields["post_only"] = True
    position_side = PositionSide(params.get("posSide", "net"))
    if params.get("hedged"):
        opens_long = (side == "buy") is not bool(params.get("reduceOnly"))
        position_side = PositionSide.LONG if opens_long else PositionSide.SHORT
    return OrderRequest(
        symbol=name,
        side=Side(side),
        amount=None if by_quote else symbol.amount(size),
        quote_amount=size if by_quote else None,
        price=price,
        reduce_only=bool(params.get("reduceOnly")),
        position_side=position_side,
        client_order_id=params.get("clientOrderId"),
        **fields,
    )

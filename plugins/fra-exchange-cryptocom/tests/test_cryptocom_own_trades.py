"""The account's pushes of Crypto.com beside the market's trades: each is told once, and as what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from ccxt_plain import Heard, Speaking, with_recordings

from fra.core import Fill, Order, OrderStatus
from fra.exchanges.cryptocom import CryptoComPlugin

pytestmark = with_recordings
NAME, ID = "LTC/USD:USD", "LTCUSD-PERP"
STAMP = 1779871668415


def public(trade_id: str) -> dict[str, Any]:
    return {"s": "SELL", "p": "60.05", "q": "0.5", "t": STAMP, "d": trade_id, "i": ID}


def own(trade_id: str, instrument: str = ID) -> dict[str, Any]:
    return {
        "trade_id": trade_id,
        "order_id": "7",
        "side": "BUY",
        "traded_price": "50.25",
        "traded_quantity": "2",
        "fees": "-0.05",
        "fee_instrument_name": "USD",
        "taker_side": "TAKER",
        "instrument_name": instrument,
        "create_time": STAMP,
    }


ORDER = {
    "order_id": "7",
    "client_oid": "abc-1",
    "order_type": "LIMIT",
    "time_in_force": "GOOD_TILL_CANCEL",
    "side": "BUY",
    "exec_inst": [],
    "quantity": "4",
    "limit_price": "50.25",
    "avg_price": "50.25",
    "cumulative_quantity": "4",
    "cumulative_value": "201",
    "cumulative_fee": "0.1",
    "status": "FILLED",
    "instrument_name": ID,
    "fee_instrument_name": "USD",
    "create_time": STAMP,
    "update_time": STAMP,
}
PUSHED: dict[str, list[list[dict[str, Any]]]] = {
    f"trade.{ID}": [[public("11")], [public("12")]],
    "user.order": [[ORDER]],
    "user.trade": [[own("91")], [own("92"), own("93", "BTCUSD-PERP")]],
    "user.balance": [],
    "user.position_balance": [],
}


def react(frame: dict[str, Any]) -> Iterable[Any]:
    if frame["method"] == "public/auth":
        yield {"id": frame["id"], "method": "public/auth", "code": 0}
    for asked in frame.get("params", {}).get("channels", ()):
        yield {"id": -1, "method": "subscribe", "code": 0, "channel": asked}
        channel = asked.removesuffix(f".{ID}")
        for rows in PUSHED[asked]:
            told = {"channel": channel, "subscription": asked, "data": rows}
            of = {"instrument_name": ID} if len(rows) == 1 else {}
            yield {"id": -1, "method": "subscribe", "code": 0, "result": told | of}


def answer(request: web.Request) -> Any:
    rows = [{"position_balances": []}] if request.path.endswith("user-balance") else []
    return {"id": 1, "code": 0, "result": {"data": rows}}


@pytest.mark.parametrize("first", ["account", "market"])
async def test_own_trades_are_fills_and_others_are_not_whichever_is_watched_first(first: str) -> None:
    begun = asyncio.Event()

    def taken(item: Any) -> Any:
        begun.set()
        return item

    async with Speaking(answer, react=react).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        opened = {
            "account": lambda: Heard(venue.subscribe_user_data(), taken),
            "market": lambda: Heard(venue.subscribe_trades(venue.symbol(NAME)), taken),
        }
        heard = {first: opened.pop(first)()}
        async with asyncio.timeout(20):
            await begun.wait()
        ((second, open_),) = opened.items()
        heard[second] = open_()
        trades, told = await asyncio.gather(heard["market"].until(2), heard["account"].until(4))
    fills = [item for item in told if isinstance(item, Fill)]
    assert [(fill.symbol, fill.trade_id, fill.price) for fill in fills] == [
        (NAME, "91", Decimal("50.25")),
        (NAME, "92", Decimal("50.25")),
        ("BTC/USD:USD", "93", Decimal("50.25")),
    ]
    (order,) = [item for item in told if isinstance(item, Order)]
    assert (order.id, order.status, order.filled) == ("7", OrderStatus.FILLED, Decimal(4))
    assert [trade.id for trade in trades] == ["11", "12"]

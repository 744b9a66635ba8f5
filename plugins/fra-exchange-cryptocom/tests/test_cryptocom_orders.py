"""Orders on Crypto.com: what is sent, what is refused, and what is read."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from ccxt_local import Local
from ccxt_plain import with_recordings

from fra.core import (
    NotSupported,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from fra.exchanges.cryptocom import CryptoComPlugin

pytestmark = with_recordings
SWAP = "LTC/USD:USD"


def row(**fields: Any) -> dict[str, Any]:
    return {
        "order_id": "6142909896902261394",
        "client_oid": "abc-1",
        "order_type": "LIMIT",
        "time_in_force": "GOOD_TILL_CANCEL",
        "side": "BUY",
        "exec_inst": [],
        "quantity": "0.5",
        "limit_price": "60.1",
        "avg_price": "60.05",
        "cumulative_quantity": "0.2",
        "cumulative_value": "12.01",
        "cumulative_fee": "0.001",
        "status": "ACTIVE",
        "instrument_name": "LTCUSD-PERP",
        "fee_instrument_name": "USD",
        "create_time": 1700184926414,
        "update_time": 1700184926419,
        **fields,
    }


def answering(results: dict[str, Any]) -> Any:
    defaults = {"create-order": {"client_oid": "abc-1", "order_id": "7"}, "cancel-order": {"order_id": "7"}}
    told = defaults | results

    def answer(request: web.Request) -> Any:
        method = request.path.rpartition("/")[2]
        return {"id": 1, "method": f"private/{method}", "code": 0, "result": told.get(method, {})}

    return answer


def bodies(local: Local, method: str) -> list[dict[str, Any]]:
    return [json.loads(asked.body)["params"] for asked in local.asked if asked.path.endswith(method)]


def request(**fields: Any) -> OrderRequest:
    made: dict[str, Any] = {
        "symbol": SWAP,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.5"),
        "price": Decimal("60.1"),
        "client_order_id": "abc-1",
    }
    return OrderRequest(**made | fields)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {}),
        ({"time_in_force": TimeInForce.IOC}, {"time_in_force": "IMMEDIATE_OR_CANCEL"}),
        ({"time_in_force": TimeInForce.FOK}, {"time_in_force": "FILL_OR_KILL"}),
        ({"post_only": True}, {"time_in_force": "GOOD_TILL_CANCEL", "exec_inst": ["POST_ONLY"]}),
    ],
    ids=["limit", "IOC", "FOK", "post-only"],
)
async def test_an_order_is_sent_with_our_id_and_as_what_it_is(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    local = Local(answering({}))
    async with local.adapter("cryptocom", cls=CryptoComPlugin) as venue:
        order = await venue.create_order(request(**fields), venue.symbol(SWAP))
    assert (order.id, order.client_order_id, order.status) == ("7", "abc-1", OrderStatus.PENDING)
    plain = {"instrument_name": "LTCUSD-PERP", "side": "BUY", "quantity": "0.5", "price": "60.1", "type": "LIMIT"}
    assert bodies(local, "create-order") == [{**plain, "client_oid": "abc-1", **sent}]


@pytest.mark.parametrize("fields", [{"reduce_only": True}, {"position_side": PositionSide.LONG}])
async def test_what_would_open_instead_of_closing_is_refused_before_it_is_sent(fields: dict[str, Any]) -> None:
    local = Local(answering({}))
    async with local.adapter("cryptocom", cls=CryptoComPlugin) as venue:
        with pytest.raises(NotSupported):
            await venue.create_order(request(**fields), venue.symbol(SWAP))
    assert not local.asked


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("NEW", OrderStatus.OPEN),
        ("PENDING", OrderStatus.OPEN),
        ("ACTIVE", OrderStatus.OPEN),
        ("FILLED", OrderStatus.FILLED),
        ("CANCELED", OrderStatus.CANCELED),
        ("EXPIRED", OrderStatus.EXPIRED),
        ("REJECTED", OrderStatus.REJECTED),
        ("SOMETHING", OrderStatus.UNKNOWN),
    ],
)
async def test_where_an_order_stands_and_what_it_filled_are_apart(status: str, ours: OrderStatus) -> None:
    filled = "0.5" if status == "FILLED" else "0.2"
    local = Local(answering({"get-order-detail": row(status=status, cumulative_quantity=filled)}))
    async with local.adapter("cryptocom", cls=CryptoComPlugin) as venue:
        order = await venue.get_order("6142909896902261394", venue.symbol(SWAP))
    assert (order.status, str(order.filled), str(order.average_price)) == (ours, filled, "60.05")


async def test_an_order_is_found_and_cancelled_by_its_client_order_id() -> None:
    local = Local(answering({"get-order-detail": row(status="CANCELED")}))
    async with local.adapter("cryptocom", cls=CryptoComPlugin) as venue:
        found = await venue.get_order(client_order_id="abc-1")
        cancelled = await venue.cancel_order(client_order_id="abc-1")
    assert found.id == cancelled.id == "6142909896902261394"
    assert bodies(local, "get-order-detail")[0] == {"client_oid": "abc-1"}
    assert bodies(local, "cancel-order") == [{"order_id": "6142909896902261394"}]


async def test_an_unknown_client_order_id_is_not_found() -> None:
    async with Local(answering({})).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        with pytest.raises(OrderNotFound):
            await venue.get_order(client_order_id="other")


@pytest.mark.parametrize("named", [None, "NOTLISTED-PERP"])
async def test_an_order_that_became_nothing_readable_does_not_end_the_account(named: str | None) -> None:
    results: dict[str, Any] = {"get-open-orders": {"data": [row()]}, "get-order-detail": row(instrument_name=named)}
    results["user-balance"] = {"data": [{"position_balances": []}]}
    local = Local(lambda asked: answering(results)(asked))
    async with local.adapter("cryptocom", cls=CryptoComPlugin) as venue:
        (order,) = await venue.account_now(0)
        results["get-open-orders"] = {"data": []}
        assert await venue.account_now(0) == []
        results["get-order-detail"] = row(status="CANCELED")
        (ended,) = await venue.account_now(0)
    assert [(one.id, one.status) for one in (order, ended)] == [
        ("6142909896902261394", OrderStatus.OPEN),
        ("6142909896902261394", OrderStatus.CANCELED),
    ]
    assert [event.where for event in venue.context.events] == ["account"]


async def test_the_one_wallet_is_asked_for_once_and_with_no_words_of_ccxt() -> None:
    balance = {"data": [{"position_balances": [{"instrument_name": "USD", "quantity": "7.5", "reserved_qty": "2"}]}]}
    local = Local(answering({"user-balance": balance, "get-open-orders": {"data": [row()]}}))
    async with local.adapter("cryptocom", cls=CryptoComPlugin) as venue:
        (held,) = await venue.get_balance()
        (order,) = await venue.get_open_orders()
        assert venue.user_scopes("watchBalance") == [{"wallet": "trading"}]
    assert (held.market, held.asset, str(held.total), str(held.free)) == ("trading", "USD", "7.5", "5.5")
    assert order.symbol == SWAP
    assert bodies(local, "user-balance") == [{}]
    assert all(body == {} for body in bodies(local, "get-open-orders"))

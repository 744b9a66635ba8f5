"""Contract orders on MEXC: what is sent, and what is read of its own rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from ccxt_local import Local
from ccxt_plain import with_recordings

from fra.core import (
    MarketKind,
    Operation,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
)
from fra.exchanges.mexc import MEXCPlugin

pytestmark = with_recordings
NAME = "LTC/USDT:USDT"


def order_row(**fields: Any) -> dict[str, Any]:
    return {
        "orderId": "814539157408959488",
        "symbol": "LTC_USDT",
        "price": 50,
        "vol": 10,
        "side": 1,
        "category": 1,
        "orderType": 1,
        "dealAvgPrice": 0,
        "dealVol": 0,
        "feeCurrency": "USDT",
        "takerFee": 0,
        "makerFee": 0,
        "state": 2,
        "externalOid": "abc123",
        "positionMode": 2,
        "createTime": 1779871668415,
        "updateTime": 1779871668538,
        **fields,
    }


class Venue:
    """One account in a position mode; ``answers`` by the end of a path."""

    def __init__(self, answers: Mapping[str, Any] | None = None, *, hedged: bool = False) -> None:
        self.answers = {"position_mode": 1 if hedged else 2, "order/create": {"orderId": "7", "ts": 1779871668415}}
        self.answers |= answers or {}

    def __call__(self, request: web.Request) -> Any:
        found = next((data for path, data in self.answers.items() if request.path.endswith(path)), None)
        if isinstance(found, dict) and "code" in found:
            return found
        return {"success": True, "code": 0, "data": found}


def request(**fields: Any) -> OrderRequest:
    made: dict[str, Any] = {
        "symbol": NAME,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.1"),
        "price": Decimal(50),
        "client_order_id": "abc123",
    }
    return OrderRequest(**made | fields)


async def sent(order: OrderRequest, *, hedged: bool = False) -> dict[str, Any]:
    local = Local(Venue(hedged=hedged))
    async with local.adapter("mexc", cls=MEXCPlugin) as mexc:
        made = await mexc.create_order(order, mexc.symbol(order.symbol))
        assert (made.id, made.status, made.amount) == ("7", OrderStatus.PENDING, order.amount)
    body = json.loads(local.asked[-1].body)
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({}, 1),
        ({"post_only": True}, 2),
        ({"time_in_force": TimeInForce.IOC}, 3),
        ({"time_in_force": TimeInForce.FOK}, 4),
        ({"type": OrderType.MARKET, "price": None}, 5),
    ],
    ids=["limit", "post-only", "IOC", "FOK", "market"],
)
async def test_what_an_order_is_reaches_mexc(fields: dict[str, Any], number: int) -> None:
    body = await sent(request(**fields))
    assert body["type"] == number
    assert (body["symbol"], body["vol"], body["externalOid"], body["openType"]) == ("LTC_USDT", 10, "abc123", 2)
    assert "timeInForce" not in body


@pytest.mark.parametrize(
    ("side", "position", "reduce_only", "hedged", "number"),
    [
        (Side.BUY, PositionSide.NET, False, False, 1),
        (Side.SELL, PositionSide.NET, False, False, 3),
        (Side.BUY, PositionSide.NET, True, False, 2),
        (Side.SELL, PositionSide.NET, True, False, 4),
        (Side.BUY, PositionSide.LONG, False, True, 1),
        (Side.SELL, PositionSide.LONG, False, True, 4),
        (Side.SELL, PositionSide.SHORT, False, True, 3),
        (Side.BUY, PositionSide.SHORT, False, True, 2),
    ],
)
async def test_an_order_opens_or_closes_the_position_that_it_names(
    side: Side, position: PositionSide, reduce_only: bool, hedged: bool, number: int
) -> None:
    body = await sent(request(side=side, position_side=position, reduce_only=reduce_only), hedged=hedged)
    assert body["side"] == number


@pytest.mark.parametrize(
    ("number", "side", "position", "closes"),
    [
        (1, Side.BUY, PositionSide.LONG, False),
        (2, Side.BUY, PositionSide.SHORT, True),
        (3, Side.SELL, PositionSide.SHORT, False),
        (4, Side.SELL, PositionSide.LONG, True),
    ],
)
async def test_the_four_sides_of_a_contract_order_are_read(
    number: int, side: Side, position: PositionSide, closes: bool
) -> None:
    rows = [order_row(side=number, positionMode=1), order_row(side=number, positionMode=2, orderId="2")]
    async with Local(Venue({"open_orders": rows})).adapter("mexc", cls=MEXCPlugin) as mexc:
        hedged, one_way = await mexc.get_open_orders(mexc.symbol(NAME))
    assert (hedged.side, hedged.position_side, hedged.reduce_only) == (side, position, closes)
    assert (one_way.side, one_way.position_side, one_way.reduce_only) == (side, PositionSide.NET, closes)
    assert (hedged.client_order_id, hedged.amount, hedged.price) == ("abc123", Decimal("0.10"), Decimal(50))


@pytest.mark.parametrize(
    ("number", "kind", "force", "post_only"),
    [
        (1, OrderType.LIMIT, TimeInForce.GTC, False),
        (2, OrderType.LIMIT, TimeInForce.GTC, True),
        (3, OrderType.LIMIT, TimeInForce.IOC, False),
        (4, OrderType.LIMIT, TimeInForce.FOK, False),
        (5, OrderType.MARKET, None, False),
        (6, OrderType.MARKET, None, False),
    ],
)
async def test_the_type_of_a_contract_order_is_read(
    number: int, kind: OrderType, force: TimeInForce | None, post_only: bool
) -> None:
    venue = Venue({"open_orders": [order_row(orderType=number)]})
    async with Local(venue).adapter("mexc", cls=MEXCPlugin) as mexc:
        (order,) = await mexc.get_open_orders(mexc.symbol(NAME))
    assert (order.type, order.time_in_force, order.post_only) == (kind, force, post_only)


@pytest.mark.parametrize(
    ("state", "filled", "status"),
    [
        (1, 0, OrderStatus.OPEN),
        (2, 4, OrderStatus.OPEN),
        (3, 10, OrderStatus.FILLED),
        (4, 4, OrderStatus.CANCELED),
        (5, 0, OrderStatus.REJECTED),
        (9, 0, OrderStatus.UNKNOWN),
    ],
)
async def test_where_a_contract_order_stands_and_what_it_filled_are_apart(
    state: int, filled: int, status: OrderStatus
) -> None:
    row = order_row(state=state, dealVol=filled, dealAvgPrice=49.98)
    async with Local(Venue({"order/get/5": row})).adapter("mexc", cls=MEXCPlugin) as mexc:
        order = await mexc.get_order("5", mexc.symbol(NAME))
    assert (order.status, order.filled) == (status, filled * Decimal("0.01"))
    assert order.average_price == (Decimal("49.98") if filled else None)


async def test_a_contract_order_is_found_by_its_client_order_id() -> None:
    local = Local(Venue({"order/external/LTC_USDT/abc123": order_row()}))
    async with local.adapter("mexc", cls=MEXCPlugin) as mexc:
        order = await mexc.get_order(None, mexc.symbol(NAME), client_order_id="abc123")
        with pytest.raises(OrderNotFound):
            await mexc.get_order(None, mexc.symbol(NAME), client_order_id="other")
    assert order.id == "814539157408959488"


async def test_a_contract_order_is_cancelled_by_its_client_order_id() -> None:
    row = order_row(state=4, dealVol=3, dealAvgPrice=50)
    done = [{"orderId": row["orderId"], "errorCode": 0, "errorMsg": "success"}]
    venue = Venue({"external/LTC_USDT/abc123": row, f"order/get/{row['orderId']}": row, "order/cancel": done})
    local = Local(venue)
    async with local.adapter("mexc", cls=MEXCPlugin) as mexc:
        order = await mexc.cancel_order(None, mexc.symbol(NAME), client_order_id="abc123")
    assert (order.status, order.filled) == (OrderStatus.CANCELED, Decimal("0.03"))
    cancelled = next(asked for asked in local.asked if asked.path.endswith("order/cancel"))
    assert json.loads(cancelled.body) == [row["orderId"]]


async def test_a_cancel_of_what_has_ended_finds_no_order() -> None:
    refused = [{"orderId": "5", "errorCode": 2041, "errorMsg": "order state cannot be cancelled"}]
    async with Local(Venue({"order/cancel": refused})).adapter("mexc", cls=MEXCPlugin) as mexc:
        with pytest.raises(OrderNotFound):
            await mexc.cancel_order("5", mexc.symbol(NAME))


@pytest.mark.parametrize(("number", "side"), [(1, Side.BUY), (2, Side.BUY), (3, Side.SELL), (4, Side.SELL)])
async def test_the_side_of_an_own_trade_is_read(number: int, side: Side) -> None:
    row = {
        "id": "299444585",
        "symbol": "LTC_USDT",
        "side": number,
        "vol": 3,
        "price": 49.98,
        "fee": 0.0009,
        "feeCurrency": "USDT",
        "timestamp": 1779871668538,
        "positionMode": 1,
        "orderId": "5",
        "isTaker": True,
    }
    async with Local(Venue({"order_deals": [row]})).adapter("mexc", cls=MEXCPlugin) as mexc:
        (fill,) = await mexc.get_trade_history(mexc.symbol(NAME))
    assert (fill.side, fill.amount, fill.price) == (side, Decimal("0.03"), Decimal("49.98"))
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("0.0009"), "USDT", False)


async def test_leverage_is_set_for_both_positions() -> None:
    local = Local(Venue())
    async with local.adapter("mexc", cls=MEXCPlugin) as mexc:
        await mexc.set_leverage(mexc.symbol(NAME), Decimal(5))
    bodies = [json.loads(asked.body) for asked in local.asked if asked.path.endswith("change_leverage")]
    assert bodies == [{"leverage": 5, "openType": 2, "symbol": "LTC_USDT", "positionType": which} for which in (1, 2)]


async def test_what_ccxt_cannot_decode_is_polled_or_not_claimed() -> None:
    async with Local().adapter("mexc", cls=MEXCPlugin) as mexc:
        told = mexc.capabilities.support
        assert str(told(Operation.SUBSCRIBE_ORDERBOOK, MarketKind.SPOT)) == "polled every 2 s"
        assert str(told(Operation.SUBSCRIBE_TICKER, MarketKind.SPOT)) == "polled every 2 s"
        assert not told(Operation.SUBSCRIBE_TRADES, MarketKind.SPOT)
        assert not told(Operation.SUBSCRIBE_USER_DATA, MarketKind.SPOT)
        assert not told(Operation.SET_MARGIN_MODE, MarketKind.LINEAR_SWAP)
        assert told(Operation.SUBSCRIBE_TRADES, MarketKind.LINEAR_SWAP).mode == "native"
        assert mexc.user_scopes("watchOrders") == [{"type": "swap", "wallet": "swap"}]


async def test_a_polled_book_and_ticker_come() -> None:
    book = {"lastUpdateId": 5, "bids": [["1.5", "2"]], "asks": [["1.6", "3"]], "timestamp": 1704908526228}
    ticker = {"symbol": "LTCUSDT", "lastPrice": "1.55", "closeTime": 1704908526228}

    def answers(request: web.Request) -> Any:
        return book if request.path.endswith("depth") else ticker

    async with Local(answers).adapter("mexc", cls=MEXCPlugin) as mexc:
        symbol = mexc.symbol("LTC/USDT")
        books, tickers = mexc.subscribe_orderbook(symbol), mexc.subscribe_ticker(symbol)
        view, last = await anext(books), await anext(tickers)  # type: ignore[arg-type]
        assert view.best_bid.price == Decimal("1.5")
        assert last.last == Decimal("1.55")
        await books.aclose()  # type: ignore[union-attr]
        await tickers.aclose()  # type: ignore[union-attr]

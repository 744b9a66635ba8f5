"""What the adapter asks Binance for an account, and what it makes of the answers: over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from binance_account import BinanceAccount, Refusal

from fra.core import (
    Balance,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeError,
    ExchangeRateLimitError,
    InsufficientFunds,
    InvalidOrder,
    MarginMode,
    NotSupported,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PermissionDenied,
    PositionMode,
    PositionSide,
    RateLimited,
    Side,
    SymbolNotFound,
    TimeInForce,
)

SPOT, LINEAR = "BTC/USDT", "BTC/USDT:USDT"
T = 1_790_755_200_000


def request(symbol: str = LINEAR, **changes: Any) -> OrderRequest:
    order: dict[str, Any] = {
        "symbol": symbol,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "amount": Decimal("0.01"),
        "price": Decimal(70000),
        "client_order_id": "mine-1",
    }
    return OrderRequest(**{**order, **changes})


MARKET = {"type": OrderType.MARKET, "price": None}
STOP = {"type": OrderType.STOP, "trigger_price": Decimal(71000)}


def spot_order(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "clientOrderId": "mine-1",
        "price": "70000.00",
        "origQty": "0.0100",
        "executedQty": "0.0000",
        "cummulativeQuoteQty": "0.00",
        "origQuoteOrderQty": "0.00",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
    }
    return {**row, **changes}


def usdm_order(**changes: Any) -> dict[str, Any]:
    row = {
        "symbol": "BTCUSDT",
        "orderId": 22,
        "clientOrderId": "mine-1",
        "price": "70000.0",
        "avgPrice": "0.00",
        "origQty": "0.010",
        "executedQty": "0.000",
        "cumQuote": "0.0",
        "reduceOnly": False,
        "positionSide": "BOTH",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "origType": "LIMIT",
        "side": "BUY",
        "updateTime": T,
    }
    return {**row, **changes}


def algo_order(**changes: Any) -> dict[str, Any]:
    row = {
        "algoId": 1_000_000_000_000_007,
        "clientAlgoId": "mine-1",
        "algoType": "CONDITIONAL",
        "orderType": "STOP",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "positionSide": "BOTH",
        "timeInForce": "GTC",
        "quantity": "0.010",
        "algoStatus": "NEW",
        "triggerPrice": "71000.0",
        "price": "70000.0",
        "reduceOnly": False,
        "createTime": T,
        "updateTime": T,
    }
    return {**row, **changes}


CREATED: Mapping[str, object] = {
    "POST /api/v3/order": spot_order(transactTime=T),
    "POST /fapi/v1/order": usdm_order(),
    "POST /fapi/v1/algoOrder": algo_order(),
}


# --- creating


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "70000"}),
        ({"time_in_force": TimeInForce.IOC}, {"type": "LIMIT", "timeInForce": "IOC"}),
        ({"time_in_force": TimeInForce.FOK}, {"type": "LIMIT", "timeInForce": "FOK"}),
        ({"post_only": True}, {"type": "LIMIT_MAKER", "timeInForce": None}),
        (MARKET, {"type": "MARKET", "timeInForce": None, "price": None, "quantity": "0.01"}),
        (
            {**MARKET, "amount": None, "quote_amount": Decimal("12.5")},
            {"type": "MARKET", "quoteOrderQty": "12.5", "quantity": None},
        ),
        (STOP, {"type": "STOP_LOSS_LIMIT", "stopPrice": "71000", "timeInForce": "GTC"}),
        ({**STOP, "price": None}, {"type": "STOP_LOSS", "stopPrice": "71000", "timeInForce": None}),
        ({**STOP, "type": OrderType.TAKE_PROFIT, "price": None}, {"type": "TAKE_PROFIT"}),
    ],
)
async def test_a_spot_order_is_sent_as_what_it_is(changes: dict[str, Any], sent: dict[str, str | None]) -> None:
    venue = BinanceAccount(CREATED)
    async with venue.handle() as binance:
        await binance.create_order(request(SPOT, **changes))
        (call,) = venue.calls
    assert call.name == "POST /api/v3/order"
    common = {"symbol": "BTCUSDT", "side": "BUY", "newClientOrderId": "mine-1", "newOrderRespType": "FULL"}
    assert {key: call.params.get(key) for key in {**common, **sent}} == {**common, **sent}


@pytest.mark.parametrize(
    ("changes", "path", "sent"),
    [
        ({}, "order", {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "positionSide": None}),
        ({"time_in_force": TimeInForce.IOC}, "order", {"timeInForce": "IOC"}),
        ({"post_only": True}, "order", {"type": "LIMIT", "timeInForce": "GTX"}),
        (MARKET, "order", {"type": "MARKET", "timeInForce": None, "newOrderRespType": "RESULT"}),
        ({"reduce_only": True}, "order", {"reduceOnly": "true"}),
        (
            STOP,
            "algoOrder",
            {"type": "STOP", "algoType": "CONDITIONAL", "triggerPrice": "71000", "clientAlgoId": "mine-1"},
        ),
        ({**STOP, "price": None}, "algoOrder", {"type": "STOP_MARKET", "timeInForce": None}),
        ({**STOP, "type": OrderType.TAKE_PROFIT}, "algoOrder", {"type": "TAKE_PROFIT"}),
        ({**STOP, "type": OrderType.TAKE_PROFIT, "price": None}, "algoOrder", {"type": "TAKE_PROFIT_MARKET"}),
    ],
)
async def test_a_futures_order_is_sent_as_what_it_is(
    changes: dict[str, Any], path: str, sent: dict[str, str | None]
) -> None:
    venue = BinanceAccount(CREATED)
    async with venue.handle() as binance:
        await binance.create_order(request(**changes))
        (call,) = venue.asked()
    assert call.name == f"POST /fapi/v1/{path}"
    assert {key: call.params.get(key) for key in sent} == sent


@pytest.mark.parametrize(
    ("side", "position_side", "reduce_only"),
    [(Side.BUY, PositionSide.LONG, False), (Side.BUY, PositionSide.SHORT, True), (Side.SELL, PositionSide.LONG, True)],
)
async def test_in_hedge_mode_the_side_is_named_and_the_flag_left_out(
    side: Side, position_side: PositionSide, reduce_only: bool
) -> None:
    venue = BinanceAccount({**CREATED, "GET /fapi/v1/positionSide/dual": {"dualSidePosition": True}})
    async with venue.handle() as binance:
        await binance.create_order(request(side=side, position_side=position_side, reduce_only=reduce_only))
        (call,) = venue.asked()
    assert (call.params["positionSide"], call.params.get("reduceOnly")) == (position_side.name, None)


@pytest.mark.parametrize(
    ("hedge", "changes", "problem"),
    [
        (True, {}, "hedge mode: give position_side LONG or SHORT"),
        (False, {"position_side": PositionSide.LONG}, "one-way mode"),
        (True, {"position_side": PositionSide.LONG, "reduce_only": True}, "cannot be reduce-only"),
    ],
)
async def test_an_order_that_does_not_fit_the_position_mode_is_not_sent(
    hedge: bool, changes: dict[str, Any], problem: str
) -> None:
    venue = BinanceAccount({"GET /fapi/v1/positionSide/dual": {"dualSidePosition": hedge}})
    async with venue.handle() as binance:
        with pytest.raises(InvalidOrder, match=problem):
            await binance.create_order(request(**changes))
    assert venue.asked() == []


async def test_the_position_mode_is_asked_once_and_again_when_the_venue_says_that_it_is_another() -> None:
    venue = BinanceAccount(CREATED)
    mode = "GET /fapi/v1/positionSide/dual"
    async with venue.handle() as binance:
        await binance.create_order(request(client_order_id="one"))
        await binance.create_order(request(client_order_id="two"))
        assert len(venue.named(mode)) == 1
        venue.answers |= {
            "POST /fapi/v1/order": Refusal(-4061, "Order's position side does not match user's setting."),
            mode: {"dualSidePosition": True},
        }
        with pytest.raises(InvalidOrder, match="does not match"):
            await binance.create_order(request(client_order_id="three"))
        with pytest.raises(InvalidOrder, match="hedge mode"):
            await binance.create_order(request(client_order_id="four"))
        assert len(venue.named(mode)) == 2


@pytest.mark.parametrize(
    ("symbol", "changes", "problem"),
    [
        (SPOT, {"reduce_only": True}, "spot has no positions"),
        (SPOT, {"position_side": PositionSide.LONG}, "spot has no positions"),
        (SPOT, {**MARKET, "time_in_force": TimeInForce.FOK}, "no FOK market order: send a limit order"),
        (SPOT, {**STOP, "post_only": True}, "post-only is for limit orders"),
        (LINEAR, {**MARKET, "time_in_force": TimeInForce.FOK}, "no FOK market order"),
    ],
)
async def test_what_the_venue_cannot_do_is_refused_before_anything_is_asked(
    symbol: str, changes: dict[str, Any], problem: str
) -> None:
    venue = BinanceAccount(CREATED)
    async with venue.handle() as binance:
        with pytest.raises(NotSupported, match=problem):
            await binance.create_order(request(symbol, **changes))
    assert venue.calls == []


async def test_the_answer_to_an_order_is_the_order_with_what_it_traded_at_once() -> None:
    answer = spot_order(
        transactTime=T, status="EXPIRED", timeInForce="IOC", executedQty="0.0040", cummulativeQuoteQty="279.96"
    )
    venue = BinanceAccount({"POST /api/v3/order": answer})
    async with venue.handle() as binance:
        order = await binance.create_order(request(SPOT, time_in_force=TimeInForce.IOC))
    assert (order.status, order.filled, order.average_price) == (
        OrderStatus.EXPIRED,
        Decimal("0.0040"),
        Decimal("69990"),
    )
    assert (order.id, order.created_ms, order.time_in_force) == ("28", T, TimeInForce.IOC)


async def test_a_conditional_order_is_an_order_with_a_trigger() -> None:
    async with BinanceAccount(CREATED).handle() as binance:
        order = await binance.create_order(request(**STOP))
    assert (order.type, order.status, order.trigger_price, order.price) == (
        OrderType.STOP,
        OrderStatus.OPEN,
        Decimal(71000),
        Decimal(70000),
    )
    assert (order.id, order.client_order_id) == ("1000000000000007", "mine-1")


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal(-2019, "Margin is insufficient."), InsufficientFunds),
        (Refusal(-4116, "ClientOrderId is duplicated"), DuplicateOrder),
        (Refusal(-1111, "Precision is over the maximum"), InvalidOrder),
        (Refusal(-4164, "Order's notional must be no smaller than 50"), InvalidOrder),
        (Refusal(-2022, "ReduceOnly Order is rejected."), InvalidOrder),
        (Refusal(-1121, "Invalid symbol."), SymbolNotFound),
        (Refusal(-1022, "Signature for this request is not valid."), ExchangeAuthError),
        # The key was good for what was asked before: it is the right that is missing.
        (Refusal(-2015, "Invalid API-key, IP, or permissions for action", 401), PermissionDenied),
    ],
)
async def test_a_refused_order_is_one_typed_error_with_the_venues_code(
    refusal: Refusal, kind: type[ExchangeError]
) -> None:
    venue = BinanceAccount({"POST /fapi/v1/order": refusal})
    async with venue.handle() as binance:
        with pytest.raises(kind) as raised:
            await binance.create_order(request())
    assert type(raised.value) is kind
    assert raised.value.code == str(refusal.code)
    assert len(venue.named("POST /fapi/v1/order")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Refusal(-1007, "Timeout waiting for response from backend server.", 408),
        Refusal(-1000, "An unknown error occurred while processing the request.", 500),
        Refusal(-9999, "Unknown error, please check your request or try again later.", 503),
    ],
)
async def test_an_order_whose_outcome_the_venue_does_not_know_is_asked_for_and_never_sent_again(
    answer: Refusal,
) -> None:
    venue = BinanceAccount({"POST /fapi/v1/order": answer, "GET /fapi/v1/order": usdm_order(time=T)})
    async with venue.handle() as binance:
        order = await binance.create_order(request())
    assert (order.status, order.id) == (OrderStatus.OPEN, "22")
    assert len(venue.named("POST /fapi/v1/order")) == 1
    assert venue.named("GET /fapi/v1/order")[0].params["origClientOrderId"] == "mine-1"


async def test_an_unknown_conditional_order_is_found_in_the_algo_service() -> None:
    venue = BinanceAccount(
        {
            "POST /fapi/v1/algoOrder": Refusal(-1007, "Timeout", 408),
            "GET /fapi/v1/order": Refusal(-2013, "Order does not exist."),
            "GET /fapi/v1/algoOrder": algo_order(),
        }
    )
    async with venue.handle() as binance:
        order = await binance.create_order(request(**STOP))
    assert order.id == "1000000000000007"
    assert venue.named("GET /fapi/v1/algoOrder")[0].params == {"clientAlgoId": "mine-1"}


@pytest.mark.parametrize(("symbol", "market"), [(SPOT, "spot"), (LINEAR, "usdm")])
async def test_too_many_orders_stop_orders_and_no_cancels(symbol: str, market: str) -> None:
    path = {SPOT: "/api/v3/order", LINEAR: "/fapi/v1/order"}[symbol]
    refusal = Refusal(-1015, "Too many new orders; current limit is 300 orders per 10 SECOND.", 429)
    answer = {SPOT: spot_order, LINEAR: usdm_order}[symbol](status="CANCELED")
    venue = BinanceAccount({f"POST {path}": refusal, f"DELETE {path}": answer})
    shut: dict[str, float] = {}
    async with venue.handle() as binance:
        binance.register_event_handler(RateLimited, lambda event: shut.update({event.scope: event.seconds}))
        with pytest.raises(ExchangeRateLimitError) as raised:
            await binance.create_order(request(symbol))
        async with asyncio.timeout(20):
            await binance.cancel_order("28", symbol)
    assert raised.value.retry_after == 10
    assert {scope for scope, seconds in shut.items() if seconds == 10} == {
        scope for scope in ("spot.orders", "spot.orders.day", "usdm.orders", "usdm.orders.minute") if market in scope
    }


async def test_a_clock_that_is_off_is_read_again_once_and_then_an_error_of_the_credentials() -> None:
    venue = BinanceAccount()
    async with venue.handle() as binance:
        venue.answers["GET /api/v3/account"] = Refusal(-1021, "Timestamp for this request is outside.")
        with pytest.raises(ExchangeAuthError, match="clock"):
            await binance.get_balance("spot")
    assert len(venue.named("GET /api/v3/account")) == 2


# --- cancelling


async def test_a_cancelled_spot_order_keeps_its_own_client_id() -> None:
    answer = spot_order(
        status="CANCELED", clientOrderId="the-cancel", origClientOrderId="mine-1", transactTime=T, executedQty="0.0040"
    )
    venue = BinanceAccount({"DELETE /api/v3/order": answer})
    async with venue.handle() as binance:
        order = await binance.cancel_order("28", SPOT)
    assert (order.status, order.filled, order.client_order_id) == (OrderStatus.CANCELED, Decimal("0.0040"), "mine-1")
    assert venue.calls[0].params == {"symbol": "BTCUSDT", "orderId": "28"}


async def test_an_order_is_cancelled_by_its_client_id() -> None:
    venue = BinanceAccount({"DELETE /fapi/v1/order": usdm_order(status="CANCELED")})
    async with venue.handle() as binance:
        await binance.cancel_order(symbol=LINEAR, client_order_id="mine-1")
    assert venue.calls[0].params == {"symbol": "BTCUSDT", "origClientOrderId": "mine-1"}


async def test_a_conditional_order_is_cancelled_where_it_lives() -> None:
    states = iter(["NEW", "CANCELED"])
    venue = BinanceAccount(
        {
            "DELETE /fapi/v1/order": Refusal(-2011, "Unknown order sent."),
            "GET /fapi/v1/algoOrder": lambda params: algo_order(algoStatus=next(states)),
            "DELETE /fapi/v1/algoOrder": {"algoId": 7, "clientAlgoId": "mine-1", "code": "200", "msg": "success"},
        }
    )
    async with venue.handle() as binance:
        order = await binance.cancel_order("1000000000000007", LINEAR)
    assert order.status is OrderStatus.CANCELED
    assert venue.named("DELETE /fapi/v1/algoOrder")[0].params == {"algoId": "1000000000000007"}


async def test_a_conditional_order_that_ended_is_found_in_the_list() -> None:
    unknown = Refusal(-2013, "Order does not exist.")
    venue = BinanceAccount({"GET /fapi/v1/order": unknown, "GET /fapi/v1/algoOrder": unknown})
    async with venue.handle() as binance:
        venue.answers["GET /fapi/v1/allAlgoOrders"] = [algo_order(algoStatus="EXPIRED")]
        assert (await binance.get_order("1000000000000007", LINEAR)).status is OrderStatus.EXPIRED
        with pytest.raises(OrderNotFound):
            await binance.get_order("1000000000000008", LINEAR)


async def test_a_conditional_order_of_another_symbol_is_not_cancelled() -> None:
    venue = BinanceAccount(
        {
            "DELETE /fapi/v1/order": Refusal(-2011, "Unknown order sent."),
            "GET /fapi/v1/algoOrder": algo_order(symbol="LTCUSDT"),
        }
    )
    async with venue.handle() as binance:
        with pytest.raises(OrderNotFound):
            await binance.cancel_order("1000000000000007", LINEAR)
    assert venue.named("DELETE /fapi/v1/algoOrder") == []


async def test_a_conditional_order_that_was_triggered_is_asked_for_and_cancelled_where_it_trades() -> None:
    plain = usdm_order(orderId=77, status="PARTIALLY_FILLED", executedQty="0.004", avgPrice="71001", time=T + 9)

    def asked(params: Mapping[str, str]) -> object:
        return plain if params.get("orderId") == "77" else Refusal(-2013, "Order does not exist.")

    def cancelled(params: Mapping[str, str]) -> object:
        if params.get("orderId") == "77":
            return {**plain, "status": "CANCELED"}
        return Refusal(-2011, "Unknown order sent.")

    venue = BinanceAccount(
        {
            "GET /fapi/v1/order": asked,
            "DELETE /fapi/v1/order": cancelled,
            "GET /fapi/v1/algoOrder": algo_order(algoStatus="TRIGGERED", actualOrderId="77"),
        }
    )
    async with venue.handle() as binance:
        order = await binance.get_order("1000000000000007", LINEAR)
        assert (order.id, order.type, order.filled, order.average_price) == (
            "1000000000000007",
            OrderType.STOP,
            Decimal("0.004"),
            Decimal(71001),
        )
        order = await binance.cancel_order("1000000000000007", LINEAR)
        assert (order.id, order.status, order.filled) == (
            "1000000000000007",
            OrderStatus.CANCELED,
            Decimal("0.004"),
        )
        venue.answers |= {
            "GET /fapi/v1/allOrders": [{**plain, "status": "FILLED", "executedQty": "0.010"}],
            "GET /fapi/v1/allAlgoOrders": [
                algo_order(algoStatus="FINISHED", actualOrderId="77", actualQty="0.010", actualPrice="71001")
            ],
        }
        (once,) = await binance.get_order_history(LINEAR)
        assert (once.id, once.type, once.filled) == ("1000000000000007", OrderType.STOP, Decimal("0.010"))


async def test_a_cancel_that_was_accepted_is_not_hidden_by_a_question_that_fails() -> None:
    answers = iter([algo_order(), Refusal(-1102, "something else")])
    venue = BinanceAccount(
        {
            "DELETE /fapi/v1/order": Refusal(-2011, "Unknown order sent."),
            "GET /fapi/v1/algoOrder": lambda params: next(answers),
            "DELETE /fapi/v1/algoOrder": {"code": "200"},
        }
    )
    async with venue.handle() as binance:
        with pytest.raises(ExchangeError, match="the cancel was accepted"):
            await binance.cancel_order("1000000000000007", LINEAR)


async def test_cancelling_all_spot_orders_gives_those_that_the_venue_names_groups_taken_apart() -> None:
    one = spot_order(status="CANCELED", origClientOrderId="a", transactTime=T)
    group = {
        "symbol": "BTCUSDT",
        "orderListId": 1,
        "orderReports": [spot_order(status="CANCELED", orderId=30), spot_order(status="CANCELED", orderId=31)],
    }
    venue = BinanceAccount({"DELETE /api/v3/openOrders": [one, group]})
    async with venue.handle() as binance:
        assert [order.id for order in await binance.cancel_all_orders(SPOT)] == ["28", "30", "31"]
        venue.answers["DELETE /api/v3/openOrders"] = Refusal(-2011, "Unknown order sent.")
        assert list(await binance.cancel_all_orders(SPOT)) == []


async def test_cancelling_all_futures_orders_gives_those_that_turn_out_to_be_cancelled() -> None:
    done = {"code": 200, "msg": "The operation of cancel all open order is done."}
    after = {"22": usdm_order(status="CANCELED"), "23": usdm_order(orderId=23, status="FILLED", executedQty="0.010")}

    def asked(params: Mapping[str, str]) -> object:
        return after.get(params["orderId"], Refusal(-2013, "Order does not exist."))

    venue = BinanceAccount(
        {
            "GET /fapi/v1/order": asked,
            "GET /fapi/v1/algoOrder": algo_order(clientAlgoId="stop-1", algoStatus="CANCELED"),
            "DELETE /fapi/v1/allOpenOrders": done,
            "DELETE /fapi/v1/algoOpenOrders": done,
        }
    )
    async with venue.handle() as binance:
        venue.answers |= {
            "GET /fapi/v1/openOrders": [usdm_order(), usdm_order(orderId=23)],
            "GET /fapi/v1/openAlgoOrders": [algo_order(clientAlgoId="stop-1")],
        }
        cancelled = await binance.cancel_all_orders()
    assert sorted(order.id or "" for order in cancelled) == ["1000000000000007", "22"]
    assert all(order.status is OrderStatus.CANCELED for order in cancelled)


# --- asking for orders


async def test_open_orders_are_plain_and_conditional_ones() -> None:
    venue = BinanceAccount()
    async with venue.handle() as binance:
        venue.answers |= {
            "GET /fapi/v1/openOrders": [usdm_order(time=T)],
            "GET /fapi/v1/openAlgoOrders": [algo_order(clientAlgoId="stop-1")],
            "GET /api/v3/openOrders": [spot_order(time=T, updateTime=T)],
        }
        every = await binance.get_open_orders()
        assert [(order.symbol, order.id) for order in every] == [
            (SPOT, "28"),
            (LINEAR, "22"),
            (LINEAR, "1000000000000007"),
        ]
        assert len(await binance.get_open_orders(LINEAR)) == 2


async def test_history_is_what_ended_in_one_window_of_the_venue() -> None:
    venue = BinanceAccount()
    rows = [
        usdm_order(time=T, status="FILLED", executedQty="0.010", avgPrice="69999.5"),
        usdm_order(orderId=23, time=T + 1),
        usdm_order(orderId=24, time=T + 3, status="CANCELED", executedQty="0.001", cumQuote="70"),
    ]
    async with venue.handle() as binance:
        venue.answers |= {
            "GET /fapi/v1/allOrders": rows,
            "GET /fapi/v1/allAlgoOrders": [
                algo_order(createTime=T + 2, algoStatus="FINISHED", actualQty="0.010", actualPrice="70999")
            ],
        }
        history = await binance.get_order_history(LINEAR, since=T, until=T + 30 * 86_400_000, limit=10)
    assert [order.id for order in history] == ["22", "1000000000000007", "24"]
    assert [order.status for order in history] == [OrderStatus.FILLED, OrderStatus.FILLED, OrderStatus.CANCELED]
    assert history[2].average_price == Decimal(70000)
    assert venue.calls[0].params == {
        "symbol": "BTCUSDT",
        "startTime": str(T),
        "endTime": str(T + 7 * 86_400_000 - 1),
        "limit": "10",
    }


async def test_own_trades_say_what_they_cost() -> None:
    spot = {
        "symbol": "BTCUSDT",
        "id": 9,
        "orderId": 28,
        "price": "70000",
        "qty": "0.004",
        "commission": "0.28",
        "commissionAsset": "USDT",
        "time": T,
        "isBuyer": False,
        "isMaker": True,
    }
    usdm = {
        **{key: spot[key] for key in ("symbol", "id", "orderId", "price", "qty", "commissionAsset", "time")},
        "side": "BUY",
        "commission": "-0.01",
        "maker": True,
    }
    venue = BinanceAccount()
    async with venue.handle() as binance:
        venue.answers |= {"GET /api/v3/myTrades": [spot], "GET /fapi/v1/userTrades": [usdm]}
        (sold,) = await binance.get_trade_history(SPOT, since=T)
        (bought,) = await binance.get_trade_history(LINEAR)
    assert (sold.side, sold.trade_id, sold.order_id, sold.fee, sold.fee_asset, sold.maker) == (
        Side.SELL,
        "9",
        "28",
        Decimal("0.28"),
        "USDT",
        True,
    )
    assert (bought.side, bought.fee) == (Side.BUY, Decimal("-0.01"))
    assert venue.calls[0].params["endTime"] == str(T + 86_400_000 - 1)


@pytest.mark.parametrize("ask", ["get_order", "cancel_order", "get_order_history", "get_trade_history"])
async def test_what_needs_a_symbol_says_so(ask: str) -> None:
    venue = BinanceAccount()
    arguments = {"client_order_id": "mine-1"} if "history" not in ask else {}
    async with venue.handle() as binance:
        with pytest.raises(NotSupported, match="needs the symbol"):
            await getattr(binance, ask)(**arguments)
    assert venue.calls == []


# --- the account


async def test_balances_are_told_by_wallet() -> None:
    asset = {"asset": "USDT", "walletBalance": "100", "marginBalance": "103", "initialMargin": "20", "updateTime": T}
    venue = BinanceAccount()
    async with venue.handle() as binance:
        venue.answers |= {
            "GET /api/v3/account": {
                "updateTime": T,
                "balances": [
                    {"asset": "BTC", "free": "1", "locked": "0.5"},
                    {"asset": "LTC", "free": "0.0", "locked": "0.0"},
                ],
            },
            "GET /fapi/v3/account": {
                "assets": [
                    {**asset, "availableBalance": "83"},
                    {**asset, "asset": "BTC", "walletBalance": "0", "marginBalance": "0", "initialMargin": "0"}
                    | {"availableBalance": "0.001"},
                ]
            },
        }
        assert list(await binance.get_balance()) == [
            Balance(asset="BTC", market="spot", free=Decimal(1), total=Decimal("1.5"), timestamp_ms=T),
            Balance(asset="USDT", market="usdm", free=Decimal(83), total=Decimal(103), timestamp_ms=T),
        ]
        assert [balance.market for balance in await binance.get_balance("usdm")] == ["usdm"]
        with pytest.raises(NotSupported, match="the wallets are 'spot', 'usdm'"):
            await binance.get_balance("funding")


async def test_positions_carry_their_leverage_and_margin_mode_and_flat_ones_are_left_out() -> None:
    row = {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "-0.010",
        "entryPrice": "70000",
        "markPrice": "69000",
        "liquidationPrice": "0",
        "unRealizedProfit": "10",
        "updateTime": T,
    }
    venue = BinanceAccount()
    async with venue.handle() as binance:
        venue.answers |= {
            "GET /fapi/v3/positionRisk": [row, {**row, "symbol": "LTCUSDT", "positionAmt": "0.000"}],
            "GET /fapi/v1/symbolConfig": [{"symbol": "BTCUSDT", "marginType": "ISOLATED", "leverage": 5}],
        }
        (position,) = await binance.get_positions()
    assert (position.symbol, position.side, position.amount) == (LINEAR, PositionSide.SHORT, Decimal("0.010"))
    assert (position.leverage, position.margin_mode, position.hedge_mode) == (Decimal(5), MarginMode.ISOLATED, False)
    assert (position.liquidation_price, position.unrealized_pnl) == (None, Decimal(10))


@pytest.mark.parametrize(
    ("call", "answer", "sent"),
    [
        (
            lambda binance: binance.set_leverage(LINEAR, 5),
            {"POST /fapi/v1/leverage": {"symbol": "BTCUSDT", "leverage": 5}},
            {"symbol": "BTCUSDT", "leverage": "5"},
        ),
        (
            lambda binance: binance.set_margin_mode(LINEAR, MarginMode.CROSS),
            {"POST /fapi/v1/marginType": Refusal(-4046, "No need to change margin type.")},
            {"symbol": "BTCUSDT", "marginType": "CROSSED"},
        ),
        (
            lambda binance: binance.set_position_mode(PositionMode.HEDGE),
            {"POST /fapi/v1/positionSide/dual": Refusal(-4059, "No need to change position side.")},
            {"dualSidePosition": "true"},
        ),
    ],
)
async def test_settings_are_made_and_being_so_already_is_success(
    call: Any, answer: dict[str, object], sent: dict[str, str]
) -> None:
    venue = BinanceAccount(answer)
    async with venue.handle() as binance:
        await call(binance)
        (made,) = venue.calls
    assert (made.name, made.params) == (next(iter(answer)), sent)


async def test_a_setting_that_is_refused_is_an_error() -> None:
    refusal = Refusal(-4067, "Position side cannot be changed if there exists open orders.")
    async with BinanceAccount({"POST /fapi/v1/positionSide/dual": refusal}).handle() as binance:
        with pytest.raises(ExchangeAPIError, match="open orders"):
            await binance.set_position_mode(PositionMode.HEDGE)
        with pytest.raises(NotSupported, match="whole numbers"):
            await binance.set_leverage(LINEAR, "2.5")


async def test_funding_payments_are_positive_when_received() -> None:
    row = {"symbol": "BTCUSDT", "incomeType": "FUNDING_FEE", "asset": "USDT", "tranId": 5, "tradeId": ""}
    venue = BinanceAccount()
    async with venue.handle() as binance:
        venue.answers["GET /fapi/v1/income"] = [
            {**row, "income": "-0.375", "time": T},
            {**row, "income": "0.2", "time": T + 1, "tranId": 6},
        ]
        paid, received = await binance.get_funding_payments(LINEAR, since=T, limit=5000)
    assert (paid.amount, received.amount, received.asset, received.id) == (
        Decimal("-0.375"),
        Decimal("0.2"),
        "USDT",
        "6",
    )
    assert venue.calls[0].params == {
        "symbol": "BTCUSDT",
        "incomeType": "FUNDING_FEE",
        "startTime": str(T),
        "limit": "1000",
    }


async def test_without_credentials_nothing_is_asked() -> None:
    venue = BinanceAccount()
    async with venue.handle(api_key=None, secret_key=None) as binance:
        with pytest.raises(ExchangeAuthError, match="none are configured"):
            await binance.get_balance()
    assert venue.calls == []

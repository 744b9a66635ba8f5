"""What leaves for OKX when an account trades, and what its answers become."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from fra.core import (
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeHandle,
    FraError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PermissionDenied,
    PositionMode,
    PositionSide,
    Side,
    SymbolNotFound,
    TimeInForce,
)

SPOT, LINEAR, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
PLACE, ALGO = "POST trade/order", "POST trade/order-algo"
ACK = [{"ordId": "11", "algoId": "", "clOrdId": "", "sCode": "0", "sMsg": "", "ts": "1790000000000"}]


def request(symbol: str = LINEAR, **fields: Any) -> OrderRequest:
    """A buy of 0.05 coins, called mine1, at a limit if nothing else is said."""
    values: dict[str, Any] = {"side": Side.BUY, "type": OrderType.LIMIT, "amount": Decimal("0.05")}
    if fields.get("type", OrderType.LIMIT) is OrderType.LIMIT:
        values["price"] = Decimal(70000)
    return OrderRequest(symbol=symbol, **{"client_order_id": "mine1", **values, **fields})


def row(**fields: str) -> dict[str, str]:
    """An ordinary order as OKX tells it."""
    return {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "ordId": "11",
        "clOrdId": "mine1",
        "side": "buy",
        "ordType": "limit",
        "state": "live",
        "sz": "5",
        "px": "70000",
        "posSide": "net",
        "accFillSz": "0",
        "cTime": "1790000000000",
        "uTime": "1790000000001",
        **fields,
    }


def algo(**fields: Any) -> dict[str, Any]:
    """A stop loss as OKX tells it."""
    return {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "algoId": "77",
        "algoClOrdId": "mine1",
        "side": "sell",
        "ordType": "conditional",
        "state": "live",
        "sz": "5",
        "posSide": "net",
        "slTriggerPx": "60000",
        "slOrdPx": "-1",
        "ordIdList": [],
        "cTime": "1790000000000",
        "uTime": "1790000000001",
        **fields,
    }


MISSING = {"code": "51603", "msg": "Order does not exist", "data": []}

SENT: Mapping[str, tuple[OrderRequest, dict[str, object]]] = {
    "limit": (request(), {"ordType": "limit", "px": "70000", "sz": "5", "tdMode": "cross"}),
    "post only": (request(post_only=True), {"ordType": "post_only"}),
    "ioc": (request(time_in_force=TimeInForce.IOC), {"ordType": "ioc"}),
    "fok": (request(time_in_force=TimeInForce.FOK), {"ordType": "fok"}),
    "market": (request(type=OrderType.MARKET), {"ordType": "market", "sz": "5"}),
    "market ioc": (
        request(type=OrderType.MARKET, time_in_force=TimeInForce.IOC),
        {"ordType": "optimal_limit_ioc"},
    ),
    "reduce only": (request(reduce_only=True), {"reduceOnly": True}),
    "inverse": (request(INVERSE, amount=Decimal(500)), {"instId": "BTC-USD-SWAP", "sz": "5"}),
    "spot": (request(SPOT), {"instId": "BTC-USDT", "tdMode": "cash", "sz": "0.05"}),
    "spot market": (
        request(SPOT, type=OrderType.MARKET),
        {"ordType": "market", "sz": "0.05", "tgtCcy": "base_ccy", "banAmend": True},
    ),
    "spot market by value": (
        request(SPOT, type=OrderType.MARKET, amount=None, quote_amount=Decimal(1000)),
        {"ordType": "market", "sz": "1000", "tgtCcy": "quote_ccy", "banAmend": True},
    ),
    "spot market ioc": (
        request(SPOT, type=OrderType.MARKET, side=Side.SELL, time_in_force=TimeInForce.IOC),
        {"ordType": "market", "tgtCcy": "base_ccy"},
    ),
}


@pytest.mark.parametrize("name", SENT)
async def test_an_order_is_sent_as_what_it_is(venue: Any, name: str) -> None:
    order_request, expected = SENT[name]
    venue.answers[PLACE] = ACK
    async with venue.handle() as okx:
        order = await okx.create_order(order_request)
    (sent,) = venue.asked(PLACE)
    assert sent.items() >= expected.items()
    assert sent["clOrdId"] == "mine1"
    assert "tag" not in sent
    assert (order.id, order.client_order_id, order.status) == ("11", "mine1", OrderStatus.PENDING)
    assert order.amount == order_request.amount


STOPS: Mapping[str, tuple[OrderRequest, dict[str, object]]] = {
    "stop": (
        request(type=OrderType.STOP, side=Side.SELL, trigger_price=Decimal(60000), reduce_only=True),
        {"slTriggerPx": "60000", "slOrdPx": "-1", "sz": "5", "reduceOnly": True},
    ),
    "stop limit": (
        request(type=OrderType.STOP, side=Side.SELL, trigger_price=Decimal(60000), price=Decimal(59000)),
        {"slTriggerPx": "60000", "slOrdPx": "59000"},
    ),
    "take profit": (
        request(type=OrderType.TAKE_PROFIT, side=Side.SELL, trigger_price=Decimal(90000)),
        {"tpTriggerPx": "90000", "tpOrdPx": "-1"},
    ),
    "spot": (
        request(SPOT, type=OrderType.STOP, trigger_price=Decimal(90000)),
        {"slTriggerPx": "90000", "sz": "0.05", "tgtCcy": "base_ccy", "tdMode": "cash"},
    ),
}


@pytest.mark.parametrize("name", STOPS)
async def test_a_conditional_order_is_one_of_the_venues_own(venue: Any, name: str) -> None:
    order_request, expected = STOPS[name]
    venue.answers[ALGO] = [{**ACK[0], "ordId": "", "algoId": "77"}]
    async with venue.handle() as okx:
        order = await okx.create_order(order_request)
    (sent,) = venue.asked(ALGO)
    assert sent.items() >= {"ordType": "conditional", "algoClOrdId": "mine1", **expected}.items()
    assert (order.id, order.trigger_price) == ("77", order_request.trigger_price)


REFUSED: Mapping[str, tuple[OrderRequest, type[FraError], str]] = {
    "fok market": (
        request(type=OrderType.MARKET, time_in_force=TimeInForce.FOK),
        NotSupported,
        "no fill-or-kill market orders",
    ),
    "ioc stop": (
        request(type=OrderType.STOP, trigger_price=Decimal(90000), time_in_force=TimeInForce.IOC),
        NotSupported,
        "plain market or limit",
    ),
    "reduce-only spot": (request(SPOT, reduce_only=True), NotSupported, "for swaps only"),
    "spot with a side": (request(SPOT, position_side=PositionSide.LONG), InvalidOrder, "no position side"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_venue_cannot_do_is_refused_before_anything_is_sent(venue: Any, name: str) -> None:
    order_request, kind, words = REFUSED[name]
    async with venue.handle() as okx:
        with pytest.raises(kind, match=words):
            await okx.create_order(order_request)
    assert [call for call, _ in venue.calls if not call.startswith("GET ")] == []


# --- modes of the account


@pytest.mark.parametrize(("level", "mode"), [("2", "cash"), ("3", "cross"), ("4", "cross")])
async def test_spot_is_traded_as_the_accounts_level_wants_it(venue: Any, level: str, mode: str) -> None:
    venue.answers |= {PLACE: ACK, "GET account/config": [{"acctLv": level, "posMode": "net_mode"}]}
    async with venue.handle() as okx:
        await okx.create_order(request(SPOT))
        await okx.create_order(request(SPOT, client_order_id="mine2"))
    assert [sent["tdMode"] for sent in venue.asked(PLACE)] == [mode, mode]
    assert len(venue.asked("GET account/config")) == 1


async def test_the_margin_mode_of_swaps_is_an_option(venue: Any) -> None:
    venue.answers[PLACE] = ACK
    async with venue.handle(options={"margin_mode": "isolated"}) as okx:
        await okx.create_order(request())
        await okx.create_order(request(SPOT))
    assert [sent["tdMode"] for sent in venue.asked(PLACE)] == ["isolated", "cash"]


async def test_hedge_mode_wants_a_side_and_closes_by_itself(venue: Any) -> None:
    venue.answers |= {PLACE: ACK, "GET account/config": [{"acctLv": "2", "posMode": "long_short_mode"}]}
    closing = request(side=Side.SELL, position_side=PositionSide.LONG, reduce_only=True)
    async with venue.handle() as okx:
        with pytest.raises(InvalidOrder, match="hedge mode: give position_side LONG or SHORT"):
            await okx.create_order(request())
        with pytest.raises(InvalidOrder, match="opens a long position"):
            await okx.create_order(request(position_side=PositionSide.LONG, reduce_only=True))
        await okx.create_order(closing)
    (sent,) = venue.asked(PLACE)
    assert sent["posSide"] == "long"
    assert "reduceOnly" not in sent


async def test_one_way_mode_takes_no_side(venue: Any) -> None:
    async with venue.handle() as okx:
        with pytest.raises(InvalidOrder, match="one-way mode"):
            await okx.create_order(request(position_side=PositionSide.LONG))
    assert venue.asked(PLACE) == []


async def test_portfolio_margin_has_no_reduce_only_orders(venue: Any) -> None:
    venue.answers["GET account/config"] = [{"acctLv": "4", "posMode": "net_mode"}]
    async with venue.handle() as okx:
        with pytest.raises(NotSupported, match="portfolio margin"):
            await okx.create_order(request(reduce_only=True))
    assert venue.asked(PLACE) == []


async def test_the_mode_is_read_again_after_it_was_set_or_when_the_venue_does_not_agree(venue: Any) -> None:
    wrong = {"code": "1", "msg": "", "data": [{"sCode": "51000", "sMsg": "Parameter posSide error"}]}
    answers = iter([wrong, {"code": "0", "data": ACK}, {"code": "0", "data": ACK}])
    venue.answers |= {PLACE: lambda params: next(answers), "POST account/set-position-mode": [{"posMode": "net_mode"}]}
    async with venue.handle() as okx:
        with pytest.raises(ExchangeAPIError, match="posSide"):
            await okx.create_order(request())
        await okx.create_order(request(client_order_id="mine2"))
        await okx.set_position_mode(PositionMode.ONE_WAY)
        await okx.create_order(request(client_order_id="mine3"))
    assert len(venue.asked("GET account/config")) == 3
    assert venue.asked("POST account/set-position-mode") == [{"posMode": "net_mode"}]


@pytest.mark.parametrize(
    ("margin", "mode", "sides"),
    [
        ("cross", "long_short_mode", [None]),
        ("isolated", "net_mode", [None]),
        ("isolated", "long_short_mode", ["long", "short"]),
    ],
)
async def test_leverage_is_set_wherever_the_venue_keeps_it(
    venue: Any, margin: str, mode: str, sides: list[str | None]
) -> None:
    venue.answers |= {"GET account/config": [{"acctLv": "2", "posMode": mode}], "POST account/set-leverage": [{}]}
    async with venue.handle(options={"margin_mode": margin}) as okx:
        await okx.set_leverage(LINEAR, Decimal(5))
    sent = venue.asked("POST account/set-leverage")
    assert [one.get("posSide") for one in sent] == sides
    assert all(one.items() >= {"instId": "BTC-USDT-SWAP", "lever": "5", "mgnMode": margin}.items() for one in sent)


# --- errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("51008", InsufficientFunds),
        ("51016", DuplicateOrder),
        ("51068", DuplicateOrder),
        ("51150", InvalidOrder),
        ("51169", InvalidOrder),
        ("51020", InvalidOrder),
        ("51121", InvalidOrder),
        ("51001", SymbolNotFound),
        ("51010", PermissionDenied),
        ("51503", OrderNotFound),
    ],
)
async def test_a_refused_order_is_one_typed_error_with_the_venues_code(
    venue: Any, code: str, kind: type[FraError]
) -> None:
    refusal = {"sCode": code, "sMsg": "because", "ordId": "", "clOrdId": "mine1"}
    venue.answers[PLACE] = {"code": "1", "msg": "All operations failed", "data": [refusal]}
    async with venue.handle() as okx:
        with pytest.raises(kind, match="because") as caught:
            await okx.create_order(request())
    assert type(caught.value) is kind
    assert getattr(caught.value, "code", None) == code


async def test_a_refusal_under_a_good_code_is_one_too(venue: Any) -> None:
    venue.answers[ALGO] = [{"algoId": "", "sCode": "51020", "sMsg": "too small"}]
    async with venue.handle() as okx:
        with pytest.raises(InvalidOrder, match="too small"):
            await okx.create_order(request(type=OrderType.STOP, trigger_price=Decimal(90000)))


def failing(status: int, code: str) -> web.Response:
    return web.json_response({"code": code, "msg": "no", "data": []}, status=status)


@pytest.mark.parametrize(("status", "code"), [(503, "50013"), (500, ""), (504, "50004"), (200, "51149")])
async def test_a_busy_venue_leaves_the_fate_of_an_order_open_until_it_is_asked_for(
    venue: Any, status: int, code: str
) -> None:
    venue.answers |= {PLACE: lambda params: failing(status, code), "GET trade/order": [row()]}
    async with venue.handle() as okx:
        order = await okx.create_order(request())
    assert (order.id, order.status) == ("11", OrderStatus.OPEN)
    assert len(venue.asked(PLACE)) == 1
    assert venue.asked("GET trade/order") == [{"instId": "BTC-USDT-SWAP", "clOrdId": "mine1"}]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("50111", ExchangeAuthError),
        ("50113", ExchangeAuthError),
        ("50105", ExchangeAuthError),
        ("50110", PermissionDenied),
    ],
)
async def test_wrong_credentials_and_missing_rights_are_told_apart(venue: Any, code: str, kind: type[FraError]) -> None:
    venue.answers["GET account/balance"] = lambda params: failing(401, code)
    async with venue.handle() as okx:
        with pytest.raises(kind) as caught:
            await okx.get_balance()
    assert type(caught.value) is kind


async def test_a_refused_timestamp_makes_the_clock_be_read_again_once(venue: Any) -> None:
    answers = iter([failing(401, "50102"), {"code": "0", "data": [{"details": []}]}])
    venue.answers["GET account/balance"] = lambda params: next(answers)
    async with venue.handle() as okx:
        assert await okx.get_balance() == []
        venue.answers["GET account/balance"] = lambda params: failing(401, "50102")
        with pytest.raises(ExchangeAuthError, match="clock"):
            await okx.get_balance()


# --- cancelling and asking


async def test_a_cancelled_order_is_asked_for_once(venue: Any) -> None:
    partly = row(state="canceled", accFillSz="2", avgPx="70000", cancelSource="1")
    venue.answers |= {"POST trade/cancel-order": ACK, "GET trade/order": [partly]}
    async with venue.handle() as okx:
        order = await okx.cancel_order(client_order_id="mine1", symbol=LINEAR)
    assert venue.asked("POST trade/cancel-order") == [{"instId": "BTC-USDT-SWAP", "clOrdId": "mine1"}]
    assert (order.status, order.filled, order.amount) == (OrderStatus.CANCELED, Decimal("0.02"), Decimal("0.05"))
    assert order.average_price == 70000
    assert order.reason == "cancelled by the user"


async def test_an_order_that_is_being_cancelled_already_is_no_error(venue: Any) -> None:
    under_way = {"code": "1", "data": [{"ordId": "11", "sCode": "51410", "sMsg": "under cancelling status"}]}
    venue.answers |= {"POST trade/cancel-order": under_way, "GET trade/order": [row(state="canceled")]}
    async with venue.handle() as okx:
        assert (await okx.cancel_order("11", LINEAR)).status is OrderStatus.CANCELED


async def test_a_cancelling_whose_result_cannot_be_asked_for_says_that_it_was_accepted(venue: Any) -> None:
    venue.answers |= {"POST trade/cancel-order": ACK, "GET trade/order": lambda params: failing(400, "50000")}
    async with venue.handle() as okx:
        with pytest.raises(ExchangeAPIError, match="the cancelling was accepted"):
            await okx.cancel_order("11", LINEAR)


async def test_an_order_that_the_venue_does_not_know_is_not_found(venue: Any) -> None:
    venue.answers |= {
        "POST trade/cancel-order": {"code": "1", "data": [{"sCode": "51400", "sMsg": "it does not exist"}]},
        "GET trade/order": MISSING,
        "GET trade/order-algo": MISSING,
    }
    async with venue.handle() as okx:
        with pytest.raises(OrderNotFound):
            await okx.get_order("11", LINEAR)
        with pytest.raises(OrderNotFound, match="51400"):
            await okx.cancel_order("11", LINEAR)


async def test_an_order_cannot_be_found_without_its_symbol(venue: Any) -> None:
    async with venue.handle() as okx:
        for call in (okx.get_order, okx.cancel_order):
            with pytest.raises(NotSupported, match="needs the symbol"):
                await call("11")


async def test_all_orders_are_cancelled_in_batches_and_told_as_they_ended(venue: Any) -> None:
    rows = [row(ordId=str(number)) for number in range(100, 125)]

    def ended(params: Mapping[str, str]) -> list[dict[str, str]]:
        return [row(ordId=params["ordId"], state="canceled", cancelSource="1")]

    def cancelled(params: list[Mapping[str, str]]) -> list[dict[str, str]]:
        codes = {"103": "51402"}  # ended meanwhile
        return [{"ordId": one["ordId"], "sCode": codes.get(one["ordId"], "0")} for one in params]

    venue.answers |= {
        "GET trade/orders-pending": rows,
        "POST trade/cancel-batch-orders": lambda params: {"code": "2", "msg": "", "data": cancelled(params)},
        "GET trade/order": ended,
    }
    async with venue.handle() as okx:
        orders = await okx.cancel_all_orders()
    assert [len(batch) for batch in venue.asked("POST trade/cancel-batch-orders")] == [20, 5]
    assert sorted(order.id or "" for order in orders) == [str(number) for number in range(100, 125) if number != 103]
    assert all(order.status is OrderStatus.CANCELED for order in orders)


async def test_an_order_that_could_not_be_cancelled_is_no_silent_rest(venue: Any) -> None:
    venue.answers |= {
        "GET trade/orders-pending": [row()],
        "POST trade/cancel-batch-orders": {
            "code": "1",
            "msg": "",
            "data": [{"ordId": "11", "sCode": "51404", "sMsg": "no"}],
        },
    }
    async with venue.handle() as okx:
        with pytest.raises(ExchangeAPIError, match="1 orders could not be cancelled") as caught:
            await okx.cancel_all_orders(LINEAR)
    assert caught.value.code == "51404"


async def test_pages_are_read_until_one_is_not_full(venue: Any) -> None:
    pages = {None: [row(ordId=str(300 - number)) for number in range(100)], "201": [row(ordId="200")]}
    venue.answers["GET trade/orders-pending"] = lambda params: pages[params.get("after")]
    async with venue.handle() as okx:
        assert len(await okx.get_open_orders()) == 101
    # The account that is followed beside it may ask for the same.
    assert {params.get("after") for params in venue.asked("GET trade/orders-pending")} == {None, "201"}


async def test_history_begins_at_since_and_is_oldest_first(venue: Any) -> None:
    now = 1_790_000_000_000
    venue.answers["GET trade/orders-history-archive"] = lambda params: (
        [row(ordId=str(n), cTime=str(now + n), state="filled", accFillSz="5", avgPx="1") for n in (9, 7, 5, 3)]
        if params["instType"] == "SWAP"
        else []
    )
    async with venue.handle() as okx:
        orders = await okx.get_order_history(since=now + 4, until=now + 9, limit=1)
    assert [order.id for order in orders] == ["5"]
    assert [asked["begin"] for asked in venue.asked("GET trade/orders-history-archive")] == [str(now + 4)] * 2
    assert {asked["end"] for asked in venue.asked("GET trade/orders-history-archive")} == {str(now + 8)}


# --- conditional orders through their life


def triggered(**fields: str) -> dict[str, str]:
    own = {"ordId": "90", "clOrdId": "", "algoId": "77", "algoClOrdId": "mine1", "source": "7", "side": "sell"}
    return row(**{**own, "ordType": "market", "px": "", **fields})


async def found(okx: ExchangeHandle) -> list[tuple[OrderStatus, OrderType, str | None, Decimal]]:
    orders = [await okx.get_order("77", LINEAR), await okx.get_order(client_order_id="mine1", symbol=LINEAR)]
    assert all(order.client_order_id == "mine1" for order in orders)
    return [(order.status, order.type, order.id, order.filled) for order in orders]


async def test_a_conditional_order_stays_known_by_its_ids_to_its_end(venue: Any) -> None:
    waiting, ended = algo(), algo(state="effective", ordIdList=["90"])
    now: dict[str, Any] = {"algo": waiting}
    venue.answers |= {
        "GET trade/order": lambda params: (
            [triggered(state="filled", accFillSz="5", avgPx="59990")] if params.get("ordId") == "90" else MISSING
        ),
        "GET trade/order-algo": lambda params: [now["algo"]],
    }
    async with venue.handle() as okx:
        assert await found(okx) == [(OrderStatus.OPEN, OrderType.STOP, "77", Decimal(0))] * 2
        now["algo"] = ended
        assert await found(okx) == [(OrderStatus.FILLED, OrderType.STOP, "77", Decimal("0.05"))] * 2
        venue.answers["GET trade/fills-history"] = [
            {
                "instType": "SWAP",
                "instId": "BTC-USDT-SWAP",
                "tradeId": "5",
                "ordId": "90",
                "side": "sell",
                "fillPx": "59990",
                "fillSz": "5",
                "fee": "-0.1",
                "feeCcy": "USDT",
                "execType": "T",
                "ts": "1790000000000",
                "billId": "1",
            }
        ]
        (fill,) = await okx.get_trade_history(LINEAR)
        assert (fill.order_id, fill.client_order_id, fill.fee) == ("77", "mine1", Decimal("0.1"))


async def test_a_waiting_conditional_order_is_open_and_can_be_cancelled(venue: Any) -> None:
    now = {"state": "live"}

    def cancel(params: Any) -> list[dict[str, str]]:
        now["state"] = "canceled"
        return [{"algoId": "77", "sCode": "0"}]

    venue.answers |= {
        "GET trade/orders-algo-pending": lambda params: [algo()] if now["state"] == "live" else [],
        "POST trade/cancel-order": {"code": "1", "data": [{"sCode": "51400", "sMsg": "it does not exist"}]},
        "GET trade/order": MISSING,
        "GET trade/order-algo": lambda params: [algo(**now)],
        "POST trade/cancel-algos": cancel,
    }
    async with venue.handle() as okx:
        (order,) = await okx.get_open_orders()
        assert (order.id, order.trigger_price, order.price) == ("77", Decimal(60000), None)
        assert (await okx.cancel_order("77", LINEAR)).status is OrderStatus.CANCELED
        now["state"] = "live"
        assert [one.status for one in await okx.cancel_all_orders(LINEAR)] == [OrderStatus.CANCELED]
    assert venue.asked("POST trade/cancel-algos") == [[{"instId": "BTC-USDT-SWAP", "algoId": "77"}]] * 2


async def test_a_triggered_order_that_rests_can_be_cancelled_by_its_first_id(venue: Any) -> None:
    resting = triggered(ordType="limit", px="59000")
    venue.answers |= {
        "POST trade/cancel-order": lambda params: (
            ACK if params.get("ordId") == "90" else {"code": "1", "data": [{"sCode": "51400", "sMsg": "none"}]}
        ),
        "GET trade/order": lambda params: (
            [{**resting, "state": "canceled"}] if params.get("ordId") == "90" else MISSING
        ),
        "GET trade/order-algo": [algo(state="effective", ordIdList=["90"], slOrdPx="59000")],
        "GET trade/orders-pending": [resting],
    }
    async with venue.handle() as okx:
        (order,) = await okx.get_open_orders(LINEAR)
        assert (order.id, order.type, order.price) == ("77", OrderType.STOP, Decimal(59000))
        assert (await okx.cancel_order("77", LINEAR)).status is OrderStatus.CANCELED


async def test_an_order_that_is_triggered_while_it_is_cancelled_is_cancelled_as_what_it_became(venue: Any) -> None:
    told = iter([algo(), algo(state="effective", ordIdList=["90"], slOrdPx="59000")])
    last = algo(state="effective", ordIdList=["90"], slOrdPx="59000")
    came = triggered(ordType="limit", px="59000", state="canceled")
    venue.answers |= {
        "POST trade/cancel-order": lambda params: (
            ACK if params.get("ordId") == "90" else {"code": "1", "data": [{"sCode": "51400", "sMsg": "none"}]}
        ),
        "POST trade/cancel-algos": {"code": "1", "data": [{"algoId": "77", "sCode": "51412", "sMsg": "triggered"}]},
        "GET trade/order": lambda params: [came] if params.get("ordId") == "90" else MISSING,
        "GET trade/order-algo": lambda params: [next(told, last)],
    }
    async with venue.handle() as okx:
        order = await okx.cancel_order("77", LINEAR)
    assert (order.id, order.status) == ("77", OrderStatus.CANCELED)
    assert venue.asked("POST trade/cancel-order")[-1] == {"instId": "BTC-USDT-SWAP", "ordId": "90"}


async def test_a_conditional_order_that_could_not_be_placed_is_rejected_with_the_reason(venue: Any) -> None:
    venue.answers |= {
        "GET trade/order": MISSING,
        "GET trade/order-algo": [algo(state="order_failed", failCode="51008")],
    }
    async with venue.handle() as okx:
        order = await okx.get_order("77", LINEAR)
    assert (order.status, order.reason) == (OrderStatus.REJECTED, "OKX could not place it: 51008")


# --- wallets and settlements


async def test_every_market_has_the_same_wallet_and_another_name_is_refused(venue: Any) -> None:
    details = [{"ccy": "USDT", "eq": "10", "availEq": "7", "liab": "1"}, {"ccy": "BTC", "eq": "0", "availBal": "0"}]
    venue.answers["GET account/balance"] = [{"details": details}]
    async with venue.handle() as okx:
        answers = [await okx.get_balance(name) for name in (None, "trading", "spot", "swap")]
        with pytest.raises(NotSupported, match="it has trading, spot, swap"):
            await okx.get_balance("funding")
    assert [len(balances) for balances in answers] == [1, 1, 1, 1]
    (balance,) = answers[0]
    assert (balance.market, balance.free, balance.total, balance.borrowed) == ("trading", 7, 10, 1)


async def test_positions_are_coins_with_a_side_and_flat_ones_are_left_out(venue: Any) -> None:
    common = {"instType": "SWAP", "mgnMode": "cross", "lever": "3", "avgPx": "70000", "liqPx": ""}
    venue.answers["GET account/positions"] = [
        {**common, "instId": "BTC-USDT-SWAP", "pos": "-5", "posSide": "net"},
        {**common, "instId": "BTC-USD-SWAP", "pos": "3", "posSide": "long"},
        {**common, "instId": "BTC-USD-SWAP", "pos": "0", "posSide": "short"},
    ]
    async with venue.handle() as okx:
        short, long = await okx.get_positions()
    assert (short.side, short.amount, short.hedge_mode) == (PositionSide.SHORT, Decimal("0.05"), False)
    assert (long.side, long.amount, long.hedge_mode) == (PositionSide.LONG, Decimal(300), True)
    assert short.liquidation_price is None


async def test_funding_is_positive_when_it_was_received(venue: Any) -> None:
    bill = {"type": "8", "ccy": "USDT", "instType": "SWAP", "instId": "BTC-USDT-SWAP", "sz": "5", "balChg": "0"}
    venue.answers["GET account/bills-archive"] = [
        {**bill, "billId": "2", "ts": "1790000000002", "pnl": "0.5"},
        {**bill, "billId": "1", "ts": "1790000000001", "pnl": "-0.25"},
    ]
    async with venue.handle() as okx:
        payments = await okx.get_funding_payments(LINEAR)
    assert [(payment.id, payment.amount, payment.position_amount) for payment in payments] == [
        ("1", Decimal("-0.25"), Decimal("0.05")),
        ("2", Decimal("0.5"), Decimal("0.05")),
    ]
    assert venue.asked("GET account/bills-archive") == [{"type": "8", "instType": "SWAP", "instId": "BTC-USDT-SWAP"}]

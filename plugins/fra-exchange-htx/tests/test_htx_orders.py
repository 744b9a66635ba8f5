"""What leaves for HTX when an account trades, and what comes back, seen by a server on loopback."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from htx_local import ACCOUNT, HtxLocal, setup

from fra.core import (
    DuplicateOrder,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    MarketKind,
    NotSupported,
    Order,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    PermissionDenied,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
)
from fra.exchanges.htx import HTXOptions, HTXPlugin, account_wire
from fra.exchanges.htx.trading_swap import SwapTrading

SPOT, SWAP = "LTC/USDT", "BTC/USDT:USDT"
AT = 1_700_000_000_000
PLACE, CROSS = "/v1/order/orders/place", "/linear-swap-api/v1/swap_cross_"
PLACED = {"status": "ok", "data": "356501383558845"}
SWAP_PLACED = {"status": "ok", "data": {"order_id": 770323133537685504, "order_id_str": "770323133537685504"}, "ts": AT}
UNION_PLACED = {"code": 200, "message": "Success", "data": {"order_id": "15125"}, "ts": AT}
BOUGHT = {"symbol": SWAP, "side": Side.BUY, "client_order_id": "123"}


def limit(symbol: str = SPOT, **more: Any) -> OrderRequest:
    base = {"side": Side.BUY, "amount": Decimal("0.2"), "price": Decimal(50), "client_order_id": "123"}
    return OrderRequest(symbol=symbol, type=OrderType.LIMIT, **{**base, **more})


def market(symbol: str = SPOT, **more: Any) -> OrderRequest:
    return OrderRequest(symbol=symbol, type=OrderType.MARKET, **{"side": Side.BUY, "client_order_id": "123", **more})


def stop(kind: OrderType, side: Side) -> OrderRequest:
    return OrderRequest(
        symbol=SPOT,
        type=kind,
        side=side,
        amount=Decimal("0.2"),
        price=Decimal(50),
        trigger_price=Decimal(100),
        client_order_id="123",
    )


# --- spot --------------------------------------------------------------------------------------------------------

FOK, IOC = TimeInForce.FOK, TimeInForce.IOC


@pytest.mark.parametrize(
    ("request_", "kind", "amount", "more"),
    [
        (limit(), "buy-limit", "0.2", {"price": "50"}),
        (limit(side=Side.SELL), "sell-limit", "0.2", {"price": "50"}),
        (limit(post_only=True), "buy-limit-maker", "0.2", {"price": "50"}),
        (limit(time_in_force=IOC), "buy-ioc", "0.2", {"price": "50"}),
        (limit(time_in_force=FOK), "buy-limit-fok", "0.2", {"price": "50"}),
        (market(quote_amount=Decimal(10)), "buy-market", "10", {}),
        (market(side=Side.SELL, amount=Decimal("0.5")), "sell-market", "0.5", {}),
        (
            stop(OrderType.STOP, Side.BUY),
            "buy-stop-limit",
            "0.2",
            {"price": "50", "stop-price": "100", "operator": "gte"},
        ),
        (
            stop(OrderType.STOP, Side.SELL),
            "sell-stop-limit",
            "0.2",
            {"price": "50", "stop-price": "100", "operator": "lte"},
        ),
        (
            stop(OrderType.TAKE_PROFIT, Side.SELL),
            "sell-stop-limit",
            "0.2",
            {"price": "50", "stop-price": "100", "operator": "gte"},
        ),
    ],
)
async def test_spot_orders_in_htxs_words(request_: OrderRequest, kind: str, amount: str, more: dict[str, str]) -> None:
    server = HtxLocal({PLACE: PLACED})
    async with server.connected() as htx:
        order = await htx.create_order(request_)
    assert (order.id, order.status, order.client_order_id) == ("356501383558845", OrderStatus.PENDING, "123")
    common = {"account-id": str(ACCOUNT), "symbol": "ltcusdt", "client-order-id": "123"}
    assert server.calls(PLACE) == [("POST", {}, {**common, "type": kind, "amount": amount, **more})]


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (market(amount=Decimal(1)), "amount of quote coin only"),
        (market(quote_amount=Decimal(10), time_in_force=FOK), "no FOK at the market"),
        (
            OrderRequest(symbol=SPOT, side=Side.BUY, type=OrderType.STOP, amount=Decimal(1), trigger_price=Decimal(99)),
            "give a price too",
        ),
        (
            OrderRequest(symbol=SWAP, side=Side.BUY, type=OrderType.STOP, amount=Decimal(1), trigger_price=Decimal(99)),
            "swaps have no stop orders",
        ),
    ],
)
async def test_what_htx_cannot_do_is_refused_before_anything_is_sent(request_: OrderRequest, what: str) -> None:
    server = HtxLocal({PLACE: PLACED})
    async with server.connected() as htx:
        with pytest.raises(NotSupported, match=what) as caught:
            await htx.create_order(request_)
    assert caught.value.exchange == "htx"
    assert not [path for method, path, _, _ in server.asked if method == "POST"]


def spot_row(**more: Any) -> dict[str, Any]:
    row = {"id": 1168150634634374, "symbol": "ltcusdt", "account-id": ACCOUNT, "client-order-id": "123"}
    row |= {"amount": "0.2", "price": "50", "created-at": AT, "type": "buy-limit", "state": "canceled"}
    return {**row, "field-amount": "0.1", "field-cash-amount": "4.9", "field-fees": "0", "canceled-at": AT + 4, **more}


async def test_a_cancelled_spot_order_is_asked_for_once() -> None:
    server = HtxLocal(
        {
            "/v1/order/orders/1168150634634374/submitcancel": PLACED,
            "/v1/order/orders/1168150634634374": {"status": "ok", "data": spot_row()},
        }
    )
    async with server.connected() as htx:
        order = await htx.cancel_order("1168150634634374", SPOT)
    assert (order.status, order.filled, order.average_price) == (OrderStatus.CANCELED, Decimal("0.1"), Decimal(49))
    assert (order.created_ms, order.timestamp_ms) == (AT, AT + 4)


@pytest.mark.parametrize(("code", "raised"), [(10, None), (7, OrderNotFound), (6, OrderNotFound), (-1, OrderNotFound)])
async def test_a_cancel_by_client_id_says_by_a_number_what_became_of_it(code: int, raised: Any) -> None:
    server = HtxLocal(
        {
            "/v1/order/orders/submitCancelClientOrder": {"status": "ok", "data": code},
            "/v1/order/orders/getClientOrder": {"status": "ok", "data": spot_row()},
        }
    )
    async with server.connected() as htx:
        if raised is None:
            assert (await htx.cancel_order(None, SPOT, client_order_id="123")).client_order_id == "123"
        else:
            with pytest.raises(raised):
                await htx.cancel_order(None, SPOT, client_order_id="123")


async def test_all_spot_orders_are_cancelled_by_their_ids_and_only_those_taken_are_given() -> None:
    rows = [
        {**spot_row(id=number, state="submitted"), "filled-amount": "0.0", "filled-cash-amount": "0.0"}
        for number in (1, 2)
    ]
    server = HtxLocal(
        {
            "/v1/order/openOrders": {"status": "ok", "data": rows},
            "/v1/order/orders/batchcancel": {
                "status": "ok",
                "data": {"success": ["2"], "failed": [{"order-id": "1", "err-code": "order-orderstate-error"}]},
            },
            "/v1/order/orders/2": {"status": "ok", "data": spot_row(id=2)},
        }
    )
    async with server.connected(markets=["spot"]) as htx:
        cancelled = await htx.cancel_all_orders()
    assert [(order.id, order.status) for order in cancelled] == [("2", OrderStatus.CANCELED)]
    assert server.calls("/v1/order/orders/batchcancel") == [("POST", {}, {"order-ids": ["1", "2"]})]


async def test_spot_pages_go_on_from_the_last_row() -> None:
    fills = [
        {
            "id": number,
            "symbol": "ltcusdt",
            "type": "buy-limit",
            "price": "50",
            "filled-amount": "0.1",
            "filled-fees": "0.001",
            "fee-currency": "ltc",
            "created-at": AT - number,
            "order-id": 7,
            "trade-id": 9_000 - number,
            "role": "maker",
        }
        for number in range(600)
    ]

    def page(asked: dict[str, str]) -> Any:
        start = int(asked.get("from", 0))
        return {"status": "ok", "data": fills[start : start + 500]}

    server = HtxLocal({"/v1/order/matchresults": page})
    async with server.connected() as htx:
        found = await htx.get_trade_history(SPOT, limit=500)
    assert [fill.trade_id for fill in found] == [str(9_000 - number) for number in reversed(range(500))]
    assert (found[0].fee, found[0].fee_asset, found[0].maker) == (Decimal("0.001"), "LTC", True)
    first, second = server.calls("/v1/order/matchresults")
    assert int(first[1]["end-time"]) - int(first[1]["start-time"]) < 48 * 3_600_000
    assert (second[1]["from"], second[1]["direct"]) == ("499", "next")


async def test_balances_of_both_wallets() -> None:
    amounts = [("usdt", "trade", "91.85"), ("usdt", "frozen", "5.15"), ("poly", "trade", "0"), ("ltc", "lock", "2")]
    rows = [{"currency": coin, "type": kind, "balance": amount} for coin, kind, amount in amounts]
    server = HtxLocal({f"/v1/account/accounts/{ACCOUNT}/balance": {"status": "ok", "data": {"list": rows}}})
    async with server.connected() as htx:
        found = {(b.market, b.asset): (b.free, b.total) for b in await htx.get_balance()}
        assert found == {
            ("spot", "USDT"): (Decimal("91.85"), Decimal(97)),
            ("spot", "LTC"): (Decimal(0), Decimal(2)),
            ("linear", "USDT"): (Decimal(9), Decimal(10)),
        }
        assert [b.market for b in await htx.get_balance("linear")] == ["linear"]
        with pytest.raises(NotSupported, match="no wallet 'margin'"):
            await htx.get_balance("margin")


# --- swaps of a single-asset account -----------------------------------------------------------------------------

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def swap(**more: Any) -> OrderRequest:
    return limit(SWAP, **{"amount": Decimal("0.012"), **more})


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (swap(), {"order_price_type": "limit", "price": "50"}),
        (swap(post_only=True), {"order_price_type": "post_only", "price": "50"}),
        (swap(time_in_force=IOC), {"order_price_type": "ioc", "price": "50"}),
        (swap(time_in_force=FOK), {"order_price_type": "fok", "price": "50"}),
        (market(SWAP, amount=Decimal("0.012")), {"order_price_type": "optimal_20_ioc"}),
        (market(SWAP, amount=Decimal("0.012"), time_in_force=FOK), {"order_price_type": "optimal_20_fok"}),
        (swap(reduce_only=True), {"order_price_type": "limit", "price": "50", "reduce_only": 1}),
    ],
)
async def test_swap_orders_in_htxs_words(request_: OrderRequest, words: dict[str, object]) -> None:
    server = HtxLocal({f"{CROSS}order": SWAP_PLACED})
    async with server.connected() as htx:
        order = await htx.create_order(request_)
    assert (order.id, order.timestamp_ms) == ("770323133537685504", AT)
    common = {"contract_code": "BTC-USDT", "client_order_id": 123, "volume": 12, "direction": "buy"}
    common |= {"offset": "both", "lever_rate": 5, "reduce_only": 0}
    assert server.calls(f"{CROSS}order") == [("POST", {}, {**common, **words})]


@pytest.mark.parametrize(
    ("side", "position", "offset"),
    [
        (Side.BUY, LONG, "open"),
        (Side.SELL, LONG, "close"),
        (Side.SELL, SHORT, "open"),
        (Side.BUY, SHORT, "close"),
    ],
)
async def test_in_hedge_mode_the_offset_follows_from_both_sides(
    side: Side, position: PositionSide, offset: str
) -> None:
    server = HtxLocal({**setup(mode="dual_side"), f"{CROSS}order": SWAP_PLACED})
    async with server.connected() as htx:
        await htx.create_order(swap(side=side, position_side=position, reduce_only=offset == "close"))
    ((_, _, sent),) = server.calls(f"{CROSS}order")
    assert (sent["offset"], "reduce_only" in sent) == (offset, False)


@pytest.mark.parametrize("account", ["single", "multi"])
@pytest.mark.parametrize(
    ("mode", "request_", "what"),
    [
        ("dual_side", swap(), "give position_side LONG or SHORT"),
        ("single_side", swap(position_side=LONG), "one-way mode"),
        ("dual_side", swap(position_side=LONG, reduce_only=True), "cannot be reduce_only"),
    ],
)
async def test_an_order_that_does_not_fit_the_position_mode_is_not_sent(
    account: str, mode: str, request_: OrderRequest, what: str
) -> None:
    server = HtxLocal(setup(mode=mode))
    async with server.connected(options={"account": account}) as htx:
        with pytest.raises(InvalidOrder, match=what):
            await htx.create_order(request_)
    assert server.calls(f"{CROSS}order") == server.calls("/v5/trade/order") == []


async def test_isolated_margin_has_calls_of_its_own() -> None:
    prefix = "/linear-swap-api/v1/swap_"
    row = {"margin_asset": "USDT", "margin_balance": 10, "contract_code": "BTC-USDT", "lever_rate": 20}
    server = HtxLocal(
        {
            f"{prefix}position_side": {"status": "ok", "data": {"position_mode": "single_side"}},
            f"{prefix}account_info": {"status": "ok", "data": [row], "ts": 1},
            f"{prefix}order": SWAP_PLACED,
        }
    )
    async with server.connected(options={"margin_mode": "isolated"}) as htx:
        await htx.create_order(swap())
        with pytest.raises(NotSupported, match="for each isolated contract"):
            await htx.set_position_mode(PositionMode.HEDGE)
    assert server.calls(f"{prefix}order")[0][2]["lever_rate"] == 20
    assert server.calls(f"{prefix}position_side") == [("GET", {"margin_account": "BTC-USDT"}, {})]


async def test_leverage_and_mode_are_asked_for_once_and_again_after_a_refusal() -> None:
    refusal = {"status": "error", "err_code": 1037, "err_msg": "The leverage is invalid.", "ts": 1}
    answers: list[Any] = [SWAP_PLACED, SWAP_PLACED, refusal, SWAP_PLACED]
    server = HtxLocal({f"{CROSS}order": lambda asked: answers.pop(0)})
    async with server.connected() as htx:
        for number in range(2):
            await htx.create_order(swap(client_order_id=str(1 + number)))
        with pytest.raises(InvalidOrder):
            await htx.create_order(swap(client_order_id="3"))
        await htx.create_order(swap(client_order_id="4"))
    assert len(server.calls(f"{CROSS}position_side")) == 2


async def test_set_leverage_is_what_the_next_order_says() -> None:
    server = HtxLocal(
        {f"{CROSS}order": SWAP_PLACED, f"{CROSS}switch_lever_rate": {"status": "ok", "data": {}, "ts": 1}}
    )
    async with server.connected() as htx:
        await htx.set_leverage(SWAP, Decimal(7))
        with pytest.raises(NotSupported, match="whole numbers"):
            await htx.set_leverage(SWAP, Decimal("2.5"))
        await htx.create_order(swap())
    assert server.calls(f"{CROSS}switch_lever_rate")[0][2] == {"contract_code": "BTC-USDT", "lever_rate": 7}
    assert server.calls(f"{CROSS}order")[0][2]["lever_rate"] == 7


@pytest.mark.parametrize(("mode", "calls"), [(PositionMode.ONE_WAY, 0), (PositionMode.HEDGE, 1)])
async def test_a_position_mode_that_stands_already_is_success(mode: PositionMode, calls: int) -> None:
    server = HtxLocal({f"{CROSS}switch_position_mode": {"status": "ok", "data": {}, "ts": 1}})
    async with server.connected() as htx:
        await htx.set_position_mode(mode)
    sent = [body for _, _, body in server.calls(f"{CROSS}switch_position_mode")]
    assert sent == [{"margin_account": "USDT", "position_mode": "dual_side"}] * calls


async def test_a_setting_that_htx_refuses_is_not_set() -> None:
    refusals = {
        f"{CROSS}switch_lever_rate": {"status": "error", "err_code": 1045, "err_msg": "open orders", "ts": 1},
        f"{CROSS}switch_position_mode": {"status": "error", "err_code": 1421, "err_msg": "positions are open", "ts": 1},
    }
    async with HtxLocal(refusals).connected() as htx:
        with pytest.raises(ExchangeError) as leverage:
            await htx.set_leverage(SWAP, Decimal(7))
        with pytest.raises(ExchangeError) as mode:
            await htx.set_position_mode(PositionMode.HEDGE)
    assert (leverage.value.code, mode.value.code) == ("1045", "1421")


def swap_row(**more: Any) -> dict[str, Any]:
    row = {"contract_code": "BTC-USDT", "order_id": 770334322963152896, "order_id_str": "770334322963152896"}
    row |= {"volume": 10, "price": 13059.8, "order_price_type": "limit", "direction": "sell", "offset": "both"}
    row |= {"lever_rate": 5, "client_order_id": 57012021045, "created_at": AT, "trade_volume": 4, "status": 5}
    return {**row, "trade_avg_price": 1.30598e4, "fee": -0.0052, "reduce_only": 0, "update_time": AT + 4, **more}


async def test_a_swap_order_is_converted_exactly() -> None:
    server = HtxLocal({f"{CROSS}order_info": {"status": "ok", "data": [swap_row()], "ts": 1}})
    async with server.connected() as htx:
        order = await htx.get_order("770334322963152896", SWAP)
    assert order == Order(
        symbol=SWAP,
        side=Side.SELL,
        type=OrderType.LIMIT,
        status=OrderStatus.CANCELED,
        id="770334322963152896",
        client_order_id="57012021045",
        amount=Decimal("0.010"),
        filled=Decimal("0.004"),
        price=Decimal("13059.8"),
        average_price=Decimal("13059.8"),
        time_in_force=TimeInForce.GTC,
        post_only=False,
        reduce_only=False,
        position_side=PositionSide.NET,
        created_ms=AT,
        timestamp_ms=AT + 4,
    )


async def test_an_order_that_ended_long_ago_is_found_in_the_history() -> None:
    ended = swap_row(created_at=None, create_date=AT, order_price_type=6, query_id=1)
    pages = [[ended], []]
    server = HtxLocal(
        {
            f"{CROSS}order_info": {"status": "error", "err_code": 1061, "err_msg": "This order doesnt exist.", "ts": 1},
            "/linear-swap-api/v3/swap_cross_hisorders": lambda asked: {
                "code": 200,
                "data": pages.pop(0) if pages else [],
            },
        }
    )
    async with server.connected() as htx:
        order = await htx.get_order(None, SWAP, client_order_id="57012021045")
        assert (order.id, order.post_only) == ("770334322963152896", True)
        with pytest.raises(OrderNotFound):
            await htx.get_order("1", SWAP)


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([], None),
        ([{"order_id": "1", "err_code": 1062, "err_msg": "Cancelling. Please be patient."}], None),
        ([{"order_id": "1", "err_code": 1071, "err_msg": "Repeated withdraw."}], OrderNotFound),
        ([{"order_id": "1", "err_code": 1061, "err_msg": "This order doesnt exist."}], OrderNotFound),
    ],
)
async def test_what_a_cancel_of_a_swap_order_answers(errors: list[Any], raised: Any) -> None:
    server = HtxLocal(
        {
            f"{CROSS}cancel": {"status": "ok", "data": {"errors": errors, "successes": "1"}, "ts": 1},
            f"{CROSS}order_info": {"status": "ok", "data": [swap_row(status=7)], "ts": 1},
        }
    )
    async with server.connected() as htx:
        if raised is None:
            assert (await htx.cancel_order("1", SWAP)).status is OrderStatus.CANCELED
        else:
            with pytest.raises(raised):
                await htx.cancel_order("1", SWAP)
        with pytest.raises(NotSupported, match="needs the symbol"):
            await htx.cancel_order("1")


async def test_all_swap_orders_are_cancelled_contract_by_contract() -> None:
    page = {"orders": [swap_row(status=3)], "total_page": 1, "current_page": 1}
    server = HtxLocal(
        {
            f"{CROSS}openorders": {"status": "ok", "data": page, "ts": 1},
            f"{CROSS}cancelall": {"status": "ok", "data": {"errors": [], "successes": "770334322963152896"}, "ts": 1},
            f"{CROSS}order_info": {"status": "ok", "data": [swap_row(status=7)], "ts": 1},
        }
    )
    async with server.connected(markets=["linear"]) as htx:
        assert [order.status for order in await htx.cancel_all_orders()] == [OrderStatus.CANCELED]
    assert [body for _, _, body in server.calls(f"{CROSS}cancelall")] == [{"contract_code": "BTC-USDT"}]


async def test_nothing_to_cancel_is_no_error() -> None:
    nothing = {"status": "error", "err_code": 1051, "err_msg": "No orders to cancel.", "ts": 1}
    server = HtxLocal({f"{CROSS}cancelall": nothing})
    async with server.connected(markets=["linear"]) as htx:
        assert await htx.cancel_all_orders(SWAP) == []


async def test_positions_with_the_accounts_liquidation_price() -> None:
    row = {"contract_code": "BTC-USDT", "volume": 3, "direction": "sell", "cost_open": 100.5, "lever_rate": 5}
    row |= {"profit_unreal": -0.5, "margin_mode": "cross", "position_mode": "single_side", "last_price": 101}
    account = setup()[f"{CROSS}account_info"]
    account["data"][0]["contract_detail"][0]["liquidation_price"] = 150.25
    server = HtxLocal(
        {
            f"{CROSS}position_info": {"status": "ok", "data": [row, {**row, "volume": 0}], "ts": 1},
            f"{CROSS}account_info": account,
        }
    )
    async with server.connected() as htx:
        (position,) = await htx.get_positions()
    assert (position.side, position.amount, position.entry_price) == (SHORT, Decimal("0.003"), Decimal("100.5"))
    assert (position.liquidation_price, position.hedge_mode, position.leverage) == (Decimal("150.25"), False, 5)


async def test_the_wallet_of_isolated_margin_is_the_sum_of_its_accounts() -> None:
    def margin(code: str, balance: str) -> dict[str, Any]:
        row = {"margin_asset": "USDT", "margin_balance": balance, "margin_available": balance, "lever_rate": 5}
        return {**row, "contract_code": code, "margin_account": code, "symbol": code[:3]}

    rows = [margin("BTC-USDT", "10"), margin("LTC-USDT", "5.5")]
    server = HtxLocal({"/linear-swap-api/v1/swap_account_info": {"status": "ok", "data": rows, "ts": 1}})
    async with server.connected(options={"margin_mode": "isolated"}) as htx:
        (balance,) = await htx.get_balance("linear")
        assert (balance.asset, balance.total, balance.free) == ("USDT", Decimal("15.5"), Decimal("15.5"))


def test_a_push_of_one_isolated_account_keeps_the_others() -> None:
    class Plugin:
        options = HTXOptions(margin_mode="isolated")

    def margin(code: str, balance: str) -> account_wire.Margin:
        return account_wire.Margin("USDT", Decimal(balance), margin_account=code, margin_available=Decimal(balance))

    swaps = SwapTrading(Plugin())  # type: ignore[arg-type]
    swaps.balances_with([margin("BTC-USDT", "10"), margin("LTC-USDT", "5")], timestamp_ms=AT)
    (balance,) = swaps.balances_with([margin("LTC-USDT", "7")], timestamp_ms=AT + 1)
    assert (balance.total, balance.timestamp_ms) == (Decimal(17), AT + 1)


async def test_funding_payments_and_fills_have_their_signs() -> None:
    fill = {"contract_code": "BTC-USDT", "direction": "buy", "trade_volume": 100, "trade_price": 48555.6}
    fill |= {"create_date": AT, "order_id": 9, "match_id": 2, "id": "2-9-1", "trade_fee": -2.4, "fee_asset": "USDT"}
    record = {"query_id": 1, "id": 1, "ts": AT, "asset": "USDT", "contract_code": "BTC-USDT", "type": 31}
    server = HtxLocal(
        {
            "/linear-swap-api/v3/swap_cross_matchresults": {"code": 200, "data": [{**fill, "role": "Maker"}]},
            "/linear-swap-api/v3/swap_financial_record": {"code": 200, "data": [{**record, "amount": -1.98e-4}]},
        }
    )
    async with server.connected() as htx:
        (got,) = await htx.get_trade_history(SWAP)
        assert (got.trade_id, got.amount, got.fee, got.maker) == ("2-9-1", Decimal("0.1"), Decimal("2.4"), True)
        (payment,) = await htx.get_funding_payments(SWAP)
        assert (payment.amount, payment.asset) == (Decimal("-0.000198"), "USDT")
        with pytest.raises(NotSupported, match="by contract"):
            await htx.get_trade_history()
    asked = server.calls("/linear-swap-api/v3/swap_financial_record")[0][2]
    assert (asked["mar_acct"], asked["type"], asked["contract"]) == ("USDT", "30,31", "BTC-USDT")


# --- refusals, unknown outcomes, client order ids ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "answer", "kind"),
    [
        (SPOT, {"err-code": "api-signature-not-valid", "err-msg": "Incorrect Access key"}, ExchangeAuthError),
        (SPOT, {"err-code": "api-signature-not-valid", "err-msg": "API key has no permission"}, PermissionDenied),
        (SPOT, {"err-code": "account-frozen-balance-insufficient-error", "err-msg": "left: 0"}, InsufficientFunds),
        (SPOT, {"err-code": "order-value-min-error", "err-msg": "lower than: 1 USDT"}, InvalidOrder),
        (SPOT, {"err-code": "order-orderprice-precision-error", "err-msg": "scale: 4"}, InvalidOrder),
        (SPOT, {"err-code": "invalid-client-order-id", "err-msg": "repeated"}, DuplicateOrder),
        (SWAP, {"err_code": 403, "err_msg": "Incorrect Access key", "ts": 1}, ExchangeAuthError),
        (SWAP, {"err_code": 1047, "err_msg": "Insufficient margin available.", "ts": 1}, InsufficientFunds),
        (SWAP, {"err_code": 1048, "err_msg": "Insufficient close amount available.", "ts": 1}, InvalidOrder),
        (SWAP, {"err_code": 1050, "err_msg": "Customer's order number is repeated.", "ts": 1}, DuplicateOrder),
        (SWAP, {"err_code": 1041, "err_msg": "The order amount exceeds the limit", "ts": 1}, InvalidOrder),
        (SWAP, {"err_code": 1220, "err_msg": "You have not opened contracts trading.", "ts": 1}, PermissionDenied),
    ],
)
async def test_refusals_of_an_order(symbol: str, answer: dict[str, Any], kind: type[ExchangeError]) -> None:
    refusal = {"status": "error", **answer}
    server = HtxLocal({PLACE: refusal, f"{CROSS}order": refusal})
    async with server.connected() as htx:
        with pytest.raises(ExchangeError) as caught:
            await htx.create_order(limit(symbol))
    assert type(caught.value) is kind
    assert caught.value.code == str(answer.get("err-code", answer.get("err_code")))


async def test_an_answer_that_says_nothing_leaves_the_outcome_to_a_question() -> None:
    made = spot_row(state="submitted", **{"created-at": time.time_ns() // 1_000_000})
    server = HtxLocal({PLACE: b"<html>", "/v1/order/orders/getClientOrder": {"status": "ok", "data": made}})
    async with server.connected() as htx:
        order = await htx.create_order(limit())
    assert (order.id, order.status) == ("1168150634634374", OrderStatus.OPEN)
    assert len(server.calls(PLACE)) == 1
    assert server.calls("/v1/order/orders/getClientOrder")[0][1] == {"clientOrderId": "123"}


async def test_an_order_of_another_symbol_is_not_the_one_that_is_asked_for() -> None:
    server = HtxLocal({"/v1/order/orders/1168150634634374": {"status": "ok", "data": spot_row(state="submitted")}})
    async with server.connected() as htx:
        with pytest.raises(OrderNotFound, match="LTC/USDT and not of BTC/USDT"):
            await htx.get_order("1168150634634374", "BTC/USDT")
        assert (await htx.get_order("1168150634634374", SPOT)).symbol == SPOT


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"code": 1047, "message": "Insufficient margin available.", "data": {}}, InsufficientFunds),
        ({"code": 200, "data": {"code": 1047, "message": "Insufficient margin available."}}, InsufficientFunds),
        ({"code": 200, "data": {}}, OrderOutcomeUnknown),
    ],
)
async def test_a_multi_assets_order_without_an_id_is_no_order(
    answer: dict[str, Any], kind: type[ExchangeError]
) -> None:
    server = HtxLocal({"/v5/trade/order": answer})
    async with server.connected(markets=["linear"], options={"account": "multi"}, timeout=1) as htx:
        with pytest.raises(ExchangeError) as caught:
            await htx.create_order(swap())
    assert type(caught.value) is kind


FAILED = {"status": "error", "err_code": 1000, "err_msg": "System error."}


@pytest.mark.parametrize(
    ("path", "refusal", "call"),
    [
        (f"{CROSS}position_info", {**FAILED, "data": []}, lambda htx: htx.get_positions()),
        (f"{CROSS}openorders", {**FAILED, "data": {"orders": []}}, lambda htx: htx.get_open_orders(SWAP)),
        (
            "/linear-swap-api/v3/swap_cross_hisorders",
            {"code": 1000, "msg": "System error.", "data": []},
            lambda htx: htx.get_order_history(SWAP),
        ),
        (
            "/v1/order/matchresults",
            {"status": "error", "err-code": "timeout", "err-msg": "too late", "data": []},
            lambda htx: htx.get_trade_history(SPOT),
        ),
    ],
)
async def test_a_refusal_with_empty_data_is_no_empty_answer(path: str, refusal: dict[str, Any], call: Any) -> None:
    server = HtxLocal({path: refusal})
    async with server.connected(options={"account": "single", "retries": 0}) as htx:
        with pytest.raises(ExchangeConnectionError):
            await call(htx)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/v1/order/openOrders", {"err-code": "api-signature-not-valid", "err-msg": "Invalid submission time"}),
        (f"{CROSS}openorders", {"err_code": 403, "err_msg": "Invalid submission time", "ts": 1}),
    ],
)
@pytest.mark.parametrize("cured", [True, False])
async def test_a_wrong_time_is_cured_once(path: str, refusal: dict[str, Any], cured: bool) -> None:
    spot = "/v1/" in path and "swap" not in path
    good = {"status": "ok", "data": [] if spot else {"orders": []}, "ts": 1}
    answers = [{"status": "error", **refusal}, good if cured else {"status": "error", **refusal}]
    server = HtxLocal({path: lambda asked: answers.pop(0)})
    async with server.connected(markets=["spot" if spot else "linear"], options={"account": "single"}) as htx:
        if cured:
            assert await htx.get_open_orders() == []
        else:
            with pytest.raises(ExchangeAuthError):
                await htx.get_open_orders()
    assert len(server.calls(path)) == 2


@pytest.mark.parametrize("wrong", ["abc", "0123", "1" * 19])
async def test_client_order_ids_are_numbers(wrong: str) -> None:
    server = HtxLocal({f"{CROSS}order": SWAP_PLACED})
    async with server.connected() as htx:
        with pytest.raises(InvalidOrder, match="client order id"):
            await htx.create_order(swap(client_order_id=wrong))
        made = await htx.create_order(swap(client_order_id=None))
    assert made.client_order_id is not None
    assert made.client_order_id.isdecimal()
    assert len(made.client_order_id) <= 18
    assert server.calls(f"{CROSS}order")[0][2]["client_order_id"] == int(made.client_order_id)


def test_what_cannot_be_set_is_an_empty_cell() -> None:
    capabilities = HTXPlugin.describe().capabilities
    from fra.core import Operation

    assert capabilities.kinds(Operation.SET_MARGIN_MODE) == ()
    assert capabilities.kinds(Operation.GET_POSITIONS) == (MarketKind.LINEAR_SWAP,)
    assert capabilities.kinds(Operation.CREATE_ORDER) == (MarketKind.SPOT, MarketKind.LINEAR_SWAP)


# --- a multi-assets account --------------------------------------------------------------------------------------


async def test_the_kind_of_account_is_asked_for_once() -> None:
    server = HtxLocal(
        {"/v5/account/asset_mode": {"code": 200, "data": {"asset_mode": 1}}, "/v5/trade/order": UNION_PLACED}
    )
    async with server.connected() as htx:
        for number in ("1", "2"):
            await htx.create_order(swap(client_order_id=number, time_in_force=IOC))
    assert len(server.calls("/v5/account/asset_mode")) == 1
    common = {"contract_code": "BTC-USDT", "margin_mode": "cross", "position_side": "both", "side": "buy"}
    common |= {"type": "limit", "price": "50", "volume": "12", "reduce_only": 0, "time_in_force": "ioc"}
    assert [body for _, _, body in server.calls("/v5/trade/order")] == [
        {**common, "client_order_id": number} for number in ("1", "2")
    ]

"""What leaves for Bybit: parameters and how many requests, seen by a server on loopback; and what comes of answers."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from bybit_server import KEYS, BybitServer, listed, now_ms

from fra.core import (
    Banned,
    ErrorRaised,
    ExchangeAPIError,
    ExchangeConnectionError,
    IntervalSource,
    MarketKind,
    Operation,
    OrderRequest,
    OrderType,
    Side,
)
from fra.exchanges.bybit import BybitPlugin

NOW = now_ms()
HOUR = 3_600_000
DAY = 24 * HOUR
SWAP = "BTC/USDT:USDT"
BUY = OrderRequest(symbol=SWAP, side=Side.BUY, type=OrderType.MARKET, amount=Decimal("0.001"))


def ticker(symbol: str, **fields: str) -> dict[str, str]:
    return {"symbol": symbol, "fundingRate": "0.0001", "nextFundingTime": str(NOW + HOUR), **fields}


# --- market data


async def test_only_the_configured_market_is_asked_for() -> None:
    server = BybitServer()
    async with server.asked(markets=["linear"]) as bybit:
        names = [symbol.name for symbol in await bybit.get_symbols()]
    assert names == ["BTC/USDT:USDT", "BTC/USDC:USDC", "1000SHIB/USDT:USDT"]
    assert server.queries("market/instruments-info") == [{"category": "linear", "limit": "1000"}]


async def test_one_id_in_two_markets_is_two_symbols() -> None:
    rows, nothing = {"list": [{"symbol": "BTCUSDT", "lastPrice": "7"}]}, {"list": []}
    server = BybitServer({"market/tickers": lambda asked: rows if asked.query["category"] == "spot" else nothing})
    async with server.asked() as bybit:
        found = await bybit.get_tickers()
    assert [(ticker.symbol, ticker.last) for ticker in found] == [("BTC/USDT", 7)]


async def test_a_range_of_klines_is_cut_to_one_page_from_its_start() -> None:
    server = BybitServer({"market/kline": {"list": []}})
    start = NOW // HOUR * HOUR - 5000 * HOUR
    async with server.asked(markets=["linear"]) as bybit:
        assert await bybit.get_klines(SWAP, "1h", since=start, until=NOW) == []
        await bybit.get_klines(SWAP, "1h", since=start, until=start + 2 * HOUR, limit=50)
        await bybit.get_klines(SWAP, "1d", limit=3)
    common = {"category": "linear", "symbol": "BTCUSDT"}
    hourly = {**common, "interval": "60", "start": str(start)}
    assert server.queries("market/kline") == [
        {**hourly, "limit": "1000", "end": str(start + 1000 * HOUR - 1)},
        {**hourly, "limit": "50", "end": str(start + 2 * HOUR - 1)},
        {**common, "interval": "D", "limit": "3"},
    ]


async def test_the_instruments_tell_the_interval_that_a_ticker_leaves_out() -> None:
    server = BybitServer({"market/tickers": {"list": [ticker("BTCUSDT"), ticker("BTCPERP", fundingIntervalHour="4")]}})
    async with server.asked(markets=["linear"]) as bybit:
        one = await bybit.get_funding_rate(SWAP)
        many = await bybit.get_funding_rates([SWAP, "BTC/USDC:USDC"])
    assert [one.interval, *(rate.interval for rate in many)] == [timedelta(hours=hours) for hours in (8, 8, 4)]
    assert {rate.interval_source for rate in (one, *many)} == {IntervalSource.REPORTED}
    assert {"category": "linear", "symbol": "BTCUSDT"} in server.queries("market/instruments-info")


async def test_a_contract_without_a_rate_is_left_out_of_all_and_an_error_when_asked_for() -> None:
    rows = [ticker("BTCUSDT", fundingIntervalHour="8"), ticker("BTCPERP", fundingRate="", fundingIntervalHour="8")]
    server = BybitServer({"market/tickers": {"list": rows}})
    async with server.asked(markets=["linear"]) as bybit:
        assert [rate.symbol for rate in await bybit.get_funding_rates()] == [SWAP]
        with pytest.raises(ExchangeAPIError, match="BTC/USDC:USDC"):
            await bybit.get_funding_rates(["BTC/USDC:USDC"])


async def test_a_symbol_that_the_answer_leaves_out_is_an_error_and_no_shorter_list() -> None:
    server = BybitServer({"market/tickers": {"list": [ticker("BTCUSDT", fundingIntervalHour="8")]}})
    async with server.asked(markets=["linear"]) as bybit:
        with pytest.raises(ExchangeAPIError, match="no funding rate for BTC/USDC:USDC"):
            await bybit.get_funding_rates([SWAP, "BTC/USDC:USDC"])
        with pytest.raises(ExchangeAPIError, match="no ticker for BTC/USDC:USDC"):
            await bybit.get_tickers(["BTC/USDC:USDC"])


async def test_funding_history_never_asks_with_a_start_alone_and_goes_back_until_a_page_is_not_full() -> None:
    last = NOW // HOUR * HOUR
    settled = [
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(last - n * HOUR)} for n in range(400)
    ]

    def history(request: web.Request) -> Any:
        start, end = int(request.query["startTime"]), int(request.query["endTime"])
        rows = [row for row in settled if start <= int(row["fundingRateTimestamp"]) <= end]
        return {"category": "linear", "list": rows[: int(request.query["limit"])]}

    server = BybitServer({"market/funding/history": history})
    start = last - 300 * HOUR
    async with server.asked(markets=["linear"]) as bybit:
        rates = await bybit.get_funding_rate_history(SWAP, since=start, limit=150)
    assert [rate.settled_ms for rate in rates] == [start + n * HOUR for n in range(150)]
    assert all(rate.interval is not None for rate in rates)
    assert all({"startTime", "endTime"} <= query.keys() for query in server.queries("market/funding/history"))


# --- budgets


async def test_a_shut_address_asks_nothing_more() -> None:
    server = BybitServer({"market/tickers": web.Response(status=403, text="access too frequent")})
    async with server.asked(markets=["linear"]) as bybit:
        await bybit.get_symbols()
        with pytest.raises(Banned) as caught:
            await bybit.get_ticker(SWAP)
        assert caught.value.retry_after == 600
        asked = len(server.requests)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await bybit.get_orderbook(SWAP)
    assert len(server.requests) == asked


async def test_what_bybit_says_is_used_holds_the_account_back_and_nobody_else() -> None:
    def leverage(request: web.Request) -> web.Response:
        # Somebody else with this account has used all but one.
        told = {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": str(now_ms())}
        return web.json_response({"retCode": 0, "retMsg": "OK", "result": {}, "time": now_ms()}, headers=told)

    server = BybitServer({"position/set-leverage": leverage, "position/list": {"list": []}, "account/info": {}})
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        await bybit.get_symbols()
        await bybit.set_leverage(SWAP, 3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await bybit.set_leverage(SWAP, 4)
        async with asyncio.timeout(0.3):
            await bybit.get_positions()
    assert [body["buyLeverage"] for body in server.bodies("position/set-leverage")] == ["3"]


def test_each_signed_call_has_a_budget_of_the_account_and_each_call_one_of_the_address() -> None:
    scopes = {limit.scope: limit for limit in BybitPlugin.limits}
    for row in BybitPlugin.endpoints:
        costs = row.costs({})
        assert costs["ip"] == 1
        assert scopes.keys() >= costs.keys()
        assert [scopes[scope].per for scope in costs if scope != "ip"] == (["account"] if row.signed else [])


def test_what_it_can_do_is_read_off_its_tables() -> None:
    capabilities = BybitPlugin.matrix(["spot", "linear", "inverse"])
    contracts = (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)
    assert capabilities.kinds(Operation.CREATE_ORDER) == (MarketKind.SPOT, *contracts)
    assert capabilities.kinds(Operation.GET_FUNDING_RATE) == contracts
    assert capabilities.kinds(Operation.SET_POSITION_MODE) == (MarketKind.LINEAR_SWAP,)
    assert capabilities.kinds(Operation.SUBSCRIBE_USER_DATA) == (MarketKind.SPOT, *contracts)
    served = {operation for operation, _, _ in capabilities.cells()}
    assert served == set(Operation)


# --- orders


async def test_an_order_is_text_in_fixed_point_with_our_id() -> None:
    server = BybitServer({"order/create": {"orderId": "1"}, "position/list": {"list": []}})
    request = OrderRequest(
        symbol=SWAP,
        side=Side.SELL,
        type=OrderType.LIMIT,
        amount=Decimal("1E+1"),
        price=Decimal("70000.10"),
        client_order_id="mine",
        post_only=True,
        reduce_only=True,
    )
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        order = await bybit.create_order(request)
    assert (order.id, order.client_order_id) == ("1", "mine")
    assert server.bodies("order/create") == [
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "side": "Sell",
            "orderType": "Limit",
            "qty": "10",
            "price": "70000.1",
            "timeInForce": "PostOnly",
            "orderLinkId": "mine",
            "positionIdx": 0,
            "reduceOnly": True,
        }
    ]


async def test_the_position_mode_is_asked_for_once() -> None:
    rows = {"list": [{"symbol": "BTCUSDT", "size": "0", "side": "", "positionIdx": 0}]}
    server = BybitServer({"order/create": {"orderId": "1"}, "position/list": rows})
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        for _ in range(3):
            await bybit.create_order(BUY)
    assert server.queries("position/list") == [{"category": "linear", "symbol": "BTCUSDT"}]


async def test_the_position_mode_is_asked_for_again_when_bybit_says_that_it_does_not_match() -> None:
    rows = {"list": [{"symbol": "BTCUSDT", "size": "0", "side": "", "positionIdx": 0}]}
    refusal = {"retCode": 10001, "retMsg": "position idx not match position mode", "result": {}, "time": NOW}
    server = BybitServer({"order/create": refusal, "position/list": rows})
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        for _ in range(2):
            with pytest.raises(ExchangeAPIError, match="position idx"):
                await bybit.create_order(BUY)
    assert len(server.queries("position/list")) == 2


async def test_an_order_whose_position_mode_cannot_be_asked_for_was_not_sent() -> None:
    server = BybitServer({"position/list": {"retCode": 10016, "retMsg": "Server error.", "result": {}, "time": NOW}})
    async with server.asked(markets=["linear"], **KEYS, options={"retries": 0}) as bybit:
        with pytest.raises(ExchangeConnectionError, match="nothing was sent") as refused:
            await bybit.create_order(BUY)
    assert not refused.value.sent
    assert "order/create" not in server.paths()


@pytest.mark.parametrize(
    "answer",
    [
        {"retCode": 10016, "retMsg": "Server error.", "result": {}, "time": NOW},
        {"retCode": 10000, "retMsg": "Server Timeout", "result": None, "time": NOW},
        web.Response(status=502, text="bad gateway"),
        web.Response(status=200, text="<html>"),
    ],
)
async def test_an_order_without_a_usable_answer_is_asked_for_and_never_sent_again(answer: Any) -> None:
    if isinstance(answer, web.Response):
        status, text = answer.status, answer.text
        made: Any = lambda request: web.Response(status=status, text=text)  # noqa: E731
    else:
        made = answer
    order = {"symbol": "BTCUSDT", "orderId": "77", "side": "Buy", "orderType": "Market", "orderStatus": "Filled"}

    def realtime(request: web.Request) -> Any:
        return {"list": [{**order, "orderLinkId": request.query["orderLinkId"], "qty": "0.001", "cumExecQty": "0.001"}]}

    server = BybitServer({"order/create": made, "position/list": {"list": []}, "order/realtime": realtime})
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        found = await bybit.create_order(BUY)
    assert (found.id, found.filled) == ("77", Decimal("0.001"))
    assert len(server.bodies("order/create")) == 1


async def test_a_cancel_whose_order_cannot_be_asked_for_says_that_it_was_accepted() -> None:
    gone = {"retCode": 10016, "retMsg": "Server error.", "result": {}, "time": NOW}
    server = BybitServer({"order/cancel": {"orderId": "1"}, "order/realtime": gone})
    async with server.asked(markets=["linear"], **KEYS, options={"retries": 0}) as bybit:
        with pytest.raises(Exception, match="the cancel of 1 was accepted") as caught:
            await bybit.cancel_order("1", SWAP)
    assert isinstance(caught.value.__cause__, ExchangeConnectionError)


async def test_an_order_that_ended_long_ago_is_found_in_the_history() -> None:
    row = {"symbol": "BTCUSDT", "orderId": "1", "side": "Buy", "orderType": "Limit", "avgPrice": "", "price": "7e4"}
    ended = {"orderStatus": "PartiallyFilledCanceled", "qty": "3", "cumExecQty": "1", "cumExecValue": "70000"}
    server = BybitServer({"order/realtime": {"list": []}, "order/history": {"list": [{**row, **ended}]}})
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        order = await bybit.get_order("1", SWAP)
    assert (order.status.value, order.filled, order.average_price, order.remaining) == ("canceled", 1, 70000, 2)


async def test_open_orders_of_everything_are_asked_by_market_and_coin_page_by_page() -> None:
    row = {"side": "Buy", "orderType": "Limit", "orderStatus": "New", "qty": "1", "price": "1"}

    def realtime(request: web.Request) -> Any:
        if request.query.get("settleCoin") != "USDT":
            return {"list": []}
        page = int(request.query.get("cursor", "0"))
        rows = [{**row, "symbol": "BTCUSDT", "orderId": str(page)}]
        # The last page names a cursor as well, its own.
        return {"list": rows, "nextPageCursor": str(min(page + 1, 2))}

    server = BybitServer({"order/realtime": realtime})
    async with server.asked(**KEYS) as bybit:
        orders = await bybit.get_open_orders()
    assert [order.id for order in orders] == ["0", "1", "2"]
    asked = [(query["category"], query.get("settleCoin")) for query in server.queries("order/realtime")]
    # Bybit wants to know of linear contracts which coin they settle in.
    assert set(asked) == {("spot", None), ("linear", "USDC"), ("linear", "USDT"), ("inverse", None)}


async def test_histories_are_cut_to_seven_days_from_their_start_and_oldest_first() -> None:
    row = {"symbol": "BTCUSDT", "side": "Buy", "execPrice": "1", "execQty": "1", "execType": "Trade"}
    rows = [{**row, "execId": str(n), "execTime": str(NOW - n * HOUR)} for n in range(3)]
    funding = {**row, "execId": "f", "execTime": str(NOW), "execType": "Funding"}
    server = BybitServer({"execution/list": {"list": [funding, *rows]}})
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        fills = await bybit.get_trade_history(since=NOW - 30 * DAY, limit=2)
        latest = await bybit.get_trade_history(SWAP, until=NOW, limit=2)
    assert [fill.trade_id for fill in fills] == ["2", "1"]
    assert [fill.trade_id for fill in latest] == ["1", "0"]
    first, second = server.queries("execution/list")
    assert int(first["endTime"]) - int(first["startTime"]) == 7 * DAY - 1
    assert (second["endTime"], second["symbol"]) == (str(NOW - 1), "BTCUSDT")
    assert "startTime" not in second


@pytest.mark.parametrize(
    ("fields", "asset"),
    [
        ({"side": "Buy", "feeRate": "0.001"}, "BTC"),
        ({"side": "Sell", "feeRate": "0.001"}, "USDT"),
        ({"side": "Buy", "feeRate": "-0.0001", "isMaker": True}, "USDT"),
        ({"side": "Sell", "feeRate": "-0.0001", "isMaker": True}, "BTC"),
        ({"side": "Buy", "feeRate": "0.001", "feeCurrency": "MNT"}, "MNT"),
    ],
)
async def test_a_spot_fee_is_paid_in_what_is_bought_a_rebate_in_the_other(fields: dict[str, Any], asset: str) -> None:
    row = {"symbol": "BTCUSDT", "execId": "1", "execPrice": "1", "execQty": "1", "execTime": str(NOW), "execFee": "0.1"}
    server = BybitServer({"execution/list": {"list": [{**row, **fields}]}})
    async with server.asked(markets=["spot"], **KEYS) as bybit:
        (fill,) = await bybit.get_trade_history("BTC/USDT")
    assert (fill.fee_asset, fill.fee) == (asset, Decimal("0.1"))


async def test_what_is_listed_nowhere_is_reported_and_harms_no_answer() -> None:
    rows = [
        {"symbol": "BTC-26DEC26", "size": "1", "side": "Buy", "positionIdx": 0},
        {"symbol": "BTCUSDT", "size": "2", "side": "Sell", "positionIdx": 0, "avgPrice": "5", "liqPrice": ""},
    ]
    held = {"USDT": rows, "USDC": []}
    server = BybitServer({"position/list": lambda r: {"list": held[r.query["settleCoin"]]}, "account/info": {}})
    async with server.asked(markets=["linear"], **KEYS) as bybit:
        errors: list[str] = []
        bybit.register_event_handler(ErrorRaised, lambda event: errors.append(str(event.error)))
        (position,) = await bybit.get_positions()
        await bybit.get_positions()
    assert (position.symbol, position.amount, position.liquidation_price) == (SWAP, 2, None)
    strangers = [error for error in errors if "not listed here" in error]  # this server knows no stream of accounts
    assert len(strangers) == 1
    assert "BTC-26DEC26" in strangers[0]


async def test_no_secret_is_in_an_error() -> None:
    echo = {"retCode": 10004, "retMsg": "error sign! origin_string[the-key the-secret]", "result": {}, "time": NOW}
    server = BybitServer({"account/wallet-balance": echo})
    async with server.asked(markets=["spot"], **KEYS) as bybit:
        with pytest.raises(Exception, match="error sign") as caught:
            await bybit.get_balance()
    told = f"{caught.value!r} {caught.value} {json.dumps(vars(caught.value), default=str)}"
    assert "the-secret" not in told
    assert "the-key" not in told


async def test_spot_instruments_need_no_paging_and_a_strange_row_is_refused_by_name() -> None:
    server = BybitServer(listing={"spot": [listed("BTCUSDT", "BTC", "USDT"), listed("ODD", "", "USDT")]})
    async with server.asked(markets=["spot"]) as bybit:
        assert [symbol.name for symbol in await bybit.get_symbols()] == ["BTC/USDT"]
        assert [row.venue_id for row in bybit.refused] == ["ODD"]

"""Bybit's signed side as its documents have it: signatures, clocks, orders and their ends, refusals, lists, topics."""

import asyncio
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from fra.emulator import Account, BybitVenue, Emulator

TRADER = Account(key="trader-key", secret="trader-secret", balances={"USDT": Decimal(100_000), "BTC": Decimal(1)})
READER = Account(key="reader-key", secret="reader-secret", may_trade=False)
HEDGER = Account(key="hedger-key", secret="hedger-secret", hedge=True)
SWAP = {"category": "linear", "symbol": "BTCUSDT"}
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
INVERSE = {"category": "inverse", "symbol": "BTCUSD"}


def sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Signed:
    """A bare client that signs as Bybit's documents say."""

    def __init__(self, http: aiohttp.ClientSession, venue: BybitVenue, account: Account = TRADER) -> None:
        self.http = http
        self.venue = venue
        self.account = account
        self.offset_ms = 0
        self.headers: dict[str, str] = {}

    async def ask(self, method: str, path: str, payload: str) -> tuple[int, Any]:
        at, window = str(self.venue.now_ms() + self.offset_ms), "5000"
        headers = {
            "X-BAPI-API-KEY": self.account.key,
            "X-BAPI-TIMESTAMP": at,
            "X-BAPI-RECV-WINDOW": window,
            "X-BAPI-SIGN": sign(self.account.secret, at + self.account.key + window + payload),
        }
        url = f"{self.venue.markets['linear']['rest']}/v5/{path}"
        body = payload if method == "POST" else None
        if method == "GET" and payload:
            url += f"?{payload}"
        async with self.http.request(method, url, data=body, headers=headers | self.headers) as response:
            self.limit = {k: v for k, v in response.headers.items() if k.startswith("X-Bapi")}
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def get(self, path: str, **params: object) -> Any:
        _, answer = await self.ask("GET", path, urlencode({k: str(v) for k, v in params.items()}))
        assert answer["retCode"] == 0, answer
        return answer["result"]

    async def post(self, path: str, **body: object) -> Any:
        _, answer = await self.ask("POST", path, json.dumps(body))
        return answer

    async def done(self, path: str, **body: object) -> Any:
        answer = await self.post(path, **body)
        assert answer["retCode"] == 0, answer
        return answer["result"]

    async def order(self, order_id: str, category: str = "linear") -> Any:
        (row,) = (await self.get("order/realtime", category=category, orderId=order_id))["list"]
        return row

    async def price(self, market: dict[str, str], factor: str) -> str:
        """A price on a grid of whole dollars."""
        book = self.venue.book(market["category"], market["symbol"])
        return str(int(Decimal(book.bids[0][0]) * Decimal(factor)))


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(["bybit"], seed=7, accounts=[TRADER, READER, HEDGER]) as emulator:
        yield emulator


@pytest.fixture
def trader(http: aiohttp.ClientSession, emulator: Emulator) -> Signed:
    return Signed(http, emulator.bybit)


async def private(wire: Callable[..., Any], emulator: Emulator, *topics: str, account: Account = TRADER) -> Any:
    """A logged-in socket that hears the topics."""
    socket = await wire(emulator.bybit.markets["linear"]["ws_private"])
    expires = emulator.bybit.now_ms() + 10_000
    login = [account.key, str(expires), sign(account.secret, f"GET/realtime{expires}")]
    await socket.say({"req_id": "a", "op": "auth", "args": login})
    told = await socket.hear()
    assert {**told, "conn_id": ""} == {"success": True, "ret_msg": "", "conn_id": "", "req_id": "a", "op": "auth"}
    await socket.say({"op": "subscribe", "args": list(topics)})
    assert (await socket.hear())["success"] is True
    return socket


# -- who asks


async def test_a_signed_request_is_answered_with_its_limit(trader: Signed) -> None:
    status, answer = await trader.ask("GET", "account/wallet-balance", "accountType=UNIFIED")
    assert (status, answer["retCode"]) == (200, 0)
    (wallet,) = answer["result"]["list"]
    assert {c["coin"]: c["walletBalance"] for c in wallet["coin"]} == {"USDT": "100000", "BTC": "1"}
    assert Decimal(wallet["totalEquity"]) > 150_000
    assert (trader.limit["X-Bapi-Limit"], trader.limit["X-Bapi-Limit-Status"]) == ("50", "49")


async def test_requests_without_the_headers_are_unauthorised(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    url = emulator.bybit.markets["spot"]["rest"] + "/v5/account/info"
    async with http.get(url) as response:
        assert (response.status, await response.text()) == (401, "")
    async with http.get(url, headers={"X-BAPI-API-KEY": TRADER.key}) as response:
        answer = await response.json()
    assert (answer["retCode"], "sign params error" in answer["retMsg"]) == (10001, True)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-BAPI-API-KEY": "stranger"}, 10003),
        ({"X-BAPI-SIGN": "00"}, 10004),
        ({"X-BAPI-RECV-WINDOW": "4000"}, 10004),
    ],
)
async def test_a_wrong_key_and_a_wrong_signature_are_told_apart(
    trader: Signed, headers: dict[str, str], code: int
) -> None:
    trader.headers = headers
    status, answer = await trader.ask("GET", "account/info", "")
    assert (status, answer["retCode"]) == (200, code)


@pytest.mark.parametrize(("offset_ms", "code"), [(-4_000, 0), (-6_000, 10002), (500, 0), (2_000, 10002)])
async def test_a_timestamp_is_good_for_its_window_only(trader: Signed, offset_ms: int, code: int) -> None:
    trader.offset_ms = offset_ms
    _, answer = await trader.ask("GET", "account/info", "")
    assert answer["retCode"] == code


async def test_the_bytes_signed_are_the_bytes_sent(trader: Signed) -> None:
    body = json.dumps({**SWAP, "buyLeverage": "5", "sellLeverage": "5"})
    _, answer = await trader.ask("POST", "position/set-leverage", body.replace(", ", " ,\n"))
    assert answer["retCode"] == 0


async def test_a_key_that_only_reads_reads_only(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    reader = Signed(http, emulator.bybit, READER)
    assert (await reader.get("user/query-api"))["readOnly"] == 1
    answer = await reader.post("order/create", **SWAP, side="Buy", orderType="Market", qty="0.01")
    assert answer["retCode"] == 10005


async def test_an_expired_key_is_named_as_such(trader: Signed) -> None:
    trader.venue.expired_keys.add(TRADER.key)
    _, answer = await trader.ask("GET", "account/info", "")
    assert answer["retCode"] == 33004


async def test_each_path_has_a_limit_by_account_and_second(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"], accounts=[TRADER, READER], rate_window_scale=30) as emulator:
        trader, reader = (Signed(http, emulator.bybit, account) for account in (TRADER, READER))
        answers = [await trader.post("order/cancel", **SWAP, orderId="none") for _ in range(11)]
        assert [a["retCode"] for a in answers] == [110001] * 10 + [10006]
        assert trader.limit["X-Bapi-Limit-Status"] == "0"
        assert int(trader.limit["X-Bapi-Limit-Reset-Timestamp"]) > emulator.bybit.now_ms()
        assert (await trader.post("order/cancel", **SPOT, orderId="none"))["retCode"] == 170213, "spot has its own"
        assert (await reader.post("order/cancel", **SWAP, orderId="none"))["retCode"] == 10005


# -- orders


async def test_placing_acknowledges_and_the_order_is_asked_for(trader: Signed) -> None:
    price = await trader.price(SWAP, "0.9")
    told = await trader.done(
        "order/create", **SWAP, side="Buy", orderType="Limit", qty="0.010", price=price, orderLinkId="my-order_1"
    )
    assert set(told) == {"orderId", "orderLinkId"}
    row = await trader.order(told["orderId"])
    assert (row["orderStatus"], row["qty"], row["leavesQty"], row["timeInForce"]) == ("New", "0.010", "0.010", "GTC")
    (by_link,) = (await trader.get("order/realtime", category="linear", orderLinkId="my-order_1"))["list"]
    (listed,) = (await trader.get("order/realtime", category="linear", settleCoin="USDT"))["list"]
    assert by_link == listed == row
    await trader.done("order/cancel", **SWAP, orderLinkId="my-order_1")
    row = await trader.order(told["orderId"])
    assert (row["orderStatus"], row["rejectReason"], row["leavesQty"]) == ("Cancelled", "EC_PerCancelRequest", "0")
    assert (await trader.get("order/realtime", category="linear", settleCoin="USDT"))["list"] == []
    (past,) = (await trader.get("order/history", category="linear"))["list"]
    assert past == row
    again = await trader.post("order/cancel", **SWAP, orderId=told["orderId"])
    assert again["retCode"] == 110001


@pytest.mark.parametrize(("market", "status"), [(SWAP, "Cancelled"), (SPOT, "Rejected")])
async def test_a_post_only_order_that_would_take_is_acknowledged_and_ends(
    trader: Signed, market: dict[str, str], status: str
) -> None:
    price = await trader.price(market, "1.1")
    told = await trader.done(
        "order/create", **market, side="Buy", orderType="Limit", qty="0.01", price=price, timeInForce="PostOnly"
    )
    row = await trader.order(told["orderId"], market["category"])
    assert (row["orderStatus"], row["rejectReason"]) == (status, "EC_PostOnlyWillTakeLiquidity")
    assert (row["timeInForce"], row["cumExecQty"]) == ("PostOnly", "0")


@pytest.mark.parametrize(("market", "status"), [(SWAP, "Cancelled"), (SPOT, "PartiallyFilledCanceled")])
async def test_an_ioc_order_s_rest_ends_with_its_fills(trader: Signed, market: dict[str, str], status: str) -> None:
    trader.venue.freeze_book(market["category"], market["symbol"])
    price, size = trader.venue.book(market["category"], market["symbol"]).asks[0]
    wanted = str(Decimal(size) + Decimal("0.010"))
    told = await trader.done(
        "order/create", **market, side="Buy", orderType="Limit", qty=wanted, price=price, timeInForce="IOC"
    )
    row = await trader.order(told["orderId"], market["category"])
    assert (row["orderStatus"], row["cumExecQty"], row["leavesQty"]) == (status, size, "0")
    assert Decimal(row["avgPrice"]) == Decimal(price)


async def test_a_spot_buy_at_market_spends_quote_coin_unless_told_otherwise(trader: Signed) -> None:
    quoted = await trader.done("order/create", **SPOT, side="Buy", orderType="Market", qty="1000")
    row = await trader.order(quoted["orderId"], "spot")
    assert (row["qty"], row["marketUnit"], row["orderStatus"]) == ("1000", "quoteCoin", "Filled")
    assert 990 < Decimal(row["cumExecValue"]) <= 1000
    assert set(row["cumFeeDetail"]) == {"BTC"}
    based = await trader.done("order/create", **SPOT, side="Buy", orderType="Market", qty="0.01", marketUnit="baseCoin")
    row = await trader.order(based["orderId"], "spot")
    assert (row["qty"], row["cumExecQty"], row["marketUnit"]) == ("0.01", "0.01", "baseCoin")
    assert based["orderId"].isdigit()


async def test_an_inverse_order_is_sized_in_dollars_and_paid_in_coin(trader: Signed) -> None:
    told = await trader.done("order/create", **INVERSE, side="Sell", orderType="Market", qty="500")
    row = await trader.order(told["orderId"], "inverse")
    assert (row["cumExecQty"], set(row["cumFeeDetail"])) == ("500", {"BTC"})
    assert Decimal(row["cumExecValue"]) == pytest.approx(500 / Decimal(row["avgPrice"]), abs=Decimal("1e-8"))
    (position,) = (await trader.get("position/list", category="inverse"))["list"]
    assert (position["symbol"], position["side"], position["size"]) == ("BTCUSD", "Sell", "500")


async def test_a_conditional_order_waits_and_is_deactivated(trader: Signed) -> None:
    trigger = await trader.price(SWAP, "1.2")
    stop = {"side": "Buy", "orderType": "Market", "qty": "0.01", "triggerPrice": trigger}
    wrong = await trader.post("order/create", **SWAP, **stop, triggerDirection=2)
    assert wrong["retCode"] == 110093
    told = await trader.done("order/create", **SWAP, **stop, triggerDirection=1, triggerBy="MarkPrice")
    row = await trader.order(told["orderId"])
    assert (row["orderStatus"], row["triggerDirection"], row["triggerBy"]) == ("Untriggered", 1, "MarkPrice")
    (listed,) = (await trader.get("order/realtime", **SWAP, orderFilter="StopOrder"))["list"]
    assert listed["orderId"] == told["orderId"]
    await trader.done("order/cancel-all", category="linear", settleCoin="USDT")
    assert (await trader.order(told["orderId"]))["orderStatus"] == "Deactivated"


async def test_a_client_s_id_is_taken_once_even_after_its_order_has_ended(trader: Signed) -> None:
    price = await trader.price(SWAP, "0.9")
    order = {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": price, "orderLinkId": "only-once"}
    await trader.done("order/create", **SWAP, **order)
    assert (await trader.post("order/create", **SWAP, **order))["retCode"] == 110072
    await trader.done("order/cancel", **SWAP, orderLinkId="only-once")
    assert (await trader.post("order/create", **SWAP, **order))["retCode"] == 110072
    assert (await trader.post("order/create", **SPOT, **order))["retCode"] == 170141


LIMIT = {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}
REFUSED: list[tuple[dict[str, str], dict[str, object], int]] = [
    (SWAP, {**LIMIT, "qty": "1000"}, 110007),
    (SPOT, {**LIMIT, "qty": "1000"}, 170131),
    (SPOT, {**LIMIT, "side": "Sell", "qty": "5"}, 170131),
    (SWAP, {**LIMIT, "qty": "0.0001"}, 110017),
    (SWAP, {**LIMIT, "qty": "0.0105"}, 10001),
    (SPOT, {**LIMIT, "qty": "0.0100000001"}, 170137),
    (SPOT, {**LIMIT, "qty": "0.00001"}, 170140),
    (SPOT, {**LIMIT, "price": "50000.01"}, 170134),
    (SWAP, {**LIMIT, "price": "50000.05"}, 10001),
    (SWAP, {**LIMIT, "price": "4000", "qty": "0.001"}, 110094),
    (SWAP, {**LIMIT, "reduceOnly": True}, 110017),
    (SWAP, {**LIMIT, "positionIdx": 1}, 10001),
    (SWAP, {**LIMIT, "qty": 0.01}, 10001),
    (SWAP, {**LIMIT, "side": "buy"}, 10001),
    (SWAP, {**LIMIT, "orderLinkId": "not allowed!"}, 10001),
    (SWAP, {**LIMIT, "takeProfit": "60000"}, 10001),
    ({"category": "linear", "symbol": "NOPEUSDT"}, LIMIT, 10001),
    ({"category": "spot", "symbol": "NOPEUSDT"}, LIMIT, 170121),
    ({"category": "nope", "symbol": "BTCUSDT"}, LIMIT, 10001),
]


@pytest.mark.parametrize(("market", "order", "code"), REFUSED)
async def test_an_order_is_refused_by_the_venue_s_own_code(
    trader: Signed, market: dict[str, str], order: dict[str, object], code: int
) -> None:
    status, answer = await trader.ask("POST", "order/create", json.dumps({**market, **order}))
    assert (status, answer["retCode"], answer["result"]) == (200, code, {})
    assert (await trader.get("order/history", category="linear"))["list"] == []


# -- positions, settings, money


async def test_a_named_symbol_is_answered_flat_and_a_list_only_open(trader: Signed) -> None:
    (flat,) = (await trader.get("position/list", **SWAP))["list"]
    assert (flat["side"], flat["size"], flat["positionIdx"], flat["avgPrice"]) == ("", "0", 0, "0")
    assert (await trader.get("position/list", category="linear", settleCoin="USDT"))["list"] == []
    await trader.done("order/create", **SWAP, side="Buy", orderType="Market", qty="0.5")
    (held,) = (await trader.get("position/list", category="linear", settleCoin="USDT"))["list"]
    assert (held["side"], held["size"], held["leverage"]) == ("Buy", "0.500", "10")
    assert Decimal(held["positionIM"]) == pytest.approx(Decimal(held["markPrice"]) / 20, rel=Decimal("0.01"))
    _, answer = await trader.ask("GET", "position/list", "category=linear")
    assert answer["retCode"] == 10001


async def test_what_is_already_set_is_an_error_of_its_own(trader: Signed) -> None:
    leverage = {**SWAP, "buyLeverage": "7", "sellLeverage": "7"}
    assert (await trader.post("position/set-leverage", **leverage))["retCode"] == 0
    assert (await trader.post("position/set-leverage", **leverage))["retCode"] == 110043
    too_much = {**SWAP, "buyLeverage": "101", "sellLeverage": "101"}
    assert (await trader.post("position/set-leverage", **too_much))["retCode"] == 110013
    mode = {"category": "linear", "coin": "USDT"}
    assert (await trader.post("position/switch-mode", **mode, mode=0))["retCode"] == 110025
    assert (await trader.post("position/switch-mode", **mode, mode=3))["retCode"] == 0
    assert (await trader.post("position/switch-isolated", **leverage, tradeMode=1))["retCode"] == 100028
    assert (await trader.post("account/set-margin-mode", setMarginMode="ISOLATED_MARGIN"))["retCode"] == 0
    assert (await trader.get("account/info"))["marginMode"] == "ISOLATED_MARGIN"


async def test_the_position_mode_does_not_change_under_a_position(trader: Signed) -> None:
    await trader.done("order/create", **SWAP, side="Buy", orderType="Market", qty="0.01")
    assert (await trader.post("position/switch-mode", category="linear", coin="USDT", mode=3))["retCode"] == 110024


async def test_both_sides_are_held_at_once_in_hedge_mode(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    hedger = Signed(http, emulator.bybit, HEDGER)
    order = {"orderType": "Market", "qty": "0.01"}
    assert (await hedger.post("order/create", **SWAP, **order, side="Buy"))["retCode"] == 10001
    await hedger.done("order/create", **SWAP, **order, side="Buy", positionIdx=1)
    await hedger.done("order/create", **SWAP, **order, side="Sell", positionIdx=2)
    rows = (await hedger.get("position/list", **SWAP))["list"]
    assert [(r["positionIdx"], r["side"], r["size"]) for r in rows] == [(1, "Buy", "0.010"), (2, "Sell", "0.010")]


async def test_funding_is_an_execution_and_a_settlement_at_the_rate_charged(
    http: aiohttp.ClientSession, wire: Callable[..., Any]
) -> None:
    async with Emulator(["bybit"], seed=7, settle_in_s=3, accounts=[TRADER]) as emulator:
        trader = Signed(http, emulator.bybit)
        socket = await private(wire, emulator, "execution")
        await trader.done("order/create", category="linear", symbol="TRBUSDT", side="Buy", orderType="Market", qty="50")
        paid = await socket.hear_until(lambda m: m["data"][0]["execType"] == "Funding")
        (pushed,) = paid["data"]
        (row,) = (await trader.get("execution/list", category="linear", execType="Funding"))["list"]
        assert {**row, "category": "linear", "feeCoin": "USDT"} == pushed
        (settled,) = (await trader.get("market/funding/history", category="linear", symbol="TRBUSDT", limit=1))["list"]
        assert (settled["fundingRate"], settled["fundingRateTimestamp"]) == (row["feeRate"], row["execTime"])
        due = Decimal(row["execQty"]) * Decimal(row["markPrice"]) * Decimal(row["feeRate"])
        assert Decimal(row["execFee"]) == due
        (log,) = (await trader.get("account/transaction-log", accountType="UNIFIED", type="SETTLEMENT"))["list"]
        assert (Decimal(log["funding"]), log["currency"]) == (-due, "USDT")
        (coin,) = (await trader.get("account/wallet-balance", accountType="UNIFIED", coin="USDT"))["list"][0]["coin"]
        assert log["cashBalance"] == coin["walletBalance"]


async def test_the_log_s_balances_follow_from_its_changes(trader: Signed) -> None:
    await trader.done("order/create", **SPOT, side="Buy", orderType="Market", qty="0.02", marketUnit="baseCoin")
    await trader.done("order/create", **SPOT, side="Sell", orderType="Market", qty="0.02")
    await trader.done("order/create", **SWAP, side="Buy", orderType="Market", qty="0.02")
    rows = (await trader.get("account/transaction-log", accountType="UNIFIED", currency="USDT"))["list"][::-1]
    start = Decimal(100_000)
    for row in rows:
        start += Decimal(row["change"])
        assert Decimal(row["cashBalance"]) == start
    (wallet,) = (await trader.get("account/wallet-balance", accountType="UNIFIED", coin="USDT"))["list"]
    assert Decimal(wallet["coin"][0]["walletBalance"]) == start


async def test_lists_are_paged_newest_first_without_a_hole(trader: Signed) -> None:
    trader.venue.settings.enforce_limits = False
    price = await trader.price(SWAP, "0.9")
    for n in range(7):
        order = {**LIMIT, "price": price, "orderLinkId": f"n{n}"}
        await trader.done("order/create", **SWAP, **order)
    seen: list[str] = []
    cursor = ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await trader.get("order/realtime", **SWAP, limit=3, **more)
        seen += [row["orderLinkId"] for row in page["list"]]
        if not (cursor := page["nextPageCursor"]):
            break
        assert "%" in cursor
    assert seen == [f"n{n}" for n in reversed(range(7))]
    span = {"startTime": 1, "endTime": 8 * 86_400_000}
    _, answer = await trader.ask("GET", "order/history", urlencode({"category": "linear", **span}))
    assert answer["retCode"] == 10001, "more than seven days"


# -- topics


async def test_fills_orders_positions_and_money_are_pushed(
    trader: Signed, emulator: Emulator, wire: Callable[..., Any]
) -> None:
    socket = await private(wire, emulator, "order", "execution", "position", "wallet")
    with pytest.raises(TimeoutError):
        await socket.hear(timeout=0.3)  # nothing is pushed on subscribing
    socket = await private(wire, emulator, "order", "execution", "position", "wallet")
    told = await trader.done("order/create", **SWAP, side="Buy", orderType="Market", qty="0.01", orderLinkId="mine")
    heard: dict[str, list[Any]] = {}
    while heard.keys() != {"order", "execution", "position", "wallet"} or heard["order"][-1]["orderStatus"] != "Filled":
        message = await socket.hear()
        heard.setdefault(message["topic"], []).extend(message["data"])
    row = await trader.order(told["orderId"])
    assert heard["order"][-1] == {"category": "linear", **row}
    executed = heard["execution"]
    assert sum(Decimal(e["execQty"]) for e in executed) == Decimal("0.01")
    assert {(e["orderId"], e["orderLinkId"], e["isMaker"]) for e in executed} == {(told["orderId"], "mine", False)}
    fills = (await trader.get("execution/list", **SWAP))["list"]
    assert {f["execId"] for f in fills} == {e["execId"] for e in executed}
    assert (heard["position"][-1]["size"], "entryPrice" in heard["position"][-1]) == ("0.010", True)
    assert heard["wallet"][-1]["coin"][0]["coin"] == "USDT"


async def test_a_position_is_told_again_when_its_leverage_changes(
    trader: Signed, emulator: Emulator, wire: Callable[..., Any]
) -> None:
    await trader.done("order/create", **SWAP, side="Buy", orderType="Market", qty="0.01")
    socket = await private(wire, emulator, "position.linear")
    await trader.done("position/set-leverage", **SWAP, buyLeverage="3", sellLeverage="3")
    (row,) = (await socket.hear())["data"]
    assert (row["leverage"], row["size"]) == ("3", "0.010")


async def test_a_liquidation_is_told_as_one(trader: Signed, emulator: Emulator, wire: Callable[..., Any]) -> None:
    exchange = emulator.bybit.exchange
    await trader.done("position/set-leverage", **SWAP, buyLeverage="100", sellLeverage="100")
    await trader.done("order/create", **SWAP, side="Buy", orderType="Market", qty="20")
    socket = await private(wire, emulator, "execution")
    mark = exchange.engine.mark_price("linear:BTCUSDT")
    assert mark is not None
    exchange.engine.mark("linear:BTCUSDT", mark / 2, now_ms=emulator.bybit.now_ms())
    (row,) = (await socket.hear())["data"]
    assert (row["execType"], row["createType"], row["side"]) == ("BustTrade", "CreateByLiq", "Sell")
    order = await trader.order(row["orderId"])
    assert (order["createType"], order["orderStatus"], order["cumExecQty"]) == ("CreateByLiq", "Filled", "20.000")


async def test_a_resting_order_is_filled_as_maker_when_the_market_comes(
    trader: Signed, emulator: Emulator, wire: Callable[..., Any]
) -> None:
    socket = await private(wire, emulator, "execution.linear", "order.linear")
    trader.venue.freeze_book("linear", "BTCUSDT")
    book = trader.venue.book("linear", "BTCUSDT")
    resting = {"Buy": book.bids[0][0], "Sell": book.asks[0][0]}  # the market may run from one of them, not from both
    for side, price in resting.items():
        await trader.done("order/create", **SWAP, side=side, orderType="Limit", qty="0.001", price=price)
    trader.venue.freeze_book("linear", "BTCUSDT", frozen=False)
    fill = await socket.hear_until(lambda m: m["topic"] == "execution.linear", timeout=20)
    (row,) = fill["data"]
    expected = (True, Decimal(resting[row["side"]]), "0.0002")
    assert (row["isMaker"], Decimal(row["execPrice"]), row["feeRate"]) == expected


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["stranger", "9999999999999", "00"], "API key is invalid."),
        ([TRADER.key, "1", "00"], "The request has expired"),
        ([TRADER.key, "9999999999999", "00"], "Invalid sign"),
        ([TRADER.key], "Params Error"),
    ],
)
async def test_a_bad_login_is_refused(emulator: Emulator, wire: Callable[..., Any], args: list[str], text: str) -> None:
    socket = await wire(emulator.bybit.markets["linear"]["ws_private"])
    await socket.say({"op": "subscribe", "args": ["order"]})
    assert (await socket.hear())["success"] is False
    await socket.say({"op": "auth", "args": args})
    told = await socket.hear()
    assert (told["success"], told["op"], told["ret_msg"]) == (False, "auth", text)


async def test_a_topic_for_all_and_one_by_category_do_not_go_together(
    emulator: Emulator, wire: Callable[..., Any]
) -> None:
    socket = await private(wire, emulator, "order")
    for topics in (["order.linear"], ["execution", "execution.spot"], ["nope"]):
        await socket.say({"op": "subscribe", "args": topics})
        assert (await socket.hear())["success"] is False
    await socket.say({"op": "unsubscribe", "args": ["order"]})
    assert (await socket.hear())["success"] is True
    await socket.say({"op": "subscribe", "args": ["order.linear"]})
    assert (await socket.hear())["success"] is True


async def test_two_connections_of_one_account_hear_the_same(
    trader: Signed, emulator: Emulator, wire: Callable[..., Any]
) -> None:
    sockets = [await private(wire, emulator, "order") for _ in range(2)]
    stranger = await private(wire, emulator, "order", account=READER)
    price = await trader.price(SWAP, "0.9")
    await trader.done("order/create", **SWAP, **{**LIMIT, "price": price})
    rows = [(await socket.hear())["data"] for socket in sockets]
    assert rows[0] == rows[1]
    with pytest.raises(TimeoutError):
        await stranger.hear(timeout=0.3)
    emulator.bybit.go_silent("private")
    await trader.done("order/cancel-all", **SWAP)
    with pytest.raises(TimeoutError):
        await sockets[0].hear(timeout=0.3)


async def test_ids_are_unique_over_both_sides_of_a_trade(http: aiohttp.ClientSession, emulator: Emulator) -> None:
    trader, hedger = Signed(http, emulator.bybit), Signed(http, emulator.bybit, HEDGER)
    emulator.bybit.freeze_book("linear", "BTCUSDT")
    # at one price an account's order goes before the rest of the market's
    price = emulator.bybit.book("linear", "BTCUSDT").asks[0][0]
    await trader.done("order/create", **SWAP, side="Sell", orderType="Limit", qty="0.01", price=price)
    await hedger.done(
        "order/create", **SWAP, side="Buy", orderType="Limit", qty="0.01", price=price, timeInForce="IOC", positionIdx=1
    )
    ours, theirs = [(await one.get("execution/list", **SWAP))["list"] for one in (trader, hedger)]
    assert [row["execQty"] for row in ours] == [row["execQty"] for row in theirs] == ["0.010"]
    assert ours[0]["isMaker"] is not theirs[0]["isMaker"]
    assert len({row["execId"] for row in itertools.chain(ours, theirs)}) == 2


async def test_events_of_a_cut_socket_are_lost_and_asked_for(
    trader: Signed, emulator: Emulator, wire: Callable[..., Any]
) -> None:
    socket = await private(wire, emulator, "order")
    assert emulator.bybit.cut("private") == 1
    async with asyncio.timeout(5):
        while (await socket.ws.receive()).type not in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
            pass
    told = await trader.done("order/create", **SWAP, side="Buy", orderType="Market", qty="0.01")
    socket = await private(wire, emulator, "order")
    with pytest.raises(TimeoutError):
        await socket.hear(timeout=0.3)
    assert (await trader.order(told["orderId"]))["orderStatus"] == "Filled"


# -- orders over a socket


async def entry(wire: Callable[..., Any], emulator: Emulator) -> Any:
    """A logged-in socket for orders."""
    socket = await wire(emulator.bybit.markets["linear"]["ws_trade"])
    expires = emulator.bybit.now_ms() + 10_000
    login = {"op": "auth", "args": [TRADER.key, expires, sign(TRADER.secret, f"GET/realtime{expires}")]}
    await socket.say(login)
    told = await socket.hear()
    assert {**told, "connId": ""} == {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": ""}
    await socket.say(login)
    assert (await socket.hear())["retCode"] == 20001
    return socket


async def test_an_order_is_placed_and_cancelled_over_a_socket(
    trader: Signed, emulator: Emulator, wire: Callable[..., Any]
) -> None:
    socket = await entry(wire, emulator)

    async def ask(op: str, req_id: str, body: object) -> Any:
        header = {"X-BAPI-TIMESTAMP": str(emulator.bybit.now_ms())}
        await socket.say({"reqId": req_id, "header": header, "op": op, "args": [body]})
        answer = await socket.hear()
        assert (answer["op"], answer["reqId"]) == (op, req_id)
        return answer

    placed = await ask("order.create", "1", {**SWAP, **LIMIT})
    assert (placed["retCode"], placed["header"]["X-Bapi-Limit-Status"]) == (0, "9")
    assert (await trader.order(placed["data"]["orderId"]))["orderStatus"] == "New"
    assert (await ask("order.create", "2", {**SWAP, **LIMIT, "qty": "1000"}))["retCode"] == 110007
    assert (await ask("order.create", "1", {**SWAP, **LIMIT}))["retCode"] == 20006
    assert (await ask("order.cancel", "3", {**SWAP, "orderId": placed["data"]["orderId"]}))["retCode"] == 0
    assert (await ask("order.cancel", "4", {**SWAP, "orderId": placed["data"]["orderId"]}))["retCode"] == 110001
    assert (await ask("order.nope", "5", {}))["retCode"] == 10404
    await socket.say({"op": "ping"})
    pong = await socket.hear()
    assert (pong["op"], pong["retCode"]) == ("pong", 0)


async def test_orders_over_a_socket_need_a_login_and_the_time(emulator: Emulator, wire: Callable[..., Any]) -> None:
    stranger = await wire(emulator.bybit.markets["linear"]["ws_trade"])
    order = {"reqId": "1", "op": "order.create", "args": [{**SWAP, **LIMIT}]}
    await stranger.say(order)
    assert (await stranger.hear())["retCode"] == 10003
    socket = await entry(wire, emulator)
    await socket.say({**order, "header": {"X-BAPI-TIMESTAMP": "1"}})
    assert (await socket.hear())["retCode"] == 10002

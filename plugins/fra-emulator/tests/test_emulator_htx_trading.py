"""Trading on the emulated HTX by bare signed requests and logins: spot, and the single-asset contract account."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from fra.emulator import Account, Emulator, HtxVenue

TRADER = Account(key="trader-key", secret="trader-secret")
READER = Account(key="reader-key", secret="reader-secret", may_trade=False)
HEDGER = Account(key="hedger-key", secret="hedger-secret", hedge=True)
API, V3, PAIR, SWAP = "/linear-swap-api/v1/", "/linear-swap-api/v3/", "btcusdt", "BTC-USDT"


def signed(secret: str, method: str, host: str, path: str, params: Mapping[str, str]) -> str:
    """The signature as the documents describe it, written here once more."""
    text = "\n".join([method, host, path, urlencode(sorted(params.items()))])
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


class Client:
    """One account's signed requests and logins; numbers in answers are Decimals of the text that was sent."""

    def __init__(self, venue: HtxVenue, http: aiohttp.ClientSession, account: Account) -> None:
        self.venue = venue
        self.http = http
        self.account = account
        self.offset_s = 0
        self.hosts = {"spot": "api.huobi.pro", "linear": "api.hbdm.com"}

    def _stamp(self) -> str:
        now = self.venue.settings.clock.now_ms() / 1000 + self.offset_s
        return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S")

    async def send(self, method: str, path: str, params: Mapping[str, object], body: object = None) -> Any:
        market = "spot" if path.startswith(("/v1", "/v2")) else "linear"
        query = {"AccessKeyId": self.account.key, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}
        query |= {"Timestamp": self._stamp(), **{k: str(v) for k, v in params.items()}}
        query["Signature"] = signed(self.account.secret, method, self.hosts[market], path, query)
        url = self.venue.markets[market]["rest"] + path
        async with self.http.request(method, url, params=query, json=body) as answer:
            return json.loads(await answer.text(), parse_float=Decimal)

    async def get(self, path: str, **params: object) -> Any:
        return await self.send("GET", path, {k.replace("_", "-"): v for k, v in params.items()})

    async def post(self, path: str, **body: object) -> Any:
        return await self.send("POST", path, {}, body)

    async def spot_id(self) -> str:
        (row,) = (await self.get("/v1/account/accounts"))["data"]
        return str(row["id"])

    async def spot_order(self, type_: str, amount: str, **more: str) -> Any:
        body = {"account-id": await self.spot_id(), "symbol": PAIR, "type": type_, "amount": amount}
        return await self.send(
            "POST", "/v1/order/orders/place", {}, body | {k.replace("_", "-"): v for k, v in more.items()}
        )

    async def state(self, order: str) -> Any:
        return (await self.get(f"/v1/order/orders/{order}"))["data"]

    async def swap_order(self, direction: str, volume: int, type_: str = "market", **more: object) -> Any:
        body = {
            "contract_code": SWAP,
            "direction": direction,
            "volume": volume,
            "order_price_type": type_,
            "lever_rate": 10,
        }
        return await self.post(API + "swap_cross_order", **(body | more))

    async def info(self, order: str) -> Any:
        (row,) = (await self.post(API + "swap_cross_order_info", contract_code=SWAP, order_id=order))["data"]
        return row

    async def login(self, wire: Callable[..., Any], market: str) -> Any:
        socket = await wire(self.venue.markets[market]["ws_private"])
        if market == "spot":
            params = {"accessKey": self.account.key, "signatureMethod": "HmacSHA256", "signatureVersion": "2.1"}
            params["timestamp"] = self._stamp()
            params["signature"] = signed(self.account.secret, "GET", self.hosts[market], "/ws/v2", params)
            await socket.say({"action": "req", "ch": "auth", "params": {"authType": "api", **params}})
        else:
            params = {"AccessKeyId": self.account.key, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}
            params["Timestamp"] = self._stamp()
            path = "/linear-swap-notification"
            params["Signature"] = signed(self.account.secret, "GET", self.hosts[market], path, params)
            await socket.say({"op": "auth", "type": "api", **params})
        return socket


@pytest.fixture
async def venue() -> AsyncIterator[HtxVenue]:
    async with Emulator(["htx"], seed=3, accounts=[TRADER, READER, HEDGER]) as emulator:
        yield emulator.htx


@pytest.fixture
def trader(venue: HtxVenue, http: aiohttp.ClientSession) -> Client:
    return Client(venue, http, TRADER)


def best(venue: HtxVenue, market: str, *, ask: bool = True) -> tuple[Decimal, Decimal]:
    """Price and size of the best level, in a book that stands still."""
    symbol = PAIR if market == "spot" else SWAP
    venue.freeze_book(market, symbol)
    book = venue.book(market, symbol)
    price, size = (book.asks if ask else book.bids)[0]
    return Decimal(price), Decimal(size)


# -- who asks


async def test_the_documented_host_or_the_one_that_was_asked_is_signed(trader: Client) -> None:
    assert (await trader.get("/v1/account/accounts"))["status"] == "ok"
    asked = trader.venue.markets["spot"]["rest"].removeprefix("http://")
    for host in (asked, asked.partition(":")[0], "api-aws.huobi.pro"):
        trader.hosts["spot"] = host
        assert (await trader.get("/v1/account/accounts"))["status"] == "ok"
    trader.hosts["spot"] = "api.elsewhere.pro"
    assert (await trader.get("/v1/account/accounts"))["err-code"] == "api-signature-not-valid"


@pytest.mark.parametrize(
    ("account", "offset_s", "words"),
    [
        (Account(key="trader-key", secret="another"), 0, "Verification failure"),
        (Account(key="nobody", secret="nothing"), 0, "Incorrect Access key"),
        (TRADER, 301, "Invalid submission time"),
        (TRADER, -302, "Invalid submission time"),
    ],
)
async def test_who_is_not_recognised_is_told_why(
    venue: HtxVenue, http: aiohttp.ClientSession, account: Account, offset_s: int, words: str
) -> None:
    client = Client(venue, http, account)
    client.offset_s = offset_s
    spot = await client.get("/v1/account/accounts")
    assert (spot["status"], spot["err-code"], words in spot["err-msg"]) == ("error", "api-signature-not-valid", True)
    linear = await client.post(API + "swap_cross_account_info", margin_account="USDT")
    assert (linear["status"], linear["err_code"], words in linear["err_msg"]) == ("error", 403, True)


async def test_a_clock_may_be_off_by_almost_five_minutes(trader: Client) -> None:
    trader.offset_s = -290
    assert (await trader.get("/v1/account/accounts"))["status"] == "ok"


async def test_a_key_that_only_reads_cannot_trade(venue: HtxVenue, http: aiohttp.ClientSession) -> None:
    reader = Client(venue, http, READER)
    assert "no permission" in (await reader.spot_order("buy-market", "100"))["err-msg"]
    assert "no permission" in (await reader.swap_order("buy", 1))["err_msg"]


# -- spot


async def test_a_spot_order_rests_holds_money_and_is_cancelled(trader: Client) -> None:
    placed = await trader.spot_order("buy-limit", "0.01", price="50000.00", client_order_id="mine-1")
    order = placed["data"]
    (row,) = (await trader.get("/v1/order/openOrders", symbol=PAIR))["data"]
    told = (str(row["id"]), row["state"], row["type"], row["client-order-id"], Decimal(row["filled-amount"]))
    assert told == (order, "submitted", "buy-limit", "mine-1", 0)
    account = await trader.spot_id()
    rows = (await trader.get(f"/v1/account/accounts/{account}/balance"))["data"]["list"]
    money = {(r["currency"], r["type"]): Decimal(r["balance"]) for r in rows}
    assert (money["usdt", "trade"], money["usdt", "frozen"]) == (99_500, 500)
    assert (await trader.post(f"/v1/order/orders/{order}/submitcancel"))["data"] == order
    assert (await trader.state(order))["state"] == "canceled"
    again = await trader.post(f"/v1/order/orders/{order}/submitcancel")
    assert (again["err-code"], again["order-state"]) == ("order-orderstate-error", 7)


async def test_a_market_buy_spends_quote_and_pays_its_fee_in_coin(trader: Client) -> None:
    order = (await trader.spot_order("buy-market", "1000"))["data"]
    row = await trader.state(order)
    assert (row["state"], row["amount"]) == ("filled", "1000")
    assert 900 < Decimal(row["field-cash-amount"]) <= 1000
    matches = (await trader.get(f"/v1/order/orders/{order}/matchresults"))["data"]
    assert sum(Decimal(m["filled-amount"]) for m in matches) == Decimal(row["field-amount"])
    assert {m["fee-currency"] for m in matches} == {"btc"}
    assert sum(Decimal(m["filled-fees"]) for m in matches) == Decimal(row["field-amount"]) * Decimal("0.002")


async def test_an_ioc_may_end_partly_filled_and_cancelled(trader: Client) -> None:
    price, size = best(trader.venue, "spot")
    order = (await trader.spot_order("buy-ioc", f"{size + 1:f}", price=f"{price:f}"))["data"]
    row = await trader.state(order)
    assert (row["state"], Decimal(row["field-amount"])) == ("partial-canceled", size)


async def test_a_limit_maker_that_would_take_is_rejected(trader: Client) -> None:
    price, _ = best(trader.venue, "spot")
    order = (await trader.spot_order("buy-limit-maker", "0.01", price=f"{price:f}"))["data"]
    row = await trader.state(order)
    assert (row["state"], Decimal(row["field-amount"])) == ("rejected", 0)


async def test_a_spot_client_id_is_not_used_twice_in_a_day(trader: Client) -> None:
    more = {"price": "50000.00", "client_order_id": "once"}
    order = (await trader.spot_order("buy-limit", "0.01", **more))["data"]
    assert (await trader.spot_order("buy-limit", "0.01", **more))["err-code"] == "invalid-client-order-id"
    found = await trader.send("GET", "/v1/order/orders/getClientOrder", {"clientOrderId": "once"})
    assert str(found["data"]["id"]) == order
    cancel = "/v1/order/orders/submitCancelClientOrder"
    assert (await trader.send("POST", cancel, {}, {"client-order-id": "once"}))["data"] == 10
    assert (await trader.send("POST", cancel, {}, {"client-order-id": "once"}))["data"] == 7
    assert (await trader.send("POST", cancel, {}, {"client-order-id": "never"}))["data"] == 0
    assert (await trader.spot_order("buy-limit", "0.01", **more))["err-code"] == "invalid-client-order-id"


SPOT_REFUSALS = [
    ("buy-limit", "0.01", {"price": "50000.001"}, "order-orderprice-precision-error"),
    ("buy-limit", "0.0100001", {"price": "50000.00"}, "order-orderamount-precision-error"),
    ("buy-limit", "0.000001", {"price": "50000.00"}, "order-limitorder-amount-min-error"),
    ("buy-limit", "0.00001", {"price": "50000.00"}, "order-value-min-error"),
    ("buy-limit", "10", {"price": "50000.00"}, "account-frozen-balance-insufficient-error"),
    ("sell-limit", "1", {"price": "90000.00"}, "account-frozen-balance-insufficient-error"),
    ("buy-limit", "0.01", {}, "validation-constraints-required"),
    ("buy-limit", "x", {"price": "50000.00"}, "validation-format-error"),
    ("buy-sometime", "0.01", {"price": "50000.00"}, "order-type-invalid"),
]


@pytest.mark.parametrize(("type_", "amount", "more", "word"), SPOT_REFUSALS)
async def test_spot_refuses_in_its_own_words(
    trader: Client, type_: str, amount: str, more: dict[str, str], word: str
) -> None:
    answer = await trader.spot_order(type_, amount, **more)
    assert (answer["status"], answer["err-code"], answer["data"]) == ("error", word, None)


async def test_an_unknown_symbol_and_an_unknown_order_are_named(trader: Client) -> None:
    body = {"account-id": await trader.spot_id(), "symbol": "nopeusdt", "type": "buy-market", "amount": "10"}
    assert (await trader.send("POST", "/v1/order/orders/place", {}, body))["err-code"] == "base-symbol-error"
    assert (await trader.get("/v1/order/orders/1000000000000009"))["err-code"] == "base-record-invalid"


async def test_all_open_spot_orders_are_cancelled_at_once(trader: Client) -> None:
    for price in ("50000.00", "50001.00"):
        await trader.spot_order("buy-limit", "0.01", price=price)
    body = {"account-id": await trader.spot_id(), "symbol": PAIR}
    answer = await trader.send("POST", "/v1/order/orders/batchCancelOpenOrders", {}, body)
    assert (answer["data"]["success-count"], answer["data"]["failed-count"]) == (2, 0)
    assert (await trader.get("/v1/order/openOrders", symbol=PAIR))["data"] == []
    rows = (await trader.get("/v1/order/orders", symbol=PAIR, states="canceled"))["data"]
    assert [Decimal(row["price"]) for row in rows] == [50001, 50000], "newest first"


async def test_a_stop_order_waits_as_created(trader: Client) -> None:
    more = {"price": "90000.00", "stop_price": "89000.00", "operator": "gte"}
    order = (await trader.spot_order("buy-stop-limit", "0.01", **more))["data"]
    row = await trader.state(order)
    assert (row["state"], row["operator"], Decimal(row["stop-price"])) == ("created", "gte", 89000)


# -- contracts


async def test_a_contract_order_becomes_a_position_in_contracts(trader: Client) -> None:
    placed = (await trader.swap_order("buy", 100, client_order_id=9_007_199_254_740_993))["data"]
    assert placed["order_id"] > 2**53
    assert str(placed["order_id"]) == placed["order_id_str"]
    row = await trader.info(placed["order_id_str"])
    told = (row["status"], row["volume"], row["trade_volume"], row["offset"], row["client_order_id"])
    assert told == (6, 100, 100, "both", 9_007_199_254_740_993)
    assert row["fee"] < 0, "what was paid is negative"
    (held,) = (await trader.post(API + "swap_cross_position_info", contract_code=SWAP))["data"]
    assert (held["volume"], held["direction"], held["position_mode"], held["lever_rate"]) == (
        100,
        "buy",
        "single_side",
        10,
    )
    assert held["cost_open"] * Decimal("0.1") == row["trade_turnover"]
    fills = (await trader.post(V3 + "swap_cross_matchresults", contract=SWAP))["data"]
    assert sum(f["trade_volume"] for f in fills) == 100
    assert sum(f["trade_fee"] for f in fills) == row["fee"]
    (wallet,) = (await trader.post(API + "swap_cross_account_info", margin_account="USDT"))["data"]
    assert wallet["margin_static"] == 100_000 + row["fee"]
    assert wallet["margin_balance"] == wallet["margin_static"] + wallet["profit_unreal"]


async def test_a_contract_order_rests_and_is_cancelled_once(trader: Client) -> None:
    order = (await trader.swap_order("buy", 10, "limit", price=50000))["data"]["order_id_str"]
    page = (await trader.post(API + "swap_cross_openorders", contract_code=SWAP))["data"]
    assert [(o["order_id_str"], o["status"], o["order_price_type"]) for o in page["orders"]] == [(order, 3, "limit")]
    cancel = {"contract_code": SWAP, "order_id": f"{order},1000000000000000001"}
    answer = (await trader.post(API + "swap_cross_cancel", **cancel))["data"]
    assert answer["successes"] == order
    assert [(e["order_id"], e["err_code"]) for e in answer["errors"]] == [("1000000000000000001", 1061)]
    assert (await trader.info(order))["status"] == 7
    again = (await trader.post(API + "swap_cross_cancel", contract_code=SWAP, order_id=order))["data"]
    assert [e["err_code"] for e in again["errors"]] == [1071]
    assert (await trader.post(API + "swap_cross_cancelall", contract_code=SWAP))["err_code"] == 1051
    ended = (await trader.post(V3 + "swap_cross_hisorders", contract=SWAP, trade_type=0, type=1, status="0"))["data"]
    assert [(o["order_id_str"], o["status"]) for o in ended] == [(order, 7)]


async def test_a_contract_ioc_may_end_partly_filled_and_cancelled(trader: Client) -> None:
    price, size = best(trader.venue, "linear")
    placed = await trader.swap_order("buy", int(size) + 7, "ioc", price=float(price))
    row = await trader.info(placed["data"]["order_id_str"])
    assert (row["status"], row["trade_volume"]) == (5, size)


async def test_a_post_only_that_would_take_is_cancelled_at_once(trader: Client) -> None:
    price, _ = best(trader.venue, "linear")
    placed = await trader.swap_order("buy", 10, "post_only", price=float(price))
    row = await trader.info(placed["data"]["order_id_str"])
    assert (row["status"], row["trade_volume"]) == (7, 0)


@pytest.mark.parametrize("kind", ["opponent", "optimal_5", "optimal_20_ioc", "lightning"])
async def test_an_order_may_be_priced_by_the_other_side_of_the_book(trader: Client, kind: str) -> None:
    best(trader.venue, "linear")
    placed = await trader.swap_order("sell", 1, kind)
    assert (await trader.info(placed["data"]["order_id_str"]))["status"] == 6


async def test_in_hedge_mode_both_sides_are_held_and_closed_by_themselves(
    venue: HtxVenue, http: aiohttp.ClientSession
) -> None:
    hedger = Client(venue, http, HEDGER)
    await hedger.swap_order("buy", 30, offset="open")
    await hedger.swap_order("sell", 20, offset="open")
    rows = (await hedger.post(API + "swap_cross_position_info", contract_code=SWAP))["data"]
    assert {(r["direction"], r["volume"], r["position_mode"]) for r in rows} == {
        ("buy", 30, "dual_side"),
        ("sell", 20, "dual_side"),
    }
    closed = (await hedger.swap_order("sell", 30, offset="close"))["data"]["order_id_str"]
    assert (await hedger.info(closed))["offset"] == "close"
    rows = (await hedger.post(API + "swap_cross_position_info", contract_code=SWAP))["data"]
    assert [(r["direction"], r["volume"]) for r in rows] == [("sell", 20)]
    assert (await hedger.swap_order("sell", 1, offset="close"))["err_code"] == 1048
    assert (await hedger.swap_order("sell", 1))["err_code"] == 1036
    switch = {"margin_account": "USDT", "position_mode": "single_side"}
    assert (await hedger.post(API + "swap_cross_switch_position_mode", **switch))["status"] == "error"


async def test_a_leverage_is_switched_and_an_order_must_not_contradict_it(trader: Client) -> None:
    switched = await trader.post(API + "swap_cross_switch_lever_rate", contract_code=SWAP, lever_rate=5)
    assert switched["data"]["lever_rate"] == 5
    assert (await trader.swap_order("buy", 10, lever_rate=5))["status"] == "ok"
    assert (await trader.swap_order("buy", 10, lever_rate=20))["err_code"] == 1349
    assert (await trader.post(API + "swap_cross_switch_lever_rate", contract_code=SWAP, lever_rate=5000))[
        "err_code"
    ] == 1037


async def test_a_trigger_order_waits_apart_and_is_cancelled(trader: Client, wire: Callable[..., Any]) -> None:
    socket = await trader.login(wire, "linear")
    await socket.say({"op": "sub", "cid": "c", "topic": "trigger_order_cross.*"})
    asked = {"contract_code": SWAP, "trigger_type": "ge", "trigger_price": 150000, "order_price": 150001}
    more = {"order_price_type": "limit", "volume": 10, "direction": "buy", "lever_rate": 10}
    order = (await trader.post(API + "swap_cross_trigger_order", **asked, **more))["data"]["order_id_str"]
    told = (await socket.hear_until(lambda m: m.get("topic") == "trigger_order_cross"))["data"][0]
    assert (told["order_id_str"], told["status"], told["relation_order_id"]) == (order, 2, "-1")
    (row,) = (await trader.post(API + "swap_cross_trigger_openorders", contract_code=SWAP))["data"]["orders"]
    assert (row["order_id_str"], row["trigger_type"], row["trigger_price"], row["volume"]) == (order, "ge", 150000, 10)
    assert (await trader.post(API + "swap_cross_openorders", contract_code=SWAP))["data"]["orders"] == []
    done = (await trader.post(API + "swap_cross_trigger_cancel", contract_code=SWAP, order_id=order))["data"]
    assert (done["successes"], done["errors"]) == (order, [])
    page = (await trader.post(API + "swap_cross_trigger_hisorders", contract_code=SWAP, status="0"))["data"]
    (past,) = page["orders"]
    assert (past["order_id_str"], past["status"]) == (order, 6)
    again = (await trader.post(API + "swap_cross_trigger_cancel", contract_code=SWAP, order_id=order))["data"]
    assert [e["err_code"] for e in again["errors"]] == [1061]


async def test_a_trigger_order_that_is_set_off_names_the_order_that_follows(
    trader: Client, wire: Callable[..., Any]
) -> None:
    socket = await trader.login(wire, "linear")
    await socket.say({"op": "sub", "cid": "c", "topic": "trigger_order_cross.BTC-USDT"})
    await socket.hear_until(lambda m: m["op"] == "sub")
    asked = {"contract_code": SWAP, "trigger_type": "ge", "trigger_price": 50000, "volume": 10, "direction": "buy"}
    more = {"order_price_type": "limit", "order_price": 50000, "lever_rate": 10}
    order = (await trader.post(API + "swap_cross_trigger_order", **asked, **more))["data"]["order_id_str"]
    await socket.hear_until(lambda m: m["topic"].startswith("trigger") and m["data"][0]["status"] == 4)
    page = (await trader.post(API + "swap_cross_trigger_hisorders", contract_code=SWAP, status="4"))["data"]
    (past,) = page["orders"]
    assert past["order_id_str"] == order
    row = await trader.info(past["relation_order_id"])
    assert (row["status"], row["price"], row["volume"]) == (3, 50000, 10)


async def test_a_position_has_a_take_profit_and_a_stop_loss(trader: Client) -> None:
    await trader.swap_order("buy", 10)
    prices = {"tp_trigger_price": 150000, "tp_order_price_type": "optimal_5"}
    prices |= {"sl_trigger_price": 50000, "sl_order_price": 49000}
    answer = await trader.post(API + "swap_cross_tpsl_order", contract_code=SWAP, volume=10, direction="sell", **prices)
    assert all(answer["data"][name]["order_id_str"] for name in ("tp_order", "sl_order"))
    rows = (await trader.post(API + "swap_cross_tpsl_openorders", contract_code=SWAP))["data"]["orders"]
    assert {(r["tpsl_order_type"], r["trigger_type"], r["order_price_type"]) for r in rows} == {
        ("tp", "ge", "optimal_5"),
        ("sl", "le", "limit"),
    }
    assert (await trader.post(API + "swap_cross_trigger_openorders", contract_code=SWAP))["data"]["orders"] == []
    done = (await trader.post(API + "swap_cross_tpsl_cancelall", contract_code=SWAP))["data"]["successes"]
    assert len(done.split(",")) == 2


LINEAR_REFUSALS: list[tuple[dict[str, object], int]] = [
    ({"type_": "limit", "price": 50000.05}, 1038),
    ({"type_": "limit"}, 1066),
    ({"type_": "whim"}, 1034),
    ({"direction": "sideways"}, 1035),
    ({"volume": 0}, 1030),
    ({"volume": 1.5}, 1067),
    ({"volume": 90_000_000, "type_": "limit", "price": 50000}, 1047),
    ({"contract_code": "NOPE-USDT"}, 1332),
    ({"reduce_only": 1}, 1048),
    ({"offset": "open"}, 1036),
    ({"client_order_id": "abc"}, 1067),
]


@pytest.mark.parametrize(("more", "number"), LINEAR_REFUSALS)
async def test_contracts_refuse_by_number(trader: Client, more: dict[str, Any], number: int) -> None:
    asked: dict[str, Any] = {"direction": "buy", "volume": 10, "type_": "market"} | more
    answer = await trader.swap_order(asked.pop("direction"), asked.pop("volume"), asked.pop("type_"), **asked)
    assert (answer["status"], answer["err_code"]) == ("error", number)


async def test_a_contracts_client_id_is_not_used_twice(trader: Client) -> None:
    assert (await trader.swap_order("buy", 1, client_order_id=7))["status"] == "ok"
    assert (await trader.swap_order("buy", 1, client_order_id=7))["err_code"] == 1050
    rows = (await trader.post(API + "swap_cross_order_info", contract_code=SWAP, client_order_id=7))["data"]
    assert [row["client_order_id"] for row in rows] == [7]
    assert (await trader.post(API + "swap_cross_order_info", contract_code=SWAP, client_order_id=8))["err_code"] == 1017


async def test_funding_is_paid_and_recorded(http: aiohttp.ClientSession) -> None:
    async with Emulator(["htx"], seed=3, accounts=[TRADER], settle_in_s=3) as emulator:
        trader = Client(emulator.htx, http, TRADER)
        await trader.swap_order("sell", 100)
        paid = asyncio.Event()
        emulator.htx.exchange.listen(
            TRADER, lambda event: paid.set() if type(event).__name__ == "FundingPaid" else None
        )
        await asyncio.wait_for(paid.wait(), 10)
        (payment,) = emulator.htx.exchange.engine.payments(TRADER.name)
        (row,) = (await trader.post(V3 + "swap_financial_record", mar_acct="USDT", contract=SWAP))["data"]
        assert (row["amount"], row["type"]) == (payment.amount, 30 if payment.amount > 0 else 31)
        assert (row["contract_code"], row["ts"]) == (SWAP, payment.timestamp_ms)


async def test_each_collateral_mode_has_paths_of_its_own(trader: Client) -> None:
    assert (await trader.get("/v5/account/asset_mode"))["data"]["assets_mode"] == 0
    assert (await trader.get(V3 + "swap_unified_account_type"))["data"] == {"account_type": 1}
    assert (await trader.get("/v5/account/balance"))["code"] == 4007
    assert (await trader.post("/v5/account/asset_mode", assets_mode=1))["code"] == 200
    assert (await trader.get("/v5/account/balance"))["data"]["details"][0]["currency"] == "USDT"
    assert (await trader.post(API + "swap_cross_account_info"))["err_code"] == 4007


async def test_an_account_has_seventy_two_trading_requests_in_three_seconds(http: aiohttp.ClientSession) -> None:
    async with Emulator(["htx"], seed=3, accounts=[TRADER], rate_window_scale=10) as emulator:
        trader = Client(emulator.htx, http, TRADER)
        answers = [await trader.post(API + "swap_cross_cancelall", contract_code=SWAP) for _ in range(73)]
        assert [a["err_code"] for a in answers] == [1051] * 72 + [1032]
        assert (await trader.post(API + "swap_cross_account_info", margin_account="USDT"))["status"] == "ok"


# -- sockets


async def test_spot_orders_trades_and_balances_are_told(trader: Client, wire: Callable[..., Any]) -> None:
    socket = await trader.login(wire, "spot")
    assert await socket.hear() == {"action": "req", "code": 200, "ch": "auth", "data": {}}
    for topic in ("orders#btcusdt", "trade.clearing#btcusdt#1", "accounts.update#2"):
        await socket.say({"action": "sub", "ch": topic})
        assert (await socket.hear()).items() >= {"action": "sub", "code": 200, "ch": topic}.items()
    first = await socket.hear()
    assert (first["ch"], first["data"]["currency"], first["data"]["balance"]) == ("accounts.update#2", "usdt", "100000")
    await trader.spot_order("buy-limit", "0.01", price="50000.00", client_order_id="told")
    created = (await socket.hear_until(lambda m: m["ch"] == "orders#btcusdt"))["data"]
    told = (created["eventType"], created["orderStatus"], created["clientOrderId"], created["orderSize"])
    assert told == ("creation", "submitted", "told", "0.01")
    held = (await socket.hear_until(lambda m: m["ch"] == "accounts.update#2"))["data"]
    assert (held["balance"], held["available"], held["changeType"]) == ("100000", "99500", "order.place")
    await trader.post(f"/v1/order/orders/{created['orderId']}/submitcancel")
    ended = (await socket.hear_until(lambda m: m["ch"] == "orders#btcusdt"))["data"]
    assert (ended["eventType"], ended["orderStatus"], ended["remainAmt"]) == ("cancellation", "canceled", "0.01")
    await trader.spot_order("buy-market", "100")
    seen: list[Any] = []
    while not (seen and seen[-1]["orderStatus"] == "filled"):
        clearing = await socket.hear_until(lambda m: m["ch"] == "trade.clearing#btcusdt#1")
        if clearing["data"]["eventType"] == "trade":
            seen.append(clearing["data"])
    assert {row["feeCurrency"] for row in seen} == {"btc"}
    assert all(row["aggressor"] for row in seen)


@pytest.mark.parametrize("topic", ["orders#nopeusdt", "trade.clearing#btcusdt#7", "weather#btcusdt"])
async def test_a_spot_topic_that_is_none_is_refused(trader: Client, wire: Callable[..., Any], topic: str) -> None:
    socket = await trader.login(wire, "spot")
    await socket.hear()
    await socket.say({"action": "sub", "ch": topic})
    assert (await socket.hear()).items() >= {"action": "sub", "code": 2001, "ch": topic}.items()


async def test_contract_orders_positions_and_money_are_told(trader: Client, wire: Callable[..., Any]) -> None:
    socket = await trader.login(wire, "linear")
    assert (await socket.hear()).items() >= {"op": "auth", "err-code": 0}.items()
    for topic in ("orders_cross.*", "matchOrders_cross.BTC-USDT", "positions_cross.*", "accounts_cross.USDT"):
        await socket.say({"op": "sub", "cid": "c", "topic": topic})
        assert (await socket.hear_until(lambda m: m["op"] == "sub"))["err-code"] == 0
    wallet = await socket.hear_until(lambda m: m.get("topic") == "accounts_cross")
    assert (wallet["event"], wallet["data"][0]["margin_balance"]) == ("init", 100_000)
    await trader.swap_order("buy", 100)
    topics: set[str] = set()
    last: Any = None
    while {"orders_cross.btc-usdt", "matchOrders_cross.btc-usdt", "positions_cross", "accounts_cross"} - topics:
        message = await socket.hear()
        topics.add(message["topic"])
        if message["topic"] == "orders_cross.btc-usdt":
            last = message
    while last["status"] != 6:
        last = await socket.hear_until(lambda m: m["topic"] == "orders_cross.btc-usdt")
    assert last["trade_volume"] == 100
    assert sum(t["trade_volume"] for t in last["trade"]) <= 100
    assert str(last["order_id"]) == last["order_id_str"]


async def test_positions_and_money_are_repeated_while_nothing_happens(
    http: aiohttp.ClientSession, wire: Callable[..., Any]
) -> None:
    async with Emulator(["htx"], seed=3, accounts=[TRADER], ping_interval_s=0.2) as emulator:
        trader = Client(emulator.htx, http, TRADER)
        await trader.swap_order("buy", 100)
        socket = await trader.login(wire, "linear")
        for topic in ("positions_cross.BTC-USDT", "accounts_cross.*"):
            await socket.say({"op": "sub", "cid": "c", "topic": topic})
        snapshot = await socket.hear_until(lambda m: m.get("event") == "snapshot" and m["topic"] == "positions_cross")
        assert [(row["contract_code"], row["volume"]) for row in snapshot["data"]] == [(SWAP, 100)]
        await socket.hear_until(lambda m: m.get("event") == "snapshot" and m["topic"] == "accounts_cross")


async def test_a_login_with_a_wrong_secret_is_refused(
    venue: HtxVenue, http: aiohttp.ClientSession, wire: Callable[..., Any]
) -> None:
    stranger = Client(venue, http, Account(key="trader-key", secret="another"))
    assert (await (await stranger.login(wire, "spot")).hear())["code"] == 2002
    assert (await (await stranger.login(wire, "linear")).hear())["err-code"] == 2003


async def test_a_key_has_ten_spot_account_sockets_and_each_fifty_requests_a_second(
    trader: Client, wire: Callable[..., Any]
) -> None:
    sockets = [await trader.login(wire, "spot") for _ in range(11)]
    answers = [await socket.hear() for socket in sockets]
    assert [a["code"] for a in answers] == [200] * 10 + [429]
    for _ in range(200):
        await sockets[0].say({"action": "unsub", "ch": "orders#btcusdt"})
    codes = [(await sockets[0].hear())["code"] for _ in range(200)]
    assert codes[:49] == [200] * 49
    assert 429 in codes

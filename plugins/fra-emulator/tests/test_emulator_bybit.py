"""Bybit's own rules over bare sockets and requests: books by depth, acks and refusals, tickers, paging, limits."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from fra.emulator import BybitVenue, Emulator
from fra.emulator.bybit.limits import AddressLimit

Side = dict[str, str]
ENDS = {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR}


async def get(http: aiohttp.ClientSession, venue: BybitVenue, path: str, **params: object) -> Any:
    url = venue.markets["linear"]["rest"] + "/v5/" + path
    async with http.get(url, params={k: str(v) for k, v in params.items()}) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def subscribe(socket: Any, *topics: str) -> None:
    await socket.say({"op": "subscribe", "args": list(topics)})


def is_push(message: Any) -> bool:
    return "topic" in message


def put(side: Side, rows: list[list[str]]) -> None:
    for price, size in rows:
        if size == "0":
            del side[price]
        else:
            side[price] = size


# -- books

BOOKS = [
    ("linear", "BTCUSDT", 50),
    ("linear", "1000PEPEUSDT", 200),
    ("linear", "SHIB1000USDT", 1000),
    ("inverse", "BTCUSD", 50),
    ("spot", "BTCUSDT", 50),
    ("spot", "PEPEUSDT", 200),
]


@pytest.mark.parametrize(("market", "symbol", "depth"), BOOKS)
async def test_deltas_count_up_by_one_and_replay_to_the_true_book(
    wire: Callable[..., Any], market: str, symbol: str, depth: int
) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        venue = emulator.bybit
        # the later one joins while the first is in mid-stream: one count serves all
        for _ in range(2):
            socket = await wire(venue.markets[market]["ws"])
            await subscribe(socket, f"orderbook.{depth}.{symbol}")
            bids: Side = {}
            asks: Side = {}
            last = 0
            for n in range(6):
                message = await socket.hear_until(is_push)
                data = message["data"]
                assert message["type"] == ("snapshot" if n == 0 else "delta")
                assert n == 0 or data["u"] == last + 1
                put(bids, data["b"])
                put(asks, data["a"])
                last = data["u"]
                for update_id in (data["u"], data["seq"]):
                    true = venue.book(market, symbol, update_id)
                    assert (bids, asks) == (dict(true.bids[:depth]), dict(true.asks[:depth]))


async def test_each_depth_has_a_count_of_its_own_and_all_share_one_sequence(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets["linear"]["ws"])
        await subscribe(socket, "orderbook.50.BTCUSDT", "orderbook.200.BTCUSDT")
        snapshots = [(await socket.hear())["data"] for _ in range(2)]
        assert len({data["u"] for data in snapshots}) == 2
        assert len({data["seq"] for data in snapshots}) == 1


@pytest.mark.parametrize("market", ["spot", "linear"])
async def test_the_first_level_comes_as_snapshots_of_the_best(wire: Callable[..., Any], market: str) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets[market]["ws"])
        await subscribe(socket, "orderbook.1.ETHUSDT")
        ids = []
        for _ in range(5):
            message = await socket.hear_until(is_push)
            assert list(message)[:3] == ["topic", "ts", "type"]
            assert message["type"] == "snapshot"
            data = message["data"]
            true = emulator.bybit.book(market, "ETHUSDT", data["u"])
            assert (tuple(data["b"][0]), tuple(data["a"][0])) == (true.bids[0], true.asks[0])
            ids.append(data["u"])
        assert ids == list(range(ids[0], ids[0] + 5))


async def test_a_quiet_first_level_is_repeated_with_its_id(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        emulator.bybit.freeze_book("linear", "BTCUSDT")
        socket = await wire(emulator.bybit.markets["linear"]["ws"])
        await subscribe(socket, "orderbook.1.BTCUSDT")
        first, again = [(await socket.hear_until(is_push)) for _ in range(2)]
        assert first["data"] == again["data"]
        assert again["ts"] - first["ts"] >= 2500


@pytest.mark.parametrize("depth", [1, 50, 200])
async def test_a_restarted_service_sends_a_snapshot_numbered_one(wire: Callable[..., Any], depth: int) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        venue = emulator.bybit
        socket = await wire(venue.markets["linear"]["ws"])
        await subscribe(socket, f"orderbook.{depth}.BTCUSDT")
        before = await socket.hear_until(is_push)
        venue.renumber_book("linear", "BTCUSDT")
        restart = await socket.hear_until(lambda m: is_push(m) and m["data"]["u"] == 1)
        assert restart["type"] == "snapshot"
        assert restart["data"]["seq"] >= before["data"]["seq"]
        true = venue.book("linear", "BTCUSDT", restart["data"]["seq"])
        assert [tuple(row) for row in restart["data"]["b"]] == list(true.bids[:depth])
        assert (await socket.hear_until(is_push))["data"]["u"] == 2


@pytest.mark.parametrize("fault", ["drop", "duplicate", "swap"])
async def test_one_delta_is_lost_doubled_or_swapped_on_demand(wire: Callable[..., Any], fault: str) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        venue = emulator.bybit
        socket = await wire(venue.markets["linear"]["ws"])
        await subscribe(socket, "orderbook.50.BTCUSDT")
        ids = [(await socket.hear_until(is_push))["data"]["u"]]
        ask = {"drop": venue.drop_next_delta, "duplicate": venue.duplicate_next_delta, "swap": venue.swap_next_deltas}
        pending = ask[fault]("linear", "BTCUSDT")
        await asyncio.wait_for(pending.applied.wait(), 5)
        while len(ids) < 8:
            ids.append((await socket.hear_until(is_push))["data"]["u"])
        steps = [after - before for before, after in itertools.pairwise(ids)]
        odd = {"drop": [2], "duplicate": [0], "swap": [2, -1, 2]}
        assert [step for step in steps if step != 1] == odd[fault]


@pytest.mark.parametrize(("market", "depth"), [("spot", 200), ("linear", 1000)])
async def test_a_rest_book_has_the_ids_of_the_deep_topic(
    http: aiohttp.ClientSession, wire: Callable[..., Any], market: str, depth: int
) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        venue = emulator.bybit
        socket = await wire(venue.markets[market]["ws"])
        await subscribe(socket, f"orderbook.{depth}.BTCUSDT")
        snapshot = (await socket.hear_until(is_push))["data"]
        book = (await get(http, venue, "market/orderbook", category=market, symbol="BTCUSDT", limit=1000))["result"]
        told = snapshot
        bids, asks = dict(snapshot["b"]), dict(snapshot["a"])
        while told["u"] < book["u"]:
            told = (await socket.hear_until(is_push))["data"]
            put(bids, told["b"])
            put(asks, told["a"])
        assert (told["u"], told["seq"], bids, asks) == (book["u"], book["seq"], dict(book["b"]), dict(book["a"]))


async def test_a_stale_rest_book_is_older_than_what_was_told(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        venue = emulator.bybit

        async def ask() -> Any:
            return (await get(http, venue, "market/orderbook", category="linear", symbol="BTCUSDT"))["result"]

        first = await ask()
        assert len(first["b"]) == 25
        while (later := await ask())["u"] < first["u"] + 3:
            pass
        venue.stale_snapshots("linear", "BTCUSDT", steps=1000)
        stale, fresh = await ask(), await ask()
        assert stale["seq"] <= first["seq"]
        assert stale["u"] < later["u"] <= fresh["u"]


# -- frames

ORDERS = [
    ("spot", "orderbook.50", ["topic", "ts", "type", "data", "cts"]),
    ("linear", "orderbook.50", ["topic", "type", "ts", "data", "cts"]),
    ("linear", "orderbook.1", ["topic", "ts", "type", "data", "cts"]),
    ("spot", "publicTrade", ["topic", "ts", "type", "data"]),
    ("linear", "publicTrade", ["topic", "type", "ts", "data"]),
    ("spot", "tickers", ["topic", "ts", "type", "cs", "data"]),
    ("linear", "tickers", ["topic", "type", "data", "cs", "ts"]),
    ("spot", "kline.1", ["type", "topic", "data", "ts"]),
    ("linear", "kline.1", ["topic", "data", "ts", "type"]),
]


@pytest.mark.parametrize(("market", "channel", "keys"), ORDERS)
async def test_keys_come_in_the_captured_order(
    wire: Callable[..., Any], market: str, channel: str, keys: list[str]
) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets[market]["ws"])
        await subscribe(socket, f"{channel}.BTCUSDT")
        assert list(await socket.hear_until(is_push)) == keys


async def test_a_spot_ack_comes_first_and_a_contract_s_after_the_snapshot(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        spot, linear = [await wire(emulator.bybit.markets[m]["ws"]) for m in ("spot", "linear")]
        for socket in (spot, linear):
            await subscribe(socket, "orderbook.50.BTCUSDT")
        ack = await spot.hear()
        assert {**ack, "conn_id": ""} == {"success": True, "ret_msg": "subscribe", "conn_id": "", "op": "subscribe"}
        assert (await linear.hear())["type"] == "snapshot"
        ack = await linear.hear_until(lambda m: not is_push(m))
        expected = {"success": True, "ret_msg": "", "conn_id": "", "req_id": "", "op": "subscribe"}
        assert {**ack, "conn_id": ""} == expected


MANY = [
    f"orderbook.50.{a}USDT" for a in ["BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "ADA", "AVAX", "LINK", "LTC", "DOT"]
]
REFUSED = [
    ("spot", ["orderbook.50.NOSUCHSYM"], "Invalid symbol :[orderbook.50.NOSUCHSYM]"),
    ("spot", MANY, "args size >10"),
    ("linear", ["orderbook.50.NOSUCHSYM"], "error:handler not found,topic:orderbook.50.NOSUCHSYM"),
    ("linear", ["orderbook.500.BTCUSDT"], "error:handler not found,topic:orderbook.500.BTCUSDT"),
    ("linear", ["kline.2.BTCUSDT"], "error:handler not found,topic:kline.2.BTCUSDT"),
    ("linear", ["tickers.BTCUSD"], "error:handler not found,topic:tickers.BTCUSD"),
    ("linear", ["x" * 21_001], "args length >21000"),
    ("linear", [], "Params Error"),
]


@pytest.mark.parametrize(("market", "topics", "text"), REFUSED)
async def test_a_request_with_one_wrong_topic_subscribes_nothing(
    wire: Callable[..., Any], market: str, topics: list[str], text: str
) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets[market]["ws"])
        await socket.say({"req_id": "7", "op": "subscribe", "args": topics})
        answer = await socket.hear()
        assert (answer["success"], answer["ret_msg"], answer["req_id"], answer["op"]) == (False, text, "7", "subscribe")
        if topics and len(topics) == 1:
            await subscribe(socket, "tickers.ETHUSDT", *topics)
            assert (await socket.hear())["success"] is False
        (connection,) = emulator.bybit.connections
        assert connection.subscriptions == {}


async def test_contracts_take_more_than_ten_topics_at_once(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets["linear"]["ws"])
        await subscribe(socket, *MANY)
        assert (await socket.hear_until(lambda m: "success" in m))["success"] is True


async def test_a_topic_is_subscribed_once_and_ends(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets["linear"]["ws"])
        for _ in range(2):
            await subscribe(socket, "kline.1.BTCUSDT")
            ack = await socket.hear_until(lambda m: "success" in m)
        assert ack["ret_msg"] == "error:already subscribed,topic:kline.1.BTCUSDT"
        await socket.say({"op": "unsubscribe", "args": ["kline.1.BTCUSDT"]})
        await socket.hear_until(lambda m: m.get("op") == "unsubscribe")
        with pytest.raises(TimeoutError):
            await socket.hear(timeout=0.7)


@pytest.mark.parametrize(
    ("said", "text"), [("not json", "Params Error"), ('{"op":"nope","args":[]}', "error:invalid op")]
)
async def test_bad_frames_are_named(wire: Callable[..., Any], said: str, text: str) -> None:
    async with Emulator(["bybit"]) as emulator:
        socket = await wire(emulator.bybit.markets["linear"]["ws"])
        await socket.say(said)
        assert (await socket.hear())["ret_msg"] == text


async def test_pings_are_answered_in_two_shapes(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"]) as emulator:
        urls = emulator.bybit.markets["spot"]
        public, private = await wire(urls["ws"]), await wire(urls["ws_private"])
        for socket in (public, private):
            await socket.say({"req_id": "p1", "op": "ping"})
        pong = await public.hear()
        assert (pong["success"], pong["ret_msg"], pong["op"], pong["req_id"]) == (True, "pong", "ping", "p1")
        pong = await private.hear()
        assert (pong["op"], pong["req_id"]) == ("pong", "p1")
        assert abs(int(pong["args"][0]) - emulator.clock.now_ms()) < 5000


async def test_a_silent_connection_is_closed_and_a_pinging_one_kept(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], bybit_idle_close_s=0.4) as emulator:
        url = emulator.bybit.markets["spot"]["ws_private"]
        silent, pinging = await wire(url), await wire(url)
        for _ in range(4):
            await pinging.say({"op": "ping"})
            assert (await pinging.hear())["op"] == "pong"
            await asyncio.sleep(0.15)
        async with asyncio.timeout(5):
            assert (await silent.ws.receive()).type in ENDS
        assert [c.client_pings for c in emulator.bybit.connections] == [4]


# -- tickers and funding


@pytest.mark.parametrize(("market", "symbol"), [("linear", "BTCUSDT"), ("inverse", "BTCUSD")])
async def test_ticker_deltas_name_what_changed(
    http: aiohttp.ClientSession, wire: Callable[..., Any], market: str, symbol: str
) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets[market]["ws"])
        await subscribe(socket, f"tickers.{symbol}")
        snapshot = await socket.hear_until(is_push)
        assert snapshot["type"] == "snapshot"
        state = dict(snapshot["data"])
        assert {"fundingRate", "nextFundingTime", "fundingIntervalHour", "fundingCap", "markPrice"} <= set(state)
        for _ in range(5):
            delta = await socket.hear_until(is_push)
            assert delta["type"] == "delta"
            assert 1 < len(delta["data"]) < len(state)
            for side in ("bid1", "ask1"):
                assert (f"{side}Price" in delta["data"]) is (f"{side}Size" in delta["data"])
            state |= delta["data"]
        row = (await get(http, emulator.bybit, "market/tickers", category=market, symbol=symbol))["result"]["list"][0]
        assert (row["nextFundingTime"], row["fundingCap"]) == (state["nextFundingTime"], state["fundingCap"])


async def test_spot_tickers_are_whole_each_time(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        socket = await wire(emulator.bybit.markets["spot"]["ws"])
        await subscribe(socket, "tickers.BTCUSDT")
        pushes = [await socket.hear_until(is_push) for _ in range(3)]
        assert {p["type"] for p in pushes} == {"snapshot"}
        assert len({tuple(p["data"]) for p in pushes}) == 1


async def test_the_ticker_rolls_over_at_the_settlement_by_the_instrument_s_own_interval(
    wire: Callable[..., Any],
) -> None:
    async with Emulator(["bybit"], seed=7, settle_in_s=2) as emulator:
        socket = await wire(emulator.bybit.markets["linear"]["ws"])
        hours = {"TRBUSDT": 1, "LPTUSDT": 4, "BTCUSDT": 8}
        await subscribe(socket, *(f"tickers.{symbol}" for symbol in hours))
        due: dict[str, int] = {}
        rolled: dict[str, int] = {}
        while rolled.keys() != hours.keys():
            message = await socket.hear_until(is_push)
            data = message["data"]
            if message["type"] == "snapshot":
                due[data["symbol"]] = int(data["nextFundingTime"])
                assert data["fundingIntervalHour"] == str(hours[data["symbol"]])
            elif "nextFundingTime" in data:
                assert message["ts"] >= due[data["symbol"]]
                rolled[data["symbol"]] = (int(data["nextFundingTime"]) - due[data["symbol"]]) // 3_600_000
        assert rolled == hours


async def test_intervals_are_listed_in_minutes(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"]) as emulator:
        listed = (await get(http, emulator.bybit, "market/instruments-info", category="linear"))["result"]["list"]
        by = {row["symbol"]: row for row in listed}
        assert {row["fundingInterval"] for row in listed} == {60, 240, 480}
        assert (by["SHIB1000USDT"]["baseCoin"], by["BTCPERP"]["settleCoin"]) == ("SHIB1000", "USDC")
        assert by["BTCUSDT"]["priceFilter"]["tickSize"] == "0.10"


async def test_funding_history_is_newest_first_and_pages_without_a_hole(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        ask = {"category": "linear", "symbol": "LPTUSDT"}
        times: list[int] = []
        for _ in range(3):
            end = {"endTime": times[-1] - 1} if times else {}
            rows = (await get(http, emulator.bybit, "market/funding/history", limit=7, **ask, **end))["result"]["list"]
            times += [int(row["fundingRateTimestamp"]) for row in rows]
        assert {before - after for before, after in itertools.pairwise(times)} == {4 * 3_600_000}
        assert len(times) == 21
        both = {"startTime": times[9], "endTime": times[4]}
        rows = (await get(http, emulator.bybit, "market/funding/history", **ask, **both))["result"]["list"]
        assert [int(row["fundingRateTimestamp"]) for row in rows] == times[4:10]
        alone = await get(http, emulator.bybit, "market/funding/history", startTime=times[-1], **ask)
        assert alone["retCode"] == 10001


# -- REST


async def test_a_list_longer_than_500_needs_its_cursor(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"], symbols=600) as emulator:
        venue = emulator.bybit
        first = (await get(http, venue, "market/instruments-info", category="linear"))["result"]
        assert len(first["list"]) == 500
        cursor = first["nextPageCursor"]
        second = (await get(http, venue, "market/instruments-info", category="linear", cursor=cursor))["result"]
        whole = (await get(http, venue, "market/instruments-info", category="linear", limit=1000))["result"]
        assert [row["symbol"] for row in first["list"] + second["list"]] == [row["symbol"] for row in whole["list"]]
        assert (second["nextPageCursor"], whole["nextPageCursor"]) == ("", "")
        spot = (await get(http, venue, "market/instruments-info", category="spot"))["result"]
        assert len(spot["list"]) > 600
        assert "nextPageCursor" not in spot


@pytest.mark.parametrize(
    ("category", "params"),
    [("option", {"baseCoin": "BTC"}), ("linear", {"status": "PreLaunch"}), ("spot", {"symbol": "NOPE"})],
)
async def test_what_is_not_listed_is_valid_and_empty(
    http: aiohttp.ClientSession, category: str, params: dict[str, str]
) -> None:
    async with Emulator(["bybit"]) as emulator:
        answer = await get(http, emulator.bybit, "market/instruments-info", category=category, **params)
        assert (answer["retCode"], answer["result"]["list"]) == (0, [])


@pytest.mark.parametrize(("market", "symbol"), [("spot", "BTCUSDT"), ("linear", "BTCUSDT"), ("inverse", "BTCUSD")])
async def test_candles_are_newest_first_between_two_times(
    http: aiohttp.ClientSession, market: str, symbol: str
) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        ask = {"category": market, "symbol": symbol, "interval": "60"}
        rows = (await get(http, emulator.bybit, "market/kline", **ask))["result"]["list"]
        opens = [int(row[0]) for row in rows]
        assert len(rows) == 200
        assert opens == sorted(opens, reverse=True)
        rows = (await get(http, emulator.bybit, "market/kline", limit=3, start=opens[9], **ask))["result"]["list"]
        assert [int(row[0]) for row in rows] == opens[7:10]
        both = {"start": opens[9], "end": opens[2]}
        rows = (await get(http, emulator.bybit, "market/kline", limit=3, **both, **ask))["result"]["list"]
        assert [int(row[0]) for row in rows] == opens[2:5]
        if market != "spot":
            rows = (await get(http, emulator.bybit, "market/mark-price-kline", limit=3, **ask))["result"]["list"]
            assert [len(row) for row in rows] == [5, 5, 5]


ERRORS = [
    ("market/orderbook", {"category": "linear", "symbol": "NOPEUSDT"}, "params error: symbol invalid"),
    ("market/orderbook", {"category": "spot", "symbol": "NOPEUSDT"}, "Not supported symbols"),
    ("market/orderbook", {"category": "linear"}, "params error: symbol invalid"),
    ("market/instruments-info", {"category": "linear", "symbol": "NOPEUSDT"}, "params error: symbol invalid"),
    ("market/instruments-info", {"category": "linear", "cursor": "%"}, "params error: cursor invalid"),
    ("market/tickers", {}, "Illegal category"),
    ("market/funding/history", {"category": "spot", "symbol": "BTCUSDT"}, "Illegal category"),
    ("market/kline", {"category": "spot", "symbol": "BTCUSDT", "interval": "2"}, "Invalid period!"),
    (
        "market/kline",
        {"category": "spot", "symbol": "BTCUSDT", "interval": "1", "limit": "x"},
        "params error: limit invalid",
    ),
]


@pytest.mark.parametrize(("path", "params", "text"), ERRORS)
async def test_errors_come_in_the_envelope_with_http_200(
    http: aiohttp.ClientSession, path: str, params: dict[str, str], text: str
) -> None:
    async with Emulator(["bybit"]) as emulator:
        answer = await get(http, emulator.bybit, path, **params)
        assert set(answer) == {"retCode", "retMsg", "result", "retExtInfo", "time"}
        assert (answer["retCode"], answer["retMsg"]) == (10001, text)


async def test_the_gateway_refuses_by_status(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"]) as emulator:
        rest = emulator.bybit.markets["linear"]["rest"]
        asked: list[tuple[str, dict[str, Any], int]] = [
            ("/v5/market/time", {"json": {"a": 1}}, 403),
            ("/v5/order/realtime", {}, 401),
            ("/v5/nowhere", {}, 404),
            ("/nowhere", {}, 404),
        ]
        for path, extra, status in asked:
            async with http.get(rest + path, **extra) as response:
                assert (path, response.status) == (path, status)


def test_an_address_is_banned_for_ten_minutes_after_600_requests_in_five_seconds() -> None:
    limit = AddressLimit()
    assert all(limit.take("here", 1.0 + n / 1000) for n in range(600))
    assert not limit.take("here", 2.0)
    assert limit.take("there", 2.0)
    assert not limit.take("here", 601.0), "the ban outlasts the window"
    assert limit.take("here", 602.1)


def test_a_shortened_window_shortens_the_ban_too() -> None:
    limit = AddressLimit(0.1)
    assert all(limit.take("here", 1.0) for _ in range(600))
    assert not limit.take("here", 1.4)
    assert not limit.take("here", 61.3)
    assert limit.take("here", 61.5)


async def test_the_601st_request_is_answered_403_in_plain_text(http: aiohttp.ClientSession) -> None:
    # a window of 50 s, so that a slow machine fills it too
    async with Emulator(["bybit"], rate_window_scale=10) as emulator:
        url = emulator.bybit.markets["spot"]["rest"] + "/v5/market/time"
        seen: list[int] = []
        for _ in range(601):
            async with http.get(url) as response:
                seen.append(response.status)
                text = await response.text()
        assert seen == [200] * 600 + [403]
        assert text == "access too frequent"
        assert emulator.bybit.stats.answered[403] == 1


async def test_the_501st_connection_is_refused(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"]) as emulator:
        url = emulator.bybit.markets["spot"]["ws"]
        for _ in range(500):
            async with http.ws_connect(url):
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await http.ws_connect(url)


# -- switches


async def test_a_cut_and_silence_reach_one_market_only(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        venue = emulator.bybit
        spot, linear = [await wire(venue.markets[m]["ws"]) for m in ("spot", "linear")]
        for socket in (spot, linear):
            await subscribe(socket, "orderbook.50.BTCUSDT")
            await socket.hear_until(is_push)
        venue.go_silent("linear")
        await linear.say({"op": "ping"})
        await linear.hear_until(lambda m: m.get("op") == "ping")
        assert venue.cut("spot") == 1
        async with asyncio.timeout(5):
            while (await spot.ws.receive()).type not in ENDS:
                pass
        assert [c.market for c in venue.connections] == ["linear"]
        with pytest.raises(TimeoutError):
            await linear.hear(timeout=0.3)
        venue.speak_again()
        await linear.hear_until(is_push)


async def test_funding_is_paused_while_books_go_on(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"], seed=7) as emulator:
        venue = emulator.bybit
        socket = await wire(venue.markets["linear"]["ws"])
        await subscribe(socket, "tickers.BTCUSDT", "orderbook.50.BTCUSDT")
        await socket.hear_until(lambda m: m.get("topic") == "tickers.BTCUSDT" and m["type"] == "delta")
        venue.pause_funding()
        paused_at = emulator.clock.now_ms()
        heard = []
        while len(heard) < 5:
            message = await socket.hear_until(is_push)
            if message["ts"] > paused_at:
                heard.append(message["topic"])
        assert set(heard) == {"orderbook.50.BTCUSDT"}
        venue.resume_funding()
        await socket.hear_until(lambda m: m.get("topic") == "tickers.BTCUSDT")


async def test_a_maintenance_is_announced_on_the_status_topic(wire: Callable[..., Any]) -> None:
    async with Emulator(["bybit"]) as emulator:
        venue = emulator.bybit
        socket = await wire(venue.markets["spot"]["ws"].removesuffix("spot") + "misc/status")
        await subscribe(socket, "system.status")
        assert (await socket.hear())["success"] is True
        venue.announce_shutdown()
        told = await socket.hear()
        assert (told["topic"], told["data"][0]["state"]) == ("system.status", "scheduled")


async def test_a_shifted_clock_is_told(http: aiohttp.ClientSession) -> None:
    async with Emulator(["bybit"]) as emulator:
        emulator.bybit.clock_offset_ms = -60_000
        told = await get(http, emulator.bybit, "market/time")
        for at in (told["time"], int(told["result"]["timeNano"]) // 1_000_000):
            assert abs(at - emulator.clock.now_ms() + 60_000) < 5000

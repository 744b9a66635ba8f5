"""HTX's own ways over bare connections: gzip, books by request, pings in JSON, numbers, limits and refusals."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from fra.emulator import Clock, Emulator, HtxVenue

Side = dict[Decimal, Decimal]
ENDS = {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR}


@pytest.fixture
async def htx() -> AsyncIterator[HtxVenue]:
    async with Emulator(["htx"], seed=7) as emulator:
        yield emulator.htx


async def ask(http: aiohttp.ClientSession, venue: HtxVenue, path: str, **params: object) -> Any:
    """The decoded answer; its numbers are Decimals of the text that was sent."""
    async with http.get(venue.markets["spot"]["rest"] + path, params={k: str(v) for k, v in params.items()}) as answer:
        return json.loads(await answer.text(), parse_float=Decimal)


def put(side: Side, rows: Iterable[Sequence[object]]) -> None:
    for price, size in rows:
        at, amount = Decimal(str(price)), Decimal(str(size))
        if amount:
            side[at] = amount
        else:
            side.pop(at, None)


def sides(told: Mapping[str, Any]) -> tuple[Side, Side]:
    bids: Side = {}
    asks: Side = {}
    put(bids, told["bids"])
    put(asks, told["asks"])
    return bids, asks


def true(venue: HtxVenue, market: str, symbol: str, update_id: int, depth: int) -> tuple[Side, Side]:
    book = venue.book(market, symbol, update_id)
    return sides({"bids": book.bids[:depth], "asks": book.asks[:depth]})


# -- books


@pytest.mark.parametrize("room", ["ws", "ws_feed"])
@pytest.mark.parametrize("depth", [5, 20, 150, 400])
@pytest.mark.parametrize("symbol", ["btcusdt", "pepeusdt"])
async def test_a_spot_book_is_pulled_aligned_and_replayed_to_the_true_book(
    htx: HtxVenue, wire: Callable[..., Any], room: str, depth: int, symbol: str
) -> None:
    socket = await wire(htx.markets["spot"][room])
    topic = f"market.{symbol}.mbp.{depth}"
    await socket.say({"sub": topic, "id": "1"})
    assert (await socket.hear())["subbed"] == topic
    cached = [(await socket.hear())["tick"]]
    pulled: Any = {"seqNum": 0}
    while pulled["seqNum"] < cached[0]["prevSeqNum"]:
        await socket.say({"req": topic, "id": "2"})
        while (message := await socket.hear()).get("rep") != topic:
            if "tick" in message:
                cached.append(message["tick"])
        pulled = message["data"]
    assert pulled["seqNum"] < cached[-1]["seqNum"], "what is pulled is older than what was pushed"
    bids, asks = sides(pulled)
    last, compared = pulled["seqNum"], 0
    while compared < 8:
        tick = cached.pop(0) if cached else (await socket.hear())["tick"]
        if tick["seqNum"] <= last:
            continue
        assert tick["prevSeqNum"] == last
        put(bids, tick.get("bids", ()))
        put(asks, tick.get("asks", ()))
        last = tick["seqNum"]
        assert (bids, asks) == true(htx, "spot", symbol, last, depth)
        compared += 1


@pytest.mark.parametrize("size", [20, 150])
@pytest.mark.parametrize("symbol", ["BTC-USDT", "PEPE-USDT"])
async def test_a_linear_book_starts_whole_and_its_version_rises_by_one(
    htx: HtxVenue, wire: Callable[..., Any], size: int, symbol: str
) -> None:
    topic = f"market.{symbol}.depth.size_{size}.high_freq"
    # the second joins while the first is in mid-stream: one count serves both
    for _ in range(2):
        socket = await wire(htx.markets["linear"]["ws"])
        await socket.say({"sub": topic, "data_type": "incremental", "id": "1"})
        assert (await socket.hear())["subbed"] == topic
        tick = (await socket.hear())["tick"]
        assert tick["event"] == "snapshot"
        bids, asks = sides(tick)
        for _ in range(6):
            before, tick = tick, (await socket.hear())["tick"]
            assert (tick["event"], tick["version"]) == ("update", before["version"] + 1)
            put(bids, tick["bids"])
            put(asks, tick["asks"])
            assert (bids, asks) == true(htx, "linear", symbol, tick["mrid"], size)


async def test_without_incremental_a_linear_book_is_whole_each_time(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    socket = await wire(htx.markets["linear"]["ws"])
    await socket.say({"sub": "market.ETH-USDT.depth.size_20.high_freq", "id": "1"})
    await socket.hear()
    for _ in range(4):
        tick = (await socket.hear())["tick"]
        assert tick["event"] == "snapshot"
        assert sides(tick) == true(htx, "linear", "ETH-USDT", tick["mrid"], 20)


async def test_many_linear_step0_books_share_one_version(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    socket = await wire(htx.markets["linear"]["ws"])
    await socket.say({"sub": "market.BTC-USDT.depth.step0", "id": "1"})
    await socket.hear()
    ticks = [(await socket.hear())["tick"] for _ in range(6)]
    assert len({t["version"] for t in ticks}) < len({t["mrid"] for t in ticks})
    assert [t["mrid"] for t in ticks] == sorted(t["mrid"] for t in ticks)
    for tick in ticks:
        assert tick["version"] == tick["ts"] // 1000
        assert sides(tick) == true(htx, "linear", "BTC-USDT", tick["mrid"], 150)


@pytest.mark.parametrize("topic", ["depth.step0", "mbp.refresh.20"])
async def test_a_whole_spot_book_is_the_true_one(htx: HtxVenue, wire: Callable[..., Any], topic: str) -> None:
    socket = await wire(htx.markets["spot"]["ws"])
    await socket.say({"sub": f"market.ethusdt.{topic}", "id": "1"})
    await socket.hear()
    for _ in range(2):
        tick = (await socket.hear())["tick"]
        sequence, depth = (tick["version"], 150) if topic == "depth.step0" else (tick["seqNum"], 20)
        assert sides(tick) == true(htx, "spot", "ethusdt", sequence, depth)


@pytest.mark.parametrize(("market", "topic"), [("spot", "market.btcusdt.bbo"), ("linear", "market.BTC-USDT.bbo")])
async def test_the_best_levels_are_those_of_the_same_id(
    htx: HtxVenue, wire: Callable[..., Any], market: str, topic: str
) -> None:
    socket = await wire(htx.markets[market]["ws"])
    await socket.say({"sub": topic, "id": "1"})
    await socket.hear()
    for _ in range(4):
        tick = (await socket.hear())["tick"]
        if market == "spot":
            book = htx.book(market, "btcusdt", tick["seqId"])
            told = ((tick["bid"], tick["bidSize"]), (tick["ask"], tick["askSize"]))
        else:
            book = htx.book(market, "BTC-USDT", tick["mrid"])
            told = (tuple(tick["bid"]), tuple(tick["ask"]))
        assert [[float(x) for x in row] for row in (book.bids[0], book.asks[0])] == [list(row) for row in told]


async def test_a_linear_book_is_found_by_the_version_of_its_updates(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    socket = await wire(htx.markets["linear"]["ws"])
    await socket.say({"sub": "market.BTC-USDT.depth.size_150.high_freq", "data_type": "incremental", "id": "1"})
    await socket.hear()
    for _ in range(4):
        tick = (await socket.hear())["tick"]
        by_version = htx.book("linear", "BTC-USDT", tick["version"])
        assert (by_version.update_id, by_version.time_ms) == (tick["mrid"], tick["ts"])


async def test_a_stale_pull_is_too_old_for_what_is_cached(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    socket = await wire(htx.markets["spot"]["ws_feed"])
    topic = "market.btcusdt.mbp.150"
    await socket.say({"sub": topic, "id": "1"})
    await socket.hear()
    for _ in range(3):
        await socket.hear()
    late = await wire(htx.markets["spot"]["ws_feed"])
    await late.say({"sub": topic, "id": "1"})
    first = (await late.hear_until(lambda m: "tick" in m))["tick"]
    htx.stale_snapshots("spot", "btcusdt", steps=1000)
    await late.say({"req": topic, "id": "2"})
    pulled = await late.hear_until(lambda m: "rep" in m)
    assert pulled["data"]["seqNum"] < first["prevSeqNum"]


FAULTS = [
    ("spot", "ws_feed", "market.btcusdt.mbp.150", "btcusdt", ("prevSeqNum", "seqNum", 0)),
    ("linear", "ws", "market.BTC-USDT.depth.size_150.high_freq", "BTC-USDT", ("version", "version", 1)),
]


@pytest.mark.parametrize("fault", ["drop", "duplicate", "swap", "renumber"])
@pytest.mark.parametrize(("market", "room", "topic", "symbol", "chain"), FAULTS)
async def test_a_chain_breaks_on_demand(
    htx: HtxVenue,
    wire: Callable[..., Any],
    market: str,
    room: str,
    topic: str,
    symbol: str,
    chain: tuple[str, str, int],
    fault: str,
) -> None:
    mine, previous, step = chain
    socket = await wire(htx.markets[market][room])
    await socket.say({"sub": topic, "data_type": "incremental", "id": "1"})
    ticks = [(await socket.hear_until(lambda m: "tick" in m))["tick"] for _ in range(2)]
    switch: Mapping[str, Callable[[str, str], object]] = {
        "drop": htx.drop_next_delta,
        "duplicate": htx.duplicate_next_delta,
        "swap": htx.swap_next_deltas,
        "renumber": htx.renumber_book,
    }
    switch[fault](market, symbol)
    while all(after[mine] == before[previous] + step for before, after in itertools.pairwise(ticks)):
        ticks.append((await socket.hear())["tick"])
    assert len(ticks) < 30
    if fault == "renumber":
        assert ticks[-1][previous] < ticks[-2][previous]
        fresh = await wire(htx.markets[market][room])
        await fresh.say({"sub": topic, "data_type": "incremental", "id": "1"})
        await fresh.hear_until(lambda m: "tick" in m)


async def test_a_frozen_spot_book_says_nothing_and_a_linear_step0_repeats_itself(
    htx: HtxVenue, wire: Callable[..., Any]
) -> None:
    spot, linear = await wire(htx.markets["spot"]["ws"]), await wire(htx.markets["linear"]["ws"])
    htx.freeze_book("spot", "btcusdt")
    htx.freeze_book("linear", "BTC-USDT")
    await spot.say({"sub": "market.btcusdt.mbp.5", "id": "1"})
    await linear.say({"sub": "market.BTC-USDT.depth.step0", "id": "1"})
    await spot.hear()
    await linear.hear()
    one, two = (await linear.hear(), await linear.hear())
    assert one["tick"]["mrid"] == two["tick"]["mrid"]
    with pytest.raises(TimeoutError):
        await spot.hear(timeout=0.3)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT", "PEPE/USDT"])
async def test_ccxt_ends_up_with_the_true_book(
    htx: HtxVenue, ccxt_pro: Any, point: Mapping[str, Callable[..., Any]], symbol: str
) -> None:
    client = point["htx"](ccxt_pro.htx(), htx.markets)
    try:
        async with asyncio.timeout(15):
            await client.load_markets()
            for _ in range(10):
                book = await client.watch_order_book(symbol)
            listed = client.market(symbol)
            market = "spot" if listed["spot"] else "linear"
            htx.freeze_book(market, listed["id"])
            real = htx.book(market, listed["id"])
            wanted = [[[float(p), float(q)] for p, q in side] for side in (real.bids, real.asks)]
            # the last updates may be on their way
            while [[list(row) for row in book[side]] for side in ("bids", "asks")] != wanted:
                await asyncio.sleep(0.01)
                book = client.orderbooks[symbol]
            assert market == "linear" or book["nonce"] == real.update_id
    finally:
        await client.close()


# -- numbers


async def test_numbers_are_written_as_the_venue_writes_them(htx: HtxVenue, http: aiohttp.ClientSession) -> None:
    async def text(path: str, **params: str) -> str:
        async with http.get(htx.markets["spot"]["rest"] + path, params=params) as answer:
            return await answer.text()

    spot = await text("/market/depth", symbol="pepeusdt", type="step0")
    assert re.search(r"\[\d\.\d+E-6,\d\.\d+E\d+\]", spot), "spot: Java's doubles"
    btc = await text("/market/detail/merged", symbol="btcusdt")
    assert re.search(r'"vol":\d\.\d+E\d+', btc)
    linear = await text("/linear-swap-ex/market/depth", contract_code="PEPE-USDT", type="step0")
    assert re.search(r"\[0\.00000\d+,\d+\]", linear), "linear: no exponent, whole contracts"
    info = await text("/linear-swap-api/v1/swap_contract_info", contract_code="BTC-USDT")
    assert '"contract_size":0.001000000000000000,' in info


async def test_ids_are_integers_beyond_what_a_double_or_a_long_holds(
    htx: HtxVenue, http: aiohttp.ClientSession
) -> None:
    spot = (await ask(http, htx, "/market/history/trade", symbol="btcusdt", size=50))["data"]
    trades = [t for group in spot for t in group["data"]]
    assert all(isinstance(t["id"], int) and t["id"] > 2**63 for t in trades)
    assert len({t["trade-id"] for t in trades}) == len(trades) == 50
    linear = (await ask(http, htx, "/linear-swap-ex/market/history/trade", contract_code="BTC-USDT", size=50))["data"]
    ids = [t["id"] for group in linear for t in group["data"]]
    assert all(isinstance(n, int) and n > 2**53 for n in ids)
    assert len(set(ids)) == 50
    first = linear[0]["data"][0]
    assert Decimal(first["quantity"]) == first["amount"] * Decimal("0.001")


# -- candles, tickers, trades


@pytest.mark.parametrize("period", ["1min", "60min", "4hour", "1day", "1week", "1mon"])
async def test_candles_of_both_markets_join_up(htx: HtxVenue, http: aiohttp.ClientSession, period: str) -> None:
    spot = (await ask(http, htx, "/market/history/kline", symbol="btcusdt", period=period, size=5))["data"]
    path = "/linear-swap-ex/market/history/kline"
    linear = (await ask(http, htx, path, contract_code="BTC-USDT", period=period, size=5))["data"]
    assert [c["id"] for c in spot[::-1]] == [c["id"] for c in linear], "spot is newest first, linear oldest first"
    if period == "1day":
        assert {c["id"] % 86_400 for c in spot} == {57_600}, "a day begins at midnight in Hong Kong"
    for before, after in itertools.pairwise(linear):
        assert after["open"] == pytest.approx(before["close"], rel=Decimal("0.001"))


async def test_a_range_of_candles_is_asked_for_by_seconds(htx: HtxVenue, http: aiohttp.ClientSession) -> None:
    now = (await ask(http, htx, "/v1/common/timestamp"))["data"] // 1000
    start = now // 60 * 60 - 600
    path = "/linear-swap-ex/market/history/kline"
    code = {"contract_code": "BTC-USDT", "period": "1min"}
    linear = (await ask(http, htx, path, **code, **{"from": start, "to": start + 240}))["data"]
    assert [c["id"] for c in linear] == [start + 60 * n for n in range(5)]
    spot = (
        await ask(http, htx, "/market/history/candles", symbol="btcusdt", period="1min", size=3, **{"from": start})
    )["data"]
    assert sorted(c["id"] for c in spot) == [start + 60 * n for n in range(3)]


TOPICS = [
    ("spot", "market.btcusdt.trade.detail", "tradeId"),
    ("spot", "market.btcusdt.kline.1min", "vol"),
    ("spot", "market.btcusdt.detail", "version"),
    ("spot", "market.btcusdt.ticker", "lastPrice"),
    ("spot", "market.btcusdt.bbo", "quoteTime"),
    ("spot", "market.btcusdt.mbp.refresh.5", "seqNum"),
    ("linear", "market.BTC-USDT.trade.detail", "trade_turnover"),
    ("linear", "market.BTC-USDT.kline.1day", "mrid"),
    ("linear", "market.BTC-USDT.detail", "trade_turnover"),
    ("linear", "market.BTC-USDT.depth.step6", "mrid"),
]


@pytest.mark.parametrize(("market", "topic", "field"), TOPICS)
async def test_every_channel_speaks_at_once_and_stops_when_told(
    htx: HtxVenue, wire: Callable[..., Any], market: str, topic: str, field: str
) -> None:
    socket = await wire(htx.markets[market]["ws"])
    await socket.say({"sub": topic, "id": "a"})
    ack = await socket.hear()
    assert (ack["id"], ack["status"], ack["subbed"]) == ("a", "ok", topic)
    push = await socket.hear()
    row = push["tick"]["data"][0] if topic.endswith("trade.detail") else push["tick"]
    assert push["ch"] == topic
    assert field in row
    await socket.say({"unsub": topic, "id": "b"})
    done = await socket.hear_until(lambda m: "unsubbed" in m)
    assert (done["id"], done["unsubbed"]) == ("b", topic)
    with pytest.raises(TimeoutError):
        await socket.hear(timeout=0.25)


@pytest.mark.parametrize("what", ["mark_price", "index", "premium_index"])
async def test_what_is_not_traded_has_klines_on_a_socket_of_its_own(
    htx: HtxVenue, wire: Callable[..., Any], http: aiohttp.ClientSession, what: str
) -> None:
    topic = f"market.BTC-USDT.{what}.1min"
    socket = await wire(htx.markets["linear"]["ws_index"])
    await socket.say({"sub": topic, "id": "1"})
    assert (await socket.hear())["subbed"] == topic
    tick = (await socket.hear())["tick"]
    assert Decimal(tick["low"]) <= Decimal(tick["close"]) <= Decimal(tick["high"])
    other = await wire(htx.markets["linear"]["ws"])
    await other.say({"sub": topic, "id": "1"})
    assert (await other.hear())["err-msg"] == f"invalid topic {topic}"
    if what != "index":
        path = f"/index/market/history/linear_swap_{what}_kline"
        rows = (await ask(http, htx, path, contract_code="BTC-USDT", period="60min", size=3))["data"]
        assert [after["id"] - before["id"] for before, after in itertools.pairwise(rows)] == [3600, 3600]


@pytest.mark.parametrize(
    ("market", "topic"),
    [
        ("spot", "market.btcusdt.kline.1min"),
        ("spot", "market.btcusdt.trade.detail"),
        ("spot", "market.btcusdt.depth.step0"),
        ("spot", "market.btcusdt.detail"),
        ("linear", "market.BTC-USDT.kline.1min"),
        ("linear", "market.BTC-USDT.trade.detail"),
    ],
)
async def test_what_can_be_pulled_is_answered(htx: HtxVenue, wire: Callable[..., Any], market: str, topic: str) -> None:
    socket = await wire(htx.markets[market]["ws"])
    await socket.say({"req": topic, "id": "7"})
    answer = await socket.hear()
    assert (answer["id"], answer["status"], answer["rep"]) == ("7", "ok", topic)
    assert answer["data"]


# -- funding


async def test_funding_is_told_with_this_settlement_and_no_next(htx: HtxVenue, http: aiohttp.ClientSession) -> None:
    api = "/linear-swap-api/v1/"
    now = (await ask(http, htx, "/api/v1/timestamp"))["ts"]
    rates = (await ask(http, htx, api + "swap_batch_funding_rate"))["data"]
    elements = (await ask(http, htx, api + "swap_query_elements"))["data"]
    hours = {row["contract_code"]: row["settle_period"] for row in elements}
    assert set(hours.values()) == {1, 4, 8}
    for row in rates:
        due = int(row["funding_time"])
        assert (row["estimated_rate"], row["next_funding_time"]) == (None, None)
        assert 0 < due - now <= hours[row["contract_code"]] * 3_600_000
        assert due % (hours[row["contract_code"]] * 3_600_000) == 0
    one = (await ask(http, htx, api + "swap_funding_rate", contract_code="btc-usdt"))["data"]
    assert one["contract_code"] == "BTC-USDT"


async def test_funding_history_comes_in_pages_newest_first_without_a_hole(
    htx: HtxVenue, http: aiohttp.ClientSession
) -> None:
    times: list[int] = []
    for page in (1, 2, 3):
        asked = {"contract_code": "TRB-USDT", "page_index": page, "page_size": 7}
        data = (await ask(http, htx, "/linear-swap-api/v1/swap_historical_funding_rate", **asked))["data"]
        assert (data["current_page"], len(data["data"])) == (page, 7)
        times += [int(row["funding_time"]) for row in data["data"]]
    assert {before - after for before, after in itertools.pairwise(times)} == {3_600_000}
    asked = {"contract_code": "TRB-USDT", "page_size": 999}
    data = (await ask(http, htx, "/linear-swap-api/v1/swap_historical_funding_rate", **asked))["data"]
    assert len(data["data"]) == 50
    newer = (await ask(http, htx, "/v5/market/funding_rate_history", contract_code="TRB-USDT", limit=21))["data"]
    assert [int(row["funding_time"]) for row in newer] == times


async def test_funding_is_pushed_without_a_login_and_rolls_over(wire: Callable[..., Any]) -> None:
    async with Emulator(["htx"], seed=7, settle_in_s=2, clock=Clock(scale=2.0), funding_push_s=0.05) as emulator:
        socket = await wire(emulator.htx.markets["linear"]["ws_private"])
        await socket.say({"op": "sub", "cid": "c1", "topic": "public.LPT-USDT.funding_rate"})
        ack = await socket.hear()
        assert (ack["op"], ack["cid"], ack["err-code"]) == ("sub", "c1", 0)
        first = (await socket.hear())["data"][0]
        due = int(first["settlement_time"])
        after = await socket.hear_until(lambda m: int(m["data"][0]["settlement_time"]) != due)
        assert int(after["data"][0]["settlement_time"]) == due + 4 * 3_600_000
        emulator.htx.pause_funding()
        with pytest.raises(TimeoutError):
            await socket.hear_until(lambda m: False, timeout=0.4)


async def test_all_funding_rates_are_pushed_at_once(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    socket = await wire(htx.markets["linear"]["ws_private"])
    await socket.say({"op": "sub", "cid": "1", "topic": "public.*.funding_rate"})
    await socket.hear()
    assert len((await socket.hear())["data"]) > 30


# -- pings


async def ends(socket: Any, timeout: float = 5.0) -> tuple[int | None, int]:
    """Read until the connection ends: its close code, and the pings heard."""
    pings = 0
    async with asyncio.timeout(timeout):
        while True:
            frame = await socket.frame(timeout)
            if frame.type in ENDS:
                return socket.ws.close_code, pings
            pings += 1


@pytest.mark.parametrize(
    ("market", "room", "patience"),
    [("spot", "ws", 2), ("spot", "ws_feed", 2), ("linear", "ws", 5), ("linear", "ws_private", 5)],
)
async def test_who_leaves_pings_unanswered_is_closed(
    wire: Callable[..., Any], market: str, room: str, patience: int
) -> None:
    async with Emulator(["htx"], ping_interval_s=0.05) as emulator:
        socket = await wire(emulator.htx.markets[market][room])
        assert await ends(socket) == (1003, patience)


PINGS: list[tuple[str, str, Callable[[Any], object]]] = [
    ("spot", "ws", lambda m: {"pong": m["ping"]}),
    ("linear", "ws", lambda m: {"pong": m["ping"]}),
    ("spot", "ws_private", lambda m: {"action": "pong", "data": {"ts": m["data"]["ts"]}}),
    ("linear", "ws_private", lambda m: {"op": "pong", "ts": m["ts"]}),
]


@pytest.mark.parametrize(("market", "room", "answer"), PINGS)
async def test_who_answers_each_ping_with_its_own_number_is_kept(
    wire: Callable[..., Any], market: str, room: str, answer: Callable[[Any], object]
) -> None:
    async with Emulator(["htx"], ping_interval_s=0.05) as emulator:
        socket = await wire(emulator.htx.markets[market][room])
        for _ in range(12):
            await socket.say(answer(await socket.hear()))
        (connection,) = emulator.htx.connections
        assert connection.pongs >= 11


async def test_a_wrong_number_is_no_answer_and_a_clients_ping_is_answered(wire: Callable[..., Any]) -> None:
    async with Emulator(["htx"], ping_interval_s=0.2) as emulator:
        socket = await wire(emulator.htx.markets["spot"]["ws"])
        await socket.say({"ping": 18212558000})
        assert await socket.hear() == {"pong": 18212558000}
        await socket.say({"pong": 1})
        assert (await ends(socket))[0] == 1003


# -- refusals


REFUSED = [
    ("spot", "ws", {"sub": "market.nopeusdt.mbp.150", "id": "1"}, "invalid symbol nopeusdt"),
    ("spot", "ws", {"sub": "market.btcusdt.mbp.30", "id": "1"}, "invalid topic market.btcusdt.mbp.30"),
    ("spot", "ws", {"sub": "market.btcusdt.depth.step9", "id": "1"}, "invalid topic market.btcusdt.depth.step9"),
    ("spot", "ws", {"sub": "nonsense", "id": "1"}, "invalid topic nonsense"),
    ("spot", "ws_feed", {"sub": "market.btcusdt.bbo", "id": "1"}, "invalid topic market.btcusdt.bbo"),
    ("spot", "ws", {"unsub": "market.btcusdt.bbo", "id": "1"}, "unsub with not subbed topic market.btcusdt.bbo"),
    ("spot", "ws", {"req": "market.nopeusdt.mbp.150", "id": "1"}, "invalid symbol nopeusdt"),
    ("linear", "ws", {"sub": "market.NOPE-USDT.bbo", "id": "1"}, "invalid symbol NOPE-USDT"),
    ("linear", "ws", {"sub": "market.BTC-USDT.mbp.150", "id": "1"}, "invalid topic market.BTC-USDT.mbp.150"),
]


@pytest.mark.parametrize(("market", "room", "said", "text"), REFUSED)
async def test_a_market_socket_says_what_is_wrong_with_a_topic(
    htx: HtxVenue, wire: Callable[..., Any], market: str, room: str, said: object, text: str
) -> None:
    socket = await wire(htx.markets[market][room])
    await socket.say(said)
    answer = await socket.hear()
    assert (answer["status"], answer["id"], answer["err-code"]) == ("error", "1", "bad-request")
    assert answer["err-msg"] == text


async def test_what_is_no_json_is_refused_and_the_socket_stays_open(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    socket = await wire(htx.markets["spot"]["ws"])
    await socket.say("hello")
    assert (await socket.hear())["err-msg"] == "not json, is not json string"
    await socket.say({"ping": 1})
    assert await socket.hear() == {"pong": 1}


async def test_pulls_must_be_a_tenth_of_a_second_apart(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    socket = await wire(htx.markets["spot"]["ws_feed"])
    topic = "market.btcusdt.mbp.150"
    for n in range(3):
        await socket.say({"req": topic, "id": str(n)})
    answers = [await socket.hear() for _ in range(3)]
    assert [a["status"] for a in answers] == ["ok", "error", "error"]
    assert answers[1]["err-msg"] == f"429 too many request topic is {topic}"


async def test_account_sockets_want_a_login(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    spot = await wire(htx.markets["spot"]["ws_private"])
    await spot.say({"action": "sub", "ch": "orders#*"})
    assert (await spot.hear()).items() >= {"action": "sub", "code": 2002, "ch": "orders#*"}.items()
    await spot.say({"action": "req", "ch": "auth", "params": {"accessKey": "k", "signature": "s"}})
    assert (await spot.hear()).items() >= {"action": "req", "code": 2002, "ch": "auth"}.items()
    linear = await wire(htx.markets["linear"]["ws_private"])
    await linear.say({"op": "sub", "cid": "1", "topic": "orders_cross.*"})
    assert (await linear.hear())["err-code"] == 2002
    await linear.say({"op": "auth", "type": "api", "AccessKeyId": "k", "Signature": "s"})
    assert (await linear.hear()).items() >= {"op": "auth", "err-code": 2003}.items()
    await linear.say({"op": "sub", "cid": "2", "topic": "public.NOPE-USDT.funding_rate"})
    assert (await linear.hear())["err-code"] == 2011


API, EX = "/linear-swap-api/v1/", "/linear-swap-ex/market/"
ERRORS: list[tuple[str, dict[str, str], dict[str, object]]] = [
    ("/market/depth", {"symbol": "nopeusdt", "type": "step0"}, {"err-code": "invalid-parameter"}),
    ("/market/depth", {"symbol": "btcusdt", "type": "step9"}, {"err-code": "invalid-parameter"}),
    ("/market/depth", {}, {"err-code": "invalid-parameter", "err-msg": "invalid symbol"}),
    ("/market/history/kline", {"symbol": "btcusdt", "period": "7min"}, {"err-code": "invalid-parameter"}),
    (EX + "depth", {"contract_code": "NOPE-USDT", "type": "step0"}, {"err-code": "invalid-parameter"}),
    (EX + "history/kline", {"contract_code": "BTC-USDT", "period": "1min"}, {"err-code": "invalid-parameter"}),
    (API + "swap_funding_rate", {"contract_code": "NOPE-USDT"}, {"err_code": 1332}),
    (API + "swap_funding_rate", {}, {"err_code": 1066}),
    (API + "swap_historical_funding_rate", {"contract_code": "BTC-USDT", "page_size": "x"}, {"err_code": 1067}),
    ("/v5/market/funding_rate", {"contract_code": "NOPE-USDT"}, {"code": 1332}),
]


@pytest.mark.parametrize(("path", "params", "told"), ERRORS)
async def test_a_bad_request_is_refused_in_the_envelope_of_its_family(
    htx: HtxVenue, http: aiohttp.ClientSession, path: str, params: dict[str, str], told: dict[str, object]
) -> None:
    answer = await ask(http, htx, path, **params)
    assert answer.items() >= told.items()
    assert answer.get("status") in (None, "error")


async def test_contracts_that_are_not_traded_are_listed_as_suspended(
    htx: HtxVenue, http: aiohttp.ClientSession
) -> None:
    for path in ("/swap-api/v1/swap_contract_info", "/api/v1/contract_contract_info"):
        answer = await ask(http, htx, path)
        assert {row["contract_status"] for row in answer["data"]} == {3}
    futures = await ask(http, htx, API + "swap_contract_info", business_type="futures")
    assert (futures["status"], futures["data"]) == ("ok", [])


# -- limits


async def test_spot_counts_each_path_by_itself_and_says_what_is_left(http: aiohttp.ClientSession) -> None:
    async with Emulator(["htx"], seed=7, rate_window_scale=10) as emulator:
        rest = emulator.htx.markets["spot"]["rest"]
        left: list[int] = []
        for n in range(11):
            async with http.get(rest + "/market/depth", params={"symbol": "btcusdt", "type": "step0"}) as answer:
                left.append(int(answer.headers["X-HB-RateLimit-Requests-Remain"]))
                assert answer.status == (200 if n < 10 else 429)
                body = await answer.json()
        assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
        assert body["err-code"] == "rate-too-many-requests"
        assert (await ask(http, emulator.htx, "/v1/common/timestamp"))["status"] == "ok"
        assert emulator.htx.stats.answered_429 == 1


async def test_linear_counts_all_reference_paths_together(http: aiohttp.ClientSession) -> None:
    async with Emulator(["htx"], seed=7, rate_window_scale=10) as emulator:
        rest = emulator.htx.markets["linear"]["rest"]
        paths = ("/api/v1/timestamp", API + "swap_query_elements?contract_code=BTC-USDT")
        statuses: list[int] = []
        for n in range(247):
            async with http.get(rest + paths[n % 2]) as answer:
                statuses.append(answer.status)
                assert int(answer.headers["ratelimit-limit"]) == 240
                assert int(answer.headers["ratelimit-interval"]) == 30_000
                assert int(answer.headers["ratelimit-remaining"]) == max(0, 239 - n)
                body = await answer.json()
        assert statuses == [200] * 240 + [429] * 7
        assert body["err_code"] == 1084, "who goes on is shut out for a time"
        depth = {"contract_code": "BTC-USDT", "type": "step0"}
        assert (await ask(http, emulator.htx, EX + "depth", **depth))["err-code"] == "rate-too-many-requests"


# -- switches


async def test_a_cut_reaches_one_market_only(htx: HtxVenue, wire: Callable[..., Any]) -> None:
    spot, linear = await wire(htx.markets["spot"]["ws"]), await wire(htx.markets["linear"]["ws"])
    for socket in (spot, linear):
        await socket.say({"ping": 1})
        await socket.hear()
    assert htx.cut("spot") == 1
    while (await spot.frame()).type not in ENDS:
        pass
    await linear.say({"ping": 2})
    assert await linear.hear() == {"pong": 2}


async def test_a_silent_venue_keeps_its_acks_and_a_raw_frame_comes_as_it_is(
    htx: HtxVenue, wire: Callable[..., Any]
) -> None:
    htx.go_silent("linear")
    socket = await wire(htx.markets["linear"]["ws"])
    await socket.say({"sub": "market.BTC-USDT.bbo", "id": "1"})
    assert (await socket.hear())["subbed"] == "market.BTC-USDT.bbo"
    with pytest.raises(TimeoutError):
        await socket.hear(timeout=0.3)
    htx.push_raw("no gzip", "linear")
    frame = await socket.frame()
    assert (frame.type, frame.data) == (aiohttp.WSMsgType.TEXT, "no gzip")


async def test_a_shifted_clock_is_told(htx: HtxVenue, http: aiohttp.ClientSession) -> None:
    htx.clock_offset_ms = -60_000
    spot = (await ask(http, htx, "/v1/common/timestamp"))["data"]
    linear = (await ask(http, htx, "/api/v1/timestamp"))["ts"]
    now = htx.settings.clock.now_ms()
    assert abs(spot - now + 60_000) < 5_000
    assert abs(linear - now + 60_000) < 5_000

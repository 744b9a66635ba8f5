"""Recorded messages and documented samples of Bybit through the adapter's structs, conversions and dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bybit_server import BybitServer
from captures import lines, recordings

from fra.adapters.custom import Failure
from fra.core import ExchangeAPIError, IntervalSource, KlineInterval, MarketKind, RateKind, Side, Symbol
from fra.exchanges.bybit import convert, user, wire
from fra.exchanges.bybit.books import BestPrices
from fra.exchanges.bybit.dialect import BybitDialect, is_pong
from fra.exchanges.bybit.errors import (
    ERRORS,
    LEVERAGE_UNCHANGED,
    MARGIN_MODE_UNCHANGED,
    POSITION_MODE_UNCHANGED,
)
from fra.exchanges.bybit.funding import Merged

UNCHANGED = (LEVERAGE_UNCHANGED, MARGIN_MODE_UNCHANGED, POSITION_MODE_UNCHANGED)
NOW = 1_790_757_300_000
_ABSENT = pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data")
KINDS = {"spot": MarketKind.SPOT, "linear": MarketKind.LINEAR_SWAP, "inverse": MarketKind.INVERSE_SWAP}


def each(*patterns: str) -> pytest.MarkDecorator:
    found = recordings(*(f"bybit/{pattern}" for pattern in patterns))
    params = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in found]
    return pytest.mark.parametrize("capture", params or [pytest.param(None, marks=_ABSENT, id="none")])


def symbol(venue_id: str, category: str = "linear") -> Symbol:
    """A symbol of the right kind: nothing else matters to conversion."""
    kind = KINDS.get(category, MarketKind.LINEAR_SWAP)
    settle = {"spot": None, "inverse": "BTC"}.get(category, "USDT")
    return Symbol(
        venue_id, venue_id, kind, "BTC", "USDT", settle, tick_size=Decimal("0.1"), lot_size=Decimal(1), market=category
    )


def category_of(path: Path) -> str:
    return path.parent.name.partition("-")[0]


def pushes(path: Path, channel: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    for line in lines(path):
        sent = json.loads(line["raw"]) if line["dir"] == "recv" else {}
        if sent.get("topic", "").startswith(f"{channel}."):
            yield sent, line["raw"].encode()


# --- captures ----------------------------------------------------------------------------------------------------


@each("v5-instruments/*")
def test_no_recorded_instrument_is_lost_silently(capture: Path) -> None:
    for line in lines(capture):
        sent = json.loads(line["raw"])["result"]
        rows = msgspec.json.decode(line["raw"], type=wire.Reply[wire.Page[wire.Instrument]], strict=False).result.rows
        result = convert.symbols(rows, sent["category"])
        named = [found.venue_id for found in result] + [refused.venue_id for refused in result.refused]
        assert sorted(named) == sorted(row["symbol"] for row in sent["list"])
        assert all(refused.reason for refused in result.refused)
        if sent["category"] not in KINDS:
            assert len(result) == 0
            continue
        dated = {row["symbol"] for row in sent["list"] if row.get("contractType", "").endswith("Futures")}
        assert {refused.venue_id for refused in result.refused} == dated
        assert {refused.reason for refused in result.refused} <= {"dated futures are not covered"}
        given = {row["symbol"]: row for row in sent["list"]}
        for found in result:
            row = given[found.venue_id]
            lots = row["lotSizeFilter"]
            assert found.tick_size == Decimal(row["priceFilter"]["tickSize"])
            assert found.lot_size == Decimal(lots.get("qtyStep") or lots["basePrecision"])
            assert found.min_amount == Decimal(lots["minOrderQty"])
            assert found.contracts(found.lot_size) == found.lot_size
            assert found.settle == row.get("settleCoin")


@each("v5-instruments/*")
def test_multipliers_of_recorded_instruments_are_one_asset(capture: Path) -> None:
    for line in lines(capture):
        sent = json.loads(line["raw"])["result"]
        rows = msgspec.json.decode(line["raw"], type=wire.Reply[wire.Page[wire.Instrument]], strict=False).result.rows
        coins = {row["symbol"]: row["baseCoin"] for row in sent["list"]}
        for found in convert.symbols(rows, sent["category"]):
            coin = coins[found.venue_id]
            digits = "".join(char for char in coin if char.isdigit())
            if len(digits) >= 4 and found.kind.is_swap:
                assert (found.asset, found.multiplier) == (coin.replace(digits, ""), Decimal(digits))
            else:
                assert found.base == coin


@each("v5-instruments/*")
async def test_recorded_instruments_load_whole_over_a_socket_page_by_page(capture: Path) -> None:
    results = [json.loads(line["raw"])["result"] for line in lines(capture)]
    sent = {result["category"]: result["list"] for result in results if result["category"] in KINDS}
    page = 300

    def paged(request: Any) -> Any:
        rows = sent[request.query["category"]]
        start = int(request.query.get("cursor", "0:rest").partition(":")[0])
        following = f"{start + page}%3Arest" if start + page < len(rows) else ""
        return {"category": request.query["category"], "list": rows[start : start + page], "nextPageCursor": following}

    server = BybitServer({"market/instruments-info": paged})
    async with server.asked(markets=list(sent)) as bybit:
        loaded = await bybit.get_symbols()
        known = {(symbol.market, symbol.venue_id) for symbol in loaded}
        assert len(known) == len(loaded)
        assert len(loaded) + len(bybit.refused) == sum(map(len, sent.values()))
    # A cursor goes back as it came: encoded once.
    long = any(len(rows) > page for rows in sent.values())
    assert any("cursor=300%3Arest" in request.raw_path for request, _ in server.requests) is long


@each("*-trades/*")
def test_recorded_trades(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.TradePush)
    seen, order = 0, 0
    of = symbol("X", category_of(capture))
    for sent, raw in pushes(capture, "publicTrade"):
        push = decoder.decode(raw)
        for row, given in zip(push.data, sent["data"], strict=True):
            seen += 1
            trade = convert.trade(row, of, received_ms=NOW)
            assert (trade.id, trade.price, trade.amount) == (given["i"], Decimal(given["p"]), Decimal(given["v"]))
            assert trade.side is Side(given["S"].lower())
            assert trade.timestamp_ms == given["T"]
        if sent["topic"].endswith("BTCUSDT"):
            assert push.data[-1].seq >= order
            order = push.data[-1].seq
    assert seen > 0


@each("*-ticker/*")
def test_recorded_tickers_merge_as_a_plain_dict_does(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.TickerPush)
    merged: dict[str, Merged] = {}
    plain: dict[str, dict[str, Any]] = {}
    category, seen = category_of(capture), 0
    for sent, raw in pushes(capture, "tickers"):
        name = sent["data"]["symbol"]
        push = decoder.decode(raw)
        state = merged.setdefault(name, Merged()).take(push)
        if sent["type"] == "snapshot":
            plain[name] = {}
        if name not in plain:
            assert state is None
            continue
        plain[name] |= sent["data"]
        assert state is not None
        seen += 1
        ticker = convert.ticker(state, symbol(name, category), received_ms=NOW, timestamp_ms=push.ts)
        told = {
            "bid1Price": ticker.bid,
            "bid1Size": ticker.bid_amount,
            "ask1Price": ticker.ask,
            "ask1Size": ticker.ask_amount,
            "lastPrice": ticker.last,
            "prevPrice24h": ticker.open,
            "highPrice24h": ticker.high,
            "lowPrice24h": ticker.low,
            "volume24h": ticker.volume,
            "turnover24h": ticker.quote_volume,
        }
        for field, value in told.items():
            assert value == (Decimal(plain[name][field]) if field in plain[name] else None), field
        assert ticker.timestamp_ms == sent["ts"]
    assert seen > 0


@each("linear-ticker/*")
def test_recorded_funding(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.TickerPush)
    merged: dict[str, Merged] = {}
    plain: dict[str, dict[str, Any]] = {}
    for sent, raw in pushes(capture, "tickers"):
        name = sent["data"]["symbol"]
        state = merged.setdefault(name, Merged()).take(decoder.decode(raw))
        if state is None:
            continue
        plain.setdefault(name, {}).update(sent["data"])
        rate = convert.funding_rate(
            state, symbol(name), received_ms=NOW, venue_ms=sent["ts"], timestamp_ms=sent["ts"], interval_minutes=1
        )
        told = plain[name]
        assert rate.kind is RateKind.ESTIMATED
        assert rate.rate == Decimal(told["fundingRate"])
        assert rate.next_settlement_ms == int(told["nextFundingTime"]) > sent["ts"]
        assert rate.next_settlement_derived is False
        assert rate.interval == timedelta(hours=int(told["fundingIntervalHour"]))
        assert rate.interval_source is IntervalSource.REPORTED
        assert (rate.cap, rate.floor) == (Decimal(told["fundingCap"]), -Decimal(told["fundingCap"]))
        assert (rate.mark_price, rate.index_price) == (Decimal(told["markPrice"]), Decimal(told["indexPrice"]))
    assert plain


@each("*-kline/*")
def test_recorded_klines(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.CandlePush)
    seen = 0
    for sent, raw in pushes(capture, "kline"):
        for row, given in zip(decoder.decode(raw).data, sent["data"], strict=True):
            seen += 1
            kline = convert.candle(row, symbol("X", category_of(capture)), KlineInterval.M1)
            assert kline.open_ms == given["start"]
            prices = [Decimal(given[name]) for name in ("open", "high", "low", "close")]
            assert [kline.open, kline.high, kline.low, kline.close] == prices
            assert (kline.volume, kline.quote_volume) == (Decimal(given["volume"]), Decimal(given["turnover"]))
            assert kline.closed is given["confirm"]
    assert seen > 0


@each("linear-*/*", "spot-*/*")
def test_every_recorded_frame_finds_its_topic_or_is_control(capture: Path) -> None:
    dialect = BybitDialect(category_of(capture))
    for line in lines(capture):
        if line["dir"] != "recv":
            continue
        sent, frame = json.loads(line["raw"]), line["raw"].encode()
        if "topic" in sent:
            assert dialect.route(frame) == sent["topic"].encode()
            assert dialect.peek is not None
            guess = frame.partition(dialect.peek.ends)[0]
            if guess.startswith(dialect.peek.begins):
                found = guess.removeprefix(dialect.peek.begins)
                assert found == sent["topic"].encode() or b'"' in found
        else:
            assert dialect.route(frame) is None
            assert is_pong(frame) or dialect.control(frame) is not None


# --- documents' samples -----------------------------------------------------------------------------------------


Converted = Callable[[Any, str], object]


def _wallet(row: wire.Wallet, category: str) -> object:
    return list(user.balances([row], NOW))


def _rows(kind: Any) -> Any:
    return wire.Page[kind]


PATHS: dict[str, tuple[Any, Converted]] = {
    "/v5/market/time": (wire.ServerTime, lambda row, category: int(row.timeNano)),
    "/v5/market/instruments-info": (
        _rows(wire.Instrument),
        lambda row, category: [*convert.symbols([row], category), *convert.symbols([row], category).refused][0],
    ),
    "/v5/market/tickers": (
        _rows(wire.Ticker),
        lambda row, category: convert.ticker(row, symbol("X", category), received_ms=NOW, timestamp_ms=NOW),
    ),
    "/v5/market/orderbook": (
        wire.Book,
        lambda row, category: convert.order_book(row, symbol("X", category), received_ms=NOW),
    ),
    "/v5/market/recent-trade": (
        _rows(wire.RecentTrade),
        lambda row, category: convert.recent_trade(row, symbol("X", category), received_ms=NOW),
    ),
    "/v5/market/kline": (
        wire.Candles,
        lambda row, category: [
            convert.kline(c, symbol("X", category), KlineInterval.M1, venue_ms=NOW) for c in row.rows
        ],
    ),
    "/v5/market/funding/history": (
        _rows(wire.SettledFunding),
        lambda row, category: convert.settled_rates([row], symbol("X", category), received_ms=NOW)[0],
    ),
    "/v5/order/create": (wire.Ids, lambda row, category: row.orderId),
    "/v5/order/cancel": (wire.Ids, lambda row, category: row.orderId),
    "/v5/order/cancel-all": (wire.Canceled, lambda row, category: row.rows),
    "/v5/order/realtime": (_rows(wire.Order), lambda row, category: user.order(row, symbol("X", category))),
    "/v5/order/history": (_rows(wire.Order), lambda row, category: user.order(row, symbol("X", category))),
    "/v5/execution/list": (_rows(wire.Execution), lambda row, category: user.fill(row, symbol("X", category))),
    "/v5/position/list": (_rows(wire.Position), lambda row, category: user.position(row, symbol("X", category))),
    "/v5/account/wallet-balance": (_rows(wire.Wallet), _wallet),
    "/v5/account/info": (wire.AccountInfo, lambda row, category: user.margin_mode(row.marginMode)),
    "/v5/account/transaction-log": (
        _rows(wire.Transaction),
        lambda row, category: user.payment(row, symbol("X", category)) or not row.funding,
    ),
    "/v5/position/set-leverage": (wire.Nothing, lambda row, category: row),
    "/v5/position/switch-mode": (wire.Nothing, lambda row, category: row),
}


def samples(*patterns: str) -> list[dict[str, Any]]:
    return [sample for path in recordings(*(f"bybit/{pattern}" for pattern in patterns)) for sample in lines(path)]


def named(found: list[dict[str, Any]]) -> list[Any]:
    params = [pytest.param(sample, id=sample["name"].rpartition("/")[2]) for sample in found]
    return params or [pytest.param(None, marks=_ABSENT, id="none")]


@pytest.mark.parametrize("sample", named([s for s in samples("samples-rest/*") if s["path"] in PATHS]))
def test_documented_answers_are_understood(sample: dict[str, Any]) -> None:
    kind, converted = PATHS[sample["path"]]
    reply = msgspec.json.decode(sample["raw"], type=wire.Reply[kind], strict=False)  # type: ignore[valid-type]
    assert ERRORS.check is not None
    assert ERRORS.check(reply) is None
    given = json.loads(sample["raw"])["result"]
    category = given.get("category") or "linear"
    rows = reply.result.rows if isinstance(reply.result, wire.Page) else [reply.result]
    if isinstance(reply.result, wire.Page):
        assert len(rows) == len(given["list"]) > 0
    for row in rows:
        assert converted(row, category) is not None


ANSWERS: dict[str, str] = {
    "http_get_account_info": "/v5/account/info",
    "bybit/account_info_docs": "/v5/account/info",
    "http_get_funding_history": "/v5/market/funding/history",
    "http_get_instruments_": "/v5/market/instruments-info",
    "bybit/instruments_info": "/v5/market/instruments-info",
    "bybit/linear_instruments_info": "/v5/market/instruments-info",
    "http_get_klines_linear": "/v5/market/kline",
    "http_get_order": "/v5/order/realtime",
    "bybit/rest_open_orders": "/v5/order/realtime",
    "http_get_positions": "/v5/position/list",
    "bybit/linear_position_list_hedge": "/v5/position/list",
    "http_get_wallet_balance": "/v5/account/wallet-balance",
    "bybit/wallet_balance_docs": "/v5/account/wallet-balance",
    "bybit/server_time": "/v5/market/time",
    "fetch_spot_markets": "/v5/market/instruments-info",
    "fetch_future_markets": "/v5/market/instruments-info",
    "fetch_ticker": "/v5/market/tickers",
    "fetch_funding_rate_history": "/v5/market/funding/history",
    "fetch_order_book": "/v5/market/orderbook",
    "fetch_order ": "/v5/order/realtime",
    "fetch_my_trades": "/v5/execution/list",
    "fetch_position ": "/v5/position/list",
    "parse_balance #57": "/v5/account/wallet-balance",
    "create_order ": "/v5/order/create",
    "cancel_order ": "/v5/order/cancel",
    "cancel_all_orders ": "/v5/order/cancel-all",
}
"""Quoted answers by how their names begin; those of older versions and of other paths are left."""


def _answers() -> list[dict[str, Any]]:
    found = []
    for sample in samples("samples-messages/*"):
        path = next((path for name, path in ANSWERS.items() if sample["name"].startswith(name)), None)
        if path is not None and "retCode" in json.loads(sample["raw"]):
            found.append({**sample, "path": path})
    return found


@pytest.mark.parametrize("sample", named(_answers()))
def test_quoted_answers_are_understood(sample: dict[str, Any]) -> None:
    kind, converted = PATHS[sample["path"]]
    reply = msgspec.json.decode(sample["raw"], type=wire.Reply[kind], strict=False)  # type: ignore[valid-type]
    given = json.loads(sample["raw"])["result"]
    category = given.get("category") or "linear"
    for row in reply.result.rows if isinstance(reply.result, wire.Page) else [reply.result]:
        converted(row, category)


TOPICS: dict[str, tuple[Any, Converted]] = {
    "order": (wire.UserPush[wire.Order], lambda row, category: user.order(row, symbol("X", category))),
    "execution": (wire.UserPush[wire.Execution], lambda row, category: user.fill(row, symbol("X", category))),
    "position": (wire.UserPush[wire.Position], lambda row, category: user.position(row, symbol("X", category))),
    "wallet": (wire.UserPush[wire.Wallet], _wallet),
    "tickers": (wire.TickerPush, lambda row, category: row.symbol),
    "publicTrade": (
        wire.TradePush,
        lambda row, category: convert.trade(row, symbol("X", category), received_ms=NOW),
    ),
    "kline": (wire.CandlePush, lambda row, category: convert.candle(row, symbol("X", category), KlineInterval.M1)),
    "orderbook": (wire.BookPush, lambda row, category: row.u),
}
_OLD = "bidPrice"


def _pushes() -> list[dict[str, Any]]:
    """Pushes of topics that we read, also those in documented conversations; options have tickers of their own."""
    found = []
    for sample in samples("samples-messages/*", "samples-ws/*"):
        steps = sample.get("steps", ())
        raws = [sample["raw"]] if "raw" in sample else [step["raw"] for step in steps if step["dir"] == "push"]
        for number, raw in enumerate(raws):
            try:
                sent = json.loads(raw)
            except json.JSONDecodeError:
                continue  # a numbered line of a conversation over several sockets
            if not isinstance(sent, dict) or "data" not in sent:
                continue
            topic = str(sent.get("topic", ""))
            if topic.partition(".")[0] not in TOPICS or topic == "execution.fast":
                continue
            old = topic == "order" and "creationTime" not in sent
            if not old and not (isinstance(sent["data"], dict) and _OLD in sent["data"]):
                found.append({"name": f"{sample['name']}-{number}", "raw": raw})
    return found


@pytest.mark.parametrize("sample", named(_pushes()))
def test_documented_pushes_are_understood(sample: dict[str, Any]) -> None:
    sent = json.loads(sample["raw"])
    kind, converted = TOPICS[sent["topic"].partition(".")[0]]
    push = msgspec.json.decode(sample["raw"], type=kind, strict=False)
    assert BybitDialect("linear").route(sample["raw"].encode()) == sent["topic"].encode()
    for row in push.data if isinstance(push.data, list) else [push.data]:
        converted(row, getattr(row, "category", "") or "linear")
    if sent["topic"].startswith("orderbook.1."):
        assert BestPrices(symbol("X"))(push, NOW).bid is not None


@each("samples-errors/*")
def test_quoted_refusals_become_errors_with_their_code(capture: Path) -> None:
    for line in lines(capture):
        sent = json.loads(line["raw"])
        if "retCode" in sent:
            refusal = ERRORS.read(line["raw"].encode())
            assert refusal is not None
            assert refusal.code == str(sent["retCode"])
            error = ERRORS.error(
                Failure(code=refusal.code, message=refusal.message, status=200, body=line["raw"].encode()),
                exchange="mine",
            )
            assert error.code == str(sent["retCode"])
            assert error.exchange == "mine"
            # Only that nothing changed is nothing that a caller acts on, and setting takes it for success.
            assert (type(error) is ExchangeAPIError) is (refusal.code in UNCHANGED)

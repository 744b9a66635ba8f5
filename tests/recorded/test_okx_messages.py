"""What OKX really sent, and its documents' samples, through our decoding and conversion; ccxt as the second opinion."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from captures import lines, recordings

from fra.adapters.custom.errors import Failure
from fra.core import IntervalSource, KlineInterval, MarketKind, RateKind, Side, Symbol, connect
from fra.emulator import Clock, Emulator
from fra.emulator.playback import recorded_source
from fra.exchanges.okx import convert, wire
from fra.exchanges.okx.dialect import OKXDialect
from fra.exchanges.okx.errors import ERRORS

FIXTURES = Path(os.environ["FRA_FIXTURES"]) if "FRA_FIXTURES" in os.environ else None
RECORDED = FIXTURES / "recordings" / "okx" if FIXTURES else Path()
NOW = 1_700_000_000_000
ABSENT = pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))


def each(pattern: str) -> pytest.MarkDecorator:
    found = recordings(f"okx/{pattern}")
    params = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in found] or [ABSENT]
    return pytest.mark.parametrize("capture", params)


def pushes(path: Path, channel: str) -> Iterator[tuple[str, bytes]]:
    for line in lines(path):
        raw = line["raw"] or ""
        if line["dir"] == "recv" and f'"channel":"{channel}' in raw and '"data":' in raw:
            yield json.loads(raw)["arg"]["instId"], raw.encode()


def symbol(venue_id: str, size: str = "0.01") -> Symbol:
    """A symbol of the right kind: only the kind and the contract size matter to conversion."""
    kind, contract_size = MarketKind.SPOT, Decimal(1)
    parts = venue_id.split("-")
    if len(parts) > 2:
        kind = MarketKind.INVERSE_SWAP if parts[1] == "USD" else MarketKind.LINEAR_SWAP
        contract_size = Decimal(size)
    return Symbol(
        venue_id,
        venue_id,
        kind,
        parts[0],
        parts[1],
        tick_size=Decimal("0.1"),
        lot_size=contract_size,
        contract_size=contract_size,
    )


# --- captures ----------------------------------------------------------------------------------------------------


@each("v5-funding-rate/*")
def test_recorded_funding(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.Push[wire.FundingRate])
    seen = 0
    for venue_id, raw in pushes(capture, "funding-rate"):
        for row, sent in zip(decoder.decode(raw).data, json.loads(raw)["data"], strict=True):
            seen += 1
            at = int(sent["ts"]) + 40
            rate = convert.funding_rate(row, symbol(venue_id), received_ms=at)
            upcoming, following = int(sent["fundingTime"]), int(sent["nextFundingTime"])
            assert rate.kind is RateKind.ESTIMATED
            assert rate.rate == Decimal(sent["fundingRate"])
            assert rate.next_settlement_ms == upcoming > at
            assert rate.next_settlement_derived is False
            assert rate.interval == timedelta(milliseconds=following - upcoming)
            assert rate.interval == timedelta(milliseconds=upcoming - int(sent["prevFundingTime"]))
            assert rate.interval_source is IntervalSource.DERIVED
            assert (rate.cap, rate.floor) == (Decimal(sent["maxFundingRate"]), Decimal(sent["minFundingRate"]))
            assert rate.timestamp_ms == int(sent["ts"])
    assert seen > 0


@each("v5-instruments/*")
def test_no_recorded_instrument_is_lost_silently(capture: Path) -> None:
    for line in lines(capture):
        sent = json.loads(line["raw"])["data"]
        rows = msgspec.json.decode(line["raw"], type=wire.Reply[wire.Instrument]).data
        result = convert.symbols(rows)
        named = [symbol.venue_id for symbol in result] + [refused.venue_id for refused in result.refused]
        assert sorted(named) == sorted(row["instId"] for row in sent)
        assert all(refused.reason for refused in result.refused)
        covered = sent[0]["instType"] in ("SPOT", "SWAP")
        assert (len(result.refused) == 0) is covered
        for symbol_, row in zip(result, sent, strict=False):
            size = Decimal(row["ctVal"] or 1) * Decimal(row["ctMult"] or 1)
            assert symbol_.venue_id == row["instId"]
            assert symbol_.tick_size == Decimal(row["tickSz"])
            assert symbol_.contracts(symbol_.lot_size) == Decimal(row["lotSz"])
            assert symbol_.contract_size == size
            assert symbol_.inverse is (row["ctType"] == "inverse")


@each("v5-trades/*")
def test_recorded_trades(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.Push[wire.Trade])
    seen = 0
    for venue_id, raw in pushes(capture, "trades"):
        of = symbol(venue_id)
        for row, sent in zip(decoder.decode(raw).data, json.loads(raw)["data"], strict=True):
            seen += 1
            trade = convert.trade(row, of, received_ms=NOW)
            assert (trade.id, trade.price) == (sent["tradeId"], Decimal(sent["px"]))
            assert trade.amount == Decimal(sent["sz"]) * of.contract_size
            assert trade.side is Side(sent["side"])
            assert trade.timestamp_ms == int(sent["ts"])
    assert seen > 0


@each("v5-ticker/*")
def test_recorded_tickers(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.Push[wire.Ticker])
    best = msgspec.json.Decoder(wire.Push[wire.Book])
    seen = 0
    for venue_id, raw in pushes(capture, "tickers"):
        of = symbol(venue_id)
        for row, sent in zip(decoder.decode(raw).data, json.loads(raw)["data"], strict=True):
            seen += 1
            ticker = convert.ticker(row, of, received_ms=NOW)
            assert ticker.bid == (Decimal(sent["bidPx"]) if sent["bidPx"] else None)
            assert ticker.ask_amount == (Decimal(sent["askSz"]) * of.contract_size if sent["askSz"] else None)
            assert ticker.last == Decimal(sent["last"])
            assert ticker.volume == Decimal(sent["vol24h"]) * of.contract_size
            assert ticker.timestamp_ms == int(sent["ts"])
    for venue_id, raw in pushes(capture, "bbo-tbt"):
        for book in best.decode(raw).data:
            seen += 1
            ticker = convert.best_prices(book, symbol(venue_id), received_ms=NOW)
            assert ticker.bid is not None
            assert ticker.ask is not None
            assert ticker.bid < ticker.ask
    assert seen > 0


@each("v5-kline/*")
def test_recorded_klines(capture: Path) -> None:
    decoder = msgspec.json.Decoder(wire.Push[wire.Candle])
    seen = 0
    for venue_id, raw in pushes(capture, "candle1m"):
        for row, sent in zip(decoder.decode(raw).data, json.loads(raw)["data"], strict=True):
            seen += 1
            kline = convert.kline(row, symbol(venue_id), KlineInterval.M1)
            assert kline.open_ms == int(sent[0])
            assert [kline.open, kline.high, kline.low, kline.close] == list(map(Decimal, sent[1:5]))
            assert kline.closed is (sent[8] == "1")
    assert seen > 0


@each("v5-*/*")
def test_every_recorded_frame_finds_its_topic_or_is_control(capture: Path) -> None:
    dialect = OKXDialect()
    for line in lines(capture):
        if line["dir"] != "recv" or line["raw"] == "pong":
            continue
        sent = json.loads(line["raw"])
        routed = dialect.route(line["raw"].encode())
        if "data" in sent:
            assert routed is not None
            assert json.loads(routed) == {"channel": sent["arg"]["channel"], "instId": sent["arg"]["instId"]}
        else:
            assert routed is None
            assert dialect.control(line["raw"].encode()) is not None


@each("v5-funding-rate/*")
async def test_recorded_funding_over_a_socket(capture: Path) -> None:
    told = {venue_id: json.loads(raw)["data"][-1] for venue_id, raw in pushes(capture, "funding-rate")}
    clock = Clock(start_ms=max(int(row["ts"]) for row in told.values()))
    async with (
        Emulator(["okx"], source=recorded_source(RECORDED, speed=0), clock=clock) as emulator,
        connect("okx", base_url=emulator.okx.markets, markets=["swap"]) as okx,
    ):
        names = {symbol.venue_id: symbol.name for symbol in await okx.get_symbols()}
        rates = {rate.symbol: rate for rate in await okx.get_funding_rates()}
        for venue_id, row in told.items():
            asked = rates[names[venue_id]]
            rows = okx.subscribe_funding_rate(names[venue_id])
            async with rows, asyncio.timeout(10):
                streamed = await anext(rows)
                while streamed.timestamp_ms != int(row["ts"]):
                    streamed = await anext(rows)
            for rate in (asked, streamed):
                assert rate.rate == Decimal(row["fundingRate"])
                assert rate.next_settlement_ms == int(row["fundingTime"])
                assert rate.next_settlement_derived is False
                assert rate.interval == timedelta(milliseconds=int(row["nextFundingTime"]) - int(row["fundingTime"]))
                assert rate.interval_source is IntervalSource.DERIVED


@each("v5-instruments/*")
async def test_recorded_instruments_load_whole_over_a_socket(capture: Path) -> None:
    sent = [json.loads(line["raw"])["data"] for line in lines(capture)]
    covered = {row["instId"] for reply in sent for row in reply if row["instType"] in ("SPOT", "SWAP")}
    async with (
        Emulator(["okx"], source=recorded_source(capture, speed=0)) as emulator,
        connect("okx", base_url=emulator.okx.markets) as okx,
    ):
        loaded = await okx.get_symbols()
        assert {symbol.venue_id for symbol in loaded} | {row.venue_id for row in okx.refused} == covered
        assert len(loaded) + len(okx.refused) == len(covered)


# --- documents' samples -----------------------------------------------------------------------------------------


def samples() -> list[dict[str, Any]]:
    return list(lines(RECORDED / "samples-rest" / "jkorf-unifiedapi-exchangedata.jsonl")) if FIXTURES else []


Converted = Callable[[Any], object]
BTC = symbol("BTC-USD-SWAP", "100")
PATHS: dict[str, tuple[Any, Converted]] = {
    "/api/v5/public/time": (wire.ServerTime, lambda row: int(row.ts)),
    "/api/v5/public/instruments": (wire.Instrument, lambda row: convert.symbols([row])[0]),
    "/api/v5/public/funding-rate": (wire.FundingRate, lambda row: convert.funding_rate(row, BTC, received_ms=NOW)),
    "/api/v5/public/funding-rate-history": (
        wire.SettledFunding,
        lambda row: convert.settled_rates([row], BTC, received_ms=NOW)[0],
    ),
    "/api/v5/public/mark-price": (wire.MarkPrice, lambda row: Decimal(row.markPx)),
    "/api/v5/market/books": (wire.Book, lambda row: convert.order_book(row, BTC, received_ms=NOW)),
    "/api/v5/market/ticker": (wire.Ticker, lambda row: convert.ticker(row, BTC, received_ms=NOW)),
    "/api/v5/market/tickers": (wire.Ticker, lambda row: convert.ticker(row, BTC, received_ms=NOW)),
    "/api/v5/market/trades": (wire.Trade, lambda row: convert.trade(row, BTC, received_ms=NOW)),
    "/api/v5/market/candles": (wire.Candle, lambda row: convert.kline(row, BTC, KlineInterval.M1)),
    "/api/v5/market/history-candles": (wire.Candle, lambda row: convert.kline(row, BTC, KlineInterval.M1)),
}
COVERED = [sample for sample in samples() if sample["path"] in PATHS]


@pytest.mark.parametrize(
    "sample", [pytest.param(sample, id=sample["name"].rpartition("/")[2]) for sample in COVERED] or [ABSENT]
)
def test_documented_answers_are_understood(sample: dict[str, Any]) -> None:
    kind, converted = PATHS[sample["path"]]
    reply = msgspec.json.decode(sample["raw"], type=wire.Reply[kind])  # type: ignore[valid-type]
    assert ERRORS.check is not None
    assert ERRORS.check(reply) is None
    assert len(reply.data) == len(json.loads(sample["raw"])["data"]) > 0
    for row in reply.data:
        assert converted(row) is not None


@each("samples-errors/*")
def test_quoted_refusals_become_errors_with_their_code(capture: Path) -> None:
    for line in lines(capture):
        sent = json.loads(line["raw"])
        if "event" in sent:
            continue
        refusal = ERRORS.read(line["raw"].encode())
        assert refusal is not None
        inner = [row["sCode"] for row in sent["data"]] if sent["data"] else []
        assert refusal.code == (inner[0] if inner else str(sent["code"]))
        error = ERRORS.error(
            Failure(code=refusal.code, message=refusal.message, status=200, body=line["raw"].encode()), exchange="mine"
        )
        assert error.code == refusal.code
        assert error.exchange == "mine"


# --- ccxt --------------------------------------------------------------------------------------------------------


def ccxt(kind: str) -> Any:
    if FIXTURES is None:
        return {}
    with (FIXTURES / "ccxt" / kind / "okx.json").open() as opened:
        return json.load(opened, parse_float=Decimal)


def cases(method: str) -> list[Any]:
    found = [case for case in ccxt("response").get("methods", {}).get(method, []) if not case.get("disabled")]
    return [pytest.param(case, id=case["description"]) for case in found] or [ABSENT]


def markets() -> list[Any]:
    return [pytest.param(market, id=market["symbol"]) for market in ccxt("markets").values()] or [ABSENT]


def listed(name: str) -> Symbol:
    (found,) = convert.symbols([msgspec.convert(ccxt("markets")[name]["info"], wire.Instrument)])
    return found


@pytest.mark.parametrize("market", markets())
def test_instruments_agree_with_ccxt(market: dict[str, Any]) -> None:
    result = convert.symbols([msgspec.convert(market["info"], wire.Instrument)])
    if market["option"]:
        # Named rule: options are not covered, and say so.
        assert [refused.venue_id for refused in result.refused] == [market["id"]]
        return
    (found,) = result
    # Named rule: ccxt gives grids and minimums in contracts, we give them in coins.
    size = Decimal(market["contractSize"] or 1)
    assert (found.name, found.venue_id, found.active) == (market["symbol"], market["id"], market["active"])
    assert (found.base, found.quote, found.settle) == (market["base"], market["quote"], market["settle"])
    assert (found.linear, found.inverse) == (bool(market["linear"]), bool(market["inverse"]))
    assert found.contract_size == size
    assert found.tick_size == market["precision"]["price"]
    assert found.lot_size == Decimal(market["precision"]["amount"]) * size
    assert found.min_amount == Decimal(market["limits"]["amount"]["min"]) * size


@pytest.mark.parametrize("case", cases("fetchTicker"))
def test_tickers_agree_with_ccxt(case: dict[str, Any]) -> None:
    reply = msgspec.convert(case["httpResponse"], wire.Reply[wire.Ticker])
    ticker, theirs = (
        convert.ticker(reply.data[0], listed(case["input"][0]), received_ms=NOW),
        case["parsedResponse"],
    )
    same = {
        "symbol": ticker.symbol,
        "timestamp": ticker.timestamp_ms,
        "bid": ticker.bid,
        "bidVolume": ticker.bid_amount,
        "ask": ticker.ask,
        "askVolume": ticker.ask_amount,
        "last": ticker.last,
        "open": ticker.open,
        "high": ticker.high,
        "low": ticker.low,
        "baseVolume": ticker.volume,
    }
    assert same == {key: theirs[key] for key in same}
    # Named rule: ccxt's number went through a float.
    assert float(ticker.quote_volume or 0) == float(theirs["quoteVolume"])


@pytest.mark.parametrize("case", cases("fetchOrderBook"))
def test_books_agree_with_ccxt(case: dict[str, Any]) -> None:
    reply = msgspec.convert(case["httpResponse"], wire.Reply[wire.Book])
    book, theirs = (
        convert.order_book(reply.data[0], listed(case["input"][0]), received_ms=NOW),
        case["parsedResponse"],
    )

    def sides(levels: Sequence[Sequence[Any]]) -> list[list[Any]]:
        # Named rule: ccxt keeps a third, deprecated column.
        return [list(level[:2]) for level in levels]

    assert (book.symbol, book.timestamp_ms) == (theirs["symbol"], theirs["timestamp"])
    assert (sides(book.bids), sides(book.asks)) == (sides(theirs["bids"]), sides(theirs["asks"]))

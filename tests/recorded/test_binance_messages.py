"""What Binance really sent, and its documents' samples, through our decoding and conversion, beside plain JSON."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fra.core import (
    FundingRate,
    IntervalSource,
    KlineInterval,
    MarketKind,
    RateKind,
    Side,
    Symbol,
    SymbolList,
)
from fra.exchanges.binance import convert, tables

FIXTURES = Path(os.environ["FRA_FIXTURES"]) if "FRA_FIXTURES" in os.environ else None
RECORDED = FIXTURES / "recordings" / "binance" if FIXTURES else Path()
ABSENT = pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))
NOW = 1_790_000_000_000


def lines(path: Path) -> list[dict[str, Any]]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode().splitlines()]


def each(*patterns: str) -> pytest.MarkDecorator:
    found = sorted(path for pattern in patterns for path in RECORDED.glob(pattern)) if FIXTURES else []
    params = [pytest.param(path, id=str(path.relative_to(RECORDED))) for path in found] or [ABSENT]
    return pytest.mark.parametrize("capture", params)


def plain(raw: str) -> Any:
    """The oracle: JSON with every number as it was written."""
    return json.loads(raw, parse_float=Decimal)


def symbol(venue_id: str, market: str = "usdm") -> Symbol:
    return Symbol(
        venue_id,
        venue_id,
        MarketKind.SPOT if market == "spot" else MarketKind.LINEAR_SWAP,
        "A",
        "B",
        tick_size=Decimal("0.00000001"),
        lot_size=Decimal("0.00000001"),
        market=market,
    )


# --- REST: every recorded or documented answer of a call that we make


def kline_fields(row: Any) -> list[Any]:
    return [row[0], *map(Decimal, row[1:6]), Decimal(row[7]), row[8]]


def check_klines(raw: str) -> None:
    rows = tables.KLINES[0].decoder.decode(raw)
    got = [convert.kline(row, symbol("X"), KlineInterval.M1, NOW) for row in rows]
    assert [[k.open_ms, k.open, k.high, k.low, k.close, k.volume, k.quote_volume, k.trades] for k in got] == [
        kline_fields(row) for row in plain(raw)
    ]
    assert all(k.closed for k in got)


def check_depth(raw: str) -> None:
    book = convert.order_book(tables.DEPTH[1].decoder.decode(raw), symbol("X"), NOW)
    told = plain(raw)
    for side, levels in (("bids", book.bids), ("asks", book.asks)):
        assert list(levels) == [(Decimal(price), Decimal(size)) for price, size in told[side]]
    assert (book.sequence, book.timestamp_ms) == (told["lastUpdateId"], told.get("T"))
    snapshot = tables.SNAPSHOT[1].decoder.decode(raw)
    assert [(Decimal(repr(p)), q) for p, q in snapshot.bids] == [(Decimal(p), q) for p, q in told["bids"]]


def check_aggregates(raw: str) -> None:
    got = [convert.aggregate_trade(row, "X", NOW) for row in tables.USDM_TRADES.decoder.decode(raw)]
    assert [(t.id, t.price, t.amount, t.timestamp_ms, t.side) for t in got] == [
        (str(r["a"]), Decimal(r["p"]), Decimal(r["q"]), r["T"], Side.SELL if r["m"] else Side.BUY) for r in plain(raw)
    ]


def check_trades(raw: str) -> None:
    got = [convert.trade(row, "X", NOW) for row in tables.SPOT_TRADES.decoder.decode(raw)]
    assert [(t.id, t.price, t.amount, t.timestamp_ms, t.side) for t in got] == [
        (str(r["id"]), Decimal(r["price"]), Decimal(r["qty"]), r["time"], Side.SELL if r["isBuyerMaker"] else Side.BUY)
        for r in plain(raw)
    ]


def as_list(raw: str) -> tuple[str, list[Any]]:
    told = plain(raw)
    return (raw, told) if isinstance(told, list) else (f"[{raw}]", [told])


def check_day(raw: str) -> None:
    raw, told = as_list(raw)
    for row, said in zip(tables.USDM_DAYS.decoder.decode(raw), told, strict=True):
        got = convert.day_ticker(row, None, symbol(said["symbol"]), NOW)
        assert (got.last, got.open, got.high, got.low, got.volume, got.quote_volume) == tuple(
            Decimal(said[key]) for key in ("lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume")
        )
        assert got.bid == (Decimal(said["bidPrice"]) if "bidPrice" in said else None)


def check_best(raw: str) -> None:
    raw, told = as_list(raw)
    for row, said in zip(tables.USDM_BESTS.decoder.decode(raw), told, strict=True):
        assert (row.symbol, row.bidPrice, row.askQty) == (
            said["symbol"],
            *map(Decimal, (said["bidPrice"], said["askQty"])),
        )


def check_premium(raw: str) -> None:
    raw, told = as_list(raw)
    for row, said in zip(tables.PREMIUMS.decoder.decode(raw), told, strict=True):
        rate = convert.estimated_rate(
            name="X",
            rate=row.lastFundingRate,
            next_ms=row.nextFundingTime,
            mark=row.markPrice,
            index=row.indexPrice,
            time_ms=row.time,
            received_ms=NOW,
            terms=convert.DEFAULT_TERMS,
        )
        assert (rate.rate, rate.mark_price, rate.index_price) == tuple(
            Decimal(said[key]) for key in ("lastFundingRate", "markPrice", "indexPrice")
        )
        assert rate.timestamp_ms == said["time"]
        assert (rate.interval, rate.interval_source) == (timedelta(hours=8), IntervalSource.VENUE_DEFAULT)
        if said["nextFundingTime"] >= said["time"]:
            assert (rate.next_settlement_ms, rate.next_settlement_derived) == (said["nextFundingTime"], False)


def check_funding_info(raw: str) -> None:
    terms = convert.funding_terms(tables.FUNDING_INFO.decoder.decode(raw))
    for row in plain(raw):
        assert terms[row["symbol"]] == (
            timedelta(hours=row["fundingIntervalHours"]),
            IntervalSource.REPORTED,
            Decimal(row["adjustedFundingRateCap"]),
            Decimal(row["adjustedFundingRateFloor"]),
        )


def check_history(raw: str) -> None:
    told = plain(raw) or []
    rates = convert.settled_rates(tables.FUNDING_HISTORY.decoder.decode(raw) or (), symbol("X"), NOW)
    assert [(rate.rate, rate.settled_ms) for rate in rates] == [
        (Decimal(row["fundingRate"]), row["fundingTime"]) for row in told
    ]
    assert all(rate.kind is RateKind.SETTLED for rate in rates)
    for before, rate in pairwise(rates):
        distance = timedelta(milliseconds=rate.settled_ms - before.settled_ms)  # type: ignore[operator]
        assert rate.interval is not None
        assert abs(rate.interval - distance) < timedelta(seconds=1)
        assert rate.interval_source is IntervalSource.DERIVED
    assert all(rate.interval is None for rate in rates[:1])


def check_time(raw: str) -> None:
    assert tables.USDM_TIME.decoder.decode(raw).serverTime == plain(raw)["serverTime"]


CHECKS: dict[str, Callable[[str], None]] = {
    "/api/v3/depth": check_depth,
    "/api/v3/klines": check_klines,
    "/api/v3/ticker/24hr": check_day,
    "/api/v3/time": check_time,
    "/api/v3/trades": check_trades,
    "/fapi/v1/aggTrades": check_aggregates,
    "/fapi/v1/depth": check_depth,
    "/fapi/v1/fundingInfo": check_funding_info,
    "/fapi/v1/fundingRate": check_history,
    "/fapi/v1/klines": check_klines,
    "/fapi/v1/premiumIndex": check_premium,
    "/fapi/v1/ticker/24hr": check_day,
    "/fapi/v1/ticker/bookTicker": check_best,
    "/fapi/v1/time": check_time,
}


def answers() -> list[Any]:
    found = []
    for folder in ("*-rest-recorded", "samples-rest"):
        for path in sorted(RECORDED.glob(f"{folder}/*")) if FIXTURES else ():
            for line in lines(path):
                if line.get("path") in CHECKS and not line["raw"].startswith('{"code"'):
                    name = f"{path.parent.name}/{line['name']}".replace(" ", "-")
                    found.append(pytest.param(line["path"], line["raw"], id=name))
    return found or [pytest.param(None, None, marks=ABSENT.marks)]


@pytest.mark.parametrize(("path", "raw"), answers())
def test_a_recorded_answer_says_the_same_in_models(path: str, raw: str) -> None:
    CHECKS[path](raw)


# --- listings


def listings() -> list[Any]:
    found = []
    for path in sorted(RECORDED.glob("*-instruments/*")) if FIXTURES else ():
        market = path.parent.name.split("-")[0]
        found += [pytest.param(market, line["raw"], id=f"{market}/{path.name}") for line in lines(path)]
    for path in sorted(RECORDED.glob("*-rest-recorded/*")) if FIXTURES else ():
        found += [
            pytest.param(
                path.parent.name.split("-")[0], line["raw"], id=f"{path.parent.name}/{line['name']}".replace(" ", "-")
            )
            for line in lines(path)
            if line["path"].endswith("/exchangeInfo")
        ]
    for path in sorted(RECORDED.glob("samples-messages/fastmm-binance*")) if FIXTURES else ():
        market = "usdm" if "usdm" in path.name else "spot"
        found += [
            pytest.param(market, line["raw"], id=line["name"])
            for line in lines(path)
            if "exchange_info" in line["name"]
        ]
    return found or [pytest.param(None, None, marks=ABSENT.marks)]


def read_listing(market: str, raw: str | bytes) -> SymbolList:
    if market == "spot":
        return convert.spot_symbols(tables.SPOT_INFO.decoder.decode(raw))
    return convert.usdm_symbols(tables.USDM_INFO.decoder.decode(raw))


@pytest.mark.parametrize(("market", "raw"), listings())
def test_a_whole_listing_loads_with_nothing_lost(market: str, raw: str) -> None:
    told = {row["symbol"]: row for row in plain(raw)["symbols"]}
    symbols = read_listing(market, raw)
    assert {s.venue_id for s in symbols} | {r.venue_id for r in symbols.refused} == told.keys()
    assert len(symbols) + len(symbols.refused) == len(told)
    assert len({s.name for s in symbols}) == len(symbols)
    for s in symbols:
        row = told[s.venue_id]
        filters = {rule["filterType"]: rule for rule in row["filters"]}
        assert s.tick_size == Decimal(filters["PRICE_FILTER"]["tickSize"])
        assert s.lot_size == Decimal(filters["LOT_SIZE"]["stepSize"])
        assert s.min_amount == (Decimal(filters["LOT_SIZE"]["minQty"]) or None)
        assert s.active is (row["status"] == "TRADING")
        assert (s.base, s.quote) == (row["baseAsset"], row["quoteAsset"])


@pytest.mark.parametrize(("market", "raw"), listings())
def test_what_a_listing_refuses_is_named_with_its_reason(market: str, raw: str) -> None:
    known = convert._SWAPS | convert._FUTURES
    strange = {row["symbol"] for row in plain(raw)["symbols"] if row.get("contractType", "PERPETUAL") not in known}
    refused = read_listing(market, raw).refused
    assert {row.venue_id for row in refused} == strange
    assert all("contract type" in row.reason for row in refused)


@each("usdm-instruments/*")
def test_dated_contracts_are_futures_named_by_their_delivery(capture: Path) -> None:
    symbols = {s.venue_id: s for s in read_listing("usdm", lines(capture)[0]["raw"])}
    dated = {venue_id: s for venue_id, s in symbols.items() if "_" in venue_id}
    assert dated
    for venue_id, s in dated.items():
        pair, _, day = venue_id.partition("_")
        assert s.kind is MarketKind.LINEAR_FUTURE
        assert s.name == f"{pair.removesuffix('USDT')}/USDT:USDT-{day}"
        assert s.expiry_ms is not None
    assert all(s.kind is MarketKind.LINEAR_SWAP for venue_id, s in symbols.items() if "_" not in venue_id)


# --- streams


def frames(path: Path, channel: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for line in lines(path):
        raw = line["raw"] or ""
        if line["dir"] == "recv" and f"@{channel}" in raw:
            yield raw.encode(), plain(raw)["data"]


@each("usdm-mark-price/*")
def test_recorded_estimates_carry_the_venues_own_settlement_also_across_it(capture: Path) -> None:
    terms = {
        "LPTUSDT": convert.FundingTerms(timedelta(hours=4), IntervalSource.REPORTED),
        "BTCUSDT": convert.DEFAULT_TERMS,
    }
    before: dict[str, FundingRate] = {}
    for raw, said in frames(capture, "markPrice"):
        push = tables.MARK_PRICE.decoder.decode(raw).data
        own = terms[said["s"]]
        rate = convert.estimated_rate(
            name=said["s"],
            rate=push.r,
            next_ms=push.T,
            mark=push.p,
            index=push.i,
            time_ms=push.E,
            received_ms=NOW,
            terms=own,
        )
        assert (rate.rate, rate.mark_price, rate.index_price) == tuple(Decimal(said[key]) for key in "rpi")
        assert (rate.next_settlement_ms, rate.next_settlement_derived) == (said["T"], False)
        assert rate.interval == own.interval
        last = before.get(said["s"])
        if last is not None and last.next_settlement_ms != said["T"]:
            jump = timedelta(milliseconds=said["T"] - last.next_settlement_ms)  # type: ignore[operator]
            assert jump == own.interval
            assert said["E"] > (last.next_settlement_ms or 0)
        before[said["s"]] = rate
    assert before


@each("*-trades/*")
def test_recorded_trades_are_told_exactly(capture: Path) -> None:
    seen = 0
    for raw, said in frames(capture, "aggTrade"):
        trade = convert.aggregate_trade(tables.USDM_TRADE_STREAM.decoder.decode(raw).data, "X", NOW)
        assert (trade.id, trade.price, trade.amount) == (str(said["a"]), Decimal(said["p"]), Decimal(said["q"]))
        assert (trade.side, trade.timestamp_ms) == (Side.SELL if said["m"] else Side.BUY, said["T"])
        seen += 1
    for raw, said in frames(capture, "trade"):
        trade = convert.pushed_trade(tables.SPOT_TRADE_STREAM.decoder.decode(raw).data, "X", NOW)
        assert (trade.id, trade.price, trade.amount) == (str(said["t"]), Decimal(said["p"]), Decimal(said["q"]))
        assert (trade.side, trade.timestamp_ms) == (Side.SELL if said["m"] else Side.BUY, said["T"])
        seen += 1
    assert seen


@each("*-ticker/*")
def test_recorded_best_prices_are_told_exactly(capture: Path) -> None:
    decode = tables.BEST[0].decoder.decode
    seen = 0
    for raw, said in frames(capture, "bookTicker"):
        ticker = convert.best_ticker(decode(raw).data, "X", NOW)
        assert (ticker.bid, ticker.bid_amount, ticker.ask, ticker.ask_amount) == tuple(
            Decimal(said[key]) for key in "bBaA"
        )
        assert ticker.timestamp_ms == said.get("E")
        seen += 1
    assert seen


@each("*-kline/*")
def test_recorded_klines_are_told_exactly(capture: Path) -> None:
    decode = tables.KLINE_STREAM[0].decoder.decode
    seen = 0
    for raw, said in frames(capture, "kline"):
        k = said["k"]
        kline = convert.pushed_kline(decode(raw).data.k, "X", KlineInterval(k["i"]))
        assert (kline.open, kline.close, kline.high, kline.low, kline.volume, kline.quote_volume) == tuple(
            Decimal(k[key]) for key in "ochlvq"
        )
        assert (kline.open_ms, kline.trades, kline.closed) == (k["t"], k["n"], k["x"])
        seen += 1
    assert seen


# --- ccxt's unified results for the same bytes


def cases(method: str) -> list[Any]:
    if FIXTURES is None:
        return [ABSENT]
    content = json.loads((FIXTURES / "ccxt/response/binance.json").read_text(), parse_float=Decimal)
    return [
        pytest.param(case, id=f"{method}: {case['description']}")
        for case in content["methods"].get(method, ())
        if not case.get("disabled")
    ] or [ABSENT]


def body(case: dict[str, Any]) -> bytes:
    """The recorded bytes; ccxt's recorder wrote ids and times as strings, which the venue sends as numbers."""
    return msgspec.json.encode(_numbers(case["httpResponse"]))


_NUMBERS = {"lastUpdateId", "a", "f", "l", "T", "openTime", "closeTime", "firstId", "lastId", "count", "deliveryDate"}


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: int(item) if key in _NUMBERS and isinstance(item, str) else _numbers(item)
            for key, item in value.items()
        }
    return [_numbers(item) for item in value] if isinstance(value, list) else value


def close(got: Decimal | None, told: Any) -> bool:
    """ccxt's numbers were floats once: they say the same when they agree to 15 digits."""
    return told is None or (got is not None and float(got) == pytest.approx(float(told), rel=1e-14))


@pytest.mark.parametrize("case", cases("fetchOHLCV"))
def test_candles_agree_with_ccxt(case: dict[str, Any]) -> None:
    rows = tables.KLINES[0].decoder.decode(body(case))
    got = [convert.kline(row, symbol("X"), KlineInterval.M1, NOW) for row in rows]
    assert [k.open_ms for k in got] == [row[0] for row in case["parsedResponse"]]
    for kline, row in zip(got, case["parsedResponse"], strict=True):
        ours = (kline.open, kline.high, kline.low, kline.close, kline.volume)
        assert all(close(a, b) for a, b in zip(ours, row[1:], strict=True))


@pytest.mark.parametrize("case", cases("fetchOrderBook"))
def test_books_agree_with_ccxt(case: dict[str, Any]) -> None:
    book = convert.order_book(tables.DEPTH[0].decoder.decode(body(case)), symbol("X"), NOW)
    told = case["parsedResponse"]
    for levels, rows in ((book.bids, told["bids"]), (book.asks, told["asks"])):
        assert all(
            close(a, b) for level, row in zip(levels, rows, strict=True) for a, b in zip(level, row, strict=True)
        )
    assert book.sequence == told["nonce"]


@pytest.mark.parametrize("case", cases("fetchTicker"))
def test_tickers_agree_with_ccxt(case: dict[str, Any]) -> None:
    got = convert.day_ticker(tables.SPOT_DAY.decoder.decode(body(case)), None, symbol("X"), NOW)
    told = case["parsedResponse"]
    names = {"bid": "bid", "bidVolume": "bid_amount", "ask": "ask", "askVolume": "ask_amount", "last": "last"}
    names |= {"open": "open", "high": "high", "low": "low", "baseVolume": "volume", "quoteVolume": "quote_volume"}
    assert got.timestamp_ms == told["timestamp"]
    assert [theirs for theirs, ours in names.items() if not close(getattr(got, ours), told[theirs])] == []


@pytest.mark.parametrize("case", cases("fetchTrades"))
def test_aggregate_trades_agree_with_ccxt(case: dict[str, Any]) -> None:
    # ccxt's choice: it reads aggregate trades on spot too, where fra reads single ones.
    rows = tables.USDM_TRADES.decoder.decode(body(case))
    for trade, told in zip(
        (convert.aggregate_trade(row, "X", NOW) for row in rows), case["parsedResponse"], strict=True
    ):
        assert (trade.id, trade.side.value, trade.timestamp_ms) == (told["id"], told["side"], told["timestamp"])
        assert close(trade.price, told["price"])
        assert close(trade.amount, told["amount"])


def markets() -> list[Any]:
    if FIXTURES is None:
        return [ABSENT]
    content = json.loads((FIXTURES / "ccxt/markets/binance.json").read_text(), parse_float=Decimal)
    return [
        pytest.param(market, id=name)
        for name, market in content.items()
        if market.get("info") and (market["spot"] or (market["contract"] and market["linear"]))
    ]


@pytest.mark.parametrize("case", markets())
def test_markets_agree_with_ccxt(case: dict[str, Any]) -> None:
    market = "spot" if case["spot"] else "usdm"
    (got,) = read_listing(market, msgspec.json.encode({"symbols": [_numbers(case["info"])]}))
    limits = case["limits"]
    assert (got.name, got.venue_id, got.base, got.quote) == (case["symbol"], case["id"], case["base"], case["quote"])
    assert (got.settle, got.active, got.expiry_ms) == (case["settle"], case["active"], case.get("expiry"))
    assert close(got.tick_size, case["precision"]["price"])
    assert close(got.lot_size, case["precision"]["amount"])
    assert close(got.contract_size, case["contractSize"])
    assert close(got.min_amount, limits["amount"]["min"])
    assert close(got.max_amount, limits["amount"]["max"])
    assert close(got.min_notional, limits["cost"]["min"])

"""The same recorded rows through ccxt's OKX and through ours, field by field; where we differ the rule is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from captures import lines, recordings

from fra.core import KlineInterval, Symbol
from fra.exchanges.okx import convert, wire

NOW = 1_700_000_000_000


def each(pattern: str) -> pytest.MarkDecorator:
    found = recordings(f"okx/{pattern}")
    absent = pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))
    params = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in found] or [absent]
    return pytest.mark.parametrize("capture", params)


def pushed(path: Path, channel: str) -> Iterator[tuple[str, Any]]:
    """Instrument and row of each push."""
    for line in lines(path):
        message = json.loads(line["raw"]) if line["dir"] == "recv" and line["raw"] != "pong" else {}
        if message.get("arg", {}).get("channel", "").startswith(channel):
            for row in message.get("data", ()):
                yield message["arg"]["instId"], row


@pytest.fixture
def theirs() -> Any:
    """ccxt's OKX with strings for numbers."""
    ccxt = pytest.importorskip("ccxt")
    okx = ccxt.okx()
    okx.number = str
    return okx


def ours(row: dict[str, Any]) -> Symbol | None:
    return next(iter(convert.symbols([msgspec.convert(row, wire.Instrument)])), None)


def listing(venue_id: str) -> dict[str, Any]:
    """A listing for a recorded id; a contract counts as one, as in what ccxt gives."""
    base, quote, *rest = venue_id.split("-")
    swap = rest == ["SWAP"]
    inverse = swap and quote == "USD"
    return {
        "instType": "SWAP" if swap else "SPOT",
        "instId": venue_id,
        "baseCcy": base,
        "quoteCcy": quote,
        "uly": f"{base}-{quote}",
        "settleCcy": base if inverse else quote,
        "ctType": "inverse" if inverse else "linear",
        "ctVal": "1",
        "ctMult": "1",
        "ctValCcy": "USD" if inverse else base,
        "tickSz": "0.1",
        "lotSz": "1",
        "minSz": "1",
        "state": "live",
    }


def of(venue_id: str) -> Symbol:
    symbol = ours(listing(venue_id))
    assert symbol is not None
    return symbol


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def is_ours(venue_id: str) -> bool:
    """Spot and perpetual: futures and options are not covered."""
    return venue_id.count("-") == 1 or venue_id.endswith("-SWAP")


@each("v5-instruments/*")
def test_instruments(capture: Path, theirs: Any) -> None:
    compared = 0
    for line in lines(capture):
        for row in json.loads(line["raw"])["data"]:
            symbol = ours(row)
            if symbol is None:
                continue
            market = theirs.parse_market(row)
            size = Decimal(market["contractSize"] or 1)
            compared += 1
            # Named rule: ccxt gives some coins other names (AE is AET there), we keep the venue's.
            coins = (market["baseId"], market["quoteId"], market["settleId"] or None)
            assert (symbol.base, symbol.quote, symbol.settle) == coins
            if (market["base"], market["quote"]) == coins[:2]:
                assert symbol.name == market["symbol"]
            assert symbol.venue_id == market["id"]
            assert symbol.contract_size == size
            assert symbol.tick_size == Decimal(market["precision"]["price"])
            # Named rule: ccxt gives grids and minimums in contracts, we give them in coins.
            assert symbol.lot_size == Decimal(market["precision"]["amount"]) * size
            assert symbol.min_amount == Decimal(market["limits"]["amount"]["min"]) * size
    assert compared > 0


@each("v5-trades/*")
def test_trades(capture: Path, theirs: Any) -> None:
    for venue_id, row in pushed(capture, "trades"):
        if is_ours(venue_id):
            trade = convert.trade(msgspec.convert(row, wire.Trade), of(venue_id), received_ms=NOW)
            parsed = theirs.parse_trade(row)
            assert (trade.id, trade.side.value, trade.timestamp_ms) == (
                parsed["id"],
                parsed["side"],
                parsed["timestamp"],
            )
            assert (trade.price, trade.amount) == (Decimal(parsed["price"]), Decimal(parsed["amount"]))


@each("v5-ticker/*")
def test_tickers(capture: Path, theirs: Any) -> None:
    named = {venue_id for venue_id, _ in pushed(capture, "tickers") if is_ours(venue_id)}
    theirs.set_markets([theirs.parse_market(listing(venue_id)) for venue_id in sorted(named)])
    for venue_id, row in pushed(capture, "tickers"):
        if not is_ours(venue_id):
            continue
        symbol = of(venue_id)
        ticker, parsed = (
            convert.ticker(msgspec.convert(row, wire.Ticker), symbol, received_ms=NOW),
            theirs.parse_ticker(row),
        )
        assert ticker.timestamp_ms == parsed["timestamp"]
        for name in ("bid", "ask", "last", "open", "high", "low"):
            assert getattr(ticker, name) == decimal(parsed[name]), name
        assert ticker.bid_amount == decimal(parsed["bidVolume"])
        assert ticker.ask_amount == decimal(parsed["askVolume"])
        if not symbol.kind.is_derivative:
            # Named rule: of swaps ccxt takes the volume in coins, we convert the contracts, which is exact.
            assert ticker.volume == decimal(parsed["baseVolume"])
            assert ticker.quote_volume == decimal(parsed["quoteVolume"])


@each("v5-kline/*")
def test_klines(capture: Path, theirs: Any) -> None:
    for venue_id, row in pushed(capture, "candle"):
        kline, parsed = convert.kline(row, of(venue_id), KlineInterval.M1), theirs.parse_ohlcv(row)
        assert kline.open_ms == parsed[0]
        assert [kline.open, kline.high, kline.low, kline.close] == [Decimal(price) for price in parsed[1:5]]


@each("v5-funding-rate/*")
def test_funding(capture: Path, theirs: Any) -> None:
    for venue_id, row in pushed(capture, "funding-rate"):
        rate = convert.funding_rate(msgspec.convert(row, wire.FundingRate), of(venue_id), received_ms=int(row["ts"]))
        parsed = theirs.parse_funding_rate(row)
        assert rate.rate == Decimal(parsed["fundingRate"])
        assert rate.next_settlement_ms == parsed["fundingTimestamp"]
        # Named rule: ccxt leaves the time of the answer out.
        assert (rate.timestamp_ms, parsed["timestamp"]) == (int(row["ts"]), None)
        assert rate.interval is not None
        assert f"{rate.interval // timedelta(hours=1)}h" == parsed["interval"]

"""Rows of Bybit become models: units, unknowns, settlement times."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fra.core import (
    ExchangeAPIError,
    IntervalSource,
    KlineInterval,
    MarketKind,
    RateKind,
    Symbol,
    canonical_asset,
)
from fra.exchanges.bybit import convert, wire
from fra.exchanges.bybit.funding import Merged

NOW = 1_790_757_300_000
HOUR = 3_600_000
LINEAR = Symbol(
    "BTC/USDT:USDT",
    "BTCUSDT",
    MarketKind.LINEAR_SWAP,
    "BTC",
    "USDT",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
)
INVERSE = Symbol(
    "BTC/USD:BTC",
    "BTCUSD",
    MarketKind.INVERSE_SWAP,
    "BTC",
    "USD",
    "BTC",
    tick_size=Decimal("0.5"),
    lot_size=Decimal(1),
)


def contract(**fields: Any) -> wire.Instrument:
    row = {
        "symbol": "BTCUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "fundingInterval": 480,
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {
            "qtyStep": "0.001",
            "minOrderQty": "0.002",
            "maxOrderQty": "1190.000",
            "minNotionalValue": "5",
        },
    }
    return msgspec.convert({**row, **fields}, wire.Instrument)


def test_a_linear_contract_counts_in_its_base_coin() -> None:
    (symbol,) = convert.symbols([contract()], "linear")
    assert (symbol.name, symbol.market, symbol.kind) == ("BTC/USDT:USDT", "linear", MarketKind.LINEAR_SWAP)
    assert (symbol.contract_size, symbol.lot_size, symbol.min_amount) == (1, Decimal("0.001"), Decimal("0.002"))
    assert (symbol.max_amount, symbol.min_notional) == (1190, 5)


def test_an_inverse_contract_counts_in_dollars() -> None:
    row = contract(
        symbol="BTCUSD",
        contractType="InversePerpetual",
        quoteCoin="USD",
        settleCoin="BTC",
        lotSizeFilter={"qtyStep": "1", "minOrderQty": "1", "maxOrderQty": "25000000"},
    )
    (symbol,) = convert.symbols([row], "inverse")
    assert (symbol.name, symbol.amount_unit, symbol.min_notional) == ("BTC/USD:BTC", "USD", None)


@pytest.mark.parametrize(
    ("base", "name", "asset", "multiplier"),
    [
        ("1000PEPE", "1000PEPE/USDT:USDT", "PEPE", 1000),
        ("SHIB1000", "1000SHIB/USDT:USDT", "SHIB", 1000),
        ("10000SATS", "10000SATS/USDT:USDT", "SATS", 10000),
        ("LUNA2", "LUNA2/USDT:USDT", "LUNA2", 1),
        ("1INCH", "1INCH/USDT:USDT", "1INCH", 1),
    ],
)
def test_a_multiplier_stands_in_front_of_its_coin(base: str, name: str, asset: str, multiplier: int) -> None:
    (symbol,) = convert.symbols([contract(baseCoin=base)], "linear")
    assert symbol.name == name
    assert (symbol.asset, symbol.multiplier) == (asset, multiplier) == canonical_asset(symbol.base)


def test_a_usdc_perpetual_is_named_by_its_coins_and_not_by_its_id() -> None:
    (symbol,) = convert.symbols([contract(symbol="BTCPERP", quoteCoin="USDC", settleCoin="USDC")], "linear")
    assert (symbol.name, symbol.venue_id) == ("BTC/USDC:USDC", "BTCPERP")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"contractType": "LinearFutures"}, "dated futures"),
        ({"contractType": "Else"}, "contract type 'Else'"),
        ({"settleCoin": "BTC"}, "settled in BTC"),
        ({"baseCoin": ""}, "base or quote coin"),
        ({"priceFilter": {"tickSize": ""}}, "tickSize is ''"),
        ({"lotSizeFilter": {"qtyStep": "0", "minOrderQty": "1"}}, "qtyStep is '0'"),
        ({"contractType": "InversePerpetual", "quoteCoin": "EUR", "settleCoin": "BTC"}, "not US dollars"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name_and_reason(fields: dict[str, Any], reason: str) -> None:
    result = convert.symbols([contract(**fields)], "linear")
    ((venue_id, told),) = result.refused
    assert (list(result), venue_id) == ([], "BTCUSDT")
    assert reason in told


def test_of_two_instruments_of_one_name_the_second_is_refused() -> None:
    result = convert.symbols([contract(), contract(symbol="OTHER")], "linear")
    assert [symbol.venue_id for symbol in result] == ["BTCUSDT"]
    assert result.refused == (("OTHER", "BTC/USDT:USDT is already BTCUSDT"),)


def test_only_what_is_trading_is_active() -> None:
    assert [s.active for s in convert.symbols([contract(status="Settling")], "linear")] == [False]


# --- prices


def test_turnover_of_an_inverse_contract_is_base_coin_and_no_quote_volume() -> None:
    row = wire.Ticker("BTCUSD", volume24h="49337318", turnover24h="2352.94")
    ticker = convert.ticker(row, INVERSE, received_ms=NOW, timestamp_ms=None)
    assert (ticker.volume, ticker.quote_volume) == (49337318, 49337318)
    assert (ticker.bid, ticker.last) == (None, None)


def test_empty_text_is_unknown() -> None:
    ticker = convert.ticker(
        wire.Ticker("BTCUSDT", bid1Price="", ask1Price="1"), LINEAR, received_ms=NOW, timestamp_ms=5
    )
    assert (ticker.bid, ticker.ask) == (None, 1)


def test_a_candle_with_too_few_columns_is_an_error() -> None:
    with pytest.raises(ExchangeAPIError, match="3 columns"):
        convert.kline(["1", "2", "3"], LINEAR, KlineInterval.M1, venue_ms=NOW)


@pytest.mark.parametrize(
    ("interval", "opened", "ends"),
    [
        (KlineInterval.M1, "2026-09-30T08:35", "2026-09-30T08:36"),
        (KlineInterval.W1, "2026-09-28", "2026-10-05"),
        (KlineInterval.MONTH, "2026-02-01", "2026-03-01"),
        (KlineInterval.MONTH, "2026-12-01", "2027-01-01"),
    ],
)
def test_an_asked_candle_is_closed_when_its_time_is_over(interval: KlineInterval, opened: str, ends: str) -> None:
    start, end = (int(datetime.fromisoformat(f"{day}+00:00").timestamp()) * 1000 for day in (opened, ends))
    row = [str(start), "1", "3", "1", "2", "10", "20"]
    assert convert.kline(row, LINEAR, interval, venue_ms=end - 1).closed is False
    found = convert.kline(row, LINEAR, interval, venue_ms=end)
    assert (found.closed, found.high, found.volume, found.quote_volume) == (True, 3, 10, 20)


def test_turnover_of_an_inverse_candle_is_base_coin_and_no_quote_volume() -> None:
    inverse = convert.kline([str(NOW), "1", "3", "1", "2", "10", "20"], INVERSE, KlineInterval.M1, venue_ms=NOW)
    assert inverse.quote_volume == inverse.volume == 10


# --- funding


def ticker(**fields: str | None) -> wire.Ticker:
    row = {"fundingRate": "0.0001", "nextFundingTime": str(NOW + HOUR), "markPrice": "100", "indexPrice": "101"}
    return wire.Ticker("BTCUSDT", **{**row, **fields})


@pytest.mark.parametrize(
    ("hours", "minutes", "interval"),
    [
        ("4", 480, timedelta(hours=4)),
        ("0.5", 480, timedelta(minutes=30)),
        (None, 60, timedelta(hours=1)),
        ("", 240, timedelta(hours=4)),
        (None, 0, None),
    ],
)
def test_the_interval_is_the_tickers_else_the_instruments(
    hours: str | None, minutes: int, interval: timedelta | None
) -> None:
    rate = convert.funding_rate(
        ticker(fundingIntervalHour=hours), LINEAR, received_ms=NOW, venue_ms=NOW, interval_minutes=minutes
    )
    assert rate.interval == interval
    assert rate.interval_source is (None if interval is None else IntervalSource.REPORTED)
    assert (rate.mark_price, rate.index_price) == (100, 101)


def test_an_interval_over_which_int_reckons_for_minutes_is_refused() -> None:
    with pytest.raises(ValueError, match="no number that a venue counts by"):
        convert.funding_rate(ticker(fundingIntervalHour="1E+900000"), LINEAR, received_ms=NOW, venue_ms=NOW)


@pytest.mark.parametrize(
    ("past", "hours", "following", "derived"),
    [(0, "8", 0, False), (1, "8", 8 * HOUR, True), (9 * HOUR, "8", 16 * HOUR, True), (1, None, None, False)],
)
def test_a_settlement_that_has_passed_is_rolled_on_and_says_so(
    past: int, hours: str | None, following: int | None, derived: bool
) -> None:
    settlement = NOW - past
    row = ticker(nextFundingTime=str(settlement), fundingIntervalHour=hours)
    rate = convert.funding_rate(row, LINEAR, received_ms=NOW, venue_ms=NOW)
    assert rate.next_settlement_ms == (None if following is None else settlement + following)
    assert rate.next_settlement_derived is derived


def test_the_bound_holds_both_ways() -> None:
    rate = convert.funding_rate(ticker(fundingCap="0.005"), LINEAR, received_ms=NOW, venue_ms=NOW)
    assert (rate.cap, rate.floor) == (Decimal("0.005"), Decimal("-0.005"))


def test_a_contract_without_a_rate_is_an_error() -> None:
    with pytest.raises(ExchangeAPIError, match="no funding rate for BTC/USDT:USDT"):
        convert.funding_rate(ticker(fundingRate=""), LINEAR, received_ms=NOW, venue_ms=NOW)


def test_settled_rates_are_oldest_first_with_the_time_since_the_one_before() -> None:
    rows = [wire.SettledFunding("BTCUSDT", f"0.000{n}", str(NOW - n * n * HOUR)) for n in (0, 1, 2)]
    rates = convert.settled_rates(rows, LINEAR, received_ms=NOW)
    assert [rate.settled_ms for rate in rates] == [NOW - 4 * HOUR, NOW - HOUR, NOW]
    assert [rate.interval for rate in rates] == [None, timedelta(hours=3), timedelta(hours=1)]
    assert {rate.kind for rate in rates} == {RateKind.SETTLED}


# --- merging


def push(kind: str, **fields: str) -> wire.TickerPush:
    return wire.TickerPush(kind, NOW, wire.Ticker("BTCUSDT", **fields))


def test_a_delta_before_any_snapshot_says_nothing() -> None:
    assert Merged().take(push("delta", bid1Price="1")) is None


def test_what_a_delta_leaves_out_did_not_change_and_a_snapshot_starts_anew() -> None:
    merged = Merged()
    merged.take(push("snapshot", bid1Price="1", ask1Price="2"))
    state = merged.take(push("delta", bid1Price="1.5"))
    assert state is not None
    assert (state.bid1Price, state.ask1Price) == ("1.5", "2")
    state = merged.take(push("snapshot", lastPrice="3"))
    assert state is not None
    assert (state.bid1Price, state.lastPrice) == (None, "3")

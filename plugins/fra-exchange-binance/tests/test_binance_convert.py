"""From Binance's rows to models, where the recordings have no example."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from fra.core import FundingRate, IntervalSource, MarketKind, RateKind, Symbol
from fra.exchanges.binance import convert, tables, wire
from fra.exchanges.binance.convert import FundingTerms

HOUR = 3_600_000
T = 1_790_755_200_000
GRID = [
    wire.Filter("PRICE_FILTER", tickSize="0.10"),
    wire.Filter("LOT_SIZE", stepSize="0.001", minQty="0.001", maxQty="1000"),
    wire.Filter("MIN_NOTIONAL", notional="50"),
]


def listed(**changes: object) -> wire.UsdmSymbol:
    row = {
        "symbol": "BTCUSDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "deliveryDate": 4_133_404_800_000,
        "filters": GRID,
    }
    return wire.UsdmSymbol(**{**row, **changes})  # type: ignore[arg-type]


def swap(name: str = "BTC/USDT:USDT") -> Symbol:
    return convert.usdm_symbols(wire.UsdmInfo([listed()]))[0]


@pytest.mark.parametrize(
    ("contract", "kind", "name"),
    [
        ("PERPETUAL", MarketKind.LINEAR_SWAP, "BTC/USDT:USDT"),
        ("TRADIFI_PERPETUAL", MarketKind.LINEAR_SWAP, "BTC/USDT:USDT"),
        ("CURRENT_QUARTER", MarketKind.LINEAR_FUTURE, "BTC/USDT:USDT-261225"),
        ("NEXT_QUARTER", MarketKind.LINEAR_FUTURE, "BTC/USDT:USDT-261225"),
        ("CURRENT_QUARTER_DELIVERING", MarketKind.LINEAR_FUTURE, "BTC/USDT:USDT-261225"),
    ],
)
def test_a_contract_type_is_a_kind_and_a_name(contract: str, kind: MarketKind, name: str) -> None:
    row = listed(contractType=contract, deliveryDate=1_798_185_600_000)
    (symbol,) = convert.usdm_symbols(wire.UsdmInfo([row]))
    assert (symbol.kind, symbol.name) == (kind, name)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (listed(contractType=""), "contract type ''"),
        (listed(filters=GRID[1:]), "no tick size"),
        (listed(filters=GRID[:1]), "no step size"),
        (listed(filters=[wire.Filter("PRICE_FILTER", tickSize="0.00"), *GRID[1:]]), "no tick size"),
        (listed(baseAsset=""), "Symbol.base is empty"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name_and_hurts_nothing_else(row: wire.UsdmSymbol, reason: str) -> None:
    good = listed(symbol="ETHUSDT", baseAsset="ETH")
    symbols = convert.usdm_symbols(wire.UsdmInfo([row, good]))
    assert [symbol.venue_id for symbol in symbols] == ["ETHUSDT"]
    ((venue_id, why),) = symbols.refused
    assert venue_id == "BTCUSDT"
    assert reason in why


def test_two_instruments_of_one_name_are_not_mixed_up() -> None:
    symbols = convert.usdm_symbols(wire.UsdmInfo([listed(), listed(symbol="BTCUSDT2")]))
    assert [symbol.venue_id for symbol in symbols] == ["BTCUSDT"]
    assert [row.venue_id for row in symbols.refused] == ["BTCUSDT2"]


def test_zero_is_no_limit() -> None:
    row = wire.SpotSymbol(
        "AB",
        "TRADING",
        "A",
        "B",
        [GRID[0], wire.Filter("LOT_SIZE", stepSize="0.1", minQty="0.00", maxQty="0"), wire.Filter("NOTIONAL")],
    )
    (symbol,) = convert.spot_symbols(wire.SpotInfo([row]))
    assert (symbol.min_amount, symbol.max_amount, symbol.min_notional) == (None, None, None)


def estimate(next_ms: int, time_ms: int, terms: FundingTerms | None) -> FundingRate:
    return convert.estimated_rate(
        name="BTC/USDT:USDT",
        rate="0.0001",
        next_ms=next_ms,
        mark="83259.6",
        index="",
        time_ms=time_ms,
        received_ms=T,
        terms=terms,
    )


FOUR_HOURS = FundingTerms(timedelta(hours=4), IntervalSource.REPORTED, Decimal("0.02"), Decimal("-0.02"))


@pytest.mark.parametrize(
    ("next_ms", "expected", "derived"),
    [(T + 1, T + 1, False), (T, T, False), (T - 1, T - 1 + 4 * HOUR, True), (T - 9 * HOUR, T + 3 * HOUR, True)],
)
def test_a_settlement_is_rolled_forward_only_when_it_has_passed_and_then_says_so(
    next_ms: int, expected: int, derived: bool
) -> None:
    rate = estimate(next_ms, T, FOUR_HOURS)
    assert (rate.next_settlement_ms, rate.next_settlement_derived) == (expected, derived)


def test_reported_terms_carry_interval_cap_and_floor() -> None:
    rate = estimate(T, T, FOUR_HOURS)
    assert (rate.kind, rate.interval, rate.interval_source) == (
        RateKind.ESTIMATED,
        timedelta(hours=4),
        IntervalSource.REPORTED,
    )
    assert (rate.cap, rate.floor, rate.index_price) == (Decimal("0.02"), Decimal("-0.02"), None)


def test_an_interval_that_is_not_known_is_not_guessed() -> None:
    rate = estimate(T - 1, T, None)
    assert (rate.interval, rate.interval_source) == (None, None)
    assert (rate.next_settlement_ms, rate.next_settlement_derived) == (None, False)


@pytest.mark.parametrize(
    ("distance_ms", "hours"),
    [
        (8 * HOUR + 14, 8),
        (4 * HOUR - 3, 4),
        (HOUR, 1),
        (16 * HOUR, None),
        (HOUR // 2, None),
        (5 * HOUR + 120_000, None),
    ],
)
def test_the_interval_of_a_settled_rate_is_its_distance_from_the_one_before(
    distance_ms: int, hours: int | None
) -> None:
    rows = [wire.SettledRate("BTCUSDT", Decimal("0.0001"), time) for time in (T, T + distance_ms)]
    first, second = convert.settled_rates(rows, swap(), T)
    assert first.interval is None
    assert second.interval == (None if hours is None else timedelta(hours=hours))


def test_an_empty_side_of_the_best_prices_is_unknown_and_not_zero() -> None:
    push = wire.BookTickerPush(1, Decimal("0.00"), Decimal("0.00"), Decimal("7"), Decimal("1"))
    ticker = convert.best_ticker(push, "BTC/USDT", T)
    assert (ticker.bid, ticker.bid_amount, ticker.ask) == (None, None, 7)


@pytest.mark.parametrize(
    ("market", "depth", "limit"),
    [
        ("spot", None, 5000),
        ("spot", 7, 7),
        ("spot", 9000, 5000),
        ("usdm", None, 1000),
        ("usdm", 1, 5),
        ("usdm", 21, 50),
        ("usdm", 2000, 1000),
    ],
)
def test_depth_is_asked_for_as_the_market_takes_it(market: str, depth: int | None, limit: int) -> None:
    assert tables.depth_limit(market, depth) == limit


@pytest.mark.parametrize(
    ("market", "limit", "weight"),
    [
        ("spot", 100, 5),
        ("spot", 101, 25),
        ("spot", 1000, 50),
        ("spot", 5000, 250),
        ("usdm", 50, 2),
        ("usdm", 100, 5),
        ("usdm", 500, 10),
        ("usdm", 1000, 20),
    ],
)
def test_a_book_weighs_what_the_documents_say(market: str, limit: int, weight: int) -> None:
    (row,) = (row for row in tables.DEPTH if row.market == market)
    assert row.costs({"limit": limit})[f"{market}.weight"] == weight

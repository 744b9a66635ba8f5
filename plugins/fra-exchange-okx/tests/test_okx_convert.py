"""Rows of OKX become models: units, unknowns, settlement times."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from fra.core import ExchangeAPIError, IntervalSource, KlineInterval, MarketKind, RateKind, Side, Symbol
from fra.exchanges.okx import convert, wire

NOW = 1_790_757_300_000
SPOT = Symbol(
    "BTC/USDT", "BTC-USDT", MarketKind.SPOT, "BTC", "USDT", tick_size=Decimal("0.1"), lot_size=Decimal("1E-8")
)
LINEAR = Symbol(
    "BTC/USDT:USDT",
    "BTC-USDT-SWAP",
    MarketKind.LINEAR_SWAP,
    "BTC",
    "USDT",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.0001"),
    contract_size=Decimal("0.01"),
)
INVERSE = Symbol(
    "BTC/USD:BTC",
    "BTC-USD-SWAP",
    MarketKind.INVERSE_SWAP,
    "BTC",
    "USD",
    "BTC",
    tick_size=Decimal("0.1"),
    lot_size=Decimal(10),
    contract_size=Decimal(100),
)


def instrument(**fields: str) -> wire.Instrument:
    row = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "state": "live",
        "uly": "BTC-USDT",
        "settleCcy": "USDT",
        "ctType": "linear",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctValCcy": "BTC",
        "tickSz": "0.1",
        "lotSz": "0.01",
        "minSz": "0.01",
        "maxLmtSz": "100000000",
    }
    return wire.Instrument(**{**row, **fields})


def refusal(row: wire.Instrument) -> str:
    result = convert.symbols([row])
    assert len(result) == 0
    assert result.refused[0].venue_id == row.instId
    return result.refused[0].reason


def funding(**fields: str) -> wire.FundingRate:
    row = {
        "instId": "BTC-USDT-SWAP",
        "fundingRate": "0.0000252378080097",
        "fundingTime": str(NOW + 3_600_000),
        "nextFundingTime": str(NOW + 3_600_000 + 14_400_000),
        "ts": str(NOW - 5),
    }
    return wire.FundingRate(**{**row, **fields})


class TestInstruments:
    def test_linear_contracts_become_base_coin(self) -> None:
        (symbol,) = convert.symbols([instrument()])
        assert (symbol.name, symbol.kind, symbol.market) == ("BTC/USDT:USDT", MarketKind.LINEAR_SWAP, "swap")
        assert symbol.contract_size == Decimal("0.01")
        assert symbol.lot_size == symbol.min_amount == Decimal("0.0001")
        assert symbol.max_amount == Decimal(1_000_000)

    def test_inverse_contracts_become_quote_coin(self) -> None:
        row = instrument(
            instId="BTC-USD-SWAP", uly="BTC-USD", settleCcy="BTC", ctType="inverse", ctVal="100", ctValCcy="USD"
        )
        (symbol,) = convert.symbols([row])
        assert (symbol.name, symbol.kind) == ("BTC/USD:BTC", MarketKind.INVERSE_SWAP)
        assert (symbol.contract_size, symbol.lot_size, symbol.amount_unit) == (Decimal(100), Decimal(1), "USD")

    def test_a_contract_is_value_times_multiplier(self) -> None:
        (symbol,) = convert.symbols([instrument(ctVal="10", ctMult="0.1")])
        assert symbol.contract_size == 1

    def test_a_dollar_quoted_stablecoin_settled_swap_has_all_three_coins_in_its_name(self) -> None:
        (symbol,) = convert.symbols([instrument(instId="BTC-USD_UM-SWAP", uly="BTC-USD", settleCcy="USDC")])
        assert (symbol.name, symbol.kind) == ("BTC/USD:USDC", MarketKind.LINEAR_SWAP)

    def test_spot_is_in_base_coin_as_it_stands(self) -> None:
        row = instrument(instType="SPOT", instId="BTC-USDT", baseCcy="BTC", quoteCcy="USDT", lotSz="0.00000001")
        (symbol,) = convert.symbols([row])
        assert (symbol.name, symbol.market, symbol.contract_size) == ("BTC/USDT", "spot", Decimal(1))
        assert symbol.lot_size == Decimal("0.00000001")

    @pytest.mark.parametrize(
        ("state", "active"), [("live", True), ("suspend", False), ("preopen", False), ("test", False)]
    )
    def test_only_live_instruments_are_active(self, state: str, active: bool) -> None:
        (symbol,) = convert.symbols([instrument(state=state)])
        assert symbol.active is active

    def test_a_largest_size_with_many_places_is_multiplied_exactly(self) -> None:
        (symbol,) = convert.symbols([instrument(maxLmtSz="9999999999.0000000000000001", ctVal="1234")])
        assert symbol.max_amount == Decimal("12339999998766.0000000000001234")

    @pytest.mark.parametrize("largest", ["", "0"])
    def test_no_largest_size_is_no_limit(self, largest: str) -> None:
        (symbol,) = convert.symbols([instrument(maxLmtSz=largest)])
        assert symbol.max_amount is None

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"instType": "SPOT", "state": "preopen"}, "base or quote coin is not given (state preopen)"),
            ({"uly": "", "state": "preopen"}, "underlying or settlement coin is not given (state preopen)"),
            ({"ctValCcy": "USD"}, "which is not the base coin BTC"),
            ({"ctType": "inverse", "settleCcy": "BTC"}, "which is not USD"),
            ({"ctType": "inverse", "uly": "BTC-USD", "ctValCcy": "USD"}, "settled in USDT"),
            ({"ctType": ""}, "neither linear nor inverse"),
            ({"ctVal": ""}, "ctVal is ''"),
            ({"tickSz": "0"}, "tickSz is '0'"),
            ({"lotSz": "abc"}, "lotSz is 'abc'"),
            ({"maxLmtSz": "abc"}, "maxLmtSz is 'abc'"),
            ({"instType": "FUTURES"}, "futures instruments are not covered"),
        ],
    )
    def test_what_cannot_be_taken_is_named_with_its_reason(self, fields: dict[str, str], reason: str) -> None:
        assert reason in refusal(instrument(**fields))

    def test_two_instruments_of_one_name_are_not_silently_one(self) -> None:
        result = convert.symbols([instrument(), instrument(instId="BTC-USDT-SWAP2")])
        assert [symbol.venue_id for symbol in result] == ["BTC-USDT-SWAP"]
        assert result.refused[0].venue_id == "BTC-USDT-SWAP2"
        assert "already BTC-USDT-SWAP" in result.refused[0].reason


class TestFunding:
    def test_the_upcoming_settlement_is_funding_time(self) -> None:
        rate = convert.funding_rate(funding(), LINEAR, received_ms=NOW)
        assert rate.next_settlement_ms == NOW + 3_600_000
        assert rate.next_settlement_derived is False
        assert rate.kind is RateKind.ESTIMATED

    def test_the_interval_is_the_distance_to_the_settlement_after_it(self) -> None:
        rate = convert.funding_rate(funding(), LINEAR, received_ms=NOW)
        assert (rate.interval, rate.interval_source) == (timedelta(hours=4), IntervalSource.DERIVED)

    @pytest.mark.parametrize("following", ["", "0", str(NOW + 3_600_000), str(NOW)])
    def test_without_a_later_settlement_the_interval_is_unknown(self, following: str) -> None:
        rate = convert.funding_rate(funding(nextFundingTime=following), LINEAR, received_ms=NOW)
        assert (rate.interval, rate.interval_source) == (None, None)
        assert rate.next_settlement_ms == NOW + 3_600_000

    def test_a_settlement_that_has_passed_is_rolled_on_and_says_so(self) -> None:
        row = funding(fundingTime=str(NOW - 1), nextFundingTime=str(NOW + 3_599_999))
        rate = convert.funding_rate(row, LINEAR, received_ms=NOW)
        assert (rate.next_settlement_ms, rate.next_settlement_derived) == (NOW + 3_599_999, True)

    def test_a_settlement_of_this_very_moment_has_not_passed(self) -> None:
        row = funding(fundingTime=str(NOW), nextFundingTime=str(NOW + 3_600_000))
        rate = convert.funding_rate(row, LINEAR, received_ms=NOW)
        assert (rate.next_settlement_ms, rate.next_settlement_derived) == (NOW, False)

    def test_it_is_the_venues_clock_that_says_whether_a_settlement_has_passed(self) -> None:
        ahead = NOW + 10 * 3_600_000
        rate = convert.funding_rate(funding(), LINEAR, received_ms=ahead, venue_ms=NOW)
        assert (rate.next_settlement_ms, rate.next_settlement_derived) == (NOW + 3_600_000, False)
        assert rate.received_ms == ahead

    def test_several_missed_settlements_roll_to_the_first_that_is_ahead(self) -> None:
        hour = 3_600_000
        row = funding(fundingTime=str(NOW - 5 * hour), nextFundingTime=str(NOW - 3 * hour))
        rate = convert.funding_rate(row, LINEAR, received_ms=NOW)
        assert (rate.next_settlement_ms, rate.next_settlement_derived) == (NOW + hour, True)

    def test_a_passed_settlement_without_an_interval_leaves_the_next_unknown(self) -> None:
        rate = convert.funding_rate(funding(fundingTime=str(NOW - 1), nextFundingTime=""), LINEAR, received_ms=NOW)
        assert (rate.next_settlement_ms, rate.next_settlement_derived) == (None, False)

    def test_bounds_are_cap_and_floor_and_empty_is_unknown(self) -> None:
        rate = convert.funding_rate(funding(maxFundingRate="0.00375", minFundingRate=""), LINEAR, received_ms=NOW)
        assert (rate.cap, rate.floor) == (Decimal("0.00375"), None)

    def test_no_rate_is_an_error_and_not_zero(self) -> None:
        with pytest.raises(ExchangeAPIError, match="no funding rate"):
            convert.funding_rate(funding(fundingRate=""), LINEAR, received_ms=NOW)

    def test_history_is_what_was_charged_oldest_first(self) -> None:
        hour = 3_600_000
        rows = [
            wire.SettledFunding("BTC-USDT-SWAP", str(NOW + 12 * hour), "0.0003"),
            wire.SettledFunding("BTC-USDT-SWAP", str(NOW + 8 * hour), "0.0002"),
            wire.SettledFunding("BTC-USDT-SWAP", str(NOW), "0.0001"),
        ]
        rates = convert.settled_rates(rows, LINEAR, received_ms=NOW)
        assert [str(rate.rate) for rate in rates] == ["0.0001", "0.0002", "0.0003"]
        assert [rate.interval for rate in rates] == [None, timedelta(hours=8), timedelta(hours=4)]
        assert [rate.settled_ms for rate in rates] == [NOW, NOW + 8 * hour, NOW + 12 * hour]

    def test_a_row_that_was_not_charged_yet_is_no_settlement(self) -> None:
        assert convert.settled_rates([wire.SettledFunding("X", str(NOW), "")], LINEAR, received_ms=NOW) == []


class TestPrices:
    def test_swap_ticker_sizes_and_volume_are_coins(self) -> None:
        row = wire.Ticker("BTC-USDT-SWAP", str(NOW), bidPx="1.5", bidSz="12", vol24h="300", volCcy24h="3")
        ticker = convert.ticker(row, LINEAR, received_ms=NOW)
        assert (ticker.bid_amount, ticker.volume, ticker.quote_volume) == (Decimal("0.12"), Decimal(3), None)

    def test_inverse_ticker_volume_is_quote_coin(self) -> None:
        row = wire.Ticker("BTC-USD-SWAP", str(NOW), vol24h="300", volCcy24h="1.2")
        ticker = convert.ticker(row, INVERSE, received_ms=NOW)
        assert ticker.volume == ticker.quote_volume == Decimal(30_000)

    def test_spot_ticker_has_both_volumes(self) -> None:
        row = wire.Ticker("BTC-USDT", str(NOW), vol24h="3", volCcy24h="90000")
        ticker = convert.ticker(row, SPOT, received_ms=NOW)
        assert (ticker.volume, ticker.quote_volume) == (Decimal(3), Decimal(90_000))

    def test_an_empty_side_is_unknown_and_not_zero(self) -> None:
        ticker = convert.ticker(wire.Ticker("BTC-USDT", str(NOW), askPx="1", askSz="2"), SPOT, received_ms=NOW)
        assert (ticker.bid, ticker.bid_amount, ticker.ask) == (None, None, Decimal(1))

    def test_best_prices_of_a_one_sided_book(self) -> None:
        row = wire.Book(asks=[["84093.5", "667.19", "0", "70"]], bids=[], ts=str(NOW))
        ticker = convert.best_prices(row, LINEAR, received_ms=NOW)
        assert (ticker.ask, ticker.ask_amount, ticker.bid) == (Decimal("84093.5"), Decimal("6.6719"), None)

    def test_a_trade_is_the_takers(self) -> None:
        trade = convert.trade(wire.Trade("BTC-USD-SWAP", "7", "40000.1", "3", "sell", str(NOW)), INVERSE, received_ms=1)
        assert (trade.side, trade.amount, trade.price) == (Side.SELL, Decimal(300), Decimal("40000.1"))
        assert (trade.id, trade.timestamp_ms, trade.received_ms) == ("7", NOW, 1)

    def test_a_side_that_is_neither_is_refused_on_decoding(self) -> None:
        row = b'{"instId":"X","tradeId":"1","px":"1","sz":"1","side":"both","ts":"1"}'
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(row, type=wire.Trade)


class TestKlines:
    ROW = ("1678928760000", "24341.4", "24344", "24313.2", "24323", "628", "2.5819", "62800", "0")

    def test_inverse_volume_is_contracts_in_quote_coin(self) -> None:
        kline = convert.kline(list(self.ROW), INVERSE, KlineInterval.M1)
        assert kline.volume == kline.quote_volume == Decimal(62_800)

    @pytest.mark.parametrize(("confirm", "closed"), [("0", False), ("1", True), ("", None)])
    def test_the_last_column_says_whether_it_is_closed(self, confirm: str, closed: bool | None) -> None:
        assert convert.kline([*self.ROW[:8], confirm], INVERSE, KlineInterval.M1).closed is closed

    def test_a_short_row_is_an_error(self) -> None:
        with pytest.raises(ExchangeAPIError, match="8 columns"):
            convert.kline(list(self.ROW[:8]), INVERSE, KlineInterval.M1)

    def test_bars_from_six_hours_up_open_in_utc(self) -> None:
        long = [bar for interval, bar in convert.BARS.items() if interval.shortest_ms > 4 * 3_600_000]
        assert long
        assert all(bar.endswith("utc") for bar in long)

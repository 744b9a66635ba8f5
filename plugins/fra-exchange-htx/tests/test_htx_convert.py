"""Numbers, ids, empty sides, instruments that cannot be taken, funding terms: what conversion does at the edges."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fra.core import ExchangeAPIError, IntervalSource, MarketKind, RateKind, Symbol
from fra.exchanges.htx import account_wire, books, convert, spot_convert, swap_convert, wire

AT, HOUR = 1_700_000_000_000, 3_600_000


def symbol(size: str = "0.001", kind: MarketKind = MarketKind.LINEAR_SWAP) -> Symbol:
    return Symbol(
        "BTC/USDT:USDT",
        "BTC-USDT",
        kind,
        "BTC",
        "USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal(size),
        contract_size=Decimal(size),
    )


SWAP = symbol()
SPOT = symbol("1", MarketKind.SPOT)


def read(kind: Any, text: str) -> Any:
    return msgspec.json.decode(text, type=kind, strict=False)


def test_exponents_are_read_from_their_text() -> None:
    row = read(wire.Trades, '{"data":[{"amount":1.98E-4,"price":6.37E-8,"direction":"buy","ts":1,"tradeId":7}]}').data[
        0
    ]
    trade = convert.trade(row, SPOT, received_ms=AT)
    assert (trade.amount, trade.price) == (Decimal("0.000198"), Decimal("0.0000000637"))


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ('"id":137005445109359290000000000,"tradeId":102523573486', "102523573486"),
        ('"id":1.0003317158754671e+22,"trade-id":100027416191', "100027416191"),
        ('"id":1000219512747480000', "1000219512747480000"),
        ('"id":"100201717928521000104525"', "100201717928521000104525"),
    ],
)
def test_ids_are_exact(text: str, id_: str) -> None:
    row = read(wire.Trade, f'{{"amount":2,"price":1,"direction":"sell","ts":1,{text}}}')
    assert convert.trade_id(row) == id_
    assert row.number == int(id_)


def test_a_swap_trade_is_what_changed_hands_once() -> None:
    row = read(wire.Trade, '{"amount":2,"price":1,"direction":"sell","ts":1,"id":5}')
    assert convert.trade(row, SWAP, received_ms=AT).amount == Decimal("0.001")


def test_a_trade_without_a_direction_is_no_trade() -> None:
    row = read(wire.Trade, '{"amount":2,"price":19425,"direction":"","ts":1,"id":5}')
    with pytest.raises(ExchangeAPIError, match="without a direction"):
        convert.trade(row, SWAP, received_ms=AT)


def test_an_id_over_which_int_reckons_for_minutes_is_refused() -> None:
    row = read(wire.Trade, '{"amount":2,"price":1,"direction":"sell","ts":1,"id":1E+999999}')
    with pytest.raises(ValueError, match="no number that a venue counts by"):
        _ = row.number


@pytest.mark.parametrize("size", ["0", "0.0", "0E-18", "0.000000"])
def test_every_zero_deletes_a_level(size: str) -> None:
    assert books.rows(read(list[wire.Level], f"[[9138.67,{size}]]")) == [(9138.67, "0")]


@pytest.mark.parametrize(
    ("ask", "price"), [("", None), (',"ask":null', None), (',"ask":[0,0]', None), (',"ask":[]', None)]
)
def test_an_empty_side_has_no_price(ask: str, price: None) -> None:
    day = read(wire.Day, f'{{"close":"10","bid":[9.5,2]{ask}}}')
    ticker = convert.ticker(day, SWAP, received_ms=AT, timestamp_ms=AT)
    assert (ticker.bid, ticker.bid_amount) == (Decimal("9.5"), Decimal("0.002"))
    assert (ticker.ask, ticker.ask_amount) == (None, None)


CONTRACT = {
    "contract_code": "BTC-USDT",
    "contract_size": Decimal("0.001"),
    "price_tick": Decimal("0.1"),
    "contract_status": 1,
}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"contract_code": "BTC-USDT-261225", "business_type": "futures"}, "dated contracts"),
        ({"contract_code": "BTC-USDT-261225"}, "dated contracts"),
        ({"contract_code": "BTC"}, "names no two coins"),
        ({"trade_partition": "HUSD"}, "settled in HUSD"),
        ({"contract_size": Decimal(0)}, "contract size 0"),
    ],
)
def test_contracts_that_cannot_be_taken_are_refused_by_name(more: dict[str, Any], reason: str) -> None:
    row = wire.Contract(**{**CONTRACT, **more})
    result = convert.symbols([row, wire.Contract(**{**CONTRACT, "contract_code": "ETH-USDT"})])
    assert [found.name for found in result] == ["ETH/USDT:USDT"]
    ((venue_id, why),) = result.refused
    assert (venue_id, reason in why) == (row.contract_code, True)


@pytest.mark.parametrize(("status", "active"), [(1, True), (0, False), (3, False), (5, False)])
def test_only_a_listed_contract_is_active(status: int, active: bool) -> None:
    (found,) = convert.symbols([wire.Contract(**{**CONTRACT, "contract_status": status})])
    assert found.active is active


# --- funding -----------------------------------------------------------------------------------------------------

EIGHT = wire.Elements("BTC-USDT", Decimal(8), Decimal("0.00375"), Decimal("-0.00375"))


def rate(settlement: int | None, **more: Any) -> wire.FundingRate:
    return wire.FundingRate("BTC-USDT", Decimal("0.0001"), None if settlement is None else str(settlement), **more)


def test_the_interval_is_what_htx_reports() -> None:
    got = convert.funding_rate(rate(AT + HOUR), SWAP, received_ms=AT, elements=EIGHT)
    assert (got.interval, got.interval_source) == (timedelta(hours=8), IntervalSource.REPORTED)
    assert (got.next_settlement_ms, got.next_settlement_derived) == (AT + HOUR, False)
    assert (got.cap, got.floor, got.kind) == (Decimal("0.00375"), Decimal("-0.00375"), RateKind.ESTIMATED)


def test_an_unreported_interval_is_derived_where_two_settlements_are_told_and_else_unknown() -> None:
    told = convert.funding_rate(rate(AT + HOUR, next_funding_time=str(AT + 5 * HOUR)), SWAP, received_ms=AT)
    assert (told.interval, told.interval_source) == (timedelta(hours=4), IntervalSource.DERIVED)
    for elements in (None, wire.Elements("BTC-USDT")):
        unknown = convert.funding_rate(rate(AT + HOUR), SWAP, received_ms=AT, elements=elements)
        assert (unknown.interval, unknown.interval_source) == (None, None)


def test_a_passed_settlement_is_rolled_on_or_unknown() -> None:
    rolled = convert.funding_rate(rate(AT - 1), SWAP, received_ms=AT, elements=EIGHT)
    assert (rolled.next_settlement_ms, rolled.next_settlement_derived) == (AT - 1 + 8 * HOUR, True)
    unknown = convert.funding_rate(rate(AT - 1), SWAP, received_ms=AT)
    assert (unknown.next_settlement_ms, unknown.next_settlement_derived) == (None, False)


def test_the_venues_clock_decides_what_has_passed() -> None:
    got = convert.funding_rate(rate(AT), SWAP, received_ms=AT + 500, venue_ms=AT - 1, elements=EIGHT)
    assert (got.next_settlement_ms, got.next_settlement_derived) == (AT, False)


def test_no_rate_is_an_error_and_no_zero() -> None:
    with pytest.raises(ExchangeAPIError, match="no funding rate"):
        convert.funding_rate(wire.FundingRate("BTC-USDT"), SWAP, received_ms=AT)


def test_settled_rates_are_what_was_charged_oldest_first() -> None:
    rows = [
        wire.Settled("BTC-USDT", str(AT + 16 * HOUR), Decimal("0.0003"), None),
        wire.Settled("BTC-USDT", str(AT + 8 * HOUR), Decimal("0.0002"), Decimal("0.00025")),
        wire.Settled("BTC-USDT", str(AT), Decimal("0.0001"), None),
        wire.Settled("BTC-USDT", str(AT), Decimal("0.0001"), None),
    ]
    got = convert.settled_rates(rows, SWAP, received_ms=AT)
    assert [(row.rate, row.interval) for row in got] == [
        (Decimal("0.0001"), None),
        (Decimal("0.00025"), timedelta(hours=8)),
        (Decimal("0.0003"), timedelta(hours=8)),
    ]


# --- accounts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convert_", "row", "status"),
    [
        (
            spot_convert.spot_order,
            '{"id":1,"symbol":"b","type":"buy-limit","state":"weird","amount":"1","price":"2"}',
            "unknown",
        ),
        (
            spot_convert.spot_order,
            '{"id":1,"symbol":"b","type":"buy-limit","state":"partial-canceled","amount":"2","field-amount":"1"}',
            "canceled",
        ),
        (
            swap_convert.swap_order,
            '{"contract_code":"B","order_id":1,"volume":2,"trade_volume":1,"direction":"buy","status":4}',
            "open",
        ),
        (
            swap_convert.swap_order,
            '{"contract_code":"B","order_id":1,"volume":2,"trade_volume":1,"direction":"buy","status":99}',
            "unknown",
        ),
    ],
)
def test_status_and_filled_are_apart(convert_: Callable[[Any, Symbol], Any], row: str, status: str) -> None:
    kind = account_wire.SpotOrder if convert_ is spot_convert.spot_order else account_wire.Order
    order = convert_(read(kind, row), SPOT)
    assert order.status.value == status
    assert order.filled == (0 if status == "unknown" and "weird" in row else 1)


def test_a_fee_taken_in_points_is_given_in_points() -> None:
    row = read(
        account_wire.SpotFill,
        '{"id":1,"symbol":"b","type":"buy-market","price":"1","filled-amount":"1","created-at":1700000000000,'
        '"order-id":2,"trade-id":3,"filled-fees":"0","fee-currency":"poly","filled-points":"0.1",'
        '"fee-deduct-currency":"hbpoint","role":"taker"}',
    )
    fill = spot_convert.spot_fill(row, SPOT)
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("0.1"), "HBPOINT", False)


def test_an_order_id_beyond_floats_is_its_text() -> None:
    row = '{"contract_code":"B","order_id":770334322963152900,"order_id_str":"770334322963152896","volume":1,'
    order = swap_convert.swap_order(read(account_wire.Order, row + '"direction":"buy","status":3}'), SWAP)
    assert order.id == "770334322963152896"


def test_what_a_market_buy_has_filled_is_not_what_it_has_spent() -> None:
    row = read(
        account_wire.SpotOrderPush,
        '{"eventType":"trade","symbol":"b","type":"buy-market","orderId":1,"orderValue":"1000","orderStatus":"filled",'
        '"execAmt":"999.99","remainAmt":"0","tradePrice":"80000","tradeVolume":"0.0125","tradeId":7}',
    )
    order = spot_convert.spot_order_push(row, SPOT, Decimal("0.0125"))
    assert (order.filled, order.quote_amount, order.amount) == (Decimal("0.0125"), 1000, None)


@pytest.mark.parametrize(
    ("row", "free"),
    [
        # numbers of a published answer: what can be withdrawn leaves the 0.0711 won so far out
        ('"margin_position":19.58934,"margin_frozen":264,"withdraw_available":9716.36661679', "9716.43771679"),
        ('"margin_position":20000,"margin_frozen":0,"withdraw_available":0', "0"),
        ('"margin_available":7.15,"margin_position":1,"margin_frozen":0,"withdraw_available":7', "7.15"),
        ('"withdraw_available":7', "7"),
    ],
)
def test_profit_that_can_be_traded_with_is_free_though_it_cannot_be_withdrawn(row: str, free: str) -> None:
    margin = read(account_wire.Margin, f'{{"margin_asset":"USDT","margin_balance":10000.02705679,{row}}}')
    (balance,) = swap_convert.swap_balances([margin])
    assert (balance.free, balance.total) == (Decimal(free), Decimal("10000.02705679"))

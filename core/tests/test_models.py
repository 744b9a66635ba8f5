"""Models take exact numbers, UTC milliseconds and real enum members, and say what was wrong with anything else."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import attrs
import pytest

from fra.core import (
    Balance,
    BookView,
    ConnectionStatus,
    Fill,
    FundingPayment,
    FundingRate,
    Health,
    IntervalSource,
    Kline,
    KlineInterval,
    LazyLevels,
    Order,
    OrderBook,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    PriceLevel,
    RateKind,
    Side,
    StreamHealth,
    TimeInForce,
    as_datetime,
    as_decimal,
    as_timestamp_ms,
)

NOW = 1_700_000_000_000
ONE = Decimal(1)
LEVEL = PriceLevel(Decimal(100), ONE)

GOOD = {
    FundingRate: {
        "symbol": "BTC/USDT:USDT",
        "kind": RateKind.ESTIMATED,
        "rate": Decimal("0.0001"),
        "received_ms": NOW,
        "interval": timedelta(hours=8),
        "interval_source": IntervalSource.REPORTED,
        "next_settlement_ms": NOW,
        "mark_price": ONE,
    },
    Kline: {
        "symbol": "BTC/USDT",
        "interval": KlineInterval.H1,
        "open_ms": NOW,
        "open": ONE,
        "high": ONE,
        "low": ONE,
        "close": ONE,
        "volume": ONE,
    },
    Balance: {"asset": "USDT", "market": "spot", "free": ONE, "total": ONE},
    Position: {"symbol": "BTC/USDT:USDT", "side": PositionSide.LONG, "amount": ONE},
    FundingPayment: {"symbol": "BTC/USDT:USDT", "amount": ONE, "asset": "USDT", "timestamp_ms": NOW},
    Fill: {
        "symbol": "BTC/USDT",
        "trade_id": "1",
        "side": Side.BUY,
        "price": ONE,
        "amount": ONE,
        "timestamp_ms": NOW,
    },
    OrderRequest: {
        "symbol": "BTC/USDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "amount": ONE,
        "price": ONE,
    },
    Order: {"symbol": "BTC/USDT", "side": Side.BUY, "type": OrderType.LIMIT, "status": OrderStatus.OPEN},
    OrderBook: {"symbol": "BTC/USDT", "bids": (LEVEL,), "asks": (LEVEL,), "received_ms": NOW},
    Health: {"exchange": "x", "status": ConnectionStatus.CONNECTED, "checked_ms": NOW},
}


@pytest.mark.parametrize("model", GOOD, ids=lambda model: model.__name__)
def test_models_are_frozen_equal_by_value_and_survive_pickling(model) -> None:
    made = model(**GOOD[model])
    assert made == model(**GOOD[model])
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.symbol = "other"


MONEY = [
    (model, name) for model, values in GOOD.items() for name, value in values.items() if isinstance(value, Decimal)
]


@pytest.mark.parametrize(("model", "field"), MONEY, ids=lambda value: getattr(value, "__name__", value))
def test_a_float_for_money_is_refused_by_name(model, field) -> None:
    with pytest.raises(TypeError, match=rf"{model.__name__}\.{field} must be a Decimal, not the float 0\.1: a float"):
        model(**GOOD[model] | {field: 0.1})


@pytest.mark.parametrize(("model", "field"), MONEY, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("value", ["1", 1, None.__class__])
def test_what_is_no_decimal_is_refused(model, field, value) -> None:
    with pytest.raises(TypeError, match=rf"{model.__name__}\.{field} must be a Decimal, not"):
        model(**GOOD[model] | {field: value})


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
def test_a_number_that_is_not_finite_is_refused(value) -> None:
    with pytest.raises(ValueError, match=r"FundingRate\.rate must be finite"):
        FundingRate(**GOOD[FundingRate] | {"rate": value})


TIMES = [
    (FundingRate, "received_ms"),
    (FundingRate, "next_settlement_ms"),
    (Kline, "open_ms"),
    (Fill, "timestamp_ms"),
    (OrderBook, "received_ms"),
    (Health, "checked_ms"),
]


@pytest.mark.parametrize(("model", "field"), TIMES, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (datetime(2024, 1, 1), TypeError, "not the naive datetime"),  # noqa: DTZ001
        (datetime(2024, 1, 1, tzinfo=UTC), TypeError, r"as_timestamp_ms\(\.\.\.\) makes them from"),
        (1_700_000_000, ValueError, "1700000000 looks like seconds"),
        (NOW * 1000, ValueError, "looks like microseconds"),
        (1.7e12, TypeError, "not float"),
        (True, TypeError, "not bool"),
    ],
)
def test_a_time_that_is_not_utc_milliseconds_is_refused(model, field, value, error, message) -> None:
    with pytest.raises(error, match=rf"{model.__name__}\.{field} .*{message}"):
        model(**GOOD[model] | {field: value})


ENUMS = [
    (FundingRate, "kind", "estimated"),
    (FundingRate, "interval_source", "reported"),
    (Kline, "interval", "1h"),
    (Position, "side", "long"),
    (Position, "margin_mode", "cross"),
    (OrderRequest, "side", "buy"),
    (OrderRequest, "type", "limit"),
    (OrderRequest, "time_in_force", "IOC"),
    (Order, "status", "open"),
    (Health, "status", "connected"),
]


@pytest.mark.parametrize(("model", "field", "value"), ENUMS, ids=lambda value: getattr(value, "__name__", value))
def test_a_bare_value_for_an_enum_is_refused_with_the_members(model, field, value) -> None:
    with pytest.raises(TypeError, match=rf"{model.__name__}\.{field} must be one of \w+\.\w+, .*not '{value}'"):
        model(**GOOD[model] | {field: value})


# --- times


def test_aware_datetimes_become_utc_milliseconds_exactly() -> None:
    moment = datetime(2024, 1, 1, 14, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))
    assert as_timestamp_ms(moment) == 1_704_110_400_123
    assert as_datetime(1_704_110_400_123) == datetime(2024, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def test_every_timestamp_shows_as_an_aware_datetime() -> None:
    assert Fill(**GOOD[Fill]).timestamp == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert OrderBook(**GOOD[OrderBook]).timestamp is None


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0.1, TypeError, r"price must be a Decimal or str, not the float 0\.1"),
        ("ten", ValueError, "price must be a number, not 'ten'"),
        (True, TypeError, "price must be a Decimal or str, not bool"),
        ("NaN", ValueError, "price must be finite"),
    ],
)
def test_as_decimal_refuses_what_is_not_exact(value, error, message) -> None:
    with pytest.raises(error, match=message):
        as_decimal(value, "price")


# --- funding


def test_an_unknown_interval_leaves_the_rate_per_day_unknown() -> None:
    rate = FundingRate(**GOOD[FundingRate] | {"interval": None, "interval_source": None})
    assert (rate.per_day, rate.apr) == (None, None)


@pytest.mark.parametrize(("hours", "per_day"), [(8, "0.0003"), (4, "0.0006"), (1, "0.0024")])
def test_the_rate_per_day_counts_the_settlements_of_its_own_interval(hours, per_day) -> None:
    rate = FundingRate(**GOOD[FundingRate] | {"interval": timedelta(hours=hours)})
    assert (rate.per_day, rate.apr) == (Decimal(per_day), Decimal(per_day) * 365)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interval_source": None}, "known together or not at all"),
        ({"interval": timedelta(0)}, "must be above zero"),
        ({"kind": RateKind.SETTLED}, "settled_ms is given exactly when kind is SETTLED"),
        ({"settled_ms": NOW}, "settled_ms is given exactly when kind is SETTLED"),
    ],
)
def test_a_funding_rate_that_contradicts_itself_is_refused(change, message) -> None:
    with pytest.raises(ValueError, match=message):
        FundingRate(**GOOD[FundingRate] | change)


# --- order requests


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": None}, "a limit order needs a price"),
        ({"type": OrderType.MARKET}, "a market order takes no price"),
        ({"amount": None}, "give amount or quote_amount, one of the two"),
        ({"quote_amount": ONE}, "give amount or quote_amount, one of the two"),
        ({"trigger_price": ONE}, "trigger_price belongs to STOP and TAKE_PROFIT"),
        ({"type": OrderType.STOP}, "trigger_price belongs to STOP and TAKE_PROFIT"),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, "a post-only order rests, so it cannot be IOC"),
        ({"post_only": True, "type": OrderType.MARKET, "price": None}, "only an order with a price can be post-only"),
        ({"amount": Decimal(0)}, "must be above zero"),
    ],
)
def test_an_order_request_that_makes_no_sense_is_refused(change, message) -> None:
    with pytest.raises(ValueError, match=message):
        OrderRequest(**GOOD[OrderRequest] | change)


def test_an_order_knows_what_is_left_to_fill() -> None:
    order = Order(**GOOD[Order] | {"amount": Decimal(3), "filled": ONE})
    assert order.remaining == Decimal(2)
    assert Order(**GOOD[Order]).remaining is None


# --- books


def make(row: tuple[object, object]) -> PriceLevel:
    return PriceLevel(Decimal(str(row[0])), Decimal(str(row[1])))


def test_lazy_levels_make_only_what_is_read() -> None:
    made = []

    def counting(row: tuple[object, object]) -> PriceLevel:
        made.append(row)
        return make(row)

    levels = LazyLevels([("1", "2"), ("3", "4")], counting)
    assert len(levels) == 2
    assert levels[0] == PriceLevel(ONE, Decimal(2))
    assert made == [("1", "2")]


def test_lazy_levels_are_like_a_tuple_of_levels() -> None:
    levels = LazyLevels([("1", "2"), ("3", "4"), ("5", "6")], make)
    plain = tuple(make(row) for row in (("1", "2"), ("3", "4"), ("5", "6")))
    assert (levels == plain, levels != plain[:2], tuple(levels)) == (True, True, plain)
    assert (levels[1:], levels[-1], list(reversed(levels))) == (plain[1:], plain[-1], list(reversed(plain)))
    assert hash(levels) == hash(plain)
    assert pickle.loads(pickle.dumps(levels)) == plain
    assert repr(levels) == repr(list(plain))


def test_a_book_of_lazy_levels_equals_the_same_book_of_plain_ones() -> None:
    lazy = LazyLevels([("100", "1")], make)
    assert OrderBook(**GOOD[OrderBook] | {"bids": lazy}) == OrderBook(**GOOD[OrderBook])


@pytest.mark.parametrize("levels", [[(100.0, 1.0)], [PriceLevel(100.0, 1.0)], "100", 5])
def test_a_book_takes_levels_of_decimals_only(levels) -> None:
    with pytest.raises(TypeError, match=r"OrderBook\.bids must"):
        OrderBook(**GOOD[OrderBook] | {"bids": levels})


def test_the_best_levels_the_middle_and_the_age() -> None:
    book = OrderBook(**GOOD[OrderBook] | {"asks": (PriceLevel(Decimal(101), ONE),)})
    assert (book.best_bid, book.mid, book.age(NOW + 1500)) == (LEVEL, Decimal("100.5"), 1.5)
    empty = OrderBook(**GOOD[OrderBook] | {"asks": ()})
    assert (empty.best_ask, empty.mid) == (None, None)


def test_a_view_without_its_place_shows_no_levels() -> None:
    class Levels:
        def bids(self, depth=None):
            return (LEVEL,)

        asks = bids

    view = BookView("BTC/USDT", Levels(), NOW, sequence=7)
    assert (view.best_bid, view.snapshot().sequence, view.snapshot().valid) == (LEVEL, 7, True)
    view.valid = False
    assert (view.best_bid, view.asks(), view.snapshot().valid, list(view.snapshot().bids)) == (None, (), False, [])


# --- health


@pytest.mark.parametrize(
    ("status", "streams", "healthy"),
    [
        (ConnectionStatus.CONNECTED, (), True),
        (ConnectionStatus.CONNECTED, ("live", "starting"), True),
        (ConnectionStatus.CONNECTED, ("live", "stale"), False),
        (ConnectionStatus.CONNECTED, ("failed",), False),
        (ConnectionStatus.RECONNECTING, ("live",), False),
    ],
)
def test_health_is_judged_by_the_data(status, streams, healthy) -> None:
    rows = tuple(StreamHealth(channel="trades", symbol="BTC/USDT", status=stream, age=1.0) for stream in streams)
    assert Health(exchange="x", status=status, checked_ms=NOW, streams=rows).healthy is healthy

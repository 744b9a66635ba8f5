"""What OKX's rows about an account become: states, reasons, sizes, fees."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from fra.core import MarketKind, Order, OrderStatus, OrderType, PositionSide, Symbol, TimeInForce
from fra.exchanges.okx import account, wire

SWAP = Symbol(
    "BTC/USDT:USDT",
    "BTC-USDT-SWAP",
    MarketKind.LINEAR_SWAP,
    "BTC",
    "USDT",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.01"),
    contract_size=Decimal("0.01"),
)
SPOT = Symbol(
    "BTC/USDT", "BTC-USDT", MarketKind.SPOT, "BTC", "USDT", tick_size=Decimal("0.1"), lot_size=Decimal("0.00001")
)


def row(**fields: str) -> wire.Order:
    common = {"instType": "SWAP", "instId": "any", "ordId": "1", "side": "buy", "ordType": "limit", "state": "live"}
    return msgspec.convert({**common, "sz": "5", "px": "70000", "cTime": "1790000000000", **fields}, wire.Order)


def order(symbol: Symbol = SWAP, **fields: str) -> Order:
    return account.order(row(**fields), symbol)


@pytest.mark.parametrize(
    ("fields", "status", "filled"),
    [
        ({"state": "live"}, OrderStatus.OPEN, "0"),
        ({"state": "partially_filled", "accFillSz": "2"}, OrderStatus.OPEN, "0.02"),
        ({"state": "filled", "accFillSz": "5"}, OrderStatus.FILLED, "0.05"),
        ({"state": "canceled", "accFillSz": "2", "cancelSource": "1"}, OrderStatus.CANCELED, "0.02"),
        ({"state": "canceled", "ordType": "ioc", "accFillSz": "2", "cancelSource": "14"}, OrderStatus.CANCELED, "0.02"),
        ({"state": "canceled", "ordType": "post_only", "cancelSource": "31"}, OrderStatus.EXPIRED, "0"),
        ({"state": "mmp_canceled"}, OrderStatus.CANCELED, "0"),
        ({"state": "something_new", "accFillSz": "2"}, OrderStatus.UNKNOWN, "0.02"),
    ],
)
def test_status_and_filled_are_told_apart(fields: dict[str, str], status: OrderStatus, filled: str) -> None:
    told = order(**fields)
    assert (told.status, told.filled, told.amount) == (status, Decimal(filled), Decimal("0.05"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"cancelSource": "31"}, "post-only, and it would have taken"),
        ({"cancelSource": "31", "cancelSourceReason": "The venue's own words"}, "The venue's own words"),
        ({"cancelSource": "99"}, "cancelSource 99"),
        ({}, None),
    ],
)
def test_the_reason_is_the_venues(fields: dict[str, str], reason: str | None) -> None:
    assert order(state="canceled", **fields).reason == reason


def test_the_average_is_none_before_anything_is_filled() -> None:
    assert order(avgPx="0").average_price is None
    assert order(avgPx="").average_price is None
    assert order(avgPx="70000.5", accFillSz="1", state="partially_filled").average_price == Decimal("70000.5")


@pytest.mark.parametrize(
    ("kind", "type_", "force", "post_only"),
    [
        ("limit", OrderType.LIMIT, TimeInForce.GTC, False),
        ("post_only", OrderType.LIMIT, TimeInForce.GTC, True),
        ("fok", OrderType.LIMIT, TimeInForce.FOK, False),
        ("ioc", OrderType.LIMIT, TimeInForce.IOC, False),
        ("market", OrderType.MARKET, None, False),
        ("optimal_limit_ioc", OrderType.MARKET, TimeInForce.IOC, False),
        ("new_kind", OrderType.LIMIT, None, None),
    ],
)
def test_type_time_in_force_and_post_only(
    kind: str, type_: OrderType, force: TimeInForce | None, post_only: bool | None
) -> None:
    told = order(ordType=kind)
    assert (told.type, told.time_in_force, told.post_only) == (type_, force, post_only)
    assert (told.price is None) is (type_ is OrderType.MARKET)


@pytest.mark.parametrize(
    ("fields", "amount", "spent"),
    [
        ({"tgtCcy": "base_ccy", "sz": "0.01"}, "0.01", None),
        ({"tgtCcy": "quote_ccy", "sz": "1000"}, None, "1000"),
        ({"tgtCcy": "", "sz": "1000"}, None, "1000"),
        ({"tgtCcy": "", "sz": "0.01", "side": "sell"}, "0.01", None),
        ({"tgtCcy": "quote_ccy", "sz": "1000", "state": "filled", "accFillSz": "0.0142"}, "0.0142", "1000"),
        ({"tgtCcy": "quote_ccy", "sz": "1000", "state": "canceled", "accFillSz": "0.01"}, None, "1000"),
    ],
)
def test_a_spot_market_order_by_value_has_an_amount_once_it_is_known(
    fields: dict[str, str], amount: str | None, spent: str | None
) -> None:
    told = order(SPOT, ordType="market", px="", **fields)
    assert told.amount == (None if amount is None else Decimal(amount))
    assert told.quote_amount == (None if spent is None else Decimal(spent))


@pytest.mark.parametrize(
    ("text", "fee"), [("-0.7", Decimal("0.7")), ("0.2", Decimal("-0.2")), ("0", Decimal(0)), ("", None)]
)
def test_a_fee_is_positive_when_paid(text: str, fee: Decimal | None) -> None:
    pushed = row(tradeId="9", fillSz="5", fillPx="70000", fillTime="1790000000001", fillFee=text, accFillSz="5")
    fill = account.pushed_fill(pushed, SWAP, account.order(pushed, SWAP))
    assert fill is not None
    assert fill.fee == fee


@pytest.mark.parametrize("fields", [{"tradeId": "", "fillSz": "0"}, {"tradeId": "9", "fillSz": "0", "fillPx": "1"}])
def test_a_push_without_a_trade_is_no_fill(fields: dict[str, str]) -> None:
    assert account.pushed_fill(row(**fields), SWAP, order()) is None


def test_a_liquidation_has_one_trade_id_in_pushes_and_in_lists() -> None:
    pushed = row(tradeId="0", fillSz="5", fillPx="70000", fillTime="1790000000001", accFillSz="5")
    listed = msgspec.convert(
        {
            "instType": "SWAP",
            "instId": "any",
            "tradeId": "-8",
            "ordId": "1",
            "side": "buy",
            "fillPx": "70000",
            "fillSz": "5",
            "ts": "1790000000002",
            "fillTime": "1790000000001",
        },
        wire.Fill,
    )
    told = account.pushed_fill(pushed, SWAP, order())
    assert told is not None
    assert told.trade_id == account.fill(listed, SWAP).trade_id == "1-1790000000001"


@pytest.mark.parametrize(
    ("size", "side_text", "side", "hedge"),
    [
        ("-5", "net", PositionSide.SHORT, False),
        ("5", "net", PositionSide.LONG, False),
        ("5", "short", PositionSide.SHORT, True),
        ("0", "long", PositionSide.LONG, True),
    ],
)
def test_a_position_has_a_side_and_no_sign(size: str, side_text: str, side: PositionSide, hedge: bool) -> None:
    told = account.position(
        msgspec.convert({"instType": "SWAP", "instId": "any", "pos": size, "posSide": side_text}, wire.Position), SWAP
    )
    assert (told.side, told.hedge_mode, told.amount) == (side, hedge, abs(Decimal(size)) * Decimal("0.01"))
    assert told.liquidation_price is None

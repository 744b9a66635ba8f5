"""Rows of an account become orders, fills, positions, balances and payments: units, statuses, unknowns."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from fra.core import (
    MarginMode,
    MarketKind,
    OrderStatus,
    OrderType,
    PositionSide,
    Symbol,
    TimeInForce,
)
from fra.exchanges.bybit import user, wire

NOW = 1_790_757_300_000


def symbol(kind: MarketKind) -> Symbol:
    quote, settle = {
        MarketKind.SPOT: ("USDT", None),
        MarketKind.LINEAR_SWAP: ("USDT", "USDT"),
        MarketKind.INVERSE_SWAP: ("USD", "BTC"),
    }[kind]
    return Symbol("X", "X", kind, "BTC", quote, settle, tick_size=Decimal("0.1"), lot_size=Decimal("0.001"))


SPOT, LINEAR, INVERSE = map(symbol, (MarketKind.SPOT, MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP))


def order(**fields: Any) -> wire.Order:
    row = {"symbol": "X", "orderId": "1", "side": "Buy", "orderType": "Limit", "orderStatus": "New", "qty": "3"}
    return msgspec.convert({**row, **fields}, wire.Order, strict=False)


@pytest.mark.parametrize(
    ("status", "filled", "expected"),
    [
        ("New", "0", OrderStatus.OPEN),
        ("PartiallyFilled", "1", OrderStatus.OPEN),
        ("Untriggered", "", OrderStatus.OPEN),
        ("Triggered", "", OrderStatus.OPEN),
        ("Filled", "3", OrderStatus.FILLED),
        ("Cancelled", "1", OrderStatus.CANCELED),
        ("PartiallyFilledCanceled", "2", OrderStatus.CANCELED),
        ("Deactivated", "0", OrderStatus.CANCELED),
        ("Rejected", "0", OrderStatus.REJECTED),
        ("SomethingNew", "1", OrderStatus.UNKNOWN),
    ],
)
def test_a_status_says_nothing_of_what_is_filled(status: str, filled: str, expected: OrderStatus) -> None:
    found = user.order(order(orderStatus=status, cumExecQty=filled), LINEAR)
    assert (found.status, found.filled) == (expected, Decimal(filled or 0))


@pytest.mark.parametrize(
    ("kind", "fields", "average"),
    [
        (LINEAR, {"avgPrice": "100.5", "cumExecQty": "1", "cumExecValue": "7"}, Decimal("100.5")),
        (LINEAR, {"avgPrice": "0", "cumExecQty": "2", "cumExecValue": "201"}, Decimal("100.5")),
        (INVERSE, {"avgPrice": "", "cumExecQty": "300", "cumExecValue": "0.004"}, Decimal(75000)),
        (LINEAR, {"avgPrice": "100.5", "cumExecQty": "0"}, None),
        (LINEAR, {"avgPrice": None, "cumExecQty": "1"}, None),
    ],
)
def test_the_average_is_bybits_else_the_quotient(kind: Symbol, fields: dict[str, Any], average: Decimal | None) -> None:
    assert user.order(order(**fields), kind).average_price == average


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"timeInForce": "GTC"}, (TimeInForce.GTC, False)),
        ({"timeInForce": "IOC"}, (TimeInForce.IOC, False)),
        ({"timeInForce": "PostOnly"}, (TimeInForce.GTC, True)),
        ({"timeInForce": "RPI"}, (None, False)),
        ({"timeInForce": ""}, (None, None)),
    ],
)
def test_time_in_force_and_post_only_are_apart(fields: dict[str, Any], expected: tuple[Any, Any]) -> None:
    found = user.order(order(**fields), LINEAR)
    assert (found.time_in_force, found.post_only) == expected


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"triggerDirection": 1}, OrderType.STOP),
        ({"triggerDirection": 2}, OrderType.TAKE_PROFIT),
        ({"triggerDirection": 1, "side": "Sell"}, OrderType.TAKE_PROFIT),
        ({"triggerDirection": 2, "side": "Sell"}, OrderType.STOP),
        ({"stopOrderType": "StopLoss", "triggerDirection": 2}, OrderType.STOP),
        ({"stopOrderType": "TakeProfit", "triggerDirection": 1}, OrderType.TAKE_PROFIT),
        ({"stopOrderType": "TrailingStop"}, OrderType.STOP),
    ],
)
def test_a_condition_is_a_stop_or_a_take_profit(fields: dict[str, Any], kind: OrderType) -> None:
    found = user.order(order(triggerPrice="90.0", price="91", **fields), LINEAR)
    assert (found.type, found.trigger_price, found.price) == (kind, 90, 91)


def test_a_trigger_of_zero_is_none() -> None:
    found = user.order(order(triggerPrice="0.00", stopOrderType="UNKNOWN", price="1"), LINEAR)
    assert (found.type, found.trigger_price) == (OrderType.LIMIT, None)


def test_a_market_order_has_no_price() -> None:
    found = user.order(order(orderType="Market", price="26864.4", timeInForce="IOC"), LINEAR)
    assert (found.type, found.price) == (OrderType.MARKET, None)


@pytest.mark.parametrize(
    ("fields", "amount", "quote"),
    [
        ({"marketUnit": "quoteCoin", "qty": "50"}, None, 50),
        ({"marketUnit": "", "qty": "50"}, None, 50),
        ({"marketUnit": "baseCoin", "qty": "2"}, 2, None),
        ({"marketUnit": "", "qty": "2", "side": "Sell"}, 2, None),
        ({"marketUnit": "quoteCoin", "qty": "50", "orderStatus": "Filled", "cumExecQty": "0.4"}, Decimal("0.4"), 50),
    ],
)
def test_a_spot_market_order_may_be_by_value(fields: dict[str, Any], amount: Decimal | None, quote: int | None) -> None:
    found = user.order(order(orderType="Market", **fields), SPOT)
    assert (found.amount, found.quote_amount) == (amount, quote)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rejectReason": "EC_NoError", "cancelType": "UNKNOWN"}, None),
        ({"rejectReason": "EC_PostOnlyWillTakeLiquidity", "cancelType": "UNKNOWN"}, "EC_PostOnlyWillTakeLiquidity"),
        ({"rejectReason": "EC_NoError", "cancelType": "CancelByReduceOnly"}, "CancelByReduceOnly"),
    ],
)
def test_a_reason_is_given_where_there_is_one(fields: dict[str, str], reason: str | None) -> None:
    assert user.order(order(**fields), LINEAR).reason == reason


# --- fills


def execution(**fields: Any) -> wire.Execution:
    row = {"symbol": "X", "execId": "e", "side": "Buy", "execPrice": "1", "execQty": "2", "execTime": str(NOW)}
    return msgspec.convert({**row, **fields}, wire.Execution, strict=False)


@pytest.mark.parametrize("kind", ["Trade", "AdlTrade", "BustTrade", "BlockTrade"])
def test_what_trades_is_a_fill(kind: str) -> None:
    found = user.fill(execution(execType=kind), LINEAR)
    assert found is not None
    assert (found.amount, found.fee, found.fee_asset, found.maker) == (2, None, None, None)


@pytest.mark.parametrize("kind", ["Funding", "Settle", "Delivery", "UNKNOWN"])
def test_what_settles_is_no_fill(kind: str) -> None:
    assert user.fill(execution(execType=kind), LINEAR) is None


def test_a_pushed_fee_is_named_by_another_field() -> None:
    found = user.fill(execution(execFee="0.1", feeCoin="USDC"), LINEAR)
    assert found is not None
    assert found.fee_asset == "USDC"


@pytest.mark.parametrize(("kind", "asset"), [(LINEAR, "USDT"), (INVERSE, "BTC")])
def test_a_contract_is_paid_in_what_it_settles_in(kind: Symbol, asset: str) -> None:
    found = user.fill(execution(execFee="-0.1"), kind)
    assert found is not None
    assert (found.fee, found.fee_asset) == (Decimal("-0.1"), asset)


# --- positions, balances, payments


def position(**fields: Any) -> wire.Position:
    return msgspec.convert({"symbol": "X", "size": "2", "side": "Sell", **fields}, wire.Position, strict=False)


def test_a_flat_position_is_none() -> None:
    assert user.position(position(size="0", side=""), LINEAR) is None
    assert user.position(position(size="0", side="None", positionIdx=1), LINEAR) is None


@pytest.mark.parametrize(
    ("account", "own", "mode"),
    [
        (MarginMode.ISOLATED, 0, MarginMode.ISOLATED),
        (MarginMode.CROSS, 0, MarginMode.CROSS),
        (None, 1, MarginMode.ISOLATED),
        (None, 0, MarginMode.CROSS),
    ],
)
def test_the_margin_mode_is_the_accounts_where_it_has_one(
    account: MarginMode | None, own: int, mode: MarginMode
) -> None:
    found = user.position(position(tradeMode=own, liqPrice="0", avgPrice="5"), LINEAR, account=account)
    assert found is not None
    assert (found.margin_mode, found.liquidation_price, found.side) == (mode, None, PositionSide.SHORT)
    assert found.entry_price == 5


def test_what_is_held_and_what_is_lent_is_told_apart() -> None:
    coin = wire.Coin("BTC", walletBalance="3", locked="1", totalOrderIM="", totalPositionIM="0.5", spotBorrow="2")
    (found,) = user.balances([wire.Wallet([coin])], NOW)
    assert (found.total, found.free, found.used, found.borrowed) == (3, Decimal("1.5"), Decimal("1.5"), 2)
    assert (found.market, found.timestamp_ms) == ("unified", NOW)


@pytest.mark.parametrize(
    ("funding", "amount"), [("-0.003676", Decimal("-0.003676")), ("0.5", Decimal("0.5")), ("", None)]
)
def test_a_payment_is_positive_when_it_was_received(funding: str, amount: Decimal | None) -> None:
    row = wire.Transaction("X", str(NOW), "USDT", id="i", funding=funding, feeRate="0.0001", size="-100")
    found = user.payment(row, LINEAR)
    if amount is None:
        assert found is None
        return
    assert found is not None
    assert (found.amount, found.rate, found.position_amount) == (amount, Decimal("0.0001"), 100)

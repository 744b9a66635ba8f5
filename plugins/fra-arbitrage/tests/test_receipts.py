"""Funding expected against funding received: pending is not zero, and every difference has its cause."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fra.arbitrage.receipts import AS_EXPECTED, PENDING, Held, Settlement, reconcile, totals
from fra.core import FundingPayment, MarketKind, PositionSide, Symbol

D = Decimal
AT = 1_700_000_000_000
HOUR = 3_600_000
SWAP = Symbol(
    "BTC/USDT:USDT", "BTCUSDT", MarketKind.LINEAR_SWAP, "BTC", "USDT", "USDT", tick_size=D("0.1"), lot_size=D("0.001")
)
INVERSE = Symbol(
    "BTC/USD:BTC", "BTCUSD", MarketKind.INVERSE_SWAP, "BTC", "USD", "BTC", tick_size=D("0.1"), lot_size=D("1")
)


def held(side=PositionSide.SHORT, *, amount="2", symbol=SWAP):
    return Held(exchange="okx", symbol=symbol, side=side, amount=D(amount))


def settlement(rate="0.0005", *, mark="100", at=AT, charged=None):
    charged = None if charged is None else D(charged)
    return Settlement(at_ms=at, rate=D(rate), mark_price=None if mark is None else D(mark), charged=charged)


def payment(amount, *, at=AT, symbol=SWAP, **known):
    known = {name: D(value) for name, value in known.items()}
    return FundingPayment(symbol=symbol.name, amount=D(amount), asset=symbol.settle, timestamp_ms=at, **known)


@pytest.mark.parametrize(
    ("side", "rate", "expected"),
    [
        (PositionSide.SHORT, "0.0005", "0.1"),
        (PositionSide.LONG, "0.0005", "-0.1"),
        (PositionSide.SHORT, "-0.0005", "-0.1"),
        (PositionSide.LONG, "-0.0005", "0.1"),
    ],
)
def test_longs_pay_shorts_when_the_rate_is_positive(side, rate, expected):
    (receipt,) = reconcile(held(side), [settlement(rate)], [payment(expected)])
    assert (receipt.expected, receipt.difference, receipt.cause) == (D(expected), 0, AS_EXPECTED)


def test_inverse_contracts_pay_in_base_coin():
    (receipt,) = reconcile(held(amount="200", symbol=INVERSE), [settlement()], [payment("0.001", symbol=INVERSE)])
    assert (receipt.expected, receipt.asset, receipt.cause) == (D("0.001"), "BTC", AS_EXPECTED)


def test_what_has_not_been_seen_is_pending_and_not_zero():
    (receipt,) = reconcile(held(), [settlement()], [])
    assert (receipt.received, receipt.difference, receipt.cause, receipt.expected) == (None, None, PENDING, D("0.1"))


def test_a_payment_of_another_symbol_or_settlement_settles_nothing():
    others = [payment("0.1", symbol=INVERSE), payment("0.1", at=AT - HOUR)]
    early, due = reconcile(held(), [settlement()], others)
    assert (early.expected, early.received, early.cause) == (None, D("0.1"), "no settlement was expected then")
    assert due.cause == PENDING


def test_a_payment_is_booked_some_seconds_late():
    (receipt,) = reconcile(held(), [settlement()], [payment("0.1", at=AT + 8_000)])
    assert receipt.cause == AS_EXPECTED


@pytest.mark.parametrize(
    ("paid", "cause"),
    [
        (payment("0.08", rate="0.0004"), "the rate was 0.04 %, not 0.05 %"),
        (payment("0.05", position_amount="1"), "the position was 1, not 2"),
        (payment("0.101"), "the mark price was 101, not 100"),
        (
            payment("0.04", rate="0.0004", position_amount="1"),
            "the rate was 0.04 %, not 0.05 %; the position was 1, not 2",
        ),
        (payment("0.0808", rate="0.0004"), "the rate was 0.04 %, not 0.05 %; the mark price was 101, not 100"),
        (payment("0.3"), "0.2 USDT are unexplained"),
        (payment("-0.1"), "-0.2 USDT are unexplained"),
        (payment("0"), "-0.1 USDT are unexplained"),
    ],
)
def test_every_difference_has_its_cause(paid, cause):
    (receipt,) = reconcile(held(), [settlement()], [paid])
    assert (receipt.cause, receipt.difference) == (cause, paid.amount - D("0.1"))


def test_the_rate_it_settled_at_is_a_cause_where_the_payment_names_none():
    (receipt,) = reconcile(held(), [settlement(charged="0.0004")], [payment("0.08")])
    assert receipt.cause == "the rate was 0.04 %, not 0.05 %"


def test_an_inverse_payment_falls_when_the_mark_price_rises():
    (receipt,) = reconcile(held(amount="200", symbol=INVERSE), [settlement()], [payment("0.00098", symbol=INVERSE)])
    assert receipt.cause.startswith("the mark price was 102.04")


def test_without_a_mark_price_nothing_is_expected():
    (receipt,) = reconcile(held(), [settlement(mark=None)], [payment("0.1")])
    assert (receipt.expected, receipt.received, receipt.difference) == (None, D("0.1"), None)


def test_two_payments_of_one_settlement_are_one_receipt():
    (receipt,) = reconcile(held(), [settlement()], [payment("0.06"), payment("0.04", at=AT + 1)])
    assert (receipt.received, receipt.cause) == (D("0.1"), AS_EXPECTED)


AMOUNTS = st.decimals("-10", "10", places=6)


@given(st.lists(st.tuples(AMOUNTS, st.integers(-5, 5)), max_size=12), st.lists(st.integers(-5, 5), unique=True))
def test_the_sum_received_is_exactly_what_the_account_was_paid(paid, hours):
    payments = [payment(str(amount), at=AT + hour * HOUR) for amount, hour in paid]
    receipts = reconcile(held(), [settlement(at=AT + hour * HOUR) for hour in hours], payments)
    total = next(iter(totals(receipts)), None)
    assert (0 if total is None else total.received) == sum(amount for amount, _ in paid)
    assert (0 if total is None else total.pending) == len(set(hours) - {hour for _, hour in paid})

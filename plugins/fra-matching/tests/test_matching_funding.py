"""Funding: who pays whom how much, and when."""

from decimal import Decimal as D

import pytest

from fra.matching import BalanceChanged, BalanceReason, FundingPaid, Liquidated, MarginMode, PositionMode, PositionSide

LINEAR, INVERSE, SPOT = "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT"
HOUR = 3_600_000


@pytest.fixture
def perp(house):
    for name in ("ann", "bob"):
        house.open(name, usdm_USDT=1000, coinm_BTC=1)
    house.mark(LINEAR, 100)
    house.mark(INVERSE, 50_000)
    return house


def settle(house, symbol, rate, mark, now_ms=8 * HOUR):
    return house.exchange.settle(symbol, D(rate), D(mark), now_ms=now_ms)


@pytest.mark.parametrize(("rate", "change"), [("0.001", "-0.22"), ("-0.001", "0.22")])
def test_a_linear_long_pays_a_positive_rate_on_position_times_mark(perp, rate, change):
    perp.quote(LINEAR, asks="100*2")
    perp.buy("ann", LINEAR, 2)
    (payment,) = settle(perp, LINEAR, rate, 110)
    assert (payment.account, payment.amount, payment.asset, payment.position) == ("ann", D(change), "USDT", 2)
    assert perp.total("ann", "usdm", "USDT") == 1000 + D(change)
    assert perp.exchange.held_by("outside", "USDT") == -D(change)


@pytest.mark.parametrize(("rate", "change"), [("0.001", "0.22"), ("-0.001", "-0.22")])
def test_a_linear_short_receives_a_positive_rate(perp, rate, change):
    perp.quote(LINEAR, bids="100*2")
    perp.sell("ann", LINEAR, 2)
    assert settle(perp, LINEAR, rate, 110)[0].amount == D(change)


@pytest.mark.parametrize(("side", "change"), [("buy", "-0.000025"), ("sell", "0.000025")])
def test_inverse_funding_is_position_over_mark_in_base(perp, side, change):
    perp.quote(INVERSE, "50000*1000", "50000*1000")
    getattr(perp, side)("ann", INVERSE, 1000)
    (payment,) = settle(perp, INVERSE, "0.001", 40_000)
    assert (payment.amount, payment.asset) == (D(change), "BTC")


def test_a_rate_that_is_known_later_is_paid_by_what_was_held_at_the_settlement(perp):
    perp.quote(LINEAR, bids="100*2", asks="100*2")
    perp.buy("ann", LINEAR, 2)
    held = perp.exchange.positions("ann", LINEAR)
    perp.sell("ann", LINEAR, 2)
    (payment,) = perp.exchange.settle(LINEAR, D("0.001"), D(110), held=held, now_ms=8 * HOUR + 5)
    assert (payment.position, payment.amount) == (2, D("-0.22"))
    assert perp.total("ann", "usdm", "USDT") == 1000 - D("0.22")
    assert perp.exchange.mark_price(LINEAR) == 100


def test_two_accounts_against_each_other_pay_each_other(perp):
    perp.sell("bob", LINEAR, 2, 100)
    perp.buy("ann", LINEAR, 2, 100)
    settle(perp, LINEAR, "0.001", 100)
    assert perp.exchange.payments("ann")[0].amount == -perp.exchange.payments("bob", LINEAR)[0].amount == D("-0.2")
    assert perp.exchange.held_by("outside", "USDT") == 0
    assert perp.exchange.payments("ann", INVERSE) == ()


def test_each_payment_has_its_own_id_and_is_told_before_the_balance(perp):
    perp.sell("bob", LINEAR, 2, 100)
    perp.buy("ann", LINEAR, 2, 100)
    perp.events.clear()
    settle(perp, LINEAR, "0.001", 100)
    settle(perp, LINEAR, "0.001", 100, 16 * HOUR)
    ids = [event.payment.id for event in perp.told(FundingPaid)]
    assert len(set(ids)) == len(ids) == 4
    assert isinstance(perp.events[0], FundingPaid)
    assert isinstance(perp.events[1], BalanceChanged)
    assert perp.events[1].reason is BalanceReason.FUNDING


def test_hedge_mode_pays_for_both_sides(house):
    house.open("ann", mode=PositionMode.HEDGE, usdm_USDT=1000)
    house.quote(LINEAR, "100*9", "100*9")
    house.buy("ann", LINEAR, 2, position_side=PositionSide.LONG)
    house.sell("ann", LINEAR, 1, position_side=PositionSide.SHORT)
    payments = settle(house, LINEAR, "0.01", 100)
    assert [(p.side, p.amount) for p in payments] == [(PositionSide.LONG, -2), (PositionSide.SHORT, 1)]


def test_isolated_funding_is_paid_out_of_the_position_s_margin(perp):
    perp.exchange.set_margin_mode("ann", LINEAR, MarginMode.ISOLATED, now_ms=1)
    perp.quote(LINEAR, asks="100*10")
    perp.buy("ann", LINEAR, 10)
    settle(perp, LINEAR, "0.01", 100)
    assert perp.exchange.position("ann", LINEAR).initial_margin == 90
    assert perp.free("ann", "usdm", "USDT") == 900


def test_funding_may_liquidate(perp):
    perp.quote(LINEAR, asks="100*90")
    perp.buy("ann", LINEAR, 90)
    settle(perp, LINEAR, "0.2", 100)
    assert perp.told(Liquidated)


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_a_settlement_is_due_at_the_interval_s_own_boundaries(house, hours):
    house.terms(LINEAR, interval_ms=hours * HOUR)
    exchange, step = house.exchange, hours * HOUR
    for boundary in (step, 2 * step, 3 * step):
        assert exchange.next_settlement_ms(LINEAR) == boundary
        assert not exchange.due(LINEAR, boundary - 1)
        assert exchange.due(LINEAR, boundary)
        settle(house, LINEAR, "0.001", 100, boundary + 5)
        assert not exchange.due(LINEAR, boundary + 5)


def test_a_new_interval_counts_from_its_change(house):
    exchange = house.exchange
    settle(house, LINEAR, "0.001", 100, 8 * HOUR)
    house.now = 11 * HOUR + HOUR // 2
    house.terms(LINEAR, interval_ms=HOUR)
    assert exchange.next_settlement_ms(LINEAR) == 12 * HOUR
    settle(house, LINEAR, "0.001", 100, 12 * HOUR)
    assert exchange.next_settlement_ms(LINEAR) == 13 * HOUR
    house.now = 13 * HOUR - 1
    house.terms(LINEAR, interval_ms=4 * HOUR)
    assert exchange.next_settlement_ms(LINEAR) == 16 * HOUR


def test_spot_has_no_funding(house):
    assert house.exchange.next_settlement_ms(SPOT) is None
    assert not house.exchange.due(SPOT, 10**12)

"""Positions: profit, margin, modes, reduce-only, liquidation; linear and inverse."""

from decimal import Decimal as D

import pytest

from fra.matching import (
    BalanceChanged,
    BalanceReason,
    Liquidated,
    MarginMode,
    OrderChanged,
    OrderStatus,
    PositionChanged,
    PositionMode,
    PositionSide,
    Reason,
    Refused,
    SettingChanged,
    Side,
    TimeInForce,
    Trigger,
    TriggerKind,
)

LINEAR, INVERSE, SPOT = "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT"
S = OrderStatus
LONG, SHORT, NET = PositionSide.LONG, PositionSide.SHORT, PositionSide.NET


@pytest.fixture
def perp(house):
    for name in ("ann", "bob"):
        house.open(name, usdm_USDT=1000, coinm_BTC=1)
    house.mark(LINEAR, 100)
    house.mark(INVERSE, 50_000)
    return house


@pytest.fixture
def hedge(house):
    house.open("ann", mode=PositionMode.HEDGE, usdm_USDT=1000)
    house.mark(LINEAR, 100)
    house.quote(LINEAR, "100*99", "100*99")
    return house


def refusal(call, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value.reason


def position(house, account="ann", symbol=LINEAR, side=NET):
    return house.exchange.position(account, symbol, side)


# -- profit
def test_a_linear_long_earns_the_difference_times_its_amount(perp):
    perp.quote(LINEAR, asks="100*1 102*1")
    perp.buy("ann", LINEAR, 2)
    assert (position(perp).amount, position(perp).entry) == (2, 101)
    perp.mark(LINEAR, 111)
    assert position(perp).unrealised == 20
    perp.quote(LINEAR, bids="110*9", asks="112*9")
    fill = perp.sell("ann", LINEAR, 1)
    assert position(perp).realised == 9
    assert (position(perp).amount, position(perp).entry) == (1, 101)
    assert perp.total("ann", "usdm", "USDT") == 1009
    assert fill.average == 110


def test_a_linear_short_earns_when_the_price_falls(perp):
    perp.quote(LINEAR, bids="100*2")
    perp.sell("ann", LINEAR, 2)
    perp.mark(LINEAR, 90)
    assert (position(perp).amount, position(perp).unrealised) == (-2, 20)


def test_an_inverse_position_is_sized_in_quote_and_earns_in_base(perp):
    perp.quote(INVERSE, asks="50000*10000")
    perp.buy("ann", INVERSE, 10_000)
    perp.mark(INVERSE, 62_500)
    assert (position(perp, symbol=INVERSE).entry, position(perp, symbol=INVERSE).unrealised) == (50_000, D("0.04"))
    perp.quote(INVERSE, bids="40000*10000")
    perp.sell("ann", INVERSE, 10_000)
    assert perp.total("ann", "coinm", "BTC") == D("0.95")


def test_an_inverse_short_earns_in_base_when_the_price_falls(perp):
    perp.quote(INVERSE, bids="50000*10000")
    perp.sell("ann", INVERSE, 10_000)
    perp.mark(INVERSE, 40_000)
    assert position(perp, symbol=INVERSE).unrealised == D("0.05")


def test_the_average_inverse_entry_is_harmonic(perp):
    perp.quote(INVERSE, asks="40000*4000 50000*5000")
    perp.buy("ann", INVERSE, 9000)
    assert position(perp, symbol=INVERSE).entry == 45_000


def test_a_one_way_position_turns_over_with_a_new_entry(perp):
    perp.quote(LINEAR, asks="100*1")
    perp.buy("ann", LINEAR, 1)
    perp.quote(LINEAR, bids="110*3")
    perp.sell("ann", LINEAR, 3)
    assert (position(perp).amount, position(perp).entry) == (-2, 110)
    assert perp.total("ann", "usdm", "USDT") == 1010
    assert perp.exchange.fills("ann")[-1].realised == 10


def test_fees_of_derivatives_are_in_the_settle_coin(perp):
    perp.terms(LINEAR, taker_fee=D("0.001"))
    perp.terms(INVERSE, taker_fee=D("0.001"))
    perp.quote(LINEAR, asks="100*1")
    perp.quote(INVERSE, asks="50000*10000")
    assert perp.buy("ann", LINEAR, 1).fee == D("0.1")
    order = perp.buy("ann", INVERSE, 10_000)
    assert (order.fee, order.fee_asset) == (D("0.0002"), "BTC")


# -- margin
def test_orders_and_positions_take_initial_margin_by_leverage(perp):
    perp.exchange.set_leverage("ann", LINEAR, D(5), now_ms=1)
    perp.buy("ann", LINEAR, 10, 90)
    assert perp.free("ann", "usdm", "USDT") == 1000 - 180
    perp.quote(LINEAR, asks="90*10")
    assert position(perp).initial_margin == 200  # on the mark
    assert perp.exchange.balance("ann", "usdm", "USDT").available == 1000 - 200 + 100
    assert perp.free("ann", "usdm", "USDT") == 800


def test_what_new_orders_may_use_is_bounded(perp):
    assert refusal(perp.buy, "ann", LINEAR, 101, 100) is Reason.INSUFFICIENT_FUNDS
    assert perp.buy("ann", LINEAR, 100, 100).status is S.NEW
    assert refusal(perp.buy, "ann", LINEAR, 1, 100) is Reason.INSUFFICIENT_FUNDS


def test_both_sides_orders_need_the_margin_of_the_larger_only(perp):
    perp.buy("ann", LINEAR, 50, 90)
    perp.sell("ann", LINEAR, 40, 110)
    assert perp.free("ann", "usdm", "USDT") == 1000 - 450
    perp.exchange.cancel_all("ann", now_ms=1)
    assert perp.free("ann", "usdm", "USDT") == 1000


def test_an_order_that_only_closes_needs_no_margin(perp):
    perp.quote(LINEAR, asks="100*100")
    perp.buy("ann", LINEAR, 99)
    assert perp.sell("ann", LINEAR, 99, 120).status is S.NEW
    assert perp.free("ann", "usdm", "USDT") == 10


def test_profit_that_is_not_realised_cannot_be_withdrawn(perp):
    perp.quote(LINEAR, asks="100*1")
    perp.buy("ann", LINEAR, 1)
    perp.mark(LINEAR, 200)
    assert refusal(perp.exchange.withdraw, "ann", "usdm", "USDT", D(1000), now_ms=1) is Reason.INSUFFICIENT_FUNDS
    assert perp.exchange.withdraw("ann", "usdm", "USDT", D(980), now_ms=1).total == 20


def test_an_order_that_would_be_below_maintenance_at_once_is_refused(perp):
    perp.exchange.set_leverage("ann", LINEAR, D(100), now_ms=1)
    perp.terms(LINEAR, maintenance_rate=D("0.05"))
    assert refusal(perp.buy, "ann", LINEAR, 300, 100) is Reason.MARGIN
    assert perp.buy("ann", LINEAR, 200, 100).status is S.NEW


def test_buying_far_above_the_mark_must_be_paid_at_once(perp):
    perp.quote(LINEAR, asks="130*40")
    assert refusal(perp.buy, "ann", LINEAR, 30) is Reason.INSUFFICIENT_FUNDS  # 390 margin and 900 lost
    assert perp.buy("ann", LINEAR, 10).status is S.FILLED


def test_leverage_is_bounded_and_must_carry_what_is_open(perp):
    exchange = perp.exchange
    assert refusal(exchange.set_leverage, "ann", LINEAR, D(101), now_ms=1) is Reason.LEVERAGE
    assert refusal(exchange.set_leverage, "ann", SPOT, D(2), now_ms=1) is Reason.LEVERAGE
    assert exchange.set_leverage("ann", LINEAR, D(20), now_ms=1) is True
    assert exchange.set_leverage("ann", LINEAR, D(20), now_ms=1) is False
    assert [event.value for event in perp.told(SettingChanged)] == ["20"]
    perp.quote(LINEAR, asks="100*100")
    perp.buy("ann", LINEAR, 100)
    assert refusal(exchange.set_leverage, "ann", LINEAR, D(5), now_ms=1) is Reason.MARGIN
    assert exchange.leverage("ann", LINEAR) == 20


def test_an_account_has_the_leverage_it_was_opened_with_up_to_the_maximum(house):
    house.exchange.open_account("ann", wallets={"usdm": "u"}, leverage=D(500))
    assert house.exchange.leverage("ann", LINEAR) == 100


# -- reduce-only
def test_a_reduce_only_order_without_a_position_is_refused_or_expired(perp):
    assert refusal(perp.sell, "ann", LINEAR, 1, 100, reduce_only=True) is Reason.REDUCE_ONLY
    order = perp.sell("ann", LINEAR, 1, 100, reduce_only=True, expire={Reason.REDUCE_ONLY})
    assert (order.status, order.reason) == (S.EXPIRED, Reason.REDUCE_ONLY)


def test_a_reduce_only_order_closes_no_more_than_there_is(perp):
    perp.quote(LINEAR, "99*9", "100*9")
    perp.buy("ann", LINEAR, 2)
    assert refusal(perp.buy, "ann", LINEAR, 1, reduce_only=True) is Reason.REDUCE_ONLY
    order = perp.sell("ann", LINEAR, 5, reduce_only=True)
    assert (order.status, order.filled, order.reason) == (S.EXPIRED, 2, Reason.REDUCE_ONLY)
    assert position(perp).amount == 0


def test_resting_reduce_only_orders_end_with_their_position(perp):
    perp.quote(LINEAR, "99*9", "100*9")
    perp.buy("ann", LINEAR, 2)
    first = perp.sell("ann", LINEAR, 2, 110, reduce_only=True)
    second = perp.sell("ann", LINEAR, 2, 111, reduce_only=True)
    perp.buy("bob", LINEAR, 1)
    perp.quote(LINEAR, "110*9", "112*9")
    assert perp.exchange.order("ann", order_id=first.id).status is S.FILLED
    ended = perp.exchange.order("ann", order_id=second.id)
    assert (ended.status, ended.reason, ended.filled) == (S.EXPIRED, Reason.REDUCE_ONLY, 0)


def test_a_fok_order_does_not_count_on_what_a_reduce_only_maker_can_no_longer_close(perp):
    perp.quote(LINEAR, "100*3")
    perp.sell("ann", LINEAR, 3)
    perp.quote(LINEAR)
    perp.buy("ann", LINEAR, 3, 98)
    perp.buy("ann", LINEAR, 3, 97, reduce_only=True)
    order = perp.sell("bob", LINEAR, 6, 97, time_in_force=TimeInForce.FOK)
    assert (order.status, order.filled) == (S.EXPIRED, 0)


def test_a_stop_loss_closes_the_position_when_the_mark_gets_there(perp):
    perp.quote(LINEAR, "100*9", "100*9")
    perp.buy("ann", LINEAR, 2)
    perp.exchange.trade(LINEAR, D(100), D(1), Side.BUY, now_ms=1)
    perp.sell("ann", LINEAR, 2, reduce_only=True, trigger=Trigger(TriggerKind.STOP, D(95)))
    again = perp.sell("ann", LINEAR, 2, reduce_only=True, trigger=Trigger(TriggerKind.STOP, D(94)))
    perp.quote(LINEAR, "93*9", "96*9")
    perp.exchange.trade(LINEAR, D(94), D(1), Side.SELL, now_ms=2)
    assert position(perp).amount == 0
    assert perp.total("ann", "usdm", "USDT") == 1000 - 14
    assert perp.exchange.order("ann", order_id=again.id).status is S.EXPIRED


# -- hedge mode
def test_hedge_mode_keeps_a_long_and_a_short_apart(hedge):
    hedge.buy("ann", LINEAR, 2, position_side=LONG)
    hedge.sell("ann", LINEAR, 3, position_side=SHORT)
    assert [(p.side, p.amount) for p in hedge.exchange.positions("ann")] == [(LONG, 2), (SHORT, -3)]
    hedge.mark(LINEAR, 110)
    assert [p.unrealised for p in hedge.exchange.positions("ann", LINEAR)] == [20, -30]
    hedge.quote(LINEAR, "110*9", "110*9")
    hedge.buy("ann", LINEAR, 1, position_side=SHORT)
    assert hedge.total("ann", "usdm", "USDT") == 990
    assert position(hedge, side=SHORT).amount == -2
    assert position(hedge, side=LONG).amount == 2


def test_hedge_mode_wants_a_side_and_closes_no_more_than_there_is(hedge):
    assert refusal(hedge.buy, "ann", LINEAR, 1) is Reason.POSITION_SIDE
    hedge.buy("ann", LINEAR, 2, position_side=LONG)
    assert refusal(hedge.sell, "ann", LINEAR, 3, position_side=LONG) is Reason.REDUCE_ONLY
    assert refusal(hedge.buy, "ann", LINEAR, 1, position_side=SHORT) is Reason.REDUCE_ONLY
    assert refusal(hedge.buy, "ann", LINEAR, 1, position_side=LONG, reduce_only=True) is Reason.REDUCE_ONLY
    assert hedge.sell("ann", LINEAR, 2, position_side=LONG).status is S.FILLED


def test_the_position_mode_changes_only_with_nothing_open(perp):
    exchange = perp.exchange
    assert exchange.set_position_mode("ann", PositionMode.ONE_WAY, now_ms=1) is False
    order = perp.buy("ann", LINEAR, 1, 90)
    assert refusal(exchange.set_position_mode, "ann", PositionMode.HEDGE, now_ms=1) is Reason.POSITION_MODE
    exchange.cancel("ann", order_id=order.id, now_ms=1)
    assert exchange.set_position_mode("ann", PositionMode.HEDGE, now_ms=1) is True
    assert exchange.position_mode("ann") is PositionMode.HEDGE
    assert refusal(perp.buy, "ann", LINEAR, 1, 90) is Reason.POSITION_SIDE


# -- liquidation
def test_a_cross_position_below_maintenance_is_closed_against_the_book(perp):
    perp.quote(LINEAR, asks="100*90")
    perp.buy("ann", LINEAR, 90)
    resting = perp.buy("ann", LINEAR, 1, 50)
    price = position(perp).liquidation_price
    assert price == (9000 - 1000) / (90 * D("0.99"))
    perp.quote(LINEAR, bids="89.9*50", asks="90*1")
    perp.mark(LINEAR, round(price, 1) + 1)
    assert position(perp).amount == 90
    perp.mark(LINEAR, round(price, 1) - D("0.1"))
    (event,) = perp.told(Liquidated)
    assert (event.account, event.amount, event.covered) == ("ann", 90, 0)
    assert (event.order.liquidation, event.order.status, event.order.filled) == (True, S.FILLED, 90)
    assert position(perp).amount == 0
    cancelled = perp.exchange.order("ann", order_id=resting.id)
    assert (cancelled.status, cancelled.reason) == (S.CANCELED, Reason.LIQUIDATION)
    left = 1000 - 50 * D("10.1") - 40 * (100 - perp.exchange.mark_price(LINEAR))
    assert perp.total("ann", "usdm", "USDT") == left > 0
    assert perp.exchange.held_by("insurance", "USDT") == 0


def test_insurance_bears_the_loss_beyond_the_wallet(perp):
    perp.quote(LINEAR, asks="100*90")
    perp.buy("ann", LINEAR, 90)
    perp.quote(LINEAR)
    perp.mark(LINEAR, 80)
    (event,) = perp.told(Liquidated)
    assert (event.covered, event.price) == (800, 80)
    assert perp.total("ann", "usdm", "USDT") == 0
    assert perp.exchange.held_by("insurance", "USDT") == -800
    assert BalanceReason.INSURANCE in {e.reason for e in perp.told(BalanceChanged)}


def test_a_short_is_liquidated_when_the_mark_rises(perp):
    perp.quote(LINEAR, bids="100*90")
    perp.sell("ann", LINEAR, 90)
    price = position(perp).liquidation_price
    perp.mark(LINEAR, price - 1)
    assert not perp.told(Liquidated)
    perp.mark(LINEAR, price + 1)
    assert perp.told(Liquidated)[0].amount == -90


def test_an_inverse_long_is_liquidated_at_the_price_it_says(perp):
    perp.quote(INVERSE, asks="50000*400000")
    perp.buy("ann", INVERSE, 400_000)
    price = position(perp, symbol=INVERSE).liquidation_price
    perp.mark(INVERSE, price + 1)
    assert not perp.told(Liquidated)
    perp.mark(INVERSE, price - 1)
    assert perp.told(Liquidated)[0].asset == "BTC"


def test_an_isolated_position_loses_its_own_margin_at_most(perp):
    assert perp.exchange.set_margin_mode("ann", LINEAR, MarginMode.ISOLATED, now_ms=1) is True
    perp.quote(LINEAR, asks="100*10")
    perp.buy("ann", LINEAR, 10)
    assert position(perp).initial_margin == 100
    assert position(perp).liquidation_price == D(900) / D("9.9")
    assert refusal(perp.exchange.set_margin_mode, "ann", LINEAR, MarginMode.CROSS, now_ms=1) is Reason.MARGIN
    perp.mark(LINEAR, 95)
    assert perp.free("ann", "usdm", "USDT") == 900
    resting = perp.buy("ann", LINEAR, 1, 50)
    perp.mark(LINEAR, 85)
    assert perp.exchange.order("ann", order_id=resting.id).reason is Reason.LIQUIDATION
    assert perp.told(Liquidated)[0].covered == 50
    assert perp.total("ann", "usdm", "USDT") == perp.free("ann", "usdm", "USDT") == 900


def test_closing_a_part_frees_its_share_of_the_isolated_margin(perp):
    perp.exchange.set_margin_mode("ann", LINEAR, MarginMode.ISOLATED, now_ms=1)
    perp.quote(LINEAR, "100*9", "100*9")
    perp.buy("ann", LINEAR, 4)
    perp.sell("ann", LINEAR, 1)
    assert position(perp).initial_margin == 30


def test_a_close_at_a_bad_price_cannot_leave_debt(perp):
    perp.quote(LINEAR, asks="100*90")
    perp.buy("ann", LINEAR, 90)
    perp.quote(LINEAR, bids="80*90")
    perp.sell("ann", LINEAR, 90)
    assert not perp.told(Liquidated)
    assert perp.total("ann", "usdm", "USDT") == 0
    assert perp.exchange.held_by("insurance", "USDT") == -800


def test_a_counterparty_earns_what_the_liquidated_lost(perp):
    perp.sell("bob", LINEAR, 90, 100)
    perp.buy("ann", LINEAR, 90, 100)
    perp.exchange.deposit("bob", "usdm", "USDT", D(1000), now_ms=1)
    perp.mark(LINEAR, 85)
    perp.quote(LINEAR, asks="85*90")
    perp.buy("bob", LINEAR, 90)
    assert perp.total("bob", "usdm", "USDT") == 2000 + 90 * 15
    assert perp.exchange.total("USDT") == 3000


def test_every_fill_of_a_derivative_tells_the_position_and_the_balance(perp):
    perp.quote(LINEAR, asks="100*1")
    perp.events.clear()
    perp.buy("ann", LINEAR, 1)
    kinds = [type(event).__name__ for event in perp.events]
    assert kinds == [
        OrderChanged.__name__,
        "Traded",
        "Filled",
        PositionChanged.__name__,
        "BalanceChanged",
        "OutsideTaken",
    ]

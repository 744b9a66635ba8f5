"""Orders on a spot market: priority, time in force, refusals, triggers, and what the outside takes and gives."""

from decimal import Decimal as D

import pytest

from fra.matching import (
    BalanceChanged,
    OrderChanged,
    OrderRequest,
    OrderStatus,
    OrderType,
    OutsideTaken,
    PositionSide,
    Reason,
    Refused,
    Side,
    TimeInForce,
    Traded,
    Trigger,
    TriggerBy,
    TriggerKind,
)

SPOT = "BTC/USDT"
S = OrderStatus


@pytest.fixture
def spot(house):
    for name in ("ann", "bob", "cyd"):
        house.open(name, spot_USDT=10_000, spot_BTC=10)
    house.events.clear()
    return house


def refusal(call, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value.reason


def test_better_prices_trade_first_and_then_the_older_order(spot):
    spot.sell("ann", SPOT, 1, 101)
    spot.sell("bob", SPOT, 1, 100)
    spot.sell("ann", SPOT, 1, 100)
    order = spot.buy("cyd", SPOT, "2.5", 101)
    assert (order.status, order.filled) == (S.FILLED, D("2.5"))
    assert spot.fills()[::2] == [("bob", 100, 1, True), ("ann", 100, 1, True), ("ann", 101, D("0.5"), True)]


def test_resting_accounts_go_before_the_outside_at_the_same_price(spot):
    spot.sell("ann", SPOT, 1, 100)
    spot.quote(SPOT, asks="100*5 101*5")
    assert spot.buy("bob", SPOT, 1).average == 100
    assert spot.fills()[0][0] == "ann"
    order = spot.buy("bob", SPOT, 6, 101)
    assert (order.filled, order.cost, order.average) == (6, 601, D(601) / 6)
    assert spot.told(OutsideTaken)[0].levels == ((D(100), D(5)), (D(101), D(1)))
    assert spot.told(OutsideTaken)[0].side is Side.SELL
    assert spot.exchange.outside(SPOT) == ((), ((D(101), D(4)),))


def test_better_outside_levels_go_before_resting_accounts(spot):
    spot.sell("ann", SPOT, 1, 100)
    spot.quote(SPOT, asks="99*1")
    spot.buy("bob", SPOT, 2, 100)
    assert [fill[1:3] for fill in spot.fills() if fill[0] == "bob"] == [(99, 1), (100, 1)]


def test_a_trade_is_at_the_resting_price_and_the_rest_of_a_limit_order_rests(spot):
    spot.sell("ann", SPOT, 1, 100)
    order = spot.buy("bob", SPOT, 3, 105)
    assert (order.status, order.filled, order.average) == (S.PARTIALLY_FILLED, 1, 100)
    assert spot.exchange.resting(SPOT) == (((D(105), D(2)),), ())
    assert spot.free("bob", "spot", "USDT") == 10_000 - 100 - 2 * 105


def test_the_outside_moving_through_a_resting_order_fills_it_at_its_price_as_maker(spot):
    spot.buy("ann", SPOT, 3, 100)
    spot.quote(SPOT, bids="97*1", asks="98*1 100*1 101*9")
    assert spot.fills() == [("ann", 100, 1, True), ("ann", 100, 1, True)]
    assert spot.told(OutsideTaken)[0].levels == ((D(98), D(1)), (D(100), D(1)))
    spot.quote(SPOT, bids="97*1", asks="101*1")
    assert len(spot.fills()) == 2


def test_an_outside_trade_fills_what_rests_at_or_through_its_price(spot):
    spot.buy("ann", SPOT, 1, 100)
    spot.buy("bob", SPOT, 1, 99)
    spot.buy("cyd", SPOT, 1, 98)
    spot.exchange.trade(SPOT, D(99), D("1.5"), Side.SELL, now_ms=2)
    assert spot.fills() == [("ann", 100, 1, True), ("bob", 99, D("0.5"), True)]
    assert spot.exchange.last_price(SPOT) == 99


def test_outside_amounts_off_the_lot_never_leave_an_order_off_its_grid(spot):
    spot.quote(SPOT, asks="100*0.0015 101*9")
    order = spot.buy("ann", SPOT, 1, 101)
    assert [fill[2] for fill in spot.fills()] == [D("0.001"), D("0.999")]
    assert order.status is S.FILLED


def test_fees_are_in_base_for_buys_and_in_quote_for_sells(spot):
    spot.sell("ann", SPOT, 1, 100)
    spot.buy("bob", SPOT, 1)
    assert spot.total("bob", "spot", "BTC") == 11 - D("0.002")
    assert spot.total("ann", "spot", "USDT") == 10_100 - D("0.1")
    assert spot.exchange.held_by("fees", "BTC") == D("0.002")
    assert spot.exchange.order("bob", order_id=spot.exchange.orders("bob")[0].id).fee == D("0.002")


def test_a_rebate_is_paid_by_the_fees_account(spot):
    spot.terms(SPOT, maker_fee=D("-0.001"))
    spot.sell("ann", SPOT, 1, 100)
    spot.buy("bob", SPOT, 1)
    assert spot.total("ann", "spot", "USDT") == D("10100.1")
    assert spot.exchange.held_by("fees", "USDT") == D("-0.1")


def test_parts_never_cost_more_than_was_held_for_the_whole(spot):
    spot.terms(SPOT, tick=D("1e-8"), lot=D("1e-8"), min_notional=D(0))
    spot.open("dan", spot_USDT="100.000000990000")
    spot.buy("dan", SPOT, "3.00000003", "33.33333333")
    for part in ("1.00000001", "0.33333337", "1.66666665"):
        spot.exchange.trade(SPOT, D(1), D(part), Side.SELL, now_ms=2)
    assert spot.exchange.orders("dan")[0].status is S.FILLED
    assert 0 <= spot.total("dan", "spot", "USDT") == spot.free("dan", "spot", "USDT")


# -- time in force, post-only, quote sizes
def test_an_ioc_order_keeps_what_it_got_and_expires(spot):
    spot.quote(SPOT, asks="100*1")
    order = spot.buy("ann", SPOT, 2, 100, time_in_force=TimeInForce.IOC)
    assert (order.status, order.filled, order.reason) == (S.EXPIRED, 1, Reason.TIME_IN_FORCE)
    assert spot.free("ann", "spot", "USDT") == 9_900


def test_a_fok_order_gets_all_or_nothing(spot):
    spot.quote(SPOT, asks="100*1 101*1")
    order = spot.buy("ann", SPOT, 3, 101, time_in_force=TimeInForce.FOK)
    assert (order.status, order.filled) == (S.EXPIRED, 0)
    assert not spot.fills()
    assert spot.buy("ann", SPOT, 2, 101, time_in_force=TimeInForce.FOK).status is S.FILLED


def test_a_post_only_order_that_would_take_is_refused_or_expired_as_the_venue_does(spot):
    spot.quote(SPOT, asks="100*1")
    assert refusal(spot.buy, "ann", SPOT, 1, 100, post_only=True) is Reason.WOULD_TAKE
    assert not spot.exchange.orders("ann")
    order = spot.buy("ann", SPOT, 1, 100, post_only=True, expire={Reason.WOULD_TAKE})
    assert (order.status, order.reason, order.filled) == (S.EXPIRED, Reason.WOULD_TAKE, 0)
    assert spot.buy("ann", SPOT, 1, 99, post_only=True).status is S.NEW


def test_a_market_order_without_liquidity_expires_with_what_it_got(spot):
    assert spot.buy("ann", SPOT, 1).status is S.EXPIRED
    spot.quote(SPOT, bids="100*1")
    order = spot.sell("ann", SPOT, 3)
    assert (order.status, order.filled, order.reason) == (S.EXPIRED, 1, Reason.NO_LIQUIDITY)


def test_a_quote_sized_market_buy_spends_no_more_than_that_in_whole_lots(spot):
    spot.quote(SPOT, asks="100*1 103*5")
    order = spot.buy("ann", SPOT, None, quote_amount=D(200))
    assert (order.status, order.filled, order.amount) == (S.FILLED, D("1.970"), D("1.970"))
    assert order.cost == 100 + D("0.970") * 103 <= 200
    assert refusal(spot.buy, "ann", SPOT, None, quote_amount=D(10_000)) is Reason.INSUFFICIENT_FUNDS
    assert refusal(spot.buy, "ann", SPOT, None, quote_amount=D(1)) is Reason.MIN_NOTIONAL


def test_a_quote_sized_buy_expires_with_quote_unspent_when_the_book_ends(spot):
    spot.quote(SPOT, asks="100*1")
    order = spot.buy("ann", SPOT, None, quote_amount=D(250))
    assert (order.status, order.filled, order.amount) == (S.EXPIRED, 1, D("2.5"))
    assert order.reason is Reason.NO_LIQUIDITY
    assert spot.free("ann", "spot", "USDT") == 9_900


# -- refusals
@pytest.mark.parametrize(
    ("amount", "price", "more", "reason"),
    [
        ("1", "100.05", {}, Reason.OFF_TICK),
        ("1.0005", "100", {}, Reason.OFF_LOT),
        ("0.0001", "100", {}, Reason.MIN_AMOUNT),
        ("1001", "100", {}, Reason.MAX_AMOUNT),
        ("0.01", "100", {}, Reason.MIN_NOTIONAL),
        ("101", "100", {}, Reason.INSUFFICIENT_FUNDS),
        ("1", "100", {"position_side": PositionSide.LONG}, Reason.POSITION_SIDE),
        ("1", "100", {"reduce_only": True}, Reason.BAD_REQUEST),
        ("-1", "100", {}, Reason.BAD_REQUEST),
        ("NaN", "100", {}, Reason.BAD_REQUEST),
        ("1", None, {"post_only": True}, Reason.BAD_REQUEST),
        ("1", "100", {"quote_amount": D(5)}, Reason.BAD_REQUEST),
    ],
)
def test_what_is_off_the_rules_is_refused_with_its_reason_and_changes_nothing(spot, amount, price, more, reason):
    assert refusal(spot.buy, "ann", SPOT, amount, price, **more) is reason
    assert spot.exchange.orders("ann") == ()
    assert spot.events == []
    assert spot.free("ann", "spot", "USDT") == 10_000


def test_a_refusal_names_the_bound(spot):
    with pytest.raises(Refused) as caught:
        spot.buy("ann", SPOT, 1, "100.05")
    assert caught.value.limit == D("0.1")


def test_floats_are_refused(spot):
    request = OrderRequest(symbol=SPOT, side=Side.BUY, amount=1.0, price=D(100))  # type: ignore[arg-type]
    assert refusal(spot.exchange.place, "ann", request, now_ms=1) is Reason.BAD_REQUEST


def test_unknown_names_are_refused(spot):
    assert refusal(spot.buy, "ann", "NO/NE", 1, 100) is Reason.UNKNOWN_SYMBOL
    assert refusal(spot.buy, "dan", SPOT, 1, 100) is Reason.UNKNOWN_ACCOUNT
    assert refusal(spot.exchange.cancel, "ann", order_id=5, now_ms=1) is Reason.UNKNOWN_ORDER
    spot.exchange.open_account("futures only", wallets={"usdm": "usdm"})
    assert refusal(spot.buy, "futures only", SPOT, 1, 100) is Reason.UNKNOWN_SYMBOL


def test_a_client_id_is_unique_among_open_orders_only(spot):
    first = spot.buy("ann", SPOT, 1, 100, client_id="x")
    assert refusal(spot.buy, "ann", SPOT, 1, 100, client_id="x") is Reason.DUPLICATE_CLIENT_ID
    assert spot.buy("bob", SPOT, 1, 99, client_id="x").status is S.NEW
    spot.exchange.cancel("ann", client_id="x", now_ms=2)
    assert refusal(spot.exchange.cancel, "ann", client_id="x", now_ms=2) is Reason.ORDER_CLOSED
    second = spot.buy("ann", SPOT, 1, 100, client_id="x")
    assert spot.exchange.order("ann", client_id="x") == second
    assert spot.exchange.order("ann", order_id=first.id).status is S.CANCELED


# -- cancelling and looking
def test_a_cancelled_order_keeps_its_fills_and_frees_its_money(spot):
    spot.quote(SPOT, asks="100*1")
    placed = spot.buy("ann", SPOT, 3, 100)
    order = spot.exchange.cancel("ann", order_id=placed.id, now_ms=9)
    assert (order.status, order.filled, order.updated_ms, order.held) == (S.CANCELED, 1, 9, 0)
    assert spot.free("ann", "spot", "USDT") == 9_900
    assert spot.exchange.resting(SPOT) == ((), ())
    assert not spot.exchange.needs_quotes(SPOT)


def test_cancel_all_takes_a_symbol_and_a_side(spot):
    buy, sell = spot.buy("ann", SPOT, 1, 90), spot.sell("ann", SPOT, 1, 110)
    assert [order.id for order in spot.exchange.cancel_all("ann", SPOT, side=Side.BUY, now_ms=1)] == [buy.id]
    assert [order.id for order in spot.exchange.open_orders("ann")] == [sell.id]
    assert [order.id for order in spot.exchange.cancel_all("ann", now_ms=1)] == [sell.id]
    assert spot.exchange.cancel_all("ann", now_ms=1) == ()


def test_holding_and_freeing_money_is_told(spot):
    spot.buy("ann", SPOT, 1, 100)
    spot.exchange.cancel_all("ann", now_ms=1)
    told = [(e.total, e.free, e.change) for e in spot.told(BalanceChanged)]
    assert told == [(10_000, 9_900, 0), (10_000, 10_000, 0)]


def test_events_are_numbered_in_order_and_a_fill_is_told_once_for_each_side(spot):
    spot.sell("ann", SPOT, 1, 100)
    spot.buy("bob", SPOT, 1)
    numbers = [event.seq for event in spot.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert [e.order.status for e in spot.told(OrderChanged)] == [S.NEW, S.NEW]
    assert len(spot.told(Traded)) == 1
    maker, taker = spot.exchange.fills("ann")[0], spot.exchange.fills("bob", SPOT)[0]
    assert maker.trade_id == taker.trade_id
    assert (maker.maker, taker.maker) == (True, False)


def test_a_listener_may_call_the_exchange_and_hears_the_consequences_in_order(house):
    def cancel(event):
        if isinstance(event, OrderChanged) and event.order.status is S.NEW:
            heard = len(house.events)
            house.exchange.cancel("ann", order_id=event.order.id, now_ms=2)
            assert len(house.events) == heard, "told in the middle of telling"

    house.open("ann", spot_USDT=1000)
    house.reactions.append(cancel)
    house.buy("ann", SPOT, 1, 100)
    assert [event.seq for event in house.events] == list(range(1, len(house.events) + 1))
    assert house.exchange.orders("ann")[0].status is S.CANCELED


# -- triggers
def stop(price, by=TriggerBy.LAST):
    return Trigger(TriggerKind.STOP, D(price), by)


def take_profit(price):
    return Trigger(TriggerKind.TAKE_PROFIT, D(price))


@pytest.mark.parametrize(
    ("side", "trigger", "calm", "reached"),
    [
        (Side.BUY, stop(110), 109, 110),
        (Side.SELL, stop(90), 91, 90),
        (Side.BUY, take_profit(90), 91, 89),
        (Side.SELL, take_profit(110), 109, 111),
    ],
)
def test_an_order_waits_for_its_trigger_and_then_trades(spot, side, trigger, calm, reached):
    spot.exchange.trade(SPOT, D(100), D(1), Side.BUY, now_ms=1)
    spot.quote(SPOT, bids="99*9", asks="101*9")
    order = spot.place("ann", SPOT, side, 1, trigger=trigger)
    assert (order.status, order.held) == (S.UNTRIGGERED, 0)
    spot.exchange.trade(SPOT, D(calm), D(1), Side.BUY, now_ms=2)
    assert spot.exchange.open_orders("ann")[0].status is S.UNTRIGGERED
    spot.exchange.trade(SPOT, D(reached), D(1), Side.BUY, now_ms=3)
    order = spot.exchange.order("ann", order_id=order.id)
    assert (order.status, order.triggered_ms) == (S.FILLED, 3)


def test_a_triggered_limit_order_rests_at_its_price(spot):
    order = spot.buy("ann", SPOT, 1, 111, trigger=stop(110))
    spot.exchange.trade(SPOT, D(110), D(1), Side.BUY, now_ms=3)
    assert spot.exchange.order("ann", order_id=order.id).status is S.NEW
    assert spot.exchange.resting(SPOT)[0] == ((D(111), D(1)),)


def test_a_trigger_by_mark_does_not_look_at_the_last_price(spot):
    spot.mark(SPOT, 100)
    order = spot.buy("ann", SPOT, 1, 111, trigger=stop(110, TriggerBy.MARK))
    spot.exchange.trade(SPOT, D(115), D(1), Side.BUY, now_ms=2)
    assert spot.exchange.order("ann", order_id=order.id).status is S.UNTRIGGERED
    spot.mark(SPOT, 110)
    assert spot.exchange.order("ann", order_id=order.id).status is S.NEW


def test_a_triggered_order_that_cannot_be_paid_is_rejected_with_the_reason(spot):
    order = spot.buy("ann", SPOT, 99, 110, trigger=stop(110))
    spot.exchange.trade(SPOT, D(110), D(1), Side.BUY, now_ms=2)
    order = spot.exchange.order("ann", order_id=order.id)
    assert (order.status, order.reason) == (S.REJECTED, Reason.INSUFFICIENT_FUNDS)


def test_one_triggered_order_may_set_off_the_next(spot):
    spot.quote(SPOT, bids="95*1 90*9")
    spot.sell("ann", SPOT, 1, trigger=stop(96))
    spot.sell("bob", SPOT, 1, trigger=stop(95))
    spot.exchange.trade(SPOT, D(96), D(1), Side.SELL, now_ms=2)
    assert spot.fills() == [("ann", 95, 1, False), ("bob", 90, 1, False)]


def test_a_waiting_order_can_be_cancelled(spot):
    order = spot.buy("ann", SPOT, 1, trigger=stop(110), client_id="w")
    assert spot.exchange.cancel("ann", client_id="w", now_ms=2).status is S.CANCELED
    spot.exchange.trade(SPOT, D(120), D(1), Side.BUY, now_ms=3)
    assert spot.exchange.order("ann", order_id=order.id).status is S.CANCELED


def test_a_trigger_that_is_reached_already_starts_at_once(spot):
    spot.exchange.trade(SPOT, D(120), D(1), Side.BUY, now_ms=1)
    order = spot.buy("ann", SPOT, 1, 115, trigger=stop(110))
    assert (order.status, order.triggered_ms) == (S.NEW, 1)
    assert order.type is OrderType.LIMIT

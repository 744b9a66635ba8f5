"""What a hedge comes to: sizes both venues can trade, costs through the books, funding, margin, and what forbids it."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import gcd

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fra.arbitrage.hedge.plan import HedgeRequest, Venue, make_plan
from fra.arbitrage.hedge.size import Size, common_lot, round_down, round_up, to_amount, to_units
from fra.arbitrage.spread import Quote
from fra.core import (
    FundingRate,
    IntervalSource,
    MarketKind,
    OrderBook,
    OrderType,
    Position,
    PositionSide,
    PriceLevel,
    RateKind,
    Side,
    Symbol,
    TimeInForce,
)

HOUR = 3_600_000
NOW = 1_700_000_000_000
D = Decimal


def swap(base="BTC", *, lot="0.001", tick="0.1", least=None, least_notional=None, inverse=False, most=None):
    quote, settle = ("USD", base) if inverse else ("USDT", "USDT")
    kind = MarketKind.INVERSE_SWAP if inverse else MarketKind.LINEAR_SWAP
    return Symbol(
        f"{base}/{quote}:{settle}",
        f"{base}{quote}",
        kind,
        base,
        quote,
        settle,
        tick_size=D(tick),
        lot_size=D(lot),
        min_amount=None if least is None else D(least),
        max_amount=None if most is None else D(most),
        min_notional=None if least_notional is None else D(least_notional),
    )


def venue(name, rate, *, symbol=None, mid="100", step="0.1", amount="10", hours=8, fee="0.0005", next_in=HOUR, **more):
    symbol = symbol or swap()
    center, gap, each = D(mid), D(step), D(amount)
    book = OrderBook(
        symbol=symbol.name,
        bids=[PriceLevel(center - gap * n, each) for n in range(1, 6)],
        asks=[PriceLevel(center + gap * n, each) for n in range(1, 6)],
        received_ms=NOW,
    )
    funding = FundingRate(
        symbol=symbol.name,
        kind=RateKind.ESTIMATED,
        rate=D(rate),
        received_ms=NOW,
        interval=timedelta(hours=hours) if hours else None,
        interval_source=IntervalSource.REPORTED if hours else None,
        next_settlement_ms=NOW + next_in,
        mark_price=center,
    )
    quote = Quote(exchange=name, symbol=symbol, funding=funding, taker_fee=None if fee is None else D(fee), book=book)
    return Venue(quote=quote, **{"free": D(100_000), "leverage": D(10), **more})


def planned(long=None, short=None, size="10BTC", **request):
    request.setdefault("max_slippage", D("0.01"))
    long = long or venue("alpha", "0.0001")
    short = short or venue("beta", "0.0005")
    return make_plan(long, short, HedgeRequest(size=Size.parse(size), **request), now_ms=NOW)


# --- sizes


@pytest.mark.parametrize(
    ("first", "second", "lot"),
    [
        ("0.001", "0.01", "0.01"),
        ("0.002", "0.003", "0.006"),
        ("0.1", "0.25", "0.5"),
        ("1", "10", "10"),
        ("5", "0.3", "15"),
    ],
)
def test_the_common_lot_is_the_least_common_multiple(first, second, lot):
    assert common_lot(swap(lot=first), swap(lot=second)) == D(lot)


def test_the_common_lot_is_counted_in_the_asset_and_not_in_thousands_of_it():
    thousands, ones = swap("1000PEPE", lot="1"), swap("PEPE", lot="100")
    assert common_lot(thousands, ones) == 1000
    assert (to_amount(thousands, D(3000)), to_amount(ones, D(3000))) == (3, 3000)


LOTS = st.integers(1, 10**6).flatmap(lambda n: st.integers(0, 8).map(lambda e: D(n).scaleb(-e)))


@given(LOTS, LOTS)
def test_the_common_lot_is_a_whole_number_of_both_and_the_smallest_such(first, second):
    lot = Fraction(common_lot(swap(lot=str(first)), swap(lot=str(second))))
    both = (lot / Fraction(first), lot / Fraction(second))
    assert all(count.denominator == 1 for count in both)
    # Numbers of lots that share a factor would share a smaller multiple.
    assert Fraction(both[0].numerator, both[1].numerator) == Fraction(second) / Fraction(first)
    assert gcd(both[0].numerator, both[1].numerator) == 1


@given(LOTS, st.decimals("0", "1e9", places=8))
def test_rounding_down_never_exceeds_and_misses_less_than_a_lot(lot, units):
    down = round_down(units, lot)
    assert down <= units < down + lot
    assert down % lot == 0
    assert down <= units <= round_up(units, lot) < units + lot


@pytest.mark.parametrize(
    ("text", "units"),
    [("1000", "10"), ("1000USDT", "10"), ("0.5BTC", "0.5"), ("0.5 btc", "0.5"), ("0.5:BTC", "0.5")],
)
def test_a_size_is_in_quote_coin_or_in_the_asset_it_names(text, units):
    assert Size.parse(text).units(swap(), D(100)) == D(units)


def test_a_size_of_an_inverse_contract_is_counted_in_quote_coin():
    assert Size.parse("1000").units(swap(inverse=True), D(100)) == 1000
    assert Size.parse("2BTC").units(swap(inverse=True), D(100)) == 200


@pytest.mark.parametrize("text", ["", "0", "-1", "BTC", "1e3", "10%", "1 000"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="size"):
        Size.parse(text).units(swap(), D(100))


def test_a_size_in_a_foreign_coin_is_refused():
    with pytest.raises(ValueError, match="USDT or in BTC, not in ETH"):
        Size.parse("1ETH").units(swap(), D(100))


@pytest.mark.parametrize("size", [Size(D("0.50"), "BTC"), Size(D(20), "1INCH"), Size(D(1000))])
def test_a_size_reads_back_as_it_is_written(size):
    assert Size.parse(str(size)) == size


# --- what it comes to


def test_both_legs_trade_the_same_amount_rounded_down_to_the_common_lot():
    plan = planned(
        venue("alpha", "0.0001", symbol=swap(lot="0.001")), venue("beta", "0.0005", symbol=swap(lot="0.01")), "123.456"
    )
    assert (plan.asked, plan.units, plan.lot) == (D("1.23456"), D("1.23"), D("0.01"))
    assert (plan.long.amount, plan.short.amount) == (D("1.23"), D("1.23"))
    assert any("rounded down to 1.23 BTC" in note for note in plan.notes)


def test_a_thousand_pepe_here_are_one_there():
    thousands, ones = swap("1000PEPE", lot="1", tick="0.0001"), swap("PEPE", lot="1", tick="0.0000001")
    plan = planned(
        venue("alpha", "0.0001", symbol=thousands, mid="10", step="0.001", amount="9000"),
        venue("beta", "0.0005", symbol=ones, mid="0.01", step="0.000001", amount="9000000"),
        "5000PEPE",
    )
    assert (plan.long.amount, plan.short.amount, plan.gap, plan.problems) == (5, 5000, 0, ())


def test_the_cost_is_fees_and_the_way_through_both_books_in_and_out():
    plan = planned()
    # Ten fill the first level of each side: 100.1 in and 99.9 out for the long leg, the reverse for the short one.
    assert (plan.long.entry.price, plan.long.exit.price) == (D("100.1"), D("99.9"))
    assert (plan.short.entry.price, plan.short.exit.price) == (D("99.9"), D("100.1"))
    assert (plan.long.slippage, plan.short.slippage, plan.slippage) == (2, 2, 4)
    assert (plan.long.fees, plan.fees) == (D("0.0005") * 2000, 2)
    assert plan.cost == 6


def test_a_larger_size_walks_deeper():
    plan = planned(size="15BTC")
    assert plan.long.entry.price * 15 == pytest.approx(D("100.1") * 10 + D("100.2") * 5, abs=D("1e-40"))
    assert plan.long.entry.worst == D("100.2")


def test_funding_is_counted_by_each_venues_own_settlements():
    plan = planned(venue("alpha", "0.0001", hours=8), venue("beta", "0.0002", hours=1))
    assert (plan.long.per_settlement, plan.short.per_settlement) == (D("-0.1"), D("0.2"))
    assert (plan.long.per_day, plan.short.per_day) == (D("-0.3"), D("4.8"))
    assert plan.per_day == D("4.5")
    assert plan.funding == 7 * D("4.5")
    assert plan.net == 7 * D("4.5") - 6


def test_break_even_counts_the_settlements_of_both():
    plan = planned()  # 0.4 at each common settlement, 6 of cost
    assert (plan.per_settlement, plan.break_even.settlements) == (D("0.4"), 15)
    assert plan.break_even.at_ms == NOW + HOUR + 14 * 8 * HOUR


def test_a_hedge_the_wrong_way_round_never_breaks_even_and_says_so():
    plan = planned(venue("alpha", "0.0005"), venue("beta", "0.0001"))
    assert (plan.break_even, plan.problems) == (None, ())
    assert any("wrong way round" in note for note in plan.notes)


@pytest.mark.parametrize(("change", "what"), [({"fee": None}, "taker fee"), ({"hours": 0}, "interval")])
def test_an_unknown_figure_leaves_what_depends_on_it_unknown(change, what):
    plan = planned(short=venue("beta", "0.0005", **change))
    assert (plan.net, plan.break_even) == (None, None)
    assert any(what in note for note in plan.notes)


def test_an_inverse_hedge_counts_contracts_in_quote_and_margin_in_base():
    symbol = swap(lot="10", inverse=True)
    legs = [venue(name, rate, symbol=symbol, amount="5000") for name, rate in (("alpha", "0.0001"), ("beta", "0.0005"))]
    plan = planned(*legs, size="1000")
    assert (plan.units, plan.unit, plan.long.notional) == (1000, "USD", 1000)
    assert plan.short.per_settlement == D("0.5")
    assert plan.long.margin == (D(1000) / 10 + D(1000) * D("0.0005")) / 100


# --- the orders


def test_the_legs_are_ioc_limits_at_prices_no_worse_than_allowed():
    plan = planned(max_slippage=D("0.00345"))
    long, short = plan.long.request, plan.short.request
    assert (long.side, long.price, short.side, short.price) == (Side.BUY, D("100.3"), Side.SELL, D("99.7"))
    assert {long.time_in_force, short.time_in_force} == {TimeInForce.IOC}
    assert {long.type, short.type} == {OrderType.LIMIT}


def test_a_protective_price_can_be_given():
    plan = planned(limits={PositionSide.LONG: D("100.4")})
    assert (plan.long.request.price, plan.short.request.price) == (D("100.4"), D(99))


def test_market_orders_have_no_protective_price():
    plan = planned(at_market=True)
    assert {(leg.request.type, leg.request.price) for leg in plan.legs} == {(OrderType.MARKET, None)}


def test_an_account_in_hedge_mode_has_its_positions_named():
    plan = planned(long=venue("alpha", "0.0001", hedge_mode=True))
    assert (plan.long.request.position_side, plan.short.request.position_side) == (PositionSide.LONG, PositionSide.NET)


# --- what forbids it


def test_prices_too_far_apart_are_refused():
    (problem,) = planned(short=venue("beta", "0.0005", mid="110", step="0.1")).problems
    assert "10.0 % apart, more than 2.0 %" in problem


@pytest.mark.parametrize(
    ("symbol", "size", "says"),
    [
        (swap(least="0.5"), "0.1BTC", "the smallest --size is 0.5BTC"),
        (swap(least="0.5", lot="0.2"), "0.1BTC", "the smallest --size is 0.6BTC"),
        (swap(), "0.01", "the smallest --size is 0.001BTC"),
        (swap(most="5"), "6BTC", "above its maximum of 5"),
    ],
    ids=["minimum", "minimum in common lots", "less than a lot", "maximum"],
)
def test_the_limits_of_either_venue_are_checked_first(symbol, size, says):
    for legs in ((venue("alpha", "0.0001", symbol=symbol), None), (None, venue("beta", "0.0005", symbol=symbol))):
        assert any(says in problem for problem in planned(*legs, size=size).problems)


@pytest.mark.parametrize(
    ("limits", "smallest"),
    [({"least": "0.5"}, "0.5BTC"), ({"least": "0.5", "lot": "0.2"}, "0.6BTC"), ({"least_notional": "50"}, "0.506BTC")],
    ids=["minimum", "minimum in lots", "notional at the short leg's protective price"],
)
def test_the_smallest_size_that_is_named_is_taken(limits, smallest):
    legs = [venue(name, "0.0001", symbol=swap(**limits)) for name in ("alpha", "beta")]
    assert any(f"the smallest --size is {smallest}" in problem for problem in planned(*legs, size="0.01BTC").problems)
    assert planned(*legs, size=smallest).problems == ()


def test_a_book_too_thin_for_the_size_is_refused():
    problems = planned(size="60BTC", long=venue("alpha", "0.0001", amount="100")).problems
    assert all(problem.startswith("beta: ") for problem in problems)
    assert any("too thin: the bids hold 50 BTC of 60" in problem for problem in problems)


def test_a_size_that_reaches_beyond_the_protective_price_is_refused():
    (long, short) = planned(size="15BTC", max_slippage=D("0.001")).problems
    assert "alpha: the size reaches to 100.2 in the book, beyond 100.1" in long
    assert "beta: the size reaches to 99.8 in the book, beyond 99.9" in short


def test_a_book_that_has_lost_its_place_is_refused():
    lost = venue("alpha", "0.0001")
    book = attrs.evolve(lost.quote.book, valid=False, bids=(), asks=())
    plan = planned(attrs.evolve(lost, quote=attrs.evolve(lost.quote, book=book)))
    assert "alpha: there is no whole order book of BTC/USDT:USDT" in plan.problems


# --- what stands between the plan and its sending


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"free": D(100)}, "100.6005 USDT of margin are needed, and 100 are free"),
        ({"free": D(900), "leverage": None}, "at leverage 1, since it is unknown (--leverage N sets it)"),
        ({"free": None}, "the available margin is unknown"),
        ({"refuses": "the key is unknown"}, "alpha: the key is unknown"),
    ],
)
def test_margin_and_account_are_obstacles_and_no_flaws_of_the_plan(change, says):
    plan = planned(long=venue("alpha", "0.0001", **change))
    assert plan.problems == ()
    assert any(says in obstacle for obstacle in plan.obstacles)


def test_the_leverage_that_is_asked_for_is_reckoned_with():
    plan = planned(long=venue("alpha", "0.0001", free=D(300), leverage=None), leverage=D(5))
    assert (plan.obstacles, plan.long.margin) == ((), D(1001) / 5 + D("0.5005"))


def test_the_margin_can_be_left_to_the_venue():
    assert planned(long=venue("alpha", "0.0001", free=D(0)), check_margin=False).obstacles == ()


def test_a_position_that_the_leg_would_close_is_an_obstacle():
    held = Position(symbol="BTC/USDT:USDT", side=PositionSide.SHORT, amount=D(3), hedge_mode=False)
    plan = planned(long=venue("alpha", "0.0001", held=held))
    assert "3 BTC are open on the short side, which the long leg would close" in plan.obstacles[0]
    assert planned(long=venue("alpha", "0.0001", held=held, hedge_mode=True)).obstacles == ()
    assert planned(short=venue("beta", "0.0005", held=held)).obstacles == ()


def test_units_and_amounts_convert_back_exactly():
    symbol = swap("1000PEPE")
    assert to_units(symbol, to_amount(symbol, D("1234.5"))) == D("1234.5")

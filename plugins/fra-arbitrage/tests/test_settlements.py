"""Settlements are counted one by one; the fast count and the fast break-even agree with counting by hand."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fra.arbitrage.settlements import DAY_MS, BreakEven, Schedule, break_even, funding_over

HOUR = 3_600_000
NOW = 1_700_000_000_000

intervals = st.sampled_from([1, 2, 4, 6, 8, 24]).map(lambda hours: hours * HOUR)
rates = st.decimals(min_value="-0.003", max_value="0.003", places=6)


@st.composite
def schedules(draw):
    interval = draw(intervals)
    return Schedule(interval, NOW + draw(st.integers(min_value=1, max_value=interval)))


def instants(schedule, *, until):
    at, found = schedule.next_ms, []
    while at <= until:
        found.append(at)
        at += schedule.interval_ms
    return found


@given(schedules(), st.integers(min_value=0, max_value=40 * DAY_MS))
def test_the_count_is_the_number_of_instants_in_the_horizon(schedule, horizon):
    assert schedule.crossed(now_ms=NOW, horizon_ms=horizon) == len(instants(schedule, until=NOW + horizon))


def test_a_settlement_at_the_end_of_the_horizon_is_crossed():
    assert Schedule(8 * HOUR, NOW + 8 * HOUR).crossed(now_ms=NOW, horizon_ms=8 * HOUR) == 1


def test_a_settlement_that_is_now_has_been_crossed_before():
    assert Schedule(8 * HOUR, NOW).crossed(now_ms=NOW, horizon_ms=8 * HOUR - 1) == 0


def test_a_stated_settlement_that_has_passed_is_rolled_forward():
    assert Schedule(4 * HOUR, NOW - 5 * HOUR).next_after(NOW) == NOW + 3 * HOUR


def test_an_unknown_interval_makes_the_count_unknown():
    assert Schedule(None, NOW + HOUR).crossed(now_ms=NOW, horizon_ms=DAY_MS) is None


def test_an_unknown_next_settlement_leaves_a_count_that_does_not_depend_on_it():
    assert Schedule(8 * HOUR, None).crossed(now_ms=NOW, horizon_ms=DAY_MS) == 3


def test_an_unknown_next_settlement_makes_a_count_unknown_that_depends_on_it():
    assert Schedule(8 * HOUR, None).crossed(now_ms=NOW, horizon_ms=9 * HOUR) is None


def test_an_hourly_rate_is_received_twenty_four_times_a_day():
    hourly = Schedule(HOUR, NOW + HOUR)
    assert funding_over(Decimal("0.0001"), hourly, now_ms=NOW, horizon_ms=DAY_MS) == Decimal("0.0024")


@given(schedules(), schedules(), rates, rates, st.decimals(min_value="0.000001", max_value="0.02", places=6))
def test_break_even_is_the_first_instant_at_which_the_sum_covers_the_cost(long, short, long_rate, short_rate, cost):
    found = break_even(
        cost=cost, long_rate=long_rate, long_schedule=long, short_rate=short_rate, short_schedule=short, now_ms=NOW
    )
    assert found == by_hand(long, short, long_rate, short_rate, cost, until=NOW + 40 * DAY_MS) or (
        found is not None and found.at_ms > NOW + 40 * DAY_MS
    )


def by_hand(long, short, long_rate, short_rate, cost, *, until):
    sum_, at_long, at_short = Decimal(0), set(instants(long, until=until)), set(instants(short, until=until))
    for number, at in enumerate(sorted(at_long | at_short), start=1):
        sum_ += (short_rate if at in at_short else 0) - (long_rate if at in at_long else 0)
        if sum_ >= cost:
            return BreakEven(number, at)
    return None


def test_a_spread_that_costs_more_than_it_brings_never_breaks_even():
    eight = Schedule(8 * HOUR, NOW + HOUR)
    rate = Decimal("0.0001")
    assert (
        break_even(
            cost=Decimal("0.002"),
            long_rate=rate,
            long_schedule=eight,
            short_rate=rate,
            short_schedule=eight,
            now_ms=NOW,
        )
        is None
    )


def test_a_break_even_in_years_is_found_without_counting_them():
    hourly = Schedule(HOUR, NOW + HOUR)
    found = break_even(
        cost=Decimal(1),
        long_rate=Decimal(0),
        long_schedule=hourly,
        short_rate=Decimal("0.00000001"),
        short_schedule=hourly,
        now_ms=NOW,
    )
    assert found == BreakEven(100_000_000, NOW + 100_000_000 * HOUR)


def test_break_even_is_unknown_with_an_unknown_interval():
    known, unknown = Schedule(HOUR, NOW + HOUR), Schedule(None, NOW + HOUR)
    assert (
        break_even(
            cost=Decimal("0.001"),
            long_rate=Decimal(0),
            long_schedule=unknown,
            short_rate=Decimal("0.01"),
            short_schedule=known,
            now_ms=NOW,
        )
        is None
    )

"""What a spread comes to: direction, costs, what is unknown, and what may not be paired."""

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fra.arbitrage.depth import round_trip, walk
from fra.arbitrage.settlements import DAY_MS
from fra.arbitrage.spread import Quote, evaluate, pair, rank, taker_fee
from fra.core import FundingRate, IntervalSource, MarketKind, OrderBook, PriceLevel, RateKind, Symbol

HOUR = 3_600_000
NOW = 1_700_000_000_000
HOLD = 7 * DAY_MS


def symbol(base="BTC", quote="USDT", *, settle=None, kind=MarketKind.LINEAR_SWAP):
    settle = settle or quote
    return Symbol(
        f"{base}/{quote}:{settle}",
        f"{base}{quote}",
        kind,
        base,
        quote,
        settle,
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
    )


def book_of(instrument, mid="100", *, step="0.1", amount="5", levels=20):
    mid, step, amount = Decimal(mid), Decimal(step), Decimal(amount)
    return OrderBook(
        symbol=instrument.name,
        bids=[PriceLevel(mid - step * n, amount) for n in range(1, levels + 1)],
        asks=[PriceLevel(mid + step * n, amount) for n in range(1, levels + 1)],
        received_ms=NOW,
    )


def quote(exchange, rate, *, hours=8, mark="100", fee="0.0005", instrument=None, book=None, stale=None, next_in=HOUR):
    instrument = instrument or symbol()
    interval = None if hours is None else timedelta(hours=hours)
    funding = FundingRate(
        symbol=instrument.name,
        kind=RateKind.ESTIMATED,
        rate=Decimal(rate),
        received_ms=NOW,
        interval=interval,
        interval_source=None if interval is None else IntervalSource.REPORTED,
        next_settlement_ms=NOW + next_in,
        mark_price=None if mark is None else Decimal(mark),
    )
    return Quote(
        exchange=exchange,
        symbol=instrument,
        funding=funding,
        taker_fee=None if fee is None else Decimal(fee),
        book=book if book is not None else book_of(instrument, mark or "100"),
        stale=stale,
    )


def only(quotes, **options):
    options = {"size": Decimal(100), "hold_ms": HOLD, "now_ms": NOW, **options}
    (spread,), unpaired = pair(quotes, **options)
    assert unpaired == []
    return spread


def test_the_short_leg_is_where_longs_pay_more():
    spread = only([quote("okx", "0.0003"), quote("binance", "0.0001")])
    assert (spread.long.exchange, spread.short.exchange) == ("binance", "okx")


def test_the_short_leg_is_found_per_day_and_not_per_settlement():
    spread = only([quote("okx", "0.0002", hours=8), quote("binance", "0.0001", hours=1)])
    assert (spread.short.exchange, spread.per_day) == ("binance", Decimal("0.0018"))


def test_negative_rates_pay_the_long():
    spread = only([quote("okx", "-0.0005"), quote("binance", "0.0001")])
    assert (spread.long.exchange, spread.per_day) == ("okx", Decimal("0.0018"))


def test_annual_is_counted_over_a_year():
    assert only([quote("okx", "0.0003"), quote("binance", "0.0001")]).annual == Decimal("0.0002") * 3 * 365


def test_fees_are_taken_in_and_out_of_both_legs():
    assert only([quote("okx", "0.0003", fee="0.0005"), quote("binance", "0", fee="0.0004")]).fees == Decimal("0.0018")


def test_net_is_funding_less_fees_and_slippage():
    spread = only([quote("okx", "0.0003"), quote("binance", "0.0001")])
    # 21 settlements in 7 days; 4 × 0.05 % fees; size 100 takes one unit at 0.1 either side of 100 on both legs.
    assert spread.net == Decimal("0.0042") - Decimal("0.002") - 2 * Decimal("0.2") / 100


def test_an_unknown_fee_is_unknown_and_not_free():
    spread = only([quote("okx", "0.0003", fee=None), quote("binance", "0.0001")])
    assert (spread.fees, spread.net, spread.break_even) == (None, None, None)
    assert any("--fee okx=" in problem for problem in spread.problems)


def test_an_unknown_interval_leaves_the_spread_unknown():
    spread = only([quote("okx", "0.0003", hours=None), quote("binance", "0.0001")])
    assert (spread.per_day, spread.annual, spread.net) == (None, None, None)


@pytest.mark.parametrize("other", ["USDC", "USD"])
def test_another_quote_coin_is_another_market(other):
    spreads, _ = pair(
        [quote("okx", "0.0003"), quote("binance", "0.0001", instrument=symbol(quote=other))],
        size=Decimal(100),
        hold_ms=HOLD,
        now_ms=NOW,
    )
    assert spreads == []


def test_another_settlement_coin_is_another_market():
    inverse = symbol(quote="USD", settle="BTC", kind=MarketKind.INVERSE_SWAP)
    linear = symbol(quote="USD")
    spreads, _ = pair(
        [quote("okx", "0.0003", instrument=inverse), quote("binance", "0.0001", instrument=linear)],
        size=Decimal(100),
        hold_ms=HOLD,
        now_ms=NOW,
    )
    assert spreads == []


def test_a_thousand_pepe_pair_with_pepe_at_the_price_of_one():
    thousand = symbol("1000PEPE")
    spread = only(
        [
            quote("binance", "0.0001", instrument=thousand, mark="0.01", book=book_of(thousand, "0.01", step="0.0001")),
            quote(
                "okx",
                "0.0003",
                instrument=symbol("PEPE"),
                mark="0.00001",
                book=book_of(symbol("PEPE"), "0.00001", step="0.0000001", amount="5000"),
            ),
        ],
        size=Decimal("0.001"),
    )
    assert (str(spread.market), spread.price_gap) == ("PEPE/USDT:USDT", 0)


def test_a_thousand_units_are_a_thousandth_of_the_amount():
    thousand, one = symbol("1000PEPE"), symbol("PEPE")
    # 20 asks of 5 "1000PEPE" are 100,000 PEPE: a size of 0.8 USDT at 0.00001 wants 80,000 PEPE.
    spread = only(
        [
            quote(
                "binance", "0.0001", instrument=thousand, mark="0.01", book=book_of(thousand, "0.01", step="0.00001")
            ),
            quote(
                "okx",
                "0.0003",
                instrument=one,
                mark="0.00001",
                book=book_of(one, "0.00001", step="0.00000001", amount="5000"),
            ),
        ],
        size=Decimal("0.8"),
    )
    assert spread.slippage is not None


def test_marks_too_far_apart_are_not_paired_and_it_is_said():
    spreads, unpaired = pair(
        [quote("okx", "0.0003", mark="103"), quote("binance", "0.0001")], size=Decimal(100), hold_ms=HOLD, now_ms=NOW
    )
    assert spreads == []
    assert "3.0 % apart" in unpaired[0].reason


def test_a_book_too_thin_says_so_and_has_no_net():
    spread = only([quote("okx", "0.0003"), quote("binance", "0.0001")], size=Decimal(1_000_000))
    assert (spread.slippage, spread.net) == (None, None)
    assert any("too thin" in problem for problem in spread.problems)


def test_the_depth_is_that_of_the_thinner_book():
    thin = book_of(symbol(), amount="1")
    assert only([quote("okx", "0.0003", book=thin), quote("binance", "0.0001")]).depth == 2000


def test_a_book_that_lost_its_place_gives_no_cost():
    lost = attrs.evolve(book_of(symbol()), bids=(), asks=(), valid=False)
    spread = only([quote("okx", "0.0003", book=lost), quote("binance", "0.0001")])
    assert spread.slippage is None
    assert "okx: the book has lost its place" in spread.problems


def test_stale_rows_leave_the_ranking():
    stale = only([quote("okx", "0.003", stale="no data for 200 s"), quote("binance", "0.0001")])
    fresh = only([quote("okx", "0.0002"), quote("binance", "0.0001")])
    assert rank([stale, fresh]) == [fresh, stale]


def test_three_venues_give_the_best_of_three_pairs():
    quotes = [quote("okx", "0.0003"), quote("binance", "0.0001"), quote("bybit", "-0.0005")]
    spread = only(quotes)
    assert (spread.long.exchange, spread.short.exchange) == ("bybit", "okx")


def test_all_pairs_are_shown_when_asked():
    quotes = [quote("okx", "0.0003"), quote("binance", "0.0001"), quote("bybit", "-0.0005")]
    spreads, _ = pair(quotes, size=Decimal(100), hold_ms=HOLD, now_ms=NOW, all_pairs=True)
    assert len(spreads) == 3


def test_two_accounts_of_the_same_name_are_one_venue():
    spreads, _ = pair([quote("okx", "0.0003"), quote("okx", "0.0001")], size=Decimal(100), hold_ms=HOLD, now_ms=NOW)
    assert spreads == []


def test_the_fee_of_the_market_kind_goes_before_the_general_one():
    fees = {"taker": Decimal("0.001"), "linear_swap.taker": Decimal("0.0005")}
    assert taker_fee(fees, symbol()) == Decimal("0.0005")


amounts = st.decimals(min_value="0.001", max_value="50", places=3)


@st.composite
def books(draw):
    instrument = symbol()
    best = Decimal("100")
    sides = []
    for sign in (-1, 1):
        steps = draw(st.lists(st.decimals(min_value="0.1", max_value="3", places=1), min_size=1, max_size=12))
        price, levels = best, []
        for step in steps:
            price += sign * step
            levels.append(PriceLevel(price, draw(amounts)))
        sides.append(levels)
    return OrderBook(symbol=instrument.name, bids=sides[0], asks=sides[1], received_ms=NOW)


sizes = st.decimals(min_value="0.01", max_value="20000", places=2)


@given(books(), books(), sizes, sizes)
def test_a_larger_size_never_improves_the_net(first, second, one, other):
    small, large = sorted((one, other))
    legs = quote("binance", "0.0001", book=first), quote("okx", "0.0004", book=second)
    nets = [evaluate(*legs, size=size, hold_ms=HOLD, now_ms=NOW).net for size in (small, large)]
    if nets[1] is not None:
        assert nets[0] is not None
        assert nets[1] <= nets[0]


@given(books(), amounts)
def test_a_walk_pays_what_the_levels_add_up_to(book, amount):
    fill = walk(book.asks, amount)
    assert fill.filled == min(amount, sum(level.amount for level in book.asks))
    assert book.asks[0].price <= fill.price <= book.asks[fill.levels - 1].price


@given(books(), amounts)
def test_a_round_trip_costs_at_least_the_spread(book, amount):
    trip = round_trip(symbol(), book, amount)
    least = (book.asks[0].price - book.bids[0].price) / book.mid
    assert trip.cost is None or trip.cost >= least - Decimal("1e-25")


def test_inverse_amounts_are_taken_as_quote_coin():
    inverse = symbol(quote="USD", settle="BTC", kind=MarketKind.INVERSE_SWAP)
    trip = round_trip(inverse, book_of(inverse, amount="1000", levels=1), Decimal(5))
    # 1000 USD at 100.1 are 9.99 base coin.
    assert trip.depth == pytest.approx(Decimal(1000) / Decimal("100.1") * 100)

"""Funding: the rate, when it settles, how often, and what was charged."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from fra.core import FundingRate, MarketKind, Operation, RateKind
from fra.testkit import judgements
from fra.testkit.bench import Bench
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import NotEvaluated, ensure

_LARGEST = Decimal("0.05")
"""No venue's cap is above some per cent a settlement; a rate above this is one in per cent."""
_LONGEST = timedelta(hours=24)
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000


class FundingConformance(Topic):
    """Only swaps have funding; every test is for a swap kind."""

    topic = "funding"

    @check(Operation.GET_FUNDING_RATE, scope="swap")
    async def test_a_running_rate_is_an_estimate(self, bench: Bench, case: MarketKind) -> None:
        """A settled rate taken for the running one is eight hours old."""
        rate = await bench.sample(Operation.GET_FUNDING_RATE, case)
        ensure(rate.kind is RateKind.ESTIMATED, f"it is {rate.kind.value}", "the running rate is RateKind.ESTIMATED")

    @check(Operation.GET_FUNDING_RATE, scope="swap")
    async def test_a_rate_is_a_fraction(self, bench: Bench, case: MarketKind) -> None:
        """0.01 % is 0.0001; taken for 0.01 it is a hundred times too good."""
        rate = await bench.sample(Operation.GET_FUNDING_RATE, case)
        ensure(abs(rate.rate) <= _LARGEST, f"the rate is {rate.rate} a settlement", "divide per cents by 100")

    @check(Operation.GET_FUNDING_RATE, scope="swap")
    async def test_the_next_settlement_is_the_next(self, bench: Bench, case: MarketKind) -> None:
        """A settlement in the past or one too far pays nothing to who waits for it."""
        symbol = await bench.symbol(case)
        rate = await bench.handle.get_funding_rate(symbol)
        if rate.next_settlement_ms is None:
            raise NotEvaluated("the venue does not say when it settles")
        ahead = rate.next_settlement_ms - judgements.now_ms()
        ensure(
            ahead > -_MINUTE_MS,
            f"the next settlement was {-ahead / 1000:g} s ago",
            "take the venue's upcoming settlement (OKX calls it fundingTime), and roll it forward once it has passed",
        )
        longest = rate.interval or _LONGEST
        ensure(
            ahead <= longest / timedelta(milliseconds=1) + _MINUTE_MS,
            f"the next settlement is in {ahead / _HOUR_MS:.2f} h, though it settles every {longest}",
            "take the upcoming settlement, not the one after it",
        )
        ensure(
            rate.next_settlement_ms % _MINUTE_MS == 0,
            f"it settles at {rate.next_settlement_ms}, which is no whole minute",
            "take the venue's own time, do not add an interval to now",
        )

    @check(Operation.GET_FUNDING_RATE, Operation.GET_FUNDING_RATE_HISTORY, scope="swap")
    async def test_the_interval_is_that_of_the_history(self, bench: Bench, case: MarketKind) -> None:
        """An interval of 8 h where it is 1 h makes the pay eight times too small."""
        rate = await bench.sample(Operation.GET_FUNDING_RATE, case)
        history: Sequence[FundingRate] = await bench.sample(Operation.GET_FUNDING_RATE_HISTORY, case)
        if rate.interval is None:
            raise NotEvaluated("the interval is not known")
        steps = Counter(
            round((later.settled_ms - earlier.settled_ms) / _MINUTE_MS)
            for earlier, later in itertools.pairwise(history)
            if earlier.settled_ms and later.settled_ms and later.settled_ms > earlier.settled_ms
        )
        if not steps:
            raise NotEvaluated("the history has not two settlements")
        minutes = rate.interval // timedelta(minutes=1)
        usual = steps.most_common(1)[0][0]
        ensure(
            minutes == usual or minutes in steps,
            f"it settles every {minutes} minutes by the rate, and every {usual} by its history",
            "report the venue's own interval; None is better than a guess",
        )

    @check(Operation.GET_FUNDING_RATE, Operation.GET_FUNDING_RATES, scope="swap")
    async def test_one_rate_and_many_agree(self, bench: Bench, case: MarketKind) -> None:
        """What a scan shows is what a hedge then gets."""
        one = await bench.sample(Operation.GET_FUNDING_RATE, case)
        symbol = await bench.symbol(case)
        told = await bench.sample(Operation.GET_FUNDING_RATES, case)
        many = [rate for rate in told if rate.symbol == symbol.name]
        ensure(len(many) == 1, f"of {len(told)} rates {len(many)} are of {symbol.name}", "answer what is asked, once")
        other = many[0]
        for field in ("interval", "next_settlement_ms"):
            alone, among = getattr(one, field), getattr(other, field)
            ensure(
                alone is None or among is None or alone == among,
                f"{field} of {symbol.name} is {alone} alone and {among} among others",
                "convert both by the same rule",
            )

    @check(Operation.GET_FUNDING_RATE_HISTORY, scope="swap")
    async def test_settled_rates_are_settled_and_oldest_first(self, bench: Bench, case: MarketKind) -> None:
        """The last one is what was charged last, and none is of the future."""
        history = await bench.sample(Operation.GET_FUNDING_RATE_HISTORY, case)
        ensure(
            all(rate.kind is RateKind.SETTLED for rate in history), "some are not settled", "kind is RateKind.SETTLED"
        )
        settled = [rate.settled_ms for rate in history]
        judgements.rising(settled, "the funding history")
        ensure(len({*settled}) == len(settled), "a settlement comes twice", "drop the venue's overlap")
        ensure(
            all(at <= judgements.now_ms() + _MINUTE_MS for at in settled),
            "a settlement of the future is told as settled",
            "leave out the one that has not been",
        )

    @check(Operation.GET_FUNDING_RATE_HISTORY, scope="swap")
    async def test_settled_rates_are_paged_by_since_and_until(self, bench: Bench, case: MarketKind) -> None:
        """A page that begins or ends elsewhere counts settlements twice or not at all."""
        sample = await bench.sample(Operation.GET_FUNDING_RATE_HISTORY, case)
        if len(sample) < 5:
            raise NotEvaluated(f"there are only {len(sample)} settlements")
        settled = sorted(one.settled_ms or 0 for one in sample)
        since, until, wanted = settled[1], settled[4], settled[1:4]
        symbol = await bench.symbol(case)
        page = [one.settled_ms for one in await bench.handle.get_funding_rate_history(symbol, since=since, until=until)]
        ensure(
            sorted(at or 0 for at in page) == wanted,
            f"from {since} until before {until} it settled at {wanted}, and it answers {page}",
            "since is inclusive, until exclusive, oldest first",
        )

"""Books, tickers, trades and candles, as they are asked for."""

from __future__ import annotations

from typing import Any

from fra.core import Kline, MarketKind, Operation
from fra.testkit import judgements
from fra.testkit.bench import Bench
from fra.testkit.calls import ACCOUNT, DEPTH, KLINES, READS, STREAMS
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import NotClaimed, NotEvaluated, ensure

_MINUTE_MS = 60_000


class MarketDataConformance(Topic):
    """Prices, amounts and times of public data."""

    topic = "market data"

    @check(scope="kind")
    async def test_money_is_decimal_everywhere(self, bench: Bench, case: MarketKind) -> None:
        """A float is not the price that the venue said."""
        for where, answer in await _everything(bench, case):
            judgements.decimal(answer, where)

    @check(scope="kind")
    async def test_no_number_went_through_a_float(self, bench: Bench, case: MarketKind) -> None:
        """0.1 becomes 0.1000000000000000055511151231257827 in a float."""
        for where, answer in await _everything(bench, case):
            judgements.without_noise(answer, where)

    @check(scope="kind")
    async def test_times_are_utc_milliseconds(self, bench: Bench, case: MarketKind) -> None:
        """Seconds taken for milliseconds make all data of 1970."""
        for where, answer in await _everything(bench, case):
            judgements.times(answer, where)

    @check(scope="kind")
    async def test_what_is_asked_of_a_symbol_is_of_that_symbol(self, bench: Bench, case: MarketKind) -> None:
        """Another symbol's price is a loss at the first order."""
        symbol = await bench.symbol(case)
        for where, answer in await _everything(bench, case):
            for one in answer if isinstance(answer, list | tuple) else (answer,):
                named = getattr(one, "symbol", symbol.name)
                ensure(named == symbol.name, f"{where} of {symbol.name} tells of {named}", "pass the symbol's own id")

    # --- books

    @check(Operation.GET_ORDERBOOK, scope="kind")
    async def test_a_book_is_sorted_and_not_crossed(self, bench: Bench, case: MarketKind) -> None:
        """The best price is the first on both sides."""
        book = await bench.sample(Operation.GET_ORDERBOOK, case)
        judgements.book(book, "the book")
        ensure(book.valid, "an answer to a request is never an invalid book", "raise instead")

    @check(Operation.GET_ORDERBOOK, scope="kind")
    async def test_a_book_is_as_deep_as_asked(self, bench: Bench, case: MarketKind) -> None:
        """At least as many levels as asked where the venue has them, and no more through a handle."""
        book = await bench.sample(Operation.GET_ORDERBOOK, case)
        whole = await bench.handle.get_orderbook(await bench.symbol(case))
        for side, all_of_it in ((book.bids, whole.bids), (book.asks, whole.asks)):
            ensure(
                len(side) == min(DEPTH, len(all_of_it)) or len(all_of_it) < len(side) <= DEPTH,
                f"{DEPTH} levels were asked for, {len(side)} came, and {len(all_of_it)} are there",
                "ask for the venue's next larger depth",
            )

    @check(Operation.GET_ORDERBOOK, scope="kind")
    async def test_a_book_has_prices_of_the_symbols_grid(self, bench: Bench, case: MarketKind) -> None:
        """A wrong tick makes every order refused."""
        book = await bench.sample(Operation.GET_ORDERBOOK, case)
        symbol = await bench.symbol(case)
        judgements.on_grid(symbol, (level.price for level in (*book.bids, *book.asks)), "the book")

    @check(Operation.GET_ORDERBOOK, scope="kind")
    async def test_a_book_has_amounts_that_could_be_traded(self, bench: Bench, case: MarketKind) -> None:
        """Contracts taken for coins make an order ten or a hundred times too large."""
        book = await bench.sample(Operation.GET_ORDERBOOK, case)
        symbol = await bench.symbol(case)
        judgements.amounts(symbol, (level.amount for level in (*book.bids, *book.asks)), "the book")

    # --- tickers

    @check(Operation.GET_TICKER, scope="kind")
    async def test_a_ticker_is_the_right_way_round(self, bench: Bench, case: MarketKind) -> None:
        """Bid below ask, low below high."""
        judgements.ticker(await bench.sample(Operation.GET_TICKER, case))

    @check(Operation.GET_TICKER, scope="kind")
    async def test_a_tickers_volume_is_in_base_coin(self, bench: Bench, case: MarketKind) -> None:
        """Two venues' volumes are compared as they stand."""
        judgements.turnover(await bench.symbol(case), await bench.sample(Operation.GET_TICKER, case), "24 hours")

    @check(Operation.GET_TICKERS, scope="kind")
    async def test_many_tickers_are_those_that_were_asked_for(self, bench: Bench, case: MarketKind) -> None:
        """One symbol asked, one answered."""
        told = await bench.sample(Operation.GET_TICKERS, case)
        names = [one.symbol for one in told]
        ensure(len(names) == 1, f"one was asked for, and there came {names[:3]}", "answer what is asked for, once")

    # --- trades

    @check(Operation.GET_TRADES, scope="kind")
    async def test_trades_are_oldest_first(self, bench: Bench, case: MarketKind) -> None:
        """The last one is the newest."""
        trades = await bench.sample(Operation.GET_TRADES, case)
        judgements.rising([trade.timestamp_ms for trade in trades], "trades")

    @check(Operation.GET_TRADES, scope="kind")
    async def test_trades_are_one_each(self, bench: Bench, case: MarketKind) -> None:
        """An id that two trades have makes one of them vanish, a trade told twice is volume that was not."""
        ids = [trade.id for trade in await bench.sample(Operation.GET_TRADES, case)]
        ensure(all(ids) and len({*ids}) == len(ids), "trades have no ids of their own", "take the venue's trade id")

    @check(Operation.GET_TRADES, scope="kind")
    async def test_trades_are_at_prices_and_amounts_that_could_be_traded(self, bench: Bench, case: MarketKind) -> None:
        """Whole lots in base coin, at prices of the grid."""
        trades = await bench.sample(Operation.GET_TRADES, case)
        symbol = await bench.symbol(case)
        judgements.on_grid(symbol, (trade.price for trade in trades), "trades")
        judgements.amounts(symbol, (trade.amount for trade in trades), "trades")

    # --- candles

    @check(Operation.GET_KLINES, scope="kind")
    async def test_candles_are_oldest_first_and_on_their_minutes(self, bench: Bench, case: MarketKind) -> None:
        """A candle that opens at an odd second belongs to another series."""
        opened = [one.open_ms for one in await bench.sample(Operation.GET_KLINES, case)]
        judgements.rising(opened, "candles")
        ensure(len({*opened}) == len(opened), "a candle comes twice", "drop the venue's overlap")
        odd = [at for at in opened if at % _MINUTE_MS]
        ensure(not odd, f"a candle of a minute opens at {odd[:1]}", "open_ms is the opening, not the closing")

    @check(Operation.GET_KLINES, scope="kind")
    async def test_candles_hold_their_prices(self, bench: Bench, case: MarketKind) -> None:
        """Open and close lie within low and high."""
        for one in await bench.sample(Operation.GET_KLINES, case):
            judgements.kline(one)

    @check(Operation.GET_KLINES, scope="kind")
    async def test_candles_count_volume_in_base_coin(self, bench: Bench, case: MarketKind) -> None:
        """Volume in contracts is a hundred times too large."""
        symbol = await bench.symbol(case)
        for one in await bench.sample(Operation.GET_KLINES, case):
            judgements.turnover(symbol, one, f"the candle at {one.open_ms}")

    @check(Operation.GET_KLINES, scope="kind")
    async def test_candles_are_paged_by_since_and_until(self, bench: Bench, case: MarketKind) -> None:
        """A page that begins or ends elsewhere leaves holes in every download."""
        sample = await bench.sample(Operation.GET_KLINES, case)
        if len(sample) < 6:
            raise NotEvaluated(f"there are only {len(sample)} candles")
        sample = sorted(sample, key=lambda one: one.open_ms)
        since, until = sample[1].open_ms, sample[4].open_ms
        page: list[Kline] = [*await bench.handle.get_klines(await bench.symbol(case), KLINES, since=since, until=until)]
        opened = [one.open_ms for one in page]
        wanted = [one.open_ms for one in sample[1:4]]
        ensure(
            sorted(opened) == wanted,
            f"from {since} until before {until} there are candles at {wanted}, and it answers {opened}",
            "since is inclusive, until exclusive, oldest first",
        )


async def _everything(bench: Bench, kind: MarketKind) -> list[tuple[str, Any]]:
    """Every sample of public data of one kind, by where it is from. Raises where there is none."""
    found: list[tuple[str, Any]] = []
    reasons: list[Exception] = []
    for operation in READS:
        if operation is Operation.GET_SYMBOLS or operation in ACCOUNT:
            continue
        try:
            found.append((operation.value, await bench.sample(operation, kind)))
        except (NotClaimed, NotEvaluated) as verdict:
            reasons.append(verdict)
    for operation in STREAMS:
        try:
            found.append((operation.value, await bench.told(operation, kind)))
        except (NotClaimed, NotEvaluated) as verdict:
            reasons.append(verdict)
    if not found:
        raise NotEvaluated(f"nothing is known of {kind.value}: {reasons[-1]}")
    return found

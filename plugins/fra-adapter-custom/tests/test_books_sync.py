"""The book engine: what it does with each order of snapshots, deltas, gaps and errors, and what consumers hear."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal

import attrs
import pytest

from fra.adapters.custom.books import BookBuilder, BookSnapshot, BookState
from fra.adapters.custom.levels import Levels, interleaved_crc32
from fra.adapters.custom.sync import BINANCE_SPOT, BINANCE_USDM, HTX_DEPTH, HTX_MBP, OKX_BOOKS, SyncRule
from fra.core import (
    BookView,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    MarketKind,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
    SymbolNotFound,
)

LOST = ExchangeConnectionError("cut")
WORK: list[Coroutine[object, object, None]] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Background work that a test has left waiting."""
    yield
    while WORK:
        WORK.pop().close()


@attrs.frozen
class Message:
    last: int
    first: int = 0
    previous: int = 0
    bids: tuple[tuple[str, str], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()
    time: int | None = None
    check: int | None = None
    snapshot: bool = False


def _feed(book: BookBuilder[Message], message: Message, received_ms: int) -> None:
    bids, asks = ([(float(price), size) for price, size in rows] for rows in (message.bids, message.asks))
    book.levels.keep_texts((*message.bids, *message.asks))
    if message.snapshot:
        book.snapshot(bids, asks, received_ms, sequence=message.last, timestamp_ms=message.time, check=message.check)
        return
    book.update(
        bids,
        asks,
        received_ms,
        first=message.first,
        last=message.last,
        previous=message.previous,
        timestamp_ms=message.time,
        check=message.check,
    )


class Bench:
    """A builder between a channel that the test plays and a consumer that writes down what it hears."""

    def __init__(self, rule: SyncRule, *, tick: str = "0.01", rest: bool = True) -> None:
        self.source: StreamSource[BookView] = StreamSource()
        self.source.attach(self)
        self.heard: list[object] = []
        self.answers: list[BookSnapshot | ExchangeError] = []
        self.fetches = 0
        self.resubscribed = 0
        self.work: list[Coroutine[object, object, None]] = []
        self.now = 1_000_000
        symbol = Symbol("A/B", "AB", MarketKind.SPOT, "A", "B", tick_size=Decimal(tick), lot_size=Decimal("0.01"))
        self.book: BookBuilder[Message] = BookBuilder(
            symbol,
            self,
            rule,
            _feed,
            exchange="venue",
            fetch=self._fetch if rest else None,
            checksum=lambda levels: interleaved_crc32(*levels.texts(25)),
        )

    async def _fetch(self) -> BookSnapshot:
        self.fetches += 1
        answer = self.answers.pop(0)
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    def resubscribe(self, error: ExchangeError) -> None:
        self.resubscribed += 1

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        self.work.append(work)
        WORK.append(work)

        def stop() -> None:
            if work in self.work and not work.cr_running:  # type: ignore[attr-defined]
                self.work.remove(work)
                work.close()

        return stop

    def run(self) -> None:
        """Let the background work go on until it ends, or nothing is there to answer it."""
        while self.work and self.answers:
            self._step()
        while self.work and self.book.state is not BookState.BUFFERING:
            self._step()

    def _step(self) -> None:
        try:
            self.work[0].send(None)
        except StopIteration:
            self.work.pop(0)

    def send(self, message: Message) -> None:
        self.now += 100
        self.book.on_message(message, self.now)

    def answer(self, place: int, bids: dict[float, str] | None = None, asks: dict[float, str] | None = None) -> None:
        rows = list((bids or {99.0: "1"}).items()), list((asks or {101.0: "1"}).items())
        self.answers.append(BookSnapshot(*rows, place, None, self.now))

    @property
    def bids(self) -> dict[Decimal, Decimal]:
        return dict(self.book.view.bids())

    def on_item(self, view: BookView) -> None:
        self.heard.append(view.sequence if view.valid else "invalid")

    def on_gap(self, gap: StreamGap) -> None:
        self.heard.append(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        self.heard.append(status)


def started(rule: SyncRule = BINANCE_SPOT, place: int = 10) -> Bench:
    """A book that is valid at ``place``, with one level a side."""
    bench = Bench(rule)
    bench.book.on_subscribed()
    if rule is OKX_BOOKS:
        bench.send(Message(place, previous=-1, bids=(("99", "1"),), asks=(("101", "1"),), time=1000, snapshot=True))
    else:
        bench.answer(place)
        bench.run()
    bench.heard.clear()
    return bench


def spot(first: int, last: int, price: str = "98", size: str = "1", time: int | None = None) -> Message:
    return Message(last, first=first, bids=((price, size),), time=time)


def okx(previous: int, last: int, price: str = "98", size: str = "1", time: int | None = None) -> Message:
    return Message(last, previous=previous, bids=((price, size),), time=time)


# --- the rules


@pytest.mark.parametrize(
    ("rule", "ids", "chains", "bridges", "stale"),
    [
        (BINANCE_SPOT, (11, 12, 0), True, True, False),
        (BINANCE_SPOT, (9, 12, 0), False, True, False),
        (BINANCE_SPOT, (9, 10, 0), False, False, True),
        (BINANCE_SPOT, (12, 13, 0), False, False, False),
        (BINANCE_USDM, (15, 20, 10), True, True, False),
        (BINANCE_USDM, (9, 12, 7), False, True, False),
        (BINANCE_USDM, (8, 10, 7), False, True, False),
        (BINANCE_USDM, (8, 9, 7), False, False, True),
        (BINANCE_USDM, (15, 20, 14), False, False, False),
        (OKX_BOOKS, (0, 15, 10), True, True, False),
        (OKX_BOOKS, (0, 3, 10), True, True, False),
        (OKX_BOOKS, (0, 15, 8), False, True, False),
        (OKX_BOOKS, (0, 9, 8), False, False, True),
        (OKX_BOOKS, (0, 3, 12), False, False, False),
    ],
)
def test_each_rule_says_what_follows_on_place_ten(
    rule: SyncRule, ids: tuple[int, int, int], chains: bool, bridges: bool, stale: bool
) -> None:
    assert rule.chains(*ids, 10) is chains
    assert rule.bridges(*ids, 10) is bridges
    assert chains or rule.stale(*ids, 10) is stale


# --- from a REST snapshot


def test_deltas_that_came_before_the_snapshot_are_bridged_onto_it() -> None:
    bench = Bench(BINANCE_SPOT)
    bench.book.on_subscribed()
    for message in (spot(8, 9), spot(10, 12, "97"), spot(13, 13, "96")):
        bench.send(message)
    assert bench.heard == []
    bench.answer(10)
    bench.run()
    assert bench.bids == {Decimal(99): 1, Decimal(97): 1, Decimal(96): 1}
    assert bench.heard == [StreamStatus.LIVE, 10, 12, 13]


def test_a_snapshot_older_than_what_is_buffered_is_fetched_again() -> None:
    bench = Bench(BINANCE_SPOT)
    bench.book.on_subscribed()
    bench.send(spot(20, 21))
    bench.answer(10)
    bench.answer(20)
    bench.run()
    assert bench.fetches == 2
    assert bench.book.sequence == 21


def test_a_quiet_book_is_valid_at_its_snapshot() -> None:
    bench = Bench(BINANCE_USDM)
    bench.book.on_subscribed()
    bench.answer(10)
    bench.run()
    assert bench.heard == [StreamStatus.LIVE, 10]


def test_the_next_delta_follows_a_usdm_snapshot_taken_exactly_at_an_update() -> None:
    bench = started(BINANCE_USDM)
    bench.send(Message(14, first=12, previous=10, bids=(("98", "1"),)))
    assert bench.heard == [14]


def test_deltas_from_before_the_snapshot_may_still_come_after_it() -> None:
    bench = started()
    bench.send(spot(8, 10, "99", "7"))
    assert bench.heard == []
    assert bench.bids == {Decimal(99): 1}


def test_a_book_whose_venue_counts_anew_after_its_snapshot_is_built_again() -> None:
    bench = started()
    bench.now += 10_000
    bench.send(spot(1, 2))
    assert bench.book.state is BookState.BUFFERING


def test_the_buffer_is_bounded_and_what_fell_out_of_it_means_another_snapshot() -> None:
    bench = Bench(BINANCE_SPOT)
    bench.book.on_subscribed()
    for number in range(1, 2002):
        bench.send(spot(number, number))
    bench.answer(10)
    bench.answer(2000)
    bench.run()
    assert bench.fetches == 2
    assert bench.book.sequence == 2001


def test_deltas_that_wait_for_a_snapshot_are_signs_of_life() -> None:
    bench = Bench(BINANCE_SPOT)
    bench.book.on_subscribed()
    assert bench.source.last_data is None
    bench.send(Message(12, first=11))
    assert bench.source.last_data is not None
    assert bench.source.status is StreamStatus.STARTING


def test_a_failed_fetch_is_told_and_tried_again() -> None:
    bench = Bench(BINANCE_SPOT)
    bench.book.on_subscribed()
    error = ExchangeRateLimitError("too many")
    bench.answers.append(error)
    bench.answer(10)
    bench.run()
    assert bench.heard == [StreamStatus.RECOVERING, StreamStatus.LIVE, 10]


def test_a_book_of_an_unknown_symbol_fails_for_good() -> None:
    bench = Bench(BINANCE_SPOT)
    bench.book.on_subscribed()
    bench.answers.append(SymbolNotFound("no such symbol"))
    bench.run()
    bench.send(spot(11, 11))
    assert bench.heard == [StreamStatus.FAILED]
    assert bench.fetches == 1


def test_prices_that_a_float_cannot_hold_fail_the_stream_instead_of_being_rounded() -> None:
    bench = Bench(BINANCE_SPOT, tick="0.00000000000001")
    bench.book.on_subscribed()
    bench.answer(10)
    bench.run()
    assert bench.heard == [StreamStatus.FAILED]
    assert "more than 15 digits" in str(bench.source.error)


# --- when the place is lost


@pytest.mark.parametrize(
    ("rule", "message"),
    [(BINANCE_SPOT, spot(12, 13)), (BINANCE_USDM, Message(13, first=12, previous=11)), (OKX_BOOKS, okx(11, 13))],
)
def test_a_gap_is_heard_as_an_invalid_view_then_the_gap_then_recovering(rule: SyncRule, message: Message) -> None:
    bench = started(rule)
    bench.send(message)
    invalid, gap, status = bench.heard
    assert (invalid, status) == ("invalid", StreamStatus.RECOVERING)
    assert isinstance(gap, StreamGap)
    assert gap.start == 10
    assert bench.bids == {}
    assert bench.book.sequence is None


def test_after_a_gap_a_rest_book_mends_itself_with_what_came_meanwhile() -> None:
    bench = started()
    for message in (spot(12, 13, "97"), spot(14, 14, "96")):
        bench.send(message)
    bench.answer(13)
    bench.run()
    assert bench.heard[3:] == [StreamStatus.LIVE, 13, 14]
    assert bench.book.resyncs == 1


def test_after_a_gap_a_channel_book_subscribes_anew_and_waits_for_its_snapshot() -> None:
    bench = started(OKX_BOOKS)
    bench.send(okx(11, 13))
    bench.run()
    assert bench.resubscribed == 1
    bench.book.on_lost(LOST)
    bench.book.on_subscribed()
    bench.send(Message(20, previous=-1, bids=(("50", "1"),), time=2000, snapshot=True))
    assert bench.bids == {Decimal(50): 1}
    assert bench.heard[3:] == [StreamStatus.LIVE, 20]


@pytest.mark.parametrize("rule", [BINANCE_SPOT, OKX_BOOKS])
def test_a_crossed_book_is_lost(rule: SyncRule) -> None:
    bench = started(rule)
    bench.send(Message(11, first=11, previous=10, bids=(("101", "1"),)))
    assert bench.heard[0] == "invalid"
    assert not bench.book.valid


def test_a_crossed_snapshot_is_never_shown() -> None:
    bench = Bench(BINANCE_SPOT)
    bench.book.on_subscribed()
    bench.answer(10, {99.0: "1"}, {98.0: "1"})
    bench.answer(11)
    bench.run()
    assert [item for item in bench.heard if isinstance(item, int)] == [11]


def test_a_lost_connection_makes_the_book_invalid_and_a_new_one_builds_it_again() -> None:
    bench = started()
    bench.book.on_lost(LOST)
    assert bench.heard[0] == "invalid"
    bench.book.on_subscribed()
    bench.answer(30)
    bench.run()
    assert bench.heard[-1] == 30


def test_resyncs_one_after_another_wait_longer_and_longer() -> None:
    bench = started()
    pauses: list[float] = []
    for _ in range(4):
        bench.send(spot(1000, 1001))
        pauses.append(bench.book._pause())
        bench.book.snapshot([(99.0, "1")], [], bench.now, sequence=10)
    assert pauses[0] == 0
    assert 0 < pauses[1] < pauses[2] < pauses[3]


# --- what is no loss


@pytest.mark.parametrize("rule", [BINANCE_SPOT, BINANCE_USDM, OKX_BOOKS])
def test_a_message_that_comes_twice_changes_nothing(rule: SyncRule) -> None:
    bench = started(rule)
    message = Message(12, first=11, previous=10, bids=(("98", "1"),), time=2000)
    bench.send(message)
    bench.send(message)
    assert bench.heard == [12]
    assert bench.book.resyncs == 0


def test_a_snapshot_that_comes_twice_changes_nothing() -> None:
    bench = started(OKX_BOOKS)
    snapshot = Message(10, previous=-1, bids=(("99", "1"),), time=1000, snapshot=True)
    bench.send(okx(10, 12, time=1100))
    bench.send(snapshot)
    bench.send(okx(12, 14, "97", time=1200))
    assert bench.heard == [12, 14]


def test_a_keep_alive_makes_a_stale_book_fresh_and_is_no_update() -> None:
    bench = started(OKX_BOOKS)
    bench.source.set_status(StreamStatus.STALE)
    bench.send(Message(10, previous=10))
    assert bench.heard == [StreamStatus.STALE, StreamStatus.LIVE]


def test_a_keep_alive_at_another_place_shows_a_loss() -> None:
    bench = started(OKX_BOOKS)
    bench.send(Message(15, previous=15, time=1100))
    assert bench.heard[0] == "invalid"


def test_okx_may_restart_its_numbers_where_the_message_chains() -> None:
    bench = started(OKX_BOOKS)
    for message in (okx(10, 3, time=1100), okx(3, 5, "97", time=1200)):
        bench.send(message)
    assert bench.heard == [3, 5]


def test_a_restart_that_was_missed_is_a_loss_and_not_old_news() -> None:
    bench = started(OKX_BOOKS)
    bench.send(okx(3, 5, time=1200))
    assert bench.heard[0] == "invalid"


# --- a channel without a snapshot


def test_without_a_snapshot_on_the_channel_one_is_taken_from_rest() -> None:
    bench = Bench(OKX_BOOKS)
    bench.book.on_subscribed()
    for message in (okx(8, 9), okx(9, 12, "97"), okx(12, 15, "96")):
        bench.send(message)
    bench.answer(10)
    bench.run()
    assert bench.heard == [StreamStatus.LIVE, 10, 12, 15]
    assert bench.bids == {Decimal(99): 1, Decimal(97): 1, Decimal(96): 1}


def test_a_snapshot_on_the_channel_comes_before_one_from_rest() -> None:
    bench = Bench(OKX_BOOKS)
    bench.book.on_subscribed()
    bench.send(okx(8, 9))
    bench.send(Message(10, previous=-1, bids=(("50", "1"),), time=1000, snapshot=True))
    assert bench.work == []
    assert bench.heard == [StreamStatus.LIVE, 10]


# --- checksums


def _crc(levels: Levels) -> int:
    return interleaved_crc32(*levels.texts(25))


@pytest.mark.parametrize("check", [None, 0])
def test_an_absent_checksum_is_not_checked(check: int | None) -> None:
    bench = started(OKX_BOOKS)
    bench.send(attrs.evolve(okx(10, 12), check=check))
    assert bench.book.valid


def test_a_right_checksum_keeps_the_book_and_a_wrong_one_loses_it() -> None:
    bench = started(OKX_BOOKS)
    right = interleaved_crc32([("99", "1"), ("98.50", "1")], [("101", "1")])
    bench.send(attrs.evolve(okx(10, 12, "98.50"), check=right))
    assert bench.book.valid
    bench.send(attrs.evolve(okx(12, 13, "98.50"), check=right + 1))
    assert not bench.book.valid


def test_an_htx_answer_that_is_older_than_the_last_changes_begins_where_they_chain() -> None:
    bench = Bench(HTX_MBP)
    bench.book.on_subscribed()
    for previous, last in ((78, 130), (130, 160), (160, 204), (204, 226)):
        bench.send(Message(last=last, previous=previous, bids=((f"{last}", "1"),)))
    bench.answer(160, bids={90.0: "1"}, asks={300.0: "1"})
    bench.run()
    assert bench.book.sequence == 226
    assert bench.bids == {Decimal(226): Decimal(1), Decimal(204): Decimal(1), Decimal(90): Decimal(1)}


def test_an_htx_answer_that_is_older_than_all_changes_is_asked_for_again() -> None:
    bench = Bench(HTX_MBP)
    bench.book.on_subscribed()
    bench.send(Message(last=130, previous=78, bids=(("98", "1"),)))
    bench.answer(70)
    bench.answer(78)
    bench.run()
    assert (bench.fetches, bench.book.sequence) == (2, 130)


@pytest.mark.parametrize(("version", "valid"), [(11, True), (12, False)])
def test_htx_versions_rise_by_one(version: int, valid: bool) -> None:
    bench = Bench(HTX_DEPTH, rest=False)
    bench.book.on_subscribed()
    bench.send(Message(last=10, snapshot=True, bids=(("99", "1"),), asks=(("101", "1"),), time=1))
    bench.send(Message(last=version, previous=version - 1, bids=(("98", "1"),), time=2))
    assert bench.book.valid is valid

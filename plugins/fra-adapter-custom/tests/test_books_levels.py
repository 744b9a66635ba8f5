"""The levels of a book beside a plain dict that is sorted at each look."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fra.adapters.custom.levels import InexactPrices, Levels, Row, interleaved_crc32
from fra.core import LazyLevels, MarketKind, PriceLevel, Symbol

_MIDDLE = 10_000


def symbol(*, tick: str = "0.01", contract: str = "1") -> Symbol:
    return Symbol(
        "A/B:B",
        "AB",
        MarketKind.LINEAR_SWAP,
        "A",
        "B",
        "B",
        tick_size=Decimal(tick),
        lot_size=Decimal(1),
        contract_size=Decimal(contract),
    )


class Plain:
    """What a book is, with no thought of speed."""

    def __init__(self) -> None:
        self.sides: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = {}, {}

    def update(self, bids: list[Row], asks: list[Row]) -> None:
        for side, rows in zip(self.sides, (bids, asks), strict=True):
            for price, size in rows:
                if Decimal(size) == 0:
                    side.pop(Decimal(repr(price)), None)
                else:
                    side[Decimal(repr(price))] = Decimal(size)

    @property
    def bids(self) -> list[tuple[Decimal, Decimal]]:
        return sorted(self.sides[0].items(), reverse=True)

    @property
    def asks(self) -> list[tuple[Decimal, Decimal]]:
        return sorted(self.sides[1].items())


def _price(distance: int, side: int) -> float:
    return (_MIDDLE + (distance if side else -distance)) / 100


def _batch(rng: random.Random, kind: str, plain: Plain) -> tuple[list[Row], list[Row]]:
    """One message: near the top, far from it, a run of deletions at the top, or new levels beyond the best."""
    sides: list[list[Row]] = []
    for side in (0, 1):
        best = [price for price, _ in (plain.asks if side else plain.bids)]
        rows: list[Row] = []
        if kind == "swept":
            rows = [(float(price), "0.000") for price in best[: rng.randint(0, 120)]]
        else:
            low, high = {"near": (1, 60), "far": (400, 3000), "anywhere": (1, 3000), "crowded": (1, 700)}[kind]
            for _ in range(rng.randint(0, 300 if kind == "crowded" else 30)):
                size = rng.choice(("0", "0.0", "0.00000000")) if rng.random() < 0.4 else f"{rng.randint(1, 999)}.50"
                rows.append((_price(rng.randint(low, high), side), size))
        if rng.random() < 0.5:
            rows.sort(reverse=bool(rng.getrandbits(1)))
        sides.append(rows)
    return sides[0], sides[1]


KINDS = st.lists(
    st.tuples(
        st.sampled_from(["near", "far", "anywhere", "swept", "crowded"]), st.sampled_from(["none", "best", "20", "all"])
    ),
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(levels=st.sampled_from([0, 1, 50, 64, 159, 160, 161, 400, 2500]), steps=KINDS, seed=st.integers(0, 2**32))
def test_levels_equal_a_plain_dict_however_seldom_they_are_read(
    levels: int, steps: list[tuple[str, str]], seed: int
) -> None:
    rng = random.Random(seed)
    book, plain = Levels(symbol()), Plain()
    bids = [(_price(rng.randint(1, 3000), 0), "1.5") for _ in range(levels)]
    asks = [(_price(rng.randint(1, 3000), 1), "2.5") for _ in range(levels)]
    plain.update(bids, asks)
    book.replace(bids, asks)
    for kind, read in steps:
        bids, asks = _batch(rng, kind, plain)
        plain.update(list(bids), list(asks))
        book.update(bids, asks)
        assert not book.crossed
        if read != "none":
            depth = {"best": 1, "20": 20, "all": None}[read]
            assert list(book.bids(depth)) == plain.bids[:depth]
            assert list(book.asks(depth)) == plain.asks[:depth]
    for depth in (1, 5, 63, 64, 65, 160, 161, 10_000, None):
        assert list(book.bids(depth)) == plain.bids[:depth]
        assert list(book.asks(depth)) == plain.asks[:depth]


def test_of_a_price_named_twice_in_one_message_the_last_word_counts() -> None:
    book = Levels(symbol())
    book.replace([(99.0, "1")], [(101.0, "1")])
    book.update([(100.0, "0"), (100.0, "3"), (99.5, "3"), (99.5, "0")], [(100.5, "2"), (100.5, "0")])
    assert list(book.bids()) == [(100, 3), (99, 1)]
    assert list(book.asks()) == [(101, 1)]


def test_a_cut_stays_as_it_was_when_the_book_moves_on() -> None:
    book = Levels(symbol())
    book.replace([(99.0, "1"), (98.0, "1")], [(101.0, "1")])
    cut = book.bids(5)
    book.update([(99.0, "7"), (98.0, "0")], [])
    assert list(cut) == [PriceLevel(Decimal(99), Decimal(1)), PriceLevel(Decimal(98), Decimal(1))]
    assert isinstance(cut, LazyLevels)


def test_sizes_are_contracts_times_contract_size_exactly() -> None:
    book = Levels(symbol(contract="0.001"))
    book.replace([(99.0, "123456789.7")], [(101.0, "3")])
    assert book.bids(1)[0].amount == Decimal("123456.7897")


@pytest.mark.parametrize(("bid", "crossed"), [(100.98, False), (101.0, True), (101.01, True)])
def test_a_book_is_crossed_when_the_best_bid_reaches_the_best_ask(bid: float, crossed: bool) -> None:
    book = Levels(symbol())
    book.replace([(99.0, "1")], [(101.0, "1")])
    book.update([(bid, "1")], [])
    assert book.crossed is crossed


def test_a_book_with_an_empty_side_is_not_crossed() -> None:
    book = Levels(symbol())
    book.replace([(99.0, "1")], [(101.0, "1")])
    book.update([], [(101.0, "0")])
    assert not book.crossed
    assert list(book.asks()) == []
    assert list(book.asks(1)) == []


@pytest.mark.parametrize("text", ["58710.20", "0.00000001", "1e-7", "123456789.01234", "99999999999.9", "0.1"])
def test_prices_of_up_to_fifteen_digits_are_exact(text: str) -> None:
    book = Levels(symbol(tick="0.1"))
    book.replace([(float(text), "1")], [])
    assert book.bids()[0].price == Decimal(text)


def test_prices_of_too_many_digits_are_refused() -> None:
    book = Levels(symbol(tick="0.000000000001"))
    with pytest.raises(InexactPrices, match="more than 15 digits"):
        book.replace([(58710.2, "1")], [(58710.3, "1")])


def test_texts_are_the_venues_own_spelling() -> None:
    book = Levels(symbol())
    rows = [("99.50", "1.0"), ("99.0", "2")]
    book.keep_texts(rows)
    book.replace([(float(price), size) for price, size in rows], [])
    assert book.texts(25) == ([("99.50", "1.0"), ("99.0", "2")], [])


def test_the_longer_side_goes_on_alone_in_the_checksum() -> None:
    # "3366.1:7:3366.8:9:3366:6" is OKX's own example of unequal sides.
    assert interleaved_crc32([("3366.1", "7"), ("3366", "6")], [("3366.8", "9")]) == _signed("3366.1:7:3366.8:9:3366:6")
    assert interleaved_crc32([], [("1", "2"), ("3", "4")]) == _signed("1:2:3:4")


def _signed(text: str) -> int:
    import zlib

    return int.from_bytes(zlib.crc32(text.encode()).to_bytes(4, "big"), "big", signed=True)

"""What is known of orders and fills: never backwards, nothing twice, whatever the order in which it was said."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fra.core import Fill, Order, OrderRequest, OrderStatus, OrderType, Side
from fra.core.host.orders.tracker import OrderTracker

OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
REQUEST = OrderRequest(
    symbol="BTC/USDT",
    side=Side.BUY,
    type=OrderType.LIMIT,
    amount=Decimal(3),
    price=Decimal(100),
    client_order_id="c1",
)


NOW = 1_700_000_000_000


def said(status: OrderStatus, filled: int = 0, at: int | None = 1, **fields: object) -> Order:
    return attrs.evolve(
        Order.of(REQUEST, status=status, id="7", timestamp_ms=None if at is None else NOW + at),
        filled=Decimal(filled),
        **fields,
    )


def fill(trade_id: str, amount: int = 1, **fields: object) -> Fill:
    fields = {"order_id": "7", "client_order_id": "c1", **fields}
    return Fill(
        symbol="BTC/USDT",
        trade_id=trade_id,
        side=Side.BUY,
        price=Decimal(100),
        amount=Decimal(amount),
        timestamp_ms=NOW + 5,
        **fields,
    )


@pytest.mark.parametrize(
    ("first", "then", "status", "filled"),
    [
        (said(OPEN, 2, 2), said(OPEN, 1, 1), OPEN, 2),
        (said(OPEN, 2, 2), said(OPEN, 1, 3), OPEN, 2),
        (said(FILLED, 3, 2), said(OPEN, 1, 9), FILLED, 3),
        (said(CANCELED, 1, 2), said(OPEN, 2, 1), CANCELED, 2),
        (said(CANCELED, 1, 2), said(FILLED, 3, 2), FILLED, 3),
        (said(FILLED, 3, 2), said(CANCELED, 0, 3), FILLED, 3),
        (said(OrderStatus.PENDING, at=9), said(OPEN, at=1), OPEN, 0),
        (said(OPEN, at=1), said(OrderStatus.PENDING, at=9), OPEN, 0),
        (said(OPEN, at=1), said(OrderStatus.UNKNOWN, at=2), OrderStatus.UNKNOWN, 0),
        (said(OPEN, at=2), said(OrderStatus.UNKNOWN, at=1), OPEN, 0),
        (said(CANCELED, 0, 2), said(OrderStatus.EXPIRED, 0, 3), CANCELED, 0),
    ],
)
def test_an_order_only_moves_on(first: Order, then: Order, status: OrderStatus, filled: int) -> None:
    tracker = OrderTracker()
    tracker.see(first)
    known, news = tracker.see(then)
    assert (known.status, known.filled) == (status, filled)
    assert news is ((known.status, known.filled) != (first.status, first.filled))


def test_what_is_not_said_again_stays_known() -> None:
    tracker = OrderTracker()
    tracker.see(said(OPEN, 1, average_price=Decimal(99)))
    known, _ = tracker.see(said(CANCELED, 1, 2, price=None, amount=None, client_order_id=None))
    assert (known.price, known.amount, known.client_order_id, known.average_price) == (100, 3, "c1", 99)


def test_the_same_said_twice_is_no_news() -> None:
    tracker = OrderTracker()
    assert tracker.see(said(OPEN, 1))[1]
    assert not tracker.see(said(OPEN, 1, at=4))[1]


def test_a_fill_is_news_once() -> None:
    tracker = OrderTracker()
    tracker.see(said(OPEN))
    assert tracker.see_fill(fill("t1"))[0]
    assert not tracker.see_fill(fill("t1", order_id=None))[0]
    assert tracker.see_fill(attrs.evolve(fill("t1"), symbol="ETH/USDT"))[0]


def test_fills_move_their_order_on_and_never_beyond_its_amount() -> None:
    tracker = OrderTracker()
    tracker.expect(REQUEST)
    news, order = tracker.see_fill(fill("t1", 2))
    assert news
    assert order is not None
    assert (order.status, order.filled, order.id) == (OPEN, 2, "7")
    _, order = tracker.see_fill(fill("t2", 2))
    assert order is not None
    assert order.filled == 3


def test_fills_that_come_before_their_order_count_when_it_comes() -> None:
    tracker = OrderTracker()
    assert tracker.see_fill(fill("t1", 2)) == (True, None)
    known, _ = tracker.see(said(OPEN, 0))
    assert known.filled == 2


def test_a_client_order_id_that_is_used_again_is_another_order() -> None:
    tracker = OrderTracker()
    tracker.see(said(FILLED, 3))
    known, news = tracker.see(attrs.evolve(said(OPEN), id="8"))
    assert (known.status, known.filled, news) == (OPEN, 0, True)
    assert tracker.get("BTC/USDT", id="7") == said(FILLED, 3)


def test_order_ids_are_those_of_their_symbol() -> None:
    tracker = OrderTracker()
    tracker.see(said(FILLED, 3))
    other, _ = tracker.see(attrs.evolve(said(OPEN), symbol="ETH/USDT"))
    assert other.filled == 0


def test_an_order_that_never_came_to_be_is_forgotten_and_one_that_did_is_not() -> None:
    tracker = OrderTracker()
    tracker.expect(REQUEST)
    tracker.forget("BTC/USDT", "c1")
    assert tracker.get("BTC/USDT", client_order_id="c1") is None
    tracker.see(said(OPEN))
    tracker.forget("BTC/USDT", "c1")
    assert tracker.get("BTC/USDT", client_order_id="c1") is not None


def test_thousands_of_ended_orders_are_forgotten_and_no_open_one() -> None:
    tracker = OrderTracker()
    for number in range(10_500):
        tracker.see(attrs.evolve(said(FILLED, 3), id=str(number), client_order_id=f"c{number}"))
        if number == 0:
            tracker.see(attrs.evolve(said(OPEN), id="open", client_order_id="open"))
    assert len(tracker.orders()) == 10_000
    assert tracker.get("BTC/USDT", id="open") is not None
    assert tracker.get("BTC/USDT", id="1") is None


def test_fills_of_orders_that_nobody_else_speaks_of_are_not_kept_for_ever() -> None:
    tracker = OrderTracker()
    for number in range(10_001):
        assert tracker.see_fill(fill(f"t{number}", order_id=str(number), client_order_id=None))[0]
    told = [tracker.see(said(OPEN, id=str(number), client_order_id=None))[0].filled for number in (0, 1, 10_000)]
    assert told == [0, 1, 1]


STORY = [
    said(OrderStatus.PENDING, 0, 1),
    said(OPEN, 0, 2),
    fill("t1"),
    said(OPEN, 1, 3),
    fill("t2"),
    said(OPEN, 2, 4),
    fill("t3"),
]


@given(
    end=st.sampled_from([said(FILLED, 3, 5), said(CANCELED, 2, 5)]),
    said_so=st.lists(st.integers(0, len(STORY)), max_size=30),
)
def test_any_shuffled_and_repeated_story_ends_alike(end: Order, said_so: list[int]) -> None:
    story = [*STORY, end] if end.status is FILLED else [*STORY[:-1], end]
    told = [story[number % len(story)] for number in said_so]
    tracker, news, last = OrderTracker(), [], Decimal(0)
    ended = False
    for event in (*told, *story):
        if isinstance(event, Fill):
            new, _ = tracker.see_fill(event)
            if new:
                news.append(event.trade_id)
        else:
            tracker.see(event)
        known = tracker.get("BTC/USDT", id="7", client_order_id="c1")
        if known is not None:
            assert known.filled >= last
            assert known.status.final or not ended
            last, ended = known.filled, known.status.final
    known = tracker.get("BTC/USDT", id="7")
    assert known is not None
    assert (known.status, known.filled) == (end.status, end.filled)
    assert sorted(news) == sorted({event.trade_id for event in story if isinstance(event, Fill)})

"""Funding: settled at the market's own times, by the rate that it charged, on what was held then, or not at all."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D

import attrs
import pytest

from fra.core import (
    ErrorRaised,
    ExchangeCapabilities,
    ExchangeConnectionError,
    IntervalSource,
    MarginMode,
    Operation,
    OrderStatus,
    RateKind,
)
from fra.exchanges.paper import LISTINGS, PaperExchange

HOUR = 3_600_000


async def paid(trader, count=1):
    """The payments, once there are so many."""
    while len(payments := await trader.paper.get_funding_payments()) < count:
        await trader.more()
    return payments


@pytest.fixture
async def long(desk, kit):
    """A long of 2 at 100 whose market settles in a moment: (trader, venue, settlement)."""
    trader, venue = desk
    await trader.buy(amount="2")
    next_ms = kit.now_ms() + 100
    venue.rate(kit.SWAP, next_ms=next_ms)
    return trader, venue, next_ms


@pytest.mark.parametrize("hours", [1, 8])
async def test_a_long_pays_the_rate_that_was_charged_when_the_market_settles(desk, kit, hours) -> None:
    trader, venue = desk
    await trader.buy(amount="2")
    next_ms = kit.now_ms() + 100
    venue.charge(kit.SWAP, "0.001", next_ms, mark="110")
    venue.charge(kit.SWAP, "0.5", next_ms - hours * HOUR)
    venue.rate(kit.SWAP, next_ms=next_ms, interval_h=hours)
    (payment,) = await paid(trader)
    assert (payment.amount, payment.asset, payment.rate, payment.position_amount) == (D("-0.22"), "USDT", D("0.001"), 2)
    assert payment.timestamp_ms == next_ms
    assert await trader.total() == 1000 - D("0.22")
    venue.rate(kit.SWAP, next_ms=next_ms + hours * HOUR, interval_h=hours)
    venue.rate(kit.SWAP, next_ms=next_ms + 3, interval_h=hours)  # an old message, and not to the millisecond
    assert await trader.paper.get_funding_payments(kit.SWAP) == [payment]
    assert await trader.paper.get_funding_payments(kit.INVERSE) == []
    assert await trader.paper.get_funding_payments(since=next_ms + 1) == []


async def test_a_short_receives_a_positive_rate(desk, kit) -> None:
    trader, venue = desk
    await trader.sell(amount="2")
    next_ms = kit.now_ms() + 50
    venue.charge(kit.SWAP, "0.001", next_ms, mark="110")
    venue.rate(kit.SWAP, next_ms=next_ms)
    assert (await paid(trader))[0].amount == D("0.22")


async def test_inverse_funding_is_paid_in_base_coin(desk, kit) -> None:
    trader, venue = desk
    await trader.buy(kit.INVERSE, "1000")
    next_ms = kit.now_ms() + 50
    venue.charge(kit.INVERSE, "0.001", next_ms, mark="40000")
    venue.rate(kit.INVERSE, next_ms=next_ms)
    (payment,) = await paid(trader)
    assert (payment.amount, payment.asset) == (D("-0.000025"), "BTC")


async def test_a_rate_that_is_told_later_is_paid_on_what_was_held_and_at_the_mark_of_then(long, kit) -> None:
    trader, venue, next_ms = long
    venue.book(kit.SWAP, "99.9*2", "100.1*2")
    await venue.until(lambda: venue.asked)
    venue.book(kit.SWAP, "119*2", "121*2")
    await trader.sell(amount="2")
    venue.charge(kit.SWAP, "0.001", next_ms + 7)  # some say when to the millisecond
    (payment,) = await paid(trader)
    assert (payment.position_amount, payment.amount, payment.timestamp_ms) == (2, D("-0.2"), next_ms)
    assert await trader.paper.get_positions() == []


async def test_an_isolated_position_pays_out_of_its_own_margin(desk, kit) -> None:
    trader, venue = desk
    await trader.paper.set_margin_mode(kit.SWAP, MarginMode.ISOLATED)
    await trader.buy(amount="2")
    before = [one.used for one in await trader.paper.get_balance() if one.asset == "USDT"]
    next_ms = kit.now_ms() + 50
    venue.charge(kit.SWAP, "0.01", next_ms, mark="100")
    venue.rate(kit.SWAP, next_ms=next_ms)
    await paid(trader)
    assert [one.used for one in await trader.paper.get_balance() if one.asset == "USDT"] == [before[0] - 2]


async def test_a_market_whose_clock_is_ahead_has_settled_when_it_says_so(desk, kit) -> None:
    trader, venue = desk
    await trader.buy(amount="2")
    next_ms = kit.now_ms() + 30_000
    venue.charge(kit.SWAP, "0.001", next_ms, mark="100")
    venue.rate(kit.SWAP, next_ms=next_ms)
    venue.rate(kit.SWAP, next_ms=next_ms + 8 * HOUR)
    assert (await paid(trader))[0].timestamp_ms == next_ms


async def test_a_settlement_that_is_put_off_is_not_paid(desk, kit) -> None:
    trader, venue = desk
    await trader.buy(amount="2")
    next_ms = kit.now_ms() + 2 * HOUR
    venue.rate(kit.SWAP, next_ms=next_ms)
    venue.rate(kit.SWAP, next_ms=next_ms + HOUR)
    await _moment()
    assert venue.asked == 0


async def test_what_was_opened_after_a_settlement_does_not_pay_it(desk, kit) -> None:
    trader, venue = desk
    settled_ms = kit.now_ms()
    venue.charge(kit.SWAP, "0.001", settled_ms)
    await trader.buy(amount="2")
    venue.rate(kit.SWAP, next_ms=settled_ms)  # its last message of before
    venue.rate(kit.SWAP, next_ms=settled_ms + 8 * HOUR)
    await _moment()
    assert (venue.asked, await trader.paper.get_funding_payments()) == (0, [])


async def test_a_market_that_does_not_answer_is_asked_again(long, kit) -> None:
    trader, venue, next_ms = long
    venue.history_error = ExchangeConnectionError("silence")
    await venue.until(lambda: venue.asked)
    venue.history_error = None
    venue.charge(kit.SWAP, "0.001", next_ms, mark="100")
    assert (await paid(trader))[0].amount == D("-0.2")


async def test_without_a_settlement_time_nothing_is_paid_and_it_is_said_once(desk, kit) -> None:
    trader, venue = desk
    venue.charge(kit.SWAP, "0.001", kit.now_ms())
    await trader.buy(amount="2")
    for _ in range(3):
        venue.rate(kit.SWAP, next_ms=None, interval_h=None)
    (raised,) = trader.heard(ErrorRaised)
    assert (raised.exchange, raised.where) == ("paper", f"funding of {kit.SWAP}")
    assert "does not say when it settles" in str(raised.error)
    assert await trader.paper.get_funding_payments() == []


async def test_a_rate_that_is_never_told_is_never_paid_and_that_is_said(long, kit, monkeypatch) -> None:
    trader, venue, next_ms = long
    monkeypatch.setattr("fra.exchanges.paper.funding._HORIZON_MS", 300)
    venue.charge(kit.SWAP, "0.001", next_ms - HOUR)
    await trader.until(lambda: trader.heard(ErrorRaised))
    (raised,) = trader.heard(ErrorRaised)
    assert (raised.where, raised.exchange) == (f"funding of {kit.SWAP} at {next_ms}, which is not paid", "paper")
    assert await trader.paper.get_funding_payments() == []


async def test_a_market_without_settled_rates_is_told_of_at_the_first_order(kit) -> None:
    class Silent(kit.Venue):
        capabilities = ExchangeCapabilities(
            {
                cell: support
                for cell, support in kit.Venue.capabilities.matrix.items()
                if cell[0] is not Operation.GET_FUNDING_RATE_HISTORY
            }
        )

    async with kit.on_venue(cls=Silent) as (trader, venue):
        venue.book(kit.SWAP, "99*1", "100*1")
        assert (await trader.buy()).status is OrderStatus.FILLED
        (raised,) = trader.heard(ErrorRaised)
        assert "none is paid" in str(raised.error)


async def test_the_market_of_its_own_settles_too(kit) -> None:
    class Fast(PaperExchange):
        listings = tuple(
            attrs.evolve(listing, interval_ms=1000) if listing.symbol.name == kit.SWAP else listing
            for listing in LISTINGS
        )

    async with kit.opened({"paper": {"options": {"seed": 5}}}, paper=Fast) as trader:
        await trader.sell(amount="0.5")
        first, second = (await paid(trader, 2))[:2]
        assert second.timestamp_ms - first.timestamp_ms == 1000
        rates = await trader.paper.get_funding_rate_history(
            kit.SWAP, since=first.timestamp_ms, until=second.timestamp_ms + 1
        )
        assert [(rate.kind, rate.settled_ms) for rate in rates] == [
            (RateKind.SETTLED, payment.timestamp_ms) for payment in (first, second)
        ]
        for payment, rate in zip((first, second), rates, strict=True):
            assert payment.amount == D("0.5") * rate.mark_price * rate.rate


async def test_intervals_of_its_own_market_are_reported(kit) -> None:
    async with kit.managed({"paper": {}}) as manager:
        rates = {rate.symbol: rate for rate in await manager.get_plugin("paper").get_funding_rates()}
    assert {symbol: rate.interval.total_seconds() / 3600 for symbol, rate in rates.items()} == {
        "BTC/USDT:USDT": 8,
        "ETH/USDT:USDT": 8,
        "SOL/USDT:USDT": 8,
        "XRP/USDT:USDT": 1,
    }
    assert all(rate.interval_source is IntervalSource.REPORTED for rate in rates.values())
    assert all(rate.next_settlement_ms % HOUR == 0 for rate in rates.values())


async def _moment() -> None:
    """Let what is due be done."""
    await asyncio.sleep(0.02)

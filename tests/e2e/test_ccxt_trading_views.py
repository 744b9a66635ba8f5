"""The natives' own tests of every view of one account, through ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial

import pytest
from ccxt_again import emulator, second_copy, trading
from traders import DIGITS, LINEAR, VENUES, Told, Trader

from fra.core import NotSupported, PositionSide
from fra.matching import FundingPaid

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHERWISE: Mapping[str, tuple[str, str]] = {
    "test_money_and_position_are_told_as_they_are_while_a_position_is_open": (
        "binance",
        "ccxt's positions of Binance say no leverage",
    ),
    "test_funding_is_told_to_the_last_digit_with_its_sign": (
        "htx",
        "ccxt asks HTX for the funding of one symbol at a time, and needs its name",
    ),
}
"""Tests that hold for all venues but one, and why; that one has its own below."""

_natives, _taken = second_copy("test_trading_views.py", ("venues", "trader", "with_ccxt"), OTHERWISE)
_natives.VENUES = [name for name in VENUES if name != "htx"]  # only the test of funding reads it when it runs
globals().update(_taken)

test_funding_is_told_to_the_last_digit_with_its_sign = _natives.test_funding_is_told_to_the_last_digit_with_its_sign
test_money_and_position_are_told_as_they_are_while_a_position_is_open = pytest.mark.parametrize(
    "trader", [name for name in VENUES if name != "binance"], indirect=True
)(_natives.test_money_and_position_are_told_as_they_are_while_a_position_is_open)


@pytest.mark.parametrize("trader", ["binance"], indirect=True)
async def test_binances_position_is_told_as_it_is_but_for_its_leverage(trader: Trader) -> None:
    venue = trader.venue
    found = trader.handle.symbol(LINEAR)
    venue.freeze_book(found.market, found.venue_id)
    try:
        await trader.handle.set_leverage(LINEAR, 20)
        await trader.send(amount=Decimal("2.5"))
        (position,) = await trader.handle.get_positions(LINEAR)
        (true,) = trader.true_positions()
        told = {balance.asset: balance for balance in await trader.handle.get_balance("usdm")}["USDT"]
        money = trader.balance("USDT", LINEAR)
    finally:
        venue.freeze_book(found.market, found.venue_id, frozen=False)
    assert (position.side, position.amount, position.leverage) == (PositionSide.LONG, true.amount, None)
    assert position.unrealized_pnl is not None
    assert abs(position.unrealized_pnl - true.unrealised) < Decimal("1e-6")
    assert abs(told.total - money.equity) < Decimal("1e-6")
    assert abs(told.free - (money.equity - money.initial_margin)) < Decimal("1e-6")


async def test_htxs_funding_is_told_for_one_symbol_and_refused_without() -> None:
    async with emulator("htx", settle_in_s=3) as running, trading(running.venues["htx"]) as trader:
        paid = Told()
        trader.venue.exchange.listen(trader.account, partial(_if_paid, paid))
        await trader.send(LINEAR)
        await paid.until(lambda: paid.events)
        with pytest.raises(NotSupported, match="symbol"):
            await trader.handle.get_funding_payments()
        (payment,) = await trader.handle.get_funding_payments(LINEAR)
        (own,) = trader.engine.payments(trader.account.name)
    assert (payment.symbol, payment.asset, payment.timestamp_ms) == (LINEAR, own.asset, own.timestamp_ms)
    assert abs(payment.amount - own.amount) <= DIGITS


def _if_paid(paid: Told, event: object) -> None:
    if isinstance(event, FundingPaid):
        paid(event)  # type: ignore[arg-type]

"""The natives' own tests of every view of one account, through ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest
from ccxt_again import emulator, second_copy, trading
from traders import DIGITS, LINEAR, VENUES, Told

from fra.core import NotSupported
from fra.matching import FundingPaid

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHERWISE: Mapping[str, tuple[str, str]] = {
    "test_funding_is_told_to_the_last_digit_with_its_sign": (
        "htx",
        "ccxt asks HTX for the funding of one symbol at a time, and needs its name",
    ),
}
"""A test that holds for all venues but one, and why; that one has its own below."""

_natives, _taken = second_copy("test_trading_views.py", ("venues", "trader", "with_ccxt"), OTHERWISE)
_natives.VENUES = [name for name in VENUES if name != "htx"]  # only the test of funding reads it when it runs
globals().update(_taken)

test_funding_is_told_to_the_last_digit_with_its_sign = _natives.test_funding_is_told_to_the_last_digit_with_its_sign


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

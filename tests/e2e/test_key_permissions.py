"""What a key may do, asked of four emulated venues: each says it in its own words, and the answers are the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from traders import VENUES, emulator, new_account, trading

from fra.emulator import Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def venues() -> AsyncIterator[Mapping[str, Venue]]:
    async with emulator() as running:
        yield running.venues


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize(
    ("may_trade", "may_withdraw"), [(True, False), (False, False), (True, True)], ids=["trades", "reads", "withdraws"]
)
async def test_a_key_is_told_of_as_it_is(
    venues: Mapping[str, Venue], name: str, may_trade: bool, may_withdraw: bool
) -> None:
    account = new_account(may_trade=may_trade, may_withdraw=may_withdraw)
    async with trading(venues[name], account) as trader:
        told = await trader.handle.get_key_permissions()
    assert (told.read, told.trade, told.withdraw) == (True, may_trade, may_withdraw)
    assert told.ip_restricted is False
    assert told.rights or not may_trade

"""What certainly never left is a refusal, and no order whose fate is unknown."""

from __future__ import annotations

import pytest
from traders import LINEAR, VENUES, emulator, trading

from fra.core import ExchangeConnectionError

ASKED_BEFORE = {
    "binance": "/positionSide/dual",
    "okx": "/account/config",
    "bybit": "/position/list",
    "htx": "position_side",
}
"""Where the position mode is asked for, before the first order."""


@pytest.mark.parametrize("name", VENUES)
async def test_an_order_before_which_the_position_mode_cannot_be_asked_for_was_not_sent(name: str) -> None:
    async with emulator(name) as running, trading(running.venues[name], options={"retries": 0}) as trader:
        trader.venue.answer_with(503, path=ASKED_BEFORE[name])
        with pytest.raises(ExchangeConnectionError, match="nothing was sent") as refused:
            await trader.send(LINEAR)
        assert not refused.value.sent
        trader.venue.answer_normally()
        assert trader.true_orders() == ()
        await trader.send(LINEAR)


@pytest.mark.parametrize("name", VENUES)
async def test_an_order_to_a_venue_that_cannot_be_reached_was_not_sent(name: str) -> None:
    async with emulator(name) as running, trading(running.venues[name]) as trader:
        await trader.send(LINEAR)
        await trader.venue.stop()
        with pytest.raises(ExchangeConnectionError, match="cannot connect") as refused:
            await trader.send(LINEAR)
        assert not refused.value.sent
        assert len(trader.true_orders()) == 1

"""Bybit's REST surface, played from a recording: `nox -s record` makes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from cassettes import recorded, recording, unplayed
from rest_surface import CHECKS, check_health

from fra.core import MarketKind
from fra.testkit.cassettes import walk

CASSETTE = Path(__file__).parent / "cassettes" / "rest.yaml"


@pytest.mark.cassette
async def test_every_rest_call_for_every_kind_of_market_is_answered_from_the_recording() -> None:
    async with recorded("bybit", CASSETTE) as (bybit, tape):
        check_health(await bybit.health_check())
        answers = await walk(bybit)
        assert {operation for operation, _ in answers} == set(CHECKS)
        assert {kind for _, kind in answers} == {MarketKind.SPOT, MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP}
        for (operation, _), (symbol, answer) in answers.items():
            CHECKS[operation](symbol, answer)
    assert recording() or unplayed(tape) == []

"""The natives' own tests of what goes wrong, through ccxt: one class on all venues, with the venue's code."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import pytest
from ccxt_again import second_copy

from fra.core import ExchangeError

pytestmark = pytest.mark.asyncio(loop_scope="module")

_natives, _taken = second_copy("test_trading_errors.py", ("venues", "trader", "careless"))
_natives.PLUGIN = "{}_ccxt"
_refused = _natives.refused
globals().update(_taken)

UNSENT: Mapping[str, str] = {
    "test_an_amount_below_the_minimum_is_refused_by_the_venue_as_by_the_host": "ccxt would round it",
    "test_what_is_off_the_grid_is_refused_by_the_venue_as_by_the_host": "ccxt would round it",
    "test_a_symbol_that_the_venue_does_not_list_is_not_found": "ccxt knows the listed ones",
    "test_an_order_that_is_not_there_is_not_found": "ccxt asks Bybit for orders by their id only: they are looked for",
}
"""What is refused without asking the venue, and so without its code: all the rest of these tests holds."""


@pytest.fixture(autouse=True)
def without_code(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of an error is demanded everywhere, the venue's code where the venue was asked."""

    async def refused(kind: type[ExchangeError], call: Awaitable[object], *, coded: bool = True) -> Any:
        return await _refused(kind, call, coded=coded and request.node.originalname not in UNSENT)

    monkeypatch.setattr(_natives, "refused", refused)

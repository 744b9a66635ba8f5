"""The conformance suite on recorded answers: the venue has no emulator, and what they cannot show is not evaluated."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from ccxt_local import fixtures
from recorded_venue import recorded_venue

from fra.exchanges.gate import GatePlugin
from fra.testkit import Conformance, VenueUnderTest

ADAPTER, VENUE = recorded_venue(
    GatePlugin, {"test_no_number_went_through_a_float[spot]": "ccxt reckons where a day opened from its change"}
)


@pytest.mark.skipif(not fixtures("markets", "gate"), reason="FRA_FIXTURES does not name the recorded data")
class TestGate(Conformance):
    adapter = ADAPTER

    def venue(self) -> AbstractAsyncContextManager[VenueUnderTest]:
        return VENUE()

"""The conformance suite on recorded answers: the venue has no emulator, and what they cannot show is not evaluated."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from ccxt_local import fixtures
from recorded_venue import recorded_venue

from fra.exchanges.cryptocom import CryptoComPlugin
from fra.testkit import Conformance, VenueUnderTest

ADAPTER, VENUE = recorded_venue(CryptoComPlugin)


@pytest.mark.skipif(not fixtures("markets", "cryptocom"), reason="FRA_FIXTURES does not name the recorded data")
class TestCryptoCom(Conformance):
    adapter = ADAPTER

    def venue(self) -> AbstractAsyncContextManager[VenueUnderTest]:
        return VENUE()

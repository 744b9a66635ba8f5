"""Plugins with faults, for the doctor to find. Which of them are installed is each test's affair."""

import time
from typing import ClassVar

from scripted_venue import ScriptedVenue

from fra.core import (
    ConnectionStatus,
    ExchangeAuthError,
    ExchangeCapabilities,
    ExchangeConnectionError,
    Health,
    KeyPermissions,
    MarketKind,
    Operation,
    hookimpl,
)

DAY_MS = 86_400_000


def now_ms():
    return time.time_ns() // 1_000_000


class _Keyed(ScriptedVenue):
    """Says what its key may do."""

    allowed: ClassVar = {"read": True, "trade": True, "withdraw": False}

    @property
    def capabilities(self):
        return self.matrix() | ExchangeCapabilities.of([Operation.GET_KEY_PERMISSIONS], [MarketKind.LINEAR_SWAP])

    async def get_key_permissions(self):
        return KeyPermissions(**self.allowed)


class Withdrawing(_Keyed):
    allowed: ClassVar = {"read": True, "trade": True, "withdraw": True, "ip_restricted": False}


class Ending(_Keyed):
    @property
    def allowed(self):
        return {"read": True, "trade": True, "withdraw": False, "expires_ms": now_ms() + 3 * DAY_MS}


class Locked(_Keyed):
    async def get_key_permissions(self):
        raise ExchangeAuthError("the key is unknown", exchange=self.config.name, cure="make a new key")


class Mute(ScriptedVenue):
    """Its REST answers, and its sockets do not."""

    @property
    def capabilities(self):
        return self.matrix() | ExchangeCapabilities.of([Operation.SUBSCRIBE_TICKER], [MarketKind.LINEAR_SWAP])

    async def subscribe_ticker(self, symbol):
        raise ExchangeConnectionError("the socket was refused", exchange=self.config.name, cure="open port 8443")
        yield


class Skewed(ScriptedVenue):
    skew = 2.5

    async def health_check(self):
        return Health(
            exchange=self.config.name,
            status=ConnectionStatus.CONNECTED,
            checked_ms=now_ms(),
            latency=0.01,
            clock_skew=self.skew,
        )


class FarAway(Skewed):
    skew = -90.0


class Crashing(ScriptedVenue):
    """A plugin that nobody can even ask for its options."""

    class _Options(type):
        @property
        def __attrs_attrs__(cls):
            raise ZeroDivisionError("division by zero")

    class Options(metaclass=_Options):
        pass


class Listening:
    @hookimpl
    def on_health_checked(self, event):
        pass


class Failing:
    @hookimpl
    def on_health_checked(self, event):
        raise RuntimeError("the pager does not answer")


class Slow:
    @hookimpl
    def on_plugin_loaded(self, event):
        time.sleep(0.06)


class Vetoing:
    @hookimpl
    def veto_order(self, event):
        return None

"""Local servers that speak the real protocols of Binance, OKX, Bybit and HTX."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fra.emulator.accounts import Account
    from fra.emulator.binance.venue import BinanceVenue
    from fra.emulator.bybit.venue import BybitVenue
    from fra.emulator.clock import Clock
    from fra.emulator.faults import BookFault, CannedAnswer, Faults, PendingFault
    from fra.emulator.htx.venue import HtxVenue
    from fra.emulator.okx.venue import OkxVenue
    from fra.emulator.order_faults import EventFault, OrderAction, OrderFault, OrderFaults, OrderSwitch, UserEvents
    from fra.emulator.server import VENUES, Emulator, SourceFactory, generated_source
    from fra.emulator.settings import Settings
    from fra.emulator.sockets import Connection
    from fra.emulator.source import NoData, Push, Source, SourceStream, StreamKey, TrueBook
    from fra.emulator.venue import Markets, Stats, Venue

__all__ = [
    "VENUES",
    "Account",
    "BinanceVenue",
    "BookFault",
    "BybitVenue",
    "CannedAnswer",
    "Clock",
    "Connection",
    "Emulator",
    "EventFault",
    "Faults",
    "HtxVenue",
    "Markets",
    "NoData",
    "OkxVenue",
    "OrderAction",
    "OrderFault",
    "OrderFaults",
    "OrderSwitch",
    "PendingFault",
    "Push",
    "Settings",
    "Source",
    "SourceFactory",
    "SourceStream",
    "Stats",
    "StreamKey",
    "TrueBook",
    "UserEvents",
    "Venue",
    "generated_source",
]

_HOMES = {
    "accounts": ("Account",),
    "binance.venue": ("BinanceVenue",),
    "bybit.venue": ("BybitVenue",),
    "clock": ("Clock",),
    "faults": ("BookFault", "CannedAnswer", "Faults", "PendingFault"),
    "htx.venue": ("HtxVenue",),
    "okx.venue": ("OkxVenue",),
    "order_faults": ("EventFault", "OrderAction", "OrderFault", "OrderFaults", "OrderSwitch", "UserEvents"),
    "server": ("VENUES", "Emulator", "SourceFactory", "generated_source"),
    "settings": ("Settings",),
    "sockets": ("Connection",),
    "source": ("NoData", "Push", "Source", "SourceStream", "StreamKey", "TrueBook"),
    "venue": ("Markets", "Stats", "Venue"),
}


def __getattr__(name: str) -> object:
    # the `fra` command loads `fra.emulator.commands` for its help page, which must not cost an aiohttp
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"fra.emulator.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

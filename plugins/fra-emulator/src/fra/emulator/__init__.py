"""Local servers that speak the real protocols of Binance and OKX."""

from fra.emulator.binance.venue import BinanceVenue
from fra.emulator.clock import Clock
from fra.emulator.faults import BookFault, CannedAnswer, Faults, PendingFault
from fra.emulator.okx.venue import OkxVenue
from fra.emulator.server import VENUES, Emulator, SourceFactory, generated_source
from fra.emulator.settings import Settings
from fra.emulator.sockets import Connection
from fra.emulator.source import NoData, Push, Source, SourceStream, StreamKey, TrueBook
from fra.emulator.venue import Markets, Stats, Venue

__all__ = [
    "VENUES",
    "BinanceVenue",
    "BookFault",
    "CannedAnswer",
    "Clock",
    "Connection",
    "Emulator",
    "Faults",
    "Markets",
    "NoData",
    "OkxVenue",
    "PendingFault",
    "Push",
    "Settings",
    "Source",
    "SourceFactory",
    "SourceStream",
    "Stats",
    "StreamKey",
    "TrueBook",
    "Venue",
    "generated_source",
]

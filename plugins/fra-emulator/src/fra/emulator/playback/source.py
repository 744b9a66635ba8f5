"""Which player a venue gets, for the emulator's seam."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fra.emulator.instruments import bundled
from fra.emulator.playback.binance import BinancePlayback
from fra.emulator.playback.okx import OkxPlayback
from fra.emulator.playback.recording import NothingRecorded, read
from fra.emulator.playback.track import Fault, Pace
from fra.emulator.settings import Settings
from fra.emulator.source import Source

_PLAYERS: Final[Mapping[str, type[BinancePlayback] | type[OkxPlayback]]] = {
    "binance": BinancePlayback,
    "okx": OkxPlayback,
}
_FUNDING: Final = ("markPrice", "funding-rate")
_TIMES: Final = re.compile(r'"(?:E|ts)"\s*:\s*"?(\d{13})\b')


def recorded_source(
    folder: Path, *, speed: float = 1.0, faults: Mapping[int, Fault] | None = None
) -> Callable[[str, Settings], Source]:
    """A source that plays the captures under `folder` (or one file) `speed` times as fast as recorded, 0 at full speed.

    `faults` befall the i-th event of every book played, the first time that it is opened; the source's `faults.plant`
    sets others for the next time. The factory raises NothingRecorded for a venue without
    captures.
    """

    def make(venue: str, settings: Settings) -> Source:
        if venue not in _PLAYERS:
            raise NothingRecorded(f"captures of {venue} cannot be played back; only those of {', '.join(_PLAYERS)}")
        known = {(i.market, i.symbol): i for i in bundled() if i.venue == venue}
        recording = read(folder, venue)
        return _PLAYERS[venue](recording, settings, pace=Pace(speed), known=known, faults=faults or {})

    return make


def recorded_at(folder: Path) -> int | None:
    """The newest time (ms UTC) at which a funding rate was streamed in any capture under `folder`, None if none was."""
    times: list[int] = []
    for venue in _PLAYERS:
        try:
            recording = read(folder, venue)
        except NothingRecorded:
            continue
        for track in recording.tracks:
            if track.key.channel.startswith(_FUNDING):
                times += [int(found) for event in track.events for found in _TIMES.findall(event.raw)]
    return max(times, default=None)

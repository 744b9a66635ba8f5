"""Recorded captures as a venue's data source: what was answered or streamed is so again."""

from fra.emulator.playback.recording import NothingRecorded
from fra.emulator.playback.source import recorded_at, recorded_source

__all__ = ["NothingRecorded", "recorded_at", "recorded_source"]

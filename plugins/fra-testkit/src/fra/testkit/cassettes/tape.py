"""Recorded REST answers: made against a venue or a local server, and played back without any network.

FRA_RECORD says what is recorded from, in the author's own words: `live` is the venue itself, anything else is a local
server that the test starts. Without it cassettes are played.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import vcr  # type: ignore[import-untyped]
from vcr.record_mode import RecordMode  # type: ignore[import-untyped]
from vcr.stubs import aiohttp_stubs  # type: ignore[import-untyped]

from fra.core import ExchangeHandle, connect
from fra.testkit.cassettes.lint import CassetteLeaks, lint
from fra.testkit.cassettes.privacy import Privacy
from fra.testkit.cassettes.scrub import HOST, Scrubber

if TYPE_CHECKING:
    from vcr.cassette import Cassette  # type: ignore[import-untyped]

LIVE = "live"


class _Stream(aiohttp_stubs.MockStream):  # type: ignore[misc]
    """vcrpy's body has no readany, on which aiohttp's own iter_any stands."""

    async def readany(self) -> bytes:
        return bytes(await self.read(65_536))


def recorder(mode: RecordMode, privacy: Privacy | None = None) -> vcr.VCR:
    """vcrpy as cassettes need it: nothing private is kept, and a signed question is found again."""
    scrubber = Scrubber(privacy or Privacy.from_environment())
    aiohttp_stubs.MockStream = _Stream
    return vcr.VCR(
        record_mode=mode,
        match_on=("method", "path", "query"),
        before_record_request=scrubber.request,
        before_record_response=scrubber.response,
        decode_compressed_response=True,
    )


def unplayed(tape: Cassette) -> list[str]:
    """The recorded requests that nobody made."""
    return [request.uri for index, (request, _) in enumerate(tape.data) if not tape.play_counts[index]]


def recording() -> str | None:
    """What is being recorded from, None while playing."""
    return os.environ.get("FRA_RECORD") or None


@contextmanager
def cassette(path: Path, privacy: Privacy | None = None) -> Iterator[Cassette]:
    """Play ``path``, or record it anew when FRA_RECORD is set.

    A fresh recording takes the old one's place when the block has ended well and nothing private is in it; else it is
    thrown away. Raises CassetteLeaks when it holds what it must not.
    """
    privacy = privacy or Privacy.from_environment()
    if recording() is None:
        with recorder(RecordMode.NONE, privacy).use_cassette(str(path), allow_playback_repeats=True) as tape:
            yield tape
        return
    fresh = path.with_name(f"fresh-{path.name}")
    fresh.unlink(missing_ok=True)
    try:
        # On an empty cassette new episodes are recorded once, and a repeated question is answered from it.
        player = recorder(RecordMode.NEW_EPISODES, privacy)
        with player.use_cassette(str(fresh), allow_playback_repeats=True) as tape:
            yield tape
        if findings := lint(fresh, privacy):
            raise CassetteLeaks(findings)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@asynccontextmanager
async def recorded(
    name: str,
    path: Path,
    *,
    base_url: str | Mapping[str, Mapping[str, str]] | None = None,
    api_key: str | None = None,
    secret_key: str | None = None,
    passphrase: str | None = None,
    options: Mapping[str, object] | None = None,
    privacy: Privacy | None = None,
) -> AsyncIterator[tuple[ExchangeHandle, Cassette]]:
    """The exchange ``name``, answered from the cassette; or recorded into it when FRA_RECORD says so.

    ``base_url`` is where it is recorded from, None for the venue itself. The keys are looked for in what is recorded;
    to play, any will do.
    """
    privacy = privacy or Privacy.from_environment()
    keys = [key for key in (api_key, secret_key, passphrase) if key]
    with cassette(path, attrs.evolve(privacy, values=(*privacy.values, *keys))) as tape:
        async with connect(
            name,
            base_url=base_url if recording() else f"http://{HOST}",
            api_key=api_key,
            secret_key=secret_key,
            passphrase=passphrase,
            options=options,
        ) as handle:
            yield handle, tape

"""The kit's cassettes, recorded against the emulator. `nox -s record` sets FRA_RECORD to `emulator` or `live`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fra.core import ExchangeHandle
from fra.testkit import cassettes
from fra.testkit.cassettes import recording, unplayed

if TYPE_CHECKING:
    from vcr.cassette import Cassette

__all__ = ["recorded", "recording", "unplayed"]


@asynccontextmanager
async def recorded(name: str, cassette: Path) -> AsyncIterator[tuple[ExchangeHandle, Cassette]]:
    """The exchange ``name``, answered from the cassette; or recorded into it when FRA_RECORD says so."""
    async with AsyncExitStack() as stack:
        base_url: Mapping[str, Mapping[str, str]] | None = None
        if recording() == "emulator":
            from fra.emulator import Emulator

            emulator = await stack.enter_async_context(Emulator([name], seed=7))
            base_url = emulator.venues[name].markets
        yield await stack.enter_async_context(cassettes.recorded(name, cassette, base_url=base_url))

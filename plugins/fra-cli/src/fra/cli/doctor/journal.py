"""The order journals: where they stand, who writes in them, and whether orders in them have no known outcome yet."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fra.cli.doctor.finding import Finding, of_error
from fra.core import ConfigManager, FraError, SqliteJournal

_FILES: Final = "*.sqlite"
_LOCAL: Final = "-local-"
"""In the name of a journal whose venue was a server on this machine, as in a test."""


def check_journal(manager: ConfigManager) -> Iterator[Finding]:
    """One row for each account whose orders are written down; looking at them takes no lock and changes nothing."""
    folder = manager.journal.folder
    if folder is None:
        detail = "orders are written down nowhere: a crash forgets them"
        yield Finding("journal", "orders", "warn", detail, "unset FRA_JOURNAL, or [journal] enabled = true")
        return
    venues = {manager.get_exchange_config(name).exchange_id for name in _readable(manager)}
    files = sorted(folder.glob(_FILES)) if folder.is_dir() else []
    if not files:
        yield Finding("journal", "orders", "ok", f"no order was written down in {folder} yet")
    for file in files:
        yield asyncio.run(_one(file, configured=file.name.partition("-")[0] in venues))


async def _one(file: Path, *, configured: bool) -> Finding:
    journal = SqliteJournal(file)
    try:
        is_open = await journal.has_open()
    except FraError as error:
        return of_error("journal", file.name, error)
    finally:
        await journal.close()
    writer = _writer(file)
    if is_open and writer is None:
        detail = f"{file} holds orders of which nobody knows what became of them"
        if configured and _LOCAL not in file.name:
            return Finding("journal", file.name, "fail", detail, "fra orders recover")
        whose = "a server on this machine" if _LOCAL in file.name else "an account that is not configured"
        cure = "fra orders recover, with that account in fra.toml; or delete the file"
        return Finding("journal", file.name, "warn", f"{detail}, on {whose}", cure)
    held = "nobody writes in it" if writer is None else f"written by {writer}"
    return Finding("journal", file.name, "ok", f"{file}, {held}{', orders under way' if is_open else ''}")


def _readable(manager: ConfigManager) -> Iterator[str]:
    for name in manager.names():
        try:
            manager.get_exchange_config(name)
        except FraError:
            continue  # a secret that is not there: its row says so
        yield name


def _writer(file: Path) -> str | None:
    """Who holds the lock, by the process id that stands in it: none when that process is gone."""
    try:
        said = file.with_name(f"{file.name}.lock").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    if not said.isdigit():
        return None
    try:
        os.kill(int(said), 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # it lives, and is somebody else's
    return f"process {said}"

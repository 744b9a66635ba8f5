"""The venue that the options of pytest name: a function of the author's, a fra.toml, a URL, or the real one."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import pytest

from fra.testkit.venue import VenueUnderTest


@asynccontextmanager
async def chosen_venue(options: pytest.Config) -> AsyncIterator[VenueUnderTest]:
    """By ``--fra-venue``, or ``--fra-config`` and ``--fra-base-url``."""
    target = options.getoption("fra_venue")
    if target:
        module, _, function = str(target).partition(":")
        async with getattr(import_module(module), function)() as venue:
            yield venue
        return
    config, others = _configured(str(options.getoption("fra_adapter")), options.getoption("fra_config"))
    if url := options.getoption("fra_base_url"):
        config["base_url"] = url
    yield VenueUnderTest(
        config=config,
        others=others,
        may_trade=bool(options.getoption("fra_trade")),
        live=bool(options.getoption("fra_live")),
    )


def _configured(adapter: str, file: object) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """The exchange of a fra.toml that uses this adapter, and the others."""
    if not file:
        return {}, {}
    tables: dict[str, dict[str, object]] = tomllib.loads(Path(str(file)).read_text("utf-8")).get("exchanges", {})
    for name, table in tables.items():
        if adapter in (table.get("plugin") or table.get("exchange_id"), name):
            return dict(table), {other: rest for other, rest in tables.items() if other != name}
    raise pytest.UsageError(f"{file} configures no exchange with the adapter {adapter!r}")

"""The adapter and the venue that the options of pytest name: a function of the author's, a fra.toml, a URL, or none."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path

import pytest

from fra.core import FraError
from fra.testkit.bench import Adapter
from fra.testkit.venue import VenueUnderTest


def look(options: pytest.Config) -> None:
    """Raises pytest.UsageError for what cannot be meant, before anything is run."""
    name, target = options.getoption("fra_adapter"), options.getoption("fra_venue")
    try:
        if name:
            Adapter.of(str(name))
    except FraError as error:
        raise pytest.UsageError(f"--fra-adapter {name}: {error}") from None
    if target:
        _function(str(target))
    elif name:
        _configured(str(name), options.getoption("fra_config"))
    path = options.getoption("fra_certificate")
    if path and not Path(str(path)).absolute().parent.is_dir():
        raise pytest.UsageError(f"--fra-certificate {path}: there is no such folder")


@asynccontextmanager
async def chosen_venue(options: pytest.Config, adapter: str) -> AsyncIterator[VenueUnderTest]:
    """By ``--fra-venue``, or ``--fra-config`` and ``--fra-base-url``."""
    target = options.getoption("fra_venue")
    if target:
        async with _function(str(target))() as venue:
            yield venue
        return
    config, others = _configured(adapter, options.getoption("fra_config"))
    if url := options.getoption("fra_base_url"):
        config["base_url"] = url
    yield VenueUnderTest(
        config=config,
        others=others,
        may_trade=bool(options.getoption("fra_trade")),
        live=bool(options.getoption("fra_live")),
    )


def _function(target: str) -> Callable[[], AbstractAsyncContextManager[VenueUnderTest]]:
    """MODULE:FUNCTION."""
    module, _, name = target.partition(":")
    try:
        function: Callable[[], AbstractAsyncContextManager[VenueUnderTest]] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(
            f"--fra-venue {target}: {error} → MODULE:FUNCTION; the module's folder belongs on `pythonpath`"
        ) from None
    return function


def _configured(adapter: str, file: object) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """The exchange of a fra.toml that uses this adapter, and the others."""
    if not file:
        return {}, {}
    try:
        tables: dict[str, dict[str, object]] = tomllib.loads(Path(str(file)).read_text("utf-8")).get("exchanges", {})
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--fra-config {file}: {error}") from None
    for name, table in tables.items():
        if adapter in (table.get("plugin") or table.get("exchange_id"), name):
            return dict(table), {other: rest for other, rest in tables.items() if other != name}
    raise pytest.UsageError(f"{file} configures no exchange with the adapter {adapter!r}")

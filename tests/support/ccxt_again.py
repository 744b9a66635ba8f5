"""The natives' own tests of trading once more, with ccxt behind their traders."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

import traders
from traders import Trader

from fra.core import PluginRegistry
from fra.emulator import Account, Venue

UNHURRIED: Final[Mapping[str, object]] = {"rateLimit": 1, "timeout_on_exit": 0, "verify": False}
"""For ccxt's constructor: the emulator counts no requests and speaks no TLS, so there is no budget to wait for, no
goodbye of TLS, and no list of authorities to read for each client.
"""
emulator = partial(traders.emulator, htx_multi_assets=True)
"""Of HTX's contract accounts ccxt trades those in multi-assets collateral only."""

_registry: Final = PluginRegistry()


def configured(venue: Venue, account: Account | None, **more: Any) -> dict[str, Any]:
    """One exchange of a configuration, on ccxt."""
    return traders.configured(venue, account, **through_ccxt(venue, more))


def trading(
    venue: Venue, account: Account | None = None, *, registry: PluginRegistry | None = None, **more: Any
) -> AbstractAsyncContextManager[Trader]:
    """A trader whose adapter is on ccxt."""
    return traders.trading(venue, account, registry=registry or _registry, **through_ccxt(venue, more))


def through_ccxt(venue: Venue, more: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an exchange with ccxt's adapter in them."""
    options = {"ccxt": UNHURRIED, **more.get("options", {})}
    return {"plugin": f"{venue.name}_ccxt", **more, "options": options}


def second_copy(file: str, fixtures: Collection[str], without: Collection[str] = ()) -> tuple[Any, dict[str, Any]]:
    """A module of ``tests/e2e`` loaded again with ccxt behind its traders, whose tables may be changed; and its
    ``fixtures`` and tests, save those that are named in ``without``. Raises AssertionError for a name that is none.
    """
    path = Path(__file__).parent.parent / "e2e" / file
    spec = importlib.util.spec_from_file_location(f"{path.stem}_through_ccxt", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {"emulator": emulator, "trading": trading, "configured": configured}.items():
        if hasattr(module, name):
            setattr(module, name, value)
    tests = {name: made for name, made in vars(module).items() if name.startswith("test_")}
    assert tests.keys() >= set(without)
    kept = {name: test for name, test in tests.items() if name not in without}
    return module, {**kept, **{name: getattr(module, name) for name in fixtures}}

"""What the exchanges say: whether they answer, whose clock is off, whether data flows, what the keys may do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import attrs

from fra.cli.doctor.finding import Finding, crashed, of_error
from fra.core import (
    ConfigError,
    ConfigManager,
    EventBus,
    ExchangeAuthError,
    ExchangeHandle,
    FraError,
    MemoryJournal,
    NotSupported,
    Operation,
    PluginError,
    PluginManager,
    PluginRegistry,
    Symbol,
)

_SKEW_WARN: Final = 1.0
_SKEW_FAIL: Final = 30.0
_DAYS: Final = 14
"""A key that ends within so many is told of."""
_TIMED: Final = "timedatectl set-ntp true"
_USUAL: Final = ("BTC/USDT:USDT", "BTC/USDT", "BTC/USD:BTC", "BTC/USD")


async def visit(
    manager: ConfigManager, registry: PluginRegistry, bus: EventBus, names: Sequence[str], *, seconds: float
) -> list[Finding]:
    """Every exchange at once, each for at most ``seconds``."""
    known = tuple(registry.names("fra.hooks"))
    manager.hooks = attrs.evolve(manager.hooks, enabled=(), disabled=known, options={})  # they are on the bus already
    host = PluginManager(registry=registry, bus=bus, journal=MemoryJournal(), only=())  # looking settles nothing
    host.set_config_manager(manager)
    async with host:
        found = await asyncio.gather(*(_within(host, manager, name, seconds) for name in names))
    return [finding for findings in found for finding in findings]


async def _within(host: PluginManager, manager: ConfigManager, name: str, seconds: float) -> list[Finding]:
    found: list[Finding] = []
    try:
        async with asyncio.timeout(seconds):
            async for finding in _one(host, manager, name, seconds):
                found.append(finding)  # what was found in time is kept
    except TimeoutError:
        reached = any(finding.check == "reach" for finding in found)
        what = "the other answers did not come" if reached else "no answer"
        found.append(Finding("reach", name, "fail", f"{what} within {seconds:g} s", f"fra health -e {name}"))
    except Exception as error:
        found.append(crashed("reach", name, error))
    return found


async def _one(host: PluginManager, manager: ConfigManager, name: str, seconds: float) -> AsyncIterator[Finding]:
    try:
        handle = await host.reload_plugin(name)
        health = await handle.health_check()
    except (ConfigError, PluginError) as error:
        if manager.source is not None and name in manager.names():
            yield Finding("reach", name, "skip", "it cannot be opened: the row of its configuration says why")
        else:
            yield of_error("config" if isinstance(error, ConfigError) else "plugin", name, error)
        return
    except FraError as error:
        failed = "key" if isinstance(error, ExchangeAuthError) else "reach"
        yield of_error(failed, name, error)
        for check in ("clock", "stream", "key"):
            if check != failed:
                yield Finding(check, name, "skip", "it was not reached")
        return
    settings = manager.get_exchange_config(name)
    latency = "" if health.latency is None else f" in {health.latency * 1000:.0f} ms"
    where = f" at {settings.base_url}" if isinstance(settings.base_url, str) else ""
    yield Finding("reach", name, "ok" if health.healthy else "fail", health.detail or f"it answers{where}{latency}")
    yield _clock(name, health.clock_skew)
    yield await _stream(handle, seconds / 2)
    yield await _key(handle, has_credentials=settings.has_credentials)


def _clock(name: str, skew: float | None) -> Finding:
    if skew is None:
        return Finding("clock", name, "skip", "it tells no time")
    detail = f"its clock is {abs(skew) * 1000:.0f} ms {'ahead of' if skew > 0 else 'behind'} ours"
    if abs(skew) < _SKEW_WARN:
        return Finding("clock", name, "ok", detail)
    return Finding("clock", name, "fail" if abs(skew) >= _SKEW_FAIL else "warn", detail, _TIMED)


async def _stream(handle: ExchangeHandle, patience: float) -> Finding:
    """One ticker by socket: REST and streams are different hosts, and a firewall may let through one of them."""
    name = handle.name
    kinds = handle.capabilities.kinds(Operation.SUBSCRIBE_TICKER)
    if not kinds:
        return Finding("stream", name, "skip", "it streams no tickers")
    try:
        symbols = [symbol for symbol in await handle.get_symbols() if symbol.kind in kinds and symbol.active]
    except FraError as error:
        return of_error("stream", name, error)
    if not symbols:
        return Finding("stream", name, "skip", "it lists nothing to trade")
    symbol = _usual(symbols)
    tickers = handle.subscribe_ticker(symbol)
    try:
        async with asyncio.timeout(patience):
            await tickers.ready()
    except FraError as error:
        return of_error("stream", name, error)
    except TimeoutError:
        if tickers.error is not None:
            return of_error("stream", name, tickers.error)
        cure = "let its WebSocket hosts through"
        return Finding("stream", name, "fail", f"no ticker of {symbol.name} within {patience:g} s", cure)
    finally:
        await tickers.close()
    return Finding("stream", name, "ok", f"the ticker of {symbol.name} comes by stream")


def _usual(symbols: Sequence[Symbol]) -> Symbol:
    by_name = {symbol.name: symbol for symbol in symbols}
    return next((by_name[name] for name in _USUAL if name in by_name), symbols[0])


async def _key(handle: ExchangeHandle, *, has_credentials: bool) -> Finding:
    """What the key may do: more than it needs is a warning, a key that is about to end too."""
    name = handle.name
    if not has_credentials:
        return Finding("key", name, "skip", "public data only: no key is configured")
    if not handle.capabilities.support(Operation.GET_KEY_PERMISSIONS):
        return Finding("key", name, "skip", "this adapter cannot ask what a key may do", "see the venue's own page")
    try:
        allowed = await handle.get_key_permissions()
    except NotSupported as error:
        return of_error("key", name, error, state="skip")
    except FraError as error:
        return of_error("key", name, error)
    words = {"reads": allowed.read, "trades": allowed.trade, "withdraws": allowed.withdraw}
    told = [word if value else f"{word.removesuffix('s')}s not" for word, value in words.items() if value is not None]
    if allowed.ip_restricted is not None:
        told.append("bound to addresses" if allowed.ip_restricted else "usable from any address")
    detail = f"the key {', '.join(told) or 'is good, and the venue says no more'}"
    if allowed.withdraw:
        cure = "make a key that may not withdraw, and delete this one"
        return Finding("key", name, "warn", detail, cure)
    days = None if allowed.expires_ms is None else (allowed.expires_ms - time.time() * 1000) / 86_400_000
    if days is not None and days < _DAYS:
        return Finding("key", name, "warn", f"{detail}; it ends in {max(days, 0):.0f} days", "renew it at the venue")
    return Finding("key", name, "ok", detail)


def unvisited(reason: str, cure: str | None = None) -> Iterator[Finding]:
    """The rows that a visit would have filled."""
    for check in ("reach", "clock", "stream", "key"):
        yield Finding(check, "exchanges", "skip", reason, cure)

"""How much memory this process uses, and what the configured plugins cost of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from fra.cli.doctor.finding import Finding
from fra.core import ConfigManager, FraError, PluginRegistry

_STATM: Final = Path("/proc/self/statm")


def resident() -> int | None:
    """Bytes of this process that are in memory now; where the system does not tell, the most that ever were."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def import_costs(registry: PluginRegistry, manager: ConfigManager) -> Mapping[str, int]:
    """Plugin → bytes by which importing it made this process grow; what several share counts for the first."""
    costs: dict[str, int] = {}
    for name in dict.fromkeys(_plugins(manager)):
        before = resident()
        try:
            registry.get_plugin_class(name)
        except FraError:
            continue  # other rows say why
        after = resident()
        if before is not None and after is not None:
            costs[name] = max(0, after - before)
    return costs


def _plugins(manager: ConfigManager) -> Iterable[str]:
    for name in manager.names():
        try:
            yield manager.get_exchange_config(name).plugin_name
        except FraError:
            continue  # a secret that is not there: its row says so


def check_memory(costs: Mapping[str, int]) -> Iterator[Finding]:
    """This process, at the end of the visit."""
    now = resident()
    if now is None:
        yield Finding("memory", "process", "skip", "this system does not tell")
        return
    parts = [f"{name} {_megabytes(cost)}" for name, cost in costs.items()]
    shares = f"; importing plugins took {', '.join(parts)} (what they share counts for the first)" if parts else ""
    yield Finding("memory", "process", "ok", f"{_megabytes(now)} resident{shares}")


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.0f} MB"

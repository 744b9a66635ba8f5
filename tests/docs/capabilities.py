"""Writes core/docs/capabilities.md from what each adapter declares of itself: `python tests/docs/capabilities.py`.

With `--check` nothing is written: exit code 1 when the file says something else.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from ccxt_local import LocalContext  # noqa: E402 - found by the line above
from order_forms import FORMS, refused  # noqa: E402

from fra.core import (  # noqa: E402
    ExchangeCapabilities,
    ExchangeConfig,
    MarketKind,
    Operation,
    PluginRegistry,
    PluginType,
    Support,
)

FILE: Final = ROOT / "core" / "docs" / "capabilities.md"
COMMAND: Final = "python tests/docs/capabilities.py"
LETTERS: Final = {MarketKind.SPOT: "S", MarketKind.LINEAR_SWAP: "L", MarketKind.INVERSE_SWAP: "I"}
HEAD: Final = f"""# What each adapter can do

Made by `{COMMAND}` from what the adapters declare; a test fails when it is out of date. A call whose cell is
empty raises `NotSupported` before anything is sent.

**S** spot, **L** linear and **I** inverse perpetual swaps. `~` is polled, not streamed; how often
stands below the table. An adapter on ccxt declares what ccxt has for it, less what was found not to work. What is built
on other exchanges can do what those can: `proxy` what its target can, `aggregated` what any of its members can.

The second table of each group is of orders, and is found by trying: an order of each kind is given to an adapter that
reaches nobody, and where that says `NotSupported` the cell is empty. Stops and take-profits with a price become limit
orders, those without one market orders.
"""


async def matrix(registry: PluginRegistry, name: str) -> ExchangeCapabilities:
    """What an instance with default settings can do; it is initialized, which touches no network."""
    cls = registry.get_plugin_class(name)
    plugin = cls(ExchangeConfig(name=name, exchange_id=name))
    plugin.options = cls.Options()
    plugin.context = LocalContext(name)
    await plugin.initialize()
    try:
        return plugin.capabilities
    finally:
        await plugin.disconnect()


async def taken(registry: PluginRegistry, name: str, made: ExchangeCapabilities) -> Mapping[str, str]:
    """Kind of order → the market kinds in which it is not refused before anything is sent."""
    kinds = [kind for kind in LETTERS if made.support(Operation.CREATE_ORDER, kind)]
    no = await refused(registry.get_plugin_class(name), name, kinds)
    return {form: " ".join(LETTERS[kind] for kind in kinds if kind not in no[form]) for form in FORMS}


def groups(registry: PluginRegistry) -> Mapping[str, Sequence[str]]:
    """Title → plugins: one name for each class, and nothing that is built on other exchanges."""
    names: dict[type, str] = {}
    for name in registry.names():
        names.setdefault(registry.get_plugin_class(name), name)
    own = [name for name in names.values() if "_" not in name and name != "ccxt"]
    on_ccxt = [name for name in own if registry.get_plugin_metadata(name).plugin_type is PluginType.CCXT]
    native = [name for name in own if registry.get_plugin_metadata(name).plugin_type is PluginType.CUSTOM]
    others = [name for name in own if registry.get_plugin_metadata(name).plugin_type is PluginType.SIMULATED]
    beside = [f"{name}_ccxt" for name in native]
    return {
        "Native": native,
        "The same venues through ccxt": beside,
        "Exchange packages on ccxt": on_ccxt,
        "In this process": others,
    }


def cell(made: ExchangeCapabilities, operation: Operation) -> str:
    """The kinds for which an operation works."""
    parts = []
    for kind, letter in LETTERS.items():
        support = made.support(operation, kind)
        if support:
            parts.append(f"{letter}~" if support.mode == "polled" else letter)
    return " ".join(parts)


def polled(name: str, made: ExchangeCapabilities) -> list[str]:
    """Which cells are polled, and how often."""
    cadences: dict[tuple[str, Support], list[str]] = {}
    for operation, kind, support in made.cells():
        if support.mode == "polled":
            cadences.setdefault((operation.value, support), []).append(LETTERS.get(kind, kind.value))
    return [f"- {name}: `{what}` {' '.join(kinds)} {how}" for (what, how), kinds in sorted(cadences.items(), key=str)]


def table(title: str, matrices: Mapping[str, ExchangeCapabilities], orders: Mapping[str, Mapping[str, str]]) -> str:
    """Two tables: operations × adapters, and kinds of orders × adapters."""
    lines = [f"## {title}", "", f"| operation | {' | '.join(matrices)} |", f"|---|{'---|' * len(matrices)}"]
    lines += [
        f"| `{operation.value}` | {' | '.join(cell(made, operation) for made in matrices.values())} |"
        for operation in Operation
    ]
    lines += ["", f"| order | {' | '.join(matrices)} |", f"|---|{'---|' * len(matrices)}"]
    lines += [f"| {form} | {' | '.join(orders[name][form] for name in matrices)} |" for form in FORMS]
    notes = [line for name, made in matrices.items() for line in polled(name, made)]
    return "\n".join(lines + (["", *notes] if notes else []))


async def document() -> str:
    """The whole file."""
    registry = PluginRegistry(environ={})
    parts = [HEAD.rstrip()]
    for title, names in groups(registry).items():
        if names:
            matrices = {name: await matrix(registry, name) for name in names}
            orders = {name: await taken(registry, name, made) for name, made in matrices.items()}
            parts.append(table(title, matrices, orders))
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the file, or say what is out of date in it."""
    checking = "--check" in arguments
    paths = [Path(argument) for argument in arguments if argument != "--check"]
    path = paths[0] if paths else FILE
    made = asyncio.run(document())
    if not checking:
        path.write_text(made, encoding="utf-8")
        return 0
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    if found == made:
        return 0
    old, new = found.splitlines(), made.splitlines()
    for line in (*(f"- {line}" for line in old if line not in new), *(f"+ {line}" for line in new if line not in old)):
        print(line, file=sys.stderr)
    print(f"{path} is out of date: {COMMAND}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

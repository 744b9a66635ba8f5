"""Runs every bench_*.py beside this file, or those named: `python tests/bench [NAME …]`.

A bench module has `run() -> dict`: figures by name, where a figure may be a dict of figures in turn. Each runs in a
process of its own, so that none measures what another has imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
_RUN = "import importlib, json, sys; sys.path.insert(0, sys.argv[1]); module = importlib.import_module(sys.argv[2]); \
print('\\n' + json.dumps(module.run(), default=str))"


def rows(figures: object, names: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """(name, figures) of every level that has figures of its own; a list's items are named by their first text."""
    if isinstance(figures, list):
        for number, item in enumerate(figures, 1):
            name = next((value for value in item.values() if isinstance(value, str)), str(number))
            yield from rows({key: value for key, value in item.items() if value != name}, (*names, name))
        return
    assert isinstance(figures, Mapping)
    plain = {key: value for key, value in figures.items() if not isinstance(value, Mapping | list)}
    if plain:
        yield " · ".join(names), "   ".join(f"{key} {shown(value)}" for key, value in plain.items())
    for key, value in figures.items():
        if isinstance(value, Mapping | list):
            yield from rows(value, (*names, key))


def shown(value: object) -> str:
    """Three digits are what a measurement is good for."""
    if isinstance(value, float) and abs(value) < 1_000:
        return f"{value:.3g}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)


def table(figures: object) -> list[str]:
    """Lines of aligned text, one per row."""
    lines = list(rows(figures))
    width = max((len(name) for name, _ in lines), default=0)
    return [f"  {name:<{width}}   {plain}" for name, plain in lines]


def main(wanted: list[str]) -> int:
    """Print a table for each bench; 1 when one of them failed."""
    known = {path.stem.removeprefix("bench_"): path.stem for path in sorted(HERE.glob("bench_*.py"))}
    if unknown := [name for name in wanted if name not in known]:
        print(f"no bench {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed = False
    for name in wanted or known:
        print(f"\n{name}", flush=True)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(HERE), known[name]], stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            failed = True
            print("  failed")
            continue
        print("\n".join(table(json.loads(done.stdout.strip().rpartition("\n")[2]))), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

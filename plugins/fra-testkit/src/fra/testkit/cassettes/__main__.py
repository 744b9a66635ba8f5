"""`python -m fra.testkit.cassettes PATH…`: the linter as a command. A line for each finding; 1 when there is one."""

from __future__ import annotations

import sys
from pathlib import Path

from fra.testkit.cassettes.lint import cassettes_in, lint_all


def main(arguments: list[str]) -> int:
    """Lint the cassettes and folders named, the folder at hand when none is."""
    paths = [Path(argument) for argument in arguments or ["."]]
    missing = [path for path in paths if not path.exists()]
    there = [path for path in paths if path not in missing]
    for path in missing:
        sys.stderr.write(f"{path}: there is no such file\n")
    for path in there:
        if not cassettes_in(path):
            sys.stderr.write(f"{path}: there is no cassette in it (YAML or JSON below a folder called `cassettes`)\n")
    findings = lint_all(there)
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    return 2 if missing else int(bool(findings))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

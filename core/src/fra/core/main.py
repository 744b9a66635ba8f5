"""The ``fra`` command: it hands over to fra-cli, or says how to install it."""

from __future__ import annotations

import importlib
import sys


def main() -> int:
    """Run the command line and return its exit code; 2 when fra-cli is not installed."""
    try:
        cli = importlib.import_module("fra.cli.main")
    except ModuleNotFoundError as missing:
        if missing.name not in ("fra.cli", "fra.cli.main"):
            raise
        print("fra: the command line is a package of its own → pip install fra-core[cli]", file=sys.stderr)  # noqa: T201
        return 2
    code: int | None = cli.main()
    return code or 0


if __name__ == "__main__":
    sys.exit(main())

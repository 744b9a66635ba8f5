"""core/docs/capabilities.md says what the adapters declare, and a file that says something else is noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).parent / "capabilities.py"
COMMAND = "python tests/docs/capabilities.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_table_of_capabilities_is_what_the_adapters_declare() -> None:
    done = run("--check")
    assert done.returncode == 0, f"core/docs/capabilities.md is out of date: {COMMAND}\n{done.stderr}"


def test_a_table_that_is_out_of_date_names_the_command(tmp_path: Path) -> None:
    text = (ROOT / "core" / "docs" / "capabilities.md").read_text(encoding="utf-8")
    stale = tmp_path / "capabilities.md"
    line = next(line for line in text.splitlines() if line.startswith("| `get_funding_rate` |"))
    stale.write_text(text.replace(line, line.replace("L", "S")), encoding="utf-8")
    done = run("--check", str(stale))
    assert (done.returncode, done.stdout) == (1, "")
    assert line in done.stderr
    assert done.stderr.rstrip().endswith(COMMAND)

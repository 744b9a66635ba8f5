"""The `fra` command, with and without fra-cli."""

from __future__ import annotations

import subprocess
import sys

_HIDE = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name == "fra.cli" or name == {also!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
from fra.core.main import main
sys.exit(main())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_without_the_command_line_package_it_says_how_to_install_it() -> None:
    done = run(_HIDE.format(also=""))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "pip install fra-core[cli]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_command_line_package_is_not_taken_for_a_missing_one() -> None:
    hidden = _HIDE.replace('name == "fra.cli" or ', "").format(also="click")
    done = run(hidden)
    assert done.returncode == 1
    assert "No module named 'click'" in done.stderr

"""What `from fra.core import …` offers, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fra import core

HEAVY = ("aiohttp", "ccxt", "importlib_metadata", "msgspec", "packaging", "rich")


def test_every_public_name_is_there() -> None:
    assert [name for name in core.__all__ if not hasattr(core, name)] == []


def test_the_public_names_are_sorted_and_listed_once() -> None:
    constants = [name for name in core.__all__ if name.isupper()]
    classes = [name for name in core.__all__ if name[0].isupper() and not name.isupper()]
    functions = [name for name in core.__all__ if name[0].islower()]
    assert core.__all__ == sorted(constants) + sorted(classes) + sorted(functions)
    assert len(set(core.__all__)) == len(core.__all__)


def test_type_checkers_and_the_interpreter_find_the_same_names_in_the_same_modules() -> None:
    """What stands under TYPE_CHECKING is never run: only this test sees that it agrees with what is."""
    tree = ast.parse(Path(core.__file__).read_text(encoding="utf-8"))
    checked = {
        alias.name: getattr(sys.modules[node.module], alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fra.core.")
        for alias in node.names
        if getattr(core, alias.name) is not None
    }
    assert checked == {name: getattr(core, name) for name in core.__all__}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        core.Nothing  # noqa: B018


@pytest.mark.parametrize("statement", ["import fra.core", "from fra.core import *"])
def test_importing_core_pulls_in_nothing_heavy(statement) -> None:
    code = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"

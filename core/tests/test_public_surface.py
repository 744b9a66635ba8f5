"""What `from fra.core import …` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

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


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        core.Nothing  # noqa: B018


@pytest.mark.parametrize("statement", ["import fra.core", "from fra.core import *"])
def test_importing_core_pulls_in_nothing_heavy(statement) -> None:
    code = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"

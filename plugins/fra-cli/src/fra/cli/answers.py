"""What several exchanges answered: who failed is told on stderr, and only when all did does the command fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fra.cli.table import say
from fra.core import FraError

R = TypeVar("R")


def split(answers: Mapping[str, R | FraError]) -> tuple[dict[str, R], dict[str, FraError]]:
    """The results, and the errors, by exchange."""
    good: dict[str, R] = {}
    bad: dict[str, FraError] = {}
    for name, answer in answers.items():
        if isinstance(answer, FraError):
            bad[name] = answer
        else:
            good[name] = answer
    return good, bad


def report_errors(errors: Mapping[str, FraError], *, of: int) -> None:
    """One line for each on stderr; when all ``of`` exchanges failed, raises the first."""
    if errors and len(errors) == of:
        *others, last = errors.values()
        for error in others:
            say(f"fra: {error}")
        raise last
    for error in errors.values():
        say(f"fra: {error}")

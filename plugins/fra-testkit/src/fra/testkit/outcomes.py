"""What may come of a test: passed or failed as in pytest, or one of three that are not hidden among the skipped."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs


class Outcome(enum.Enum):
    """How one test of one adapter ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CLAIMED = "not claimed"
    NOT_EVALUATED = "not evaluated"
    UNCLAIMED = "present but unclaimed"


LETTERS: Final = {Outcome.NOT_CLAIMED: "-", Outcome.NOT_EVALUATED: "?", Outcome.UNCLAIMED: "+"}


@attrs.frozen
class Result:
    """One line of a certificate: the test's name with its case, its topic, what came of it and why."""

    test: str
    topic: str
    outcome: Outcome
    reason: str | None = None


class Broken(AssertionError):
    """An adapter does what costs its user money; the message says what, and what to do."""


class NotRun(Exception):
    """A test said that it has nothing to judge."""

    outcome: Outcome


class NotClaimed(NotRun):
    """The adapter does not say that it can do this."""

    outcome = Outcome.NOT_CLAIMED


class NotEvaluated(NotRun):
    """It cannot be shown on this venue."""

    outcome = Outcome.NOT_EVALUATED


class Unclaimed(NotRun):
    """It works, and the adapter does not say so: whoever asks its capabilities will never use it."""

    outcome = Outcome.UNCLAIMED


@contextmanager
def judged_elsewhere() -> Iterator[None]:
    """What is broken in this block is the affair of another test. Raises NotEvaluated instead of Broken."""
    try:
        yield
    except Broken as broken:
        raise NotEvaluated(f"another test judges this: {broken}") from None


def ensure(holds: object, broke: str, cure: str) -> None:
    """Fail unless it holds: ``broke`` is what it means for a trader, ``cure`` what the author does about it."""
    if not holds:
        raise Broken(f"{broke} → {cure}")

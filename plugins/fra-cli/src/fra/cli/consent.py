"""What a user said about sending: ``--live``, ``--yes``, ``--confirm PLAN_ID``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import attrs
import click

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Consent:
    """How far the user went on the command line."""

    live: bool = False
    yes: bool = False
    plan_id: str | None = None

    @property
    def given(self) -> bool:
        """Whether anything was said; without it there is only a plan."""
        return self.live or self.yes or self.plan_id is not None


def consent_options(function: F) -> F:
    """``--live``, ``--yes``, ``--confirm PLAN_ID``; the command gets a ``consent``."""

    @wraps(function)
    def with_consent(*arguments: Any, live: bool, yes: bool, confirm: str | None, **options: Any) -> Any:
        return function(*arguments, consent=Consent(live, yes, confirm), **options)

    for option in (
        click.option("--confirm", metavar="PLAN_ID", help="Send the plan of that id, if it is still the same."),
        click.option("--yes", is_flag=True, help="Send it, on an account that moves no real money."),
        click.option("--live", is_flag=True, help="Real money is meant: ask for the confirmation of a live account."),
    ):
        with_consent = option(with_consent)
    return with_consent  # type: ignore[return-value]

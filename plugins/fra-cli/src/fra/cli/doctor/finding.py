"""What a check found, and the running of checks: one that crashes is a finding of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import attrs

from fra.cli.exit_codes import ExitCode
from fra.core import FraError

State = Literal["ok", "warn", "fail", "skip"]
Check = Callable[[], "Iterable[Finding]"]

CODES: Final[dict[str, ExitCode]] = {
    "plugin": ExitCode.PLUGIN,
    "hook": ExitCode.PLUGIN,
    "config": ExitCode.CONFIG,
    "permissions": ExitCode.CONFIG,
    "reach": ExitCode.NETWORK,
    "stream": ExitCode.NETWORK,
    "key": ExitCode.AUTH,
    "journal": ExitCode.OUTCOME_UNKNOWN,
}
"""The exit codes that belong to one kind of check."""


@attrs.frozen
class Finding:
    """One row of the page. ``check`` is the id that scripts may rely on, ``cure`` the command that helps."""

    check: str
    subject: str
    state: State
    detail: str
    cure: str | None = None


def of_error(check: str, subject: str, error: FraError, *, state: State = "fail") -> Finding:
    """What went wrong, in the error's own words."""
    return Finding(check, subject, state, str(error.message), error.cure)


def examine(check: str, work: Check) -> list[Finding]:
    """Everything that ``work`` finds, up to where it crashes."""
    found: list[Finding] = []
    try:
        for finding in work():
            found.append(finding)  # what was found before a crash is kept
    except Exception as error:
        found.append(crashed(check, check, error))
    return found


def crashed(check: str, subject: str, error: BaseException) -> Finding:
    """The check itself failed: nothing is known of what it was to look at."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return Finding(check, subject, "fail", f"the check itself failed: {what}", "report it, with FRA_TRACEBACK=1")


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """That of the first failed check that has one of its own; FAILED where there is none among them."""
    failed = [finding.check for finding in findings if finding.state == "fail"]
    if not failed:
        return ExitCode.DONE
    return next((CODES[check] for check in failed if check in CODES), ExitCode.FAILED)

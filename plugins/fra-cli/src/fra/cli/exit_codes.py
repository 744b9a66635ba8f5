"""What the exit code of every fra command means: one enum, and one table from errors to it."""

from __future__ import annotations

import enum
from typing import Final

from fra.core import (
    ConfigError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeRateLimitError,
    FraError,
    OrderOutcomeUnknown,
    PluginError,
)


class ExitCode(enum.IntEnum):
    """The exit code of a command; scripts may rely on it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PLUGIN = 3
    CONFIG = 4
    AUTH = 5
    NETWORK = 6
    LIMIT = 7
    OUTCOME_UNKNOWN = 8
    NAKED_LEG = 9
    INTERRUPTED = 130


MEANINGS: Final[dict[ExitCode, str]] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed: the exchange refused, or something else went wrong; the message says what",
    ExitCode.USAGE: "usage: the command line was not understood",
    ExitCode.PLUGIN: "plugin: not installed, broken, blocked, incompatible or in conflict (fra plugins)",
    ExitCode.CONFIG: "config: the configuration is wrong (fra config check)",
    ExitCode.AUTH: "auth: the exchange does not accept the credentials, or none are configured",
    ExitCode.NETWORK: "network: no usable answer came",
    ExitCode.LIMIT: "limit: the exchange's rate limit is used up",
    ExitCode.OUTCOME_UNKNOWN: "outcome unknown: an order was sent and nobody knows yet whether it lives",
    ExitCode.NAKED_LEG: "naked leg: a hedge is filled on one side only",
    ExitCode.INTERRUPTED: "interrupted: stopped by Ctrl-C, cleanly",
}

# First match wins; what is not here has failed.
_ERRORS: Final[tuple[tuple[type[FraError], ExitCode], ...]] = (
    (PluginError, ExitCode.PLUGIN),
    (ConfigError, ExitCode.CONFIG),
    (ExchangeAuthError, ExitCode.AUTH),
    (ExchangeConnectionError, ExitCode.NETWORK),
    (ExchangeRateLimitError, ExitCode.LIMIT),
    (OrderOutcomeUnknown, ExitCode.OUTCOME_UNKNOWN),
)


class CommandFailed(FraError):
    """A command could not do its job, for a reason that has an exit code of its own."""

    def __init__(self, message: str, *, exit_code: ExitCode = ExitCode.FAILED, cure: str | None = None) -> None:
        super().__init__(message, cure=cure)
        self.exit_code = exit_code


def exit_code_for(error: BaseException) -> ExitCode:
    """The exit code that ``error`` ends a command with."""
    if isinstance(error, CommandFailed):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), ExitCode.FAILED)

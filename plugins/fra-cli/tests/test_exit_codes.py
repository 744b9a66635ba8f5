"""Every error ends a command with the exit code of its kind, and the codes are documented."""

import pytest

from fra.cli.exit_codes import MEANINGS, CommandFailed, ExitCode, exit_code_for
from fra.core import (
    Banned,
    ConfigError,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeRateLimitError,
    OrderOutcomeUnknown,
    PermissionDenied,
    PluginConflict,
    PluginNotFound,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PluginNotFound("x", plugin="okx"), ExitCode.PLUGIN),
        (PluginConflict("x", plugin="okx"), ExitCode.PLUGIN),
        (ConfigError("x"), ExitCode.CONFIG),
        (ExchangeAuthError("x"), ExitCode.AUTH),
        (PermissionDenied("x"), ExitCode.AUTH),
        (ExchangeConnectionError("x"), ExitCode.NETWORK),
        (ExchangeRateLimitError("x"), ExitCode.LIMIT),
        (Banned("x"), ExitCode.LIMIT),
        (OrderOutcomeUnknown("x", client_order_id="1"), ExitCode.OUTCOME_UNKNOWN),
        (ExchangeAPIError("x"), ExitCode.FAILED),
        (CommandFailed("x", exit_code=ExitCode.NAKED_LEG), ExitCode.NAKED_LEG),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (ValueError("x"), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_has_the_exit_code_of_its_kind(error, code):
    assert exit_code_for(error) is code


def test_every_code_has_a_meaning():
    assert set(MEANINGS) == set(ExitCode)


def test_the_command_line_documents_every_code(shell):
    documented = shell.json("help", "exit-codes")["exit_codes"]
    assert {row["code"] for row in documented} == {int(code) for code in ExitCode}

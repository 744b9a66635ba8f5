"""Errors say what to do, carry the venue's answer, and survive a pickle; secrets show themselves nowhere."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest

from fra import core
from fra.core import (
    Banned,
    ConfigError,
    ExchangeAPIError,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    FraError,
    OrderOutcomeUnknown,
    OrderVetoed,
    PluginConflict,
    Secret,
    StreamGap,
)

CANARY = "canary-5f0c1e"
SAMPLES = [
    FraError("broken", cure="mend it"),
    ExchangeAPIError("bad", status_code=400, code=-1102, response=b'{"code":-1102}', exchange="binance"),
    ExchangeConnectionError("reset", exchange="okx"),
    Banned("out", retry_after=120.0, code=418),
    OrderOutcomeUnknown("who knows", client_order_id="x1"),
    OrderVetoed("no", hook="risk"),
    StreamGap("lost", start=3, end=9, exchange="okx"),
    PluginConflict("two", plugin="okx", candidates=["a", "b"]),
    ConfigError("wrong", path="exchanges.okx.timeout", source="fra.toml"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_survive_pickling_and_copying_with_all_they_carry(error, again) -> None:
    other = again(error)
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


def test_an_error_is_one_line_that_says_where_what_and_what_to_do() -> None:
    error = ExchangeAPIError("bad price", exchange="okx-main", code=51000, cure="round it")
    assert str(error) == "okx-main: bad price → round it [51000]"


def test_a_code_that_the_message_holds_is_not_said_twice() -> None:
    assert str(ExchangeError("51000: bad price", code=51000)) == "51000: bad price"


def test_a_long_answer_is_cut() -> None:
    assert len(ExchangeAPIError("bad", response="x" * 10_000).response) == 2_000
    assert len(ExchangeAPIError("bad", response=b"\xff" * 10_000).response) == 2_000


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ("ExchangeAPIError", "ExchangeError"),
        ("ExchangeConnectionError", "ExchangeError"),
        ("ExchangeAuthError", "ExchangeError"),
        ("PermissionDenied", "ExchangeAuthError"),
        ("ExchangeRateLimitError", "ExchangeError"),
        ("Banned", "ExchangeRateLimitError"),
        ("NotSupported", "ExchangeError"),
        ("InvalidOrder", "ExchangeAPIError"),
        ("OrderOutcomeUnknown", "ExchangeError"),
        ("StreamGap", "ExchangeError"),
        ("PluginNotFound", "PluginError"),
        ("PluginBlocked", "PluginError"),
        ("PluginError", "FraError"),
        ("ConfigError", "FraError"),
    ],
)
def test_the_tree_is_named_by_what_the_caller_does_next(child, parent) -> None:
    assert issubclass(getattr(core, child), getattr(core, parent))


# --- secrets


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        "{!r}".format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!s:.3}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
        lambda secret: str([secret]) + str({"key": secret}),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: repr(ExchangeConfig("a", "a", api_key=secret, secret_key=secret, passphrase=secret)),
        lambda secret: str(ConfigError(f"bad {secret}")),
    ],
)
def test_a_secret_shows_itself_nowhere(show) -> None:
    assert CANARY not in show(Secret(CANARY))


def test_a_secret_is_not_logged(caplog) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("key %s %r", Secret(CANARY), Secret(CANARY))
    assert "********" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("again", [pickle.dumps, copy.deepcopy])
def test_a_secret_refuses_to_be_pickled_or_copied_out(again) -> None:
    with pytest.raises(TypeError, match="a Secret is not pickled") as error:
        again(Secret(CANARY))
    assert CANARY not in str(error.value)


def test_a_secret_is_used_and_compared_by_value() -> None:
    assert Secret("a").reveal() == "a"
    assert (Secret("a") == Secret("a"), Secret("a") == Secret("b"), Secret("a") == "a") == (True, False, False)
    assert len({Secret("a"), Secret("a")}) == 1


def test_a_secret_masks_itself_in_a_text() -> None:
    assert Secret(CANARY).redact(f"GET /?key={CANARY}") == "GET /?key=********"


@pytest.mark.parametrize(("value", "error"), [("", ConfigError), (5, TypeError), (None, TypeError)])
def test_a_secret_is_made_of_text_that_is_not_empty(value, error) -> None:
    with pytest.raises(error):
        Secret(value)


@pytest.mark.parametrize(
    ("timeout", "message"),
    [
        (10_000, r"timeouts are in seconds; did you mean 10\?"),
        (0, "must be a positive number of seconds"),
        (True, "must be a positive number of seconds"),
        ("10", "must be a positive number of seconds"),
    ],
)
def test_a_timeout_that_is_not_in_seconds_is_refused(timeout, message) -> None:
    with pytest.raises(ConfigError, match=message):
        ExchangeConfig("a", "a", timeout=timeout)

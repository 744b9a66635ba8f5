"""Binance's refusals as fra's errors."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from fra.adapters.custom import Failure
from fra.core import (
    Banned,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    PermissionDenied,
    SymbolNotFound,
)
from fra.exchanges.binance.errors import ERRORS, read

HTTP = {-1003: 429, -2014: 401, -2015: 401}


def error(code: int, message: str, status: int = 400) -> ExchangeError:
    failure = Failure(code=str(code), message=message, status=status, body=message.encode())
    return ERRORS.error(failure, exchange="mine")


def test_a_key_that_was_good_before_lacks_a_right() -> None:
    for known, kind in ((False, ExchangeAuthError), (True, PermissionDenied)):
        failure = Failure(code="-2015", message="Invalid API-key, IP, or permissions", status=401, known_key=known)
        refusal = ERRORS.error(failure, exchange="mine")
        assert (type(refusal), refusal.code) == (kind, "-2015")


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        (-1003, "Too much request weight used", 429, ExchangeRateLimitError),
        (-1003, "Way too many requests; IP banned until 1893456000000.", 418, Banned),
        (-1015, "Too many new orders", 400, ExchangeRateLimitError),
        (-1007, "Timeout waiting for response", 503, ExchangeConnectionError),
        (-1021, "Timestamp for this request is outside of the recvWindow.", 400, ExchangeAuthError),
        (-1022, "Signature for this request is not valid.", 400, ExchangeAuthError),
        (-1111, "Precision is over the maximum", 400, InvalidOrder),
        (-1121, "Invalid symbol.", 400, SymbolNotFound),
        (-1013, "Filter failure: LOT_SIZE", 400, InvalidOrder),
        (-2010, "Account has insufficient balance for requested action.", 400, InsufficientFunds),
        (-2010, "Duplicate order sent.", 400, DuplicateOrder),
        (-2010, "Order would immediately match and take.", 400, InvalidOrder),
        (-2011, "Unknown order sent.", 400, OrderNotFound),
        (-2013, "Order does not exist.", 400, OrderNotFound),
        (-2014, "API-key format invalid.", 401, ExchangeAuthError),
        (-2015, "Invalid API-key, IP, or permissions for action.", 401, ExchangeAuthError),
        (-2019, "Margin is insufficient.", 400, InsufficientFunds),
        (-4116, "ClientOrderId is duplicated", 400, DuplicateOrder),
        (-5022, "Due to the order could not be executed as maker", 400, InvalidOrder),
        (-9999, "a code of tomorrow", 400, ExchangeAPIError),
    ],
)
def test_a_code_becomes_the_error_that_says_what_to_do_next(
    code: int, message: str, status: int, kind: type[ExchangeError]
) -> None:
    raised = error(code, message, status)
    assert type(raised) is kind
    assert (raised.code, raised.message, raised.exchange) == (str(code), message, "mine")


def test_a_ban_says_how_long_it_lasts() -> None:
    until = round(time.time() * 1000) + 120_000
    raised = error(-1003, f"Way too many requests; IP banned until {until}. Please use the websocket", 418)
    assert isinstance(raised, Banned)
    assert raised.retry_after == pytest.approx(120, abs=5)


@pytest.mark.parametrize(
    ("code", "message", "status", "seconds"),
    [
        (-1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", 429, 10),
        (-1015, "Too many new orders; current limit is 1200 orders per 1 MINUTE.", 429, 60),
        (-1015, "Too many new orders; current limit is 200000 orders per 1 DAY.", 429, 60),
        (-1015, "Too many new orders.", 400, 10),
        (-1003, "Too much request weight used.", 429, 60),
        (-1003, "Way too many requests.", 418, 120),
    ],
)
def test_a_refusal_for_being_too_fast_says_how_long_or_we_know(
    code: int, message: str, status: int, seconds: float
) -> None:
    raised = error(code, message, status)
    assert isinstance(raised, ExchangeRateLimitError)
    assert raised.retry_after == seconds


def test_the_firewalls_page_is_no_refusal_of_the_venues() -> None:
    assert read(b"<html><body>403 Forbidden</body></html>") is None
    assert type(ERRORS.error(Failure(status=403), exchange="mine")) is PermissionDenied


def samples() -> list[Any]:
    if "FRA_FIXTURES" not in os.environ:
        skipped = pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data")
        return [pytest.param("", marks=skipped, id="no-recordings")]
    folder = Path(os.environ["FRA_FIXTURES"]) / "recordings/binance/samples-errors"
    return [
        pytest.param(row["raw"], id=f"{path.stem}: {row['name']}")
        for path in sorted(folder.glob("*.jsonl"))
        for row in map(json.loads, path.read_text().splitlines())
        if '"code"' in row["raw"] and '"error"' not in row["raw"] and "success" not in row["raw"]
    ]


@pytest.mark.parametrize("raw", samples())
def test_every_recorded_refusal_keeps_its_code_and_text(raw: str) -> None:
    told = json.loads(raw)
    refusal = read(raw.encode())
    assert refusal is not None
    raised = error(int(refusal.code), refusal.message, HTTP.get(told["code"], 400))
    assert raised.code == str(told["code"])
    assert told["msg"] in str(raised)

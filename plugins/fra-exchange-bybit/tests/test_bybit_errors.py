"""Bybit's codes, texts and statuses become the error that says what to do."""

import json

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
from fra.exchanges.bybit import wire
from fra.exchanges.bybit.errors import ERRORS


def error(code: str, message: str = "", *, status: int = 200, body: bytes = b"", reset: str = "") -> ExchangeError:
    headers = {"X-Bapi-Limit-Reset-Timestamp": reset} if reset else {}
    failure = Failure(code=code, message=message, status=status, body=body, headers=headers)
    return ERRORS.error(failure, exchange="mine")


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("10002", "invalid request, please check your server timestamp", ExchangeAuthError),
        ("10003", "API key is invalid.", ExchangeAuthError),
        ("10004", "Error sign", ExchangeAuthError),
        ("10005", "Permission denied", PermissionDenied),
        ("10010", "Unmatched IP", PermissionDenied),
        ("10024", "Compliance rules triggered", PermissionDenied),
        ("10006", "Too many visits!", ExchangeRateLimitError),
        ("10016", "Server error", ExchangeConnectionError),
        ("10014", "Invalid duplicate request.", ExchangeConnectionError),
        ("170007", "Timeout waiting for response from backend server.", ExchangeConnectionError),
        ("170035", "Submitted to the system for processing!", ExchangeConnectionError),
        ("170146", "Order creation timeout", ExchangeConnectionError),
        ("170147", "Order cancellation timeout", ExchangeConnectionError),
        ("170234", "System Error", ExchangeConnectionError),
        ("170005", "Too many new orders; current limit is 20 orders per 1 s.", ExchangeRateLimitError),
        ("110001", "Order does not exist", OrderNotFound),
        ("170213", "Order does not exist.", OrderNotFound),
        ("110007", "ab not enough for new order", InsufficientFunds),
        ("170131", "Insufficient balance.", InsufficientFunds),
        ("110072", "OrderLinkedID is duplicate", DuplicateOrder),
        ("170141", "Duplicate clientOrderId", DuplicateOrder),
        ("110003", "Order price exceeds the allowable range", InvalidOrder),
        ("110094", "Order notional value below the lower limit", InvalidOrder),
        ("170140", "Order value exceeded lower limit", InvalidOrder),
        ("170218", "The LIMIT-MAKER order is rejected due to invalid price.", InvalidOrder),
        ("10001", "params error: symbol invalid", SymbolNotFound),
        ("10001", "Not supported symbols", SymbolNotFound),
        ("10001", "Qty invalid", InvalidOrder),
        ("10001", "The number of contracts exceeds maximum limit allowed", InvalidOrder),
        ("10001", "position idx not match position mode", InvalidOrder),
        ("10001", "Illegal category", ExchangeAPIError),
        ("", "Invalid symbol :[orderbook.50.NOSUCHSYM]", SymbolNotFound),
        ("", "error:handler not found,topic:tickers.X", SymbolNotFound),
        ("", "failed to authenticate: Params Error", ExchangeAuthError),
        ("99999999", "something new", ExchangeAPIError),
    ],
)
def test_the_class_says_what_to_do_and_the_code_is_bybits(code: str, message: str, kind: type[ExchangeError]) -> None:
    found = error(code, message)
    assert type(found) is kind
    assert found.code == (code or None)
    assert found.message == message


@pytest.mark.parametrize("body", [b"access too frequent", b"", b"403 Forbidden"])
def test_a_shut_address_waits_ten_minutes(body: bytes) -> None:
    found = error("", status=403, body=body)
    assert isinstance(found, Banned)
    assert (found.retry_after, found.code) == (600.0, None)


def test_an_address_in_a_country_that_is_not_served_is_no_matter_of_waiting() -> None:
    found = error("", status=403, body=b"The distribution is configured to block access from your country.")
    assert type(found) is PermissionDenied


def test_a_used_up_budget_waits_until_it_is_reset() -> None:
    body = json.dumps({"retCode": 10006, "retMsg": "Too many visits!", "time": 1_000_250}).encode()
    found = error("10006", body=body, reset="1000900")
    assert isinstance(found, ExchangeRateLimitError)
    assert found.retry_after == 0.65
    assert error("10006").retry_after == 1.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", [b'{"retCode":0,"retMsg":"OK","result":{}}', b"<html>", b"", b"[]"])
def test_what_is_no_refusal_reads_as_none(body: bytes) -> None:
    assert ERRORS.read(body) is None


def test_a_refusal_under_a_good_status_is_seen() -> None:
    assert ERRORS.check is not None
    assert ERRORS.check(wire.Reply(retCode=110001, result=None, retMsg="gone")) == ("110001", "gone")
    assert ERRORS.check(wire.Reply(retCode=0, result=None)) is None
    assert ERRORS.check("else") is None

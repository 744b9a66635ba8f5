"""OKX's codes become the error that says what to do."""

import msgspec
import pytest

from fra.adapters.custom.errors import Failure
from fra.core import (
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
from fra.exchanges.okx import wire
from fra.exchanges.okx.errors import ERRORS


def error_in(body: bytes, *, exchange: str, status: int) -> ExchangeError | None:
    refusal = ERRORS.read(body)
    if refusal is None and status == 200:
        return None
    code, message = refusal or ("", "")
    return ERRORS.error(Failure(code=code, message=message, status=status, body=body), exchange=exchange)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "50011", ExchangeRateLimitError),
        (429, "50040", ExchangeRateLimitError),
        (200, "50061", ExchangeRateLimitError),
        (401, "50102", ExchangeAuthError),
        (401, "50113", ExchangeAuthError),
        (401, "50110", PermissionDenied),
        (503, "50001", ExchangeConnectionError),
        (500, "50026", ExchangeConnectionError),
        (200, "51001", SymbolNotFound),
        (200, "51008", InsufficientFunds),
        (200, "51016", DuplicateOrder),
        (200, "51402", OrderNotFound),
        (400, "51000", ExchangeAPIError),
        (200, "99999", ExchangeAPIError),
        (401, "99999", ExchangeAuthError),
        (502, "99999", ExchangeConnectionError),
    ],
)
def test_code_and_status_choose_the_error(status: int, code: str, kind: type[Exception]) -> None:
    body = b'{"code":"%s","msg":"why","data":[]}' % code.encode()
    error = error_in(body, exchange="mine", status=status)
    assert type(error) is kind
    assert (error.code, error.exchange, error.response) == (code, "mine", body.decode())
    assert "why" in str(error)


@pytest.mark.parametrize(("name", "kind"), [("px", InvalidOrder), ("tpOrdPx", InvalidOrder), ("bar", ExchangeAPIError)])
def test_a_wrong_parameter_of_an_order_makes_it_invalid(name: str, kind: type[Exception]) -> None:
    body = b'{"code":"1","msg":"","data":[{"sCode":"51000","sMsg":"Parameter %s error"}]}' % name.encode()
    error = error_in(body, exchange="mine", status=200)
    assert error is not None
    assert (type(error), error.code) == (kind, "51000")


def test_success_is_no_error() -> None:
    assert error_in(b'{"code":"0","msg":"","data":[]}', exchange="x", status=200) is None


def test_the_orders_own_code_counts_when_all_failed() -> None:
    body = b'{"code":"1","msg":"All operations failed","data":[{"ordId":"","sCode":"51119","sMsg":"no balance"}]}'
    error = error_in(body, exchange="x", status=200)
    assert isinstance(error, InsufficientFunds)
    assert (error.code, error.message) == ("51119", "no balance")


def test_the_first_failed_order_counts_when_some_failed() -> None:
    body = b'{"code":"2","msg":"","data":[{"sCode":"0","sMsg":""},{"sCode":"51016","sMsg":"duplicate"}]}'
    assert isinstance(error_in(body, exchange="x", status=200), DuplicateOrder)


def test_a_numeric_code_and_data_that_is_no_list_are_read_too() -> None:
    body = b'{"code":500,"data":{},"detailMsg":"","error_code":"500","msg":"server error 1236805249"}'
    error = error_in(body, exchange="x", status=200)
    assert isinstance(error, ExchangeConnectionError)
    assert error.code == "500"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"code":"0","data":[]}', b'{"code":{}}'])
def test_a_body_without_a_refusal_has_none(body: bytes) -> None:
    assert ERRORS.read(body) is None


def test_a_rate_limit_is_over_when_the_rolling_window_is() -> None:
    error = error_in(b'{"code":"50011","msg":"Too Many Requests","data":[]}', exchange="x", status=429)
    assert isinstance(error, ExchangeRateLimitError)
    assert error.retry_after == 2.0


def test_a_decoded_answer_with_a_good_status_is_still_looked_at() -> None:
    assert ERRORS.check is not None
    bad = msgspec.json.decode(b'{"code":"51001","msg":"no such","data":[]}', type=wire.Reply[wire.Ticker])
    good = msgspec.json.decode(b'{"code":"0","msg":"","data":[]}', type=wire.Reply[wire.Ticker])
    assert ERRORS.check(bad) == ("51001", "no such")
    assert ERRORS.check(good) is None


def test_a_skewed_clock_says_what_to_do() -> None:
    error = error_in(b'{"code":"50102","msg":"Timestamp request expired","data":[]}', exchange="x", status=401)
    assert error is not None
    assert "clock" in (error.cure or "")

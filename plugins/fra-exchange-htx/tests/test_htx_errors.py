"""What HTX's codes mean, where one code means several things, and the four ways in which it says no."""

from __future__ import annotations

import pytest

from fra.adapters.custom import Failure
from fra.core import (
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    PermissionDenied,
    SymbolNotFound,
)
from fra.exchanges.htx.errors import _CODES, ERRORS, read


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ('{"status":"error","err-code":"invalid-parameter","err-msg":"bad","data":null}', ("invalid-parameter", "bad")),
        ('{"status":"error","err_code":1013,"err_msg":"none","ts":1}', ("1013", "none")),
        ('{"code":2002,"message":"invalid field"}', ("2002", "invalid field")),
        ('{"code":1017,"msg":"gone","ts":1}', ("1017", "gone")),
        ('{"code":"1003","message":"invalid signature"}', ("1003", "invalid signature")),
        ('{"status":"ok","data":[]}', None),
        ('{"code":200,"data":[]}', None),
        ("[1]", None),
        ("<html>", None),
    ],
)
def test_a_refusal_in_each_spelling(body: str, refusal: tuple[str, str] | None) -> None:
    assert read(body.encode()) == refusal


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("1003", "invalid signature", ExchangeAuthError),
        ("1003", "Abnormal redis operation.", ExchangeConnectionError),
        ("bad-request", "429 too many request topic is market.btcusdt.mbp.150", ExchangeRateLimitError),
        ("bad-request", "invalid topic market.nope.bbo", SymbolNotFound),
        ("bad-request", "something else", ExchangeAPIError),
        ("invalid-parameter", "request limit", ExchangeRateLimitError),
        ("invalid-parameter", "invalid symbol", SymbolNotFound),
        ("invalid-parameter", "invalid period", ExchangeAPIError),
        ("2002", "invalid.auth.state", ExchangeAuthError),
        ("2002", "invalid field value in `size`", ExchangeAPIError),
        ("403", "Incorrect Access key", ExchangeAuthError),
        ("403", "API key has no permission", PermissionDenied),
        ("never-seen", "?", ExchangeAPIError),
    ],
)
def test_words_decide_where_a_code_means_several_things(code: str, message: str, kind: type[ExchangeError]) -> None:
    error = ERRORS.error(Failure(code=code, message=message, status=200), exchange="mine")
    assert type(error) is kind
    assert (error.code, error.exchange) == (code, "mine")


def test_no_code_stands_twice() -> None:
    codes = [code for _, listed in _CODES for code in listed.split()]
    assert sorted(codes) == sorted(set(codes))


def test_a_rate_limit_says_how_long() -> None:
    error = ERRORS.error(Failure(code="1032", message="no", status=429), exchange="mine")
    assert isinstance(error, ExchangeRateLimitError)
    assert error.retry_after == 3.0

"""Signatures equal those that openssl makes of the same text with the same key."""

import pytest

from fra.adapters.custom import ClockSample, HttpRequest, ServerClock
from fra.core import ExchangeAuthError, ExchangeConfig, Secret
from fra.exchanges.okx.auth import OKXAuth, signature, timestamp_text
from fra.exchanges.okx.tables import TIME

KEY = b"22582BD0CFF14C41EDBF1AB98506286D"


# printf '%s' TEXT | openssl dgst -sha256 -hmac KEY -binary | base64
@pytest.mark.parametrize(
    ("timestamp", "method", "path", "body", "expected"),
    [
        (
            "2020-12-08T09:08:57.715Z",
            "GET",
            "/api/v5/account/balance?ccy=BTC",
            "",
            "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
        ),
        (
            "2020-12-08T09:08:57.715Z",
            "POST",
            "/api/v5/trade/order",
            '{"instId":"BTC-USDT","sz":"1"}',
            "TGG9gpeGW3L8JW/02jBsydBRt/UEJ3UzQ80H+KAhLEs=",
        ),
        ("1704876947", "GET", "/users/self/verify", "", "5/36BgGV6m/6pmdc20zdqk0mzF5ZalmzzPD2fo3wavU="),
    ],
)
def test_signature(timestamp: str, method: str, path: str, body: str, expected: str) -> None:
    assert signature(KEY, timestamp, method, path, body) == expected


@pytest.mark.parametrize(
    ("timestamp_ms", "expected"),
    [(1_607_418_537_715, "2020-12-08T09:08:57.715Z"), (1_607_418_537_007, "2020-12-08T09:08:57.007Z")],
)
def test_timestamps_have_three_places(timestamp_ms: int, expected: str) -> None:
    assert timestamp_text(timestamp_ms) == expected


def handler() -> OKXAuth:
    config = ExchangeConfig(
        "mine",
        "okx",
        api_key=Secret("the-key"),
        secret_key=Secret(KEY.decode()),
        passphrase=Secret("the-passphrase"),
    )

    async def never() -> ClockSample:
        raise AssertionError("the clock was not asked for")

    return OKXAuth(config, ServerClock(never, lambda: 1_607_418_537_715))


def test_a_request_is_signed_as_it_is_sent() -> None:
    request = HttpRequest(
        method="GET", host="www.okx.com", path="/api/v5/account/balance", query="ccy=BTC", headers={"x": "y"}
    )
    signed = handler().sign(request, TIME[0])
    assert dict(signed.headers) == {
        "x": "y",
        "OK-ACCESS-KEY": "the-key",
        "OK-ACCESS-PASSPHRASE": "the-passphrase",
        "OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z",
        "OK-ACCESS-SIGN": "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
    }
    assert (signed.target, signed.body) == (request.target, request.body)


def test_a_login_is_stamped_in_seconds() -> None:
    login = handler().login()
    assert login["timestamp"] == "1607418537"
    assert login["sign"] == signature(KEY, "1607418537", "GET", "/users/self/verify")


def test_without_a_passphrase_nothing_is_signed() -> None:
    auth = handler()
    auth.config = ExchangeConfig("mine", "okx", api_key=Secret("k"), secret_key=Secret("s"))
    with pytest.raises(ExchangeAuthError, match="passphrase"):
        auth.login()

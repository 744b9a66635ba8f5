"""Signatures equal those that openssl makes of the same text with the same key."""

import pytest

from fra.exchanges.okx.auth import signature, timestamp_text

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

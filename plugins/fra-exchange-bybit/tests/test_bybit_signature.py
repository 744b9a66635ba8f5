"""Signatures equal those that openssl and ccxt make of the same request with the same key and clock."""

import json
from typing import Any

import pytest
from bybit_server import KEYS, BybitServer

from fra.adapters.custom import ClockSample, HttpRequest, ServerClock
from fra.core import ExchangeAuthError, ExchangeConfig, Secret
from fra.exchanges.bybit.auth import BybitAuth, signature
from fra.exchanges.bybit.tables import WALLET

NOW = 1_658_384_314_791


# printf '%s' TEXT | openssl dgst -sha256 -hmac the-secret
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "1658384314791the-key5000category=linear&symbol=BTCUSDT",
            "153451f3b52b4c4ce227888c3d39e6789b8edadbd1e86fc98f8497e9429d0ae7",
        ),
        ("GET/realtime1658384314791", "37505f9e1f42719e823f13d36062ad96dd84c2818a10bb11643f06121758fec2"),
    ],
)
def test_signature(text: str, expected: str) -> None:
    assert signature(b"the-secret", text) == expected


def handler(**secrets: Secret) -> BybitAuth:
    config = ExchangeConfig("mine", "bybit", **(secrets or {name: Secret(value) for name, value in KEYS.items()}))

    async def never() -> ClockSample:
        raise AssertionError("the clock was not asked for")

    return BybitAuth(config, ServerClock(never, lambda: NOW), recv_window=5000)


def ccxt_sign(method: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
    """What ccxt would send, made without any network."""
    ccxt = pytest.importorskip("ccxt")
    bybit = ccxt.bybit({"apiKey": "the-key", "secret": "the-secret", "options": {"recvWindow": 5000}})
    bybit.nonce = lambda: NOW
    signed: dict[str, Any] = bybit.sign(path, ["private"], method, params)
    return signed


@pytest.mark.parametrize(
    ("path", "params", "query"),
    [
        ("v5/account/wallet-balance", {"accountType": "UNIFIED"}, "accountType=UNIFIED"),
        (
            "v5/order/realtime",
            {"category": "linear", "symbol": "BTCUSDT", "limit": 50},
            "category=linear&symbol=BTCUSDT&limit=50",
        ),
    ],
)
def test_a_read_is_signed_as_ccxt_signs_it(path: str, params: dict[str, Any], query: str) -> None:
    theirs = ccxt_sign("GET", path, params)
    ours = handler().sign(HttpRequest(method="GET", host="x", path=f"/{path}", query=query), WALLET[0])
    assert theirs["url"].endswith(ours.target)
    assert {name: theirs["headers"][name] for name in ours.headers} == dict(ours.headers)


def test_an_order_is_signed_as_ccxt_signs_it() -> None:
    params = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "qty": "0.001", "orderLinkId": "a-1_B"}
    theirs = ccxt_sign("POST", "v5/order/create", params)
    body = theirs["body"].encode()
    ours = handler().sign(HttpRequest(method="POST", host="x", path="/v5/order/create", body=body), WALLET[0])
    assert json.loads(body) == params
    assert ours.body == body
    assert {name: theirs["headers"][name] for name in ours.headers} == dict(ours.headers)


def test_without_credentials_nothing_is_signed() -> None:
    with pytest.raises(ExchangeAuthError, match="credentials"):
        handler(api_key=Secret("k")).login()


async def test_the_bytes_that_are_signed_are_the_bytes_that_are_sent() -> None:
    server = BybitServer(
        {"order/realtime": {"list": []}, "order/history": {"list": []}, "order/cancel-all": {"list": []}}
    )
    async with server.asked(markets=["spot"], **KEYS, options={"recv_window": 4321}) as bybit:
        await bybit.get_open_orders("BTC/USDT")
        await bybit.cancel_all_orders("BTC/USDT")
    signed = [(request, body) for request, body in server.requests if "X-BAPI-SIGN" in request.headers]
    assert {request.method for request, _ in signed} == {"GET", "POST"}
    for request, body in signed:
        headers = request.headers
        payload = body.decode() or request.raw_path.partition("?")[2]
        assert headers["X-BAPI-RECV-WINDOW"] == "4321"
        text = f"{headers['X-BAPI-TIMESTAMP']}the-key4321{payload}"
        assert headers["X-BAPI-SIGN"] == signature(b"the-secret", text)

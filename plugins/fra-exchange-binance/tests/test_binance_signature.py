"""Signing, held to the example in Binance's own documents ("Signed endpoint examples")."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest

from fra.adapters.custom import ClockSample, Endpoint, HttpRequest, ServerClock, encode_query
from fra.core import ExchangeAuthError, ExchangeConfig, Secret
from fra.exchanges.binance import wire
from fra.exchanges.binance.auth import BinanceAuth, sign

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
SIGNED: Endpoint[object] = Endpoint("GET", "/api/v3/order", wire.ServerTime, market="spot", signed=True)
KEY_ONLY: Endpoint[object] = Endpoint("POST", "/fapi/v1/listenKey", wire.ServerTime, market="usdm", key_only=True)


async def _never() -> ClockSample:
    raise AssertionError("the clock is not read for signing")


def auth(config: ExchangeConfig | None = None) -> BinanceAuth:
    config = config or ExchangeConfig(
        name="mine", exchange_id="binance", api_key=Secret("the-key"), secret_key=Secret(SECRET)
    )
    return BinanceAuth(config, ServerClock(_never, lambda: 1_499_827_319_559))


def request(query: str) -> HttpRequest:
    return HttpRequest(method="GET", host="api.binance.com", path="/api/v3/order", query=query)


def test_the_documented_example_gives_the_documented_signature() -> None:
    query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    signed = auth().sign(request(query), SIGNED)
    assert signed.query == (
        f"{query}&recvWindow=5000&timestamp=1499827319559"
        "&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )
    assert signed.headers["X-MBX-APIKEY"] == "the-key"


def test_what_is_signed_is_what_is_sent_percent_encoded() -> None:
    query = encode_query({"symbol": "币安人生USDT"})
    assert "%E5%B8%81" in query
    sent, _, signature = auth().sign(request(query), SIGNED).query.rpartition("&signature=")
    assert signature == sign(SECRET.encode(), sent.encode())


def test_a_call_that_wants_the_key_only_is_not_signed() -> None:
    sent = auth().sign(request(""), KEY_ONLY)
    assert (sent.query, dict(sent.headers)) == ("", {"X-MBX-APIKEY": "the-key"})


def test_without_credentials_nothing_is_signed() -> None:
    with pytest.raises(ExchangeAuthError, match="none are configured"):
        auth(ExchangeConfig(name="mine", exchange_id="binance")).sign(request("a=1"), SIGNED)


# --- ccxt as a second opinion: the same request, key, secret and clock

CALLS = [
    ("private", "GET", "/api/v3/order", {"symbol": "LTCBTC", "orderId": "1"}),
    (
        "private",
        "POST",
        "/api/v3/order",
        {"symbol": "LTCBTC", "quantity": Decimal("0.00000001"), "newClientOrderId": "mine-1"},
    ),
    ("private", "DELETE", "/api/v3/openOrders", {"symbol": "币安人生USDT"}),
    ("fapiPrivate", "POST", "/fapi/v1/algoOrder", {"symbol": "BTCUSDT", "clientAlgoId": "a.b:c/d_e-f"}),
    ("fapiPrivateV3", "GET", "/fapi/v3/positionRisk", {}),
]


@pytest.mark.parametrize(("api", "method", "path", "params"), CALLS)
def test_the_bytes_and_the_signature_are_those_of_ccxt(
    api: str, method: str, path: str, params: dict[str, object]
) -> None:
    ccxt = pytest.importorskip("ccxt")
    theirs = ccxt.binance({"apiKey": "the-key", "secret": SECRET, "options": {"recvWindow": 5000}})
    theirs.milliseconds = lambda: 1_499_827_319_559
    plain = {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in params.items()}
    signed = theirs.sign(path.rpartition("/")[2], [api], method, plain)
    told = signed["body"] or urlsplit(signed["url"]).query
    payload, _, signature = told.rpartition("&signature=")
    ours = auth().sign(
        HttpRequest(method=method, host="api.binance.com", path=path, query=encode_query(params)), SIGNED
    )
    ours_payload, _, ours_signature = ours.query.rpartition("&signature=")
    # The order of parameters is free: each of us signs what it sends. In ccxt's order, our signature is ccxt's.
    assert dict(parse_qsl(ours_payload)) == dict(parse_qsl(payload))
    assert sign(SECRET.encode(), payload.encode()) == signature
    assert sign(SECRET.encode(), ours_payload.encode()) == ours_signature
    assert signed["headers"]["X-MBX-APIKEY"] == ours.headers["X-MBX-APIKEY"]


def test_a_signed_request_over_websocket_is_sorted_and_signed_as_it_is_sent() -> None:
    params = auth().signed_params()
    payload = "apiKey=the-key&recvWindow=5000&timestamp=1499827319559"
    assert params["signature"] == sign(SECRET.encode(), payload.encode())
    assert list(params) == ["apiKey", "recvWindow", "timestamp", "signature"]

"""What is signed is what is sent, and ccxt signs the same bytes the same way."""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from fra.adapters.custom import ClockSample, Endpoint, HttpRequest, ServerClock, encode_json, encode_query
from fra.core import ExchangeConfig, Secret
from fra.exchanges.htx import account_tables
from fra.exchanges.htx.auth import HTXAuth, signature, timestamp_text

KEY, SECRET, AT = "b0xxxxxx-c6xxxxxx-94xxxxxx-dxxxx", "the-secret", 1_494_515_970_000


def handler(**hosts: str) -> HTXAuth:
    config = ExchangeConfig("mine", "htx", api_key=Secret(KEY), secret_key=Secret(SECRET))

    async def never() -> ClockSample:
        raise AssertionError("the clock was not asked for")

    auth = HTXAuth(config, ServerClock(never, lambda: AT))
    auth.signed_hosts = hosts
    return auth


def test_the_documented_text_is_what_is_signed() -> None:
    # The document's example ("Authentication"): its sorted parameters, one line each for method, host and path.
    query = (
        "AccessKeyId=e2xxxxxx-99xxxxxx-84xxxxxx-7xxxx&SignatureMethod=HmacSHA256&SignatureVersion=2"
        "&Timestamp=2017-05-11T15%3A19%3A30&order-id=1234567890"
    )
    text = f"GET\napi.huobi.pro\n/v1/order/orders\n{query}"
    expected = b64encode(hmac.new(b"b0xxxxxx-c6xxxxxx-94xxxxxx-dxxxx", text.encode(), sha256).digest()).decode()
    assert signature(b"b0xxxxxx-c6xxxxxx-94xxxxxx-dxxxx", "GET", "api.huobi.pro", "/v1/order/orders", query) == expected
    assert timestamp_text(AT) == "2017-05-11T15:19:30"


def signed(row: Endpoint[Any], params: dict[str, object], host: str, **hosts: str) -> HttpRequest:
    path = row.path.format(margin="cross_", order_id="7", account_id="9")
    request = HttpRequest(method=row.method, host=host, path=path)
    if row.body == "json":
        request = HttpRequest(method=row.method, host=host, path=path, body=encode_json(params))
    else:
        request = HttpRequest(method=row.method, host=host, path=path, query=encode_query(params))
    return handler(**hosts).sign(request, row)


@pytest.mark.parametrize(
    ("called", "hosts", "named"),
    [
        ("api.huobi.pro", {}, "api.huobi.pro"),
        ("api-aws.huobi.pro", {}, "api-aws.huobi.pro"),
        ("api.hbdm.vn", {}, "api.hbdm.vn"),
        ("127.0.0.1:8080", {}, "127.0.0.1:8080"),
        ("relay.example", {"spot": "api.huobi.pro"}, "api.huobi.pro"),
    ],
)
def test_the_host_that_is_signed(called: str, hosts: dict[str, str], named: str) -> None:
    request = signed(account_tables.SPOT_OPEN, {"symbol": "btcusdt"}, called, **hosts)
    query, _, last = request.query.rpartition("&Signature=")
    assert last == quote(signature(SECRET.encode(), "GET", named, request.path, query), safe="")
    assert query.split("&") == sorted(query.split("&"))


CALLS: list[tuple[Endpoint[Any], str, str, dict[str, object]]] = [
    (account_tables.SPOT_ACCOUNTS, "spot", "v1/account/accounts", {}),
    (account_tables.SPOT_OPEN, "spot", "v1/order/openOrders", {"symbol": "btcusdt", "account-id": "9", "size": 500}),
    (
        account_tables.SPOT_PLACE,
        "spot",
        "v1/order/orders/place",
        {"account-id": "9", "symbol": "btcusdt", "type": "buy-limit", "amount": "1", "price": "2"},
    ),
    (
        account_tables.PLACE,
        "contract",
        "linear-swap-api/v1/swap_cross_order",
        {"contract_code": "BTC-USDT", "volume": 1, "client_order_id": 123456789012345678},
    ),
    (account_tables.MODE, "contract", "linear-swap-api/v1/swap_cross_position_side", {"margin_account": "USDT"}),
    (
        account_tables.UNION_ORDER,
        "contract",
        "v5/trade/order",
        {"contract_code": "BTC-USDT", "margin_mode": "cross", "order_id": "1"},
    ),
]


@pytest.mark.parametrize(("row", "api", "path", "params"), CALLS, ids=[call[2] for call in CALLS])
def test_ccxt_signs_the_same(row: Endpoint[Any], api: str, path: str, params: dict[str, object]) -> None:
    ccxt = pytest.importorskip("ccxt")
    theirs = ccxt.htx({"apiKey": KEY, "secret": SECRET})
    theirs.nonce = lambda: AT
    theirs.milliseconds = lambda: AT
    parts = urlsplit(theirs.sign(path, [api, "private"], row.method, dict(params))["url"])
    ours = signed(row, params, parts.netloc)
    assert ours.path == parts.path
    assert dict(parse_qsl(ours.query)) == dict(parse_qsl(parts.query))


def test_both_sockets_log_in_with_names_of_their_own() -> None:
    spot = handler().spot_login("api.huobi.pro", "/ws/v2")
    text = "&".join(
        f"{name}={quote(spot[name], safe='')}"
        for name in ("accessKey", "signatureMethod", "signatureVersion", "timestamp")
    )
    assert spot["signature"] == signature(SECRET.encode(), "GET", "api.huobi.pro", "/ws/v2", text)
    assert (spot["authType"], spot["signatureVersion"]) == ("api", "2.1")
    swap = handler().swap_login("api.hbdm.vn", "/linear-swap-notification")
    text = "&".join(
        f"{name}={quote(swap[name], safe='')}"
        for name in ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp")
    )
    assert swap["Signature"] == signature(SECRET.encode(), "GET", "api.hbdm.vn", "/linear-swap-notification", text)
    assert (swap["type"], swap["SignatureVersion"]) == ("api", "2")

"""REST over a real socket: what is sent, what answers become, and when nobody asks again."""

from __future__ import annotations

import gzip
import json
import time
import traceback
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from aiohttp import web

from fra.adapters.custom import BaseUrls, encode_json, encode_query
from fra.core import (
    Banned,
    ConfigError,
    ConnectionStatus,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    InsufficientFunds,
    MarketKind,
    Operation,
    OrderOutcomeUnknown,
)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering(
    body: object = None, *, status: int = 200, headers: dict[str, str] | None = None, raw: bytes | None = None
) -> Answer:
    """Always the same answer."""

    async def answer(request: web.Request) -> web.StreamResponse:
        content = json.dumps(body).encode() if raw is None else raw
        return web.Response(body=content, status=status, headers=headers, content_type="application/json")

    return answer


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other, the last again and again."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


async def hanging_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_an_answer_is_decoded_into_the_type_of_its_row(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = answering({"code": 0, "data": ["a"]})
    plugin = await bench.plugin()
    answer = await plugin.http.request(endpoints["thing"], {"size": Decimal("0.00000001"), "on": True, "no": None})
    assert answer.data == ["a"]
    assert bench.venue.seen[-1] == ("GET", "/thing", "size=0.00000001&on=true")


async def test_names_in_the_path_are_taken_out_of_the_parameters_and_quoted(bench: Any, endpoints: Any) -> None:
    plugin = await bench.plugin()
    bench.venue.answers["/thing/a/b"] = answering({"code": 0})
    await plugin.http.request(endpoints["named"], {"name": "a/b", "x": 1})
    assert bench.venue.seen[-1] == ("GET", "/thing/a/b", "x=1")


async def test_extra_parameters_go_into_every_request_and_never_over_our_own(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = answering({"code": 0})
    plugin = await bench.plugin(extra_params={"tag": "t", "size": 1})
    await plugin.http.request(endpoints["thing"], {"size": 2})
    assert bench.venue.seen[-1][2] == "tag=t&size=2"


async def test_what_is_signed_is_what_is_sent(bench: Any, endpoints: Any, keys: Any) -> None:
    bench.venue.answers["/private"] = answering({"code": 0})
    plugin = await bench.plugin(**keys)
    await plugin.http.request(endpoints["private"], {"note": "a b+c/ü"})
    query, _, signature = bench.venue.seen[-1][2].rpartition("&signature=")
    assert query.startswith("note=a%20b%2Bc%2F%C3%BC&timestamp=")
    assert signature == f"{len(query)}-0"


async def test_a_signed_call_without_credentials_is_refused_before_it_is_sent(bench: Any, endpoints: Any) -> None:
    plugin = await bench.plugin()
    seen = len(bench.venue.seen)
    with pytest.raises(ExchangeAuthError, match="credentials"):
        await plugin.http.request(endpoints["private"])
    assert len(bench.venue.seen) == seen


async def test_a_refusal_becomes_the_error_of_the_venues_table(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = answering({"code": -5, "msg": "too poor"}, status=400)
    plugin = await bench.plugin()
    with pytest.raises(InsufficientFunds) as caught:
        await plugin.http.request(endpoints["thing"])
    error = caught.value
    assert (error.exchange, error.code, error.status_code, error.cure) == ("mine", "-5", 400, "pay in")
    assert "too poor" in (error.response or "")


async def test_a_refusal_in_an_envelope_with_a_good_status_is_an_error_too(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = answering({"code": -5, "msg": "too poor"})
    plugin = await bench.plugin()
    with pytest.raises(InsufficientFunds):
        await plugin.http.request(endpoints["thing"])


@pytest.mark.parametrize("raw", [b"<html>", b"", b'{"code": "zero"}', b"[]", b"\xff\xfe", b"[" * 100_000], ids=range(6))
async def test_an_answer_that_is_not_as_documented_is_malformed(bench: Any, endpoints: Any, raw: bytes) -> None:
    bench.venue.answers["/thing"] = answering(raw=raw)
    plugin = await bench.plugin()
    with pytest.raises(ExchangeAPIError) as caught:
        await plugin.http.request(endpoints["thing"])
    assert caught.value.code == "malformed"
    assert len(caught.value.response or "") <= 2_000


async def test_a_429_shuts_the_scope_for_as_long_as_it_says(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = in_turn(
        answering({"code": -9, "msg": "slow down"}, status=429, headers={"Retry-After": "0.5"}), answering({"code": 0})
    )
    plugin = await bench.plugin()
    with pytest.raises(ExchangeRateLimitError) as caught:
        await plugin.http.request(endpoints["thing"])
    assert caught.value.retry_after == 0.5
    started = time.monotonic()
    await plugin.http.request(endpoints["thing"])
    assert time.monotonic() - started >= 0.45


async def test_a_418_is_a_ban_of_the_whole_market(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/named"] = bench.venue.answers["/thing/x"] = answering(
        {"code": -3, "msg": "banned"}, status=418, headers={"Retry-After": "30"}
    )
    plugin = await bench.plugin()
    with pytest.raises(Banned) as caught:
        await plugin.http.request(endpoints["named"], {"name": "x"})
    assert caught.value.retry_after == 30
    assert plugin.limiter.blocked_for("weight") > 29


async def test_used_weight_that_the_venue_reports_is_counted(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = answering({"code": 0}, headers={"X-Used": "900"})
    plugin = await bench.plugin()
    await plugin.http.request(endpoints["thing"])
    assert plugin.limiter.snapshot()["weight"].used >= 900


async def test_a_read_is_repeated_when_no_answer_came(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = in_turn(hanging_up, answering(status=503, raw=b"busy"), answering({"code": 0}))
    plugin = await bench.plugin()
    await plugin.http.request(endpoints["thing"])
    assert [path for _, path, _ in bench.venue.seen].count("/thing") == 3


async def test_a_read_that_is_never_answered_is_given_up_with_a_connection_error(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = hanging_up
    plugin = await bench.plugin(options={"retries": 1})
    with pytest.raises(ExchangeConnectionError, match="broke"):
        await plugin.http.request(endpoints["thing"])
    assert [path for _, path, _ in bench.venue.seen].count("/thing") == 2


async def test_a_refusal_is_not_repeated(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = answering({"code": -7, "msg": "no"}, status=400)
    plugin = await bench.plugin()
    with pytest.raises(ExchangeAPIError):
        await plugin.http.request(endpoints["thing"])
    assert [path for _, path, _ in bench.venue.seen].count("/thing") == 1


@pytest.mark.parametrize(
    "answer",
    [hanging_up, answering(status=502, raw=b"bad gateway"), answering(raw=b"<html>")],
    ids=["cut", "5xx", "malformed"],
)
async def test_an_order_without_a_usable_answer_is_unknown_and_sent_once(
    bench: Any, endpoints: Any, keys: Any, answer: Answer
) -> None:
    bench.venue.answers["/order"] = answer
    plugin = await bench.plugin(**keys)
    with pytest.raises(OrderOutcomeUnknown) as caught:
        await plugin.http.request(endpoints["order"], {"clientId": "c1", "amount": Decimal("1E-7")})
    assert caught.value.client_order_id == "c1"
    assert [path for _, path, _ in bench.venue.seen].count("/order") == 1
    assert json.loads(bench.venue.bodies[-1]) == {"clientId": "c1", "amount": "0.0000001"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.500", "0.5"),
        ("1E-7", "0.0000001"),
        ("1E+2", "100"),
        ("100", "100"),
        ("100.0", "100"),
        ("0.00", "0"),
        ("12345678901234567890123456789.10", "12345678901234567890123456789.1"),
    ],
)
def test_a_number_is_written_to_its_last_digit_and_no_further(value: str, text: str) -> None:
    assert encode_query({"amount": Decimal(value)}) == f"amount={text}"
    assert json.loads(encode_json({"amount": Decimal(value)})) == {"amount": text}


async def test_an_order_does_not_leave_long_after_it_was_meant_to(bench: Any, endpoints: Any, keys: Any) -> None:
    plugin = await bench.plugin(**keys, timeout=0.1)
    plugin.limiter.block("weight", 60.0, "too many requests")
    order = attrs.evolve(endpoints["order"], cost={"weight": 1})
    with pytest.raises(ExchangeRateLimitError, match="nothing was sent"):
        await plugin.http.request(order, {"clientId": "c1"})
    assert "/order" not in [path for _, path, _ in bench.venue.seen]


async def test_an_order_that_never_left_is_no_unknown_outcome(bench: Any, endpoints: Any, keys: Any) -> None:
    plugin = await bench.plugin(connect=False, **keys)
    await bench.venue.stop()
    with pytest.raises(ExchangeConnectionError, match="cannot connect"):
        await plugin.http.request(endpoints["order"], {"clientId": "c1"})


async def test_a_refused_timestamp_makes_the_clock_be_read_again_and_the_call_repeated(
    bench: Any, endpoints: Any, keys: Any
) -> None:
    bench.venue.answers["/private"] = in_turn(
        answering({"code": -1021, "msg": "timestamp"}, status=400), answering({"code": 0})
    )
    plugin = await bench.plugin(**keys)
    bench.venue.clock_offset_ms = 60_000
    await plugin.http.request(endpoints["private"])
    assert plugin.clock.skew == pytest.approx(60, abs=0.5)


async def test_an_order_with_a_refused_timestamp_is_refused_also_when_the_clock_cannot_be_read(
    bench: Any, endpoints: Any, keys: Any
) -> None:
    bench.venue.answers["/order"] = answering({"code": -1021, "msg": "timestamp"}, status=400)
    plugin = await bench.plugin(**keys, options={"retries": 0})
    bench.venue.answers["/time"] = answering({}, status=503)
    with pytest.raises(ExchangeError) as refused:
        await plugin.http.request(endpoints["order"], {"clientId": "c1"})
    assert (type(refused.value), refused.value.code) == (ExchangeAPIError, "-1021")


async def test_a_question_for_the_time_that_is_refused_as_late_is_not_asked_without_end(
    bench: Any, endpoints: Any, keys: Any
) -> None:
    plugin = await bench.plugin(**keys, options={"retries": 0})
    late = answering({"code": -1021, "msg": "timestamp"}, status=400)
    bench.venue.answers |= {"/private": late, "/time": late}
    asked = len(bench.venue.seen)
    with pytest.raises(ExchangeError) as refused:
        await plugin.http.request(endpoints["private"])
    assert refused.value.code == "-1021"
    assert len(bench.venue.seen) - asked < 10


async def test_the_clock_follows_the_venues(bench: Any) -> None:
    bench.venue.clock_offset_ms = -5_000
    plugin = await bench.plugin()
    assert plugin.clock.now_ms() == pytest.approx(time.time() * 1000 - 5_000, abs=500)


async def test_health_is_one_request_with_latency_and_skew(bench: Any) -> None:
    plugin = await bench.plugin()
    bench.venue.clock_offset_ms = 2_000
    seen = len(bench.venue.seen)
    health = await plugin.health_check()
    assert len(bench.venue.seen) == seen + 1
    assert health.status is ConnectionStatus.CONNECTED
    assert 0 < health.latency < 1
    assert health.clock_skew == pytest.approx(2, abs=0.5)


async def test_a_compressed_answer_is_read(bench: Any, endpoints: Any) -> None:
    bench.venue.answers["/thing"] = answering(
        raw=gzip.compress(b'{"code": 0, "data": ["z"]}'), headers={"Content-Encoding": "gzip"}
    )
    plugin = await bench.plugin()
    assert (await plugin.http.request(endpoints["thing"])).data == ["z"]


@pytest.mark.parametrize("packed", [True, False])
async def test_an_answer_that_is_too_large_is_not_read_to_its_end(bench: Any, endpoints: Any, packed: bool) -> None:
    body = bytes(3_000_000)
    headers = {"Content-Encoding": "gzip"} if packed else None
    bench.venue.answers["/thing"] = answering(raw=gzip.compress(body) if packed else body, headers=headers)
    plugin = await bench.plugin(options={"max_response_bytes": 1_000_000})
    with pytest.raises(ExchangeAPIError, match="larger than 1,000,000 bytes"):
        await plugin.http.request(endpoints["thing"])


async def test_connect_raises_when_the_venue_cannot_be_reached_and_leaves_nothing_open(bench: Any) -> None:
    plugin = await bench.plugin(connect=False)
    await bench.venue.stop()
    with pytest.raises(ExchangeConnectionError) as caught:
        await plugin.connect()
    assert caught.value.exchange == "mine"
    assert plugin.context.statuses[-1] is ConnectionStatus.DISCONNECTED


async def test_no_secret_is_in_any_error(bench: Any, endpoints: Any, keys: Any) -> None:
    async def echoing(request: web.Request) -> web.StreamResponse:
        text = f"bad key {request.headers['X-KEY']}"
        return web.json_response({"code": -5, "msg": text}, status=400)

    plugin = await bench.plugin(**keys, options={"retries": 0})
    caught = []
    for answer in (echoing, hanging_up, answering(raw=b"canary-key-1 is not json"), answering(status=500, raw=b"")):
        bench.venue.answers["/private"] = answer
        with pytest.raises((ExchangeAPIError, ExchangeConnectionError)) as info:
            await plugin.http.request(endpoints["private"])
        caught.append(info.value)
    for error in caught:
        chained = error
        while chained is not None:
            shown = "".join(traceback.format_exception(chained)) + repr(vars(chained)) + repr(chained)
            assert "canary" not in shown
            assert "&signature" not in shown
            chained = chained.__cause__ or chained.__context__
    assert "canary" not in repr(plugin.config)


async def test_one_base_url_moves_everything_and_keeps_the_paths(bench: Any) -> None:
    plugin = await bench.plugin(base_url=bench.venue.url)
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    assert socket.path == "/ws/public"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"markets": ("mian",)}, "did you mean 'main'"),
        ({"rate_limit": {"wieght": 5}}, "did you mean 'weight'"),
        ({"options": {"stalenes": 5}}, "did you mean 'staleness'"),
        ({"options": {"staleness": "long"}}, "staleness"),
        ({"options": {"staleness": -1.0}}, "staleness|above zero"),
        ({"base_url": {"main": {"rest": "http://127.0.0.1:1"}}}, "base_url names no 'side'"),
        ({"sandbox": True, "base_url": None}, "no sandbox"),
        ({"proxy": "socks5://127.0.0.1:1"}, "proxy must be"),
        ({"rate_limit": {"weight": 0}}, "above zero, not 0"),
    ],
)
async def test_a_wrong_configuration_is_refused_with_a_cure(bench: Any, settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await bench.plugin(connect=False, **settings)


async def test_limits_of_the_configuration_replace_the_venues(bench: Any) -> None:
    plugin = await bench.plugin(rate_limit={"weight": 50})
    assert plugin.limiter.snapshot()["weight"].capacity == 50


async def test_capabilities_are_the_rows_of_the_configured_markets(bench: Any) -> None:
    both = await bench.plugin(connect=False)
    main = await bench.plugin(connect=False, markets=("main",))
    assert both.capabilities.kinds(Operation.GET_TICKER) == (MarketKind.SPOT, MarketKind.LINEAR_SWAP)
    assert main.capabilities.kinds(Operation.GET_TICKER) == (MarketKind.SPOT,)
    assert not main.capabilities.support(Operation.GET_KLINES)
    assert main.capabilities.trades_stream


def test_floats_are_never_sent() -> None:
    with pytest.raises(TypeError, match="float"):
        encode_query({"amount": 0.1})
    with pytest.raises(TypeError, match="float"):
        encode_json({"orders": [{"amount": 0.1}]})


@pytest.mark.parametrize(
    ("default", "target", "moved"),
    [
        ("wss://stream.venue.invalid:9443/ws", "http://127.0.0.1:5", "ws://127.0.0.1:5/ws"),
        ("ws://stream.venue.invalid", "https://other.invalid/", "wss://other.invalid"),
        ("https://api.venue.invalid/api", "http://127.0.0.1:5/prefix/", "http://127.0.0.1:5/prefix/api"),
        ("http://api.venue.invalid", "wss://other.invalid", "https://other.invalid"),
    ],
)
def test_one_url_gives_every_other_its_host_and_whether_it_is_secure(default: str, target: str, moved: str) -> None:
    assert BaseUrls({"m": {"k": default}}, target).get("m", "k") == moved

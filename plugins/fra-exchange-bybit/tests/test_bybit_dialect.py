"""What frames of Bybit's sockets mean, and what we say there."""

import json

import pytest

from fra.adapters.custom import Ack, ClockSample, Notice, Refused, ServerClock
from fra.core import ExchangeConfig, Secret
from fra.exchanges.bybit.auth import BybitAuth, signature
from fra.exchanges.bybit.dialect import BybitDialect, is_pong

BOOK, TRADES = "orderbook.200.BTCUSDT", "publicTrade.BTCUSDT"


@pytest.mark.parametrize(
    "frame",
    [
        b'{"topic":"orderbook.200.BTCUSDT","type":"delta","data":{}}',
        b'{"topic":"orderbook.200.BTCUSDT","ts":1,"type":"delta","data":{}}',
        b'{"type":"delta","topic":"orderbook.200.BTCUSDT","data":{}}',
        b'{"data":{"topic":"x"},"topic":"orderbook.200.BTCUSDT"}',
        b'{ "topic" : "orderbook.200.BTCUSDT" , "data" : [] }',
    ],
)
def test_a_push_finds_its_topic_whatever_the_order_of_its_keys(frame: bytes) -> None:
    assert BybitDialect("linear").route(frame) == BOOK.encode()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"pong",
        b"\x00\xff",
        b'{"topic":',
        b"[]",
        b'{"success":true,"ret_msg":"","op":"subscribe"}',
        b'{"topic":"x"}',
    ],
)
def test_what_is_no_push_has_no_topic(frame: bytes) -> None:
    assert BybitDialect("linear").route(frame) is None


@pytest.mark.parametrize(
    "frame",
    [
        b'{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}',
        b'{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}',
        b'{"success":true,"ret_msg":"pong","conn_id":"c","request":{"req_id":"","op":"ping","args":null}}',
        b'{"op":"pong","args":["1675418560633"],"conn_id":"c"}',
        b'{"req_id":"1","op":"pong","args":["1675418560633"],"conn_id":"c"}',
        b'{"retCode":0,"retMsg":"OK","op":"pong","data":["1711002002529"],"connId":"c"}',
    ],
)
def test_every_shape_of_a_pong_is_one(frame: bytes) -> None:
    assert is_pong(frame)
    assert BybitDialect("linear").heartbeat.answer(frame) is True


@pytest.mark.parametrize("frame", [b"", b'{"op":"subscribe","success":true}', b'{"op":"ping","success":false}'])
def test_other_frames_are_no_pong(frame: bytes) -> None:
    assert not is_pong(frame)


def test_it_pings_each_twenty_seconds() -> None:
    heartbeat = BybitDialect("linear").heartbeat
    assert heartbeat.interval == 20
    assert json.loads(heartbeat.ping() or "") == {"op": "ping"}


def test_a_request_names_its_topics_and_itself() -> None:
    dialect = BybitDialect("linear")
    assert json.loads(dialect.subscribe([BOOK, TRADES], 7)) == {
        "req_id": "7",
        "op": "subscribe",
        "args": [BOOK, TRADES],
    }
    assert json.loads(dialect.unsubscribe([BOOK], 8))["op"] == "unsubscribe"


def test_an_acknowledgement_is_for_the_request_that_it_names() -> None:
    frame = b'{"success":true,"ret_msg":"","conn_id":"c","req_id":"7","op":"subscribe"}'
    assert BybitDialect("linear").control(frame) == Ack(7)


def test_acknowledgements_without_a_name_come_in_the_order_of_the_requests() -> None:
    dialect = BybitDialect("spot")
    dialect.subscribe([BOOK], 1)
    dialect.subscribe([TRADES], 2)
    frame = b'{"success":true,"ret_msg":"subscribe","conn_id":"c","op":"subscribe"}'
    assert [dialect.control(frame), dialect.control(frame)] == [Ack(1), Ack(2)]


def test_a_refusal_without_a_name_is_of_the_request_whose_topic_it_tells() -> None:
    dialect = BybitDialect("spot")
    dialect.subscribe([BOOK], 1)
    dialect.subscribe(["orderbook.50.NOSUCHSYM", TRADES], 2)
    message = "Invalid symbol :[orderbook.50.NOSUCHSYM]"
    frame = f'{{"success":false,"ret_msg":"{message}","conn_id":"c","op":"subscribe"}}'.encode()
    assert dialect.control(frame) == Refused("", message, request_id=2)


def test_that_a_topic_is_subscribed_already_is_no_refusal() -> None:
    frame = b'{"success":false,"ret_msg":"error:already subscribed,topic:x","req_id":"3","op":"subscribe"}'
    assert BybitDialect("linear").control(frame) == Ack(3)


@pytest.mark.parametrize("frame", [b'{"hello":1}', b"{}"])
def test_a_message_that_says_nothing_is_garbage(frame: bytes) -> None:
    assert BybitDialect("linear").control(frame) is None


def test_an_operation_that_is_new_to_us_is_no_garbage() -> None:
    assert isinstance(BybitDialect("linear").control(b'{"op":"else","success":true,"ret_msg":"hm"}'), Notice)


@pytest.mark.parametrize(("market", "most"), [("spot", 10), ("linear", 100), ("inverse", 100)])
def test_spot_takes_ten_topics_a_request(market: str, most: int) -> None:
    assert BybitDialect(market).batch == most


def test_the_topics_of_a_connection_fit_in_21000_characters() -> None:
    dialect = BybitDialect("linear")
    topics = [f"orderbook.1000.1000000BABYDOGE{number:06}USDT" for number in range(dialect.topics_per_connection)]
    assert len(json.dumps(topics, separators=(",", ":"))) < 21_000


# --- the private socket


def auth() -> BybitAuth:
    config = ExchangeConfig("mine", "bybit", api_key=Secret("the-key"), secret_key=Secret("the-secret"))

    async def never() -> ClockSample:
        raise AssertionError("the clock was not asked for")

    return BybitAuth(config, ServerClock(never, lambda: 1_700_000_000_000))


def test_a_private_connection_logs_in_first() -> None:
    sent = json.loads(BybitDialect("linear", auth()).login(1) or "")
    assert (sent["op"], sent["req_id"]) == ("auth", "1")
    key, expires, signed = sent["args"]
    assert (key, expires) == ("the-key", 1_700_000_010_000)
    assert signed == signature(b"the-secret", "GET/realtime1700000010000")
    assert BybitDialect("linear").login(1) is None


@pytest.mark.parametrize(
    "frame",
    [
        b'{"success":true,"ret_msg":"","op":"auth","conn_id":"c"}',
        b'{"success":true,"ret_msg":"","op":"auth","conn_id":"c","req_id":"1"}',
        b'{"retCode":0,"retMsg":"OK","op":"auth","connId":"c"}',
    ],
)
def test_a_login_is_acknowledged_in_several_shapes(frame: bytes) -> None:
    dialect = BybitDialect("linear", auth())
    dialect.login(1)
    assert dialect.control(frame) == Ack(1)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b'{"success":false,"ret_msg":"Params Error","op":"auth","conn_id":"c"}', ""),
        (b'{"op":"auth","success":false,"retCode":10003,"retMsg":"Invalid apikey","connId":"c"}', "10003"),
        (b'{"retCode":10004,"retMsg":"Invalid sign","op":"auth","connId":"c"}', "10004"),
    ],
)
def test_a_refused_login_says_so(frame: bytes, code: str) -> None:
    dialect = BybitDialect("linear", auth())
    dialect.login(1)
    found = dialect.control(frame)
    assert isinstance(found, Refused)
    assert (found.code, found.request_id) == (code, 1)
    assert found.message.startswith("failed to authenticate: ")

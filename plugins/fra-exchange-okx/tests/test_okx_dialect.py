"""What frames of OKX's sockets mean, and what we say there."""

import json

import pytest

from fra.adapters.custom import Ack, Notice, Refused
from fra.exchanges.okx.dialect import OKXDialect, topic

BOOK = topic("books", "BTC-USDT-SWAP")


@pytest.mark.parametrize(
    "frame",
    [
        b'{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":[{}]}',
        b'{"arg":{"instId":"BTC-USDT-SWAP","channel":"books"},"action":"update","data":[{}]}',
        b'{"arg":{"channel":"books","extra":"1","instId":"BTC-USDT-SWAP"},"data":[{}]}',
        b'{"arg":{"channel":"books","instId":"BTC-USDT-SWAP","extra":"1"},"data":[{}]}',
        b'{"action":"update","data":[{}],"arg":{"channel":"books","instId":"BTC-USDT-SWAP"}}',
        b'{ "arg": { "channel": "books", "instId": "BTC-USDT-SWAP" }, "data": [{}] }',
    ],
)
def test_a_push_finds_its_topic_whatever_the_order_of_its_keys(frame: bytes) -> None:
    assert OKXDialect().route(frame) == BOOK.encode()


@pytest.mark.parametrize(
    "frame",
    [
        b"pong",
        b"",
        b"\x00\xff",
        b'{"arg":',
        b'{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"}',
        b'{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"event":"subscribe","connId":"a"}',
        b'{"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"connId":"a"}',
        b'{"id":"1","event":"error","code":"60018","msg":"no","connId":"a"}',
        b'{"event":"notice","code":"64008","msg":"soon","connId":"a"}',
    ],
)
def test_what_is_no_push_has_no_topic(frame: bytes) -> None:
    assert OKXDialect().route(frame) is None


def test_an_acknowledgement_is_for_one_argument() -> None:
    frame = b'{"id":"3","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"connId":"a"}'
    assert OKXDialect().control(frame) == Ack(topics=(BOOK,))


def test_an_error_is_for_the_request_whose_id_it_carries() -> None:
    frame = b'{"id":"7","event":"error","code":"60012","msg":"Invalid request","connId":"a"}'
    assert OKXDialect().control(frame) == Refused("60012", "Invalid request", request_id=7)


@pytest.mark.parametrize(("code", "rotate"), [("64008", True), ("64000", False)])
def test_only_an_announced_upgrade_moves_the_connection(code: str, rotate: bool) -> None:
    frame = f'{{"event":"notice","code":"{code}","msg":"note","connId":"a"}}'.encode()
    assert OKXDialect().control(frame) == Notice("note", rotate=rotate)


def test_too_many_private_connections_is_a_refusal() -> None:
    frame = b'{"event":"channel-conn-count-error","channel":"orders","connCount":"31","connId":"a"}'
    assert isinstance(OKXDialect().control(frame), Refused)


def test_an_event_that_is_new_to_us_is_no_garbage() -> None:
    assert OKXDialect().control(b'{"event":"channel-conn-count","channel":"orders","connCount":"2"}') == Notice(
        "channel-conn-count"
    )


def test_a_message_without_an_event_is_garbage() -> None:
    assert OKXDialect().control(b'{"hello":1}') is None


def test_a_request_is_json_with_all_topics_and_fits_in_64_kb() -> None:
    dialect = OKXDialect()
    topics = [topic("books", f"ASSET{number:05}-USDT-SWAP") for number in range(dialect.batch)]
    text = dialect.subscribe(topics, 12)
    sent = json.loads(text)
    assert (sent["id"], sent["op"]) == ("12", "subscribe")
    assert sent["args"] == [json.loads(one) for one in topics]
    assert len(text.encode()) < 65_536
    assert json.loads(dialect.unsubscribe(topics[:1], 13))["op"] == "unsubscribe"


def test_it_pings_within_thirty_seconds_of_silence() -> None:
    heartbeat = OKXDialect().heartbeat
    assert heartbeat.interval is not None
    assert heartbeat.interval < 30
    assert heartbeat.ping() == "ping"
    assert heartbeat.answer(b"pong") is True

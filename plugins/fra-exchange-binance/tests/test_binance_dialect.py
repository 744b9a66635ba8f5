"""Binance's WebSocket frames: which topic they belong to, and what the others mean."""

from __future__ import annotations

import json

import pytest

from fra.adapters.custom import Ack, Control, Notice, Refused
from fra.exchanges.binance.dialect import BinanceDialect


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"}}', b"btcusdt@depth@100ms"),
        (b'{"data":{"e":"aggTrade"},"stream":"btcusdt@aggTrade"}', b"btcusdt@aggTrade"),
        (b'{ "stream" : "btcusdt@kline_1m", "data":{}}', b"btcusdt@kline_1m"),
        (b'{"result":null,"id":1}', None),
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', None),
        (b'{"e":"serverShutdown","E":1}', None),
    ],
)
def test_a_frame_belongs_to_its_stream_whatever_the_order_of_keys(frame: bytes, topic: bytes | None) -> None:
    assert BinanceDialect("spot").route(frame) == topic


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        (b'{"result":null,"id":7}', Ack(7)),
        (b'{"id":7,"result":null}', Ack(7)),
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":7}', Refused("2", "Invalid request", 7)),
        (b'{"code":2,"msg":"Invalid request","id":7}', Refused("2", "Invalid request", 7)),
        (b'{"code":3,"msg":"Invalid JSON"}', Refused("3", "Invalid JSON")),
        (b'{"stream":"!serverShutdown","data":{}}', Notice("the server is about to shut down", rotate=True)),
        (b'{"what":"ever"}', None),
    ],
)
def test_a_frame_that_is_no_data_means_something_or_is_garbage(frame: bytes, meaning: Control | None) -> None:
    assert BinanceDialect("usdm").control(frame) == meaning


def test_a_subscription_names_its_streams_and_carries_an_id() -> None:
    dialect = BinanceDialect("spot")
    for text, method in (
        (dialect.subscribe(["a@trade", "b@trade"], 3), "SUBSCRIBE"),
        (dialect.unsubscribe(["a@trade", "b@trade"], 3), "UNSUBSCRIBE"),
    ):
        assert json.loads(text) == {"method": method, "params": ["a@trade", "b@trade"], "id": 3}


@pytest.mark.parametrize(("market", "messages"), [("spot", 4), ("usdm", 9)])
def test_one_message_a_second_is_left_for_the_pong(market: str, messages: int) -> None:
    (limit,) = BinanceDialect(market).message_limits
    assert (limit.capacity, limit.interval) == (messages, 1.0)

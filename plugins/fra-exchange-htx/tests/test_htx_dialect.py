"""Pings, topics, acknowledgements and refusals of HTX's three kinds of connection."""

from __future__ import annotations

import json

import pytest

from fra.adapters.custom import Ack, Dialect, Notice, Refused
from fra.exchanges.htx.dialect import MarketDialect, NotificationDialect, SpotAccountDialect, book_request

MARKET, NOTICES, SPOT = MarketDialect(), NotificationDialect(), SpotAccountDialect(dict)


@pytest.mark.parametrize(
    ("dialect", "ping", "pong"),
    [
        (MARKET, '{"ping":1492420473027}', {"pong": 1492420473027}),
        (NOTICES, '{"op":"ping","ts":"1492420473058"}', {"op": "pong", "ts": "1492420473058"}),
        (SPOT, '{"action":"ping","data":{"ts":1575537778295}}', {"action": "pong", "data": {"ts": 1575537778295}}),
    ],
)
def test_a_ping_is_answered_with_the_same(dialect: Dialect, ping: str, pong: object) -> None:
    assert dialect.route(ping.encode()) is None
    answer = dialect.heartbeat.answer(ping.encode())
    assert isinstance(answer, str)
    assert json.loads(answer) == pong


@pytest.mark.parametrize(
    ("dialect", "frame", "topic"),
    [
        (MARKET, '{"ch":"market.btcusdt.bbo","ts":1,"tick":{}}', "market.btcusdt.bbo"),
        (MARKET, '{"ts":1,"tick":{},"ch":"market.btcusdt.bbo"}', "market.btcusdt.bbo"),
        (MARKET, '{"id":"req:m","rep":"market.btcusdt.mbp.150","status":"ok","data":{}}', "market.btcusdt.mbp.150"),
        (
            MARKET,
            '{"status":"error","id":"req:market.btcusdt.mbp.150","err-code":"bad-request","err-msg":"429"}',
            "market.btcusdt.mbp.150",
        ),
        (NOTICES, '{"op":"notify","topic":"public.BTC-USDT.funding_rate","data":[]}', "public.BTC-USDT.funding_rate"),
        (NOTICES, '{"op":"notify","topic":"orders_cross.btc-usdt"}', "orders_cross.*"),
        (NOTICES, '{"op":"notify","topic":"positions_cross"}', "positions_cross.*"),
        (NOTICES, '{"op":"notify","topic":"accounts.BTC-USDT"}', "accounts.*"),
        (SPOT, '{"action":"push","ch":"orders#btcusdt","data":{}}', "orders#*"),
        (SPOT, '{"action":"push","ch":"trade.clearing#btcusdt#0","data":{}}', "trade.clearing#*#0"),
        (SPOT, '{"ch":"trade.clearing#*#0","data":{}}', "trade.clearing#*#0"),
        (SPOT, '{"action":"push","ch":"accounts.update#2","data":{}}', "accounts.update#2"),
    ],
)
def test_a_push_finds_what_was_subscribed(dialect: Dialect, frame: str, topic: str) -> None:
    assert dialect.route(frame.encode()) == topic.encode()


@pytest.mark.parametrize(
    ("dialect", "frame", "control"),
    [
        (MARKET, '{"id":"3","status":"ok","subbed":"market.a.bbo","ts":1}', Ack(3, ("market.a.bbo",))),
        (MARKET, '{"id":"3","status":"ok","unsubbed":"market.a.bbo","ts":1}', Ack(3, ("market.a.bbo",))),
        (
            MARKET,
            '{"status":"error","id":"3","err-code":"bad-request","err-msg":"invalid topic market.a"}',
            Refused("bad-request", "invalid topic market.a", request_id=3),
        ),
        (NOTICES, '{"op":"sub","cid":"3","topic":"orders.*","ts":1,"err-code":0}', Ack(3, ("orders.*",))),
        (
            NOTICES,
            '{"op":"sub","cid":"3","topic":"orders.*","err-code":2002,"err-msg":"Authentication required."}',
            Refused("2002", "Authentication required.", request_id=3, topics=("orders.*",)),
        ),
        (NOTICES, '{"op":"close","ts":1}', Notice("the venue closes the connection", rotate=True)),
        (SPOT, '{"action":"sub","code":200,"ch":"orders#*","data":{}}', Ack(topics=("orders#*",))),
        (
            SPOT,
            '{"action":"sub","code":2002,"ch":"orders#*","message":"invalid.auth.state"}',
            Refused("2002", "invalid.auth.state", topics=("orders#*",)),
        ),
        (MARKET, '{"hello":"world"}', None),
        (NOTICES, '{"hello":"world"}', None),
        (SPOT, '{"hello":"world"}', None),
    ],
)
def test_answers(dialect: Dialect, frame: str, control: object) -> None:
    assert dialect.route(frame.encode()) is None
    assert dialect.control(frame.encode()) == control


@pytest.mark.parametrize(
    ("dialect", "good", "bad"),
    [
        (NotificationDialect(dict), '{"op":"auth","type":"api","err-code":0}', '{"op":"auth","err-code":2003}'),
        (
            SpotAccountDialect(dict),
            '{"action":"req","code":200,"ch":"auth","data":{}}',
            '{"action":"req","code":2002,"ch":"auth","message":"auth.fail"}',
        ),
    ],
)
def test_a_login_is_answered_without_an_id(dialect: Dialect, good: str, bad: str) -> None:
    assert dialect.login(5) is not None
    assert dialect.control(good.encode()) == Ack(5)
    refused = dialect.control(bad.encode())
    assert isinstance(refused, Refused)
    assert (refused.request_id, refused.topics) == (5, ())


def test_public_notifications_need_no_login() -> None:
    assert NOTICES.login(1) is None


def test_what_is_sent() -> None:
    assert json.loads(MARKET.subscribe(["market.btcusdt.bbo"], 4)) == {"sub": "market.btcusdt.bbo", "id": "4"}
    book = "market.BTC-USDT.depth.size_150.high_freq"
    assert json.loads(MARKET.subscribe([book], 4)) == {"sub": book, "data_type": "incremental", "id": "4"}
    assert json.loads(MARKET.unsubscribe([book], 5)) == {"unsub": book, "id": "5"}
    mbp = "market.btcusdt.mbp.150"
    assert json.loads(book_request(mbp)) == {"req": mbp, "id": f"req:{mbp}"}
    assert json.loads(NOTICES.subscribe(["orders.*"], 4)) == {"op": "sub", "cid": "4", "topic": "orders.*"}
    assert json.loads(SPOT.unsubscribe(["orders#*"], 4)) == {"action": "unsub", "ch": "orders#*"}

"""Streams over a real socket: subscribing, losing, coming back, moving on."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from typing import Any, ClassVar

import attrs
import pytest

from fra.adapters.custom import ControlPing, Heartbeat, Peek, ServerPing, TextPing, publishing
from fra.core import (
    ConnectionStatus,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeRateLimitError,
    RateLimit,
    StreamStatus,
    SymbolNotFound,
)


@pytest.fixture(params=["aiohttp", "picows"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(name)
    return name


async def test_a_source_is_returned_at_once_and_goes_live_with_its_first_message(bench: Any) -> None:
    plugin = await bench.plugin()
    source = plugin.ticks("BTC")
    sink = bench.sink(source)
    assert source.status is StreamStatus.STARTING
    await bench.ready("ticks.BTC", sink, n=7)
    assert sink.log == [StreamStatus.LIVE, 7]


async def test_many_topics_go_out_in_the_batches_of_the_venue_and_over_as_many_connections_as_needed(
    bench: Any,
) -> None:
    plugin = await bench.plugin()
    for number in range(7):
        plugin.ticks(f"C{number}")
    await bench.until(lambda: sum(len(socket.topics) for socket in bench.venue.sockets) == 7)
    sizes = [[len(request["topics"]) for request in socket.requests] for socket in bench.venue.sockets]
    assert sorted(sizes) == [[2], [3, 2]]


async def test_after_a_cut_every_topic_is_subscribed_again_and_sources_recover(bench: Any) -> None:
    plugin = await bench.plugin()
    sinks = [bench.sink(plugin.ticks(name)) for name in ("A", "B")]
    socket = await bench.ready("ticks.A", sinks[0])
    await bench.ready("ticks.B", sinks[1])
    await socket.cut()
    await bench.until(lambda: socket.closed and bench.venue.subscribed("ticks.B"))
    for sink, topic in zip(sinks, ("ticks.A", "ticks.B"), strict=True):
        await bench.ready(topic, sink, n=2)
        assert sink.log == [StreamStatus.LIVE, 1, StreamStatus.RECOVERING, StreamStatus.LIVE, 2]


async def test_connection_status_says_when_a_stream_is_lost_and_back(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    await socket.cut()
    await bench.until(lambda: socket.closed and bench.venue.subscribed("ticks.A"))
    await bench.ready("ticks.A", sink, n=2)
    assert plugin.context.statuses == [
        ConnectionStatus.CONNECTING,
        ConnectionStatus.CONNECTED,
        ConnectionStatus.RECONNECTING,
        ConnectionStatus.CONNECTED,
    ]


async def test_a_lossless_stream_tells_its_gap_before_new_data(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.trades("A"))
    socket = await bench.ready("trades.A", sink, n=10)
    await socket.cut()
    await bench.until(lambda: socket.closed and bench.venue.subscribed("trades.A"))
    await bench.ready("trades.A", sink, n=20)
    gap = sink.gaps[0]
    assert (gap.start, gap.end) == (10, 20)
    assert sink.log.index(gap) < sink.log.index(20)


async def test_no_gap_is_told_where_the_numbers_show_that_nothing_is_missing(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.trades("A"))
    socket = await bench.ready("trades.A", sink, n=10)
    await socket.cut()
    await bench.until(lambda: socket.closed and bench.venue.subscribed("trades.A"))
    await bench.ready("trades.A", sink, n=11)
    assert sink.gaps == []


async def test_the_last_message_once_more_after_a_loss_is_not_told_again(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.trades("A"))
    socket = await bench.ready("trades.A", sink, n=10)
    await socket.cut()
    await bench.until(lambda: socket.closed and bench.venue.subscribed("trades.A"))
    await bench.venue.subscribed("trades.A")[0].push("trades.A", n=10)
    await bench.ready("trades.A", sink, n=12)
    assert sink.items == [10, 12]
    assert [(gap.start, gap.end) for gap in sink.gaps] == [(10, 12)]


async def test_a_message_of_a_lossless_stream_that_comes_twice_is_told_once(bench: Any) -> None:
    plugin = await bench.plugin()
    sinks = [bench.sink(plugin.trades("A"))]
    socket = await bench.ready("trades.A", sinks[0], n=1)
    for n in (2, 2, 3):
        await socket.push("trades.A", n=n)
    await bench.until(lambda: 3 in sinks[0].items)
    sinks.append(bench.sink(plugin.trades("A")))
    await bench.ready("trades.A", sinks[1], n=4)
    for n in (4, 5):
        await socket.push("trades.A", n=n)
    await bench.until(lambda: 5 in sinks[1].items)
    assert [sink.items for sink in sinks] == [[1, 2, 3, 4, 5], [4, 5]]


async def test_a_refused_topic_fails_alone(bench: Any) -> None:
    bench.venue.refuse = {"ticks.BAD"}
    plugin = await bench.plugin()
    good, bad = bench.sink(plugin.ticks("GOOD")), bench.sink(plugin.ticks("BAD"))
    await bench.until(lambda: bad.source.status is StreamStatus.FAILED)
    await bench.ready("ticks.GOOD", good)
    assert isinstance(bad.source.error, SymbolNotFound)
    assert (bad.source.error.code, bad.source.error.exchange) == ("bad-topic", "mine")


async def test_closing_a_source_unsubscribes_and_the_last_one_closes_the_connection(bench: Any) -> None:
    plugin = await bench.plugin()
    first, second = plugin.ticks("A"), plugin.ticks("B")
    await bench.until(lambda: bench.venue.subscribed("ticks.A") and bench.venue.subscribed("ticks.B"))
    await first.close()
    await bench.until(lambda: not bench.venue.subscribed("ticks.A"))
    assert bench.venue.subscribed("ticks.B")
    await second.close()
    await bench.until(lambda: not bench.venue.open_sockets)


async def test_two_streams_of_one_topic_share_its_subscription(bench: Any) -> None:
    plugin = await bench.plugin()
    first = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", first)
    second = bench.sink(plugin.ticks("A"))
    await socket.push("ticks.A", n=2)
    await bench.until(lambda: second.items and 2 in first.items)
    await first.source.close()
    await socket.push("ticks.A", n=3)
    await bench.until(lambda: 3 in second.items)
    assert [len(request["topics"]) for request in socket.requests] == [1]
    assert first.items == [1, 2]


async def test_a_topic_that_is_closed_and_opened_again_gets_a_fresh_subscription(bench: Any) -> None:
    plugin = await bench.plugin()
    keep, first = bench.sink(plugin.ticks("KEEP")), bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", first)
    await first.source.close()
    second = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: [request["op"] for request in socket.requests][-2:] == ["unsubscribe", "subscribe"])
    await bench.ready("ticks.A", second, n=2)
    assert keep.statuses == []


async def test_data_before_the_acknowledgement_is_not_lost(bench: Any) -> None:
    bench.venue.ack = False
    plugin = await bench.plugin()
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: bench.venue.sockets and bench.venue.sockets[0].requests)
    await bench.venue.sockets[0].push("ticks.A", n=1)
    await bench.until(lambda: sink.items == [1])


@pytest.mark.alone
async def test_a_server_that_accepts_and_is_silent_is_left_within_twice_the_staleness(bench: Any) -> None:
    bench.venue.ack = False
    plugin = await bench.plugin(options={"staleness": 0.3})
    started = asyncio.get_running_loop().time()
    plugin.ticks("A")
    await bench.until(lambda: len(bench.venue.sockets) == 2, within=2)
    assert asyncio.get_running_loop().time() - started < 0.6 + 0.25


async def test_a_stream_that_falls_silent_is_stale_then_subscribed_anew_then_reconnected(bench: Any) -> None:
    plugin = await bench.plugin(options={"staleness": 0.4})
    quiet, busy = bench.sink(plugin.ticks("QUIET")), bench.sink(plugin.trades("BUSY"))
    socket = await bench.ready("ticks.QUIET", quiet)

    async def chatter() -> None:
        for n in range(1000):
            await socket.push("trades.BUSY", n=n)
            await asyncio.sleep(0.02)

    talking = asyncio.create_task(chatter())
    await bench.until(lambda: StreamStatus.STALE in quiet.statuses)
    await bench.until(lambda: [request["op"] for request in socket.requests][-1] == "subscribe")
    await bench.until(lambda: len(bench.venue.sockets) == 2)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    assert [request["op"] for request in socket.requests][-2:] == ["unsubscribe", "subscribe"]
    assert busy.items


async def test_a_stale_stream_that_has_data_again_is_live(bench: Any) -> None:
    plugin = await bench.plugin(options={"staleness": 0.4})
    quiet, busy = bench.sink(plugin.ticks("QUIET")), bench.sink(plugin.trades("BUSY"))
    socket = await bench.ready("ticks.QUIET", quiet)
    await bench.ready("trades.BUSY", busy)

    async def on_subscribe(socket: Any, topic: str) -> None:
        await socket.push(topic, n=2)

    bench.venue.on_subscribe = on_subscribe
    for n in range(2, 60):
        await socket.push("trades.BUSY", n=n)
        await asyncio.sleep(0.02)
        if 2 in quiet.items:
            break
    assert quiet.source.status is StreamStatus.LIVE
    assert StreamStatus.STALE in quiet.statuses
    assert len(bench.venue.sockets) == 1


@pytest.mark.parametrize(
    "frame",
    [b"garbage", b'{"topic": "ticks.A", "data": {"n": "one"}}', b'{"topic": "ticks.A", "data": []}', b"\xff\xfe{"],
    ids=["no-json", "wrong-type", "wrong-shape", "no-utf8"],
)
async def test_a_frame_that_is_not_as_documented_is_reported_and_the_connection_replaced(
    bench: Any, frame: bytes
) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    await socket.ws.send_bytes(frame)
    await bench.until(lambda: socket.closed and bench.venue.subscribed("ticks.A"))
    await bench.ready("ticks.A", sink, n=2)
    error = plugin.context.errors[0]
    assert isinstance(error, ExchangeAPIError)
    assert error.code == "malformed"
    assert sink.items == [1, 2]


async def test_a_handler_that_fails_is_reported_and_hurts_no_other_connection(bench: Any) -> None:
    plugin = await bench.plugin()

    class Failing:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def on_message(self, message: Any, received_ms: int) -> None:
            raise KeyError("price")

        def on_subscribed(self) -> None: ...
        def on_lost(self, error: Any) -> None: ...

    channel = next(row for row in plugin.channels if row.path == "/public")
    source = plugin.streams.open(channel, (await plugin.get_symbols())[0], Failing)
    await bench.until(lambda: bench.venue.subscribed("ticks.BTC"))
    await bench.venue.sockets[0].push("ticks.BTC", n=1)
    await bench.until(lambda: source.status is StreamStatus.RECOVERING)
    assert "KeyError" in plugin.context.errors[0].message


async def test_a_handler_hears_of_every_fresh_subscription_and_of_every_loss(bench: Any) -> None:
    plugin = await bench.plugin()
    calls: list[str] = []

    class Listening:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def on_message(self, message: Any, received_ms: int) -> None:
            calls.append("message")
            if message.data.n == 2:
                self.stream.resubscribe(ExchangeConnectionError("lost my place"))
            bench.changes.note()

        def on_subscribed(self) -> None:
            calls.append("subscribed")
            bench.changes.note()

        def on_lost(self, error: Any) -> None:
            calls.append(f"lost: {error.message}")
            bench.changes.note()

    channel = next(row for row in plugin.channels if row.path == "/public")
    plugin.streams.open(channel, (await plugin.get_symbols())[0], Listening)
    await bench.until(lambda: calls == ["subscribed"])
    socket = bench.venue.sockets[0]
    await socket.push("ticks.BTC", n=2)
    await bench.until(lambda: calls == ["subscribed", "message", "lost: lost my place", "subscribed"])
    await socket.cut()
    await bench.until(lambda: len(calls) == 6)
    assert calls[4].startswith("lost: ")
    assert calls[5] == "subscribed"


async def test_a_notice_moves_to_a_new_connection_before_the_old_one_goes(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.trades("A"))
    old = await bench.ready("trades.A", sink, n=1)
    await old.ws.send_str('{"notice": "maintenance"}')
    await bench.until(lambda: len(bench.venue.subscribed("trades.A")) == 2)
    new = bench.venue.sockets[1]
    await new.push("trades.A", n=3)
    await old.push("trades.A", n=2)
    await old.push("trades.A", n=3)
    await new.push("trades.A", n=4)
    await bench.until(lambda: old.closed and 4 in sink.items)
    assert sink.log == [StreamStatus.LIVE, 1, 2, 3, 4]
    assert ConnectionStatus.RECONNECTING not in plugin.context.statuses


async def test_a_rotation_without_numbers_takes_over_at_the_first_message(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.ticks("A"))
    old = await bench.ready("ticks.A", sink, n=1)
    await old.ws.send_str('{"notice": "maintenance"}')
    await bench.until(lambda: len(bench.venue.subscribed("ticks.A")) == 2)
    await old.push("ticks.A", n=2)
    await bench.until(lambda: 2 in sink.items)
    await bench.venue.sockets[1].push("ticks.A", n=3)
    await bench.until(lambda: old.closed and 3 in sink.items)
    assert sink.log == [StreamStatus.LIVE, 1, 2, 3]


async def test_a_connection_is_replaced_before_the_venue_ends_it(bench: Any, toy_dialect: Any) -> None:
    class ShortLived(toy_dialect):
        lifetime = 1.0

    plugin = await bench.plugin(dialect=ShortLived)
    sink = bench.sink(plugin.ticks("A"))
    old = await bench.ready("ticks.A", sink, n=1)
    await bench.until(lambda: len(bench.venue.subscribed("ticks.A")) == 2)
    assert not old.closed
    assert bench.venue.sockets[1].opened - old.opened < 1.0


async def test_a_cut_in_the_middle_of_a_rotation_heals(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.trades("A"))
    old = await bench.ready("trades.A", sink, n=1)
    await old.ws.send_str('{"notice": "maintenance"}')
    await bench.until(lambda: len(bench.venue.subscribed("trades.A")) == 2)
    await old.cut()
    await bench.venue.sockets[1].cut()
    await bench.until(lambda: len(bench.venue.sockets) == 3 and bench.venue.subscribed("trades.A"))
    await bench.ready("trades.A", sink, n=9)
    assert [(gap.start, gap.end) for gap in sink.gaps] == [(1, 9)]


async def test_the_client_pings_a_silent_connection_and_leaves_it_without_an_answer(
    bench: Any, toy_dialect: Any
) -> None:
    class Pinging(toy_dialect):
        heartbeat = TextPing(interval=0.2, timeout=0.2)

    plugin = await bench.plugin(dialect=Pinging)
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    await bench.until(lambda: "ping" in socket.texts)
    await socket.ws.send_str("pong")
    await bench.until(lambda: socket.texts.count("ping") == 2)
    assert len(bench.venue.sockets) == 1
    await bench.until(lambda: len(bench.venue.sockets) == 2)


async def test_a_connection_that_may_be_quiet_is_proven_by_pongs_and_left_without_one(
    bench: Any, toy_dialect: Any
) -> None:
    class Quiet(toy_dialect):
        heartbeat = ControlPing(interval=0.2, timeout=0.2)
        silence = 60.0

    plugin = await bench.plugin(dialect=Quiet)
    sink = bench.sink(plugin.trades("A"))
    socket = await bench.ready("trades.A", sink)
    await bench.until(lambda: socket.pings == 3)
    assert (len(bench.venue.sockets), sink.source.status) == (1, StreamStatus.LIVE)
    bench.venue.pongs = False
    await bench.until(lambda: sink.source.status is StreamStatus.RECOVERING)
    assert "not answered" in str(sink.source.error)
    await bench.until(lambda: len(bench.venue.sockets) == 2)


@pytest.mark.parametrize("heartbeat", [Heartbeat(), TextPing(interval=20.0)])
async def test_a_connection_may_be_silent_for_as_long_as_the_options_say(
    bench: Any, toy_dialect: Any, heartbeat: Heartbeat
) -> None:
    kind = type("Habit", (toy_dialect,), {"heartbeat": heartbeat})
    plugin = await bench.plugin(dialect=kind, options={"silence": 0.4})
    sink = bench.sink(plugin.trades("A"))
    socket = await bench.ready("trades.A", sink, n=1)
    await bench.until(lambda: len(bench.venue.sockets) == 2)
    assert socket.texts.count("ping") == (heartbeat.interval is not None)


async def test_a_venue_that_wants_regular_pings_gets_them_while_data_come(bench: Any, toy_dialect: Any) -> None:
    class Pinging(toy_dialect):
        heartbeat = TextPing(interval=0.2, timeout=0.2, regular=True)

    plugin = await bench.plugin(dialect=Pinging)
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    async with asyncio.timeout(10):
        while socket.texts.count("ping") < 3:
            told = len(sink.items)
            await socket.push("ticks.A", n=told)
            await bench.until(lambda told=told: len(sink.items) > told)
    assert len(bench.venue.sockets) == 1
    # Data are no answer that is owed, but without anything the connection is left.
    await bench.until(lambda: len(bench.venue.sockets) == 2)


async def test_data_that_nobody_asked_for_is_reported_once(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    await socket.push("ticks.STRANGE", n=1)
    await socket.push("ticks.STRANGE", n=2)
    await socket.push("ticks.A", n=2)
    await bench.until(lambda: 2 in sink.items)
    assert [error.code for error in plugin.context.errors] == ["unexpected"]


async def test_disconnect_leaves_no_task_and_no_socket(bench: Any) -> None:
    before = asyncio.all_tasks()
    plugin = await bench.plugin()
    sink = bench.sink(plugin.ticks("A"))
    await bench.ready("ticks.A", sink)
    await plugin.disconnect()
    await plugin.disconnect()
    await bench.until(lambda: not bench.venue.open_sockets)
    left = [task for task in asyncio.all_tasks() - before if "mine" in task.get_name()]
    assert left == []


async def test_a_burst_leaves_other_tasks_their_turn(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(len(sink.items))
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    frames = [f'{{"topic": "ticks.A", "data": {{"n": {n}}}}}'.encode() for n in range(1000, 4000)]
    socket.ws._req.transport.write(b"".join(bytes((0x81, len(frame))) + frame for frame in frames))
    await bench.until(lambda: len(sink.items) == 3001)
    task.cancel()
    steps = [after - before for before, after in itertools.pairwise(turns)]
    assert max(steps) <= 256


async def test_a_venue_that_packs_frames_and_pings_in_json_is_understood(bench: Any, toy_dialect: Any) -> None:
    class Packed(toy_dialect):
        gzip = True
        heartbeat = ServerPing(
            reply=lambda frame: frame.decode().replace("ping", "pong") if frame.startswith(b'{"ping"') else None
        )

    bench.venue.ack = False
    plugin = await bench.plugin(dialect=Packed)
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: bench.venue.sockets and bench.venue.sockets[0].requests)
    socket = bench.venue.sockets[0]
    await socket.ws.send_bytes(gzip.compress(b'{"ping": 17}'))
    await bench.until(lambda: '{"pong": 17}' in socket.texts)
    await socket.ws.send_bytes(gzip.compress(b'{"topic": "ticks.A", "data": {"n": 5}}'))
    await bench.until(lambda: sink.items == [5])


async def test_a_compressed_bomb_ends_the_connection_and_not_the_process(bench: Any, toy_dialect: Any) -> None:
    class Packed(toy_dialect):
        gzip = True

    bench.venue.ack = False
    plugin = await bench.plugin(dialect=Packed)
    plugin.ticks("A")
    await bench.until(lambda: bench.venue.sockets and bench.venue.sockets[0].requests)
    await bench.venue.sockets[0].ws.send_bytes(gzip.compress(bytes(20_000_000)))
    await bench.until(lambda: len(bench.venue.sockets) > 1)
    assert "larger than" in plugin.context.errors[0].message


async def test_a_refused_connection_waits_as_long_as_the_venue_says_and_then_succeeds(
    bench: Any, toy_dialect: Any
) -> None:
    class Costly(toy_dialect):
        connect_cost: ClassVar = {"weight": 1}

    plugin = await bench.plugin(dialect=Costly)
    bench.venue.handshake_status = 429
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: plugin.context.errors)
    bench.venue.handshake_status = 0
    await bench.ready("ticks.A", sink)
    assert plugin.context.blocks == [("weight", 1.0)]
    assert isinstance(plugin.context.errors[0], ExchangeRateLimitError)


async def test_messages_are_sent_no_faster_than_the_venue_allows(bench: Any, toy_dialect: Any) -> None:
    class Slow(toy_dialect):
        message_limits = (RateLimit("messages", 1, 0.3),)
        batch = 1

    plugin = await bench.plugin(dialect=Slow)
    started = asyncio.get_running_loop().time()
    for name in "ABC":
        plugin.ticks(name)
    await bench.until(lambda: bench.venue.sockets and len(bench.venue.sockets[0].topics) == 3)
    assert asyncio.get_running_loop().time() - started > 0.6


async def test_opening_a_stream_of_an_adapter_that_is_not_connected_raises(bench: Any) -> None:
    plugin = await bench.plugin(connect=False)
    with pytest.raises(ExchangeConnectionError, match="not connected"):
        plugin.ticks("A")


async def test_a_stream_outlives_the_timeout_of_a_request(bench: Any) -> None:
    plugin = await bench.plugin(timeout=0.3)
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    await asyncio.sleep(0.7)
    await socket.push("ticks.A", n=2)
    await bench.until(lambda: 2 in sink.items)
    assert len(bench.venue.sockets) == 1


async def test_an_adapter_that_was_disconnected_can_be_connected_again(bench: Any) -> None:
    plugin = await bench.plugin()
    await plugin.disconnect()
    with pytest.raises(ExchangeConnectionError, match="disconnected"):
        await plugin.health_check()
    await plugin.connect()
    await bench.ready("ticks.A", bench.sink(plugin.ticks("A")))


async def test_a_topic_opened_again_after_it_was_refused_is_not_hurt_by_closing_the_refused_one(bench: Any) -> None:
    plugin = await bench.plugin()
    plugin.ticks("KEEP")
    bench.venue.refuse = {"ticks.A"}
    refused = plugin.ticks("A")
    bench.sink(refused)
    await bench.until(lambda: refused.status is StreamStatus.FAILED)
    bench.venue.refuse = set()
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    await refused.close()
    await socket.push("ticks.A", n=2)
    await bench.until(lambda: 2 in sink.items)


async def test_a_channel_with_its_state_at_the_start_is_subscribed_anew_for_one_more_consumer(bench: Any) -> None:
    plugin = await bench.plugin()
    row = attrs.evolve(plugin.channels[0], snapshot_first=True)
    symbol = (await plugin.get_symbols())[0]
    convert = publishing(lambda push, received_ms: push.data.n)

    async def snapshot(socket: Any, topic: str) -> None:
        await socket.push(topic, n=100)

    bench.venue.on_subscribe = snapshot
    first = bench.sink(plugin.streams.open(row, symbol, convert))
    await bench.until(lambda: first.items == [100])
    second = bench.sink(plugin.streams.open(row, symbol, convert))
    await bench.until(lambda: second.items == [100] and first.items == [100, 100])
    assert first.statuses == [StreamStatus.LIVE, StreamStatus.RECOVERING, StreamStatus.LIVE]


@pytest.mark.parametrize("keep_end", [False, True])
async def test_a_dialect_that_peeks_still_understands_frames_that_begin_otherwise(
    bench: Any, toy_dialect: Any, keep_end: bool
) -> None:
    class Peeking(toy_dialect):
        peek = Peek(b'{"topic": "', b"C", keep_end=True) if keep_end else Peek(b'{"topic": "', b'",')

        def route(self, frame: bytes) -> bytes | None:
            if b'"data"' in frame:
                return json.loads(frame)["topic"].encode()
            return None

    plugin = await bench.plugin(dialect=Peeking)
    sink = bench.sink(plugin.ticks("BTC"))
    socket = await bench.ready("ticks.BTC", sink)
    await socket.ws.send_str('{"data": {"n": 2}, "topic": "ticks.BTC"}')
    await bench.until(lambda: sink.items == [1, 2])
    assert plugin.context.errors == []


async def test_a_rotation_leaves_out_what_the_old_connection_had_delivered(bench: Any) -> None:
    plugin = await bench.plugin()
    sink = bench.sink(plugin.trades("A"))
    old = await bench.ready("trades.A", sink, n=5)
    await old.ws.send_str('{"notice": "maintenance"}')
    await bench.until(lambda: len(bench.venue.subscribed("trades.A")) == 2)
    for n in (3, 4, 5, 6):
        await bench.venue.sockets[1].push("trades.A", n=n)
    await bench.until(lambda: old.closed and 6 in sink.items)
    assert sink.log == [StreamStatus.LIVE, 5, 6]


@pytest.mark.alone
async def test_a_connection_that_falls_silent_as_a_whole_is_replaced_at_once(bench: Any) -> None:
    plugin = await bench.plugin(options={"staleness": 0.5})
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    started = asyncio.get_running_loop().time()
    await bench.until(lambda: len(bench.venue.sockets) == 2)
    assert asyncio.get_running_loop().time() - started < 1.0
    assert [request["op"] for request in socket.requests] == ["subscribe"]
    assert sink.statuses[:2] == [StreamStatus.LIVE, StreamStatus.STALE]


async def test_delays_begin_anew_after_every_connection_that_had_data(bench: Any) -> None:
    plugin = await bench.plugin(options={"reconnect_delay": 0.05, "reconnect_max_delay": 10.0})
    sink = bench.sink(plugin.ticks("A"))
    started = asyncio.get_running_loop().time()
    for n in range(8):
        socket = await bench.ready("ticks.A", sink, n=n)
        await socket.cut()
        await bench.until(lambda socket=socket: socket.closed)
    assert asyncio.get_running_loop().time() - started < 5.0  # delays that grew would take 6 s or more


async def test_delays_grow_for_a_venue_that_accepts_and_cuts(bench: Any) -> None:
    async def cut(socket: Any, topic: str) -> None:
        await socket.cut()

    bench.venue.on_subscribe = cut
    plugin = await bench.plugin(options={"reconnect_delay": 0.05, "reconnect_max_delay": 10.0})
    plugin.ticks("A")
    await bench.until(lambda: len(bench.venue.sockets) >= 3)
    await asyncio.sleep(1.0)
    assert len(bench.venue.sockets) < 12


async def test_a_refused_login_fails_the_streams_and_closes_the_connection(bench: Any, toy_dialect: Any) -> None:
    class Private(toy_dialect):
        def login(self, request_id: int) -> str | None:
            return json.dumps({"op": "subscribe", "topics": ["login"], "id": request_id})

    bench.venue.refuse = {"login"}
    plugin = await bench.plugin(dialect=Private)
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: sink.source.status is StreamStatus.FAILED)
    await bench.until(lambda: not bench.venue.open_sockets)
    assert [request["topics"] for request in bench.venue.sockets[0].requests] == [["login"]]


async def test_nothing_is_subscribed_before_the_login_was_taken(bench: Any, toy_dialect: Any) -> None:
    class Private(toy_dialect):
        def login(self, request_id: int) -> str | None:
            return json.dumps({"op": "subscribe", "topics": ["login"], "id": request_id})

    plugin = await bench.plugin(dialect=Private)
    sink = bench.sink(plugin.ticks("A"))
    socket = await bench.ready("ticks.A", sink)
    assert [request["topics"] for request in socket.requests] == [["login"], ["ticks.A"]]


async def test_a_login_without_credentials_fails_the_streams(bench: Any, toy_dialect: Any) -> None:
    class Private(toy_dialect):
        def login(self, request_id: int) -> str | None:
            raise ExchangeAuthError("this call needs credentials")

    plugin = await bench.plugin(dialect=Private)
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: sink.source.status is StreamStatus.FAILED)
    await bench.until(lambda: not bench.venue.open_sockets)
    assert isinstance(sink.source.error, ExchangeAuthError)


async def test_a_handler_asks_on_the_connection_of_its_topic_and_is_answered_there(bench: Any) -> None:
    plugin = await bench.plugin()
    answers: list[int] = []

    class Asking:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def on_message(self, message: Any, received_ms: int) -> None:
            answers.append(message.data.n)
            bench.changes.note()

        def on_subscribed(self) -> None:
            self.stream.send(f"whole {self.stream.topic}")

        def on_lost(self, error: Any) -> None:
            with pytest.raises(ExchangeConnectionError, match=r"ticks\.BTC is on no connection"):
                self.stream.send("anything")
            answers.append(-1)
            bench.changes.note()

    channel = next(row for row in plugin.channels if row.path == "/public")
    plugin.streams.open(channel, (await plugin.get_symbols())[0], Asking)
    await bench.until(lambda: bench.venue.sockets and "whole ticks.BTC" in bench.venue.sockets[0].texts)
    await bench.venue.sockets[0].push("ticks.BTC", n=7)
    await bench.until(lambda: answers == [7])
    await bench.venue.sockets[0].cut()
    await bench.until(lambda: answers == [7, -1])


async def test_a_clock_that_another_connection_has_read_anew_was_off_all_the_same(bench: Any) -> None:
    plugin = await bench.plugin()
    at_login = plugin.streams.clock_offset()
    bench.venue.clock_offset_ms = 60_000
    await plugin.clock.sync()
    assert await plugin.streams.clock_was_off(at_login)
    assert not await plugin.streams.clock_was_off(plugin.streams.clock_offset())

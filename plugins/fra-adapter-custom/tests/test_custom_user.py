"""An account's private channels as one stream: whole, or not yet; what a cut swallowed comes from the backfill."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from fra.adapters.custom import Channel, StreamClient, UserChannel, UserFeed
from fra.core import (
    Balance,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    Fill,
    PermissionDenied,
    Position,
    PositionSide,
    Side,
    StreamStatus,
    UserEvent,
)


def fill(number: int) -> Fill:
    return Fill(
        symbol="BTC/USDT",
        trade_id=str(number),
        side=Side.BUY,
        price=Decimal(100),
        amount=Decimal(1),
        timestamp_ms=1_700_000_000_000 + number,
    )


def balance(free: int, asset: str = "USDT") -> Balance:
    return Balance(asset=asset, market="spot", free=Decimal(free), total=Decimal(free))


def position(amount: int) -> Position:
    return Position(symbol="BTC/USDT:USDT", side=PositionSide.LONG, amount=Decimal(amount))


class Account:
    """What the venue would answer when it is asked how the account stands."""

    def __init__(self, changes: Any) -> None:
        self.asked: list[int | None] = []
        self.answers: list[list[UserEvent] | Exception] = []
        self.slow: asyncio.Event | None = None
        self._changes = changes

    async def backfill(self, since_ms: int | None) -> Iterable[UserEvent]:
        self.asked.append(since_ms)
        self._changes.note()
        if self.slow is not None:
            await self.slow.wait()
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer


class Heard:
    """What a source told."""

    def __init__(self, source: Any, changes: Any) -> None:
        self.source = source
        self.events: list[UserEvent] = []
        self.statuses: list[StreamStatus] = []
        self._changes = changes
        source.attach(self)

    def on_item(self, item: UserEvent) -> None:
        self.events.append(item)
        self._changes.note()

    def on_gap(self, gap: object) -> None:
        raise AssertionError("the backfill closes gaps")

    def on_status(self, status: StreamStatus, error: object) -> None:
        self.statuses.append(status)
        self._changes.note()

    @property
    def live(self) -> bool:
        return self.source.status is StreamStatus.LIVE


@pytest.fixture
def account(bench: Any) -> Account:
    return Account(bench.changes)


async def follow(
    bench: Any, account: Account, push: type[Any], keys: dict[str, Any], *, plugin: Any = None
) -> tuple[Heard, UserFeed]:
    """A feed of two channels: fills by their number, and balances by what is free."""
    plugin = plugin or await bench.plugin(**keys)
    streams: StreamClient = plugin.streams

    def channel(topic: str) -> Channel[Any]:
        return Channel(topic, push, market="main", path="/private", lossless=True, private=True)

    feed = UserFeed(
        streams,
        [
            UserChannel(channel("fills"), lambda push, received_ms: [fill(push.data.n)]),
            UserChannel(channel("balances"), lambda push, received_ms: [balance(push.data.n)]),
        ],
        account.backfill,
    )
    return Heard(feed.source, bench.changes), feed


@pytest.fixture
def push(endpoints: Any, bench: Any) -> type[Any]:
    import msgspec

    class Tick(msgspec.Struct):
        n: int

    return msgspec.defstruct("Push", [("topic", str), ("data", Tick)])


async def test_it_is_live_when_every_channel_is_subscribed_and_the_account_was_read(
    bench: Any, account: Account, push: Any, keys: Any
) -> None:
    account.slow = asyncio.Event()
    account.answers = [[balance(5), position(2)]]
    heard, _ = await follow(bench, account, push, keys)
    await bench.until(lambda: account.asked)
    assert account.asked == [None]
    assert not heard.live
    account.slow.set()
    await bench.until(lambda: heard.live)
    assert heard.events == [balance(5), position(2)]


async def test_fills_do_not_wait_for_the_backfill_and_newer_balances_win(
    bench: Any, account: Account, push: Any, keys: Any
) -> None:
    account.slow = asyncio.Event()
    account.answers = [[balance(5), balance(1, "BTC"), fill(1)]]
    heard, _ = await follow(bench, account, push, keys)
    await bench.until(lambda: account.asked)
    socket = bench.venue.subscribed("fills")[0]
    await socket.push("fills", n=1)
    await socket.push("balances", n=7)
    await bench.until(lambda: len(heard.events) == 2)
    assert heard.events == [fill(1), balance(7)]
    assert not heard.live
    account.slow.set()
    await bench.until(lambda: heard.live)
    # The fill is told again: the host knows it by its trade id. The older balance is not.
    assert heard.events[2:] == [balance(1, "BTC"), fill(1)]


async def test_what_a_cut_swallowed_comes_from_the_backfill(bench: Any, account: Account, push: Any, keys: Any) -> None:
    account.answers = [[balance(5), position(2)], [balance(3), fill(8)]]
    heard, _ = await follow(bench, account, push, keys)
    await bench.until(lambda: heard.live)
    await bench.venue.subscribed("fills")[0].push("fills", n=7)
    await bench.until(lambda: fill(7) in heard.events)
    await bench.venue.open_sockets[-1].cut()
    await bench.until(lambda: fill(8) in heard.events and heard.live)
    assert heard.statuses[-2:] == [StreamStatus.RECOVERING, StreamStatus.LIVE]
    assert account.asked[0] is None
    assert isinstance(account.asked[1], int)
    # The position is gone without a word: nobody may go on believing in it.
    assert heard.events[-3:] == [balance(3), fill(8), position(0)]


@pytest.mark.parametrize("jump_ms", [60_000, -2_000, -3_600_000])
@pytest.mark.parametrize("jumps_first", [True, False])
async def test_what_became_of_orders_that_left_before_it_was_there_comes_from_the_backfill(
    bench: Any, account: Account, push: Any, keys: Any, endpoints: Any, jump_ms: int, jumps_first: bool
) -> None:
    account.answers = [[balance(5), fill(1)]]
    bench.venue.handshake_status = 503
    plugin = await bench.plugin(**keys)
    heard, _ = await follow(bench, account, push, keys, plugin=plugin)
    before = plugin.context.now_ms() + min(jump_ms, 0)

    async def jump() -> None:
        bench.venue.clock_offset_ms = jump_ms  # which does not move what was before it
        await plugin.clock.sync()

    if jumps_first:
        await jump()
    with suppress(ExchangeAPIError):  # this venue knows no orders
        await plugin.http.request(endpoints["order"], {"clientId": "1"})
    if not jumps_first:
        await jump()
    bench.venue.handshake_status = 0
    await bench.until(lambda: heard.live)
    assert heard.events == [balance(5), fill(1)]
    (since,) = account.asked
    assert since is not None
    assert since <= before


async def test_a_backfill_that_fails_is_tried_again_before_it_is_live(
    bench: Any, account: Account, push: Any, keys: Any
) -> None:
    account.answers = [ExchangeConnectionError("reset"), [balance(5)]]
    heard, _ = await follow(bench, account, push, keys)
    await bench.until(lambda: heard.live)
    assert (len(account.asked), heard.events) == (2, [balance(5)])
    assert heard.statuses == [StreamStatus.RECOVERING, StreamStatus.LIVE]


async def test_a_mistake_in_its_backfill_is_told_and_does_not_end_it(
    bench: Any, account: Account, push: Any, keys: Any
) -> None:
    account.answers = [ZeroDivisionError("bug"), [balance(5)]]
    plugin = await bench.plugin(**keys)
    heard, _ = await follow(bench, account, push, keys, plugin=plugin)
    await bench.until(lambda: heard.live)
    assert (heard.statuses, heard.events) == ([StreamStatus.RECOVERING, StreamStatus.LIVE], [balance(5)])
    assert any("ZeroDivisionError: bug" in str(error) for error in plugin.context.errors)


async def test_a_firewall_that_shuts_it_out_for_a_while_is_outlasted(
    bench: Any, account: Account, push: Any, keys: Any
) -> None:
    account.answers = [PermissionDenied("HTTP 403"), [balance(5)]]
    heard, _ = await follow(bench, account, push, keys)
    await bench.until(lambda: heard.live)
    assert heard.events == [balance(5)]


@pytest.mark.parametrize("error", [ExchangeAuthError("no"), PermissionDenied("no right", code="1")])
async def test_what_trying_again_cannot_cure_makes_it_fail(
    bench: Any, account: Account, push: Any, keys: Any, error: Exception
) -> None:
    account.answers = [error]
    heard, _ = await follow(bench, account, push, keys)
    await bench.until(lambda: heard.source.status is StreamStatus.FAILED)
    assert str(error) in str(heard.source.error)


async def test_a_channel_that_the_venue_refuses_makes_it_fail(
    bench: Any, account: Account, push: Any, keys: Any
) -> None:
    bench.venue.refuse = {"balances"}
    heard, _ = await follow(bench, account, push, keys)
    await bench.until(lambda: heard.source.status is StreamStatus.FAILED)
    assert account.asked == []


async def test_closing_it_leaves_every_channel(bench: Any, account: Account, push: Any, keys: Any) -> None:
    heard, feed = await follow(bench, account, push, keys)
    await bench.until(lambda: heard.live)
    await feed.source.close()
    await bench.until(lambda: not bench.venue.open_sockets)
    assert heard.source.status is StreamStatus.CLOSED

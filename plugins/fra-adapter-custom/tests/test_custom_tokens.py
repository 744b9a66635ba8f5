"""Connections whose address carries a token: the address subscribes, the token is kept good, a bad one is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fra.core import ExchangeAPIError, ExchangeAuthError, PermissionDenied, StreamStatus


def tokens(toy_dialect: Any, bench: Any) -> Any:
    """A dialect of tokens that count up; `bad` makes the present one unfit."""

    class Tokens(toy_dialect):
        given = 0
        bad = asyncio.Event()

        async def address(self, url: str) -> str:
            type(self).given += 1
            return f"{url}/{type(self).given}"

        def subscribe(self, topics: Sequence[str], request_id: int) -> None:
            return None

        def unsubscribe(self, topics: Sequence[str], request_id: int) -> None:
            return None

        async def keep(self) -> None:
            await self.bad.wait()
            self.bad.clear()
            raise ExchangeAPIError("no such token", exchange="toy")

    return Tokens


async def test_an_address_that_subscribes_by_itself_needs_no_message(bench: Any, toy_dialect: Any) -> None:
    plugin = await bench.plugin(dialect=tokens(toy_dialect, bench))
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: bench.venue.sockets)
    await bench.venue.sockets[0].push("ticks.A", n=1)
    await bench.until(lambda: sink.source.status is StreamStatus.LIVE)
    assert bench.venue.sockets[0].path.endswith("/1")
    assert bench.venue.sockets[0].requests == []


async def test_a_firewall_that_gives_no_token_for_a_while_is_outlasted(bench: Any, toy_dialect: Any) -> None:
    class Shut(tokens(toy_dialect, bench)):  # type: ignore[misc]
        async def address(self, url: str) -> str:
            address = await super().address(url)
            if address.endswith("/1"):
                raise PermissionDenied("HTTP 403", exchange="toy")
            return address

    plugin = await bench.plugin(dialect=Shut)
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: bench.venue.sockets)
    await bench.venue.sockets[0].push("ticks.A", n=1)
    await bench.until(lambda: sink.source.status is StreamStatus.LIVE)
    assert bench.venue.sockets[0].path.endswith("/2")


async def test_a_token_that_cannot_be_kept_is_replaced_with_its_connection(bench: Any, toy_dialect: Any) -> None:
    dialect = tokens(toy_dialect, bench)
    plugin = await bench.plugin(dialect=dialect)
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: bench.venue.sockets)
    await bench.venue.sockets[0].push("ticks.A", n=1)
    await bench.until(lambda: sink.source.status is StreamStatus.LIVE)
    dialect.bad.set()
    await bench.until(lambda: len(bench.venue.sockets) == 2)
    await bench.venue.sockets[1].push("ticks.A", n=2)
    await bench.until(lambda: sink.source.status is StreamStatus.LIVE)
    assert bench.venue.sockets[1].path.endswith("/2")


async def test_credentials_that_get_no_token_fail_the_streams(bench: Any, toy_dialect: Any) -> None:
    class Refused(toy_dialect):
        async def address(self, url: str) -> str:
            raise ExchangeAuthError("no such key", exchange="toy")

    plugin = await bench.plugin(dialect=Refused)
    sink = bench.sink(plugin.ticks("A"))
    await bench.until(lambda: sink.source.status is StreamStatus.FAILED)
    assert isinstance(sink.source.error, ExchangeAuthError)
    assert bench.venue.sockets == []

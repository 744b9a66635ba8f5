"""Funding: the stream of one running rate, kept right across settlements, and the search for settled ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fra.adapters.custom import FundingPublisher, Stream
from fra.core import ExchangeError, FundingRate
from fra.exchanges.htx import wire

FundingPush = wire.Notification[wire.FundingPush]

SETTLED_PAGE: Final = 50


class FundingStream:
    """Handler of one ``public.$contract_code.funding_rate`` topic, which pushes each minute.

    A push says nothing of the interval, so the rate is asked for first, and pushes wait for the answer.
    """

    def __init__(
        self,
        stream: Stream[FundingRate],
        *,
        venue_id: str,
        convert: Callable[[wire.FundingPush, int], FundingRate],
        fetch: Callable[[], Awaitable[FundingRate]],
        venue_ms: Callable[[], int],
    ) -> None:
        self._stream = stream
        self._venue_id = venue_id
        self._convert = convert
        self._publisher = FundingPublisher(stream, fetch=fetch, venue_ms=venue_ms)
        self._asked = False

    def on_message(self, message: FundingPush, received_ms: int) -> None:
        for row in message.data:
            if row.contract_code == self._venue_id and row.funding_rate is not None and self._asked:
                self._publisher.publish(self._convert(row, received_ms))

    def on_subscribed(self) -> None:
        self._asked = False
        self._stream.spawn(self._ask(), name=f"funding rate of {self._venue_id}")

    def on_lost(self, error: ExchangeError) -> None:
        pass

    async def _ask(self) -> None:
        try:
            await self._publisher.ask()
        finally:
            self._asked = True


async def settled_around(
    fetch: Callable[[int], Awaitable[wire.SettledPage]], edge: int | None, wanted: int
) -> list[wire.Settled]:
    """The settled rates about the time ``edge``; without one the latest, one more than ``wanted``.

    Pages go back from now and know no times, so that the one of the edge is searched for.
    """
    pages: dict[int, wire.SettledPage] = {}

    async def rows_of(number: int) -> list[wire.Settled]:
        if number not in pages:
            pages[number] = await fetch(number)
        return pages[number].data

    await rows_of(1)
    most = max(1, pages[1].total_page)
    if edge is None:
        # The oldest tells its interval by the one before it.
        numbers = range(1, 2 + (wanted == SETTLED_PAGE))
    else:
        # The last page that reaches the edge; the range may go on in its neighbours.
        low, high = 1, most
        while low < high:
            middle = (low + high + 1) // 2
            reaches = any(int(row.funding_time) >= edge for row in await rows_of(middle))
            low, high = (middle, high) if reaches else (low, middle - 1)
        numbers = range(low - 1, low + 2)
    rows = {row.funding_time: row for number in numbers if 1 <= number <= most for row in await rows_of(number)}
    return list(rows.values())

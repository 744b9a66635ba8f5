"""Asking an exchange for one page: read again after a cut, in order, without repeats, and never going back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import attrs

from fra.core import Banned, ExchangeConnectionError, ExchangeRateLimitError
from fra.history.errors import HistoryGap

T = TypeVar("T")
_PAUSES: Final = (1.0, 3.0, 9.0)
_LONGEST_WAIT: Final = 60.0


async def patiently(question: Callable[[], Awaitable[Sequence[T]]]) -> Sequence[T]:
    """The answer; after a cut or at a limit it is asked for again, three times, since reading changes nothing."""
    for pause in _PAUSES:
        try:
            return await question()
        except Banned:
            raise
        except ExchangeRateLimitError as error:
            if (error.retry_after or 0) > _LONGEST_WAIT:
                raise
            await asyncio.sleep(error.retry_after or pause)
        except ExchangeConnectionError:
            await asyncio.sleep(pause)
    return await question()


@attrs.frozen
class Source(Generic[T]):
    """What an exchange has of one series, page by page.

    ``fetch`` gives the interface's page from a moment on, ``time_of`` an item's moment, and ``value_of`` what two
    answers about one moment must agree in.
    """

    exchange: str
    fetch: Callable[[int], Awaitable[Sequence[T]]]
    time_of: Callable[[T], int]
    value_of: Callable[[T], object]

    async def page_from(self, start_ms: int) -> list[T]:
        """The items of one page at or after ``start_ms``, oldest first and each moment once.

        Empty when the venue has nothing there, or answers only with what is older. Raises HistoryGap when two items of
        one moment differ: then one of them is wrong.
        """
        found: dict[int, T] = {}
        for item in await patiently(lambda: self.fetch(start_ms)):
            at = self.time_of(item)
            if at < start_ms:
                continue
            if at in found and self.value_of(found[at]) != self.value_of(item):
                raise HistoryGap(
                    f"two items of one moment differ: {found[at]} and {item}", exchange=self.exchange, times=(at,)
                )
            found.setdefault(at, item)
        return [found[at] for at in sorted(found)]

    async def first_from(self, low_ms: int, high_ms: int, *, step_ms: int) -> T | None:
        """The first item in [``low_ms``, ``high_ms``), found by halving; None when the venue has none.

        For venues that answer nothing about too long ago. Supposes that they serve everything from some moment on, and
        that items are at least ``step_ms`` apart.
        """
        found: T | None = None
        low, high = low_ms, high_ms
        while high - low > step_ms if found is None else high - low > 1 and low < self.time_of(found) - step_ms:
            middle = (low + high) // 2
            page = await self.page_from(middle)
            if page and self.time_of(page[0]) < high_ms:
                found = page[0]
                high = middle
            else:
                low = middle
        return found

"""How HTX lists things of an account: pages of a limited time, and rows that become ours by their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeVar

from fra.adapters.custom import CustomExchangePlugin
from fra.core import ExchangeAPIError, Symbol
from fra.exchanges.htx.account_tables import WINDOW_MS
from fra.exchanges.htx.options import HTXOptions

T = TypeVar("T")
Listing = tuple[int | None, int | None, int | None]
"""since, until (UTC ms) and limit."""

_MARGIN_MS: Final = 60_000
"""So much less than the longest window is asked for: clocks differ."""


class Named(Protocol):
    """A row of a contract."""

    @property
    def contract_code(self) -> str: ...


class HTXListings(CustomExchangePlugin):
    """Finds the symbols that an account's rows are about."""

    options: HTXOptions
    _listed: Mapping[str, Symbol]
    _strangers: set[str]

    async def initialize(self) -> None:
        await super().initialize()
        self._listed = {}
        self._strangers = set()

    async def load_symbols(self) -> None:
        """Know the instruments; asks once."""
        if not self._listed:
            await self.get_symbols()

    async def known(self, venue_ids: Iterable[str]) -> None:
        """Know these instruments, if HTX lists them."""
        if set(venue_ids) - self._listed.keys() - self._strangers:
            await self.get_symbols()

    def listed(self, venue_id: str) -> Symbol | None:
        """The symbol of this id; None, and reported once, where none is listed."""
        symbol = self._listed.get(venue_id)
        if symbol is None and venue_id not in self._strangers:
            self._strangers.add(venue_id)
            error = ExchangeAPIError(
                f"the account tells of {venue_id}, which is not listed", code="unlisted", exchange=self.config.name
            )
            self.streams.report(error, where="account")
        return symbol

    async def named(
        self, rows: Iterable[T], id_of: Callable[[T], str], symbol: Symbol | None = None
    ) -> list[tuple[T, Symbol]]:
        """Rows with their symbols; those that are not listed are reported and left out."""
        if symbol is not None:
            return [(row, symbol) for row in rows if id_of(row).upper() == symbol.venue_id.upper()]
        found = list(rows)
        await self.known(id_of(row) for row in found)
        return [(row, of) for row in found if (of := self.listed(id_of(row))) is not None]

    def span(self, since: int | None, until: int | None) -> tuple[int, int | None]:
        """The start and end of one call's window: from ``since`` on where it is given, else up to ``until`` or now.

        A window that reaches the present has no end, which HTX takes for now: whatever its clock and ours say, the
        latest is in it.
        """
        now = self.clock.now_ms()
        longest = WINDOW_MS - _MARGIN_MS
        if since is None:
            end = now if until is None else min(until, now)
            return end - longest, end
        end = since + longest if until is None else min(until, since + longest)
        return since, end if end < now else None


def chosen(items: Iterable[T], time_of: Callable[[T], int], listing: Listing, most: int) -> list[T]:
    """The first of [since, until), or the latest before ``until``, oldest first."""
    since, until, limit = listing
    count = min(limit or most, most)
    inside = sorted(
        (
            item
            for item in items
            if (since is None or time_of(item) >= since) and (until is None or time_of(item) < until)
        ),
        key=time_of,
    )
    return inside[-count:] if since is None else inside[:count]

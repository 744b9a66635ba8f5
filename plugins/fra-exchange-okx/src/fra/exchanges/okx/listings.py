"""How OKX lists things: newest first, a hundred at a time, of one type of instrument; rows become ours by their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from fra.adapters.custom import CustomExchangePlugin, Endpoint, Params, endpoint_for
from fra.core import ExchangeAPIError, Symbol
from fra.exchanges.okx import wire
from fra.exchanges.okx.tables import INST_TYPES

T = TypeVar("T")
R = TypeVar("R")
Row = TypeVar("Row", wire.Order, wire.AlgoOrder, wire.Fill, wire.Position, wire.Bill)

_PAGE: Final = 100
_DAY_MS: Final = 86_400_000
_ID_DIGITS: Final = 24  # so that ids sort as the numbers that they are


class OKXListings(CustomExchangePlugin):
    """Reads lists of an account whole, and finds the symbols that their rows are about."""

    _listed: Mapping[str, Symbol]
    _sought: set[str]
    _reported: set[str]

    async def initialize(self) -> None:
        await super().initialize()
        self._listed = {}
        self._sought = set()
        self._reported = set()

    async def load_symbols(self) -> None:
        """Know the instruments; asks once."""
        if not self._listed:
            await self.get_symbols()

    async def named(self, rows: Sequence[Row], symbol: Symbol | None = None) -> list[tuple[Row, Symbol]]:
        """Rows of the configured markets with their symbols; those that are not listed are reported and left out."""
        if symbol is not None:
            return [(row, symbol) for row in rows if row.instId == symbol.venue_id]
        wanted = [row for row in rows if self.covers(row.instType)]
        unknown = {row.instId for row in wanted} - self._listed.keys()
        if unknown - self._sought:  # listed since then, perhaps
            self._sought |= unknown
            await self.get_symbols()
        return [(row, of) for row in wanted if (of := self.listed(row.instId)) is not None]

    def covers(self, inst_type: str) -> bool:
        """Whether this type of instrument belongs to a configured market."""
        return any(inst_type == INST_TYPES[market] for market in self.markets)

    def listed(self, venue_id: str) -> Symbol | None:
        """The symbol of this id; None, and reported once, where none is listed."""
        symbol = self._listed.get(venue_id)
        if symbol is None and venue_id not in self._reported:
            self._reported.add(venue_id)
            error = ExchangeAPIError(
                f"the account tells of {venue_id}, which is not listed", code="unlisted", exchange=self.config.name
            )
            self.streams.report(error, where="account")
        return symbol

    async def _listing(
        self,
        rows: tuple[Endpoint[wire.Reply[T]], ...],
        symbol: Symbol | None,
        *,
        since: int | None,
        until: int | None,
        limit: int | None,
        id_of: Callable[[T], str],
        time_of: Callable[[T], int],
        params: Params = {},  # noqa: B006
    ) -> list[T]:
        """The first of [since, until), or the latest before ``until``, oldest first."""
        most = min(limit or _PAGE, _PAGE)
        span = {**params, "begin": since, "end": None if until is None else until - 1}
        found: list[T]
        if since is None:
            span |= {"limit": None if most == _PAGE else most}
            found = [
                item
                for row in self._rows(rows, symbol)
                for item in (await self.http.request(row, span | self._of(row, symbol))).data
            ]
        else:
            # OKX answers with the newest of a range: all of it has to be read to know the first.
            found = await self.pages(rows, symbol, span, id_of)
        found = [
            item
            for item in sorted(found, key=lambda item: (time_of(item), id_of(item).zfill(_ID_DIGITS)))
            if (since is None or time_of(item) >= since) and (until is None or time_of(item) < until)
        ]
        return found[-most:] if since is None else found[:most]

    async def pages(
        self,
        rows: tuple[Endpoint[wire.Reply[T]], ...],
        symbol: Symbol | None,
        params: Params,
        id_of: Callable[[T], str],
    ) -> list[T]:
        """All there is, of every configured market or of ``symbol``."""
        return [
            item
            for row in self._rows(rows, symbol)
            for item in await self._all(row, {**params, **self._of(row, symbol)}, id_of)
        ]

    async def _all(self, row: Endpoint[wire.Reply[T]], params: Params, id_of: Callable[[T], str]) -> list[T]:
        """All pages of one call, newest first."""
        found: list[T] = []
        after: str | None = None
        while True:
            page = (await self.http.request(row, {**params, "after": after})).data
            found += page
            last = id_of(page[-1]) if page else None
            if len(page) < _PAGE or last == after:
                return found
            after = last

    def _rows(self, rows: tuple[Endpoint[R], ...], symbol: Symbol | None) -> list[Endpoint[R]]:
        if symbol is not None:
            return [endpoint_for(rows, symbol)]
        return [row for row in rows if row.market in self.markets]

    def _any(self, rows: tuple[Endpoint[R], ...], symbol: Symbol | None = None) -> Endpoint[R]:
        """The row for a call that serves all markets at once."""
        return self._rows(rows, symbol)[0]

    @staticmethod
    def _of(row: Endpoint[R], symbol: Symbol | None) -> dict[str, object]:
        return {"instType": INST_TYPES[row.market], "instId": symbol.venue_id if symbol else None}

    def _before(self, days: int, since: int | None, until: int | None) -> bool:
        """Whether a range begins (or where it has no beginning: ends) more than ``days`` ago."""
        first = since if since is not None else until
        return first is not None and first < self.context.now_ms() - days * _DAY_MS

    def _first(self, rows: Sequence[T], what: str) -> T:
        if not rows:
            raise ExchangeAPIError(f"OKX answers with nothing for {what}", exchange=self.config.name)
        return rows[0]

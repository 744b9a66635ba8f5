"""The unified account of Bybit: balances, positions, settings, funding payments; and how its lists are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import unquote

from fra.adapters.custom import CustomExchangePlugin, Endpoint, Params, endpoint_for
from fra.core import (
    Balance,
    ExchangeError,
    FundingPayment,
    KeyPermissions,
    MarginMode,
    NotSupported,
    Position,
    PositionMode,
    Symbol,
)
from fra.exchanges.bybit import user, wire
from fra.exchanges.bybit.errors import LEVERAGE_UNCHANGED, MARGIN_MODE_UNCHANGED, POSITION_MODE_UNCHANGED
from fra.exchanges.bybit.listing import Listing
from fra.exchanges.bybit.tables import (
    ACCOUNT,
    KEY,
    KINDS,
    LEVERAGE,
    MARGIN_MODE,
    POSITION_MODE,
    POSITIONS,
    TRANSACTIONS,
    WALLET,
)

R = TypeVar("R")
T = TypeVar("T")

_POSITIONS_PAGE: Final = 200
_TRANSACTIONS_PAGE: Final = 50
WINDOW_MS: Final = 7 * 86_400_000
"""The longest range that Bybit answers for in its histories."""

_MODES: Final = {PositionMode.ONE_WAY: 0, PositionMode.HEDGE: 3}
_MARGIN_MODES: Final = {MarginMode.CROSS: "REGULAR_MARGIN", MarginMode.ISOLATED: "ISOLATED_MARGIN"}


class AccountPlugin(CustomExchangePlugin):
    """The account side of Bybit, all but its orders. A unified account has one wallet for everything: ``unified``."""

    async def initialize(self) -> None:
        await super().initialize()
        self._listing = Listing()
        self._modes: dict[tuple[str, str], PositionMode] = {}
        self._events = user.UserEvents(
            lambda: self._listing,
            lambda error: self.streams.report(error, where="account"),
            exchange=self.config.name,
            markets=self.markets,
        )

    async def get_balance(self, market: str | None = None) -> list[Balance]:
        """The unified account's one wallet, whichever market is named. Profit that is not realized is not in it."""
        if market not in (None, user.WALLET, *KINDS):
            known = ", ".join((user.WALLET, *KINDS))
            raise NotSupported(f"Bybit has no wallet {market!r}", exchange=self.config.name, cure=f"there is {known}")
        endpoint = next(row for row in WALLET if row.market in self.markets)
        reply = await self.http.request(endpoint, {"accountType": "UNIFIED"})
        found = user.balances(reply.result.rows, reply.time or None)
        return [balance for balance in found if balance.total or balance.free or balance.borrowed]

    async def get_positions(self, symbol: Symbol | None = None) -> list[Position]:
        listing = await self._listed()
        await self._read_margin_mode()
        found: list[Position] = []
        for endpoint, params in self._scopes(POSITIONS, listing, symbol):
            for row in await self._pages(endpoint, {**params, "limit": _POSITIONS_PAGE}):
                known = self._events.symbol(endpoint.market, row.symbol, "a position")
                if known is not None:
                    told = user.position(row, known, account=self._events.account_margin)
                    found += [] if told is None else [told]
        return found

    async def _read_margin_mode(self) -> None:
        endpoint = next(row for row in ACCOUNT if row.market in self.markets)
        info = (await self.http.request(endpoint)).result
        self._events.account_margin = user.margin_mode(info.marginMode)

    async def get_key_permissions(self) -> KeyPermissions:
        """As "Get API Key Information" has it. A key that is bound to no address ends after three months."""
        endpoint = next(row for row in KEY if row.market in self.markets)
        return user.key_permissions((await self.http.request(endpoint)).result)

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[FundingPayment]:
        """At most 50, of 7 days: the first ones from ``since``, else the latest."""
        await self._listed()
        page = min(limit or _TRANSACTIONS_PAGE, _TRANSACTIONS_PAGE)
        if symbol is not None and since is None:
            # Bybit cannot pick a symbol here, so its latest ones may stand anywhere in the range.
            since = (until or self.context.now_ms()) - WINDOW_MS
            latest = True
        else:
            latest = since is None
        found: list[FundingPayment] = []
        for endpoint in self._rows(TRANSACTIONS, symbol):
            params = {"accountType": "UNIFIED", "type": "SETTLEMENT"}
            asked = page if since is None else _TRANSACTIONS_PAGE
            for row in await self._history(endpoint, params, since, until, asked):
                known = self._events.symbol(endpoint.market, row.symbol, "a settlement")
                if known is not None and symbol in (None, known) and (paid := user.payment(row, known)) is not None:
                    found.append(paid)
        found.sort(key=lambda paid: paid.timestamp_ms)
        return cut(found, None if latest else since, page)

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        endpoint = endpoint_for(LEVERAGE, symbol)
        params = self._about(endpoint, symbol, buyLeverage=leverage, sellLeverage=leverage)
        await self._unless(LEVERAGE_UNCHANGED, endpoint, params)

    async def set_margin_mode(self, symbol: Symbol, mode: MarginMode) -> None:
        """Of the whole account: a unified account has one margin mode for every contract."""
        endpoint = endpoint_for(MARGIN_MODE, symbol)
        await self._unless(MARGIN_MODE_UNCHANGED, endpoint, {"setMarginMode": _MARGIN_MODES[mode]})
        self._events.account_margin = mode

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Of all USDT perpetuals without a position or an open order; the other contracts are always one-way.

        Bybit leaves those that have either as they are and says nothing of it: each is asked before its next order.
        """
        self._modes.clear()
        params = {"category": "linear", "coin": "USDT", "mode": _MODES[mode]}
        await self._unless(POSITION_MODE_UNCHANGED, POSITION_MODE[0], params)

    async def _unless(self, unchanged: str, endpoint: Endpoint[R], params: Params) -> None:
        """Make the call; that it changes nothing is success."""
        try:
            await self.http.request(endpoint, params)
        except ExchangeError as error:
            if error.code != unchanged:
                raise

    # --- how lists are asked for

    async def _listed(self) -> Listing:
        """The instruments, loaded where they are not yet."""
        if not self._listing:
            await self.get_symbols()
        return self._listing

    @staticmethod
    def _about(endpoint: Endpoint[object], symbol: Symbol, **params: object) -> dict[str, object]:
        return {"category": endpoint.market, "symbol": symbol.venue_id, **params}

    @staticmethod
    def _of(symbol: Symbol | None) -> dict[str, object]:
        return {} if symbol is None else {"symbol": symbol.venue_id}

    def _rows(self, rows: Sequence[Endpoint[R]], symbol: Symbol | None) -> list[Endpoint[R]]:
        if symbol is not None:
            return [endpoint_for(rows, symbol)]
        return [row for row in rows if row.market in self.markets]

    def _scopes(
        self,
        rows: Sequence[Endpoint[R]],
        listing: Listing,
        symbol: Symbol | None,
        *,
        by_coin: Sequence[str] = ("linear",),
    ) -> list[tuple[Endpoint[R], dict[str, object]]]:
        """What to ask for everything: of the categories ``by_coin`` Bybit wants a coin to settle in named."""
        scopes: list[tuple[Endpoint[R], dict[str, object]]] = []
        for row in self._rows(rows, symbol):
            params: dict[str, object] = {"category": row.market, **self._of(symbol)}
            if symbol is None and row.market in by_coin:
                scopes += [(row, {**params, "settleCoin": coin}) for coin in listing.settle_coins(row.market)]
            else:
                scopes.append((row, params))
        return scopes

    async def _pages(self, endpoint: Endpoint[wire.Reply[wire.Page[R]]], params: Params) -> list[R]:
        """All pages, by Bybit's cursors. A row that comes twice counts once."""
        rows: dict[R, None] = {}
        seen: set[str] = set()
        cursor = ""
        while True:
            page = {"category": endpoint.market, **params, "cursor": unquote(cursor) or None}
            result = (await self.http.request(endpoint, page)).result
            rows.update(dict.fromkeys(result.rows))
            cursor = result.nextPageCursor or ""
            if not cursor or not result.rows or cursor in seen:
                return list(rows)
            seen.add(cursor)

    async def _history(
        self,
        endpoint: Endpoint[wire.Reply[wire.Page[R]]],
        params: Params,
        since: int | None,
        until: int | None,
        page: int,
    ) -> list[R]:
        """The newest page before ``until``, or all of the 7 days from ``since`` on."""
        params = {"category": endpoint.market, **params, "limit": page}
        if since is None:
            last = None if until is None else until - 1
            return (await self.http.request(endpoint, {**params, "endTime": last})).result.rows
        end = since + WINDOW_MS if until is None else min(until, since + WINDOW_MS)
        return await self._pages(endpoint, {**params, "startTime": since, "endTime": end - 1})


def cut(found: list[T], since: int | None, page: int) -> list[T]:
    """One page: the first ones where a start was given, else the last ones."""
    return found[-page:] if since is None else found[:page]

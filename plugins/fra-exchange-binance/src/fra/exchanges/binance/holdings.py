"""What an account has on spot and USD-M futures, and how it is set."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from fra.adapters.custom import Channel, CustomExchangePlugin, Endpoint, Params
from fra.core import (
    Balance,
    ExchangeAPIError,
    FundingPayment,
    KeyPermissions,
    MarginMode,
    NotSupported,
    Position,
    PositionMode,
    Symbol,
    SymbolNotFound,
)
from fra.exchanges.binance import account
from fra.exchanges.binance import account_tables as tables
from fra.exchanges.binance import account_wire as wire
from fra.exchanges.binance.convert import SPOT, USDM

_NO_CHANGE: Final = frozenset({"-4046", "-4059"})
"""Binance, USD-M, "Error Codes": no need to change margin type, no need to change position side."""
_MARGIN_TYPES: Final = {MarginMode.CROSS: "CROSSED", MarginMode.ISOLATED: "ISOLATED"}


class BinanceHoldings(CustomExchangePlugin):
    """Balances, positions, payments and settings of an account."""

    @abstractmethod
    async def listed(self) -> Mapping[tuple[str, str], Symbol]:
        """(market, venue's id) → Symbol of everything that is listed; loaded if it was not."""

    @abstractmethod
    def known(self, market: str, venue_id: str) -> Symbol | None:
        """The symbol of the venue's id, None where it was not listed when we last looked."""

    @property
    def usdm_user(self) -> Channel[msgspec.Raw]:
        """The channel of USD-M's account, where the options want it."""
        return tables.USDM_USER

    async def initialize(self) -> None:
        await super().initialize()
        self._hedge: bool | None = None
        self.leverages: dict[str, Decimal] = {}
        """By the venue's id, as far as it was told: messages about positions do not repeat it."""

    # --- account

    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        """Spot's wallet ("spot") and USD-M's ("usdm"), where total counts what positions have won or lost so far."""
        if market is not None and market not in self.markets:
            raise NotSupported(
                f"there is no wallet {market!r}: the wallets are {', '.join(map(repr, self.markets))}",
                exchange=self.config.name,
            )
        wanted = self.markets if market is None else (market,)
        found = await asyncio.gather(*(self.wallet(name) for name in wanted))
        return [balance for balances in found for balance in balances]

    async def wallet(self, market: str) -> list[Balance]:
        """The balances of one market."""
        if market == SPOT:
            return account.spot_balances(await self.http.request(tables.SPOT_ACCOUNT))
        return account.usdm_balances(await self.http.request(tables.USDM_ACCOUNT))

    async def get_key_permissions(self) -> KeyPermissions:
        """As "Get API Key Permission" has it, which Binance has beside spot alone, and not on its test network."""
        if self.config.sandbox:
            raise NotSupported("Binance's test network does not tell what a key may do", exchange=self.config.name)
        return account.key_permissions(await self.http.request(tables.KEY))

    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        """Open positions. "Position Information V3" has no leverage and margin mode: a second question has."""
        params = {"symbol": None if symbol is None else symbol.venue_id}
        rows = [row for row in await self.http.request(tables.POSITIONS, params) if row.positionAmt]
        symbols = await self.symbols_of(USDM, (row.symbol for row in rows), symbol)
        configs: dict[str, wire.SymbolConfig] = {}
        if any(not row.leverage or not row.marginType for row in rows):
            configs = {row.symbol: row for row in await self.http.request(tables.SYMBOL_CONFIG, params)}
            self.leverages.update((config.symbol, Decimal(config.leverage)) for config in configs.values())
        return account.positions(rows, symbols, configs)

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[FundingPayment]:
        """Up to 1000 payments, the last 7 days' without ``since``; Binance keeps them for three months.

        Its answers name neither rate nor position.
        """
        rows = await self.http.request(
            tables.FUNDING_PAYMENTS,
            {
                "symbol": None if symbol is None else symbol.venue_id,
                "incomeType": "FUNDING_FEE",
                "startTime": since,
                "endTime": None if until is None else until - 1,
                "limit": None if limit is None else min(limit, tables.MAX_PAGE),
            },
        )
        symbols = await self.symbols_of(USDM, (row.symbol for row in rows), symbol)
        payments = [account.funding_payment(row, symbols[row.symbol]) for row in rows if row.symbol in symbols]
        return sorted(payments, key=lambda payment: payment.timestamp_ms)

    async def paid_fees(self, since_ms: int) -> set[str]:
        """The venue's ids of USD-M symbols that traded since then: each fee is a row."""
        found: set[str] = set()
        while True:
            rows = await self.http.request(
                tables.INCOME, {"incomeType": "COMMISSION", "startTime": since_ms, "limit": tables.MAX_PAGE}
            )
            found.update(row.symbol for row in rows if row.symbol)
            if len(rows) < tables.MAX_PAGE:
                return found
            since_ms = max(rows[-1].time, since_ms + 1)

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """Whole numbers from 1 on; NotSupported for others. "Change Initial Leverage"."""
        if leverage < 1 or leverage != leverage.to_integral_value():
            raise NotSupported(f"leverage {leverage}: Binance takes whole numbers from 1 on", exchange=self.config.name)
        params = {"symbol": symbol.venue_id, "leverage": int(leverage)}
        answer = await self.http.request(tables.SET_LEVERAGE, params)
        self.leverages[symbol.venue_id] = Decimal(answer.leverage)

    async def set_margin_mode(self, symbol: Symbol, mode: MarginMode) -> None:
        """Binance refuses it while the symbol has orders or a position. "Change Margin Type"."""
        params = {"symbol": symbol.venue_id, "marginType": _MARGIN_TYPES[mode]}
        await self._changed(tables.SET_MARGIN_TYPE, params)

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Of all symbols at once; refused while there are orders or positions. "Change Position Mode"."""
        hedge = mode is PositionMode.HEDGE
        self._hedge = None
        await self._changed(tables.SET_POSITION_SIDES, {"dualSidePosition": hedge})
        self._hedge = hedge

    async def _changed(self, row: Endpoint[wire.Done], params: Params) -> None:
        try:
            await self.http.request(row, params)
        except ExchangeAPIError as error:
            if error.code not in _NO_CHANGE:
                raise

    def forget_mode(self) -> None:
        """Somebody else has changed the position mode."""
        self._hedge = None

    async def in_hedge_mode(self) -> bool:
        """Asked once, and again after :meth:`forget_mode`."""
        if self._hedge is None:
            self._hedge = (await self.http.request(tables.POSITION_SIDES)).dualSidePosition
        return self._hedge

    async def symbols_of(self, market: str, ids: Iterable[str], symbol: Symbol | None) -> Mapping[str, Symbol]:
        """The symbols of these rows by the venue's ids. One that is not listed is told of as an error event."""
        wanted = {venue_id for venue_id in ids if venue_id}
        if symbol is not None:
            return {symbol.venue_id: symbol}
        if not wanted:
            return {}
        listed = await self.listed()
        found = {venue_id: listed[market, venue_id] for venue_id in wanted if (market, venue_id) in listed}
        for venue_id in sorted(wanted - found.keys()):
            self.unlisted(market, venue_id)
        return found

    def unlisted(self, market: str, venue_id: str) -> None:
        """Tell of something that belongs to an instrument that is not listed, or was refused."""
        self.streams.report(
            SymbolNotFound(
                f"the account has something of {venue_id}, which is not among the instruments of {market}",
                exchange=self.config.name,
            ),
            where="account",
        )

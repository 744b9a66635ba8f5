"""What an account holds and was paid, and its settings, through ccxt's unified methods."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from fra.adapters.ccxt import convert
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.errors import Unchanged
from fra.adapters.ccxt.session import CCXTSession
from fra.core import (
    Balance,
    ExchangeError,
    FundingPayment,
    MarginMode,
    Position,
    PositionMode,
    Symbol,
)


class CCXTAccount(CCXTSession):
    """Balances, positions, funding payments, leverage and modes. All amounts are coins; ccxt counts contracts."""

    _hedged: bool | None = None

    # --- hooks

    def position(self, raw: Raw, symbol: Symbol) -> Position | None:
        """A hook: one of ccxt's positions as ours; None for a flat one."""
        return convert.position(raw, symbol)

    def balances(self, raw: Raw, wallet: str) -> list[Balance]:
        """A hook: one of ccxt's balances as ours, every asset that is not zero everywhere."""
        return convert.balances(raw, wallet)

    def payment(self, raw: Raw, symbol: Symbol) -> FundingPayment:
        """A hook: one of ccxt's rows of funding as ours: above zero is received."""
        return convert.funding_payment(raw, symbol)

    async def hedged(self, symbol: Symbol) -> bool | None:
        """A hook: whether the account is in hedge mode, None where ccxt cannot tell. Asked once, and after a change."""
        if not self.client.has.get("fetchPositionMode"):
            return None
        return bool((await self.call("fetch_position_mode", symbol.name)).get("hedged"))

    # --- account

    async def get_balance(self, market: str | None = None) -> list[Balance]:
        """Every wallet of the configured markets, or the one that is named by its own name or a market's."""
        wallets = self.venue.wallets
        used = dict.fromkeys(self.venue.wallet_of[name] for name in self.markets)
        if market is not None:
            name = market if market in wallets else self.venue.wallet_of.get(market)
            if name is None:
                known = dict.fromkeys((*wallets, *self.venue.wallet_of))
                raise self._cannot(f"there is no wallet {market!r}", f"there is {', '.join(known)}")
            used = {name: None}
        found: list[Balance] = []
        for name in used:
            found += self.balances(await self.call("fetch_balance", params=wallets[name]), name)
        return found

    async def get_positions(self, symbol: Symbol | None = None) -> list[Position]:
        found: list[Position] = []
        for market in self.markets if symbol is None else (symbol.market,):
            if any(kind.is_swap for kind in self.venue.markets[market]):
                names = None if symbol is None else [symbol.name]
                rows = await self.call("fetch_positions", names, params=self.scope(market))
                found += [
                    made
                    for row, of in self.named(rows)
                    if (made := self.position(row, of)) is not None
                    and made.amount
                    and of.market == market
                    and (symbol is None or of.name == symbol.name)
                ]
        return found

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[FundingPayment]:
        """One page of the venue, as ccxt asks for it: the first of it with ``since``, else the last."""
        found: list[FundingPayment] = []
        for market in self.markets if symbol is None else (symbol.market,):
            if any(kind.is_swap for kind in self.venue.markets[market]):
                params = self._ranged(market if symbol is None else None, until)
                rows = await self.call(
                    "fetch_funding_history",
                    symbol.name if symbol else None,
                    since,
                    None if since else limit,
                    params=params,
                )
                found += [self.payment(row, of) for row, of in self.named(rows)]
        found = convert.within(found, "timestamp_ms", since, until)
        return convert.cut(sorted(found, key=lambda payment: payment.timestamp_ms), since, limit)

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """Whole numbers, as ccxt has them; with the option's margin mode where leverage belongs to one."""
        if leverage != leverage.to_integral_value():
            raise self._cannot(f"ccxt sets whole leverages, not {leverage}")
        params = {"marginMode": self.options.margin_mode} if self.venue.margin_mode_param else {}
        await self._set("set_leverage", int(leverage), symbol.name, params=params)

    async def set_margin_mode(self, symbol: Symbol, mode: MarginMode) -> None:
        await self._set("set_margin_mode", mode.value, symbol.name)

    async def set_position_mode(self, mode: PositionMode) -> None:
        for market in self.markets:
            if any(kind.is_swap for kind in self.venue.markets[market]):
                await self._set("set_position_mode", mode is PositionMode.HEDGE, None, params=self.scope(market))
        self._hedged = None

    async def _set(self, method: str, *args: object, params: Mapping[str, object] | None = None) -> None:
        """Already being so is success."""
        try:
            await self.call(method, *args, params=params)
        except ExchangeError as error:
            if not self.unchanged(error):
                raise

    def unchanged(self, error: ExchangeError) -> bool:
        """A hook: whether a refusal only says that a setting is so already."""
        return isinstance(error, Unchanged) or error.code in self.venue.unchanged

    def _ranged(self, market: str | None, until: int | None) -> dict[str, object]:
        scope = {} if market is None else self.scope(market)
        return scope if until is None else {**scope, "until": until}

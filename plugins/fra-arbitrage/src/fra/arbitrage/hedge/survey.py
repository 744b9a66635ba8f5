"""What both venues say before a hedge is planned: symbols, rates, books, margin, open positions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from fra.arbitrage.hedge.plan import Venue
from fra.arbitrage.spread import Market, Quote, taker_fee
from fra.cli.exit_codes import CommandFailed
from fra.core import (
    ExchangeAuthError,
    ExchangeError,
    NotSupported,
    Operation,
    Position,
    Symbol,
    SymbolNotFound,
)

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

DEPTH = 100


async def find_pair(long: ExchangeHandle, short: ExchangeHandle, name: str) -> tuple[Symbol, Symbol]:
    """The two swaps that ``name`` (BTC/USDT:USDT, or just BTC) means. Raises SymbolNotFound, CommandFailed."""
    listed = await asyncio.gather(_swaps(long), _swaps(short))
    wanted = name.upper()
    named = [[symbol for symbol in swaps if symbol.name.upper() == wanted] for swaps in listed]
    exact = {Market.of(symbol) for found in named for symbol in found}
    markets = [
        {Market.of(symbol): symbol for symbol in swaps if not exact or Market.of(symbol) in exact} for swaps in listed
    ]
    if not exact:
        markets = [{market: symbol for market, symbol in found.items() if _means(symbol, wanted)} for found in markets]
    shared = [market for market in markets[0] if market in markets[1]]
    for handle, found in zip((long, short), markets, strict=True):
        if not found:
            raise SymbolNotFound(
                f"it lists no swap {name!r}", exchange=handle.name, cure=f"fra funding -e {handle.name}"
            )
    if not shared:
        here, there = (" and ".join(str(market) for market in found) for found in markets)
        raise CommandFailed(f"{long.name} has {here}, {short.name} has {there}: these are different markets")
    if len(shared) > 1:
        raise CommandFailed(
            f"{name} is {' and '.join(map(str, shared))} there: which?", cure=f"fra hedge {shared[0]} …"
        )
    return markets[0][shared[0]], markets[1][shared[0]]


async def survey(handle: ExchangeHandle, symbol: Symbol, fees: Mapping[str, Decimal], *, depth: int = DEPTH) -> Venue:
    """Ask a venue for all that the plan of its leg stands on. Raises when there is no rate or no book."""
    funding, book = await asyncio.gather(
        handle.get_funding_rate(symbol.name), handle.get_orderbook(symbol.name, depth=depth)
    )
    published = fees.get(handle.name, fees.get("", taker_fee(handle.metadata.fee_structure, symbol)))
    quote = Quote(exchange=handle.name, symbol=symbol, funding=funding, taker_fee=published, book=book)
    if not handle.capabilities.support(Operation.CREATE_ORDER, symbol.kind):
        return Venue(quote=quote, refuses=f"orders of {symbol} are not supported")
    try:
        free, positions = await asyncio.gather(_free(handle, symbol), _positions(handle, symbol))
    except ExchangeAuthError as error:
        return Venue(quote=quote, refuses=error.message)
    except ExchangeError as error:
        return Venue(quote=quote, refuses=f"the account does not answer: {error.message}")
    own = [position for position in positions if position.symbol == symbol.name]
    return Venue(
        quote=quote,
        free=free,
        leverage=next((position.leverage for position in own if position.leverage is not None), None),
        held=own[0] if len(own) == 1 else None,
        hedge_mode=any(position.hedge_mode for position in positions),
    )


async def _swaps(handle: ExchangeHandle) -> Sequence[Symbol]:
    return [symbol for symbol in await handle.get_symbols() if symbol.kind.is_swap and symbol.active]


def _means(symbol: Symbol, wanted: str) -> bool:
    return wanted in (symbol.asset.upper(), symbol.base.upper())


async def _free(handle: ExchangeHandle, symbol: Symbol) -> Decimal | None:
    coin = symbol.settle or symbol.quote
    balances = await handle.get_balance(symbol.market or None)
    return sum((balance.free for balance in balances if balance.asset == coin), Decimal(0))


async def _positions(handle: ExchangeHandle, symbol: Symbol) -> Sequence[Position]:
    """All of them where that can be asked: one anywhere tells whether the account is in hedge mode."""
    try:
        return await handle.get_positions()
    except NotSupported:
        return await handle.get_positions(symbol.name)

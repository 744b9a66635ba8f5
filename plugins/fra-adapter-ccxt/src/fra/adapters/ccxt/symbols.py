"""ccxt's markets as symbols: contract sizes, grids and minimums in coins; what cannot be taken is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from fra.adapters.ccxt.numbers import number, positive
from fra.core import MarketKind, RefusedInstrument, Symbol, SymbolList

Market = Mapping[str, Any]
"""One market as ccxt has it."""

DECIMAL_PLACES: Final = 2
SIGNIFICANT_DIGITS: Final = 3
TICK_SIZE: Final = 4
"""ccxt's ``precisionMode``."""

_BEHIND: Final = re.compile(r"[A-Z]+(1000000|100000|10000|1000)")
"""SHIB1000 is 1000SHIB; taken as it is it would be a coin of its own."""
_FINEST: Final = Decimal("1e-8")
"""The grid where prices are bound to significant digits: the digits are checked when an order is made."""


class Refused(Exception):
    """Why a market cannot be taken."""


def kind_of(market: Market) -> MarketKind | None:
    """The kind of a market, None for one that fra does not trade through ccxt: dated futures, options."""
    if market.get("spot"):
        return MarketKind.SPOT
    if market.get("swap"):
        return MarketKind.INVERSE_SWAP if market.get("inverse") else MarketKind.LINEAR_SWAP
    return None


def step(precision: object, mode: int) -> Decimal:
    """The grid that ccxt's precision means. Raises Refused where it names none."""
    if mode == SIGNIFICANT_DIGITS:
        return _FINEST
    made = number(precision)
    if made is None:
        raise Refused("ccxt names no precision")
    if mode == DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(made))
    if made <= 0:
        raise Refused(f"ccxt names the precision {made}")
    return made


def symbol_of(market: Market, *, mode: int, market_name: str, amount_mode: int | None = None) -> Symbol:
    """One symbol. Raises Refused, and ValueError for what a Symbol cannot be.

    ccxt's contract size is in base coin for linear markets and in quote coin for inverse ones, as fra's is.
    """
    kind = kind_of(market)
    if kind is None:
        raise Refused("fra trades no such market through ccxt")
    if _BEHIND.fullmatch(market["base"]):
        raise Refused(f"{market['base']} has its multiplier behind the coin: rename it by ccxt's commonCurrencies")
    size = Decimal(1)
    if kind is not MarketKind.SPOT:
        made = positive(market.get("contractSize"))
        if made is None:
            raise Refused("ccxt names no contract size")
        size = made
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    amounts, costs = limits.get("amount") or {}, limits.get("cost") or {}
    lot = step(precision.get("amount"), mode if amount_mode is None else amount_mode)
    smallest, largest = positive(amounts.get("min")), positive(amounts.get("max"))
    return Symbol(
        market["symbol"],
        market["id"],
        kind,
        market["base"],
        market["quote"],
        market.get("settle") if kind is not MarketKind.SPOT else None,
        tick_size=step(precision.get("price"), mode),
        lot_size=lot * size,
        contract_size=size,
        min_amount=None if smallest is None else smallest * size,
        max_amount=None if largest is None else largest * size,
        min_notional=None if kind.is_inverse else positive(costs.get("min")),
        active=market.get("active") is not False,
        market=market_name,
    )


def symbols(
    markets: Iterable[Market], make: Callable[[Market, str], Symbol], names: Mapping[MarketKind, str]
) -> SymbolList:
    """Every market of the kinds in ``names`` (kind → the venue's market); what cannot be taken by id and reason."""
    found: dict[str, Symbol] = {}
    refused: list[RefusedInstrument] = []
    for market in markets:
        kind = kind_of(market)
        if kind is None:
            refused.append(
                RefusedInstrument(str(market.get("id")), "dated futures and options are not taken through ccxt")
            )
            continue
        if kind not in names:
            continue
        try:
            symbol = make(market, names[kind])
        except (Refused, ValueError, TypeError, KeyError) as error:
            refused.append(RefusedInstrument(str(market.get("id")), str(error) or type(error).__name__))
            continue
        if symbol.name in found:
            refused.append(RefusedInstrument(symbol.venue_id, f"ccxt names two markets {symbol.name}"))
            continue
        found[symbol.name] = symbol
    made = SymbolList(found.values())
    made.refused = tuple(refused)
    return made

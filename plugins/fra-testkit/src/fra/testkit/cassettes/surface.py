"""Every public REST call that an exchange says it can make: what one cassette of it should hold."""

from __future__ import annotations

from fra.core import ExchangeHandle, MarketKind, Operation, Symbol
from fra.testkit.calls import ACCOUNT, READS

Cell = tuple[Operation, MarketKind]


async def walk(exchange: ExchangeHandle) -> dict[Cell, tuple[Symbol, object]]:
    """Make every call that needs no account, once per market kind; cell → the symbol that was asked about, the answer.

    Of each kind the first listed symbol is taken; kinds of which nothing is listed are left out.
    """
    first: dict[MarketKind, Symbol] = {}
    for symbol in await exchange.get_symbols():
        first.setdefault(symbol.kind, symbol)
    return {
        (operation, kind): (first[kind], await ask(exchange, first[kind]))
        for operation, ask in READS.items()
        if operation not in ACCOUNT
        for kind in exchange.capabilities.kinds(operation)
        if kind in first
    }

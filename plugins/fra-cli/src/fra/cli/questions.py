"""What `fra compare` asks: the read-only interface, and how the answers to each question are laid side by side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Final

import attrs

from fra.cli.differences import Fields, Pairing, Rows, book_fields, fields_of
from fra.core import ExchangeHandle, KlineInterval, Operation, Symbol

DEPTH: Final = 20
_TRADES: Final = 50
_CANDLES: Final = 24
_SETTLEMENTS: Final = 20


@attrs.frozen
class Question:
    """One operation: how it is asked, what names its rows, and how they are paired.

    ``swaps`` is asked for swaps only, ``whole`` once and not for each symbol, ``private`` with credentials only.
    """

    operation: Operation
    ask: Callable[[ExchangeHandle, str], Awaitable[object]]
    key: Callable[[Any], Hashable] | None = None
    pairing: Pairing = attrs.field(factory=Pairing)
    fields: Callable[[Any], Fields] = fields_of
    swaps: bool = False
    whole: bool = False
    private: bool = False

    async def rows(self, handle: ExchangeHandle, symbol: str) -> Rows:
        """The answer as rows."""
        answer = await self.ask(handle, symbol)
        if self.key is None:
            return {None: self.fields(answer)}
        assert isinstance(answer, Sequence)
        return {self.key(row): self.fields(row) for row in answer}

    def concerns(self, symbol: Symbol) -> bool:
        """Whether it makes sense for this symbol."""
        return symbol.kind.is_swap or not self.swaps


def _fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PRICES: Final = "last open high low volume quote_volume"

QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        Operation.GET_SYMBOLS,
        lambda handle, _: handle.get_symbols(),
        key=lambda symbol: (symbol.kind, symbol.venue_id),
        whole=True,
    ),
    Question(
        Operation.GET_TICKER,
        lambda handle, symbol: handle.get_ticker(symbol),
        pairing=Pairing(moving=_fields(f"timestamp_ms bid ask bid_amount ask_amount {_PRICES}")),
    ),
    Question(
        Operation.GET_ORDERBOOK,
        lambda handle, symbol: handle.get_orderbook(symbol, depth=DEPTH),
        fields=lambda book: book_fields(book, DEPTH),
        pairing=Pairing(
            moving=_fields("timestamp_ms sequence best_bid best_ask"),
            moment="sequence",
            exact_only=_fields("bids asks"),
        ),
    ),
    Question(
        Operation.GET_TRADES,
        lambda handle, symbol: handle.get_trades(symbol, limit=_TRADES),
        key=lambda trade: trade.id,
        pairing=Pairing(window="timestamp_ms"),
    ),
    Question(
        Operation.GET_KLINES,
        lambda handle, symbol: handle.get_klines(symbol, KlineInterval.H1, limit=_CANDLES),
        key=lambda kline: kline.open_ms,
        pairing=Pairing(moving=_fields("high low close volume quote_volume trades"), window="open_ms"),
    ),
    Question(
        Operation.GET_FUNDING_RATE,
        lambda handle, symbol: handle.get_funding_rate(symbol),
        pairing=Pairing(moving=_fields("rate mark_price index_price timestamp_ms")),
        swaps=True,
    ),
    Question(
        Operation.GET_FUNDING_RATE_HISTORY,
        lambda handle, symbol: handle.get_funding_rate_history(symbol, limit=_SETTLEMENTS),
        key=lambda rate: rate.settled_ms,
        pairing=Pairing(window="settled_ms"),
        swaps=True,
    ),
    Question(
        Operation.GET_BALANCE,
        lambda handle, _: handle.get_balance(),
        key=lambda balance: (balance.market, balance.asset),
        pairing=Pairing(moving=_fields("free total timestamp_ms")),
        whole=True,
        private=True,
    ),
    Question(
        Operation.GET_POSITIONS,
        lambda handle, _: handle.get_positions(),
        key=lambda position: (position.symbol, position.side),
        pairing=Pairing(moving=_fields("mark_price liquidation_price unrealized_pnl timestamp_ms")),
        whole=True,
        private=True,
    ),
    Question(
        Operation.GET_OPEN_ORDERS,
        lambda handle, symbol: handle.get_open_orders(symbol),
        key=lambda order: order.id or order.client_order_id,
        private=True,
    ),
)


def chosen(wanted: Sequence[str], lists: Mapping[str, Sequence[Symbol]]) -> list[Symbol]:
    """The symbols to ask about that each of ``lists`` has: by name or asset, or one of each kind where none is named.

    Those named that are not in all of the lists are left out here; their rows of get_symbols say where they are not.
    """
    first, *others = lists.values()
    known = [{symbol.name for symbol in other} for other in others]
    common = [symbol for symbol in first if all(symbol.name in names for names in known)]
    if wanted:
        names = {name.upper() for name in wanted}
        return [s for s in common if not names.isdisjoint((s.name.upper(), s.asset, s.base.upper()))]
    active = sorted((symbol for symbol in common if symbol.active), key=lambda symbol: symbol.asset != "BTC")
    return list({symbol.kind: symbol for symbol in reversed(active)}.values())[::-1]

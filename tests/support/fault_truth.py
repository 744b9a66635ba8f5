"""What really is: the venue's own books, trades, prices and rates of one symbol, in fra's words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fra.core import BookView, FundingRate, PriceLevel, Symbol, Ticker, Trade
from fra.emulator import BybitVenue, NoData, Venue

Fact = tuple[int, Decimal, Decimal, str]
"""Of a trade: time, price, amount, the taker's side. Each venue writes ids in a way of its own."""

_BYBIT_DEPTH = 200
"""Of a live book, unless the options say otherwise."""
_DRIFT = Decimal("0.000001")
"""Of a funding rate within a few seconds."""
_ROUNDED = Decimal("0.00000001")
"""It is reckoned and dated a moment apart."""


def fact(trade: Trade) -> Fact:
    return (trade.timestamp_ms, trade.price, trade.amount, trade.side.value)


class Truth:
    """One symbol at its venue. An account must be open there: with it the venue's terms are known."""

    def __init__(self, venue: Venue, symbol: Symbol) -> None:
        self.venue = venue
        self.symbol = symbol
        self.key = (symbol.market, symbol.venue_id)
        listing = venue.exchange.find(*self.key)
        assert listing is not None, symbol
        self._listing = listing
        self._size = listing.instrument.contract_size
        source: Any = venue.source
        self._market = source.market
        if isinstance(venue, BybitVenue):
            self._updates = source.updates(listing.instrument)

    def freeze(self, *, frozen: bool = True) -> None:
        self.venue.freeze_book(*self.key, frozen=frozen)

    # --- books

    def _levels(self, rows: Any) -> list[PriceLevel]:
        return [PriceLevel(Decimal(price), Decimal(size) * self._size) for price, size in rows]

    def differs(self, view: BookView) -> str | None:
        """How a valid book differs from the venue's own at its sequence; None: it does not, or the venue has
        forgotten that one."""
        sequence = view.sequence
        if isinstance(self.venue, BybitVenue) and sequence is not None:
            # after a restart depths share numbers: those of the live book's own depth count
            sequence = self._updates.by_depth[_BYBIT_DEPTH].seq_of(sequence)
            if sequence is None:
                return None
        try:
            true = self.venue.book(*self.key, sequence)
        except NoData:
            return None
        for side, told, rows in (("bids", view.bids(), true.bids), ("asks", view.asks(), true.asks)):
            real = self._levels(rows)
            if list(told) != real:
                wrong = [(n, *pair) for n, pair in enumerate(zip(told, real, strict=False)) if pair[0] != pair[1]][:2]
                return f"at {view.sequence} it has {len(told)} {side} of {len(real)}; first different: {wrong}"
        return None

    def now(self) -> tuple[list[PriceLevel], list[PriceLevel]]:
        """Bids and asks of this moment."""
        true = self.venue.book(*self.key)
        return self._levels(true.bids), self._levels(true.asks)

    def is_now(self, view: BookView) -> bool:
        """Whether a book is the venue's of this moment."""
        return (list(view.bids()), list(view.asks())) == self.now()

    # --- trades

    def trades(self) -> list[Fact]:
        """The last thousand, oldest first."""
        book = self._market.known_book(*self.key)
        if book is None:
            return []
        terms = self._listing.terms
        return [
            (one.time_ms, one.price * terms.tick, one.amount * terms.lot, "buy" if one.taker_buys else "sell")
            for one in book.trades
        ]

    # --- tickers and funding

    def has_best(self, ticker: Ticker) -> bool:
        """Whether the best prices and amounts that it tells are the venue's of this moment."""
        true = self.venue.book(*self.key)
        (bid,), (ask,) = self._levels(true.bids[:1]), self._levels(true.asks[:1])
        told = (ticker.bid, ticker.bid_amount, ticker.ask, ticker.ask_amount)
        real = (bid.price, bid.amount, ask.price, ask.amount)
        return all(one is None or one == other for one, other in zip(told, real, strict=True))

    def lies(self, rate: FundingRate) -> str | None:
        """What is wrong with a rate at the moment that it bears."""
        if rate.timestamp_ms is None:
            return None
        at = rate.timestamp_ms
        instrument = self._listing.instrument
        if self.venue.name == "htx":
            # HTX dates a rate back to its minute, so there it is held to the moment that it came; it moves slowly
            moments, most = [rate.received_ms], _DRIFT
        else:  # an answer bears the time of a clock that may have been moved
            moments, most = [at, at - self.venue.clock_offset_ms], _ROUNDED
        real = [self._market.funding(instrument, moment) for moment in moments]
        if all(abs(rate.rate - one) > most for one in real):
            return f"the rate {rate.rate} at {at}, it is {real[0]}"
        settles = self._market.next_settlement(instrument, at + 1)
        if rate.next_settlement_ms not in (None, settles) and not rate.next_settlement_derived:
            return f"the settlement {rate.next_settlement_ms} told at {at}, it is {settles}"
        if rate.interval is not None and rate.interval.total_seconds() != instrument.interval_hours * 3600:
            return f"the interval {rate.interval}, it is {instrument.interval_hours} h"
        return None

    def opened(self, open_ms: int, interval_ms: int) -> float:
        """At which price a candle opened."""
        return float(self._market.candle(self._listing.instrument, open_ms, interval_ms, open_ms + 1).open)

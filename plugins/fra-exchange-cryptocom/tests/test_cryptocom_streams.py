"""Streams of Crypto.com, over a socket: books, trades, tickers; rates by polling."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ccxt_plain import Heard, Speaking, with_recordings

from fra.core import MarketKind, Operation, Side
from fra.exchanges.cryptocom import CryptoComPlugin

pytestmark = with_recordings
NAME, ID = "LTC/USD:USD", "LTCUSD-PERP"
STAMP = 1779871668415
SNAPSHOT = {"bids": [["60.05", "0.5", "1"]], "asks": [["60.1", "0.2", "1"]], "t": STAMP, "u": 5}
UPDATE = {"update": {"bids": [["60.06", "0.00000527", "1"]], "asks": []}, "t": STAMP, "u": 6, "pu": 5}
TICKER = {
    "h": "61",
    "l": "59",
    "a": "60.05",
    "i": ID,
    "v": "10.5",
    "c": "0.0123",
    "b": "60.01",
    "bs": "1.5",
    "t": STAMP,
}
TRADE = {"s": "SELL", "p": "60.05", "q": "0.5", "t": STAMP, "d": "123", "i": ID}


def react(frame: dict[str, Any]) -> Iterable[Any]:
    for subscription in frame.get("params", {}).get("channels", ()):
        sent = {
            "book": [("book", SNAPSHOT), ("book.update", UPDATE)],
            "ticker": [("ticker", TICKER)],
            "trade": [("trade", TRADE)],
        }[subscription.partition(".")[0]]
        for channel, row in sent:
            told = {"channel": channel, "subscription": subscription, "instrument_name": ID, "depth": 50, "data": [row]}
            yield {"id": 1, "method": "subscribe", "code": 0, "result": told}


async def test_a_streamed_book_is_exact() -> None:
    async with Speaking(react=react).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        source = venue.subscribe_orderbook(venue.symbol(NAME))
        books = await Heard(source, lambda view: [(level.price, level.amount) for level in view.bids()]).until(2)
    assert books[-1] == [(Decimal("60.06"), Decimal("0.00000527")), (Decimal("60.05"), Decimal("0.5"))]


async def test_trades_and_tickers_come_and_an_opening_price_is_not_reckoned() -> None:
    async with Speaking(react=react).adapter("cryptocom", cls=CryptoComPlugin) as venue:
        symbol = venue.symbol(NAME)
        (trade,) = await Heard(venue.subscribe_trades(symbol)).until(1)
        (ticker,) = await Heard(venue.subscribe_ticker(symbol)).until(1)
    assert (trade.id, trade.side, trade.price, trade.amount) == ("123", Side.SELL, Decimal("60.05"), Decimal("0.5"))
    assert (ticker.last, ticker.bid, ticker.bid_amount, ticker.open) == (
        Decimal("60.05"),
        Decimal("60.01"),
        Decimal("1.5"),
        None,
    )


async def test_rates_are_polled_and_declared_so() -> None:
    async with Speaking().adapter("cryptocom", cls=CryptoComPlugin) as venue:
        support = venue.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, MarketKind.LINEAR_SWAP)
    assert str(support) == "polled every 30 s"

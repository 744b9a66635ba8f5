"""A small third-party exchange whose figures and failures are set in the configuration. No framework, no network."""

import asyncio
import time
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

import attrs

from fra.core import (
    ConnectionStatus,
    ExchangeAuthError,
    ExchangeCapabilities,
    ExchangeConnectionError,
    ExchangeMetadata,
    ExchangePluginInterface,
    ExchangeRateLimitError,
    FundingRate,
    Health,
    IntervalSource,
    Kline,
    MarketKind,
    Operation,
    OrderBook,
    PluginType,
    PriceLevel,
    RateKind,
    Side,
    Symbol,
    Ticker,
    Trade,
)

FAILURES = {
    "network": lambda name: ExchangeConnectionError("the name could not be resolved", exchange=name, cure="check DNS"),
    "auth": lambda name: ExchangeAuthError("the key is unknown", exchange=name, code="-2015"),
    "limit": lambda name: ExchangeRateLimitError("the budget is used up", exchange=name, retry_after=3.0),
}
HOUR_MS = 3_600_000
KINDS = (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)


@attrs.frozen
class Options:
    rates: dict[str, Decimal] = attrs.Factory(lambda: {"BTC/USDT:USDT": Decimal("0.0001")})
    hours: int = 8
    """0 is unknown."""
    mark: Decimal = Decimal(100)
    amount: Decimal = Decimal(100)
    fail: str | None = None
    delay: float = 0.0
    freeze_after: int | None = None
    """After this many items its rate streams fall silent and say so; they speak again after a second."""


def now_ms():
    return time.time_ns() // 1_000_000


class ScriptedVenue(ExchangePluginInterface):
    Options = Options
    fees: ClassVar = {"taker": Decimal("0.0005")}

    @classmethod
    def describe(cls):
        return ExchangeMetadata(
            name="scripted",
            display_name="Scripted",
            version="1",
            plugin_type=PluginType.CUSTOM,
            capabilities=cls.matrix(),
            fee_structure=cls.fees,
        )

    @staticmethod
    def matrix():
        return ExchangeCapabilities.of(
            [
                Operation.GET_SYMBOLS,
                Operation.GET_ORDERBOOK,
                Operation.GET_TICKER,
                Operation.GET_TRADES,
                Operation.GET_KLINES,
                Operation.GET_FUNDING_RATE,
                Operation.GET_FUNDING_RATES,
                Operation.SUBSCRIBE_ORDERBOOK,
                Operation.SUBSCRIBE_TRADES,
                Operation.SUBSCRIBE_KLINES,
                Operation.SUBSCRIBE_FUNDING_RATE,
            ],
            KINDS,
        )

    @property
    def capabilities(self):
        return self.matrix()

    async def initialize(self):
        pass

    async def connect(self):
        await asyncio.sleep(self.options.delay)
        if self.options.fail:
            raise FAILURES[self.options.fail](self.config.name)

    async def disconnect(self):
        pass

    async def health_check(self):
        return Health(
            exchange=self.config.name,
            status=ConnectionStatus.CONNECTED,
            checked_ms=now_ms(),
            latency=0.0125,
            clock_skew=-0.003,
        )

    async def get_symbols(self):
        return [self.instrument(name) for name in self.options.rates]

    def instrument(self, name):
        base, rest = name.split("/")
        quote, settle = rest.split(":")
        kind = MarketKind.LINEAR_SWAP if quote == settle else MarketKind.INVERSE_SWAP
        return Symbol(
            name, base + quote, kind, base, quote, settle, tick_size=Decimal("0.01"), lot_size=Decimal("0.001")
        )

    def price(self, symbol):
        return self.options.mark * symbol.multiplier

    async def get_orderbook(self, symbol, *, depth=None):
        return self.book(symbol)

    def book(self, symbol):
        price, step, amount = self.price(symbol), self.price(symbol) / 1000, self.options.amount
        return OrderBook(
            symbol=symbol.name,
            bids=[PriceLevel(price - step * n, amount) for n in range(1, 6)],
            asks=[PriceLevel(price + step * n, amount) for n in range(1, 6)],
            received_ms=now_ms(),
        )

    async def get_ticker(self, symbol):
        return Ticker(symbol.name, now_ms(), bid=self.price(symbol), ask=self.price(symbol))

    async def get_trades(self, symbol, *, limit=None):
        return [self.trade(symbol, number) for number in range(3)]

    def trade(self, symbol, number):
        return Trade(symbol.name, str(number), self.price(symbol), Decimal("0.5"), Side.SELL, now_ms(), now_ms())

    async def get_klines(self, symbol, interval, *, since=None, until=None, limit=None):
        latest = now_ms() // HOUR_MS * HOUR_MS
        first = latest - 29 * HOUR_MS if since is None else -(-since // HOUR_MS) * HOUR_MS
        opens = range(first, latest + 1, HOUR_MS)[: limit if since is not None else None]
        return [self.candle(symbol, interval, at, closed=at < latest) for at in opens]

    def candle(self, symbol, interval, at, *, closed):
        price, step = self.price(symbol), self.price(symbol) / 100
        return Kline(
            symbol=symbol.name,
            interval=interval,
            open_ms=at,
            open=price,
            high=price + step,
            low=price - step,
            close=price,
            volume=self.options.amount,
            closed=closed,
        )

    async def get_funding_rate(self, symbol):
        return self.funding(symbol)

    async def get_funding_rates(self, symbols=None):
        names = self.options.rates if symbols is None else [symbol.name for symbol in symbols]
        return [self.funding(self.instrument(name)) for name in names]

    def funding(self, symbol):
        hours = self.options.hours
        return FundingRate(
            symbol=symbol.name,
            kind=RateKind.ESTIMATED,
            rate=self.options.rates[symbol.name],
            received_ms=now_ms(),
            interval=timedelta(hours=hours) if hours else None,
            interval_source=IntervalSource.REPORTED if hours else None,
            next_settlement_ms=(now_ms() // HOUR_MS + 1) * HOUR_MS,
            mark_price=self.price(symbol),
        )

    async def subscribe_orderbook(self, symbol, *, depth=None):
        while True:
            yield self.book(symbol)
            await asyncio.sleep(0.05)

    async def subscribe_trades(self, symbol):
        number = 0
        while True:
            yield self.trade(symbol, number)
            number += 1
            await asyncio.sleep(0.02)

    async def subscribe_klines(self, symbol, interval):
        while True:
            yield self.candle(symbol, interval, now_ms() // HOUR_MS * HOUR_MS, closed=False)
            await asyncio.sleep(0.02)

    async def subscribe_funding_rate(self, symbol):
        number = 0
        while True:
            number += 1
            yield self.funding(symbol)
            await asyncio.sleep(0.05)
            if number == self.options.freeze_after:
                raise ExchangeConnectionError("the connection was cut", exchange=self.config.name)


class UnknownFees(ScriptedVenue):
    fees: ClassVar = {}

"""A right adapter for the toy exchange, in small methods, so that a wrong one differs in one of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

import aiohttp
import attrs

from fra.core import (
    Balance,
    BookView,
    ConnectionStatus,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeMetadata,
    ExchangePluginInterface,
    ExchangeRateLimitError,
    Fill,
    FundingPayment,
    FundingRate,
    Health,
    InsufficientFunds,
    IntervalSource,
    InvalidOrder,
    Kline,
    KlineInterval,
    Limiter,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginType,
    Position,
    PositionSide,
    PriceLevel,
    RateKind,
    RateLimit,
    Side,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
    Ticker,
    TimeInForce,
    Trade,
    UserEvent,
    plain,
)

SWAP: Final = MarketKind.LINEAR_SWAP
LEFT_OUT: Final = frozenset(
    (
        Operation.SET_MARGIN_MODE,
        Operation.SET_POSITION_MODE,
        *(operation for operation in Operation if operation.value.startswith("get_key")),
    )
)
CODES: Final[dict[str, type[ExchangeAPIError] | type[ExchangeAuthError]]] = {
    "40100": ExchangeAuthError,
    "40200": InsufficientFunds,
    "40300": InvalidOrder,
    "40400": OrderNotFound,
    "40900": DuplicateOrder,
}
STATES: Final = {"open": OrderStatus.OPEN, "filled": OrderStatus.FILLED, "cancelled": OrderStatus.CANCELED}
RETRY_S: Final = 0.01


@attrs.frozen
class ToyOptions:
    staleness: float = 5.0


@attrs.frozen
class Levels:
    """A whole book as the levels of a view."""

    sides: tuple[tuple[PriceLevel, ...], tuple[PriceLevel, ...]]

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.sides[0][:depth]

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.sides[1][:depth]


class ToyAdapter(ExchangePluginInterface):
    Options = ToyOptions
    capabilities = ExchangeCapabilities.of([op for op in Operation if op not in LEFT_OUT], [SWAP])
    limits: ClassVar = (RateLimit("requests", 100_000, 1.0),)
    known: Limiter

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return ExchangeMetadata(
            "toy", "Toy", "1.0", PluginType.CUSTOM, cls.capabilities, rate_limits=cls.limits, markets=("swap",)
        )

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self.opened: aiohttp.ClientSession | None = None
        self.streams: set[Stream] = set()

    # --- life

    async def initialize(self) -> None:
        self.known = self.context.limiter("toy", self.limits)

    async def connect(self) -> None:
        self.opened = aiohttp.ClientSession(base_url=str(self.config.base_url))
        await self.ask("GET", "/time")

    async def disconnect(self) -> None:
        for stream in [*self.streams]:
            await stream.close()
        if self.opened is not None:
            await self.opened.close()

    async def health_check(self) -> Health:
        sent = self.context.now_ms()
        told = (await self.ask("GET", "/time"))["time"]
        latency = (self.context.now_ms() - sent) / 1000
        skew = (told - sent) / 1000
        status = ConnectionStatus.CONNECTED
        return Health(exchange="toy", status=status, checked_ms=sent, latency=latency, clock_skew=skew)

    # --- requests

    async def ask(self, method: str, path: str, *, signed: bool = False, **params: Any) -> Any:
        headers = self.sign() if signed else {}
        await self.acquire(path)
        assert self.opened is not None
        given = {key: str(value) for key, value in params.items() if value is not None}
        body = {"json": params} if method == "POST" else {"params": given}
        timeout = aiohttp.ClientTimeout(total=self.config.timeout)
        try:
            async with self.opened.request(method, path, headers=headers, timeout=timeout, **body) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            raise ExchangeConnectionError(f"{path} has no answer: {type(error).__name__}", sent=sent) from None
        if response.status != 200:
            self.refuse(response.status, text, response.headers.get("Retry-After"), headers)
        answer = self.parse(text, path)
        if self.says_no(answer):
            self.refuse(response.status, text, None, headers)
        return answer

    def says_no(self, answer: Any) -> bool:
        """Whether an answer with status 200 is a refusal."""
        return isinstance(answer, dict) and "code" in answer

    def parse(self, text: str, path: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise ExchangeAPIError(f"{path} answers with no JSON", status_code=200, response=text) from None

    async def acquire(self, path: str) -> None:
        await self.known.acquire({"requests": 1})

    def sign(self) -> dict[str, str]:
        if self.config.api_key is None or self.config.secret_key is None:
            raise ExchangeAuthError("this needs api_key and secret_key")
        return {"X-Key": self.config.api_key.reveal(), "X-Sign": self.config.secret_key.reveal()[::-1]}

    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if status in (418, 429):
            wait = float(retry_after or 1)
            self.known.block(None, wait, f"HTTP {status}")
            raise ExchangeRateLimitError(f"HTTP {status}", retry_after=wait, code=status)
        answer = json.loads(text) if text.startswith("{") else {}
        code = str(answer.get("code", status))
        kind = CODES.get(code, ExchangeAPIError)
        more = {"status_code": status} if issubclass(kind, ExchangeAPIError) else {}
        raise kind(answer.get("message", "refused"), code=code, response=text, **more)

    # --- numbers

    def amount(self, contracts: str, symbol: Symbol) -> Decimal:
        return symbol.amount(Decimal(contracts))

    def contracts(self, amount: Decimal, symbol: Symbol) -> Decimal:
        return symbol.contracts(amount)

    def trade_price(self, text: str) -> Any:
        return Decimal(text)

    # --- market data

    async def get_symbols(self) -> Sequence[Symbol]:
        return [
            Symbol(
                f"{row['base']}/{row['quote']}:{row['quote']}", row["id"], SWAP, row["base"], row["quote"],
                row["quote"], tick_size=Decimal(row["tick"]), lot_size=Decimal(row["size"]),
                contract_size=Decimal(row["size"]), market="swap",
            )
            for row in await self.ask("GET", "/markets")
        ]  # fmt: skip

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        row = await self.ask("GET", "/book")
        bids, asks = self.sides(row, symbol)
        now = self.context.now_ms()
        return OrderBook(
            symbol=symbol.name, bids=bids, asks=asks, received_ms=now, timestamp_ms=row["time"], sequence=row["seq"]
        )

    def sides(self, row: Any, symbol: Symbol) -> tuple[tuple[PriceLevel, ...], tuple[PriceLevel, ...]]:
        bids, asks = (
            tuple(PriceLevel(Decimal(price), self.amount(there, symbol)) for price, there in row[side])
            for side in ("bids", "asks")
        )
        return bids, asks

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        return self.ticker(await self.ask("GET", "/ticker"), symbol)

    def ticker(self, row: Any, symbol: Symbol) -> Ticker:
        prices = {key: Decimal(row[key]) for key in ("bid", "ask", "last", "high", "low")}
        volume, turnover = self.amount(row["contracts"], symbol), Decimal(row["turnover"])
        return Ticker(symbol.name, self.context.now_ms(), row["time"], volume=volume, quote_volume=turnover, **prices)

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> Sequence[Ticker]:
        return [await self.get_ticker(symbol) for symbol in symbols or await self.get_symbols()]

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        rows = await self.ask("GET", "/trades")
        return [self.trade(row, symbol) for row in rows[::-1]]

    def trade(self, row: Any, symbol: Symbol) -> Trade:
        amount, side = self.amount(row["contracts"], symbol), Side(row["side"])
        price, told = self.trade_price(row["price"]), self.trade_time(row)
        return Trade(symbol.name, str(row["id"]), price, amount, side, told, self.context.now_ms())

    def trade_time(self, row: Any) -> int:
        return int(row["time"])

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]:
        rows = await self.ask("GET", "/klines", since=since, until=until, limit=limit)
        return [self.kline(row, symbol) for row in rows[::-1]]

    def kline(self, row: Any, symbol: Symbol) -> Kline:
        prices = {key: Decimal(row[key]) for key in ("open", "high", "low", "close")}
        volume = self.kline_volume(row, symbol)
        return Kline(
            symbol=symbol.name, interval=KlineInterval.M1, open_ms=row["time"], volume=volume,
            quote_volume=Decimal(row["turnover"]), **prices,
        )  # fmt: skip

    def kline_volume(self, row: Any, symbol: Symbol) -> Decimal:
        return self.amount(row["contracts"], symbol)

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        return self.funding(await self.ask("GET", "/funding"), symbol)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> Sequence[FundingRate]:
        return [await self.get_funding_rate(symbol) for symbol in symbols or await self.get_symbols()]

    def funding(self, row: Any, symbol: Symbol) -> FundingRate:
        return FundingRate(
            symbol=symbol.name,
            kind=RateKind.ESTIMATED,
            rate=self.rate(row["rate"]),
            received_ms=self.context.now_ms(),
            interval=self.interval(row),
            interval_source=IntervalSource.REPORTED,
            next_settlement_ms=self.settles(row),
        )

    def rate(self, text: str) -> Decimal:
        return Decimal(text)

    def interval(self, row: Any) -> timedelta:
        return timedelta(minutes=row["minutes"])

    def settles(self, row: Any) -> int:
        return int(row["next"])

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]:
        rows = await self.ask("GET", "/funding/history", since=since, until=until, limit=limit)
        now = self.context.now_ms()
        return [
            FundingRate(
                symbol=symbol.name, kind=RateKind.SETTLED, rate=self.rate(row["rate"]), received_ms=now,
                settled_ms=row["time"],
            )
            for row in rows[::-1]
        ]  # fmt: skip

    # --- the account

    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        rows = await self.ask("GET", "/balance", signed=True)
        return [
            Balance(asset=row["coin"], market="swap", free=Decimal(row["free"]), total=Decimal(row["total"]))
            for row in rows
        ]

    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        rows = await self.ask("GET", "/positions", signed=True)
        one = symbol or (await self.get_symbols())[0]
        return [
            Position(symbol=one.name, side=PositionSide.LONG, amount=self.amount(row["contracts"], one)) for row in rows
        ]

    async def get_trade_history(self, symbol: Symbol | None = None, **page: Any) -> Sequence[Fill]:
        one = symbol or (await self.get_symbols())[0]
        return [self.fill(row, one) for row in (await self.ask("GET", "/fills", signed=True))[::-1]]

    def fill(self, row: Any, symbol: Symbol) -> Fill:
        return Fill(
            symbol=symbol.name, trade_id=row["id"], side=Side.BUY, price=Decimal(row["price"]),
            amount=self.amount(row["contracts"], symbol), timestamp_ms=row["time"], order_id=row["order"],
            client_order_id=row["client"],
        )  # fmt: skip

    async def get_funding_payments(self, symbol: Symbol | None = None, **page: Any) -> Sequence[FundingPayment]:
        one = symbol or (await self.get_symbols())[0]
        return [self.payment(row, one) for row in (await self.ask("GET", "/payments", signed=True))[::-1]]

    def payment(self, row: Any, symbol: Symbol) -> FundingPayment:
        return FundingPayment(
            symbol=symbol.name, asset=symbol.quote, amount=Decimal(row["amount"]), timestamp_ms=row["time"]
        )

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        try:
            await self.ask("POST", "/leverage", signed=True, leverage=plain(leverage))
        except ExchangeAPIError as error:
            if error.code != "40310":  # it is so already
                raise

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        assert request.client_order_id is not None
        assert request.amount is not None
        terms = {
            "client": request.client_order_id,
            "price": self.asked_price(request),
            "contracts": plain(self.contracts(request.amount, symbol)),
            "tif": self.lives(request),
            "post": self.rests(request),
        }
        return self.order(await self.place(terms), symbol)

    async def place(self, terms: dict[str, Any]) -> Any:
        try:
            return await self.ask("POST", "/order", signed=True, **terms)
        except ExchangeConnectionError as error:
            raise OrderOutcomeUnknown(str(error), client_order_id=terms["client"]) from error

    def asked_price(self, request: OrderRequest) -> str | None:
        """None for a market order."""
        return None if request.price is None else plain(request.price)

    def lives(self, request: OrderRequest) -> str:
        return request.time_in_force.value.lower()

    def rests(self, request: OrderRequest) -> bool:
        return request.post_only

    def order(self, row: Any, symbol: Symbol) -> Order:
        return Order(
            symbol=symbol.name,
            side=Side.BUY,
            type=OrderType.LIMIT if row["price"] else OrderType.MARKET,
            status=STATES[row["state"]],
            id=row["id"],
            client_order_id=row["client"],
            amount=self.amount(row["contracts"], symbol),
            filled=self.amount(row["filled"], symbol),
            price=Decimal(row["price"]) if row["price"] else None,
            time_in_force=TimeInForce(row["tif"].upper()),
            created_ms=row["time"],
            timestamp_ms=row["time"],
        )

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        one = symbol or (await self.get_symbols())[0]
        return self.order(await self.ask("GET", "/order", signed=True, id=order_id, client=client_order_id), one)

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        one = symbol or (await self.get_symbols())[0]
        return self.order(await self.ask("DELETE", "/order", signed=True, id=order_id, client=client_order_id), one)

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        one = symbol or (await self.get_symbols())[0]
        return [self.order(row, one) for row in await self.ask("DELETE", "/orders", signed=True)]

    async def get_open_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        one = symbol or (await self.get_symbols())[0]
        return [self.order(row, one) for row in await self.ask("GET", "/orders", signed=True)]

    async def get_order_history(self, symbol: Symbol | None = None, **page: Any) -> Sequence[Order]:
        one = symbol or (await self.get_symbols())[0]
        return [self.order(row, one) for row in (await self.ask("GET", "/orders/history", signed=True))[::-1]]

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        return self.stream("book", Book(self, symbol), stale=True)

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        return self.stream("trades", lambda row, source: source.publish(self.trade(row, symbol)), lossless=True)

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        return self.stream("ticker", lambda row, source: source.publish(self.ticker(row, symbol)))

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        return self.stream("klines", lambda row, source: source.publish(self.kline(row, symbol)))

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        return self.stream("funding", lambda row, source: source.publish(self.funding(row, symbol)))

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        self.sign()
        return self.stream("user", self.tell)

    async def tell(self, row: Any, source: StreamSource[UserEvent]) -> None:
        """One message of the account: what it says of an order and of a fill."""
        symbol = (await self.get_symbols())[0]
        if "fill" in row:
            self.tell_fill(self.fill(row["fill"], symbol), source)
        source.publish(self.order(row["order"], symbol))

    def tell_fill(self, fill: Fill, source: StreamSource[UserEvent]) -> None:
        source.publish(fill)

    def stream(self, topic: str, take: Any, *, stale: bool = False, lossless: bool = False) -> Any:
        made = Stream(self, topic, take, stale=stale, lossless=lossless)
        self.streams.add(made)
        return made.source

    def lost(self, stream: Stream, failure: ExchangeConnectionError) -> None:
        """A connection of a stream is gone."""
        if isinstance(stream.take, Book):
            stream.take.lost(stream.source)
        stream.source.set_status(StreamStatus.RECOVERING, failure)
        if stream.lossless:
            self.missed(stream.source)

    def missed(self, source: StreamSource[Any]) -> None:
        source.gap(StreamGap("trades may be missing"))

    def survives(self, error: Exception) -> bool:
        """Whether a stream goes on after what it could not make anything of."""
        return True

    def minds_gaps(self) -> bool:
        return True

    def levels(self, row: Any, symbol: Symbol) -> tuple[tuple[PriceLevel, ...], tuple[PriceLevel, ...]]:
        """The levels of a message of the book's stream."""
        return self.sides(row, symbol)

    def best_first(self, bids: tuple[PriceLevel, ...], asks: tuple[PriceLevel, ...]) -> Levels:
        return Levels((tuple(sorted(bids, reverse=True)), tuple(sorted(asks))))

    def staleness(self) -> float | None:
        assert isinstance(self.options, ToyOptions)
        return self.options.staleness


class Book:
    """A book from its snapshot and deltas; invalid from a gap until the next snapshot."""

    def __init__(self, adapter: ToyAdapter, symbol: Symbol) -> None:
        self.adapter = adapter
        self.symbol = symbol
        self.rows: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        self.sequence: int | None = None

    def lost(self, source: StreamSource[BookView]) -> None:
        self.sequence = None
        source.publish(self.view(valid=False))

    def __call__(self, row: Any, source: StreamSource[BookView]) -> None:
        if row["prev"] is None:
            self.rows = ({}, {})
        elif row["prev"] != self.sequence and self.adapter.minds_gaps():
            raise ExchangeConnectionError("an update of the book is missing")
        for side, levels in zip(self.rows, self.adapter.levels(row, self.symbol), strict=True):
            side.update(levels)
        self.sequence = row["seq"]
        source.publish(self.view())

    def view(self, *, valid: bool = True) -> BookView:
        bids, asks = (tuple(PriceLevel(*level) for level in side.items()) for side in self.rows)
        return BookView(
            self.symbol.name,
            self.adapter.best_first(bids, asks),
            self.adapter.context.now_ms(),
            sequence=self.sequence,
            valid=valid,
        )


class Stream:
    """One socket for one topic: connected anew after every loss."""

    def __init__(self, adapter: ToyAdapter, topic: str, take: Any, *, stale: bool, lossless: bool) -> None:
        self.adapter = adapter
        self.topic = topic
        self.take: Callable[[Any, StreamSource[Any]], Awaitable[None] | None] = take
        self.stale = stale
        self.lossless = lossless
        self.source: StreamSource[Any] = StreamSource(close=self.close)
        self.task = asyncio.create_task(self.run(), name=f"toy {topic}")

    async def close(self) -> None:
        self.adapter.streams.discard(self)
        self.task.cancel()
        await asyncio.wait({self.task})

    async def run(self) -> None:
        while True:
            try:
                await self.once()
            except (aiohttp.ClientError, ExchangeError, ValueError, KeyError) as error:
                failure = ExchangeConnectionError(f"the socket broke: {error}")
                if not self.adapter.survives(error):
                    self.source.fail(failure)
                    return
            else:
                failure = ExchangeConnectionError("the socket was closed")
            self.adapter.lost(self, failure)
            await asyncio.sleep(RETRY_S)

    async def once(self) -> None:
        session = self.adapter.opened
        assert session is not None
        async with session.ws_connect("/ws") as socket:
            await socket.send_json({"subscribe": self.topic})
            while True:
                try:
                    wait = self.adapter.staleness() if self.stale and self.source.last_data is not None else None
                    message = await socket.receive(timeout=wait)
                except TimeoutError:
                    error = ExchangeConnectionError("silence")
                    self.source.set_status(StreamStatus.STALE, error)
                    raise error from None
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                row = json.loads(message.data)
                if row["topic"] == "subscribed":
                    self.source.set_status(StreamStatus.LIVE)
                    continue
                waiting = self.take(row, self.source)
                if waiting is not None:
                    await waiting

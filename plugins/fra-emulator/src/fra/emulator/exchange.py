"""The exchange behind a venue's front-end: accounts that trade against the generated market, by a matching engine."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal

import attrs

from fra.emulator.accounts import Account
from fra.emulator.book import BookEngine, Step
from fra.emulator.instruments import Instrument
from fra.emulator.market import Market
from fra.emulator.order_faults import UserEvents
from fra.emulator.settings import Settings
from fra.matching import (
    BalanceChanged,
    Event,
    Exchange,
    Filled,
    FundingPaid,
    Kind,
    Level,
    Liquidated,
    Order,
    OrderChanged,
    OrderRequest,
    OutsideTaken,
    PositionChanged,
    PositionMode,
    Reason,
    SettingChanged,
    Side,
    Traded,
)
from fra.matching import Instrument as Terms

Listener = Callable[[Event], None]
Told = Callable[[BookEngine, Step], None]

_NEAR = 25  # levels a side that resting orders are matched against at each step

WALLETS: Mapping[str, Mapping[str, str]] = {
    "binance": {"spot": "spot", "usdm": "usdm"},
    "okx": {"spot": "trading", "swap": "trading"},
    "bybit": {"spot": "unified", "linear": "unified", "inverse": "unified"},
    "htx": {"spot": "spot", "linear": "linear"},
}
"""Market → wallet: OKX and Bybit have one for all."""

FEES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "binance": {"spot": ("0.001", "0.001"), "usdm": ("0.0002", "0.0005")},
    "okx": {"spot": ("0.0008", "0.001"), "swap": ("0.0002", "0.0005")},
    "bybit": {"spot": ("0.001", "0.001"), "linear": ("0.0002", "0.00055"), "inverse": ("0.0002", "0.00055")},
    "htx": {"spot": ("0.002", "0.002"), "linear": ("0.0002", "0.0005")},
}
"""Maker and taker, the venues' published rates for everybody."""


@attrs.frozen
class Listing:
    """One instrument as the venue writes it and as the engine has it.

    `symbol` is the engine's name for it: Binance writes `BTCUSDT` for two instruments.
    """

    instrument: Instrument
    terms: Terms

    @property
    def symbol(self) -> str:
        return self.terms.symbol

    def amount(self, size: Decimal) -> Decimal:
        """The venue's size (contracts, or coins) as the engine's amount: base coin, quote coin for inverse."""
        return size * self.instrument.contract_size

    def size(self, amount: Decimal) -> Decimal:
        """The engine's amount as the venue writes it."""
        return amount / self.instrument.contract_size


class VenueExchange:
    """The accounts of one emulated venue, and the engine that matches their orders against the generated books.

    `engine` is read by front-ends as it is. What changes orders goes through `place`, `cancel` and `cancel_all`, which
    bring the engine up to the book of the moment first. Accounts' resting orders are matched, but not shown in the
    public book; what they take from it is.
    """

    def __init__(self, market: Market, settings: Settings) -> None:
        self.engine = Exchange(seed=settings.seed, listener=self._on_event, now_ms=settings.clock.now_ms())
        self.accounts: dict[str, Account] = {}
        """By API key."""
        self.on_book: Told = lambda engine, step: None
        """Told of every change that an account makes to a public book."""
        self._market = market
        self._clock = settings.clock
        self._wallets = WALLETS[market.venue]
        self._listings: dict[tuple[str, str], Listing] = {}
        self._by_symbol: dict[str, Listing] = {}
        self.events = UserEvents(self._deliver)
        """The way of what accounts are told, and its faults."""
        self._listeners: dict[str, list[Listener]] = {}
        self._settlements: dict[str, int] = {}
        self._soonest = 0
        self._taken: list[OutsideTaken] = []
        self._traded: list[Traded] = []

    def now_ms(self) -> int:
        """The market's clock."""
        return self._clock.now_ms()

    # -- accounts
    def open(self, account: Account) -> None:
        """Open an account with its key. Raises ValueError if the key is taken."""
        if account.key in self.accounts:
            raise ValueError(f"the key {account.key[:4]}… is taken")
        if not self._listings:
            for market in self._wallets:
                for instrument in self._market.instruments(market):
                    self._list(instrument)
        mode = PositionMode.HEDGE if account.hedge else PositionMode.ONE_WAY
        now = self._clock.now_ms()
        self.accounts[account.key] = account
        self.engine.open_account(account.name, wallets=self._wallets, mode=mode)
        for wallet in dict.fromkeys(self._wallets.values()):
            for asset, amount in account.balances.items():
                self.engine.deposit(account.name, wallet, asset, amount, now_ms=now)

    def listen(self, account: Account, listener: Listener) -> Callable[[], None]:
        """Hear every event of one account, in order, synchronously; the result ends it."""
        listeners = self._listeners.setdefault(account.name, [])
        listeners.append(listener)

        def remove() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return remove

    # -- instruments
    def find(self, market: str, symbol: str) -> Listing | None:
        """The listing that the venue writes so, or None."""
        return self._listings.get((market, symbol))

    def listing(self, symbol: str) -> Listing:
        """The listing of an engine's symbol."""
        return self._by_symbol[symbol]

    def listings(self, market: str) -> Iterator[Listing]:
        """All of a market, in listing order."""
        return (found for (listed, _), found in self._listings.items() if listed == market)

    def _list(self, instrument: Instrument) -> None:
        kind = Kind.INVERSE if instrument.inverse else Kind.LINEAR if instrument.is_swap else Kind.SPOT
        maker, taker = FEES[instrument.venue][instrument.market]
        terms = Terms(
            symbol=f"{instrument.market}:{instrument.symbol}",
            market=instrument.market,
            kind=kind,
            base=instrument.base,
            quote=instrument.quote,
            tick=instrument.tick,
            lot=instrument.lot * instrument.contract_size,
            min_amount=instrument.min_amount * instrument.contract_size,
            min_notional=instrument.min_notional,
            maker_fee=Decimal(maker),
            taker_fee=Decimal(taker),
            interval_ms=instrument.interval_ms,
        )
        self.engine.list_instrument(terms, now_ms=self._clock.now_ms())
        listing = Listing(instrument, terms)
        self._listings[instrument.market, instrument.symbol] = listing
        self._by_symbol[terms.symbol] = listing
        if instrument.is_swap:
            at = self._market.next_settlement(instrument, self._clock.now_ms())
            self._settlements[terms.symbol] = at
            self._soonest = min(self._soonest or at, at)

    # -- orders
    def place(self, account: Account, request: OrderRequest, *, expire: Collection[Reason] = ()) -> Order:
        """As `Exchange.place`, against the book of this moment. Raises Refused."""
        listing = self._by_symbol.get(request.symbol)
        if listing is not None:
            self._quote(listing, None)
            self._mark(listing)
        order = self.engine.place(account.name, request, expire=expire, now_ms=self._clock.now_ms())
        self._show_taken()
        return self.engine.order(account.name, order_id=order.id)

    def cancel(self, account: Account, *, order_id: int | None = None, client_id: str | None = None) -> Order:
        """As `Exchange.cancel`. Raises Refused."""
        return self.engine.cancel(account.name, order_id=order_id, client_id=client_id, now_ms=self._clock.now_ms())

    def cancel_all(self, account: Account, symbol: str | None = None, *, side: Side | None = None) -> tuple[Order, ...]:
        """As `Exchange.cancel_all`."""
        return self.engine.cancel_all(account.name, symbol, side=side, now_ms=self._clock.now_ms())

    # -- the market moves
    def moved(self, engine: BookEngine, step: Step) -> None:
        """A generated book has made a step."""
        listing = self._listings.get((engine.instrument.market, engine.instrument.symbol))
        if listing is None or not self.engine.needs_quotes(listing.symbol):
            return
        now = self._clock.now_ms()
        self._quote(listing, _NEAR)
        for trade in step.trades:
            price, amount = self._level(listing, trade.price, trade.amount)
            self.engine.trade(listing.symbol, price, amount, Side.BUY if trade.taker_buys else Side.SELL, now_ms=now)
        self._mark(listing)
        self._show_taken()

    def tick(self, now_ms: int) -> None:
        """Keep the books moving that accounts care for, and settle the funding that is due."""
        if not self.accounts:
            return
        for listing in self._by_symbol.values():
            if self.engine.needs_quotes(listing.symbol):
                self._book(listing).wanted_ms = now_ms
        if now_ms < self._soonest:
            return
        for symbol, at in self._settlements.items():
            while at <= now_ms:
                instrument = self._by_symbol[symbol].instrument
                self.engine.settle(
                    symbol, self._market.funding(instrument, at), self._mark_price(instrument, at), now_ms=at
                )
                at = self._market.next_settlement(instrument, at + 1)
            self._settlements[symbol] = at
        self._soonest = min(self._settlements.values())

    def _book(self, listing: Listing) -> BookEngine:
        return self._market.book(listing.instrument, self._clock.now_ms())

    def _quote(self, listing: Listing, depth: int | None) -> None:
        book = self._book(listing)
        bids, asks = book.top(len(book.bids) + len(book.asks) if depth is None else depth)
        now = self._clock.now_ms()
        self.engine.quote(listing.symbol, self._levels(listing, bids), self._levels(listing, asks), now_ms=now)

    def _levels(self, listing: Listing, levels: Iterable[tuple[int, int]]) -> list[Level]:
        return [self._level(listing, ticks, lots) for ticks, lots in levels]

    @staticmethod
    def _level(listing: Listing, ticks: int, lots: int) -> Level:
        return ticks * listing.terms.tick, lots * listing.terms.lot

    def _mark(self, listing: Listing) -> None:
        now = self._clock.now_ms()
        self.engine.mark(listing.symbol, self._mark_price(listing.instrument, now), now_ms=now)

    def _mark_price(self, instrument: Instrument, at_ms: int) -> Decimal:
        return Decimal(round(self._market.mark(instrument, at_ms) / float(instrument.tick))) * instrument.tick

    # -- what comes out of the engine
    def _on_event(self, event: Event) -> None:
        if isinstance(event, OutsideTaken):
            self._taken.append(event)
            return
        if isinstance(event, Traded):
            self._traded.append(event)
            return
        self.events.tell(event)

    def _deliver(self, event: Event) -> None:
        name = _account_of(event)
        for listener in tuple(self._listeners.get(name, ())) if name else ():
            listener(event)

    def _show_taken(self) -> None:
        """Tell the public: trades with accounts, and levels that these have taken away."""
        taken, self._taken = self._taken, []
        traded, self._traded = self._traded, []
        for symbol in dict.fromkeys([event.symbol for event in taken] + [event.symbol for event in traded]):
            listing = self._by_symbol[symbol]
            book, terms = self._book(listing), listing.terms
            trades = [
                (int(event.price / terms.tick), int(event.amount / terms.lot), event.side is Side.BUY)
                for event in traded
                if event.symbol == symbol
            ]
            for asks in (True, False):
                levels = [
                    (int(price / terms.tick), int(amount / terms.lot))
                    for event in taken
                    if event.symbol == symbol and (event.side is Side.SELL) is asks
                    for price, amount in event.levels
                ]
                if levels or (asks and trades):
                    step = book.take(levels, trades if asks else (), asks=asks, now_ms=self._clock.now_ms())
                    self.on_book(book, step)


def _account_of(event: Event) -> str | None:
    match event:
        case OrderChanged(order=order):
            return order.account
        case Filled(fill=fill):
            return fill.account
        case BalanceChanged(account=account) | Liquidated(account=account) | SettingChanged(account=account):
            return account
        case PositionChanged(position=position):
            return position.account
        case FundingPaid(payment=payment):
            return payment.account
        case _:
            return None

"""The exchange: what front-ends call."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Protocol, TypeVar

from fra.matching import funding, settings
from fra.matching.account import BUILTIN, Account, Balance
from fra.matching.book import Level
from fra.matching.events import BalanceReason, Event, Payment
from fra.matching.floor import Floor
from fra.matching.instrument import LARGEST, Instrument, exact
from fra.matching.journal import Journal
from fra.matching.market import Market
from fra.matching.matcher import Matcher
from fra.matching.order import Fill, Order, OrderRequest, PositionSide, Side
from fra.matching.position import Holding, MarginMode, Position, PositionMode
from fra.matching.refusals import Reason, Refused
from fra.matching.risk import Risk
from fra.matching.trading import Trading


class Exchange:
    """A matching engine over instruments and accounts; synchronous, and without a clock: every call that changes
    takes ``now_ms``.

    Every change is told to ``listener`` as one frozen event, in order, after the call's work is done and before it
    returns; the state is then that after the whole call. A call that is refused raises `Refused` and changes nothing.
    The same seed and the same calls give the same ids and events.

    Matching is by price, then time. At equal price accounts' resting orders go before outside levels. A trade is at
    the resting price. Outside levels are what `quote` told last, less what was taken since.

    Money is conserved: beside those of the users there are built-in accounts, whose balances may be negative:
    ``outside`` (the rest of the market), ``fees``, ``insurance`` (losses beyond a wallet) and ``clearing``, which pays
    realised profits and takes losses, and so holds nothing once all positions are closed.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument] = (),
        *,
        now_ms: int,
        seed: int = 0,
        listener: Callable[[Event], None] | None = None,
    ) -> None:
        self._floor = Floor(Journal(seed, listener))
        self._matcher = Matcher(self._floor)
        self._trading = Trading(self._floor, self._matcher)
        self._risk = Risk(self._floor, self._matcher, self._trading)
        for instrument in instruments:
            self.list_instrument(instrument, now_ms=now_ms)

    # -- instruments
    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Every instrument by symbol."""
        return {symbol: market.instrument for symbol, market in self._floor.markets.items()}

    def list_instrument(self, instrument: Instrument, *, now_ms: int) -> None:
        """Add an instrument, or change the terms of one; a changed interval counts from ``now_ms``.

        :raises Refused: BAD_REQUEST if the kind or the coins of an instrument would change.
        """
        market = self._floor.markets.get(instrument.symbol)
        if market is None:
            self._floor.markets[instrument.symbol] = Market(instrument, now_ms)
            return
        fixed = ("market", "kind", "base", "quote", "settle")
        if any(getattr(instrument, name) != getattr(market.instrument, name) for name in fixed):
            raise Refused(Reason.BAD_REQUEST, f"{instrument.symbol} is listed as something else")
        market.change(instrument, now_ms)

    # -- accounts and money
    def open_account(
        self,
        name: str,
        *,
        wallets: Mapping[str, str],
        mode: PositionMode = PositionMode.ONE_WAY,
        leverage: Decimal = Decimal(10),
    ) -> None:
        """Open an account; ``wallets`` maps a market to its wallet's name, and markets that share a name share a
        wallet.

        ``{"spot": "spot", "usdm": "usdm"}`` keeps two wallets, ``{"spot": "unified", "swap": "unified"}`` one. An
        instrument of a market that is not in the mapping cannot be traded.
        """
        if name in BUILTIN or name in self._floor.accounts:
            raise Refused(Reason.BAD_REQUEST, f"there is an account {name!r}")
        self._floor.accounts[name] = Account(name, wallets, mode, leverage)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The users' accounts, by name."""
        return tuple(self._floor.accounts)

    def deposit(self, account: str, wallet: str, asset: str, amount: Decimal, *, now_ms: int) -> Balance:
        return self._pay_in(account, wallet, asset, _positive(amount), BalanceReason.DEPOSIT, now_ms)

    def withdraw(self, account: str, wallet: str, asset: str, amount: Decimal, *, now_ms: int) -> Balance:
        """:raises Refused: INSUFFICIENT_FUNDS, beyond what is free."""
        self._check_free(account, wallet, asset, _positive(amount))
        return self._pay_in(account, wallet, asset, -amount, BalanceReason.WITHDRAWAL, now_ms)

    def transfer(self, account: str, source: str, target: str, asset: str, amount: Decimal, *, now_ms: int) -> None:
        """Move money between two wallets of one account. :raises Refused: INSUFFICIENT_FUNDS."""
        self._wallet(account, target)
        self._check_free(account, source, asset, _positive(amount))
        with self._call(now_ms):
            self._floor.move((account, source), (account, target), asset, exact(amount), BalanceReason.TRANSFER)
            self._floor.tell_balances()

    def balance(self, account: str, wallet: str, asset: str) -> Balance:
        return self._floor.balance(self._wallet(account, wallet), wallet, asset)

    def balances(self, account: str) -> tuple[Balance, ...]:
        """Every wallet and asset that was ever used."""
        found = self._floor.account(account)
        return tuple(
            self._floor.balance(found, wallet, asset)
            for wallet in dict.fromkeys(found.wallets.values())
            for asset in self._floor.ledger.assets((account, wallet))
        )

    def total(self, asset: str) -> Decimal:
        """The sum over all accounts, the built-in ones too: what was deposited less what was withdrawn."""
        return self._floor.ledger.total(asset)

    def held_by(self, builtin: str, asset: str) -> Decimal:
        """What a built-in account (`OUTSIDE`, `FEES`, `INSURANCE`, `CLEARING`) holds."""
        return self._floor.ledger.get((builtin, ""), asset)

    # -- settings
    def position_mode(self, account: str) -> PositionMode:
        return self._floor.account(account).mode

    def set_position_mode(self, account: str, mode: PositionMode, *, now_ms: int) -> bool:
        """Switch the mode; False if it was that already.

        :raises Refused: POSITION_MODE with derivative orders or positions open.
        """
        found = self._floor.account(account)
        if found.mode is mode:
            return False
        busy = any(h.amount for h in found.holdings.values()) or any(
            not self._floor.markets[order.symbol].instrument.is_spot for order in found.open_orders()
        )
        if busy:
            raise Refused(Reason.POSITION_MODE, "orders or positions are open")
        with self._call(now_ms):
            found.mode = mode
            self._floor.tell_setting(found, None, "position_mode", mode.value)
        return True

    def leverage(self, account: str, symbol: str) -> Decimal:
        return self._floor.account(account).leverage(self._floor.market(symbol).instrument)

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, *, now_ms: int) -> bool:
        """Set the leverage; False if it was that already.

        :raises Refused: LEVERAGE outside 1 to the instrument's maximum; MARGIN if what is open could not be carried
        with it.
        """
        found, market = self._floor.account(account), self._floor.market(symbol)
        with self._call(now_ms):
            return settings.set_leverage(self._floor, found, market, leverage)

    def margin_mode(self, account: str, symbol: str) -> MarginMode:
        self._floor.market(symbol)
        return self._floor.account(account).margin_mode(symbol)

    def set_margin_mode(self, account: str, symbol: str, mode: MarginMode, *, now_ms: int) -> bool:
        """Switch the mode; False if it was that already.

        :raises Refused: MARGIN with orders or a position open on the symbol.
        """
        found, market = self._floor.account(account), self._floor.market(symbol)
        with self._call(now_ms):
            return settings.set_margin_mode(self._floor, found, market, mode)

    # -- positions
    def positions(self, account: str, symbol: str | None = None) -> tuple[Position, ...]:
        """Open positions."""
        found = self._floor.account(account)
        markets = self._floor.markets if symbol is None else {symbol: self._floor.market(symbol)}
        return tuple(
            self._floor.position(found, markets[name], holding)
            for (name, _), holding in found.holdings.items()
            if holding.amount and name in markets
        )

    def position(self, account: str, symbol: str, side: PositionSide = PositionSide.NET) -> Position:
        """One position, open or flat."""
        found, market = self._floor.account(account), self._floor.market(symbol)
        found.wallet(market.instrument)
        holding = found.holdings.get((symbol, side), Holding(account, side))
        return self._floor.position(found, market, holding)

    # -- orders
    def place(self, account: str, request: OrderRequest, *, expire: Collection[Reason] = (), now_ms: int) -> Order:
        """Take an order and match it; the snapshot is from after its fills.

        ``expire`` names reasons (WOULD_TAKE, REDUCE_ONLY) for which this venue accepts the order and expires it at
        once instead of refusing it. An unfilled IOC, FOK or market remainder always expires. A triggered order that
        cannot be paid then ends REJECTED. :raises Refused: with any reason; nothing was placed.
        """
        found, market = self._floor.account(account), self._floor.market(request.symbol)
        with self._call(now_ms):
            order = self._trading.place(found, market, request, expire)
        return found.orders[order.id]

    def cancel(self, account: str, *, order_id: int | None = None, client_id: str | None = None, now_ms: int) -> Order:
        """Cancel one order by either id.

        :raises Refused: UNKNOWN_ORDER; ORDER_CLOSED if it is filled, canceled or expired (by client id: the newest
        that bore it).
        """
        found = self._floor.account(account)
        order = found.find(order_id, client_id)
        with self._call(now_ms):
            return self._trading.cancel(found, order)

    def cancel_all(
        self, account: str, symbol: str | None = None, *, side: Side | None = None, now_ms: int
    ) -> tuple[Order, ...]:
        """Cancel every open order, or those of a symbol or side; untriggered ones too."""
        found = self._floor.account(account)
        wanted = [order for order in found.open_orders(symbol) if side is None or order.side is side]
        with self._call(now_ms):
            return tuple(self._trading.cancel(found, order) for order in wanted)

    def order(self, account: str, *, order_id: int | None = None, client_id: str | None = None) -> Order:
        """An order by either id, open or not; by client id the open one, or else the newest.

        :raises Refused: UNKNOWN_ORDER.
        """
        return self._floor.account(account).find(order_id, client_id)

    def open_orders(self, account: str, symbol: str | None = None) -> tuple[Order, ...]:
        """Oldest first, untriggered ones too."""
        return tuple(self._floor.account(account).open_orders(symbol))

    def orders(self, account: str, symbol: str | None = None) -> tuple[Order, ...]:
        """Every order, open or not, oldest first."""
        return _of_symbol(self._floor.account(account).orders.values(), symbol)

    def fills(self, account: str, symbol: str | None = None) -> tuple[Fill, ...]:
        """Oldest first."""
        return _of_symbol(self._floor.account(account).fills, symbol)

    # -- the market around the accounts
    def needs_quotes(self, symbol: str) -> bool:
        """Whether an order rests or waits on the symbol or a position is open; else quotes matter only before an
        order.
        """
        return self._floor.market(symbol).is_live

    def quote(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level], *, now_ms: int) -> None:
        """Tell the present outside levels, each side's best first, (price, amount).

        The sequences are kept, not copied: do not change them. Resting orders at or through which outside levels now
        stand are filled at their own price as makers, for at most those levels' amounts (`OutsideTaken` says which).
        Costs next to nothing while `needs_quotes` is False.
        """
        market = self._floor.market(symbol)
        for outside, levels in ((market.outside_bids, bids), (market.outside_asks, asks)):
            outside.levels = levels
            if outside.taken:
                outside.taken = {}
        if not market.is_live:
            return
        with self._call(now_ms):
            self._matcher.cross(market, Side.BUY)
            self._matcher.cross(market, Side.SELL)
            if market.told_mark is None and market.last is None:
                self._matcher.dirty[symbol] = None

    def trade(self, symbol: str, price: Decimal, amount: Decimal, side: Side, *, now_ms: int) -> None:
        """Tell of an outside trade, ``side`` its taker's: resting orders better than its price, or at it, are filled
        as makers with at most its amount, and it is the last price.
        """
        market = self._floor.market(symbol)
        if not market.is_live:
            market.last = price
            return
        with self._call(now_ms):
            self._matcher.hit(market, side, price, amount)
            market.last = price
            self._matcher.dirty[symbol] = None

    def mark(self, symbol: str, price: Decimal, *, now_ms: int) -> None:
        """Set the mark price; may trigger and liquidate.

        Until it is told it is the last price, or else the middle of the quotes.
        """
        market = self._floor.market(symbol)
        market.told_mark = price
        if not market.is_live:
            return
        with self._call(now_ms):
            self._matcher.dirty[symbol] = None

    def mark_price(self, symbol: str) -> Decimal | None:
        return self._floor.market(symbol).mark

    def last_price(self, symbol: str) -> Decimal | None:
        return self._floor.market(symbol).last

    def resting(self, symbol: str) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The accounts' own resting bids and asks by price, best first."""
        sides = self._floor.market(symbol).resting
        return sides[Side.BUY].levels(), sides[Side.SELL].levels()

    def outside(self, symbol: str) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """What is left of the outside bids and asks, best first."""
        sides = self._floor.market(symbol).outside
        return tuple(sides[Side.BUY]), tuple(sides[Side.SELL])

    # -- funding
    def due(self, symbol: str, now_ms: int) -> bool:
        """Whether a settlement is due: the first boundary of the interval (UTC) after the last settlement has come."""
        settlement_ms = self._floor.market(symbol).next_settlement_ms()
        return settlement_ms is not None and settlement_ms <= now_ms

    def next_settlement_ms(self, symbol: str) -> int | None:
        """The first boundary of the interval (UTC) after the last settlement; None if there is no funding."""
        return self._floor.market(symbol).next_settlement_ms()

    def settle(
        self, symbol: str, rate: Decimal, mark: Decimal, *, held: Iterable[Position] | None = None, now_ms: int
    ) -> tuple[Payment, ...]:
        """Pay funding on every open position: position × mark × rate, inverse: position ÷ mark × rate; longs pay a
        positive rate.

        The outside account takes the other side. It does not ask whether a settlement is due. Where a rate becomes
        known only later, ``held`` are the symbol's positions as they were when it settled (`positions`): they pay,
        whatever became of them, and the mark price, which is of then, does not count as the present one.
        """
        market = self._floor.market(symbol)
        with self._call(now_ms):
            if held is None:
                market.told_mark = mark
            payments = funding.settle(self._floor, market, rate, mark, held)
            self._matcher.dirty[symbol] = None
        return payments

    def payments(self, account: str, symbol: str | None = None) -> tuple[Payment, ...]:
        """Oldest first."""
        return _of_symbol(self._floor.account(account).payments, symbol)

    # -- inside
    @contextmanager
    def _call(self, now_ms: int) -> Iterator[None]:
        """One call's work, then what follows from it, then its events."""
        with self._floor.journal.call(now_ms):
            yield
            self._risk.sweep()

    def _wallet(self, account: str, wallet: str) -> Account:
        found = self._floor.account(account)
        if wallet not in found.wallets.values():
            raise Refused(Reason.BAD_REQUEST, f"{account} has no wallet {wallet!r}")
        return found

    def _pay_in(
        self, account: str, wallet: str, asset: str, amount: Decimal, reason: BalanceReason, now_ms: int
    ) -> Balance:
        self._wallet(account, wallet)
        with self._call(now_ms):
            self._floor.add((account, wallet), asset, exact(amount), reason)
            self._floor.tell_balances()
        return self.balance(account, wallet, asset)

    def _check_free(self, account: str, wallet: str, asset: str, amount: Decimal) -> None:
        free = self.balance(account, wallet, asset).free
        if amount > free:
            raise Refused(Reason.INSUFFICIENT_FUNDS, f"{amount} {asset} of {free} free", limit=free)


class _HasSymbol(Protocol):
    @property
    def symbol(self) -> str: ...


_T = TypeVar("_T", bound=_HasSymbol)


def _of_symbol(found: Iterable[_T], symbol: str | None) -> tuple[_T, ...]:
    return tuple(found) if symbol is None else tuple(one for one in found if one.symbol == symbol)


def _positive(amount: Decimal) -> Decimal:
    if not (isinstance(amount, Decimal) and amount.is_finite() and 0 < amount < LARGEST):
        raise Refused(Reason.BAD_REQUEST, f"an amount is a positive Decimal below {LARGEST}, not {amount!r}")
    return amount

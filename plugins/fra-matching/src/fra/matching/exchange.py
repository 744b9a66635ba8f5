"""The exchange: what front-ends call."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from fra.matching.account import Balance
from fra.matching.events import Event, Payment
from fra.matching.instrument import Instrument
from fra.matching.order import Fill, Order, OrderRequest, PositionSide, Side
from fra.matching.position import MarginMode, Position, PositionMode
from fra.matching.refusals import Reason

Level = tuple[Decimal, Decimal]


class Exchange:
    """A matching engine over instruments and accounts; synchronous, and without a clock: every call that changes
    takes ``now_ms``.

    Every change is told to ``listener`` as one frozen event, in order, after the call's work is done and before it
    returns; the state is then that after the whole call. A call that is refused raises `Refused` and changes nothing.
    The same seed and the same calls give the same ids and events.

    Matching is by price, then time. At equal price accounts' resting orders go before outside levels. A trade is at
    the resting price. Outside levels are what `quote` told last, less what was taken since.

    Money is conserved: beside those of the users there are built-in accounts, whose balances may be negative:
    ``outside`` (the rest of the market), ``fees``, ``insurance`` (losses beyond a wallet) and ``clearing`` (pays
    realised profits, takes losses; it always holds the sum of all unrealised ones at cost).
    """

    def __init__(
        self, instruments: Iterable[Instrument] = (), *, seed: int = 0, listener: Callable[[Event], None] | None = None
    ) -> None:
        raise NotImplementedError

    # -- instruments
    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Every instrument by symbol."""
        raise NotImplementedError

    def list_instrument(self, instrument: Instrument) -> None:
        """Add an instrument, or change the terms of one; the interval's change holds from the next settlement on.

        :raises Refused: BAD_REQUEST if the kind or the coins of an instrument would change.
        """
        raise NotImplementedError

    # -- accounts and money
    def open_account(
        self, name: str, *, wallets: Mapping[str, str], mode: PositionMode = PositionMode.ONE_WAY, now_ms: int
    ) -> None:
        """Open an account; ``wallets`` maps a market to its wallet's name, and markets that share a name share a
        wallet.

        ``{"spot": "spot", "usdm": "usdm"}`` keeps two wallets, ``{"spot": "unified", "swap": "unified"}`` one. An
        instrument of a market that is not in the mapping cannot be traded.
        """
        raise NotImplementedError

    @property
    def accounts(self) -> tuple[str, ...]:
        """The users' accounts, by name."""
        raise NotImplementedError

    def deposit(self, account: str, wallet: str, asset: str, amount: Decimal, *, now_ms: int) -> Balance:
        raise NotImplementedError

    def withdraw(self, account: str, wallet: str, asset: str, amount: Decimal, *, now_ms: int) -> Balance:
        """:raises Refused: INSUFFICIENT_FUNDS, beyond what is free."""
        raise NotImplementedError

    def transfer(self, account: str, source: str, target: str, asset: str, amount: Decimal, *, now_ms: int) -> None:
        """Move money between two wallets of one account. :raises Refused: INSUFFICIENT_FUNDS."""
        raise NotImplementedError

    def balance(self, account: str, wallet: str, asset: str) -> Balance:
        raise NotImplementedError

    def balances(self, account: str) -> tuple[Balance, ...]:
        """Every wallet and asset that was ever used."""
        raise NotImplementedError

    def total(self, asset: str) -> Decimal:
        """The sum over all accounts, the built-in ones too: what was deposited less what was withdrawn."""
        raise NotImplementedError

    def held_by(self, builtin: str, asset: str) -> Decimal:
        """What a built-in account (`OUTSIDE`, `FEES`, `INSURANCE`, `CLEARING`) holds."""
        raise NotImplementedError

    # -- settings
    def position_mode(self, account: str) -> PositionMode:
        raise NotImplementedError

    def set_position_mode(self, account: str, mode: PositionMode, *, now_ms: int) -> bool:
        """Switch the mode; False if it was that already.

        :raises Refused: POSITION_MODE with derivative orders or positions open.
        """
        raise NotImplementedError

    def leverage(self, account: str, symbol: str) -> Decimal:
        raise NotImplementedError

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, *, now_ms: int) -> bool:
        """Set the leverage; False if it was that already.

        :raises Refused: LEVERAGE outside 1 to the instrument's maximum; MARGIN if what is open could not be carried
        with it.
        """
        raise NotImplementedError

    def margin_mode(self, account: str, symbol: str) -> MarginMode:
        raise NotImplementedError

    def set_margin_mode(self, account: str, symbol: str, mode: MarginMode, *, now_ms: int) -> bool:
        """Switch the mode; False if it was that already.

        :raises Refused: MARGIN with orders or a position open on the symbol.
        """
        raise NotImplementedError

    # -- positions
    def positions(self, account: str, symbol: str | None = None) -> tuple[Position, ...]:
        """Open positions."""
        raise NotImplementedError

    def position(self, account: str, symbol: str, side: PositionSide = PositionSide.NET) -> Position:
        """One position, open or flat."""
        raise NotImplementedError

    # -- orders
    def place(self, account: str, request: OrderRequest, *, expire: Collection[Reason] = (), now_ms: int) -> Order:
        """Take an order and match it; the snapshot is from after its fills.

        ``expire`` names reasons (WOULD_TAKE, REDUCE_ONLY) for which this venue accepts the order and expires it at
        once instead of refusing it. An unfilled IOC, FOK or market remainder always expires. A triggered order that
        cannot be paid then ends REJECTED. :raises Refused: with any reason; nothing was placed.
        """
        raise NotImplementedError

    def cancel(self, account: str, *, order_id: int | None = None, client_id: str | None = None, now_ms: int) -> Order:
        """Cancel one order by either id.

        :raises Refused: UNKNOWN_ORDER; ORDER_CLOSED if it is filled, canceled or expired (by client id: the newest
        that bore it).
        """
        raise NotImplementedError

    def cancel_all(
        self, account: str, symbol: str | None = None, *, side: Side | None = None, now_ms: int
    ) -> tuple[Order, ...]:
        """Cancel every open order, or those of a symbol or side; untriggered ones too."""
        raise NotImplementedError

    def order(self, account: str, *, order_id: int | None = None, client_id: str | None = None) -> Order:
        """An order by either id, open or not; by client id the open one, or else the newest.

        :raises Refused: UNKNOWN_ORDER.
        """
        raise NotImplementedError

    def open_orders(self, account: str, symbol: str | None = None) -> tuple[Order, ...]:
        """Oldest first, untriggered ones too."""
        raise NotImplementedError

    def orders(self, account: str, symbol: str | None = None) -> tuple[Order, ...]:
        """Every order, open or not, oldest first."""
        raise NotImplementedError

    def fills(self, account: str, symbol: str | None = None) -> tuple[Fill, ...]:
        """Oldest first."""
        raise NotImplementedError

    # -- the market around the accounts
    def needs_quotes(self, symbol: str) -> bool:
        """Whether an order rests or waits on the symbol or a position is open; else quotes matter only before an
        order.
        """
        raise NotImplementedError

    def quote(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level], *, now_ms: int) -> None:
        """Tell the present outside levels, each side's best first, (price, amount).

        The sequences are kept, not copied: do not change them. Resting orders at or through which outside levels now
        stand are filled at their own price as makers, for at most those levels' amounts (`OutsideTaken` says which).
        Costs next to nothing while `needs_quotes` is False.
        """
        raise NotImplementedError

    def trade(self, symbol: str, price: Decimal, amount: Decimal, side: Side, *, now_ms: int) -> None:
        """Tell of an outside trade, ``side`` its taker's: resting orders better than its price, or at it, are filled
        as makers with at most its amount, and it is the last price.
        """
        raise NotImplementedError

    def mark(self, symbol: str, price: Decimal, *, now_ms: int) -> None:
        """Set the mark price; may trigger and liquidate.

        Until it is told it is the last price, or else the middle of the quotes.
        """
        raise NotImplementedError

    def mark_price(self, symbol: str) -> Decimal | None:
        raise NotImplementedError

    def last_price(self, symbol: str) -> Decimal | None:
        raise NotImplementedError

    def resting(self, symbol: str) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The accounts' own resting bids and asks by price, best first."""
        raise NotImplementedError

    def outside(self, symbol: str) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """What is left of the outside bids and asks, best first."""
        raise NotImplementedError

    # -- funding
    def due(self, symbol: str, now_ms: int) -> bool:
        """Whether a settlement is due: the first boundary of the interval (UTC) after the last settlement has come."""
        raise NotImplementedError

    def next_settlement_ms(self, symbol: str, now_ms: int) -> int | None:
        """When the next settlement is: in the past if one is due, None if there is no funding."""
        raise NotImplementedError

    def settle(self, symbol: str, rate: Decimal, mark: Decimal, *, now_ms: int) -> tuple[Payment, ...]:
        """Pay funding on every open position: position × mark × rate, inverse: position ÷ mark × rate; longs pay a
        positive rate.

        The outside account takes the other side. It does not ask whether a settlement is due.
        """
        raise NotImplementedError

    def payments(self, account: str, symbol: str | None = None) -> tuple[Payment, ...]:
        """Oldest first."""
        raise NotImplementedError

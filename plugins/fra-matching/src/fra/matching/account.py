"""Accounts: wallets, orders, settings, and what is held and free."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import attrs

from fra.matching.events import Payment
from fra.matching.instrument import ZERO, Instrument
from fra.matching.order import Fill, Order, PositionSide
from fra.matching.position import Holding, MarginMode, PositionMode
from fra.matching.refusals import Reason, Refused

OUTSIDE = "outside"
FEES = "fees"
INSURANCE = "insurance"
CLEARING = "clearing"
BUILTIN = (OUTSIDE, FEES, INSURANCE, CLEARING)


@attrs.frozen(kw_only=True)
class Balance:
    """One asset of a wallet.

    ``free`` is what spot orders, transfers and withdrawals may use; ``available`` is what new derivative orders may
    use, which counts unrealised profit too. ``unrealised`` is of the positions that settle in the asset.
    """

    account: str
    wallet: str
    asset: str
    total: Decimal
    free: Decimal
    available: Decimal
    unrealised: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def held(self) -> Decimal:
        """What is not free, never more than the total."""
        return max(self.total - self.free, ZERO)

    @property
    def equity(self) -> Decimal:
        return self.total + self.unrealised


class Account:
    """One account's state; money itself is in the `Ledger`."""

    def __init__(self, name: str, wallets: Mapping[str, str], mode: PositionMode, leverage: Decimal) -> None:
        self.name = name
        self.wallets = dict(wallets)
        self.mode = mode
        self.default_leverage = leverage
        self.leverages: dict[str, Decimal] = {}
        self.margin_modes: dict[str, MarginMode] = {}
        self.orders: dict[int, Order] = {}
        self.open: dict[int, None] = {}
        self.reducers: dict[int, None] = {}  # resting orders that can only close
        self.by_client_id: dict[str, int] = {}  # the newest that bore it; of open ones there is only one
        self.held: dict[tuple[str, str], Decimal] = {}  # (wallet, asset): what spot orders hold
        self.holdings: dict[tuple[str, PositionSide], Holding] = {}
        self.fills: list[Fill] = []
        self.payments: list[Payment] = []

    def wallet(self, instrument: Instrument) -> str:
        """The wallet of the instrument's market. :raises Refused: UNKNOWN_SYMBOL if the account has none."""
        try:
            return self.wallets[instrument.market]
        except KeyError:
            raise Refused(
                Reason.UNKNOWN_SYMBOL, f"{self.name} has no wallet for the market {instrument.market}"
            ) from None

    def leverage(self, instrument: Instrument) -> Decimal:
        return self.leverages.get(instrument.symbol) or min(self.default_leverage, instrument.max_leverage)

    def margin_mode(self, symbol: str) -> MarginMode:
        return self.margin_modes.get(symbol, MarginMode.CROSS)

    def holding(self, instrument: Instrument, side: PositionSide) -> Holding:
        """The position's state, made when it is first asked for."""
        key = instrument.symbol, side
        found = self.holdings.get(key)
        if found is None:
            found = self.holdings[key] = Holding(self.name, side)
        return found

    def find(self, order_id: int | None, client_id: str | None) -> Order:
        """An order by either id. :raises Refused: UNKNOWN_ORDER."""
        if order_id is None and client_id is not None:
            order_id = self.by_client_id.get(client_id)
        order = None if order_id is None else self.orders.get(order_id)
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER, f"no order {client_id if order_id is None else order_id}")
        return order

    def open_orders(self, symbol: str | None = None) -> Iterator[Order]:
        """Oldest first."""
        found = [self.orders[order_id] for order_id in self.open]
        return (order for order in found if symbol is None or order.symbol == symbol)

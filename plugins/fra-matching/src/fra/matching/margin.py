"""Margin: what positions and orders need, what is left, and where it ends."""

from collections.abc import Mapping
from decimal import Decimal

import attrs

from fra.matching.account import Account
from fra.matching.instrument import ZERO, Instrument, Kind, exact
from fra.matching.market import Market
from fra.matching.position import Holding, MarginMode


@attrs.frozen(kw_only=True)
class Terms:
    """One position's margin figures, in settle coin; ``orders`` is what its resting orders need beside ``initial``."""

    isolated: bool
    initial: Decimal
    orders: Decimal
    unrealised: Decimal
    maintenance: Decimal


@attrs.frozen(kw_only=True)
class Standing:
    """How one asset of a wallet stands.

    ``isolated`` is the margin set apart; ``cross_*`` are of cross positions alone.
    """

    total: Decimal
    held: Decimal
    initial: Decimal
    isolated: Decimal
    unrealised: Decimal
    maintenance: Decimal
    cross_unrealised: Decimal
    cross_maintenance: Decimal
    cross_open: bool

    @property
    def available(self) -> Decimal:
        """What new derivative orders may use."""
        return self.total - self.held - self.initial + self.cross_unrealised

    @property
    def free(self) -> Decimal:
        """What may leave, or be spent: profit that is not realised cannot."""
        return self.total - self.held - self.initial + min(self.cross_unrealised, ZERO)

    @property
    def cross_equity(self) -> Decimal:
        """What carries the cross positions."""
        return self.total - self.held - self.isolated + self.cross_unrealised


def opened(instrument: Instrument, holding: Holding, mark: Decimal | None, bids: Decimal, asks: Decimal) -> Decimal:
    """How much value orders could at worst open beyond the position's: those that only close it need no margin."""
    value = holding.value(instrument, mark)
    return max(abs(value + bids) - abs(value), abs(value - asks) - abs(value), ZERO)


def needed(account: Account, market: Market, holding: Holding, bids: Decimal, asks: Decimal) -> Decimal:
    """The initial margin and fee of orders worth so much."""
    instrument = market.instrument
    rate = 1 / account.leverage(instrument) + max(instrument.taker_fee, ZERO)
    return exact(opened(instrument, holding, market.mark, bids, asks) * rate)


def terms(account: Account, market: Market, holding: Holding) -> Terms:
    instrument, mark = market.instrument, market.mark
    isolated = account.margin_mode(instrument.symbol) is MarginMode.ISOLATED
    value = abs(holding.value(instrument, mark))
    return Terms(
        isolated=isolated,
        initial=holding.margin if isolated else exact(value / account.leverage(instrument)),
        orders=needed(account, market, holding, holding.bids, holding.asks) if holding.bids or holding.asks else ZERO,
        unrealised=exact(holding.unrealised(instrument, mark)),
        maintenance=exact(value * instrument.maintenance_rate),
    )


def standing(account: Account, markets: Mapping[str, Market], total: Decimal, wallet: str, asset: str) -> Standing:
    """Sum up one asset of one wallet."""
    initial = isolated = unrealised = maintenance = cross_unrealised = cross_maintenance = ZERO
    cross_open = False
    for (symbol, _), holding in account.holdings.items():
        if not (holding.amount or holding.bids or holding.asks):
            continue
        market = markets[symbol]
        instrument = market.instrument
        if instrument.settle != asset or account.wallets[instrument.market] != wallet:
            continue
        found = terms(account, market, holding)
        initial += found.initial + found.orders
        unrealised += found.unrealised
        maintenance += found.maintenance
        if found.isolated:
            isolated += found.initial
        else:
            cross_unrealised += found.unrealised
            cross_maintenance += found.maintenance
            cross_open = cross_open or bool(holding.amount)
    return Standing(
        total=total,
        held=account.held.get((wallet, asset), ZERO),
        initial=initial,
        isolated=isolated,
        unrealised=unrealised,
        maintenance=maintenance,
        cross_unrealised=cross_unrealised,
        cross_maintenance=cross_maintenance,
        cross_open=cross_open,
    )


def liquidation_price(instrument: Instrument, holding: Holding, own: Terms, wallet: Standing) -> Decimal | None:
    """The mark at which what carries the position falls to the maintenance margin, all other prices as they are."""
    amount, cost, rate = holding.amount, holding.cost, instrument.maintenance_rate
    if not amount:
        return None
    if own.isolated:
        carried = own.initial
    else:
        carried = wallet.cross_equity - own.unrealised - (wallet.cross_maintenance - own.maintenance)
    # carried + pnl(price) = maintenance(price), solved for the price
    if instrument.kind is Kind.INVERSE:
        top, bottom = amount + abs(amount) * rate, carried + cost
    else:
        top, bottom = cost - carried, amount - abs(amount) * rate
    if not bottom or (price := top / bottom) <= 0:
        return None
    return price

"""Settings of an account on a symbol: leverage and margin mode, and when they may change."""

from decimal import Decimal

from fra.matching.account import Account
from fra.matching.floor import Floor
from fra.matching.instrument import exact
from fra.matching.market import Market
from fra.matching.order import PositionSide
from fra.matching.position import MarginMode
from fra.matching.refusals import Reason, Refused


def set_leverage(floor: Floor, account: Account, market: Market, leverage: Decimal) -> bool:
    """False if it was that already. :raises Refused: LEVERAGE, MARGIN."""
    instrument = market.instrument
    wallet = account.wallet(instrument)
    before = account.leverage(instrument)
    if instrument.is_spot or not 1 <= leverage <= instrument.max_leverage:
        raise Refused(
            Reason.LEVERAGE,
            f"leverage is 1 to {instrument.max_leverage}, not {leverage}",
            limit=instrument.max_leverage,
        )
    if leverage == before:
        return False
    holdings = floor.holdings(market, account)
    margins = [holding.margin for holding in holdings]
    account.leverages[instrument.symbol] = leverage
    for holding in holdings:
        holding.margin = exact(abs(holding.cost) / leverage)
    if leverage < before and (free := floor.standing(account, wallet, instrument.settle).available) < 0:
        account.leverages[instrument.symbol] = before
        for holding, margin in zip(holdings, margins, strict=True):
            holding.margin = margin
        raise Refused(
            Reason.MARGIN, f"{-free} {instrument.settle} too little for a leverage of {leverage}", limit=-free
        )
    floor.tell_setting(account, instrument.symbol, "leverage", str(leverage))
    floor.touch_free(account, instrument, instrument.settle)
    floor.tell_balances()
    return True


def set_margin_mode(floor: Floor, account: Account, market: Market, mode: MarginMode) -> bool:
    """False if it was that already. :raises Refused: MARGIN with an order or a position open."""
    symbol = market.instrument.symbol
    if market.instrument.is_spot:
        raise Refused(Reason.MARGIN, "spot has no margin mode")
    if account.margin_mode(symbol) is mode:
        return False
    busy = any(order.symbol == symbol for order in account.open_orders())
    if busy or any((h := account.holdings.get((symbol, side))) is not None and h.amount for side in PositionSide):
        raise Refused(Reason.MARGIN, f"orders or a position are open on {symbol}")
    account.margin_modes[symbol] = mode
    floor.tell_setting(account, symbol, "margin_mode", mode.value)
    return True

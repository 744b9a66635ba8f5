"""Risk: what follows when a price or a position moved: triggers, liquidations, and losses that a wallet cannot bear."""

from decimal import Decimal

import attrs

from fra.matching.account import INSURANCE, Account
from fra.matching.events import BalanceReason, Liquidated
from fra.matching.floor import BUILTIN_HOLDERS, Floor
from fra.matching.instrument import ZERO
from fra.matching.margin import Terms, terms
from fra.matching.market import Market
from fra.matching.matcher import Matcher
from fra.matching.order import Order, OrderStatus, OrderType, Side, TimeInForce
from fra.matching.position import Holding
from fra.matching.refusals import Reason
from fra.matching.trading import Trading


@attrs.frozen
class _Exposure:
    market: Market
    holding: Holding
    terms: Terms


class Risk:
    """Keeps every account above its maintenance margin."""

    def __init__(self, floor: Floor, matcher: Matcher, trading: Trading) -> None:
        self._floor = floor
        self._matcher = matcher
        self._trading = trading

    def sweep(self) -> None:
        """Set off triggers and liquidations in every market that moved, until nothing moves any more."""
        dirty = self._matcher.dirty
        while dirty:
            symbol = next(iter(dirty))
            del dirty[symbol]
            market = self._floor.markets[symbol]
            self._trading.fire(market)
            for account in list(market.holders.values()):
                self._check(account, market)
            if not dirty:
                self._bear_losses()

    def _bear_losses(self) -> None:
        """A close at a bad price may cost more than there is, too."""
        losers, self._matcher.losers = self._matcher.losers, {}
        for name, market in losers.items():
            self._cover(self._floor.accounts[name], market, ZERO, None)
        self._floor.tell_balances()

    def _check(self, account: Account, market: Market) -> None:
        for holding in self._floor.holdings(market, account):
            found = terms(account, market, holding)
            if found.isolated and found.initial + found.unrealised < found.maintenance:
                self._liquidate_isolated(account, _Exposure(market, holding, found))
        wallet, asset = account.wallet(market.instrument), market.instrument.settle
        if self._is_short(account, wallet, asset):
            self._liquidate_cross(account, wallet, asset)

    def _is_short(self, account: Account, wallet: str, asset: str) -> bool:
        standing = self._floor.standing(account, wallet, asset)
        return standing.cross_open and standing.cross_equity < standing.cross_maintenance

    def _liquidate_cross(self, account: Account, wallet: str, asset: str) -> None:
        """Cancel what orders hold; if that is not enough, close positions, the largest maintenance margin first."""
        for order in account.open_orders():
            instrument = self._floor.markets[order.symbol].instrument
            if account.wallets[instrument.market] == wallet and asset in (instrument.settle, instrument.quote):
                self._trading.cancel(account, order, Reason.LIQUIDATION)
        while self._is_short(account, wallet, asset):
            exposures = [e for e in self._exposures(account, wallet, asset) if not e.terms.isolated]
            self._close(account, max(exposures, key=lambda exposure: exposure.terms.maintenance), floor_loss=None)

    def _liquidate_isolated(self, account: Account, exposure: _Exposure) -> None:
        symbol = exposure.market.instrument.symbol
        for order in account.open_orders(symbol):
            if order.position_side is exposure.holding.side:
                self._trading.cancel(account, order, Reason.LIQUIDATION)
        if exposure.holding.amount:
            self._close(account, exposure, floor_loss=exposure.holding.margin)

    def _exposures(self, account: Account, wallet: str, asset: str) -> list[_Exposure]:
        found = []
        for (symbol, _), holding in account.holdings.items():
            market = self._floor.markets[symbol]
            instrument = market.instrument
            if holding.amount and instrument.settle == asset and account.wallets[instrument.market] == wallet:
                found.append(_Exposure(market, holding, terms(account, market, holding)))
        return found

    def _close(self, account: Account, exposure: _Exposure, *, floor_loss: Decimal | None) -> None:
        """Close a position against what the book has, the rest at the mark; insurance bears what the account cannot.

        ``floor_loss`` is the most that may be lost (isolated), None for all that the wallet has.
        """
        floor, market, holding = self._floor, exposure.market, exposure.holding
        instrument, journal = market.instrument, floor.journal
        holder = floor.holder(account, instrument)
        before, amount, mark = floor.ledger.get(holder, instrument.settle), holding.amount, market.mark
        assert mark is not None
        order = self._liquidation_order(account, market, holding)
        self._matcher.start(account, market, order, takeable=order.amount)
        order = account.orders[order.id]
        covered = self._cover(account, market, before, floor_loss)
        event = Liquidated(
            seq=journal.seq(),
            timestamp_ms=journal.now_ms,
            account=account.name,
            symbol=instrument.symbol,
            order=order,
            amount=amount,
            price=mark if order.average is None else order.average,
            covered=covered,
            asset=instrument.settle,
        )
        journal.tell(event)
        floor.tell_balances()

    def _liquidation_order(self, account: Account, market: Market, holding: Holding) -> Order:
        journal = self._floor.journal
        return Order(
            id=next(journal.order_ids),
            client_id=None,
            account=account.name,
            symbol=market.instrument.symbol,
            side=Side.SELL if holding.amount > 0 else Side.BUY,
            type=OrderType.MARKET,
            amount=abs(holding.amount),
            quote_amount=None,
            price=None,
            time_in_force=TimeInForce.GTC,
            post_only=False,
            reduce_only=True,
            position_side=holding.side,
            trigger=None,
            status=OrderStatus.NEW,
            created_ms=journal.now_ms,
            updated_ms=journal.now_ms,
            fee_asset=market.instrument.settle,
            liquidation=True,
        )

    def _cover(self, account: Account, market: Market, before: Decimal, floor_loss: Decimal | None) -> Decimal:
        floor, instrument = self._floor, market.instrument
        holder, asset = floor.holder(account, instrument), instrument.settle
        after = floor.ledger.get(holder, asset)
        if floor_loss is not None:
            missing = before - after - floor_loss
        else:
            standing = floor.standing(account, holder[1], asset)
            missing = ZERO if standing.cross_open else standing.isolated - after
        if missing <= 0:
            return ZERO
        floor.move(BUILTIN_HOLDERS[INSURANCE], holder, asset, missing, BalanceReason.INSURANCE)
        return missing

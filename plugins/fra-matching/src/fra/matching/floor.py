"""The floor on which everything happens: markets, accounts, money, and what of it must be told."""

from decimal import Decimal

from fra.matching.account import BUILTIN, CLEARING, FEES, Account, Balance
from fra.matching.events import BalanceChanged, BalanceReason, OrderChanged, PositionChanged, SettingChanged
from fra.matching.instrument import ZERO, Instrument
from fra.matching.journal import Journal
from fra.matching.ledger import Holder, Ledger
from fra.matching.margin import Standing, liquidation_price, standing, terms
from fra.matching.market import Market
from fra.matching.order import Order, PositionSide
from fra.matching.position import Holding, Position
from fra.matching.refusals import Reason, Refused

BUILTIN_HOLDERS: dict[str, Holder] = {name: (name, "") for name in BUILTIN}


class Floor:
    """State that matching, risk and funding share, and the only ways to change money."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.ledger = Ledger()
        self.markets: dict[str, Market] = {}
        self.accounts: dict[str, Account] = {}
        self._touched: dict[tuple[str, str, str], tuple[Decimal, BalanceReason]] = {}

    def account(self, name: str) -> Account:
        try:
            return self.accounts[name]
        except KeyError:
            raise Refused(Reason.UNKNOWN_ACCOUNT, f"no account {name!r}") from None

    def market(self, symbol: str) -> Market:
        try:
            return self.markets[symbol]
        except KeyError:
            raise Refused(Reason.UNKNOWN_SYMBOL, f"no instrument {symbol!r}") from None

    # -- money
    def holder(self, account: Account | None, instrument: Instrument) -> Holder:
        """Who pays and receives for an account, or for the outside."""
        if account is None:
            return BUILTIN_HOLDERS["outside"]
        return account.name, account.wallets[instrument.market]

    def move(self, source: Holder, target: Holder, asset: str, amount: Decimal, reason: BalanceReason) -> None:
        if not amount:
            return
        self.ledger.move(source, target, asset, amount)
        self._touch(source, asset, -amount, reason)
        self._touch(target, asset, amount, reason)

    def add(self, holder: Holder, asset: str, amount: Decimal, reason: BalanceReason) -> None:
        self.ledger.add(holder, asset, amount)
        self._touch(holder, asset, amount, reason)

    def pay_fee(self, payer: Holder, asset: str, fee: Decimal) -> None:
        self.move(payer, BUILTIN_HOLDERS[FEES], asset, fee, BalanceReason.ORDER)

    def clear(self, holder: Holder, asset: str, profit: Decimal, reason: BalanceReason) -> None:
        """Pay a realised profit, or take a loss."""
        self.move(BUILTIN_HOLDERS[CLEARING], holder, asset, profit, reason)

    def hold(self, account: Account, instrument: Instrument, asset: str, change: Decimal) -> None:
        """Hold more (or less) of a wallet's asset for spot orders."""
        if change:
            key = account.wallets[instrument.market], asset
            account.held[key] = account.held.get(key, ZERO) + change
            self.touch_free(account, instrument, asset)

    def touch_free(self, account: Account, instrument: Instrument, asset: str) -> None:
        """Remember that what is free may have changed."""
        self._touch((account.name, account.wallets[instrument.market]), asset, ZERO, BalanceReason.ORDER)

    def _touch(self, holder: Holder, asset: str, change: Decimal, reason: BalanceReason) -> None:
        if holder[0] not in self.accounts:
            return
        before, _ = self._touched.get((*holder, asset), (ZERO, reason))
        self._touched[(*holder, asset)] = before + change, reason

    # -- telling
    def tell_balances(self) -> None:
        """Tell of every balance touched since it was last called."""
        touched, self._touched = self._touched, {}
        for (name, wallet, asset), (change, reason) in touched.items():
            balance = self.balance(self.accounts[name], wallet, asset)
            event = BalanceChanged(
                seq=self.journal.seq(),
                timestamp_ms=self.journal.now_ms,
                account=name,
                wallet=wallet,
                asset=asset,
                total=balance.total,
                free=balance.free,
                change=change,
                reason=reason,
            )
            self.journal.tell(event)

    def tell_order(self, order: Order) -> None:
        self.journal.tell(OrderChanged(seq=self.journal.seq(), timestamp_ms=self.journal.now_ms, order=order))

    def tell_position(self, account: Account, market: Market, holding: Holding) -> None:
        position = self.position(account, market, holding)
        event = PositionChanged(seq=self.journal.seq(), timestamp_ms=self.journal.now_ms, position=position)
        self.journal.tell(event)

    def tell_setting(self, account: Account, symbol: str | None, name: str, value: str) -> None:
        event = SettingChanged(
            seq=self.journal.seq(),
            timestamp_ms=self.journal.now_ms,
            account=account.name,
            symbol=symbol,
            name=name,
            value=value,
        )
        self.journal.tell(event)

    # -- snapshots
    def standing(self, account: Account, wallet: str, asset: str) -> Standing:
        return standing(account, self.markets, self.ledger.get((account.name, wallet), asset), wallet, asset)

    def balance(self, account: Account, wallet: str, asset: str) -> Balance:
        found = self.standing(account, wallet, asset)
        return Balance(
            account=account.name,
            wallet=wallet,
            asset=asset,
            total=found.total,
            free=max(found.free, ZERO),
            available=max(found.available, ZERO),
            unrealised=found.unrealised,
            initial_margin=found.initial,
            maintenance_margin=found.maintenance,
        )

    def position(self, account: Account, market: Market, holding: Holding) -> Position:
        instrument = market.instrument
        found = terms(account, market, holding)
        wallet = account.wallets[instrument.market]
        return Position(
            account=account.name,
            symbol=instrument.symbol,
            side=holding.side,
            amount=holding.amount,
            entry=instrument.price_of(holding.amount, holding.cost),
            mark=market.mark,
            unrealised=found.unrealised,
            realised=holding.realised,
            leverage=account.leverage(instrument),
            margin_mode=account.margin_mode(instrument.symbol),
            initial_margin=found.initial,
            maintenance_margin=found.maintenance,
            liquidation_price=liquidation_price(
                instrument, holding, found, self.standing(account, wallet, instrument.settle)
            ),
            settle=instrument.settle,
            opened_ms=holding.opened_ms,
            updated_ms=holding.updated_ms,
        )

    def holdings(self, market: Market, account: Account) -> tuple[Holding, ...]:
        """An account's open positions in a market."""
        symbol = market.instrument.symbol
        found = (account.holdings.get((symbol, side)) for side in PositionSide)
        return tuple(holding for holding in found if holding is not None and holding.amount)

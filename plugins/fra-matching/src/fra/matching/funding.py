"""Funding: what longs pay shorts, or shorts longs, when an instrument settles."""

from decimal import Decimal

from fra.matching.account import OUTSIDE, Account
from fra.matching.events import BalanceReason, FundingPaid, Payment
from fra.matching.floor import BUILTIN_HOLDERS, Floor
from fra.matching.instrument import exact
from fra.matching.market import Market
from fra.matching.position import Holding, MarginMode


def settle(floor: Floor, market: Market, rate: Decimal, mark: Decimal) -> tuple[Payment, ...]:
    """Every open position pays or receives value × rate; the outside, which holds the sum of them negated, the rest."""
    payments = [
        _pay(floor, market, account, holding, rate, mark)
        for account in list(market.holders.values())
        for holding in floor.holdings(market, account)
    ]
    market.funded_ms = floor.journal.now_ms
    return tuple(payments)


def _pay(floor: Floor, market: Market, account: Account, holding: Holding, rate: Decimal, mark: Decimal) -> Payment:
    instrument, journal = market.instrument, floor.journal
    amount = exact(-instrument.value(holding.amount, mark) * rate)
    isolated = account.margin_mode(instrument.symbol) is MarginMode.ISOLATED
    payment = Payment(
        id=next(journal.payment_ids),
        account=account.name,
        symbol=instrument.symbol,
        side=holding.side,
        position=holding.amount,
        rate=rate,
        mark=mark,
        amount=amount,
        asset=instrument.settle,
        timestamp_ms=journal.now_ms,
    )
    holder = floor.holder(account, instrument)
    floor.move(BUILTIN_HOLDERS[OUTSIDE], holder, instrument.settle, amount, BalanceReason.FUNDING)
    if isolated:  # it is paid out of, or into, what was set apart
        holding.margin += amount
    account.payments.append(payment)
    journal.tell(FundingPaid(seq=journal.seq(), timestamp_ms=journal.now_ms, payment=payment))
    floor.tell_balances()
    if isolated:
        floor.tell_position(account, market, holding)
    return payment

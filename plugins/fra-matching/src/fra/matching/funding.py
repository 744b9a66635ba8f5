"""Funding: what longs pay shorts, or shorts longs, when an instrument settles."""

from collections.abc import Iterable
from decimal import Decimal

from fra.matching.account import OUTSIDE, Account
from fra.matching.events import BalanceReason, FundingPaid, Payment
from fra.matching.floor import BUILTIN_HOLDERS, Floor
from fra.matching.instrument import exact
from fra.matching.market import Market
from fra.matching.position import Holding, MarginMode, Position


def settle(
    floor: Floor, market: Market, rate: Decimal, mark: Decimal, held: Iterable[Position] | None = None
) -> tuple[Payment, ...]:
    """Every open position, or each of ``held``, pays or receives value × rate; the outside takes the other side."""
    if held is None:
        positions = [
            (account, holding, holding.amount)
            for account in list(market.holders.values())
            for holding in floor.holdings(market, account)
        ]
    else:
        owners = [(floor.account(position.account), position) for position in held]
        positions = [(a, a.holding(market.instrument, position.side), position.amount) for a, position in owners]
    payments = [_pay(floor, market, *position, rate, mark) for position in positions]
    market.funded_ms = floor.journal.now_ms
    return tuple(payments)


def _pay(
    floor: Floor, market: Market, account: Account, holding: Holding, position: Decimal, rate: Decimal, mark: Decimal
) -> Payment:
    instrument, journal = market.instrument, floor.journal
    amount = exact(-instrument.value(position, mark) * rate)
    isolated = bool(holding.amount) and account.margin_mode(instrument.symbol) is MarginMode.ISOLATED
    payment = Payment(
        id=next(journal.payment_ids),
        account=account.name,
        symbol=instrument.symbol,
        side=holding.side,
        position=position,
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

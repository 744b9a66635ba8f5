"""Funding that was expected against funding that was received, leg by leg and settlement by settlement. Pure.

What has not been seen yet is pending and never zero; what was received without being expected is a row of its own, so
that the sum of all rows is what the account was really paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Final

import attrs

from fra.core import FundingPayment, PositionSide, Symbol, plain

PENDING: Final = "pending"
AS_EXPECTED: Final = "as expected"
# Venues book payments some seconds after the settlement; no two settlements are nearer than an hour.
_NEAR_MS: Final = 300_000
# Venues round what they pay.
_LEAST: Final = Decimal("1e-8")
_SHARE: Final = Decimal("1e-6")
# A mark price this far from the one that was seen explains nothing.
_MARK_LIMIT: Final = Decimal("0.05")
_PRECISION: Final = 60


@attrs.frozen(kw_only=True)
class Held:
    """A position that is held over settlements; ``amount`` is in the symbol's own amounts."""

    exchange: str
    symbol: Symbol
    side: PositionSide
    amount: Decimal

    @property
    def asset(self) -> str:
        """The coin that funding is paid in."""
        return self.symbol.settle or self.symbol.quote

    def funding(self, rate: Decimal, mark_price: Decimal, amount: Decimal | None = None) -> Decimal:
        """What one settlement at ``rate`` brings (+) or takes (-), in :attr:`asset`."""
        held = self.amount if amount is None else amount
        value = held / mark_price if self.symbol.inverse else held * mark_price
        return -rate * value if self.side is PositionSide.LONG else rate * value


@attrs.frozen(kw_only=True)
class Settlement:
    """What was known of a settlement before it came: rate and mark price. ``charged`` is the rate it settled at."""

    at_ms: int
    rate: Decimal
    mark_price: Decimal | None = None
    charged: Decimal | None = None


@attrs.frozen(kw_only=True)
class Receipt:
    """One leg at one settlement, in ``asset``. ``received`` None is pending, ``expected`` None was not known."""

    held: Held
    at_ms: int
    expected: Decimal | None
    received: Decimal | None
    cause: str

    @property
    def asset(self) -> str:
        return self.held.asset

    @property
    def pending(self) -> bool:
        return self.received is None

    @property
    def difference(self) -> Decimal | None:
        """Received less expected; None while one of them is not known."""
        return None if self.received is None or self.expected is None else self.received - self.expected


@attrs.frozen(kw_only=True)
class Total:
    """All receipts in one coin. ``expected`` counts what has been received only; ``pending`` is how many are not."""

    asset: str
    expected: Decimal
    received: Decimal
    pending: int


def reconcile(held: Held, settlements: Iterable[Settlement], payments: Iterable[FundingPayment]) -> list[Receipt]:
    """A receipt for each settlement and for each payment that belongs to none, oldest first."""
    with localcontext() as context:
        context.prec = _PRECISION
        left = [payment for payment in payments if payment.symbol == held.symbol.name]
        receipts: list[Receipt] = []
        for settlement in settlements:
            paid = [payment for payment in left if abs(payment.timestamp_ms - settlement.at_ms) <= _NEAR_MS]
            left = [payment for payment in left if payment not in paid]
            receipts.append(_receipt(held, settlement, paid))
        for payment in left:
            receipts.append(
                Receipt(
                    held=held,
                    at_ms=payment.timestamp_ms,
                    expected=None,
                    received=payment.amount,
                    cause="no settlement was expected then",
                )
            )
        return sorted(receipts, key=lambda receipt: receipt.at_ms)


def totals(receipts: Iterable[Receipt]) -> list[Total]:
    """The sums by coin: what was received is exactly what the account was paid."""
    found: dict[str, Total] = {}
    for receipt in receipts:
        total = found.setdefault(
            receipt.asset, Total(asset=receipt.asset, expected=Decimal(0), received=Decimal(0), pending=0)
        )
        found[receipt.asset] = attrs.evolve(
            total,
            expected=total.expected + (receipt.expected or 0 if receipt.received is not None else 0),
            received=total.received + (receipt.received or 0),
            pending=total.pending + receipt.pending,
        )
    return list(found.values())


def _receipt(held: Held, settlement: Settlement, paid: Sequence[FundingPayment]) -> Receipt:
    expected = None
    if settlement.mark_price is not None:
        expected = held.funding(settlement.rate, settlement.mark_price)
    received = sum((payment.amount for payment in paid), Decimal(0)) if paid else None
    if received is None:
        cause = PENDING
    elif expected is None:
        cause = "the mark price was not known"
    elif _equal(received, expected):
        cause = AS_EXPECTED
    else:
        cause = "; ".join(_causes(held, settlement, paid, received))
    return Receipt(held=held, at_ms=settlement.at_ms, expected=expected, received=received, cause=cause)


def _causes(held: Held, settlement: Settlement, paid: Sequence[FundingPayment], received: Decimal) -> Iterator[str]:
    """Why it differs: the rate, the position, the mark price, in this order, as far as each of them is known."""
    mark = settlement.mark_price
    assert mark is not None
    rates = {payment.rate for payment in paid if payment.rate is not None}
    rate = rates.pop() if len(rates) == 1 else settlement.charged
    if rate is not None and rate != settlement.rate:
        yield f"the rate was {plain(rate * 100)} %, not {plain(settlement.rate * 100)} %"
    amounts = [abs(payment.position_amount) for payment in paid if payment.position_amount is not None]
    amount = sum(amounts, Decimal(0)) if len(amounts) == len(paid) else held.amount
    if amount != held.amount:
        yield f"the position was {plain(amount)}, not {plain(held.amount)}"
    explained = held.funding(settlement.rate if rate is None else rate, mark, amount)
    if _equal(received, explained):
        return
    if explained:
        # Linear payments grow with the mark price, inverse ones fall with it.
        ratio = received / explained
        implied = mark / ratio if held.symbol.inverse and ratio else mark * ratio
        if abs(implied / mark - 1) <= _MARK_LIMIT:
            yield f"the mark price was {plain(round(implied, 8))}, not {plain(mark)}"
            return
    yield f"{plain(round(received - explained, 8))} {held.asset} are unexplained"


def _equal(first: Decimal, second: Decimal) -> bool:
    return abs(first - second) <= max(_LEAST, abs(second) * _SHARE)

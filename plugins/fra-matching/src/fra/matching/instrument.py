"""What is traded: its grid, limits, fees and margin terms, and the arithmetic of its kind."""

import enum
from decimal import ROUND_DOWN, Decimal

import attrs

ZERO = Decimal(0)
# Below it, 28 digits hold every sum of money exactly.
LARGEST = Decimal("1e15")
# Every amount of money that moves is on this grid, so that sums are exact however often they are taken.
DUST = Decimal("1e-12")


def exact(value: Decimal, rounding: str | None = None) -> Decimal:
    """The value on the grid on which money moves, 12 decimals; what is on it already keeps its form."""
    exponent = value.as_tuple().exponent
    return value if isinstance(exponent, int) and exponent >= -12 else value.quantize(DUST, rounding)


class Kind(enum.Enum):
    """Spot; a perpetual settled in quote coin (linear) or in base coin (inverse)."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


@attrs.frozen(kw_only=True)
class Instrument:
    """One instrument. Amounts (``lot``, ``min_amount``, ``max_amount``) are base coin for spot and linear, quote for
    inverse.

    ``symbol`` is unique in an `Exchange`, whatever the venue calls it: use unified names (``BTC/USDT``,
    ``BTC/USDT:USDT``) where a venue's own repeat over its markets. ``market`` decides in which wallet it lives. Fees
    are fractions, negative for a rebate. ``min_notional`` is quote coin. ``interval_ms`` is the funding interval, 0
    for none.
    """

    symbol: str
    market: str
    kind: Kind
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    settle: str = attrs.field()
    min_amount: Decimal = ZERO
    max_amount: Decimal | None = None
    min_notional: Decimal = ZERO
    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO
    max_leverage: Decimal = Decimal(100)
    maintenance_rate: Decimal = Decimal("0.005")
    interval_ms: int = 0

    @settle.default
    def _settle(self) -> str:
        return self.base if self.kind is Kind.INVERSE else self.quote

    @property
    def is_spot(self) -> bool:
        return self.kind is Kind.SPOT

    def value(self, amount: Decimal, price: Decimal) -> Decimal:
        """What ``amount`` at ``price`` is worth in settle coin: amount × price, inverse: amount ÷ price."""
        return amount / price if self.kind is Kind.INVERSE else amount * price

    def notional(self, amount: Decimal, price: Decimal) -> Decimal:
        """The same in quote coin; an inverse amount is that already."""
        return amount if self.kind is Kind.INVERSE else amount * price

    def pnl(self, amount: Decimal, cost: Decimal, price: Decimal) -> Decimal:
        """Profit in settle coin of a signed ``amount`` bought for the signed ``cost`` (settle coin) if closed at
        ``price``.
        """
        return cost - amount / price if self.kind is Kind.INVERSE else amount * price - cost

    def price_of(self, amount: Decimal, value: Decimal) -> Decimal | None:
        """The average price at which ``amount`` is worth ``value``; None for nothing."""
        if not amount or not value:
            return None
        return amount / value if self.kind is Kind.INVERSE else value / amount

    def floor(self, amount: Decimal) -> Decimal:
        """The amount down to whole lots."""
        return (amount / self.lot).to_integral_value(ROUND_DOWN) * self.lot

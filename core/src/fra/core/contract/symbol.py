"""The unified symbol: one name and one set of units for the same thing on every venue."""

from __future__ import annotations

import enum
import re
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

import attrs

from fra.core.contract import values
from fra.core.contract.capabilities import MarketKind


class Side(enum.Enum):
    """Who acts. For a trade: the side of the taker."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


_MULTIPLIER: Final = re.compile(r"(?:(1000000|100000|10000|1000)|(1M)|(k))([A-Z][A-Z0-9]+)")
_ALIASES: Final = {"XBT": "BTC"}


class Asset(NamedTuple):
    """A canonical asset and how many of it one unit stands for: 1000PEPE is (PEPE, 1000)."""

    name: str
    multiplier: Decimal


def canonical_asset(code: str) -> Asset:
    """The asset behind a venue's code: ``1000PEPE`` and ``kPEPE`` are 1000 PEPE, ``XBT`` is BTC, ``1INCH`` itself."""
    match = _MULTIPLIER.fullmatch(code)
    if match is None:
        return Asset(_ALIASES.get(code, code), Decimal(1))
    digits, million, _, name = match.groups()
    multiplier = Decimal(digits) if digits else Decimal(1_000_000 if million else 1000)
    return Asset(_ALIASES.get(name, name), multiplier)


@attrs.frozen
class Symbol:
    """One instrument of one venue.

    ``name`` is unified: ``BTC/USDT`` spot, ``BTC/USDT:USDT`` linear swap, ``BTC/USD:BTC`` inverse swap,
    ``BTC/USDT:USDT-261225`` dated, ``BTC/USD:BTC-261225-100000-C`` option. ``venue_id`` is the venue's own id.

    Units: prices in quote coin. Amounts, here and everywhere in fra, in **base coin** for spot and linear, in
    **quote coin** for inverse. ``contract_size`` is that amount for one contract of the venue (1 for spot);
    ``lot_size``, ``min_amount`` and ``max_amount`` are amounts, ``min_notional`` is in quote coin. None is unknown
    or not limited. ``asset`` and ``multiplier`` say what is really traded (1000PEPE: PEPE, 1000), so that prices of
    two venues can be compared as ``price / multiplier``.
    """

    name: str = attrs.field(validator=values.text)
    venue_id: str = attrs.field(validator=values.text)
    kind: MarketKind = attrs.field(validator=values.member(MarketKind))
    base: str = attrs.field(validator=values.text)
    quote: str = attrs.field(validator=values.text)
    settle: str | None = None
    tick_size: Decimal = attrs.field(kw_only=True, validator=values.positive)
    lot_size: Decimal = attrs.field(kw_only=True, validator=values.positive)
    contract_size: Decimal = attrs.field(kw_only=True, default=Decimal(1), validator=values.positive)
    min_amount: Decimal | None = attrs.field(kw_only=True, default=None, validator=values.positive_or_none)
    max_amount: Decimal | None = attrs.field(kw_only=True, default=None, validator=values.positive_or_none)
    min_notional: Decimal | None = attrs.field(kw_only=True, default=None, validator=values.positive_or_none)
    expiry_ms: int | None = attrs.field(kw_only=True, default=None, validator=values.timestamp_or_none)
    active: bool = attrs.field(kw_only=True, default=True)
    market: str = attrs.field(kw_only=True, default="")

    def __str__(self) -> str:
        return self.name

    @property
    def asset(self) -> str:
        """The canonical asset: PEPE for 1000PEPE."""
        return canonical_asset(self.base).name

    @property
    def multiplier(self) -> Decimal:
        """How many of :attr:`asset` one base unit is: 1000 for 1000PEPE."""
        return canonical_asset(self.base).multiplier

    @property
    def linear(self) -> bool:
        """Whether it is a derivative that settles in its quote coin."""
        return self.kind.is_derivative and not self.kind.is_inverse

    @property
    def inverse(self) -> bool:
        """Whether it settles in its base coin, so that amounts are in quote coin."""
        return self.kind.is_inverse

    @property
    def amount_unit(self) -> str:
        """The coin that amounts of this symbol are counted in."""
        return self.quote if self.inverse else self.base

    def contracts(self, amount: Decimal) -> Decimal:
        """``amount`` in the venue's contracts, exactly. Raises ValueError when it is no exact decimal number."""
        contracts = amount / self.contract_size
        if contracts * self.contract_size != amount:
            raise ValueError(f"{amount} {self.amount_unit} is no exact number of contracts of {self.contract_size}")
        return contracts

    def amount(self, contracts: Decimal) -> Decimal:
        """``contracts`` of the venue in base coin (quote coin for inverse), exactly."""
        return contracts * self.contract_size

    def round_price(self, price: Decimal, side: Side) -> Decimal:
        """The nearest valid price that is no worse for ``side``: down for a buy, up for a sell."""
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        return _to_grid(price, self.tick_size, rounding)

    def round_amount(self, amount: Decimal) -> Decimal:
        """The largest valid amount that is not above ``amount`` (possibly zero; minimums are not applied)."""
        return _to_grid(amount, self.lot_size, ROUND_DOWN)

    def notional(self, amount: Decimal, price: Decimal) -> Decimal:
        """The value of ``amount`` at ``price`` in quote coin."""
        return amount if self.inverse else amount * price


class RefusedInstrument(NamedTuple):
    """An instrument that a venue lists and an adapter could not take: never dropped in silence."""

    venue_id: str
    reason: str


class SymbolList(tuple[Symbol, ...]):  # noqa: SLOT001 - a tuple can only have the slots (), which would forbid `refused`
    """The symbols of a venue, and by name and reason those that were refused."""

    refused: tuple[RefusedInstrument, ...] = ()


def _to_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step

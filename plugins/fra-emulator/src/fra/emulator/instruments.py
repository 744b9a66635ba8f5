"""The instruments that the emulated venues list, with their real grids, from the bundled data file."""

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import resources

import attrs
import msgspec

HOUR_MS = 3_600_000


class _Listing(msgspec.Struct, forbid_unknown_fields=True):
    venue: str
    market: str
    symbol: str
    quote: str
    tick: str
    lot: str
    min_amount: str
    settle: str = ""
    min_notional: str = "0"
    contract_size: str = "1"
    inverse: bool = False
    multiplier: int = 1
    interval_hours: int = 0
    funding_bias: str = "0"


class _Asset(msgspec.Struct, forbid_unknown_fields=True):
    asset: str
    price: str
    volatility: float
    turnover: int
    funding: str
    listings: list[_Listing]


@attrs.frozen
class Instrument:
    """One listing of an asset at a venue.

    `price` is the venue's own starting price (already times the multiplier); `lot`, `min_amount` are in the
    venue's unit (contracts on OKX and HTX swaps, base coin elsewhere); `contract_size` is base coin per contract
    (quote for inverse); `turnover` is quote per day.
    """

    venue: str
    market: str
    symbol: str
    asset: str
    base: str
    quote: str
    settle: str
    price: Decimal
    tick: Decimal
    lot: Decimal
    min_amount: Decimal
    min_notional: Decimal
    contract_size: Decimal
    inverse: bool
    multiplier: int
    interval_hours: int
    funding_base: float
    volatility: float
    turnover: float

    @property
    def is_swap(self) -> bool:
        return self.interval_hours > 0

    @property
    def interval_ms(self) -> int:
        return self.interval_hours * HOUR_MS

    @property
    def index_name(self) -> str:
        """The pair whose index prices this instrument, e.g. `BTC-USDT`."""
        return f"{self.base}-{self.quote}"

    def lot_notional(self, price: float) -> float:
        """Quote value of one lot at `price`."""
        if self.inverse:
            return float(self.lot * self.contract_size)
        return float(self.lot * self.contract_size) * price


def _of(asset: _Asset, listing: _Listing) -> Instrument:
    base = asset.asset if listing.multiplier == 1 else f"{listing.multiplier}{asset.asset}"
    share = 0.25 if not listing.interval_hours else 1.0
    return Instrument(
        venue=listing.venue,
        market=listing.market,
        symbol=listing.symbol,
        asset=asset.asset,
        base=base,
        quote=listing.quote,
        settle=listing.settle,
        price=Decimal(asset.price) * listing.multiplier,
        tick=Decimal(listing.tick),
        lot=Decimal(listing.lot),
        min_amount=Decimal(listing.min_amount),
        min_notional=Decimal(listing.min_notional),
        contract_size=Decimal(listing.contract_size),
        inverse=listing.inverse,
        multiplier=listing.multiplier,
        interval_hours=listing.interval_hours,
        funding_base=float(asset.funding) + float(listing.funding_bias),
        volatility=asset.volatility,
        turnover=asset.turnover * share,
    )


def bundled() -> list[Instrument]:
    """All listings of the data file that ships with this package."""
    raw = resources.files("fra.emulator").joinpath("data/instruments.json").read_bytes()
    return [_of(asset, row) for asset in msgspec.json.decode(raw, type=list[_Asset]) for row in asset.listings]


_GENERATED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("binance", "spot"): ("{a}USDT", ""),
    ("binance", "usdm"): ("{a}USDT", "USDT"),
    ("okx", "spot"): ("{a}-USDT", ""),
    ("okx", "swap"): ("{a}-USDT-SWAP", "USDT"),
    ("bybit", "spot"): ("{a}USDT", ""),
    ("bybit", "linear"): ("{a}USDT", "USDT"),
    ("htx", "spot"): ("{lower}usdt", ""),
    ("htx", "linear"): ("{a}-USDT", "USDT"),
}


def generated(count: int, *, seed: int) -> list[Instrument]:
    """`count` made-up assets (`GEN0001`…), each listed once in every market of the table above, for load."""
    rng = random.Random(f"instruments:{seed}")
    made: list[Instrument] = []
    for n in range(1, count + 1):
        asset = f"GEN{n:04d}"
        decimals = rng.randint(1, 6)
        tick = Decimal(1).scaleb(-decimals)
        price = (tick * rng.randint(2_000, 90_000)).quantize(tick)
        interval = rng.choice((1, 4, 8, 8, 8))
        rate = rng.uniform(-0.0002, 0.0003)
        for (venue, market), (pattern, settle) in _GENERATED.items():
            lot = Decimal("1") if decimals > 3 else Decimal("0.01")
            # HTX trades whole contracts only
            size, lot = (lot, Decimal(1)) if (venue, market) == ("htx", "linear") else (Decimal(1), lot)
            made.append(
                Instrument(
                    venue=venue,
                    market=market,
                    symbol=pattern.format(a=asset, lower=asset.lower()),
                    asset=asset,
                    base=asset,
                    quote="USDT",
                    settle=settle,
                    price=price,
                    tick=tick,
                    lot=lot,
                    min_amount=lot,
                    min_notional=Decimal(5),
                    contract_size=size,
                    inverse=False,
                    multiplier=1,
                    interval_hours=interval if settle else 0,
                    funding_base=rate + rng.uniform(-0.0001, 0.0001),
                    volatility=rng.uniform(1.5, 3.0),
                    turnover=rng.uniform(5e5, 5e7),
                )
            )
    return made


def for_venue(venue: str, *, extra: int = 0, seed: int = 0) -> Sequence[Instrument]:
    """The venue's listings, in the data file's order, with `extra` generated assets after them."""
    every = bundled()
    if extra > 0:
        every += generated(extra, seed=seed)
    return [i for i in every if i.venue == venue]

"""The emulator: the chosen venues, each on a port of its own."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import attrs

from fra.emulator.accounts import Account
from fra.emulator.binance.feed import BinanceFeed
from fra.emulator.binance.venue import BinanceVenue
from fra.emulator.bybit.feed import BybitFeed
from fra.emulator.bybit.venue import BybitVenue
from fra.emulator.htx.feed import HtxFeed
from fra.emulator.htx.venue import HtxVenue
from fra.emulator.instruments import for_venue
from fra.emulator.market import Market
from fra.emulator.okx.feed import OkxFeed
from fra.emulator.okx.venue import OkxVenue
from fra.emulator.settings import Settings
from fra.emulator.source import Source
from fra.emulator.venue import Venue

SourceFactory = Callable[[str, Settings], Source]


@attrs.frozen
class _Kind:
    front: Callable[[Source, Settings], Venue]
    feed: Callable[[Market, Settings], Source]


_VENUES: Mapping[str, _Kind] = {
    "okx": _Kind(OkxVenue, OkxFeed),
    "binance": _Kind(BinanceVenue, BinanceFeed),
    "bybit": _Kind(BybitVenue, BybitFeed),
    "htx": _Kind(HtxVenue, HtxFeed),
}
VENUES = tuple(_VENUES)


def generated_source(name: str, settings: Settings) -> Source:
    """The seeded market of one venue; the same seed moves the same asset alike at every venue."""
    market = Market(
        for_venue(name, extra=settings.symbols, seed=settings.seed),
        seed=settings.seed,
        levels=settings.levels,
        changes_per_step=settings.changes_per_step,
        funding_shift_ms=settings.funding_shift_ms,
    )
    return _VENUES[name].feed(market, settings)


@attrs.define(kw_only=True, eq=False)
class Emulator(Settings):
    """`async with Emulator(["okx", "binance"], seed=7) as emu:` serves until the block ends.

    `venues[name].markets` holds the URLs, the venue's methods are the test switches. With `port=0` each venue gets
    a free port, otherwise
    they count up from `port`. `source` says where a venue's data comes from; by default it is generated from
    `seed`. Each of `accounts` is opened on every venue; `venue.open_account` opens one on one. Raises ValueError for
    an unknown venue, or accounts on a recording, OSError if a port is taken.
    """

    names: Sequence[str] = attrs.field(kw_only=False)
    source: SourceFactory = generated_source
    accounts: Sequence[Account] = ()
    venues: dict[str, Venue] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        unknown = [n for n in self.names if n not in _VENUES]
        if unknown:
            raise ValueError(f"no emulated venue {', '.join(unknown)}; there are {', '.join(VENUES)}")

    @property
    def binance(self) -> BinanceVenue:
        """The Binance venue, by its own type. Raises KeyError if it was not asked for."""
        venue = self.venues["binance"]
        assert isinstance(venue, BinanceVenue)
        return venue

    @property
    def bybit(self) -> BybitVenue:
        """The Bybit venue, by its own type. Raises KeyError if it was not asked for."""
        venue = self.venues["bybit"]
        assert isinstance(venue, BybitVenue)
        return venue

    @property
    def htx(self) -> HtxVenue:
        """The HTX venue, by its own type. Raises KeyError if it was not asked for."""
        venue = self.venues["htx"]
        assert isinstance(venue, HtxVenue)
        return venue

    @property
    def okx(self) -> OkxVenue:
        """The OKX venue, by its own type. Raises KeyError if it was not asked for."""
        venue = self.venues["okx"]
        assert isinstance(venue, OkxVenue)
        return venue

    async def start(self) -> None:
        """Serve all venues; on failure none is left running."""
        try:
            for n, name in enumerate(self.names):
                venue = _VENUES[name].front(self.source(name, self), self)
                for account in self.accounts:
                    venue.open_account(account)
                await venue.start(self.port + n if self.port else 0)
                self.venues[name] = venue
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all venues; idempotent. They stay readable (counters, URLs) afterwards."""
        for venue in self.venues.values():
            await venue.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

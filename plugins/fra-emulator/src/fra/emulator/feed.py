"""What the venues' feeds have in common: a generated market that moves, a renderer for each instrument, switches."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from fra.emulator.book import BookEngine, Levels
from fra.emulator.exchange import VenueExchange
from fra.emulator.instruments import Instrument
from fra.emulator.market import Market
from fra.emulator.pump import Pump
from fra.emulator.settings import Settings
from fra.emulator.source import NoData

Params = Mapping[str, str]


class Rendering(Protocol):
    """Writes one instrument as its venue does."""

    instrument: Instrument
    symbol: str

    @property
    def engine(self) -> BookEngine: ...


R = TypeVar("R", bound=Rendering)


class GeneratedFeed(ABC, Generic[R]):
    """A part of `Source` over a generated market. A venue adds its answers, its streams and its book's own ids."""

    def __init__(self, market: Market, settings: Settings) -> None:
        self.market = market
        self.settings = settings
        self._pump = Pump(market, settings)
        self._renders: dict[tuple[str, str], R] = {}
        self._stale: dict[tuple[str, str], list[int]] = {}

    @abstractmethod
    def _renderer(self, instrument: Instrument) -> R:
        """A new renderer."""

    # -- Source
    @property
    def exchange(self) -> VenueExchange:
        return self._pump.exchange

    def knows(self, market: str, symbol: str) -> bool:
        return self.market.find(market, symbol) is not None

    def freeze(self, market: str, symbol: str, *, frozen: bool) -> None:
        key = self._key(self._of(market, symbol))
        self._pump.frozen.add(key) if frozen else self._pump.frozen.discard(key)

    def stale(self, market: str, symbol: str, *, count: int, steps: int) -> None:
        self._stale.setdefault(self._key(self._of(market, symbol)), []).extend([steps] * count)

    async def start(self) -> None:
        await self._pump.start()

    async def stop(self) -> None:
        await self._pump.stop()

    # -- for the venue
    def render(self, instrument: Instrument) -> R:
        """The instrument's renderer, made once."""
        key = (instrument.market, instrument.symbol)
        found = self._renders.get(key)
        if found is None:
            found = self._renders[key] = self._renderer(instrument)
        return found

    def _of(self, market: str, symbol: str) -> R:
        instrument = self.market.find(market, symbol)
        if instrument is None:
            raise NoData(symbol)
        return self.render(instrument)

    def _outdated(self, render: R) -> Levels | None:
        """The book that REST is told to answer with next; None where it is to be that of now."""
        behind = self._stale.get(self._key(render))
        return render.engine.past(behind.pop(0)) if behind else None

    def _now(self) -> int:
        return self.settings.clock.now_ms()

    @staticmethod
    def _key(render: R) -> tuple[str, str]:
        return render.instrument.market, render.symbol


def whole(params: Params, name: str) -> int | None:
    """A parameter that is a number; None where it is left out. Raises ValueError."""
    return int(params[name]) if params.get(name) else None

"""What is drawn of a seed: which fault befalls which streams and calls of a venue, and when. One seed, one scenario."""

from __future__ import annotations

import enum
from random import Random

import attrs
from fault_kinds import VENUES, Kind, kinds_of
from fault_proxy import Where
from order_scenarios import LINEAR, SPOT


class Feed(enum.Enum):
    """A stream of the interface. The account's is always there, since orders are."""

    BOOK = "book"
    TRADES = "trades"
    TICKER = "ticker"
    KLINES = "klines"
    FUNDING = "funding"
    ACCOUNT = "account"


class Call(enum.Enum):
    """An order call of the interface."""

    CREATE = "create"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    GET = "get"
    OPEN = "open orders"
    HISTORY = "history"


class Phase(enum.Enum):
    """What the adapter is at when the fault comes."""

    STARTING = "starting"
    SUBSCRIBING = "subscribing"
    RUNNING = "running"


@attrs.frozen
class Scenario:
    """Everything that one seed does, on one venue."""

    seed: int
    venue: str
    kind: Kind
    phase: Phase
    symbol: str
    feeds: tuple[Feed, ...]
    calls: tuple[Call, ...]
    """Made while the fault is there."""
    where: Where
    seconds: float
    times: int
    deep: bool
    amount: int
    transport: str
    tls: bool
    multi_assets: bool
    """The account is one of the kind that HTX's `/v5` serves."""
    plugin: str = "native"
    """What the venue is traded through: see `fault_players`."""

    @classmethod
    def of(cls, seed: int, plugin: str = "native") -> Scenario:
        """Kinds come round and round, so that each venue gets each as often; the rest is drawn."""
        rng = Random(seed)
        venue = VENUES[seed % len(VENUES)]
        kinds = kinds_of(venue)
        kind = kinds[seed // len(VENUES) % len(kinds)]
        phases = [Phase.RUNNING] * 3 + [Phase.SUBSCRIBING] if kind.running else []
        if kind.starting:
            phases.append(Phase.STARTING)
        symbol = LINEAR if kind.linear else rng.choice((SPOT, LINEAR))
        possible = [
            feed for feed in Feed if feed is not Feed.ACCOUNT and (symbol == LINEAR or feed is not Feed.FUNDING)
        ]
        drawn = {feed for feed in possible if rng.random() < 0.6} or {rng.choice(possible)}
        if kind.book:
            drawn.add(Feed.BOOK)
        phase = rng.choice(phases)
        places = (Where.ALL, Where.SOCKETS) if kind.sockets else tuple(Where)
        return cls(
            seed=seed,
            venue=venue,
            kind=kind,
            phase=phase,
            symbol=symbol,
            feeds=tuple(feed for feed in possible if feed in drawn),
            calls=tuple(rng.choices(tuple(Call), k=rng.choice((1, 2, 3)))),
            where=Where.ALL if phase is Phase.STARTING else rng.choice(places),
            seconds=rng.choice((0.01, 0.03, 0.1)),
            times=rng.choice((1, 2, 4)),
            deep=rng.random() < 0.5,
            amount=rng.choice((-3_600_000, -20_000, -2_000, 2_000, 20_000)),
            transport=rng.choice(("aiohttp", "picows")),
            tls=kind.tls or rng.random() < 0.1,
            # ccxt knows no other
            multi_assets=venue == "htx" and (rng.random() < 0.5 or plugin == "ccxt"),
            plugin=plugin,
        )

    @property
    def player(self) -> str:
        """Name of what is played, in tables."""
        return {"native": self.venue, "ccxt": f"{self.venue}_ccxt", "paper": f"paper on {self.venue}"}[self.plugin]

    def __str__(self) -> str:
        feeds = ", ".join(feed.value for feed in self.feeds)
        calls = ", ".join(call.value for call in self.calls)
        return (
            f"seed {self.seed}: {self.player}, {self.kind.name!r} while {self.phase.value} ({self.where.value}, "
            f"{self.seconds:g} s, {self.times} times, {'deep' if self.deep else 'shallow'}, {self.amount:+} ms); "
            f"{self.symbol}: {feeds} and the account by {self.transport}{' with TLS' if self.tls else ''}"
            f"{' in multi-assets mode' if self.multi_assets else ''}; "
            f"calls: {calls}"
        )

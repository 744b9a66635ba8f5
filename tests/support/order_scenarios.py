"""What is drawn of a seed: which orders are placed, what goes wrong at which point. The same seed draws the same."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import attrs

from fra.core import Side
from fra.emulator import OrderAction, OrderFaults, OrderSwitch

VENUES = ("binance", "okx", "bybit", "htx")
SPOT, LINEAR = "BTC/USDT", "BTC/USDT:USDT"
PATIENCE_S = 0.4
"""How long an answer may take, and how long the desk lets its caller wait for what is unknown."""


def venue_of(seed: int) -> str:
    return VENUES[seed % len(VENUES)]


class Intent(enum.Enum):
    """What an order is placed for."""

    MARKET = "market"
    TAKE = "IOC through the book"
    MISS = "IOC beside the book"
    REST_AND_FILL = "rests, fills"
    REST_AND_CANCEL = "rests, cancelled"
    FILL_HALF_AND_CANCEL = "half filled, cancelled"
    TOO_MUCH = "more than the account has"

    @property
    def rests(self) -> bool:
        return self in (Intent.REST_AND_FILL, Intent.REST_AND_CANCEL, Intent.FILL_HALF_AND_CANCEL)

    @property
    def cancelled(self) -> bool:
        return self in (Intent.REST_AND_CANCEL, Intent.FILL_HALF_AND_CANCEL)


class Trouble(enum.Enum):
    """What happens to one request between the account and the venue."""

    NOTHING = "nothing"
    LOSE_REQUEST = "request lost"
    REFUSE = "5xx before"
    LOSE_REPLY = "reply lost"
    FAIL = "5xx after"
    DELAY = "answer late"
    TIME_OUT = "answer too late"

    def arm(self, faults: OrderFaults, action: OrderAction) -> OrderSwitch | None:
        switch: dict[Trouble, Callable[[], OrderSwitch]] = {
            Trouble.LOSE_REQUEST: lambda: faults.lose_requests(action=action),
            Trouble.REFUSE: lambda: faults.refuse(action=action),
            Trouble.LOSE_REPLY: lambda: faults.lose_replies(action=action),
            Trouble.FAIL: lambda: faults.fail(action=action),
            Trouble.DELAY: lambda: faults.delay(PATIENCE_S / 4, action=action),
            Trouble.TIME_OUT: lambda: faults.delay(PATIENCE_S * 1.5, action=action),
        }
        return switch[self]() if self in switch else None


@attrs.frozen(kw_only=True)
class Step:
    """One order, and what goes wrong with it."""

    symbol: str
    side: Side
    intent: Intent
    size: int
    """In tenths of what the best level holds, so that some orders trade at several prices."""
    client_order_id: str | None
    trouble: Trouble
    on_cancel: Trouble
    cut: bool
    """The user sockets are cut when the order was taken, before they tell of it."""
    held_s: float | None
    """The events come after the answer, so many seconds; None: before it, as usual."""
    duplicates: int
    swaps: int
    gives_up: bool
    """The caller is cancelled while the order is on its way."""
    again: bool
    """A caller who was not told what became of the order sends it again under its name, against all advice."""
    cut_later: bool
    """The user sockets are cut when a resting order fills, and again when it is cancelled."""
    outage_s: float
    """For so many seconds after the request, whatever came of it, the venue answers nobody."""


@attrs.frozen
class Scenario:
    """Everything that one seed does, on one venue."""

    seed: int
    venue: str
    steps: Sequence[Step]
    at_once: bool
    """All orders are sent at the same time."""
    cut_between: int | None
    """After so many orders every socket of the venue is cut."""

    @property
    def multi_assets(self) -> bool:
        """Every other HTX account is one of the kind that `/v5` serves."""
        return self.venue == "htx" and self.seed // len(VENUES) % 2 == 1

    @classmethod
    def of(cls, seed: int) -> Scenario:
        rng = Random(seed)
        steps = [_step(rng, seed, number) for number in range(rng.choice((1, 2, 2, 3, 4)))]
        at_once = len(steps) > 1 and rng.random() < 0.25
        cut_between = rng.randrange(len(steps)) if rng.random() < 0.15 else None
        return cls(seed, venue_of(seed), steps, at_once, cut_between)


_INTENTS = (*Intent, Intent.MARKET, Intent.TAKE, Intent.TAKE)
_TROUBLES = (Trouble.NOTHING, *Trouble, Trouble.LOSE_REPLY)


def _step(rng: Random, seed: int, number: int) -> Step:
    intent = rng.choice(_INTENTS)
    given: Any = f"{seed + 1}{number}{rng.randrange(10**6, 10**7)}" if rng.random() < 0.5 else None
    gives_up = given is not None and rng.random() < 0.1
    return Step(
        symbol=rng.choice((SPOT, LINEAR, LINEAR)),
        side=rng.choice(tuple(Side)),
        intent=intent,
        size=rng.choice((2, 5, 12, 25)),
        client_order_id=given,
        trouble=rng.choice(_TROUBLES),
        on_cancel=rng.choice(_TROUBLES) if intent.cancelled else Trouble.NOTHING,
        cut=rng.random() < 0.15,
        held_s=rng.choice((0.0, 0.02, 0.15)) if rng.random() < 0.3 else None,
        duplicates=rng.choice((1, 2, 3)) if rng.random() < 0.3 else 0,
        swaps=1 if rng.random() < 0.2 else 0,
        gives_up=gives_up,
        again=given is not None and rng.random() < 0.5,
        cut_later=intent.rests and rng.random() < 0.25,
        outage_s=rng.choice((0.1, 0.3)) if rng.random() < 0.1 else 0.0,
    )

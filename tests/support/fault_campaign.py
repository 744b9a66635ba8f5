"""Many scenarios, several at a time, and how often which fault befell what."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import trustme
from fault_kinds import KINDS, VENUES, Resolver
from fault_leaks import Held, Remains, open_files, resident_mib, tasks_by_owner
from fault_play import Outcome, Play, Violation, World
from fault_players import PLAYERS
from fault_scenarios import Feed, Scenario

from fra.core import ExchangeError, PluginRegistry
from fra.emulator import Emulator

_LANES = 6
"""Scenarios at a time, each on a venue of its own: most of their time they wait. Fewer where the machine is busy."""
_PER_VENUE = 20
"""Scenarios after which a lane's venue is made anew: it remembers all accounts and orders."""
_DOMAIN = "fra.test"
_PLAYERS = [Scenario.of(n, plugin).player for plugin in PLAYERS for n in range(len(VENUES))]
_ATTEMPTS = 4
_BUSY_S = 0.1
"""A loop that came so late had no time: a scenario that was late then, and nothing else, is played again, alone."""
_WARM = 20
"""Scenarios of a venue before what the process holds is counted for the first time."""
_FILES = 12
"""Descriptors that libraries may keep for themselves: resolvers' threads, caches."""

SETTINGS = {
    "seed": 3,
    "enforce_limits": False,
    "levels": 30,
    "changes_per_step": 4,
    "step_ms": 100,
    "funding_push_s": 0.2,
    "mark_price_push_s": 0.2,
    "book_heartbeat_s": 0.2,
    "ping_interval_s": 0.4,
    "pong_timeout_s": 1.5,
    "htx_snapshot_lag_s": 0.1,
}


@attrs.define
class Tally:
    """What came of all scenarios."""

    met: Counter[str] = attrs.field(factory=Counter)
    """By "kind|player"."""
    played: Counter[str] = attrs.field(factory=Counter)
    feeds: Counter[str] = attrs.field(factory=Counter)
    """By "stream|player"."""
    calls: Counter[str] = attrs.field(factory=Counter)
    """By "call, answer|player"."""
    totals: Counter[str] = attrs.field(factory=Counter)
    slowest: dict[str, float] = attrs.field(factory=dict)
    """Seconds of the longest recovery by player."""
    drawn: list[str] = attrs.field(factory=list)
    """Of single seeds: what was drawn."""

    def add(self, scenario: Scenario, outcome: Outcome) -> None:
        player = scenario.player
        self.played[f"{scenario.kind.name}|{player}"] += 1
        self.met[f"{scenario.kind.name}|{player}"] += outcome.met
        for feed in (*scenario.feeds, Feed.ACCOUNT):
            self.feeds[f"{feed.value}|{player}"] += 1
        for call, answer in outcome.calls:
            self.calls[f"{call.value}: {answer}|{player}"] += 1
        for name in ("compared", "trades", "gaps", "orders", "fills"):
            self.totals[f"{name}|{player}"] += getattr(outcome, name)
        self.totals[f"scenarios|{player}"] += 1
        self.totals[f"in multi-assets mode|{player}"] += scenario.multi_assets
        self.slowest[player] = max(self.slowest.get(player, 0.0), outcome.recovery_s)

    def merge(self, other: dict[str, object]) -> None:
        """Add what another process counted."""
        for name in ("met", "played", "feeds", "calls", "totals"):
            getattr(self, name).update(other[name])
        for player, seconds in dict(other["slowest"]).items():  # type: ignore[call-overload]
            self.slowest[player] = max(self.slowest.get(player, 0.0), seconds)
        self.drawn += other["drawn"]  # type: ignore[operator]

    def table(self) -> str:
        """Kinds, streams and calls by player; "12/9": played 12 times, befell something 9 times."""
        players = [player for player in _PLAYERS if f"scenarios|{player}" in self.totals]
        rows: list[tuple[str, ...]] = [("fault (played/befell)", *players)]
        for kind in KINDS:
            keys = [f"{kind.name}|{player}" for player in players]
            if any(key in self.played for key in keys):
                cells = [f"{self.played[key]}/{self.met[key]}" if self.played[key] else "" for key in keys]
                rows.append((kind.name, *cells))
        for title, counts in (("stream", self.feeds), ("call under fault", self.calls), ("in all", self.totals)):
            rows.append((title, *([""] * len(players))))
            for name in sorted({key.partition("|")[0] for key in counts}):
                rows.append((f"  {name}", *(str(counts[f"{name}|{player}"] or "") for player in players)))
        rows.append(("  longest recovery, s", *(f"{self.slowest.get(player, 0.0):.1f}" for player in players)))
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join([*self.drawn, *(line.rstrip() for line in lines)])


class Lag:
    """How late the loop was, lately."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=5000)
        self._calm = asyncio.Event()
        self._calm.set()

    async def measure(self) -> None:
        loop, busy_until = asyncio.get_running_loop(), 0.0
        while True:
            before = loop.time()
            await asyncio.sleep(0.02)
            late = loop.time() - before - 0.02
            self._late.append((before, late))
            if late > _BUSY_S:
                busy_until = before + 2.0
                self._calm.clear()
            elif before > busy_until:
                self._calm.set()

    async def calms(self) -> bool:
        """Whether the loop was in time lately; looks again for a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._calm.wait()
        return self._calm.is_set()

    def worst(self, since: float) -> float:
        """Seconds, from `since` on."""
        return max((late for at, late in self._late if at >= since), default=0.0)


@functools.cache
def _authority() -> tuple[trustme.CA, trustme.LeafCert, trustme.LeafCert]:
    authority = trustme.CA()
    return authority, authority.issue_cert(f"*.{_DOMAIN}"), authority.issue_cert("elsewhere.example")


def trust(folder: Path) -> Path:
    """Let aiohttp trust our authority; whoever makes a context of their own finds it where `SSL_CERT_FILE` names the
    result. It is a test's, and nobody else has its key."""
    authority, *_ = _authority()
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    # aiohttp has made its context when it was imported
    aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(path)
    return path


def _server_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    _, right, other = _authority()
    made = []
    for certificate in (right, other):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        made.append(context)
    return made[0], made[1]


def _told(context: dict[str, Any]) -> str:
    error = context.get("exception")
    trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
    return f"{context.get('message')}: {error!r}\n{trace}"


async def campaign(
    seeds: Iterable[int], venue: str, tally: Tally, *, plugin: str = "native", tell: Callable[[str], None]
) -> dict[int, str]:
    """Play those of the seeds that belong to one venue: what went wrong with which, and how to see it again."""
    drawn = [scenario for seed in seeds if (scenario := Scenario.of(seed, plugin)).venue == venue]
    waiting = deque(sorted(drawn, key=lambda one: one.multi_assets))  # a venue is of one kind
    player = waiting[0].player if waiting else venue
    failures: dict[int, str] = {}
    registry, remains, resolver = PluginRegistry(), Remains(), Resolver(_DOMAIN)
    total, done, active, began = len(waiting), 0, 0, time.monotonic()

    def fail(scenario: Scenario, why: str) -> None:
        failures[scenario.seed] = (
            f"{scenario}\n(again: nox -s faults -- --plugin {plugin} --seed {scenario.seed})\n{why}"
        )
        tell(f"FAILED {failures[scenario.seed]}")

    async def play(scenario: Scenario, world: World, attempt: int) -> bool:
        """Whether it wants to be played again, alone, since it was late and the machine had no time."""
        at = loop.time()
        try:
            tally.add(scenario, await Play(scenario, world, attempt).run())
        except (Violation, ExchangeError) as error:
            late = not isinstance(error, Violation) or error.late  # a call had no answer, however often it was made
            if late and lag.worst(at) > _BUSY_S and attempt + 1 < _ATTEMPTS:
                return True
            fail(scenario, str(error) if isinstance(error, Violation) else "".join(traceback.format_exception(error)))
        except Exception as error:
            fail(scenario, "".join(traceback.format_exception(error)))
        return False

    async def lane() -> None:
        nonlocal active, done
        while waiting:
            multi = waiting[0].multi_assets
            async with Emulator([venue], **SETTINGS, htx_multi_assets=multi) as emulator:
                world = World(emulator.venues[venue], resolver, registry, remains, _server_contexts)
                for _ in range(min(_PER_VENUE, len(waiting))):
                    while waiting and active > 1 and not await lag.calms():
                        pass
                    if waiting and waiting[0].multi_assets == multi:
                        scenario = waiting.popleft()
                        active += 1
                        if await play(scenario, world, 0):
                            again.append(scenario)
                        active -= 1
                        done += 1
                        if done % 100 == 0:
                            spent = time.monotonic() - began
                            tell(f"{player}: {done} of {total} in {spent:.0f} s, {resident_mib():.0f} MiB")

    async def alone() -> None:
        for scenario in again:
            tally.totals[f"again, alone|{player}"] += 1
            async with Emulator([venue], **SETTINGS, htx_multi_assets=scenario.multi_assets) as emulator:
                world = World(emulator.venues[venue], resolver, registry, remains, _server_contexts)
                for attempt in range(1, _ATTEMPTS):
                    if not await play(scenario, world, attempt):
                        break

    again: list[Scenario] = []
    files = open_files()
    loop = asyncio.get_running_loop()
    unhandled: list[str] = []
    loop.set_exception_handler(lambda loop, context: unhandled.append(_told(context)))
    lag = Lag()
    measuring = asyncio.create_task(lag.measure())
    warm: Held | None = None
    with tasks_by_owner():
        async with resolver.installed():
            if total > 2 * _WARM:
                later, waiting = waiting, deque(waiting.popleft() for _ in range(_WARM))
                await asyncio.gather(*(lane() for _ in range(_LANES)))
                waiting, warm = later, Held.now()
            played = len(waiting)
            await asyncio.gather(*(lane() for _ in range(min(_LANES, played))))
            grown = None if warm is None else Held.now().grown(warm, played)
            await alone()
    measuring.cancel()
    if grown is not None:
        failures[-3] = f"{grown} on {player}"
    alive = remains.alive()
    if strange := [one for one in unhandled if not one.startswith("SSL handshake failed")]:
        failures.setdefault(-2, f"nobody handled on {player}:\n" + "\n".join(strange[:5]))
    for seed, things in alive.items():
        failures.setdefault(seed, f"seed {seed} on {player}: after all was closed somebody holds {things}")
    if open_files() > files + _FILES:
        failures.setdefault(-1, f"{open_files() - files} more open files on {player} than before")
    return dict(sorted(failures.items()))

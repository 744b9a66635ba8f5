"""`fra demo`: real adapters talk to emulated exchanges over real sockets; one is cut off, and comes back by itself."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from fra.arbitrage.demo_hedge import show_settled_hedge
from fra.arbitrage.follow import Follower
from fra.arbitrage.present import table_of
from fra.arbitrage.request import SpreadRequest
from fra.arbitrage.scan import Scan
from fra.arbitrage.show import check, follow, write
from fra.cli import figures
from fra.cli.exit_codes import CommandFailed, ExitCode
from fra.cli.session import open_session
from fra.cli.table import LiveTable, Table, interactive, say
from fra.core import ConfigManager

if TYPE_CHECKING:
    from fra.emulator import Emulator

_VENUES: Final = ("binance", "okx", "bybit", "htx")
# The recordings that people keep are of these.
_RECORDED: Final = ("binance", "okx")
_CUT: Final = "okx"
# Long enough for the table, the cut and the hedge to come first; on a screen everything is shown for longer.
_SETTLES_IN: Final = 20.0
_SETTLES_IN_ON_SCREEN: Final = 50.0
# Real markets are full of assets; a demo shows them all.
_ALL: Final = 100
_LIVE_AT_FIRST: Final = 8.0
_HEAL: Final = 12.0
_LOOK: Final = 0.1
# Long enough to see the rows go stale.
_DOWN: Final = 4.0
_DOWN_BRIEFLY: Final = 1.0
# Of the second plain table, which only has to show that the rows are back.
_ROWS: Final = 5
_REDRAW: Final = 0.5
_AFTERWARDS: Final = 3.0


async def run_demo(*, recorded: Path | None, seed: int, size: Decimal, as_json: bool, watch: bool) -> None:
    """The table, a cut connection and its healing, a hedge and its funding; ends by itself unless ``watch``.

    Raises when a part is missing.
    """
    async with AsyncExitStack() as stack:
        on_screen = interactive() and not as_json
        keys = {} if recorded is not None else _keys()
        settles_in = _SETTLES_IN_ON_SCREEN if on_screen else _SETTLES_IN
        emulator = await stack.enter_async_context(_emulator(recorded, seed, keys, None if watch else settles_in))
        *others, last = emulator.venues
        say(f"fra: {', '.join(others)} and {last} are emulated on this machine" + _from(recorded))
        exchanges = {name: {"base_url": venue.markets, **keys} for name, venue in emulator.venues.items()}
        # The venues end with the demo: there is nobody to ask what became of an order.
        settings = ConfigManager.from_mapping({"exchanges": exchanges, "journal": {"enabled": False}})
        session = await stack.enter_async_context(open_session(settings=settings))
        scan = Scan(session, SpreadRequest(size=size, top=_ALL))
        spreads = await scan.run()
        check(spreads)
        if recorded is not None:
            write(spreads, as_json=as_json)
            say(f"fra: recorded swaps: {', '.join(sorted(symbols_of(scan))) or 'none'}{_newest(recorded)}")
            return
        if not on_screen:
            write(spreads, as_json=as_json)
        async with Follower(session, scan) as follower:
            await _cut_and_heal(emulator, follower, on_screen=on_screen)
            if watch:
                await follow(follower, as_json=as_json, every=1.0)
                return
            healed = follower.table()
            if not on_screen:
                write(healed if as_json else attrs.evolve(healed, rows=healed.rows[:_ROWS]), as_json=as_json)
        await show_settled_hedge(session, healed, as_json=as_json)


def symbols_of(scan: Scan) -> set[str]:
    """What there is to see, by exchange and name."""
    return {f"{exchange} {name}" for exchange, name in scan.quotes}


def _keys() -> dict[str, str]:
    """Credentials of the demo's own accounts, on this machine and for this run."""
    return {name: secrets.token_hex(16) for name in ("api_key", "secret_key", "passphrase")}


@asynccontextmanager
async def _emulator(
    recorded: Path | None, seed: int, keys: Mapping[str, str], settles_in: float | None
) -> AsyncIterator[Emulator]:
    try:
        from fra.emulator import Account, Emulator, generated_source
        from fra.emulator.playback import NothingRecorded, recorded_source
    except ModuleNotFoundError as missing:
        raise CommandFailed(
            "the demo needs the emulator and two adapters",
            exit_code=ExitCode.PLUGIN,
            cure="pip install fra-arbitrage[demo]",
        ) from missing
    try:
        if recorded is not None:
            emulator = Emulator(list(_RECORDED), seed=seed, source=recorded_source(recorded))
        else:
            account = Account(key=keys["api_key"], secret=keys["secret_key"], passphrase=keys["passphrase"])
            emulator = Emulator(
                list(_VENUES), seed=seed, source=generated_source, accounts=[account], settle_in_s=settles_in
            )
        await emulator.start()
    except NothingRecorded as error:
        raise CommandFailed(str(error), cure="name the folder that holds the recordings of both exchanges") from error
    try:
        yield emulator
    finally:
        await emulator.stop()


def _from(recorded: Path | None) -> str:
    return "" if recorded is None else f", with the real exchanges' answers recorded in {recorded}"


def _newest(recorded: Path) -> str:
    from fra.emulator.playback import recorded_at

    newest = recorded_at(recorded)
    return "" if newest is None else f"; the newest rate is of {figures.moment(newest)}, its settlements rolled forward"


async def _cut_and_heal(emulator: Emulator, follower: Follower, *, on_screen: bool) -> None:
    """Wait until all streams are live, cut one exchange's sockets, and tell what happens until all are live again."""
    with LiveTable() if on_screen else nullcontext() as live:
        teller = _Teller(follower, live)
        if not await teller.until(lambda lost: lost == 0, seconds=_HEAL):
            raise CommandFailed("the streams did not come up in time", exit_code=ExitCode.NETWORK)
        teller.tell(f"all {sum(follower.status(name)[1] for name in _VENUES)} streams are live")
        if on_screen:
            await teller.until(lambda lost: False, seconds=_LIVE_AT_FIRST)
        venue, down = emulator.venues[_CUT], _DOWN if on_screen else _DOWN_BRIEFLY
        venue.refuse_connections()
        cut, began = venue.cut(), time.monotonic()
        teller.tell(f"cutting {_CUT}: {cut} connection(s) dropped without a word, none let in for {down:g} s")
        await teller.until(lambda lost: lost > 0, seconds=_HEAL)
        await teller.until(lambda lost: False, seconds=down)
        venue.refuse_connections(False)
        teller.tell(f"{_CUT} lets connections in again")
        if not await teller.until(lambda lost: lost == 0, seconds=_HEAL):
            raise CommandFailed(f"{_CUT} did not come back in time", exit_code=ExitCode.NETWORK)
        teller.tell(f"{_CUT} is back: every stream live again after {time.monotonic() - began:.1f} s, books resynced")
        if on_screen:
            await teller.until(lambda lost: False, seconds=_AFTERWARDS)


class _Teller:
    """Keeps the table moving and the events told while the demo waits."""

    def __init__(self, follower: Follower, live: LiveTable | None) -> None:
        self._follower = follower
        self._live = live
        self._started = time.monotonic()
        self._events: list[str] = []
        self._states: dict[str, str] = {}
        self._drawn = 0.0

    def tell(self, text: str) -> None:
        """Something happened."""
        line = f"{time.monotonic() - self._started:5.1f} s  {text}"
        self._events.append(line)
        if self._live is None:
            say(f"fra: {line}")

    async def until(self, met: Callable[[int], bool], *, seconds: float) -> bool:
        """Wait until ``met(how many streams are not live)``; False when it was not within ``seconds``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lost = 0
            for name in _VENUES:
                live, streams, reason = self._follower.status(name)
                lost += streams - live
                self._state(name, "live" if live == streams else f"RECOVERING: {reason}" if reason else "waiting")
            if met(lost):
                return True
            self._draw()
            await asyncio.sleep(_LOOK)
        return False

    def _state(self, name: str, state: str) -> None:
        old = self._states.get(name)
        self._states[name] = state
        if old is not None and old != state and state.startswith("RECOVERING") and not old.startswith("RECOVERING"):
            live, streams, _ = self._follower.status(name)
            rows = self._follower.table().rows
            stale = sum(row.stale is not None for row in rows)
            self.tell(
                f"{name}: {state}; {live} of {streams} streams live, {stale} of {len(rows)} rows STALE and unranked"
            )

    def _draw(self) -> None:
        if self._live is None or time.monotonic() - self._drawn < _REDRAW:
            return
        self._drawn = time.monotonic()
        table = table_of(self._follower.table())
        self._live.update(Table(table.columns, table.rows, [*table.footer, *self._events]))

"""Small venues for paging, and the real `fra` against emulated exchanges in a process of their own."""

import importlib.util
import json
import signal
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fra.core import FundingRate, IntervalSource, Kline, KlineInterval, RateKind

_CLI_TESTS = Path(__file__).parents[2] / "fra-cli" / "tests"
_spec = importlib.util.spec_from_file_location("fra_cli_tests_conftest", _CLI_TESTS / "conftest.py")
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
shell, ctrl_c = _cli.shell, _cli.ctrl_c

HOUR = 3_600_000


class PagedVenue:
    """What a handle gives of one series: at most ``page`` items at or after ``since``, by the habits that are set.

    ``served_from``: older questions are answered as if they had asked from there (or, with ``empty``, with nothing).
    ``repeats``: every page begins with the item before. ``window``: items further than so many ms after ``since`` stay
    out of the page.
    """

    def __init__(self, times, *, page=3, served_from=0, empty=False, repeats=False, window=None, **more):
        self.times = sorted(times)
        self.page, self.served_from, self.empty, self.repeats, self.window = page, served_from, empty, repeats, window
        self.interval = more.pop("interval", None)
        self.reported = more.pop("reported", None)
        self.asked = []
        assert not more, more

    def _page(self, since):
        self.asked.append(since)
        assert len(self.asked) < 500, "it does not get on"
        if since < self.served_from and self.empty:
            return []
        since = max(since, self.served_from)
        end = float("inf") if self.window is None else since + self.window
        found = [at for at in self.times if since <= at < end][: self.page]
        earlier = [at for at in self.times if at < since]
        return earlier[-1:] + found if self.repeats else found

    async def get_klines(self, symbol, interval, *, since=None, until=None, limit=None):
        return [candle(at, interval=interval) for at in self._page(since)]

    async def get_funding_rate_history(self, symbol, *, since=None, until=None, limit=None):
        return [settlement(at, self.reported) for at in self._page(since)]

    async def get_funding_rate(self, symbol):
        return FundingRate(
            symbol=symbol,
            kind=RateKind.ESTIMATED,
            rate=Decimal(0),
            received_ms=1_800_000_000_000,
            interval=self.interval,
            interval_source=self.interval and IntervalSource.REPORTED,
        )


def candle(at, *, interval=KlineInterval.H1, closed=True, close="1.50"):
    return Kline(
        symbol="BTC/USDT",
        interval=interval,
        open_ms=at,
        open=Decimal(1),
        high=Decimal(2),
        low=Decimal("0.50"),
        close=Decimal(close),
        volume=Decimal(10),
        closed=closed,
    )


def settlement(at, reported=None):
    return FundingRate(
        symbol="BTC/USDT:USDT",
        kind=RateKind.SETTLED,
        rate=Decimal("0.00010"),
        received_ms=1_800_000_000_000,
        settled_ms=at,
        interval=reported,
        interval_source=reported and IntervalSource.REPORTED,
    )


@pytest.fixture(scope="session")
def paged():
    """The class of small venues."""
    return PagedVenue


@pytest.fixture(scope="session")
def hours():
    """Hours as a timedelta."""
    return lambda count: timedelta(hours=count)


@pytest.fixture(scope="session")
def emulated():
    """The addresses of emulated exchanges: venue → market → kind."""
    venues = ("okx", "binance", "bybit", "htx")
    command = [sys.executable, "-m", "fra.emulator", *venues, "--port", "0", "--json", "--seed", "7"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    rows = [json.loads(process.stdout.readline()) for _ in venues]
    yield {row["venue"]: row["markets"] for row in rows}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


@pytest.fixture
def fra(shell, emulated):
    """A shell whose fra.toml points at them."""
    lines = []
    for venue, markets in emulated.items():
        lines.append(f"[exchanges.{venue}]")
        for market, urls in markets.items():
            lines.append(f"[exchanges.{venue}.base_url.{market}]")
            lines += [f"{kind} = {json.dumps(url)}" for kind, url in urls.items()]
    shell.folder.joinpath("fra.toml").write_text("\n".join(lines))
    return shell

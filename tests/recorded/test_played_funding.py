"""Recorded funding through sockets and the real adapters: what is expected is worked out here from the raw rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
from captures import lines, recordings

from fra.core import ExchangeHandle, FundingRate, IntervalSource, RateKind, Symbol, connect
from fra.emulator import Clock, Emulator, Venue
from fra.emulator.playback import recorded_source

HOUR_MS = 3_600_000
REST = recordings("binance/usdm-rest-recorded/*")
MARKS = recordings("binance/usdm-mark-price/*")
OKX = recordings("okx/v5-funding-rate/*")
OKX_MARKS = recordings("okx/v5-mark-price/*")
pytestmark = pytest.mark.skipif(not REST, reason="FRA_FIXTURES does not name the folder of recorded data")

Row = dict[str, Any]


@attrs.frozen
class Terms:
    """When and how often a symbol settles, as the venue's rows say."""

    rate: Decimal
    interval: timedelta
    source: IntervalSource
    next_ms: int
    derived: bool = False

    @classmethod
    def of(cls, told: FundingRate) -> Terms:
        assert told.interval is not None
        assert told.interval_source is not None
        assert told.next_settlement_ms is not None
        return cls(
            told.rate, told.interval, told.interval_source, told.next_settlement_ms, told.next_settlement_derived
        )

    def rolled(self, now_ms: int) -> Terms:
        """As it is after the settlement has passed unseen: on by whole intervals, and said to be derived."""
        following = self.next_ms
        while following <= now_ms:
            following += self.interval // timedelta(milliseconds=1)
        return attrs.evolve(self, next_ms=following, derived=following != self.next_ms)


# --- Binance, from its rows


def replies(endpoint: str) -> Iterable[Any]:
    for path in REST:
        for line in lines(path):
            if line["path"].endswith("/" + endpoint):
                body = json.loads(line["raw"])
                yield from body if isinstance(body, list) else [body] if body else []


def marks(*paths: Path) -> list[Row]:
    return [json.loads(line["raw"])["data"] for path in paths for line in lines(path) if line["dir"] == "recv"]


def binance_terms(symbol: str, rate: str, next_ms: int) -> Terms:
    """fundingInfo names the symbols whose interval was adjusted; all others settle each 8 h."""
    hours = {row["symbol"]: row["fundingIntervalHours"] for row in replies("fundingInfo")}
    source = IntervalSource.REPORTED if symbol in hours else IntervalSource.VENUE_DEFAULT
    return Terms(Decimal(rate), timedelta(hours=hours.get(symbol, 8)), source, next_ms)


def premiums(*paths: Path) -> Mapping[str, Row]:
    """The newest estimate of each symbol, as premiumIndex or as a mark price push that says the same."""
    rows = [*replies("premiumIndex")]
    rows += [
        {"symbol": m["s"], "time": m["E"], "lastFundingRate": m["r"], "nextFundingTime": m["T"], "markPrice": m["p"]}
        for m in marks(*paths)
    ]
    return {row["symbol"]: row for row in sorted(rows, key=lambda row: row["time"])}


@asynccontextmanager
async def playing(
    venue: str, market: str, paths: Iterable[Path], folder: Path, *, at: int, speed: float = 0.0
) -> AsyncIterator[tuple[Venue, ExchangeHandle, Mapping[str, Symbol]]]:
    """The venue at the time `at`, with the captures `paths`; its symbols by the venue's own id."""
    for path in paths:
        (folder / path.parent.name).mkdir(exist_ok=True)
        (folder / path.parent.name / path.name).symlink_to(path)
    async with Emulator([venue], source=recorded_source(folder, speed=speed), clock=Clock(start_ms=at)) as emulator:
        played = emulator.venues[venue]
        async with connect(venue, base_url=played.markets, markets=[market]) as exchange:
            yield played, exchange, {symbol.venue_id: symbol for symbol in await exchange.get_symbols()}


@pytest.mark.parametrize("pushed", [(), tuple(MARKS)], ids=["premiumIndex", "newest of premiumIndex and markPrice"])
async def test_binance_estimates_by_rest(pushed: tuple[Path, ...], tmp_path: Path) -> None:
    rows = premiums(*pushed)
    now = max(row["time"] for row in rows.values())
    async with playing("binance", "usdm", [*REST, *pushed], tmp_path, at=now) as (_, binance, symbols):
        every = {rate.symbol: rate for rate in await binance.get_funding_rates()}
        assert every.keys() == {symbols[name].name for name in rows}
        for name, row in rows.items():
            expected = binance_terms(name, row["lastFundingRate"], row["nextFundingTime"])
            for told in (await binance.get_funding_rate(symbols[name]), every[symbols[name].name]):
                assert Terms.of(told) == expected
                assert told.kind is RateKind.ESTIMATED
                assert (told.timestamp_ms, told.mark_price) == (row["time"], Decimal(row["markPrice"]))


async def test_every_adjusted_interval_of_binance_and_the_default_beside_it(tmp_path: Path) -> None:
    infos = list(replies("fundingInfo"))
    (recorded,) = replies("premiumIndex")
    async with playing("binance", "usdm", REST, tmp_path, at=recorded["time"]) as (venue, binance, symbols):
        listed = [row for row in infos if row["symbol"] in symbols]
        named = [*(row["symbol"] for row in listed), recorded["symbol"]]
        # One estimate was recorded; the interval of the others is asked for under the same one.
        answer = json.dumps([{**recorded, "symbol": name} for name in named])
        venue.answer_with(200, answer, path="premiumIndex")
        told = {rate.symbol: rate for rate in await binance.get_funding_rates()}
    assert {row["fundingIntervalHours"] for row in listed} == {4, 8}
    for name in named:
        expected = binance_terms(name, recorded["lastFundingRate"], recorded["nextFundingTime"])
        assert Terms.of(told[symbols[name].name]) == expected
    for row in listed:
        rate = told[symbols[row["symbol"]].name]
        assert (rate.cap, rate.floor) == (
            Decimal(row["adjustedFundingRateCap"]),
            Decimal(row["adjustedFundingRateFloor"]),
        )


async def test_binance_settled_rates_and_the_distances_between_them(tmp_path: Path) -> None:
    rows: dict[str, dict[int, str]] = {}
    for row in replies("fundingRate"):
        rows.setdefault(row["symbol"], {})[row["fundingTime"]] = row["fundingRate"]
    now = max(at for found in rows.values() for at in found)
    async with playing("binance", "usdm", REST, tmp_path, at=now) as (_, binance, symbols):
        for name, found in rows.items():
            told = await binance.get_funding_rate_history(symbols[name], limit=1000)
            assert [(rate.settled_ms, rate.rate) for rate in told] == [
                (at, Decimal(rate)) for at, rate in sorted(found.items())
            ]
            before = None
            for rate in told:
                hours = None if before is None else round((rate.settled_ms or 0) / HOUR_MS) - round(before / HOUR_MS)
                known = hours is not None and 1 <= hours <= 8
                assert rate.interval == (timedelta(hours=hours or 0) if known else None)
                assert rate.interval_source is (IntervalSource.DERIVED if known else None)
                before = rate.settled_ms


@pytest.mark.parametrize("capture", [pytest.param(path, id=path.name) for path in MARKS])
async def test_binance_pushes_are_told_one_by_one_and_roll_over_with_the_venue(capture: Path, tmp_path: Path) -> None:
    pushed = marks(capture)
    # A venue's clock that is behind the messages' own times: theirs is what counts then.
    start = min(row["E"] for row in pushed) - 60_000
    heard: dict[str, list[FundingRate]] = {row["s"]: [] for row in pushed}
    expected = {
        name: [
            (row["E"], binance_terms(name, row["r"], row["T"]), Decimal(row["p"])) for row in pushed if row["s"] == name
        ]
        for name in heard
    }
    async with playing("binance", "usdm", [*REST, capture], tmp_path, at=start, speed=1.0) as (_, binance, symbols):
        complete = asyncio.Event()
        streams = []
        for name, found in heard.items():

            def listen(rate: FundingRate, name: str = name, found: list[FundingRate] = found) -> None:
                found.append(rate)
                if all(len(heard[n]) >= len(expected[n]) for n in heard):
                    complete.set()

            streams.append(binance.subscribe_funding_rate(symbols[name]))
            streams[-1].add_listener(listen)
        async with asyncio.timeout(15):
            await complete.wait()
        for stream in streams:
            await stream.close()
    for name, found in heard.items():
        assert [(rate.timestamp_ms, Terms.of(rate), rate.mark_price) for rate in found] == expected[name]
        hours = expected[name][0][1].interval // timedelta(hours=1)
        settlements = [terms.next_ms for _, terms, _ in expected[name]]
        assert {b - a for a, b in pairwise(settlements)} <= {0, hours * HOUR_MS}


# --- OKX, from its rows


def okx_rows(paths: Iterable[Path]) -> list[Row]:
    return [row for path in paths for line in lines(path) for row in json.loads(line["raw"])["data"]]


def okx_terms(row: Row) -> Terms:
    """`fundingTime` is the upcoming settlement, `nextFundingTime` the one after: the interval is between them."""
    upcoming, following = int(row["fundingTime"]), int(row["nextFundingTime"])
    interval = timedelta(milliseconds=following - upcoming)
    return Terms(Decimal(row["fundingRate"]), interval, IntervalSource.DERIVED, upcoming)


async def test_okx_estimates_by_rest(tmp_path: Path) -> None:
    rows = {row["instId"]: row for row in sorted(okx_rows(OKX), key=lambda row: int(row["ts"]))}
    prices = {row["instId"]: Decimal(row["markPx"]) for row in okx_rows(OKX_MARKS)}
    now = max(int(row["ts"]) for row in rows.values())
    async with playing("okx", "swap", [*OKX, *OKX_MARKS], tmp_path, at=now) as (_, okx, symbols):
        every = {rate.symbol: rate for rate in await okx.get_funding_rates()}
        assert every.keys() == {symbols[name].name for name in rows}
        for name, row in rows.items():
            for told in (await okx.get_funding_rate(symbols[name]), every[symbols[name].name]):
                assert Terms.of(told) == okx_terms(row)
                assert (told.timestamp_ms, told.mark_price) == (int(row["ts"]), prices[name])
                assert (told.cap, told.floor) == (Decimal(row["maxFundingRate"]), Decimal(row["minFundingRate"]))


async def test_okx_pushes_are_told_one_by_one(tmp_path: Path) -> None:
    rows = okx_rows(OKX)
    start = min(int(row["ts"]) for row in rows)
    async with playing("okx", "swap", [*OKX, *OKX_MARKS], tmp_path, at=start, speed=10) as (_, okx, symbols):
        for name in {row["instId"] for row in rows}:
            mine, heard = [row for row in rows if row["instId"] == name], list[FundingRate]()
            complete = asyncio.Event()

            def listen(
                rate: FundingRate, heard: list[FundingRate] = heard, mine: list[Row] = mine, complete: Any = complete
            ) -> None:
                heard.append(rate)
                if len(heard) == len(mine):
                    complete.set()

            stream = okx.subscribe_funding_rate(symbols[name])
            stream.add_listener(listen)
            async with asyncio.timeout(15):
                await complete.wait()
            await stream.close()
            assert [(rate.timestamp_ms, Terms.of(rate)) for rate in heard] == [
                (int(row["ts"]), okx_terms(row)) for row in mine
            ]


# --- both alike


@pytest.mark.parametrize("hours", [1, 5, 9, 30])
async def test_a_settlement_that_passed_by_the_venues_clock_rolls_on_alike_and_says_so(
    hours: int, tmp_path: Path
) -> None:
    binance_row = max(premiums(*MARKS).values(), key=lambda row: row["time"])
    okx_row = max(okx_rows(OKX), key=lambda row: int(row["ts"]))
    expected = {
        "binance": binance_terms(binance_row["symbol"], binance_row["lastFundingRate"], binance_row["nextFundingTime"]),
        "okx": okx_terms(okx_row),
    }
    sources = {"binance": ("usdm", [*REST, *MARKS]), "okx": ("swap", [*OKX, *OKX_MARKS])}
    names = {"binance": binance_row["symbol"], "okx": okx_row["instId"]}
    for venue, terms in expected.items():
        market, paths = sources[venue]
        folder = tmp_path / venue
        folder.mkdir()
        now = terms.next_ms + hours * HOUR_MS
        async with playing(venue, market, paths, folder, at=now) as (_, exchange, symbols):
            asked = Terms.of(await exchange.get_funding_rate(symbols[names[venue]]))
            async with exchange.subscribe_funding_rate(symbols[names[venue]]) as stream, asyncio.timeout(10):
                pushed = Terms.of(await anext(stream))
        assert asked == terms.rolled(now)
        assert (pushed.next_ms, pushed.derived) == (asked.next_ms, True)

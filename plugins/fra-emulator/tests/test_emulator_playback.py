"""Captures played back to bare clients: small ones that are written here, in the format that recorders keep."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fra.emulator import Clock, Emulator
from fra.emulator.playback import NothingRecorded, recorded_at, recorded_source
from fra.emulator.playback.binance import BinancePlayback
from fra.emulator.playback.okx import OkxPlayback

Wire = Callable[..., Awaitable[Any]]
T0 = 1_790_000_000_000
SNAPSHOT = {"lastUpdateId": 105, "bids": [["10.5", "1"], ["10.4", "2.25"]], "asks": [["10.6", "3"]]}


def line(n: int, raw: object, *, kind: str = "recv", **rest: object) -> dict[str, object]:
    return {"n": n, "ts": str(1000 + n), "dir": kind, "raw": raw if isinstance(raw, str) else json.dumps(raw), **rest}


def write(path: Path, lines: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


def delta(first: int, last: int, bids: list[list[str]], *, before: int | None = None) -> dict[str, object]:
    event = {"e": "depthUpdate", "E": T0 + last, "s": "NEWUSDT", "U": first, "u": last, "b": bids, "a": []}
    return {"stream": "newusdt@depth@100ms", "data": event if before is None else {**event, "pu": before}}


DELTAS = [delta(100, 104, [["10.1", "9"]]), *(delta(n, n, [["10.5", f"{n}"]]) for n in range(105, 112))]


def spot_book(folder: Path, deltas: Sequence[object] = DELTAS, *, name: str = "one", snapshot_at: int = 2) -> Path:
    """A spot book of a symbol that nobody lists: some deltas, its snapshot, the others."""
    lines = [line(n, raw) for n, raw in enumerate(deltas)]
    if snapshot_at:
        reply = line(snapshot_at, SNAPSHOT, kind="http", url="https://x.test/api/v3/depth?symbol=NEWUSDT&limit=1000")
        lines = [*lines[:snapshot_at], reply, *lines[snapshot_at:]]
        lines = [{**told, "n": n} for n, told in enumerate(lines)]
    return write(folder / "spot-book" / f"{name}__NEWUSDT.jsonl", lines)


def okx_push(seq: int, before: int, price: str, *, action: str = "update") -> dict[str, object]:
    row = {"bids": [[price, "1", "0", "1"]], "asks": [["99", "2", "0", "1"]], "ts": str(T0 + seq), "checksum": 0}
    arg = {"channel": "books", "instId": "NEW-USDT-SWAP"}
    return {"arg": arg, "action": action, "data": [{**row, "seqId": seq, "prevSeqId": before}]}


def okx_book(folder: Path) -> Path:
    pushes = [okx_push(10, -1, "90", action="snapshot"), *(okx_push(n, n - 1, f"9{n - 10}") for n in range(11, 16))]
    return write(folder / "v5-book" / "one__NEW-USDT-SWAP.jsonl", [line(n, raw) for n, raw in enumerate(pushes)])


async def get(http: aiohttp.ClientSession, url: str, **params: str) -> Any:
    async with http.get(url, params=params) as answer:
        return await answer.json(content_type=None)


async def depth_wire(wire: Wire, emulator: Emulator) -> Any:
    client = await wire(emulator.binance.markets["spot"]["ws"] + "/ws")
    await client.say({"method": "SUBSCRIBE", "params": ["newusdt@depth@100ms"], "id": 1})
    assert await client.hear() == {"result": None, "id": 1}
    return client


async def okx_wire(wire: Wire, emulator: Emulator) -> Any:
    client = await wire(emulator.okx.markets["swap"]["ws"])
    await client.say({"op": "subscribe", "args": [{"channel": "books", "instId": "NEW-USDT-SWAP"}]})
    assert (await client.hear())["event"] == "subscribe"
    return client


async def hear_ids(client: Any, count: int, read: Callable[[Any], int]) -> list[int]:
    return [read(await client.hear()) for _ in range(count)]


def u(event: Any) -> int:
    return int(event["u"])


def seq(push: Any) -> int:
    return int(push["data"][0]["seqId"])


# --- books


async def test_deltas_wait_for_the_client_to_ask_for_the_recorded_snapshot(
    tmp_path: Path, wire: Wire, http: aiohttp.ClientSession
) -> None:
    async with Emulator(["binance"], source=recorded_source(spot_book(tmp_path), speed=0)) as emulator:
        url = emulator.binance.markets["spot"]["rest"] + "/api/v3/depth"
        client = await depth_wire(wire, emulator)
        assert await hear_ids(client, 2, u) == [104, 105]
        with pytest.raises(TimeoutError):
            await client.hear(timeout=0.1)
        assert await get(http, url, symbol="NEWUSDT", limit="5000") == SNAPSHOT
        assert await hear_ids(client, 6, u) == [106, 107, 108, 109, 110, 111]
        later = await get(http, url, symbol="NEWUSDT")
        assert (later["lastUpdateId"], later["bids"]) == (111, [["10.5", "111"], ["10.4", "2.25"]])
        assert emulator.binance.book("spot", "NEWUSDT", 107).bids[0] == ("10.5", "107")


async def test_a_book_without_a_snapshot_starts_empty_right_before_its_first_delta(
    tmp_path: Path, wire: Wire, http: aiohttp.ClientSession
) -> None:
    source = recorded_source(spot_book(tmp_path, snapshot_at=0), speed=0)
    async with Emulator(["binance"], source=source) as emulator:
        client = await depth_wire(wire, emulator)
        assert await hear_ids(client, 1, u) == [104]
        told = await get(http, emulator.binance.markets["spot"]["rest"] + "/api/v3/depth", symbol="NEWUSDT")
        assert told == {"lastUpdateId": 99, "bids": [], "asks": []}


async def test_a_capture_that_goes_on_where_another_ends_is_joined_to_it(
    tmp_path: Path, wire: Wire, http: aiohttp.ClientSession
) -> None:
    spot_book(tmp_path, DELTAS[:5], name="one")
    spot_book(tmp_path, DELTAS[5:], name="two", snapshot_at=0)
    async with Emulator(["binance"], source=recorded_source(tmp_path, speed=0)) as emulator:
        client = await depth_wire(wire, emulator)
        await get(http, emulator.binance.markets["spot"]["rest"] + "/api/v3/depth", symbol="NEWUSDT")
        assert await hear_ids(client, 8, u) == [104, 105, 106, 107, 108, 109, 110, 111]


async def test_an_okx_subscriber_hears_the_recorded_snapshot_first_and_a_late_one_the_book_as_it_is(
    tmp_path: Path, wire: Wire
) -> None:
    async with Emulator(["okx"], source=recorded_source(okx_book(tmp_path), speed=0)) as emulator:
        client = await okx_wire(wire, emulator)
        assert await hear_ids(client, 6, seq) == [10, 11, 12, 13, 14, 15]
        late = await (await okx_wire(wire, emulator)).hear()
        assert (late["action"], seq(late), late["data"][0]["prevSeqId"]) == ("snapshot", 15, -1)
        assert [level[0] for level in late["data"][0]["bids"]] == ["95", "94", "93", "92", "91", "90"]


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ("drop", [104, 105, 106, 108, 109]),
        ("duplicate", [104, 105, 106, 107, 107]),
        ("swap", [104, 105, 106, 108, 107]),
    ],
)
async def test_a_fault_befalls_its_delta_and_the_venues_own_book_goes_on(
    fault: Any, heard: list[int], tmp_path: Path, wire: Wire, http: aiohttp.ClientSession
) -> None:
    source = recorded_source(spot_book(tmp_path), speed=0, faults={3: fault})
    async with Emulator(["binance"], source=source) as emulator:
        client = await depth_wire(wire, emulator)
        url = emulator.binance.markets["spot"]["rest"] + "/api/v3/depth"
        await get(http, url, symbol="NEWUSDT")
        assert await hear_ids(client, 5, u) == heard
        await client.hear_until(lambda event: event["u"] == 111)
        assert (await get(http, url, symbol="NEWUSDT"))["lastUpdateId"] == 111


async def test_a_fault_strikes_once_until_another_is_planted(tmp_path: Path, wire: Wire) -> None:
    source = recorded_source(okx_book(tmp_path), speed=0, faults={2: "drop"})
    async with Emulator(["okx"], source=source) as emulator:

        async def play(count: int) -> list[int]:
            client = await okx_wire(wire, emulator)
            heard = await hear_ids(client, count, seq)
            await client.say({"op": "unsubscribe", "args": [{"channel": "books", "instId": "NEW-USDT-SWAP"}]})
            assert (await client.hear())["event"] == "unsubscribe"
            return heard

        assert await play(5) == [10, 11, 13, 14, 15]
        assert await play(6) == [10, 11, 12, 13, 14, 15]
        assert isinstance(emulator.okx.source, OkxPlayback)
        emulator.okx.source.faults.plant({4: "swap"})
        assert await play(6) == [10, 11, 12, 13, 15, 14]


async def test_it_plays_as_fast_as_it_was_recorded_times_the_speed(tmp_path: Path, wire: Wire) -> None:
    async with Emulator(["okx"], source=recorded_source(okx_book(tmp_path), speed=20)) as emulator:
        client = await okx_wire(wire, emulator)
        assert await hear_ids(client, 2, seq) == [10, 11]
        started = time.monotonic()
        assert await hear_ids(client, 4, seq) == [12, 13, 14, 15]
        assert time.monotonic() - started > 0.15, "four messages a second apart, at twenty times the speed"


# --- what else a venue says


async def test_a_symbol_that_was_only_streamed_is_listed_with_the_grid_of_its_book(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with Emulator(["binance"], source=recorded_source(spot_book(tmp_path), speed=0)) as emulator:
        info = await get(http, emulator.binance.markets["spot"]["rest"] + "/api/v3/exchangeInfo")
        (listed,) = info["symbols"]
        filters = {row["filterType"]: row for row in listed["filters"]}
        assert (listed["symbol"], listed["baseAsset"], listed["quoteAsset"]) == ("NEWUSDT", "NEW", "USDT")
        assert filters["PRICE_FILTER"]["tickSize"] == "0.10000000"
        assert filters["LOT_SIZE"]["stepSize"] == "0.01000000"
        assert info["rateLimits"]


def rest_line(path: str, query: str, body: object) -> dict[str, object]:
    return {"type": "rest", "method": "GET", "path": path, "query": query, "raw": json.dumps(body)}


async def test_recorded_answers_are_given_again_and_the_newest_estimate_wins(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    settled = [{"symbol": "NEWUSDT", "fundingRate": f"0.000{n}", "fundingTime": T0 + n} for n in range(4)]
    push = {
        "e": "markPriceUpdate",
        "E": T0 + 50,
        "s": "NEWUSDT",
        "p": "2",
        "i": "3",
        "P": "4",
        "r": "0.5",
        "T": T0 + 90,
    }
    estimate = {"symbol": "NEWUSDT", "time": T0, "lastFundingRate": "0.1", "nextFundingTime": T0 + 9, "markPrice": "1"}
    write(
        tmp_path / "usdm-rest" / "a.jsonl",
        [
            rest_line("/fapi/v1/fundingInfo", "", [{"symbol": "NEWUSDT", "fundingIntervalHours": 4}]),
            rest_line("/fapi/v1/premiumIndex", "symbol=NEWUSDT", estimate),
            rest_line("/fapi/v1/fundingRate", "symbol=NEWUSDT", settled),
            rest_line("/fapi/v1/fundingRate", "symbol=NEWUSDT&limit=2", None),
            rest_line("/fapi/v1/fundingRate", "symbol=NO", {"code": -1121, "msg": "Invalid symbol."}),
        ],
    )
    write(tmp_path / "usdm-mark-price" / "b.jsonl", [line(0, {"stream": "newusdt@markPrice@1s", "data": push})])
    assert recorded_at(tmp_path) == T0 + 50
    async with Emulator(["binance"], source=recorded_source(tmp_path), clock=Clock(start_ms=T0 + 50)) as emulator:
        base = emulator.binance.markets["usdm"]["rest"] + "/fapi/v1/"
        assert await get(http, base + "fundingInfo") == [{"symbol": "NEWUSDT", "fundingIntervalHours": 4}]
        told = await get(http, base + "premiumIndex", symbol="NEWUSDT")
        assert (told["lastFundingRate"], told["nextFundingTime"], told["time"]) == ("0.5", T0 + 90, T0 + 50)
        assert await get(http, base + "fundingRate", symbol="NEWUSDT") == settled
        assert await get(http, base + "fundingRate", symbol="NEWUSDT", startTime=str(T0 + 2)) == settled[2:]
        assert await get(http, base + "fundingRate", symbol="NEWUSDT", limit="1") == settled[3:]
        assert T0 + 50 <= (await get(http, base + "time"))["serverTime"] < T0 + 60_050
        assert (await get(http, base + "ticker/price", symbol="NEWUSDT"))["code"] == -1121


async def test_an_okx_rest_row_is_the_newest_push_of_its_channel(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    arg = {"channel": "funding-rate", "instId": "NEW-USDT-SWAP"}
    rows = [
        {"instId": "NEW-USDT-SWAP", "fundingRate": f"0.{n}", "fundingTime": str(T0), "ts": str(T0 + n)}
        for n in range(3)
    ]
    write(
        tmp_path / "v5-funding-rate" / "a.jsonl", [line(n, {"arg": arg, "data": [row]}) for n, row in enumerate(rows)]
    )
    async with Emulator(["okx"], source=recorded_source(tmp_path)) as emulator:
        base = emulator.okx.markets["swap"]["rest"] + "/api/v5/public/"
        assert (await get(http, base + "funding-rate", instId="NEW-USDT-SWAP"))["data"] == rows[2:]
        assert (await get(http, base + "funding-rate", instId="ANY"))["data"] == rows[2:]
        assert (await get(http, base + "funding-rate", instId="OLD-USDT-SWAP"))["code"] == "51001"


async def test_a_folder_without_a_capture_of_the_venue_is_refused(tmp_path: Path) -> None:
    spot_book(tmp_path / "binance")
    with pytest.raises(NothingRecorded, match="no capture of okx"):
        await Emulator(["okx"], source=recorded_source(tmp_path / "binance")).start()
    with pytest.raises(FileNotFoundError):
        await Emulator(["okx"], source=recorded_source(tmp_path / "nowhere")).start()


async def test_each_venue_of_a_folder_plays_its_own_captures(tmp_path: Path) -> None:
    spot_book(tmp_path / "binance")
    okx_book(tmp_path / "okx")
    async with Emulator(["binance", "okx"], source=recorded_source(tmp_path, speed=0)) as emulator:
        assert isinstance(emulator.binance.source, BinancePlayback)
        assert emulator.binance.source.knows("spot", "NEWUSDT")
        assert emulator.okx.source.knows("swap", "NEW-USDT-SWAP")
        assert emulator.okx.book("swap", "NEW-USDT-SWAP", 12).bids[0] == ("92", "1")


# --- the command


def test_the_command_plays_a_folder(tmp_path: Path) -> None:
    spot_book(tmp_path)
    command = [sys.executable, "-m", "fra.emulator", "binance", "--play", str(tmp_path), "--speed", "0", "--port", "0"]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["venue"] == "binance"
        url = told["markets"]["spot"]["rest"] + "/api/v3/depth?symbol=NEWUSDT"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert json.load(answer) == SNAPSHOT
        process.terminate()
        _, complaints = process.communicate(timeout=10)
        assert (process.returncode, complaints) == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_the_command_says_in_one_line_that_nothing_is_recorded(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fra.emulator", "okx", "--play", str(tmp_path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [f"Error: {tmp_path} holds no capture of okx"]

"""`fra history` as a process, over real sockets, against emulated exchanges: interrupted, killed, extended, refused."""

import contextlib
import csv
import fcntl
import itertools
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time

import pyarrow.parquet
import pytest

KLINES = ("history", "klines", "BTC/USDT:USDT", "ETH/USDT:USDT", "-e", "okx", "--interval", "1m")
RANGE = ("--since", "2026-01-05T17:00", "--until", "2026-01-06T04:10Z")
"""Seven pages of each, over a midnight."""
HOUR = 3_600_000


def journals(out):
    folder = out.with_name(out.name + ".part")
    return sorted(folder.glob("*.jsonl"))


def stop_after_a_page(process, how=signal.SIGINT):
    """End the download when its first page has come; what it had said until then, and what came after."""
    told = []
    for line in process.stderr:
        told.append(line)
        if " rows, about " in line:
            break
    process.send_signal(how)
    _, rest = process.communicate(timeout=20)
    return "".join(told) + rest


@pytest.fixture(scope="module")
def made():
    """The files that were made in one run, by their kind."""
    return {}


@pytest.fixture
def straight(fra, made):
    """The file as it is made in one run."""

    def run(name):
        kind = name.rpartition(".")[2]
        if kind not in made:
            fra.run(*KLINES, *RANGE, "--out", name)
            made[kind] = (fra.folder / name).read_bytes()
        (fra.folder / name).write_bytes(made[kind])
        return fra.folder / name

    return run


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_goes_on_to_the_same_bytes(fra, straight, name, how):
    whole = straight(f"straight-{name}")
    out = fra.folder / name
    for _ in range(2):
        process = fra.start(*KLINES, *RANGE, "--out", name)
        told = stop_after_a_page(process, how)
        assert not out.exists()
    assert "goes on at" in told
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from here" in told
    # What a crash leaves of a line that was being written.
    with journals(out)[0].open("a") as file:
        file.write('{"rows":[["okx","BTC/USDT:USDT","1m",17')
    fra.run(*KLINES, *RANGE, "--out", name)
    assert out.read_bytes() == whole.read_bytes()
    assert not out.with_name(name + ".part").exists()


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_finished_file_is_extended_to_the_same_bytes(fra, straight, name):
    whole = straight(f"straight-{name}")
    fra.run(*KLINES, "--since", "2026-01-05T17:00", "--until", "2026-01-05T20:00:30Z", "--out", name)
    fra.run(*KLINES, *RANGE, "--out", name)
    assert (fra.folder / name).read_bytes() == whole.read_bytes()


def test_a_file_that_is_whole_already_is_left_alone(fra, straight):
    out = straight("x.parquet")
    before = out.stat()
    done = fra.run(*KLINES, *RANGE, "--out", "x.parquet")
    assert (out.stat().st_mtime_ns, out.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert "0 new rows" in done.stderr


def test_pages_that_are_in_the_file_already_are_not_added_again(fra, straight):
    whole = straight("straight.csv")
    out = fra.folder / "x.csv"
    stop_after_a_page(fra.start(*KLINES, *RANGE, "--out", "x.csv"))
    kept = fra.folder / "kept"
    shutil.copytree(out.with_name("x.csv.part"), kept)
    fra.run(*KLINES, *RANGE, "--out", "x.csv")
    shutil.copytree(kept, out.with_name("x.csv.part"))
    fra.run(*KLINES, *RANGE, "--out", "x.csv")
    assert out.read_bytes() == whole.read_bytes()


def test_two_processes_do_not_write_to_one_file(fra):
    folder = fra.folder / "x.csv.part"
    folder.mkdir()
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another process" in fra.run(*KLINES, *RANGE, "--out", "x.csv", code=1).stderr


@pytest.mark.parametrize("exchange", ["okx", "binance", "bybit", "htx"])
def test_candles_are_whole_on_every_venue(fra, exchange):
    command = ("history", "klines", "BTC/USDT:USDT", "-e", exchange, "--interval", "5m", "--since", "2026-01-01")
    fra.run(*command, "--until", "2026-01-05", "--out", "x.csv")
    with (fra.folder / "x.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["open_ms"]) for row in rows] == list(range(1_767_225_600_000, 1_767_571_200_000, 300_000))
    assert rows[0]["time"] == "2026-01-01T00:00:00.000Z"
    assert {row["missing"] for row in rows} == {"false"}


@pytest.mark.parametrize("exchange", ["okx", "binance", "bybit", "htx"])
def test_funding_is_whole_on_every_venue_and_has_its_interval(fra, exchange):
    fra.run("history", "funding", "BTC/USDT:USDT", "-e", exchange, "--since", "40d", "--out", "x.parquet")
    table = pyarrow.parquet.read_table(fra.folder / "x.parquet")
    rows = table.to_pylist()
    assert len(rows) == 120
    apart = {round((b["settled_ms"] - a["settled_ms"]) / HOUR, 3) for a, b in itertools.pairwise(rows)}
    assert apart == {8.0}
    assert {row["interval_seconds"] for row in rows} == {8 * 3600}
    assert str(table.schema.field("rate").type) == "string"


def test_several_exchanges_share_a_file(fra):
    command = ("history", "funding", "BTC/USDT:USDT", "ETH/USDT:USDT", "-e", "okx", "-e", "binance")
    told = fra.json(*command, "--since", "2d", "--out", "x.csv")
    names = [(one["exchange"], one["symbol"]) for one in told["series"]]
    assert names == [(e, s) for e in ("okx", "binance") for s in ("BTC/USDT:USDT", "ETH/USDT:USDT")]
    with (fra.folder / "x.csv").open() as file:
        found = list(csv.DictReader(file))
    assert list(dict.fromkeys((row["exchange"], row["symbol"]) for row in found)) == names
    assert sum(one["rows"] for one in told["series"]) == len(found)


def test_funding_of_more_than_three_months_ago_is_refused_by_okx_with_the_first_moment_served(fra):
    command = ("history", "funding", "BTC/USDT:USDT", "-e", "okx", "--out", "x.csv", "--since")
    done = fra.run(*command, "200d", code=1)
    assert "is served from" in done.stderr
    cure = done.stderr.split("→ --since ")[1].split()[0]
    assert not list(fra.folder.glob("x.csv*"))
    fra.run(*command, cure)


def test_trades_that_the_latest_page_does_not_reach_are_refused(fra):
    command = ("history", "trades", "BTC/USDT:USDT", "-e", "binance", "--out", "x.csv", "--since")
    done = fra.run(*command, "30d", code=1)
    assert "trades are served from" in done.stderr
    assert not list(fra.folder.glob("x.csv*"))


def test_trades_of_the_latest_page_join_on_to_those_before(fra):
    command = ("history", "trades", "BTC/USDT:USDT", "-e", "okx", "--out", "x.csv", "--since")
    # The emulated market begins with its first reader.
    since = fra.run(*command, "30d", code=1).stderr.split("→ --since ")[1].split()[0]
    counts = []
    deadline = time.monotonic() + 20
    while len(set(counts)) < 2 and time.monotonic() < deadline:
        counts.append(fra.json(*command, since)["series"][0]["rows"])
    with (fra.folder / "x.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["id"] for row in rows}) == len(rows) == counts[-1] > counts[0]
    ids = [int(row["id"]) for row in rows]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--since", "2026-01-04"), "begins at 2026-01-05T00:00Z"),
        (("--interval", "5m"), "other series"),
    ],
)
def test_a_file_of_something_else_is_left_as_it_is(fra, change, words):
    command = (*KLINES[:3], *KLINES[4:], "--since", "2026-01-05", "--until", "2026-01-05T01:00", "--out", "x.csv")
    fra.run(*command)
    before = (fra.folder / "x.csv").read_bytes()
    assert words in fra.run(*command, *change, code=1).stderr
    assert (fra.folder / "x.csv").read_bytes() == before


def test_a_file_that_somebody_changed_is_not_extended(fra):
    command = (*KLINES, "--since", "2026-01-05", "--until", "2026-01-05T01:00", "--out", "x.csv")
    fra.run(*command)
    with (fra.folder / "x.csv").open("a") as file:
        file.write("mine\n")
    assert "was changed since" in fra.run(*command, code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "1d", "--until", "2199-01-01", "--out", "x.csv"), "future"),
        (("--since", "2026-01-05", "--until", "2026-01-04", "--out", "x.csv"), "before --until"),
        (("--since", "soon", "--out", "x.csv"), "is no moment"),
        (("--since", "1d", "--interval", "7m", "--out", "x.csv"), "none of 1m"),
    ],
)
def test_a_range_that_is_none_is_a_usage_error(fra, arguments, words):
    assert words in fra.run(*KLINES, *arguments, code=2).stderr


def test_without_an_exchange_among_several_the_cure_is_one(fra):
    done = fra.run("history", "funding", "BTC/USDT:USDT", "--since", "1d", "--out", "x.csv", code=2)
    assert "-e okx" in done.stderr


def test_another_ending_than_the_two_is_refused(fra):
    assert "--out x.parquet" in fra.run(*KLINES, "--since", "1d", "--out", "x.xlsx", code=1).stderr


def test_a_symbol_that_is_none_fails_in_one_line_and_leaves_nothing(fra):
    done = fra.run("history", "funding", "NOPE/USDT:USDT", "-e", "okx", "--since", "1d", "--out", "x.csv", code=1)
    assert "NOPE/USDT:USDT" in done.stderr.splitlines()[-1]
    assert not list(fra.folder.glob("x.csv*"))


def test_data_stays_on_stdout_and_progress_on_stderr(fra):
    done = fra.run("history", "funding", "BTC/USDT:USDT", "-e", "okx", "--since", "1d", "--out", "x.csv", "--json")
    assert json.loads(done.stdout)["schema"] == "fra.history/1"
    assert "okx BTC/USDT:USDT: done" in done.stderr


def test_on_a_terminal_each_series_has_a_bar_with_an_estimate(fra):
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    process = subprocess.Popen(
        [sys.executable, "-m", "fra.core.main", *KLINES, *RANGE, "--out", "x.csv"],
        cwd=fra.folder,
        env={**fra.environ, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody is there any more
        while chunk := os.read(screen, 4096):
            shown += chunk
    os.close(screen)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.splitlines()[-1] == "klines in x.csv"
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).splitlines()
    for symbol in ("BTC/USDT:USDT", "ETH/USDT:USDT"):
        assert any(symbol in line and "100%" in line and "670 rows" in line for line in last), last[-4:]
        assert any(re.search(rf"{symbol} 1m .* \d+% .*rows 0:0", line) for line in last)


def test_a_place_that_cannot_be_written_to_is_one_line(fra):
    fra.folder.joinpath("file").write_text("no folder\n")
    done = fra.run(*KLINES, "--since", "1h", "--out", "file/x.csv", code=1)
    assert "fra: file/x.csv cannot be written" in done.stderr.splitlines()[-1]

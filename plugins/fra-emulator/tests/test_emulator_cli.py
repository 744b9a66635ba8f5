"""`fra emulate` as a user starts it: a process, its output, its end."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def emulate(*args: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "fra.emulator", *args]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that are free now."""
    for first in range(20_000, 60_000, 97):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for n, s in enumerate(sockets):
                s.bind(("127.0.0.1", first + n))
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
        return first
    raise AssertionError("no free ports")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_each_venue_is_a_line_of_json_on_a_port_of_its_own_and_a_signal_ends_it(number: signal.Signals) -> None:
    port = free_ports(2)
    with emulate("okx", "binance", "--port", str(port), "--seed", "3", "--json") as process:
        assert process.stdout is not None
        rows = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [row["venue"] for row in rows] == ["okx", "binance"]
        assert set(rows[0]["markets"]) == {"spot", "swap"}
        assert set(rows[1]["markets"]) == {"spot", "usdm"}
        assert [rows[0]["markets"]["swap"]["rest"], rows[1]["markets"]["usdm"]["rest"]] == [
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{port + 1}",
        ]
        assert rows[0]["markets"]["swap"]["ws"] == f"ws://127.0.0.1:{port}/ws/v5/public"
        with urllib.request.urlopen(rows[1]["markets"]["usdm"]["rest"] + "/fapi/v1/time") as answer:
            assert "serverTime" in json.load(answer)
        process.send_signal(number)
        _, complaints = process.communicate(timeout=10)
        assert (process.returncode, complaints) == (0, "")


def test_without_json_each_venue_is_one_line() -> None:
    with emulate("okx", "--port", "0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("okx serves spot: http://127.0.0.1:")


def test_a_taken_port_is_one_line_on_stderr() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with emulate("okx", "--port", str(taken.getsockname()[1])) as process:
            told, complaints = process.communicate(timeout=10)
    assert (process.returncode, told) == (1, "")
    assert len(complaints.strip().splitlines()) == 1
    assert "--port" in complaints


def test_an_unknown_venue_is_a_usage_error_that_names_the_known_ones() -> None:
    with emulate("kraken") as process:
        _, complaints = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "okx, binance" in complaints

"""`fra demo` without a terminal: a table, a cut, a healing, and an end."""

import json
import os
import time
from pathlib import Path

import pytest


def test_the_demo_shows_a_cut_and_its_healing_and_ends(shell):
    began = time.monotonic()
    done = shell.run("demo")
    assert time.monotonic() - began < 30
    assert "BTC/USDT:USDT" in done.stdout
    told = done.stderr
    assert told.index("cutting okx") < told.index("RECOVERING") < told.index("okx is back")
    assert "\x1b" not in done.stdout


def test_the_demo_has_every_emulated_asset(shell):
    first = json.loads(shell.run("demo", "--json").stdout.splitlines()[0])
    assert len(first["rows"]) >= 25


def test_the_demo_needs_no_configuration_and_ignores_a_bad_one(shell):
    shell.folder.joinpath("fra.toml").write_text("nonsense = 1\n")
    shell.run("demo")


@pytest.fixture
def recordings():
    folder = os.environ.get("FRA_FIXTURES")
    if not folder:
        pytest.skip("FRA_FIXTURES does not name the folder of recordings")
    return Path(folder) / "recordings"


def test_recorded_answers_make_a_table_and_it_says_of_which_swaps(shell, recordings):
    done = shell.run("demo", "--recorded", str(recordings))
    assert "BTC/USDT:USDT" in done.stdout
    assert "recorded swaps: binance BTC/USDT:USDT" in done.stderr


def test_a_folder_without_recordings_is_one_line(shell):
    *_, line = shell.run("demo", "--recorded", ".", code=1).stderr.splitlines()
    assert "→" in line

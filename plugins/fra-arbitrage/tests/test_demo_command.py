"""`fra demo` without a terminal: a table, a cut, a healing, a hedge and its funding, and an end."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

PLAIN, AS_JSON = ("demo",), ("demo", "--json")
IGNORED = '[exchanges.okx]\nbase_url = "http://127.0.0.1:1"\napi_key = "env:FRA_TEST_NOT_SET"\n'


@pytest.fixture(scope="module")
def demos(new_shell, tmp_path_factory):
    """Demos by their arguments, in a folder with a fra.toml, and their seconds. They mostly wait: both run at once."""

    def play(arguments, folder):
        shell = new_shell(folder)
        shell.folder.joinpath("fra.toml").write_text(IGNORED)
        began = time.monotonic()
        return shell.run(*arguments), time.monotonic() - began

    both = (PLAIN, AS_JSON)
    folders = [tmp_path_factory.mktemp("demo") for _ in both]  # not by the threads: pytest is not made for that
    with ThreadPoolExecutor() as pool:
        return dict(zip(both, pool.map(play, both, folders), strict=True))


def test_the_demo_shows_a_cut_and_its_healing_and_ends(demos):
    done, seconds = demos[PLAIN]
    assert seconds < 60
    assert "BTC/USDT:USDT" in done.stdout
    told = done.stderr
    assert told.index("cutting okx") < told.index("RECOVERING") < told.index("okx is back")
    assert "\x1b" not in done.stdout


def test_the_demo_has_every_asset_and_ends_with_a_hedge_that_is_paid(demos):
    done, _ = demos[AS_JSON]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    shown = {line["schema"]: line for line in lines}
    assert len(lines[0]["rows"]) >= 25
    assert {venue["exchange"] for venue in lines[0]["exchanges"]} == {"binance", "okx", "bybit", "htx"}
    result, receipts = shown["fra.hedge/1"], shown["fra.receipts/1"]
    assert (result["outcome"], result["naked_least"], result["naked_most"]) == ("hedged", "0", "0")
    rows = receipts["rows"]
    assert [row["exchange"] for row in rows] == [result["long"]["exchange"], result["short"]["exchange"]]
    for row in rows:
        # The mark price moves until the settlement; the sign and the size are as expected.
        assert row["state"] == "received"
        assert abs(Decimal(row["difference"])) < abs(Decimal(row["expected"])) / 10
    (total,) = receipts["totals"]
    assert Decimal(total["received"]) == sum(Decimal(row["received"]) for row in rows)


def test_the_demo_needs_no_configuration_and_ignores_the_exchanges_of_one(demos):
    done, _ = demos[PLAIN]
    assert "okx: MISSING" not in done.stdout
    assert "are emulated on this machine" in done.stderr


def test_a_configuration_that_nobody_can_read_may_forbid_the_demo(shell):
    shell.folder.joinpath("fra.toml").write_text("nonsense = 1\n")
    assert "unknown key nonsense" in shell.run("demo", code=4).stderr


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

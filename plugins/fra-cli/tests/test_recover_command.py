"""`fra orders recover`: what became of the orders that a crash left open, and how sure that is."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

SWAP = "BTC/USDT:USDT"
ORDER = ("order", "buy", SWAP, "1", "--price", "100.1", "--tif", "IOC", "--client-order-id", "mine1", "--yes")
LOST = {"orders": "lose", "settings": {"base_url": "http://127.0.0.1:1", "timeout": 0.2}}


def journals(shell):
    return [*Path(shell.environ["XDG_STATE_HOME"]).glob("fra/orders/*.sqlite")]


def time_passes(shell, minutes):
    (path,) = journals(shell)
    with sqlite3.connect(path) as database:
        ms = minutes * 60_000
        database.execute(f"UPDATE intents SET begun_ms = begun_ms - {ms}, deadline_ms = deadline_ms - {ms}")
    database.close()


@pytest.fixture(scope="module")
def state(shell_in, tmp_path_factory):
    """What `fra` keeps when an order was sent and nobody knows what became of it, which takes it ten seconds to say."""
    shell, kept = shell_in(tmp_path_factory.mktemp("once")), tmp_path_factory.mktemp("state")
    shell.environ["XDG_STATE_HOME"] = str(kept)
    shell.trade(alpha=dict(LOST))
    shell.run(*ORDER, code=8)
    return kept


@pytest.fixture
def lost(shell, state):
    """An order was sent, and nobody knows what became of it."""
    shell.trade(alpha=dict(LOST))
    shutil.copytree(state, shell.environ["XDG_STATE_HOME"])
    return shell


def found_after_all(shell):
    """The venue had taken it."""
    row = {
        "symbol": SWAP, "side": "buy", "type": "limit", "status": "filled", "id": "77", "client_order_id": "mine1",
        "amount": "1", "filled": "1", "price": "100.1", "at": "100.1", "tif": "IOC", "reduce_only": False,
        "ms": 1_900_000_000_000,
    }  # fmt: skip
    shell.folder.joinpath("alpha.json").write_text(json.dumps([row]))


def test_without_anything_open_it_says_so(shell):
    shell.trade(alpha={})
    assert "no order was left open" in shell.run("orders", "recover").stdout
    assert shell.json("orders", "recover")["rows"] == []
    assert journals(shell) == []


def test_an_order_that_the_venue_has_is_found_once(lost):
    found_after_all(lost)
    (row,) = lost.json("orders", "recover", "alpha")["rows"]
    assert (row["exchange"], row["fate"], row["client_order_id"]) == ("alpha", "found", "mine1")
    assert (row["order"]["status"], row["order"]["filled"], row["order"]["id"]) == ("filled", "1", "77")
    assert lost.json("orders", "recover")["rows"] == []


def test_the_table_says_what_it_became(lost):
    found_after_all(lost)
    line = lost.run("orders", "recover").stdout.splitlines()[1].split()
    assert line[:5] == ["alpha", SWAP, "buy", "limit", "1"]
    assert line[-1] == "filled"


def test_one_that_may_still_arrive_stays_open(lost):
    done = lost.run("orders", "recover", "--json", code=8)
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["fate"], row["order"]) == ("unknown", None)
    assert "could still arrive until" in row["reason"]
    assert "1 of the orders may still live" in done.stderr
    assert lost.json("orders", "recover", code=8)["rows"] == [row]


def test_later_it_never_arrived(lost):
    time_passes(lost, 10)
    (row,) = lost.json("orders", "recover")["rows"]
    assert (row["fate"], row["order"]) == ("never_arrived", None)
    assert "never arrived: 10 minutes after" in row["reason"]
    assert lost.json("orders", "recover")["rows"] == []


def test_a_venue_that_does_not_answer_leaves_it_open_and_says_why(lost):
    lost.folder.joinpath("alpha.json").write_text("not json")
    done = lost.run("orders", "recover", code=8)
    assert "unknown: " in done.stdout


def test_beside_a_process_that_trades_it_is_refused(lost):
    (path,) = journals(lost)
    code = f"""
import asyncio
from fra.core import SqliteJournal
async def main():
    await SqliteJournal({str(path)!r}, one_account=True).claim("bot")
    print("holds", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    bot = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert bot.stdout.readline() == "holds\n"
    done = lost.run("orders", "recover", code=1)
    assert f"process {bot.pid} sends the orders of this account: it holds {path}.lock" in done.stderr
    assert lost.json("orders")["rows"] == []  # reading works
    bot.kill()
    bot.communicate()


def test_an_account_without_a_configuration_is_an_error(shell):
    assert "fra config init" in shell.run("orders", "recover", code=4, environ={"FRA_PLUGINS": ""}).stderr


def test_help_tells_of_it(shell):
    assert "fra orders recover" in shell.run("orders", "--help").stdout
    assert "[EXCHANGE]" in shell.run("orders", "recover", "--help").stdout

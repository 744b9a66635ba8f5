"""funding, book, trades, health and plugins, run as processes against scripted exchanges."""

import json
from decimal import Decimal

import pytest

RATES = {"BTC/USDT:USDT": "0.0001", "ETH/USDT:USDT": "-0.0002"}


def test_funding_shows_rate_interval_and_source(shell):
    shell.configure(alpha={"rates": RATES, "hours": 4})
    lines = shell.run("funding").stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["alpha", "BTC/USDT:USDT"], ["alpha", "ETH/USDT:USDT"]]
    assert "4h reported" in lines[1]


@pytest.mark.parametrize("named", ["eth", "ETH/USDT:USDT"])
def test_funding_takes_assets_and_symbols(shell, named):
    shell.configure(alpha={"rates": RATES})
    (row,) = shell.json("funding", named)["rows"]
    assert (row["symbol"], row["rate"], row["per_day"]) == ("ETH/USDT:USDT", "-0.0002", "-0.0006")


def test_an_unknown_interval_is_null_and_never_eight_hours(shell):
    shell.configure(alpha={"rates": RATES, "hours": 0})
    row, _ = shell.json("funding")["rows"]
    assert (row["interval_seconds"], row["interval_source"], row["per_day"], row["apr"]) == (None, None, None, None)


def test_an_unknown_interval_is_a_question_mark(shell):
    shell.configure(alpha={"rates": {"BTC/USDT:USDT": "0.0001"}, "hours": 0})
    _, line = shell.run("funding").stdout.splitlines()
    assert line.split()[4:6] == ["estimated", "?"] or "estimated  ?" in line


def test_an_exchange_that_fails_does_not_hide_the_others(shell):
    shell.configure(alpha={"rates": RATES}, beta={"fail": "network"})
    answer = shell.json("funding")
    assert ({row["exchange"] for row in answer["rows"]}, answer["errors"][0]["exchange"]) == ({"alpha"}, "beta")


def test_messages_stay_off_stdout(shell):
    shell.configure(alpha={"rates": RATES}, beta={"fail": "network"})
    done = shell.run("funding", "--json")
    json.loads(done.stdout)
    assert "could not be resolved" in done.stderr


@pytest.mark.parametrize(("failure", "code"), [("network", 6), ("auth", 5), ("limit", 7)])
def test_when_all_fail_the_exit_code_says_why(shell, failure, code):
    shell.configure(alpha={"fail": failure})
    (line,) = shell.run("book", "BTC/USDT:USDT", code=code).stderr.splitlines()
    assert line.startswith("fra: alpha: ")


def test_an_exchange_that_is_not_installed_names_the_cure(shell):
    (line,) = shell.run("book", "BTC/USDT:USDT", "-e", "kraken", code=3).stderr.splitlines()
    assert "pip install fra-exchange-kraken" in line


def test_an_exchange_that_is_not_configured_is_a_config_error(shell):
    shell.configure(alpha={})
    assert "kraken" in shell.run("health", "-e", "kraken", code=4).stderr


def test_a_symbol_that_is_none_fails_in_one_line(shell):
    shell.configure(alpha={})
    (line,) = shell.run("book", "NOPE/USDT:USDT", code=1).stderr.splitlines()
    assert "NOPE/USDT:USDT" in line


def test_a_book_has_its_best_levels_first(shell):
    shell.configure(alpha={})
    book = shell.json("book", "BTC/USDT:USDT", "--depth", "2")
    assert book["bids"] == [["99.9", "100"], ["99.8", "100"]]
    assert [Decimal(price) for price, _ in book["asks"]] == [Decimal("100.1"), Decimal("100.2")]


def test_a_book_says_its_age(shell):
    shell.configure(alpha={})
    assert "age 0." in shell.run("book", "BTC/USDT:USDT").stdout


def test_trades_are_one_object_a_line(shell):
    shell.configure(alpha={})
    lines = shell.run("trades", "BTC/USDT:USDT", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["0", "1", "2"]


def test_health_has_a_row_for_each_and_the_exit_code_is_the_signal(shell):
    shell.configure(alpha={}, beta={"fail": "network"})
    rows = {row["exchange"]: row for row in shell.json("health", code=6)["exchanges"]}
    assert (rows["alpha"]["healthy"], rows["beta"]["error"]["error"]) == (True, "ExchangeConnectionError")


def test_watching_writes_an_object_for_every_item_until_ctrl_c(shell, ctrl_c):
    shell.configure(alpha={})
    process = shell.start("trades", "BTC/USDT:USDT", "--watch", "--json")
    ids = [int(json.loads(process.stdout.readline())["id"]) for _ in range(3)]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    code, _, err = ctrl_c(process)
    assert (code, err.strip()) == (130, "")


def test_watching_a_rate_says_when_it_is_lost_and_when_it_is_back(shell, ctrl_c):
    shell.configure(alpha={"freeze_after": 3})
    process = shell.start("funding", "BTC", "--watch")
    lost = process.stderr.readline()
    back = process.stderr.readline()
    ctrl_c(process)
    assert "RECOVERING: the connection was cut" in lost
    assert "live again" in back


def test_watching_everything_is_refused(shell):
    assert "SYMBOL" in shell.run("funding", "--watch", code=2).stderr


def test_plugins_shows_every_state_with_reason_and_cure(shell):
    shell.install("fra-exchange-old", requires="fra-core>=9", old="scripted_venue:ScriptedVenue")
    shell.install("fra-exchange-one", twin="scripted_venue:ScriptedVenue")
    shell.install("fra-exchange-two", twin="scripted_venue:ScriptedVenue")
    rows = [row for row in shell.json("plugins")["plugins"] if row["name"] in ("old", "twin", "scripted")]
    states = sorted((row["name"], row["state"]) for row in rows)
    assert states == [
        ("old", "incompatible"),
        ("scripted", "available"),
        ("twin", "conflicting"),
        ("twin", "conflicting"),
    ]
    assert all(row["reason"] and row["cure"] for row in rows if row["state"] != "available")


def test_plugins_has_one_line_a_plugin(shell):
    shell.install("fra-exchange-one", twin="scripted_venue:ScriptedVenue")
    shell.install("fra-exchange-two", twin="scripted_venue:ScriptedVenue")
    lines = [line for line in shell.run("plugins").stdout.splitlines() if line.startswith("twin")]
    assert len(lines) == 2
    assert all("→" in line for line in lines)


def test_without_any_plugins_the_list_still_works(shell):
    states = {
        row["state"]
        for row in json.loads(shell.run("plugins", "--json", environ={"FRA_PLUGINS": ""}).stdout)["plugins"]
    }
    assert states == {"blocked"}

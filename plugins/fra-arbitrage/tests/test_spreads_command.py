"""`fra spreads` as a process, against scripted exchanges: what is shown, what is unknown, who is missing."""

import json
import time

import pytest

LOW = {"rates": {"BTC/USDT:USDT": "0.0001"}}
HIGH = {"rates": {"BTC/USDT:USDT": "0.0005"}}


def test_the_row_says_which_leg_is_where_and_what_it_nets(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH))
    (row,) = shell.json("spreads", "--size", "1000", "--hold", "7d")["rows"]
    assert (row["long"]["exchange"], row["short"]["exchange"], row["rank"]) == ("alpha", "beta", 1)
    # 21 settlements of 0.0004, four taker fees of 0.0005, and two steps of 0.1 on 100 for each leg, in and out.
    assert [row[key] for key in ("per_day", "fees", "slippage", "net")] == ["0.0012", "0.0020", "0.004", "0.0024"]


def test_the_table_says_who_pays_in_words_and_signs(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH))
    line = shell.run("spreads").stdout.splitlines()[1]
    assert "pays -0.0100 %" in line
    assert "gets +0.0500 %" in line


def test_a_piped_table_is_found_by_its_market_and_not_cut(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH, plugin="unpriced"))
    (line,) = [line for line in shell.run("spreads").stdout.splitlines() if "BTC/USDT:USDT" in line]
    assert line.endswith("beta: the taker fee is unknown (--fee beta=RATE)")


def test_an_unknown_fee_is_a_question_mark_and_null(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH, plugin="unpriced"))
    (row,) = shell.json("spreads")["rows"]
    assert (row["fees"], row["net"], row["break_even"]["state"]) == (None, None, "unknown")


@pytest.mark.parametrize("fee", ["beta=0.05%", "0.0005"])
def test_a_fee_can_be_given(shell, fee):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH, plugin="unpriced"))
    (row,) = shell.json("spreads", "--fee", fee)["rows"]
    assert row["fees"] == "0.0020"


def test_an_unknown_interval_is_null_and_has_no_rank(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH, hours=0))
    (row,) = shell.json("spreads")["rows"]
    assert [row[key] for key in ("rank", "per_day", "apr", "net")] == [None, None, None, None]
    assert row["short"]["interval_seconds"] is None


def test_hourly_and_eight_hourly_settlements_are_counted_apart(shell):
    shell.configure(alpha=dict(HIGH, hours=8), beta=dict(LOW, hours=1))
    (row,) = shell.json("spreads")["rows"]
    assert (row["short"]["exchange"], row["per_day"]) == ("beta", "0.0009")


def test_an_exchange_that_is_down_is_named_and_the_others_are_shown(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH), gamma={"fail": "network"})
    found = shell.json("spreads")
    errors = {venue["exchange"]: venue["error"] and venue["error"]["error"] for venue in found["exchanges"]}
    assert (len(found["rows"]), errors) == (1, {"alpha": None, "beta": None, "gamma": "ExchangeConnectionError"})


def test_an_exchange_that_is_down_stands_below_the_table(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH), gamma={"fail": "network"})
    assert "gamma: MISSING: the name could not be resolved" in shell.run("spreads").stdout


@pytest.mark.alone
def test_an_exchange_that_is_slow_delays_nobody_beyond_ten_seconds(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH), gamma={"delay": 60.0})
    began = time.monotonic()
    found = shell.json("spreads")
    assert time.monotonic() - began < 10
    assert len(found["rows"]) == 1
    assert "within" in found["exchanges"][2]["error"]["message"]


def test_without_a_network_the_cause_is_named_and_the_demo_offered(shell):
    shell.configure(alpha={"fail": "network"}, beta={"fail": "network"})
    *_, line = shell.run("spreads", code=6).stderr.splitlines()
    assert "could not be resolved" in line
    assert "fra demo" in line


def test_prices_too_far_apart_are_not_paired_and_it_is_said(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH, mark="110"))
    found = shell.json("spreads")
    assert (found["rows"], found["unpaired"][0]["market"]) == ([], "BTC/USDT:USDT")


def test_the_gap_that_is_allowed_can_be_set(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH, mark="110"))
    assert len(shell.json("spreads", "--max-gap", "20%")["rows"]) == 1


def test_a_book_too_thin_for_the_size_says_so(shell):
    shell.configure(alpha=dict(LOW, amount="1"), beta=dict(HIGH))
    (row,) = shell.json("spreads", "--size", "100000")["rows"]
    assert row["slippage"] is None
    assert any("alpha: too thin" in problem for problem in row["problems"])


@pytest.mark.parametrize(
    ("option", "shown"),
    [(("--min-net", "0.2%"), 1), (("--min-net", "1%"), 0), (("--min-apr", "40%"), 1), (("--min-depth", "1000000"), 0)],
)
def test_minimums_are_kept(shell, option, shown):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH))
    assert len(shell.json("spreads", *option)["rows"]) == shown


def test_only_the_named_assets_are_shown(shell):
    rates = {"BTC/USDT:USDT": "0.0001", "1000PEPE/USDT:USDT": "0.0002"}
    shell.configure(alpha={"rates": rates}, beta={"rates": {"PEPE/USDT:USDT": "0.0004", "BTC/USDT:USDT": "0.0001"}})
    (row,) = shell.json("spreads", "pepe")["rows"]
    assert (row["market"], row["long"]["symbol"]) == ("PEPE/USDT:USDT", "1000PEPE/USDT:USDT")


def test_another_quote_coin_is_not_paired(shell):
    shell.configure(alpha=dict(LOW), beta={"rates": {"BTC/USDC:USDC": "0.0005"}})
    assert shell.json("spreads")["rows"] == []


@pytest.mark.parametrize("option", [("--size", "0"), ("--size", "x"), ("--hold", "soon"), ("--fee", "okx=")])
def test_what_cannot_be_meant_is_a_usage_error(shell, option):
    shell.configure(alpha=dict(LOW))
    shell.run("spreads", *option, code=2)


def test_there_is_no_colour_and_no_escape_in_a_pipe(shell):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH))
    assert "\x1b" not in shell.run("spreads").stdout


def test_watching_ends_cleanly_with_ctrl_c(shell, ctrl_c):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH))
    process = shell.start("spreads", "--watch", "--json", "--every", "100ms")
    first, second = (json.loads(process.stdout.readline()) for _ in range(2))
    code, _, err = ctrl_c(process)
    assert second["at_ms"] > first["at_ms"]
    assert (code, err.strip()) == (130, "")


def test_a_stream_that_is_cut_goes_stale_leaves_the_ranking_and_returns(shell, ctrl_c):
    shell.configure(alpha=dict(LOW), beta=dict(HIGH, freeze_after=10))
    process = shell.start("spreads", "--watch", "--json", "--every", "100ms")
    ranks = []
    while ranks[-2:] != [None, 1]:
        (row,) = json.loads(process.stdout.readline())["rows"]
        if ranks[-1:] != [row["rank"]]:
            ranks.append(row["rank"])
        assert (row["rank"] is None) == (row["stale"] is not None)
    ctrl_c(process)
    assert ranks[-3:] == [1, None, 1]

"""`fra compare` as a process, against scripted exchanges whose market stands still; and the rules of pairing."""

import json

import pytest

from fra.cli.differences import Pairing, Side, compare

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
def steady(shell):
    shell.install("fra-steady", steady="steady_venue:SteadyVenue", steady_ccxt="steady_venue:SteadyOnCCXT")
    return shell


def lines(shell, *arguments, code):
    done = shell.run("compare", *arguments, "--json", code=code)
    return [json.loads(line) for line in done.stdout.splitlines()]


def found(rows):
    return [row for row in rows if row["schema"] == "fra.compare.difference/1"]


def test_two_that_answer_the_same_are_exit_code_0(steady):
    steady.configure(one={"plugin": "steady"}, two={"plugin": "steady"})
    rows = lines(steady, "one", "two", code=0)
    assert (found(rows), rows[-1]["unexplained"], rows[-1]["exchanges"]) == ([], 0, ["one", "two"])
    assert {row["operation"] for row in rows[:-1]} >= {"get_symbols", "get_ticker", "get_orderbook", "get_trades"}


def test_a_field_that_differs_is_named_with_both_values_and_is_exit_code_1(steady):
    steady.configure(one={"plugin": "steady"}, two={"plugin": "steady", "rates": {SYMBOL: "0.0002"}})
    (difference,) = found(lines(steady, "one", "two", code=1))
    assert (difference["operation"], difference["field"], difference["symbol"]) == ("get_funding_rate", "rate", SYMBOL)
    assert (difference["left"], difference["right"], difference["rule"]) == ("0.0001", "0.0002", None)


def test_prices_that_never_meet_are_a_difference_of_each_answer(steady):
    steady.configure(one={"plugin": "steady"}, two={"plugin": "steady", "mark": "101"})
    fields = {(row["operation"], row["field"]) for row in found(lines(steady, "one", "two", code=1))}
    assert {("get_ticker", "bid"), ("get_orderbook", "best_bid"), ("get_trades", "price")} <= fields


def test_a_plugin_that_is_not_configured_gets_the_settings_of_the_other(steady):
    steady.configure(steady={"plugin": "steady", "mark": "250", "own": 7})
    done = steady.run("compare", "steady", "steady_ccxt")
    assert "opened without options.own" in done.stderr
    assert "0 without one" in done.stdout


def test_differences_on_purpose_have_a_rule_with_its_reason_and_are_no_failure(steady):
    steady.configure(steady={"plugin": "steady"})
    rows = lines(steady, "steady", "steady_ccxt", code=0)
    rules = {row["field"]: row["rule"] for row in found(rows)}
    assert rules == {"timestamp_ms": "ccxt-leaves-out", "answer": "not-supported"}
    assert rows[-1]["rules"].keys() == {"ccxt-leaves-out", "not-supported"}
    shown = steady.run("compare", "steady", "steady_ccxt").stdout
    assert all(f"{rule}: {reason}" in shown for rule, reason in rows[-1]["rules"].items())


def test_the_order_of_the_two_does_not_matter_to_the_rules(steady):
    steady.configure(steady={"plugin": "steady"})
    assert lines(steady, "steady_ccxt", "steady", code=0)[-1]["unexplained"] == 0


@pytest.mark.parametrize("symbols", [["--symbols", "eth"], ["--symbols", "ETH/USDT:USDT,NOPE"], ["ETH"]])
def test_symbols_are_names_or_assets(steady, symbols):
    rates = {SYMBOL: "0.0001", "ETH/USDT:USDT": "0.0002"}
    steady.configure(one={"plugin": "steady", "rates": rates}, two={"plugin": "steady", "rates": rates})
    rows = lines(steady, "one", "two", *symbols, code=0)
    assert {row["symbol"] for row in rows[:-1]} == {None, "ETH/USDT:USDT"}


def test_a_symbol_that_one_has_alone_is_a_difference(steady):
    steady.configure(
        one={"plugin": "steady", "rates": {SYMBOL: "0.0001", "ETH/USDT:USDT": "0.1"}}, two={"plugin": "steady"}
    )
    (difference,) = found(lines(steady, "one", "two", code=1))
    assert (difference["key"], difference["field"], difference["right"]) == (
        "linear_swap ETHUSDT",
        "row",
        "not in the answer",
    )


def test_one_that_cannot_be_reached_ends_it_with_its_own_exit_code(steady):
    steady.configure(one={"plugin": "steady"}, two={"plugin": "steady", "fail": "network"})
    assert "two" in steady.run("compare", "one", "two", code=6).stderr


def test_comparing_with_itself_is_refused(steady):
    steady.configure(one={"plugin": "steady"})
    steady.run("compare", "one", "one", code=2)


def test_what_is_neither_configured_nor_installed_names_the_cure(steady):
    steady.configure(one={"plugin": "steady"})
    assert "pip install fra-exchange-kraken" in steady.run("compare", "one", "kraken", code=3).stderr


# --- pairing

BOTH = (Side("one", "x", is_ccxt=False), Side("two", "x", is_ccxt=False))
MOVING = Pairing(moving=frozenset({"price", "at"}), moment="at")


def differing(looks, pairing, sides=BOTH):
    outcome = compare(looks, pairing, operation="get_ticker", symbol=SYMBOL, sides=sides)
    return [difference.field for difference in outcome.differences]


def look(ours, theirs):
    return {None: ours}, {None: theirs}


def test_answers_of_one_moment_must_agree_in_all():
    looks = [look({"price": 1, "at": 5}, {"price": 2, "at": 6}), look({"price": 3, "at": 6}, {"price": 9, "at": 7})]
    assert differing(looks, MOVING) == ["price"]


def test_at_different_moments_moving_fields_agree_when_they_overlap():
    looks = [look({"price": 1, "at": 1}, {"price": 2, "at": 2}), look({"price": 3, "at": 3}, {"price": 4, "at": 4})]
    assert differing(looks, MOVING) == []


def test_at_different_moments_values_apart_are_a_difference():
    looks = [look({"price": 1, "at": 1}, {"price": 100, "at": 2}), look({"price": 3, "at": 3}, {"price": 90, "at": 4})]
    assert differing(looks, MOVING) == ["price"]


def test_a_row_outside_the_others_window_is_not_missing():
    def rows(*stamps):
        return {stamp: {"at": stamp} for stamp in stamps}

    pairing = Pairing(window="at")
    assert differing([(rows(1, 2, 3, 4), rows(3, 4, 5))], pairing) == []
    assert differing([(rows(1, 2, 3, 4), rows(2, 4, 5))], pairing) == ["row"]

"""`fra order`: a plan first, and no real order by accident."""

import os
import pty
import select
import subprocess
import sys
import time
from decimal import Decimal

import pytest

SWAP = "BTC/USDT:USDT"
LIVE = {"settings": {}}
ORDER = ("order", "buy", SWAP, "1", "--price", "100.1", "--tif", "IOC")


def sent(shell):
    return shell.json("orders", "--history")["rows"] + shell.json("orders")["rows"]


def test_without_consent_there_is_only_a_plan(shell):
    shell.trade(alpha={})
    done = shell.run(*ORDER)
    assert "alpha (emulated)" in done.stdout
    assert "nothing was sent → fra order buy BTC/USDT:USDT 1 -e alpha --price 100.1 --tif IOC --yes" in done.stderr
    assert sent(shell) == []


def test_the_plan_has_the_figures(shell):
    shell.trade(alpha={})
    plan = shell.json("order", "buy", SWAP, "2")
    assert (plan["schema"], plan["live"], plan["account"]) == ("fra.order-plan/1", False, "emulated")
    # Two of the hundred at the best ask; half a permille of it is the taker fee.
    assert [plan[key] for key in ("average_price", "notional", "slippage", "fee")] == [
        "100.1", "200.2", "0.001", "0.10010",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("price", "figures"),
    [("100.2", ("200", "100.15", "taker")), ("100.1", ("100", "100.1", "taker")), ("99", ("0", "99", "maker"))],
    ids=["two levels", "one level", "rests"],
)
def test_the_plan_says_how_much_of_a_limit_order_trades_at_once(shell, price, figures):
    shell.trade(alpha={"free": "1000000"})
    plan = shell.json("order", "buy", SWAP, "500", "--price", price)
    at_once, average, role = figures
    assert (plan["at_once"], plan["average_price"]) == (at_once, average)
    assert Decimal(plan["notional"]) == 500 * Decimal(price)
    assert f"as {role})" in shell.run("order", "buy", SWAP, "500", "--price", price).stdout


def test_a_post_only_order_that_would_trade_is_refused_before_it_is_sent(shell):
    shell.trade(alpha={})
    done = shell.run("order", "buy", SWAP, "1", "--price", "101", "--post-only", "--yes", code=1)
    assert "would trade at once" in done.stderr
    assert sent(shell) == []


def test_an_emulated_account_sends_with_yes(shell):
    shell.trade(alpha={})
    order = shell.lines(*ORDER, "--yes")["fra.order/1"]
    assert (order["outcome"], order["status"], order["filled"], order["error"]) == ("known", "filled", "1", None)


def test_a_simulated_exchange_needs_no_address_to_be_play(shell):
    shell.trade(alpha={"settings": {"plugin": "playing"}})
    plan = shell.json(*ORDER)
    assert (plan["account"], plan["live"]) == ("simulated", False)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, "live"),
        ({"sandbox": True}, "sandbox"),
        ({"base_url": "http://127.0.0.1:9"}, "emulated"),
        ({"base_url": "http://localhost:9"}, "emulated"),
        ({"base_url": {"swap": {"rest": "http://[::1]:9", "ws": "ws://127.0.3.4:9"}}}, "emulated"),
        ({"base_url": {"swap": {"rest": "http://127.0.0.1:9", "ws": "wss://ws.example.com"}}}, "live"),
        ({"base_url": "http://127.0.0.1.example.com"}, "live"),
        ({"base_url": "https://user@10.0.0.1"}, "live"),
    ],
    ids=str,
)
def test_what_is_not_certainly_play_is_live(shell, settings, kind):
    shell.trade(alpha={"settings": settings})
    plan = shell.json(*ORDER)
    assert (plan["account"], plan["live"]) == (kind, kind == "live")


@pytest.mark.parametrize("consent", [["--yes"], ["--live"], ["--live", "--yes"], ["--confirm", "x-1"]], ids=" ".join)
def test_a_live_account_without_a_terminal_needs_the_plans_id(shell, consent):
    shell.trade(alpha=dict(LIVE))
    *_, line = shell.run(*ORDER, *consent, code=1).stderr.splitlines()
    assert "nothing was sent → fra order buy" in line
    assert "--live --confirm " in line
    assert sent(shell) == []


def test_a_live_account_sends_the_plan_that_is_confirmed(shell):
    shell.trade(alpha=dict(LIVE))
    plan = shell.json(*ORDER)
    order = shell.lines(*ORDER, "--live", "--confirm", plan["plan_id"])["fra.order/1"]
    assert (order["status"], len(sent(shell))) == ("filled", 1)


def test_the_command_that_the_plan_names_sends_it(shell):
    shell.trade(alpha=dict(LIVE))
    command = shell.json(*ORDER)["send_with"].split()
    shell.run(*command[1:])
    assert len(sent(shell)) == 1


def test_one_plan_is_sent_once(shell):
    shell.trade(alpha=dict(LIVE))
    confirmed = ("--live", "--confirm", shell.json(*ORDER)["plan_id"])
    shell.run(*ORDER, *confirmed)
    *_, line = shell.run(*ORDER, *confirmed, code=1).stderr.splitlines()
    assert "sent already" in line
    assert "fra orders BTC/USDT:USDT -e alpha --client-order-id" in line
    assert len(sent(shell)) == 1


@pytest.mark.parametrize(
    "change",
    [
        ("order", "buy", SWAP, "1.001", "--price", "100.1", "--tif", "IOC"),
        ("order", "sell", SWAP, "1", "--price", "100.1", "--tif", "IOC"),
        ("order", "buy", SWAP, "1", "--price", "100.2", "--tif", "IOC"),
        ("order", "buy", SWAP, "1", "--price", "100.1"),
        ("order", "buy", SWAP, "1", "--price", "100.1", "--tif", "IOC", "--reduce-only"),
        ("order", "buy", SWAP, "1", "--price", "100.1", "--tif", "IOC", "-e", "beta"),
    ],
    ids=["amount", "side", "price", "life", "reduce-only", "account"],
)
def test_a_plan_that_changes_has_another_id(shell, change):
    shell.trade(alpha=dict(LIVE), beta=dict(LIVE))
    plan = shell.json(*ORDER, "-e", "alpha")
    where = () if "-e" in change else ("-e", "alpha")
    *_, line = shell.run(*change, *where, "--live", "--confirm", plan["plan_id"], code=1).stderr.splitlines()
    assert "not the one that was confirmed: nothing was sent" in line


def test_what_was_confirmed_for_play_is_not_confirmed_for_money(shell):
    shell.trade(alpha={})
    plan_id = shell.json(*ORDER)["plan_id"]
    shell.trade(alpha=dict(LIVE))
    assert "not the one" in shell.run(*ORDER, "--live", "--confirm", plan_id, code=1).stderr


def on_a_terminal(shell, *arguments, typed):
    """Run `fra` on a terminal of its own, answer its question, and give the exit code and all that was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fra.core.main", *arguments],
        cwd=shell.folder,
        env={**shell.environ, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown, answered, deadline = "", False, time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1.0)[0]:
            continue
        try:
            shown += os.read(ours, 65536).decode()
        except OSError:  # the terminal is gone: the process has ended
            break
        if not answered and "to send it" in shown:
            answered = True
            os.write(ours, typed.encode() + b"\n")
    os.close(ours)
    return process.wait(timeout=20), shown


def test_on_a_terminal_venue_and_notional_are_typed(shell):
    shell.trade(alpha=dict(LIVE))
    code, shown = on_a_terminal(shell, *ORDER, "--live", typed="alpha 100.1 USDT")
    assert 'type "alpha 100.1 USDT" to send it' in shown
    assert (code, len(sent(shell))) == (0, 1)


@pytest.mark.parametrize("typed", ["yes", "", "alpha", "beta 100.1 USDT", "alpha 100 USDT"])
def test_on_a_terminal_anything_else_sends_nothing(shell, typed):
    shell.trade(alpha=dict(LIVE))
    code, shown = on_a_terminal(shell, *ORDER, "--live", typed=typed)
    assert "not confirmed: nothing was sent" in shown
    assert (code, sent(shell)) == (1, [])


def test_yes_alone_is_refused_on_a_terminal_too(shell):
    shell.trade(alpha=dict(LIVE))
    code, shown = on_a_terminal(shell, *ORDER, "--yes", typed="")
    assert "live money needs --live" in shown
    assert (code, sent(shell)) == (1, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["1.0005"], "not a multiple of 0.001: the nearest valid are 1 and 1.001"),
        (["1", "--price", "100.005"], "not a multiple of 0.01: the nearest valid are 100 and 100.01"),
        (["0.01"], "below its minimum of 0.1"),
        (["0.1"], "below its minimum of 20"),
        (["100000"], "does not hold that much"),
    ],
    ids=["lot", "tick", "amount", "notional", "book"],
)
def test_what_the_venue_would_not_take_is_said_before_it_is_sent(shell, arguments, says):
    shell.trade(alpha={"least": "0.1", "least_notional": "20"})
    *_, line = shell.run("order", "buy", SWAP, *arguments, "--yes", code=1).stderr.splitlines()
    assert says in line
    assert sent(shell) == []


def test_a_refusal_is_one_line_with_the_venues_code(shell):
    shell.trade(alpha={"orders": "refuse"})
    done = shell.run(*ORDER, "--yes", code=1)
    assert done.stderr.splitlines()[1:] == ["fra: alpha: the account cannot pay for this [51008]"]


def test_an_answer_that_is_lost_is_found_out_by_asking(shell):
    shell.trade(alpha={"orders": "swallow"})
    order = shell.lines(*ORDER, "--yes")["fra.order/1"]
    assert (order["outcome"], order["filled"], len(sent(shell))) == ("known", "1", 1)


def test_an_answer_that_is_only_an_id_is_followed_up(shell):
    shell.trade(alpha={"orders": "ack"})
    order = shell.lines(*ORDER, "--yes")["fra.order/1"]
    assert (order["status"], order["filled"]) == ("filled", "1")


def test_an_order_that_nobody_hears_of_is_unknown_and_never_rejected(shell):
    shell.trade(alpha={"orders": "lose", "settings": {"base_url": "http://127.0.0.1:1", "timeout": 0.2}})
    done = shell.run(*ORDER, "--yes", "--json", code=8)
    assert '"outcome":"unknown"' in done.stdout
    assert '"status":"unknown"' in done.stdout
    assert "fra orders BTC/USDT:USDT -e alpha --client-order-id" in done.stderr


def test_a_partly_filled_order_says_how_much(shell):
    shell.trade(alpha={"orders": "part"})
    order = shell.lines(*ORDER, "--yes")["fra.order/1"]
    assert (order["status"], order["filled"]) == ("canceled", "0.5")


@pytest.mark.parametrize(
    "arguments",
    [
        ["1", "--post-only"],
        ["1", "--price", "100", "--post-only", "--tif", "IOC"],
        ["10%"],
        ["0"],
        ["1", "--stop", "90", "--take-profit", "110"],
        ["1", "--tif", "DAY"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(shell, arguments):
    shell.trade(alpha={})
    shell.run("order", "buy", SWAP, *arguments, code=2)

"""balance, positions, orders, fills and cancel, run as processes against scripted accounts."""

import json

import pytest

SWAP = "BTC/USDT:USDT"


def bought(shell, *options, exchange="alpha"):
    return shell.lines("order", "buy", SWAP, "1", "-e", exchange, "--yes", *options)["fra.order/1"]


def test_balances_are_told_by_wallet_and_asset(shell):
    shell.trade(alpha={})
    usdt, btc = shell.json("balance")["rows"]
    assert (usdt["exchange"], usdt["wallet"], usdt["asset"]) == ("alpha", "trading", "USDT")
    assert (usdt["free"], usdt["used"], usdt["total"], btc["asset"]) == ("10000", "5", "10005", "BTC")


def test_balances_of_one_asset(shell):
    shell.trade(alpha={})
    assert [row["asset"] for row in shell.json("balance", "btc")["rows"]] == ["BTC"]


def test_an_account_that_fails_does_not_hide_the_others(shell):
    shell.trade(alpha={}, beta={"fail": "auth"})
    answer = shell.json("balance")
    assert ({row["exchange"] for row in answer["rows"]}, answer["errors"][0]["exchange"]) == ({"alpha"}, "beta")


def test_only_those_with_an_account_are_asked(shell):
    shell.trade(alpha={}, beta={"keys": False})
    answer = shell.json("balance")
    assert ({row["exchange"] for row in answer["rows"]}, answer["errors"]) == ({"alpha"}, [])


@pytest.mark.parametrize("command", [["balance"], ["positions"], ["orders"], ["fills"], ["cancel", "1"]], ids=" ".join)
def test_an_exchange_without_such_a_thing_says_so_in_one_line(shell, command):
    shell.configure(alpha={})
    (line,) = shell.run(*command, code=1).stderr.splitlines()
    assert "is not supported" in line


def test_the_simulated_exchange_is_the_account_of_those_who_have_none(shell):
    rows = shell.json("balance", "-e", "playing")["rows"]
    assert {row["exchange"] for row in rows} == {"playing"}


def test_positions_name_side_amount_and_leverage(shell):
    shell.trade(alpha={"leverage": "5"})
    bought(shell)
    (row,) = shell.json("positions", "btc")["rows"]
    assert (row["side"], row["amount"], row["leverage"], row["liquidation_price"]) == ("long", "1", "5", None)


def test_no_position_is_an_empty_answer_and_no_error(shell):
    shell.trade(alpha={})
    assert shell.json("positions")["rows"] == []
    assert "no position" in shell.run("positions").stdout


def test_an_unknown_figure_is_a_question_mark(shell):
    shell.trade(alpha={})
    bought(shell)
    _, line = shell.run("positions").stdout.splitlines()
    assert line.split()[6:] == ["?", "-0.5", "?", "cross"]


def test_open_orders_and_those_that_ended_are_told_apart(shell):
    shell.trade(alpha={})
    bought(shell)
    bought(shell, "--price", "90")
    (resting,) = shell.json("orders")["rows"]
    (ended,) = shell.json("orders", "--history")["rows"]
    assert (resting["status"], resting["price"], resting["filled"]) == ("open", "90", "0")
    assert (ended["status"], ended["type"], ended["filled"]) == ("filled", "market", "1")


def test_one_order_is_asked_for_by_either_id(shell):
    shell.trade(alpha={})
    order = bought(shell, "--client-order-id", "mine")
    assert order["client_order_id"] == "mine"
    for option in (["--id", order["id"]], ["--client-order-id", "mine"]):
        (row,) = shell.json("orders", SWAP, *option)["rows"]
        assert (row["id"], row["status"]) == (order["id"], "filled")


def test_fills_carry_their_fee_and_its_coin(shell):
    shell.trade(alpha={})
    bought(shell)
    (row,) = shell.json("fills", SWAP)["rows"]
    assert (row["amount"], row["price"], row["fee"], row["fee_asset"], row["maker"]) == (
        "1", "100.1", "0.01", "USDT", False,
    )  # fmt: skip


def test_one_order_is_cancelled_at_once(shell):
    shell.trade(alpha={})
    order = bought(shell, "--price", "90")
    (row,) = shell.json("cancel", order["id"])["rows"]
    assert (row["status"], shell.json("orders")["rows"]) == ("canceled", [])


def test_cancelling_all_is_a_plan_first(shell):
    shell.trade(alpha={})
    bought(shell, "--price", "90")
    assert "nothing was sent" in shell.run("cancel", "--all").stderr
    assert len(shell.json("orders")["rows"]) == 1
    shell.run("cancel", "--all", "--yes")
    assert shell.json("orders")["rows"] == []


def test_an_order_that_is_none_is_one_line(shell):
    shell.trade(alpha={})
    (line,) = shell.run("cancel", "77", code=1).stderr.splitlines()
    assert line == "fra: alpha: no such order [51603]"


def test_several_accounts_need_a_name(shell):
    shell.trade(alpha={}, beta={})
    (line,) = shell.run("cancel", "1", code=2).stderr.splitlines()
    assert line.endswith("there are alpha, beta → -e alpha")


def test_without_any_account_the_cure_is_named(shell):
    shell.configure()
    done = shell.run("balance", code=4, environ={"FRA_PLUGINS": "fra-scripted,fra-cli"})
    assert done.stderr.strip() == "fra: no account is configured → fra config init"


@pytest.mark.parametrize(
    "arguments",
    [
        ["cancel"],
        ["cancel", "1", "--all"],
        ["cancel", "1", "--yes"],
        ["orders", "--since", "1d"],
        ["orders", "--id", "1", "--client-order-id", "2"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(shell, arguments):
    shell.trade(alpha={})
    shell.run(*arguments, code=2)


def test_the_key_appears_nowhere(shell):
    shell.trade(alpha={})
    bought(shell)
    shown = [shell.run(name, "--json") for name in ("balance", "positions", "orders", "fills")]
    assert "canary" not in json.dumps([[done.stdout, done.stderr] for done in shown])

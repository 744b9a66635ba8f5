"""`fra hedge` as a process against scripted accounts: the plan, the consent it takes, and loud failures."""

import json
import signal

import pytest

SWAP = "BTC/USDT:USDT"
LOW = {"rates": {SWAP: "0.0001"}, "leverage": "5"}
HIGH = {"rates": {SWAP: "0.0005"}, "leverage": "5"}
HEDGE = ("hedge", SWAP, "--long", "alpha", "--short", "beta", "--size", "2BTC")
QUICK = {"base_url": "http://127.0.0.1:1", "timeout": 0.2}


@pytest.fixture
def traders(shell):
    """Two emulated accounts; options of either may be changed."""

    def make(long=None, short=None):
        shell.trade(alpha={**LOW, **(long or {})}, beta={**HIGH, **(short or {})})
        return shell

    return make


def held(shell):
    """What is open, by exchange: amounts with the sign of their side."""
    rows = shell.json("positions")["rows"]
    return {row["exchange"]: row["amount"] if row["side"] == "long" else f"-{row['amount']}" for row in rows}


def test_the_plan_is_the_default_and_sends_nothing(traders):
    shell = traders()
    done = shell.run(*HEDGE)
    assert "break-even: after" in done.stdout
    assert "exposure: 2 BTC long and 2 BTC short, net 0" in done.stdout
    assert "nothing was sent → fra hedge BTC/USDT:USDT --long alpha --short beta --size 2BTC" in done.stderr
    assert held(shell) == {}


def test_the_plan_has_its_arithmetic_as_data(traders):
    plan = traders().json(*HEDGE)
    assert (plan["schema"], plan["live"], plan["size"], plan["common_lot"]) == (
        "fra.hedge-plan/1", False, "2", "0.001",
    )  # fmt: skip
    # Two at the best levels: 100.1 and 99.9; half a permille a side and leg; 0.0004 of 200 at each settlement.
    keys = ("slippage", "fees", "cost", "funding_per_settlement", "funding_per_day")
    assert [plan[key] for key in keys] == ["0.8", "0.4", "1.2", "0.08", "0.24"]
    assert (plan["break_even"]["settlements"], plan["long"]["limit"], plan["short"]["limit"]) == (15, "100.5", "99.5")
    assert [plan[side]["margin_free"] for side in ("long", "short")] == ["10000", "10000"]


def test_with_yes_both_legs_are_open_on_emulated_accounts(traders):
    shell = traders()
    result = shell.lines(*HEDGE, "--yes")["fra.hedge/1"]
    assert (result["outcome"], result["matched"], result["naked_least"], result["naked_most"]) == (
        "hedged", "2", "0", "0",
    )  # fmt: skip
    assert held(shell) == {"alpha": "2", "beta": "-2"}


def test_the_asset_alone_names_the_market(traders):
    assert traders().json("hedge", "btc", *HEDGE[2:])["market"] == SWAP


def test_a_size_in_quote_coin_is_rounded_down_to_the_common_lot(traders):
    plan = traders(long={"lot": "0.01"}).json(*HEDGE[:-1], "123.4")
    assert (plan["size"], plan["long"]["amount"], plan["short"]["amount"]) == ("1.23", "1.23", "1.23")
    assert "rounded down" in plan["notes"][0]


@pytest.mark.parametrize(
    ("long", "short", "says"),
    [
        ({}, {"mark": "110"}, "10.0 % apart"),
        ({"least": "3"}, {}, "the smallest --size is 3BTC"),
        ({}, {"least_notional": "1000"}, "the smallest --size is 10.051BTC"),
        ({"amount": "0.1"}, {}, "alpha: too thin"),
        ({"amount": "1"}, {}, None),
    ],
    ids=["prices apart", "minimum", "notional", "thin", "two levels deep"],
)
def test_what_makes_no_hedge_is_refused_before_anything_is_sent(traders, long, short, says):
    shell = traders(long, short)
    if says is None:
        shell.run(*HEDGE, "--yes")
        return
    *_, line = shell.run(*HEDGE, "--yes", code=1).stderr.splitlines()
    assert line.startswith("fra: no hedge: ")
    assert says in line
    assert held(shell) == {}


@pytest.mark.parametrize(
    ("change", "says"),
    [({"free": "10"}, "of margin are needed, and 10 are free"), ({"leverage": None, "free": "150"}, "at leverage 1")],
    ids=["too little", "leverage unknown"],
)
def test_without_the_margin_nothing_is_sent(traders, change, says):
    change = {key: value for key, value in {**LOW, **change}.items() if value is not None}
    shell = traders()
    shell.trade(alpha=change, beta=dict(HIGH))
    if "leverage" not in change:
        # What the venue tells only of open positions can be set.
        shell.run(*HEDGE, "--yes", "--leverage", "5")
        return
    *_, line = shell.run(*HEDGE, "--yes", code=1).stderr.splitlines()
    assert says in line
    assert held(shell) == {}


def test_an_exchange_without_an_account_still_gives_a_plan(traders):
    shell = traders(long={"settings": {"plugin": "scripted"}})
    (problem, *_) = [text for text in shell.run(*HEDGE, code=4).stderr.splitlines() if text]
    assert problem


def test_public_data_alone_give_a_plan_that_cannot_be_sent(shell):
    shell.configure(alpha={"rates": {SWAP: "0.0001"}}, beta={"rates": {SWAP: "0.0005"}})
    plan = shell.json(*HEDGE)
    assert (plan["net"] is not None, len(plan["obstacles"])) == (True, 2)
    assert "nothing was sent" in shell.run(*HEDGE, "--yes", code=1).stderr


@pytest.mark.parametrize("consent", [["--yes"], ["--live"], ["--confirm", "1-a"]], ids=" ".join)
@pytest.mark.parametrize("live", ["long", "short"])
def test_one_live_leg_makes_it_live(traders, consent, live):
    shell = traders(**{live: {"settings": {}}})
    *_, line = shell.run(*HEDGE, *consent, code=1).stderr.splitlines()
    assert "nothing was sent → fra hedge" in line
    assert "--live --confirm" in line
    assert held(shell) == {}


def test_a_live_hedge_is_sent_by_the_command_that_its_plan_names(traders):
    shell = traders({"settings": {}}, {"settings": {}})
    command = shell.json(*HEDGE)["send_with"].split()
    assert "--long-limit 100.5 --short-limit 99.5" in " ".join(command)
    shell.run(*command[1:])
    assert held(shell) == {"alpha": "2", "beta": "-2"}


def test_a_confirmed_plan_is_sent_once(traders):
    shell = traders({"settings": {}}, {"settings": {}})
    command = shell.json(*HEDGE)["send_with"].split()[1:]
    shell.run(*command)
    assert "sent already" in shell.run(*command, code=1).stderr
    assert held(shell) == {"alpha": "2", "beta": "-2"}


@pytest.mark.parametrize(
    "change", [("--size", "1BTC"), ("--long-limit", "100.6"), ("--leverage", "3"), ("--short", "gamma")], ids=str
)
def test_a_plan_that_changes_is_not_the_one_that_was_confirmed(shell, change):
    shell.trade(**{name: {**rate, "settings": {}} for name, rate in (("alpha", LOW), ("beta", HIGH), ("gamma", HIGH))})
    command = shell.json(*HEDGE)["send_with"].split()[1:]
    option, value = change
    if option in command:
        command[command.index(option) + 1] = value
    else:
        command += change
    assert "not the one that was confirmed: nothing was sent" in shell.run(*command, code=1).stderr


# --- one leg only


def test_what_one_leg_got_more_is_given_back(traders):
    shell = traders(short={"orders": "part"})
    result = shell.lines(*HEDGE, "--yes")["fra.hedge/1"]
    assert (result["outcome"], result["matched"]) == ("smaller", "1")
    assert held(shell) == {"alpha": "1", "beta": "-1"}


def test_a_leg_that_is_refused_leaves_nothing_open(traders):
    shell = traders(short={"orders": "refuse"})
    done = shell.run(*HEDGE, "--yes", code=1)
    assert "no hedge, and nothing is open: beta: the account cannot pay for this" in done.stderr
    assert held(shell) == {}


def test_a_naked_leg_has_its_exit_code_and_the_exact_command_that_mends_it(traders):
    shell = traders(long={"exit_orders": "refuse"}, short={"orders": "refuse"})
    done = shell.run(*HEDGE, "--yes", "--json", code=9)
    result = json.loads(done.stdout.splitlines()[-1])
    *_, line = done.stderr.splitlines()
    assert (result["outcome"], result["naked_least"], result["naked_most"]) == ("naked", "2", "2")
    assert "NAKED LEG: 2 BTC of the long leg on alpha are naked" in line
    (mend,) = result["mend_with"]
    assert line.endswith(f"→ {mend}")
    assert held(shell) == {"alpha": "2"}
    shell.trade(alpha=dict(LOW), beta=dict(HIGH))
    shell.run(*mend.split()[1:])
    assert held(shell) == {}


def test_the_mending_command_of_a_live_account_is_a_live_one(traders):
    shell = traders({"exit_orders": "refuse", "settings": {}}, {"orders": "refuse", "settings": {}})
    command = shell.json(*HEDGE)["send_with"].split()[1:]
    *_, line = shell.run(*command, code=9).stderr.splitlines()
    assert line.endswith("→ fra order sell BTC/USDT:USDT 2 -e alpha --reduce-only --live")


def test_an_unknown_leg_stops_everything_and_names_the_question(traders):
    shell = traders(short={"orders": "lose", "settings": QUICK})
    done = shell.run(*HEDGE, "--yes", "--json", code=8)
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["outcome"], result["naked_least"], result["naked_most"]) == ("unknown", "0", "2")
    (ask,) = result["ask_with"]
    assert ask.startswith("fra orders BTC/USDT:USDT -e beta --client-order-id ")
    *_, line = done.stderr.splitlines()
    assert "between 0 and 2 BTC of the long leg on alpha are naked" in line
    assert f"→ {ask}; if it never arrived: fra order sell BTC/USDT:USDT 2 -e alpha --reduce-only --yes" in line
    # Nothing was sent after it.
    assert held(shell) == {"alpha": "2"}


def test_a_lost_answer_is_found_out_and_no_order_is_sent_twice(traders):
    shell = traders(short={"orders": "swallow"})
    assert shell.lines(*HEDGE, "--yes")["fra.hedge/1"]["outcome"] == "hedged"
    assert held(shell) == {"alpha": "2", "beta": "-2"}
    assert len(shell.json("orders", "--history")["rows"]) == 2


def test_ctrl_c_in_the_middle_sees_the_hedge_through(traders):
    shell = traders(short={"orders": "lose", "settings": {**QUICK, "timeout": 2.0}})
    process = shell.start(*HEDGE, "--yes", "--json")
    plan = process.stdout.readline()
    *_, told = (process.stderr.readline() for _ in range(3))  # both are sent; the long leg is filled, the other unknown
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert ("hedge-plan" in plan, "alpha: buy 2 BTC: filled 2" in told) == (True, True)
    assert "the hedge is on its way: waiting until it is known what became of it" in err
    assert (json.loads(out)["outcome"], process.returncode) == ("unknown", 8)


@pytest.mark.parametrize(
    "arguments",
    [
        ("hedge", SWAP, "--long", "alpha", "--short", "alpha", "--size", "1"),
        ("hedge", SWAP, "--long", "alpha", "--size", "1"),
        (*HEDGE[:-1], "0"),
        (*HEDGE[:-1], "much"),
        (*HEDGE, "--market", "--long-limit", "100"),
    ],
    ids=["one exchange", "one leg", "nothing", "no number", "a market order with a limit"],
)
def test_what_cannot_be_meant_is_a_usage_error(traders, arguments):
    traders().run(*arguments, code=2)


def test_a_market_that_only_one_has_is_one_line(traders):
    shell = traders(short={"rates": {"ETH/USDT:USDT": "0.0001"}})
    (line,) = shell.run(*HEDGE, code=1).stderr.splitlines()
    assert line == "fra: beta: it lists no swap 'BTC/USDT:USDT' → fra funding -e beta"

"""`fra klines`, run as a process against a scripted exchange."""

import json

HOUR_MS = 3_600_000
SYMBOL = "BTC/USDT:USDT"


def candles(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_latest_candles_come_oldest_first_and_the_last_is_running(shell):
    shell.configure(alpha={})
    found = candles(shell.run("klines", SYMBOL, "--limit", "3", "--json"))
    opens = [row["open_ms"] for row in found]
    assert opens == [opens[0], opens[0] + HOUR_MS, opens[0] + 2 * HOUR_MS]
    assert [row["closed"] for row in found] == [True, True, False]


def test_a_candle_is_told_with_exact_money(shell):
    shell.configure(alpha={"mark": "0.0000012"})
    (row,) = candles(shell.run("klines", SYMBOL, "--limit", "1", "--json"))
    assert row["schema"] == "fra.kline/1"
    assert (row["interval"], row["open"], row["high"]) == ("1h", "0.0000012", "0.000001212")
    assert row["quote_volume"] is None


def test_since_gives_the_first_ones_from_then(shell):
    shell.configure(alpha={})
    found = candles(shell.run("klines", SYMBOL, "--since", "9h", "--limit", "2", "--json"))
    latest = candles(shell.run("klines", SYMBOL, "--limit", "1", "--json"))[0]["open_ms"]
    assert [latest - row["open_ms"] for row in found] == [8 * HOUR_MS, 7 * HOUR_MS]


def test_a_table_says_which_candle_still_runs(shell):
    shell.configure(alpha={})
    lines = shell.run("klines", SYMBOL, "--limit", "2").stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["STATE", "closed", "running"]


def test_an_interval_that_is_none_names_those_that_are(shell):
    shell.configure(alpha={})
    assert "1m 3m 5m" in shell.run("klines", SYMBOL, "--interval", "7m", code=2).stderr


def test_every_interval_that_help_names_is_one(shell):
    from fra.core import KlineInterval

    shown = " ".join(shell.run("klines", "--help").stdout.split())
    assert " ".join(interval.value for interval in KlineInterval) in shown


def test_watching_follows_the_running_candle_until_ctrl_c(shell, ctrl_c):
    shell.configure(alpha={})
    process = shell.start("klines", SYMBOL, "--watch", "--json")
    assert json.loads(process.stdout.readline())["closed"] is False
    assert ctrl_c(process)[0] == 130

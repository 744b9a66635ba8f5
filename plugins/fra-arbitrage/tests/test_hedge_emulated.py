"""`fra hedge` with the real adapters, over real sockets, on emulated exchanges with accounts."""

import asyncio
import json

SWAP = "BTC/USDT:USDT"
HEDGE = ("hedge", SWAP, "--long", "okx", "--short", "binance", "--size", "0.06BTC")


async def done(fra, *arguments, code=0):
    """Everything that a command prints: JSON objects by schema, and its messages."""
    async with fra(*arguments, "--json") as running:
        out, err = await asyncio.wait_for(running.process.communicate(), 60)
    assert running.process.returncode == code, err.decode()
    assert "canary" not in out.decode() + err.decode()
    return {(line := json.loads(text))["schema"]: line for text in out.decode().splitlines()}, err.decode()


async def positions(fra):
    shown, _ = await done(fra, "positions")
    return {(row["exchange"], row["side"], row["amount"].rstrip("0")) for row in shown["fra.positions/1"]["rows"]}


async def test_a_hedge_is_the_same_amount_on_both_venues(fra, trading_emulator):
    shown, _ = await done(fra, *HEDGE, "--yes", "--leverage", "5")
    assert (shown["fra.hedge/1"]["outcome"], shown["fra.hedge/1"]["matched"]) == ("hedged", "0.06")
    assert await positions(fra) == {("okx", "long", "0.06"), ("binance", "short", "0.06")}


async def test_the_plan_sends_nothing(fra, trading_emulator):
    shown, err = await done(fra, *HEDGE)
    assert shown["fra.hedge-plan/1"]["obstacles"] == []
    assert "nothing was sent" in err
    assert await positions(fra) == set()


async def test_an_order_is_found_in_the_history_with_its_fills(fra, trading_emulator):
    await done(fra, "order", "buy", SWAP, "0.01", "-e", "okx", "--yes")
    shown, _ = await done(fra, "orders", SWAP, "--history", "-e", "okx")
    (order,) = shown["fra.orders/1"]["rows"]
    assert (order["status"], order["side"]) == ("filled", "buy")
    shown, _ = await done(fra, "fills", SWAP, "-e", "okx")
    assert {fill["order_id"] for fill in shown["fra.fills/1"]["rows"]} == {order["id"]}


async def test_a_resting_order_is_listed_and_cancelled(fra, trading_emulator):
    shown, _ = await done(fra, "order", "buy", SWAP, "0.01", "-e", "binance", "--price", "50000", "--yes")
    order = shown["fra.order/1"]
    assert (order["status"], order["filled"].rstrip(".0")) == ("open", "")
    shown, _ = await done(fra, "cancel", order["id"], "--symbol", SWAP, "-e", "binance")
    assert shown["fra.orders/1"]["rows"][0]["status"] == "canceled"
    shown, _ = await done(fra, "orders", SWAP, "-e", "binance")
    assert shown["fra.orders/1"]["rows"] == []


async def test_a_key_that_is_wrong_is_an_obstacle_and_nothing_is_sent(fra, shell, trading_emulator):
    shell.environ["TEST_SECRET"] = "not-the-secret"
    shown, _ = await done(fra, *HEDGE)
    assert len(shown["fra.hedge-plan/1"]["obstacles"]) == 2
    await done(fra, *HEDGE, "--yes", code=1)


async def test_an_order_that_the_venue_fails_on_is_unknown_and_the_named_commands_ask_and_mend(
    fra, shell, trading_emulator
):
    settings = shell.folder / "fra.toml"
    settings.write_text(settings.read_text().replace("[exchanges.okx]\n", "[exchanges.okx]\ntimeout = 2\n"))
    trading_emulator.okx.answer_with(503, b"", path="/api/v5/trade/order")
    hedge = ("hedge", SWAP, "--long", "binance", "--short", "okx", "--size", "0.06BTC")
    shown, _ = await done(fra, *hedge, "--yes", code=8)
    result = shown["fra.hedge/1"]
    assert (result["outcome"], result["naked_least"], result["naked_most"]) == ("unknown", "0", "0.06")
    assert await positions(fra) == {("binance", "long", "0.06")}
    ((ask,), (mend,)) = (result["ask_with"], result["mend_with"])
    trading_emulator.okx.answer_normally()
    await done(fra, *ask.split()[1:], code=1)  # it never arrived
    await done(fra, *mend.split()[1:])
    assert await positions(fra) == set()


async def test_a_leg_that_is_refused_is_given_back(fra, trading_emulator):
    refusal = b'{"code":"1","msg":"All operations failed","data":[{"sCode":"51008","sMsg":"Insufficient margin"}]}'
    trading_emulator.okx.answer_with(200, refusal, path="/api/v5/trade/order")
    hedge = ("hedge", SWAP, "--long", "binance", "--short", "okx", "--size", "0.06BTC")
    shown, err = await done(fra, *hedge, "--yes", code=1)
    trading_emulator.okx.answer_normally()
    assert (shown["fra.hedge/1"]["outcome"], await positions(fra)) == ("flat", set())
    assert "no hedge, and nothing is open: okx: Insufficient margin" in err

"""`fra spreads` with the real adapters, over real sockets, against emulated exchanges."""

import asyncio


async def output(fra, *arguments, code=0):
    async with fra(*arguments) as running:
        out, err = await asyncio.wait_for(running.process.communicate(), 30)
        assert running.process.returncode == code, err.decode()
        return out.decode(), err.decode()


async def test_every_shared_asset_is_paired_with_known_figures(fra, emulator):
    async with fra("spreads", "--top", "100", "--json") as running:
        found = await running.object()
    assert len(found["rows"]) >= 25
    assert all(row["rank"] and row["net"] and row["long"]["interval_seconds"] for row in found["rows"])


async def test_the_thousand_pepe_of_one_venue_meet_the_pepe_of_the_other(fra, emulator):
    async with fra("spreads", "PEPE", "--json") as running:
        (row,) = (await running.object())["rows"]
    legs = {row[side]["exchange"]: row[side]["symbol"] for side in ("long", "short")}
    assert legs == {"binance": "1000PEPE/USDT:USDT", "okx": "PEPE/USDT:USDT"}


async def test_a_venue_that_hangs_up_is_missing(fra, emulator):
    emulator.okx.refuse_connections(requests=True)
    out, err = await output(fra, "spreads")
    assert "okx: MISSING" in out
    assert "fra: okx: " in err


async def test_without_any_venue_the_exit_code_is_network(fra, emulator):
    await emulator.stop()
    _, err = await output(fra, "spreads", code=6)
    assert "fra demo" in err


async def test_a_cut_connection_makes_rows_stale_until_it_is_back(fra, emulator):
    async with fra("spreads", "BTC", "ETH", "--watch", "--json", "--every", "200ms") as running:
        await running.until(lambda found: len(emulator.okx.connections) and all(row["rank"] for row in found["rows"]))
        emulator.okx.refuse_connections()
        emulator.okx.cut()
        stale = await running.until(lambda found: all(row["stale"] for row in found["rows"]))
        assert all(row["rank"] is None and "okx: " in row["stale"] for row in stale["rows"])
        emulator.okx.refuse_connections(False)
        await running.until(lambda found: all(row["rank"] for row in found["rows"]))
        assert await running.end() == 130


async def test_a_frozen_stream_goes_stale_within_its_limit_and_returns(fra, emulator):
    arguments = ("spreads", "BTC", "--watch", "--json", "--every", "200ms", "--stale-after", "5s")
    async with fra(*arguments) as running:
        await running.until(lambda found: emulator.binance.connections and found["rows"][0]["rank"])
        emulator.binance.go_silent()
        # OKX repeats its rates each 30 s only, so that its leg may be late too at this limit.
        await running.until(lambda found: "binance: " in (found["rows"][0]["stale"] or ""))
        emulator.binance.speak_again()
        await running.until(lambda found: "binance: " not in (found["rows"][0]["stale"] or ""))

"""Funding payments through hosts: clients are told of each once, whoever hosts, and exactly as the venue booked it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from proxy_world import NatsServer, World
from traders import LINEAR, VENUES, Trader, configured, emulator, new_account

from fra.adapters.proxy.subjects import Subjects
from fra.core import Fill, FundingPayment, Side

OTHER = "ETH/USDT:USDT"


async def test_payments_are_told_once_as_the_venue_booked_them_and_not_again_by_the_next_host(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    await server.start()
    try:
        async with emulator(settle_in_s=8) as running, AsyncExitStack() as stack:
            world = World(server, stack)
            traders, hostings = {}, {}
            for name in VENUES:
                venue, account = running.venues[name], new_account()
                venue.open_account(account)
                near = (await world.manager(name, **configured(venue, account))).get_plugin(name)
                hostings[name] = await world.host(near, target=name)
                await hostings[name].active.wait()
                traders[name] = Trader(await world.client(name, name=f"far-{name}"), venue, account)
            for trader in traders.values():
                await trader.listen()
                await trader.send(LINEAR)
                await trader.send(OTHER, Side.SELL)
            for trader in traders.values():
                await _is_told(trader)

            # Another host of one of them takes over, and publishes none of it again.
            name, trader = VENUES[0], traders[VENUES[0]]
            near = await world.manager("next", **configured(trader.venue, trader.account))
            second = await world.host(near.get_plugin("next"), target=name)
            await hostings[name].stop()
            await second.active.wait()
            order = await trader.send(LINEAR)
            await trader.told.until(lambda: trader.told.of(Fill, order_id=order.id))
            assert len(trader.told.of(FundingPayment)) == 2
            streams = (await world.connection()).client.jsm()
            kept = await streams.stream_info(Subjects(name).kept, subjects_filter=Subjects(name).payments)
            assert kept.state.subjects == {Subjects(name).payments: 2}
    finally:
        server.kill()


async def _is_told(trader: Trader) -> None:
    """Both payments, as the venue has them."""
    await trader.told.until(lambda: len(trader.told.of(FundingPayment)) >= 2)
    true = {
        (trader.unified(paid.symbol), paid.amount, paid.asset, paid.timestamp_ms)
        for paid in trader.engine.payments(trader.account.name)
    }
    told = trader.told.of(FundingPayment)
    assert {(paid.symbol, paid.amount, paid.asset, paid.timestamp_ms) for paid in told} == true
    assert {paid.id for paid in told} == {paid.id for paid in await trader.handle.get_funding_payments()}

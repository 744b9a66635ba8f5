"""A program with fra-hook-prometheus installed and configured: what Prometheus reads of it, before and after a cut."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from traders import LINEAR, Told, configured, emulator, new_account

from fra.core import (
    ConnectionChanged,
    ExchangeError,
    ExchangeHandle,
    OrderChanged,
    OrderRefused,
    OrderRequest,
    OrderType,
    PluginManager,
    Side,
    StreamGapped,
    StreamStatus,
    StreamStatusChanged,
)
from fra.emulator import Account, Emulator

STREAMS = {"orderbook", "trades", "funding_rate", "user_data"}
CLIENT_ID = "CaNaRyOrder1"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(params=["okx", "binance"])
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[Emulator]:
    async with emulator(request.param, funding_push_s=0.2) as running:
        yield running


def write_toml(path: Path, exchanges: dict[str, dict[str, Any]], hook: dict[str, Any]) -> Path:
    """JSON of a value is TOML of it, for what is in these tables."""
    lines: list[str] = []
    for name, keys in exchanges.items():
        urls, options = keys.pop("base_url"), keys.pop("options")
        lines += [f"[exchanges.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        lines += [f"[exchanges.{name}.options]", *(f"{key} = {json.dumps(value)}" for key, value in options.items())]
        for market, kinds in urls.items():
            lines += [
                f"[exchanges.{name}.base_url.{market}]",
                *(f"{kind} = {json.dumps(u)}" for kind, u in kinds.items()),
            ]
    lines += ["[hooks.prometheus]", *(f"{key} = {json.dumps(value)}" for key, value in hook.items())]
    path.write_text("\n".join(lines))
    return path


class Scraper:
    """Prometheus' side."""

    def __init__(self, port: int, client: aiohttp.ClientSession) -> None:
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.text = ""
        self._client = client

    async def read(self) -> dict[tuple[str, ...], float]:
        async with self._client.get(self.url) as answer:
            assert answer.status == 200
            self.text += await answer.text()
        families = text_string_to_metric_families(await answer.text())
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }


async def trade(handle: ExchangeHandle) -> None:
    """One order that fills and one that the account cannot pay."""
    symbol = handle.symbol(LINEAR)
    amount = max(symbol.min_amount or symbol.lot_size, symbol.lot_size) * 10
    await handle.create_order(
        OrderRequest(symbol=LINEAR, side=Side.BUY, type=OrderType.MARKET, amount=amount, client_order_id=CLIENT_ID)
    )
    with pytest.raises(ExchangeError):
        await handle.create_order(
            OrderRequest(
                symbol=LINEAR, side=Side.BUY, type=OrderType.MARKET, amount=symbol.round_amount(amount * 10**6)
            )
        )


# The keys of this account are no secret.
@pytest.mark.filterwarnings("ignore::fra.core.host.config.manager.ConfigWarning")
async def test_what_prometheus_reads_before_and_after_a_cut(venue: Emulator, tmp_path: Path) -> None:
    (emulated,) = venue.venues.values()
    account: Account = new_account()
    emulated.open_account(account)
    port, name = free_port(), f"{emulated.name}-main"
    path = write_toml(tmp_path / "fra.toml", {name: configured(emulated, account)}, {"port": port, "symbols": [LINEAR]})
    told = Told()

    def live_again(count: int) -> bool:
        changes = told.of(StreamStatusChanged, new=StreamStatus.LIVE)
        return all(len([c for c in changes if c.channel == channel]) >= count for channel in STREAMS)

    async with aiohttp.ClientSession() as client:
        scraper = Scraper(port, client)
        manager = PluginManager.from_config(path)
        for kind in (StreamStatusChanged, ConnectionChanged, StreamGapped, OrderChanged, OrderRefused):
            manager.register_event_handler(kind, told)
        async with manager:
            handle = manager.get_plugin(name)
            await handle.get_symbols()
            subscriptions = [
                handle.subscribe_orderbook(LINEAR),
                handle.subscribe_trades(LINEAR),
                handle.subscribe_funding_rate(LINEAR),
            ]
            await told.until(lambda: live_again(1))
            await trade(handle)
            await told.until(lambda: any(change.order.status.final for change in told.of(OrderChanged)))
            before = await scraper.read()
            assert before["fra_connection_state", name, "connected"] == 1
            assert before["fra_plugin_info", name, emulated.name, "0.1.0"] == 1
            assert {key[3] for key in before if key[0] == "fra_streams" and key[2] == "live"} == STREAMS
            assert before["fra_orders_total", name, "filled"] == 1
            assert before["fra_orders_total", name, "refused"] == 1
            assert before["fra_fills_total", name] >= 1
            assert before["fra_funding_interval_seconds", name, LINEAR] > 0
            assert before.get(("fra_reconnects_total", name), 0) == 0
            assert before["fra_hook_failures_total", "prometheus"] == 0

            assert emulated.cut()
            await told.until(lambda: live_again(2))
            after = await scraper.read()
            assert after["fra_reconnects_total", name] >= 1
            for channel in STREAMS:
                assert after["fra_stream_resyncs_total", name, channel] == 1
                assert after["fra_stream_breaks_total", name, "connection", channel] == 1
                data = ("fra_stream_data_timestamp_seconds", name, channel)
                assert data not in before or after[data] >= before[data]
            gaps = Counter(gap.channel for gap in told.of(StreamGapped))
            assert {key[2]: value for key, value in after.items() if key[0] == "fra_stream_gaps_total"} == gaps
            assert gaps
            assert len(after) < 200
            for subscription in subscriptions:
                await subscription.close()
        with pytest.raises(aiohttp.ClientConnectionError):
            await scraper.read()
    for hidden in (CLIENT_ID, account.key, account.secret, account.passphrase):
        assert hidden not in scraper.text


@pytest.mark.filterwarnings("ignore::fra.core.host.config.manager.ConfigWarning")
async def test_a_port_in_use_stops_no_trading(tmp_path: Path) -> None:
    async with emulator("okx") as running:
        account = new_account()
        running.okx.open_account(account)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            path = write_toml(tmp_path / "fra.toml", {"okx": configured(running.okx, account)}, {"port": port})
            async with PluginManager.from_config(path) as manager:
                assert (await manager.get_plugin("okx").get_orderbook(LINEAR)).bids
                failed = [record for record in manager.events.ledger() if record.failures]
                assert [(record.name, record.hook) for record in failed] == [("prometheus", "on_started")]
                assert str(port) in str(failed[0].last_error)

"""What users give a handle, and what reaches the adapter."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fra.core import (
    ConnectionStatus,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    ExchangePluginInterface,
    HealthChecked,
    InvalidOrder,
    KlineInterval,
    MarketKind,
    NotSupported,
    Operation,
    OrderRequest,
    OrderType,
    Side,
    SymbolNotFound,
)

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NOON_MS = 1_704_110_400_000


async def test_times_reach_the_adapter_as_utc_milliseconds(kit) -> None:
    async with kit.running() as mem:
        await mem.get_klines("BTC/USDT", "1h", since=NOON, until=NOON_MS + 1, limit=2)
        assert kit.plugin.calls[-1] == ("get_klines", kit.SPOT, KlineInterval.H1, NOON_MS, NOON_MS + 1, 2)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"since": datetime(2024, 1, 1)}, "since must be an aware datetime"),  # noqa: DTZ001
        ({"until": 1_704_110_400}, "until must be in milliseconds; 1704110400 looks like seconds"),
    ],
)
async def test_times_that_could_be_misread_are_refused_before_anything_is_asked(kit, keys, message) -> None:
    async with kit.running(symbols=False) as mem:
        with pytest.raises(ValueError, match=message):
            await mem.get_klines("BTC/USDT", "1h", **keys)
        assert kit.plugin.calls == []


async def test_an_interval_that_nobody_has_is_refused_with_those_that_there_are(kit) -> None:
    async with kit.running() as mem:
        with pytest.raises(ValueError, match=r"interval must be one of 1m, .*, not '7m'"):
            await mem.get_klines("BTC/USDT", "7m")
        with pytest.raises(ValueError, match="not '7m'"):
            mem.subscribe_klines("BTC/USDT", "7m")


@pytest.mark.parametrize("symbols", [True, False])
async def test_an_empty_cell_names_operation_and_market_kind(kit, symbols) -> None:
    async with kit.running(symbols=symbols) as mem:
        before = list(kit.plugin.calls)
        with pytest.raises(NotSupported, match="mem: get_klines is not supported for linear swap markets"):
            await mem.get_klines("BTC/USDT:USDT", "1h")
        with pytest.raises(NotSupported, match=r"mem: get_positions is not supported$"):
            await mem.get_positions()
        assert kit.plugin.calls == before


async def test_every_cell_of_the_matrix_that_is_empty_raises_without_asking(kit) -> None:
    async with kit.running() as mem:
        before = list(kit.plugin.calls)
        arguments = {
            "interval": "1h",
            "leverage": 2,
            "order_id": "1",
            "symbol": "BTC/USDT:USDT",
        }
        for operation in Operation:
            method = getattr(mem, operation.value)
            if mem.capabilities.support(operation, MarketKind.LINEAR_SWAP) or mem.capabilities.support(operation):
                continue
            accepted = inspect.signature(method).parameters
            arguments["mode"] = "cross" if operation is Operation.SET_MARGIN_MODE else "hedge"
            with pytest.raises(NotSupported, match=operation.value):
                await method(**{name: value for name, value in arguments.items() if name in accepted})
        assert kit.plugin.calls == before


def test_a_handle_has_every_method_of_the_interface() -> None:
    host_only = {"initialize", "connect", "disconnect", "describe", "get_metadata"}
    methods = {name for name in vars(ExchangePluginInterface) if not name.startswith("_") and name.islower()}
    assert methods - host_only - set(dir(ExchangeHandle)) == set()


async def test_a_book_is_cut_to_the_depth_that_was_asked_for(kit) -> None:
    async with kit.running() as mem:
        book = await mem.get_orderbook("BTC/USDT", depth=2)
        assert [level.price for level in book.asks] == [Decimal(101), Decimal(102)]


async def test_a_single_symbol_where_several_belong_is_refused(kit) -> None:
    async with kit.running() as mem:
        with pytest.raises(TypeError, match="takes a sequence of symbols"):
            await mem.get_funding_rates("BTC/USDT:USDT")


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (KeyError("last"), ExchangeError, "mem: get_ticker failed inside the adapter: KeyError: 'last'"),
        (ConnectionResetError("by peer"), ExchangeConnectionError, "get_ticker got no answer: ConnectionResetError"),
        (TimeoutError(), ExchangeConnectionError, "get_ticker got no answer: TimeoutError"),
        (SymbolNotFound("gone"), SymbolNotFound, "mem: gone"),
    ],
)
async def test_whatever_an_adapter_raises_becomes_an_error_of_the_tree(kit, raised, expected, message) -> None:
    class Failing(kit.Memory):
        async def get_ticker(self, symbol):
            raise raised

    async with kit.running(Failing) as mem:
        with pytest.raises(expected) as error:
            await mem.get_ticker("BTC/USDT")
        assert message in str(error.value)
        assert error.value is raised or error.value.__cause__ is raised


async def test_an_order_for_another_exchange_is_not_sent(kit) -> None:
    request = OrderRequest(
        symbol="BTC/USDT", side=Side.BUY, type=OrderType.MARKET, amount=Decimal(1), exchange="another"
    )
    async with kit.running() as mem:
        before = list(kit.plugin.calls)
        with pytest.raises(InvalidOrder, match="the order is for another, and was given to mem: nothing was sent"):
            await mem.create_order(request)
        assert kit.plugin.calls == before


async def test_health_is_the_handles_and_is_told(kit) -> None:
    async with kit.running() as mem:
        kit.plugin.context.connection_changed(ConnectionStatus.RECONNECTING)
        health = await mem.health_check()
        assert (health.exchange, health.status, health.latency) == ("mem", ConnectionStatus.RECONNECTING, 0.01)
        assert [event.health for event in kit.heard(HealthChecked)] == [health]


async def test_a_handler_hears_its_own_exchange_only(kit) -> None:
    async with kit.manager({"a": {"plugin": "memory"}, "b": {"plugin": "memory"}}) as manager:
        heard = []
        remove = manager.get_plugin("a").register_event_handler(
            HealthChecked, lambda event: heard.append(event.exchange)
        )
        await manager.health_check_all()
        assert heard == ["a"]
        remove()
        await manager.health_check_all()
        assert heard == ["a"]

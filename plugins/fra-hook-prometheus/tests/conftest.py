"""A hook as a program uses it, events to tell it, and what it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fra.core import (
    ConnectionStatus,
    EventBus,
    Health,
    HookRecord,
    HostStarted,
    HostStopped,
    StreamHealth,
)
from fra.hooks.prometheus import Prometheus, PrometheusOptions

NOW = 1_700_000_000_000


def figures(text: str) -> dict[tuple[str, ...], float]:
    """Every series of an exposition: its name and the values of its labels, in the order of the labels' names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Program:
    """What a hook sees of the program that it is in."""

    def __init__(self, **options: object) -> None:
        self.hook = Prometheus(PrometheusOptions(port=0, **options))  # type: ignore[arg-type]
        self.bus = EventBus()
        self.bus.add_hook(self.hook, "prometheus")
        self.exchanges: dict[str, Health] = {}

    def health(self) -> tuple[Health, ...]:
        return tuple(self.exchanges.values())

    def hook_records(self) -> tuple[HookRecord, ...]:
        return self.bus.ledger()

    def exchange(
        self, name: str, *streams: StreamHealth, status: ConnectionStatus = ConnectionStatus.CONNECTED
    ) -> None:
        self.exchanges[name] = Health(exchange=name, status=status, checked_ms=NOW, streams=streams)

    def tell(self, event: Callable[..., object], exchange: str = "okx", **fields: object) -> None:
        self.bus.emit(event(exchange=exchange, timestamp_ms=NOW, **fields))  # type: ignore[arg-type]

    def text(self) -> str:
        from prometheus_client import generate_latest

        return generate_latest(self.hook.registry).decode()

    def figures(self) -> dict[tuple[str, ...], float]:
        return figures(self.text())

    async def start(self) -> str:
        self.bus.emit(HostStarted(timestamp_ms=NOW, host=self))
        return await self.hook.server.served()

    async def stop(self) -> None:
        self.bus.emit(HostStopped(timestamp_ms=NOW))
        await self.bus.close()


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    """Started, with the symbols BTC/USDT:USDT allowed."""
    program = Program(symbols=("BTC/USDT:USDT",))
    await program.start()
    yield program
    await program.stop()


@pytest.fixture
def new_program() -> type[Program]:
    return Program


@pytest.fixture
def read_figures() -> Callable[[str], dict[tuple[str, ...], float]]:
    return figures

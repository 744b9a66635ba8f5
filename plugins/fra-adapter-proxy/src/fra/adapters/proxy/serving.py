"""Serving: the exchanges of one process behind the broker, each under a lease of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from time import time_ns
from typing import Final, final
from uuid import uuid4

import attrs

from fra.adapters.proxy.broker import Broker
from fra.adapters.proxy.host import ExchangeHost
from fra.adapters.proxy.journal import BrokerJournal
from fra.adapters.proxy.lease import Lease, lease_bucket
from fra.adapters.proxy.limits import SharedLimits
from fra.adapters.proxy.options import BrokerOptions
from fra.adapters.proxy.subjects import Subjects
from fra.adapters.proxy.tasks import end
from fra.core import ConfigManager, ExchangeError, PluginManager, PluginRegistry, Secret

_MARGIN: Final = 0.4


@final
@attrs.frozen(kw_only=True)
class ServeOptions:
    """``lease`` seconds after a host has died another takes over. ``kept_for`` seconds the broker keeps events."""

    broker: BrokerOptions
    password: Secret | None = None
    lease: float = attrs.field(default=5.0, validator=attrs.validators.ge(0.5))
    kept_for: float = attrs.field(default=86_400.0, validator=attrs.validators.gt(0))
    book_pause: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    replicas: int = attrs.field(default=1, validator=[attrs.validators.ge(1), attrs.validators.le(5)])
    """On how many nodes of a cluster the broker keeps leases, intents and events: an odd number, 3 outlasts one."""
    egress: str | None = None
    """The name of the address whose rate limits we share with other processes; None: they are ours alone."""


@final
class Serving:
    """Every configured exchange as a host of its own, until cancelled."""

    def __init__(
        self,
        configuration: ConfigManager,
        options: ServeOptions,
        *,
        registry: PluginRegistry | None = None,
        only: tuple[str, ...] = (),
        on_state: Callable[[str, str], None],
        report: Callable[[str, Exception], None],
    ) -> None:
        """``on_state(exchange, state)`` hears ``standby``, ``active`` and ``failed``; ``report(where, error)`` what
        went wrong in the background.
        """
        self._options = options
        self._on_state = on_state
        self._report = report
        self._leases: dict[str, Lease] = {}
        self._broker = Broker(
            options.broker, password=options.password, name="fra host", report=lambda error: report("the broker", error)
        )
        self._limits = None
        if options.egress is not None:
            self._limits = SharedLimits(
                options.broker,
                password=options.password,
                egress=options.egress,
                report=lambda error: report("the shared limits", error),
            )
        self.manager = PluginManager.from_config(
            configuration,
            registry=registry,
            only=only or None,
            journal=BrokerJournal(self._broker.client, lambda: self._leases, replicas=options.replicas),
            fence=self._fence,
            peers=self._limits,
        )

    def _fence(self, exchange: str) -> None:
        lease = self._leases.get(exchange)
        if lease is not None:
            lease.check()

    async def run(self) -> None:
        """Raises what the broker raises when it cannot be reached; an exchange that fails fails alone."""
        await self._broker.connect()
        try:
            async with self._started():
                await self._serve()
        finally:
            await self._broker.close()

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        seconds = self._options.lease
        bucket = await lease_bucket(self._broker.client, seconds, replicas=self._options.replicas)
        holder = uuid4().hex
        configuration = self.manager.config_manager
        for name in configuration.names():
            self._leases[name] = Lease(
                bucket, Subjects(name).key, f"{holder} {name}", seconds=seconds, margin=seconds * _MARGIN
            )
        async with AsyncExitStack() as stack:
            if self._limits is not None:
                await stack.enter_async_context(self._limits)
            await stack.enter_async_context(self.manager)
            yield

    async def _serve(self) -> None:
        for name, error in self.manager.failures.items():
            self._report(name, error)
            self._on_state(name, "failed")
        handles = self.manager.get_all_plugins()
        if not handles:
            raise next(iter(self.manager.failures.values()), ExchangeError("no exchange is configured"))
        tasks = [asyncio.create_task(self._host(name), name=f"fra host {name}") for name in handles]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await end(*tasks)

    async def _host(self, name: str) -> None:
        """One exchange. What goes wrong is reported, and tried again: the others serve on."""
        handle = self.manager.get_plugin(name)
        config = self.manager.config_manager.get_exchange_config(name)
        account = config.has_credentials or not handle.metadata.account_needs_credentials
        host = ExchangeHost(
            self._broker,
            handle,
            Subjects(name),
            self._leases[name],
            now_ms=lambda: time_ns() // 1_000_000,
            account=account,
            kept_for=self._options.kept_for,
            book_pause=self._options.book_pause,
            takeover=handle.recover_orders if account else None,
            on_state=lambda state: self._on_state(name, state),
            replicas=self._options.replicas,
            report=lambda error: self._report(name, error),
        )
        await host.run()

"""The whole examination, in the order of the page. No check stops another."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from fra.cli.doctor import exchanges, memory, namespace, plugins, records
from fra.cli.doctor.files import Configuration, check_config, check_permissions
from fra.cli.doctor.finding import Finding, examine
from fra.cli.doctor.installation import Installation, check_versions
from fra.cli.doctor.journal import check_journal
from fra.cli.installed import registry_of
from fra.core import ConfigManager


class Examination:
    """One run of `fra doctor`."""

    def __init__(
        self, config: Path | None, asked: Sequence[str] = (), *, verify: bool = False, timeout: float | None = 10.0
    ) -> None:
        """``timeout`` is in seconds for each exchange; None asks none."""
        self._path = config
        self._asked = asked
        self._verify = verify
        self._timeout = timeout
        self._configuration = Configuration.read(config)
        self._manager = self._configuration.manager or ConfigManager.from_mapping({})
        self._registry = registry_of(self._manager)
        self._costs: Mapping[str, int] = {}

    def findings(self) -> list[Finding]:
        """Every row. Never raises for what is wrong with the installation."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what the configuration warns of has rows
            return self._findings()

    def _findings(self) -> list[Finding]:
        found = [
            *examine("versions", lambda: check_versions(self._installation)),
            *examine("namespace", lambda: namespace.check_namespace(self._installation)),
            *examine("verify", self._records),
            *examine("memory", self._weigh),
            *examine("plugin", lambda: plugins.check_plugins(self._registry)),
            *examine("config", lambda: check_config(self._configuration, self._path)),
            *examine("permissions", lambda: check_permissions(self._configuration)),
        ]
        return [
            *found,
            *examine("hook", self._visit),
            *examine("journal", lambda: check_journal(self._manager)),
            *examine("memory", lambda: memory.check_memory(self._costs)),
        ]

    @cached_property
    def _installation(self) -> Installation:
        return Installation.read()

    def _records(self) -> Iterator[Finding]:
        if self._verify:
            yield from records.check_records(self._installation)
        else:
            yield Finding("verify", "files", "skip", "not asked for", "fra doctor --verify")

    def _weigh(self) -> Iterator[Finding]:
        # Before anything else imports them, and before their rows are written: whose import fails is broken.
        self._costs = memory.import_costs(self._registry, self._manager)
        yield from ()

    def _visit(self) -> Iterator[Finding]:
        """The exchanges, with the hooks listening as they would to any other command."""
        hooks = plugins.Hooks(self._registry, self._manager)
        try:
            yield from examine("reach", lambda: self._exchanges(hooks))
        finally:
            asyncio.run(hooks.bus.close())
        yield from hooks.findings()

    def _exchanges(self, hooks: plugins.Hooks) -> Iterable[Finding]:
        if self._configuration.error is not None:
            return exchanges.unvisited("the configuration cannot be used", "fra config check")
        if self._timeout is None:
            return exchanges.unvisited("not asked for, with --offline")
        manager = self._manager
        if not manager.names():
            manager = ConfigManager.from_mapping({"exchanges": {name: {} for name in self._asked}})
        names = tuple(dict.fromkeys(self._asked)) or manager.names()
        if not names:
            return exchanges.unvisited("no exchange is configured", "fra config init, or fra doctor -e NAME")
        return asyncio.run(exchanges.visit(manager, self._registry, hooks.bus, names, seconds=self._timeout))

"""Every plugin and why it may or may not be used; the hooks among them are taken in, to see whether they can be."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from fra.cli.doctor.finding import Finding, of_error
from fra.core import ConfigManager, EventBus, FraError, PluginBlocked, PluginRegistry, PluginRow, PluginState

_COMMANDS: Final = "fra.commands"
_HOOKS: Final = "fra.hooks"


def check_plugins(registry: PluginRegistry) -> Iterator[Finding]:
    """A row for each exchange and hook; commands have one together unless something is wrong with one."""
    rows = registry.rows()
    fine = [row for row in rows if row.group == _COMMANDS and row.usable]
    for row in rows:
        if row not in fine:
            yield _row(row)
    if fine:
        yield Finding("plugin", "commands", "ok", f"{len(fine)} of them: {', '.join(row.name for row in fine)}")
    if not any(row.group == "fra.exchanges" for row in rows):
        yield Finding("plugin", "exchanges", "fail", "no exchange is installed", "pip install fra-exchange-okx")


def _row(row: PluginRow) -> Finding:
    kind = row.group.removeprefix("fra.").rstrip("s")
    origin = f"{kind}, {row.state.value}: {row.distribution or row.target} {row.version or '?'} in {row.origin}"
    if row.usable:
        return Finding("plugin", row.name, "ok", origin)
    # What somebody has shut out is shut out on purpose.
    state: Final = "skip" if row.state is PluginState.BLOCKED else "fail"
    return Finding("plugin", row.name, state, f"{origin}: {row.reason}", row.cure)


@attrs.frozen
class _One:
    """A single hook of the registry, so that one that cannot be used stops no other."""

    registry: PluginRegistry
    name: str

    def names(self, group: str) -> tuple[str, ...]:
        return (self.name,)

    def load(self, name: str, *, group: str) -> object:
        return self.registry.load(name, group=group)


class Hooks:
    """The installed hooks on a bus of their own, on which the doctor's visit to the exchanges is told to them."""

    def __init__(self, registry: PluginRegistry, configuration: ConfigManager) -> None:
        self.bus = EventBus()
        self._registry = registry
        settings = self._settings = configuration.hooks
        self._errors: dict[str, FraError] = {}
        logging.getLogger(_HOOKS).addHandler(logging.NullHandler())  # the rows say it
        for name in self._wanted():
            enabled = (name,) if name in settings.enabled else ()
            tables = {name: settings.options[name]} if name in settings.options else {}
            try:
                for error in self.bus.load_hooks(_One(registry, name), enabled=enabled, options=tables):
                    self._errors[name] = error
            except FraError as error:
                self._errors[name] = error

    def _wanted(self) -> list[str]:
        settings = self._settings
        names = dict.fromkeys((*settings.enabled, *self._registry.names(_HOOKS), *settings.options))
        return [name for name in names if name in settings.enabled or name not in settings.disabled]

    def findings(self) -> Iterator[Finding]:
        """Which are on, and what became of their calls so far; to be asked when there is nothing more to tell them."""
        for name, error in self._errors.items():
            on_purpose = isinstance(error, PluginBlocked) and name not in self._settings.enabled
            yield of_error("hook", name, error, state="skip" if on_purpose else "fail")
        on = {record.name for record in self.bus.ledger()}
        for name in self._settings.disabled:
            if name not in on:
                yield Finding("hook", name, "skip", "switched off in the configuration")
        for name in self._wanted():
            if name not in on and name not in self._errors:
                yield Finding("hook", name, "skip", "it has settings, and none are configured", f"[hooks.{name}]")
        for record in self.bus.ledger():
            subject = f"{record.name}.{record.hook}"
            counts: Mapping[str, int] = {"failed": record.failures, "dropped": record.drops, "slow": record.slow}
            told = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
            detail = f"on, {record.calls} calls{f', {told}' if told else ''}"
            if record.disabled is not None:
                asked = record.name in self._settings.enabled or record.hook != "veto_order"
                cure = "make it async def, or quicker" if asked else f'[hooks] enabled = ["{record.name}"] in fra.toml'
                yield Finding("hook", subject, "fail" if asked else "skip", record.disabled, cure)
            elif record.last_error is not None:
                yield Finding(
                    "hook", subject, "fail", f"{detail}: {record.last_error}", "fra plugins, or tell its author"
                )
            else:
                yield Finding("hook", subject, "warn" if told else "ok", detail)
        if not self._registry.names(_HOOKS):
            yield Finding("hook", "hooks", "skip", "no hook is installed")

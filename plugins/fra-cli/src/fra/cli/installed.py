"""Which plugins a command may use, and which exchanges need neither a key nor a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fra.core import ConfigManager, FraError, PluginRegistry

if TYPE_CHECKING:
    from fra.core import ExchangeMetadata, PluginType


def public_exchanges(
    registry: PluginRegistry, wanted: Callable[[ExchangeMetadata], bool] | None = None
) -> tuple[str, ...]:
    """Every usable plugin that reaches an exchange itself and needs no key; imports them.

    Aliases of one class and variants (okx_ccxt beside okx) are left out: they would be the same venue twice.
    """
    from fra.core import PluginType

    direct = (PluginType.CUSTOM, PluginType.CCXT)
    installed = registry.get_available_plugins()
    found: dict[type, str] = {}
    for name in installed:
        if any(name.startswith(f"{other}_") for other in installed):
            continue
        try:
            plugin, metadata = registry.get_plugin_class(name), registry.get_plugin_metadata(name)
        except FraError:
            continue  # a row of `fra plugins` says why
        if metadata.requires_credentials or metadata.plugin_type not in direct:
            continue
        if wanted is None or wanted(metadata):
            found.setdefault(plugin, name)
    return tuple(found.values())


def simulated_exchanges(registry: PluginRegistry) -> tuple[str, ...]:
    """Every usable plugin that is an exchange of its own on this machine: an account without a key."""
    from fra.core import PluginType

    return tuple(name for name in registry.get_available_plugins() if _type_of(registry, name) is PluginType.SIMULATED)


def account_names(configuration: ConfigManager, registry: PluginRegistry) -> tuple[str, ...]:
    """The configured exchanges that have an account; all of them where none seems to, so that each says why."""
    from fra.core import PluginType

    keyless = (PluginType.SIMULATED, PluginType.PROXY, PluginType.AGGREGATED)  # the keys are a host's, or the members'
    found = []
    for name in configuration.names():
        settings = configuration.get_exchange_config(name)
        if settings.has_credentials or _type_of(registry, settings.plugin_name) in keyless:
            found.append(name)
    return tuple(found) or configuration.names()


def _type_of(registry: PluginRegistry, name: str) -> PluginType | None:
    try:
        return registry.get_plugin_metadata(name).plugin_type
    except FraError:
        return None  # opening it says why


def registry_of(configuration: ConfigManager) -> PluginRegistry:
    """The plugins that ``configuration`` allows, of those that the command line has found already."""
    context = click.get_current_context(silent=True)
    found = None if context is None else context.find_object(PluginRegistry)
    plugins = configuration.plugins
    return (found or PluginRegistry()).with_policy(allow=plugins.allow, pins=plugins.pins, folder=plugins.folder)


def registry_for(config: Path | None) -> PluginRegistry:
    """The plugins that the configuration at ``config`` (or in the usual places) allows."""
    return registry_of(ConfigManager().load_config(config))

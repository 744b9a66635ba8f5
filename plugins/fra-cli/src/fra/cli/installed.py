"""Which plugins a command may use, and which exchanges need neither a key nor a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from fra.core import ConfigManager, ExchangeMetadata, FraError, PluginRegistry, PluginType

_DIRECT: Final = (PluginType.CUSTOM, PluginType.CCXT)


def public_exchanges(
    registry: PluginRegistry, wanted: Callable[[ExchangeMetadata], bool] | None = None
) -> tuple[str, ...]:
    """Every usable plugin that reaches an exchange itself and needs no key; imports them.

    Aliases of one class and variants (okx_ccxt beside okx) are left out: they would be the same venue twice.
    """
    installed = registry.get_available_plugins()
    found: dict[type, str] = {}
    for name in installed:
        if any(name.startswith(f"{other}_") for other in installed):
            continue
        try:
            plugin, metadata = registry.get_plugin_class(name), registry.get_plugin_metadata(name)
        except FraError:
            continue  # a row of `fra plugins` says why
        if metadata.requires_credentials or metadata.plugin_type not in _DIRECT:
            continue
        if wanted is None or wanted(metadata):
            found.setdefault(plugin, name)
    return tuple(found.values())


def registry_of(configuration: ConfigManager) -> PluginRegistry:
    """The plugins that ``configuration`` allows."""
    return PluginRegistry(allow=configuration.plugins.allow, pins=configuration.plugins.pins)


def registry_for(config: Path | None) -> PluginRegistry:
    """The plugins that the configuration at ``config`` (or in the usual places) allows."""
    return registry_of(ConfigManager().load_config(config))

"""What fra.toml may say, key by key: how each value is read, and the JSON Schema of the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from fra.core.contract.config import Secret
from fra.core.contract.errors import ConfigError
from fra.core.host.config.options import Schema, in_file, options_schema, unknown_key, wrong_type

SECRETS: Final = ("api_key", "secret_key", "passphrase")


@attrs.frozen
class Place:
    """Where in which file a value stands."""

    path: str
    source: str | None

    def __truediv__(self, key: str) -> Place:
        return Place(f"{self.path}.{key}" if self.path else key, self.source)

    def wrong(self, expected: str, value: object) -> ConfigError:
        return wrong_type(expected, value, path=self.path, source=self.source)


def _string(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.wrong("a string", value)
    if not value:
        raise ConfigError(f"{place.path} is empty{in_file(place.source)}", path=place.path, source=place.source)
    return value


def _secret(value: object, place: Place) -> str | Secret:
    return value if isinstance(value, Secret) else _string(value, place)


def _flag(value: object, place: Place) -> bool:
    if not isinstance(value, bool):
        raise place.wrong("true or false", value)
    return value


def _seconds(value: object, place: Place) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.wrong("a number of seconds", value)
    return float(value)


def as_table(value: object, place: Place) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise place.wrong("a table", value)
    return value


def _strings(value: object, place: Place) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise place.wrong("an array of strings", value)
    return tuple(_string(item, Place(f"{place.path}[{index}]", place.source)) for index, item in enumerate(value))


def _string_table(value: object, place: Place) -> Mapping[str, str]:
    return {key: _string(item, place / key) for key, item in as_table(value, place).items()}


def _budgets(value: object, place: Place) -> Mapping[str, int]:
    budgets: dict[str, int] = {}
    for scope, units in as_table(value, place).items():
        if isinstance(units, Mapping):  # TOML reads `usdm.weight = 1200` as a table in a table
            inner = _budgets(units, place / scope)
            budgets |= {f"{scope}.{rest}": number for rest, number in inner.items()}
        elif isinstance(units, bool) or not isinstance(units, int) or units <= 0:
            raise (place / scope).wrong("a positive integer (units per the venue's own interval)", units)
        else:
            budgets[scope] = units
    return budgets


def _urls(value: object, place: Place) -> str | Mapping[str, Mapping[str, str]]:
    if isinstance(value, str):
        return _string(value, place)
    if not isinstance(value, Mapping):
        raise place.wrong('a URL, or a table of markets ({ spot = { rest = "…", ws = "…" } })', value)
    return {market: _string_table(urls, place / market) for market, urls in value.items()}


@attrs.frozen
class Key:
    """One key of a table: how its value is read, and what JSON Schema says of it."""

    read: Callable[[object, Place], object]
    schema: Schema
    help: str


_STRING: Final[Schema] = {"type": "string", "minLength": 1}
_STRINGS: Final[Schema] = {"type": "array", "items": _STRING}
_STRING_TABLE: Final[Schema] = {"type": "object", "additionalProperties": _STRING}
_ANY_TABLE: Final[Schema] = {"type": "object"}

_REFERENCE: Final = "env:NAME, file:PATH, keyring:SERVICE/USER or (with a warning) the value itself"
EXCHANGE_KEYS: Final[Mapping[str, Key]] = {
    "exchange_id": Key(_string, _STRING, "the venue; default: the table's name"),
    "plugin": Key(_string, _STRING, "the plugin to load; default: the exchange_id"),
    "api_key": Key(_secret, _STRING, _REFERENCE),
    "secret_key": Key(_secret, _STRING, _REFERENCE),
    "passphrase": Key(_secret, _STRING, _REFERENCE),
    "sandbox": Key(_flag, {"type": "boolean", "default": False}, "use the venue's test network"),
    "timeout": Key(
        _seconds, {"type": "number", "exclusiveMinimum": 0, "maximum": 1000, "default": 10}, "seconds for one request"
    ),
    "rate_limit": Key(
        _budgets,
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/budget"}},
        "scope → units per the venue's own interval",
    ),
    "base_url": Key(
        _urls,
        {"anyOf": [_STRING, {"type": "object", "additionalProperties": _STRING_TABLE}]},
        "one URL, or { market = { rest = URL, ws = URL } }, instead of the venue's hosts",
    ),
    "extra_params": Key(as_table, _ANY_TABLE, "what the adapter sends along with every request"),
    "markets": Key(_strings, _STRINGS, "which of the adapter's markets to load; default: all"),
    "proxy": Key(
        _string,
        _STRING,
        "an HTTP proxy URL (or a reference to one, as for api_key) for REST and WebSocket alike",
    ),
    "options": Key(as_table, _ANY_TABLE, "the adapter's own settings"),
}
DEFAULT_KEYS: Final = {key: EXCHANGE_KEYS[key] for key in ("sandbox", "timeout", "proxy")}
PLUGIN_KEYS: Final[Mapping[str, Key]] = {
    "allow": Key(_strings, _STRINGS, "the only distributions that may be used"),
    "pins": Key(_string_table, _STRING_TABLE, "plugin name → the distribution that it is taken from"),
    "folder": Key(_string, _STRING, "where plugins in single files stand: NAME_plugin.py with a class Plugin"),
}
HOOK_KEYS: Final[Mapping[str, Key]] = {
    "enabled": Key(_strings, _STRINGS, "veto hooks to switch on, by entry-point name"),
    "disabled": Key(_strings, _STRINGS, "notification hooks to switch off, by entry-point name"),
}
JOURNAL_KEYS: Final[Mapping[str, Key]] = {
    "enabled": Key(
        _flag, {"type": "boolean", "default": True}, "false: write down no orders; a crash may then forget some"
    ),
    "folder": Key(_string, _STRING, "where the files of the order journal stand, one for each account"),
}
TABLES: Final = ("defaults", "exchanges", "hooks", "journal", "plugins")


def read_table(keys: Mapping[str, Key], values: object, place: Place) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in as_table(values, place).items():
        if key not in keys:
            raise unknown_key(key, keys, path=place.path, source=place.source)
        result[key] = keys[key].read(value, place / key)
    return result


def read_hooks(values: object, place: Place) -> dict[str, object]:
    """``[hooks]``: its own keys, and a table for each hook that has settings."""
    given = as_table(values, place)
    options = {key: value for key, value in given.items() if key not in HOOK_KEYS and isinstance(value, Mapping)}
    own = read_table(HOOK_KEYS, {key: value for key, value in given.items() if key not in options}, place)
    return own | {"options": options}


def config_schema(options: Mapping[str, type]) -> Schema:
    """The JSON Schema (2020-12) of fra.toml; ``options`` adds plugin name → its ``Options`` class."""
    exchange = _table_schema(EXCHANGE_KEYS)
    units: Schema = {"type": "integer", "exclusiveMinimum": 0}
    budget: Schema = {"anyOf": [units, {"type": "object", "additionalProperties": {"$ref": "#/$defs/budget"}}]}
    defs: Schema = {"exchange": exchange, "budget": budget}
    conditions: list[Schema] = []
    for plugin, cls in options.items():
        defs[f"options.{plugin}"] = options_schema(cls)
        conditions.append(_options_apply(plugin))
    if conditions:
        exchange["allOf"] = conditions
    exchanges: Schema = {"type": "object", "additionalProperties": {"$ref": "#/$defs/exchange"}}
    if options:
        exchanges["properties"] = {plugin: _options_by_name(plugin) for plugin in options}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fra.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": _table_schema(DEFAULT_KEYS),
            "exchanges": exchanges,
            "hooks": {**_table_schema(HOOK_KEYS), "additionalProperties": _ANY_TABLE},
            "journal": _table_schema(JOURNAL_KEYS),
            "plugins": _table_schema(PLUGIN_KEYS),
        },
        "$defs": defs,
    }


def _table_schema(keys: Mapping[str, Key]) -> Schema:
    properties: Schema = {key: {**row.schema, "description": row.help} for key, row in keys.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _says(key: str, value: str) -> Schema:
    return {"properties": {key: {"const": value}}, "required": [key]}


def _silent(*keys: str) -> Schema:
    return {"not": {"anyOf": [{"required": [key]} for key in keys]}}


def _options_apply(plugin: str) -> Schema:
    return {
        "if": {"anyOf": [_says("plugin", plugin), {"allOf": [_says("exchange_id", plugin), _silent("plugin")]}]},
        "then": _with_options(plugin),
    }


def _options_by_name(plugin: str) -> Schema:
    condition: Schema = {"if": _silent("plugin", "exchange_id"), "then": _with_options(plugin)}
    return {"allOf": [{"$ref": "#/$defs/exchange"}, condition]}


def _with_options(plugin: str) -> Schema:
    return {"properties": {"options": {"$ref": f"#/$defs/options.{plugin}"}}}

"""An adapter's own settings: from a table of the configuration to its attrs class, and as JSON Schema."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

import attrs
import pytest

from fra.core.contract.errors import ConfigError
from fra.core.host.config.options import options_schema, structure_options


class Mode(enum.Enum):
    ONE_WAY = "one-way"
    HEDGE = "hedge"


@attrs.frozen
class Window:
    """When it is quiet."""

    start: int
    end: int = 24


@attrs.frozen(kw_only=True)
class Options:
    """Settings of an exchange that does not exist."""

    depth: int = 400
    weight: float = 1.5
    fee: Decimal = Decimal("0.0005")
    fast: bool = False
    name: str | None = None
    mode: Mode = Mode.ONE_WAY
    channel: Literal["books", "bbo"] = attrs.field(default="books", metadata={"help": "which book channel"})
    symbols: tuple[str, ...] = ()
    pair: tuple[int, str] = (1, "a")
    tags: frozenset[str] = attrs.field(factory=frozenset)
    limits: Mapping[str, int] = attrs.field(factory=dict)
    quiet: Window | None = None
    folder: Path | None = None
    cadence: int | str = attrs.field(default=5)
    positive: int = attrs.field(default=1, validator=attrs.validators.gt(0))


def structure(**values: object) -> Options:
    return structure_options(Options, values, path="exchanges.x.options", source="fra.toml")


def test_an_empty_table_gives_the_defaults() -> None:
    assert structure() == Options()


@pytest.mark.parametrize(
    ("key", "given", "made"),
    [
        ("weight", 2, 2.0),
        ("fee", "0.0002", Decimal("0.0002")),
        ("fee", 1, Decimal(1)),
        ("mode", "hedge", Mode.HEDGE),
        ("mode", Mode.HEDGE, Mode.HEDGE),
        ("channel", "bbo", "bbo"),
        ("name", "me", "me"),
        ("name", None, None),
        ("symbols", ["BTC/USDT"], ("BTC/USDT",)),
        ("pair", [2, "b"], (2, "b")),
        ("tags", ["a", "a"], frozenset("a")),
        ("limits", {"ip": 5}, {"ip": 5}),
        ("quiet", {"start": 3}, Window(3)),
        ("folder", "/var", Path("/var")),
        ("cadence", "slow", "slow"),
    ],
)
def test_what_toml_cannot_say_is_converted(key: str, given: object, made: object) -> None:
    value = getattr(structure(**{key: given}), key)
    assert value == made
    assert type(value) is type(made)


@pytest.mark.parametrize(
    ("key", "given", "path", "says"),
    [
        ("dept", 1, "dept", "did you mean 'depth'?"),
        ("depth", "400", "depth", "must be an integer, not a string"),
        ("depth", True, "depth", "must be an integer, not true or false"),
        ("depth", 1.5, "depth", "must be an integer, not a number with a point"),
        ("weight", "1", "weight", "must be a number, not a string"),
        ("fast", 1, "fast", "must be true or false, not an integer"),
        ("fee", 0.1, "fee", 'write it in quotes: "0.1"'),
        ("fee", "cheap", "fee", "must be an exact number"),
        ("mode", "hegde", "mode", "did you mean 'hedge'?"),
        ("channel", "trades", "channel", "must be one of 'books', 'bbo'"),
        ("symbols", "BTC/USDT", "symbols", "must be an array (a string each), not a string"),
        ("symbols", ["a", 1], "symbols[1]", "must be a string, not an integer"),
        ("pair", [1], "pair", "must hold 2 values, not 1"),
        ("limits", {"ip": "5"}, "limits.ip", "must be an integer, not a string"),
        ("quiet", {"start": 1, "stop": 2}, "quiet.stop", "known keys: end, start"),
        ("quiet", {}, "quiet.start", "is missing: it must be an integer"),
        ("cadence", 1.5, "cadence", "must be an integer or a string, not a number with a point"),
        ("positive", 0, "", "'positive' must be > 0"),
    ],
)
def test_a_wrong_value_is_refused_with_its_dotted_path(key: str, given: object, path: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        structure(**{key: given})
    assert caught.value.path == f"exchanges.x.options.{path}".rstrip(".")
    assert caught.value.source == "fra.toml"
    assert says in str(caught.value)


def test_the_schema_has_types_defaults_and_help() -> None:
    schema = json.loads(json.dumps(options_schema(Options)))
    keys = schema["properties"]
    assert schema["additionalProperties"] is False
    assert schema["description"] == "Settings of an exchange that does not exist."
    assert "required" not in schema
    assert keys["depth"] == {"type": "integer", "default": 400}
    assert keys["fee"]["default"] == "0.0005"
    assert keys["mode"] == {"enum": ["one-way", "hedge"], "default": "one-way"}
    assert keys["channel"] == {"enum": ["books", "bbo"], "default": "books", "description": "which book channel"}
    assert keys["symbols"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert keys["limits"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert keys["quiet"]["required"] == ["start"]
    assert keys["cadence"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]


def test_options_that_are_no_attrs_class_are_refused_with_their_name() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="Plain is none"):
        options_schema(Plain)

"""Whatever fra.toml says: a configuration, or a ConfigError that names what is wrong."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from fuzz_models import check_told
from fuzz_mutations import Choices, Seed
from fuzz_play import play_all

from fra.adapters.custom import CustomOptions
from fra.core import ConfigError, ConfigManager, ExchangeConfig, structure_options

SEED = Seed(
    json.dumps(
        {
            "defaults": {"sandbox": False, "timeout": 10, "proxy": "http://user:word@127.0.0.1:3128"},
            "exchanges": {
                "okx-main": {
                    "exchange_id": "okx",
                    "plugin": "okx",
                    "api_key": "env:OKX_KEY",
                    "secret_key": "file:secret",
                    "passphrase": "the word itself",
                    "timeout": 2.5,
                    "rate_limit": {"usdm": {"weight": 1200}, "orders": 10},
                    "base_url": {"swap": {"rest": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:1"}},
                    "extra_params": {"a": 1},
                    "markets": ["swap"],
                    "options": {"staleness": 1.5, "retries": 2, "transport": "aiohttp"},
                },
                "binance": {"base_url": "http://127.0.0.1:1"},
            },
            "hooks": {
                "enabled": ["risk"],
                "disabled": ["noise"],
                "prometheus": {"port": 9464, "symbols": ["BTC/USDT"]},
            },
            "plugins": {"allow": ["fra-exchange-okx"], "pins": {"okx": "fra-exchange-okx"}},
        }
    )
)
LINES = (
    "[defaults]", "timeout = 10", "[exchanges.okx-main]", 'exchange_id = "okx"', 'api_key = "env:OKX_KEY"',
    'secret_key = "file:secret"', 'passphrase = "the word itself"', "timeout = 2.5", 'markets = ["swap"]',
    "rate_limit = { usdm.weight = 1200 }", 'options = { staleness = 1.5, transport = "aiohttp" }',
    "[exchanges.okx-main.base_url.swap]", 'rest = "http://127.0.0.1:1"', 'ws = "ws://127.0.0.1:1"', "[hooks]",
    'enabled = ["risk"]', "[hooks.prometheus]", "port = 9464", "[plugins]", 'pins = { okx = "fra-exchange-okx" }',
)  # fmt: skip
ENVIRONMENT = {"OKX_KEY": "the key"}


def test_whatever_a_mapping_says_is_a_configuration_or_a_config_error() -> None:
    def play(data: bytes) -> None:
        text = SEED.mutated(Choices(data))
        try:
            tables = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # no mapping comes of it
        if isinstance(tables, dict):
            read(tables, text)

    play_all(lambda drawn: [play(data) for data in drawn])


def test_whatever_a_file_holds_is_a_configuration_or_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "fra.toml"
    tables = "\n".join(LINES).encode()
    seed = Seed(json.dumps(LINES))

    def play(data: bytes) -> None:
        choices = Choices(data)
        try:
            lines = msgspec.json.decode(seed.mutated(choices))
            content = "\n".join(map(str, lines)).encode("utf-8", "surrogatepass") if isinstance(lines, list) else tables
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            content = seed.mutated(choices)
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                manager = ConfigManager(environ=ENVIRONMENT).load_config(path)
            except ConfigError as error:
                check_told(error)
                return
            ask(manager, content)

    play_all(lambda drawn: [play(data) for data in drawn])


def read(tables: Mapping[str, Any], text: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            manager = ConfigManager.from_mapping(tables, environ=ENVIRONMENT)
        except ConfigError as error:
            check_told(error)
            return
        except Exception as error:
            error.add_note(repr(text[:2000]))
            raise
        ask(manager, text)


def ask(manager: ConfigManager, text: bytes) -> None:
    """Everything that a configuration is asked for."""
    try:
        json.dumps(manager.describe(), default=str)
        for name in manager.names():
            try:
                config = manager.get_exchange_config(name)
                assert isinstance(config, ExchangeConfig)
                structure_options(CustomOptions, config.options, path="options")
            except ConfigError as error:
                check_told(error)
    except Exception as error:
        error.add_note(repr(text[:2000]))
        raise

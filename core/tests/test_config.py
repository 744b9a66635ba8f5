"""fra.toml, the environment and secrets, through ConfigManager."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import keyring
import keyring.errors
import pytest
from keyring.backend import KeyringBackend

from fra.core.contract.config import Secret
from fra.core.contract.errors import ConfigError
from fra.core.host.config.manager import ConfigManager, ConfigWarning

CANARY = "canary-5f3a9c17"


def write(folder: Path, text: str) -> Path:
    file = folder / "fra.toml"
    file.write_text(text)
    return file


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> ConfigManager:
    return ConfigManager(environ=environ or {}).load_config(write(folder, text))


def test_two_accounts_of_one_exchange_stand_side_by_side(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [exchanges.binance-main]
        exchange_id = "binance"
        api_key = "env:MAIN_KEY"
        secret_key = "env:MAIN_SECRET"
        [exchanges.binance-test]
        exchange_id = "binance"
        plugin = "binance_custom"
        sandbox = true
        timeout = 5
        markets = ["usdm"]
        rate_limit = { ip = 1200 }
        base_url = { usdm = { rest = "http://127.0.0.1:1", ws = "ws://127.0.0.1:1" } }
        """,
        {"MAIN_KEY": "k", "MAIN_SECRET": "s"},
    )
    main, test = (config.get_exchange_config(name) for name in config.names())
    assert (main.name, main.exchange_id, main.plugin_name) == ("binance-main", "binance", "binance")
    assert main.api_key == Secret("k")
    assert main.secret_key == Secret("s")
    assert (test.name, test.plugin_name, test.sandbox, test.timeout) == ("binance-test", "binance_custom", True, 5.0)
    assert test.markets == ("usdm",)
    assert test.rate_limit == {"ip": 1200}
    assert test.base_url == {"usdm": {"rest": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:1"}}
    assert test.api_key is None


def test_the_exchange_is_the_name_of_its_table_unless_it_says_otherwise() -> None:
    config = ConfigManager.from_mapping({"exchanges": {"okx-main": {}}})
    assert config.get_exchange_config("okx-main").exchange_id == "okx-main"


def test_defaults_hold_for_exchanges_that_say_nothing() -> None:
    config = ConfigManager.from_mapping(
        {"defaults": {"timeout": 3, "sandbox": True}, "exchanges": {"okx": {}, "binance": {"timeout": 7}}}
    )
    okx, binance = config.get_exchange_config("okx"), config.get_exchange_config("binance")
    assert (okx.timeout, okx.sandbox) == (3.0, True)
    assert (binance.timeout, binance.sandbox) == (7.0, True)


def test_a_scope_with_a_point_in_its_name_may_be_written_with_or_without_quotes(tmp_path: Path) -> None:
    config = load(tmp_path, '[exchanges.binance.rate_limit]\nusdm.weight = 1200\n"spot.weight" = 3000\nip = 5')
    assert config.get_exchange_config("binance").rate_limit == {"usdm.weight": 1200, "spot.weight": 3000, "ip": 5}


# --- where the file is


@pytest.mark.parametrize("there", [["named", "here", "user"], ["here", "user"], ["user"]])
def test_the_environments_file_comes_before_the_folders_and_the_folders_before_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str]
) -> None:
    folders = {"named": tmp_path / "named", "here": tmp_path / "here", "user": tmp_path / "home" / "fra"}
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        if name in there:
            write(folder, f"[exchanges.{name}]")
    monkeypatch.chdir(folders["here"])
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "APPDATA": str(tmp_path / "home")}
    if "named" in there:
        environ["FRA_CONFIG"] = str(folders["named"] / "fra.toml")
    assert ConfigManager(environ=environ).load_config().names() == (there[0],)


def test_no_file_anywhere_means_that_nothing_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = ConfigManager(environ={"XDG_CONFIG_HOME": str(tmp_path)}).load_config()
    assert config.names() == ()
    assert config.source is None


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        ConfigManager(environ={"FRA_CONFIG": str(tmp_path / "nowhere.toml")}).load_config()


def test_broken_toml_is_an_error_that_quotes_no_line_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not valid TOML") as caught:
        load(tmp_path, f'[exchanges.okx]\napi_key = "{CANARY}')
    assert CANARY not in f"{caught.value!r} {caught.value}"
    assert caught.value.__cause__ is None


def test_a_configuration_that_cannot_be_read_leaves_the_earlier_one(tmp_path: Path) -> None:
    config = load(tmp_path, "[exchanges.okx]")
    with pytest.raises(ConfigError):
        config.load_config(write(tmp_path, "[exchange.okx]"))
    assert config.names() == ("okx",)


# --- refusals


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("[exchange.okx]", "exchange", "did you mean 'exchanges'?"),
        ("[exchanges.okx]\nsekret_key = 'x'", "exchanges.okx.sekret_key", "did you mean 'secret_key'?"),
        ("[plugins]\nallowed = []", "plugins.allowed", "did you mean 'allow'?"),
        ("[hooks]\nzzz = []", "hooks.zzz", "known keys: disabled, enabled"),
        ("[journal]\nfoldr = 'x'", "journal.foldr", "did you mean 'folder'?"),
        ("[journal]\nenabled = 'no'", "journal.enabled", "must be true or false, not a string"),
        ("journal = false", "journal", "must be a table, not true or false"),
        ("[defaults]\napi_key = 'x'", "defaults.api_key", "known keys: proxy, sandbox, timeout"),
        ("[exchanges]\nokx = 1", "exchanges.okx", "must be a table, not an integer"),
        ("[exchanges.okx]\nsandbox = 'yes'", "exchanges.okx.sandbox", "must be true or false, not a string"),
        ("[exchanges.okx]\ntimeout = '5'", "exchanges.okx.timeout", "must be a number of seconds, not a string"),
        ("[exchanges.okx]\ntimeout = true", "exchanges.okx.timeout", "not true or false"),
        ("[exchanges.okx]\ntimeout = 5000", "exchanges.okx.timeout", "did you mean 5?"),
        ("[exchanges.okx]\ntimeout = -1", "exchanges.okx.timeout", "positive"),
        ("[exchanges.okx]\nmarkets = 'spot'", "exchanges.okx.markets", "must be an array of strings, not a string"),
        ("[exchanges.okx]\nmarkets = [1]", "exchanges.okx.markets[0]", "must be a string, not an integer"),
        ("[exchanges.okx]\nrate_limit = {ip = 0}", "exchanges.okx.rate_limit.ip", "must be a positive integer"),
        ("[exchanges.okx]\nbase_url = {spot = 'x'}", "exchanges.okx.base_url.spot", "must be a table, not a string"),
        ("[exchanges.okx]\nplugin = ''", "exchanges.okx.plugin", "is empty"),
        ("[exchanges.okx]\napi_key = 12", "exchanges.okx.api_key", "must be a string, not an integer"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place(tmp_path: Path, text: str, path: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.path == path
    assert caught.value.source == str(tmp_path / "fra.toml")
    assert says in str(caught.value)
    assert str(tmp_path / "fra.toml") in str(caught.value)


def test_asking_for_an_exchange_that_is_not_configured_suggests_one() -> None:
    config = ConfigManager.from_mapping({"exchanges": {"okx": {}, "binance": {}}})
    with pytest.raises(ConfigError, match="did you mean 'binance'"):
        config.get_exchange_config("binanse")


# --- secrets


def test_secrets_come_from_the_environment_and_from_files_beside_the_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "okx.secret"
    secret.write_text("from-file\n")
    secret.chmod(0o600)
    config = load(
        tmp_path,
        '[exchanges.okx]\napi_key = "env:OKX_KEY"\nsecret_key = "file:okx.secret"\nproxy = "env:PROXY"',
        {"OKX_KEY": "from-env", "PROXY": "http://127.0.0.1:3128"},
    ).get_exchange_config("okx")
    assert config.api_key == Secret("from-env")
    assert config.secret_key == Secret("from-file")
    assert config.proxy == "http://127.0.0.1:3128"


@pytest.mark.parametrize("reference", ["env:OKX_KEY", "env:EMPTY", "file:missing", "file:empty", "file:binary"])
def test_a_secret_that_is_not_there_names_its_key_and_where_it_points(tmp_path: Path, reference: str) -> None:
    (tmp_path / "empty").touch(mode=0o600)
    binary = tmp_path / "binary"
    binary.touch(mode=0o600)
    binary.write_bytes(b"\xff\xfe\x00")
    config = load(tmp_path, f'[exchanges.okx]\napi_key = "{reference}"', {"EMPTY": ""})
    with pytest.raises(ConfigError) as caught:
        config.get_exchange_config("okx")
    assert caught.value.path == "exchanges.okx.api_key"
    assert reference.partition(":")[2] in str(caught.value)


class Ring(KeyringBackend):
    """A keyring of the test's own."""

    priority = 1

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self.entries = {("fra", "okx"): "from-keyring", ("https://fra/x", "okx"): "with-slashes", ("fra", "empty"): ""}
        self.failure = failure

    def get_password(self, service: str, username: str) -> str | None:
        if self.failure is not None:
            raise self.failure
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@contextmanager
def ring(failure: Exception | None = None) -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Ring(failure))
    try:
        yield
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("reference", "value"), [("keyring:fra/okx", "from-keyring"), ("keyring:https://fra/x/okx", "with-slashes")]
)
def test_a_secret_comes_from_the_keyring_and_is_shown_as_its_reference(
    tmp_path: Path, reference: str, value: str
) -> None:
    config = load(tmp_path, f'[exchanges.okx]\napi_key = "{reference}"')
    with ring():
        assert config.get_exchange_config("okx").api_key == Secret(value)
    assert config.describe()["exchanges"] == {"okx": {"api_key": reference}}


@pytest.mark.parametrize(
    ("reference", "cure"),
    [
        ("keyring:fra/other", "keyring set fra other"),
        ("keyring:fra/empty", "keyring set fra empty"),
        ("keyring:fra", "keyring:SERVICE/USER"),
        ("keyring:/okx", "keyring:SERVICE/USER"),
    ],
)
def test_a_keyring_entry_that_is_not_there_names_the_cure(tmp_path: Path, reference: str, cure: str) -> None:
    config = load(tmp_path, f'[exchanges.okx]\napi_key = "{reference}"')
    with ring(), pytest.raises(ConfigError) as caught:
        config.get_exchange_config("okx")
    assert caught.value.path == "exchanges.okx.api_key"
    assert cure in str(caught.value.cure)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (keyring.errors.KeyringLocked(CANARY), "KeyringLocked"),
        (keyring.errors.NoKeyringError(CANARY), "no keyring"),
        (RuntimeError(CANARY), "RuntimeError"),
    ],
)
def test_a_keyring_that_does_not_open_is_an_error_and_tells_nothing(
    tmp_path: Path, failure: Exception, words: str
) -> None:
    config = load(tmp_path, '[exchanges.okx]\napi_key = "keyring:fra/okx"')
    with ring(failure), pytest.raises(ConfigError, match=words) as caught:
        config.get_exchange_config("okx")
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_without_the_keyring_library_the_cure_is_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    config = load(tmp_path, '[exchanges.okx]\napi_key = "keyring:fra/okx"')
    with pytest.raises(ConfigError) as caught:
        config.get_exchange_config("okx")
    assert caught.value.cure == 'pip install "fra-core[keyring]"'


def test_a_missing_secret_stands_in_no_other_accounts_way(tmp_path: Path) -> None:
    config = load(tmp_path, '[exchanges.okx]\napi_key = "env:UNSET"\n[exchanges.binance]')
    assert config.get_exchange_config("binance").api_key is None


def test_a_secret_in_plain_text_is_warned_of_and_not_shown(tmp_path: Path) -> None:
    with pytest.warns(ConfigWarning, match=r"exchanges\.okx\.api_key stands in plain text") as caught:
        config = load(tmp_path, f'[exchanges.okx]\napi_key = "{CANARY}"')
    assert CANARY not in str(caught[0].message)
    assert config.get_exchange_config("okx").api_key == Secret(CANARY)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_a_secret_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    secret = tmp_path / "okx.secret"
    secret.write_text(CANARY)
    secret.chmod(0o644)
    config = load(tmp_path, '[exchanges.okx]\napi_key = "file:okx.secret"')
    with pytest.warns(ConfigWarning, match=r"chmod 600 .*okx\.secret") as caught:
        config.get_exchange_config("okx")
    assert CANARY not in str(caught[0].message)


def test_a_program_may_hand_over_secrets_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = ConfigManager.from_mapping({"exchanges": {"okx": {"api_key": Secret("a"), "secret_key": "b"}}})
        assert config.get_exchange_config("okx").has_credentials


def test_describing_shows_references_and_masks_what_stands_there(tmp_path: Path) -> None:
    with pytest.warns(ConfigWarning):
        config = load(
            tmp_path,
            f'[exchanges.okx]\napi_key = "env:OKX_KEY"\nsecret_key = "{CANARY}"\nproxy = "http://me:{CANARY}@host:1"',
        )
    shown = config.describe()["exchanges"]
    assert shown == {
        "okx": {"api_key": "env:OKX_KEY", "secret_key": "********", "proxy": "http://********@host:1"},
    }
    assert CANARY not in repr(config.describe())
    assert CANARY not in repr(config.get_exchange_config)


# --- plugins and hooks


def test_allow_list_pins_and_hooks_are_read(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [plugins]
        allow = ["fra-exchange-okx"]
        pins = { okx = "fra-exchange-okx" }
        [hooks]
        enabled = ["risk"]
        disabled = ["noise"]
        [hooks.pager]
        number = "112"
        """,
    )
    assert config.plugins.allow == ("fra-exchange-okx",)
    assert config.plugins.pins == {"okx": "fra-exchange-okx"}
    assert config.hooks.enabled == ("risk",)
    assert config.hooks.disabled == ("noise",)
    assert config.hooks.options == {"pager": {"number": "112"}}


def test_no_allow_list_is_not_an_empty_one(tmp_path: Path) -> None:
    assert load(tmp_path, "").plugins.allow is None
    assert load(tmp_path, "[plugins]\nallow = []").plugins.allow == ()


# --- the order journal


@pytest.mark.parametrize(
    ("text", "environ", "folder"),
    [
        ("", {"XDG_STATE_HOME": "/state"}, Path("/state/fra/orders")),
        ("", {}, Path.home() / ".local/state/fra/orders"),
        ("[journal]\nfolder = '/orders'", {}, Path("/orders")),
        ("[journal]\nfolder = '~/orders'", {}, Path.home() / "orders"),
        ("[journal]\nenabled = false", {}, None),
        ("[journal]\nenabled = false\nfolder = '/orders'", {}, None),
        ("[journal]\nenabled = false", {"FRA_JOURNAL": "/elsewhere"}, Path("/elsewhere")),
        ("[journal]\nfolder = '/orders'", {"FRA_JOURNAL": "off"}, None),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="other folders there")
def test_the_journal_is_where_the_environment_the_file_or_the_user_has_it(
    tmp_path: Path, text: str, environ: dict[str, str], folder: Path | None
) -> None:
    path = write(tmp_path, text)
    assert ConfigManager(environ=environ).load_config(path).journal.folder == folder


def test_a_relative_folder_is_beside_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[journal]\nfolder = 'orders'")
    config = ConfigManager(environ={}).load_config(path)
    assert config.journal.folder == tmp_path / "orders"
    assert config.describe()["journal"] == {"folder": str(tmp_path / "orders")}


# --- schema


def test_the_schema_is_json_and_knows_exactly_the_keys_that_are_read() -> None:
    schema = json.loads(json.dumps(ConfigManager.schema()))
    keys = schema["$defs"]["exchange"]["properties"]
    for key in keys:
        with pytest.raises(ConfigError, match=rf"exchanges\.okx\.{key}\b.*must be"):
            ConfigManager.from_mapping({"exchanges": {"okx": {key: Decimal(1)}}})
    assert schema["$defs"]["exchange"]["additionalProperties"] is False
    assert {"api_key", "options", "markets", "proxy", "exchange_id"} <= keys.keys()

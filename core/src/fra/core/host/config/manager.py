"""ConfigManager: fra.toml, the environment and secrets become one ExchangeConfig per configured instance."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import attrs

from fra.core.contract.config import ExchangeConfig, Secret
from fra.core.contract.errors import ConfigError
from fra.core.host.config.keys import (
    DEFAULT_KEYS,
    EXCHANGE_KEYS,
    JOURNAL_KEYS,
    PLUGIN_KEYS,
    SECRETS,
    TABLES,
    Place,
    as_table,
    config_schema,
    read_hooks,
    read_table,
)
from fra.core.host.config.options import Schema, in_file, unknown_key

FILE_NAME: Final = "fra.toml"
ENVIRONMENT: Final = "FRA_CONFIG"
JOURNAL_ENVIRONMENT: Final = "FRA_JOURNAL"
_OFF: Final = "off"
_MASK: Final = "********"


class ConfigWarning(UserWarning):
    """The configuration works, and somebody should look at it: a secret in plain text or readable by others."""


@attrs.frozen
class PluginSettings:
    """``[plugins]``: the distributions that may be used (None: all), plugin name → the distribution to take, and a
    folder with plugins in single files.
    """

    allow: tuple[str, ...] | None = None
    pins: Mapping[str, str] = attrs.field(factory=dict)
    folder: Path | None = None


@attrs.frozen
class HookSettings:
    """``[hooks]``: veto hooks switched on, notification hooks switched off, by entry-point name.

    ``options`` are the tables ``[hooks.NAME]``, each for its hook to read.
    """

    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict)


@attrs.frozen
class JournalSettings:
    """``[journal]``: the folder in which the orders of each account are written down; None: nowhere."""

    folder: Path | None = None


class ConfigManager:
    """What the user configured. Empty until :meth:`load_config` or :meth:`from_mapping`.

    Everything is checked on loading, save what secrets refer to: that is looked up when an exchange is asked for, so
    an account whose key is not set stands in no other's way.
    """

    def __init__(self, *, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._exchanges: dict[str, dict[str, object]] = {}
        self.source: Path | None = None
        """The file that was read; None when there was none."""
        self.plugins = PluginSettings()
        self.hooks = HookSettings()
        self.journal = self._journal({}, Place("journal", None))

    # --- loading

    def load_config(self, path: str | Path | None = None) -> Self:
        """Read ``path``, or else the first of $FRA_CONFIG, ./fra.toml and fra.toml in the user's configuration folder.

        Having none of the last two is no error: nothing is configured then. Raises ConfigError for a file that is named
        and missing, that is no TOML, or that says something unknown or wrong; what was loaded before then stays.
        """
        found = self._find(path)
        if found is None:
            self._take({}, None)
            return self
        import tomllib  # only who has a file reads one

        try:
            data = tomllib.loads(found.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"{found} cannot be read: {error.strerror}",
                source=str(found),
                cure=f"{FILE_NAME} is written by: fra config init",
            ) from None
        except ValueError as error:  # TOML and UTF-8; the cause may quote the line with a secret in it
            raise ConfigError(f"{found} is not valid TOML: {error}", source=str(found)) from None
        self._take(data, found)
        return self

    @classmethod
    def from_mapping(cls, data: Mapping[str, object], *, environ: Mapping[str, str] | None = None) -> Self:
        """The same from a mapping of the same shape; here secrets may be Secret objects or plain strings."""
        manager = cls(environ=environ)
        manager._take(data, None)
        return manager

    def _find(self, path: str | Path | None) -> Path | None:
        named = path if path is not None else self._environ.get(ENVIRONMENT)
        if named:
            return Path(named).expanduser()
        return next((place for place in (Path(FILE_NAME), self.user_file()) if place.is_file()), None)

    @property
    def _file(self) -> str | None:
        return None if self.source is None else str(self.source)

    def user_file(self) -> Path:
        """Where the user's own fra.toml stands, whether or not it is there."""
        folder = self._environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME")
        return (Path(folder) if folder else Path.home() / ".config") / "fra" / FILE_NAME

    def _take(self, data: Mapping[str, object], file: Path | None) -> None:
        root = Place("", None if file is None else str(file))
        for key in data:
            if key not in TABLES:
                raise unknown_key(key, TABLES, path="", source=root.source)
        defaults = read_table(DEFAULT_KEYS, data.get("defaults", {}), root / "defaults")
        plugins = read_table(PLUGIN_KEYS, data.get("plugins", {}), root / "plugins")
        if "folder" in plugins:
            plugins["folder"] = _folder(str(plugins["folder"]), root / "plugins" / "folder")
        hooks = read_hooks(data.get("hooks", {}), root / "hooks")
        journal = self._journal(data.get("journal", {}), root / "journal")
        place = root / "exchanges"
        exchanges: dict[str, dict[str, object]] = {}
        for name, table in as_table(data.get("exchanges", {}), place).items():
            values = defaults | read_table(EXCHANGE_KEYS, table, place / name)
            try:  # ExchangeConfig has checks of its own, which must not wait until somebody asks for the exchange
                _assemble(name, {key: value for key, value in values.items() if key not in (*SECRETS, "proxy")})
            except ConfigError as error:
                error.path = f"exchanges.{name}.{error.path}"
                error.source = root.source
                error.message = f"exchanges.{name}: {error.message}{in_file(root.source)}"
                raise
            exchanges[name] = values
        self._exchanges, self.source = exchanges, file
        self.plugins = PluginSettings(**plugins)  # type: ignore[arg-type]  # each value was read by its row of PLUGIN_KEYS
        self.hooks = HookSettings(**hooks)  # type: ignore[arg-type]
        self.journal = journal
        if file is not None:
            self._warn_of_literals()

    def _journal(self, values: object, place: Place) -> JournalSettings:
        """$FRA_JOURNAL (a folder, or ``off``), else what the file says, else a folder among the user's own state."""
        given = read_table(JOURNAL_KEYS, values, place)
        named = self._environ.get(JOURNAL_ENVIRONMENT)
        if named:
            return JournalSettings(None if named == _OFF else Path(named).expanduser())
        if not given.get("enabled", True):
            return JournalSettings()
        if "folder" in given:
            folder = Path(str(given["folder"])).expanduser()
            return JournalSettings(folder if place.source is None else Path(place.source).parent / folder)
        state = self._environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME")
        return JournalSettings((Path(state) if state else Path.home() / ".local" / "state") / "fra" / "orders")

    def _warn_of_literals(self) -> None:
        for name, values in self._exchanges.items():
            for key in SECRETS:
                if isinstance(value := values.get(key), str) and not _is_reference(value):
                    variable = f"{name}_{key}".upper().replace("-", "_")
                    warnings.warn(
                        f"exchanges.{name}.{key} stands in plain text in {self.source} → "
                        f'write "env:{variable}", "file:PATH" or "keyring:SERVICE/USER" instead',
                        ConfigWarning,
                        stacklevel=4,
                    )

    def reread(self) -> Self:
        """What the same file says now, as a manager of its own; this one stays as it is. Raises as loading does."""
        if self.source is None:
            return self
        other = type(self)(environ=self._environ)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConfigWarning)  # they were given at the first reading
            return other.load_config(self.source)

    # --- asking

    def says_the_same(self, other: ConfigManager, name: str) -> bool:
        """Whether both say the same of an instance, wherever secrets lead."""
        return self._exchanges.get(name) == other._exchanges.get(name)

    def names(self) -> tuple[str, ...]:
        """The configured instances, in the order of the file."""
        return tuple(self._exchanges)

    def get_exchange_config(self, name: str) -> ExchangeConfig:
        """One configured instance with its secrets looked up.

        Raises ConfigError when no such instance is configured, or a secret's environment variable, file or keyring
        entry is not there; the message names the key and where it points, never a value.
        """
        values = self._exchanges.get(name)
        if values is None:
            close = difflib.get_close_matches(name, self._exchanges, n=1)
            known = ", ".join(self._exchanges) or "none"
            raise ConfigError(
                f"no exchange {name!r} is configured{in_file(self._file)}",
                path=f"exchanges.{name}",
                source=self._file,
                cure=f"did you mean {close[0]!r}?" if close else f"configured: {known}",
            )
        place = Place(f"exchanges.{name}", self._file)
        values = dict(values)
        for key in SECRETS:
            if isinstance(value := values.get(key), str):
                values[key] = Secret(self._look_up(value, place / key))
        if isinstance(proxy := values.get("proxy"), str):
            values["proxy"] = self._look_up(proxy, place / "proxy")
        return _assemble(name, values)

    def _look_up(self, reference: str, place: Place) -> str:
        kind, _, target = reference.partition(":")
        if kind == "env":
            value = self._environ.get(target, "")
            why = (
                f"the environment variable {target} is not set" if target not in self._environ else f"{target} is empty"
            )
            cure = f"export {target}=…"
        elif kind == "file":
            value, why = self._read_secret_file(target, place)
            cure = f"put the value alone into {target}"
        elif kind == "keyring":
            value, why, cure = _read_keyring(target)
        else:
            return reference
        if not value:
            raise ConfigError(
                f"{place.path}: {why}{in_file(place.source)}", path=place.path, source=place.source, cure=cure
            )
        return value

    def _read_secret_file(self, target: str, place: Place) -> tuple[str, str]:
        file = Path(target).expanduser()
        if self.source is not None:
            file = self.source.parent / file
        try:
            value = file.read_text(encoding="utf-8").strip()
            mode = file.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            return "", f"{file} cannot be read: {why}"
        if sys.platform != "win32" and mode & 0o077:
            warnings.warn(
                f"{place.path}: others than you can read {file} → chmod 600 {file}", ConfigWarning, stacklevel=5
            )
        return value, f"{file} is empty"

    # --- showing

    def describe(self) -> dict[str, object]:
        """Everything that is configured, for people: secrets as their references, and masked when they stand there."""
        return {
            "source": self._file,
            "exchanges": {
                name: {key: _shown(key, values[key]) for key in values} for name, values in self._exchanges.items()
            },
            "plugins": attrs.asdict(self.plugins)
            | {"folder": None if self.plugins.folder is None else str(self.plugins.folder)},
            "hooks": attrs.asdict(self.hooks),
            "journal": {"folder": None if self.journal.folder is None else str(self.journal.folder)},
        }

    @staticmethod
    def schema(options: Mapping[str, type] | None = None) -> Schema:
        """The JSON Schema (2020-12) of fra.toml; ``options`` adds plugin name → its ``Options`` class."""
        return config_schema(options or {})


def _folder(named: str, place: Place) -> Path:
    """A folder that must be there, looked for from the file that names it."""
    folder = Path(named).expanduser()
    if place.source is not None:
        folder = Path(place.source).parent / folder
    if not folder.is_dir():
        raise ConfigError(
            f"{place.path}: there is no folder {folder}{in_file(place.source)}", path=place.path, source=place.source
        )
    return folder


def _assemble(name: str, values: Mapping[str, object]) -> ExchangeConfig:
    start = ExchangeConfig(name=name, exchange_id=name)
    return attrs.evolve(start, **values)  # type: ignore[arg-type]  # each value was read by its row of EXCHANGE_KEYS


def _read_keyring(target: str) -> tuple[str, str, str]:
    """The secret of SERVICE/USER, or an empty one with why there is none and what cures that."""
    service, _, user = target.rpartition("/")
    if not service or not user:
        return "", f"keyring:{target} does not name a service and a user", 'write "keyring:SERVICE/USER"'
    try:
        import keyring
        from keyring.errors import NoKeyringError
    except ImportError:
        return "", "the keyring library is not installed", 'pip install "fra-core[keyring]"'
    try:
        value = keyring.get_password(service, user)
    except NoKeyringError:
        return "", "this system has no keyring", "keyring diagnose, or env:NAME or file:PATH instead"
    except Exception as error:  # backends are others' code, and what they say of a failure may hold what they read
        return "", f"the keyring cannot be read ({type(error).__name__})", f"unlock it: keyring get {service} {user}"
    what = "is empty" if value == "" else "is not there"
    return value or "", f"the keyring's entry {service}/{user} {what}", f"keyring set {service} {user}"


def _is_reference(value: str) -> bool:
    return value.startswith(("env:", "file:", "keyring:"))


def _shown(key: str, value: object) -> object:
    if key in SECRETS:
        return value if isinstance(value, str) and _is_reference(value) else _MASK
    if key == "proxy" and isinstance(value, str) and "@" in value:
        scheme, _, rest = value.rpartition("://")
        return f"{scheme}://{_MASK}@{rest.rpartition('@')[2]}"
    return value

"""The configuration and the files with secrets: what is wrong in them, and who else may read them."""

from __future__ import annotations

import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import attrs

from fra.cli.doctor.finding import Finding, State, of_error
from fra.core import ConfigError, ConfigManager

_SECRETS: Final = ("api_key", "secret_key", "passphrase")
_REFERENCES: Final = ("env:", "file:", "keyring:")
_OTHERS_READ: Final = 0o044
_OTHERS_WRITE: Final = 0o022


@attrs.frozen
class Configuration:
    """What was found of a configuration. ``manager`` is None, and ``error`` says why, when it cannot be used."""

    file: Path | None
    manager: ConfigManager | None
    error: ConfigError | None

    @classmethod
    def read(cls, path: Path | None) -> Configuration:
        """Look where every command looks. Never raises for what stands in the file."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the checks look for themselves
            try:
                manager = ConfigManager().load_config(path)
            except ConfigError as error:
                return cls(Path(error.source) if error.source else path, None, error)
        return cls(manager.source, manager, None)


def check_config(configuration: Configuration, path: Path | None) -> Iterator[Finding]:
    """Where it was found, whether it is right, and each exchange of it."""
    from fra.cli.config import checks_of

    if configuration.error is not None:
        yield of_error("config", str(configuration.file or "fra.toml"), configuration.error)
        return
    for row in checks_of(path):
        if row.cure is None or not row.cure.startswith("chmod"):  # the permissions have rows of their own
            yield Finding("config", row.subject, cast("State", row.state), row.detail, row.cure)


def check_permissions(configuration: Configuration) -> Iterator[Finding]:
    """fra.toml, the .env beside it and the one here, and each file that a secret is read from."""
    if sys.platform == "win32":
        yield Finding("permissions", "files", "skip", "file modes say nothing on this system")
        return
    file = configuration.file
    secrets = [] if file is None else list(_secrets(file))
    found: list[Finding] = []
    if file is not None and file.is_file():
        found.append(_config_file(file, secrets))
    folders = [Path() if file is None else file.parent, Path()]
    places = [folder.resolve() / ".env" for folder in folders]
    if file is not None:
        named = (value.removeprefix("file:") for value in secrets if value.startswith("file:"))
        places += [(file.parent / Path(name).expanduser()).resolve() for name in named]
    found += [_secret_file(place) for place in dict.fromkeys(places) if place.is_file()]
    yield from found
    if not found:
        yield Finding("permissions", "files", "skip", "there is no fra.toml and no .env")


def _secrets(file: Path) -> Iterator[str]:
    """Secrets and references as they stand in the file; none where it is no TOML."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    exchanges = data.get("exchanges")
    for table in exchanges.values() if isinstance(exchanges, dict) else ():
        for key in _SECRETS if isinstance(table, dict) else ():
            if isinstance(value := table.get(key), str):
                yield value


def _config_file(file: Path, secrets: list[str]) -> Finding:
    mode = file.stat().st_mode
    who = f"mode {mode & 0o777:o}"
    cure = f"chmod 600 {file}"
    if mode & _OTHERS_WRITE:
        return Finding("permissions", str(file), "fail", f"others may change where orders go ({who})", cure)
    if mode & _OTHERS_READ and any(not value.startswith(_REFERENCES) for value in secrets):
        return Finding("permissions", str(file), "fail", f"others can read the secrets that stand in it ({who})", cure)
    if mode & _OTHERS_READ and secrets:
        return Finding("permissions", str(file), "warn", f"others can read which accounts there are ({who})", cure)
    return Finding("permissions", str(file), "ok", f"no secret for others to read ({who})")


def _secret_file(file: Path) -> Finding:
    mode = file.stat().st_mode
    if mode & (_OTHERS_READ | _OTHERS_WRITE):
        detail = f"others than you can read or change it (mode {mode & 0o777:o})"
        return Finding("permissions", str(file), "fail", detail, f"chmod 600 {file}")
    return Finding("permissions", str(file), "ok", f"yours alone (mode {mode & 0o777:o})")

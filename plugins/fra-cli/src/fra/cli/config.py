"""`fra config`: the schema of fra.toml, a check of what stands in it, and a wizard that writes one."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from fra.cli.options import config_option, exchange_option, json_option

if TYPE_CHECKING:
    from fra.cli.table import Tone
    from fra.core import ConfigManager, PluginRegistry


@click.group()
def config() -> None:
    """Look at, check or write the configuration (fra.toml)."""


@config.command()
@click.option("--plugin", "names", multiple=True, metavar="NAME", help="Only with the options of this plugin.")
def schema(*, names: tuple[str, ...]) -> None:
    """Print the JSON Schema of fra.toml, with the options of the installed exchanges."""
    from fra.cli.installed import registry_for
    from fra.cli.table import say
    from fra.core import ConfigManager, FraError

    registry = registry_for(None)
    options: dict[str, type] = {}
    for name in names or registry.get_available_plugins():
        try:
            options[name] = registry.get_plugin_class(name).Options
        except FraError as error:
            if names:
                raise
            say(f"fra: left out: {error}")
    click.echo(json.dumps(ConfigManager.schema(options), indent=2, ensure_ascii=False))


@attrs.frozen
class Check:
    """One thing that was looked at. ``state`` is ok, warn or fail."""

    subject: str
    state: str
    detail: str
    cure: str | None = None


@config.command()
@config_option
@json_option
def check(*, config: Path | None, as_json: bool) -> None:
    """Check the configuration without connecting: keys, secrets, plugins and their options."""
    from fra.cli import json_lines
    from fra.cli.exit_codes import ExitCode
    from fra.cli.table import Column, Table, show

    checks = checks_of(config)
    if as_json:
        json_lines.write("config-check/1", checks=checks)
    else:
        columns = [
            Column[Check]("SUBJECT", lambda row: row.subject),
            Column[Check]("STATE", lambda row: row.state, tone=_tone),
            Column[Check]("DETAIL", lambda row: " → ".join(x for x in (row.detail, row.cure) if x), wrap=True),
        ]
        show(Table(columns, checks))
    if any(row.state == "fail" for row in checks):
        raise click.exceptions.Exit(ExitCode.CONFIG)


def checks_of(path: Path | None) -> list[Check]:
    """Everything that can be said of a configuration without a connection. Raises ConfigError when it is unreadable."""
    from fra.cli.installed import registry_of
    from fra.core import ConfigManager

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manager = ConfigManager().load_config(path)
        rows = [_file_row(manager)]
        registry = registry_of(manager)
        rows += [_exchange_row(manager, registry, name) for name in manager.names()]
    return rows + [Check("secrets", "warn", *_split(str(warning.message))) for warning in caught]


def _file_row(manager: ConfigManager) -> Check:
    if manager.source is None:
        return Check("file", "warn", "there is no fra.toml; nothing is configured", "fra config init")
    return Check(str(manager.source), "ok", f"{len(manager.names())} exchanges")


def _exchange_row(manager: ConfigManager, registry: PluginRegistry, name: str) -> Check:
    from fra.core import FraError, structure_options

    try:
        settings = manager.get_exchange_config(name)
        plugin = registry.get_plugin_class(settings.plugin_name)
        structure_options(plugin.Options, settings.options, path=f"exchanges.{name}.options")
    except FraError as error:
        return Check(name, "fail", error.message, error.cure)
    keys = "with credentials" if settings.has_credentials else "public data only"
    return Check(name, "ok", f"plugin {settings.plugin_name}, {keys}")


def _split(text: str) -> tuple[str, str | None]:
    detail, arrow, cure = text.partition(" → ")
    return detail, cure if arrow else None


def _tone(row: Check) -> Tone:
    return "good" if row.state == "ok" else "warn" if row.state == "warn" else "bad"


@config.command()
@config_option
@exchange_option
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def init(*, config: Path | None, exchanges: tuple[str, ...], force: bool) -> None:
    """Write a fra.toml: asks which exchanges, and where their keys are. Keys never stand in it."""
    from fra.cli.exit_codes import CommandFailed, ExitCode
    from fra.cli.installed import registry_for
    from fra.cli.table import say
    from fra.core import ConfigError, PluginRegistry

    target = config or Path("fra.toml")
    if target.exists() and not force:
        raise CommandFailed(f"{target} is there already", exit_code=ExitCode.CONFIG, cure="fra config init --force")
    try:
        registry = registry_for(None)
    except ConfigError:  # it is what is replaced
        registry = PluginRegistry()
    installed = registry.get_available_plugins()
    asking = sys.stdin.isatty()
    chosen = exchanges or (_choose(installed) if asking else installed)
    if not chosen:
        raise CommandFailed("no exchange is installed", exit_code=ExitCode.PLUGIN, cure="pip install fra-exchange-okx")
    blocks = []
    for name in chosen:
        metadata = registry.get_plugin_metadata(name)
        lines = [f"[exchanges.{json.dumps(name)}]" if not name.replace("_", "").isalnum() else f"[exchanges.{name}]"]
        if asking and (metadata.requires_credentials or click.confirm(f"{name}: add an account?", default=False)):
            lines += _credentials(name, target.parent)
        blocks.append("\n".join(lines) + "\n")
    target.write_text("\n".join(blocks), encoding="utf-8")
    say(f"fra: wrote {target} with {', '.join(chosen)} → fra config check")


def _choose(installed: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in installed if click.confirm(f"use {name}?", default=True))


def _credentials(name: str, folder: Path) -> list[str]:
    lines = []
    for key, needed in (("api_key", True), ("secret_key", True), ("passphrase", False)):
        if not needed and not click.confirm(f"{name}: does the key have a {key}?", default=False):
            continue
        lines.append(f"{key} = {json.dumps(_reference(name, key, folder))}")
    return lines


def _reference(name: str, key: str, folder: Path) -> str:
    variable = f"{name}_{key}".upper().replace("-", "_")
    where = click.prompt(f"{name}.{key}: where is it?", type=click.Choice(["env", "file", "keyring"]), default="env")
    if where == "env":
        return "env:" + str(click.prompt("  environment variable", default=variable))
    if where == "keyring":
        return _into_keyring(name, key)
    file = folder / ".fra-secrets" / f"{name}_{key}"
    value = click.prompt(f"  value (not shown; goes into {file})", hide_input=True)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(value, encoding="utf-8")
    return f"file:{file.relative_to(folder)}"


def _into_keyring(name: str, key: str) -> str:
    """Put a value that is typed unseen into the system's keyring. Raises ConfigError when there is none."""
    from fra.core import ConfigError

    try:
        import keyring
    except ImportError:
        raise ConfigError("the keyring library is not installed", cure='pip install "fra-core[keyring]"') from None
    service, user = "fra", f"{name}_{key}"
    value = click.prompt(f"  value (not shown; goes into the keyring as {service}/{user})", hide_input=True)
    try:
        keyring.set_password(service, user, value)
    except Exception as error:  # backends are others' code, and what they say of a failure may hold the value
        why = f"the keyring takes no {service}/{user} ({type(error).__name__})"
        raise ConfigError(why, cure="keyring diagnose, or choose env or file") from None
    return f"keyring:{service}/{user}"

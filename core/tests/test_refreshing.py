"""Hot plug: what changes in fra.toml, among local files and among what is installed takes effect while it runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fra.core import (
    ConfigError,
    ErrorRaised,
    PluginBlocked,
    PluginBroken,
    PluginManager,
    PluginNotFound,
    PluginRegistry,
    PluginState,
)

ADAPTER = """
from decimal import Decimal
from fra.core import *

SPOT = Symbol("BTC/USD", "XBT", MarketKind.SPOT, "BTC", "USD", tick_size=Decimal("0.1"), lot_size=Decimal("0.0001"))

class Plugin(ExchangePluginInterface):
    capabilities = ExchangeCapabilities.of([Operation.GET_SYMBOLS, Operation.GET_TICKER], [MarketKind.SPOT])

    @classmethod
    def describe(cls):
        return ExchangeMetadata("local", "Local", "{version}", PluginType.CUSTOM, cls.capabilities)

    async def initialize(self): ...
    async def connect(self): ...
    async def disconnect(self): ...

    async def health_check(self):
        return Health(self.config.name, ConnectionStatus.CONNECTED, self.context.now_ms())

    async def get_symbols(self):
        return [SPOT]

    async def get_ticker(self, symbol):
        return Ticker(symbol.name, self.context.now_ms(), last=Decimal("{version}"))

    async def get_orderbook(self, symbol, *, depth=None):
        raise NotSupported("no book")
"""


class Program:
    """A fra.toml, a folder of local plugins, a folder where pip would install, and what runs by them."""

    def __init__(self, folder: Path, kit) -> None:
        self.file = folder / "fra.toml"
        self.plugins = folder / "plugins"
        self.site = folder / "site-packages"
        self.kit = kit
        self.plugins.mkdir()
        self.site.mkdir()
        self.environ: dict[str, str] = {}
        self.manager: PluginManager

    def write(self, *tables: str) -> None:
        text = '[plugins]\nfolder = "plugins"\n' + "\n".join(tables)
        beside = self.file.with_suffix(".new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(self.file)  # as editors do

    def local(self, name: str, version: str = "1", code: str = ADAPTER) -> Path:
        file = self.plugins / f"{name}_plugin.py"
        file.write_text(code.replace("{version}", version), encoding="utf-8")
        return file

    def install(self, name: str, version: str, *, module: str | None = None) -> None:
        """What pip leaves behind."""
        self.uninstall(name)
        module = module or f"ours_{name}"
        folder = module.replace(".", "/")
        package = self.site / folder
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("", encoding="utf-8")
        (package / "number.py").write_text(f'VERSION = "{version}"\n', encoding="utf-8")
        code = ADAPTER.replace("{version}", version) + f"\nfrom {module}.number import VERSION\n"
        (package / "plugin.py").write_text(code, encoding="utf-8")
        info = self.site / f"fra_exchange_{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: fra-exchange-{name}\nVersion: {version}\n\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[fra.exchanges]\n{name} = {module}.plugin:Plugin\n", encoding="utf-8")
        (info / "RECORD").write_text(
            "".join(f"{folder}/{file}.py,,\n" for file in ("__init__", "number", "plugin")), encoding="utf-8"
        )

    def uninstall(self, name: str) -> None:
        for folder in [*self.site.glob(f"fra_exchange_{name}-*"), self.site / f"ours_{name}", self.site / "fra"]:
            for file in sorted(folder.glob("**/*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            if folder.is_dir():
                folder.rmdir()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PluginManager]:
        manager = PluginManager.from_config(self.file, bus=self.kit.bus)
        manager.events.register(ErrorRaised, self.kit.events.append)
        async with manager:
            self.manager = manager
            yield manager

    async def version(self, name: str) -> str:
        return str((await self.manager.get_plugin(name).get_ticker("BTC/USD")).last)

    def errors(self) -> list[str]:
        return [str(event.error) for event in self.kit.heard(ErrorRaised)]


@pytest.fixture
def program(tmp_path: Path, kit, monkeypatch: pytest.MonkeyPatch):
    made = Program(tmp_path, kit)
    monkeypatch.setattr(sys, "path", [*sys.path, str(made.site)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield made
    for name in [name for name in sys.modules if name.startswith(("ours_", "fra_local_", "fra.exchanges.kraken"))]:
        del sys.modules[name]


def exchange(name: str, plugin: str = "kraken", **keys: object) -> str:
    rows = "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in keys.items())
    return f'[exchanges.{name}]\nplugin = "{plugin}"\n{rows}'


# --- the configuration


async def test_an_exchange_that_is_added_starts_one_that_changes_reloads_one_that_is_gone_stops(program) -> None:
    program.local("kraken")
    program.write(exchange("a"), exchange("b"), exchange("c"))
    async with program.running() as manager:
        a, b, c = (manager.get_plugin(name) for name in "abc")
        plugins = {handle.name: handle._plugin for handle in (a, b, c)}
        program.write(exchange("a"), exchange("b", timeout=3), exchange("d"))
        changes = await manager.refresh()
        assert (changes.started, changes.reloaded, changes.stopped) == (("d",), ("b",), ("c",))
        assert not changes.failed
        assert sorted(manager.get_all_plugins()) == ["a", "b", "d"]
        assert manager.get_plugin("a") is a
        assert a._plugin is plugins["a"]  # nothing else notices
        assert manager.get_plugin("b") is b
        assert b._plugin is not plugins["b"]
        assert not await manager.refresh()
    assert program.errors() == []


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ("[exchanges.a\n", "not valid TOML"),
        ('[exchanges.a]\nplugin = "kraken"\ntimeuot = 3\n', "timeuot"),
        ('[exchanges.a]\nplugin = "kraken"\n[exchanges.a.options]\nflavour = "x"\n', "flavour"),
        (
            '[exchanges.a]\nplugin = "kraken"\napi_key = "env:FRA_NOT_SET"\nsecret_key = "env:FRA_NOT_SET"\n',
            "FRA_NOT_SET",
        ),
        ('[exchanges.a]\nplugin = "krakn"\n', "did you mean 'kraken'"),
        ('[exchanges.a]\nplugin = "kraken"\n[exchanges.b]\nplugin = "nowhere"\n', "nowhere"),
    ],
    ids=["syntax", "unknown key", "unknown option", "missing secret", "misspelt plugin", "unknown plugin"],
)
async def test_a_bad_edit_changes_nothing_and_says_why(program, edit: str, why: str) -> None:
    program.local("kraken")
    program.write(exchange("a"), exchange("old"))
    async with program.running() as manager:
        before = manager.get_plugin("a")._plugin
        program.write(edit)
        changes = await manager.refresh()
        assert why in str(changes.refused)
        assert (changes.started, changes.reloaded, changes.stopped) == ((), (), ())
        assert sorted(manager.get_all_plugins()) == ["a", "old"]
        assert manager.get_plugin("a")._plugin is before
        assert any(why in error for error in program.errors())
        program.write(exchange("a"), exchange("old"))
        assert not await manager.refresh()


async def test_a_file_that_is_gone_for_a_moment_changes_nothing(program) -> None:
    program.local("kraken")
    program.write(exchange("a"))
    async with program.running() as manager:
        program.file.unlink()
        assert isinstance((await manager.refresh()).refused, ConfigError)
        assert list(manager.get_all_plugins()) == ["a"]


async def test_what_does_not_start_hurts_no_other(program) -> None:
    program.local("kraken")
    program.local("sick", code=ADAPTER.replace("async def connect(self): ...", "async def connect(self): 1 / 0"))
    program.write(exchange("a"))
    async with program.running() as manager:
        program.write(exchange("a"), exchange("b", "sick"), exchange("c"))
        changes = await manager.refresh()
        assert (changes.started, sorted(changes.failed)) == (("c",), ["b"])
        assert "b" in manager.failures
        program.write(exchange("a"))
        await manager.refresh()
        assert not manager.failures


async def test_hooks_and_the_journal_count_at_the_next_start(program) -> None:
    program.local("kraken")
    program.write(exchange("a"))
    async with program.running() as manager:
        program.write(exchange("a"), "[hooks]\ndisabled = ['other']\n", "[journal]\nenabled = false\n")
        assert (await manager.refresh()).later == ("hooks", "journal")
        told = [event.where for event in program.kit.events if isinstance(event, ErrorRaised)]
        assert told == ["[hooks]", "[journal]"]
        assert not await manager.refresh()


async def test_a_manager_without_a_file_looks_at_the_plugins_only(kit) -> None:
    async with kit.manager({"mem": {"plugin": "memory"}}) as manager:
        assert not await manager.refresh()
        assert manager.get_plugin("mem")


# --- single files


def test_a_file_is_a_row_with_its_origin(program) -> None:
    file = program.local("kraken")
    program.local("broken", code="class Plugin(")
    (program.plugins / "helper.py").write_text("raise RuntimeError")
    registry = PluginRegistry(path=[], folder=program.plugins)
    rows = {row.name: row for row in registry.rows()}
    assert sorted(rows) == ["broken", "kraken"]
    assert (rows["kraken"].state, rows["kraken"].origin) == (PluginState.AVAILABLE, str(file.parent))
    assert registry.get_plugin_class("kraken").__name__ == "Plugin"
    with pytest.raises(PluginBroken, match="SyntaxError"):
        registry.get_plugin_class("broken")
    broken = next(row for row in registry.rows() if row.name == "broken")
    assert (broken.state, broken.cure) == (PluginState.BROKEN, f"mend {program.plugins}/broken_plugin.py")


def test_the_allow_list_counts_for_files_too(program) -> None:
    program.local("kraken")
    registry = PluginRegistry(path=[], folder=program.plugins, allow=["fra-exchange-okx"])
    with pytest.raises(PluginBlocked):
        registry.resolve("kraken")
    assert PluginRegistry(path=[], folder=program.plugins, allow=["kraken_plugin.py"]).resolve("kraken").usable


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_what_everybody_can_write_to_is_refused(program, which: str) -> None:
    file = program.local("kraken")
    os.chmod(file if which == "file" else file.parent, 0o777)
    with pytest.raises(PluginBroken, match="everybody can write"):
        PluginRegistry(path=[], folder=program.plugins).get_plugin_class("kraken")
    assert "fra_local_kraken_plugin" not in sys.modules


def test_a_file_without_a_plugin_says_so(program) -> None:
    program.local("empty", code="x = 1")
    with pytest.raises(PluginBroken, match="Plugin"):
        PluginRegistry(path=[], folder=program.plugins).get_plugin_class("empty")


async def test_a_folder_that_is_not_there_is_an_error_of_the_configuration(program) -> None:
    program.write()
    program.plugins.rmdir()
    with pytest.raises(ConfigError, match=r"plugins\.folder: there is no folder"):
        PluginManager.from_config(program.file)


# --- installed, upgraded, removed


async def test_a_plugin_that_is_installed_later_starts_what_waits_for_it(program) -> None:
    program.write(exchange("a"))
    async with program.running() as manager:
        assert isinstance(manager.failures["a"], PluginNotFound)
        program.install("kraken", "1")
        assert (await manager.refresh()).started == ("a",)
        assert await program.version("a") == "1"


async def test_the_next_version_is_used_when_the_one_before_was_removed(program) -> None:
    program.local("other")
    program.install("kraken", "1")
    program.write(exchange("a"), exchange("b", "other"))
    async with program.running() as manager:
        other = manager.get_plugin("b")._plugin
        first = type(manager.get_plugin("a")._plugin)
        program.uninstall("kraken")
        changes = await manager.refresh()
        assert (changes.stopped, changes.fresh) == (("a",), ("fra-exchange-kraken",))
        assert isinstance(changes.failed["a"], PluginNotFound)
        with pytest.raises(PluginNotFound):
            manager.get_plugin("a")
        assert not [name for name in sys.modules if name.startswith("ours_kraken")]
        program.install("kraken", "2")
        assert (await manager.refresh()).started == ("a",)
        assert await program.version("a") == "2"
        assert type(manager.get_plugin("a")._plugin) is not first
        assert sys.modules["ours_kraken.number"].VERSION == "2"
        assert manager.get_plugin("b")._plugin is other


async def test_of_a_shared_namespace_only_its_own_part_is_let_go_of(program) -> None:
    program.install("kraken", "1", module="fra.exchanges.kraken")
    program.write(exchange("a"))
    async with program.running() as manager:
        before = set(sys.modules)
        program.uninstall("kraken")
        assert (await manager.refresh()).fresh == ("fra-exchange-kraken",)
        gone = before - set(sys.modules)
        assert gone == {"fra.exchanges.kraken", "fra.exchanges.kraken.number", "fra.exchanges.kraken.plugin"}
        program.install("kraken", "2", module="fra.exchanges.kraken")
        await manager.refresh()
        assert await program.version("a") == "2"


async def test_an_upgrade_of_what_is_in_use_says_who_holds_it_and_what_to_do(program) -> None:
    program.install("kraken", "1")
    program.write(exchange("a"), exchange("b"))
    async with program.running() as manager:
        program.install("kraken", "2")
        changes = await manager.refresh()
        assert changes.held == {"fra-exchange-kraken": "1 is in use, 2 installed"}
        (error,) = program.errors()
        assert "a, b uses it" in error
        assert "hand them over to a new process (fra serve)" in error
        assert await program.version("a") == "1"
        await manager.reload_plugin("a")
        assert await program.version("a") == "1"
        row = next(row for row in manager.registry.rows() if row.name == "kraken")
        assert (row.state, row.reason) == (PluginState.LOADED, "1 is in use, 2 installed")
        assert not await manager.refresh()  # said once
        program.write()
        assert (await manager.refresh()).fresh == ("fra-exchange-kraken",)
        program.write(exchange("a"))
        await manager.refresh()
        assert await program.version("a") == "2"


async def test_a_file_that_changes_while_it_is_in_use_is_used_after_it_was_let_go(program) -> None:
    program.local("kraken", "1")
    program.write(exchange("a"))
    async with program.running() as manager:
        program.local("kraken", "23")
        assert list((await manager.refresh()).held) == ["kraken-plugin-py"]
        program.write()
        await manager.refresh()
        program.write(exchange("a"))
        await manager.refresh()
        assert await program.version("a") == "23"


async def test_an_exchange_whose_plugin_is_no_longer_allowed_stops(program) -> None:
    program.local("kraken")
    program.write(exchange("a"))
    async with program.running() as manager:
        program.file.write_text('[plugins]\nfolder = "plugins"\nallow = ["other"]\n' + exchange("a"))
        changes = await manager.refresh()
        assert changes.stopped == ("a",)
        assert isinstance(manager.failures["a"], PluginBlocked)


# --- watching


@asynccontextmanager
async def watching(program) -> AsyncIterator[Callable[..., object]]:
    async with program.running() as manager, manager.watch(settle=0.05) as watch:

        async def following(**wanted: object) -> Mapping[str, object]:
            """The next change, which is this."""
            async with asyncio.timeout(20):
                changes = await anext(watch)
            assert {name: getattr(changes, name) for name in wanted} == wanted
            return changes

        yield following


async def test_the_file_is_followed(program) -> None:
    program.local("kraken")
    program.write(exchange("a"))
    async with watching(program) as following:
        program.write(exchange("a"), exchange("b"))
        await following(started=("b",))
        program.write("[")
        assert "TOML" in str((await following(started=())).refused)
        program.write(exchange("b"))
        await following(stopped=("a",), refused=None)
        program.local("late")
        program.write(exchange("b"), exchange("c", "late"))
        await following(started=("c",))


async def test_what_is_installed_is_followed(program) -> None:
    program.write(exchange("a"))
    async with watching(program) as following:
        program.install("kraken", "1")
        await following(started=("a",))
        program.uninstall("kraken")
        await following(stopped=("a",))
        program.install("kraken", "2")
        await following(started=("a",))
        assert await program.version("a") == "2"


async def test_it_goes_on_after_a_folder_was_gone_and_is_back(program) -> None:
    program.local("kraken")
    program.write(exchange("a"))
    async with watching(program) as following:
        elsewhere = program.plugins.rename(program.plugins.with_name("elsewhere"))
        program.file.write_text(program.file.read_text() + "\n")
        assert "there is no folder" in str((await following(stopped=())).refused)
        elsewhere.rename(program.plugins)
        program.write(exchange("a"), exchange("b"))
        await following(started=("b",))


async def test_watching_ends_with_the_manager(program) -> None:
    program.write()
    manager = PluginManager.from_config(program.file)
    await manager.initialize()
    async with manager.watch() as watch:
        await manager.shutdown()
        assert [changes async for changes in watch] == []
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "fra watch"]


async def test_without_watchfiles_it_says_what_to_install(program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write()
    async with program.running() as manager:
        monkeypatch.setitem(sys.modules, "watchfiles", None)
        with pytest.raises(ConfigError, match=r"fra-core\[watch\]"):
            async with manager.watch():
                pass

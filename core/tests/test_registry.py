"""Discovery over real metadata folders: what is found, what may be used, and that nothing is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement

from fra.core.contract.errors import (
    PluginBlocked,
    PluginBroken,
    PluginConflict,
    PluginIncompatible,
    PluginNotFound,
)
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.host.plugins.distributions import COMMANDS, EXCHANGES, HOOKS, Claim
from fra.core.host.plugins.policy import PluginRow, PluginState, judge_requirements
from fra.core.host.plugins.registry import PluginRegistry

ADAPTER = """
from fra.core.contract.capabilities import ExchangeCapabilities, ExchangeMetadata, PluginType
from fra.core.contract.exchange import ExchangePluginInterface


class Plugin(ExchangePluginInterface):
    capabilities = ExchangeCapabilities()

    @classmethod
    def describe(cls):
        return ExchangeMetadata("{name}", "{name}", "1.0", PluginType.CUSTOM, cls.capabilities)

    async def initialize(self): ...
    async def connect(self): ...
    async def disconnect(self): ...
    async def health_check(self): ...
    async def get_symbols(self): ...
    async def get_orderbook(self, symbol, *, depth=None): ...
    async def get_ticker(self, symbol): ...
"""


class Site:
    """A folder on sys.path, filled as pip would fill it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)

    def install(
        self,
        distribution: str,
        entry_points: dict[str, str] | str,
        *,
        version: str = "1.0",
        group: str = EXCHANGES,
        requires: str | None = "fra-core>=0.1",
        code: str | None = None,
        metadata: str | bytes | None = "",
    ) -> Path:
        """Write the metadata folder, and a module for each target unless ``code`` says what it should hold."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        if metadata == "":
            metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
            metadata += f"Requires-Dist: {requires}\n" if requires else ""
            metadata += "\nRequires-Dist: fra-core>=99  (this line is part of the description)\n"
        if metadata is not None:
            (info / "METADATA").write_bytes(metadata if isinstance(metadata, bytes) else metadata.encode())
        if isinstance(entry_points, str):
            (info / "entry_points.txt").write_text(entry_points, encoding="latin-1")
            return info
        lines = [f"[{group}]", *(f"{name} = {target}" for name, target in entry_points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for name, target in entry_points.items():
            module = target.partition(":")[0].strip()
            text = ADAPTER.replace("{name}", name) if code is None else code
            (self.folder / f"{module}.py").write_text(textwrap.dedent(text))
        return info


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    site = Site(folder)
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield site
    for name in set(sys.modules) - before:
        if (file := getattr(sys.modules[name], "__file__", None)) and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


def registry(site: Site, **settings: object) -> PluginRegistry:
    settings.setdefault("environ", {})
    return PluginRegistry(path=[str(site.folder)], **settings)  # type: ignore[arg-type]


def only(rows: tuple[PluginRow, ...]) -> PluginRow:
    (row,) = rows
    return row


# --- what is there


def test_a_row_says_what_is_installed_and_from_where(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, version="2.3")
    assert only(registry(site).discover_plugins()) == PluginRow(
        name="aex",
        group=EXCHANGES,
        state=PluginState.AVAILABLE,
        distribution="fra-exchange-aex",
        version="2.3",
        origin=str(site.folder),
        target="aex_plugin:Plugin",
    )


def test_discovery_of_everything_imports_nothing(site: Site) -> None:
    for number in range(20):
        site.install(f"fra-exchange-x{number}", {f"x{number}": f"x{number}_plugin:Plugin"}, code="raise SystemExit")
    rows = registry(site).rows()
    assert len(rows) == 20
    assert all(row.usable for row in rows)
    assert not [name for name in sys.modules if name.endswith("_plugin") and name.startswith("x")]


def test_importing_the_registry_pulls_in_no_metadata_library() -> None:
    module = "fra.core.host.plugins.registry"
    program = f"import sys, {module} as r; r.PluginRegistry(); print('importlib_metadata' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_metadata_is_read_only_for_what_is_asked_for(site: Site) -> None:
    for name in ("aex", "bex", "cex"):
        site.install(f"fra-exchange-{name}", {name: f"{name}_plugin:Plugin"})
    program = f"""
import sys
read = []
def note(event, arguments):
    file = str(arguments[0]) if event == "open" else ""
    if file.startswith({str(site.folder)!r}) and file.endswith("METADATA"):
        read.append(file)
sys.addaudithook(note)
from fra.core.host.plugins.registry import PluginRegistry
registry = PluginRegistry(path=[{str(site.folder)!r}], environ={{}})
print(len(registry.names()), len(read))
registry.resolve("bex")
print(len(read), "bex" in read[0])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["3", "0", "1", "True"]


def test_all_three_groups_are_found_the_same_way(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    site.install("risk-desk", {"limits": "risk_desk:hook"}, group=HOOKS, code="hook = object()")
    site.install("fra-history", {"history": "fra_history:main"}, group=COMMANDS, code="main = print")
    site.install("pytest-something", {"x": "pytest_something:y"}, group="pytest11", code="")
    found = registry(site)
    assert [(row.group, row.name) for row in found.rows()] == [
        (EXCHANGES, "aex"),
        (HOOKS, "limits"),
        (COMMANDS, "history"),
    ]
    assert found.load("history", group=COMMANDS) is print
    assert only(found.rows(COMMANDS)).state is PluginState.LOADED


def test_the_first_of_several_path_entries_counts(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, version="1.0")
    other.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, version="2.0")
    other.install("fra-exchange-bex", {"bex": "bex_plugin:Plugin"})
    rows = PluginRegistry(path=[str(site.folder), str(other.folder)], environ={}).rows()
    assert [(row.name, row.version, row.origin) for row in rows] == [
        ("aex", "1.0", str(site.folder)),
        ("bex", "1.0", str(other.folder)),
    ]


def test_an_editable_install_names_its_source_folder(site: Site, tmp_path: Path) -> None:
    info = site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    source = {"dir_info": {"editable": True}, "url": (tmp_path / "my adapters").as_uri()}
    (info / "direct_url.json").write_text(json.dumps(source))
    assert only(registry(site).rows()).origin == str(tmp_path / "my adapters")


def test_a_develop_install_with_egg_info_is_found(site: Site) -> None:
    info = site.folder / "acme_aex.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: acme-aex\nVersion: 3.1\n")
    (info / "requires.txt").write_text("attrs\nfra-core>=99\n\n[dev]\npytest\n")
    (info / "entry_points.txt").write_text("[fra.exchanges]\naex = aex_plugin:Plugin\n")
    row = only(registry(site).rows())
    assert (row.distribution, row.version, row.state) == ("acme-aex", "3.1", PluginState.INCOMPATIBLE)


def test_a_wheel_on_the_path_is_found_and_loaded(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("fra-exchange-zex", {"zex": "zex_plugin:Plugin"})
    wheel = tmp_path / "fra_exchange_zex-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in site.folder.rglob("*"):
            if file.is_file():
                archive.write(file, file.relative_to(site.folder))
    monkeypatch.setattr(sys, "path", [str(wheel), *(entry for entry in sys.path if entry != str(site.folder))])
    found = PluginRegistry(path=[str(wheel)], environ={})
    assert issubclass(found.get_plugin_class("zex"), ExchangePluginInterface)
    assert only(found.rows()).version == "1.0"


def test_what_was_installed_meanwhile_is_seen_after_refresh(site: Site) -> None:
    found = registry(site)
    assert found.rows() == ()
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    assert found.rows() == ()
    found.refresh()
    assert found.get_available_plugins() == ("aex",)


# --- broken things are rows


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (None, "no METADATA"),
        (b"", "no METADATA"),
        (b"\xff\xfe\x00garbage", "cannot be read"),
        (b"Name: fra-exchange-aex\n", "names no version"),
        (b"Name: fra-exchange-aex\nVersion: 1.0\nRequires-Dist: fra-core >>> 3\n", "fra-core >>> 3"),
    ],
)
def test_unusable_metadata_is_a_broken_row(site: Site, metadata: bytes | None, reason: str) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, metadata=metadata)
    site.install("fra-exchange-bex", {"bex": "bex_plugin:Plugin"})
    found = registry(site)
    aex, bex = found.rows()
    assert aex.state is PluginState.BROKEN
    assert reason in (aex.reason or "")
    assert "fra-exchange-aex" in (aex.cure or "")
    assert bex.usable
    with pytest.raises(PluginBroken):
        found.get_plugin_class("aex")


@pytest.mark.parametrize(
    "entry_points",
    [
        "[fra.exchanges]\njust some words\n",
        "[fra.exchanges]\naex = \xff\xfe\n",
        "[fra.exchanges]\naex = not a target\n",
        "[fra.exchanges]\naex = aex_plugin\n",
        "[fra.exchanges]\naex = aex_plugin:Plugin\naex = other:Plugin\n",
    ],
)
def test_unusable_entry_points_are_a_broken_row(site: Site, entry_points: str) -> None:
    site.install("fra-exchange-aex", entry_points)
    site.install("fra-exchange-bex", {"bex": "bex_plugin:Plugin"})
    found = registry(site)
    aex, bex = found.rows()
    assert (aex.state, aex.distribution) == (PluginState.BROKEN, "fra-exchange-aex")
    assert aex.reason
    assert bex.usable
    with pytest.raises(PluginBroken):
        found.resolve("aex")


def test_two_versions_side_by_side_are_a_broken_row(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, version="1.0")
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, version="2.0")
    row = only(registry(site).rows())
    assert row.state is PluginState.BROKEN
    assert "1.0 and 2.0" in (row.reason or "")


def test_the_remains_of_an_uninstall_do_not_count(site: Site) -> None:
    site.install("~ra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, version="0.9", metadata=None)
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    row = only(registry(site).rows())
    assert (row.state, row.version) == (PluginState.AVAILABLE, "1.0")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import nothing_of_this_name",
            r"ModuleNotFoundError: No module named 'nothing_of_this_name'.*aex_plugin.py, line 1",
        ),
        ("\n\nraise RuntimeError('no licence')", r"RuntimeError: no licence \(.*aex_plugin.py, line 3\)"),
        ("import sys; sys.exit(3)", r"SystemExit: 3"),
        ("def broken(:", r"SyntaxError: .*aex_plugin.py, line 1"),
        ("Other = 1", r"AttributeError: .*'Plugin'"),
        ("class Plugin: ...", r"no subclass of ExchangePluginInterface"),
        ("Plugin = 5", r"5 is no subclass of ExchangePluginInterface"),
        (
            "from fra.core.contract.exchange import ExchangePluginInterface as Base\nclass Plugin(Base): ...",
            r"does not implement .*connect, .*get_symbols",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_broken_and_hurts_nothing(site: Site, code: str, reason: str) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, code=code)
    site.install("fra-exchange-bex", {"bex": "bex_plugin:Plugin"})
    found = registry(site)
    for _ in range(2):
        with pytest.raises(PluginBroken, match=reason) as caught:
            found.get_plugin_class("aex")
    assert caught.value.plugin == "aex"
    assert [row.state for row in found.rows()] == [PluginState.BROKEN, PluginState.AVAILABLE]
    assert found.get_available_plugins() == ("bex",)
    assert found.get_plugin_metadata("bex").name == "bex"


def test_a_mended_plugin_loads_after_refresh(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, code="raise RuntimeError")
    found = registry(site)
    with pytest.raises(PluginBroken):
        found.get_plugin_class("aex")
    module = site.folder / "aex_plugin.py"
    module.write_text(ADAPTER.replace("{name}", "a much longer name than before"))
    found.refresh()
    assert found.get_plugin_class("aex").__name__ == "Plugin"


# --- policy


def test_a_plugin_for_another_core_is_incompatible_and_not_imported(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, requires="fra_core[cli]>=99,<100", code="1 / 0")
    found = registry(site)
    row = only(found.rows())
    assert row.state is PluginState.INCOMPATIBLE
    assert "<100,>=99" in (row.reason or "")
    with pytest.raises(PluginIncompatible, match="fra-exchange-aex"):
        found.get_plugin_class("aex")
    assert "aex_plugin" not in sys.modules


@pytest.mark.parametrize(
    "requires",
    [None, "fra-core", "fra-core>=0.1,<99", "fra-core-extras>=99", "fra-core>=99; python_version < '3'"],
)
def test_a_requirement_that_this_core_meets_is_no_hindrance(site: Site, requires: str | None) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, requires=requires)
    assert only(registry(site).rows()).state is PluginState.AVAILABLE


RELEASES = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
VERSIONS = st.builds("".join, st.tuples(RELEASES, st.sampled_from(["", "", "", "rc1", ".dev2", ".post1", "+local"])))
CLAUSES = st.builds(
    "".join, st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "~=", "=", " >= ", ">=v", "<0"]), VERSIONS)
)


@given(
    version=VERSIONS,
    clauses=st.lists(CLAUSES, max_size=3),
    separator=st.sampled_from([",", ", ", " , ", " "]),
    after=st.sampled_from(["", ",", " ", "; python_version < '3'"]),
)
def test_a_requirement_is_judged_as_packaging_judges_it(
    version: str, clauses: list[str], separator: str, after: str
) -> None:
    line = f"fra_core{separator.join(clauses)}{after}"
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        expected = PluginState.BROKEN
    else:
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        met = not applies or requirement.specifier.contains(version, prereleases=True)
        expected = PluginState.AVAILABLE if met else PluginState.INCOMPATIBLE
    claim = Claim(EXCHANGES, "aex", "aex_plugin:Plugin", "fra-exchange-aex", "1.0", "somewhere")
    assert judge_requirements(claim, [line], version).state is expected


def test_two_distributions_with_one_name_conflict_until_pinned(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    site.install("acme-aex", {"aex": "acme_aex:Plugin"})
    found = registry(site)
    assert [row.state for row in found.rows()] == [PluginState.CONFLICTING] * 2
    with pytest.raises(PluginConflict) as caught:
        found.get_plugin_class("aex")
    assert sorted(caught.value.candidates) == ["acme-aex", "fra-exchange-aex"]
    assert '[plugins.pins]\naex = "fra-exchange-aex"' in str(caught.value)

    printed = str(caught.value)[str(caught.value).index("[plugins.pins]") :]
    pins = tomllib.loads(printed)["plugins"]["pins"]
    pinned = registry(site, pins=pins)
    assert pinned.get_plugin_class("aex").__module__ == "aex_plugin"
    assert {row.distribution: row.state for row in pinned.rows()} == {
        "fra-exchange-aex": PluginState.LOADED,
        "acme-aex": PluginState.BLOCKED,
    }


def test_a_pinned_name_is_nobody_elses_even_while_its_owner_is_missing(site: Site) -> None:
    site.install("acme-aex", {"aex": "acme_aex:Plugin"})
    with pytest.raises(PluginBlocked, match="pinned to fra-exchange-aex"):
        registry(site, pins={"aex": "fra-exchange-aex"}).get_plugin_class("aex")


def test_the_same_name_in_two_groups_is_no_conflict(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    site.install("aex-command", {"aex": "aex_command:main"}, group=COMMANDS, code="main = print")
    assert all(row.usable for row in registry(site).rows())


def test_only_allowed_distributions_are_used_however_their_name_is_spelt(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    site.install("fra-exchange-bex", {"bex": "bex_plugin:Plugin"})
    found = registry(site, allow=["Fra_Exchange.AEX"])
    assert [row.state for row in found.rows()] == [PluginState.AVAILABLE, PluginState.BLOCKED]
    with pytest.raises(PluginBlocked, match="fra-exchange-bex"):
        found.get_plugin_class("bex")
    assert "bex_plugin" not in sys.modules


def test_another_policy_over_the_same_installation_reads_it_once(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    site.install("fra-exchange-bex", {"bex": "bex_plugin:Plugin"})
    first = registry(site, environ={"FRA_PLUGINS": "fra-exchange-aex, fra-exchange-bex"})
    assert first.get_available_plugins() == ("aex", "bex")
    site.install("fra-exchange-cex", {"cex": "cex_plugin:Plugin"})
    other = first.with_policy(allow=["fra-exchange-bex", "fra-exchange-cex"])
    assert other.names() == ("aex", "bex")
    assert other.get_available_plugins() == ("bex",)
    other.refresh()
    assert other.names() == ("aex", "bex", "cex")
    assert other.get_available_plugins() == ("bex",), "FRA_PLUGINS narrows it still"
    assert first.get_available_plugins() == ("aex", "bex")


def test_what_is_blocked_does_not_stand_in_the_way_of_what_is_allowed(site: Site) -> None:
    site.install("acme-aex", {"aex": "acme_aex:Plugin"}, code="raise SystemExit")
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    found = registry(site, allow=["fra-exchange-aex"])
    assert found.get_plugin_class("aex").__module__ == "aex_plugin"


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("", ()),
        (" , ", ()),
        ("fra-exchange-aex", ("aex",)),
        ("Fra_Exchange_AEX, fra-exchange-bex", ("aex", "bex")),
        ("aex", ()),
    ],
)
def test_the_environment_narrows_to_the_named_distributions(site: Site, value: str, usable: tuple[str, ...]) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    site.install("fra-exchange-bex", {"bex": "bex_plugin:Plugin"})
    found = registry(site, environ={"FRA_PLUGINS": value})
    assert found.get_available_plugins() == usable
    assert all("FRA_PLUGINS" in (row.reason or "") for row in found.rows() if not row.usable)


def test_the_environment_cannot_widen_what_the_configuration_allows(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    found = registry(site, allow=[], environ={"FRA_PLUGINS": "fra-exchange-aex"})
    assert only(found.rows()).state is PluginState.BLOCKED


# --- names


def test_a_name_means_the_plugin_of_that_name_before_any_variant(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin", "aex_ccxt": "aex_other:Plugin"})
    assert registry(site).resolve("aex").target == "aex_plugin:Plugin"


def test_a_name_means_the_single_variant_if_there_is_no_plain_one(site: Site) -> None:
    site.install("aex-over-ccxt", {"aex_ccxt": "aex_ccxt_plugin:Plugin", "aexo": "aexo_plugin:Plugin"})
    assert registry(site).get_plugin_class("aex").__module__ == "aex_ccxt_plugin"


def test_several_variants_are_an_error_that_lists_them(site: Site) -> None:
    site.install("aex-over-ccxt", {"aex_ccxt": "aex_ccxt_plugin:Plugin", "aex_proxy": "aex_proxy_plugin:Plugin"})
    with pytest.raises(PluginConflict, match="aex_ccxt, aex_proxy") as caught:
        registry(site).resolve("aex")
    assert caught.value.candidates == ("aex_ccxt", "aex_proxy")


def test_installed_but_broken_never_falls_back_to_a_variant(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"}, code="raise RuntimeError")
    site.install("aex-over-ccxt", {"aex_ccxt": "aex_ccxt_plugin:Plugin"})
    found = registry(site)
    for _ in range(2):
        with pytest.raises(PluginBroken):
            found.get_plugin_class("aex")


def test_nothing_installed_names_the_command_that_installs_it(site: Site) -> None:
    with pytest.raises(PluginNotFound, match=r"pip install fra-exchange-crypto-com$"):
        registry(site).get_plugin_class("crypto_com")


def test_a_near_miss_names_the_right_name(site: Site) -> None:
    site.install("fra-exchange-bittrex", {"bittrex": "bittrex_plugin:Plugin"})
    for wrong in ("bitrex", "Bittrex"):
        with pytest.raises(PluginNotFound, match="'bittrex'"):
            registry(site).resolve(wrong)


# --- at run time


@pytest.fixture
def adapter(site: Site) -> type[ExchangePluginInterface]:
    site.install("fra-exchange-mine", {"mine": "mine_plugin:Plugin"})
    return registry(site).get_plugin_class("mine")


def test_a_class_can_be_registered_without_a_distribution(
    tmp_path: Path, adapter: type[ExchangePluginInterface]
) -> None:
    found = registry(Site(tmp_path / "empty"), environ={"FRA_PLUGINS": ""})
    found.register_plugin("own", adapter)
    assert found.get_plugin_class("own") is adapter
    row = only(found.rows())
    assert (row.state, row.distribution) == (PluginState.LOADED, None)
    found.unregister_plugin("own")
    assert found.rows() == ()
    with pytest.raises(PluginNotFound):
        found.unregister_plugin("own")


def test_a_taken_name_is_registered_only_on_request(site: Site, adapter: type[ExchangePluginInterface]) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    found = registry(site)
    with pytest.raises(PluginConflict, match="fra-exchange-aex"):
        found.register_plugin("aex", adapter)
    found.register_plugin("aex", adapter, replace=True)
    assert found.get_plugin_class("aex") is adapter
    found.unregister_plugin("aex")
    assert found.get_plugin_class("aex").__module__ == "aex_plugin"


def test_what_is_no_exchange_plugin_cannot_be_registered(site: Site) -> None:
    with pytest.raises(PluginBroken, match="ExchangePluginInterface"):
        registry(site).register_plugin("aex", dict)  # type: ignore[arg-type]


def test_a_loaded_class_is_the_same_each_time_and_after_refresh(site: Site) -> None:
    site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    found = registry(site)
    first = found.get_plugin_class("aex")
    found.refresh()
    assert found.get_plugin_class("aex") is first
    assert only(found.rows()).state is PluginState.LOADED


def test_an_upgrade_behind_our_back_is_told(site: Site) -> None:
    info = site.install("fra-exchange-aex", {"aex": "aex_plugin:Plugin"})
    found = registry(site)
    found.get_plugin_class("aex")
    (info / "METADATA").write_text("Name: fra-exchange-aex\nVersion: 1.1\n")
    info.rename(site.folder / "fra_exchange_aex-1.1.dist-info")
    found.refresh()
    row = only(found.rows())
    assert (row.state, row.version) == (PluginState.LOADED, "1.1")
    assert "1.0 is in use" in (row.reason or "")

"""`fra doctor`: each fault is a row of its own check, with the state, the exit code and the cure that belong to it."""

import asyncio
import base64
import hashlib
import json
import os
import textwrap
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner

from fra.cli.doctor.command import doctor
from fra.core import JournalEntry, OrderRequest, OrderStatus, OrderType, PluginRegistry, Side, SqliteJournal

HERE = Path(__file__).parent


@attrs.define
class Patient:
    """An installation of its own on top of the real one, examined in this process."""

    folder: Path

    def install(self, name, *, version="1.0", requires="fra-core>=0.1,<0.2", files=None, record=True, **groups):
        """A distribution as pip leaves it: metadata, entry points by group, and files with a RECORD."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {requires}\n"
        info.joinpath("METADATA").write_text(head)
        lines = [line for group, points in groups.items() for line in (f"[fra.{group}]", *points)]
        info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")
        rows = []
        for path, text in (files or {}).items():
            self.write(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            rows.append(f"{path},sha256={digest},{len(text)}")
        if record:
            info.joinpath("RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,"]) + "\n")

    def write(self, path, text, mode=0o600):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        file.chmod(mode)

    def exchange(self, target, *, keys=False, options=""):
        """One more installed exchange, ``sick``, and a fra.toml that uses it."""
        self.install("fra-exchange-sick", exchanges=[f"sick = {target}"])
        lines = ["[exchanges.sick]"] + ['api_key = "env:FRA_TEST_KEY"', 'secret_key = "env:FRA_TEST_KEY"'] * keys
        self.write("fra.toml", "\n".join([*lines, "[exchanges.sick.options]", options]) + "\n")

    def examine(self, *arguments):
        """Its exit code and its rows."""
        registry = PluginRegistry(path=[str(self.folder)])  # what else this machine has is no part of the case
        done = CliRunner().invoke(doctor, ["--json", *arguments], obj=registry, catch_exceptions=False)
        document = json.loads(done.stdout)
        assert document["schema"] == "fra.doctor/1"
        return done.exit_code, document["rows"]


@pytest.fixture
def patient(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("FRA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("FRA_TEST_KEY", "canary-5521")
    monkeypatch.setenv("FRA_JOURNAL", str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.syspath_prepend(str(tmp_path))
    patient = Patient(tmp_path)
    patient.install("fra-exchange-paper-too", exchanges=["paper = fra.exchanges.paper:PaperExchange"])
    return patient


@attrs.frozen
class Fault:
    """What is broken and how, and the row that must say so. ``cure`` stands in the row's cure."""

    name: str
    inject: Callable[[Patient], object]
    check: str
    subject: str
    state: str
    cure: str
    code: int
    arguments: tuple[str, ...] = ("--offline",)


def stray(patient, folder):
    patient.write(f"{folder}/__init__.py", "")


def brought(patient):
    patient.install("evil", files={"fra/exchanges/__init__.py": ""}, exchanges=["evil = evil:Plugin"])


def twins(patient):
    for name in ("fra-exchange-evil", "fra-exchange-good"):
        patient.install(name, files={"fra/exchanges/twin/plugin.py": "\n"})


def altered(patient, *, missing=False):
    patient.install("fra-exchange-whole", files={"whole.py": "one = 1\n"})
    patient.folder.joinpath("whole.py").unlink() if missing else patient.write("whole.py", "one = 2\n")


def garbled(patient):
    patient.install("fra-exchange-whole")
    patient.folder.joinpath("fra_exchange_whole-1.0.dist-info", "RECORD").write_bytes(b"\xff\xfe\x00")


def secret_file(patient):
    patient.write("fra.toml", '[exchanges.paper]\napi_key = "file:key.txt"\nsecret_key = "file:key.txt"\n')
    patient.write("key.txt", "canary", mode=0o640)


def hook(patient, target, toml=""):
    patient.install("fra-hook-sick", hooks=[f"sick = {target}"])
    patient.install("fra-exchange-fine", exchanges=["fine = scripted_venue:ScriptedVenue"])
    patient.write("fra.toml", f"{toml}\n[exchanges.fine]\n")


def crashed(patient, venue="paper-1"):
    """A journal in which an order was written down before it was sent, and nothing after."""
    patient.write("fra.toml", "[exchanges.paper]\n")

    async def write():
        journal = SqliteJournal(patient.folder / "journal" / f"{venue}.sqlite", one_account=True)
        request = OrderRequest(symbol="BTC/USDT", side=Side.BUY, type=OrderType.MARKET, amount=Decimal(1))
        entry = JournalEntry(
            exchange="paper",
            client_order_id="left-open",
            timestamp_ms=1_790_000_000_000,
            request=request,
            status=OrderStatus.PENDING,
        )
        await journal.record(entry)
        await journal.close()

    asyncio.run(write())


def broken(patient):
    patient.write("cannot_import.py", "import nothing_of_that_name\n")
    patient.exchange("cannot_import:Plugin")


def claim(name, **fields):
    return lambda patient: patient.install(name, **fields)


def config(text, mode=0o600):
    return lambda patient: patient.write("fra.toml", text, mode)


def sick(target, **fields):
    return lambda patient: patient.exchange(f"doctor_plugins:{target}", **fields)


def scripted(options):
    return lambda patient: patient.exchange("scripted_venue:ScriptedVenue", options=options)


ONLINE = ("--timeout", "20")
KEYED = '[exchanges.paper]\napi_key = "env:FRA_TEST_KEY"\nsecret_key = "env:FRA_TEST_KEY"\n'
FAULTS = [
    Fault(
        "a library that is too old",
        claim("fra-exchange-hungry", requires="attrs>=99", exchanges=["hungry = hungry:Plugin"]),
        *("versions", "attrs", "fail", "pip install 'attrs>=99'", 1),
    ),
    Fault(
        "a library that is not there",
        claim("fra-exchange-hungry", requires="no-such-library>=2", exchanges=["hungry = hungry:Plugin"]),
        *("versions", "no-such-library", "fail", "pip install 'no-such-library>=2'", 1),
    ),
    Fault("a stray init", lambda p: stray(p, "fra"), "namespace", "fra", "fail", "rm ", 1),
    Fault(
        "a stray init among exchanges",
        lambda p: stray(p, "fra/exchanges"),
        "namespace",
        "fra/exchanges",
        "fail",
        "rm ",
        1,
    ),
    Fault("an init that a package brought", brought, "namespace", "fra/exchanges", "fail", "pip uninstall evil", 1),
    Fault(
        "one distribution twice",
        claim("fra-history", version="0.0.9"),
        *("namespace", "fra-history", "fail", "pip uninstall fra-history", 1),
    ),
    Fault(
        "a module beside the installed one",
        lambda p: p.write("fra/history/__init__.py", ""),
        *("namespace", "fra.history", "fail", "remove ", 1),
    ),
    Fault(
        "two owners of a module", twins, "namespace", "fra.exchanges.twin", "fail", "pip uninstall fra-exchange-good", 1
    ),
    Fault(
        "a changed file",
        altered,
        "verify",
        "fra-exchange-whole",
        "fail",
        "pip install --force-reinstall --no-deps fra-exchange-whole",
        1,
        ("--offline", "--verify"),
    ),
    Fault(
        "a missing file",
        lambda p: altered(p, missing=True),
        "verify",
        "fra-exchange-whole",
        "fail",
        "--force-reinstall",
        1,
        ("--offline", "--verify"),
    ),
    Fault(
        "an unreadable RECORD",
        garbled,
        "verify",
        "fra-exchange-whole",
        "fail",
        "--force-reinstall",
        1,
        ("--offline", "--verify"),
    ),
    Fault(
        "no RECORD",
        claim("fra-exchange-whole", record=False),
        "verify",
        "fra-exchange-whole",
        "warn",
        "--force-reinstall",
        0,
        ("--offline", "--verify"),
    ),
    Fault(
        "a plugin for another core",
        claim("fra-exchange-old", requires="fra-core>=9", exchanges=["old = old:Plugin"]),
        *("plugin", "old", "fail", "pip install --upgrade fra-core", 3),
    ),
    Fault("a plugin that cannot be imported", broken, "plugin", "sick", "fail", "pip install --force-reinstall", 3),
    Fault(
        "a wrong entry point",
        claim("fra-exchange-odd", exchanges=["odd = no attribute"]),
        "plugin",
        "odd",
        "fail",
        "--force-reinstall",
        3,
    ),
    Fault(
        "a plugin that is not installed",
        lambda p: None,
        "plugin",
        "kraken",
        "fail",
        "pip install fra-exchange-kraken",
        3,
        ("-e", "kraken"),
    ),
    Fault("an unknown key", config("[exchanges.paper]\ntimeuot = 3\n"), "config", "fra.toml", "fail", "timeout", 4),
    Fault("no TOML", config("[exchanges\n"), "config", "fra.toml", "fail", "", 4),
    Fault(
        "a file that is not there",
        lambda p: None,
        "config",
        "gone.toml",
        "fail",
        "fra config init",
        4,
        ("--offline", "--config", "gone.toml"),
    ),
    Fault("an unknown option", scripted("fial = 1"), "config", "sick", "fail", "fail", 4),
    Fault(
        "a secret that is not set",
        config('[exchanges.paper]\napi_key = "env:FRA_NOT_SET"\n'),
        "config",
        "paper",
        "fail",
        "export FRA_NOT_SET",
        4,
    ),
    Fault("a check that crashes", sick("Crashing"), "config", "config", "fail", "report it", 4),
    Fault(
        "a configuration that others may write",
        config(KEYED, 0o666),
        "permissions",
        "fra.toml",
        "fail",
        "chmod 600 ",
        4,
    ),
    Fault(
        "a secret in plain sight",
        config('[exchanges.paper]\napi_key = "canary-1"\n', 0o644),
        "permissions",
        "fra.toml",
        "fail",
        "chmod 600 ",
        4,
    ),
    Fault(
        "a secret in the file",
        config('[exchanges.paper]\napi_key = "canary-1"\n'),
        "config",
        "secrets",
        "warn",
        "env:",
        0,
    ),
    Fault("accounts that others can see", config(KEYED, 0o644), "permissions", "fra.toml", "warn", "chmod 600 ", 0),
    Fault(
        "an .env for all",
        lambda p: p.write(".env", "KEY=canary-2", 0o644),
        "permissions",
        ".env",
        "fail",
        "chmod 600 ",
        4,
    ),
    Fault("a secret's file for the group", secret_file, "permissions", "key.txt", "fail", "chmod 600 ", 4),
    Fault(
        "a veto that is not there",
        config('[hooks]\nenabled = ["limits"]\n'),
        "hook",
        "limits",
        "fail",
        "pip install fra-hook-limits",
        3,
    ),
    Fault(
        "a hook that fails",
        lambda p: hook(p, "doctor_plugins:Failing"),
        "hook",
        "sick.on_health_checked",
        "fail",
        "fra plugins",
        3,
        ONLINE,
    ),
    Fault(
        "a hook that is slow",
        lambda p: hook(p, "doctor_plugins:Slow"),
        "hook",
        "sick.on_plugin_loaded",
        "warn",
        "",
        0,
        ONLINE,
    ),
    Fault(
        "a veto that is off",
        lambda p: hook(p, "doctor_plugins:Vetoing"),
        "hook",
        "sick.veto_order",
        "skip",
        "[hooks] enabled",
        0,
    ),
    Fault("an order left open", crashed, "journal", "paper-1.sqlite", "fail", "fra orders recover", 8),
    Fault(
        "an order left open elsewhere",
        lambda p: crashed(p, "okx-1"),
        *("journal", "okx-1.sqlite", "warn", "fra orders recover", 0),
    ),
    Fault(
        "a journal that is none",
        lambda p: p.write("journal/okx-1.sqlite", "no database, and long enough to be looked at " * 50),
        *("journal", "okx-1.sqlite", "fail", "", 8),
    ),
    Fault("no network", scripted('fail = "network"'), "reach", "sick", "fail", "check DNS", 6, ONLINE),
    Fault(
        "no answer", scripted("delay = 60.0"), "reach", "sick", "fail", "fra health -e sick", 6, ("--timeout", "0.1")
    ),
    Fault("sockets that are shut", sick("Mute"), "stream", "sick", "fail", "open port 8443", 6, ("--timeout", "1")),
    Fault("a clock that is off", sick("Skewed"), "clock", "sick", "warn", "timedatectl", 0, ONLINE),
    Fault("a clock that is far off", sick("FarAway"), "clock", "sick", "fail", "timedatectl", 1, ONLINE),
    Fault(
        "a key that may withdraw", sick("Withdrawing", keys=True), "key", "sick", "warn", "may not withdraw", 0, ONLINE
    ),
    Fault("a key that ends", sick("Ending", keys=True), "key", "sick", "warn", "renew", 0, ONLINE),
    Fault("a key that is wrong", sick("Locked", keys=True), "key", "sick", "fail", "make a new key", 5, ONLINE),
    Fault("a login that fails", scripted('fail = "auth"'), "key", "sick", "fail", "", 5, ONLINE),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_a_row_with_its_cure_and_the_exit_code(patient, fault):
    fault.inject(patient)
    code, rows = patient.examine(*fault.arguments)
    found = [row for row in rows if row["check"] == fault.check and row["subject"].endswith(fault.subject)]
    assert fault.state in [row["state"] for row in found], rows
    row = next(row for row in found if row["state"] == fault.state)
    assert fault.cure in (row["cure"] or "")
    assert row["detail"]
    assert code == fault.code, [row for row in rows if row["state"] == "fail"]
    assert "canary" not in json.dumps(rows)


def test_a_healthy_installation_is_fine(patient):
    patient.install("fra-exchange-fine", exchanges=["fine = scripted_venue:ScriptedVenue"])
    patient.write("fra.toml", "[exchanges.fine]\n")
    code, rows = patient.examine("--verify")
    assert (code, {row["state"] for row in rows}) == (0, {"ok", "skip"})
    reached = {row["check"]: row["state"] for row in rows if row["subject"] == "fine"}
    assert reached == {"plugin": "ok", "config": "ok", "reach": "ok", "clock": "ok", "stream": "skip", "key": "skip"}


def test_two_claims_on_a_name_are_two_rows_with_the_pin(patient):
    patient.install("fra-exchange-one", exchanges=["twin = scripted_venue:ScriptedVenue"])
    patient.install("fra-exchange-two", exchanges=["twin = scripted_venue:ScriptedVenue"])
    code, rows = patient.examine("--offline")
    found = [row for row in rows if row["subject"] == "twin"]
    assert (code, len(found)) == (3, 2)
    assert all("[plugins.pins]" in row["cure"] for row in found)


def test_a_broken_configuration_hides_nothing_else(patient):
    patient.write("fra.toml", "[exchanges\n", 0o666)
    _, rows = patient.examine()
    states = {(row["check"], row["state"]) for row in rows}
    assert {
        ("config", "fail"),
        ("permissions", "fail"),
        ("versions", "ok"),
        ("plugin", "ok"),
        ("reach", "skip"),
    } <= states


def test_without_any_plugin_everything_else_is_looked_at(shell):
    done = shell.run("doctor", "--json", environ={"FRA_PLUGINS": ""})
    rows = json.loads(done.stdout)["rows"]
    assert {row["state"] for row in rows if row["check"] == "plugin"} == {"skip"}
    assert {"versions", "namespace", "verify", "config", "permissions", "reach", "hook", "memory"} <= {
        row["check"] for row in rows
    }


def test_the_page_has_a_line_a_row_and_the_sum(shell):
    shell.configure(alpha={"fail": "network"})
    done = shell.run("doctor", code=6)
    lines = done.stdout.splitlines()
    (line,) = [line for line in lines if line.split()[1:3] == ["reach", "alpha"]]
    assert line.startswith("fail")
    assert "check DNS" in line
    assert lines[-1].endswith("skip")
    assert done.stderr == ""


def test_every_plugin_may_be_broken(shell):
    for number in range(3):
        name = f"ruin{number}"
        shell.folder.joinpath(f"{name}.py").write_text("raise SystemExit('no')\n")
        shell.install(f"fra-exchange-{name}", **{name: f"{name}:Plugin"})
        shell.install(f"fra-hook-{name}", group="fra.hooks", **{name: f"{name}:hook"})
    blocks = [f"[exchanges.ruin{number}]\n" for number in range(3)]
    shell.folder.joinpath("fra.toml").write_text("".join(blocks))
    rows = shell.json("doctor", code=3)["rows"]
    failed = [(row["check"], row["subject"]) for row in rows if row["state"] == "fail"]
    assert sorted(failed) == sorted(
        (check, f"ruin{number}") for check in ("plugin", "config", "hook") for number in range(3)
    )

"""An environment of its own for each test: scripted exchanges by metadata, and the real `fra` as a process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

HERE = Path(__file__).parent


@attrs.define
class Shell:
    """Runs `fra` in a folder of its own."""

    folder: Path
    environ: dict[str, str]

    def install(self, distribution, *, version="1.0", group="fra.exchanges", requires="fra-core>=0.1,<0.2", **entries):
        """Metadata of a distribution, as pip would leave it: its modules stand on the path already."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nRequires-Dist: {requires}\n"
        )
        lines = [f"{name} = {target}" for name, target in entries.items()]
        info.joinpath("entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")

    def configure(self, **exchanges):
        """A fra.toml whose exchanges run the scripted adapter with these options, and ``settings`` beside them."""
        blocks = []
        for name, options in exchanges.items():
            settings = {"plugin": options.pop("plugin", "scripted"), **options.pop("settings", {})}
            blocks.append(f"[exchanges.{name}]")
            blocks += [f"{key} = {toml(value)}" for key, value in settings.items()]
            blocks.append(f"[exchanges.{name}.options]")
            blocks += [f"{key} = {toml(value)}" for key, value in options.items()]
        self.folder.joinpath("fra.toml").write_text("\n".join(blocks) + "\n")

    def run(self, *arguments, code=0, environ=None):
        """Run it to its end; asserts the exit code and gives the finished process."""
        done = subprocess.run(
            [sys.executable, "-m", "fra.core.main", *arguments],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def trade(self, **exchanges):
        """A fra.toml of exchanges with accounts: emulated unless ``settings`` say otherwise."""
        for name, options in exchanges.items():
            emulated = {"base_url": "http://127.0.0.1:1"}
            keys = (
                {"api_key": "env:FRA_TEST_KEY", "secret_key": "env:FRA_TEST_KEY"} if options.pop("keys", True) else {}
            )
            options["settings"] = {"plugin": "trading", **keys, **options.pop("settings", emulated)}
            options.setdefault("account", f"{name}.json")
        self.environ["FRA_TEST_KEY"] = "canary"
        self.configure(**exchanges)

    def lines(self, *arguments, code=0):
        """All JSON objects that it prints, by schema."""
        shown = [json.loads(line) for line in self.run(*arguments, "--json", code=code).stdout.splitlines()]
        return {line["schema"]: line for line in shown}

    def json(self, *arguments, code=0):
        """The single JSON object that it prints."""
        (line,) = self.run(*arguments, "--json", code=code).stdout.splitlines()
        return json.loads(line)

    def start(self, *arguments, environ=None):
        """Start it and leave it running; end it with `interrupt`."""
        return subprocess.Popen(
            [sys.executable, "-m", "fra.core.main", *arguments],
            cwd=self.folder,
            env={**self.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def interrupt(process):
    """Ctrl-C; its exit code, and what was left on stdout and stderr."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture
def shell(tmp_path):
    """`fra` with one more distribution installed, whose exchange `scripted` does what its options say."""
    return new_shell(tmp_path)


@pytest.fixture(scope="session")
def shell_in():
    """Makes one in a folder, for what several tests begin with."""
    return new_shell


def new_shell(folder):
    environ = {
        key: value for key, value in os.environ.items() if not key.startswith(("FRA_", "NO_COLOR", "XDG_CONFIG_HOME"))
    }
    environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(HERE)])
    environ["XDG_CONFIG_HOME"] = str(folder / "nowhere")
    made = Shell(folder, environ)
    made.install("fra-scripted", scripted="scripted_venue:ScriptedVenue", unpriced="scripted_venue:UnknownFees")
    made.install("fra-trading", trading="trading_venue:TradingVenue", playing="trading_venue:SimulatedVenue")
    return made


@pytest.fixture
def ctrl_c():
    """Interrupts a started process."""
    return interrupt

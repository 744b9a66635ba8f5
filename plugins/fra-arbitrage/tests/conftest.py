"""The environment of fra-cli's tests (a shell with scripted exchanges), and emulated exchanges for real adapters."""

import asyncio
import importlib.util
import json
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from fra.emulator import Account, Emulator

_CLI_TESTS = Path(__file__).parents[2] / "fra-cli" / "tests"
_spec = importlib.util.spec_from_file_location("fra_cli_tests_conftest", _CLI_TESTS / "conftest.py")
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
shell, ctrl_c = _cli.shell, _cli.ctrl_c


@pytest.fixture(scope="session")
def new_shell():
    """What makes a `shell` in a folder, for fixtures of a module."""
    return _cli.new_shell


@attrs.define
class Running:
    """A `fra` process beside the test's own loop, which serves the exchanges that it talks to."""

    process: asyncio.subprocess.Process

    async def object(self):
        """The next JSON object on its stdout."""
        line = await asyncio.wait_for(self.process.stdout.readline(), 20)
        assert line, (await self.process.stderr.read()).decode()
        return json.loads(line)

    async def until(self, met):
        """The first object for which `met`."""
        async with asyncio.timeout(30):
            while True:
                found = await self.object()
                if met(found):
                    return found

    async def end(self):
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(self.process.communicate(), 20)
        return self.process.returncode


@pytest.fixture
def fra(shell):
    """Starts `fra` with arguments; the process is gone at the end of the block."""

    @asynccontextmanager
    async def start(*arguments):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fra.core.main",
            *arguments,
            cwd=shell.folder,
            env=shell.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**22,
        )
        try:
            yield Running(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    return start


@pytest.fixture
async def emulator(shell):
    """Emulated Binance and OKX, and a fra.toml that points the real adapters at them."""
    async with Emulator(["binance", "okx"], seed=7) as emulator:
        configure(shell, emulator)
        yield emulator


KEYS = {"api_key": "TEST_KEY", "secret_key": "TEST_SECRET", "passphrase": "TEST_PASSPHRASE"}


@pytest.fixture
async def trading_emulator(shell):
    """The same with an account on each, whose keys are in the environment of the test's shell.

    Windows are short, because commands that follow each other at once have them in common.
    """
    account = Account(key="canary-key-0123456789", secret="canary-secret-0123456789", passphrase="canary-phrase-0")
    for name, value in zip(KEYS.values(), (account.key, account.secret, account.passphrase), strict=True):
        shell.environ[name] = value
    async with Emulator(["binance", "okx"], seed=7, accounts=[account], rate_window_scale=0.1) as emulator:
        configure(shell, emulator, "".join(f'{key} = "env:{name}"\n' for key, name in KEYS.items()))
        yield emulator


def configure(shell, emulator, keys=""):
    """A fra.toml for the venues of an emulator."""
    blocks = []
    for name, venue in emulator.venues.items():
        markets = ", ".join(
            f"{market} = {{ " + ", ".join(f"{key} = {json.dumps(url)}" for key, url in urls.items()) + " }"
            for market, urls in venue.markets.items()
        )
        blocks.append(f"[exchanges.{name}]\n{keys}base_url = {{ {markets} }}\n")
    shell.folder.joinpath("fra.toml").write_text("\n".join(blocks))

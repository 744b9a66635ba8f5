"""`fra config`: what it says of a configuration, and that no secret is shown or written."""

import contextlib
import json
import os
import pty
import sys

import pytest


def write(shell, text):
    shell.folder.joinpath("fra.toml").write_text(text)


def test_a_good_configuration_is_ok(shell):
    shell.configure(alpha={"rates": {"BTC/USDT:USDT": "0.0001"}})
    assert {check["state"] for check in shell.json("config", "check")["checks"]} == {"ok"}


def test_a_key_that_is_none_is_told_with_a_suggestion(shell):
    write(shell, '[exchanges.alpha]\nplugin = "scripted"\ntimeuot = 3\n')
    assert "timeout" in shell.run("config", "check", code=4).stderr


def test_an_option_that_is_none_fails_the_check(shell):
    shell.configure(alpha={"rate": {}})
    (failed,) = [check for check in shell.json("config", "check", code=4)["checks"] if check["state"] == "fail"]
    assert failed["subject"] == "alpha"
    assert "rate" in failed["detail"]


def test_a_secret_that_is_not_there_fails_the_check(shell):
    write(shell, '[exchanges.alpha]\nplugin = "scripted"\napi_key = "env:FRA_TEST_NOT_SET"\n')
    (failed,) = [check for check in shell.json("config", "check", code=4)["checks"] if check["state"] == "fail"]
    assert "FRA_TEST_NOT_SET" in failed["detail"]


def test_a_literal_secret_is_a_warning_that_does_not_show_it(shell):
    write(shell, '[exchanges.alpha]\nplugin = "scripted"\napi_key = "canary-7731"\n')
    done = shell.run("config", "check")
    assert "plain text" in done.stdout
    assert "canary-7731" not in done.stdout + done.stderr


def test_a_warning_about_the_configuration_is_one_line(shell):
    write(shell, '[exchanges.alpha]\nplugin = "scripted"\napi_key = "canary-7731"\n')
    (line,) = shell.run("health", "-e", "alpha").stderr.splitlines()
    assert line.startswith("fra: ")


def test_the_schema_holds_the_options_of_a_plugin(shell):
    schema = shell.run("config", "schema", "--plugin", "scripted").stdout
    assert "freeze_after" in schema
    assert json.loads(schema)["title"] == "fra.toml"


def test_init_writes_a_file_that_passes_the_check(shell):
    shell.run("config", "init", "-e", "scripted")
    checks = {check["subject"]: check["state"] for check in shell.json("config", "check")["checks"]}
    assert checks == {"fra.toml": "ok", "scripted": "ok"}


def test_init_replaces_nothing_unasked(shell):
    write(shell, "# mine\n")
    assert "--force" in shell.run("config", "init", "-e", "scripted", code=4).stderr
    assert shell.folder.joinpath("fra.toml").read_text() == "# mine\n"


@pytest.fixture
def terminal(shell):
    """Runs `fra` on a terminal, answers its questions in order, and gives what stood on the screen."""

    def run(*arguments, answers):
        pid, screen = pty.fork()
        if pid == 0:
            os.chdir(shell.folder)
            os.execve(sys.executable, [sys.executable, "-m", "fra.core.main", *arguments], shell.environ)
        seen = b""
        for question, answer in answers:
            start = len(seen)
            while question.encode() not in seen[start:]:
                seen += os.read(screen, 4096)
            os.write(screen, answer.encode() + b"\n")
        with contextlib.suppress(OSError):  # how a terminal says that nobody is there any more
            while chunk := os.read(screen, 4096):
                seen += chunk
        os.close(screen)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0, seen.decode()
        return seen.decode()

    return run


def test_the_wizard_takes_a_secret_unseen_and_keeps_it_out_of_the_file(shell, terminal):
    seen = terminal(
        "config",
        "init",
        "-e",
        "scripted",
        answers=[
            ("add an account?", "y"),
            ("api_key: where", "env"),
            ("environment variable", "MY_KEY"),
            ("secret_key: where", "file"),
            ("not shown", "canary-9931"),
            ("passphrase?", "n"),
        ],
    )
    written = shell.folder.joinpath("fra.toml").read_text()
    secret = shell.folder / ".fra-secrets" / "scripted_secret_key"
    assert "canary-9931" not in seen + written
    assert 'api_key = "env:MY_KEY"' in written
    assert (secret.read_text(), secret.stat().st_mode & 0o077) == ("canary-9931", 0)


def test_what_the_wizard_wrote_passes_the_check(shell, terminal):
    answers = [
        ("add an account?", "y"),
        ("api_key: where", "file"),
        ("not shown", "k"),
        ("secret_key: where", "file"),
        ("not shown", "s"),
        ("passphrase?", "n"),
    ]
    terminal("config", "init", "-e", "scripted", answers=answers)
    assert "with credentials" in shell.run("config", "check").stdout


RING = """
import json
from pathlib import Path
from keyring.backend import KeyringBackend


class FileRing(KeyringBackend):
    priority = 1
    file = Path(__file__).with_name("ring.json")

    def get_password(self, service, username):
        return json.loads(self.file.read_text()).get(f"{service} {username}") if self.file.exists() else None

    def set_password(self, service, username, password):
        entries = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.file.write_text(json.dumps({**entries, f"{service} {username}": password}))
"""


def test_the_wizard_puts_a_secret_into_the_keyring_and_it_is_found_there(shell, terminal):
    shell.folder.joinpath("test_ring.py").write_text(RING)
    shell.environ["PYTHON_KEYRING_BACKEND"] = "test_ring.FileRing"
    answers = [
        ("add an account?", "y"),
        ("api_key: where", "keyring"),
        ("not shown", "canary-7712"),
        ("secret_key: where", "keyring"),
        ("not shown", "canary-7713"),
        ("passphrase?", "n"),
    ]
    seen = terminal("config", "init", "-e", "scripted", answers=answers)
    written = shell.folder.joinpath("fra.toml").read_text()
    assert "canary" not in seen + written
    assert 'api_key = "keyring:fra/scripted_api_key"' in written
    assert "with credentials" in shell.run("config", "check").stdout


def test_a_keyring_entry_that_is_not_there_fails_the_check_and_names_the_command(shell):
    shell.folder.joinpath("test_ring.py").write_text(RING)
    shell.environ["PYTHON_KEYRING_BACKEND"] = "test_ring.FileRing"
    shell.configure(alpha={"settings": {"api_key": "keyring:fra/alpha"}})
    done = shell.run("config", "check", code=4)
    assert "keyring set fra alpha" in done.stdout + done.stderr

"""`pytest --fra-adapter NAME`: certificates in the summary and as JSON; what was not shown is not called skipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHOSEN = "describes_itself or it_starts or health or away or set_margin_mode"


def test_an_installed_adapter_is_judged_by_its_name(tmp_path: Path) -> None:
    written = tmp_path / "certificate.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN]
    options = ["--fra-adapter", "paper", "--fra-certificate", str(written)]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (certificate,) = json.loads(written.read_text())["certificates"]
    assert (certificate["adapter"], certificate["distribution"]) == ("paper", "fra-exchange-paper")
    assert certificate["valid"]
    outcomes = {row["test"]: (row["outcome"], row["reason"]) for row in certificate["results"]}
    assert outcomes["test_it_starts"] == ("passed", None)
    away = "test_a_venue_that_is_away_is_an_error_and_leaves_nothing"
    assert outcomes[away] == ("not evaluated", "it has no base_url to point elsewhere")
    passed = certificate["counts"]["passed"]
    assert f"(paper) · kit {certificate['kit']} · {passed} passed" in done.stdout
    assert "skipped" not in done.stdout


def test_a_real_venue_that_cannot_be_reached_is_not_evaluated_and_earns_no_certificate(tmp_path: Path) -> None:
    written = tmp_path / "certificate.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN, "--fra-live"]
    options = ["--fra-adapter", "okx", "--fra-base-url", "http://127.0.0.1:1", "--fra-certificate", str(written)]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (certificate,) = json.loads(written.read_text())["certificates"]
    assert not certificate["valid"]
    assert "the venue cannot be reached" in done.stdout
    assert certificate["counts"]["failed"] == 0

"""`pytest --fra-adapter NAME`: certificates in the summary and as JSON; what was not shown is not called skipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fra.testkit.certificate import Certificate
from fra.testkit.chosen import look
from fra.testkit.outcomes import Outcome, Result

CHOSEN = "describes_itself or it_starts or health or away or set_margin_mode"


def test_an_installed_adapter_is_judged_by_its_name(tmp_path: Path) -> None:
    written = tmp_path / "certificate.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN]
    options = ["--fra-adapter", "paper", "--fra-certificate", str(written)]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (certificate,) = json.loads(written.read_text())["certificates"]
    assert (certificate["adapter"], certificate["distribution"]) == ("paper", "fra-exchange-paper")
    assert certificate["lacks"] == "a part of the suite was run"
    assert certificate["counts"]["left out"] > 0
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
    assert "no certificate: it was not seen to start" in done.stdout
    assert certificate["counts"]["failed"] == 0


class Options:
    """The options of a command line, as pytest tells them."""

    def __init__(self, **given: str) -> None:
        self.given = given

    def getoption(self, name: str) -> str | None:
        return self.given.get(name)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"fra_adapter": "papre"}, "--fra-adapter papre: no plugin named 'papre' is installed → did you mean 'paper'?"),
        (
            {"fra_adapter": "paper", "fra_venue": "nowhere:venue"},
            "--fra-venue nowhere:venue: No module named 'nowhere'",
        ),
        ({"fra_adapter": "paper", "fra_venue": "json:venue"}, "module 'json' has no attribute 'venue'"),
        ({"fra_adapter": "paper", "fra_venue": "json"}, "→ MODULE:FUNCTION"),
        ({"fra_adapter": "paper", "fra_config": "no.toml"}, "--fra-config no.toml: [Errno 2]"),
        ({"fra_certificate": "no/where.json"}, "--fra-certificate no/where.json: there is no such folder"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_run(given: dict[str, str], said: str) -> None:
    with pytest.raises(pytest.UsageError) as refused:
        look(Options(**given))  # type: ignore[arg-type]
    assert said in str(refused.value)


STARTED = Result("test_it_starts", "lifecycle", Outcome.PASSED)


@pytest.mark.parametrize(
    ("results", "left_out", "lacks"),
    [
        ((STARTED,), 0, None),
        ((STARTED,), 7, "a part of the suite was run"),
        ((STARTED, Result("test_x", "orders", Outcome.FAILED, "why")), 0, "it fails tests"),
        ((Result("test_it_starts", "lifecycle", Outcome.NOT_EVALUATED, "away"),), 0, "it was not seen to start"),
        ((STARTED, Result("test_x", "orders", Outcome.UNCLAIMED, "works")), 0, None),
    ],
)
def test_a_certificate_says_why_it_is_none(results: tuple[Result, ...], left_out: int, lacks: str | None) -> None:
    certificate = Certificate("toy", None, None, results, left_out=left_out)
    assert certificate.lacks == certificate.as_json()["lacks"] == lacks
    assert certificate.valid is (lacks is None)
    assert ("no certificate" in certificate.text()) is (lacks is not None)

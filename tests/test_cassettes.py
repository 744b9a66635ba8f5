"""The recordings in this repository: made against local servers, with nothing private, and of all native exchanges."""

from __future__ import annotations

from pathlib import Path

import pytest

from fra.testkit.cassettes import HOST, Privacy, lint

EXCHANGES = ("binance", "bybit", "htx", "okx")


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_cassette_of_ours_names_no_server_and_nobody(repository: Path, name: str) -> None:
    path = repository / f"plugins/fra-exchange-{name}/tests/cassettes/rest.yaml"
    text = path.read_text(encoding="utf-8")
    assert f"http://{HOST}/" in text
    assert "127.0.0.1" not in text
    assert lint(path, Privacy()) == []

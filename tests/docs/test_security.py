"""What SECURITY.md promises is kept by files that exist and shown by tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISES = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| what", "|---"))]


def test_every_promise_names_a_test_that_is_there() -> None:
    assert len(PROMISES) > 20
    for promise in PROMISES:
        shown = re.findall(r"`([\w/.-]+\.py)::(test_\w+)`", promise.split("|")[3])
        assert shown, promise
        for path, name in shown:
            assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (
                name
            )


def test_every_promise_names_what_keeps_it() -> None:
    for promise in PROMISES:
        kept = re.findall(r"`([\w/.-]+)`", promise.split("|")[2])
        assert kept or "all of fra" in promise, promise
        assert all((ROOT / path).exists() for path in kept), promise


def test_each_of_the_four_says_what_is_not_promised() -> None:
    chapters = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:5]
    assert [chapter.partition("\n")[0] for chapter in chapters] == [
        "A malicious plugin",
        "A stolen configuration",
        "A hostile server",
        "A curious log reader",
    ]
    assert all("\nNot promised: " in chapter for chapter in chapters)

"""What was seen last, and no more of it than so much."""

from __future__ import annotations

import pytest

from fra.core import Recent


@pytest.fixture
def recent() -> Recent[str, int]:
    made: Recent[str, int] = Recent(3)
    for number, name in enumerate("abc"):
        made[name] = number
    return made


def test_the_oldest_goes_when_there_are_too_many(recent: Recent[str, int]) -> None:
    recent["d"] = 3
    assert dict(recent) == {"b": 1, "c": 2, "d": 3}


def test_what_is_set_again_is_the_newest(recent: Recent[str, int]) -> None:
    recent["a"] = 7
    recent["d"] = 3
    assert [*recent.items()] == [("c", 2), ("a", 7), ("d", 3)]


def test_a_default_counts_as_set(recent: Recent[str, int]) -> None:
    assert recent.setdefault("d", 3) == 3
    assert [*recent] == ["b", "c", "d"]


def test_to_look_one_up_does_not_keep_it(recent: Recent[str, int]) -> None:
    assert recent.get("a") == 0
    recent["d"] = 3
    assert "a" not in recent

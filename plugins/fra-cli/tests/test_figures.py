"""Figures say their sign, their unit and that they are unknown."""

from datetime import timedelta
from decimal import Decimal

import pytest

from fra.cli import figures


@pytest.mark.parametrize(
    ("fraction", "text"),
    [("0.0001", "+0.0100 %"), ("-0.00015", "-0.0150 %"), ("0", "+0.0000 %"), ("1.5", "+150.0000 %")],
)
def test_a_fraction_is_a_percentage_with_its_sign(fraction, text):
    assert figures.percent(Decimal(fraction)) == text


def test_the_unknown_is_a_question_mark():
    unknown = (
        figures.percent(None),
        figures.number(None),
        figures.notional(None),
        figures.duration(None),
        figures.age(None, 1),
        figures.interval(None, None),
        figures.moment(None),
    )
    assert set(unknown) == {"?"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3_700, "1h1m"),
        (86_400, "1d"),
        (90_061, "1d1h"),
        (86_460, "1d"),
        (-5, "-5s"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert figures.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [("999.9", "999"), ("1999", "1.9k"), ("2500000", "2.5M"), ("7100000000", "7.1G"), ("0", "0")]
)
def test_an_amount_of_money_is_cut_and_never_rounded_up(value, text):
    assert figures.notional(Decimal(value)) == text


def test_numbers_never_have_an_exponent():
    assert figures.number(Decimal("9E-8")) == "0.00000009"


def test_an_interval_says_its_source():
    assert figures.interval(timedelta(hours=4), "reported") == "4h reported"


@pytest.mark.parametrize(("ms", "text"), [(0, "0.0s"), (9_940, "9.9s"), (61_000, "1m1s"), (-5, "0.0s")])
def test_an_age_is_exact_while_it_is_small(ms, text):
    assert figures.age(1_700_000_000_000 - ms, 1_700_000_000_000) == text

"""Plan ids: bound to every term, good for two minutes, and the source of client order ids by any venue's rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fra.cli.exit_codes import CommandFailed
from fra.cli.plan_id import LIFETIME_S, client_order_id, issue, verify
from fra.core import ClientOrderIdRule

NOW = 1_700_000_000_000
TERMS = {"order": {"symbol": "BTC/USDT:USDT", "amount": "1"}, "accounts": [["okx", "live"]]}


def test_the_same_plan_is_confirmed_within_its_lifetime():
    verify(issue(TERMS, now_ms=NOW), TERMS, now_ms=NOW + LIFETIME_S * 1000)


@pytest.mark.parametrize("later", [LIFETIME_S * 1000 + 1, 86_400_000, -1], ids=["stale", "of yesterday", "of tomorrow"])
def test_a_plan_of_another_time_is_refused(later):
    with pytest.raises(CommandFailed, match="older than 120 s: nothing was sent"):
        verify(issue(TERMS, now_ms=NOW), TERMS, now_ms=NOW + later)


@pytest.mark.parametrize(
    "other",
    [
        {**TERMS, "order": {"symbol": "BTC/USDT:USDT", "amount": "10"}},
        {**TERMS, "accounts": [["okx", "emulated"]]},
        {**TERMS, "leverage": "5"},
        {},
    ],
)
def test_a_plan_with_other_terms_is_refused(other):
    with pytest.raises(CommandFailed, match="not the one that was confirmed: nothing was sent"):
        verify(issue(TERMS, now_ms=NOW), other, now_ms=NOW)


def test_the_time_in_an_id_cannot_be_moved():
    _, digest = issue(TERMS, now_ms=NOW).split("-")
    later, _ = issue(TERMS, now_ms=NOW + 600_000).split("-")
    with pytest.raises(CommandFailed, match="not the one"):
        verify(f"{later}-{digest}", TERMS, now_ms=NOW + 600_000)


@pytest.mark.parametrize("text", ["", "-", "x", "x-", "-x", "yes", "a b-c", "é-1"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(CommandFailed, match="nothing was sent"):
        verify(text, TERMS, now_ms=NOW)


RULES = st.builds(
    ClientOrderIdRule,
    max_length=st.integers(12, 64),
    alphabet=st.sampled_from(["0123456789", "abcdef0123456789", "abcXYZ_-0"]),
    prefix=st.sampled_from(["", "x-", "fra"]),
)


@given(RULES, st.text(min_size=1))
def test_client_order_ids_keep_the_venues_rule(rule, seed):
    made = client_order_id(rule, seed)
    assert made == client_order_id(rule, seed)
    assert 8 <= len(made) <= rule.max_length
    assert made.startswith(rule.prefix)
    assert set(made.removeprefix(rule.prefix)) <= set(rule.alphabet)
    assert made.removeprefix(rule.prefix)[0] != "0"


def test_client_order_ids_of_different_seeds_differ():
    for rule in (None, ClientOrderIdRule(max_length=18, alphabet="0123456789")):
        assert len({client_order_id(rule, f"plan/{number}") for number in range(2000)}) == 2000

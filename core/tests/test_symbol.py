"""Symbols: names, canonical assets, and arithmetic that is exact."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from fra.core import Asset, MarketKind, Side, Symbol, canonical_asset

SPOT = Symbol(
    "BTC/USDT", "BTCUSDT", MarketKind.SPOT, "BTC", "USDT", tick_size=Decimal("0.1"), lot_size=Decimal("0.001")
)
SWAP = attrs.evolve(
    SPOT, name="BTC/USDT:USDT", kind=MarketKind.LINEAR_SWAP, settle="USDT", contract_size=Decimal("0.01")
)
INVERSE = attrs.evolve(
    SPOT,
    name="BTC/USD:BTC",
    kind=MarketKind.INVERSE_SWAP,
    quote="USD",
    settle="BTC",
    contract_size=Decimal(100),
)


@pytest.mark.parametrize(
    ("code", "asset"),
    [
        ("BTC", Asset("BTC", Decimal(1))),
        ("XBT", Asset("BTC", Decimal(1))),
        ("1000PEPE", Asset("PEPE", Decimal(1000))),
        ("kPEPE", Asset("PEPE", Decimal(1000))),
        ("10000SATS", Asset("SATS", Decimal(10_000))),
        ("1000000MOG", Asset("MOG", Decimal(1_000_000))),
        ("1MBABYDOGE", Asset("BABYDOGE", Decimal(1_000_000))),
        ("1INCH", Asset("1INCH", Decimal(1))),
        ("KAVA", Asset("KAVA", Decimal(1))),
    ],
)
def test_the_asset_behind_a_code(code, asset) -> None:
    assert canonical_asset(code) == asset


def test_prices_of_two_venues_compare_by_the_multiplier() -> None:
    thousand = attrs.evolve(SPOT, base="1000PEPE")
    assert (thousand.asset, thousand.multiplier) == ("PEPE", Decimal(1000))


@pytest.mark.parametrize(("symbol", "unit"), [(SPOT, "BTC"), (SWAP, "BTC"), (INVERSE, "USD")])
def test_amounts_are_in_base_coin_and_for_inverse_in_quote_coin(symbol, unit) -> None:
    assert symbol.amount_unit == unit


@pytest.mark.parametrize(
    ("symbol", "amount", "contracts"),
    [(SPOT, "1.5", "1.5"), (SWAP, "1.5", "150"), (INVERSE, "1500", "15")],
)
def test_contracts_convert_exactly_both_ways(symbol, amount, contracts) -> None:
    assert symbol.contracts(Decimal(amount)) == Decimal(contracts)
    assert symbol.amount(Decimal(contracts)) == Decimal(amount)


def test_an_amount_that_is_no_exact_number_of_contracts_is_refused() -> None:
    thirds = attrs.evolve(SWAP, contract_size=Decimal(3))
    with pytest.raises(ValueError, match="1 BTC is no exact number of contracts of 3"):
        thirds.contracts(Decimal(1))


@pytest.mark.parametrize(
    ("side", "price", "rounded"),
    [(Side.BUY, "100.19", "100.1"), (Side.SELL, "100.11", "100.2"), (Side.BUY, "100.1", "100.1")],
)
def test_a_price_is_rounded_to_what_is_no_worse_for_its_side(side, price, rounded) -> None:
    assert SPOT.round_price(Decimal(price), side) == Decimal(rounded)


def test_an_amount_is_rounded_down() -> None:
    assert SPOT.round_amount(Decimal("0.0019")) == Decimal("0.001")
    assert SPOT.round_amount(Decimal("0.0009")) == 0


def test_the_notional_of_an_inverse_contract_is_its_amount() -> None:
    assert INVERSE.notional(Decimal(300), Decimal(50_000)) == Decimal(300)
    assert SWAP.notional(Decimal("0.5"), Decimal(50_000)) == Decimal(25_000)


def test_linear_and_inverse_are_said_by_the_kind() -> None:
    assert [(symbol.linear, symbol.inverse) for symbol in (SPOT, SWAP, INVERSE)] == [
        (False, False),
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"tick_size": 0.1}, TypeError),
        ({"tick_size": Decimal(0)}, ValueError),
        ({"kind": "spot"}, TypeError),
        ({"name": ""}, ValueError),
        ({"min_amount": "1"}, TypeError),
    ],
)
def test_a_symbol_with_a_rule_that_cannot_be_is_refused(change, error) -> None:
    with pytest.raises(error, match=rf"Symbol\.{next(iter(change))}"):
        attrs.evolve(SPOT, **change)

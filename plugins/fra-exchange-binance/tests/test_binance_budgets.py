"""Binance's budgets: what it states, what its headers say is used, and what an order costs."""

from __future__ import annotations

import pytest

from fra.adapters.custom import Endpoint
from fra.core import ExchangeConfig
from fra.exchanges.binance import CustomBinancePlugin, account_tables, tables, wire


@pytest.mark.parametrize(
    ("endpoint", "headers", "used"),
    [
        (
            account_tables.CREATE_SPOT,
            {"x-mbx-used-weight-1m": "7", "x-mbx-order-count-10s": "3", "x-mbx-order-count-1d": "40"},
            {"spot.weight": 7, "spot.orders": 3, "spot.orders.day": 40},
        ),
        (
            account_tables.CREATE_USDM,
            {"x-mbx-order-count-10s": "2", "x-mbx-order-count-1m": "9"},
            {"usdm.orders": 2, "usdm.orders.minute": 9},
        ),
        (tables.USDM_TIME, {"x-mbx-used-weight-1m": "1"}, {"usdm.weight": 1}),
        (tables.SPOT_TIME, {"x-mbx-used-weight-1m": "many"}, {}),
    ],
)
def test_headers_say_what_is_used(endpoint: Endpoint[object], headers: dict[str, str], used: dict[str, int]) -> None:
    plugin = CustomBinancePlugin(ExchangeConfig(name="mine", exchange_id="binance"))
    assert dict(plugin.used(endpoint, headers)) == used


def test_order_limits_are_the_accounts_and_weights_the_addresses() -> None:
    per = {limit.scope: limit.per for limit in tables.LIMITS}
    assert {scope for scope, kind in per.items() if kind == "account"} == {
        "spot.orders",
        "spot.orders.day",
        "usdm.orders",
        "usdm.orders.minute",
    }


def test_what_the_venue_states_replaces_what_was_known() -> None:
    rows = [
        wire.DeclaredLimit("REQUEST_WEIGHT", "SECOND", 6, 2400),
        wire.DeclaredLimit("ORDERS", "SECOND", 10, 400),
        wire.DeclaredLimit("ORDERS", "MINUTE", 1, 1500),
        wire.DeclaredLimit("ORDERS", "CENTURY", 1, 1),
        wire.DeclaredLimit("SOMETHING_NEW", "MINUTE", 1, 5),
        wire.DeclaredLimit("REQUEST_WEIGHT", "MINUTE", 1, 0),
    ]
    assert [(limit.scope, limit.capacity, limit.interval) for limit in tables.declared_limits("usdm", rows)] == [
        ("usdm.weight", 2400, 6.0),
        ("usdm.orders", 400, 10.0),
        ("usdm.orders.minute", 1500, 60.0),
    ]


@pytest.mark.parametrize("row", [*account_tables.CANCEL, account_tables.CANCEL_ALGO, account_tables.CANCEL_ALL_SPOT])
def test_a_cancel_is_no_order(row: Endpoint[object]) -> None:
    assert not [scope for scope in row.costs({}) if "orders" in scope]

"""The matrix of operations and market kinds, and the flags that sum it up."""

from __future__ import annotations

import pytest

from fra.core import ExchangeCapabilities, MarketKind, Operation, RateLimit, Support

SPOT, SWAP = MarketKind.SPOT, MarketKind.LINEAR_SWAP


def test_a_cell_that_is_not_named_is_not_supported() -> None:
    capabilities = ExchangeCapabilities.of([Operation.GET_TICKER], [SPOT])
    assert capabilities.support(Operation.GET_TICKER, SPOT) is Support.NATIVE
    assert not capabilities.support(Operation.GET_TICKER, SWAP)
    assert not capabilities.support(Operation.GET_TRADES, SPOT)


def test_without_a_kind_the_best_support_counts() -> None:
    polled = ExchangeCapabilities.of([Operation.SUBSCRIBE_TICKER], [SPOT], Support.polled(2.5))
    native = ExchangeCapabilities.of([Operation.SUBSCRIBE_TICKER], [SWAP])
    assert polled.support(Operation.SUBSCRIBE_TICKER) == Support.polled(2.5)
    assert (polled | native).support(Operation.SUBSCRIBE_TICKER) is Support.NATIVE
    assert (polled | native).support(Operation.SUBSCRIBE_TICKER, SPOT) == Support.polled(2.5)


def test_support_says_how() -> None:
    assert [str(support) for support in (Support.NATIVE, Support.NONE, Support.polled(0.5))] == [
        "native",
        "none",
        "polled every 0.5 s",
    ]


def test_kinds_lists_where_an_operation_works() -> None:
    capabilities = ExchangeCapabilities.of([Operation.GET_TICKER], [SWAP, SPOT])
    assert capabilities.kinds(Operation.GET_TICKER) == (SPOT, SWAP)


FLAGS = {
    "spot_trading": (Operation.CREATE_ORDER, SPOT),
    "futures_trading": (Operation.CREATE_ORDER, MarketKind.INVERSE_FUTURE),
    "margin_trading": (Operation.CREATE_ORDER, MarketKind.MARGIN),
    "options_trading": (Operation.CREATE_ORDER, MarketKind.OPTION),
    "orderbook_stream": (Operation.SUBSCRIBE_ORDERBOOK, SPOT),
    "trades_stream": (Operation.SUBSCRIBE_TRADES, SWAP),
    "ticker_stream": (Operation.SUBSCRIBE_TICKER, SPOT),
    "kline_stream": (Operation.SUBSCRIBE_KLINES, SPOT),
    "balance_query": (Operation.GET_BALANCE, SPOT),
    "position_query": (Operation.GET_POSITIONS, SWAP),
    "order_history": (Operation.GET_ORDER_HISTORY, SPOT),
    "trade_history": (Operation.GET_TRADE_HISTORY, SPOT),
    "funding_rate": (Operation.GET_FUNDING_RATE, SWAP),
}


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_sums_up_its_cells_and_no_others(flag) -> None:
    operation, kind = FLAGS[flag]
    capabilities = ExchangeCapabilities.of([operation], [kind])
    assert [name for name in FLAGS if getattr(capabilities, name)] == [flag]
    assert not getattr(ExchangeCapabilities({(operation, kind): Support.NONE}), flag)


def test_lending_and_staking_are_said_and_kept() -> None:
    both = ExchangeCapabilities(lending=True) | ExchangeCapabilities(staking=True)
    assert (both.lending, both.staking) == (True, True)


@pytest.mark.parametrize("change", [{"capacity": 0}, {"interval": 0.0}, {"reserve": -1}])
def test_a_budget_that_cannot_be_is_refused(change) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        RateLimit(**{"scope": "weight", "capacity": 1, "interval": 1.0} | change)

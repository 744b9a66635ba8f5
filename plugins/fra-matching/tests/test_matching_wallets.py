"""Wallets: separate or unified, deposits, transfers, and what cannot be done with them."""

from decimal import Decimal as D

import attrs
import pytest

from fra.matching import BalanceChanged, BalanceReason, Kind, Reason, Refused

LINEAR, SPOT = "BTC/USDT:USDT", "BTC/USDT"


def refusal(call, *args, **kwargs):
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    return caught.value.reason


def test_separate_wallets_each_pay_for_their_own_market(house):
    house.open("ann", spot_USDT=1000)
    house.quote(LINEAR, "99*9", "100*9")
    assert refusal(house.buy, "ann", LINEAR, 1) is Reason.INSUFFICIENT_FUNDS
    house.exchange.transfer("ann", "spot", "usdm", "USDT", D(400), now_ms=1)
    house.buy("ann", LINEAR, 1)
    assert house.free("ann", "spot", "USDT") == 600
    assert house.free("ann", "usdm", "USDT") == 390
    changes = [(e.wallet, e.change) for e in house.told(BalanceChanged) if e.reason is BalanceReason.TRANSFER]
    assert changes == [("spot", -400), ("usdm", 400)]


def test_a_unified_wallet_pays_for_spot_and_carries_positions(house):
    house.open("ann", wallets={"spot": "unified", "usdm": "unified"}, unified_USDT=1000)
    house.quote(LINEAR, "99*99", "100*99")
    house.buy("ann", LINEAR, 5)
    house.buy("ann", SPOT, 1, 900)
    assert house.free("ann", "unified", "USDT") == 1000 - 50 - 900
    assert refusal(house.buy, "ann", LINEAR, 6) is Reason.INSUFFICIENT_FUNDS
    assert [(b.wallet, b.asset) for b in house.exchange.balances("ann")] == [("unified", "USDT")]


def test_money_that_is_held_cannot_leave(house):
    house.open("ann", spot_USDT=1000)
    house.buy("ann", SPOT, 1, 900)
    exchange = house.exchange
    assert refusal(exchange.withdraw, "ann", "spot", "USDT", D(101), now_ms=1) is Reason.INSUFFICIENT_FUNDS
    assert refusal(exchange.transfer, "ann", "spot", "usdm", "USDT", D(101), now_ms=1) is Reason.INSUFFICIENT_FUNDS
    assert exchange.withdraw("ann", "spot", "USDT", D(100), now_ms=1).free == 0
    balance = exchange.balance("ann", "spot", "USDT")
    assert (balance.total, balance.held, balance.equity) == (900, 900, 900)


def test_a_loss_takes_the_money_of_waiting_spot_orders_before_it_takes_positions(house):
    house.open("ann", wallets={"spot": "unified", "usdm": "unified"}, unified_USDT=1000)
    house.mark(LINEAR, 100)
    house.quote(LINEAR, asks="100*9")
    house.buy("ann", LINEAR, 5)
    order = house.buy("ann", SPOT, 1, 900)
    house.mark(LINEAR, 80)
    assert house.exchange.order("ann", order_id=order.id).reason is Reason.LIQUIDATION
    assert house.exchange.position("ann", LINEAR).amount == 5


@pytest.mark.parametrize("amount", [D(0), D(-1), D("NaN"), D("Infinity"), D("1e16")])
def test_amounts_are_positive_and_finite(house, amount):
    house.open("ann")
    assert refusal(house.exchange.deposit, "ann", "spot", "USDT", amount, now_ms=1) is Reason.BAD_REQUEST


def test_names_must_exist_and_be_free(house):
    house.open("ann")
    exchange = house.exchange
    assert refusal(exchange.deposit, "ann", "earn", "USDT", D(1), now_ms=1) is Reason.BAD_REQUEST
    assert refusal(exchange.deposit, "bob", "spot", "USDT", D(1), now_ms=1) is Reason.UNKNOWN_ACCOUNT
    assert refusal(exchange.open_account, "ann", wallets={}) is Reason.BAD_REQUEST
    assert refusal(exchange.open_account, "fees", wallets={}) is Reason.BAD_REQUEST
    assert exchange.accounts == ("ann",)


def test_an_instrument_may_change_its_terms_but_not_what_it_is(house):
    other = attrs.evolve(house.exchange.instruments[SPOT], kind=Kind.LINEAR)
    assert refusal(house.exchange.list_instrument, other, now_ms=1) is Reason.BAD_REQUEST
    house.terms(SPOT, tick=D(1))
    assert house.exchange.instruments[SPOT].tick == 1

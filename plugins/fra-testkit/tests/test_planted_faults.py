"""Adapters that are wrong in one thing each: the kit fails each by the test that names its fault, and by no other.

The adapters are in ``tests/support/toy_faults_*.py``. To be cheap, faults that leave each other to be seen are planted
together; then exactly their tests must fail. ``FRA_PLANTED=alone`` judges each by itself, in ninety seconds of work.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import toy_faults_account as account
import toy_faults_data as data
import toy_faults_life as life
import toy_faults_streams as streams
from toy_adapter import ToyAdapter
from toy_exchange import toy_exchange

from fra.core import StreamSource, Symbol, Trade
from fra.core.host.handle import ExchangeHandle
from fra.core.host.instruments import Instruments
from fra.core.host.orders import desk
from fra.testkit import Certificate, Conformance, Outcome, Topic, VenueUnderTest, conformance, examine

FAULTS = data.FAULTS | streams.FAULTS | account.FAULTS | life.FAULTS
"""Every wrong adapter, and the test that names its fault. A test without its case is meant for the swap."""
OF_THE_HOST = {
    "test_what_is_not_claimed_is_refused_before_anything_is_sent[get_tickers-linear_swap]",
    "test_a_symbol_that_is_not_listed_is_called_so",
    "test_an_order_off_the_grid_is_refused_before_it_is_sent",
}
"""What the host refuses before it asks the adapter, so that only a wrong host can fail it."""
ALONE = {life.NeverStarts}
"""Where nothing else can be shown."""
PASS_ON = {"refuse"}
"""Methods in which a fault does its own and leaves the rest to the next."""
HIDES: dict[type[ToyAdapter], set[type[ToyAdapter]]] = {
    data.EightHours: {data.SettlementAfterTheNext, streams.StreamedEightHours},  # two hours ahead is the next of eight
    data.UnsortedBook: {account.BooksInContracts},
    data.BookBetweenTicks: {account.BooksInContracts, streams.StreamedBookInContracts},
    data.BookMultipliedTwice: {account.BooksInContracts, streams.StreamedBookInContracts},
    streams.SubscribedForAll: {streams.KeepsTheOldOpen, streams.NumberedByTheInstance},
    streams.LatestInstanceOnly: {streams.KeepsTheOldOpen, streams.NumberedByTheInstance},
    streams.FirstConfigurationForEver: {life.BlindStart, streams.LatestInstanceOnly},
    account.OrderNotFoundIsAnything: {  # what became of an order is found out by asking
        account.RetriedOrder,
        account.UnknownCalledRejected,
        life.SecretInRefusal,
    },
    account.RetriedOrder: {account.UnknownCalledRejected},
    account.AmountInContracts: {account.BooksInContracts},
    account.ImmediateOrderRests: {account.BooksInContracts},
    life.StatusAlone: {life.WordlessRefusal, life.CodeAlone},  # of one refusal
    life.WordlessRefusal: {life.CodeAlone},
    life.HiddenCall: {life.LyingCapability, data.AllTickers, streams.StreamedCandleAskew},
    life.ClaimsLessThanItsClass: {streams.StreamedCandleAskew},
    life.AsksBeforeItIsConnected: {life.BlindStart},
    life.NeverValid: {
        streams.StaleBook,
        streams.UnnoticedGap,
        streams.CutInSilence,
        streams.GivesUp,
        streams.WorstFirst,
        streams.StreamedBookMultipliedTwice,
        streams.StreamedBookInContracts,
        streams.SubscribedForAll,
        streams.KeepsTheOldOpen,
    },
}
"""What cannot be shown beside a fault."""


def examined(cls: type[ToyAdapter], topics: type[Topic] = Conformance) -> Certificate:
    class Examined(topics):  # type: ignore[misc, valid-type]
        adapter = cls

        def venue(self) -> AbstractAsyncContextManager[VenueUnderTest]:
            return toy_exchange()

    return examine(Examined)


def named(certificate: Certificate, *outcomes: Outcome) -> dict[str, str | None]:
    return {
        result.test.removesuffix("[linear_swap]"): result.reason
        for result in certificate.results
        if result.outcome in outcomes
    }


def test_the_right_adapter_fails_nothing_and_all_of_it_is_evaluated() -> None:
    certificate = examined(ToyAdapter)
    assert named(certificate, Outcome.FAILED, Outcome.NOT_EVALUATED, Outcome.UNCLAIMED) == {}
    assert certificate.valid


def test_every_test_of_the_kit_is_failed_by_something_wrong() -> None:
    planted = {test.partition("[")[0] for test in (*FAULTS.values(), *OF_THE_HOST)}
    assert planted == {name for name, _ in conformance.tests_of(Conformance)}


def test_a_wrong_host_fails_what_the_host_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExchangeHandle, "_check", lambda handle, operation, kind=None: None)
    monkeypatch.setattr(Instruments, "get", lambda instruments, symbol: instruments.symbols[0])
    monkeypatch.setattr(desk, "check_order", lambda request, symbol, *, exchange: None)
    names = {name.partition("[")[0] for name in OF_THE_HOST}
    topics = type("Topics", (Topic,), {name: getattr(Conformance, name) for name in names})
    failed = named(examined(life.HiddenCall, topics), Outcome.FAILED)
    assert failed.keys() == OF_THE_HOST, failed


class AnotherOrder(ToyAdapter):
    """Its first instance tells each ten trades from the last to the first; the others tell each a little later."""

    instances = itertools.count()

    async def initialize(self) -> None:
        self.is_first = not next(self.instances)
        await super().initialize()

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        waiting: list[Trade] = []

        def take(row: Any, source: StreamSource[Trade]) -> None:
            if not self.is_first:
                asyncio.get_running_loop().call_later(0.1, source.publish, self.trade(row, symbol))
                return
            waiting.append(self.trade(row, symbol))
            if len(waiting) == 10:
                while waiting:
                    source.publish(waiting.pop())

        source: StreamSource[Trade] = self.stream("trades", take, lossless=True)
        return source


def test_trades_in_another_order_are_not_called_lost() -> None:
    name = "test_no_trade_is_lost_or_told_twice_by_a_reload"
    topics = type("Topics", (Topic,), {name: getattr(Conformance, name)})
    assert named(examined(AnotherOrder, topics), Outcome.PASSED).keys() == {name}


def apart(one: type[ToyAdapter], other: type[ToyAdapter]) -> bool:
    """Whether two faults cannot be planted in one adapter: in one method, or one of them hides the other."""
    mine, others = ({name for name in vars(fault) if not name.startswith("_")} - PASS_ON for fault in (one, other))
    hidden = other in HIDES.get(one, ()) or one in HIDES.get(other, ()) or not ALONE.isdisjoint((one, other))
    return hidden or not mine.isdisjoint(others)


def planted_together() -> list[list[type[ToyAdapter]]]:
    """Every fault in one group: in the first whose others leave it to be seen."""
    if os.environ.get("FRA_PLANTED") == "alone":
        return [[fault] for fault in FAULTS]
    groups: list[list[type[ToyAdapter]]] = []
    for fault in FAULTS:
        room = (group for group in groups if not any(apart(fault, other) for other in group))
        group = next(room, None)
        if group is None:
            groups.append(group := [])
        group.append(fault)
    return groups


@pytest.mark.parametrize("faults", planted_together(), ids=lambda faults: faults[0].__name__)
def test_a_wrong_adapter_fails_the_tests_that_name_its_faults_and_no_other(faults: list[type[ToyAdapter]]) -> None:
    certificate = examined(type("Wrong", tuple(faults), {}))
    found = named(certificate, Outcome.FAILED, Outcome.UNCLAIMED)
    assert found.keys() == {FAULTS[fault] for fault in faults}, found

"""Failures: typed, with the venue's own words, never empty answers, never a secret."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from typing import Any, Final

from fra.core import (
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    FraError,
    MarketKind,
    Operation,
    SymbolNotFound,
)
from fra.testkit.bench import Bench
from fra.testkit.calls import READS
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotEvaluated, ensure

_KEPT: Final = 200
"""How much of an answer an error must hold."""
CANARIES: Mapping[str, str] = {
    "api_key": "cAnArYaPiKeYnObOdYhAs",
    "secret_key": "cAnArYsEcReTkEyNoBoDyHaS",
    "passphrase": "cAnArYpAsSpHrAsE1",
}
"""Keys that no venue knows, and that must appear nowhere."""


class ErrorsConformance(Topic):
    """What goes wrong is told by an error of fra's tree."""

    topic = "errors"

    @check(scope="read", faults=("fail",))
    async def test_a_failed_request_is_an_error_and_not_an_empty_answer(
        self, bench: Bench, case: tuple[Operation, MarketKind]
    ) -> None:
        """No positions and no answer are not the same."""
        operation, kind = case
        symbol = await bench.symbol(kind)
        await bench.sample(operation, kind)
        async with bench.faulty("fail", 500):
            error = await bench.provoked(READS[operation](bench.main.plugin, symbol))
        ensure(
            isinstance(error, ExchangeAPIError | ExchangeConnectionError),
            f"a 500 of the venue is called {type(error).__name__}",
            "raise ExchangeAPIError or ExchangeConnectionError",
        )

    @check(Operation.GET_ORDERBOOK, faults=("garble",))
    async def test_garbage_is_an_error(self, bench: Bench) -> None:
        """Half an answer is no answer."""
        symbol = await _symbol(bench, Operation.GET_ORDERBOOK)
        async with bench.faulty("garble"):
            error = await bench.provoked(bench.main.plugin.get_orderbook(symbol))
        ensure(isinstance(error, ExchangeError), f"it is a {type(error).__name__}", "raise an ExchangeError")

    @check(Operation.GET_ORDERBOOK, faults=("fail",))
    async def test_a_refusal_carries_the_venues_answer(self, bench: Bench) -> None:
        """Whoever reads the log sees what the venue said: status, code or text; where its words are known, those."""
        symbol = await _symbol(bench, Operation.GET_ORDERBOOK)
        async with bench.faulty("fail", 400):
            error = await bench.provoked(bench.main.plugin.get_orderbook(symbol))
        code, answer = getattr(error, "code", None), getattr(error, "response", None)
        if bench.venue.faults.refusal is None:
            ensure(
                getattr(error, "status_code", None) == 400 or code or "400" in str(error),
                f"a 400 of the venue is told as {error}",
                "pass status_code, code and response to the error",
            )
            return
        refusal = bench.venue.faults.refusal(400)
        ensure(
            code == refusal.code,
            f"the venue's code is {refusal.code}, and the error's {code}",
            "read it from the answer, and pass code to the error",
        )
        ensure(
            answer is not None and _same(str(answer), refusal.body),
            f"the venue's answer is {refusal.body!r}, and the error's response {answer!r}",
            "pass the raw answer to the error as response",
        )

    @check(Operation.GET_ORDERBOOK, faults=("fail",))
    async def test_it_works_again_after_failures(self, bench: Bench) -> None:
        """A bad minute of the venue is over when it is over."""
        symbol = await _symbol(bench, Operation.GET_ORDERBOOK)
        await bench.fresh(Operation.GET_ORDERBOOK, bench.handle.get_orderbook(symbol))
        async with bench.faulty("fail", 503):
            await bench.provoked(bench.main.plugin.get_orderbook(symbol))
        try:
            await bench.handle.get_orderbook(symbol)
        except FraError as error:
            raise Broken(f"the venue is back, and it still fails: {error} → keep no failure") from error

    @check(Operation.GET_TICKER)
    async def test_a_symbol_that_is_not_listed_is_called_so(self, bench: Bench) -> None:
        """A misspelt symbol is a mistake of the user's, and is told before anything is sent."""
        error = await bench.provoked(bench.handle.get_ticker("NOBODY/LISTSTHIS"))
        ensure(isinstance(error, SymbolNotFound), f"it is a {type(error).__name__}", "list symbols in get_symbols()")

    @check(Operation.GET_BALANCE)
    async def test_wrong_keys_are_called_so_and_shown_nowhere(self, bench: Bench) -> None:
        """A key in a log is stolen money."""
        given = {key: value for key, value in CANARIES.items() if key in bench.venue.config}
        if not given:
            raise NotEvaluated("it takes no keys")
        error: FraError
        try:
            async with bench.another(**given) as own:
                error = await bench.provoked(own.plugin.get_balance())
                shown = repr(own.plugin) + repr(own.plugin.config)
        except FraError as refused:  # some log in when they connect
            error, shown = refused, ""
        ensure(
            isinstance(error, ExchangeAuthError),
            f"wrong keys are called {type(error).__name__}: {error}",
            "map the venue's codes to ExchangeAuthError",
        )
        _without(given, error, shown)

    @check(Operation.GET_BALANCE, counts=("requests",))
    async def test_an_account_without_keys_is_refused_before_anything_is_sent(self, bench: Bench) -> None:
        """Nothing that is sent without a key can succeed."""
        if not bench.adapter.cls.describe().account_needs_credentials:
            raise NotEvaluated("its account needs no keys")
        assert bench.venue.requests is not None
        async with bench.another(api_key=None, secret_key=None, passphrase=None) as own:
            before = bench.venue.requests()
            error = await bench.provoked(own.plugin.get_balance())
            sent = bench.venue.requests() - before
        ensure(
            isinstance(error, ExchangeAuthError),
            f"without keys it says {type(error).__name__}: {error}",
            "raise ExchangeAuthError naming the keys that are missing",
        )
        ensure(sent == 0, f"without keys {sent} requests were sent", "look for the keys first")

    @check()
    async def test_no_error_so_far_shows_a_secret(self, bench: Bench) -> None:
        """The errors that this run provoked, searched for the keys of its configuration."""
        keys = {key: str(bench.venue.config[key]) for key in CANARIES if key in bench.venue.config}
        if not keys or not bench.errors:
            raise NotEvaluated("no keys are configured" if not keys else "no error was provoked")
        for error in bench.errors:
            _without(keys, error, "")


def _same(answer: str, body: object) -> bool:
    """Whether an error holds this answer, whole or cut to what errors carry."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    sent = body if isinstance(body, str) else json.dumps(body, default=str)
    return answer.strip().startswith(sent.strip()[:_KEPT])


async def _symbol(bench: Bench, operation: Operation) -> Any:
    kinds = [kind for kind in bench.adapter.capabilities.kinds(operation) if bench.claims(operation, kind)]
    preferred = [kind for kind in (MarketKind.LINEAR_SWAP,) if kind in kinds]
    return await bench.symbol((preferred or kinds)[0])


def _without(keys: Mapping[str, str], error: BaseException, shown: str) -> None:
    """That no key stands in an error, in what it carries, or in its traceback."""
    texts = [shown, *traceback.format_exception(error)]
    link: BaseException | None = error
    while link is not None:
        texts += [str(link), repr(link), repr(link.args), repr(vars(link))]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    for name, value in keys.items():
        ensure(
            not any(value in text for text in texts),
            f"the {name} stands in the text of {type(error).__name__}, which goes to logs",
            "put the venue's answer into errors, never the request; keep keys as Secret",
        )

"""A venue that can only be shown by its recorded answers: an adapter on ccxt before a server that gives them.

The server answers by ccxt's method and symbol that is being asked. It knows no keys, no orders and no sockets, and its
answers are of the day on which they were recorded: what that cannot show is said, and not counted as passed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
from aiohttp import web
from ccxt_cases import reachable
from ccxt_local import KEY, SECRET, WORD, Local, _loaded, fixtures

from fra.adapters.ccxt import CCXTAdapter
from fra.core import MarketKind, Operation, SymbolList
from fra.testkit import Faults, VenueUnderTest

METHODS: Mapping[Operation, str] = {
    Operation.GET_ORDERBOOK: "fetchOrderBook",
    Operation.GET_TICKER: "fetchTicker",
    Operation.GET_TICKERS: "fetchTickers",
    Operation.GET_TRADES: "fetchTrades",
    Operation.GET_KLINES: "fetchOHLCV",
    Operation.GET_FUNDING_RATE: "fetchFundingRate",
    Operation.GET_FUNDING_RATES: "fetchFundingRates",
    Operation.GET_FUNDING_RATE_HISTORY: "fetchFundingRateHistory",
    Operation.GET_BALANCE: "fetchBalance",
    Operation.GET_POSITIONS: "fetchPositions",
    Operation.GET_FUNDING_PAYMENTS: "fetchFundingHistory",
    Operation.GET_OPEN_ORDERS: "fetchOpenOrders",
    Operation.GET_ORDER_HISTORY: "fetchClosedOrders",
    Operation.GET_TRADE_HISTORY: "fetchMyTrades",
}
KINDS = (MarketKind.SPOT, MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)
NO_SOCKETS = "there is no server of this venue's sockets, only recorded answers"
OF_THEN = "recorded answers are of the day on which they were recorded"
NO_KEYS = "a recorded answer checks no key"
NO_START = "the markets are recorded ones, so that a start asks nothing"
UNSHOWN: Mapping[str, str] = {
    **{op.value: NO_SOCKETS for op in Operation if op.value.startswith("subscribe")},
    **{op.value: "no refusal is recorded" for op in (Operation.GET_ORDER,)},
    "test_the_next_settlement_is_the_next": OF_THEN,
    "test_wrong_keys_are_called_so_and_shown_nowhere": NO_KEYS,
    "test_an_account_without_keys_is_refused_before_anything_is_sent": NO_KEYS,
    "test_a_venue_that_is_away_is_an_error_and_leaves_nothing": NO_START,
    "test_a_reload_that_fails_keeps_the_old": NO_START,
    "test_health_is_told": NO_START,
}


@attrs.define
class Asking:
    """What the adapter is asking ccxt for."""

    method: str = ""
    symbol: str = ""


def recorded(cls: type[CCXTAdapter], asking: Asking) -> type[CCXTAdapter]:
    """The adapter with the recorded markets, saying what it asks for."""

    class Recorded(cls):  # type: ignore[misc, valid-type]
        async def connect(self) -> None:
            venue, client = self.venue.id, self.client
            client.timeout_on_exit = 0
            if venue == "kucoin":
                client.options["uta"] = False  # a classic account: the answer that says so is recorded nowhere
            markets = fixtures("markets", venue, str)
            client.set_markets(list(markets.values()), fixtures("currencies", venue, str) or None)
            client.markets_loading = _loaded(client.markets)
            self.take_markets()

        async def get_symbols(self) -> SymbolList:
            listed: SymbolList = self.take_markets()
            return listed

        async def call(self, method: str, *args: Any, **more: Any) -> Any:
            first = args[0] if args else ""
            asking.method = re.sub(r"_(\w)", lambda found: found[1].upper(), method).replace("Ohlcv", "OHLCV")
            asking.symbol = str(first[0] if isinstance(first, list) and first else first or asking.symbol)
            return await super().call(method, *args, **more)

    Recorded.__name__, Recorded.__module__ = cls.__name__, cls.__module__
    return Recorded


def cases_by_symbol(venue: str) -> Mapping[tuple[str, str], Any]:
    """(method, symbol) → recorded body; the symbol is "" where a case is about all."""
    found: dict[tuple[str, str], Any] = {}
    for method, rows in (fixtures("response", venue) or {"methods": {}})["methods"].items():
        for case in rows:
            if case.get("disabled") is True or case.get("options"):
                continue
            named = [one for given in case["input"] for one in (given if isinstance(given, list) else [given])]
            parsed = case["parsedResponse"]
            row = next(iter(parsed), None) if isinstance(parsed, list) else parsed
            named += [row.get("symbol")] if isinstance(row, dict) else []
            for name in {name for name in named if isinstance(name, str) and "/" in name} or {""}:
                found.setdefault((method, name), case["httpResponse"])
    return found


def favourites(venue: str, cases: Mapping[tuple[str, str], Any]) -> Mapping[MarketKind, str]:
    """For each market kind the symbol of which most is recorded."""
    markets = fixtures("markets", venue, str)
    counted: Counter[tuple[MarketKind, str]] = Counter()
    for _, name in cases:
        if (market := markets.get(name)) is not None and not market["expiry"]:
            kind = (
                MarketKind.SPOT
                if market["spot"]
                else MarketKind.INVERSE_SWAP
                if market["inverse"]
                else MarketKind.LINEAR_SWAP
            )
            counted[kind, name] += 1
    return {kind: name for (kind, name), _ in reversed(counted.most_common())}


def recorded_venue(
    cls: type[CCXTAdapter], more: Mapping[str, str] | None = None
) -> tuple[type[CCXTAdapter], Callable[[], AbstractAsyncContextManager[VenueUnderTest]]]:
    """The adapter's class and the venue, for a conformance test; ``more`` is what else cannot be shown, and why."""
    asking, venue = Asking(), cls.venue.id
    cases = cases_by_symbol(venue)
    symbols = favourites(venue, cases)
    unshown = {**UNSHOWN, **(more or {})}
    for kind in KINDS:
        unshown[f"test_a_failed_request_is_an_error_and_not_an_empty_answer[get_symbols-{kind.value}]"] = NO_START
        for operation, method in METHODS.items():
            if (method, symbols.get(kind, "")) not in cases and (method, "") not in cases:
                unshown[f"test_every_claimed_call_answers[{operation.value}-{kind.value}]"] = "no answer is recorded"

    @asynccontextmanager
    async def opened() -> AsyncIterator[VenueUnderTest]:
        local = Local()

        def answer(request: web.Request) -> Any:
            body = cases.get((asking.method, asking.symbol), cases.get((asking.method, "")))
            if body is None:
                local.status = 404
                return {"message": "nothing is recorded"}
            local.status = 200
            return body

        def fail(status: int, *, retry_after: float | None = None) -> None:
            def refuse(request: web.Request) -> Any:
                local.status = status
                return {}

            local.answer = refuse
            local.headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}

        def garble() -> None:
            local.answer, local.status = '{"code": 0, "data": [[[', 200

        def restore() -> None:
            local.answer, local.headers = answer, {}

        restore()
        async with reachable(local) as url:
            yield VenueUnderTest(
                config={"base_url": url, "api_key": KEY, "secret_key": SECRET, "passphrase": WORD, "timeout": 3.0},
                symbols=symbols,
                requests=lambda: sum("Upgrade" not in one.headers for one in local.asked),  # a socket is no request
                faults=Faults(restore=restore, fail=fail, garble=garble),
                not_evaluated=unshown,
            )

    return recorded(cls, asking), opened

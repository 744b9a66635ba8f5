"""Messages of the real venues as seeds: what was recorded of their answers and of their sockets (`FRA_FIXTURES`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final

from captures import lines, recordings
from ccxt_local import fixtures
from fuzz_mutations import Seed, encode, trimmed

FRAMES: Final = 4
"""Of one capture."""
MESSAGES: Final = 4
"""Of one route, or of one path."""
LONGEST: Final = 20_000

CCXT: Final[Mapping[str, str]] = {
    "get_orderbook": "fetchOrderBook",
    "get_ticker": "fetchTicker",
    "get_tickers": "fetchTickers",
    "get_trades": "fetchTrades",
    "get_klines": "fetchOHLCV",
    "get_funding_rate": "fetchFundingRate",
    "get_funding_rates": "fetchFundingRates",
    "get_funding_rate_history": "fetchFundingRateHistory",
    "get_balance": "fetchBalance",
    "get_positions": "fetchPositions",
    "create_order": "createOrder",
    "create_market_order": "createOrder",
    "cancel_order": "cancelOrder",
    "cancel_all_orders": "cancelAllOrders",
    "get_order": "fetchOrder",
    "get_open_orders": "fetchOpenOrders",
    "get_order_history": "fetchClosedOrders",
    "get_trade_history": "fetchMyTrades",
    "get_funding_payments": "fetchFundingHistory",
    "set_leverage": "setLeverage",
    "set_margin_mode": "setMarginMode",
    "set_position_mode": "setPositionMode",
}
"""Our methods by ccxt's names, by which answers are recorded."""


def answers_to(venue: str, method: str) -> list[Seed]:
    """Recorded answers to a method, by its name in fra's interface."""
    cases = (fixtures("response", venue, float) or {"methods": {}})["methods"].get(CCXT.get(method, ""), ())
    return [Seed(encode(trimmed(case["httpResponse"]))) for case in cases if case.get("disabled") is not True]


@cache
def answers_at(venue: str) -> Mapping[tuple[str, str], Sequence[Seed]]:
    """Recorded answers by HTTP method and path."""
    found: dict[tuple[str, str], list[Seed]] = {}
    for path in recordings(f"{venue}/samples-rest/*", f"{venue}/*-rest-recorded/*"):
        for line in lines(path):
            if "path" in line and len(line["raw"]) <= LONGEST:
                known = found.setdefault((line.get("method", "GET"), line["path"].partition("?")[0]), [])
                if len(known) < MESSAGES and (seed := _seed(line["raw"])) is not None:
                    known.append(seed)
    return found


def frames_of(venue: str, wanted: Callable[[bytes], bool]) -> list[Seed]:
    """Recorded frames for which ``wanted`` holds; it may raise over those that it cannot read."""
    found: list[Seed] = []
    for frame in _frames(venue):
        try:
            if wanted(frame):
                found.append(Seed(frame))
        except Exception:  # one of another channel
            continue
    return found[:: max(1, len(found) // MESSAGES)][:MESSAGES]


@cache
def _frames(venue: str) -> Sequence[bytes]:
    return [
        seed.text
        for path in recordings(f"{venue}/*/*.jsonl*")
        if "legacy" not in path.parent.name
        and "-rest" not in path.parent.name
        and "instruments" not in path.parent.name
        for raw in islice(_received(lines(path)), None if path.parent.name.startswith("samples") else FRAMES)
        if len(raw) <= LONGEST and (seed := _seed(raw)) is not None
    ]


def _received(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        for step in row.get("steps", (row,)):
            if step.get("dir", "recv") in ("recv", "push") and "raw" in step:
                yield step["raw"]


def _seed(raw: str) -> Seed | None:
    """Without the spaces that documentation has and no venue sends."""
    try:
        return Seed(json.dumps(json.loads(raw), separators=(",", ":")) if "\n" in raw or '": ' in raw else raw)
    except ValueError:
        return None

"""The emulator's venues as fra-testkit wants them: what the adapter is pointed at, counters, the truth, switches."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from traders import configured, emulator, new_account

from fra.core import Symbol
from fra.emulator import Account, OrderAction, Venue
from fra.matching import Side as TrueSide
from fra.testkit import Faults, Refusal, VenueUnderTest

STALE_AFTER = 2.0
_GARBAGE = '{"code": 0, "data": [[['
_INTERVAL_S = 0.2


@asynccontextmanager
async def emulated(
    name: str, *, plugin: str | None = None, settings: Mapping[str, Any] | None = None, **fields: Any
) -> AsyncIterator[VenueUnderTest]:
    """One emulated venue with an account that may trade; ``fields`` are of the VenueUnderTest."""
    given = {"funding_push_s": _INTERVAL_S, "okx_connects_per_s": 50, "step_ms": 50, **(settings or {})}
    async with emulator(name, **given) as running:
        venue, account = running.venues[name], new_account()
        venue.open_account(account)
        options = {"staleness": STALE_AFTER, **({} if plugin else {"retries": 0}), **fields.pop("options", {})}
        config = configured(venue, account, plugin=plugin or name, options=options, timeout=3.0)
        yield VenueUnderTest(
            config=config,
            may_trade=True,
            requests=lambda: venue.stats.requests,
            order_requests=lambda: _placed(venue),
            bought=lambda symbol: _bought(venue, account, symbol),
            faults=switches(venue, None if plugin else WORDS.get(name)),
            stale_after=STALE_AFTER,
            **fields,
        )


WORDS: Mapping[str, Refusal] = {
    "binance": Refusal("-1999", {"code": -1999, "msg": "refused"}),
    "okx": Refusal("59999", {"code": "59999", "msg": "refused", "data": []}),
    "bybit": Refusal("19999", {"retCode": 19999, "retMsg": "refused", "result": {}}),
    "htx": Refusal("1999", {"status": "error", "err-code": "1999", "err-msg": "refused", "err_code": 1999}),
}
"""How each venue words a refusal, with a code that means nothing: the HTTP status says what it is."""


def switches(venue: Venue, refusal: Refusal | None = None) -> Faults:
    """The emulator's switches by the kit's names; ``refusal`` is what it says when it fails."""

    def restore() -> None:
        venue.answer_normally()
        venue.speak_again()
        venue.order_faults.clear()
        for market, symbol in frozen:
            venue.freeze_book(market, symbol, frozen=False)
        frozen.clear()

    def fail(status: int, *, retry_after: float | None = None) -> None:
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        venue.answer_with(status, "{}" if refusal is None else json.dumps(refusal.body), headers=headers)

    def hold(symbol: Symbol) -> None:
        frozen.append((symbol.market, symbol.venue_id))
        venue.freeze_book(symbol.market, symbol.venue_id)

    def lose(symbol: Symbol) -> None:
        for _ in venue.connections:  # whichever of them is still subscribed to the book loses one
            venue.drop_next_delta(symbol.market, symbol.venue_id)

    frozen: list[tuple[str, str]] = []
    return Faults(
        restore=restore,
        fail=fail,
        refusal=None if refusal is None else lambda status: refusal,
        garble=venue.answer_garbage,
        cut=venue.cut,
        silence=venue.go_silent,
        garble_sockets=lambda: venue.push_raw(_GARBAGE),
        lose_book_update=lose,
        hold_book=hold,
        lose_order_reply=venue.order_faults.lose_replies,
        lose_order_request=venue.order_faults.lose_requests,
    )


def _placed(venue: Venue) -> int:
    pattern = venue.order_paths[OrderAction.PLACE]
    return sum(count for call, count in venue.stats.by_call.items() if pattern.fullmatch(call))


def _bought(venue: Venue, account: Account, symbol: Symbol) -> Decimal:
    fills = venue.exchange.engine.fills(account.name, f"{symbol.market}:{symbol.venue_id}")
    return sum((fill.amount if fill.side is TrueSide.BUY else -fill.amount for fill in fills), Decimal(0))

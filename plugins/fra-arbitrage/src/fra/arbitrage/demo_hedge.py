"""The end of `fra demo`: a hedge on two emulated venues, a funding settlement, and what was received of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from fra.arbitrage.hedge.opening import prepare, report, send
from fra.arbitrage.hedge.outcome import Holding, Outcome, Result
from fra.arbitrage.hedge.plan import HedgeRequest
from fra.arbitrage.hedge.present import plan_fields, plan_table
from fra.arbitrage.hedge.size import Size
from fra.arbitrage.receipts import Held, Receipt, Settlement, reconcile, totals
from fra.arbitrage.scan import Spreads
from fra.arbitrage.spread import Spread, ranked
from fra.cli import figures, json_lines
from fra.cli.account import account_of
from fra.cli.exit_codes import CommandFailed
from fra.cli.placement import to_its_end
from fra.cli.table import Column, Table, say, show
from fra.core import FraError, Operation

if TYPE_CHECKING:
    from fra.cli.session import Session

# A settlement further off is not waited for.
_PATIENCE: Final = 90.0
_BOOKED_WITHIN: Final = 15.0
_LOOK: Final = 0.25
_CLOSE_TO: Final = 2.0


async def tradable(session: Session) -> set[str]:
    """The exchanges whose adapter trades, with credentials that the venue takes. Play accounts only."""

    async def trades(name: str) -> bool:
        if not session.config(name).has_credentials:
            return False
        try:
            handle = await session.handle(name)
            if not handle.capabilities.support(Operation.CREATE_ORDER) or account_of(handle, session.config(name)).live:
                return False
            await handle.get_balance()
        except FraError:
            return False
        return True

    answers = await asyncio.gather(*map(trades, session.names))
    return {name for name, answer in zip(session.names, answers, strict=True) if answer}


def best(rows: Iterable[Spread], venues: set[str]) -> Spread | None:
    """The first ranked row of which both legs can be traded."""
    return next((row for row in rows if ranked(row) and {quote.exchange for quote in row.quotes} <= venues), None)


async def show_settled_hedge(session: Session, spreads: Spreads, *, as_json: bool) -> None:
    """Open the best hedge that can be traded, wait for the next settlement, and show received against expected.

    A venue that refuses its leg is left out, and the next best hedge is tried. Raises what ends with a naked leg.
    """
    venues = await tradable(session)
    while (row := best(spreads.rows, venues)) is not None:
        opened_ms = _now_ms()
        result = await _open(session, row, spreads.request.size, as_json=as_json)
        if result is None:
            return
        if result.outcome is not Outcome.FLAT:
            await _settle(session, result, opened_ms, as_json=as_json)
            return
        venues -= {leg.exchange for leg in result.legs if not leg.entry.least}
    say("fra: no two of these venues have an account that trades: no hedge is open")


async def _open(session: Session, row: Spread, size: Decimal, *, as_json: bool) -> Result | None:
    """Plan and open one hedge; None when the plan says no."""
    opening = await prepare(
        session, row.long.symbol.name, row.long.exchange, row.short.exchange, HedgeRequest(size=Size(size))
    )
    if as_json:
        json_lines.write("hedge-plan/1", **plan_fields(opening.hedge, opening.plan))
    else:
        show(plan_table(opening.hedge, opening.plan))
    stops = (*opening.hedge.problems, *opening.hedge.obstacles)
    if stops:
        say(f"fra: this hedge is not opened: {'; '.join(stops)}")
        return None
    result = await to_its_end(send(opening, secrets.token_hex(16)), what="the hedge is on its way")
    try:
        report(result, opening.accounts, as_json=as_json)
    except CommandFailed as failure:
        if result.outcome is not Outcome.FLAT:
            raise
        say(f"fra: {failure}")
    return result


async def _settle(session: Session, result: Result, opened_ms: int, *, as_json: bool) -> None:
    found = await asyncio.gather(*(_receipts(session, _held(leg), opened_ms) for leg in result.legs))
    write([receipt for receipts in found for receipt in receipts], as_json=as_json)


def _held(leg: Holding) -> Held:
    return Held(exchange=leg.exchange, symbol=leg.symbol, side=leg.side, amount=leg.least)


async def _receipts(session: Session, leg: Held, opened_ms: int) -> list[Receipt]:
    """Wait for the next settlement of one leg, and then until it is booked. Too far off: it stays pending."""
    handle, name = await session.handle(leg.exchange), leg.symbol.name
    rate = await handle.get_funding_rate(name)
    due_ms = rate.next_settlement_ms
    if due_ms is None:
        say(f"fra: {leg.exchange}: it is not known when {name} settles next")
        return []
    left = (due_ms - _now_ms()) / 1000
    if left <= _PATIENCE:
        say(f"fra: {leg.exchange}: {name} settles in {figures.duration(left)}")
        await asyncio.sleep(max(0.0, left - _CLOSE_TO))
        rate = await handle.get_funding_rate(name)
    mark = rate.mark_price or (await handle.get_orderbook(name)).mid
    settlement = Settlement(at_ms=due_ms, rate=rate.rate, mark_price=mark)
    deadline = time.monotonic() + max(0.0, (due_ms - _now_ms()) / 1000) + _BOOKED_WITHIN
    receipts = reconcile(leg, [settlement], ())
    while left <= _PATIENCE and any(receipt.pending for receipt in receipts) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK)
        try:
            payments = await handle.get_funding_payments(name, since=opened_ms)
        except FraError as error:
            say(f"fra: {error}")
            break
        receipts = reconcile(leg, [settlement], payments)
    return receipts


def write(receipts: Sequence[Receipt], *, as_json: bool) -> None:
    """The receipts as a table, or as one JSON object."""
    sums = totals(receipts)
    if as_json:
        json_lines.write(
            "receipts/1",
            rows=[
                {
                    "exchange": receipt.held.exchange,
                    "symbol": receipt.held.symbol.name,
                    "side": receipt.held.side,
                    "amount": receipt.held.amount,
                    "settled_ms": receipt.at_ms,
                    "asset": receipt.asset,
                    "expected": receipt.expected,
                    "received": receipt.received,
                    "difference": receipt.difference,
                    "state": "pending" if receipt.pending else "received",
                    "cause": receipt.cause,
                }
                for receipt in receipts
            ],
            totals=sums,
        )
        return
    columns = [
        Column[Receipt]("EXCHANGE", lambda row: row.held.exchange),
        Column[Receipt]("SYMBOL", lambda row: row.held.symbol.name),
        Column[Receipt]("LEG", lambda row: row.held.side.value, weight=6),
        Column[Receipt]("SETTLED", lambda row: figures.moment(row.at_ms), weight=3),
        Column[Receipt]("COIN", lambda row: row.asset, weight=5),
        Column[Receipt]("EXPECTED", lambda row: _money(row.expected), right=True),
        Column[Receipt]("RECEIVED", lambda row: "pending" if row.pending else _money(row.received), right=True),
        Column[Receipt]("DIFFERENCE", lambda row: _money(row.difference), right=True, weight=7),
        Column[Receipt]("CAUSE", lambda row: row.cause, wrap=True),
    ]
    footer = [
        f"funding of both legs: {_money(total.received)} {total.asset} received, "
        f"{_money(total.expected)} expected{f', {total.pending} pending' if total.pending else ''}"
        for total in sums
    ]
    show(Table(columns, receipts, ["", *footer]))


def _money(value: Decimal | None) -> str:
    return figures.UNKNOWN if value is None else f"{round(value, 6):+f}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
